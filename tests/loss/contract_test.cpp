#include <leaven/error.hpp>
#include "tests/loss/loss_support.hpp"

namespace leaven::test {
namespace {

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "the message is \"" << text << "\", expected in it: " << part;
}

// A good call, of which each test spoils one thing.
class LossContractTest : public BackendTest {
 protected:
  static constexpr std::int64_t kRows = 5;
  static constexpr std::int64_t kClasses = 10;

  void SetUp() override {
    BackendTest::SetUp();
    if (IsSkipped()) return;
    logits_.emplace(normal_matrix(kRows, kClasses, 4.0f, 91), stream());
    teacher_.emplace(normal_matrix(kRows, kClasses, 4.0f, 92), stream());
    gradient_.emplace(kRows, kClasses, stream());
    labels_ = Buffer<std::int32_t>(std::span<const std::int32_t>(some_labels(kRows, kClasses)), stream());
    weights_ = Buffer<float>(std::span<const float>(std::vector<float>(kRows, 0.5f)), stream());
    loss_ = Buffer<float>(std::span<const float>(std::vector<float>{kUntouched}), stream());
    workspace_ = Buffer<std::byte>::zeros(loss_workspace_bytes(kRows), stream());
    targets = HardTargets{labels_.cspan()};
    out = {.loss = loss_.data(), .gradient = gradient_->view()};
    student = logits_->cview();
    teacher = teacher_->cview();
    workspace = workspace_.span();
  }

  // What the call says; nothing may have been written.
  std::string cross_entropy_says() const {
    return says([&] { cross_entropy(student, targets, cross_entropy_options, out, workspace, stream()); });
  }
  std::string distillation_says() const {
    return says([&] {
      distillation_loss({.student = student, .teacher = teacher, .targets = distillation_targets}, options, out,
                        workspace, stream());
    });
  }
  std::string says(const std::function<void()>& call) const {
    const std::string text = message_of<InvalidArgument>(call);
    EXPECT_EQ(loss_.to_host(stream())[0], kUntouched);
    for (const float g : gradient_->to_host().values) EXPECT_TRUE(std::isnan(g));
    return text;
  }

  static constexpr float kUntouched = 12345.0f;
  MatrixView<const float> student, teacher;
  Targets targets;
  std::optional<Targets> distillation_targets{};
  CrossEntropyOptions cross_entropy_options{};
  DistillationOptions options{.hard_weight = 0.0f};
  LossOutput out{};
  std::span<std::byte> workspace;

