#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class DivergenceTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DivergenceTest);

struct Named {
  const char* name;
  Divergence divergence;
};
const Named kDivergences[] = {{"reverse", ReverseKl{}},
                              {"jensen-shannon", JensenShannon{}},
                              {"jensen-shannon 0.1", JensenShannon{0.1f}},
                              {"jensen-shannon 0.999", JensenShannon{0.999f}}};

std::int64_t rows_for(std::int64_t classes) { return classes <= 129 ? 9 : 3; }

Case soft_case(std::int64_t rows, std::int64_t classes, float deviation, const Divergence& divergence,
               float temperature, std::uint32_t seed) {
  Case c{.student = normal_matrix(rows, classes, deviation, seed), .teachers = {}};
  c.teachers = {teacher_near(c.student, deviation, seed + 1)};
  c.options = {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = divergence};
  return c;
}

TEST_P(DivergenceTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {1, 2, 3, 10, 15, 16, 17, 100, 129, 1023, 1024, 1025, 2048, 2049, 5000}) {
      for (const auto& [name, divergence] : kDivergences) {
        for (const float temperature : {0.5f, 1.0f, 4.0f}) {
          if (classes > 129 && temperature != 4.0f) continue;
          expect_case(
              soft_case(rows_for(classes), classes, 4.0f, divergence, temperature, 201), stream(),
              isa + ", " + name + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature));
        }
      }
    }
  });
}

TEST_P(DivergenceTest, HoldsItsToleranceForExtremeRowsAndTemperatures) {
  for (const float deviation : {0.01f, 4.0f, 400.0f}) {
    for (const auto& [name, divergence] : kDivergences) {
      for (const float temperature : {1e-2f, 0.2f, 1.0f, 30.0f, 1e4f}) {
        expect_case(
            soft_case(21, 10, deviation, divergence, temperature, 203), stream(),
            std::string(name) + ", deviation " + std::to_string(deviation) + ", T " + std::to_string(temperature));
      }
    }
  }
}

TEST_P(DivergenceTest, WorksOnEveryTypeAndLayout) {
  for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    for (const FloatType gradient : {type, FloatType::f32}) {
      for (const Layout2d layout : {Layout2d{}, Layout2d{3, 1}, Layout2d{4, 4}}) {
        for (const std::int64_t classes : {7, 20, 1028}) {
          const Divergence divergence = classes == 7 ? Divergence{ReverseKl{}} : Divergence{JensenShannon{0.3f}};
          expect_case(soft_case(classes > 100 ? 2 : 5, classes, 4.0f, divergence, 2.0f, 205), stream(),
                      std::string(type_name(type)) + ", gradient " + type_name(gradient) + ", padding " +
                          std::to_string(layout.padding) + ", " + std::to_string(classes) + " classes",
                      {type, gradient, layout});
        }
      }
    }
  }
}

TEST_P(DivergenceTest, BitsDependNeitherOnLayoutNorOnTheBatch) {
  const Case whole = soft_case(19, 130, 4.0f, JensenShannon{0.3f}, 2.0f, 207);
  const LossResult expected = run_case(whole, stream());
  const LossResult padded = run_case(whole, stream(), {.layout = {5, 3}});
  expect_same_bits(padded.row_losses, expected.row_losses, "padded");
  expect_same_bits(padded.gradient.values, expected.gradient.values, "padded");
  Case row = whole;
  row.options.reduction = Reduction::sum;
  const LossResult sums = run_case(row, stream());
  for (const std::int64_t r : {0, 7, 18}) {
    const auto part = [&](const HostMatrix& m) { return HostMatrix{1, m.columns, {m.row(r).begin(), m.row(r).end()}}; };
    row.student = part(whole.student);
    row.teachers = {part(whole.teachers[0])};
    const LossResult single = run_case(row, stream());
    EXPECT_EQ(single.row_losses[0], sums.row_losses[static_cast<std::size_t>(r)]);
    expect_same_bits(single.gradient.values, sums.gradient.row(r), "row " + std::to_string(r));
  }
  if (on_cuda()) return;
  const int before = cpu_threads();
  for (const int threads : {1, 2}) {
    set_cpu_threads(threads);
    const LossResult again = run_case(whole, stream());
    expect_same_bits(again.gradient.values, expected.gradient.values, std::to_string(threads) + " threads");
    EXPECT_EQ(again.loss, expected.loss);
  }
  set_cpu_threads(before);
}

