#include <gtest/gtest.h>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "host/augment/auto_augment.hpp"
#include "host/augment/policy.hpp"
#include "tests/augment/policy_reference.hpp"
#include "tests/golden/image_generator.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

using In = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;
using enum AugmentOp;

const OpList kEveryOp = {identity, shear_x,   shear_y,   translate_x, translate_y,  rotate,   brightness, color,
                         contrast, sharpness, posterize, solarize,    autocontrast, equalize, invert,     solarize_add};

std::vector<std::uint8_t> run(const std::vector<std::uint8_t>& images, const ImageShape& shape,
                              const std::vector<std::int64_t>& ids, const RandAugmentOptions& options, RandomKey key,
                              Stream stream) {
  const Buffer<std::uint8_t> in(images, stream);
  const Buffer<std::int64_t> device_ids(ids, stream);
  const Buffer<std::byte> workspace(rand_augment_workspace_bytes(shape, options), stream);
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream);
  rand_augment(In::nhwc(in.data(), shape), device_ids.cspan(), options, key, Out::nhwc(out.data(), shape),
               workspace.span(), stream);
  out.expect_guards_intact();
  return out.to_host();
}

void expect_table(const std::string& kind, StrengthTable table, int bins, std::size_t count) {
  const std::vector<GoldenTable> tables = golden_tables(kind);
  ASSERT_EQ(tables.size(), count) << kind;
  for (const GoldenTable& golden : tables) {
    for (const auto& [op, name] : torchvision_names()) {
      for (int bin = 0; bin < bins; ++bin) {
        EXPECT_EQ(double{strength_of(table, op, bin, bins, golden.size)},
                  golden_strength(golden, op, static_cast<std::size_t>(bin)))
            << kind << ", " << name << " bin " << bin << " of " << golden.size.height << "x" << golden.size.width;
      }
    }
  }
}

TEST(PolicyTables, EveryEntryIsTorchvisions) {
  expect_table("rand_augment", StrengthTable::rand_augment, 31, 4);
  expect_table("trivial_augment_wide", StrengthTable::trivial_augment, 31, 1);
  expect_table("auto_augment", StrengthTable::rand_augment, 10, 4);
  expect_table("aug_mix", StrengthTable::aug_mix, 10, 4);
}

TEST(PolicyTables, SubPoliciesAreTorchvisions) {
  int seen = 0;
  for (const nlohmann::json& entry : golden_headers()) {
    if (entry.value("table", "") != "auto_augment_policies") continue;
    const auto set = static_cast<AutoAugmentSet>(seen++);
    const std::span<const AutoAugmentStep> steps = auto_augment_steps(set);
    ASSERT_EQ(steps.size(), 50u);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const nlohmann::json& step = entry["policies"][i / 2][i % 2];
      EXPECT_EQ(steps[i].op, op_named(step[0])) << entry["set"] << " " << i;
      EXPECT_EQ(steps[i].probability, step[1].get<float>()) << entry["set"] << " " << i;
      EXPECT_EQ(steps[i].bin, step[2].is_null() ? 0 : step[2].get<int>()) << entry["set"] << " " << i;
    }
  }
  EXPECT_EQ(seen, 3);
}

// The first and the last entry of torch.linspace are its ends; in between 101 bins are steps of one in a hundred.
TEST(RandAugmentTable, OtherNumbersOfBinsSpanTheSameRange) {
  for (const int bins : {2, 5, 11, 32, 64, 101}) {
    const auto at = [&](AugmentOp op, int bin) {
      return double{strength_of(StrengthTable::rand_augment, op, bin, bins, {100, 331})};
    };
    EXPECT_EQ(at(rotate, 0), 0.0);
    EXPECT_EQ(at(rotate, bins - 1), 30.0);
    EXPECT_EQ(at(brightness, bins - 1), double{0.9f});
    EXPECT_EQ(at(translate_x, bins - 1), 150.0);
    EXPECT_EQ(at(translate_y, bins - 1), 45.0);
    EXPECT_EQ(at(posterize, 0), 8.0);
    EXPECT_EQ(at(posterize, bins - 1), 4.0);
    EXPECT_EQ(at(solarize, 0), 255.0);
    EXPECT_EQ(at(solarize, bins - 1), 0.0);
    for (int bin = 0; bin < bins; ++bin) EXPECT_NEAR(at(rotate, bin), 30.0 * bin / (bins - 1), 4e-6) << bin;
  }
}

