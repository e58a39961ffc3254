#include <array>

#include "host/core/config.hpp"
#include "host/loss/loss_loops.hpp"
#include "host/loss/partials.hpp"
#include "host/loss/pseudo_loops.hpp"
#include "host/loss/pseudo_weighting.hpp"
#include "kernels/loss/pseudo_launchers.hpp"
#include "kernels/loss/typed_rows.hpp"

namespace leaven {
namespace {

struct ConsistencyCall {
  LossParams params;  // student: strong, teacher: weak
  PseudoWeight weighting;
  ConsistencyTarget target;
};

struct RowWeights {
  std::array<std::int32_t, kMostPartialRows> labels;  // the ignore label where the weight is 0
  std::array<float, kMostPartialRows> weights;
};

// Of the rows begin .. end - 1. Returns how many are above 0.
std::int32_t find_weights(const ConsistencyCall& call, std::int64_t begin, std::int64_t end, RowWeights& rows) {
  const LossParams& p = call.params;
  probability_loops().top({p.teacher, p.classes}, begin, end, rows.labels.data(), rows.weights.data());
  std::int32_t valid = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(end - begin); ++i) {
    rows.weights[i] = pseudo_weight(call.weighting, rows.labels[i], rows.weights[i]);
    if (rows.weights[i] > 0.0f) {
      ++valid;
    } else {
      rows.labels[i] = p.targets.ignore_label;
    }
  }
  return valid;
}

const void* row_of(const void* data, std::int64_t stride, FloatType type, std::int64_t row) {
  return static_cast<const std::byte*>(data) + row * stride * size_of(type);
}

// The call's rows begin .. end - 1, as a call of their own.
LossParams slice(const LossParams& p, std::int64_t begin, std::int64_t end) {
  LossParams part = p;
  part.rows = end - begin;
  part.student.data = row_of(p.student.data, p.student.stride, p.student.type, begin);
  part.teacher.data = row_of(p.teacher.data, p.teacher.stride, p.teacher.type, begin);
  if (p.gradient.data != nullptr) {
    part.gradient.data = const_cast<void*>(row_of(p.gradient.data, p.gradient.stride, p.gradient.type, begin));
  }
  if (p.row_losses != nullptr) part.row_losses = p.row_losses + begin;
  return part;
}

void run_rows(const ConsistencyCall& call, float scale, std::int64_t begin, std::int64_t end, LossPartial& partial) {
  RowWeights rows;
  find_weights(call, begin, end, rows);
  LossParams part = slice(call.params, begin, end);
  if (call.target == ConsistencyTarget::soft) {
    return pseudo_loops().soft_consistency(part, rows.weights.data(), scale, partial);
  }
  // weight * cross-entropy(label) as the mixture of the label and nothing
  std::array<std::int32_t, kMostPartialRows> nothing;
  nothing.fill(part.targets.ignore_label);
  part.teacher = {};
  part.targets.a = rows.labels.data();
  part.targets.b = nothing.data();
  part.targets.weight_a = rows.weights.data();
  loss_loops().hard(part, scale, 0, part.rows, partial);
}

void consistency_cpu(const ConsistencyCall& call) {
  run_partials(
      call.params,
      [&](std::int64_t begin, std::int64_t end) {
        RowWeights rows;
        return find_weights(call, begin, end, rows);
      },
      [&](float scale, LossPartial& partial, std::int64_t begin, std::int64_t end) {
        run_rows(call, scale, begin, end, partial);
      });
}

}  // namespace

void consistency_loss(const ConsistencyInput& in, const ConsistencyOptions& options, const LossOutput& out,
                      std::span<std::byte> workspace, Stream stream) {
  constexpr const char* kName = "consistency_loss";
  const MatrixArgument strong = argument("strong", in.strong);
  const MatrixArgument weak = argument("weak", in.weak);
  check_matrix(kName, strong);
  check_matrix(kName, weak);
  check_same_shape(kName, weak, strong);
  check_weighting(kName, options.weighting);
  check_temperature(kName, options.temperature);
  ConsistencyCall call{
      {}, {kind_of(options.weighting), threshold_of(options.weighting), nullptr, strong.columns}, options.target};
  if (call.weighting.kind != WeightingKind::fix_match) {
    check_size(kName, "state", options.state.size(), options.state.data(), pseudo_state_size(strong.columns));
    call.weighting.state = options.state.data();
  }
  LossParams& params = call.params;
  resolve_output(kName, out, options.reduction, strong, workspace, params);
  check_disjoint(kName, argument("out.gradient", out.gradient), weak);
  params.student = input_rows(in.strong);
  params.teacher = input_rows(in.weak);
  params.temperature = make_temperature(options.temperature);
  params.hard = true;
  params.hard_weight = 1.0f;
  if constexpr (kWithCuda) {
    if (stream.backend() == Backend::cuda) {
      return cuda::consistency(params, call.weighting, call.target, stream.cuda_handle());
    }
  }
  consistency_cpu(call);
}

}  // namespace leaven
