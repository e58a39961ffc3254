#include "host/nn/loops.hpp"
#include "host/nn/node.hpp"

// The layers without weights.
namespace leaven::nn {
namespace {

class MaxPoolCpu final : public Node {
 public:
  explicit MaxPoolCpu(const NodeContext& context)
      : c_(context), position_(c_.count * c_.layer->out.size(), c_.stream) {}

  void forward(Program& program, Tensor x, Tensor y) override {
    program.each_slice([this, x, y](const Slice& slice) {
      pool_table().max_forward(shape(slice), x.slice(slice), y.slice(slice), position(slice));
    });
  }

  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    program.each_slice([this, t](const Slice& slice) {
      pool_table().max_backward(shape(slice), t.dy.slice(slice), position(slice), t.dx.slice(slice));
    });
  }

 private:
  PoolShape shape(const Slice& slice) const {
    const ImageShape& s = c_.layer->in;
    return {slice.count, s.height, s.width, s.channels, c_.layer->window};
  }
  std::uint8_t* position(const Slice& slice) const { return position_.data() + slice.begin * c_.layer->out.size(); }

  NodeContext c_;
  Buffer<std::uint8_t> position_;
};

class AveragePoolCpu final : public Node {
 public:
  explicit AveragePoolCpu(const NodeContext& context)
      : pixels_(context.layer->in.height * context.layer->in.width), channels_(context.layer->in.channels) {}

  void forward(Program& program, Tensor x, Tensor y) override {
    program.each_slice([this, x, y](const Slice& slice) {
      pool_table().average_forward(slice.count, pixels_, channels_, x.slice(slice), y.slice(slice));
    });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    program.each_slice([this, t](const Slice& slice) {
      pool_table().average_backward(slice.count, pixels_, channels_, t.dy.slice(slice), t.dx.slice(slice));
    });
  }

 private:
  std::int64_t pixels_, channels_;
};

class ReluCpu final : public Node {
 public:
  void forward(Program& program, Tensor x, Tensor y) override {
    program.each_slice([x, y](const Slice& slice) {
      element_table().relu_forward(slice.count * x.image_size, x.slice(slice), y.slice(slice));
    });
  }
  void backward(Program& program, const BackwardTensors& t) override {
    if (!t.dx.wanted()) return;
    program.each_slice([t](const Slice& slice) {
      element_table().relu_backward(slice.count * t.y.image_size, t.y.slice(slice), t.dy.slice(slice),
                                    t.dx.slice(slice));
    });
  }
};

// Backward draws the same again: nothing is stored.
class DropoutCpu final : public Node {
 public:
  explicit DropoutCpu(const NodeContext& context) : c_(context) {}

  void forward(Program& program, Tensor x, Tensor y) override { add(program, x, y); }
  void backward(Program& program, const BackwardTensors& t) override {
    if (t.dx.wanted()) add(program, t.dy, t.dx);
  }

 private:
  void add(Program& program, Tensor from, Tensor to) {
    program.each_slice([this, from, to](const Slice& slice) {
      element_table().dropout(slice.begin * from.image_size, slice.count * from.image_size, dropout_draw(c_),
                              from.slice(slice), to.slice(slice));
    });
  }

  NodeContext c_;
};

}  // namespace

std::unique_ptr<Node> make_simple_cpu(const NodeContext& context) {
  switch (context.layer->kind) {
    case LayerKind::max_pool: return std::make_unique<MaxPoolCpu>(context);
    case LayerKind::global_average_pool: return std::make_unique<AveragePoolCpu>(context);
    case LayerKind::dropout: return std::make_unique<DropoutCpu>(context);
    default: return std::make_unique<ReluCpu>();
  }
}

}  // namespace leaven::nn
