#include "samples/support/pictures.hpp"

#include <algorithm>
#include <cmath>

namespace leaven::samples {

std::vector<io::HostImage> pictures_of(const train::DataSet& data, std::span<const std::int64_t> ids, Stream stream) {
  const train::DataSet chosen = train::select(data, ids, stream);
  const std::vector<std::uint8_t> values = chosen.images.to_host(stream);
  const ImageShape& shape = chosen.shape;
  const std::int64_t size = shape.height * shape.width * shape.channels;
  std::vector<io::HostImage> pictures;
  for (std::int64_t i = 0; i < shape.count; ++i) {
    pictures.push_back({shape.height, shape.width, shape.channels, {}});
    pictures.back().pixels.assign(values.begin() + i * size, values.begin() + (i + 1) * size);
  }
  return pictures;
}

std::vector<io::HostImage> pictures_of(const Augmenter::Batch& batch, const Normalisation& normalisation,
                                       Stream stream) {
  const std::vector<float> values = batch.to_host(stream);
  const auto view = ImageView<const float>::packed(values.data(), batch.shape, batch.layout);
  std::vector<io::HostImage> pictures;
  for (std::int64_t i = 0; i < batch.count; ++i) {
    pictures.push_back({view.height, view.width, view.channels, {}});
    for (std::int64_t y = 0; y < view.height; ++y) {
      for (std::int64_t x = 0; x < view.width; ++x) {
        for (std::int64_t c = 0; c < view.channels; ++c) {
          const float value =
              view.data[i * view.image_stride + y * view.row_stride + x * view.pixel_stride + c * view.channel_stride];
          const auto channel = static_cast<std::size_t>(c);
          const float level = 255 * (value * normalisation.std[channel] + normalisation.mean[channel]);
          pictures.back().pixels.push_back(static_cast<std::uint8_t>(std::clamp(std::nearbyint(level), 0.0f, 255.0f)));
        }
      }
    }
  }
  return pictures;
}

}  // namespace leaven::samples
