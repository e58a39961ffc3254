#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include <leaven/augment.hpp>
#include "host/augment/policy.hpp"
#include "kernels/augment/aug_mix.hpp"
#include "tests/augment/all_policies_reference.hpp"
#include "tests/augment/statistics.hpp"
#include "tests/support/backend.hpp"

// timm's RandAugment and its strings, AugMix, colour jitter.
namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

class MorePoliciesTest : public BackendTest {
 protected:
  // call(in, ids, out, workspace)
  template <class Call>
  std::vector<std::uint8_t> run(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                                const std::vector<std::int64_t>& ids, std::int64_t workspace_bytes,
                                const Call& call) const {
    const Buffer<std::uint8_t> in(images, stream());
    const Buffer<std::int64_t> device_ids(ids, stream());
    const GuardedBuffer<std::byte> workspace(workspace_bytes, stream());
    const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
    call(In::nhwc(in.data(), shape), device_ids.cspan(), Out::nhwc(out.data(), shape), workspace.span());
    out.expect_guards_intact();
    workspace.expect_guards_intact();
    return out.to_host();
  }
};
LEAVEN_ON_BOTH_BACKENDS(MorePoliciesTest);

const ImageShape kShapes[] = {{40, 28, 28, 1}, {40, 32, 32, 3}, {12, 33, 47, 3}, {6, 1, 1, 3}, {0, 8, 8, 1}};

TEST_P(MorePoliciesTest, TimmRandAugmentEqualsSingleOperations) {
  const char* const texts[] = {"rand", "rand-m9-mstd0.5-inc1", "rand-m7-n3-mstd101-p1", "rand-m20-n1-mstd4-mmax30",
                               "rand-m5-n0"};
  RandomKey key{.seed = 31};
  for (const ImageShape& shape : kShapes) {
    for (const char* const text : texts) {
      SCOPED_TRACE(text);
      auto options = std::get<TimmRandAugmentOptions>(timm_policy(text));
      if (key.epoch.value % 2 == 0) options.warp.interpolation = Interpolation::bicubic;
      ++key.epoch.value;
      const std::vector<std::uint8_t> images = noise(shape.size(), key.epoch.value);
      const std::vector<std::int64_t> ids = ids_from(100, shape.count);
      const auto got =
          run(images, shape, ids, timm_rand_augment_workspace_bytes(shape, options),
              [&](In in, std::span<const std::int64_t> sample_ids, Out out, std::span<std::byte> workspace) {
                timm_rand_augment(in, sample_ids, options, key, out, workspace, stream());
              });
      EXPECT_EQ(got, expected_timm(images, shape, ids, options, key));
    }
  }
}

TEST_P(MorePoliciesTest, ColourJitterEqualsSingleOperationsInTheDrawnOrder) {
  const ColourJitterOptions all_options[] = {{.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f},
                                             {.brightness = 1.5f, .hue = 0.5f},
                                             {.contrast = 0.2f, .saturation = 0.7f, .hue = 0.05f},
                                             {.saturation = 1},
                                             {}};
  RandomKey key{.seed = 32};
  for (const ImageShape& shape : kShapes) {
    for (const ColourJitterOptions& options : all_options) {
      ++key.epoch.value;
      const std::vector<std::uint8_t> images = noise(shape.size(), key.epoch.value);
      const std::vector<std::int64_t> ids = ids_from(-7, shape.count);
      const auto got =
          run(images, shape, ids, colour_jitter_workspace_bytes(shape, options),
              [&](In in, std::span<const std::int64_t> sample_ids, Out out, std::span<std::byte> workspace) {
                colour_jitter(in, sample_ids, options, key, out, workspace, stream());
              });
      EXPECT_EQ(got, expected_jitter(images, shape, ids, options, key));
    }
  }
}

const RandomAffineOptions kAffine{.angle_deg = {-40, 75},
                                  .translate_x = 0.2f,
                                  .translate_y = 0.1f,
                                  .scale = {0.6, 1.7},
                                  .shear_x_deg = {-20, 10},
                                  .shear_y_deg = {0, 30},
                                  .warp = {.fill = {1, 2, 3}}};

// Nearest: a last bit of the matrix, which comes from other sines and cosines, decides about no pixel here.
TEST_P(MorePoliciesTest, RandomAffineIsAWarpWithDrawnParameters) {
  RandomKey key{.seed = 34};
  for (const ImageShape& shape : kShapes) {
    for (const RandomAffineOptions& options :
         {kAffine, RandomAffineOptions{.angle_deg = {-180, 180}}, RandomAffineOptions{}}) {
      ++key.epoch.value;
      const std::vector<std::uint8_t> images = noise(shape.size(), key.epoch.value);
      const std::vector<std::int64_t> ids = ids_from(3, shape.count);
      const auto got = run(images, shape, ids, 0,
                           [&](In in, std::span<const std::int64_t> sample_ids, Out out, std::span<std::byte>) {
                             random_affine(in, sample_ids, options, key, out, stream());
                           });
      EXPECT_EQ(got, expected_random_affine(images, shape, ids, options, key));
    }
  }
}

