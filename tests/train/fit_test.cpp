#include <algorithm>
#include <numeric>

#include <leaven/cpu.hpp>
#include "tests/support/temporary_folder.hpp"
#include "tests/train/training_fixture.hpp"

namespace leaven::test {
namespace {

using train::DataSet;
using train::FitData;
using train::FitOptions;
using train::FitResult;
using train::Network;
using train::Part;

// Everything on: geometry, colour, mixing, dropout.
FitOptions everything(std::int64_t steps) {
  return {.steps = steps,
          .batch = 8,
          .learning_rate = 0.1f,
          .augment = {.pad_crop = RandomPadCrop{.padding = 1},
                      .flip_probability = 0.1f,
                      .policy = RandAugmentOptions{.num_ops = 1, .magnitude = 3},
                      .mix = CutMixOptions{.probability = 0.5f}},
          .label_smoothing = 0.1f,
          .seed = 5};
}

class FitTest : public BackendTest {
 protected:
  // The interpreter is slow: fewer steps there.
  std::int64_t steps(std::int64_t cpu, std::int64_t cuda) const { return on_cuda() ? cuda : cpu; }
};
LEAVEN_ON_BOTH_BACKENDS(FitTest);

TEST_P(FitTest, LearnsAndReports) {
  const DataSet data = bars(64, 4, 1, stream());
  const DataSet test = bars(40, 4, 2, stream());
  Network network = tiny_network(stream());
  const double before = evaluate(network, test).loss;
  std::vector<train::Progress> progress;
  std::vector<std::int64_t> evaluations;
  const std::int64_t count = steps(120, 20);
  FitOptions options{.steps = count, .batch = 8, .learning_rate = 0.1f, .seed = 1};
  options.progress = [&](const train::Progress& p) { progress.push_back(p); };
  options.evaluation_every = 8;
  options.evaluation = [&](std::int64_t step) { evaluations.push_back(step); };
  const FitResult result = fit(network, {.data = &data, .samples = data.ids()}, options);

  EXPECT_EQ(result.steps, count);
  EXPECT_EQ(result.batch, 8);
  ASSERT_EQ(result.losses.size(), static_cast<std::size_t>(count));
  EXPECT_LT(result.losses.back(), result.losses.front());
  EXPECT_GT(result.images_per_second, 0);
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back().step, count);
  EXPECT_EQ(progress.back().steps, count);
  EXPECT_EQ(progress.back().seconds_left, 0);
  ASSERT_EQ(evaluations.size(), static_cast<std::size_t>((count + 7) / 8));
  EXPECT_EQ(evaluations.front(), 8);
  EXPECT_EQ(evaluations.back(), count);
  const train::Evaluation after = evaluate(network, test);
  EXPECT_LT(after.loss, before);
  if (!on_cuda()) {
    EXPECT_GE(after.accuracy, 0.95);
  }
}

TEST_P(FitTest, SameSeedSameBitsOtherSeedOthers) {
  const DataSet data = bars(24, 4, 1, stream());
  std::vector<std::string> hashes;
  for (const std::uint64_t seed : {5, 5, 6}) {
    Network network = tiny_network(stream());
    FitOptions options = everything(steps(20, 4));
    options.seed = seed;
    fit(network, {.data = &data, .samples = data.ids()}, options);
    hashes.push_back(hash_of(network));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_NE(hashes[0], hashes[2]);
}

TEST_P(FitTest, EvaluatingInBetweenChangesNothing) {
  const DataSet data = bars(24, 4, 1, stream());
  const DataSet test = bars(13, 4, 2, stream());
  Network alone = tiny_network(stream());
  Network watched = tiny_network(stream());
  FitOptions options = everything(steps(12, 3));
  fit(alone, {.data = &data, .samples = data.ids()}, options);
  options.evaluation_every = 1;
  options.evaluation = [&](std::int64_t) { evaluate(watched, test); };
  fit(watched, {.data = &data, .samples = data.ids()}, options);
  EXPECT_EQ(hash_of(alone), hash_of(watched));
}

TEST_P(FitTest, AFrozenBodyKeepsItsBits) {
  const DataSet data = bars(24, 4, 1, stream());
  Network network = tiny_network(stream());
  fit(network, {.data = &data, .samples = data.ids()}, everything(3));
  Network transfer = network.with_head("linear 12; relu; linear 4", 9);
  transfer.freeze(Part::body);
  const Network before = transfer.clone();
  fit(transfer, {.data = &data, .samples = data.ids()}, everything(3));
  for (const std::string name : {"conv1", "bn1", "conv2", "bn2"})
    EXPECT_EQ(hash_of(transfer, name), hash_of(before, name)) << name;
  EXPECT_NE(hash_of(transfer, "linear1"), hash_of(before, "linear1"));
}

TEST_P(FitTest, ResumedTrainingGivesTheBytesOfAnUninterruptedOne) {
  const DataSet data = bars(24, 4, 1, stream());
  TemporaryFolder folder;
  const std::int64_t count = steps(30, 6);
  const auto run = [&](const std::string& file, std::int64_t stop) {
    Network network = tiny_network(stream());
    FitOptions options = everything(count);
    options.checkpoint = folder / file;
    options.checkpoint_every = 2;
    options.evaluation_every = 1;
    options.evaluation = [&](std::int64_t step) {
      if (step == stop) throw std::runtime_error("killed");
    };
    fit(network, {.data = &data, .samples = data.ids()}, options);
    save(network, folder / (file + ".network"));
  };
  run("whole", -1);
  EXPECT_THROW(run("parts", 3), std::runtime_error);  // the checkpoint is of step 2: step 3 is done again
  EXPECT_THROW(run("parts", 4), std::runtime_error);
  run("parts", -1);
  EXPECT_EQ(read_bytes(folder / "whole"), read_bytes(folder / "parts"));
  EXPECT_EQ(read_bytes(folder / "whole.network"), read_bytes(folder / "parts.network"));
  run("parts", -1);  // nothing is left to do
  EXPECT_EQ(read_bytes(folder / "whole.network"), read_bytes(folder / "parts.network"));
  EXPECT_EQ(hash_of(train::load(folder / "whole", stream())), hash_of(train::load(folder / "whole.network", stream())));
}

TEST_P(FitTest, ACheckpointOfAnotherTrainingIsRefused) {
  const DataSet data = bars(24, 4, 1, stream());
  TemporaryFolder folder;
  Network network = tiny_network(stream());
  FitOptions options{.steps = 2, .batch = 8, .checkpoint = folder / "file"};
  fit(network, {.data = &data, .samples = data.ids()}, options);
  const std::string before = hash_of(network);
  options.seed = 1;
  EXPECT_TRUE(message_of<InvalidArgument>([&] {
                fit(network, {.data = &data, .samples = data.ids()}, options);
              }).starts_with("fit: " + (folder / "file").string() + " is the checkpoint of another training (steps 2"));
  options.seed = 0;
  const ImageSize size{data.shape.height, data.shape.width};
  for (const AugmenterOptions& augment : {AugmenterOptions{.random_resized_crop = RandomResizedCrop{.size = size}},
                                          AugmenterOptions{.policy = TrivialAugmentOptions{}}}) {
    options.augment = augment;
    EXPECT_THROW(fit(network, {.data = &data, .samples = data.ids()}, options), InvalidArgument);
  }
  options.augment = {};
  options.checkpoint = folder / "other";
  save(network, folder / "other");
  EXPECT_EQ(message_of<IoError>([&] { fit(network, {.data = &data, .samples = data.ids()}, options); }),
            (folder / "other").string() + ": no training to continue: its metadata lack step");
  write_bytes(folder / "other", "damaged");
  EXPECT_THROW(fit(network, {.data = &data, .samples = data.ids()}, options), IoError);
  EXPECT_EQ(hash_of(network), before);
}

TEST_P(FitTest, ImageStepsAndSmallListsDecideOnTheSteps) {
  const DataSet data = bars(24, 4, 1, stream());
  const auto steps_and_batch = [&](const FitData& what, FitOptions options) {
    Network network = tiny_network(stream());
    const FitResult result = fit(network, what, options);
    return std::pair(result.steps, result.batch);
  };
  const std::vector<std::int64_t> five{3, 9, 11, 12, 20};
  EXPECT_EQ(steps_and_batch({.data = &data, .samples = data.ids()}, {.image_steps = 33, .batch = 8}),
            std::pair(std::int64_t{5}, std::int64_t{8}));
  EXPECT_EQ(steps_and_batch({.data = &data, .samples = five}, {.image_steps = 33, .batch = 8}),
            std::pair(std::int64_t{7}, std::int64_t{5}));
  Buffer<std::int32_t> labels(data.host_labels, stream());
  const FitData both{.data = &data,
                     .samples = five,
                     .more_samples = {0, 1, 2, 4, 5, 6, 7},
                     .more_share = 0.75f,
                     .more_labels = &labels};
  EXPECT_EQ(steps_and_batch(both, {.steps = 2, .batch = 8}), std::pair(std::int64_t{2}, std::int64_t{8}));
}

// Labels of the data set that training may not see do not matter.
TEST_P(FitTest, HiddenLabelsAreNotLookedAt) {
  const DataSet data = bars(24, 4, 1, stream());
  DataSet spoiled = bars(24, 4, 1, stream());
  for (std::size_t i = 8; i < 24; ++i) spoiled.host_labels[i] = (spoiled.host_labels[i] + 1) % 4;
  spoiled.labels.copy_from(spoiled.host_labels, stream());
  std::vector<std::int64_t> few(8), rest(16);
  std::iota(few.begin(), few.end(), 0);
  std::iota(rest.begin(), rest.end(), 8);
  Network teacher = tiny_network(stream(), 4);
  std::vector<std::string> hashes;
  for (const DataSet* set : {&data, static_cast<const DataSet*>(&spoiled)}) {
    Network network = tiny_network(stream());
    FitOptions options = everything(3);
    options.distillation = train::Distillation{.teacher = &teacher, .hard_weight = 0.5f, .soft_weight = 0.5f};
    fit(network, {.data = set, .samples = few, .more_samples = rest}, options);
    hashes.push_back(hash_of(network));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST_P(FitTest, PseudoLabelsOfTheSecondListAreUsed) {
  const DataSet data = bars(24, 4, 1, stream());
  std::vector<std::int64_t> few(8), rest(16);
  std::iota(few.begin(), few.end(), 0);
  std::iota(rest.begin(), rest.end(), 8);
  Network teacher = tiny_network(stream());
  fit(teacher, {.data = &data, .samples = data.ids()}, {.steps = steps(120, 3), .batch = 8, .learning_rate = 0.1f});
  train::PseudoLabelled pseudo = train::pseudo_label(teacher, data, rest, 0.3f);
  ASSERT_EQ(pseudo.predicted.size(), 16u);
  const std::vector<std::int32_t> labels = pseudo.labels.to_host(stream());
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    const bool accepts = pseudo.confidence[i] >= 0.3f;
    EXPECT_EQ(labels[i + 8], accepts ? pseudo.predicted[i] : kIgnoreLabel);
    if (!accepts) continue;
    EXPECT_EQ(pseudo.accepted.at(accepted++), static_cast<std::int64_t>(i + 8));
  }
  EXPECT_EQ(accepted, pseudo.accepted.size());
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(labels[i], kIgnoreLabel);

  std::vector<std::string> hashes;
  for (int shift = 0; shift < 2; ++shift) {
    std::vector<std::int32_t> given = data.host_labels;
    if (shift == 1) std::ranges::for_each(given, [](std::int32_t& label) { label = (label + 1) % 4; });
    const Buffer<std::int32_t> more(given, stream());
    Network student = tiny_network(stream(), 2);
    fit(student, {.data = &data, .samples = few, .more_samples = rest, .more_labels = &more}, {.steps = 3, .batch = 8});
    hashes.push_back(hash_of(student));
  }
  EXPECT_NE(hashes[0], hashes[1]);
}

// With the soft part alone the student comes to answer as the teacher does, without any label.
TEST_P(FitTest, DistillationDrawsTheStudentToTheTeacher) {
  const DataSet data = bars(24, 4, 1, stream());
  Network teacher = tiny_network(stream(), 3);
  fit(teacher, {.data = &data, .samples = data.ids()}, {.steps = steps(80, 4), .batch = 8, .learning_rate = 0.1f});
  const std::string before = hash_of(teacher);
  Network student = tiny_network(stream(), 8);
  FitOptions options{.steps = steps(150, 12), .batch = 8, .learning_rate = 0.05f};
  options.distillation =
      train::Distillation{.teacher = &teacher, .temperature = 2.0f, .hard_weight = 0, .soft_weight = 1};
  const FitResult result = fit(student, {.data = &data, .more_samples = data.ids()}, options);
  EXPECT_EQ(hash_of(teacher), before);
  EXPECT_LT(result.losses.back(), (on_cuda() ? 0.8f : 0.25f) * result.losses.front());
}

TEST_P(FitTest, BadArgumentsAreNamedAndChangeNothing) {
  const DataSet data = bars(24, 4, 1, stream());
  Network network = tiny_network(stream());
  const std::string before = hash_of(network);
  const FitData good{.data = &data, .samples = data.ids()};
  const auto error = [&](const FitData& what, const FitOptions& options) {
    return message_of<InvalidArgument>([&] { fit(network, what, options); });
  };
  EXPECT_EQ(error({}, {.steps = 1}), "fit: data.data is null");
  EXPECT_EQ(error({.data = &data}, {.steps = 1}), "fit: data has no samples");
  EXPECT_EQ(error({.data = &data, .samples = {24}}, {.steps = 1}),
            "fit: samples has id 24, outside the data set of 24 images");
  EXPECT_EQ(error(good, {}), "fit: steps is 0, image_steps 0: one of them must be above 0, the other 0");
  EXPECT_EQ(error(good, {.steps = 1, .image_steps = 1}),
            "fit: steps is 1, image_steps 1: one of them must be above 0, the other 0");
  EXPECT_EQ(error(good, {.steps = 1, .batch = 0}), "fit: batch is 0, expected 1 or more");
  EXPECT_EQ(error(good, {.steps = 1, .learning_rate = NAN}),
            "fit: learning_rate is nan, expected a finite number above 0");
  EXPECT_EQ(error({.data = &data, .samples = {1}, .more_samples = {2}}, {.steps = 1}),
            "fit: more_samples have no labels: give more_labels, or distillation with a teacher");
  EXPECT_EQ(error(good, {.steps = 1, .label_smoothing = 2}), "fit: label_smoothing is 2, expected 0 to 1");
  EXPECT_THROW(fit(network, good, {.steps = 1, .sgd = {.momentum = 2}}), InvalidArgument);
  EXPECT_THROW(fit(network, good, {.steps = 1, .augment = {.flip_probability = 2}}), InvalidArgument);
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { fit(network, good, {.steps = 1, .augment = {.output_type = FloatType::bf16}}); }),
            "fit: augment.output_type is 2, expected f32 (0), which networks take");
  FitOptions with_itself{.steps = 1};
  with_itself.distillation = train::Distillation{.teacher = &network};
  EXPECT_EQ(error(good, with_itself), "fit: distillation.teacher is the network itself");
  Network other = tiny_network(stream(), 1, 5);
  with_itself.distillation->teacher = &other;
  EXPECT_EQ(error(good, with_itself),
            "fit: distillation.teacher has another input, other classes or another normalisation than the network");
  const DataSet five = bars(10, 5, 1, stream());
  EXPECT_EQ(error({.data = &five, .samples = {0}}, {.steps = 1}),
            "fit: data has 5 classes, expected at most 4 (the network's)");
  network.freeze(Part::all);
  EXPECT_EQ(error(good, {.steps = 1}), "fit: every layer with weights is frozen");
  EXPECT_EQ(hash_of(network), before);
}

TEST(FitThreads, TheNumberOfThreadsChangesNoByteOfTheCheckpoint) {
  const int before = cpu_threads();
  TemporaryFolder folder;
  for (const int threads : {1, 2, 3}) {
    set_cpu_threads(threads);
    const DataSet data = bars(60, 4, 1, Stream::cpu());
    Network teacher = tiny_network(Stream::cpu(), 2);
    Network network = tiny_network(Stream::cpu());
    FitOptions options = everything(12);
    options.batch = 30;
    options.distillation = train::Distillation{.teacher = &teacher};
    fit(network, {.data = &data, .samples = data.ids()}, options);
    save(network, folder / std::to_string(threads));
  }
  set_cpu_threads(before);
  EXPECT_EQ(read_bytes(folder / "1"), read_bytes(folder / "2"));
  EXPECT_EQ(read_bytes(folder / "1"), read_bytes(folder / "3"));
}

}  // namespace
}  // namespace leaven::test
