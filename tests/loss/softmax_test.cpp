#include "tests/loss/expect_row.hpp"
#include "tests/loss/typed_matrix.hpp"

namespace leaven::test {
namespace {

class SoftmaxTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(SoftmaxTest);

using Function = void (*)(LogitsView, float, MutableLogitsView, Stream);
struct Named {
  const char* name;
  Function function;
};
constexpr Named kBoth[] = {{"softmax", softmax}, {"log_softmax", log_softmax}};

// Round every boundary of the dispatch.
constexpr std::int64_t kClasses[] = {1,   2,   3,    4,    5,    10,   16,   17,   64,   65,   128,  129,   256,  257,
                                     512, 513, 1000, 1024, 1025, 2048, 2049, 4096, 4097, 8192, 8193, 12289, 20000};

struct Types {
  FloatType in = FloatType::f32;
  FloatType out = FloatType::f32;
};

HostMatrix run(Function function, const HostMatrix& logits, float temperature, Stream stream, Types types = {},
               Layout2d layout = {.padding = 3, .offset = 1}) {
  const TypedMatrix in(logits, types.in, stream, layout);
  const TypedMatrix out(logits.rows, logits.columns, types.out, stream, layout);
  function(in.cview(), temperature, out.view(), stream);
  expect_same_bits(in.to_host().values, rounded(logits, types.in).values, "the logits themselves");
  return out.to_host();
}

HostMatrix some_rows(std::int64_t classes, std::uint32_t seed) {
  return normal_matrix(classes > 1100 ? 2 : classes > 128 ? 9 : 33, classes, 10.0f, seed);
}

TEST_P(SoftmaxTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = some_rows(classes, 101);
      for (const float temperature : {1e-3f, 0.5f, 1.0f, 7.0f, 1e4f}) {
        const HostMatrix got = run(softmax, logits, temperature, stream());
        for (std::int64_t r = 0; r < logits.rows; ++r) {
          const std::vector<Real> expected = reference::log_softmax(logits.row(r), temperature);
          Real sum = 0;
          for (std::size_t c = 0; c < expected.size(); ++c) {
            const Real p = std::exp(expected[c]);
            ASSERT_LE(std::fabs(got.row(r)[c] - p), 1e-6L * p + 1e-37L)
                << isa << ", " << classes << " classes, T " << temperature;
            sum += got.row(r)[c];
          }
          EXPECT_NEAR(static_cast<double>(sum), 1.0, 1e-6);
        }
      }
    }
  });
}

TEST_P(SoftmaxTest, TheLogarithmIsItsDefinitionAlsoWhereProbabilitiesVanish) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : kClasses) {
      const HostMatrix logits = some_rows(classes, 107);
      for (const float temperature : {1e-3f, 0.5f, 1.0f, 7.0f, 1e4f}) {
        const HostMatrix got = run(log_softmax, logits, temperature, stream());
        for (std::int64_t r = 0; r < logits.rows; ++r) {
          const std::vector<Real> expected = reference::log_softmax(logits.row(r), temperature);
          for (std::size_t c = 0; c < expected.size(); ++c) {
            ASSERT_LE(std::fabs(got.row(r)[c] - expected[c]), 5e-7L + 2e-7L * std::fabs(expected[c]))
                << isa << ", " << classes << " classes, T " << temperature;
          }
        }
      }
    }
  });
}

TEST_P(SoftmaxTest, TypesDifferByOneRoundingOfTheResult) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {1, 3, 4, 10, 17, 65, 130, 300, 600, 1025, 2100, 4100, 8200}) {
      for (const FloatType type : kFloatTypes) {
        const HostMatrix logits = rounded(some_rows(classes, 108), type);
        for (const Named& f : kBoth) {
          const std::string what = isa + ", " + f.name + ", " + std::to_string(classes) + " of " + type_name(type);
          const HostMatrix exact = run(f.function, logits, 2.0f, stream());
          expect_same_bits(run(f.function, logits, 2.0f, stream(), {type, FloatType::f32}).values, exact.values, what);
          expect_same_bits(run(f.function, logits, 2.0f, stream(), {type, type}).values, rounded(exact, type).values,
                           what + " to the same");
        }
      }
    }
  });
}