TEST(RandomAffine, MatricesAreThoseOfTheirParameters) {
  const std::vector<std::int64_t> ids = ids_from(0, 2000);
  PolicySource source{.plan = policy_plan(kAffine, {53, 37}), .seed = 2, .epoch = 3, .layer = 0, .ids = ids.data()};
  for (std::int64_t i = 0; i < 2000; ++i) {
    const ImageOp op = source(i);
    const AffineMatrix expected = expected_affine(kAffine, {53, 37}, {.seed = 2, .epoch = 3}, i);
    for (std::size_t k = 0; k < 6; ++k) ASSERT_NEAR(op.m[k], expected.m[k], 1e-12) << i << " " << k;
  }
}

TEST_P(MorePoliciesTest, AugMixIsTheWeightedSumOfItsChains) {
  AugMixOptions deep{.severity = 10, .width = 8, .depth = 6, .warp = {.fill = {5, 6, 7}}};
  AugMixOptions timm = std::get<AugMixOptions>(timm_policy("augmix-m5-w4-d2"));
  const AugMixOptions all_options[] = {{}, deep, timm, {.severity = 1, .width = 1, .depth = 1}};
  RandomKey key{.seed = 33};
  for (const ImageShape& shape : kShapes) {
    for (const AugMixOptions& options : all_options) {
      ++key.epoch.value;
      const std::vector<std::uint8_t> images = noise(shape.size(), key.epoch.value);
      const std::vector<std::int64_t> ids = ids_from(1 << 20, shape.count);
      const auto got =
          run(images, shape, ids, aug_mix_workspace_bytes(shape, options),
              [&](In in, std::span<const std::int64_t> sample_ids, Out out, std::span<std::byte> workspace) {
                aug_mix(in, sample_ids, options, key, out, workspace, stream());
              });
      if (shape.count == 0) continue;
      EXPECT_EQ(got, expected_aug_mix(images, shape, ids, options, key));
    }
  }
}

// Every level from 0 to 12 in quarters, both signs, increasing and not: the parameter is timm's to the bit.
TEST(TimmPolicy, LevelsMeanWhatTheyMeanInTimm) {
  std::ifstream file(LEAVEN_TEST_DATA "/golden/timm_levels.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  const std::map<std::string, AugmentOp> ops = {{"ShearX", AugmentOp::shear_x},
                                                {"ShearY", AugmentOp::shear_y},
                                                {"TranslateXRel", AugmentOp::translate_x},
                                                {"TranslateYRel", AugmentOp::translate_y},
                                                {"Rotate", AugmentOp::rotate},
                                                {"Brightness", AugmentOp::brightness},
                                                {"Color", AugmentOp::color},
                                                {"Contrast", AugmentOp::contrast},
                                                {"Sharpness", AugmentOp::sharpness},
                                                {"Posterize", AugmentOp::posterize},
                                                {"Solarize", AugmentOp::solarize},
                                                {"SolarizeAdd", AugmentOp::solarize_add}};
  constexpr std::int64_t kHeight = 37, kWidth = 53;
  std::set<std::string> seen;
  for (const nlohmann::json& entry : golden["entries"]) {
    const std::string name = entry["op"];
    seen.insert(name);
    for (std::size_t i = 0; i < golden["levels"].size(); ++i) {
      const double value = entry["values"][i];
      const ImageOp got =
          resolve_level(ops.at(name), golden["levels"][i], entry["negative"], entry["increasing"], kHeight, kWidth);
      ImageOp expected;
      if (name == "ShearX") expected = affine_op(1, value, 0, 0, 1, 0);
      if (name == "ShearY") expected = affine_op(1, 0, 0, value, 1, 0);
      if (name == "TranslateXRel") expected = affine_op(1, 0, value * kWidth, 0, 1, 0);
      if (name == "TranslateYRel") expected = affine_op(1, 0, 0, 0, 1, value * kHeight);
      if (name == "Rotate") expected = rotate_op(value, kHeight, kWidth);
      if (name == "Posterize") expected = posterize_op(static_cast<std::int32_t>(value));
      if (name == "SolarizeAdd") expected = solarize_add_op(static_cast<std::int32_t>(value), 128);
      const std::map<std::string, ImageOpKind> factors = {{"Brightness", ImageOpKind::brightness},
                                                          {"Color", ImageOpKind::color},
                                                          {"Contrast", ImageOpKind::contrast},
                                                          {"Sharpness", ImageOpKind::sharpness},
                                                          {"Solarize", ImageOpKind::solarize}};
      if (factors.contains(name)) expected = value_op(factors.at(name), static_cast<float>(value));
      EXPECT_TRUE(got.kind == expected.kind && got.value == expected.value && std::equal(got.m, got.m + 8, expected.m))
          << entry.dump() << " level " << golden["levels"][i];
    }
  }
  EXPECT_EQ(seen.size(), ops.size());
}

