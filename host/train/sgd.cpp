#include <cmath>
#include <numbers>

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/nn/loops.hpp"
#include "host/train/network_impl.hpp"

namespace leaven::train {

struct Sgd::State {
  detail::NetworkImpl* network;
  SgdOptions options;
  Buffer<float> velocity;
};

float* NetworkAccess::momentum(const Sgd& sgd) { return sgd.state_->velocity.data(); }

Sgd::Sgd(Network& network, const SgdOptions& options) {
  check(options.momentum >= 0 && options.momentum < 1, "Sgd: momentum is {}, expected 0 or more, below 1",
        options.momentum);
  check(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
        "Sgd: weight_decay is {}, expected a finite number, 0 or more", options.weight_decay);
  detail::NetworkImpl& impl = NetworkAccess::impl(network);
  state_ =
      std::make_unique<State>(State{&impl, options, Buffer<float>::zeros(impl.parameters.trained_size(), impl.stream)});
}
Sgd::Sgd(Sgd&&) noexcept = default;
Sgd::~Sgd() = default;

// Neighbouring layers with one multiplier are one launch: their tensors lie side by side, the gaps are zeros.
void Sgd::step(float learning_rate) {
  check(std::isfinite(learning_rate) && learning_rate >= 0,
        "Sgd::step: learning_rate is {}, expected a finite number, 0 or more", learning_rate);
  detail::NetworkImpl& net = *state_->network;
  const std::size_t layers = net.layers.size();
  for (std::size_t begin = 0, end = 0; begin < layers; begin = end) {
    for (end = begin + 1;
         end < layers && net.frozen[end] == net.frozen[begin] && net.multipliers[end] == net.multipliers[begin];) {
      ++end;
    }
    const ParameterStore::Range range = net.parameters.range(begin, end);
    if (net.frozen[begin] != 0 || range.first == range.last) continue;
    const nn::SgdStep step{learning_rate * net.multipliers[begin], state_->options.momentum,
                           state_->options.weight_decay};
    const float* gradient = net.parameters.gradients() + range.first;
    float* velocity = state_->velocity.data() + range.first;
    float* values = net.parameters.values() + range.first;
    const std::int64_t size = range.last - range.first;
    if constexpr (kWithCuda) {
      if (net.stream.backend() == Backend::cuda) {
        nn::sgd_step_cuda(size, step, gradient, velocity, values, net.stream.cuda_handle());
        continue;
      }
    }
    parallel_for(size, 16384, [&](std::int64_t from, std::int64_t to) {
      nn::element_table().sgd(to - from, step, gradient + from, velocity + from, values + from);
    });
  }
  net.parameters.values_changed();
}

void Sgd::zero_momentum() {
  leaven::detail::fill_zero(state_->velocity.data(), static_cast<std::size_t>(state_->velocity.size_bytes()),
                            state_->network->stream);
}

float cosine_learning_rate(std::int64_t step, std::int64_t steps, std::int64_t warm_up_steps, float peak) {
  if (step < warm_up_steps) return peak * static_cast<float>(step + 1) / static_cast<float>(warm_up_steps);
  const double done = static_cast<double>(step - warm_up_steps) / static_cast<double>(steps - warm_up_steps);
  return static_cast<float>(static_cast<double>(peak) * (1 + std::cos(std::numbers::pi * done)) / 2);
}

}  // namespace leaven::train
