#include <numeric>

#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class TopKTeacherTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(TopKTeacherTest);

struct HostCache {
  std::int64_t k = 0;
  std::vector<std::int32_t> classes;
  std::vector<Float16> log_probabilities;
  std::vector<float> rest;
};

HostCache compress(const HostMatrix& teacher, std::int64_t k, float temperature, Stream stream, Storage storage = {}) {
  const TypedMatrix logits(teacher, storage.type, stream, storage.layout);
  GuardedBuffer<std::int32_t> classes(teacher.rows * k, stream);
  GuardedBuffer<Float16> log_probabilities(teacher.rows * k, stream);
  GuardedBuffer<float> rest(teacher.rows, stream);
  compress_teacher(logits.cview(), temperature, {k, classes.span(), log_probabilities.span(), rest.span()}, stream);
  stream.synchronize();
  classes.expect_guards_intact();
  log_probabilities.expect_guards_intact();
  rest.expect_guards_intact();
  return {k, classes.to_host(), log_probabilities.to_host(), rest.to_host()};
}

LossResult run_cache(const HostMatrix& student, const HostCache& cache, const std::optional<HostTargets>& targets,
                     const DistillationOptions& options, Stream stream, Storage storage = {}) {
  const TypedMatrix s(student, storage.type, stream, storage.layout);
  const Buffer<std::int32_t> classes(std::span<const std::int32_t>(cache.classes), stream);
  const Buffer<Float16> logs(std::span<const Float16>(cache.log_probabilities), stream);
  const Buffer<float> rest(std::span<const float>(cache.rest), stream);
  std::optional<BackendTargets> on_backend;
  if (targets) on_backend.emplace(*targets, stream, storage.layout.padding, storage.layout.offset);
  return run_guarded(student.rows, student.columns, options.reduction, stream, storage.layout,
                     [&](const LossOutput& out, auto workspace) {
                       DistillationInput in{.student = s.cview(),
                                            .teacher = TopKTeacher{cache.k, classes.cspan(), logs.cspan(), rest.cspan(),
                                                                   options.temperature}};
                       if (on_backend) in.targets = on_backend->get();
                       distillation_loss(in, options, out, workspace, stream);
                     });
}

// The comparison on k + 1 events, in long double: events' gradients, then each class's share of its event.
reference::RowLoss expected_row(std::span<const float> student, const HostCache& cache, std::int64_t row,
                                const DistillationOptions& options) {
  const auto k = static_cast<std::size_t>(cache.k);
  const reference::Row log_p = reference::log_softmax_of(reference::to_row(student), options.temperature);
  std::vector<std::size_t> event(student.size(), k);
  reference::Row log_q, event_log_p;
  for (std::size_t i = 0; i < k; ++i) {
    const std::size_t at = static_cast<std::size_t>(row) * k + i;
    const auto c = static_cast<std::size_t>(cache.classes[at]);
    event[c] = i;
    event_log_p.push_back(log_p[c]);
    log_q.push_back(to_float(cache.log_probabilities[at]));
  }
  event_log_p.push_back(-reference::kInf);
  for (std::size_t c = 0; c < student.size(); ++c) {
    if (event[c] == k) event_log_p[k] = reference::log_sum(event_log_p[k], log_p[c]);
  }
  log_q.push_back(std::log(static_cast<Real>(cache.rest[static_cast<std::size_t>(row)])));
  const Real mass = reference::log_total(log_q);
  for (Real& x : log_q) x -= mass;
  // Logits of the events are T log p: their softmax is p again.
  reference::Row logits = event_log_p;
  for (Real& x : logits) x *= options.temperature;
  const reference::RowLoss events = reference::compare(logits, log_q, options.temperature, comparison(options, 0));
  reference::RowLoss result{events.loss, {}};
  for (std::size_t c = 0; c < student.size(); ++c) {
    const Real share =
        log_p[c] == -reference::kInf ? (event[c] == k ? 0 : 1) : std::exp(log_p[c] - event_log_p[event[c]]);
    result.gradient.push_back(events.gradient[event[c]] * share);
  }
  return result;
}