// Some values of torch.linspace (PyTorch 1.13, AVX2) whose last bit another order of additions would miss.
TEST(RandAugmentTable, LastBitsAreTorchsForOtherNumbersOfBins) {
  struct Entry {
    AugmentOp op;
    int bins, bin;
    double expected;
  };
  const Entry entries[] = {
      {shear_x, 20, 10, 0x1.435e5p-3},  {shear_x, 20, 12, 0x1.840ac8p-3},    {shear_y, 64, 11, 0x1.ad1ad4p-5},
      {shear_y, 64, 23, 0x1.c09c0cp-4}, {rotate, 20, 11, 0x1.15e50ep+4},     {rotate, 50, 25, 0x1.e9cbc2p+3},
      {rotate, 64, 27, 0x1.9b6db8p+3},  {brightness, 32, 13, 0x1.827a38p-2}, {contrast, 50, 39, 0x1.6ec258p-1},
      {color, 20, 12, 0x1.230814p-1},   {solarize, 32, 6, 0x1.9b4a54p+7},    {solarize, 50, 12, 0x1.811a1ep+7}};
  for (const Entry& e : entries) {
    EXPECT_EQ(double{strength_of(StrengthTable::rand_augment, e.op, e.bin, e.bins, {32, 32})}, e.expected)
        << e.bin << " of " << e.bins;
  }
}

TEST(RandAugmentTable, OnlySignedOperationsHaveTwoForms) {
  for (const AugmentOp op : kEveryOp) {
    const float strength = strength_of(StrengthTable::rand_augment, op, 9, 31, {32, 32});
    const ImageOp positive = resolve_op(op, strength, false, 32, 32);
    const ImageOp negative = resolve_op(op, strength, true, 32, 32);
    const bool same = positive.kind == negative.kind && positive.value == negative.value &&
                      std::equal(positive.m, positive.m + 6, negative.m);
    EXPECT_EQ(same, !(op >= shear_x && op <= sharpness)) << static_cast<int>(op);
  }
}

class RandAugmentTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(RandAugmentTest);

TEST_P(RandAugmentTest, EqualsSingleOperationsWithTheDrawnParameters) {
  const ImageShape shapes[] = {{33, 28, 28, 1}, {33, 32, 32, 3}, {31, 33, 47, 3}, {9, 1, 1, 3},
                               {9, 1, 37, 1},   {9, 31, 33, 1},  {3, 65, 64, 3},  {1, 5, 5, 3}};
  std::uint32_t round = 0;
  for (const ImageShape& shape : shapes) {
    const std::vector<std::uint8_t> images = noise(shape.size(), ++round);
    const std::vector<std::int64_t> ids = ids_from(std::int64_t{1} << (4 * round), shape.count);
    for (const int num_ops : {0, 1, 2, 3}) {
      for (const Interpolation interpolation : {Interpolation::nearest, Interpolation::bilinear}) {
        const RandAugmentOptions options{.ops = kEveryOp,
                                         .num_ops = num_ops,
                                         .magnitude = 9 + static_cast<int>(round),
                                         .warp = {.interpolation = interpolation, .fill = {11, 22, 33}}};
        const RandomKey key{.seed = 0x123456789abcdefu + round, .epoch = round};
        EXPECT_EQ(run(images, shape, ids, options, key, stream()),
                  expected_rand_augment(images, shape, ids, options, key))
            << shape.height << "x" << shape.width << "x" << shape.channels << " num_ops " << num_ops;
      }
    }
  }
}

// Both policies against single operations, on sizes whose tables are stored.
TEST_P(RandAugmentTest, TrivialAugmentEqualsSingleOperations) {
  for (const ImageShape& shape : {ImageShape{300, 32, 32, 3}, ImageShape{200, 28, 28, 1}, ImageShape{40, 33, 47, 3}}) {
    const std::vector<std::uint8_t> images = noise(shape.size(), 8);
    const std::vector<std::int64_t> ids = ids_from(77, shape.count);
    const TrivialAugmentOptions options{.warp = {.fill = {1, 2, 3}}};
    const Buffer<std::uint8_t> in(images, stream());
    const Buffer<std::int64_t> device_ids(ids, stream());
    const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
    trivial_augment(In::nhwc(in.data(), shape), device_ids.cspan(), options, {.seed = 4, .epoch = 2},
                    Out::nhwc(out.data(), shape), stream());
    EXPECT_EQ(out.to_host(), expected_trivial_augment(images, shape, ids, options, {.seed = 4, .epoch = 2}));
    out.expect_guards_intact();
  }
}

