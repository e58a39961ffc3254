#include "kernels/loss/general_row.cuh"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::cuda {
namespace {

// What a row has in shared memory behind the slots, in words: its sums, in registers they would leave no room for the
// rest, and a bit for each class. An odd number, so that neighbouring rows lie in different banks.
LEAVEN_HD int own_words(std::int64_t classes) {
  return (static_cast<int>(sizeof(TopKRow) / sizeof(float)) + static_cast<int>((classes + 31) / 32)) | 1;
}

// Which classes of a row are listed. `entries` of the cache are looked at.
struct ListedBits {
  unsigned* words;
  int entries;

  template <class Place>
  __device__ __forceinline__ void mark(const Place& at) const {
    const TopKParams& k = at.g.top_k;
    for (int i = at.lane; i < (at.g.loss.classes + 31) / 32; i += at.lanes()) words[i] = 0;
    at.barrier();
    for (int i = at.lane; i < entries; i += at.lanes()) {
      const std::int32_t of_this = listed_class(k, at.row, i);
      atomicOr(&words[of_this / 32], 1u << of_this % 32);
    }
    at.barrier();
  }
  __device__ bool has(int column) const { return (words[column / 32] >> column % 32 & 1u) != 0; }
};

template <class Place>
__device__ __forceinline__ TopKRow find_row(const Place& at, const Extent& extent, const ListedBits& listed) {
  const TopKParams& k = at.g.top_k;
  const Temperature& temperature = at.g.loss.temperature;
  float rest_max = -kInfinity;
  at.for_each_column(
      [&](int column) { rest_max = listed.has(column) ? rest_max : larger(rest_max, at.student(column)); });
  rest_max = at.reduce(rest_max, Larger{});
  const float finite = finite_max(rest_max);
  TopKSums sums;
  at.for_each_column([&](int column) {
    if (!listed.has(column)) sums.rest += exp_over(difference(at.student(column), finite), temperature);
  });
  for (int i = at.lane; i < listed.entries; i += at.lanes()) {
    const float logit = at.student(listed_class(k, at.row, i));
    sums.listed += exp_over(difference(logit, finite_max(extent.max)), temperature);
    sums.listed_q += exp_over({listed_log_q(k, at.row, i), 0.0f}, Temperature{});
  }
  sums = {at.sum(sums.listed), at.sum(sums.rest), at.sum(sums.listed_q)};
  return top_k_row(extent.max, rest_max, sums, listed.entries > 0 ? k.rest[at.row] : 0.0f, temperature);
}

// body(event) for the lane's events: of the listed classes, and that of the rest.
template <class Place, class Body>
__device__ __forceinline__ void for_each_event(const Place& at, const TopKRow& row, const ListedBits& listed,
                                               Body&& body) {
  const TopKParams& k = at.g.top_k;
  const Temperature& temperature = at.g.loss.temperature;
  const int events = listed.entries > 0 ? listed.entries + 1 : 0;
#pragma unroll 1
  for (int i = at.lane; i < events; i += at.lanes()) {
    const bool rest = i == listed.entries;
    const int entry = rest ? 0 : i;
    const float logit = at.student(listed_class(k, at.row, entry));
    const Event event = listed_event(logit, listed_log_q(k, at.row, entry), row, temperature);
    body(rest ? rest_event(row, temperature) : event);
  }
}

template <class Place>
__device__ __forceinline__ void write_gradient(const Place& at, const TopKRow& row, const SoftFactors& soft,
                                               const GeneralHardPart& hard, const Centre& centre,
                                               const ListedBits& listed) {
  const LossParams& p = at.g.loss;
  const TopKParams& k = at.g.top_k;
  const DivergenceParams& divergence = at.g.divergence;
  const float of_rest = event_gradient(soft, rest_event(row, p.temperature), centre, divergence, p.temperature);
  at.for_each_column([&](int column) {
    const float s = at.student(column);
    float value = 0;
    if (listed.has(column)) {
      int i = 0;
      while (i < listed.entries - 1 && listed_class(k, at.row, i) != column) ++i;
      const Event event = listed_event(s, listed_log_q(k, at.row, i), row, p.temperature);
      value = event_gradient(soft, event, centre, divergence, p.temperature);
    } else if (of_rest != 0.0f) {
      value = of_rest * (exp_over(difference(s, row.rest_max), p.temperature) * row.inverse_rest);
    }
    at.set_gradient(column, value + hard_gradient_at(at, hard, column, s, row.max));
  });
}

// One row: its loss, not weighted, and its gradient.
template <class Place>
__device__ __forceinline__ float do_row(const Place& at, bool targeted, float weight, TopKRow& row,
                                        const ListedBits& listed, std::uint32_t& status) {
  const LossParams& p = at.g.loss;
  const DivergenceParams& divergence = at.g.divergence;
  const Extent extent = find_student_extent(at);
  listed.mark(at);
  const TopKRow found = find_row(at, extent, listed);
  if (at.lane == 0) row = found;
  at.barrier();
  // The student's largest event: its logarithm takes the place of the largest logit.
  RowMax largest;
  for_each_event(at, row, listed, [&](const Event& x) { largest = merge(largest, {0.0f, x.log_p, x.y_t}); });
  largest = at.reduce(largest, Merge{});
  const Centre centre = find_centre(largest.student_at_teacher, divergence, p.temperature);
  DivergenceSums sums;
  for_each_event(at, row, listed, [&](const Event& x) {
    const ClassTerm term = event_term(x, centre, divergence, p.temperature);
    sums.term += term.term;
    sums.raw += term.raw;
  });
  sums.term = at.sum(sums.term);
  sums.raw = at.sum(sums.raw);
  const float scale = gradient_scale(p, weight);
  const SoftFactors soft = soft_factors(divergence, sums, {}, row.state, p.soft_weight, scale);
  if (row.state.check != row.state.check) status |= row.max == kInfinity ? kLogitPlusInfinity : kLogitNaN;
  const GeneralHardPart hard = find_hard_part(at, targeted, row.max, extent.unmasked, scale, status);
  at.barrier();  // the listed logits have been read: gradients may take their place
  if (p.gradient.data != nullptr) write_gradient(at, row, soft, hard, centre, listed);
  return hard.factors.loss + soft.loss;
}

template <class Place>
__device__ __forceinline__ std::uint32_t find_status(const Place& at) {
  const TopKParams& k = at.g.top_k;
  int labels = 0;
  int weights = 0;
  if (at.classes > 0) {
    weights = is_good_weight(k.rest[at.row]) ? 0 : 1;
    for (int i = at.lane; i < k.k; i += at.lanes()) {
      const std::uint32_t status = listed_status(k, at.row, i, at.classes);
      labels += (status & kLabelOutOfRange) != 0 ? 1 : 0;
      weights += (status & kWeightOutOfRange) != 0 ? 1 : 0;
    }
  }
  labels = at.reduce(labels, Add{});
  weights = at.reduce(weights, Add{});
  return (labels > 0 ? kLabelOutOfRange : 0u) | (weights > 0 ? kWeightOutOfRange : 0u);
}

// what     losses, their sum and gradients against a compact cache of the teacher, with the hard part
// who      one to 32 lanes or a block per row
// traffic  reads each logit and dense target once and writes each gradient once; of wide rows the columns that find no
//          room in shared memory are read again by each of four passes
// limits   kMaxListed classes in the cache
template <int kThreads, bool kWhole>
__global__ void __launch_bounds__(kThreads, kWhole ? 8 : 1)
    top_k_rows_kernel(const __grid_constant__ GeneralParams g, const __grid_constant__ RowSlots slots) {
  extern __shared__ float4 shared[];
  unsigned* const own = reinterpret_cast<unsigned*>(shared) + slots.count * slots.slot_size;
  const auto row = [&](RowPlace<kThreads, kWhole>& at, int index, const RowTarget& labels, float weight, bool& valid,
                       std::uint32_t& status) {
    const std::uint32_t of_cache = find_status(at);
    status |= of_cache;
    valid = valid && of_cache == 0u;
    if (!valid) at.classes = 0;
    unsigned* const own_of_row = own + index * own_words(g.loss.classes);
    const ListedBits listed{own_of_row + sizeof(TopKRow) / sizeof(float), valid ? static_cast<int>(g.top_k.k) : 0};
    return do_row(at, valid && labels.valid != 0, weight, *reinterpret_cast<TopKRow*>(own_of_row), listed, status);
  };
  do_rows<kThreads, kWhole>(g, slots, g.loss.hard, row);
}

}  // namespace

void launch_top_k_rows(const GeneralParams& params, CUstream_st* stream) {
  launch_rows("distillation_loss", top_k_rows_kernel<kRowThreads, true>, top_k_rows_kernel<kWideThreads, false>, params,
              1, 1, std::int64_t{4} * own_words(params.loss.classes), stream);
}

}  // namespace leaven::cuda
