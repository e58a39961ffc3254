#pragma once

#include <cstdint>

#include "kernels/core/annotate.hpp"

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
namespace leaven {

struct Philox4 {
  std::uint32_t x, y, z, w;
};

LEAVEN_HD Philox4 philox4x32_10(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.x;
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.z;
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter.y ^ key0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter.w ^ key1, static_cast<std::uint32_t>(a)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Who draws what: one slot per decision, so that adding a decision moves no other. Four words per (sample, epoch,
// slot).
enum class DrawSlot : std::uint32_t {
  pad_crop = 0,
  flip = 1,
  mix = 2,
  mix_box = 3,
  shuffle = 4,
  initial_weights = 5,
  split = 6,
  policy_group = 7,
  erase = 8,
  policy_layer = 16,           // + layer
  dropout = 64,                // + layer
  random_resized_crop = 1024,  // + try
  random_erase = 1040,         // + try
  mix_permutation = 1056,      // + round
  aug_mix = 1072,
  aug_mix_depth = 1073,   // + chain
  aug_mix_weight = 1088,  // + 16 chain + try
};

LEAVEN_HD Philox4 draw(std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample_id, std::uint32_t slot) {
  return philox4x32_10(
      {static_cast<std::uint32_t>(sample_id), static_cast<std::uint32_t>(sample_id >> 32), epoch, slot},
      static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}
LEAVEN_HD Philox4 draw(std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample_id, DrawSlot slot) {
  return draw(seed, epoch, sample_id, static_cast<std::uint32_t>(slot));
}

// Uniform on [0, 1): the upper 24 bits, every value a float.
LEAVEN_HD float uniform01(std::uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

// Uniform on (0, 1).
LEAVEN_HD double open_uniform(std::uint32_t bits) { return (static_cast<double>(bits) + 0.5) * 0x1p-32; }

// Uniform on 0 .. n - 1 for n up to 2^31: the upper half of a 32x32 product (bias at most n / 2^32).
LEAVEN_HD std::int32_t uniform_index(std::uint32_t bits, std::int32_t n) {
  return static_cast<std::int32_t>((std::uint64_t{bits} * static_cast<std::uint32_t>(n)) >> 32);
}

}  // namespace leaven
