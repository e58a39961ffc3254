#include "kernels/core/launch.cuh"
#include "kernels/loss/general_row.cuh"
#include "kernels/loss/launchers.hpp"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::cuda {
namespace {

// Which classes of 32 * kGroup columns are listed: one word of bits per lane, in shared memory.
template <int kGroup>
struct ListedBits {
  static constexpr std::int64_t kColumns = kGroup * 32;
  unsigned* words;

  __device__ __forceinline__ void mark(const TopKParams& k, std::int64_t row, std::int64_t begin) const {
    const int lane = threadIdx.x % kGroup;
    group_barrier<kGroup>();
    words[lane] = 0;
    group_barrier<kGroup>();
    for (std::int64_t i = lane; i < k.k; i += kGroup) {
      const std::int64_t at = listed_class(k, row, i) - begin;
      if (at >= 0 && at < kColumns) atomicOr(&words[at / 32], 1u << (at % 32));
    }
    group_barrier<kGroup>();
  }
  // Of four columns, the first in the lowest bit.
  __device__ __forceinline__ unsigned of(std::int64_t at) const { return words[at / 32] >> (at % 32) & 15u; }
};

// body(column, bits of the listed ones among four columns) for the columns of a lane. All threads of the group call.
template <int kGroup, class Body>
__device__ __forceinline__ void for_each_four(const TopKParams& k, const RowPlace& at, const ListedBits<kGroup>& listed,
                                              Body&& body) {
  constexpr std::int64_t kColumns = ListedBits<kGroup>::kColumns;
  for (std::int64_t begin = 0; begin < at.classes; begin += kColumns) {
    listed.mark(k, at.row, begin);
    const std::int64_t end = begin + kColumns < at.classes ? begin + kColumns : at.classes;
    for (std::int64_t column = begin + first_column<kGroup>(); column < end; column += kGroup * 4) {
      body(column, listed.of(column - begin));
    }
  }
}

template <int kGroup>
__device__ __forceinline__ TopKRow find_row(const GeneralParams& g, const RowPlace& at, const Extent& extent,
                                            const ListedBits<kGroup>& listed) {
  const LossParams& p = g.loss;
  float rest_max = -kInfinity;
  for_each_four<kGroup>(g.top_k, at, listed, [&](std::int64_t column, unsigned bits) {
    const Four s = load_row4(p.student, at, column, kStudentAligned);
#pragma unroll
    for (int j = 0; j < 4; ++j) rest_max = (bits >> j & 1u) != 0 ? rest_max : larger(rest_max, s.v[j]);
  });
  rest_max = group_reduce<kGroup>(rest_max, Larger{});
  const float finite = finite_max(rest_max);
  TopKSums sums;
  for_each_four<kGroup>(g.top_k, at, listed, [&](std::int64_t column, unsigned bits) {
    const Four s = load_row4(p.student, at, column, kStudentAligned);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums.rest += (bits >> j & 1u) != 0 ? 0.0f : exp_over(difference(s.v[j], finite), p.temperature);
    }
  });
  for (std::int64_t i = threadIdx.x % kGroup; i < g.top_k.k; i += kGroup) {
    const float logit = load_logit(p.student, at.row, listed_class(g.top_k, at.row, i));
    sums.listed += exp_over(difference(logit, finite_max(extent.max)), p.temperature);
    sums.listed_q += exp_over({listed_log_q(g.top_k, at.row, i), 0.0f}, Temperature{});
  }
  sums = {group_sum<kGroup>(sums.listed), group_sum<kGroup>(sums.rest), group_sum<kGroup>(sums.listed_q)};
  return top_k_row(extent.max, rest_max, sums, g.top_k.rest[at.row], p.temperature);
}

// Events 0 .. k - 1 are the listed classes, k is the rest.
__device__ __forceinline__ Event find_event(const GeneralParams& g, std::int64_t row, const TopKRow& sums,
                                            std::int64_t i) {
  if (i == g.top_k.k) return rest_event(sums, g.loss.temperature);
  const float logit = load_logit(g.loss.student, row, listed_class(g.top_k, row, i));
  return listed_event(logit, listed_log_q(g.top_k, row, i), sums, g.loss.temperature);
}

