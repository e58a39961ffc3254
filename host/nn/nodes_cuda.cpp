#include "host/core/config.hpp"
#include "host/nn/node.hpp"
#include "kernels/nn/layers.hpp"

// The layers on the CUDA backend: each step is one launch (kernels/nn/layers.hpp), and one more for a fused ReLU where
// the kernel has none.
namespace leaven::nn {
namespace {

// A build without CUDA compiles these classes and refers to no launcher.
template <class Launch>
void add([[maybe_unused]] Program& program, [[maybe_unused]] Launch launch) {
  if constexpr (kWithCuda) program.once(launch);
}

class NodeCuda : public Node {
 public:
  explicit NodeCuda(const NodeContext& context)
      : c_(context), t_(context.tensors), handle_(context.stream.cuda_handle()) {}

 protected:
  const ImageShape& in() const { return c_.layer->in; }
  std::int64_t x_size() const { return c_.count * c_.layer->in.size(); }
  std::int64_t y_size() const { return c_.count * c_.layer->out.size(); }
  bool learns() const { return c_.learning == Learning::yes; }
  void need_workspace(std::int64_t size_bytes) {
    if (size_bytes > workspace_.size()) workspace_ = Buffer<std::byte>::zeros(size_bytes, c_.stream);
  }
  void mask(Program& program, const BackwardTensors& t) {
    if (!c_.relu) return;
    add(program, [=, this] { relu_backward_cuda(y_size(), t.y.packed(), t.dy.packed(), t.dy.packed(), handle_); });
  }

  NodeContext c_;
  LayerTensors t_;
  CUstream_st* handle_;
  Buffer<std::byte> workspace_;
};

class ConvCuda final : public NodeCuda {
 public:
  explicit ConvCuda(const NodeContext& context) : NodeCuda(context) {
    const LayerSpec& s = *c_.layer;
    shape_ = {c_.count, s.in.height, s.in.width, s.in.channels, s.out.channels, s.kernel, s.stride, s.padding};
  }
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] {
      conv_forward_cuda(shape_, x.packed(), t_.weight, t_.bias, y.packed(), handle_);
      if (c_.relu) relu_forward_cuda(y_size(), y.packed(), y.packed(), handle_);
    });
  }
  void prepare_backward(Program&, bool) override {
    if constexpr (kWithCuda) need_workspace(conv_backward_weights_workspace_bytes(shape_));
  }
  void backward(Program& program, const BackwardTensors& t) override {
    mask(program, t);
    if (learns()) {
      add(program, [=, this] {
        conv_backward_weights_cuda(shape_, t.x.packed(), t.dy.packed(), t_.weight_gradient, t_.bias_gradient,
                                   workspace_.data(), handle_);
      });
    }
    if (t.dx.wanted()) {
      add(program, [=, this] { conv_backward_data_cuda(shape_, t.dy.packed(), t_.weight, t.dx.packed(), handle_); });
    }
  }

 private:
  ConvShape shape_{};
};

class LinearCuda final : public NodeCuda {
 public:
  explicit LinearCuda(const NodeContext& context)
      : NodeCuda(context), in_(context.layer->in.size()), out_(context.layer->out.size()) {}
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] {
      linear_forward_cuda(c_.count, in_, out_, x.packed(), t_.weight, t_.bias, y.packed(), handle_);
      if (c_.relu) relu_forward_cuda(y_size(), y.packed(), y.packed(), handle_);
    });
  }
  void prepare_backward(Program&, bool) override {
    if constexpr (kWithCuda) need_workspace(linear_backward_weights_workspace_bytes(c_.count, in_, out_));
  }
  void backward(Program& program, const BackwardTensors& t) override {
    mask(program, t);
    if (learns()) {
      add(program, [=, this] {
        linear_backward_weights_cuda(c_.count, in_, out_, t.x.packed(), t.dy.packed(), t_.weight_gradient,
                                     t_.bias_gradient, workspace_.data(), handle_);
      });
    }
    if (t.dx.wanted()) {
      add(program, [=, this] {
        linear_backward_data_cuda(c_.count, in_, out_, t.dy.packed(), t_.weight, t.dx.packed(), handle_);
      });
    }
  }

 private:
  std::int64_t in_, out_;
};