// Masks, infinities and NaN at places that different lanes work on.
HostMatrix delicate_rows(std::int64_t classes) {
  const std::int64_t last = classes - 1;
  HostMatrix logits{7, classes, std::vector<float>(static_cast<std::size_t>(7 * classes), 0.5f)};
  logits.at(0, 1) = -kInfinity;
  for (std::int64_t c = 0; c < classes; ++c) logits.at(1, c) = -kInfinity;
  logits.at(2, last) = 8192.0f;
  logits.at(3, 0) = kNan;
  logits.at(4, last) = kInfinity;
  logits.at(5, last) = kNan;
  logits.at(5, 0) = -kInfinity;
  for (std::int64_t c = 0; c < last; ++c) logits.at(6, c) = -kInfinity;
  return logits;
}

TEST_P(SoftmaxTest, DelicateRows) {
  for (const std::int64_t classes : {3, 10, 41, 130, 601, 1030, 2050, 5000, 9001}) {
    for (const FloatType type : kFloatTypes) {
      const std::int64_t last = classes - 1;
      const HostMatrix logits = delicate_rows(classes);
      const HostMatrix p = run(softmax, logits, 1.0f, stream(), {type, FloatType::f32});
      const HostMatrix log_p = run(log_softmax, logits, 1.0f, stream(), {type, FloatType::f32});
      const auto others = static_cast<double>(last);
      for (std::int64_t c = 0; c < classes; ++c) {
        const auto i = static_cast<std::size_t>(c);
        ASSERT_NEAR(p.row(0)[i], c == 1 ? 0 : 1 / others, 1e-6) << classes << " of " << type_name(type);
        ASSERT_EQ(p.row(1)[i], 0.0f) << classes << " of " << type_name(type);
        ASSERT_EQ(p.row(2)[i], c == last ? 1.0f : 0.0f);
        ASSERT_EQ(p.row(6)[i], c == last ? 1.0f : 0.0f);
        if (c == 1) {
          ASSERT_EQ(log_p.row(0)[i], -kInfinity);
        } else {
          ASSERT_NEAR(log_p.row(0)[i], -std::log(others), 1e-5);
        }
        ASSERT_EQ(log_p.row(1)[i], -kInfinity) << classes << " of " << type_name(type);
        ASSERT_EQ(log_p.row(2)[i], c == last ? 0.0f : -8191.5f);
        ASSERT_EQ(log_p.row(6)[i], c == last ? 0.0f : -kInfinity);
        for (const std::int64_t r : {3, 4, 5}) {
          ASSERT_TRUE(std::isnan(p.row(r)[i]) && std::isnan(log_p.row(r)[i])) << classes << " classes, row " << r;
        }
      }
    }
  }
}

// What fills lanes behind the end of a row is below every logit of every type.
TEST_P(SoftmaxTest, TheLowestFiniteLogitsAreLogits) {
  for (const std::int64_t classes : {1, 3, 10, 41, 130, 601, 1030, 2050, 5000, 9001}) {
    for (const FloatType type : kFloatTypes) {
      const float lowest = type == FloatType::f16 ? -65504.0f : -3e38f;
      const HostMatrix logits{1, classes, std::vector<float>(static_cast<std::size_t>(classes), lowest)};
      const double expected = 1.0 / static_cast<double>(classes);
      for (const float p : run(softmax, logits, 1.0f, stream(), {type, FloatType::f32}).values) {
        ASSERT_NEAR(p, expected, 1e-6 * expected) << classes << " of " << type_name(type);
      }
    }
  }
}

TEST_P(SoftmaxTest, ExtremeTemperaturesStayFinite) {
  const HostMatrix logits = matrix({{3, 1, 2}, {-1, -1, 1}});
  for (const float temperature : {1e-45f, 1e-38f, 1e30f, 3e38f}) {
    const HostMatrix p = run(softmax, logits, temperature, stream());
    const HostMatrix log_p = run(log_softmax, logits, temperature, stream());
    const bool sharp = temperature < 1;
    EXPECT_NEAR(p.values[0], sharp ? 1.0 : 1.0 / 3, 1e-6) << temperature;
    EXPECT_NEAR(log_p.values[0], sharp ? 0.0 : -std::log(3.0), 1e-6) << temperature;
    EXPECT_NEAR(log_p.values[5], sharp ? 0.0 : -std::log(3.0), 1e-6) << temperature;
  }
}

