#include "host/train/network_impl.hpp"

#include <algorithm>
#include <utility>

#include "host/core/check.hpp"
#include "host/nn/nearest.hpp"

namespace leaven::train::detail {

NetworkImpl::NetworkImpl(const NetworkOptions& given, std::vector<nn::LayerSpec> specs, Stream on)
    : options(given),
      layers(std::move(specs)),
      stream(on),
      parameters(layers, on),
      frozen(layers.size(), 0),
      multipliers(layers.size(), 1.0f) {
  options.input.count = 1;
  options.description = nn::to_text(layers);
}

Plan& NetworkImpl::plan(std::int64_t count, Mode mode) {
  const auto same = [&](const Plan& plan) { return plan.count() == count && plan.mode() == mode; };
  if (const auto found = std::ranges::find_if(plans_, same); found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return plans_.front();
  }
  if (plans_.size() == kMostPlans) {
    if (&plans_.back() == last_training) last_training = nullptr;
    plans_.pop_back();
  }
  return plans_.emplace_front(PlanOptions{.layers = &layers,
                                          .frozen = &frozen,
                                          .parameters = &parameters,
                                          .dropout_key = &dropout_key,
                                          .count = count,
                                          .mode = mode,
                                          .stream = stream});
}

std::size_t NetworkImpl::layer_index(std::string_view function, std::string_view name) const {
  const auto found = std::ranges::find(layers, name, &nn::LayerSpec::name);
  if (found != layers.end()) return static_cast<std::size_t>(found - layers.begin());
  std::vector<std::string_view> names;
  for (const nn::LayerSpec& layer : layers) names.push_back(layer.name);
  throw InvalidArgument(message("{}: there is no layer {}; did you mean {}?", function, name, nearest(name, names)));
}

const ParameterStore::Entry& NetworkImpl::entry(std::string_view function, std::string_view name) const {
  if (const ParameterStore::Entry* found = parameters.find(name)) return *found;
  std::vector<std::string_view> names;
  for (const ParameterStore::Entry& entry : parameters.entries()) names.push_back(entry.info.name);
  throw InvalidArgument(
      message("{}: there is no parameter {}; did you mean {}?", function, name, nearest(name, names)));
}

void NetworkImpl::set_frozen(std::size_t layer, bool now) {
  if ((frozen[layer] != 0) == now) return;
  frozen[layer] = now ? 1 : 0;
  plans_.clear();
  last_training = nullptr;
  if (now) {
    // gradient() of a frozen layer is zero, not what an earlier backward() left.
    const ParameterStore::Range range = parameters.range(layer, layer + 1);
    leaven::detail::fill_zero(parameters.gradients() + range.first,
                              static_cast<std::size_t>(range.last - range.first) * sizeof(float), stream);
  }
}

}  // namespace leaven::train::detail
