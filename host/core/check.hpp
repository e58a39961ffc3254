#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <leaven/error.hpp>

namespace leaven {

// "{}" in `pattern` stands for the next value. (The standard library's std::format is not there in g++ 12.)
template <class... Values>
std::string message(std::string_view pattern, const Values&... values) {
  std::ostringstream out;
  [[maybe_unused]] auto next = [&](const auto& value) {
    const std::size_t hole = pattern.find("{}");
    out << pattern.substr(0, hole) << value;
    pattern = hole == std::string_view::npos ? std::string_view{} : pattern.substr(hole + 2);
  };
  (next(values), ...);
  out << pattern;
  return std::move(out).str();
}

// @throws InvalidArgument with the message unless `condition` holds.
template <class... Values>
void check(bool condition, std::string_view pattern, const Values&... values) {
  if (!condition) [[unlikely]]
    throw InvalidArgument(message(pattern, values...));
}

}  // namespace leaven