TEST_P(RandAugmentTest, AutoAugmentEqualsSingleOperations) {
  for (const AutoAugmentSet set : {AutoAugmentSet::imagenet, AutoAugmentSet::cifar10, AutoAugmentSet::svhn}) {
    for (const ImageShape& shape : {ImageShape{300, 32, 32, 3}, ImageShape{150, 28, 28, 1}}) {
      const std::vector<std::uint8_t> images = noise(shape.size(), 9);
      const std::vector<std::int64_t> ids = ids_from(-5, shape.count);
      const AutoAugmentOptions options{.set = set, .warp = {.fill = 50}};
      const Buffer<std::uint8_t> in(images, stream());
      const Buffer<std::int64_t> device_ids(ids, stream());
      const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
      const Buffer<std::byte> workspace(auto_augment_workspace_bytes(shape), stream());
      auto_augment(In::nhwc(in.data(), shape), device_ids.cspan(), options, {.seed = 4, .epoch = 2},
                   Out::nhwc(out.data(), shape), workspace.span(), stream());
      EXPECT_EQ(out.to_host(), expected_auto_augment(images, shape, ids, options, {.seed = 4, .epoch = 2}));
      out.expect_guards_intact();
    }
  }
}

TEST(PolicyContract, NamesWhatIsWrong) {
  const ImageShape shape{2, 8, 8, 1};
  std::vector<std::uint8_t> in(128), out(128, 7);
  const std::vector<std::int64_t> ids{0, 1};
  const auto trivial = [&](const TrivialAugmentOptions& options) {
    return message_of<InvalidArgument>([&] {
      trivial_augment(In::nhwc(in.data(), shape), ids, options, {}, Out::nhwc(out.data(), shape), Stream::cpu());
    });
  };
  const auto auto_set = [&](int set, std::int64_t bytes) {
    std::vector<std::byte> workspace(static_cast<std::size_t>(bytes));
    return message_of<InvalidArgument>([&] {
      auto_augment(In::nhwc(in.data(), shape), ids, {.set = static_cast<AutoAugmentSet>(set)}, {},
                   Out::nhwc(out.data(), shape), workspace, Stream::cpu());
    });
  };
  EXPECT_EQ(trivial({.bins = 1}), "trivial_augment: options.bins is 1, expected 2 to 32");
  EXPECT_EQ(trivial({.bins = 33}), "trivial_augment: options.bins is 33, expected 2 to 32");
  EXPECT_EQ(auto_set(3, 128), "auto_augment: options.set is 3, expected imagenet (0), cifar10 (1) or svhn (2)");
  EXPECT_EQ(auto_set(0, 127), "auto_augment: workspace has 127 bytes, expected at least 128");
  EXPECT_EQ(out, std::vector<std::uint8_t>(128, 7));
}

// Every case of the golden file that RandAugment can draw: a list of one operation, an id whose sign is the case's.
TEST_P(RandAugmentTest, OneOperationIsTorchvisions) {
  std::ifstream file(LEAVEN_TEST_DATA "/golden/augment.jsonl");
  std::map<std::string, int> done;
  int seen = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.find("\"policy_op\"") == std::string::npos) continue;
    if (on_cuda() && ++seen % 4 != 0) continue;
    const nlohmann::json entry = nlohmann::json::parse(line);
    const ImageShape shape{1, entry["height"], entry["width"], entry["channels"]};
    const double magnitude = entry["params"]["magnitude"];
    for (const auto& [op, name] : torchvision_names()) {
      if (name != entry["name"]) continue;
      const bool whole = op == translate_x || op == translate_y;
      for (int bin = 0; bin < 31; ++bin) {
        const double strength = expected_magnitude(op, {shape.height, shape.width}, bin);
        if (strength != (whole ? std::trunc(std::abs(magnitude)) : std::abs(magnitude))) continue;
        const RandAugmentOptions options{.ops = {op}, .num_ops = 1, .magnitude = bin};
        const RandomKey key{.seed = 5, .epoch = 6};
        std::int64_t id = 0;
        while (expected_op(key, id, 0, options.ops).negative != (magnitude < 0)) ++id;
        const auto image =
            golden::make_image(entry["image"].get<std::string>(), entry["image_seed"], static_cast<int>(shape.height),
                               static_cast<int>(shape.width), static_cast<int>(shape.channels));
        EXPECT_EQ(sha256(run(image, shape, {id}, options, key, stream())), entry["sha256"].get<std::string>()) << line;
        ++done[name];
        break;
      }
    }
  }
  for (const auto& [op, name] : torchvision_names()) EXPECT_GE(done[name], on_cuda() ? 10 : 60) << name;
}

