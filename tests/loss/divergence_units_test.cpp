#include "tests/loss/divergence_support.hpp"

// Rows of every kind side by side: the CPU backend takes sixteen rows of few classes at a time, and a row's answer is
// its own whatever stands beside it.

namespace leaven::test {
namespace {

class DivergenceUnitsTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DivergenceUnitsTest);

struct Named {
  const char* name;
  Divergence divergence;
  Standardise standardise = Standardise::no;
  std::vector<float> weights{};  // of the teachers
};
const Named kKinds[] = {{"reverse", ReverseKl{}},
                        {"jensen-shannon", JensenShannon{0.3f}},
                        {"decoupled", DecoupledKl{1.0f, 2.0f}},
                        {"forward, standardised", ForwardKl{}, Standardise::yes},
                        {"jensen-shannon, standardised", JensenShannon{0.3f}, Standardise::yes},
                        {"decoupled, standardised", DecoupledKl{1.0f, 2.0f}, Standardise::yes},
                        {"forward, three teachers", ForwardKl{}, Standardise::no, {1, 0.5f, 2}},
                        {"reverse, two teachers", ReverseKl{}, Standardise::no, {1, 3}},
                        {"decoupled, two teachers, standardised", DecoupledKl{1.0f, 2.0f}, Standardise::yes, {1, 3}}};

bool is_decoupled(const Case& c) { return std::holds_alternative<DecoupledKl>(c.options.divergence); }

// What stands in row r.
enum Kind { near, far, student_masked, teacher_masked, nan, weightless, unlabelled, plus_infinity, partly_masked };
Kind kind_of(std::int64_t r) { return static_cast<Kind>(r * 5 % 9); }

void fill_row(HostMatrix& m, std::int64_t r, float value) {
  for (std::int64_t c = 0; c < m.columns; ++c) m.at(r, c) = value;
}

Case mixed_rows(const Named& named, std::int64_t rows, std::int64_t classes) {
  Case c{.student = normal_matrix(rows, classes, 3.0f, 401), .teachers = {}, .weights = named.weights};
  for (std::uint32_t m = 0; m < std::max<std::size_t>(named.weights.size(), 1); ++m) {
    c.teachers.push_back(normal_matrix(rows, classes, 3.0f, 402 + m));
  }
  c.targets = HostTargets{.a = some_labels(rows, classes)};
  c.row_weights.assign(static_cast<std::size_t>(rows), 1.5f);
  c.options = {.temperature = 2.0f,
               .hard_weight = 0.0f,
               .soft_weight = 1.0f,
               .divergence = named.divergence,
               .standardise = named.standardise,
               .reduction = Reduction::none};
  HostMatrix& first = c.teachers[0];
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    switch (kind_of(r)) {
      case near:
        for (std::int64_t k = 0; k < classes; ++k) c.student.at(r, k) = first.at(r, k) + 0.01f * c.student.at(r, k);
        break;
      case far:
        for (std::int64_t k = 0; k < classes; ++k) c.student.at(r, k) *= 40.0f;
        break;
      case student_masked: fill_row(c.student, r, -kInfinity); break;
      case teacher_masked:
        for (HostMatrix& teacher : c.teachers) fill_row(teacher, r, -kInfinity);
        break;
      case nan: c.student.at(r, classes / 2) = kNan; break;
      case weightless:
        c.row_weights[i] = 0;
        fill_row(c.student, r, kNan);
        fill_row(first, r, kInfinity);
        break;
      case unlabelled: c.targets->a[i] = kIgnoreLabel; break;
      case plus_infinity: first.at(r, classes - 1) = kInfinity; break;
      case partly_masked:
        for (std::int64_t k = 0; k < classes; k += 3) c.student.at(r, k) = first.at(r, k) = -kInfinity;
        break;
    }
  }
  return c;
}

Case slice(const Case& c, std::int64_t first, std::int64_t count) {
  Case part = c;
  const auto rows = [&](HostMatrix& m) {
    const auto begin = m.values.begin() + first * m.columns;
    m = {count, m.columns, {begin, begin + count * m.columns}};
  };
  const auto values = [&](auto& v) {
    if (!v.empty()) v = {v.begin() + first, v.begin() + first + count};
  };
  rows(part.student);
  for (HostMatrix& teacher : part.teachers) rows(teacher);
  values(part.targets->a);
  values(part.targets->b);
  values(part.targets->weight_a);
  if (part.targets->soft) rows(*part.targets->soft);
  values(part.row_weights);
  return part;
}

