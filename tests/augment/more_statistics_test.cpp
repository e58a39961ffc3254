#include <gtest/gtest.h>

#include <random>
#include <set>

#include "host/augment/mix.hpp"
#include "host/augment/policy.hpp"
#include "host/augment/random_erase.hpp"
#include "tests/augment/policy_reference.hpp"
#include "tests/augment/statistics.hpp"

// The laws of erasing, of partners, of MixUp, of timm's levels and of colour jitter, as the library draws them; and
// that each test would notice the faults that such code is known for.
namespace leaven::test {
namespace {

constexpr double kHolds = 1e-3;     // seeds are fixed: what passes once passes always
constexpr double kRefuted = 1e-12;  // what a planted fault must fall below

// ---------------------------------------------------------------------------------------------------------- erasing

struct Rectangles {
  std::vector<double> left, top, width, height;
  std::int64_t none = 0;
};

constexpr int kEraseWidth = 40;
constexpr int kEraseHeight = 24;

Rectangles drawn_rectangles(std::int64_t count) {
  const std::vector<std::int64_t> ids = ids_from(0, count);
  const RandomEraseSource source = random_erase_source({.probability = 0.4f, .ratio = {0.3, 1.5}}, {.seed = 21},
                                                       ids.data(), {kEraseHeight, kEraseWidth});
  Rectangles all;
  for (std::int64_t i = 0; i < count; ++i) {
    const ImageOp op = source(i);
    if (op.kind != ImageOpKind::erase) {
      ++all.none;
      continue;
    }
    all.left.push_back(op.m[0]);
    all.top.push_back(op.m[1]);
    all.width.push_back(op.m[2] - op.m[0]);
    all.height.push_back(op.m[3] - op.m[1]);
  }
  return all;
}

enum class EraseFault { none, twice, one_place_for_all, last_place_never, ratio_inverted, ratio_uniform };

// torchvision's RandomErasing with the standard library's generator.
Rectangles simulated_rectangles(int count, EraseFault fault) {
  std::mt19937_64 random(5);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, std::max(n - 1, 0))(random); };
  Rectangles all;
  const double place = uniform(0, 1);
  for (int i = 0; i < count; ++i) {
    if (uniform(0, 1) >= (fault == EraseFault::twice ? 0.16 : 0.4)) {
      ++all.none;
      continue;
    }
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double area = kEraseWidth * kEraseHeight * uniform(0.02, 1.0 / 3);
      double ratio =
          fault == EraseFault::ratio_uniform ? uniform(0.3, 1.5) : std::exp(uniform(std::log(0.3), std::log(1.5)));
      if (fault == EraseFault::ratio_inverted) ratio = 1 / ratio;
      const int h = static_cast<int>(std::lround(std::sqrt(area * ratio)));
      const int w = static_cast<int>(std::lround(std::sqrt(area / ratio)));
      if (h >= kEraseHeight || w >= kEraseWidth) {
        if (attempt == 9) ++all.none;
        continue;
      }
      const int less = fault == EraseFault::last_place_never ? 0 : 1;
      int left = below(kEraseWidth - w + less);
      int top = below(kEraseHeight - h + less);
      if (fault == EraseFault::one_place_for_all) {
        left = static_cast<int>(place * (kEraseWidth - w + 1));
        top = static_cast<int>(place * (kEraseHeight - h + 1));
      }
      all.left.push_back(left);
      all.top.push_back(top);
      all.width.push_back(w);
      all.height.push_back(h);
      break;
    }
  }
  return all;
}

double same_rectangles_p(const Rectangles& a, const Rectangles& b) {
  const auto gaps = [](const Rectangles& r) {  // to the right and to the bottom: 0 where the last place is drawn
    std::vector<double> all;
    for (std::size_t i = 0; i < r.left.size(); ++i) {
      all.push_back(std::min(kEraseWidth - r.left[i] - r.width[i], kEraseHeight - r.top[i] - r.height[i]));
    }
    return all;
  };
  const auto share =
      static_cast<double>(b.none) / static_cast<double>(b.none + static_cast<std::int64_t>(b.left.size()));
  const double smallest = std::min({same_law_p(a.left, b.left, 0, kEraseWidth, kEraseWidth),
                                    same_law_p(a.top, b.top, 0, kEraseHeight, kEraseHeight),
                                    same_law_p(a.width, b.width, 0, kEraseWidth, kEraseWidth),
                                    same_law_p(a.height, b.height, 0, kEraseHeight, kEraseHeight),
                                    same_law_p(gaps(a), gaps(b), 0, kEraseWidth, kEraseWidth),
                                    fits_p({a.none, static_cast<std::int64_t>(a.left.size())}, {share, 1 - share})});
  return std::min(1.0, 6 * smallest);
}