  std::optional<BackendMatrix> logits_, teacher_, gradient_;
  Buffer<std::int32_t> labels_;
  Buffer<float> weights_, loss_;
  Buffer<std::byte> workspace_;
};
LEAVEN_ON_BOTH_BACKENDS(LossContractTest);

TEST_P(LossContractTest, ShapesOfLogits) {
  const MatrixView<const float> good = student;
  student.rows = -1;
  expect_part(cross_entropy_says(), "cross_entropy: logits has shape -1x10");
  student = good;
  student.columns = 0;
  expect_part(cross_entropy_says(), "logits has shape 5x0");
  student = good;
  student.row_stride = 9;
  expect_part(cross_entropy_says(), "logits has row stride 9, expected at least its 10 columns");
  student = good;
  student.data = nullptr;
  expect_part(cross_entropy_says(), "logits is null");
  student.data = reinterpret_cast<const float*>(reinterpret_cast<const char*>(good.data) + 2);
  expect_part(cross_entropy_says(), "logits is not aligned");
}

TEST_P(LossContractTest, SizesOfTargets) {
  const auto labels = labels_.cspan();
  targets = HardTargets{labels.first(4)};
  expect_part(cross_entropy_says(), "cross_entropy: targets.labels has 4 values, expected 5");
  targets = MixedTargets{labels, labels.first(3), weights_.cspan()};
  expect_part(cross_entropy_says(), "targets.b has 3 values, expected 5");
  targets = MixedTargets{labels, labels, weights_.cspan().first(2)};
  expect_part(cross_entropy_says(), "targets.weight_a has 2 values, expected 5");
  targets = SoftTargets{{teacher.data, 5, 9, 10}};
  expect_part(cross_entropy_says(), "targets.weights has shape 5x9, expected 5x10 (as logits)");
  targets = SoftTargets{teacher};
  cross_entropy_options.label_smoothing = 0.1f;
  expect_part(cross_entropy_says(), "label_smoothing is 0.1, expected 0 with soft targets");
}

TEST_P(LossContractTest, Parameters) {
  for (const float bad : {-0.1f, 1.1f, kNan}) {
    cross_entropy_options.label_smoothing = bad;
    expect_part(cross_entropy_says(), "label_smoothing is");
  }
  for (const float bad : {0.0f, -1.0f, kNan, kInfinity}) {
    options = {.temperature = bad, .hard_weight = 0.0f};
    expect_part(distillation_says(), "distillation_loss: temperature is");
  }
  for (const float bad : {-1.0f, kNan, kInfinity}) {
    options = {.hard_weight = bad};
    expect_part(distillation_says(), "hard_weight is");
    options = {.hard_weight = 0.0f, .soft_weight = bad};
    expect_part(distillation_says(), "soft_weight is");
  }
  options = {.hard_weight = 0.5f};
  expect_part(distillation_says(), "hard_weight is 0.5, expected 0 without targets");
  options = {.hard_weight = 0.5f, .label_smoothing = 2.0f};
  distillation_targets = targets;
  expect_part(distillation_says(), "label_smoothing is 2, expected 0 to 1");
}

TEST_P(LossContractTest, TeacherHasTheStudentsShape) {
  teacher.columns = 9;
  expect_part(distillation_says(), "teacher has shape 5x9, expected 5x10 (as student)");
}

TEST_P(LossContractTest, Outputs) {
  const LossOutput good = out;
  Buffer<float> row_losses(4, stream());
  out.row_losses = row_losses.span();
  expect_part(cross_entropy_says(), "out.row_losses has 4 values, expected 5");
  out = good;
  cross_entropy_options.reduction = Reduction::none;
  expect_part(cross_entropy_says(), "out.loss is given, expected null without a reduction");
  cross_entropy_options = {};
  out.gradient.rows = 4;
  expect_part(cross_entropy_says(), "out.gradient has shape 4x10, expected 5x10");
  out = good;
  workspace = workspace.first(workspace.size() - 1);
  expect_part(cross_entropy_says(), "workspace has");
  EXPECT_THROW(loss_workspace_bytes(-1), InvalidArgument);
}

TEST_P(LossContractTest, GradientsOverInputsOnlyWhenAskedForByName) {
  out.gradient = logits_->view();
  expect_part(cross_entropy_says(), "out.gradient overlaps logits");
  out.gradient.data = static_cast<float*>(out.gradient.data) + 1;
  out.gradient.rows = 5;
  out.in_place = InPlace::yes;
  expect_part(cross_entropy_says(), "out.gradient overlaps logits");  // in place, but shifted
  out.gradient = teacher_->view();
  expect_part(distillation_says(), "out.gradient overlaps teacher");
  targets = SoftTargets{teacher};
  expect_part(cross_entropy_says(), "out.gradient overlaps targets.weights");
}

TEST_P(LossContractTest, Softmax) {
  const MatrixView<float> to = gradient_->view();
  for (const float bad : {0.0f, -1.0f, kNan, kInfinity}) {
    expect_part(says([&] { softmax(student, bad, to, stream()); }), "softmax: temperature is");
  }
  MatrixView<float> narrow = to;
  narrow.columns = 9;
  expect_part(says([&] { softmax(student, 1.0f, narrow, stream()); }), "softmax: out has shape 5x9");
  MatrixView<float> shifted = logits_->view();
  shifted.rows = 4;
  MatrixView<const float> part = student;
  part.rows = 4;
  shifted.data += 10;
  expect_part(says([&] { softmax(part, 1.0f, shifted, stream()); }), "out overlaps logits");
}

TEST_P(LossContractTest, PseudoLabel) {
  Buffer<std::int32_t> labels(5, stream());
  Buffer<float> confidence(5, stream());
  Buffer<std::uint8_t> accepted(5, stream());
  const PseudoLabels good{labels.span(), confidence.span(), accepted.span()};
  for (const float bad : {-0.1f, 1.1f, kNan}) {
    expect_part(says([&] { pseudo_label(student, bad, good, stream()); }), "pseudo_label: threshold is");
  }
  PseudoLabels bad = good;
  bad.labels = bad.labels.first(4);
  expect_part(says([&] { pseudo_label(student, 0.5f, bad, stream()); }), "out.labels has 4 values");
  bad = good;
  bad.confidence = {};
  expect_part(says([&] { pseudo_label(student, 0.5f, bad, stream()); }), "out.confidence has 0 values");
  bad = good;
  bad.accepted = bad.accepted.first(1);
  expect_part(says([&] { pseudo_label(student, 0.5f, bad, stream()); }), "out.accepted has 1 values");
}

TEST_P(LossContractTest, SelectAccepted) {
  const Buffer<std::int64_t> ids = Buffer<std::int64_t>::zeros(5, stream());
  const Buffer<std::uint8_t> accepted = Buffer<std::uint8_t>::zeros(5, stream());
  Buffer<std::int64_t> selected(5, stream());
  Buffer<std::int64_t> count(1, stream());
  const std::int64_t bytes = select_accepted_workspace_bytes(5, stream().backend());
  Buffer<std::byte> scratch(bytes, stream());
  expect_part(says([&] {
                select_accepted(ids.cspan(), accepted.cspan().first(4), selected.span(), count.data(), scratch.span(),
                                stream());
              }),
              "select_accepted: accepted has 4 values, expected 5");
  expect_part(says([&] {
                select_accepted(ids.cspan(), accepted.cspan(), selected.span().first(4), count.data(), scratch.span(),
                                stream());
              }),
              "selected has room for 4 ids");
  expect_part(
      says([&] { select_accepted(ids.cspan(), accepted.cspan(), selected.span(), nullptr, scratch.span(), stream()); }),
      "selected_count is null");
  if (bytes > 0) {
    expect_part(
        says([&] { select_accepted(ids.cspan(), accepted.cspan(), selected.span(), count.data(), {}, stream()); }),
        "workspace has 0 bytes");
  }
}

TEST_P(LossContractTest, Accuracy) {
  Buffer<std::int64_t> counts = Buffer<std::int64_t>::zeros(2, stream());
  expect_part(says([&] { accuracy(student, labels_.cspan().first(4), 1, counts.span(), stream()); }),
              "accuracy: labels has 4 values");
  expect_part(says([&] { accuracy(student, labels_.cspan(), 1, counts.span().first(1), stream()); }),
              "accuracy: counts has 1 values");
}

}  // namespace
}  // namespace leaven::test
