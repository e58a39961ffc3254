#include <leaven/error.hpp>
#include "tests/loss/loss_case.hpp"

// Every combination of types, targets and reductions.
namespace leaven::test {
namespace {

class LossTypesTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(LossTypesTest);

// Round every boundary of the dispatch.
constexpr std::int64_t kClasses[] = {1, 2, 3, 4, 5, 10, 16, 17, 64, 65, 100, 128, 129, 300, 1000, 1025, 2049, 4097};
constexpr Reduction kReductions[] = {Reduction::none, Reduction::sum, Reduction::mean_valid, Reduction::mean_all};

// The interpreter that stands in for a GPU takes one call of several; over the class counts it sees each combination.
class Share {
 public:
  explicit Share(std::int64_t one_of) : one_of_(one_of) {}
  bool next() { return count_++ % one_of_ == 0; }

 private:
  std::int64_t one_of_;
  std::int64_t count_ = 0;
};

// The gradients of one case in the student's type and in float, all reductions.
void expect_all_results(LossCase x, Stream stream, Share& share, const std::string& what) {
  std::vector<ExpectedRow> expected;
  for (const Reduction reduction : kReductions) {
    for (const FloatType gradient : {FloatType::f32, x.types.student}) {
      x.reduction = reduction;
      x.types.gradient = gradient;
      if (!share.next()) continue;
      if (expected.empty()) expected = expected_rows(x);
      for_each_isa(stream, [&](const std::string& isa) {
        const LossResult got = run_loss_case(x, stream);
        expect_result(
            got, x, expected,
            isa + ", " + text(x.types) + ", " + what + ", reduction " + std::to_string(static_cast<int>(reduction)));
        EXPECT_EQ(got.status, 0u) << what;
      });
    }
  }
}

LossCase make_case(std::int64_t classes, FloatType student, std::uint32_t seed) {
  LossCase x;
  x.student = rounded(normal_matrix(classes > 1000 ? 1 : classes > 128 ? 3 : 9, classes, 4.0f, seed), student);
  x.types = {student, FloatType::f32, student};
  return x;
}

TEST_P(LossTypesTest, CrossEntropyIsItsDefinition) {
  Share share(1);
  for (const std::int64_t classes : kClasses) {
    for (const FloatType student : kFloatTypes) {
      for (const TargetKind kind : {TargetKind::hard, TargetKind::mixed, TargetKind::dense}) {
        LossCase x = make_case(classes, student, 201);
        x.targets = some_targets(kind, x.student.rows, classes);
        expect_all_results(
            x, stream(), share,
            std::to_string(classes) + " classes, targets of kind " + std::to_string(static_cast<int>(kind)));
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(LossTypesTest, DistillationIsItsDefinition) {
  Share share(on_cuda() ? 5 : 1);
  for (const std::int64_t classes : kClasses) {
    for (const FloatType student : kFloatTypes) {
      for (const FloatType teacher : kFloatTypes) {
        for (const TargetKind kind : kTargetKinds) {
          LossCase x = make_case(classes, student, 202);
          x.types.teacher = teacher;
          x.teacher = rounded(normal_matrix(x.student.rows, classes, 4.0f, 204), teacher);
          x.targets = some_targets(kind, x.student.rows, classes);
          x.hard_weight = kind == TargetKind::none ? 0.0f : 0.25f;
          x.soft_weight = 0.75f;
          expect_all_results(
              x, stream(), share,
              std::to_string(classes) + " classes, targets of kind " + std::to_string(static_cast<int>(kind)));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// A gradient of 16 bits is the float gradient, rounded once.
TEST_P(LossTypesTest, GradientsOfSixteenBitsAreRoundedOnce) {
  for (const std::int64_t classes : {1, 3, 10, 65, 129, 1025, 4097}) {
    for (const FloatType type : {FloatType::f16, FloatType::bf16}) {
      LossCase x = make_case(classes, type, 205);
      x.types.teacher = FloatType::f32;
      x.teacher = normal_matrix(x.student.rows, classes, 4.0f, 206);
      x.targets = some_targets(TargetKind::hard, x.student.rows, classes);
      x.soft_weight = 0.5f;
      x.types.gradient = FloatType::f32;
      const LossResult exact = run_loss_case(x, stream());
      x.types.gradient = type;
      const LossResult got = run_loss_case(x, stream());
      expect_same_bits(got.row_losses, exact.row_losses, "row losses");
      expect_same_bits(got.gradient.values, rounded(exact.gradient, type).values, "gradient");
    }
  }
}

TEST_P(LossTypesTest, AGradientOfAThirdTypeIsRejected) {
  const auto says = [&](FloatType student, FloatType gradient, bool with_teacher) {
    LossCase x = make_case(10, student, 208);
    x.targets = some_targets(TargetKind::hard, x.student.rows, 10);
    if (with_teacher) x.teacher = normal_matrix(x.student.rows, 10, 4.0f, 209);
    x.types.gradient = gradient;
    return message_of<InvalidArgument>([&] { run_loss_case(x, stream()); });
  };
  EXPECT_EQ(says(FloatType::f16, FloatType::bf16, false),
            "cross_entropy: out.gradient has type bf16, expected f16 (as logits) or f32");
  EXPECT_EQ(says(FloatType::f32, FloatType::f16, true),
            "distillation_loss: out.gradient has type f16, expected f32 (as student) or f32");
}

// Logits of 16 bits and a gradient of 32 are never the same memory.
TEST_P(LossTypesTest, AFloatGradientOverSixteenBitLogitsIsRejected) {
  const LossCase x = make_case(10, FloatType::bf16, 210);
  const TypedMatrix logits(
      HostMatrix{x.student.rows, 40, std::vector<float>(static_cast<std::size_t>(x.student.rows * 40))},
      FloatType::bf16, stream());
  const BackendTargets targets(*some_targets(TargetKind::hard, x.student.rows, 10), stream());
  LogitsView narrow = logits.cview();
  narrow.columns = 10;
  MutableLogitsView over = logits.view();
  over.type = FloatType::f32;
  over.columns = 10;
  over.row_stride = 20;
  Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(x.student.rows), stream());
  const std::string text = message_of<InvalidArgument>([&] {
    cross_entropy(narrow, targets.get(), {.reduction = Reduction::none}, {.gradient = over, .in_place = InPlace::yes},
                  workspace.span(), stream());
  });
  EXPECT_EQ(text, "cross_entropy: out.gradient overlaps logits, expected separate memory");
}

// Written over the logits, of any type.
TEST_P(LossTypesTest, InPlaceGivesTheSameGradient) {
  for (const std::int64_t classes : {2, 10, 100, 129, 1025, 4100}) {
    for (const FloatType type : kFloatTypes) {
      LossCase x = make_case(classes, type, 207);
      x.targets = some_targets(TargetKind::hard, x.student.rows, classes);
      x.smoothing = 0.125f;
      const LossResult apart = run_loss_case(x, stream());
      const TypedMatrix logits(x.student, type, stream(), {.padding = 3, .offset = 1});
      const BackendTargets targets(*x.targets, stream());
      Buffer<std::byte> workspace = Buffer<std::byte>::zeros(loss_workspace_bytes(x.student.rows), stream());
      cross_entropy(logits.cview(), targets.get(), {.label_smoothing = 0.125f, .reduction = Reduction::none},
                    {.gradient = logits.view(), .in_place = InPlace::yes}, workspace.span(), stream());
      expect_same_bits(logits.to_host().values, apart.gradient.values, std::to_string(classes) + " classes");
    }
  }
}

}  // namespace
}  // namespace leaven::test