void expect_cache(const HostMatrix& student, const HostCache& cache, const std::optional<HostTargets>& targets,
                  DistillationOptions options, Stream stream, const std::string& what, Storage storage = {}) {
  options.reduction = Reduction::none;
  const HostMatrix held = rounded(student, storage.type);
  const LossResult got = run_cache(held, cache, targets, options, stream, storage);
  EXPECT_EQ(got.status, 0u) << what;
  const Real t = options.temperature;
  for (std::int64_t r = 0; r < held.rows; ++r) {
    reference::RowLoss row = expected_row(held.row(r), cache, r, options);
    // Logarithms of probabilities are what is compared: an error of 1e-6 of them, not of their difference.
    Real loss_tolerance = options.soft_weight * t * t * 1e-6L * (1 + row.loss / t / t);
    Real tolerance = options.soft_weight * (2e-6L * largest(row.gradient) + 1e-6L * t);
    row.loss *= options.soft_weight;
    for (Real& g : row.gradient) g *= options.soft_weight;
    if (targets) {
      const auto q = dense_target(*targets, held, r, options.label_smoothing, options.ignore_label);
      const reference::RowLoss hard = reference::cross_entropy(held.row(r), q);
      row.loss += options.hard_weight * hard.loss;
      loss_tolerance += options.hard_weight * 1e-6L * (1 + hard.loss);
      tolerance += options.hard_weight * 1e-6L;
      for (std::size_t c = 0; c < q.size(); ++c) row.gradient[c] += options.hard_weight * hard.gradient[c];
    }
    const float loss = got.row_losses[static_cast<std::size_t>(r)];
    EXPECT_GE(loss, 0.0f);
    EXPECT_NEAR(loss, static_cast<double>(row.loss), static_cast<double>(loss_tolerance)) << what << ", row " << r;
    for (std::size_t c = 0; c < row.gradient.size(); ++c) {
      ASSERT_NEAR(got.gradient.row(r)[c], static_cast<double>(row.gradient[c]), static_cast<double>(tolerance))
          << what << ", row " << r << ", class " << c;
    }
  }
}

TEST_P(TopKTeacherTest, CompressionListsTheMostProbableClasses) {
  for (const std::int64_t classes : {1, 2, 5, 64, 65, 1024, 1025, 1500}) {
    for (const std::int64_t k : {1, 3, 64}) {
      if (k > classes || (classes > 100 && k == 3)) continue;
      HostMatrix teacher = normal_matrix(3, classes, 3.0f, 261);
      for (float& x : teacher.values) x = std::round(2 * x) / 2;  // ties
      const HostCache cache = compress(teacher, k, 2.0f, stream());
      for (std::int64_t r = 0; r < 3; ++r) {
        std::vector<std::int32_t> order(static_cast<std::size_t>(classes));
        std::iota(order.begin(), order.end(), 0);
        const auto row = teacher.row(r);
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
          return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)];
        });
        const std::vector<Real> log_q = reference::log_softmax(row, 2);
        Real rest = 0;
        for (std::int64_t i = 0; i < classes; ++i) {
          const auto c = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
          if (i >= k) {
            rest += std::exp(log_q[c]);
            continue;
          }
          const auto at = static_cast<std::size_t>(r * k + i);
          ASSERT_EQ(cache.classes[at], static_cast<std::int32_t>(c)) << classes << " classes, k " << k << ", " << i;
          EXPECT_NEAR(to_float(cache.log_probabilities[at]), static_cast<double>(log_q[c]),
                      std::fabs(static_cast<double>(log_q[c])) * 0x1p-11 + 2e-6);
        }
        EXPECT_NEAR(cache.rest[static_cast<std::size_t>(r)], static_cast<double>(rest), 2e-6);
        if (k == classes) {
          EXPECT_EQ(cache.rest[static_cast<std::size_t>(r)], 0.0f);
        }
      }
    }
  }
}

TEST_P(TopKTeacherTest, CompressionReadsAnyTypeAndLayout) {
  const HostMatrix teacher = normal_matrix(4, 21, 3.0f, 263);
  for (const FloatType type : {FloatType::f16, FloatType::bf16}) {
    const HostCache typed = compress(teacher, 5, 2.0f, stream(), {.type = type, .layout = {3, 1}});
    const HostCache plain = compress(rounded(teacher, type), 5, 2.0f, stream());
    EXPECT_EQ(typed.classes, plain.classes);
    expect_same_bits(typed.rest, plain.rest, "rest");
  }
}

TEST_P(TopKTeacherTest, CompressionAnswersDelicateRows) {
  const HostMatrix teacher = matrix({{1, kNan, 2, 3},
                                     {1, kInfinity, 2, 3},
                                     {-kInfinity, -kInfinity, -kInfinity, -kInfinity},
                                     {-kInfinity, 1, -kInfinity, -kInfinity}});
  const HostCache cache = compress(teacher, 3, 1.0f, stream());
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(cache.classes[3 * r + i], static_cast<std::int32_t>(i));
      EXPECT_EQ(to_float(cache.log_probabilities[3 * r + i]), -kInfinity);
    }
    EXPECT_EQ(cache.rest[r], 0.0f);
  }
  EXPECT_EQ(std::vector<std::int32_t>(cache.classes.end() - 3, cache.classes.end()),
            (std::vector<std::int32_t>{1, 0, 2}));
  EXPECT_EQ(to_float(cache.log_probabilities[9]), 0.0f);
  EXPECT_EQ(to_float(cache.log_probabilities[10]), -kInfinity);
  const HostMatrix student = normal_matrix(4, 4, 1.0f, 265);
  const LossResult got =
      run_cache(student, cache, {}, {.temperature = 1.0f, .hard_weight = 0, .soft_weight = 1}, stream());
  EXPECT_EQ(got.status, 0u);
  EXPECT_EQ(got.valid_rows, 4);
  for (std::size_t r = 0; r < 3; ++r) EXPECT_EQ(got.row_losses[r], 0.0f);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(got.gradient.values[i], 0.0f);
  EXPECT_GT(got.row_losses[3], 0.0f);
}

