#include "tests/support/backend.hpp"

#include <openssl/sha.h>

#include <cstdlib>

namespace leaven::test {

bool require_cuda_or_skip() {
  if (cuda_available()) return true;
  const char* required = std::getenv("LEAVEN_REQUIRE_CUDA");
  const std::string reason = "no CUDA device: " + std::string(cuda_unavailable_reason());
  [&] {
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL() << reason << " (LEAVEN_REQUIRE_CUDA=1)";
    }
    GTEST_SKIP() << reason;
  }();
  return false;
}

void BackendTest::SetUp() {
  if (GetParam() == Backend::cuda && require_cuda_or_skip()) stream_ = OwnedStream(Backend::cuda);
}

std::string sha256(std::span<const std::uint8_t> bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(bytes.data(), bytes.size(), digest);
  std::string text;
  for (const unsigned char byte : digest) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace leaven::test
