#include "kernels/augment/targets.hpp"
#include <leaven/augment.hpp>
#include "host/augment/checks.hpp"
#include "host/augment/mix.hpp"
#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"

namespace leaven {
namespace {

constexpr std::int64_t kGrain = 4096;  // targets that a thread moves at a time

void run(const char* function, TargetsJob job, std::span<const AffineMatrix> maps,
         std::span<const std::int64_t> image_of, Stream stream) {
  check(maps.data() != nullptr || maps.empty(), "{}: output_to_input is null, expected {} values", function,
        maps.size());
  check(!maps.empty() || job.count == 0, "{}: output_to_input has 0 values, expected at least 1", function);
  check_span(function, "image_of", image_of, job.count);
  if (job.count == 0) return;
  job.maps = maps.data();
  job.images = static_cast<std::int64_t>(maps.size());
  job.image_of = image_of.data();
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) return move_targets_cuda(function, job, stream.cuda_handle());
  }
  parallel_for(job.count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) move_target(job, i);
  });
}

}  // namespace

void move_points(std::span<const AffineMatrix> output_to_input, std::span<const std::int64_t> image_of,
                 std::span<const PointPx> in, std::span<PointPx> out, Stream stream) {
  const auto count = static_cast<std::int64_t>(in.size());
  check_span("move_points", "in", in, count);
  check_span("move_points", "out", out, count);
  TargetsJob job;
  job.count = count;
  job.points_in = in.data();
  job.points_out = out.data();
  run("move_points", job, output_to_input, image_of, stream);
}

void move_boxes(std::span<const AffineMatrix> output_to_input, std::span<const std::int64_t> image_of, ImageSize size,
                std::span<const BoundingBox> in, std::span<BoundingBox> out, Stream stream) {
  const auto count = static_cast<std::int64_t>(in.size());
  check_span("move_boxes", "in", in, count);
  check_span("move_boxes", "out", out, count);
  check(size.height >= 0 && size.width >= 0, "move_boxes: size is {}x{}, expected at least 0", size.height, size.width);
  TargetsJob job;
  job.count = count;
  job.boxes_in = in.data();
  job.boxes_out = out.data();
  job.height = static_cast<double>(size.height);
  job.width = static_cast<double>(size.width);
  run("move_boxes", job, output_to_input, image_of, stream);
}

}  // namespace leaven
