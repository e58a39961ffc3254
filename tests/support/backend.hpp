#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/stream.hpp>

namespace leaven::test {

// A test that runs on both backends:
//   class FlipTest : public BackendTest {};
//   LEAVEN_ON_BOTH_BACKENDS(FlipTest);
//   TEST_P(FlipTest, TwiceIsIdentity) { ... stream() ... }
// The CUDA instance is called "Cuda"; without a device it is skipped, or fails under LEAVEN_REQUIRE_CUDA=1.
class BackendTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  Stream stream() const { return stream_; }
  bool on_cuda() const { return GetParam() == Backend::cuda; }

 private:
  OwnedStream stream_{Backend::cpu};
};

// For tests of the CUDA backend alone: returns false (after skipping or failing the test) without a device.
bool require_cuda_or_skip();

inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::cuda ? "Cuda" : "Cpu";
}

#define LEAVEN_ON_BOTH_BACKENDS(Fixture)                                                                        \
  INSTANTIATE_TEST_SUITE_P(Backends, Fixture, testing::Values(::leaven::Backend::cpu, ::leaven::Backend::cuda), \
                           ::leaven::test::backend_name)

// Memory with guard bytes on both sides: an operation that writes outside is seen by expect_guards_intact().
template <class T>
class GuardedBuffer {
 public:
  GuardedBuffer(std::int64_t size, Stream stream) : size_(size), stream_(stream), bytes_(total_bytes(size), stream) {
    const std::vector<std::uint8_t> pattern(static_cast<std::size_t>(total_bytes(size)), kPattern);
    bytes_.copy_from(pattern, stream);
  }
  GuardedBuffer(std::span<const T> values, Stream stream)
      : GuardedBuffer(static_cast<std::int64_t>(values.size()), stream) {
    set(values);
  }

  T* data() const { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  std::int64_t size() const { return size_; }
  std::span<T> span() const { return {data(), static_cast<std::size_t>(size_)}; }
  std::span<const T> cspan() const { return {data(), static_cast<std::size_t>(size_)}; }

  void set(std::span<const T> values) {
    std::vector<std::uint8_t> all = bytes_.to_host(stream_);
    if (!values.empty()) std::memcpy(all.data() + kGuard, values.data(), values.size_bytes());
    bytes_.copy_from(all, stream_);
  }
  std::vector<T> to_host() const {
    const std::vector<std::uint8_t> all = bytes_.to_host(stream_);
    std::vector<T> values(static_cast<std::size_t>(size_));
    if (size_ > 0) std::memcpy(values.data(), all.data() + kGuard, values.size() * sizeof(T));
    return values;
  }
  void expect_guards_intact() const {
    const std::vector<std::uint8_t> all = bytes_.to_host(stream_);
    const std::int64_t end = kGuard + size_ * static_cast<std::int64_t>(sizeof(T));
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(all.size()); ++i) {
      if (i >= kGuard && i < end) continue;
      ASSERT_EQ(all[static_cast<std::size_t>(i)], kPattern)
          << "written " << (i < kGuard ? "before" : "behind") << " the output, byte " << i;
    }
  }

 private:
  static constexpr std::int64_t kGuard = 256;
  static constexpr std::uint8_t kPattern = 0xA5;
  static std::int64_t total_bytes(std::int64_t size) {
    return 2 * kGuard + size * static_cast<std::int64_t>(sizeof(T));
  }

  std::int64_t size_;
  Stream stream_;
  Buffer<std::uint8_t> bytes_;
};

// Lower-case hexadecimal SHA-256.
std::string sha256(std::span<const std::uint8_t> bytes);

// The message of the exception of type E that `call` throws; a failed test where it throws nothing or another one.
template <class E, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace leaven::test
