#include "host/core/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include <leaven/cpu.hpp>
#include <leaven/error.hpp>

namespace leaven {
namespace {

class ParallelTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_cpu_threads(GetParam()); }
  void TearDown() override { set_cpu_threads(before_); }

 private:
  int before_ = cpu_threads();
};
INSTANTIATE_TEST_SUITE_P(Threads, ParallelTest, testing::Values(1, 2, 5));

TEST_P(ParallelTest, VisitsEachItemOnce) {
  for (const std::int64_t count : {0, 1, 2, 31, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
    parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    for (const auto& v : visits) EXPECT_EQ(v, 1);
  }
}

TEST_P(ParallelTest, SplitDependsOnCountAndRangesOnly) {
  std::atomic<std::int64_t> sum{0};
  parallel_ranges(10, 4, [&](std::int64_t begin, std::int64_t end) { sum += begin * 100 + end; });
  EXPECT_EQ(sum, (0 + 2 + 5 + 7) * 100 + 2 + 5 + 7 + 10);
}

TEST_P(ParallelTest, NestsAndRunsAgainAndAgain) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> calls{0};
    parallel_ranges(
        8, 8, [&](std::int64_t, std::int64_t) { parallel_ranges(3, 3, [&](std::int64_t, std::int64_t) { ++calls; }); });
    ASSERT_EQ(calls, 24);
  }
}

TEST_P(ParallelTest, PassesAnExceptionOn) {
  EXPECT_THROW(parallel_ranges(8, 8,
                               [](std::int64_t begin, std::int64_t) {
                                 if (begin == 5) throw std::runtime_error("x");
                               }),
               std::runtime_error);
}

TEST(CpuThreads, RejectsNonsense) {
  EXPECT_THROW(set_cpu_threads(0), InvalidArgument);
  EXPECT_THROW(set_cpu_threads(-3), InvalidArgument);
}

}  // namespace
}  // namespace leaven
