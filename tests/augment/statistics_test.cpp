#include "tests/augment/statistics.hpp"

#include <gtest/gtest.h>

#include <map>

#include <leaven/augment.hpp>
#include "kernels/augment/mix.hpp"
#include "tests/augment/policy_reference.hpp"

// The laws of what is drawn, seen through the public functions; and that each test would notice the faults that such
// code is known for.
namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using enum AugmentOp;

constexpr double kHolds = 1e-3;     // seeds are fixed: what passes once passes always
constexpr double kRefuted = 1e-12;  // what a planted fault must fall below

TEST(Statistics, TestsKnowPublishedValues) {
  EXPECT_NEAR(chi_square_p(3.841459, 1), 0.05, 1e-6);
  EXPECT_NEAR(chi_square_p(18.307038, 10), 0.05, 1e-6);
  EXPECT_NEAR(chi_square_p(124.342113, 100), 0.05, 1e-6);
  EXPECT_NEAR(chi_square_p(23.209251, 10), 0.01, 1e-6);
  EXPECT_NEAR(symmetric_beta_cdf(1, 0.3), 0.3, 1e-12);
  EXPECT_NEAR(symmetric_beta_cdf(0.5, 0.3), std::asin(std::sqrt(0.3)) / std::acos(0.0), 1e-12);
  EXPECT_NEAR(symmetric_beta_cdf(2, 0.8), 3 * 0.64 - 2 * 0.512, 1e-12);
  std::vector<double> even;
  for (int i = 0; i < 100; ++i) even.push_back(0.0136 * (i + 0.5) / 1.36);  // distance 0.005 from uniform
  EXPECT_GT(kolmogorov_p(even, [](double x) { return x; }), 0.999);
  for (double& x : even) x = x * x;  // distance about 0.25, 2.5 / sqrt(100)
  EXPECT_LT(kolmogorov_p(even, [](double x) { return x; }), 1e-4);
}

// ------------------------------------------------------------------------------------------------------ RandAugment

const OpList kEveryOp = {identity, shear_x,   shear_y,   translate_x, translate_y,  rotate,   brightness, color,
                         contrast, sharpness, posterize, solarize,    autocontrast, equalize, invert};
constexpr std::size_t kOps = 15;

struct Choices {
  std::vector<std::int64_t> ops = std::vector<std::int64_t>(kOps);       // how often each of the list
  std::vector<std::int64_t> negative = std::vector<std::int64_t>(kOps);  // and how often with the negative sign
};

// One layer on many copies of an image; every outcome looks different.
Choices observed_choices(std::int64_t count) {
  const ImageShape one{1, 24, 24, 3};
  std::vector<std::uint8_t> image = noise(one.size(), 21);
  for (std::uint8_t& v : image) v = static_cast<std::uint8_t>(20 + v / 2);  // leaves autocontrast something to do
  const RandAugmentOptions options{.ops = kEveryOp, .num_ops = 1, .magnitude = 16};
  std::map<std::string, DrawnOp> outcomes;  // by the bytes of the result
  for (const AugmentOp op : kEveryOp) {
    for (const bool negative : {true, false}) {
      std::vector<std::uint8_t> out(image.size());
      apply_single({op, negative}, expected_magnitude(op, {24, 24}, 16), {}, In::nhwc(image.data(), one),
                   Out::nhwc(out.data(), one));
      outcomes[std::string(out.begin(), out.end())] = {op, negative};
    }
  }
  EXPECT_EQ(outcomes.size(), 24u) << "nine signed operations and six others";
  std::vector<std::uint8_t> images;
  for (std::int64_t i = 0; i < count; ++i) images.insert(images.end(), image.begin(), image.end());
  std::vector<std::uint8_t> results(images.size());
  const ImageShape shape{count, 24, 24, 3};
  rand_augment(In::nhwc(images.data(), shape), ids_from(0, count), options, {.seed = 42},
               Out::nhwc(results.data(), shape), {}, Stream::cpu());
  Choices choices;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto found =
        outcomes.find(std::string(results.begin() + i * one.size(), results.begin() + (i + 1) * one.size()));
    if (found == outcomes.end()) {
      ADD_FAILURE() << "image " << i << " is none of the outcomes";
      continue;
    }
    const auto op = static_cast<std::size_t>(found->second.op);
    ++choices.ops[op];
    if (found->second.negative) ++choices.negative[op];
  }
  return choices;
}

