#include "kernels/loss/general_row.cuh"
#include "kernels/loss/top_k_row.hpp"

namespace leaven::cuda {
namespace {

// What a row has in shared memory behind its slots: its sums (in registers they would leave no room for the rest), its
// part of the cache, the gradients of the listed classes and of the rest, and a bit for each class.
struct OwnWords {
  static constexpr int kSums = static_cast<int>(sizeof(TopKRow) / sizeof(float));
  int classes;            // where the listed classes begin; the mass of the rest lies before them
  int log_probabilities;  // two in a word
  int gradients;
  int bits;
  int count;  // odd, so that neighbouring rows lie in different banks
  int listed;

  LEAVEN_HD static OwnWords of(std::int64_t classes, std::int64_t listed) {
    const int k = static_cast<int>(listed);
    const int gradients = kSums + 1 + k + (k + 1) / 2;
    const int bits = gradients + k + 1;
    return {kSums + 1, kSums + 1 + k, gradients, bits, (bits + static_cast<int>((classes + 31) / 32)) | 1, k};
  }
};

// Which classes of a row are listed, in its part of the cache (as of row 0) and as bits. A row that is not looked at
// has no entries.
struct Listed {
  const OwnWords& words;
  float* own;
  int entries;

  __device__ std::int32_t* classes() const { return reinterpret_cast<std::int32_t*>(own + words.classes); }
  __device__ std::uint16_t* log_probabilities() const {
    return reinterpret_cast<std::uint16_t*>(own + words.log_probabilities);
  }
  __device__ float& rest() const { return own[OwnWords::kSums]; }
  __device__ float& gradient(int entry) const { return own[words.gradients + entry]; }  // after all entries: the rest's
  __device__ unsigned& bits(int column) const { return reinterpret_cast<unsigned*>(own)[words.bits + column / 32]; }
  __device__ TopKParams cache() const { return {words.listed, classes(), log_probabilities(), &rest()}; }

