#include <charconv>
#include <cmath>
#include <limits>

#include <leaven/augment.hpp>
#include "host/augment/policy.hpp"
#include "host/core/check.hpp"

namespace leaven {
namespace {

// Reads "name-key1-key2...": keys of letters, each with a number.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }

  std::string_view letters() {
    const std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] >= 'a' && text_[at_] <= 'z') ++at_;
    return text_.substr(first, at_ - first);
  }

  double number() {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) refuse(at_, "a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  std::int32_t whole_number() {
    const std::size_t place = at_;
    const double value = number();
    if (!(value >= -1e9 && value <= 1e9 && value == std::trunc(value))) refuse(place, "a whole number");
    return static_cast<std::int32_t>(value);
  }

  void dash() {
    if (at_end() || text_[at_] != '-') refuse(at_, "'-'");
    ++at_;
  }

  std::size_t place() const { return at_; }

  [[noreturn]] void refuse(std::size_t place, const char* expected) const {
    const std::string got = place < text_.size() ? message("'{}'", text_[place]) : std::string("the end");
    throw InvalidArgument(
        message("timm_policy: text is \"{}\": character {} is {}, expected {}", text_, place + 1, got, expected));
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

Policy read_rand_augment(Reader& reader) {
  TimmRandAugmentOptions options;
  while (!reader.at_end()) {
    reader.dash();
    const std::size_t place = reader.place();
    const std::string_view key = reader.letters();
    if (key == "m") {
      options.magnitude = static_cast<float>(reader.number());
    } else if (key == "n") {
      options.num_ops = reader.whole_number();
    } else if (key == "p") {
      options.probability = static_cast<float>(reader.number());
    } else if (key == "mstd") {
      const double deviation = reader.number();
      options.magnitude_std = deviation > 100 ? std::numeric_limits<float>::infinity() : static_cast<float>(deviation);
    } else if (key == "mmax") {
      options.magnitude_max = static_cast<float>(reader.number());
    } else if (key == "inc") {
      options.increasing = reader.number() != 0;
    } else {
      reader.refuse(place, "m, n, p, mstd, mmax or inc");
    }
  }
  return options;
}

Policy read_aug_mix(Reader& reader) {
  AugMixOptions options{.strengths = AugMixStrengths::timm,
                        .warp = {.interpolation = Interpolation::bilinear, .fill = 128}};
  while (!reader.at_end()) {
    reader.dash();
    const std::size_t place = reader.place();
    const std::string_view key = reader.letters();
    if (key == "m") {
      options.severity = reader.whole_number();
    } else if (key == "w") {
      options.width = reader.whole_number();
    } else if (key == "d") {
      options.depth = reader.whole_number();
    } else if (key == "a") {
      options.alpha = static_cast<float>(reader.number());
    } else {
      reader.refuse(place, "m, w, d or a");
    }
  }
  return options;
}

}  // namespace

Policy timm_policy(std::string_view text) {
  Reader reader(text);
  const std::string_view name = reader.letters();
  if (name != "rand" && name != "augmix") reader.refuse(0, "\"rand\" or \"augmix\"");
  const Policy policy = name == "rand" ? read_rand_augment(reader) : read_aug_mix(reader);
  check_policy("timm_policy", policy);
  return policy;
}

}  // namespace leaven
