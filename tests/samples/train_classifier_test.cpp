#include <leaven/io.hpp>
#include <leaven/train/checkpoint.hpp>

#include "tests/samples/program.hpp"

namespace leaven::test {
namespace {

// Twelve dark and twelve light pictures, 8x8, half of them to test with.
void write_pictures(const std::filesystem::path& folder) {
  for (const std::string part : {"train", "test"}) {
    for (const std::string name : {"dark", "light"}) {
      std::filesystem::create_directories(folder / part / name);
      for (int i = 0; i < 6; ++i) {
        const auto level = static_cast<std::uint8_t>((name == "dark" ? 20 : 200) + 5 * i);
        io::write_png(folder / part / name / (std::to_string(i) + ".png"),
                      {.height = 8, .width = 8, .channels = 1, .pixels = std::vector<std::uint8_t>(64, level)});
      }
    }
  }
}

TEST(TrainClassifier, LearnsAFolderOfPicturesAndContinuesFromItsCheckpoint) {
  const TemporaryFolder folder;
  write_pictures(folder.path());
  const std::string checkpoint = folder / "net.safetensors";
  const std::vector<std::string> arguments = {
      "--data",    folder.path(), "--network",    "conv 4; bn; relu; global_average_pool; linear CLASSES",
      "--epochs",  "20",          "--batch",      "6",
      "--backend", "cpu",         "--checkpoint", checkpoint};
  const ProgramOutcome first = run_program("train_classifier", arguments);
  EXPECT_EQ(first.status, 0) << first.errors;
  EXPECT_NE(first.out.find("12 training pictures, 12 test pictures"), std::string::npos) << first.out;
  EXPECT_NE(first.out.find("100.00 % of the test pictures are right"), std::string::npos) << first.out;
  EXPECT_NE(first.out.find("dark: 100"), std::string::npos) << first.out;
  const std::vector<std::uint8_t> bytes = read_bytes(checkpoint);
  const ProgramOutcome again = run_program("train_classifier", arguments);
  EXPECT_EQ(again.status, 0) << again.errors;
  EXPECT_NE(again.out.find(" 0.0 s of training: 100.00 %"), std::string::npos) << again.out;
  EXPECT_EQ(read_bytes(checkpoint), bytes);
}

TEST(TrainClassifier, NamesTheDataThatIsMissing) {
  const ProgramOutcome outcome = run_program("train_classifier", {"--data", "/nowhere"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.errors.find("train_classifier: /nowhere"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace leaven::test
