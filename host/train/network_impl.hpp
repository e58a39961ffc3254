#pragma once

#include <list>
#include <string>
#include <string_view>
#include <vector>

#include <leaven/train/network.hpp>
#include "host/nn/description.hpp"
#include "host/train/parameter_store.hpp"
#include "host/train/plan.hpp"

namespace leaven::train {

namespace detail {

class NetworkImpl {
 public:
  NetworkImpl(const NetworkOptions& options, std::vector<nn::LayerSpec> layers, Stream stream);
  NetworkImpl(const NetworkImpl&) = delete;
  NetworkImpl& operator=(const NetworkImpl&) = delete;

  // The plan for batches of `count` images; made when first needed, and again after freeze() or unfreeze(). The plans
  // of the latest kMostPlans sizes are kept.
  Plan& plan(std::int64_t count, Mode mode);

  std::size_t layer_index(std::string_view function, std::string_view name) const;
  const ParameterStore::Entry& entry(std::string_view function, std::string_view name) const;
  void set_frozen(std::size_t layer, bool frozen);

  NetworkOptions options;
  std::vector<nn::LayerSpec> layers;
  Stream stream;
  ParameterStore parameters;
  std::vector<char> frozen;        // per layer
  std::vector<float> multipliers;  // per layer
  DropoutKey dropout_key;
  Plan* last_training = nullptr;  // whose backward() may follow

 private:
  static constexpr std::size_t kMostPlans = 8;
  std::list<Plan> plans_;  // latest first
};

}  // namespace detail

// The inside of a network, for the other parts of the trainer.
struct NetworkAccess {
  static detail::NetworkImpl& impl(const Network& network) { return *network.impl_; }
  static float* momentum(const Sgd& sgd);  // laid out as the network's trained values
};

}  // namespace leaven::train