TEST_P(DivergenceTest, IsZeroForEqualRows) {
  for (const auto& [name, divergence] : kDivergences) {
    for (const Standardise standardise : {Standardise::no, Standardise::yes}) {
      for (const float temperature : {1e-3f, 0.3f, 1e4f}) {
        Case c = soft_case(5, 33, 4.0f, divergence, temperature, 209);
        c.student.at(1, 3) = -kInfinity;
        c.teachers = {c.student};
        c.options.standardise = standardise;
        const LossResult got = run_case(c, stream());
        for (const float loss : got.row_losses) EXPECT_EQ(loss, 0.0f) << name << ", T " << temperature;
        for (const float g : got.gradient.values) EXPECT_EQ(g, 0.0f) << name << ", T " << temperature;
      }
    }
  }
}

TEST_P(DivergenceTest, TemperatureFactorNoneLeavesOutTheSquare) {
  for (const Divergence& divergence : {Divergence{ForwardKl{}}, Divergence{ReverseKl{}}, Divergence{JensenShannon{}}}) {
    Case c = soft_case(6, 10, 4.0f, divergence, 5.0f, 213);
    c.options.factor = TemperatureFactor::none;
    expect_case(c, stream(), "factor none");
  }
}

TEST_P(DivergenceTest, GoesWithAnyHardPartAndWeights) {
  for (const std::int64_t classes : {5, 33, 1100, 2100}) {
    Case c = soft_case(6, classes, 3.0f, JensenShannon{0.4f}, 3.0f, 215);
    c.options.hard_weight = 0.7f;
    c.options.soft_weight = 1.3f;
    c.row_weights = {1, 2, 0.5f, 3, 0.25f, 1};
    c.targets = HostTargets{.a = some_labels(6, classes)};
    const std::string what = std::to_string(classes) + " classes";
    expect_case(c, stream(), what);
    for (std::int64_t i = 0; i < classes; ++i) c.class_weights.push_back(static_cast<float>(i % 4) * 0.5f);
    c.options.label_smoothing = 0.2f;
    c.student.at(2, 0) = c.teachers[0].at(2, 0) = -kInfinity;  // class 0 has weight 0
    expect_case(c, stream(), what + ", smoothed, class weights");
    c.targets->b.assign(c.targets->a.rbegin(), c.targets->a.rend());
    c.targets->weight_a.assign(6, 0.3f);
    c.targets->b[1] = kIgnoreLabel;
    expect_case(c, stream(), what + ", mixed");
    c.options.label_smoothing = 0;
    c.targets = HostTargets{};
    c.targets->soft = normal_matrix(6, classes, 1.0f, 217);
    for (float& q : c.targets->soft->values) q = (std::max(q, 0.0f) + 1e-3f) / static_cast<float>(classes);
    expect_case(c, stream(), what + ", dense", {.layout = {3, 1}});
  }
}

