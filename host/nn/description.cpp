#include "host/nn/description.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <span>

#include "host/core/check.hpp"
#include "host/nn/nearest.hpp"

namespace leaven::nn {
namespace {

using train::Part;

enum class Number { none, optional, required };

struct Grammar {
  LayerKind kind;
  std::string_view word;
  Number number;
  std::string_view usage;
  std::vector<std::string_view> options;
};

const std::array<Grammar, 8>& grammar() {
  static const std::array<Grammar, 8> table{{
      {LayerKind::conv,
       "conv",
       Number::required,
       "conv CHANNELS [kernel=3] [stride=1] [padding=kernel/2] [bias=yes|no]",
       {"kernel", "stride", "padding", "bias"}},
      {LayerKind::batch_norm, "bn", Number::none, "bn [momentum=0.1] [epsilon=1e-5]", {"momentum", "epsilon"}},
      {LayerKind::relu, "relu", Number::none, "relu", {}},
      {LayerKind::max_pool, "maxpool", Number::optional, "maxpool [WINDOW=2]", {}},
      {LayerKind::global_average_pool, "global_average_pool", Number::none, "global_average_pool", {}},
      {LayerKind::flatten, "flatten", Number::none, "flatten", {}},
      {LayerKind::dropout, "dropout", Number::required, "dropout PROBABILITY", {}},
      {LayerKind::linear, "linear", Number::required, "linear OUTPUTS [bias=yes|no]", {"bias"}},
  }};
  return table;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// The layers' texts: split at newlines and semicolons, comments and blank lines dropped.
std::vector<std::vector<std::string>> split(std::string_view description) {
  std::vector<std::vector<std::string>> lines;
  std::string line;
  bool comment = false;
  const auto finish = [&] {
    if (std::vector<std::string> words = words_of(line); !words.empty()) lines.push_back(std::move(words));
    line.clear();
  };
  for (const char c : description) {
    if (c == '\n') comment = false;
    if (c == '#') comment = true;
    if (c == '\n' || (c == ';' && !comment)) {
      finish();
    } else if (!comment) {
      line += c;
    }
  }
  finish();
  return lines;
}

class Parser {
 public:
  Parser(std::string_view function, const ImageShape& input) : function_(function), shape_(input) { shape_.count = 1; }

  LayerSpec layer(const std::vector<std::string>& words, bool bn_follows) {
    text_.clear();
    for (const std::string& word : words) text_ += (text_.empty() ? "" : " ") + word;
    const Grammar& rule = find(words[0]);
    read_words(rule, words);
    LayerSpec spec{.kind = rule.kind, .text = text_, .part = part_, .in = shape_};
    spec.name = std::string(rule.word) + std::to_string(++counts_[rule.kind]);
    fill(spec, bn_follows);
    const bool ends_body = rule.kind == LayerKind::flatten || rule.kind == LayerKind::global_average_pool;
    if (ends_body) {
      flat_ = true;
      part_ = Part::head;
    }
    shape_ = spec.out;
    return spec;
  }

 private:
  template <class... Values>
  void expect(bool condition, std::string_view pattern, const Values&... values) const {
    if (condition) return;
    throw InvalidArgument(message("{}: layer \"{}\": ", function_, text_) + message(pattern, values...));
  }

  const Grammar& find(const std::string& word) const {
    std::vector<std::string_view> names;
    for (const Grammar& rule : grammar()) {
      if (rule.word == word) return rule;
      names.push_back(rule.word);
    }
    std::string all;
    for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
    expect(false, "there is no layer {}; did you mean {}? Layers: {}", word, nearest(word, names), all);
    return grammar()[0];
  }

  void read_words(const Grammar& rule, const std::vector<std::string>& words) {
    number_.reset();
    options_.clear();
    for (const std::string& word : std::span(words).subspan(1)) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos) {
        expect(rule.number != Number::none && !number_, "unexpected \"{}\"; usage: {}", word, rule.usage);
        number_ = word;
        continue;
      }
      const std::string key = word.substr(0, equals);
      bool known = false;
      for (const std::string_view option : rule.options) known = known || option == key;
      expect(known || !rule.options.empty(), "it has no options, but \"{}\" was given; usage: {}", word, rule.usage);
      expect(known, "there is no option {}; did you mean {}? Usage: {}", key, nearest(key, rule.options), rule.usage);
      expect(options_.emplace(key, word.substr(equals + 1)).second, "the option {} is given twice", key);
    }
    expect(number_ || rule.number != Number::required, "its number is missing; usage: {}", rule.usage);
  }

  std::int64_t integer(const std::string& text, std::string_view what, std::int64_t least, std::int64_t most) const {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    expect(error == std::errc{} && end == text.data() + text.size() && value >= least && value <= most,
           "{} is {}, expected an integer from {} to {}", what, text, least, most);
    return value;
  }

  float real(const std::string& text, std::string_view what, float least, float most) const {
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    expect(error == std::errc{} && end == text.data() + text.size() && value >= least && value <= most,
           "{} is {}, expected a number from {} to {}", what, text, least, most);
    return value;
  }

