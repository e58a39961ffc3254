#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class DivergenceContractTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    matrix_.emplace(HostMatrix{3, 10, std::vector<float>(30, 1.0f)}, stream());
    gradient_.emplace(3, 10, stream());
    labels_ = Buffer<std::int32_t>::zeros(3, stream());
    logs_ = Buffer<Float16>(30, stream());
    rest_ = Buffer<float>::zeros(3, stream());
    workspace_ = Buffer<std::byte>::zeros(loss_workspace_bytes(3), stream());
    in.student = matrix_->cview();
    in.teacher = LogitsView(matrix_->cview());
    in.targets = HardTargets{labels_.cspan()};
    classes_ = Buffer<std::int32_t>::zeros(9, stream());
    cache = {3, classes_.cspan(), logs_.cspan().first(9), rest_.cspan(), 4.0f};
  }
  void says(const std::string& part) {
    const std::string message = message_of<InvalidArgument>(
        [&] { distillation_loss(in, options, {.gradient = gradient_->view()}, workspace_.span(), stream()); });
    EXPECT_NE(message.find(part), std::string::npos) << "got: " << message << "\nexpected: " << part;
    for (const float x : gradient_->to_host().values) ASSERT_TRUE(std::isnan(x)) << "written";
  }

  std::optional<BackendMatrix> matrix_, gradient_;
  Buffer<std::int32_t> labels_{}, classes_{};
  Buffer<Float16> logs_{};
  Buffer<float> rest_{};
  Buffer<std::byte> workspace_{};
  DistillationInput in;
  DistillationOptions options;
  TopKTeacher cache;
};
LEAVEN_ON_BOTH_BACKENDS(DivergenceContractTest);

TEST_P(DivergenceContractTest, Divergences) {
  for (const float beta : {0.0f, 1.0f, -0.5f, kNan}) {
    options.divergence = JensenShannon{beta};
    says("distillation_loss: beta is ");
  }
  for (const float weight : {-1.0f, kNan, kInfinity}) {
    options.divergence = DecoupledKl{weight, 1.0f};
    says("distillation_loss: target_weight is ");
    options.divergence = DecoupledKl{1.0f, weight};
    says("distillation_loss: other_weight is ");
  }
  options.divergence = DecoupledKl{};
  options.hard_weight = 0.0f;
  in.targets.reset();
  says("distillation_loss: targets are no HardTargets");
  in.targets = SoftTargets{matrix_->cview()};
  says("distillation_loss: targets are no HardTargets");
  options = {.temperature = 1e-25f, .factor = TemperatureFactor::none};
  says("distillation_loss: temperature is 1e-25");
}

TEST_P(DivergenceContractTest, Teachers) {
  std::vector<WeightedTeacher> teachers;
  in.teacher = std::span<const WeightedTeacher>(teachers);
  says("distillation_loss: teacher has 0 teachers, expected 1 to 8");
  teachers.assign(9, {matrix_->cview(), 1.0f});
  in.teacher = std::span<const WeightedTeacher>(teachers);
  says("distillation_loss: teacher has 9 teachers, expected 1 to 8");
  teachers.resize(3);
  in.teacher = std::span<const WeightedTeacher>(teachers);
  for (const float weight : {-1.0f, kNan, kInfinity}) {
    teachers[2].weight = weight;
    says("distillation_loss: weight of teacher[2] is ");
  }
  for (WeightedTeacher& teacher : teachers) teacher.weight = 0.0f;
  says("distillation_loss: weights of the teachers add up to 0");
  teachers[0].weight = 1.0f;
  teachers[1].logits.columns = 9;
  says("distillation_loss: teacher[1] has shape 3x9, expected 3x10 (as student)");
  teachers[1].logits = LogitsView(gradient_->cview());
  says("distillation_loss: out.gradient overlaps teacher[1]");
}

TEST_P(DivergenceContractTest, Caches) {
  const auto with = [&](auto change, const std::string& part) {
    TopKTeacher bad = cache;
    change(bad);
    in.teacher = bad;
    says(part);
  };
  with([](TopKTeacher& t) { t.k = 0; }, "distillation_loss: teacher.k is 0, expected 1 to 10");
  with([](TopKTeacher& t) { t.k = 11; }, "distillation_loss: teacher.k is 11, expected 1 to 10");
  with([](TopKTeacher& t) { t.classes = t.classes.first(8); }, "teacher.classes has 8 values, expected 9");
  with([](TopKTeacher& t) { t.log_probabilities = t.log_probabilities.first(8); },
       "teacher.log_probabilities has 8 values, expected 9");
  with([](TopKTeacher& t) { t.rest = t.rest.first(2); }, "teacher.rest has 2 values, expected 3");
  with([](TopKTeacher& t) { t.temperature = 3.0f; }, "teacher.temperature is 3, expected 4 (as options.temperature)");
  options.standardise = Standardise::yes;
  with([](TopKTeacher&) {}, "standardise is yes, expected no with a TopKTeacher");
  options.standardise = Standardise::no;
  options.divergence = DecoupledKl{};
  with([](TopKTeacher&) {}, "divergence is DecoupledKl, expected another one with a TopKTeacher");
}

TEST_P(DivergenceContractTest, CompressTeacher) {
  Buffer<std::int32_t> classes(9, stream());
  Buffer<Float16> logs(9, stream());
  Buffer<float> rest(3, stream());
  const TopKOutput good{3, classes.span(), logs.span(), rest.span()};
  const auto with = [&](auto change, float temperature, const std::string& part) {
    TopKOutput bad = good;
    change(bad);
    const std::string message =
        message_of<InvalidArgument>([&] { compress_teacher(matrix_->cview(), temperature, bad, stream()); });
    EXPECT_NE(message.find(part), std::string::npos) << "got: " << message;
  };
  with([](TopKOutput&) {}, 0.0f, "compress_teacher: temperature is 0");
  with([](TopKOutput& o) { o.k = 0; }, 1.0f, "compress_teacher: out.k is 0, expected 1 to 10");
  with([](TopKOutput& o) { o.k = 11; }, 1.0f, "compress_teacher: out.k is 11, expected 1 to 10");
  with([](TopKOutput& o) { o.classes = o.classes.first(8); }, 1.0f, "out.classes has 8 values, expected 9");
  with([](TopKOutput& o) { o.log_probabilities = {}; }, 1.0f, "out.log_probabilities has 0 values, expected 9");
  with([](TopKOutput& o) { o.rest = o.rest.first(1); }, 1.0f, "out.rest has 1 values, expected 3");
}

}  // namespace
}  // namespace leaven::test
