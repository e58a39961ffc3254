#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace leaven::samples {

/// The candidate with the fewest letters to insert, delete, replace or swap (one that begins as `name` does counts as
/// near); none where more than half would change.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

/// ", did you mean 'rotate'?", or "." where no candidate is near: the end of a sentence.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);

/// "a, b or c"
std::string alternatives(std::span<const std::string> names);

/// "a, b, c"
std::string listed(std::span<const std::string> names);

}  // namespace leaven::samples
