#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <leaven/loss/pseudo_labels.hpp>
#include "kernels/loss/loss_params.hpp"
#include "kernels/loss/pseudo_state.hpp"
#include "kernels/loss/pseudo_weight.hpp"

struct CUstream_st;

// The CUDA side of what is made of pseudo-labels. Arguments are checked by the callers; launches are checked here.
namespace leaven::cuda {

// `params.student` is the strong view, `params.teacher` the weak one, `params.temperature` that of the soft target.
void consistency(const LossParams& params, const PseudoWeight& weighting, ConsistencyTarget target,
                 CUstream_st* stream);

void init_pseudo_state(WeightingKind kind, std::int64_t classes, float* state, CUstream_st* stream);
void update_pseudo_state(const InputRows& weak, const StateUpdate& update, CUstream_st* stream);

std::int64_t select_class_balanced_workspace_bytes(std::int64_t count, std::int64_t classes);
void select_class_balanced(const ClassBalancedInput& in, std::int64_t classes, std::int64_t per_class,
                           const ClassBalancedOutput& out, std::span<std::byte> workspace, CUstream_st* stream);

}  // namespace leaven::cuda