double signs_p(const Choices& choices) {
  double smallest = 1;
  for (std::size_t op = 1; op <= 9; ++op) {
    smallest = std::min(smallest, uniform_p({choices.negative[op], choices.ops[op] - choices.negative[op]}));
  }
  return std::min(1.0, 9 * smallest);
}

TEST(RandAugmentLaw, OperationsAndSignsAreUniform) {
  const Choices choices = observed_choices(24000);
  EXPECT_GT(uniform_p(choices.ops), kHolds);
  EXPECT_GT(signs_p(choices), kHolds);
}

TEST(RandAugmentLaw, FaultsAreNoticed) {
  Choices last_never = observed_choices(6000);
  last_never.ops[0] += last_never.ops[kOps - 1];
  last_never.ops[kOps - 1] = 0;
  EXPECT_LT(uniform_p(last_never.ops), kRefuted);
  Choices never_negative = observed_choices(6000);
  std::fill(never_negative.negative.begin(), never_negative.negative.end(), 0);
  EXPECT_LT(signs_p(never_negative), kRefuted);
}

TEST(RandAugmentLaw, LayersEpochsAndNeighboursAreIndependent) {
  std::vector<std::int64_t> layers(kOps * kOps), epochs(kOps * kOps), neighbours(kOps * kOps);
  for (std::int64_t id = 0; id < 40000; ++id) {
    const auto op = [&](std::int64_t sample, std::uint32_t epoch, std::uint32_t layer) {
      return static_cast<std::size_t>(expected_op({.seed = 3, .epoch = epoch}, sample, layer, kEveryOp).op);
    };
    ++layers[op(id, 0, 0) * kOps + op(id, 0, 1)];
    ++epochs[op(id, 0, 0) * kOps + op(id, 1, 0)];
    ++neighbours[op(2 * id, 0, 0) * kOps + op(2 * id + 1, 0, 0)];
  }
  EXPECT_GT(uniform_p(layers), kHolds);
  EXPECT_GT(uniform_p(epochs), kHolds);
  EXPECT_GT(uniform_p(neighbours), kHolds);
}

// --------------------------------------------------------------------------------------------------- flip and crop

TEST(FlipLaw, HappensWithItsProbability) {
  const ImageShape shape{40000, 1, 2, 1};
  std::vector<std::uint8_t> images;
  for (std::int64_t i = 0; i < shape.count; ++i) images.insert(images.end(), {0, 255});
  const Augmenter augment({.flip_probability = 0.3f}, shape);
  Augmenter::Batch batch = augment.make_batch(shape.count, Stream::cpu());
  augment(In::nhwc(images.data(), shape), ids_from(0, shape.count), {}, {.seed = 6}, batch, Stream::cpu());
  std::int64_t flipped = 0;
  for (std::int64_t i = 0; i < shape.count; ++i) flipped += batch.view().data[2 * i] == 1.0f ? 1 : 0;
  EXPECT_GT(fits_p({flipped, shape.count - flipped}, {0.3, 0.7}), kHolds);
  const auto twice = static_cast<std::int64_t>(0.3 * static_cast<double>(flipped));  // a second draw keeps three of ten
  EXPECT_LT(fits_p({twice, shape.count - twice}, {0.3, 0.7}), kRefuted);
}

// The value of a pixel tells where it was.
std::vector<std::int64_t> observed_positions(std::int64_t count) {
  const ImageShape shape{count, 16, 16, 1};
  std::vector<std::uint8_t> images(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i % 256);
  const Augmenter augment({.pad_crop = RandomPadCrop{.padding = 4}}, shape);
  Augmenter::Batch batch = augment.make_batch(count, Stream::cpu());
  augment(In::nhwc(images.data(), shape), ids_from(0, count), {}, {.seed = 2}, batch, Stream::cpu());
  std::vector<std::int64_t> positions(81);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::int64_t>(std::lround(batch.view().data[i * 256 + 8 * 16 + 8] * 255));
    const std::int64_t x = at % 16 - 4;
    const std::int64_t y = at / 16 - 4;
    if (x < 0 || x > 8 || y < 0 || y > 8) {
      ADD_FAILURE() << "position " << x << ", " << y;
    } else {
      ++positions[static_cast<std::size_t>(y * 9 + x)];
    }
  }
  return positions;
}

