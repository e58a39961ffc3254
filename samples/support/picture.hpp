#pragma once

#include <cstdint>
#include <string>

#include <leaven/augment.hpp>
#include <leaven/io.hpp>
#include "samples/support/policies.hpp"

namespace leaven::samples {

/// A picture in the memory of a backend, to which operations are applied one after the other.
class Picture {
 public:
  Picture(const io::HostImage& image, Stream stream);

  /// @throws InvalidArgument where the operation does not fit the picture (a crop outside of it).
  void apply(const ParsedOp& op);
  /// The policy's draw for (key, sample_id).
  void apply_policy(const ParsedPolicy& policy, RandomKey key, std::int64_t sample_id);

  io::HostImage to_host() const;

 private:
  ImageView<const std::uint8_t> in() const;
  ImageView<std::uint8_t> out(ImageSize size);
  void finish(ImageSize size);

  Stream stream_;
  ImageShape shape_;
  Buffer<std::uint8_t> pixels_;
  Buffer<std::uint8_t> result_;
};

}  // namespace leaven::samples