TEST(TimmPolicy, ReadsTimmsStrings) {
  const auto rand = std::get<TimmRandAugmentOptions>(timm_policy("rand-m9-n3-p0.25-mstd0.5-mmax12-inc1"));
  EXPECT_EQ(rand.magnitude, 9);
  EXPECT_EQ(rand.num_ops, 3);
  EXPECT_EQ(rand.probability, 0.25f);
  EXPECT_EQ(rand.magnitude_std, 0.5f);
  EXPECT_EQ(rand.magnitude_max, 12);
  EXPECT_TRUE(rand.increasing);
  const auto plain = std::get<TimmRandAugmentOptions>(timm_policy("rand"));
  EXPECT_EQ(plain.magnitude, 10);
  EXPECT_EQ(plain.num_ops, 2);
  EXPECT_EQ(plain.probability, 0.5f);
  EXPECT_EQ(plain.magnitude_std, 0);
  EXPECT_FALSE(plain.increasing);
  EXPECT_EQ(plain.warp.fill.green, 128);
  EXPECT_TRUE(std::isinf(std::get<TimmRandAugmentOptions>(timm_policy("rand-mstd101")).magnitude_std));
  const auto mix = std::get<AugMixOptions>(timm_policy("augmix-m5-w4-d2-a0.5"));
  EXPECT_EQ(mix.severity, 5);
  EXPECT_EQ(mix.width, 4);
  EXPECT_EQ(mix.depth, 2);
  EXPECT_EQ(mix.alpha, 0.5f);
  EXPECT_EQ(mix.strengths, AugMixStrengths::timm);
  EXPECT_EQ(std::get<AugMixOptions>(timm_policy("augmix")).severity, 3);
}

TEST(TimmPolicy, NamesTheWrongCharacter) {
  const auto text = [](const char* policy) { return message_of<InvalidArgument>([&] { timm_policy(policy); }); };
  EXPECT_EQ(text("random-m9"),
            "timm_policy: text is \"random-m9\": character 1 is 'r', expected \"rand\" or \"augmix\"");
  EXPECT_EQ(text(""), "timm_policy: text is \"\": character 1 is the end, expected \"rand\" or \"augmix\"");
  EXPECT_EQ(text("rand-m9-x3"),
            "timm_policy: text is \"rand-m9-x3\": character 9 is 'x', expected m, n, p, mstd, mmax or inc");
  EXPECT_EQ(text("rand-m"), "timm_policy: text is \"rand-m\": character 7 is the end, expected a number");
  EXPECT_EQ(text("rand-m9n2"), "timm_policy: text is \"rand-m9n2\": character 8 is 'n', expected '-'");
  EXPECT_EQ(text("rand-n2.5"), "timm_policy: text is \"rand-n2.5\": character 7 is '2', expected a whole number");
  EXPECT_EQ(text("rand-m9-"),
            "timm_policy: text is \"rand-m9-\": character 9 is the end, expected m, n, p, mstd, mmax or inc");
  EXPECT_EQ(text("augmix-m5-n4"), "timm_policy: text is \"augmix-m5-n4\": character 11 is 'n', expected m, w, d or a");
  EXPECT_EQ(text("augmix-w9"), "timm_policy: options.width is 9, expected 1 to 8");
  EXPECT_EQ(text("rand-p2"), "timm_policy: options.probability is 2, expected 0 to 1");
  EXPECT_EQ(text("rand-n4000000000"),
            "timm_policy: text is \"rand-n4000000000\": character 7 is '4', expected a whole number");
}