TEST_P(TopKTeacherTest, ComparesOnItsEvents) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const Divergence& divergence :
         {Divergence{ForwardKl{}}, Divergence{ReverseKl{}}, Divergence{JensenShannon{0.3f}}}) {
      for (const std::int64_t classes : {1, 2, 10, 70, 1024, 1025, 2100, 8200}) {
        for (const std::int64_t k : {1, 2, 9, 64}) {
          if (k > classes || (classes > 1000 && k < 9)) continue;
          const HostMatrix student = normal_matrix(classes > 1000 ? 2 : 6, classes, 3.0f, 267);
          const HostMatrix teacher = teacher_near(student, 3.0f, 268);
          const HostCache cache = compress(teacher, k, 2.0f, stream());
          const std::string what = isa + ", divergence " + std::to_string(divergence.index()) + ", " +
                                   std::to_string(classes) + " classes, k " + std::to_string(k);
          const DistillationOptions options{
              .temperature = 2.0f, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = divergence};
          expect_cache(student, cache, {}, options, stream(), what);
        }
      }
    }
  });
}

TEST_P(TopKTeacherTest, GoesWithAHardPartAndAnyType) {
  for (const std::int64_t classes : {12, 1100, 2100}) {
    const HostMatrix student = normal_matrix(3, classes, 3.0f, 269);
    const HostCache cache = compress(normal_matrix(3, classes, 3.0f, 270), 7, 3.0f, stream());
    const HostTargets targets{.a = some_labels(3, classes)};
    for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
      expect_cache(student, cache, targets, {.temperature = 3.0f, .hard_weight = 0.5f, .label_smoothing = 0.1f},
                   stream(), type_name(type), {.type = type, .layout = {3, 1}});
    }
  }
}

// More classes than fit in the shared memory of a block of any device.
TEST_P(TopKTeacherTest, WideRowsAreTheirDefinition) {
  constexpr std::int64_t kClasses = 60013;
  const HostMatrix student = normal_matrix(2, kClasses, 3.0f, 277);
  const HostCache cache = compress(teacher_near(student, 3.0f, 278), 64, 3.0f, stream());
  const HostTargets targets{.a = {5, kClasses - 1}};
  expect_cache(student, cache, targets,
               {.temperature = 3.0f, .hard_weight = 0.5f, .divergence = JensenShannon{0.3f}, .label_smoothing = 0.1f},
               stream(), "wide");
}

TEST_P(TopKTeacherTest, BadEntriesMakeIgnoredRows) {
  const HostMatrix student = normal_matrix(7, 10, 1.0f, 271);
  HostCache cache = compress(normal_matrix(7, 10, 1.0f, 272), 3, 1.0f, stream());
  cache.classes[3] = -1;
  cache.classes[6] = 10;
  cache.classes[9] = cache.classes[11];
  cache.log_probabilities[12] = to_float16(kNan);
  cache.rest[5] = -0.5f;
  for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid}) {
    const LossResult got = run_cache(student, cache, HostTargets{.a = some_labels(7, 10)},
                                     {.temperature = 1.0f, .reduction = reduction}, stream());
    EXPECT_EQ(got.status, kLabelOutOfRange | kWeightOutOfRange);
    EXPECT_EQ(got.valid_rows, 2);
    for (std::size_t r = 1; r < 6; ++r) EXPECT_EQ(got.row_losses[r], 0.0f) << r;
    for (std::size_t i = 10; i < 60; ++i) EXPECT_EQ(got.gradient.values[i], 0.0f);
    const float sum = got.row_losses[0] + got.row_losses[6];
    EXPECT_NEAR(got.loss, reduction == Reduction::sum ? sum : sum / 2, 1e-6f * sum);
  }
}

