#include <leaven/error.hpp>
#include "tests/loss/expect_row.hpp"
#include "tests/loss/pseudo_support.hpp"

// Delicate rows, divisors, bits and arguments of the consistency loss.
namespace leaven::test {
namespace {

class ConsistencyRowsTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(ConsistencyRowsTest);

TEST_P(ConsistencyRowsTest, DelicateRows) {
  const HostMatrix weak = matrix({{9, 0, 0},
                                  {kNan, 0, 9},
                                  {kInfinity, 0, 0},
                                  {-kInfinity, -kInfinity, -kInfinity},
                                  {9, -kInfinity, 0},
                                  {9, 0, 0},
                                  {9, 0, 0},
                                  {9, -kInfinity, -kInfinity},
                                  {9, -kInfinity, -kInfinity},
                                  {0, 0, 0},
                                  {5, 5, -90}});
  const HostMatrix strong = matrix({{1, 2, 3},
                                    {kNan, 2, 3},
                                    {1, kInfinity, 3},
                                    {1, 2, 3},
                                    {1, -kInfinity, 3},
                                    {kNan, 2, 3},
                                    {1, kInfinity, 3},
                                    {-kInfinity, -kInfinity, -kInfinity},
                                    {-kInfinity, 0, 0},
                                    {kNan, kNan, kNan},
                                    {1, 2, 3}});
  for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
    const ConsistencyOptions options{
        .weighting = FixMatch{.threshold = 0.45f}, .target = target, .reduction = Reduction::none};
    const LossResult got = run_consistency(weak, strong, options, {}, stream());
    EXPECT_EQ(got.valid_rows, 7);
    EXPECT_EQ(got.status, std::uint32_t{kLogitNaN | kLogitPlusInfinity});
    for (const std::int64_t r : {1, 2, 3, 7, 9}) {  // weight 0, or a masked strong view
      EXPECT_EQ(got.row_losses[static_cast<std::size_t>(r)], 0.0f) << "row " << r;
      for (const float g : got.gradient.row(r)) EXPECT_EQ(g, 0.0f) << "row " << r;
    }
    for (const std::int64_t r : {5, 6}) {
      EXPECT_TRUE(std::isnan(got.row_losses[static_cast<std::size_t>(r)]));
      for (const float g : got.gradient.row(r)) EXPECT_TRUE(std::isnan(g));
    }
    EXPECT_EQ(got.row_losses[8], kInfinity);
    EXPECT_EQ(got.gradient.values[8 * 3], -1.0f);
    EXPECT_EQ(got.gradient.values[8 * 3 + 1], 0.5f);
    for (const std::int64_t r : {0, 4, 10}) {
      ExpectedRow expected;
      add_hard(expected, reference::cross_entropy(strong.row(r), consistency_target(weak, r, options)), 1);
      expect_row(got.row_losses[static_cast<std::size_t>(r)], got.gradient.row(r), expected,
                 "row " + std::to_string(r));
    }
  }
}

TEST_P(ConsistencyRowsTest, AStateThatIsNaNCountsNothing) {
  const HostMatrix rows = normal_matrix(5, 3, 2.0f, 173);
  for (const PseudoWeighting& weighting : {PseudoWeighting(FreeMatch{}), PseudoWeighting(SoftMatch{})}) {
    const LossResult got = run_consistency(rows, rows, {.weighting = weighting}, std::vector<float>(5, kNan), stream());
    EXPECT_EQ(got.valid_rows, 0);
    EXPECT_EQ(got.loss, 0.0f);
  }
}

TEST_P(ConsistencyRowsTest, WithoutSpreadSoftMatchIsAStep) {
  const HostMatrix weak = matrix({{0, 0}, {50, 0}, {1, 0}});
  const std::vector<float> state{0, 0, 0.6f, 0};
  const LossResult got = run_consistency(weak, weak, {.weighting = SoftMatch{}}, state, stream());
  EXPECT_EQ(got.valid_rows, 2);
  EXPECT_EQ(got.row_losses[0], 0.0f);
}

TEST_P(ConsistencyRowsTest, EachDivisorIsTheOneItsNameSays) {
  for (const std::int64_t classes : {1, 10, 40, 70, 1100}) {
    for (const std::int64_t rows : {0, 1, 33, 700}) {
      if (rows * classes > 50000) continue;
      const HostMatrix weak = normal_matrix(rows, classes, 3.0f, 174);
      const HostMatrix strong = normal_matrix(rows, classes, 3.0f, 175);
      for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
        ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.9f}, .target = target};
        const auto run = [&](Reduction reduction) {
          options.reduction = reduction;
          return run_consistency(weak, strong, options, {}, stream());
        };
        const LossResult none = run(Reduction::none);
        double sum = 0;
        for (const float loss : none.row_losses) sum += double{loss};
        for (const auto& [reduction, divisor] : {std::pair{Reduction::sum, std::int64_t{1}},
                                                 {Reduction::mean_valid, std::int64_t{none.valid_rows}},
                                                 {Reduction::mean_all, rows}}) {
          const LossResult got = run(reduction);
          const double expected = divisor > 0 ? sum / static_cast<double>(divisor) : 0;
          EXPECT_NEAR(got.loss, expected, 1e-6 * std::fabs(expected)) << rows << "x" << classes;
          EXPECT_EQ(got.valid_rows, none.valid_rows);
          for (std::size_t i = 0; i < got.gradient.values.size(); ++i) {
            const double g = divisor > 0 ? double{none.gradient.values[i]} / static_cast<double>(divisor) : 0;
            ASSERT_NEAR(got.gradient.values[i], g, 3e-7 * std::fabs(g) + 1e-9);
          }
        }
      }
    }
  }
}