TEST(CropLaw, EveryPositionIsEquallyLikely) {
  const std::vector<std::int64_t> positions = observed_positions(40000);
  EXPECT_GT(uniform_p(positions), kHolds);
  EXPECT_GT(positions.front(), 0);
  EXPECT_GT(positions.back(), 0);
}

TEST(CropLaw, FaultsAreNoticed) {
  std::vector<std::int64_t> last_never = observed_positions(10000);
  for (std::size_t i = 0; i < 9; ++i) {
    last_never[i * 9 + i % 8] += last_never[i * 9 + 8];
    last_never[i * 9 + 8] = 0;
  }
  EXPECT_LT(uniform_p(last_never), kRefuted);
  std::vector<std::int64_t> one_for_all(81);
  one_for_all[40] = 10000;
  EXPECT_LT(uniform_p(one_for_all), kRefuted);
}

// ----------------------------------------------------------------------------------------------------------- CutMix

std::vector<double> lambdas(double alpha, int count) {
  std::vector<double> samples;
  for (std::int64_t id = 0; id < count; ++id) {
    const Philox4 w = words({.seed = 5}, id, 2);
    samples.push_back(symmetric_beta(1 / alpha, w.y, w.z));
  }
  return samples;
}

TEST(LambdaLaw, IsBeta) {
  for (const double alpha : {0.2, 0.5, 1.0, 2.0, 8.0, 100.0}) {
    EXPECT_GT(kolmogorov_p(lambdas(alpha, 50000), [&](double x) { return symmetric_beta_cdf(alpha, x); }), kHolds)
        << alpha;
  }
  EXPECT_LT(kolmogorov_p(lambdas(1.0, 50000), [](double x) { return symmetric_beta_cdf(1.2, x); }), kRefuted);
}

TEST(LambdaLaw, ExtremeAlphasStayWithin0And1) {
  for (const double alpha : {1e-30, 1e-4, 0.01, 1e4, 1e30}) {
    for (const double lambda : lambdas(alpha, 2000)) {
      ASSERT_GE(lambda, 0) << alpha;
      ASSERT_LE(lambda, 1) << alpha;
    }
  }
}

struct Boxes {
  std::vector<double> left, top, right, bottom, weight;  // the weight in pixels
};

enum class Fault { none, inverted_weight, one_centre_for_all, last_centre_never, whole_side_for_half, no_clipping };

// The definition with the standard library's generator: Beta as a quotient of gamma variates.
Boxes simulated_boxes(int count, double alpha, int width, int height, Fault fault) {
  std::mt19937_64 random(99);
  std::gamma_distribution<double> gamma(alpha);
  std::uniform_int_distribution<int> column(0, fault == Fault::last_centre_never ? width - 2 : width - 1);
  std::uniform_int_distribution<int> row(0, fault == Fault::last_centre_never ? height - 2 : height - 1);
  Boxes boxes;
  int x = column(random);
  int y = row(random);
  for (int i = 0; i < count; ++i) {
    const double a = gamma(random);
    const double lambda = a / (a + gamma(random));
    const double side = std::sqrt(1 - lambda) * (fault == Fault::whole_side_for_half ? 1 : 0.5);
    const int half_width = static_cast<int>(side * width);
    const int half_height = static_cast<int>(side * height);
    if (fault != Fault::one_centre_for_all) {
      x = column(random);
      y = row(random);
    }
    const int left = std::max(x - half_width, 0), right = std::min(x + half_width, width);
    const int top = std::max(y - half_height, 0), bottom = std::min(y + half_height, height);
    if (left == right || top == bottom) continue;  // cannot be seen
    const double area = static_cast<double>((right - left) * (bottom - top));
    double weight = 1 - area / (width * height);
    if (fault == Fault::no_clipping) weight = lambda;
    if (fault == Fault::inverted_weight) weight = 1 - weight;
    boxes.left.push_back(left);
    boxes.top.push_back(top);
    boxes.right.push_back(right);
    boxes.bottom.push_back(bottom);
    boxes.weight.push_back(std::round(weight * width * height));
  }
  return boxes;
}

