#include <cstdlib>

#include <leaven/train/data.hpp>

#include "tests/samples/program.hpp"

namespace leaven::test {
namespace {

double accuracy_behind(const std::string& text, const std::string& words) {
  const std::size_t at = text.find(words);
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + words.size(), nullptr);
}

TEST(Quickstart, ShowsThatAugmentationGains) {
  if (!std::filesystem::exists(train::fashion_mnist_folder())) GTEST_SKIP() << "no Fashion-MNIST here";
  const TemporaryFolder folder;
  const ProgramOutcome outcome = run_program("quickstart", {"--backend", "cpu", "--log", folder / "log.jsonl"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("with augmentation  51,200 images in "), std::string::npos) << outcome.errors;
  EXPECT_FALSE(read_bytes(folder / "log.jsonl").empty());
  const double without = accuracy_behind(outcome.out, "without augmentation: ");
  const double with = accuracy_behind(outcome.out, "\nwith augmentation: ");
  EXPECT_GT(without, 60) << outcome.out;
  EXPECT_GT(with, without) << outcome.out;
}

TEST(Quickstart, NamesTheDataThatIsMissing) {
  ASSERT_EQ(::setenv("LEAVEN_FASHION_MNIST", "/nowhere", 1), 0);
  const ProgramOutcome outcome = run_program("quickstart", {});
  ::unsetenv("LEAVEN_FASHION_MNIST");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.errors.find("quickstart: /nowhere"), std::string::npos) << outcome.errors;
}

}  // namespace
}  // namespace leaven::test
