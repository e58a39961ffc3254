#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The language of augment_images: NAME:key=value,key=value.
namespace leaven::samples {

/// A parameter of an operation: a number, a whole number, or one of some words.
struct KeySpec {
  enum class Kind { number, integer, choice };

  std::string name;
  Kind kind = Kind::number;
  double lowest = 0;
  double highest = 0;
  bool without_ends = false;                ///< neither `lowest` nor `highest` itself is allowed
  bool odd = false;                         ///< of an integer: even ones are not allowed
  std::vector<std::string> choices{};       ///< of a choice: the value is the index
  std::optional<double> value_if_absent{};  ///< none: the key must be given
  bool counts = true;                       ///< for OpSpec::needs
};

/// An operation, its keys, and which of them must be given.
struct OpSpec {
  enum class Needs { each_key_without_default, exactly_one_key, some_key };

  std::string name;
  std::string purpose;  ///< with units, for the help
  std::vector<KeySpec> keys;
  Needs needs = Needs::each_key_without_default;
};

/// An operation as it stands on the command line, checked.
struct ParsedOp {
  std::string name;
  std::string text;                      ///< as written
  std::map<std::string, double> values;  ///< those given, and the defaults of the others

  bool has(const std::string& key) const { return values.count(key) > 0; }
  double operator[](const std::string& key) const { return values.at(key); }
};

/// The operations of --op, the policies of --policy and the ways of --mix.
std::span<const OpSpec> operation_specs();
std::span<const OpSpec> policy_specs();
std::span<const OpSpec> mix_specs();

/// @throws UsageError: what was wrong, and what is allowed.
ParsedOp parse_op(std::string_view text, std::span<const OpSpec> specs);

/// For the help: "rotate:angle=,interpolation=nearest|bilinear,fill=0..255" and a line of explanation for each.
std::string help_of(std::span<const OpSpec> specs);

}  // namespace leaven::samples
