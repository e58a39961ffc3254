#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include <leaven/augment.hpp>
#include <leaven/cpu.hpp>
#include "tests/golden/image_generator.hpp"
#include "tests/support/backend.hpp"

// Every case of tests/golden/augment.jsonl: what Pillow and torchvision answer, byte for byte.
namespace leaven::test {
namespace {

using Json = nlohmann::json;
using View = ImageView<const std::uint8_t>;
using Out = ImageView<std::uint8_t>;

const std::vector<Json>& cases_of(const std::string& op) {
  static const std::map<std::string, std::vector<Json>> all = [] {
    std::map<std::string, std::vector<Json>> cases;
    std::ifstream file(LEAVEN_TEST_DATA "/golden/augment.jsonl");
    for (std::string line; std::getline(file, line);) {
      Json entry = Json::parse(line);
      if (entry.contains("op")) cases[entry["op"].get<std::string>()].push_back(std::move(entry));
    }
    return cases;
  }();
  static const std::vector<Json> none;
  const auto found = all.find(op);
  return found == all.end() ? none : found->second;
}

Interpolation interpolation(const Json& p) {
  const std::string name = p["interpolation"];
  if (name == "nearest") return Interpolation::nearest;
  return name == "bilinear" ? Interpolation::bilinear : Interpolation::bicubic;
}

WarpOptions warp_options(const Json& p) {
  WarpOptions options;
  if (p.contains("interpolation")) options.interpolation = interpolation(p);
  if (p.contains("fill")) options.fill = p["fill"].get<std::uint8_t>();
  return options;
}

FlipAxis flip_axis(const std::string& name) {
  if (name == "left_right") return FlipAxis::left_right;
  return name == "top_bottom" ? FlipAxis::top_bottom : FlipAxis::both;
}

AffineMatrix parameters_to_matrix(const Json& p, const View& in) {
  return affine_matrix({.angle_deg = p["angle"],
                        .translate = {.x = p["translate_x"], .y = p["translate_y"]},
                        .scale = p["scale"],
                        .shear_x_deg = p["shear_x"],
                        .shear_y_deg = p["shear_y"]},
                       {.height = in.height, .width = in.width});
}

void resize_as(const Json& p, View in, Out out, Stream stream) {
  SourceBox box;
  if (p.contains("box")) box = {p["box"][0], p["box"][1], p["box"][2], p["box"][3]};
  const Interpolation how = interpolation(p);
  const Buffer<std::byte> workspace(resize_workspace_bytes(in.shape(), {out.height, out.width}, how), stream);
  resize(in, box, how, out, workspace.span(), stream);
}

using Run = void (*)(const Json& p, View in, Out out, Stream stream);

float factor_of(const Json& p) { return static_cast<float>(p["factor"].get<double>()); }

OffsetPx offset_of(const Json& p) { return {.x = p["x"], .y = p["y"]}; }

const std::map<std::string, Run>& operations() {
  static const std::map<std::string, Run> all = {
      {"brightness", [](const Json& p, View in, Out out, Stream s) { brightness(in, factor_of(p), out, s); }},
      {"contrast", [](const Json& p, View in, Out out, Stream s) { contrast(in, factor_of(p), out, s); }},
      {"color", [](const Json& p, View in, Out out, Stream s) { color(in, factor_of(p), out, s); }},
      {"hue", [](const Json& p, View in, Out out, Stream s) { hue(in, factor_of(p), out, s); }},
      {"perspective",
       [](const Json& p, View in, Out out, Stream s) {
         perspective_warp(in, PerspectiveMatrix{p["m"].get<std::array<double, 8>>()}, warp_options(p), out, s);
       }},
      {"posterize", [](const Json& p, View in, Out out, Stream s) { posterize(in, p["bits"].get<int>(), out, s); }},
      {"solarize", [](const Json& p, View in, Out out,
                      Stream s) { solarize(in, static_cast<float>(p["threshold"].get<double>()), out, s); }},
      {"autocontrast", [](const Json&, View in, Out out, Stream s) { autocontrast(in, out, s); }},
      {"equalize", [](const Json&, View in, Out out, Stream s) { equalize(in, out, s); }},
      {"sharpness", [](const Json& p, View in, Out out, Stream s) { sharpness(in, factor_of(p), out, s); }},
      {"grey", [](const Json&, View in, Out out, Stream s) { grey(in, out, s); }},
      {"invert", [](const Json&, View in, Out out, Stream s) { invert(in, out, s); }},
      {"flip", [](const Json& p, View in, Out out, Stream s) { flip(in, flip_axis(p["axis"]), out, s); }},
      {"crop", [](const Json& p, View in, Out out, Stream s) { crop(in, offset_of(p), out, s); }},
      {"pad_crop", [](const Json& p, View in, Out out,
                      Stream s) { pad_crop(in, p["padding"], p["fill"].get<std::uint8_t>(), offset_of(p), out, s); }},
      {"rotate", [](const Json& p, View in, Out out,
                    Stream s) { rotate(in, p["angle"].get<double>(), warp_options(p), out, s); }},
      {"affine_matrix",
       [](const Json& p, View in, Out out, Stream s) {
         affine_warp(in, AffineMatrix{p["m"].get<std::array<double, 6>>()}, warp_options(p), out, s);
       }},
      {"shear", [](const Json& p, View in, Out out,
                   Stream s) { shear(in, Shear{.x = p["x"], .y = p["y"]}, warp_options(p), out, s); }},
      {"translate", [](const Json& p, View in, Out out,
                       Stream s) { translate(in, TranslationPx{.x = p["x"], .y = p["y"]}, warp_options(p), out, s); }},
      {"affine", [](const Json& p, View in, Out out,
                    Stream s) { affine_warp(in, parameters_to_matrix(p, in), warp_options(p), out, s); }},
      {"resize", resize_as},
  };
  return all;
}

double magnitude(const Json& p) { return p["magnitude"].get<double>(); }

// torchvision's _apply_op: how a magnitude becomes the parameter of an operation.
const std::map<std::string, Run>& policy_operations() {
  static const std::map<std::string, Run> all = {
      {"ShearX", [](const Json& p, View in, Out out, Stream s) { shear(in, Shear{.x = magnitude(p)}, {}, out, s); }},
      {"ShearY", [](const Json& p, View in, Out out, Stream s) { shear(in, Shear{.y = magnitude(p)}, {}, out, s); }},
      {"TranslateX", [](const Json& p, View in, Out out,
                        Stream s) { translate(in, TranslationPx{.x = std::trunc(magnitude(p))}, {}, out, s); }},
      {"TranslateY", [](const Json& p, View in, Out out,
                        Stream s) { translate(in, TranslationPx{.y = std::trunc(magnitude(p))}, {}, out, s); }},
      {"Rotate", [](const Json& p, View in, Out out, Stream s) { rotate(in, magnitude(p), {}, out, s); }},
      {"Brightness", [](const Json& p, View in, Out out,
                        Stream s) { brightness(in, static_cast<float>(1.0 + magnitude(p)), out, s); }},
      {"Color",
       [](const Json& p, View in, Out out, Stream s) { color(in, static_cast<float>(1.0 + magnitude(p)), out, s); }},
      {"Contrast",
       [](const Json& p, View in, Out out, Stream s) { contrast(in, static_cast<float>(1.0 + magnitude(p)), out, s); }},
      {"Posterize",
       [](const Json& p, View in, Out out, Stream s) { posterize(in, static_cast<int>(magnitude(p)), out, s); }},
      {"Solarize",
       [](const Json& p, View in, Out out, Stream s) { solarize(in, static_cast<float>(magnitude(p)), out, s); }},
      {"Sharpness", [](const Json& p, View in, Out out,
                       Stream s) { sharpness(in, static_cast<float>(1.0 + magnitude(p)), out, s); }},
      {"AutoContrast", [](const Json&, View in, Out out, Stream s) { autocontrast(in, out, s); }},
      {"Equalize", [](const Json&, View in, Out out, Stream s) { equalize(in, out, s); }},
      {"Invert", [](const Json&, View in, Out out, Stream s) { invert(in, out, s); }},
  };
  return all;
}

void expect_case(const Json& entry, Run run, Stream stream) {
  const ImageShape shape{1, entry["height"], entry["width"], entry["channels"]};
  const ImageShape out_shape{1, entry["out_height"], entry["out_width"], entry["channels"]};
  const std::vector<std::uint8_t> image =
      golden::make_image(entry["image"].get<std::string>(), entry["image_seed"], static_cast<int>(shape.height),
                         static_cast<int>(shape.width), static_cast<int>(shape.channels));
  const Buffer<std::uint8_t> in(image, stream);
  const Buffer<std::uint8_t> out(out_shape.size(), stream);
  run(entry["params"], View::nhwc(in.data(), shape), Out::nhwc(out.data(), out_shape), stream);
  EXPECT_EQ(sha256(out.to_host(stream)), entry["sha256"].get<std::string>()) << entry.dump();
}

struct Engine {
  Backend backend;
  CpuIsa isa;
};

std::string engine_name(const testing::TestParamInfo<Engine>& info) {
  return info.param.backend == Backend::cuda ? "Cuda" : std::string(name(info.param.isa));
}

class Golden : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam().backend == Backend::cuda) {
      if (require_cuda_or_skip()) stream_ = OwnedStream(Backend::cuda);
    } else if (GetParam().isa > best_cpu_isa()) {
      GTEST_SKIP() << "this machine has no " << name(GetParam().isa);
    } else {
      set_cpu_isa(GetParam().isa);
    }
  }
  void TearDown() override { set_cpu_isa(best_cpu_isa()); }

  void expect_all(const std::string& op) {
    const std::vector<Json>& cases = cases_of(op);
    EXPECT_GE(cases.size(), 400u) << "at least 200 cases of " << op << " for each number of channels";
    for (const Json& entry : cases) expect_case(entry, operations().at(op), stream_);
  }

  OwnedStream stream_{Backend::cpu};
};

