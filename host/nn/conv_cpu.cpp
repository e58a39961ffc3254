#include <algorithm>
#include <map>

#include "host/nn/loops.hpp"
#include "host/nn/node.hpp"
#include "host/nn/onednn.hpp"

namespace leaven::nn {
namespace {

using dnnl::memory;

constexpr std::int64_t kSumChunk = 4096;  // floats of a range when slices are summed

// Convolution by oneDNN, one single-threaded call per slice. Activations are NHWC; each pass gets the weights in the
// format that oneDNN likes best, reordered (some ten microseconds) when they have changed.
class ConvCpu final : public Node {
 public:
  explicit ConvCpu(const NodeContext& context) : c_(context), layout_(context.count) {
    const LayerSpec& s = *c_.layer;
    plain_ = onednn_desc({s.out.channels, s.in.channels, s.kernel, s.kernel}, memory::format_tag::ohwi);
    if (s.has_bias) bias_ = onednn_desc({s.out.channels}, memory::format_tag::a);
    for (std::int64_t i = 0; i < layout_.slices(); ++i) add_forward(layout_.slice(i).count);
    to_forward_ = onednn_reorder(plain_, forward_weights_desc_);
    forward_weights_ = Buffer<std::byte>::zeros(size_of(forward_weights_desc_), c_.stream);
    reserve_scratch();
  }

  void prepare(Program& program) override {
    program.each_range(1, [this](std::int64_t) {
      if (forward_version_ == *c_.weights_version) return;
      to_forward_.run({c_.tensors.weight, forward_weights_.data()});
      forward_version_ = *c_.weights_version;
    });
  }

  void forward(Program& program, Tensor x, Tensor y) override {
    program.each_slice([this, x, y](const Slice& slice) {
      Calls& calls = calls_[static_cast<std::size_t>(slice.index)];
      if (c_.layer->has_bias) {
        calls.forward.run({x.slice(slice), forward_weights_.data(), y.slice(slice), scratch(slice), c_.tensors.bias});
      } else {
        calls.forward.run({x.slice(slice), forward_weights_.data(), y.slice(slice), scratch(slice)});
      }
      // Not oneDNN's fused one, which makes a NaN 0.
      if (c_.relu) element_table().relu_forward(slice.count * y.image_size, y.slice(slice), y.slice(slice));
    });
  }

  void prepare_backward(Program& program, bool wants_dx) override {
    for (std::int64_t i = 0; i < layout_.slices(); ++i) add_backward(i, wants_dx);
    reserve_scratch();
    if (c_.learning == Learning::yes) {
      part_stride_ = (size_of(gradient_desc_) / 4 + c_.layer->out.channels + 15) / 16 * 16;
      parts_ = Buffer<float>::zeros(part_stride_ * layout_.slices(), c_.stream);
      sum_ = Buffer<float>::zeros(part_stride_, c_.stream);
      from_gradient_ = onednn_reorder(gradient_desc_, plain_);
    }
    if (!wants_dx) return;
    to_backward_ = onednn_reorder(plain_, backward_weights_desc_);
    backward_weights_ = Buffer<std::byte>::zeros(size_of(backward_weights_desc_), c_.stream);
    program.each_range(1, [this](std::int64_t) {
      if (backward_version_ == *c_.weights_version) return;
      to_backward_.run({c_.tensors.weight, backward_weights_.data()});
      backward_version_ = *c_.weights_version;
    });
  }

  void backward(Program& program, const BackwardTensors& t) override {
    program.each_slice([this, t](const Slice& slice) {
      Calls& calls = calls_[static_cast<std::size_t>(slice.index)];
      float* dy = t.dy.slice(slice);
      if (c_.relu) {
        element_table().relu_backward(slice.count * t.dy.image_size, t.y.slice(slice), dy, dy);
      }
      if (c_.learning == Learning::yes) {
        float* part = parts_.data() + slice.index * part_stride_;
        float* bias_part = part + size_of(gradient_desc_) / 4;
        if (c_.layer->has_bias) {
          calls.backward_weights.run({t.x.slice(slice), dy, part, scratch(slice), bias_part});
        } else {
          calls.backward_weights.run({t.x.slice(slice), dy, part, scratch(slice)});
        }
      }
      if (t.dx.wanted()) {
        calls.backward_data.run({t.dx.slice(slice), backward_weights_.data(), dy, scratch(slice)});
      }
    });
  }

