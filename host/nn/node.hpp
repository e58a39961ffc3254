#pragma once

#include <cstdint>
#include <memory>

#include <leaven/buffer.hpp>
#include <leaven/stream.hpp>
#include "host/nn/description.hpp"
#include "host/nn/program.hpp"

namespace leaven::nn {

// A batch of activations or gradients. The pointer is looked up when a step runs: inputs come from the caller.
struct Tensor {
  float* const* slot = nullptr;
  std::int64_t image_size = 0;

  float* data() const { return *slot; }
  float* image(std::int64_t index) const { return *slot + index * image_size; }
  bool wanted() const { return slot != nullptr; }
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
  train::Mode mode = train::Mode::evaluation;  // evaluation for frozen layers, whatever the network's
  Learning learning = Learning::no;            // yes: backward() computes the layer's own gradients
  LayerTensors tensors{};
  const std::uint64_t* weights_version = nullptr;  // changes whenever weights do
  const train::DropoutKey* dropout_key = nullptr;
  std::uint32_t dropout_layer = 0;
  Stream stream = Stream::cpu();
};

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