TEST_P(RandAugmentTest, AnImageDependsOnItsIdAlone) {
  const ImageShape shape{67, 12, 10, 3};
  const std::vector<std::uint8_t> images = noise(shape.size(), 1);
  const std::vector<std::int64_t> ids = ids_from(1000, shape.count);
  const RandAugmentOptions options{.ops = kEveryOp, .magnitude = 20};
  const std::vector<std::uint8_t> together = run(images, shape, ids, options, {.seed = 9}, stream());
  const std::size_t bytes = static_cast<std::size_t>(shape.size() / shape.count);
  for (std::size_t i = 0; i < ids.size(); i += 13) {
    const std::vector<std::uint8_t> one(images.begin() + i * bytes, images.begin() + (i + 1) * bytes);
    const std::vector<std::uint8_t> alone = run(one, {1, 12, 10, 3}, {ids[i]}, options, {.seed = 9}, stream());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + i * bytes)) << i;
  }
  EXPECT_NE(together, run(images, shape, ids, options, {.seed = 10}, stream()));
  EXPECT_NE(together, run(images, shape, ids, options, {.seed = 9, .epoch = 1}, stream()));
  EXPECT_NE(together, run(images, shape, ids_from(1001, shape.count), options, {.seed = 9}, stream()));
}

TEST_P(RandAugmentTest, TakesAnyStrides) {
  const ImageShape shape{5, 14, 11, 3};
  const std::vector<std::uint8_t> images = noise(shape.size(), 2);
  const RandAugmentOptions options{.ops = kEveryOp, .num_ops = 3};
  const std::vector<std::int64_t> ids = ids_from(7, shape.count);
  std::vector<std::uint8_t> planar(images.size());
  const In interleaved_in = In::nhwc(images.data(), shape);
  const Out planar_out = Out::nchw(planar.data(), shape);
  flip(interleaved_in, FlipAxis::none, planar_out, Stream::cpu());

  const Buffer<std::uint8_t> in(planar, stream());
  const Buffer<std::int64_t> device_ids(ids, stream());
  const Buffer<std::byte> workspace(rand_augment_workspace_bytes(shape, options), stream());
  const std::int64_t row = 3 * 13;  // two pixels of padding behind each row
  const GuardedBuffer<std::uint8_t> out(shape.count * shape.height * row, stream());
  const Out padded{out.data(), shape.count, shape.height, shape.width, 3, shape.height * row, row, 3, 1};
  rand_augment(In::nchw(in.data(), shape), device_ids.cspan(), options, {.seed = 3}, padded, workspace.span(),
               stream());
  out.expect_guards_intact();
  const std::vector<std::uint8_t> got = out.to_host();
  const std::vector<std::uint8_t> expected = expected_rand_augment(images, shape, ids, options, {.seed = 3});
  for (std::int64_t y = 0; y < shape.count * shape.height; ++y) {
    for (std::int64_t k = 0; k < row; ++k) {
      const std::uint8_t want = k < 33 ? expected[static_cast<std::size_t>(y * 33 + k)] : 0xA5;
      ASSERT_EQ(got[static_cast<std::size_t>(y * row + k)], want) << "row " << y << " byte " << k;
    }
  }
}

TEST_P(RandAugmentTest, TakesBatchesOfAnySize) {
  const std::vector<std::uint8_t> images = noise(70000 * 4, 3);
  const std::vector<std::int64_t> ids = ids_from(-5, 70000);
  const RandAugmentOptions options{.ops = {invert, posterize, brightness, translate_x}, .magnitude = 25};
  EXPECT_TRUE(run({}, {0, 2, 2, 1}, {}, options, {}, stream()).empty());
  const ImageShape shape{70000, 2, 2, 1};
  EXPECT_EQ(run(images, shape, ids, options, {.seed = 8}, stream()),
            expected_rand_augment(images, shape, ids, options, {.seed = 8}));
}

