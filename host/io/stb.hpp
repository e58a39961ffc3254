#pragma once

#include <cstdint>
#include <vector>

#include "host/io/image_header.hpp"

// The two public domain decoders and encoders of Sean Barrett that we use, behind our own types.
namespace leaven::io {

// Appends the pixels to `pixels`. Returns nullptr, or why it could not be done.
const char* stb_decode(Bytes file, std::int64_t channels, std::vector<std::uint8_t>& pixels);

// The bytes of a PNG file; empty where there was no memory. Sizes and their product below 2^31.
std::vector<std::uint8_t> stb_encode_png(const std::uint8_t* pixels, std::int64_t width, std::int64_t height,
                                         std::int64_t channels);

}  // namespace leaven::io
