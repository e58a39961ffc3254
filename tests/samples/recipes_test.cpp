#include <algorithm>
#include <fstream>

#include "samples/support/few_labels.hpp"
#include "samples/support/recipes.hpp"
#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::samples {
namespace {

enum class Labelling { right, rotated };

// Ten classes of 12x12 pictures, a bright bar whose place is the class, written as the four IDX files of Fashion-MNIST.
void write_pictures(const std::filesystem::path& folder, const std::string& part, int count, Labelling labelling) {
  std::ofstream images(folder / (part + "-images-idx3-ubyte"), std::ios::binary);
  std::ofstream labels(folder / (part + "-labels-idx1-ubyte"), std::ios::binary);
  const auto big_endian = [](std::ofstream& out, int value) {
    for (const int shift : {24, 16, 8, 0}) out.put(static_cast<char>(value >> shift));
  };
  for (const int value : {0x803, count, 12, 12}) big_endian(images, value);
  for (const int value : {0x801, count}) big_endian(labels, value);
  for (int i = 0; i < count; ++i) {
    const int place = i % 10;
    for (int y = 0; y < 12; ++y) {
      for (int x = 0; x < 12; ++x)
        images.put(static_cast<char>((x == place || y == place ? 200 : 20) + (i * 7 + x * 3 + y) % 32));
    }
    labels.put(static_cast<char>(labelling == Labelling::right ? place : (place + i / 10) % 10));
  }
}

class RecipesTest : public leaven::test::BackendTest {
 protected:
  ExperimentOptions tiny(Labelling labelling = Labelling::right) {
    write_pictures(folder_.path(), "train", 120, labelling);
    write_pictures(folder_.path(), "t10k", 20, Labelling::right);
    ExperimentOptions options;
    options.data = folder_.path();
    options.labels_per_class = 2;
    options.validation_per_class = 2;
    options.image_steps = 32;
    options.batch = 8;
    options.curve_points = 1;
    options.network = options.teacher = options.larger = options.largest =
        "conv 4; bn; relu; maxpool 2; conv 4; bn; relu; maxpool 2; flatten; dropout 0.1; linear CLASSES";
    options.student = "conv 2; relu; maxpool 4; flatten; linear CLASSES";
    options.transfer_source_per_class = 4;
    options.transfer_head = 8;
    return options;
  }

  static void expect_plausible(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      EXPECT_GE(row.image_steps, 32) << row.method;
      EXPECT_LT(row.image_steps, 40) << row.method << ": less than a batch more";
      for (const double value : {row.validation, row.test, row.shifted}) {
        EXPECT_GE(value, 0) << row.method;
        EXPECT_LE(value, 1) << row.method;
      }
      EXPECT_FALSE(row.curve.empty()) << row.method;
    }
  }

 private:
  leaven::test::TemporaryFolder folder_;
};
LEAVEN_ON_BOTH_BACKENDS(RecipesTest);

TEST_P(RecipesTest, TransferLearningGivesThreeRowsForEachNumberOfLabels) {
  const std::int64_t labels[] = {2, 3};
  const std::vector<Row> rows = transfer_learning(tiny(), {}, stream(), labels);
  ASSERT_EQ(rows.size(), 7u);
  expect_plausible(rows);
  EXPECT_EQ(rows[1].labels, 12);
  EXPECT_EQ(rows[4].labels, 18);
}

TEST_P(RecipesTest, DistillationComparesTeacherAndThreeStudents) {
  Experiment experiment(tiny(), {}, stream());
  const DistillationResult result = distillation(experiment, {"flip, crop", light_augmentation()});
  ASSERT_EQ(result.rows.size(), 4u);
  expect_plausible(result.rows);
  ASSERT_EQ(result.models.size(), 2u);
  EXPECT_GT(result.models[0].parameters, result.models[1].parameters);
  EXPECT_GT(result.models[0].file_bytes, 4 * result.models[0].parameters);
}

TEST_P(RecipesTest, SelfTrainingLabelsEveryRoundAnew) {
  Experiment experiment(tiny(), {}, stream());
  const SelfTrainingResult result = self_training(experiment, {"flip, crop", light_augmentation()});
  ASSERT_EQ(result.rows.size(), 4u);
  expect_plausible(result.rows);
  ASSERT_EQ(result.rounds.size(), 3u);
  for (const PseudoLabelRound& round : result.rounds) {
    EXPECT_LE(round.accepted, 1) << round.method;
    EXPECT_LE(round.right, 1) << round.method;
  }
}

std::string table_of(ExperimentOptions options, Stream stream) {
  options.image_steps = 512;
  Experiment experiment(options, {}, stream);
  std::vector<Row> rows = study_augmentation(experiment).rows;
  for (Row& row : rows) row.seconds = 0;
  return results_table(rows).text();
}

class DemoTableTest : public RecipesTest {};
INSTANTIATE_TEST_SUITE_P(Backends, DemoTableTest, testing::Values(Backend::cpu), leaven::test::backend_name);

TEST_P(DemoTableTest, ComesFromTheTrainingData) {
  const std::string right = table_of(tiny(), stream());
  EXPECT_EQ(table_of(tiny(), stream()), right) << "the same data, the same table";
  EXPECT_NE(table_of(tiny(Labelling::rotated), stream()), right) << "other labels, another table";
}

TEST_P(RecipesTest, ShiftedPicturesDependOnTheSeedAlone) {
  const ExperimentOptions options = tiny();
  Experiment experiment(options, {}, stream());
  const train::DataSet& data = experiment.judges().test;
  const auto bytes = shifted_copy(data, 5, stream()).images.to_host(stream());
  EXPECT_EQ(shifted_copy(data, 5, stream()).images.to_host(stream()), bytes);
  EXPECT_NE(shifted_copy(data, 6, stream()).images.to_host(stream()), bytes);
  EXPECT_NE(data.images.to_host(stream()), bytes);
}

}  // namespace
}  // namespace leaven::samples