TEST_P(SoftmaxTest, BitsDoNotDependOnLayoutBatchThreadsOrPlace) {
  const int before = cpu_threads();
  for (const std::int64_t classes : {1, 3, 10, 17, 65, 129, 300, 1000, 1025, 3000, 4100, 9000}) {
    for (const FloatType type : {FloatType::f32, FloatType::bf16}) {
      const HostMatrix logits = rounded(normal_matrix(classes > 500 ? 5 : 19, classes, 4.0f, 102), type);
      for (const Named& f : kBoth) {
        const std::string what = std::string(f.name) + ", " + std::to_string(classes) + " of " + type_name(type);
        set_cpu_threads(1);
        const HostMatrix expected = run(f.function, logits, 2.0f, stream(), {type, type});
        set_cpu_threads(2);
        const std::int64_t to_four = (4 - classes % 4) % 4;
        for (const Layout2d layout : {Layout2d{0, 0}, Layout2d{to_four, 0}, Layout2d{to_four, 4}, Layout2d{0, 2}}) {
          expect_same_bits(run(f.function, logits, 2.0f, stream(), {type, type}, layout).values, expected.values, what);
        }
        const TypedMatrix m(logits, type, stream());
        f.function(m.cview(), 2.0f, m.view(), stream());
        expect_same_bits(m.to_host().values, expected.values, what + " in place");
        const TypedMatrix in(logits, type, stream());
        const TypedMatrix out(logits.rows, classes, type, stream());
        for (std::int64_t row = 0; row < logits.rows; ++row) {
          const auto part = [&](auto view) {
            using Byte =
                std::conditional_t<std::is_same_v<decltype(view), LogitsView>, const std::uint8_t, std::uint8_t>;
            view.data = static_cast<Byte*>(view.data) + row * classes * size_of_type(type);
            view.rows = 1;
            return view;
          };
          f.function(part(in.cview()), 2.0f, part(out.view()), stream());
        }
        expect_same_bits(out.to_host().values, expected.values, what + " row by row");
      }
    }
  }
  set_cpu_threads(before);
}

TEST_P(SoftmaxTest, NoRowsAreNoWork) {
  for (const Named& f : kBoth) {
    f.function(MatrixView<const float>{nullptr, 0, 10, 10}, 1.0f, MatrixView<float>{nullptr, 0, 10, 10}, stream());
  }
}

TEST_P(SoftmaxTest, BadArgumentsOfTheLogarithmAreNamed) {
  const TypedMatrix in(normal_matrix(5, 10, 4.0f, 109), FloatType::f16, stream());
  const TypedMatrix out(5, 10, FloatType::f16, stream());
  const auto expect_says = [&](const LogitsView& logits, float temperature, const MutableLogitsView& to,
                               const std::string& part) {
    const std::string text = message_of<InvalidArgument>([&] { log_softmax(logits, temperature, to, stream()); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
    for (const float x : out.to_host().values) EXPECT_TRUE(std::isnan(x));
  };
  for (const float bad : {0.0f, -1.0f, kNan, kInfinity}) {
    expect_says(in.cview(), bad, out.view(), "log_softmax: temperature is");
  }
  MutableLogitsView to = out.view();
  to.columns = 9;
  expect_says(in.cview(), 1.0f, to, "log_softmax: out has shape 5x9, expected 5x10 (as logits)");
  to = out.view();
  to.type = FloatType::bf16;
  expect_says(in.cview(), 1.0f, to, "log_softmax: out has type bf16, expected f16 (as logits) or f32");
  LogitsView overlapping = in.cview();
  overlapping.data = static_cast<const std::uint8_t*>(out.view().data) + 2;
  expect_says(overlapping, 1.0f, out.view(), "log_softmax: out overlaps logits");
  LogitsView null = in.cview();
  null.data = nullptr;
  expect_says(null, 1.0f, out.view(), "log_softmax: logits is null");
}

}  // namespace
}  // namespace leaven::test
