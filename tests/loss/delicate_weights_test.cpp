#include "tests/loss/loss_case.hpp"

// Delicate weights of classes and rows, with a good row on each side, which must not notice.
namespace leaven::test {
namespace {

class DelicateWeightsTest : public BackendTest {
 protected:
  static constexpr std::int64_t kClasses[] = {3, 16, 17, 100, 129, 1025, 4097};
  static constexpr float kBadWeights[] = {-0.25f, kNan, kInfinity, -kInfinity};

  // Three rows: with a teacher both parts, without the cross-entropy.
  static LossCase three_rows(std::int64_t classes, TargetKind kind, bool with_teacher) {
    LossCase x;
    x.student = normal_matrix(3, classes, 2.0f, 311);
    if (with_teacher) x.teacher = normal_matrix(3, classes, 2.0f, 312);
    x.soft_weight = with_teacher ? 0.5f : 0.0f;
    x.targets = some_targets(kind, 3, classes);
    x.reduction = Reduction::mean_valid;
    return x;
  }
  // body(case, text) for each way that a row can have weights.
  template <class Body>
  static void for_each_case(Body&& body) {
    for (const std::int64_t classes : kClasses) {
      for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
        for (const bool with_teacher : {false, true}) {
          body(three_rows(classes, kind, with_teacher), std::to_string(classes) + " classes, targets of kind " +
                                                            std::to_string(static_cast<int>(kind)) +
                                                            (with_teacher ? ", with a teacher" : ""));
        }
      }
    }
  }
  static void expect_zero_row(const LossResult& got, const std::string& what) {
    EXPECT_EQ(got.row_losses[1], 0.0f) << what;
    for (const float g : got.gradient.row(1)) ASSERT_EQ(g, 0.0f) << what;
  }
};
LEAVEN_ON_BOTH_BACKENDS(DelicateWeightsTest);

// Whatever stands there: NaN, +inf, a label of any value would do no harm either.
TEST_P(DelicateWeightsTest, RowsOfWeightZeroAreIgnoredAndNotLookedAt) {
  for_each_case([&](LossCase x, const std::string& what) {
    x.row_weights = {1.5f, 0.0f, 0.5f};
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      for (std::int64_t c = 0; c < x.student.columns; c += 2) {
        x.student.at(1, c) = bad;
        if (x.teacher) x.teacher->at(1, c) = bad;
      }
      const LossResult got = run_loss_case(x, stream());
      expect_definition(got, x, what);
      expect_zero_row(got, what);
      EXPECT_EQ(got.valid_rows, 2) << what;
      EXPECT_EQ(got.status, 0u) << what;
    }
  });
}

TEST_P(DelicateWeightsTest, RowWeightsOutOfRangeAreIgnoredRowsAndSetTheStatus) {
  for_each_case([&](LossCase x, const std::string& what) {
    for (const float bad : kBadWeights) {
      x.row_weights = {1.5f, bad, 0.5f};
      const LossResult got = run_loss_case(x, stream());
      expect_definition(got, x, what);
      expect_zero_row(got, what);
      EXPECT_EQ(got.valid_rows, 2) << what;
      EXPECT_EQ(got.status, kWeightOutOfRange) << what;
    }
  });
}

// A class weight that cannot be used counts as 0: the rows stay valid.
TEST_P(DelicateWeightsTest, ClassWeightsOutOfRangeCountAsZeroAndSetTheStatus) {
  for_each_case([&](LossCase x, const std::string& what) {
    for (const float bad : kBadWeights) {
      x.class_weights.assign(static_cast<std::size_t>(x.student.columns), 0.5f);
      x.class_weights[static_cast<std::size_t>(7919 % x.student.columns)] = bad;  // the label of the second row
      const LossResult got = run_loss_case(x, stream());
      expect_definition(got, x, what);
      EXPECT_EQ(got.valid_rows, 3) << what;
      EXPECT_EQ(got.status, kWeightOutOfRange) << what;
    }
  });
}

// It is found where no row needs it.
TEST_P(DelicateWeightsTest, ABadWeightOfAClassThatNobodyWantsSetsTheStatus) {
  for (const std::int64_t classes : kClasses) {
    LossCase x = three_rows(classes, TargetKind::hard, false);
    x.targets->a = {0, 0, 0};
    x.class_weights.assign(static_cast<std::size_t>(classes), 0.5f);
    x.class_weights.back() = kNan;
    const LossResult got = run_loss_case(x, stream());
    expect_definition(got, x, std::to_string(classes) + " classes");
    EXPECT_EQ(got.status, kWeightOutOfRange) << classes;
  }
}

