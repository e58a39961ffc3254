#include "tests/loss/loss_case.hpp"

// The cross-entropy where several rows are worked on at once: on the CPU tiles, rows side by side, chunks of a row; on
// CUDA the rows of a block, in its shared memory.
namespace leaven::test {
namespace {

class CrossEntropyRowsTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(CrossEntropyRowsTest);

// Round the boundaries of tiles, groups of sixteen columns, rows side by side and chunks.
constexpr std::int64_t kClasses[] = {2,  8,   9,   10,  16,  17,   39,   40,   41,  48,
                                     63, 100, 128, 129, 300, 1000, 1025, 2049, 4100};

struct Kind {
  const char* name;
  TargetKind targets;
  float smoothing;
  bool class_weights;
};
constexpr Kind kKinds[] = {{"hard", TargetKind::hard, 0.0f, false},
                           {"mixed, class weights", TargetKind::mixed, 0.0f, true},
                           {"smoothed, class weights", TargetKind::mixed, 0.2f, true},
                           {"dense", TargetKind::dense, 0.0f, false},
                           {"dense, class weights", TargetKind::dense, 0.0f, true}};

LossCase make_case(const Kind& kind, std::int64_t rows, std::int64_t classes, FloatType type) {
  LossCase x;
  x.student = rounded(normal_matrix(rows, classes, 4.0f, 301), type);
  x.student.at(rows / 2, classes / 2) = -kInfinity;
  x.types = {type, FloatType::f32, type};
  x.targets = some_targets(kind.targets, rows, classes);
  x.smoothing = kind.smoothing;
  for (std::int64_t c = 0; c < classes && kind.class_weights; ++c) {
    x.class_weights.push_back(0.5f + static_cast<float>(c % 3));
  }
  for (std::int64_t r = 0; r < rows; ++r) x.row_weights.push_back(static_cast<float>((r + 2) % 7) * 0.25f);
  return x;
}

HostMatrix row_of(const HostMatrix& m, std::int64_t row) {
  const auto values = m.row(row);
  return {1, m.columns, {values.begin(), values.end()}};
}
LossCase row_of(const LossCase& x, std::int64_t row) {
  const auto r = static_cast<std::size_t>(row);
  LossCase one = x;
  one.student = row_of(x.student, row);
  one.row_weights = {x.row_weights[r]};
  if (x.targets->soft) one.targets->soft = row_of(*x.targets->soft, row);
  if (!x.targets->a.empty()) one.targets->a = {x.targets->a[r]};
  if (!x.targets->b.empty()) one.targets->b = {x.targets->b[r]};
  if (!x.targets->weight_a.empty()) one.targets->weight_a = {x.targets->weight_a[r]};
  return one;
}

// Row losses and gradients of each row by itself.
LossResult one_by_one(const LossCase& x) {
  LossResult all;
  for (std::int64_t r = 0; r < x.student.rows; ++r) {
    const LossResult one = run_loss_case(row_of(x, r), Stream::cpu());
    all.row_losses.push_back(one.row_losses[0]);
    all.gradient.values.insert(all.gradient.values.end(), one.gradient.values.begin(), one.gradient.values.end());
  }
  return all;
}

TEST(CrossEntropyRows, ARowsBitsDoNotDependOnItsNeighboursOrTheLayout) {
  for_each_isa(Stream::cpu(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      for (const Kind& kind : kKinds) {
        for (const FloatType type : kFloatTypes) {
          const LossCase x = make_case(kind, classes > 1000 ? 3 : 35, classes, type);
          const LossResult expected = one_by_one(x);
          for (const std::int64_t padding : {0, 1, 2}) {
            const LossResult got = run_loss_case(x, Stream::cpu(), {.padding = padding, .offset = padding});
            const std::string what = isa + ", " + std::to_string(classes) + " classes, " + kind.name + ", " +
                                     text(x.types) + ", padding " + std::to_string(padding);
            expect_same_bits(got.row_losses, expected.row_losses, what);
            expect_same_bits(got.gradient.values, expected.gradient.values, what);
            if (testing::Test::HasFailure()) return;
          }
        }
      }
    }
  });
}

TEST_P(CrossEntropyRowsTest, ManyRowsGiveTheDefinition) {
  for (const std::int64_t classes : kClasses) {
    for (const Kind& kind : kKinds) {
      for (const FloatType type : kFloatTypes) {
        LossCase x = make_case(kind, classes > 1000 ? 3 : 35, classes, type);
        const std::vector<ExpectedRow> rows = expected_rows(x);
        for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid}) {
          x.reduction = reduction;
          expect_result(run_loss_case(x, stream(), {}), x, rows,
                        std::to_string(classes) + " classes, " + kind.name + ", " + text(x.types));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Dense rows, all valid but those named.
LossCase dense_case(std::int64_t rows, std::int64_t classes, const std::vector<std::int64_t>& ignored) {
  LossCase x;
  x.student = normal_matrix(rows, classes, 4.0f, 302);
  x.targets = HostTargets{};
  x.targets->soft = HostMatrix{rows, classes, std::vector<float>(static_cast<std::size_t>(rows * classes), 0.125f)};
  for (const std::int64_t row : ignored) {
    for (std::int64_t c = 0; c < classes; ++c) x.targets->soft->at(row, c) = c % 2 == 0 ? 0.0f : -0.0f;
  }
  x.reduction = Reduction::mean_valid;
  return x;
}

TEST_P(CrossEntropyRowsTest, IgnoredDenseRowsDoNotCountWhereverTheyStand) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {10, 100, 1000}) {
    const std::int64_t rows = 40000 / classes;
    for (const std::vector<std::int64_t>& ignored :
         std::vector<std::vector<std::int64_t>>{{}, {0}, {rows - 1}, {rows / 2, rows / 2 + 1}, {0, rows - 1}}) {
      LossCase x = dense_case(rows, classes, ignored);
      const std::vector<ExpectedRow> expected = expected_rows(x);
      for (const int threads : {1, 2}) {
        set_cpu_threads(threads);
        const LossResult got = run_loss_case(x, stream());
        expect_result(got, x, expected, std::to_string(classes) + " classes");
        EXPECT_EQ(got.status, 0u);
        EXPECT_EQ(got.valid_rows, rows - static_cast<std::int64_t>(ignored.size()));
      }
    }
  }
  set_cpu_threads(before);
}

TEST_P(CrossEntropyRowsTest, ABadDenseWeightAnywhereMakesTheRowAnIgnoredOne) {
  for (const std::int64_t classes : {3, 10, 41, 100, 1000, 2049, 4100}) {
    for (const std::int64_t column : {std::int64_t{0}, classes / 2, classes - 1}) {
      for (const float bad : {-1.0f, -1e-45f, kNan, -kNan, kInfinity, -kInfinity}) {
        LossCase x = dense_case(7, classes, {});
        x.targets->soft->at(4, column) = bad;
        x.student.at(4, 0) = kNan;
        const LossResult got = run_loss_case(x, stream());
        expect_definition(got, x, std::to_string(classes) + " classes, weight " + std::to_string(bad));
        EXPECT_EQ(got.status, kWeightOutOfRange);
        EXPECT_EQ(got.valid_rows, 6);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(CrossEntropyRowsTest, InPlaceGivesTheSameGradient) {
  for (const std::int64_t classes : {10, 100, 1000, 2049, 4100}) {
    LossCase hard = dense_case(21, classes, {});
    hard.targets = some_targets(TargetKind::hard, 21, classes);
    for (const LossCase& x : {dense_case(21, classes, {}), dense_case(21, classes, {3, 20}), hard}) {
      const LossResult apart = run_loss_case(x, stream());
      const BackendMatrix logits(x.student, stream(), 2);
      const BackendTargets targets(*x.targets, stream());
      Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(21), stream());
      cross_entropy(logits.cview(), targets.get(), {}, {.gradient = logits.view(), .in_place = InPlace::yes},
                    workspace.span(), stream());
      expect_same_bits(logits.to_host().values, apart.gradient.values, std::to_string(classes) + " classes");
      logits.expect_only_matrix_written();
    }
  }
}

TEST_P(CrossEntropyRowsTest, TheLossAloneIsThatWithAGradient) {
  for (const std::int64_t classes : {10, 100, 2049}) {
    for (const Kind& kind : kKinds) {
      LossCase x = make_case(kind, 35, classes, FloatType::f32);
      x.reduction = Reduction::mean_valid;
      const LossResult expected = run_loss_case(x, stream());
      const BackendMatrix logits(x.student, stream());
      const BackendTargets targets(*x.targets, stream());
      Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(35), stream());
      const Buffer<float> class_weights(x.class_weights, stream());
      const Buffer<float> row_weights(x.row_weights, stream());
      const Buffer<float> loss(1, stream());
      const Buffer<std::int32_t> valid(1, stream());
      cross_entropy(
          logits.cview(), targets.get(),
          {.label_smoothing = x.smoothing, .weights = {.classes = class_weights.cspan(), .rows = row_weights.cspan()}},
          {.loss = loss.data(), .valid_rows = valid.data()}, workspace.span(), stream());
      expect_same_bits(loss.to_host(stream()), {{expected.loss}},
                       std::string(kind.name) + ", " + std::to_string(classes));
      EXPECT_EQ(valid.to_host(stream()), std::vector{expected.valid_rows});
    }
  }
}

}  // namespace
}  // namespace leaven::test
