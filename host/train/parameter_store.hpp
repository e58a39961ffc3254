#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <leaven/buffer.hpp>
#include <leaven/train/network.hpp>
#include "host/nn/description.hpp"
#include "host/nn/node.hpp"

namespace leaven::train {

// All tensors of a network in three buffers: trained values, their gradients (same offsets) and running statistics.
// Each tensor begins at a multiple of 16 floats; the gaps stay zero. In memory convolution weights are [out][k][k][in]
// and linear weights [out][y][x][channel]; outside [out][in][k][k] and [out][channel][y][x], as PyTorch.
class ParameterStore {
 public:
  enum class Role { weight, bias, running_mean, running_variance };
  struct Entry {
    ParameterInfo info;
    std::size_t layer;
    Role role;
    std::int64_t offset;
    std::int64_t outer, channels, pixels;  // outside [outer][channels][pixels], in memory [outer][pixels][channels]
  };

  // Zeros; running variances and batch norm's weights 1.
  ParameterStore(const std::vector<nn::LayerSpec>& layers, Stream stream);
  // Kaiming normal (He et al. 2015, arXiv:1502.01852), fan in, gain sqrt(2) where a ReLU follows.
  void initialise(const std::vector<nn::LayerSpec>& layers, std::uint64_t seed);

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view name) const;
  nn::LayerTensors tensors(std::size_t layer) const;

  // Outside layout. The ones with `base` are for trained entries and a buffer laid out as the trained values.
  std::vector<float> get(const Entry& entry) const;
  std::vector<float> get(const Entry& entry, const float* base) const;
  void set(const Entry& entry, std::span<const float> values);
  void set(const Entry& entry, float* base, std::span<const float> values) const;

  // [first, last) of the trained values that belong to layers begin .. end - 1.
  struct Range {
    std::int64_t first, last;
  };
  Range range(std::size_t begin, std::size_t end) const;
  std::int64_t trained_size() const { return values_.size(); }  // with gaps
  float* values() const { return values_.data(); }
  float* gradients() const { return gradients_.data(); }

  const std::uint64_t& version() const { return version_; }
  void values_changed() { ++version_; }

 private:
  void add(std::size_t layer, const nn::LayerSpec& spec, Role role, std::vector<std::int64_t> shape,
           std::int64_t pixels);
  float* base(const Entry& entry) const;
  float* at(const Entry& entry) const { return base(entry) + entry.offset; }

  std::vector<Entry> entries_;
  Stream stream_;
  std::int64_t trained_end_ = 0, statistics_end_ = 0;
  Buffer<float> values_, gradients_, statistics_;
  std::uint64_t version_ = 1;
};

}  // namespace leaven::train