  template <class Place>
  __device__ __forceinline__ void mark(const Place& at) const {
    for (int column = at.lane * 32; column < at.g.loss.classes; column += at.lanes() * 32) bits(column) = 0;
    at.barrier();
    for (int i = at.lane; i < entries; i += at.lanes()) {
      const std::int32_t of_this = classes()[i];
      atomicOr(&bits(of_this), 1u << of_this % 32);
    }
    at.barrier();
  }
  __device__ bool has(int column) const { return (bits(column) >> column % 32 & 1u) != 0; }
};

template <class Place>
__device__ __forceinline__ TopKRow find_row(const Place& at, const Extent& extent, const Listed& listed) {
  const TopKParams k = listed.cache();
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
    const float logit = at.student(listed_class(k, 0, i));
    sums.listed += exp_over(difference(logit, finite_max(extent.max)), temperature);
    sums.listed_q += exp_over({listed_log_q(k, 0, i), 0.0f}, Temperature{});
  }
  sums = {at.sum(sums.listed), at.sum(sums.rest), at.sum(sums.listed_q)};
  return top_k_row(extent.max, rest_max, sums, listed.entries > 0 ? listed.rest() : 0.0f, temperature);
}

// body(entry, event) for the lane's events: of the listed classes, and that of the rest.
template <class Place, class Body>
__device__ __forceinline__ void for_each_event(const Place& at, const TopKRow& row, const Listed& listed, Body&& body) {
  const TopKParams k = listed.cache();
  const Temperature& temperature = at.g.loss.temperature;
  const int events = listed.entries > 0 ? listed.entries + 1 : 0;
#pragma unroll 1
  for (int i = at.lane; i < events; i += at.lanes()) {
    const bool rest = i == listed.entries;
    const int entry = rest ? 0 : i;
    const float logit = at.student(listed_class(k, 0, entry));
    const Event event = listed_event(logit, listed_log_q(k, 0, entry), row, temperature);
    body(i, rest ? rest_event(row, temperature) : event);
  }
}

template <class Place>
__device__ __forceinline__ void write_gradient(const Place& at, const TopKRow& row, const GeneralHardPart& hard,
                                               const Listed& listed) {
  const float of_rest = listed.entries > 0 ? listed.gradient(listed.entries) : 0.0f;
  at.for_each_column([&](int column) {
    const float s = at.student(column);
    float value = 0;
    if (listed.has(column)) {
      int i = 0;
      while (i < listed.entries - 1 && listed.classes()[i] != column) ++i;
      value = listed.gradient(i);
    } else if (of_rest != 0.0f) {
      value = of_rest * (exp_over(difference(s, row.rest_max), at.g.loss.temperature) * row.inverse_rest);
    }
    at.set_gradient(column, value + hard_gradient_at(at, hard, column, s, row.max));
  });
}

// One row: its loss, not weighted, and its gradient.
template <class Place>
__device__ __forceinline__ float do_row(const Place& at, bool targeted, float weight, TopKRow& row,
                                        const Listed& listed, std::uint32_t& status) {
  const LossParams& p = at.g.loss;
  const DivergenceParams& divergence = at.g.divergence;
  const Extent extent = find_extent(at, [&](int column) { return at.student(column); });
  listed.mark(at);
  const TopKRow found = find_row(at, extent, listed);
  if (at.lane == 0) row = found;
  at.barrier();
  // The student's largest event: its logarithm takes the place of the largest logit.
  RowMax largest;
  for_each_event(at, row, listed, [&](int, const Event& x) { largest = merge(largest, {0.0f, x.log_p, x.y_t}); });
  largest = at.reduce(largest, Merge{});
  const Centre centre = find_centre(largest.student_at_teacher, divergence, p.temperature);
  DivergenceSums sums;
  for_each_event(at, row, listed, [&](int, const Event& x) {
    const ClassTerm term = event_term(x, centre, divergence, p.temperature);
    sums.term += term.term;
    sums.raw += term.raw;
  });
  sums.term = at.sum(sums.term);
  sums.raw = at.sum(sums.raw);
  const float scale = gradient_scale(p, weight);
  const SoftFactors soft = soft_factors(divergence, sums, {}, row.state, p.soft_weight, scale);
  if (p.gradient.data != nullptr) {
    for_each_event(at, row, listed, [&](int entry, const Event& x) {
      listed.gradient(entry) = event_gradient(soft, x, centre, divergence, p.temperature);
    });
  }
  if (row.state.check != row.state.check) status |= row.max == kInfinity ? kLogitPlusInfinity : kLogitNaN;
  const GeneralHardPart hard = find_hard_part(at, targeted, row.max, extent.unmasked, scale, status);
  at.barrier();  // the listed logits have been read, and the events' gradients are there
  if (p.gradient.data != nullptr) write_gradient(at, row, hard, listed);
  return hard.factors.loss + soft.loss;
}

template <class Place>
__device__ __forceinline__ std::uint32_t find_status(const Place& at, const TopKParams& k) {
  int labels = 0;
  int weights = 0;
  if (at.classes > 0) {
    weights = is_good_weight(k.rest[0]) ? 0 : 1;
    for (int i = at.lane; i < k.k; i += at.lanes()) {
      const std::uint32_t status = listed_status(k, 0, i, at.classes);
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
// traffic  reads each logit, dense target and entry of the cache once and writes each gradient once; of wide rows the
//          columns that find no room in shared memory are read again by each of four passes
// limits   kMaxListed classes in the cache
template <int kThreads, bool kWhole>
__global__ void __launch_bounds__(kThreads, kWhole ? 8 : 1)
    top_k_rows_kernel(const RowParams params, const __grid_constant__ Teachers teachers, const RowSlots given) {
  const RowSlots& slots = share(given);
  const RowParams g = params;
  extern __shared__ float4 shared[];
  float* const own = reinterpret_cast<float*>(shared) + slots.count * slots.slot_size;
  const int k = static_cast<int>(g.top_k.k);
  const OwnWords& words = share(OwnWords::of(g.loss.classes, k));
  const auto read_cache = [&](std::int64_t first, int count) {
    for (int i = static_cast<int>(threadIdx.x); i < count * k; i += kThreads) {
      const int index = i / k;
      const int entry = i - index * k;
      const Listed to{words, own + index * words.count, 0};
      to.classes()[entry] = g.top_k.classes[first * k + i];
      to.log_probabilities()[entry] = g.top_k.log_probabilities[first * k + i];
      if (entry == 0) to.rest() = g.top_k.rest[first + index];
    }
  };
  const auto row = [&](auto& at, int index, const RowTarget& labels, float weight, bool& valid, std::uint32_t& status) {
    Listed listed{words, own + index * words.count, 0};
    const std::uint32_t of_cache = find_status(at, listed.cache());
    status |= of_cache;
    valid = valid && of_cache == 0u;
    if (valid) listed.entries = k;
    if (!valid) at.classes = 0;
    return do_row(at, valid && labels.valid != 0, weight, *reinterpret_cast<TopKRow*>(listed.own), listed, status);
  };
  do_rows<kThreads, kWhole, false>(g, teachers.all, slots, read_cache, row);
}

}  // namespace

void launch_top_k_rows(const GeneralParams& params, CUstream_st* stream) {
  launch_rows("distillation_loss", top_k_rows_kernel<kRowThreads, true>, top_k_rows_kernel<kWideThreads, false>, params,
              1, 1, std::int64_t{4} * OwnWords::of(params.loss.classes, params.top_k.k).count, stream);
}

}  // namespace leaven::cuda
