#include <gtest/gtest.h>

#include <leaven/cpu.hpp>
#include "tests/augment/augmenter_reference.hpp"
#include "tests/support/backend.hpp"

// Masks, boxes and key points go where their images go.
namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using enum AugmentOp;

class TargetsTest : public BackendTest {
 protected:
  std::vector<std::uint8_t> masks(const AugmenterOptions& options, const std::vector<std::uint8_t>& in,
                                  const ImageShape& shape, const std::vector<std::int64_t>& ids, RandomKey key,
                                  Colour fill) const {
    const Augmenter augment(options, shape);
    ImageShape out_shape = shape;
    if (options.random_resized_crop) {
      out_shape.height = options.random_resized_crop->size.height;
      out_shape.width = options.random_resized_crop->size.width;
    }
    const Buffer<std::uint8_t> device_in(in, stream());
    const Buffer<std::int64_t> device_ids(ids, stream());
    const GuardedBuffer<std::byte> workspace(augment.masks_workspace_bytes(shape), stream());
    const GuardedBuffer<std::uint8_t> out(out_shape.size(), stream());
    augment.masks(In::nhwc(device_in.data(), shape), device_ids.cspan(), key, fill, Out::nhwc(out.data(), out_shape),
                  workspace.span(), stream());
    out.expect_guards_intact();
    workspace.expect_guards_intact();
    return out.to_host();
  }

  std::vector<AffineMatrix> geometry(const AugmenterOptions& options, const ImageShape& shape,
                                     const std::vector<std::int64_t>& ids, RandomKey key) const {
    const Buffer<std::int64_t> device_ids(ids, stream());
    const GuardedBuffer<AffineMatrix> maps(static_cast<std::int64_t>(ids.size()), stream());
    Augmenter(options, shape).geometry(device_ids.cspan(), key, maps.span(), stream());
    maps.expect_guards_intact();
    return maps.to_host();
  }
};
LEAVEN_ON_BOTH_BACKENDS(TargetsTest);

// The same chain without what changes values: the draws of a list of the same length are the same.
AugmenterOptions geometry_alone(AugmenterOptions options, Colour fill) {
  if (options.policy) {
    auto& policy = std::get<RandAugmentOptions>(*options.policy);
    std::vector<AugmentOp> ops(policy.ops.begin(), policy.ops.end());
    for (AugmentOp& op : ops) op = op >= shear_x && op <= rotate ? op : identity;
    policy.ops = OpList(ops);
    policy.warp = {.fill = fill};
  }
  if (options.pad_crop) options.pad_crop->fill = fill;
  if (options.random_resized_crop) options.random_resized_crop->crop.interpolation = Interpolation::nearest;
  options.random_erase.reset();
  options.normalise = {};
  return options;
}

std::vector<AugmenterOptions> chains() {
  const RandAugmentOptions strong{.num_ops = 3, .magnitude = 25, .warp = {.interpolation = Interpolation::bilinear}};
  return {
      {},
      {.pad_crop = RandomPadCrop{}, .flip_probability = 0.5f},
      {.pad_crop = RandomPadCrop{}, .flip_probability = 0.5f, .policy = RandAugmentOptions{.magnitude = 20}},
      {.flip_probability = 0.5f, .policy = strong, .random_erase = RandomEraseOptions{.probability = 1}},
      {.random_resized_crop = RandomResizedCrop{.size = {20, 33}}, .flip_probability = 0.5f, .policy = strong},
  };
}

TEST_P(TargetsTest, MasksAreMovedByTheDrawsOfTheirImages) {
  std::uint32_t round = 0;
  for (const ImageShape& shape : {ImageShape{17, 28, 28, 1}, ImageShape{9, 31, 40, 3}}) {
    for (AugmenterOptions options : chains()) {
      for (const bool pastes : {false, true}) {
        if (pastes) options.mix = CutMixOptions{.partner = MixPartner::mirrored};
        const RandomKey key{.seed = 12, .epoch = ++round};
        const Samples samples{shape, noise(shape.size(), round), ids_from(5, shape.count),
                              std::vector<std::int32_t>(static_cast<std::size_t>(shape.count))};
        const Result as_images = expected(geometry_alone(options, 9), samples, key);
        const std::vector<std::uint8_t> got = masks(options, samples.images, shape, samples.ids, key, 9);
        ASSERT_EQ(got.size(), as_images.images.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(int{got[i]}, static_cast<int>(std::lround(as_images.images[i] * 255))) << round << ", value " << i;
        }
      }
    }
  }
}