TEST(MorePoliciesContract, NamesWhatIsWrong) {
  const ImageShape shape{1, 4, 4, 1};
  const std::vector<std::uint8_t> in(16);
  std::vector<std::uint8_t> out(16, 7);
  std::vector<std::byte> workspace(16 * 16);
  const std::vector<std::int64_t> ids{0};
  const auto mix = [&](const AugMixOptions& options, std::size_t bytes = 16 * 16) {
    return message_of<InvalidArgument>([&] {
      aug_mix(In::nhwc(in.data(), shape), ids, options, {}, Out::nhwc(out.data(), shape),
              std::span(workspace).first(bytes), Stream::cpu());
    });
  };
  const auto jitter = [&](const ColourJitterOptions& options) {
    return message_of<InvalidArgument>([&] {
      colour_jitter(In::nhwc(in.data(), shape), ids, options, {}, Out::nhwc(out.data(), shape), workspace,
                    Stream::cpu());
    });
  };
  EXPECT_EQ(mix({.severity = 11}), "aug_mix: options.severity is 11, expected 1 to 10");
  EXPECT_EQ(mix({.width = 0}), "aug_mix: options.width is 0, expected 1 to 8");
  EXPECT_EQ(mix({.depth = 7}), "aug_mix: options.depth is 7, expected 0 to 6");
  EXPECT_EQ(mix({.alpha = 0}), "aug_mix: options.alpha is 0, expected a finite value above 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { aug_mix_workspace_bytes(shape, {.severity = 1000}); }),
            "aug_mix_workspace_bytes: options.severity is 1000, expected 1 to 10");
  EXPECT_EQ(message_of<InvalidArgument>([&] { timm_rand_augment_workspace_bytes(shape, {.num_ops = -1}); }),
            "timm_rand_augment_workspace_bytes: options.num_ops is -1, expected 0 to 48");
  EXPECT_EQ(mix({}, 79), "aug_mix: workspace has 79 bytes, expected at least 80");
  const auto affine = [&](const RandomAffineOptions& options) {
    return message_of<InvalidArgument>([&] {
      random_affine(In::nhwc(in.data(), shape), ids, options, {}, Out::nhwc(out.data(), shape), Stream::cpu());
    });
  };
  EXPECT_EQ(affine({.angle_deg = {5, 4}}),
            "random_affine: options.angle_deg is 5 to 4, expected a range within -1e+06 to 1e+06");
  EXPECT_EQ(affine({.translate_x = 2}), "random_affine: options.translate_x is 2, expected 0 to 1");
  EXPECT_EQ(affine({.scale = {0, 1}}), "random_affine: options.scale is 0 to 1, expected a range within 0.001 to 1000");
  EXPECT_EQ(affine({.shear_y_deg = {-90, 0}}),
            "random_affine: options.shear_y_deg is -90 to 0, expected a range within -89 to 89");
  EXPECT_EQ(jitter({.hue = 0.6f}), "colour_jitter: options.hue is 0.6, expected 0 to 0.5");
  EXPECT_EQ(jitter({.contrast = -1}), "colour_jitter: options.contrast is -1, expected a finite value of at least 0");
  EXPECT_EQ(out, std::vector<std::uint8_t>(16, 7));
}

// The shares of a chain and the weight of the image: means and variances of Dirichlet and Beta.
TEST(AugMixStatistics, WeightsAreDirichlet) {
  for (const float alpha : {0.3f, 1.0f, 2.5f}) {
    constexpr std::int64_t kCount = 100'000;
    const std::vector<std::int64_t> ids = ids_from(0, kCount);
    PolicySource source{.plan = {}, .seed = 3, .epoch = 1, .layer = 0, .ids = ids.data()};
    source.plan.chains = 3;
    source.plan.alpha = alpha;
    double own = 0, own_squares = 0, share_sum = 0, share_squares = 0;
    for (std::int64_t i = 0; i < kCount; ++i) {
      AugMixWeights w;
      draw_aug_mix(source, i, w);
      own += w.own;
      own_squares += double{w.own} * w.own;
      const double share = w.own < 1 ? w.chains[1] / (1 - double{w.own}) : 1.0 / 3;
      share_sum += share;
      share_squares += share * share;
      ASSERT_NEAR(double{w.own} + w.chains[0] + w.chains[1] + w.chains[2], 1, 1e-6);
    }
    const double n = kCount;
    const auto variance = [&](double sum, double squares) { return squares / n - sum / n * (sum / n); };
    const double own_variance = 1 / (4 * (2 * double{alpha} + 1));
    const double share_variance = 2.0 / 9 / (3 * double{alpha} + 1);
    EXPECT_NEAR(own / n, 0.5, 5 * std::sqrt(own_variance / n)) << alpha;
    EXPECT_NEAR(variance(own, own_squares), own_variance, 0.01 * own_variance + 1e-4) << alpha;
    EXPECT_NEAR(share_sum / n, 1.0 / 3, 5 * std::sqrt(share_variance / n)) << alpha;
    EXPECT_NEAR(variance(share_sum, share_squares), share_variance, 0.02 * share_variance) << alpha;
  }
}

}  // namespace
}  // namespace leaven::test
