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
  for (const char* part : {"--op", "--policy", "--seed", "--copies", "--out", "--sheet", "--backend",
                           "rotate:angle=", "randaugment:num_ops=", "Exit status"}) {
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
       "dba17081844d0bcbaeb609951b94c5b400a895d8c2358c7990f8cffc8acffe27"}};
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
  expect_usage_error({in, "--out", out, "--op", "invert", "--copies", "2"}, {"--copies needs --policy"});
  expect_usage_error({in, "--out", out, "--policy", "randaugment", "--copies", "0"}, {"--copies"});
  expect_usage_error({in, "--out", out}, {"give --op or --policy"});
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
}

}  // namespace
}  // namespace leaven::test
