#pragma once

#include <cstdint>
#include <memory>

#include <leaven/buffer.hpp>
#include <leaven/stream.hpp>
#include "host/nn/description.hpp"
#include "host/nn/program.hpp"
#include "kernels/nn/layers.hpp"

namespace leaven::nn {

// A batch of activations or gradients. The pointer is looked up when a step runs: inputs come from the caller. The
// images of one slice lie packed; slices begin `stride` floats per image apart, so that slices at different layers can
// use one buffer. stride == image_size: the whole batch is packed.
struct Tensor {
  float* const* slot = nullptr;
  std::int64_t image_size = 0;
  std::int64_t stride = 0;

  bool wanted() const { return slot != nullptr; }
  float* slice(const Slice& slice) const { return *slot + slice.begin * stride; }
  float* packed() const { return slot == nullptr ? nullptr : *slot; }
};

// The tensors of one layer in the network's memory, as the CUDA kernels have them: convolution weights
// [out][kernel][kernel][in], linear weights [out][in]. Null where the layer has none.
struct LayerTensors {
  float* weight = nullptr;  // batch norm: gamma
  float* bias = nullptr;    // batch norm: beta
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;
  float* running_mean = nullptr;
  float* running_variance = nullptr;
};

enum class Learning { no, yes };

// Everything a node is built from; the pointers outlive it.
struct NodeContext {
  const LayerSpec* layer = nullptr;
  bool relu = false;  // fused behind the layer
  std::int64_t count = 0;
  train::Mode mode = train::Mode::evaluation;  // evaluation for frozen batch norm, whatever the network's
  Learning learning = Learning::no;            // yes: backward() computes the layer's own gradients
  LayerTensors tensors{};
  const std::uint64_t* weights_version = nullptr;  // changes whenever weights do
  const train::DropoutKey* dropout_key = nullptr;
  std::uint32_t dropout_layer = 0;
  Stream stream = Stream::cpu();
};

inline DropoutDraw dropout_draw(const NodeContext& c) {
  return {c.dropout_key->seed, c.dropout_key->step, c.dropout_layer, c.layer->probability};
}

struct BackwardTensors {
  Tensor x, y;  // of forward
  Tensor dy;    // may be overwritten
  Tensor dx;    // not wanted: no layer below learns
};

// One layer (with a fused ReLU) for one batch size. It adds its work to programs that a plan runs in the order prepare
// of all nodes, forward of all, backward of all in reverse, finish of all.
class Node {
 public:
  virtual ~Node() = default;
  virtual void prepare(Program&) {}
  virtual void forward(Program& program, Tensor x, Tensor y) = 0;
  virtual void backward(Program& program, const BackwardTensors& tensors) = 0;
  virtual void prepare_backward(Program&, bool /*wants_dx*/) {}
  // Sums over slices (each_range), then what follows them (each_range).
  virtual void finish_sums(Program&) {}
  virtual void finish(Program&) {}
};

std::unique_ptr<Node> make_conv_cpu(const NodeContext& context);
std::unique_ptr<Node> make_linear_cpu(const NodeContext& context);
std::unique_ptr<Node> make_batch_norm_cpu(const NodeContext& context);
std::unique_ptr<Node> make_simple_cpu(const NodeContext& context);  // the others
std::unique_ptr<Node> make_node_cuda(const NodeContext& context);

// For the backend of the context's stream.
std::unique_ptr<Node> make_node(const NodeContext& context);

}  // namespace leaven::nn