TEST_P(DivergenceTest, ReductionsAndCountsFollowTheWeights) {
  Case c = soft_case(5, 10, 3.0f, ReverseKl{}, 3.0f, 219);
  c.options.hard_weight = 0.5f;
  c.targets = HostTargets{.a = {1, kIgnoreLabel, 3, 4, 77}};
  c.row_weights = {1, 2, 0, kNan, 0.5f};
  for (float& x : std::span(c.student.values).subspan(20, 10)) x = kNan;  // the row of weight 0 is not looked at
  c.options.reduction = Reduction::none;
  const LossResult rows = run_case(c, stream());
  EXPECT_EQ(rows.valid_rows, 3);
  EXPECT_EQ(rows.status, kWeightOutOfRange | kLabelOutOfRange);
  const double sum = double{rows.row_losses[0]} + rows.row_losses[1] + rows.row_losses[4];
  EXPECT_EQ(rows.row_losses[2], 0.0f);
  EXPECT_EQ(rows.row_losses[3], 0.0f);
  for (const float g : rows.gradient.row(2)) EXPECT_EQ(g, 0.0f);
  for (const auto& [reduction, divisor] :
       {std::pair{Reduction::sum, 1.0}, std::pair{Reduction::mean_valid, 3.0}, std::pair{Reduction::mean_all, 5.0}}) {
    c.options.reduction = reduction;
    const LossResult got = run_case(c, stream());
    EXPECT_NEAR(got.loss, sum / divisor, 1e-6 * sum);
    EXPECT_EQ(got.valid_rows, 3);
    for (std::size_t i = 0; i < 50; ++i) {
      EXPECT_NEAR(got.gradient.values[i], rows.gradient.values[i] / divisor, 1e-6);
    }
  }
  c.class_weights.assign(10, 1.0f);
  c.class_weights[4] = -1.0f;
  EXPECT_EQ(run_case(c, stream()).status, kWeightOutOfRange | kLabelOutOfRange);
  c.row_weights.assign(5, 0.0f);
  c.options.reduction = Reduction::mean_valid;
  const LossResult none = run_case(c, stream());
  EXPECT_EQ(none.loss, 0.0f);
  EXPECT_EQ(none.valid_rows, 0);
}

TEST_P(DivergenceTest, NoRowsGiveZero) {
  const Case c = soft_case(0, 10, 3.0f, ReverseKl{}, 3.0f, 221);
  const LossResult got = run_case(c, stream());
  EXPECT_EQ(got.loss, 0.0f);
  EXPECT_EQ(got.valid_rows, 0);
}

TEST_P(DivergenceTest, GradientMayLieOverTheStudent) {
  for (const std::int64_t classes : {30, 5000, 20011}) {
    const Case c = soft_case(4, classes, 3.0f, JensenShannon{}, 3.0f, 223);
    const LossResult expected = run_case(c, stream());
    const TypedMatrix student(c.student, FloatType::f32, stream());
    const TypedMatrix teacher(c.teachers[0], FloatType::f32, stream());
    const Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(4), stream());
    distillation_loss({.student = student.cview(), .teacher = teacher.cview()}, c.options,
                      {.gradient = student.view(), .in_place = InPlace::yes}, workspace.span(), stream());
    stream().synchronize();
    expect_same_bits(student.to_host().values, expected.gradient.values, "in place");
  }
}

// The reference's own gradients: central differences of its losses.
TEST(DivergenceReference, GradientsAreDifferencesOfLosses) {
  using reference::Kind;
  const HostMatrix student = normal_matrix(1, 6, 2.0f, 225);
  const HostMatrix first = normal_matrix(1, 6, 2.0f, 226);
  const HostMatrix second = normal_matrix(1, 6, 2.0f, 227);
  const std::vector<std::span<const float>> teachers{first.row(0), second.row(0)};
  for (const Kind kind : {Kind::forward, Kind::reverse, Kind::jensen_shannon, Kind::decoupled}) {
    for (const bool standardised : {false, true}) {
      const reference::Comparison how{.kind = kind, .beta = 0.3L, .target = 2};
      const auto at = [&](std::span<const float> s) {
        return reference::soft_part(s, teachers, {0.25L, 0.75L}, 2, how, standardised);
      };
      const reference::RowLoss row = at(student.row(0));
      for (std::size_t c = 0; c < 6; ++c) {
        std::vector<float> up(student.values), down(student.values);
        up[c] += 0x1p-10f;  // the steps that were really taken are differences of floats
        down[c] -= 0x1p-10f;
        const Real slope = (at(up).loss - at(down).loss) / (static_cast<Real>(up[c]) - down[c]);
        EXPECT_NEAR(static_cast<double>(slope), static_cast<double>(row.gradient[c]), 2e-5)
            << static_cast<int>(kind) << ", class " << c;
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
