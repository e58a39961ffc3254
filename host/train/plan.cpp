#include "host/train/plan.hpp"

#include <algorithm>

namespace leaven::train {

using nn::LayerKind;
using nn::LayerSpec;
using nn::Learning;
using nn::Tensor;

Plan::Plan(const PlanOptions& options) : options_(options), forward_(options.count), backward_(options.count) {
  input_ = &slots_.emplace_back(nullptr);
  logits_gradient_ = &slots_.emplace_back(nullptr);
  build_forward();
  if (options_.mode == Mode::training) build_backward();
}

float** Plan::add_buffer(std::int64_t size) {
  buffers_.emplace_back(size, options_.stream);
  return &slots_.emplace_back(buffers_.back().data());
}

// Flatten changes no bytes (images are NHWC); dropout does nothing in evaluation, and where it is frozen.
bool Plan::is_skipped(std::size_t layer) const {
  const LayerKind kind = (*options_.layers)[layer].kind;
  const bool evaluates = options_.mode == Mode::evaluation || (*options_.frozen)[layer] != 0;
  return kind == LayerKind::flatten || (kind == LayerKind::dropout && evaluates);
}

Tensor Plan::packed(std::int64_t image_size) {
  return {add_buffer(options_.count * image_size), image_size, image_size};
}

// Slices that run side by side are at different layers: each keeps to its own part of the two buffers. (On CUDA there
// are no slices, and tensors are packed.)
Tensor Plan::in_turn(std::int64_t image_size) {
  if (turn_stride_ == 0) {
    for (const LayerSpec& layer : *options_.layers) turn_stride_ = std::max(turn_stride_, layer.out.size());
    for (float**& turn : turns_) turn = add_buffer(options_.count * turn_stride_);
  }
  std::swap(turns_[0], turns_[1]);
  return {turns_[0], image_size, options_.stream.backend() == Backend::cuda ? image_size : turn_stride_};
}

void Plan::build_forward() {
  const std::vector<LayerSpec>& layers = *options_.layers;
  Tensor x{input_, layers[0].in.size(), layers[0].in.size()};
  std::uint32_t dropouts = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    const std::uint32_t dropout = dropouts;
    if (layer.kind == LayerKind::dropout) ++dropouts;
    if (is_skipped(i)) continue;
    const bool fuses =
        layer.kind == LayerKind::conv || layer.kind == LayerKind::linear || layer.kind == LayerKind::batch_norm;
    const bool frozen = (*options_.frozen)[i] != 0;
    const nn::NodeContext context{
        .layer = &layer,
        .relu = fuses && i + 1 < layers.size() && layers[i + 1].kind == LayerKind::relu,
        .count = options_.count,
        .mode = frozen && layer.kind == LayerKind::batch_norm ? Mode::evaluation : options_.mode,
        .learning = fuses && !frozen ? Learning::yes : Learning::no,
        .tensors = options_.parameters->tensors(i),
        .weights_version = &options_.parameters->version(),
        .dropout_key = options_.dropout_key,
        .dropout_layer = dropout,
        .stream = options_.stream};
    // Backward needs every activation, and the caller the logits.
    const bool keep = options_.mode == Mode::training || i + 1 == layers.size();
    const Tensor y = keep ? packed(layer.out.size()) : in_turn(layer.out.size());
    steps_.push_back({nn::make_node(context), layer.kind, context.learning, x, y});
    x = y;
    if (context.relu) ++i;
  }
  for (const Step& step : steps_) step.node->prepare(forward_);
  for (const Step& step : steps_) step.node->forward(forward_, step.x, step.y);
}

// From the logits down to the lowest layer that learns.
void Plan::build_backward() {
  const auto lowest = std::ranges::find(steps_, Learning::yes, &Step::learning);
  if (lowest == steps_.end()) return;
  for (auto step = lowest; step != steps_.end(); ++step) step->node->prepare_backward(backward_, step != lowest);
  const std::int64_t classes = steps_.back().y.image_size;
  Tensor dy{logits_gradient_, classes, classes};
  for (auto step = steps_.end(); step-- != lowest;) {
    Tensor dx;
    if (step != lowest) {
      const bool below_reads_the_batch = std::prev(step)->kind == LayerKind::linear;
      dx = below_reads_the_batch ? packed(step->x.image_size) : in_turn(step->x.image_size);
    }
    step->node->backward(backward_, {step->x, step->y, dy, dx});
    dy = dx;
  }
  for (auto step = lowest; step != steps_.end(); ++step) step->node->finish_sums(backward_);
  backward_.wait();
  for (auto step = lowest; step != steps_.end(); ++step) step->node->finish(backward_);
}

float* Plan::forward(const float* images) {
  *input_ = const_cast<float*>(images);
  forward_.run();
  return *steps_.back().y.slot;
}

void Plan::backward(const float* logits_gradient) {
  *logits_gradient_ = const_cast<float*>(logits_gradient);
  backward_.run();
}

}  // namespace leaven::train
