#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <leaven/augment.hpp>
#include <leaven/error.hpp>
#include <leaven/stream.hpp>
#include <leaven/view.hpp>

namespace leaven::train {

namespace detail {
class NetworkImpl;
}

/// The description of a preset network with `classes` outputs, for pictures of about 28x28 to 64x64 pixels:
///   "small"   3 convolutions, global average pool, 2.8 MFLOP forward at 28x28x1: seconds on two cores
///   "medium"  6 convolutions, 14 MFLOP
///   "cnn"     4 convolutions and two linear layers, 37 MFLOP: the network of the benchmarks
/// @throws InvalidArgument naming the nearest preset.
std::string preset(std::string_view name, std::int64_t classes);
std::vector<std::string> preset_names();

struct NetworkOptions {
  /// Layers, one a line or separated by ";", each a word, at most one number and options:
  ///   conv CHANNELS [kernel=3] [stride=1] [padding=kernel/2] [bias=yes|no]   (bias: no where a bn follows)
  ///   bn [momentum=0.1] [epsilon=1e-5]      relu      maxpool [WINDOW=2]      global_average_pool
  ///   flatten      dropout PROBABILITY      linear OUTPUTS [bias=yes|no]
  /// "#" begins a comment. A linear layer comes behind flatten or global_average_pool; the last layer's outputs are the
  /// classes. The *head* is what comes behind flatten or global_average_pool, the *body* everything before.
  std::string description{};
  ImageShape input{};  ///< height, width and channels of the images (count is not looked at)
  /// Of the initial weights: Kaiming normal (He et al. 2015, arXiv:1502.01852) by fan-in, gain sqrt(2) where a ReLU
  /// follows (also behind a bn), otherwise 1; biases 0.
  std::uint64_t seed = 0;
  Normalisation normalisation{};  ///< what fit, evaluate and predict apply to 8-bit images; kept in checkpoints
};

enum class Mode {
  training,   ///< batch norm by the batch's statistics, dropout drops; backward() may follow
  evaluation  ///< batch norm by the running statistics, no dropout
};

/// A part of the network, to freeze or to give a learning rate of its own.
enum class Part { all, body, head };

struct LayerInfo {
  std::string name;   ///< "conv1", "bn1", "relu1", ...: counted by kind
  std::string text;   ///< its line of the description
  Part part;          ///< body or head
  ImageShape output;  ///< count 1; height and width 1 behind flatten and global_average_pool
  bool frozen;
  float learning_rate_multiplier;
};

struct ParameterInfo {
  std::string name;                 ///< "conv1.weight", "bn1.running_mean", "linear1.bias", ...
  std::vector<std::int64_t> shape;  ///< as PyTorch: OIHW for convolutions, [out, in] for linear layers
  std::string layer;
  bool trainable;  ///< false: running statistics
  std::int64_t size() const;
};

/// What dropout draws from: the same key drops the same elements.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
};

/// A network in the memory of one backend. It keeps its stream, and all its work runs there. Memory for activations is
/// allocated when a batch size is first seen (or by reserve()), never in later steps.
///
/// Frozen layers: weights and batch-norm statistics keep their bits; batch norm (by its running statistics) and dropout
/// behave as in evaluation; backward() stops below the lowest layer that is not frozen.
class Network {
 public:
  /// @throws InvalidArgument naming the layer's text, what was wrong and what is allowed.
  Network(const NetworkOptions& options, Stream stream);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  /// An equal network with its own memory.
  Network clone() const;
  /// The same network, copied to another backend.
  Network to(Stream stream) const;
  /// This body (with its weights, statistics, frozen marks and multipliers) under a new head, e.g. "linear 256; relu;
  /// linear 6", with fresh weights from `seed`.
  Network with_head(std::string_view head, std::uint64_t seed) const;

  /// Logits, classes columns: in the network's own memory, valid until its next forward(). `images`: packed NHWC f32 in
  /// the backend's memory, normalised.
  MatrixView<float> forward(ImageView<const float> images, Mode mode, DropoutKey key = {});
  /// Gradients of all parameters that are not frozen, from d loss / d logits of the last forward(), which must have
  /// been in training mode.
  void backward(MatrixView<const float> logits_gradient);
  /// Allocates for batches of `count` images.
  void reserve(std::int64_t count, Mode mode);

  void freeze(Part part);
  void unfreeze(Part part);
  void set_learning_rate_multiplier(Part part, float multiplier);
  /// The same for one layer by its name. @throws InvalidArgument naming the nearest layer.
  void freeze(std::string_view layer);
  void unfreeze(std::string_view layer);
  void set_learning_rate_multiplier(std::string_view layer, float multiplier);

  /// All tensors, running statistics among them, in the order of the layers.
  std::vector<ParameterInfo> parameters() const;
  /// Host copies, in PyTorch's layout. gradient(): of the last backward(); zeros where there was none (frozen).
  /// @throws InvalidArgument naming the nearest parameter.
  std::vector<float> parameter(std::string_view name) const;
  std::vector<float> gradient(std::string_view name) const;
  void set_parameter(std::string_view name, std::span<const float> values);
  /// Copies every parameter that has the same name and shape in both. Returns how many.
  std::int64_t copy_parameters_from(const Network& other);

  const std::string& description() const;  ///< one layer a line
  const NetworkOptions& options() const;
  const ImageShape& input() const { return options().input; }
  std::int64_t classes() const;
  std::vector<LayerInfo> layers() const;
  std::int64_t parameter_count() const;  ///< values that are trained (running statistics not counted)
  double forward_flops() const;  ///< per image: 2 K K Cin Cout Hout Wout per convolution, 2 in out per linear layer
  Stream stream() const;

 private:
  explicit Network(std::unique_ptr<detail::NetworkImpl> impl);
  friend class Sgd;
  friend struct NetworkAccess;
  std::unique_ptr<detail::NetworkImpl> impl_;
};

struct SgdOptions {
  float momentum = 0.9f;
  float weight_decay = 5e-4f;  ///< of every trained parameter, as PyTorch
};

/// Stochastic gradient descent with Nesterov momentum, as torch.optim.SGD(nesterov=True): g += weight_decay w;
/// v = momentum v + g; w -= lr (g + momentum v), lr = learning_rate times the layer's multiplier. Frozen layers are not
/// touched.
class Sgd {
 public:
  Sgd(Network& network, const SgdOptions& options);
  Sgd(Sgd&&) noexcept;
  ~Sgd();
  void step(float learning_rate);
  void zero_momentum();

 private:
  friend struct NetworkAccess;
  struct State;
  std::unique_ptr<State> state_;
};

/// Linear warm-up over `warm_up_steps`, then peak (1 + cos(pi t)) / 2 down to 0 at the last step.
float cosine_learning_rate(std::int64_t step, std::int64_t steps, std::int64_t warm_up_steps, float peak);

}  // namespace leaven::train
