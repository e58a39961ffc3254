#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "samples/support/op_spec.hpp"

// Words for the tables of operations and policies, and for reading what was parsed by them.
namespace leaven::samples::keys {

inline KeySpec number(std::string name, double lowest, double highest) {
  return {.name = std::move(name), .lowest = lowest, .highest = highest};
}
inline KeySpec any_number(std::string name) { return number(std::move(name), -1e6, 1e6); }
inline KeySpec integer(std::string name, double lowest, double highest) {
  return {.name = std::move(name), .kind = KeySpec::Kind::integer, .lowest = lowest, .highest = highest};
}
inline KeySpec odd_integer(std::string name, double lowest, double highest) {
  KeySpec key = integer(std::move(name), lowest, highest);
  key.odd = true;
  return key;
}
inline KeySpec choice(std::string name, std::vector<std::string> choices) {
  return {.name = std::move(name), .kind = KeySpec::Kind::choice, .choices = std::move(choices)};
}
inline KeySpec otherwise(double value, KeySpec key) {
  key.value_if_absent = value;
  return key;
}
/// Lies between the two and is neither.
inline KeySpec between(std::string name, double lowest, double highest) {
  KeySpec key = number(std::move(name), lowest, highest);
  key.without_ends = true;
  return key;
}
/// In the order of leaven::Interpolation.
inline KeySpec interpolation() { return choice("interpolation", {"nearest", "bilinear", "bicubic"}); }
inline KeySpec fill() { return otherwise(0, integer("fill", 0, 255)); }

/// The operations with the keys of WarpOptions behind their own.
inline std::vector<OpSpec> with_warp(std::vector<OpSpec> ops, double default_interpolation = 0) {
  for (OpSpec& op : ops) {
    const KeySpec border = otherwise(0, choice("border", {"fill", "edge", "reflect", "wrap"}));
    for (KeySpec key : {otherwise(default_interpolation, interpolation()), fill(), border}) {
      key.counts = false;
      op.keys.push_back(std::move(key));
    }
  }
  return ops;
}

inline std::int32_t whole(const ParsedOp& op, const char* key) { return static_cast<std::int32_t>(op[key]); }
inline float real(const ParsedOp& op, const char* key) { return static_cast<float>(op[key]); }
inline std::uint8_t fill_of(const ParsedOp& op) { return static_cast<std::uint8_t>(op["fill"]); }
/// A choice whose words stand in the order of the library's enumeration.
template <class Enum>
Enum chosen(const ParsedOp& op, const char* key) {
  return static_cast<Enum>(whole(op, key));
}

}  // namespace leaven::samples::keys
