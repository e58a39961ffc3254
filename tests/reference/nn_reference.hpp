#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// The trainer's layers in double precision, from their definitions and in PyTorch's layouts (NCHW, OIHW): loops over
// every index, nothing shared with the library. Gradients come from finite differences of forward passes only.
namespace leaven::test::reference {

struct Images {
  std::int64_t count = 0, channels = 0, height = 0, width = 0;
  std::vector<double> values{};

  Images(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w)
      : count(n), channels(c), height(h), width(w), values(static_cast<std::size_t>(n * c * h * w)) {}
  double& at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
    return values.at(static_cast<std::size_t>(((n * channels + c) * height + y) * width + x));
  }
  double at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
    return const_cast<Images*>(this)->at(n, c, y, x);
  }
};

using Parameters = std::map<std::string, std::vector<double>>;

inline double value(const std::vector<double>& values, std::int64_t index) {
  return values.at(static_cast<std::size_t>(index));
}

inline Images conv(const Images& in, const std::vector<double>& weight, const std::vector<double>& bias,
                   std::int64_t channels, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  Images out(in.count, channels, (in.height + 2 * padding - kernel) / stride + 1,
             (in.width + 2 * padding - kernel) / stride + 1);
  for (std::int64_t n = 0; n < out.count; ++n)
    for (std::int64_t o = 0; o < channels; ++o)
      for (std::int64_t y = 0; y < out.height; ++y)
        for (std::int64_t x = 0; x < out.width; ++x) {
          double sum = bias.empty() ? 0 : value(bias, o);
          for (std::int64_t c = 0; c < in.channels; ++c)
            for (std::int64_t i = 0; i < kernel; ++i)
              for (std::int64_t j = 0; j < kernel; ++j) {
                const std::int64_t v = y * stride + i - padding;
                const std::int64_t u = x * stride + j - padding;
                if (v < 0 || v >= in.height || u < 0 || u >= in.width) continue;
                sum += in.at(n, c, v, u) * value(weight, ((o * in.channels + c) * kernel + i) * kernel + j);
              }
          out.at(n, o, y, x) = sum;
        }
  return out;
}

// Also flattens: inputs in the order channel, row, column.
inline Images linear(const Images& in, const std::vector<double>& weight, const std::vector<double>& bias,
                     std::int64_t outputs) {
  const std::int64_t inputs = in.channels * in.height * in.width;
  Images out(in.count, outputs, 1, 1);
  for (std::int64_t n = 0; n < in.count; ++n)
    for (std::int64_t o = 0; o < outputs; ++o) {
      double sum = bias.empty() ? 0 : value(bias, o);
      for (std::int64_t i = 0; i < inputs; ++i) sum += value(in.values, n * inputs + i) * value(weight, o * inputs + i);
      out.at(n, o, 0, 0) = sum;
    }
  return out;
}

struct Moments {
  std::vector<double> mean, variance;  // biased
};

inline Moments moments(const Images& in) {
  const double total = static_cast<double>(in.count * in.height * in.width);
  Moments m{std::vector<double>(static_cast<std::size_t>(in.channels)),
            std::vector<double>(static_cast<std::size_t>(in.channels))};
  for (int pass = 0; pass < 2; ++pass)
    for (std::int64_t c = 0; c < in.channels; ++c)
      for (std::int64_t n = 0; n < in.count; ++n)
        for (std::int64_t y = 0; y < in.height; ++y)
          for (std::int64_t x = 0; x < in.width; ++x) {
            const auto k = static_cast<std::size_t>(c);
            const double v = in.at(n, c, y, x);
            if (pass == 0) m.mean[k] += v / total;
            if (pass == 1) m.variance[k] += (v - m.mean[k]) * (v - m.mean[k]) / total;
          }
  return m;
}

inline Images batch_norm(const Images& in, const Moments& m, const std::vector<double>& weight,
                         const std::vector<double>& bias, double epsilon) {
  Images out = in;
  for (std::int64_t n = 0; n < in.count; ++n)
    for (std::int64_t c = 0; c < in.channels; ++c)
      for (std::int64_t y = 0; y < in.height; ++y)
        for (std::int64_t x = 0; x < in.width; ++x)
          out.at(n, c, y, x) =
              (in.at(n, c, y, x) - value(m.mean, c)) / std::sqrt(value(m.variance, c) + epsilon) * value(weight, c) +
              value(bias, c);
  return out;
}

inline Images relu(Images in) {
  for (double& v : in.values) v = std::max(v, 0.0);
  return in;
}

inline Images max_pool(const Images& in, std::int64_t window) {
  Images out(in.count, in.channels, in.height / window, in.width / window);
  for (std::int64_t n = 0; n < out.count; ++n)
    for (std::int64_t c = 0; c < out.channels; ++c)
      for (std::int64_t y = 0; y < out.height; ++y)
        for (std::int64_t x = 0; x < out.width; ++x) {
          double best = -INFINITY;
          for (std::int64_t i = 0; i < window; ++i)
            for (std::int64_t j = 0; j < window; ++j)
              best = std::max(best, in.at(n, c, y * window + i, x * window + j));
          out.at(n, c, y, x) = best;
        }
  return out;
}

inline Images average_pool(const Images& in) {
  Images out(in.count, in.channels, 1, 1);
  for (std::int64_t n = 0; n < in.count; ++n)
    for (std::int64_t c = 0; c < in.channels; ++c)
      for (std::int64_t y = 0; y < in.height; ++y)
        for (std::int64_t x = 0; x < in.width; ++x)
          out.at(n, c, 0, 0) += in.at(n, c, y, x) / static_cast<double>(in.height * in.width);
  return out;
}

// Derivative of `loss` by each value of parameters[name], by central differences.
inline std::vector<double> finite_differences(Parameters parameters, const std::string& name,
                                              const std::function<double(const Parameters&)>& loss) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient;
  for (double& v : parameters.at(name)) {
    const double before = v;
    v = before + kStep;
    const double above = loss(parameters);
    v = before - kStep;
    const double below = loss(parameters);
    v = before;
    gradient.push_back((above - below) / (2 * kStep));
  }
  return gradient;
}

}  // namespace leaven::test::reference