TEST_P(Golden, Brightness) { expect_all("brightness"); }
TEST_P(Golden, Contrast) { expect_all("contrast"); }
TEST_P(Golden, Color) { expect_all("color"); }
TEST_P(Golden, Hue) { expect_all("hue"); }
TEST_P(Golden, Perspective) { expect_all("perspective"); }
TEST_P(Golden, Posterize) { expect_all("posterize"); }
TEST_P(Golden, Solarize) { expect_all("solarize"); }
TEST_P(Golden, Autocontrast) { expect_all("autocontrast"); }
TEST_P(Golden, Equalize) { expect_all("equalize"); }
TEST_P(Golden, Sharpness) { expect_all("sharpness"); }
TEST_P(Golden, Grey) { expect_all("grey"); }
TEST_P(Golden, Invert) { expect_all("invert"); }
TEST_P(Golden, Flip) { expect_all("flip"); }
TEST_P(Golden, Crop) { expect_all("crop"); }
TEST_P(Golden, PadCrop) { expect_all("pad_crop"); }
TEST_P(Golden, Rotate) { expect_all("rotate"); }
TEST_P(Golden, AffineMatrix) { expect_all("affine_matrix"); }
TEST_P(Golden, Shear) { expect_all("shear"); }
TEST_P(Golden, Translate) { expect_all("translate"); }
TEST_P(Golden, Affine) { expect_all("affine"); }

TEST_P(Golden, Resize) { expect_all("resize"); }

TEST_P(Golden, PolicyOperations) {
  std::map<std::string, int> done;
  for (const Json& entry : cases_of("policy_op")) {
    const std::string op = entry["name"];
    ASSERT_TRUE(policy_operations().contains(op)) << op << " is no operation here";
    expect_case(entry, policy_operations().at(op), stream_);
    ++done[op];
  }
  for (const auto& [op, run] : policy_operations()) EXPECT_GE(done[op], 400) << op;
}

INSTANTIATE_TEST_SUITE_P(Engines, Golden,
                         testing::Values(Engine{Backend::cpu, CpuIsa::baseline}, Engine{Backend::cpu, CpuIsa::avx2},
                                         Engine{Backend::cpu, CpuIsa::avx512}, Engine{Backend::cuda, CpuIsa::baseline}),
                         engine_name);

}  // namespace
}  // namespace leaven::test
