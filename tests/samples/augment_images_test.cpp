#include <leaven/io.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/samples/program.hpp"
#include "tests/support/backend.hpp"

namespace leaven::test {
namespace {

namespace fs = std::filesystem;

std::string sample(const std::string& name) { return std::string(LEAVEN_TEST_DATA) + "/core/images/" + name; }

ProgramOutcome augment(std::vector<std::string> arguments) { return run_program("augment_images", arguments); }

void expect_usage_error(const std::vector<std::string>& arguments, std::initializer_list<std::string> parts) {
  const ProgramOutcome outcome = augment(arguments);
  EXPECT_EQ(outcome.status, 2) << outcome.errors;
  for (const std::string& part : parts) {
    EXPECT_NE(outcome.errors.find(part), std::string::npos) << outcome.errors << "lacks " << part;
  }
}

class AugmentImages : public testing::Test {
 protected:
  // The picture that `ops` make of rgb.png (31 x 37, three channels).
  io::HostImage result_of(std::vector<std::string> ops) {
    std::vector<std::string> arguments{sample("rgb.png"), "--out", folder / "out"};
    for (const std::string& op : ops) arguments.insert(arguments.end(), {"--op", op});
    const ProgramOutcome outcome = augment(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    return io::read_image(folder / "out/rgb.png");
  }

  TemporaryFolder folder;
};

TEST_F(AugmentImages, HelpNamesEveryOption) {
  const ProgramOutcome outcome = augment({"--help"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* part : {"--op", "--policy", "--mix", "--seed", "--copies", "--out", "--sheet", "--backend",
                           "rotate:angle=", "randaugment:num_ops=", "rand-m9-", "mixup:alpha=", "Exit status"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  }
}

// SHA-256 of what Pillow 9.4 and torchvision 0.14 make of the same picture.
TEST_F(AugmentImages, GivesPillowsPixels) {
  const std::pair<const char*, const char*> cases[] = {
      {"brightness:factor=1.4", "2ab2452552a706731e3718843ea9923dd740af8db53832f8991f4d972d1613eb"},
      {"contrast:factor=0.5", "220f6c8099a4454c6d26bf62f3ae9f7897a1641e03eb0fcdc3f19272d9357245"},
      {"color:factor=1.7", "96c45f78cb1601ed69290b4a18d994f4ffe73ab9eabe0187264d5486b2d0576e"},
      {"posterize:bits=3", "55243a21181bb96070faabeeb221c820442d327c4ddfb5f70698671ad7556210"},
      {"solarize:threshold=100", "1c366da5126efe21f12dd07a8054c92e1d6517d4e8d088a6e92ba00920d5874c"},
      {"flip:axis=left_right", "531aa5c87f53c7643176ec40a30677a55dac810400b2cc9edac35a2d4ab8473f"},
      {"flip:axis=top_bottom", "4491443aa024fff23850ede7305d7ad07c5c85ad03aa638901349fc6055ab980"},
      {"crop:x=3,y=5,width=20,height=10", "2066f132b475a8ed8b82137ddb901d394cc95ec133c216e85ce2fcef4cd5e9eb"},
      {"rotate:angle=30,interpolation=bilinear,fill=128",
       "f2b88f37dfd56ca4949ed5d4f754d918f559566783f52a6b965a750dc1d23ad4"},
      {"shear:x=0.2,y=-0.1", "e306a1f573b7b2d9a2b4d72c49237c34f907d0b2053565898af9207945c41171"},
      {"translate:x=3,y=-4,fill=7", "3b239b0434609f0973dcfeb5cb36e2864b55feed697e9770f8663da038b07963"},
      {"affine:angle=10,translate_x=3,translate_y=-2,scale=1.2,shear_x=5,shear_y=-4,interpolation=bilinear",
       "dba17081844d0bcbaeb609951b94c5b400a895d8c2358c7990f8cffc8acffe27"},
      {"hue:factor=0.2", "ebaa149d91fe34ccbbd8bc35074079d168877dcd80f7df16a34374a390f384e0"},
      {"erase:x=-3,y=20,width=10,height=40,fill=200",
       "33453e28219f8be67c25868a01ed6962663deffaa5f051e22482671932ebf009"},
      {"pad_crop:padding=4,x=1,y=7,fill=9", "2f37e9f6fea1ba5bbc095a534331d8fd041bf0517cd20e788ee6ebf8e0f85a9a"},
      {"resize:width=50,height=20", "4eca1b0af5830ccf20889419ba3f7f30d9941523d2786098e0019dd5845c68c8"},
      {"resize:width=20,height=50,interpolation=bicubic",
       "5cca5f7215a22d352d79e8105c236b30fdfbbc94ab5b622d2fb0ef8cb79b3fb5"},
      {"rotate:angle=30,interpolation=bicubic,fill=5",
       "c94ccd399a1d2445cf29308725c828e5f860c809261843ee6a96e677cb0ab53b"},
      {"perspective:x1=4.3,y1=3.1,x2=-2.7,y4=-5.2,interpolation=bilinear",
       "02692b20df01c5aa3f242494e1177c4457bcd8f1b560b7ec4a39a275f7917cb1"}};
  for (const auto& [op, hash] : cases) EXPECT_EQ(sha256(result_of({op}).pixels), hash) << op;
}

TEST_F(AugmentImages, AppliesOperationsInTheOrderGiven) {
  const io::HostImage original = io::read_image(sample("rgb.png"));
  EXPECT_EQ(result_of({"invert", "invert"}).pixels, original.pixels);
  const io::HostImage bright_first = result_of({"brightness:offset=100", "invert"});
  const io::HostImage invert_first = result_of({"invert", "brightness:offset=100"});
  for (std::size_t i = 0; i < original.pixels.size(); ++i) {
    const int v = original.pixels[i];
    ASSERT_EQ(bright_first.pixels[i], 255 - std::min(v + 100, 255));
    ASSERT_EQ(invert_first.pixels[i], std::min(255 - v + 100, 255));
  }
  const io::HostImage cut = result_of({"crop:x=3,y=5,width=20,height=10", "flip:axis=both"});
  ASSERT_EQ(cut.width, 20);
  ASSERT_EQ(cut.height, 10);
  EXPECT_EQ(cut.pixels[0], original.pixels[(14 * 37 + 22) * 3]);
}

TEST_F(AugmentImages, TakesBordersAndBlurs) {
  const io::HostImage original = io::read_image(sample("rgb.png"));
  const io::HostImage moved = result_of({"translate:x=3,border=edge"});
  const io::HostImage wrapped = result_of({"translate:x=3,border=wrap"});
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(moved.pixels[c], original.pixels[c]);
    EXPECT_EQ(wrapped.pixels[c], original.pixels[34 * 3 + c]);
  }
  const io::HostImage flat = result_of({"brightness:factor=0", "brightness:offset=77"});
  EXPECT_EQ(result_of({"brightness:factor=0", "brightness:offset=77", "gaussian_blur:kernel_size=7,sigma=2"}).pixels,
            flat.pixels);
  EXPECT_NE(result_of({"gaussian_blur:kernel_size=7,sigma=2"}).pixels, original.pixels);
}

TEST_F(AugmentImages, TakesPicturesOfDifferentSizesAndFormats) {
  write_bytes(folder / "tiny.pgm", std::string("P5\n1 1\n255\n") + '\x10');
  const ProgramOutcome outcome = augment({sample("grey.png"), sample("baseline.jpg"), folder / "tiny.pgm", "--op",
                                          "invert", "--out", folder / "new/out", "--log", folder / "log"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(io::read_image(folder / "new/out/grey.png").channels, 1);
  EXPECT_EQ(io::read_image(folder / "new/out/baseline.png").channels, 3);
  EXPECT_EQ(io::read_image(folder / "new/out/tiny.png").pixels, std::vector<std::uint8_t>{0xEF});
  std::ifstream log(folder / "log");
  std::string line;
  int lines = 0;
  for (; std::getline(log, line); ++lines) EXPECT_EQ(nlohmann::json::parse(line)["event"], "written");
  EXPECT_EQ(lines, 3);
}

TEST_F(AugmentImages, APolicyGivesCopiesThatDependOnTheSeedOnly) {
  const auto copies = [&](const std::string& seed, const std::string& out) {
    const ProgramOutcome outcome = augment({sample("rgb.png"), "--policy", "randaugment:num_ops=2,magnitude=20",
                                            "--seed", seed, "--copies", "4", "--out", folder / out});
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    std::vector<std::vector<std::uint8_t>> pixels;
    for (const char* name : {"rgb_1.png", "rgb_2.png", "rgb_3.png", "rgb_4.png"}) {
      pixels.push_back(io::read_image(folder / (out + "/" + name)).pixels);
    }
    return pixels;
  };
  const auto first = copies("1", "a");
  EXPECT_EQ(copies("1", "b"), first);
  EXPECT_NE(copies("2", "c"), first);
  EXPECT_TRUE(std::adjacent_find(first.begin(), first.end(), std::not_equal_to<>()) != first.end());
}

TEST_F(AugmentImages, PoliciesOfDifferentKindsFollowEachOther) {
  const std::vector<std::string> crop{"--policy", "random_resized_crop:width=20,height=12"};
  std::vector<std::string> both{sample("rgb.png"), "--out", folder / "both", "--policy", "rand-m9-mstd0.5-inc1"};
  both.insert(both.end(), crop.begin(), crop.end());
  both.insert(both.end(), {"--policy", "random_erase:probability=1,fill=255"});
  const ProgramOutcome outcome = augment(both);
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  const io::HostImage result = io::read_image(folder / "both/rgb.png");
  EXPECT_EQ(result.width, 20);
  EXPECT_EQ(result.height, 12);
}

TEST_F(AugmentImages, MixesThePicturesOfOneSize) {
  const auto mixed = [&](const std::string& mix, const std::string& out) {
    const ProgramOutcome outcome = augment(
        {sample("rgb.png"), sample("palette.bmp"), "--op", "resize:width=20,height=12", "--mix", mix, "--copies", "2",
         "--out", folder / out, "--log", folder / (out + ".log"), "--sheet", folder / (out + ".png")});
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    return io::read_image(folder / (out + "/rgb_2.png"));
  };
  const io::HostImage mean = mixed("mixup:alpha=1", "mean");
  EXPECT_EQ(mean.width, 20);
  EXPECT_EQ(mixed("mixup:alpha=1", "again").pixels, mean.pixels);
  std::ifstream log(folder / "mean.log");
  std::string line;
  ASSERT_TRUE(std::getline(log, line));
  const auto entry = nlohmann::json::parse(line);
  EXPECT_EQ(entry["partners"][0], sample("palette.bmp"));
  EXPECT_LT(entry["own_weights"][1], 1.0);
  EXPECT_EQ(io::read_image(folder / "mean.png").width, 4 * (96 + 8) + 8) << "original, resized, two copies";
  EXPECT_NE(mixed("cutmix_or_mixup:cutmix_probability=1", "pasted").pixels, mean.pixels);
}

TEST_F(AugmentImages, NamesAPictureThatIsNotShapedLikeTheOthers) {
  const ProgramOutcome outcome = augment({sample("rgb.png"), sample("grey.png"), sample("palette.bmp"), "--mix",
                                          "cutmix", "--policy", "augmix", "--out", folder / "out"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.errors.find("grey.png: --mix: has 37 x 31 x 1 values, expected 37 x 31 x 3 as "), std::string::npos)
      << outcome.errors;
  EXPECT_TRUE(fs::exists(folder / "out/rgb.png"));
  EXPECT_FALSE(fs::exists(folder / "out/grey.png"));
  EXPECT_TRUE(fs::exists(folder / "out/palette.png"));
}

TEST_F(AugmentImages, CudaWritesTheSameFiles) {
  if (!require_cuda_or_skip()) return;
  for (const char* backend : {"cpu", "cuda"}) {
    const ProgramOutcome outcome =
        augment({sample("rgb.png"), sample("grey.png"), "--op", "contrast:factor=1.5", "--op", "rotate:angle=20",
                 "--policy", "randaugment", "--copies", "2", "--backend", backend, "--out", folder / backend});
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
  }
  for (const char* name : {"rgb_1.png", "rgb_2.png", "grey_1.png", "grey_2.png"}) {
    EXPECT_EQ(read_bytes(folder.path() / "cuda" / name), read_bytes(folder.path() / "cpu" / name)) << name;
  }
}

TEST_F(AugmentImages, WritesASheetOfEveryStep) {
  const ProgramOutcome outcome =
      augment({sample("rgb.png"), sample("grey.png"), "--op", "invert", "--policy", "randaugment", "--copies", "2",
               "--out", folder / "out", "--sheet", folder / "sheet.png"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(io::read_image(folder / "sheet.png").width, 4 * (96 + 8) + 8) << "original, invert, two copies";
}

TEST_F(AugmentImages, AnswersAWrongCommandLineWithWhatIsAllowed) {
  const std::string in = sample("rgb.png");
  const std::string out = folder / "out";
  expect_usage_error({in, "--out", out, "--op", "rotat:angle=3"}, {"did you mean 'rotate'?", "solarize"});
  expect_usage_error({in, "--out", out, "--op", "rotate:angel=3"}, {"did you mean 'angle'?"});
  expect_usage_error({in, "--out", out, "--op", "posterize:bits=9"}, {"a whole number from 0 to 8"});
  expect_usage_error({in, "--out", out, "--policy", "randaugmnt"}, {"did you mean 'randaugment'?"});
  expect_usage_error({in, "--out", out, "--oq", "invert"}, {"unknown option --oq, did you mean '--op'?"});
  expect_usage_error({in, "--out", out, "--op", "invert", "--backend", "gpu"}, {"Allowed: auto, cpu, cuda"});
  expect_usage_error({in, "--out", out, "--op", "invert", "--seed", "x"}, {"--seed"});
  expect_usage_error({in, "--out", out, "--op", "invert", "--copies", "2"}, {"--copies needs --policy or --mix"});
  expect_usage_error({in, "--out", out, "--policy", "randaugment", "--copies", "0"}, {"--copies"});
  expect_usage_error({in, "--out", out, "--policy", "rand-m9-x1"}, {"rand-m9-x1: ", "character 9 is 'x'"});
  expect_usage_error({in, "--out", out, "--policy", "augmix", "--policy", "randaugment"}, {"share their draws"});
  expect_usage_error({in, "--out", out, "--mix", "mixap"}, {"did you mean 'mixup'?"});
  expect_usage_error({in, "--out", out, "--mix", "cutmix:draws=per_pair"}, {"cutmix:draws=per_pair: ", "mirrored"});
  expect_usage_error({in, "--out", out, "--op", "gaussian_blur:kernel_size=2,sigma=1"}, {"an odd whole number"});
  expect_usage_error({in, "--out", out}, {"give --op, --policy or --mix"});
  expect_usage_error({in, "--op", "invert"}, {"--out"});
  expect_usage_error({"--out", out, "--op", "invert"}, {"IN"});
  EXPECT_FALSE(fs::exists(out)) << "nothing is written";
}

TEST_F(AugmentImages, NeverWritesTwiceToOneFileOrOverAnInput) {
  const std::string in = sample("rgb.png");
  const std::string out = folder / "out";
  expect_usage_error({in, sample("rgb.bmp"), "--op", "invert", "--out", out}, {"rgb.bmp and ", "both be written"});
  expect_usage_error({in, "--op", "invert", "--out", out, "--sheet", out + "/../out/rgb.png"}, {"--sheet"});
  fs::copy_file(in, folder / "own.png");
  expect_usage_error({folder / "own.png", "--op", "invert", "--out", folder.path()}, {"over the input"});
  EXPECT_EQ(read_bytes(folder / "own.png"), read_bytes(in));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(AugmentImages, NamesAPictureThatFailsAndWritesTheOthers) {
  write_bytes(folder / "broken.png", "not a picture");
  const ProgramOutcome outcome =
      augment({folder / "broken.png", sample("rgb.png"), "--op", "crop:x=30,y=0,width=7,height=31", "--out",
               folder / "out", "--sheet", folder / "sheet.png"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.errors.find(std::string(folder / "broken.png") + ": not an image"), std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find("1 of 2 pictures failed"), std::string::npos) << outcome.errors;
  EXPECT_TRUE(fs::exists(folder / "out/rgb.png"));

  const ProgramOutcome too_large = augment(
      {sample("rgb.png"), sample("grey.png"), "--op", "crop:x=31,y=0,width=7,height=31", "--out", folder / "none"});
  EXPECT_EQ(too_large.status, 1);
  EXPECT_NE(
      too_large.errors.find("rgb.png: crop:x=31,y=0,width=7,height=31: reaches outside the picture, which has 37 x "
                            "31 pixels"),
      std::string::npos)
      << too_large.errors;
  const ProgramOutcome too_small =
      augment({sample("grey.png"), "--op", "gaussian_blur:kernel_size=63,sigma=3", "--out", folder / "none"});
  EXPECT_EQ(too_small.status, 1);
  EXPECT_NE(too_small.errors.find("grey.png: gaussian_blur: "), std::string::npos) << too_small.errors;
}

}  // namespace
}  // namespace leaven::test
