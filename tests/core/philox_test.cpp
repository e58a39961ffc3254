#include <gtest/gtest.h>

#include "kernels/core/philox.hpp"

namespace leaven {
namespace {

// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, PublishedKnownAnswers) {
  struct Case {
    Philox4 counter;
    std::uint32_t key0, key1;
    Philox4 expected;
  };
  const Case cases[] = {
      {{0, 0, 0, 0}, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       0xffffffff,
       0xffffffff,
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       0xa4093822,
       0x299f31d0,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Case& c : cases) {
    const Philox4 got = philox4x32_10(c.counter, c.key0, c.key1);
    EXPECT_EQ(got.x, c.expected.x);
    EXPECT_EQ(got.y, c.expected.y);
    EXPECT_EQ(got.z, c.expected.z);
    EXPECT_EQ(got.w, c.expected.w);
  }
}

TEST(Philox, UniformIndexReachesBothEnds) {
  EXPECT_EQ(uniform_index(0, 9), 0);
  EXPECT_EQ(uniform_index(0xffffffff, 9), 8);
  EXPECT_LT(uniform01(0xffffffff), 1.0f);
  EXPECT_EQ(uniform01(0), 0.0f);
}

}  // namespace
}  // namespace leaven
