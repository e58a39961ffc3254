#include <leaven/loss.hpp>

#include <algorithm>

#include "host/core/check.hpp"
#include "host/core/config.hpp"
#include "host/core/parallel.hpp"
#include "host/loss/arguments.hpp"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/row_loss.hpp"
#include "kernels/loss/typed_rows.hpp"

namespace leaven {
namespace {

struct Listed {
  float logit;
  std::int32_t column;
};
// The order of the cache: falling logits, rising columns among equal ones.
bool comes_before(const Listed& a, const Listed& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.column < b.column);
}

void clear_row(std::int64_t row, const TopKRows& out) {
  for (std::int64_t i = 0; i < out.k; ++i) {
    out.classes[row * out.k + i] = static_cast<std::int32_t>(i);
    out.log_probabilities[row * out.k + i] = f16_bits(-kInfinity);
  }
  out.rest[row] = 0.0f;
}

void compress_row(const InputRows& logits, std::int64_t row, std::int64_t classes, const Temperature& temperature,
                  const TopKRows& out) {
  Listed listed[kMaxListed] = {};
  std::int64_t count = 0;
  bool nan = false;
  for (std::int64_t c = 0; c < classes; ++c) {
    const Listed x{load_logit(logits, row, c), static_cast<std::int32_t>(c)};
    nan = nan || x.logit != x.logit;
    if (count == out.k && !comes_before(x, listed[count - 1])) continue;
    std::int64_t i = count < out.k ? count++ : count - 1;
    for (; i > 0 && comes_before(x, listed[i - 1]); --i) listed[i] = listed[i - 1];
    listed[i] = x;
  }
  const float max = listed[0].logit;
  if (nan || max == -kInfinity || max == kInfinity) return clear_row(row, out);
  double sum = 0;
  double rest = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const Listed x{load_logit(logits, row, c), static_cast<std::int32_t>(c)};
    const double exponential = exp_over(difference(x.logit, max), temperature);
    sum += exponential;
    rest += comes_before(listed[out.k - 1], x) ? exponential : 0.0;
  }
  const float log_sum = log_of(static_cast<float>(sum));
  for (std::int64_t i = 0; i < out.k; ++i) {
    const float gap = difference(listed[i].logit, max).hi;
    out.classes[row * out.k + i] = listed[i].column;
    out.log_probabilities[row * out.k + i] = f16_bits(gap * temperature.inverse - log_sum);
  }
  out.rest[row] = static_cast<float>(rest / sum);
}

}  // namespace

void compress_teacher(LogitsView logits, float temperature, const TopKOutput& out, Stream stream) {
  constexpr const char* kName = "compress_teacher";
  const MatrixArgument shape = argument("logits", logits);
  check_matrix(kName, shape);
  check_temperature(kName, temperature);
  check(out.k >= 1 && out.k <= kMaxListed && out.k <= logits.columns, "{}: out.k is {}, expected 1 to {}", kName, out.k,
        std::min(kMaxListed, logits.columns));
  check_size(kName, "out.classes", out.classes.size(), out.classes.data(), logits.rows * out.k);
  check_size(kName, "out.log_probabilities", out.log_probabilities.size(), out.log_probabilities.data(),
             logits.rows * out.k);
  check_size(kName, "out.rest", out.rest.size(), out.rest.data(), logits.rows);
  const TopKRows rows{out.k, out.classes.data(), reinterpret_cast<std::uint16_t*>(out.log_probabilities.data()),
                      out.rest.data()};
  const InputRows in = input_rows(logits);
  const Temperature resolved = make_temperature(temperature);
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::compress_teacher(in, logits.rows, logits.columns, resolved, rows, stream.cuda_handle());
    }
  }
  parallel_for(logits.rows, std::max<std::int64_t>(1, 16384 / logits.columns),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   compress_row(in, row, logits.columns, resolved, rows);
                 }
               });
}

}  // namespace leaven