HostMatrix slice(const HostMatrix& m, std::int64_t first, std::int64_t count) {
  const auto begin = m.values.begin() + first * m.columns;
  return {count, m.columns, std::vector<float>(begin, begin + count * m.columns)};
}

TEST_P(ConsistencyRowsTest, BitsDependOnTheRowAlone) {
  const int threads = cpu_threads();
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {2, 5, 16, 40, 129, 1030, 2100}) {
      const std::int64_t rows = classes > 500 ? 4 : 67;
      const HostMatrix weak = normal_matrix(rows, classes, 4.0f, 176);
      const HostMatrix strong = normal_matrix(rows, classes, 4.0f, 177);
      for (const ConsistencyTarget target : {ConsistencyTarget::hard, ConsistencyTarget::soft}) {
        const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.5f},
                                         .target = target,
                                         .temperature = 0.5f,
                                         .reduction = Reduction::sum};
        set_cpu_threads(1);
        const LossResult whole = run_consistency(weak, strong, options, {}, stream());
        set_cpu_threads(2);
        const std::string what = isa + ", " + std::to_string(classes) + " classes";
        for (const Layout2d layout : {Layout2d{}, Layout2d{.padding = 3, .offset = 1},
                                      Layout2d{.padding = (4 - classes % 4) % 4, .offset = 4}}) {
          const LossResult got = run_consistency(weak, strong, options, {}, stream(), {.layout = layout});
          expect_same_bits({{got.loss}}, {{whole.loss}}, what);
          expect_same_bits(got.row_losses, whole.row_losses, what);
          expect_same_bits(got.gradient.values, whole.gradient.values, what);
        }
        for (const std::int64_t batch : {1, 3, 33}) {
          std::vector<float> losses, gradients;
          for (std::int64_t first = 0; first < rows; first += batch) {
            const std::int64_t count = std::min(batch, rows - first);
            const LossResult got =
                run_consistency(slice(weak, first, count), slice(strong, first, count), options, {}, stream());
            losses.insert(losses.end(), got.row_losses.begin(), got.row_losses.end());
            gradients.insert(gradients.end(), got.gradient.values.begin(), got.gradient.values.end());
          }
          expect_same_bits(losses, whole.row_losses, what + " in batches");
          expect_same_bits(gradients, whole.gradient.values, what + " in batches");
          if (on_cuda() && classes > 100) break;
        }
      }
    }
  });
  set_cpu_threads(threads);
}

