#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "host/nn/node.hpp"
#include "host/nn/program.hpp"
#include "host/train/parameter_store.hpp"

namespace leaven::train {

// What a network needs to run batches of one size in one mode: its nodes, their memory, the programs.
struct PlanOptions {
  const std::vector<nn::LayerSpec>* layers;
  const std::vector<char>* frozen;  // per layer
  ParameterStore* parameters;
  const DropoutKey* dropout_key;
  std::int64_t count;
  Mode mode;
  Stream stream;
};

class Plan {
 public:
  explicit Plan(const PlanOptions& options);

  float* forward(const float* images);
  void backward(const float* logits_gradient);

  std::int64_t count() const { return options_.count; }
  Mode mode() const { return options_.mode; }

 private:
  struct Step {
    std::unique_ptr<nn::Node> node;
    nn::LayerKind kind;
    nn::Learning learning;
    nn::Tensor x, y;
  };

  void build_forward();
  void build_backward();
  bool is_skipped(std::size_t layer) const;
  float** add_buffer(std::int64_t size);
  nn::Tensor packed(std::int64_t image_size);
  nn::Tensor in_turn(std::int64_t image_size);

  PlanOptions options_;
  std::vector<Buffer<float>> buffers_;
  std::deque<float*> slots_;  // a deque: addresses stay
  float** input_ = nullptr;
  float** logits_gradient_ = nullptr;
  float** turns_[2] = {};  // two buffers for what is needed until the next layer only
  std::int64_t turn_stride_ = 0;
  std::vector<Step> steps_;
  nn::Program forward_;
  nn::Program backward_;
};

}  // namespace leaven::train
