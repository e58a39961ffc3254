#include "samples/support/policies.hpp"

#include "samples/support/command_line.hpp"
#include "samples/support/mixing.hpp"
#include "samples/support/picture.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using samples::parse_mix;
using samples::parse_policy;
using samples::UsageError;

template <class Options>
Options policy(std::string_view text) {
  return std::get<Options>(std::get<Policy>(parse_policy(text).step));
}

void expect_complaint(std::string_view text, std::initializer_list<std::string> parts) {
  const std::string what = message_of<UsageError>([&] { parse_policy(text); });
  EXPECT_EQ(what.rfind(std::string(text) + ": ", 0), 0u) << what;
  for (const std::string& part : parts) EXPECT_NE(what.find(part), std::string::npos) << what << "\nlacks " << part;
}

io::HostImage striped(std::uint8_t first) {
  io::HostImage image{16, 24, 3, {}};
  for (int i = 0; i < 16 * 24 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(first + i * 5));
  return image;
}

TEST(Policies, AreTheLibrarysOptions) {
  EXPECT_EQ(policy<RandAugmentOptions>("randaugment:num_ops=3").num_ops, 3);
  EXPECT_EQ(policy<TrivialAugmentOptions>("trivialaugment:bins=8").bins, 8);
  EXPECT_EQ(policy<AutoAugmentOptions>("autoaugment:set=svhn").set, AutoAugmentSet::svhn);
  const auto warp = policy<RandAugmentOptions>("randaugment:interpolation=bicubic,fill=7,border=reflect").warp;
  EXPECT_EQ(warp.interpolation, Interpolation::bicubic);
  EXPECT_EQ(warp.fill.green, 7);
  EXPECT_EQ(warp.border, Border::reflect);

  const auto mixes = policy<AugMixOptions>("augmix:severity=5,width=2,depth=4,alpha=0.5,strengths=timm");
  EXPECT_EQ(mixes.severity, 5);
  EXPECT_EQ(mixes.width, 2);
  EXPECT_EQ(mixes.depth, 4);
  EXPECT_EQ(mixes.alpha, 0.5f);
  EXPECT_EQ(mixes.strengths, AugMixStrengths::timm);
  EXPECT_EQ(policy<AugMixOptions>("augmix").warp.interpolation, AugMixOptions{}.warp.interpolation);

  const auto jitter = policy<ColourJitterOptions>("jitter:brightness=0.4,hue=0.1");
  EXPECT_EQ(jitter.brightness, 0.4f);
  EXPECT_EQ(jitter.contrast, 0.0f);
  EXPECT_EQ(jitter.hue, 0.1f);
}

TEST(Policies, RandomAffineTakesEveryRange) {
  const auto affine = policy<RandomAffineOptions>(
      "random_affine:angle_least=-5,angle_most=6,translate_x=0.1,translate_y=0.2,scale_least=0.5,scale_most=2,"
      "shear_x_least=-3,shear_x_most=4,shear_y_least=1,shear_y_most=2,border=wrap");
  EXPECT_EQ(affine.angle_deg.least, -5);
  EXPECT_EQ(affine.angle_deg.most, 6);
  EXPECT_EQ(affine.translate_x, 0.1f);
  EXPECT_EQ(affine.translate_y, 0.2f);
  EXPECT_EQ(affine.scale.least, 0.5);
  EXPECT_EQ(affine.scale.most, 2);
  EXPECT_EQ(affine.shear_x_deg.least, -3);
  EXPECT_EQ(affine.shear_x_deg.most, 4);
  EXPECT_EQ(affine.shear_y_deg.least, 1);
  EXPECT_EQ(affine.shear_y_deg.most, 2);
  EXPECT_EQ(affine.warp.border, Border::wrap);
  expect_complaint("random_affine:angle_least=5", {"options.angle_deg is 5 to 0"});
  expect_complaint("random_affine", {"one or more keys"});
}

TEST(Policies, HaveTheLibrarysDefaults) {
  const auto erase = std::get<RandomEraseOptions>(parse_policy("random_erase").step);
  EXPECT_EQ(erase.probability, RandomEraseOptions{}.probability);
  EXPECT_EQ(erase.scale.most, RandomEraseOptions{}.scale.most);
  EXPECT_EQ(erase.ratio.least, RandomEraseOptions{}.ratio.least);
  const auto crop = std::get<RandomResizedCrop>(parse_policy("random_resized_crop:width=20,height=10").step);
  EXPECT_EQ(crop.size, (ImageSize{10, 20}));
  EXPECT_EQ(crop.crop.scale.least, RandomResizedCropOptions{}.scale.least);
  EXPECT_EQ(crop.crop.ratio.most, RandomResizedCropOptions{}.ratio.most);
  EXPECT_EQ(crop.crop.interpolation, Interpolation::bilinear);
  EXPECT_EQ(std::get<MixUpOptions>(parse_mix("mixup")).alpha, MixUpOptions{}.alpha);
  EXPECT_EQ(std::get<CutMixOrMixUpOptions>(parse_mix("cutmix_or_mixup")).mixup_alpha,
            CutMixOrMixUpOptions{}.mixup_alpha);
}

