#include "host/nn/node.hpp"

#include "host/core/config.hpp"

namespace leaven::nn {

std::unique_ptr<Node> make_node(const NodeContext& context) {
  if constexpr (kWithCuda) {
    if (context.stream.backend() == Backend::cuda) return make_node_cuda(context);
  }
  switch (context.layer->kind) {
    case LayerKind::conv: return make_conv_cpu(context);
    case LayerKind::linear: return make_linear_cpu(context);
    case LayerKind::batch_norm: return make_batch_norm_cpu(context);
    default: return make_simple_cpu(context);
  }
}

}  // namespace leaven::nn
