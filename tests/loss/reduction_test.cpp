#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class LossReductionTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossReductionTest);

double sum_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += double{value};
  return sum;
}

HostTargets labels_with_ignored(std::int64_t rows, std::int64_t classes, std::int64_t* valid) {
  HostTargets targets{.a = some_labels(rows, classes)};
  *valid = rows;
  for (std::int64_t r = 0; r < rows; r += 3, --*valid) targets.a[static_cast<std::size_t>(r)] = kIgnoreLabel;
  return targets;
}

TEST_P(LossReductionTest, EachDivisorIsTheOneItsNameSays) {
  for (const std::int64_t rows : {1, 2, 31, 33, 257, 5000}) {
    for (const std::int64_t classes : {1, 10, 33, 600}) {
      if (rows * classes > 200000) continue;
      const HostMatrix logits = normal_matrix(rows, classes, 4.0f, 71);
      std::int64_t valid = 0;
      const HostTargets targets = labels_with_ignored(rows, classes, &valid);
      const LossResult none = run_cross_entropy(logits, targets, {.reduction = Reduction::none}, stream());
      const double sum = sum_of(none.row_losses);
      for (const auto& [reduction, divisor] :
           {std::pair{Reduction::sum, std::int64_t{1}}, {Reduction::mean_valid, valid}, {Reduction::mean_all, rows}}) {
        const LossResult got = run_cross_entropy(logits, targets, {.reduction = reduction}, stream());
        const double expected = divisor > 0 ? sum / static_cast<double>(divisor) : 0;
        EXPECT_NEAR(got.loss, expected, 1e-6 * std::fabs(expected)) << rows << "x" << classes;
        EXPECT_EQ(got.valid_rows, valid);
        expect_same_bits(got.row_losses, none.row_losses, "row losses are before the reduction");
        for (std::size_t i = 0; i < got.gradient.values.size(); ++i) {
          const double g = divisor > 0 ? double{none.gradient.values[i]} / static_cast<double>(divisor) : 0;
          ASSERT_NEAR(got.gradient.values[i], g, 2e-7 * std::fabs(g) + 1e-9);
        }
      }
    }
  }
}

TEST_P(LossReductionTest, ManyRowsAddUpAccurately) {
  const std::int64_t rows = on_cuda() ? 50000 : 1000000;
  const HostMatrix student = normal_matrix(rows, 2, 4.0f, 72);
  const HostMatrix teacher = normal_matrix(rows, 2, 4.0f, 73);
  const LossResult got =
      run_distillation(student, teacher, {}, {.hard_weight = 0.0f, .reduction = Reduction::sum}, stream());
  EXPECT_NEAR(got.loss / sum_of(got.row_losses), 1.0, 5e-7);
}

TEST_P(LossReductionTest, ValidRowsOfDenseTargetsAreThoseWithAWeight) {
  const HostMatrix logits = normal_matrix(70, 150, 4.0f, 74);
  HostTargets targets;
  targets.soft = HostMatrix{70, 150, std::vector<float>(70 * 150, 0.0f)};
  for (std::int64_t r = 0; r < 70; r += 2) targets.soft->at(r, r) = 0.5f;
  const LossResult got = run_cross_entropy(logits, targets, {}, stream());
  EXPECT_EQ(got.valid_rows, 35);
  EXPECT_NEAR(got.loss, sum_of(got.row_losses) / 35, 1e-5);
}

