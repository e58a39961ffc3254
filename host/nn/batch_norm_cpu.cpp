#include <cmath>
#include <vector>

#include "host/nn/loops.hpp"
#include "host/nn/node.hpp"

namespace leaven::nn {
namespace {

// Ioffe and Szegedy 2015, arXiv:1502.03167. Sums over slices are merged in double precision in the slices' order.
class BatchNormCpu final : public Node {
 public:
  explicit BatchNormCpu(const NodeContext& context)
      : c_(context),
        layout_(context.count),
        channels_(context.layer->in.channels),
        pixels_(context.layer->in.height * context.layer->in.width),
        mean_(size()),
        inv_std_(size()),
        scale_(size()),
        shift_(size()),
        slope_(size()),
        offset_(size()),
        parts_(static_cast<std::size_t>(2 * channels_ * layout_.slices())) {}

  void forward(Program& program, Tensor x, Tensor y) override {
    if (c_.mode == train::Mode::training) {
      program.each_slice([this, x](const Slice& slice) {
        norm_table().statistics(x.slice(slice), slice.count * pixels_, channels_, part(slice.index, 0),
                                part(slice.index, 1));
      });
      program.once([this] { merge_statistics(); });
    } else {
      program.once([this] { use_running_statistics(); });
    }
    program.each_slice([this, x, y](const Slice& slice) {
      norm_table().apply(x.slice(slice), slice.count * pixels_, channels_, scale_.data(), shift_.data(), c_.relu,
                         y.slice(slice));
    });
  }

  void backward(Program& program, const BackwardTensors& t) override {
    if (c_.mode == train::Mode::evaluation) {
      if (t.dx.wanted()) {
        program.each_slice([this, t](const Slice& slice) {
          norm_table().backward_frozen(mask(t, slice), t.dy.slice(slice), slice.count * pixels_, channels_,
                                       scale_.data(), t.dx.slice(slice));
        });
      }
      return;
    }
    program.each_slice([this, t](const Slice& slice) {
      norm_table().backward_sums(t.x.slice(slice), mask(t, slice), t.dy.slice(slice), slice.count * pixels_, channels_,
                                 mean_.data(), part(slice.index, 0), part(slice.index, 1));
    });
    program.once([this] { merge_gradients(); });
    if (!t.dx.wanted()) return;
    program.each_slice([this, t](const Slice& slice) {
      norm_table().backward(t.x.slice(slice), mask(t, slice), t.dy.slice(slice), slice.count * pixels_, channels_,
                            mean_.data(), scale_.data(), slope_.data(), offset_.data(), t.dx.slice(slice));
    });
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(channels_); }
  double* part(std::int64_t slice, std::int64_t which) { return parts_.data() + (2 * slice + which) * channels_; }
  const float* mask(const BackwardTensors& t, const Slice& slice) const { return c_.relu ? t.y.slice(slice) : nullptr; }

  void set_scale(std::size_t c, double mean, double inv_std) {
    mean_[c] = static_cast<float>(mean);
    inv_std_[c] = static_cast<float>(inv_std);
    scale_[c] = static_cast<float>(c_.tensors.weight[c] * inv_std);
    shift_[c] = static_cast<float>(c_.tensors.bias[c] - mean * c_.tensors.weight[c] * inv_std);
  }

  void merge_statistics() {
    const double total = static_cast<double>(c_.count * pixels_);
    for (std::size_t c = 0; c < size(); ++c) {
      double mean = 0, m2 = 0, before = 0;
      for (std::int64_t i = 0; i < layout_.slices(); ++i) {
        const double n = static_cast<double>(layout_.slice(i).count * pixels_);
        const double delta = part(i, 0)[c] - mean;
        mean += delta * (n / (before + n));
        m2 += part(i, 1)[c] + delta * delta * (before * n / (before + n));
        before += n;
      }
      set_scale(c, mean, 1 / std::sqrt(m2 / total + static_cast<double>(c_.layer->epsilon)));
      const double momentum = static_cast<double>(c_.layer->momentum);
      float& running_mean = c_.tensors.running_mean[c];
      float& running_variance = c_.tensors.running_variance[c];
      running_mean = static_cast<float>((1 - momentum) * running_mean + momentum * mean);
      running_variance =
          static_cast<float>((1 - momentum) * running_variance + momentum * m2 / std::max(1.0, total - 1));
    }
  }

  void use_running_statistics() {
    for (std::size_t c = 0; c < size(); ++c) {
      const double variance = c_.tensors.running_variance[c];
      set_scale(c, c_.tensors.running_mean[c], 1 / std::sqrt(variance + static_cast<double>(c_.layer->epsilon)));
    }
  }

  // dx = gamma inv_std (g - mean(g) - (x - mean) inv_std^2 mean(g (x - mean)))
  void merge_gradients() {
    const double total = static_cast<double>(c_.count * pixels_);
    for (std::size_t c = 0; c < size(); ++c) {
      double sum_g = 0, sum_gx = 0;
      for (std::int64_t i = 0; i < layout_.slices(); ++i) {
        sum_g += part(i, 0)[c];
        sum_gx += part(i, 1)[c];
      }
      const double inv_std = inv_std_[c];
      if (c_.learning == Learning::yes) {
        c_.tensors.weight_gradient[c] = static_cast<float>(sum_gx * inv_std);
        c_.tensors.bias_gradient[c] = static_cast<float>(sum_g);
      }
      slope_[c] = static_cast<float>(-scale_[c] * inv_std * inv_std * sum_gx / total);
      offset_[c] = static_cast<float>(-scale_[c] * sum_g / total);
    }
  }

  NodeContext c_;
  Program layout_;  // for its slices only
  std::int64_t channels_, pixels_;
  std::vector<float> mean_, inv_std_, scale_, shift_, slope_, offset_;
  std::vector<double> parts_;
};

}  // namespace

std::unique_ptr<Node> make_batch_norm_cpu(const NodeContext& context) {
  return std::make_unique<BatchNormCpu>(context);
}

}  // namespace leaven::nn
