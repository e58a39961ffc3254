#include "tests/support/backend.hpp"

#include <numeric>

#include <leaven/error.hpp>

namespace leaven::test {
namespace {

class BufferTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(BufferTest);

TEST_P(BufferTest, ReturnsWhatWasCopiedIn) {
  std::vector<int> values(1000);
  std::iota(values.begin(), values.end(), -17);
  const Buffer<int> buffer(std::span<const int>(values), stream());
  EXPECT_EQ(buffer.to_host(stream()), values);
  EXPECT_EQ(buffer.backend(), stream().backend());
}

TEST_P(BufferTest, ZerosAreZero) {
  EXPECT_EQ(Buffer<float>::zeros(33, stream()).to_host(stream()), std::vector<float>(33, 0.0f));
}

TEST_P(BufferTest, HasNoMemoryAtSizeZero) {
  const Buffer<float> buffer(0, stream());
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_TRUE(buffer.to_host(stream()).empty());
}

TEST_P(BufferTest, MovesItsMemory) {
  Buffer<int> a = Buffer<int>::zeros(5, stream());
  const int* data = a.data();
  Buffer<int> b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);
}

TEST_P(BufferTest, ThrowsOutOfMemoryForTooMuchOrANegativeSize) {
  EXPECT_THROW(Buffer<double>(INT64_MAX / 16, stream()), OutOfMemory);
  EXPECT_THROW(Buffer<double>(-1, stream()), OutOfMemory);
  EXPECT_EQ(Buffer<int>::zeros(3, stream()).to_host(stream()).size(), 3u) << "the device goes on working";
}

}  // namespace
}  // namespace leaven::test