class BatchNormCuda final : public NodeCuda {
 public:
  explicit BatchNormCuda(const NodeContext& context)
      : NodeCuda(context),
        pixels_(c_.count * in().height * in().width),
        saved_(2 * in().channels, context.stream),
        state_{t_.weight, t_.bias, t_.running_mean, t_.running_variance, saved_.data(), saved_.data() + in().channels},
        relu_(c_.relu ? Relu::yes : Relu::no) {
    if constexpr (kWithCuda) need_workspace(batch_norm_workspace_bytes(pixels_, in().channels));
  }
  // The kernel always writes dx.
  void prepare_backward(Program&, bool wants_dx) override {
    if (!wants_dx && c_.mode == train::Mode::training) unused_dx_ = Buffer<float>(x_size(), c_.stream);
  }
  void forward(Program& program, Tensor x, Tensor y) override {
    if (c_.mode == train::Mode::training) {
      add(program, [=, this] {
        batch_norm_forward_train_cuda(pixels_, in().channels, x.packed(), state_, c_.layer->momentum, c_.layer->epsilon,
                                      relu_, y.packed(), workspace_.data(), handle_);
      });
    } else {
      add(program, [=, this] {
        batch_norm_forward_eval_cuda(pixels_, in().channels, x.packed(), state_, c_.layer->epsilon, relu_, y.packed(),
                                     handle_);
      });
    }
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (c_.mode == train::Mode::training) {
      add(program, [=, this] {
        batch_norm_backward_cuda(pixels_, in().channels, t.x.packed(), t.y.packed(), t.dy.packed(), state_, relu_,
                                 t.dx.wanted() ? t.dx.packed() : unused_dx_.data(), t_.weight_gradient,
                                 t_.bias_gradient, workspace_.data(), handle_);
      });
    } else if (t.dx.wanted()) {
      add(program, [=, this] {
        batch_norm_backward_eval_cuda(pixels_, in().channels, t.y.packed(), t.dy.packed(), state_, c_.layer->epsilon,
                                      relu_, t.dx.packed(), handle_);
      });
    }
  }

 private:
  std::int64_t pixels_;
  Buffer<float> saved_;
  Buffer<float> unused_dx_;
  BatchNormState state_;
  Relu relu_;
};

class MaxPoolCuda final : public NodeCuda {
 public:
  explicit MaxPoolCuda(const NodeContext& context)
      : NodeCuda(context),
        shape_{c_.count, in().height, in().width, in().channels, c_.layer->window},
        position_(y_size(), context.stream) {}
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] { max_pool_forward_cuda(shape_, x.packed(), y.packed(), position_.data(), handle_); });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    add(program,
        [=, this] { max_pool_backward_cuda(shape_, t.dy.packed(), position_.data(), t.dx.packed(), handle_); });
  }

 private:
  PoolShape shape_;
  Buffer<std::uint8_t> position_;
};

class AveragePoolCuda final : public NodeCuda {
 public:
  using NodeCuda::NodeCuda;
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] {
      global_average_pool_forward_cuda(c_.count, in().height * in().width, in().channels, x.packed(), y.packed(),
                                       handle_);
    });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    add(program, [=, this] {
      global_average_pool_backward_cuda(c_.count, in().height * in().width, in().channels, t.dy.packed(), t.dx.packed(),
                                        handle_);
    });
  }
};

class ReluCuda final : public NodeCuda {
 public:
  using NodeCuda::NodeCuda;
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] { relu_forward_cuda(x_size(), x.packed(), y.packed(), handle_); });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    add(program, [=, this] { relu_backward_cuda(y_size(), t.y.packed(), t.dy.packed(), t.dx.packed(), handle_); });
  }
};

class DropoutCuda final : public NodeCuda {
 public:
  using NodeCuda::NodeCuda;
  void forward(Program& program, Tensor x, Tensor y) override {
    add(program, [=, this] { dropout_cuda(x_size(), dropout_draw(c_), x.packed(), y.packed(), handle_); });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    add(program, [=, this] { dropout_cuda(x_size(), dropout_draw(c_), t.dy.packed(), t.dx.packed(), handle_); });
  }
};

}  // namespace

std::unique_ptr<Node> make_node_cuda(const NodeContext& context) {
  switch (context.layer->kind) {
    case LayerKind::conv: return std::make_unique<ConvCuda>(context);
    case LayerKind::linear: return std::make_unique<LinearCuda>(context);
    case LayerKind::batch_norm: return std::make_unique<BatchNormCuda>(context);
    case LayerKind::max_pool: return std::make_unique<MaxPoolCuda>(context);
    case LayerKind::global_average_pool: return std::make_unique<AveragePoolCuda>(context);
    case LayerKind::dropout: return std::make_unique<DropoutCuda>(context);
    default: return std::make_unique<ReluCuda>(context);
  }
}

}  // namespace leaven::nn
