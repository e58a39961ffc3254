#include "host/augment/pixel_loops.hpp"

namespace leaven::LEAVEN_ISA {
namespace {

using Byte = std::uint8_t;

// One loop per kind of map, so that each is a plain loop over values for the vectoriser.
template <PixelMap::Kind kKind>
void map_run(PixelMap map, const Byte* in, Byte* out, std::int64_t count) {
  map.kind = kKind;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<Byte>(map_value(map, in[i]));
}

void map_values(const PixelMap& map, const Byte* in, Byte* out, std::int64_t count) {
  switch (map.kind) {
    case PixelMap::Kind::mask: return map_run<PixelMap::Kind::mask>(map, in, out, count);
    case PixelMap::Kind::solarize: return map_run<PixelMap::Kind::solarize>(map, in, out, count);
    case PixelMap::Kind::offset: return map_run<PixelMap::Kind::offset>(map, in, out, count);
    case PixelMap::Kind::blend: return map_run<PixelMap::Kind::blend>(map, in, out, count);
  }
}

void map_strided(const PixelMap& map, const Byte* in, std::int64_t in_step, Byte* out, std::int64_t out_step,
                 std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i * out_step] = static_cast<Byte>(map_value(map, in[i * in_step]));
}

std::uint64_t sum_values(const Byte* in, std::int64_t step, std::int64_t count) {
  std::uint64_t total = 0;
  if (step == 1) {
    for (std::int64_t i = 0; i < count; ++i) total += in[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) total += in[i * step];
  }
  return total;
}

std::uint64_t luma_sum(const RgbRun& in, std::int64_t count) {
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = i * in.step;
    total += static_cast<std::uint64_t>(luma(in.red[at], in.green[at], in.blue[at]));
  }
  return total;
}

void color(float factor, const RgbRun& in, const RgbOutput& out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t at = i * in.step;
    const std::int64_t to = i * out.step;
    const std::int32_t r = in.red[at];
    const std::int32_t g = in.green[at];
    const std::int32_t b = in.blue[at];
    const std::int32_t grey = luma(r, g, b);
    const float base = static_cast<float>(grey);
    out.red[to] = static_cast<Byte>(blend(base, static_cast<float>(r - grey), factor));
    out.green[to] = static_cast<Byte>(blend(base, static_cast<float>(g - grey), factor));
    out.blue[to] = static_cast<Byte>(blend(base, static_cast<float>(b - grey), factor));
  }
}

}  // namespace

extern const PixelLoops pixel_loops{map_values, map_strided, sum_values, luma_sum, color};

}  // namespace leaven::LEAVEN_ISA