  void finish_sums(Program& program) override {
    if (c_.learning == Learning::no) return;
    program.each_range((part_stride_ + kSumChunk - 1) / kSumChunk, [this](std::int64_t range) {
      const std::int64_t first = range * kSumChunk;
      element_table().sum_parts(std::min(kSumChunk, part_stride_ - first), layout_.slices(), part_stride_,
                                parts_.data() + first, sum_.data() + first);
    });
  }

  void finish(Program& program) override {
    if (c_.learning == Learning::no) return;
    program.each_range(1, [this](std::int64_t) {
      from_gradient_.run({sum_.data(), c_.tensors.weight_gradient});
      const float* bias = sum_.data() + size_of(gradient_desc_) / 4;
      if (c_.layer->has_bias) std::copy_n(bias, c_.layer->out.channels, c_.tensors.bias_gradient);
    });
  }

 private:
  struct Calls {
    OneDnnCall forward, backward_data, backward_weights;
  };
  struct Primitives {
    dnnl::convolution_forward::primitive_desc forward;
    dnnl::convolution_forward forward_primitive;
    dnnl::convolution_backward_data backward_data_primitive;
    dnnl::convolution_backward_weights backward_weights_primitive;
    memory::desc backward_data_scratch, backward_weights_scratch;
  };

  static std::int64_t size_of(const memory::desc& desc) { return static_cast<std::int64_t>(desc.get_size()); }
  memory::desc x_desc(std::int64_t n) const {
    const ImageShape& s = c_.layer->in;
    return onednn_desc({n, s.channels, s.height, s.width}, memory::format_tag::nhwc);
  }
  memory::desc y_desc(std::int64_t n) const {
    const ImageShape& s = c_.layer->out;
    return onednn_desc({n, s.channels, s.height, s.width}, memory::format_tag::nhwc);
  }
  // The format of the first slice size counts for the other one too.
  memory::desc or_any(const memory::desc& chosen) const {
    const LayerSpec& s = *c_.layer;
    return chosen.is_zero() ? onednn_desc({s.out.channels, s.in.channels, s.kernel, s.kernel}, memory::format_tag::any)
                            : chosen;
  }
  void need_scratch(const memory::desc& desc) {
    scratch_bytes_ = std::max(scratch_bytes_, (size_of(desc) + 63) / 64 * 64);
  }
  void reserve_scratch() { scratch_ = Buffer<std::byte>(scratch_bytes_ * layout_.slices(), c_.stream); }
  std::byte* scratch(const Slice& slice) const { return scratch_.data() + slice.index * scratch_bytes_; }

  void add_forward(std::int64_t n) {
    const LayerSpec& s = *c_.layer;
    create_onednn("conv", [&] {
      auto found = primitives_.find(n);
      if (found == primitives_.end()) {
        const dnnl::convolution_forward::desc desc(
            c_.mode == train::Mode::training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference,
            dnnl::algorithm::convolution_direct, x_desc(n), or_any(forward_weights_desc_), bias_, y_desc(n),
            {s.stride, s.stride}, {s.padding, s.padding}, {s.padding, s.padding});
        const dnnl::convolution_forward::primitive_desc primitive(desc, onednn_attributes(), onednn_engine());
        forward_weights_desc_ = primitive.weights_desc();
        need_scratch(primitive.scratchpad_desc());
        found =
            primitives_.emplace(n, Primitives{primitive, dnnl::convolution_forward(primitive), {}, {}, {}, {}}).first;
      }
      OneDnnCall::Arguments arguments{{DNNL_ARG_SRC, x_desc(n)},
                                      {DNNL_ARG_WEIGHTS, forward_weights_desc_},
                                      {DNNL_ARG_DST, y_desc(n)},
                                      {DNNL_ARG_SCRATCHPAD, found->second.forward.scratchpad_desc()}};
      if (s.has_bias) arguments.push_back({DNNL_ARG_BIAS, bias_});
      calls_.push_back({OneDnnCall(found->second.forward_primitive, arguments), {}, {}});
      return 0;
    });
  }