template <int kGroup>
__device__ __forceinline__ void write_gradient(const GeneralParams& g, const RowPlace& at, const TopKRow& row,
                                               const SoftFactors& soft, const GeneralHardPart& hard,
                                               const Centre& centre, float max, const ListedBits<kGroup>& listed) {
  const LossParams& p = g.loss;
  const float of_rest = event_gradient(soft, rest_event(row, p.temperature), centre, g.divergence, p.temperature);
  for_each_four<kGroup>(g.top_k, at, listed, [&](std::int64_t column, unsigned bits) {
    const Four s = load_row4(p.student, at, column, kStudentAligned);
    const Four dense = load_dense(p, at, column);
    Four gradient;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float share = exp_over(difference(s.v[j], row.rest_max), p.temperature) * row.inverse_rest;
      float value = of_rest == 0.0f ? 0.0f : of_rest * share;
      if ((bits >> j & 1u) != 0) {
        std::int64_t i = 0;
        while (i < g.top_k.k - 1 && listed_class(g.top_k, at.row, i) != column + j) ++i;
        const Event event = listed_event(s.v[j], listed_log_q(g.top_k, at.row, i), row, p.temperature);
        value = event_gradient(soft, event, centre, g.divergence, p.temperature);
      }
      gradient.v[j] = value + hard_gradient_at(p, hard, at, column + j, s.v[j], dense.v[j], max);
    }
    store4(p.gradient, at.row, column, at.classes, (at.aligned & kGradientAligned) != 0, gradient);
  });
}

// One row that is not ignored; `scale` multiplies its gradient, the row's weight included.
template <int kGroup>
__device__ __forceinline__ float process_row(const GeneralParams& g, const RowPlace& at, const RowTarget& labels,
                                             float scale, const ListedBits<kGroup>& listed, std::uint32_t& status) {
  const LossParams& p = g.loss;
  const Extent extent = find_extent<kGroup>(p.student, at, kStudentAligned);
  const GeneralHardPart hard = find_hard_part<kGroup>(p, labels, at, extent, scale, status);
  const TopKRow row = find_row<kGroup>(g, at, extent, listed);
  // The student's largest event: its logarithm takes the place of the largest logit.
  RowMax largest;
  for (std::int64_t i = threadIdx.x % kGroup; i <= g.top_k.k; i += kGroup) {
    const Event event = find_event(g, at.row, row, i);
    largest = merge(largest, {0.0f, event.log_p, event.y_t});
  }
  largest = group_reduce<kGroup>(largest, Merge{});
  const Centre centre = find_centre(largest.student_at_teacher, g.divergence, p.temperature);
  DivergenceSums sums;
  for (std::int64_t i = threadIdx.x % kGroup; i <= g.top_k.k; i += kGroup) {
    const ClassTerm term = event_term(find_event(g, at.row, row, i), centre, g.divergence, p.temperature);
    sums.term += term.term;
    sums.raw += term.raw;
  }
  sums.term = group_sum<kGroup>(sums.term);
  sums.raw = group_sum<kGroup>(sums.raw);
  const SoftFactors soft = soft_factors(g.divergence, sums, {}, row.state, p.soft_weight, scale);
  if (row.state.check != row.state.check) status |= extent.max == kInfinity ? kLogitPlusInfinity : kLogitNaN;
  if (p.gradient.data != nullptr) {
    write_gradient<kGroup>(g, at, row, soft, hard, centre, finite_max(extent.max), listed);
  }
  return hard.factors.loss + soft.loss;
}