// The workspace is made for the threads of the moment: more of them later are none of its business.
TEST(MasksCpu, AWorkspaceMadeForFewThreadsServesMany) {
  const ImageShape shape{9, 12, 12, 1};
  const Augmenter augment({.flip_probability = 1}, shape);
  const int before = cpu_threads();
  set_cpu_threads(1);
  std::vector<std::byte> workspace(static_cast<std::size_t>(augment.masks_workspace_bytes(shape)));
  set_cpu_threads(8);
  const std::vector<std::uint8_t> in = noise(shape.size(), 4);
  std::vector<std::uint8_t> out(in.size()), expected(in.size());
  augment.masks(In::nhwc(in.data(), shape), ids_from(0, 9), {}, 0, Out::nhwc(out.data(), shape), workspace,
                Stream::cpu());
  set_cpu_threads(before);
  flip(In::nhwc(in.data(), shape), FlipAxis::left_right, Out::nhwc(expected.data(), shape), Stream::cpu());
  EXPECT_EQ(out, expected);
}

TEST_P(TargetsTest, MixUpAndErasingLeaveMasksAlone) {
  const ImageShape shape{6, 16, 16, 1};
  const std::vector<std::uint8_t> in = noise(shape.size(), 4);
  const AugmenterOptions options{.random_erase = RandomEraseOptions{.probability = 1}, .mix = MixUpOptions{.alpha = 1}};
  EXPECT_EQ(masks(options, in, shape, ids_from(0, 6), {}, 255), in);
}

// Masks that hold their own coordinates: what stands at an output pixel is where the map says.
TEST_P(TargetsTest, GeometryIsTheMapOfTheWholeChain) {
  const ImageShape shape{12, 61, 75, 3};
  std::vector<std::uint8_t> coordinates;
  for (std::int64_t i = 0; i < shape.count * shape.height * shape.width; ++i) {
    coordinates.push_back(static_cast<std::uint8_t>(i % shape.width));
    coordinates.push_back(static_cast<std::uint8_t>(i / shape.width % shape.height));
    coordinates.push_back(255);
  }
  std::uint32_t round = 0;
  for (const AugmenterOptions& options : chains()) {
    const RandomKey key{.seed = 13, .epoch = ++round};
    const std::vector<std::int64_t> ids = ids_from(50, shape.count);
    const std::vector<std::uint8_t> where = masks(options, coordinates, shape, ids, key, 0);
    const std::vector<AffineMatrix> maps = geometry(options, shape, ids, key);
    const std::int64_t width = options.random_resized_crop ? 33 : shape.width;
    const std::int64_t height = options.random_resized_crop ? 20 : shape.height;
    std::int64_t seen = 0;
    for (std::int64_t i = 0; i < shape.count * height * width; ++i) {
      const std::uint8_t* got = where.data() + 3 * i;
      if (got[2] != 255) continue;
      ++seen;
      const std::array<double, 6>& m = maps[static_cast<std::size_t>(i / (height * width))].m;
      const double x = static_cast<double>(i % width) + 0.5;
      const double y = static_cast<double>(i / width % height) + 0.5;
      // Each nearest step moves a place by up to half a pixel before the next one turns or scales it.
      const double slack = options.random_resized_crop ? 6.0 : (options.policy ? 3.0 : 0.51);
      ASSERT_NEAR(m[0] * x + m[1] * y + m[2], got[0] + 0.5, slack) << round << ", pixel " << i;
      ASSERT_NEAR(m[3] * x + m[4] * y + m[5], got[1] + 0.5, slack) << round << ", pixel " << i;
    }
    EXPECT_GT(seen, shape.count * height * width / 2);
  }
}

