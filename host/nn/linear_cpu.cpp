#include <algorithm>

#include "host/nn/loops.hpp"
#include "host/nn/node.hpp"
#include "host/nn/onednn.hpp"

namespace leaven::nn {
namespace {

using dnnl::memory;

// Rows r, columns c of a row-major matrix with the given distance between rows; or of its transpose.
memory::desc matrix(std::int64_t rows, std::int64_t columns, std::int64_t distance) {
  return onednn_desc({rows, columns}, memory::dims{distance, 1});
}
memory::desc transposed(std::int64_t rows, std::int64_t columns, std::int64_t distance) {
  return onednn_desc({rows, columns}, memory::dims{1, distance});
}

struct Product {
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
  memory::desc a, b, c, bias;

  OneDnnCall call() const {
    OneDnnCall::Arguments arguments{
        {DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}, {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}};
    if (!bias.is_zero()) arguments.push_back({DNNL_ARG_BIAS, bias});
    return OneDnnCall(primitive, arguments);
  }
};

Product product(const memory::desc& a, const memory::desc& b, const memory::desc& c, const memory::desc& bias) {
  return create_onednn("linear", [&] {
    const dnnl::matmul::desc operation =
        bias.is_zero() ? dnnl::matmul::desc(a, b, c) : dnnl::matmul::desc(a, b, bias, c);
    const dnnl::matmul::primitive_desc desc(operation, onednn_attributes(), onednn_engine());
    return Product{desc, dnnl::matmul(desc), a, b, c, bias};
  });
}

// y = x w^T + bias by slices of the batch, dx = dy w likewise; dw = dy^T x by ranges of outputs, which need no sum
// over slices.
class LinearCpu final : public Node {
 public:
  explicit LinearCpu(const NodeContext& context)
      : c_(context), layout_(context.count), in_(context.layer->in.size()), out_(context.layer->out.size()) {
    const memory::desc bias = c_.layer->has_bias ? matrix(1, out_, out_) : memory::desc();
    for (std::int64_t i = 0; i < layout_.slices(); ++i) {
      const std::int64_t n = layout_.slice(i).count;
      add(forward_, product(matrix(n, in_, in_), transposed(in_, out_, in_), matrix(n, out_, out_), bias));
    }
    reserve_scratch();
  }

  void forward(Program& program, Tensor x, Tensor y) override {
    program.each_slice([this, x, y](const Slice& slice) {
      OneDnnCall& call = forward_[static_cast<std::size_t>(slice.index)];
      std::byte* scratch = this->scratch(slice.index);
      if (c_.layer->has_bias) {
        call.run({x.slice(slice), c_.tensors.weight, y.slice(slice), scratch, c_.tensors.bias});
      } else {
        call.run({x.slice(slice), c_.tensors.weight, y.slice(slice), scratch});
      }
      if (c_.relu) element_table().relu_forward(slice.count * y.image_size, y.slice(slice), y.slice(slice));
    });
  }

  void prepare_backward(Program&, bool wants_dx) override {
    for (std::int64_t i = 0; wants_dx && i < layout_.slices(); ++i) {
      const std::int64_t n = layout_.slice(i).count;
      add(backward_data_, product(matrix(n, out_, out_), matrix(out_, in_, in_), matrix(n, in_, in_), {}));
    }
    ranges_ = std::clamp<std::int64_t>(out_ / 32, 1, 16);
    for (std::int64_t r = 0; c_.learning == Learning::yes && r < ranges_; ++r) {
      const std::int64_t outputs = first_output(r + 1) - first_output(r);
      add(backward_weights_,
          product(transposed(outputs, c_.count, out_), matrix(c_.count, in_, in_), matrix(outputs, in_, in_), {}));
    }
    reserve_scratch();
  }

  void backward(Program& program, const BackwardTensors& t) override {
    if (c_.relu) {
      program.each_slice([t](const Slice& slice) {
        float* dy = t.dy.slice(slice);
        element_table().relu_backward(slice.count * t.dy.image_size, t.y.slice(slice), dy, dy);
      });
    }
    if (c_.learning == Learning::yes) {
      program.each_range(ranges_, [this, t](std::int64_t range) {
        const std::int64_t first = first_output(range);
        backward_weights_[static_cast<std::size_t>(range)].run(
            {t.dy.packed() + first, t.x.packed(), c_.tensors.weight_gradient + first * in_, scratch(range)});
        if (!c_.layer->has_bias) return;
        element_table().sum_parts(first_output(range + 1) - first, c_.count, out_, t.dy.packed() + first,
                                  c_.tensors.bias_gradient + first);
      });
    }
    if (!t.dx.wanted()) return;
    program.each_slice([this, t](const Slice& slice) {
      backward_data_[static_cast<std::size_t>(slice.index)].run(
          {t.dy.slice(slice), c_.tensors.weight, t.dx.slice(slice), scratch(slice.index)});
    });
  }

 private:
  std::int64_t first_output(std::int64_t range) const { return out_ * range / ranges_; }
  void add(std::vector<OneDnnCall>& calls, const Product& made) {
    const auto bytes = static_cast<std::int64_t>(made.desc.scratchpad_desc().get_size());
    scratch_bytes_ = std::max(scratch_bytes_, (bytes + 63) / 64 * 64);
    calls.push_back(made.call());
  }
  void reserve_scratch() {
    scratch_ = Buffer<std::byte>(scratch_bytes_ * std::max(layout_.slices(), ranges_), c_.stream);
  }
  std::byte* scratch(std::int64_t index) const { return scratch_.data() + index * scratch_bytes_; }

  NodeContext c_;
  Program layout_;  // for its slices only
  std::int64_t in_, out_;
  std::int64_t ranges_ = 1;
  std::vector<OneDnnCall> forward_, backward_data_;  // one per slice
  std::vector<OneDnnCall> backward_weights_;         // one per range of outputs
  std::int64_t scratch_bytes_ = 0;
  Buffer<std::byte> scratch_;
};

}  // namespace

std::unique_ptr<Node> make_linear_cpu(const NodeContext& context) { return std::make_unique<LinearCpu>(context); }

}  // namespace leaven::nn