// Black and white images take turns: the box is what has the other colour.
Boxes observed_boxes(int count, float alpha, int width, int height) {
  const ImageShape shape{count, height, width, 1};
  std::vector<std::uint8_t> images(static_cast<std::size_t>(shape.size()));
  const std::int64_t area = std::int64_t{width} * height;
  for (std::int64_t i = 0; i < shape.size(); ++i) images[static_cast<std::size_t>(i)] = i / area % 2 == 0 ? 0 : 255;
  std::vector<std::uint8_t> mixed(images.size());
  std::vector<float> weight(static_cast<std::size_t>(count));
  cutmix(In::nhwc(images.data(), shape), ids_from(0, count), {}, {.alpha = alpha}, {.seed = 13},
         Out::nhwc(mixed.data(), shape), {.a = {}, .b = {}, .weight_a = weight}, Stream::cpu());
  Boxes boxes;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t left = width, top = height, right = 0, bottom = 0;
    for (std::int64_t k = 0; k < area; ++k) {
      if (mixed[static_cast<std::size_t>(i * area + k)] == images[static_cast<std::size_t>(i * area + k)]) continue;
      left = std::min(left, k % width);
      right = std::max(right, k % width + 1);
      top = std::min(top, k / width);
      bottom = std::max(bottom, k / width + 1);
    }
    if (right == 0) continue;
    boxes.left.push_back(static_cast<double>(left));
    boxes.top.push_back(static_cast<double>(top));
    boxes.right.push_back(static_cast<double>(right));
    boxes.bottom.push_back(static_cast<double>(bottom));
    boxes.weight.push_back(std::round(double{weight[static_cast<std::size_t>(i)]} * width * height));
  }
  return boxes;
}

double same_boxes_p(const Boxes& a, const Boxes& b, int width, int height) {
  const double smallest = std::min(
      {same_law_p(a.left, b.left, 0, width + 1, width + 1), same_law_p(a.right, b.right, 0, width + 1, width + 1),
       same_law_p(a.top, b.top, 0, height + 1, height + 1), same_law_p(a.bottom, b.bottom, 0, height + 1, height + 1),
       same_law_p(a.weight, b.weight, 0, width * height + 1, (width * height + 1) / 8)});
  return std::min(1.0, 5 * smallest);
}

TEST(CutMixLaw, BoxesAndWeightsFollowTheDefinition) {
  for (const float alpha : {1.0f, 0.3f, 4.0f}) {
    EXPECT_GT(
        same_boxes_p(observed_boxes(20000, alpha, 24, 20), simulated_boxes(60000, alpha, 24, 20, Fault::none), 24, 20),
        kHolds)
        << alpha;
  }
}

TEST(CutMixLaw, FaultsAreNoticed) {
  const Boxes observed = observed_boxes(20000, 1.0f, 24, 20);
  for (const Fault fault : {Fault::inverted_weight, Fault::one_centre_for_all, Fault::last_centre_never,
                            Fault::whole_side_for_half, Fault::no_clipping}) {
    EXPECT_LT(same_boxes_p(observed, simulated_boxes(60000, 1.0, 24, 20, fault), 24, 20), kRefuted)
        << static_cast<int>(fault);
  }
}

TEST(CutMixLaw, ProbabilityDecidesOnce) {
  const ImageShape shape{40000, 1, 1, 1};
  const std::vector<std::uint8_t> images(40000);
  std::vector<std::uint8_t> mixed(40000);
  std::vector<std::int32_t> labels(40000), a(40000), b(40000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i);
  std::vector<float> weight(40000);
  cutmix(In::nhwc(images.data(), shape), ids_from(0, 40000), labels, {.probability = 0.3f}, {.seed = 14},
         Out::nhwc(mixed.data(), shape), {.a = a, .b = b, .weight_a = weight}, Stream::cpu());
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
  EXPECT_GT(fits_p({count, 40000 - count}, {0.3, 0.7}), kHolds);
  const auto squared = static_cast<std::int64_t>(0.09 * 40000);
  EXPECT_LT(fits_p({squared, 40000 - squared}, {0.3, 0.7}), kRefuted);
}

}  // namespace
}  // namespace leaven::test
