#include "samples/support/op_spec.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "samples/support/command_line.hpp"
#include "samples/support/names.hpp"
#include "samples/support/numbers.hpp"

namespace leaven::samples {
namespace {

using Kind = KeySpec::Kind;
using Needs = OpSpec::Needs;

template <class Specs>
std::vector<std::string> names_of(const Specs& specs) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(spec.name);
  return names;
}

template <class Specs>
auto find(const Specs& specs, std::string_view name) {
  return std::find_if(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == name; });
}

std::string plain(double value) { return fixed(value, value == std::floor(value) ? 0 : 3); }

std::string allowed(const KeySpec& key) {
  if (key.kind == Kind::choice) return alternatives(key.choices);
  std::string text = key.odd ? "an odd whole number" : key.kind == Kind::integer ? "a whole number" : "a number";
  if (key.without_ends) return text + " above " + plain(key.lowest) + " and below " + plain(key.highest);
  return text + " from " + plain(key.lowest) + " to " + plain(key.highest);
}

// "rotate:angle=,interpolation=nearest|bilinear,fill=0..255"
std::string pattern(const OpSpec& op) {
  std::string text = op.name;
  char separator = ':';
  for (const KeySpec& key : op.keys) {
    text += separator + key.name + "=";
    separator = op.needs == Needs::exactly_one_key ? '|' : ',';
    if (key.kind == Kind::integer)
      text += (key.lowest > -1e6 ? plain(key.lowest) : "") + ".." + (key.highest < 1e6 ? plain(key.highest) : "");
    for (std::size_t i = 0; i < key.choices.size(); ++i) text += (i > 0 ? "|" : "") + key.choices[i];
  }
  return text;
}

std::optional<double> read_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> read_value(std::string_view text, const KeySpec& key) {
  if (key.kind == Kind::choice) {
    const auto at = std::find(key.choices.begin(), key.choices.end(), text);
    if (at == key.choices.end()) return std::nullopt;
    return static_cast<double>(at - key.choices.begin());
  }
  const std::optional<double> value = read_number(text);
  if (!value || (key.kind == Kind::integer && *value != std::floor(*value))) return std::nullopt;
  if (key.odd && std::fmod(*value, 2) == 0) return std::nullopt;
  if (*value < key.lowest || *value > key.highest) return std::nullopt;
  if (key.without_ends && (*value == key.lowest || *value == key.highest)) return std::nullopt;
  return value;
}

// Parses one operation; every complaint begins with the text that it is about.
class Parser {
 public:
  Parser(std::string_view text, std::span<const OpSpec> specs) : text_(text), specs_(specs) {}

  ParsedOp parse() {
    const std::string_view name = text_.substr(0, text_.find(':'));
    const auto op = find(specs_, name);
    if (op == specs_.end()) {
      const std::vector<std::string> known = names_of(specs_);
      complain("'" + std::string(name) + "' is not known" + suggestion(name, known) + " Known: " + listed(known));
    }
    op_ = &*op;
    parsed_.name = name;
    parsed_.text = text_;
    std::string_view rest = text_.substr(std::min(name.size() + 1, text_.size()));
    while (!rest.empty()) {
      const std::string_view item = rest.substr(0, rest.find(','));
      rest = rest.substr(std::min(item.size() + 1, rest.size()));
      add(item);
    }
    complete();
    return parsed_;
  }

 private:
  [[noreturn]] void complain(const std::string& what) const { throw UsageError(std::string(text_) + ": " + what); }

  void add(std::string_view item) {
    const std::size_t equals = item.find('=');
    const std::string name(item.substr(0, equals));
    const auto key = find(op_->keys, name);
    if (key == op_->keys.end()) {
      const std::vector<std::string> known = names_of(op_->keys);
      const std::string all = known.empty() ? " takes no key" : " takes " + listed(known);
      complain("key '" + name + "' is not known" + suggestion(name, known) + " " + op_->name + all);
    }
    if (equals == std::string_view::npos) complain("key '" + name + "' has no value, expected " + allowed(*key));
    if (parsed_.has(name)) complain("key '" + name + "' is given twice");
    const std::string_view value_text = item.substr(equals + 1);
    const std::optional<double> value = read_value(value_text, *key);
    if (!value) {
      complain(name + " is '" + std::string(value_text) + "'" + suggestion(value_text, key->choices) + " Expected " +
               allowed(*key));
    }
    parsed_.values[name] = *value;
  }

  // Defaults, and complaints about keys that lack.
  void complete() {
    const auto given = std::count_if(op_->keys.begin(), op_->keys.end(),
                                     [&](const KeySpec& key) { return key.counts && parsed_.has(key.name); });
    if (op_->needs == Needs::exactly_one_key && given != 1) complain("expected exactly one key of " + pattern(*op_));
    if (op_->needs == Needs::some_key && given == 0) complain("expected one or more keys of " + pattern(*op_));
    for (const KeySpec& key : op_->keys) {
      if (parsed_.has(key.name) || op_->needs == Needs::exactly_one_key) continue;
      if (!key.value_if_absent) complain("key '" + key.name + "' is missing, expected " + pattern(*op_));
      parsed_.values[key.name] = *key.value_if_absent;
    }
  }

  std::string_view text_;
  std::span<const OpSpec> specs_;
  const OpSpec* op_ = nullptr;
  ParsedOp parsed_;
};

}  // namespace

ParsedOp parse_op(std::string_view text, std::span<const OpSpec> specs) { return Parser(text, specs).parse(); }

std::string help_of(std::span<const OpSpec> specs) {
  std::string text;
  for (const OpSpec& op : specs) {
    text += "  " + pattern(op) + "\n      " + op.purpose + "\n";
  }
  return text;
}

}  // namespace leaven::samples