// The workspace is zeroed once; each call leaves it ready, whatever the call before was.
TEST_P(LossReductionTest, AWorkspaceServesCallAfterCall) {
  const HostMatrix logits = normal_matrix(1000, 10, 4.0f, 75);
  std::int64_t valid = 0;
  const HostTargets host_targets = labels_with_ignored(1000, 10, &valid);
  const BackendMatrix in(logits, stream());
  const BackendTargets targets(host_targets, stream());
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(1000), stream());
  Buffer<float> loss(1, stream());
  Buffer<std::int32_t> count(1, stream());
  std::vector<float> losses;
  for (const Reduction reduction :
       {Reduction::mean_valid, Reduction::sum, Reduction::mean_valid, Reduction::mean_all, Reduction::mean_valid}) {
    const LossOutput out{.loss = loss.data(), .valid_rows = count.data()};
    cross_entropy(in.cview(), targets.get(), {.reduction = reduction}, out, workspace.span(), stream());
    losses.push_back(loss.to_host(stream())[0]);
    EXPECT_EQ(count.to_host(stream())[0], valid);
  }
  EXPECT_EQ(losses[0], losses[2]);
  EXPECT_EQ(losses[0], losses[4]);
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NE(losses[0], losses[3]);
}

TEST_P(LossReductionTest, OutputsThatAreNotAskedForChangeNothing) {
  const HostMatrix student = normal_matrix(40, 33, 4.0f, 76);
  const HostMatrix teacher = normal_matrix(40, 33, 4.0f, 77);
  const HostTargets labels{.a = some_labels(40, 33)};
  const LossResult all = run_distillation(student, teacher, labels, {}, stream());
  const BackendMatrix s(student, stream());
  const BackendMatrix t(teacher, stream());
  const BackendTargets targets(labels, stream());
  const DistillationInput in{.student = s.cview(), .teacher = t.cview(), .targets = targets.get()};
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(40), stream());
  const auto run = [&](const LossOutput& out) { distillation_loss(in, {}, out, workspace.span(), stream()); };

  Buffer<float> loss(1, stream());
  run({.loss = loss.data()});
  EXPECT_EQ(loss.to_host(stream())[0], all.loss);
  const BackendMatrix gradient(40, 33, stream());
  run({.gradient = gradient.view()});
  expect_same_bits(gradient.to_host().values, all.gradient.values, "gradient alone");
  Buffer<float> row_losses(40, stream());
  run({.row_losses = row_losses.span()});
  expect_same_bits(row_losses.to_host(stream()), all.row_losses, "row losses alone");
  run({});
  stream().synchronize();
}

TEST_P(LossReductionTest, InPlaceGivesTheSameGradient) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {2, 10, 100, 129, 700, 1500, 4100}) {
      for (const std::int64_t padding : {0, 3}) {
        const HostMatrix student = normal_matrix(21, classes, 4.0f, 78);
        const HostMatrix teacher = normal_matrix(21, classes, 4.0f, 79);
        const HostTargets labels{.a = some_labels(21, classes)};
        const DistillationOptions options{.label_smoothing = 0.1f};
        const LossResult apart = run_distillation(student, teacher, labels, options, stream());
        const BackendMatrix s(student, stream(), padding);
        const BackendMatrix t(teacher, stream());
        const BackendTargets targets(labels, stream());
        Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(21), stream());
        distillation_loss({.student = s.cview(), .teacher = t.cview(), .targets = targets.get()}, options,
                          {.gradient = s.view(), .in_place = InPlace::yes}, workspace.span(), stream());
        expect_same_bits(s.to_host().values, apart.gradient.values, isa + ", " + std::to_string(classes) + " classes");
        s.expect_only_matrix_written();
      }
    }
  });
}

// Two matrices that are the halves of one: their rows interleave, no element is shared.
TEST_P(LossReductionTest, ColumnBlocksOfOneMatrixAreApart) {
  const HostMatrix both = normal_matrix(8, 20, 4.0f, 80);
  const BackendMatrix m(both, stream());
  const MatrixView<float> left{m.view().data, 8, 10, 20};
  const MatrixView<float> right{m.view().data + 10, 8, 10, 20};
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(some_labels(8, 10)), stream());
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(8), stream());
  cross_entropy(left, HardTargets{labels.cspan()}, {}, {.gradient = right}, workspace.span(), stream());
  for (std::int64_t r = 0; r < 8; ++r) EXPECT_EQ(m.to_host().row(r)[3], both.row(r)[3]);
}

}  // namespace
}  // namespace leaven::test
