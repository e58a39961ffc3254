#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace leaven::samples {

/// For text and for attributes in quotes: & < > " ' are replaced, control characters left out.
std::string escape_html(std::string_view text);

std::string base64(std::span<const std::uint8_t> bytes);

/// "The whole mission" -> "the-whole-mission": for anchors.
std::string slug(std::string_view text);

}  // namespace leaven::samples