TEST_P(RandAugmentTest, RefusesBadArguments) {
  const ImageShape shape{4, 6, 5, 3};
  const Buffer<std::uint8_t> in(noise(shape.size(), 1), stream());
  const GuardedBuffer<std::uint8_t> out(shape.size(), stream());
  const std::vector<std::uint8_t> before = out.to_host();
  const Buffer<std::int64_t> ids(ids_from(0, 4), stream());
  const Buffer<std::byte> workspace(shape.size(), stream());
  const auto call = [&](const RandAugmentOptions& options, std::int64_t id_count, std::int64_t bytes, Out to) {
    return message_of<InvalidArgument>([&] {
      rand_augment(In::nhwc(in.data(), shape), ids.cspan().first(static_cast<std::size_t>(id_count)), options, {}, to,
                   workspace.span().first(static_cast<std::size_t>(bytes)), stream());
    });
  };
  const Out good = Out::nhwc(out.data(), shape);
  EXPECT_EQ(call({.num_ops = -1}, 4, 360, good), "rand_augment: options.num_ops is -1, expected 0 to 48");
  EXPECT_EQ(call({.num_ops = 49}, 4, 360, good), "rand_augment: options.num_ops is 49, expected 0 to 48");
  EXPECT_EQ(call({.magnitude = 31}, 4, 360, good),
            "rand_augment: options.magnitude is 31, expected 0 to 30 (bins - 1)");
  EXPECT_EQ(call({.magnitude = -1}, 4, 360, good),
            "rand_augment: options.magnitude is -1, expected 0 to 30 (bins - 1)");
  EXPECT_EQ(call({.magnitude = 0, .bins = 1}, 4, 360, good), "rand_augment: options.bins is 1, expected at least 2");
  EXPECT_EQ(call({}, 3, 360, good), "rand_augment: sample_ids has 3 values, expected 4 (one per image)");
  EXPECT_EQ(call({}, 4, 359, good), "rand_augment: workspace has 359 bytes, expected at least 360");
  EXPECT_NE(call({}, 4, 360, Out::nhwc(out.data(), {4, 5, 6, 3})).find("out has shape 4x5x6x3, expected 4x6x5x3"),
            std::string::npos);
  EXPECT_NE(call({}, 4, 360, Out::nhwc(in.data(), shape)).find("out overlaps in"), std::string::npos);
  EXPECT_EQ(out.to_host(), before);
}

TEST(OpList, HoldsOneToSixteenKnownOperations) {
  EXPECT_EQ(rand_augment_ops().size(), 14);
  EXPECT_EQ(OpList(std::vector<AugmentOp>(16, invert)).size(), 16);
  EXPECT_EQ(message_of<InvalidArgument>([] { OpList(std::vector<AugmentOp>(17, invert)); }),
            "OpList: ops has 17 operations, expected 1 to 16");
  EXPECT_EQ(message_of<InvalidArgument>([] { OpList(std::vector<AugmentOp>()); }),
            "OpList: ops has 0 operations, expected 1 to 16");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              OpList{identity, static_cast<AugmentOp>(17)};
            }),
            "OpList: ops[1] is 17, expected an AugmentOp");
}

TEST(RandAugmentIsa, EveryInstructionSetGivesTheSameBytes) {
  const ImageShape shape{64, 32, 32, 3};
  const std::vector<std::uint8_t> images = noise(shape.size(), 4);
  const RandAugmentOptions options{.ops = kEveryOp, .num_ops = 3};
  const std::vector<std::int64_t> ids = ids_from(0, 64);
  const std::vector<std::uint8_t> expected = expected_rand_augment(images, shape, ids, options, {});
  for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512}) {
    if (isa > best_cpu_isa()) continue;
    set_cpu_isa(isa);
    EXPECT_EQ(run(images, shape, ids, options, {}, Stream::cpu()), expected) << name(isa);
  }
  set_cpu_isa(best_cpu_isa());
}

}  // namespace
}  // namespace leaven::test