TEST(RandomEraseLaw, RectanglesFollowTheDefinition) {
  EXPECT_GT(same_rectangles_p(drawn_rectangles(200'000), simulated_rectangles(1'000'000, EraseFault::none)), kHolds);
}

TEST(RandomEraseLaw, FaultsAreNoticed) {
  const Rectangles drawn = drawn_rectangles(200'000);
  for (const EraseFault fault : {EraseFault::twice, EraseFault::one_place_for_all, EraseFault::last_place_never,
                                 EraseFault::ratio_inverted, EraseFault::ratio_uniform}) {
    EXPECT_LT(same_rectangles_p(drawn, simulated_rectangles(400'000, fault)), kRefuted) << static_cast<int>(fault);
  }
}

// ----------------------------------------------------------------------------------------------------------- mixing

TEST(PartnerLaw, PermutationsArePermutationsAndEveryPlaceIsEquallyLikely) {
  for (const std::int64_t count : {1, 2, 3, 5, 16, 17, 100}) {
    std::vector<std::int64_t> ids = ids_from(0, count);
    std::vector<std::int64_t> of_first(static_cast<std::size_t>(count)), pairs(static_cast<std::size_t>(count));
    std::int64_t fixed = 0;
    const int rounds = static_cast<int>(2000 * std::min<std::int64_t>(count, 20));
    for (int round = 0; round < rounds; ++round) {
      ids[0] = round;
      const MixJob job = mix_job(CutMixOptions{.partner = MixPartner::permuted}, {.seed = 3, .epoch = 1}, ids.data(),
                                 {count, 4, 4, 1});
      std::set<std::int64_t> seen;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t partner = partner_of(job, i);
        seen.insert(partner);
        fixed += partner == i ? 1 : 0;
      }
      ASSERT_EQ(static_cast<std::int64_t>(seen.size()), count);
      ASSERT_EQ(*seen.rbegin(), count - 1);
      ++of_first[static_cast<std::size_t>(partner_of(job, 0))];
      ++pairs[static_cast<std::size_t>((partner_of(job, count - 1) - partner_of(job, 0) + count) % count)];
    }
    if (count == 1) continue;
    EXPECT_GT(uniform_p(of_first), kHolds) << count;
    if (count > 2) {
      EXPECT_GT(uniform_p({pairs.begin() + 1, pairs.end()}), kHolds) << count;
    }
    EXPECT_NEAR(static_cast<double>(fixed) / rounds, 1, 5 / std::sqrt(static_cast<double>(rounds))) << count;
  }
}

TEST(MixUpLaw, WeightsAreBetaAndTheSwitchIsDrawnOnce) {
  for (const float alpha : {0.5f, 1.0f, 3.0f}) {  // for smaller ones many weights are 1 in float32
    const std::vector<std::int64_t> ids = ids_from(0, 100'000);
    const MixJob job =
        mix_job(CutMixOrMixUpOptions{.mixup_alpha = alpha, .cutmix_probability = 0.3f, .probability = 0.6f},
                {.seed = 4}, ids.data(), {100'000, 8, 8, 1});
    std::vector<double> weights;
    std::int64_t boxes = 0, none = 0;
    for (std::int64_t i = 0; i < job.count; ++i) {
      const MixDraw drawn = draw_mix(job, i);
      if (!drawn.mixed) {
        ++none;
      } else if (drawn.weight < 1) {
        weights.push_back(drawn.weight);
      } else {
        ++boxes;
      }
    }
    const auto means = static_cast<std::int64_t>(weights.size());
    EXPECT_GT(kolmogorov_p(weights, [&](double x) { return symmetric_beta_cdf(alpha, x); }), kHolds) << alpha;
    EXPECT_GT(fits_p({none, boxes, means}, {0.4, 0.6 * 0.3, 0.6 * 0.7}), kHolds) << alpha;
    EXPECT_LT(fits_p({none, boxes, means}, {0.64, 0.36 * 0.3, 0.36 * 0.7}), kRefuted) << "probability applied twice";
    EXPECT_LT(fits_p({none, boxes, means}, {0.4, 0.6 * 0.7, 0.6 * 0.3}), kRefuted) << "switched the other way";
  }
}

TEST(MixDrawsLaw, OneDrawForWhatItIsMadeFor) {
  const std::vector<std::int64_t> ids = ids_from(900, 64);
  const auto weights = [&](MixDraws draws) {
    const MixJob job = mix_job(MixUpOptions{.alpha = 1, .partner = MixPartner::mirrored, .draws = draws}, {.seed = 6},
                               ids.data(), {64, 8, 8, 1});
    std::vector<float> all;
    for (std::int64_t i = 0; i < 64; ++i) all.push_back(draw_mix(job, i).weight);
    return all;
  };
  const auto distinct = [](const std::vector<float>& v) { return std::set<float>(v.begin(), v.end()).size(); };
  EXPECT_EQ(distinct(weights(MixDraws::per_batch)), 1u);
  EXPECT_EQ(distinct(weights(MixDraws::per_pair)), 32u);
  EXPECT_EQ(distinct(weights(MixDraws::per_sample)), 64u);
  const std::vector<float> pairs = weights(MixDraws::per_pair);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(pairs[i], pairs[63 - i]);
}

// --------------------------------------------------------------------------------------------------------- policies

TEST(TimmLaw, LevelsAreNormalAndClippedAndSignsAreEven) {
  const std::vector<std::int64_t> ids = ids_from(0, 200'000);
  TimmRandAugmentOptions options{
      .ops = {AugmentOp::rotate}, .num_ops = 1, .magnitude = 9, .magnitude_std = 0.5f, .probability = 0.5f};
  PolicySource source{.plan = policy_plan(options, {400, 400}), .seed = 8, .epoch = 0, .layer = 0, .ids = ids.data()};
  std::vector<double> levels;
  std::int64_t negative = 0, positive = 0, none = 0, highest = 0;
  for (std::int64_t i = 0; i < 200'000; ++i) {
    const ImageOp op = source(i);
    if (op.kind == ImageOpKind::copy) {
      ++none;
      continue;
    }
    const double angle = std::asin(op.m[1]) * 180 / std::acos(-1.0);
    (angle < 0 ? negative : positive) += 1;
    const double level = std::abs(angle) / 3;
    if (level > 10 - 1e-9) {
      ++highest;
    } else {
      levels.push_back(level);
    }
  }
  const auto cdf = [](double x) { return 0.5 * std::erfc(-(x - 9) / 0.5 / std::sqrt(2.0)); };
  EXPECT_GT(kolmogorov_p(levels, [&](double x) { return cdf(x) / cdf(10); }), kHolds);
  EXPECT_LT(kolmogorov_p(levels, [&](double x) { return x < 8.5 ? 0 : (x > 10 ? 1 : (x - 8.5) / 1.5); }), kRefuted);
  EXPECT_GT(fits_p({highest, static_cast<std::int64_t>(levels.size())}, {1 - cdf(10), cdf(10)}), kHolds);
  EXPECT_GT(uniform_p({negative, positive}), kHolds);
  EXPECT_GT(uniform_p({none, negative + positive}), kHolds);
  EXPECT_LT(fits_p({none, negative + positive}, {0.75, 0.25}), kRefuted) << "probability applied twice";
}

TEST(ColourJitterLaw, OrdersAndFactorsAreUniform) {
  const std::vector<std::int64_t> ids = ids_from(0, 240'000);
  const ColourJitterOptions options{.brightness = 0.4f, .contrast = 0.3f, .saturation = 0.2f, .hue = 0.5f};
  PolicySource source{.plan = policy_plan(options, {8, 8}), .seed = 9, .epoch = 0, .layer = 0, .ids = ids.data()};
  std::vector<std::int64_t> orders(256);
  std::vector<double> brightness_factors;
  std::vector<std::int64_t> turns(256);
  for (std::int64_t i = 0; i < 240'000; ++i) {
    std::size_t order = 0;
    for (std::int32_t layer = 0; layer < 4; ++layer) {
      const ImageOp op = source.of_layer(i, layer);
      const std::size_t which = op.kind == ImageOpKind::brightness ? 0
                                : op.kind == ImageOpKind::contrast ? 1
                                : op.kind == ImageOpKind::color    ? 2
                                                                   : 3;
      order = order * 4 + which;
      if (which == 0) brightness_factors.push_back(op.value);
      if (which == 3) ++turns[static_cast<std::size_t>(op.value)];
    }
    ++orders[order];
  }
  std::vector<std::int64_t> seen;
  for (const std::int64_t count : orders) {
    if (count > 0) seen.push_back(count);
  }
  EXPECT_EQ(seen.size(), 24u);
  EXPECT_GT(uniform_p(seen), kHolds);
  EXPECT_GT(kolmogorov_p(brightness_factors, [](double x) { return (x - 0.6) / 0.8; }), kHolds);
  // int(255 f) for f up to 0.5: 0 is twice as likely as others, 127 and -127 half as likely; 128 never comes.
  std::vector<double> expected(255, 1.0 / 255);
  expected[0] = 2.0 / 255;
  expected[127] = expected[128] = 0.5 / 255;
  std::vector<std::int64_t> counts(turns.begin(), turns.begin() + 128);
  counts.insert(counts.end(), turns.begin() + 129, turns.end());
  EXPECT_EQ(turns[128], 0);
  EXPECT_GT(fits_p(counts, expected), kHolds);
}

}  // namespace
}  // namespace leaven::test