TEST_P(TargetsTest, PointsAndBoxesFollowTheMap) {
  const AffineMatrix turn = affine_matrix({.angle_deg = 90}, {40, 40});
  const std::vector<AffineMatrix> maps{{}, {{1, 0, -5, 0, 1, 3}}, turn, {{0, 0, 1, 0, 0, 2}}};
  const std::vector<std::int64_t> image_of{0, 1, 2, 3, 4, -1};
  const std::vector<PointPx> points(6, PointPx{10, 4});
  const std::vector<BoundingBox> boxes(6, BoundingBox{10, 4, 30, 12});
  const Buffer<AffineMatrix> device_maps(maps, stream());
  const Buffer<std::int64_t> device_images(image_of, stream());
  GuardedBuffer<PointPx> moved(6, stream());
  moved.set(points);
  move_points(device_maps.cspan(), device_images.cspan(), moved.span(), moved.span(), stream());
  moved.expect_guards_intact();
  const std::vector<PointPx> got = moved.to_host();
  const double expected[3][2] = {{10, 4}, {15, 1}, {36, 10}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(got[i].x, expected[i][0], 1e-12);
    EXPECT_NEAR(got[i].y, expected[i][1], 1e-12);
  }
  for (std::size_t i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(got[i].x) && std::isnan(got[i].y)) << i;

  const Buffer<BoundingBox> device_boxes(boxes, stream());
  const GuardedBuffer<BoundingBox> hulls(6, stream());
  move_boxes(device_maps.cspan(), device_images.cspan(), {40, 32}, device_boxes.cspan(), hulls.span(), stream());
  hulls.expect_guards_intact();
  const std::vector<BoundingBox> hull = hulls.to_host();
  const BoundingBox expected_boxes[3] = {{10, 4, 30, 12}, {15, 1, 32, 9}, {28, 10, 32, 30}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(hull[i].left, expected_boxes[i].left, 1e-12) << i;
    EXPECT_NEAR(hull[i].top, expected_boxes[i].top, 1e-12) << i;
    EXPECT_NEAR(hull[i].right, expected_boxes[i].right, 1e-12) << i;
    EXPECT_NEAR(hull[i].bottom, expected_boxes[i].bottom, 1e-12) << i;
  }
  for (std::size_t i = 3; i < 6; ++i) EXPECT_EQ(hull[i], BoundingBox{}) << i;
}

TEST(TargetsContract, NamesWhatIsWrong) {
  const ImageShape shape{2, 8, 8, 1};
  const Augmenter augment({}, shape);
  const Augmenter mixed({.policy = AugMixOptions{}}, shape);
  std::vector<std::uint8_t> in(128), out(128, 7);
  std::vector<std::byte> workspace(static_cast<std::size_t>(augment.masks_workspace_bytes(shape)));
  const std::vector<std::int64_t> ids{0, 1};
  std::vector<AffineMatrix> maps(2);
  const auto call = [&](const Augmenter& a, const ImageShape& to, std::size_t bytes, std::size_t id_count) {
    return message_of<InvalidArgument>([&] {
      a.masks(In::nhwc(in.data(), shape), std::span(ids).first(id_count), {}, 0, Out::nhwc(out.data(), to),
              std::span(workspace).first(bytes), Stream::cpu());
    });
  };
  EXPECT_EQ(call(mixed, shape, workspace.size(), 2),
            "Augmenter::masks: the policy is AugMix, expected one that gives each image one geometry");
  EXPECT_EQ(call(augment, {2, 8, 7, 1}, workspace.size(), 2), "Augmenter::masks: out has masks of 8x7, expected 8x8");
  EXPECT_EQ(call(augment, shape, workspace.size(), 1),
            "Augmenter::masks: sample_ids has 1 values, expected 2 (one per image)");
  EXPECT_NE(call(augment, shape, 5, 2).find("workspace has 5 bytes, expected"), std::string::npos);
  EXPECT_EQ(message_of<InvalidArgument>([&] { mixed.geometry(ids, {}, maps, Stream::cpu()); }),
            "Augmenter::geometry: the policy is AugMix, expected one that gives each image one geometry");
  EXPECT_EQ(message_of<InvalidArgument>([&] { augment.geometry(ids, {}, std::span(maps).first(1), Stream::cpu()); }),
            "Augmenter::geometry: output_to_input has 1 values, expected 2 (one per image)");
  EXPECT_EQ(out, std::vector<std::uint8_t>(128, 7));
}

}  // namespace
}  // namespace leaven::test