  void add_backward(std::int64_t index, bool wants_dx) {
    const std::int64_t n = layout_.slice(index).count;
    const LayerSpec& s = *c_.layer;
    const memory::dims stride{s.stride, s.stride};
    const memory::dims padding{s.padding, s.padding};
    Primitives& made = primitives_.at(n);
    Calls& calls = calls_[static_cast<std::size_t>(index)];
    create_onednn("conv", [&] {
      if (wants_dx) {
        if (!made.backward_data_primitive) {
          const dnnl::convolution_backward_data::desc desc(dnnl::algorithm::convolution_direct, x_desc(n),
                                                           or_any(backward_weights_desc_), y_desc(n), stride, padding,
                                                           padding);
          const dnnl::convolution_backward_data::primitive_desc primitive(desc, onednn_attributes(), onednn_engine(),
                                                                          made.forward);
          backward_weights_desc_ = primitive.weights_desc();
          made.backward_data_scratch = primitive.scratchpad_desc();
          need_scratch(made.backward_data_scratch);
          made.backward_data_primitive = dnnl::convolution_backward_data(primitive);
        }
        calls.backward_data =
            OneDnnCall(made.backward_data_primitive, {{DNNL_ARG_DIFF_SRC, x_desc(n)},
                                                      {DNNL_ARG_WEIGHTS, backward_weights_desc_},
                                                      {DNNL_ARG_DIFF_DST, y_desc(n)},
                                                      {DNNL_ARG_SCRATCHPAD, made.backward_data_scratch}});
      }
      if (c_.learning == Learning::no) return 0;
      if (!made.backward_weights_primitive) {
        const dnnl::convolution_backward_weights::desc desc(dnnl::algorithm::convolution_direct, x_desc(n),
                                                            or_any(gradient_desc_), bias_, y_desc(n), stride, padding,
                                                            padding);
        const dnnl::convolution_backward_weights::primitive_desc primitive(desc, onednn_attributes(), onednn_engine(),
                                                                           made.forward);
        gradient_desc_ = primitive.diff_weights_desc();
        made.backward_weights_scratch = primitive.scratchpad_desc();
        need_scratch(made.backward_weights_scratch);
        made.backward_weights_primitive = dnnl::convolution_backward_weights(primitive);
      }
      OneDnnCall::Arguments arguments{{DNNL_ARG_SRC, x_desc(n)},
                                      {DNNL_ARG_DIFF_DST, y_desc(n)},
                                      {DNNL_ARG_DIFF_WEIGHTS, gradient_desc_},
                                      {DNNL_ARG_SCRATCHPAD, made.backward_weights_scratch}};
      if (s.has_bias) arguments.push_back({DNNL_ARG_DIFF_BIAS, bias_});
      calls.backward_weights = OneDnnCall(made.backward_weights_primitive, arguments);
      return 0;
    });
  }

  NodeContext c_;
  Program layout_;  // for its slices only
  memory::desc plain_, bias_, forward_weights_desc_, backward_weights_desc_, gradient_desc_;
  std::map<std::int64_t, Primitives> primitives_;  // by images of a slice: two sizes at most
  std::vector<Calls> calls_;                       // one per slice
  OneDnnCall to_forward_, to_backward_, from_gradient_;
  Buffer<std::byte> forward_weights_, backward_weights_, scratch_;
  std::uint64_t forward_version_ = 0, backward_version_ = 0;  // versions of weights begin at 1
  std::int64_t scratch_bytes_ = 0;
  std::int64_t part_stride_ = 0;  // of a slice's weight and bias gradients
  Buffer<float> parts_, sum_;
};

}  // namespace

std::unique_ptr<Node> make_conv_cpu(const NodeContext& context) { return std::make_unique<ConvCpu>(context); }

}  // namespace leaven::nn
