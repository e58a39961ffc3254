#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <leaven/augment.hpp>
#include "samples/support/op_spec.hpp"

// What --policy means, as options of the library.
namespace leaven::samples {

/// What is drawn for one picture.
struct ParsedPolicy {
  std::string name;  ///< randaugment, or all of a text of timm's
  std::string text;  ///< as written
  std::variant<Policy, RandomEraseOptions, RandomResizedCrop> step;
};

/// NAME:key=value,... of policy_specs(), or timm's "rand-..." and "augmix-...".
/// @throws UsageError: what was wrong, and what is allowed.
ParsedPolicy parse_policy(std::string_view text);

/// The keys that keys::with_warp() adds.
WarpOptions warp_options(const ParsedOp& op);

}  // namespace leaven::samples
