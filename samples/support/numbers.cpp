#include "samples/support/numbers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace leaven::samples {
namespace {

std::string two_digits(std::int64_t value) { return std::string(value < 10 ? "0" : "") + std::to_string(value); }

}  // namespace

std::string fixed(double value, int digits) {
  std::array<char, 400> text{};
  const auto end = std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed, digits).ptr;
  std::string result(text.begin(), end);
  const bool zero = result.find_first_not_of("-0.") == std::string::npos;
  return zero && result[0] == '-' ? result.substr(1) : result;
}

std::string thousands(double value) {
  std::string text = fixed(value, 0);
  if (!std::isfinite(value)) return text;
  const std::size_t first = text[0] == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string percent(double share, int digits) { return fixed(100 * share, digits) + " %"; }

std::string points(double difference) {
  const std::string text = fixed(100 * difference, 1);
  return text[0] == '-' || text == "0.0" || text == "nan" ? text : std::string("+") + text;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown time";
  if (seconds < 9.995) return fixed(seconds, 2) + " s";
  if (seconds < 99.95) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<std::int64_t>(std::min(seconds, 1e15) + 0.5);
  if (whole < 3600) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

std::string size_bytes(std::int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* larger : {"MiB", "GiB", "TiB"}) {
    if (value < 1023.95) break;
    value /= 1024;
    unit = larger;
  }
  return fixed(value, 1) + " " + unit;
}

}  // namespace leaven::samples
