#pragma once

#include <leaven/io.hpp>

// Two painted pictures, so that a gallery needs no photograph: RGB, any side, the same pixels everywhere but for the
// last bit of the maths library.
namespace leaven::samples {

/// A lake in the evening: sun, mountains, a sailing boat, a meadow.
io::HostImage lake_scene(std::int64_t side_px);

/// A striped balloon over hills at noon.
io::HostImage balloon_scene(std::int64_t side_px);

}  // namespace leaven::samples
