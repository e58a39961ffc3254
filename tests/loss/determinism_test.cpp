#include "tests/loss/expect_row.hpp"

namespace leaven::test {
namespace {

class LossDeterminismTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossDeterminismTest);

constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 33, 100, 128, 129, 300, 700, 1000, 1025, 2050, 4100};
constexpr DistillationOptions kOptions{.temperature = 3.0f,
                                       .hard_weight = 0.5f,
                                       .soft_weight = 0.5f,
                                       .label_smoothing = 0.1f,
                                       .reduction = Reduction::none};

struct Inputs {
  HostMatrix student, teacher, dense;
  HostTargets labels;

  explicit Inputs(std::int64_t rows, std::int64_t classes)
      : student(normal_matrix(rows, classes, 4.0f, 51)),
        teacher(normal_matrix(rows, classes, 4.0f, 52)),
        dense(normal_matrix(rows, classes, 1.0f, 53)),
        labels{.a = some_labels(rows, classes)} {
    for (float& q : dense.values) q = std::max(q, 0.0f);
    labels.b.assign(labels.a.rbegin(), labels.a.rend());
    labels.weight_a.assign(labels.a.size(), 0.75f);
  }
  Inputs slice(std::int64_t first, std::int64_t count) const {
    Inputs part(0, student.columns);
    const auto cut = [&](HostMatrix& to, const HostMatrix& from) {
      to.rows = count;
      const auto begin = from.values.begin() + first * from.columns;
      to.values.assign(begin, begin + count * from.columns);
    };
    cut(part.student, student);
    cut(part.teacher, teacher);
    cut(part.dense, dense);
    part.labels.a.assign(labels.a.begin() + first, labels.a.begin() + first + count);
    part.labels.b.assign(labels.b.begin() + first, labels.b.begin() + first + count);
    part.labels.weight_a.assign(labels.weight_a.begin() + first, labels.weight_a.begin() + first + count);
    return part;
  }
};

// Row losses and gradients of the distillation with labels, of the cross-entropy with dense targets and softmax, in a
// row.
std::vector<float> all_results(const Inputs& in, Stream stream, Layout2d layout = {}) {
  std::vector<float> all;
  const auto append = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };
  LossResult result = run_distillation(in.student, in.teacher, in.labels, kOptions, stream, layout);
  append(result.row_losses);
  append(result.gradient.values);
  HostTargets dense;
  dense.soft = in.dense;
  result = run_cross_entropy(in.student, dense, {.reduction = Reduction::none}, stream, layout);
  append(result.row_losses);
  append(result.gradient.values);
  const BackendMatrix logits(in.student, stream, layout.padding, layout.offset);
  const BackendMatrix out(in.student.rows, in.student.columns, stream, layout.padding, layout.offset);
  softmax(logits.cview(), 2.0f, out.view(), stream);
  append(out.to_host().values);
  return all;
}

TEST_P(LossDeterminismTest, BitsDoNotDependOnAlignmentOrRowStride) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const Inputs in(classes > 1000 ? 3 : 19, classes);
      const std::vector<float> expected = all_results(in, stream());
      for (std::int64_t offset = 0; offset < 16; ++offset) {
        const std::int64_t padding = offset * 7 % 16;
        expect_same_bits(all_results(in, stream(), {.padding = padding, .offset = offset}), expected,
                         isa + ", " + std::to_string(classes) + " classes, offset " + std::to_string(offset));
      }
      const std::int64_t to_four = (4 - classes % 4) % 4;
      expect_same_bits(all_results(in, stream(), {.padding = to_four, .offset = 0}), expected, isa + ", aligned rows");
    }
  });
}

TEST_P(LossDeterminismTest, BitsDoNotDependOnTheBatch) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const std::int64_t rows = classes > 1000 ? 5 : 67;
      const Inputs in(rows, classes);
      const LossResult whole = run_distillation(in.student, in.teacher, in.labels, kOptions, stream());
      for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{3}, std::int64_t{16}, std::int64_t{33}}) {
        std::vector<float> losses, gradients;
        for (std::int64_t first = 0; first < rows; first += batch) {
          const Inputs part = in.slice(first, std::min(batch, rows - first));
          const LossResult got = run_distillation(part.student, part.teacher, part.labels, kOptions, stream());
          losses.insert(losses.end(), got.row_losses.begin(), got.row_losses.end());
          gradients.insert(gradients.end(), got.gradient.values.begin(), got.gradient.values.end());
        }
        const std::string what =
            isa + ", " + std::to_string(classes) + " classes in batches of " + std::to_string(batch);
        expect_same_bits(losses, whole.row_losses, what);
        expect_same_bits(gradients, whole.gradient.values, what);
      }
    }
  });
}

TEST_P(LossDeterminismTest, RunsAndThreadsGiveTheSameNumber) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {2, 10, 129, 1000}) {
    const Inputs in(classes > 500 ? 300 : 5000, classes);
    DistillationOptions options = kOptions;
    options.reduction = Reduction::mean_valid;
    set_cpu_threads(1);
    const LossResult expected = run_distillation(in.student, in.teacher, in.labels, options, stream());
    for (const int threads : {2, 5, 1}) {
      set_cpu_threads(threads);
      const LossResult got = run_distillation(in.student, in.teacher, in.labels, options, stream());
      expect_same_bits({{got.loss}}, {{expected.loss}}, "loss");
      expect_same_bits(got.row_losses, expected.row_losses, "row losses");
      expect_same_bits(got.gradient.values, expected.gradient.values, "gradient");
    }
  }
  set_cpu_threads(before);
}

// A forced instruction set that did not run would make the other tests blind.
TEST(LossIsa, EachInstructionSetRunsItsOwnCode) {
  if (best_cpu_isa() == CpuIsa::baseline) GTEST_SKIP() << "only one instruction set here";
  std::vector<std::vector<float>> results;
  const Inputs in(500, 100);
  for_each_isa(Stream::cpu(), [&](const std::string&) { results.push_back(all_results(in, Stream::cpu())); });
  EXPECT_NE(results.front(), results.back()) << "without and with fused multiply-add, some bit differs";
  for (const auto& result : results) {
    for (std::size_t i = 0; i < result.size(); ++i) {
      ASSERT_NEAR(result[i], results[0][i], 1e-5 * (1 + std::fabs(results[0][i])));
    }
  }
}

}  // namespace
}  // namespace leaven::test