TEST(Policies, OfTimmAreReadAsTheyStandInItsCommandLines) {
  const auto rand = policy<TimmRandAugmentOptions>("rand-m9-mstd0.5-inc1");
  EXPECT_EQ(rand.magnitude, 9.0f);
  EXPECT_EQ(rand.magnitude_std, 0.5f);
  EXPECT_TRUE(rand.increasing);
  EXPECT_EQ(policy<TimmRandAugmentOptions>("rand").num_ops, 2);
  const auto mixes = policy<AugMixOptions>("augmix-m5-w4-d2");
  EXPECT_EQ(mixes.severity, 5);
  EXPECT_EQ(mixes.width, 4);
  EXPECT_EQ(mixes.depth, 2);
  EXPECT_EQ(parse_policy("augmix-m5-w4-d2").name, "augmix-m5-w4-d2");
}

TEST(Policies, ThatAreWrongAreAnsweredWithWhatIsAllowed) {
  expect_complaint("randaugmnt", {"did you mean 'randaugment'?", "jitter", "random_erase"});
  expect_complaint("randaugment:magnitude=31", {"from 0 to 30"});
  expect_complaint("jitter", {"one or more keys"});
  expect_complaint("jitter:hue=0.6", {"from 0 to 0.500"});
  expect_complaint("rand-augment", {"character 6 is 'a', expected m, n, p, mstd, mmax or inc"});
  expect_complaint("rand-m9-n", {"expected a number"});
  expect_complaint("augmix-m11", {"severity"});
  expect_complaint("random_resized_crop:width=3", {"key 'height' is missing"});
  expect_complaint("random_erase:scale_least=0.5,scale_most=0.1", {"random_erase: options.scale"});
}

TEST(Policies, MixesAreTheLibrarysOptions) {
  const auto cut = std::get<CutMixOptions>(parse_mix("cutmix:alpha=0.5,probability=0.25,partner=mirrored"));
  EXPECT_EQ(cut.alpha, 0.5f);
  EXPECT_EQ(cut.probability, 0.25f);
  EXPECT_EQ(cut.partner, MixPartner::mirrored);
  EXPECT_EQ(std::get<MixUpOptions>(parse_mix("mixup:partner=mirrored,draws=per_pair")).draws, MixDraws::per_pair);
  const auto both = std::get<CutMixOrMixUpOptions>(parse_mix("cutmix_or_mixup:cutmix_probability=0.3"));
  EXPECT_EQ(both.cutmix_probability, 0.3f);
  const auto complaint = [](std::string_view text) { return message_of<UsageError>([&] { parse_mix(text); }); };
  EXPECT_NE(complaint("cutmx").find("did you mean 'cutmix'?"), std::string::npos);
  EXPECT_NE(complaint("cutmix:alpha=0").find("above 0"), std::string::npos);
  EXPECT_NE(complaint("mixup:draws=per_pair").find("per_pair"), std::string::npos);
  EXPECT_NE(complaint("mixup:partner=next").find("previous, mirrored or permuted"), std::string::npos);
}

class PoliciesRun : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(PoliciesRun);

TEST_P(PoliciesRun, EachChangesAPictureAndDependsOnKeyAndIdOnly) {
  for (const char* text :
       {"randaugment:magnitude=25", "trivialaugment", "autoaugment", "rand-m9-p1", "augmix", "augmix-m5-w4-d2",
        "jitter:brightness=0.5,contrast=0.5,saturation=0.5,hue=0.2", "random_affine:angle_most=90",
        "random_erase:probability=1", "random_resized_crop:width=40,height=30"}) {
    const samples::ParsedPolicy parsed = parse_policy(text);
    const auto draw = [&](std::uint64_t seed) {
      samples::Picture picture(striped(3), stream());
      picture.apply_policy(parsed, {.seed = seed, .epoch = 2}, 7);
      return picture.to_host();
    };
    bool some_change = false;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const io::HostImage drawn = draw(seed);
      EXPECT_EQ(drawn.pixels, draw(seed).pixels) << text;
      EXPECT_EQ(static_cast<std::int64_t>(drawn.pixels.size()), drawn.height * drawn.width * 3) << text;
      some_change = some_change || drawn.pixels != striped(3).pixels;
    }
    EXPECT_TRUE(some_change) << text;
  }
}

TEST_P(PoliciesRun, MixedPicturesNameTheirPartnerAndWeight) {
  const std::vector<io::HostImage> pictures{striped(0), striped(80), striped(160)};
  const std::vector<std::int64_t> ids{4, 9, 2};
  for (const char* text : {"cutmix", "mixup:alpha=1", "cutmix_or_mixup"}) {
    const auto mixed = samples::mix_pictures(pictures, ids, parse_mix(text), {.seed = 5}, stream());
    ASSERT_EQ(mixed.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(mixed[i].partner, (i + 2) % 3) << text;
      EXPECT_GE(mixed[i].own_weight, 0.0f);
      EXPECT_LE(mixed[i].own_weight, 1.0f);
      EXPECT_EQ(mixed[i].image.pixels == pictures[i].pixels, mixed[i].own_weight == 1.0f) << text << " " << i;
    }
  }
  const auto none = samples::mix_pictures(pictures, ids, parse_mix("cutmix:probability=0"), {}, stream());
  EXPECT_EQ(none[1].image.pixels, pictures[1].pixels);
  EXPECT_EQ(none[1].own_weight, 1.0f);
}

}  // namespace
}  // namespace leaven::test
