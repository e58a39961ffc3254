#include "host/train/parameter_store.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "kernels/core/philox.hpp"

namespace leaven::train {
namespace {

using nn::LayerKind;
using nn::LayerSpec;

constexpr std::int64_t kAlignment = 16;

constexpr std::string_view kRoleNames[] = {"weight", "bias", "running_mean", "running_var"};

bool is_trained(ParameterStore::Role role) {
  return role == ParameterStore::Role::weight || role == ParameterStore::Role::bias;
}

bool relu_follows(const std::vector<LayerSpec>& layers, std::size_t layer) {
  std::size_t next = layer + 1;
  while (next < layers.size() && layers[next].kind == LayerKind::batch_norm) ++next;
  return next < layers.size() && layers[next].kind == LayerKind::relu;
}

// Two standard normal values from one draw (Box and Muller 1958).
std::pair<double, double> normal_pair(std::uint32_t a, std::uint32_t b) {
  const double radius = std::sqrt(-2 * std::log((a + 0.5) * 0x1p-32));
  const double angle = 2 * std::numbers::pi * (b + 0.5) * 0x1p-32;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

// The outside index of each value, in the order of memory.
template <class Visit>
void for_each_outside_index(const ParameterStore::Entry& e, Visit visit) {
  for (std::int64_t o = 0; o < e.outer; ++o) {
    for (std::int64_t p = 0; p < e.pixels; ++p) {
      for (std::int64_t c = 0; c < e.channels; ++c) {
        visit(static_cast<std::size_t>((o * e.channels + c) * e.pixels + p));
      }
    }
  }
}

}  // namespace

ParameterStore::ParameterStore(const std::vector<LayerSpec>& layers, Stream stream) : stream_(stream) {
  std::int64_t flattened = 1;  // pixels of the image that the features at hand are; 1 before flatten and behind linear
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& s = layers[i];
    if (s.kind == LayerKind::flatten) {
      flattened = s.in.height * s.in.width;
    } else if (s.kind == LayerKind::conv) {
      add(i, s, Role::weight, {s.out.channels, s.in.channels, s.kernel, s.kernel}, s.kernel * s.kernel);
    } else if (s.kind == LayerKind::linear) {
      add(i, s, Role::weight, {s.out.channels, s.in.channels}, flattened);
      flattened = 1;
    } else if (s.kind == LayerKind::batch_norm) {
      for (const Role role : {Role::weight, Role::bias, Role::running_mean, Role::running_variance}) {
        add(i, s, role, {s.in.channels}, flattened);
      }
    }
    if (s.has_bias) add(i, s, Role::bias, {s.out.channels}, 1);
  }
  values_ = Buffer<float>::zeros(trained_end_, stream);
  gradients_ = Buffer<float>::zeros(trained_end_, stream);
  statistics_ = Buffer<float>::zeros(statistics_end_, stream);
  for (const Entry& entry : entries_) {
    const bool ones = layers[entry.layer].kind == LayerKind::batch_norm &&
                      (entry.role == Role::weight || entry.role == Role::running_variance);
    if (ones) set(entry, std::vector<float>(static_cast<std::size_t>(entry.info.size()), 1.0f));
  }
}

void ParameterStore::add(std::size_t layer, const LayerSpec& spec, Role role, std::vector<std::int64_t> shape,
                         std::int64_t pixels) {
  Entry entry{.info = {.name = spec.name + "." + std::string(kRoleNames[static_cast<int>(role)]),
                       .shape = std::move(shape),
                       .layer = spec.name,
                       .trainable = is_trained(role)},
              .layer = layer,
              .role = role,
              .offset = 0,
              .outer = 1,
              .channels = 1,
              .pixels = pixels};
  const std::int64_t size = entry.info.size();
  if (entry.info.shape.size() > 1) entry.outer = entry.info.shape[0];
  entry.channels = size / entry.outer / pixels;
  std::int64_t& end = is_trained(role) ? trained_end_ : statistics_end_;
  entry.offset = end;
  end += (size + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back(std::move(entry));
}

void ParameterStore::initialise(const std::vector<LayerSpec>& layers, std::uint64_t seed) {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    const Entry& entry = entries_[k];
    if (entry.role != Role::weight || layers[entry.layer].kind == LayerKind::batch_norm) continue;
    const std::int64_t size = entry.info.size();
    const double fan_in = static_cast<double>(size / entry.outer);
    const double deviation = std::sqrt((relu_follows(layers, entry.layer) ? 2.0 : 1.0) / fan_in);
    std::vector<float> values(static_cast<std::size_t>(size + 1));
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); i += 2) {
      const Philox4 r = draw(seed, static_cast<std::uint32_t>(k), i / 2, DrawSlot::initial_weights);
      const auto [first, second] = normal_pair(r.x, r.y);
      values[i] = static_cast<float>(deviation * first);
      values[i + 1] = static_cast<float>(deviation * second);
    }
    set(entry, std::span(values).first(static_cast<std::size_t>(size)));
  }
}

const ParameterStore::Entry* ParameterStore::find(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, [](const Entry& entry) { return entry.info.name; });
  return found == entries_.end() ? nullptr : &*found;
}

float* ParameterStore::base(const Entry& entry) const {
  return (is_trained(entry.role) ? values_ : statistics_).data();
}

nn::LayerTensors ParameterStore::tensors(std::size_t layer) const {
  nn::LayerTensors t;
  for (const Entry& entry : entries_) {
    if (entry.layer != layer) continue;
    switch (entry.role) {
      case Role::weight:
        t.weight = at(entry);
        t.weight_gradient = gradients_.data() + entry.offset;
        break;
      case Role::bias:
        t.bias = at(entry);
        t.bias_gradient = gradients_.data() + entry.offset;
        break;
      case Role::running_mean: t.running_mean = at(entry); break;
      case Role::running_variance: t.running_variance = at(entry); break;
    }
  }
  return t;
}

std::vector<float> ParameterStore::get(const Entry& entry) const { return get(entry, base(entry)); }

std::vector<float> ParameterStore::get(const Entry& e, const float* base) const {
  std::vector<float> inside(static_cast<std::size_t>(e.info.size()));
  leaven::detail::copy(inside.data(), Backend::cpu, base + e.offset, stream_.backend(), inside.size() * sizeof(float),
                       stream_);
  std::vector<float> outside(inside.size());
  std::size_t i = 0;
  for_each_outside_index(e, [&](std::size_t index) { outside[index] = inside[i++]; });
  return outside;
}

void ParameterStore::set(const Entry& entry, std::span<const float> values) {
  set(entry, base(entry), values);
  values_changed();
}

void ParameterStore::set(const Entry& e, float* base, std::span<const float> values) const {
  std::vector<float> inside(values.size());
  std::size_t i = 0;
  for_each_outside_index(e, [&](std::size_t index) { inside[i++] = values[index]; });
  leaven::detail::copy(base + e.offset, stream_.backend(), inside.data(), Backend::cpu, inside.size() * sizeof(float),
                       stream_);
}

ParameterStore::Range ParameterStore::range(std::size_t begin, std::size_t end) const {
  Range range{trained_end_, trained_end_};
  for (const Entry& entry : entries_) {
    if (!is_trained(entry.role)) continue;
    if (entry.layer >= begin) range.first = std::min(range.first, entry.offset);
    if (entry.layer >= end) range.last = std::min(range.last, entry.offset);
  }
  return range;
}

}  // namespace leaven::train