template <int kGroup>
__device__ __forceinline__ std::uint32_t find_status(const TopKParams& k, const RowPlace& at) {
  int labels = 0;
  int weights = is_good_weight(k.rest[at.row]) ? 0 : 1;
  for (std::int64_t i = threadIdx.x % kGroup; i < k.k; i += kGroup) {
    const std::uint32_t status = listed_status(k, at.row, i, static_cast<std::int32_t>(at.classes));
    labels += (status & kLabelOutOfRange) != 0 ? 1 : 0;
    weights += (status & kWeightOutOfRange) != 0 ? 1 : 0;
  }
  labels = group_reduce<kGroup>(labels, Add{});
  weights = group_reduce<kGroup>(weights, Add{});
  return (labels > 0 ? kLabelOutOfRange : 0u) | (weights > 0 ? kWeightOutOfRange : 0u);
}

// what     losses, their sum and gradients against a compact cache of the teacher, with the hard part
// who      a warp per row up to 1,024 classes, a block above
// traffic  each logit once from memory and then four times from the caches; writes each gradient once
// limits   kMaxListed classes in the cache
template <int kGroup>
__global__ void __launch_bounds__(kBlockThreads, 2)
    top_k_rows_kernel(const __grid_constant__ GeneralParams g, unsigned aligned) {
  constexpr int kRows = kBlockThreads / kGroup;
  __shared__ unsigned words[kBlockThreads];
  const ListedBits<kGroup> listed{words + threadIdx.x / kGroup * kGroup};
  const LossParams& p = g.loss;
  const float divisor = loss_divisor(p);
  LossTotals totals;
  for (std::int64_t first = std::int64_t{blockIdx.x} * kRows; first < p.rows;
       first += std::int64_t{gridDim.x} * kRows) {
    const RowPlace at{first + threadIdx.x / kGroup, p.classes, -1, aligned};
    if (at.row >= p.rows) break;
    const float weight = row_weight(p, at.row, totals.status);
    const RowTarget labels = p.hard ? find_row_target<kGroup>(p, at) : RowTarget{};
    const std::uint32_t status = find_status<kGroup>(g.top_k, at);
    const bool valid = weight > 0.0f && status == 0u;
    totals.status |= labels.status | status;
    float loss = 0;
    if (valid) {
      const float scale = divisor > 0.0f ? weight / divisor : 0.0f;
      loss = weight * process_row<kGroup>(g, at, labels, scale, listed, totals.status);
    } else {
      clear_gradient<kGroup>(p, at);
    }
    keep_row(p, at.row, loss, valid, threadIdx.x % kGroup == 0, totals);
  }
  finish_loss(p, totals);
}

// what     counts the rows that are not ignored, into the workspace
// who      a warp per row
// traffic  reads each class of the cache, from the caches as often as there are entries behind it
// limits   none
__global__ void __launch_bounds__(kBlockThreads) count_top_k_kernel(const __grid_constant__ GeneralParams g) {
  const LossParams& p = g.loss;
  int count = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * 8; first < p.rows; first += std::int64_t{gridDim.x} * 8) {
    const RowPlace at{first + threadIdx.x / 32, p.classes, -1, 0};
    if (at.row >= p.rows) break;
    std::uint32_t status = find_status<32>(g.top_k, at);
    const bool good = status == 0u && row_weight(p, at.row, status) > 0.0f;
    count += good && threadIdx.x % 32 == 0 ? 1 : 0;
  }
  count = group_reduce<kBlockThreads>(count, Add{});
  if (threadIdx.x == 0 && count > 0) atomicAdd(&p.workspace->valid, count);
}

}  // namespace

void top_k_loss(const GeneralParams& params, CUstream_st* stream) {
  constexpr const char* kName = "distillation_loss";
  const LossParams& p = params.loss;
  if (p.divide_by_valid && p.rows > 0) {
    launch(kName, count_top_k_kernel, grid_for(p.rows, 8, 1024), kBlockThreads, 0, stream, params);
  }
  const bool warps = p.classes <= 1024;
  const unsigned blocks = p.rows > 0 ? grid_for(p.rows, warps ? kBlockThreads / 32 : 1, kMaxLossBlocks) : 1;
  launch(kName, warps ? top_k_rows_kernel<32> : top_k_rows_kernel<kBlockThreads>, blocks, kBlockThreads, 0, stream,
         params, alignment_bits(params));
}

}  // namespace leaven::cuda
