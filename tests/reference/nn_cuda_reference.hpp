#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/nn/layers.hpp"

// The trainer's layers in double precision, from their definitions: one loop per index, no sharing with the library but
// the structs that describe a layer. Beside each sum stands the sum of its absolute terms, by which tolerances scale.
namespace leaven::reference {

struct Sums {
  std::vector<double> value, magnitude;

  explicit Sums(std::int64_t size) : value(static_cast<std::size_t>(size)), magnitude(value.size()) {}
  void add(std::int64_t at, double term) {
    value[static_cast<std::size_t>(at)] += term;
    magnitude[static_cast<std::size_t>(at)] += std::abs(term);
  }
};

inline double at(const std::vector<float>& values, std::int64_t index) {
  return double{values.at(static_cast<std::size_t>(index))};
}

// Calls visit(y index, x index, w index) for each product of a convolution.
template <class Visit>
void for_each_product(const nn::ConvShape& s, Visit&& visit) {
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t oy = 0; oy < s.out_height(); ++oy)
      for (std::int64_t ox = 0; ox < s.out_width(); ++ox)
        for (std::int64_t ky = 0; ky < s.kernel; ++ky)
          for (std::int64_t kx = 0; kx < s.kernel; ++kx) {
            const std::int64_t iy = oy * s.stride + ky - s.padding, ix = ox * s.stride + kx - s.padding;
            if (iy < 0 || iy >= s.in_height || ix < 0 || ix >= s.in_width) continue;
            for (std::int64_t co = 0; co < s.out_channels; ++co)
              for (std::int64_t ci = 0; ci < s.in_channels; ++ci)
                visit(((n * s.out_height() + oy) * s.out_width() + ox) * s.out_channels + co,
                      ((n * s.in_height + iy) * s.in_width + ix) * s.in_channels + ci,
                      ((co * s.kernel + ky) * s.kernel + kx) * s.in_channels + ci);
          }
}

struct Convolution {
  Sums y, dx, dw, dbias;
};

inline Convolution convolution(const nn::ConvShape& s, const std::vector<float>& x, const std::vector<float>& w,
                               const std::vector<float>& bias, const std::vector<float>& dy) {
  Convolution result{Sums(static_cast<std::int64_t>(dy.size())), Sums(static_cast<std::int64_t>(x.size())),
                     Sums(static_cast<std::int64_t>(w.size())), Sums(s.out_channels)};
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(dy.size()); ++i) {
    if (!bias.empty()) result.y.add(i, at(bias, i % s.out_channels));
    result.dbias.add(i % s.out_channels, at(dy, i));
  }
  for_each_product(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t wi) {
    result.y.add(yi, at(x, xi) * at(w, wi));
    result.dx.add(xi, at(dy, yi) * at(w, wi));
    result.dw.add(wi, at(dy, yi) * at(x, xi));
  });
  return result;
}

struct ChannelStatistics {
  std::vector<double> mean, variance;  // biased
};

inline ChannelStatistics channel_statistics(std::int64_t pixels, std::int64_t channels, const std::vector<float>& x) {
  ChannelStatistics result{std::vector<double>(static_cast<std::size_t>(channels)),
                           std::vector<double>(static_cast<std::size_t>(channels))};
  for (std::int64_t c = 0; c < channels; ++c) {
    double& mean = result.mean[static_cast<std::size_t>(c)];
    double& variance = result.variance[static_cast<std::size_t>(c)];
    for (std::int64_t p = 0; p < pixels; ++p) mean += at(x, p * channels + c) / static_cast<double>(pixels);
    for (std::int64_t p = 0; p < pixels; ++p)
      variance += std::pow(at(x, p * channels + c) - mean, 2) / static_cast<double>(pixels);
  }
  return result;
}

// Magnitudes count a normalised x as (|x| + |mean|) / deviation: the rounding of x - mean is part of any result.
struct BatchNormGradient {
  Sums dgamma, dbeta, dx;
};

// `mask`: y of the fused ReLU, or empty.
inline BatchNormGradient batch_norm_gradient(std::int64_t pixels, std::int64_t channels, const std::vector<float>& x,
                                             const std::vector<float>& mask, const std::vector<float>& dy,
                                             const std::vector<float>& gamma, double epsilon) {
  const ChannelStatistics statistics = channel_statistics(pixels, channels, x);
  BatchNormGradient result{Sums(channels), Sums(channels), Sums(pixels * channels)};
  const auto inv_std = [&](std::int64_t c) {
    return 1.0 / std::sqrt(statistics.variance[static_cast<std::size_t>(c)] + epsilon);
  };
  const auto mean = [&](std::int64_t c) { return statistics.mean[static_cast<std::size_t>(c)]; };
  const auto normalised = [&](std::int64_t i) { return (at(x, i) - mean(i % channels)) * inv_std(i % channels); };
  const auto spread = [&](std::int64_t i) {
    return (std::abs(at(x, i)) + std::abs(mean(i % channels))) * inv_std(i % channels);
  };
  const auto gradient = [&](std::int64_t i) { return mask.empty() || at(mask, i) > 0 ? at(dy, i) : 0.0; };
  for (std::int64_t i = 0; i < pixels * channels; ++i) {
    const auto c = static_cast<std::size_t>(i % channels);
    result.dbeta.add(i % channels, gradient(i));
    result.dgamma.value[c] += gradient(i) * normalised(i);
    result.dgamma.magnitude[c] += std::abs(gradient(i)) * spread(i);
  }
  for (std::int64_t i = 0; i < pixels * channels; ++i) {
    const auto c = static_cast<std::size_t>(i % channels), to = static_cast<std::size_t>(i);
    const double scale = at(gamma, i % channels) * inv_std(i % channels), n = static_cast<double>(pixels);
    result.dx.value[to] =
        scale * (gradient(i) - result.dbeta.value[c] / n - normalised(i) * result.dgamma.value[c] / n);
    result.dx.magnitude[to] = std::abs(scale) * (std::abs(gradient(i)) + result.dbeta.magnitude[c] / n +
                                                 spread(i) * result.dgamma.magnitude[c] / n);
  }
  return result;
}

}  // namespace leaven::reference
