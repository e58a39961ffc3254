#include "host/augment/random_erase.hpp"

#include "host/augment/checks.hpp"
#include "host/augment/image_op.hpp"
#include "host/augment/mix.hpp"
#include "host/augment/random_resized_crop.hpp"
#include "host/core/check.hpp"

namespace leaven {

void check_random_erase(const char* function, const RandomEraseOptions& options) {
  check(options.probability >= 0 && options.probability <= 1, "{}: options.probability is {}, expected 0 to 1",
        function, options.probability);
  check_rectangles(function, options.scale, options.ratio);
}

RandomEraseSource random_erase_source(const RandomEraseOptions& options, RandomKey key, const std::int64_t* ids,
                                      ImageSize size) {
  RandomEraseSource source;
  source.seed = key.seed;
  source.epoch = key.epoch;
  source.probability = options.probability;
  source.range = rectangle_range(options.scale, options.ratio);
  source.colour = options.colour;
  source.height = static_cast<std::int32_t>(size.height);
  source.width = static_cast<std::int32_t>(size.width);
  source.ids = ids;
  return source;
}

void random_erase(ImageView<const std::uint8_t> in, std::span<const std::int64_t> sample_ids,
                  const RandomEraseOptions& options, RandomKey key, ImageView<std::uint8_t> out, Stream stream) {
  check_pixel_operation("random_erase", in, out);
  check_area("random_erase", "in", in.shape());
  check_span("random_erase", "sample_ids", sample_ids, in.count);
  check_random_erase("random_erase", options);
  const RandomEraseSource source = random_erase_source(options, key, sample_ids.data(), {in.height, in.width});
  run_image_ops("random_erase", source, in, {}, out, stream);
}

}  // namespace leaven