TEST_P(DelicateWeightsTest, ALabelOfWeightZeroGivesZeroAndCountsAsValid) {
  for (const std::int64_t classes : kClasses) {
    LossCase x = three_rows(classes, TargetKind::hard, false);
    const auto label = static_cast<std::size_t>(x.targets->a[1]);
    x.class_weights.assign(static_cast<std::size_t>(classes), 2.0f);
    x.class_weights[label] = 0;
    for (const float logit : {1.0f, -kInfinity}) {
      x.student.at(1, static_cast<std::int64_t>(label)) = logit;
      const LossResult got = run_loss_case(x, stream());
      expect_definition(got, x, std::to_string(classes) + " classes");
      expect_zero_row(got, "label of weight 0");
      EXPECT_EQ(got.valid_rows, 3);
    }
  }
}

TEST_P(DelicateWeightsTest, ADenseTargetWhoseClassesHaveNoWeightGivesZeroAndCountsAsValid) {
  for (const std::int64_t classes : kClasses) {
    LossCase x = three_rows(classes, TargetKind::dense, false);
    x.class_weights.assign(static_cast<std::size_t>(classes), 0.0f);
    const LossResult got = run_loss_case(x, stream());
    expect_zero_row(got, std::to_string(classes) + " classes");
    EXPECT_EQ(got.loss, 0.0f);
    EXPECT_EQ(got.valid_rows, 3);
    EXPECT_EQ(got.status, 0u);
  }
}

TEST_P(DelicateWeightsTest, AWeightedRowKeepsItsInfiniteLossAndItsNan) {
  LossCase x = three_rows(10, TargetKind::hard, false);
  x.row_weights = {1.5f, 0.25f, 0.5f};
  x.class_weights.assign(10, 0.5f);
  x.student.at(1, x.targets->a[1]) = -kInfinity;
  LossResult got = run_loss_case(x, stream());
  EXPECT_EQ(got.row_losses[1], kInfinity);
  expect_definition(got, x, "the label's logit masked");
  for (const float bad : {kNan, kInfinity}) {
    x.student.at(1, 3) = bad;
    got = run_loss_case(x, stream());
    EXPECT_TRUE(std::isnan(got.row_losses[1]));
    expect_definition(got, x, "NaN");
    EXPECT_EQ(got.status, std::isnan(bad) ? kLogitNaN : kLogitPlusInfinity);
  }
}

TEST_P(DelicateWeightsTest, AFullyMaskedRowWithWeightsGivesZeroAndCountsAsValid) {
  for_each_case([&](LossCase x, const std::string& what) {
    x.row_weights = {1.5f, 0.25f, 0.5f};
    x.class_weights.assign(static_cast<std::size_t>(x.student.columns), 0.5f);
    for (std::int64_t c = 0; c < x.student.columns; ++c) x.student.at(1, c) = -kInfinity;
    const LossResult got = run_loss_case(x, stream());
    expect_definition(got, x, what);
    expect_zero_row(got, what);
    EXPECT_EQ(got.valid_rows, 3) << what;
  });
}

TEST_P(DelicateWeightsTest, AllRowsOfWeightZeroGiveZeroAndACountOfZero) {
  for_each_case([&](LossCase x, const std::string& what) {
    x.row_weights = {0, kNan, 0};
    for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid, Reduction::mean_all}) {
      x.reduction = reduction;
      const LossResult got = run_loss_case(x, stream());
      EXPECT_EQ(got.loss, 0.0f) << what;
      EXPECT_EQ(got.valid_rows, 0) << what;
      EXPECT_EQ(got.status, kWeightOutOfRange) << what;
      for (const float g : got.gradient.values) ASSERT_EQ(g, 0.0f) << what;
    }
  });
}

TEST_P(DelicateWeightsTest, NoRowsGiveZeroWithWeights) {
  LossCase x;
  x.student = HostMatrix{0, 10, {}};
  x.targets = HostTargets{};
  x.class_weights.assign(10, 0.5f);
  for (const Reduction reduction : {Reduction::sum, Reduction::mean_valid, Reduction::mean_all}) {
    x.reduction = reduction;
    const LossResult got = run_loss_case(x, stream());
    EXPECT_EQ(got.loss, 0.0f);
    EXPECT_EQ(got.valid_rows, 0);
  }
}

}  // namespace
}  // namespace leaven::test