// Rows with bad entries, NaN and masks side by side.
TEST_P(TopKTeacherTest, BitsDoNotDependOnTheBatch) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const Divergence& divergence : {Divergence{ForwardKl{}}, Divergence{JensenShannon{0.3f}}}) {
      for (const std::int64_t classes : {4, 10, 128, 129, 2100}) {
        if (on_cuda() && classes > 128) continue;
        const std::int64_t rows = classes > 200 ? 9 : 37, k = 4;
        HostMatrix student = normal_matrix(rows, classes, 3.0f, 273);
        HostCache cache = compress(normal_matrix(rows, classes, 3.0f, 274), k, 2.0f, stream());
        HostTargets targets{.a = some_labels(rows, classes)};
        for (std::int64_t r = 0; r < rows; ++r) {
          const auto at = static_cast<std::size_t>(r * k);
          if (r % 6 == 1) cache.classes[at] = cache.classes[at + 3];
          if (r % 6 == 2) student.at(r, 1) = kNan;
          if (r % 6 == 3) cache.classes[at + 2] = static_cast<std::int32_t>(classes);
          if (r % 12 == 9) cache.rest[static_cast<std::size_t>(r)] = kNan;
          if (r % 6 == 4) targets.a[static_cast<std::size_t>(r)] = kIgnoreLabel;
          for (std::int64_t c = 0; c < classes && r % 6 == 5; ++c) student.at(r, c) = -kInfinity;
        }
        const DistillationOptions options{
            .temperature = 2.0f, .hard_weight = 0.5f, .divergence = divergence, .reduction = Reduction::none};
        const LossResult whole = run_cache(student, cache, targets, options, stream());
        EXPECT_EQ(whole.status, kLabelOutOfRange | kLogitNaN | (rows > 9 ? kWeightOutOfRange : 0u));
        for (std::int64_t r = 1; r < rows; r += 2) {
          if (r % 6 == 5) continue;
          EXPECT_EQ(whole.row_losses[static_cast<std::size_t>(r)], 0.0f) << isa << ", row " << r << ", a bad list";
        }
        for (const std::int64_t batch : {1, 5, 16, 17}) {
          std::vector<float> losses, gradients;
          std::int32_t valid = 0;
          for (std::int64_t first = 0; first < rows; first += batch) {
            const std::int64_t count = std::min(batch, rows - first);
            const auto cut = [&](const auto& values, std::int64_t each) {
              const auto begin = values.begin() + first * each;
              return std::decay_t<decltype(values)>(begin, begin + count * each);
            };
            const HostCache part{k, cut(cache.classes, k), cut(cache.log_probabilities, k), cut(cache.rest, 1)};
            const LossResult got = run_cache({count, classes, cut(student.values, classes)}, part,
                                             HostTargets{.a = cut(targets.a, 1)}, options, stream());
            losses.insert(losses.end(), got.row_losses.begin(), got.row_losses.end());
            gradients.insert(gradients.end(), got.gradient.values.begin(), got.gradient.values.end());
            valid += got.valid_rows;
          }
          const std::string what =
              isa + ", " + std::to_string(classes) + " classes in batches of " + std::to_string(batch);
          expect_same_bits(losses, whole.row_losses, what);
          expect_same_bits(gradients, whole.gradient.values, what);
          EXPECT_EQ(valid, whole.valid_rows) << what;
        }
      }
    }
  });
}

TEST_P(TopKTeacherTest, AnswersDelicateStudents) {
  const float inf = kInfinity;
  const HostCache cache{2,
                        {0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
                        std::vector<Float16>(10, to_float16(std::log(0.25f))),
                        std::vector<float>(5, 0.5f)};
  const HostMatrix student =
      matrix({{-inf, 1, 2, 3}, {1, 2, -inf, -inf}, {-inf, -inf, -inf, -inf}, {1, kNan, 2, 3}, {1, 2, 3, inf}});
  const LossResult got =
      run_cache(student, cache, {},
                {.temperature = 1.0f, .hard_weight = 0, .soft_weight = 1, .reduction = Reduction::sum}, stream());
  EXPECT_EQ(got.row_losses[0], inf);
  EXPECT_EQ(got.row_losses[1], inf);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_TRUE(std::isfinite(got.gradient.values[i]));
  EXPECT_EQ(got.row_losses[2], 0.0f);
  for (std::size_t i = 8; i < 12; ++i) EXPECT_EQ(got.gradient.values[i], 0.0f);
  EXPECT_TRUE(std::isnan(got.row_losses[3]));
  EXPECT_TRUE(std::isnan(got.row_losses[4]));
  for (std::size_t i = 12; i < 20; ++i) EXPECT_TRUE(std::isnan(got.gradient.values[i]));
  EXPECT_EQ(got.status, kLogitNaN | kLogitPlusInfinity);
}

}  // namespace
}  // namespace leaven::test