  std::int64_t option(const std::string& key, std::int64_t fallback, std::int64_t least, std::int64_t most) const {
    const auto found = options_.find(key);
    return found == options_.end() ? fallback : integer(found->second, key, least, most);
  }
  float option(const std::string& key, float fallback, float least, float most) const {
    const auto found = options_.find(key);
    return found == options_.end() ? fallback : real(found->second, key, least, most);
  }
  bool yes_no(const std::string& key, bool fallback) const {
    const auto found = options_.find(key);
    if (found == options_.end()) return fallback;
    expect(found->second == "yes" || found->second == "no", "{} is {}, expected yes or no", key, found->second);
    return found->second == "yes";
  }

  void fill(LayerSpec& spec, bool bn_follows) {
    spec.out = spec.in;
    switch (spec.kind) {
      case LayerKind::conv: return fill_conv(spec, bn_follows);
      case LayerKind::max_pool: return fill_pool(spec);
      case LayerKind::linear:
        expect(flat_, "a linear layer comes behind flatten or global_average_pool");
        spec.out = {1, 1, 1, integer(*number_, "OUTPUTS", 1, kMostChannels)};
        spec.has_bias = yes_no("bias", !bn_follows);
        return;
      case LayerKind::batch_norm:
        spec.momentum = option("momentum", 0.1f, 0.0f, 1.0f);
        spec.epsilon = option("epsilon", 1e-5f, 1e-12f, 1.0f);
        return;
      case LayerKind::dropout: spec.probability = real(*number_, "PROBABILITY", 0.0f, 0.95f); return;
      case LayerKind::flatten:
      case LayerKind::global_average_pool:
        expect(!flat_, "flatten or global_average_pool comes once, between the body and the head");
        spec.out = spec.kind == LayerKind::flatten ? ImageShape{1, 1, 1, spec.in.size()}
                                                   : ImageShape{1, 1, 1, spec.in.channels};
        return;
      case LayerKind::relu: return;
    }
  }

  void fill_conv(LayerSpec& spec, bool bn_follows) {
    expect(!flat_, "a convolution comes before flatten and global_average_pool");
    spec.kernel = option("kernel", std::int64_t{3}, 1, 31);
    spec.stride = option("stride", std::int64_t{1}, 1, 31);
    spec.padding = option("padding", spec.kernel / 2, 0, 31);
    spec.has_bias = yes_no("bias", !bn_follows);
    expect(spec.kernel <= spec.in.height + 2 * spec.padding && spec.kernel <= spec.in.width + 2 * spec.padding,
           "its {}x{} kernel is larger than its input, {}x{} pixels with a padding of {}", spec.kernel, spec.kernel,
           spec.in.height, spec.in.width, spec.padding);
    spec.out.height = (spec.in.height + 2 * spec.padding - spec.kernel) / spec.stride + 1;
    spec.out.width = (spec.in.width + 2 * spec.padding - spec.kernel) / spec.stride + 1;
    spec.out.channels = integer(*number_, "CHANNELS", 1, kMostChannels);
  }

  void fill_pool(LayerSpec& spec) {
    expect(!flat_, "a max pooling comes before flatten and global_average_pool");
    spec.window = number_ ? integer(*number_, "WINDOW", 2, 15) : 2;
    expect(spec.window <= spec.in.height && spec.window <= spec.in.width,
           "its {}x{} window is larger than its input, {}x{} pixels", spec.window, spec.window, spec.in.height,
           spec.in.width);
    spec.out.height = spec.in.height / spec.window;
    spec.out.width = spec.in.width / spec.window;
  }

  static constexpr std::int64_t kMostChannels = 65536;

  std::string_view function_;
  ImageShape shape_;
  Part part_ = Part::body;
  bool flat_ = false;
  std::map<LayerKind, int> counts_;
  std::string text_;
  std::optional<std::string> number_;
  std::map<std::string, std::string> options_;
};

}  // namespace

std::vector<LayerSpec> parse_description(std::string_view function, std::string_view description,
                                         const ImageShape& input) {
  const std::vector<std::vector<std::string>> lines = split(description);
  check(!lines.empty(), "{}: the description has no layer", function);
  Parser parser(function, input);
  std::vector<LayerSpec> layers;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool bn_follows = i + 1 < lines.size() && lines[i + 1][0] == "bn";
    layers.push_back(parser.layer(lines[i], bn_follows));
  }
  const LayerSpec& last = layers.back();
  check(last.part == Part::head && last.kind == LayerKind::linear,
        "{}: the last layer is \"{}\", expected a linear layer whose outputs are the classes", function, last.text);
  return layers;
}

std::string to_text(const std::vector<LayerSpec>& layers) {
  std::string text;
  for (const LayerSpec& layer : layers) text += (text.empty() ? "" : "\n") + layer.text;
  return text;
}

}  // namespace leaven::nn
