#include <cstdlib>

#include "tests/loss/loss_case.hpp"

// Every class count, every offset, very wide rows; the same bits whatever the threads, the batch and the alignment.
// $LEAVEN_FUZZ_CASES of 1,000 or more has the CUDA half visit every class count too.
namespace leaven::test {
namespace {

class LossShapesTest : public BackendTest {
 protected:
  std::int64_t next_classes(std::int64_t classes) const {
    const char* wanted = std::getenv("LEAVEN_FUZZ_CASES");
    const bool all = !on_cuda() || (wanted != nullptr && std::atoll(wanted) >= 1000);
    return classes + (all || classes < 20 ? 1 : classes < 140 ? 7 : 37);
  }
};
LEAVEN_ON_BOTH_BACKENDS(LossShapesTest);

constexpr std::int64_t kMostClasses = 1100;

// Types and targets that change with the seed.
LossCase case_of(std::int64_t rows, std::int64_t classes, std::uint32_t seed, float soft_weight) {
  LossCase x;
  x.types.student = kFloatTypes[seed % 3];
  x.types.teacher = kFloatTypes[seed / 3 % 3];
  x.types.gradient = seed / 9 % 2 == 0 ? FloatType::f32 : x.types.student;
  x.student = rounded(normal_matrix(rows, classes, 4.0f, seed), x.types.student);
  x.targets = some_targets(kTargetKinds[1 + (seed + seed / 3) % 3], rows, classes);
  x.soft_weight = soft_weight;
  if (soft_weight == 0) return x;
  x.teacher = rounded(normal_matrix(rows, classes, 4.0f, seed + 1), x.types.teacher);
  x.hard_weight = 1 - soft_weight;
  return x;
}

void expect_definition_of(LossCase x, Stream stream, Layout2d layout) {
  const std::vector<ExpectedRow> expected = expected_rows(x);
  for_each_isa(stream, [&](const std::string& isa) {
    const LossResult got = run_loss_case(x, stream, layout);
    expect_result(got, x, expected,
                  isa + ", " + std::to_string(x.student.columns) + " classes, " + text(x.types) + ", offset " +
                      std::to_string(layout.offset) + ", padding " + std::to_string(layout.padding));
    EXPECT_EQ(got.status, 0u);
  });
}

TEST_P(LossShapesTest, EveryClassCountIsItsDefinition) {
  for (std::int64_t classes = 1; classes <= kMostClasses; classes = next_classes(classes)) {
    const std::int64_t rows = classes > 128 ? (on_cuda() ? 1 : 2) : 18;
    const Layout2d layout{.padding = classes * 7 % 16, .offset = classes % 16};
    const auto seed = static_cast<std::uint32_t>(classes * 5 + classes / 16);
    expect_definition_of(case_of(rows, classes, seed, 0), stream(), layout);
    expect_definition_of(case_of(rows, classes, seed, 0.5f), stream(), layout);
    if (HasFailure()) return;
  }
}

// On CUDA shared memory has room for all arrays of a row, for two of three, for some columns of two. At a temperature
// of 8 rows are near, at one of 3 the widest are not.
TEST_P(LossShapesTest, VeryWideRowsAreTheirDefinition) {
  const std::pair<std::int64_t, float> kinds[] = {{3585, 8.0f},   {4097, 8.0f},   {7001, 8.0f},
                                                  {131072, 8.0f}, {131072, 3.0f}, {262144, 3.0f}};
  for (const auto& [classes, temperature] : kinds) {
    for (const std::uint32_t seed : {3u, 11u}) {  // mixed labels in f32, dense weights in bf16
      LossCase x = case_of(on_cuda() ? 1 : 2, classes, seed, 0.5f);
      x.temperature = temperature;
      expect_definition_of(x, stream(), {.padding = 5, .offset = 3});
    }
  }
}

std::vector<float> bits_of(const LossCase& x, Stream stream, Layout2d layout) {
  const LossResult got = run_loss_case(x, stream, layout);
  std::vector<float> all = got.row_losses;
  all.insert(all.end(), got.gradient.values.begin(), got.gradient.values.end());
  return all;
}

TEST_P(LossShapesTest, BitsDoNotDependOnOffsetOrStrideOfAnyType) {
  for (const std::int64_t classes : {1, 3, 4, 10, 16, 33, 100, 128, 132, 300, 1024, 1025, 4100}) {
    for (std::uint32_t seed = 0; seed < 18; seed += on_cuda() ? 5 : 1) {
      const LossCase x = case_of(classes > 1000 ? 2 : 19, classes, seed, 0.5f);
      const std::vector<float> expected = bits_of(x, stream(), {});
      for (std::int64_t offset = 0; offset < 16; ++offset) {
        expect_same_bits(bits_of(x, stream(), {.padding = offset * 7 % 16, .offset = offset}), expected,
                         std::to_string(classes) + " classes, " + text(x.types) + ", offset " + std::to_string(offset));
      }
      expect_same_bits(bits_of(x, stream(), {.padding = (8 - classes % 8) % 8, .offset = 0}), expected, "aligned rows");
      if (HasFailure()) return;
    }
  }
}

LossCase rows_of(const LossCase& x, std::int64_t first, std::int64_t count) {
  const auto cut = [&](const HostMatrix& from) {
    const auto begin = from.values.begin() + first * from.columns;
    return HostMatrix{count, from.columns, {begin, begin + count * from.columns}};
  };
  const auto cut_values = [&](const auto& from) {
    return from.empty() ? from : std::decay_t<decltype(from)>(from.begin() + first, from.begin() + first + count);
  };
  LossCase part = x;
  part.student = cut(x.student);
  if (x.teacher) part.teacher = cut(*x.teacher);
  part.targets = HostTargets{cut_values(x.targets->a), cut_values(x.targets->b), cut_values(x.targets->weight_a), {}};
  if (x.targets->soft) part.targets->soft = cut(*x.targets->soft);
  return part;
}

TEST_P(LossShapesTest, BitsDoNotDependOnTheBatchOfAnyType) {
  for (const std::int64_t classes : {1, 3, 10, 16, 33, 100, 129, 300, 1025, 4100}) {
    for (std::uint32_t seed = 0; seed < 18; seed += on_cuda() ? 5 : 1) {
      const std::int64_t rows = on_cuda() ? 5 : classes > 1000 ? 4 : 35;
      const LossCase x = case_of(rows, classes, seed, 0.5f);
      const LossResult whole = run_loss_case(x, stream(), {});
      for (const std::int64_t batch : {1, 3, 16}) {
        if (batch >= rows) continue;
        for (std::int64_t first = 0; first < rows; first += batch) {
          const std::int64_t count = std::min(batch, rows - first);
          const LossResult got = run_loss_case(rows_of(x, first, count), stream(), {});
          const std::string what = std::to_string(classes) + " classes, batches of " + std::to_string(batch);
          const auto cut = [&](const std::vector<float>& all, std::int64_t size) {
            return std::span(all).subspan(static_cast<std::size_t>(first * size),
                                          static_cast<std::size_t>(count * size));
          };
          expect_same_bits(got.row_losses, cut(whole.row_losses, 1), what);
          expect_same_bits(got.gradient.values, cut(whole.gradient.values, classes), what);
        }
      }
      if (HasFailure()) return;
    }
  }
}

// So many that each block of a grid gets several pieces of work.
TEST_P(LossShapesTest, TheLastOfVeryManyRowsAreAsIfAlone) {
  constexpr std::int64_t kRows = 4096 * 128 + 300;
  constexpr std::int64_t kLast = 300;
  const LossCase x = case_of(kRows, 2, 4, 0.5f);  // logits of 16 bits, gradients of 32: threads copy different columns
  const LossResult whole = run_loss_case(x, stream(), {});
  const LossResult last = run_loss_case(rows_of(x, kRows - kLast, kLast), stream(), {});
  expect_same_bits(std::span(whole.row_losses).last(kLast), last.row_losses, "row losses");
  expect_same_bits(std::span(whole.gradient.values).last(2 * kLast), last.gradient.values, "gradient");
}

// The reduced loss too.
TEST(LossThreads, BitsDoNotDependOnTheThreadsOfAnyType) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {1, 2, 10, 129, 1000}) {
    for (std::uint32_t seed = 0; seed < 18; ++seed) {
      LossCase x = case_of(classes > 500 ? 100 : 2000, classes, seed, 0.5f);
      x.reduction = Reduction::mean_valid;
      set_cpu_threads(1);
      const LossResult one = run_loss_case(x, Stream::cpu(), {});
      set_cpu_threads(2);
      const LossResult two = run_loss_case(x, Stream::cpu(), {});
      const std::string what = std::to_string(classes) + " classes, " + text(x.types);
      expect_same_bits({{two.loss}}, {{one.loss}}, what);
      expect_same_bits(two.row_losses, one.row_losses, what);
      expect_same_bits(two.gradient.values, one.gradient.values, what);
    }
  }
  set_cpu_threads(before);
}

}  // namespace
}  // namespace leaven::test
