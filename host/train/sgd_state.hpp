#pragma once

#include <leaven/buffer.hpp>
#include <leaven/train/network.hpp>

namespace leaven::train {

struct Sgd::State {
  detail::NetworkImpl* network;
  SgdOptions options;
  Buffer<float> velocity;  // as the network's trained values
};

}  // namespace leaven::train
