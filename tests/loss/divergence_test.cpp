#include "tests/loss/divergence_support.hpp"

namespace leaven::test {
namespace {

class DivergenceTest : public BackendTest {};
LEAVEN_ON_BOTH_BACKENDS(DivergenceTest);

struct Named {
  const char* name;
  Divergence divergence;
};
const Named kDivergences[] = {{"reverse", ReverseKl{}},
                              {"jensen-shannon", JensenShannon{}},
                              {"jensen-shannon 0.1", JensenShannon{0.1f}},
                              {"jensen-shannon 0.999", JensenShannon{0.999f}}};

std::int64_t rows_for(std::int64_t classes) { return classes <= 129 ? 9 : 3; }

Case soft_case(std::int64_t rows, std::int64_t classes, float deviation, const Divergence& divergence,
               float temperature, std::uint32_t seed) {
  Case c{.student = normal_matrix(rows, classes, deviation, seed), .teachers = {}};
  c.teachers = {teacher_near(c.student, deviation, seed + 1)};
  c.options = {.temperature = temperature, .hard_weight = 0.0f, .soft_weight = 1.0f, .divergence = divergence};
  return c;
}

TEST_P(DivergenceTest, IsItsDefinition) {
  for_each_isa(stream(), [&](const std::string& isa) {
    for (const std::int64_t classes : {1, 2, 3, 10, 15, 16, 17, 100, 129, 1023, 1024, 1025, 2048, 2049, 5000}) {
      for (const auto& [name, divergence] : kDivergences) {
        for (const float temperature : {0.5f, 1.0f, 4.0f}) {
          if (classes > 129 && temperature != 4.0f) continue;
          expect_case(
              soft_case(rows_for(classes), classes, 4.0f, divergence, temperature, 201), stream(),
              isa + ", " + name + ", " + std::to_string(classes) + " classes, T " + std::to_string(temperature));
        }
      }
    }
  });
}

TEST_P(DivergenceTest, HoldsItsToleranceForExtremeRowsAndTemperatures) {
  for (const float deviation : {0.01f, 4.0f, 400.0f}) {
    for (const auto& [name, divergence] : kDivergences) {
      for (const float temperature : {1e-2f, 0.2f, 1.0f, 30.0f, 1e4f}) {
        // Where log(p/q) is in the hundreds, so is what a reverse gradient takes differences of.
        const float size = deviation / temperature;
        const Extra extra{.loss = size > 10 ? Real{size} : 0, .gradient = size > 10 ? Real{size} : 0};
        expect_case(
            soft_case(21, 10, deviation, divergence, temperature, 203), stream(),
            std::string(name) + ", deviation " + std::to_string(deviation) + ", T " + std::to_string(temperature), {},
            extra);
      }
    }
  }
}

}  // namespace
}  // namespace leaven::test