void expect_same_in_batches(const Case& c, Stream stream, const std::string& what) {
  const LossResult whole = run_case(c, stream);
  for (const std::int64_t batch : {1, 3, 16, 18}) {
    std::vector<float> losses, gradients;
    std::uint32_t status = 0;
    std::int32_t valid = 0;
    for (std::int64_t first = 0; first < c.student.rows; first += batch) {
      const LossResult got = run_case(slice(c, first, std::min(batch, c.student.rows - first)), stream);
      losses.insert(losses.end(), got.row_losses.begin(), got.row_losses.end());
      gradients.insert(gradients.end(), got.gradient.values.begin(), got.gradient.values.end());
      status |= got.status;
      valid += got.valid_rows;
    }
    const std::string in_batches = what + " in batches of " + std::to_string(batch);
    expect_same_bits(losses, whole.row_losses, in_batches);
    expect_same_bits(gradients, whole.gradient.values, in_batches);
    EXPECT_EQ(status, whole.status) << in_batches;
    EXPECT_EQ(valid, whole.valid_rows) << in_batches;
  }
}

std::vector<std::int64_t> some_classes(bool on_cuda) {
  if (on_cuda) return {10, 17, 40, 600};
  return {1, 2, 3, 5, 10, 17, 33, 128, 129, 2050};
}
std::int64_t rows_for(std::int64_t classes) { return classes > 200 ? 9 : 37; }

TEST_P(DivergenceUnitsTest, BitsDoNotDependOnTheBatch) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const Named& named : kKinds) {
      for (const std::int64_t classes : some_classes(on_cuda())) {
        expect_same_in_batches(mixed_rows(named, rows_for(classes), classes), stream(),
                               isa + ", " + named.name + ", " + std::to_string(classes) + " classes");
      }
    }
  });
}

TEST_P(DivergenceUnitsTest, BitsWithAHardPartDoNotDependOnTheBatch) {
  for (const Named& named : kKinds) {
    for (const std::int64_t classes : some_classes(on_cuda())) {
      const std::int64_t rows = rows_for(classes);
      const std::string what = std::string(named.name) + ", " + std::to_string(classes) + " classes";
      Case c = mixed_rows(named, rows, classes);
      c.options.hard_weight = 0.5f;
      c.options.label_smoothing = 0.1f;
      for (std::int64_t i = 0; i < classes; ++i) c.class_weights.push_back(static_cast<float>(i % 4) * 0.5f);
      expect_same_in_batches(c, stream(), what + ", smoothed");
      if (is_decoupled(c)) continue;  // takes hard labels alone
      c.targets->b.assign(c.targets->a.rbegin(), c.targets->a.rend());
      c.targets->weight_a.assign(static_cast<std::size_t>(rows), 0.3f);
      expect_same_in_batches(c, stream(), what + ", mixed");
      c.options.label_smoothing = 0;
      c.targets = HostTargets{.soft = normal_matrix(rows, classes, 1.0f, 409)};
      for (float& q : c.targets->soft->values) q = std::max(q, 0.0f);
      c.targets->soft->at(rows / 2, 0) = kNan;
      fill_row(*c.targets->soft, rows / 3, 0);
      expect_same_in_batches(c, stream(), what + ", dense");
    }
  }
}

TEST_P(DivergenceUnitsTest, EachRowHasItsOwnAnswer) {
  for (const Named& named : kKinds) {
    for (const std::int64_t classes : {4, 100, 200, 700, 1100}) {
      const Case c = mixed_rows(named, rows_for(classes), classes);
      const std::string what = std::string(named.name) + ", " + std::to_string(classes) + " classes, row ";
      const LossResult got = run_case(c, stream());
      EXPECT_EQ(got.status, kLogitNaN | kLogitPlusInfinity) << what;
      std::int32_t valid = 0;
      for (std::int64_t r = 0; r < c.student.rows; ++r) {
        const Kind kind = kind_of(r);
        const bool ignored = kind == weightless || (kind == unlabelled && is_decoupled(c));
        valid += ignored ? 0 : 1;
        const float loss = got.row_losses[static_cast<std::size_t>(r)];
        const bool zero = ignored || kind == student_masked || kind == teacher_masked;
        const bool not_a_number = kind == nan || kind == plus_infinity;
        EXPECT_EQ(std::isnan(loss), not_a_number) << what << r;
        EXPECT_EQ(loss == 0.0f, zero) << what << r << ": " << loss;
        for (const float g : got.gradient.row(r)) {
          EXPECT_EQ(std::isnan(g), not_a_number) << what << r;
          if (zero) {
            EXPECT_EQ(g, 0.0f) << what << r;
          }
        }
      }
      EXPECT_EQ(got.valid_rows, valid) << what;
    }
  }
}