// So many that each block of a grid gets several pieces of work.
TEST_P(ConsistencyRowsTest, TheLastOfVeryManyRowsAreAsIfAlone) {
  constexpr std::int64_t kRows = 4096 * 256 + 300;
  constexpr std::int64_t kLast = 300;
  const HostMatrix weak = normal_matrix(kRows, 2, 3.0f, 178);
  const HostMatrix strong = normal_matrix(kRows, 2, 3.0f, 179);
  const ConsistencyOptions options{.weighting = FixMatch{.threshold = 0.9f}, .reduction = Reduction::none};
  const LossResult whole = run_consistency(weak, strong, options, {}, stream());
  const LossResult last =
      run_consistency(slice(weak, kRows - kLast, kLast), slice(strong, kRows - kLast, kLast), options, {}, stream());
  expect_same_bits(std::span(whole.row_losses).last(kLast), last.row_losses, "row losses");
  expect_same_bits(std::span(whole.gradient.values).last(2 * kLast), last.gradient.values, "gradient");
}

TEST_P(ConsistencyRowsTest, BadArgumentsAreNamed) {
  const HostMatrix rows = normal_matrix(5, 10, 4.0f, 178);
  const TypedMatrix weak(rows, FloatType::f32, stream());
  const TypedMatrix strong(rows, FloatType::f32, stream());
  const TypedMatrix gradient(5, 10, FloatType::f32, stream());
  const TypedMatrix half(5, 10, FloatType::f16, stream());
  const GuardedBuffer<float> state(12, stream());
  const GuardedBuffer<float> loss(1, stream());
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(5), stream());
  ConsistencyInput in{.weak = weak.cview(), .strong = strong.cview()};
  ConsistencyOptions options{};
  LossOutput out{.gradient = gradient.view()};
  const auto expect_says = [&](const std::string& text, std::size_t bytes = 1 << 20) {
    const std::size_t size = std::min(bytes, static_cast<std::size_t>(workspace.size()));
    EXPECT_EQ(message_of<InvalidArgument>(
                  [&] { consistency_loss(in, options, out, workspace.span().first(size), stream()); }),
              "consistency_loss: " + text);
    for (const float g : gradient.to_host().values) EXPECT_TRUE(std::isnan(g));
    in = {.weak = weak.cview(), .strong = strong.cview()};
    options = {};
    out = {.gradient = gradient.view()};
  };
  in.weak.columns = 9;
  expect_says("weak has shape 5x9, expected 5x10 (as strong)");
  in.weak.data = nullptr;
  expect_says("weak is null, expected 5x10 values");
  in.strong.data = nullptr;
  expect_says("strong is null, expected 5x10 values");
  options.weighting = FixMatch{.threshold = 2.0f};
  expect_says("threshold is 2, expected 0 to 1");
  options.weighting = SoftMatch{.momentum = 2.0f};
  expect_says("momentum is 2, expected 0 to 1");
  options.weighting = FlexMatch{};
  expect_says("state has 0 values, expected 12");
  options.weighting = FreeMatch{};
  options.state = state.cspan().first(10);
  expect_says("state has 10 values, expected 12");
  options.temperature = 0.0f;
  expect_says("temperature is 0, expected a finite value above 0");
  out.gradient = {};
  out.gradient = MatrixView<float>{const_cast<float*>(static_cast<const float*>(weak.cview().data)), 5, 10, 10};
  expect_says("out.gradient overlaps weak, expected separate memory");
  out.gradient = strong.view();
  expect_says("out.gradient overlaps strong, expected separate memory");
  out.gradient = half.view();
  expect_says("out.gradient has type f16, expected f32 (as strong) or f32");
  out.loss = loss.data();
  options.reduction = Reduction::none;
  expect_says("out.loss is given, expected null without a reduction");
  expect_says("workspace has 7 bytes, expected at least " + std::to_string(loss_workspace_bytes(5)), 7);
}

}  // namespace
}  // namespace leaven::test
