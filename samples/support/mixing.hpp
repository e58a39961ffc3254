#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <leaven/augment.hpp>
#include <leaven/io.hpp>

// What --mix means, and mixing of pictures on the host.
namespace leaven::samples {

/// NAME:key=value,... of mix_specs(). @throws UsageError
Mix parse_mix(std::string_view text);

/// A picture of which a part comes from another one.
struct MixedPicture {
  io::HostImage image;
  std::size_t partner = 0;  ///< its place in the batch
  float own_weight = 1;
};

/// The pictures, all of one shape, as one batch. Picture i is sample sample_ids[i].
std::vector<MixedPicture> mix_pictures(std::span<const io::HostImage> pictures,
                                       std::span<const std::int64_t> sample_ids, const Mix& mix, RandomKey key,
                                       Stream stream);

}  // namespace leaven::samples