TEST_P(DivergenceUnitsTest, BadDenseTargetsLeaveTheSoftPart) {
  for (const Named& named : kKinds) {
    Case c = mixed_rows(named, 3, 10);
    if (is_decoupled(c)) continue;  // takes hard labels alone
    c.student = normal_matrix(3, 10, 3.0f, 421);
    c.teachers[0] = teacher_near(c.student, 3.0f, 422);
    c.row_weights.clear();
    c.targets.reset();
    const LossResult soft = run_case(c, stream());
    c.options.hard_weight = 0.5f;
    HostMatrix weights = normal_matrix(3, 10, 1.0f, 423);
    for (float& q : weights.values) q = std::fabs(q);
    weights.at(1, 4) = kNan;
    fill_row(weights, 2, 0);
    c.targets = HostTargets{.soft = weights};
    const LossResult got = run_case(c, stream());
    EXPECT_EQ(got.status, kWeightOutOfRange) << named.name;
    EXPECT_GT(got.row_losses[0], soft.row_losses[0]) << named.name;
    for (std::int64_t r = 1; r < 3; ++r) {
      EXPECT_EQ(got.row_losses[static_cast<std::size_t>(r)], soft.row_losses[static_cast<std::size_t>(r)])
          << named.name;
      const auto gradient = got.gradient.row(r);
      EXPECT_TRUE(std::equal(gradient.begin(), gradient.end(), soft.gradient.row(r).begin())) << named.name;
    }
  }
}

// Against the reference: ordinary rows, as many as leave each number of spare lanes.
TEST_P(DivergenceUnitsTest, AnyNumberOfRowsIsItsDefinition) {
  for (const Named& named : kKinds) {
    if (named.standardise == Standardise::yes || named.weights.size() > 1) continue;  // tolerances of their own
    for (std::int64_t rows = 1; rows <= (on_cuda() ? 2 : 33); ++rows) {
      Case c = mixed_rows(named, rows, 6);
      c.student = normal_matrix(rows, 6, 3.0f, 411);
      c.teachers = {teacher_near(c.student, 3.0f, 412)};
      c.targets->a = some_labels(rows, 6);
      c.row_weights.clear();
      c.options.hard_weight = 0.5f;
      c.options.label_smoothing = 0.1f;
      expect_case(c, stream(), std::string(named.name) + ", " + std::to_string(rows) + " rows");
    }
  }
}

TEST_P(DivergenceUnitsTest, TheSumOfABatchIsThatOfItsRows) {
  for (const Named& named : kKinds) {
    Case c = mixed_rows(named, 1100, 3);  // more than one piece of work
    c.student = normal_matrix(1100, 3, 3.0f, 413);
    for (HostMatrix& teacher : c.teachers) teacher = normal_matrix(1100, 3, 3.0f, 414);
    const LossResult rows = run_case(c, stream());
    double sum = 0;
    for (const float loss : rows.row_losses) sum += double{loss};
    for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid}) {
      c.options.reduction = reduction;
      const LossResult got = run_case(c, stream());
      const double divisor = reduction == Reduction::sum ? 1.0 : got.valid_rows;
      EXPECT_EQ(got.valid_rows, rows.valid_rows);
      EXPECT_NEAR(got.loss, sum / divisor, 1e-6 * sum / divisor) << named.name;
    }
  }
}

// More classes than fit in the shared memory of a block of any device: some are there, the others are not.
TEST_P(DivergenceUnitsTest, WideRowsAreTheirDefinition) {
  constexpr std::int64_t kClasses = 20011;
  for (const Named& named : kKinds) {
    Case c = mixed_rows(named, 2, kClasses);
    c.student = normal_matrix(2, kClasses, 3.0f, 415);
    c.teachers[0] = teacher_near(c.student, 3.0f, 416);
    c.targets->a = {7, kClasses - 1};
    c.row_weights.clear();
    const bool of_z = named.standardise == Standardise::yes;
    const Extra extra{.loss = of_z ? 1.0L : 0.0L, .gradient = of_z ? 1.0L : named.weights.empty() ? 0.0L : 0.2L};
    expect_case(c, stream(), std::string(named.name), {}, extra);
    c.options.hard_weight = 0.5f;
    c.options.label_smoothing = 0.1f;
    expect_case(c, stream(), std::string(named.name) + ", smoothed labels", {}, extra);
    if (is_decoupled(c)) continue;
    c.options.label_smoothing = 0;
    c.targets = HostTargets{.soft = normal_matrix(2, kClasses, 1.0f, 417)};
    for (float& q : c.targets->soft->values) q = std::max(q, 0.0f) / static_cast<float>(kClasses);
    expect_case(c, stream(), std::string(named.name) + ", dense targets", {.layout = {1, 1}}, extra);
  }
}

TEST_P(DivergenceUnitsTest, VeryWideRowsAreTheirDefinition) {
  for (const std::int64_t classes : {131072, 262144}) {
    Case c = mixed_rows(kKinds[0], 1, classes);
    c.student = normal_matrix(1, classes, 3.0f, 419);
    c.teachers = {teacher_near(c.student, 3.0f, 420)};
    c.row_weights.clear();
    expect_case(c, stream(), std::to_string(classes) + " classes");
  }
}

}  // namespace
}  // namespace leaven::test
