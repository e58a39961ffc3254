#include <leaven/train/network.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/core/check.hpp"
#include "host/train/network_impl.hpp"

namespace leaven::train {
namespace {

using detail::NetworkImpl;

std::unique_ptr<NetworkImpl> make(const char* function, const NetworkOptions& options, Stream stream) {
  const ImageShape& in = options.input;
  check(in.height >= 1 && in.width >= 1 && in.channels >= 1 && in.height <= 65536 && in.width <= 65536 &&
            in.channels <= 65536,
        "{}: input is {}x{}x{} (height x width x channels), expected 1 to 65536 each", function, in.height, in.width,
        in.channels);
  for (std::size_t c = 0; c < 3; ++c) {
    const float std = options.normalisation.std[c];
    check(std::isfinite(options.normalisation.mean[c]) && std::isfinite(std) && std > 0,
          "{}: normalisation of channel {} is mean {}, std {}, expected finite numbers, std above 0", function, c,
          options.normalisation.mean[c], std);
  }
  auto layers = nn::parse_description(function, options.description, in);
  auto impl = std::make_unique<NetworkImpl>(options, std::move(layers), stream);
  impl->parameters.initialise(impl->layers, options.seed);
  return impl;
}

bool covers(Part part, Part layer) { return part == Part::all || part == layer; }

void check_multiplier(float multiplier) {
  check(std::isfinite(multiplier) && multiplier >= 0,
        "Network::set_learning_rate_multiplier: multiplier is {}, expected a finite number, 0 or more", multiplier);
}

}  // namespace

std::int64_t ParameterInfo::size() const {
  std::int64_t product = 1;
  for (const std::int64_t n : shape) product *= n;
  return product;
}

Network::Network(const NetworkOptions& options, Stream stream) : impl_(make("Network", options, stream)) {}
Network::Network(std::unique_ptr<NetworkImpl> impl) : impl_(std::move(impl)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Network Network::clone() const { return to(stream()); }

Network Network::to(Stream stream) const {
  auto copy = std::make_unique<NetworkImpl>(impl_->options, impl_->layers, stream);
  copy->frozen = impl_->frozen;
  copy->multipliers = impl_->multipliers;
  for (const ParameterStore::Entry& entry : impl_->parameters.entries()) {
    copy->parameters.set(entry, impl_->parameters.get(entry));
  }
  return Network(std::move(copy));
}

Network Network::with_head(std::string_view head, std::uint64_t seed) const {
  NetworkOptions options = impl_->options;
  options.seed = seed;
  options.description.clear();
  std::size_t body = 0;
  for (; impl_->layers[body].part == Part::body; ++body) options.description += impl_->layers[body].text + "\n";
  options.description += head;
  auto made = make("Network::with_head", options, stream());
  for (std::size_t i = 0; i < body; ++i) {
    made->frozen[i] = impl_->frozen[i];
    made->multipliers[i] = impl_->multipliers[i];
  }
  for (const ParameterStore::Entry& entry : made->parameters.entries()) {
    if (entry.layer < body)
      made->parameters.set(entry, impl_->parameters.get(*impl_->parameters.find(entry.info.name)));
  }
  return Network(std::move(made));
}

MatrixView<float> Network::forward(ImageView<const float> images, Mode mode, DropoutKey key) {
  const ImageShape& in = impl_->options.input;
  check(images.height == in.height && images.width == in.width && images.channels == in.channels,
        "Network::forward: images are {}x{}x{} (height x width x channels), expected {}x{}x{}", images.height,
        images.width, images.channels, in.height, in.width, in.channels);
  check(images.count >= 0 && (images.count == 0 || images.is_packed(Layout::nhwc)),
        "Network::forward: images must be packed NHWC, {} of them", images.count);
  if (images.count == 0) return {nullptr, 0, classes(), classes()};
  check(images.data != nullptr, "Network::forward: images.data is null");
  Plan& plan = impl_->plan(images.count, mode);
  impl_->dropout_key = key;
  impl_->last_training = mode == Mode::training ? &plan : nullptr;
  return MatrixView<float>::packed(plan.forward(images.data), images.count, classes());
}

void Network::backward(MatrixView<const float> gradient) {
  check(impl_->last_training != nullptr, "Network::backward: no forward() in training mode came before");
  const std::int64_t rows = impl_->last_training->count();
  check(gradient.data != nullptr && gradient.rows == rows && gradient.columns == classes() &&
            gradient.row_stride == classes(),
        "Network::backward: logits_gradient is {}x{} with a row stride of {}, expected {}x{}, packed", gradient.rows,
        gradient.columns, gradient.row_stride, rows, classes());
  impl_->last_training->backward(gradient.data);
}

void Network::reserve(std::int64_t count, Mode mode) {
  check(count >= 1, "Network::reserve: count is {}, expected 1 or more", count);
  impl_->plan(count, mode);
}

void Network::freeze(Part part) {
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    if (covers(part, impl_->layers[i].part)) impl_->set_frozen(i, true);
  }
}
void Network::unfreeze(Part part) {
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    if (covers(part, impl_->layers[i].part)) impl_->set_frozen(i, false);
  }
}
void Network::freeze(std::string_view layer) { impl_->set_frozen(impl_->layer_index("Network::freeze", layer), true); }
void Network::unfreeze(std::string_view layer) {
  impl_->set_frozen(impl_->layer_index("Network::unfreeze", layer), false);
}

void Network::set_learning_rate_multiplier(Part part, float multiplier) {
  check_multiplier(multiplier);
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    if (covers(part, impl_->layers[i].part)) impl_->multipliers[i] = multiplier;
  }
}
void Network::set_learning_rate_multiplier(std::string_view layer, float multiplier) {
  check_multiplier(multiplier);
  impl_->multipliers[impl_->layer_index("Network::set_learning_rate_multiplier", layer)] = multiplier;
}

std::vector<ParameterInfo> Network::parameters() const {
  std::vector<ParameterInfo> infos;
  for (const ParameterStore::Entry& entry : impl_->parameters.entries()) infos.push_back(entry.info);
  return infos;
}

std::vector<float> Network::parameter(std::string_view name) const {
  return impl_->parameters.get(impl_->entry("Network::parameter", name));
}

std::vector<float> Network::gradient(std::string_view name) const {
  const ParameterStore::Entry& entry = impl_->entry("Network::gradient", name);
  check(entry.info.trainable, "Network::gradient: {} is not trained, it has no gradient", name);
  return impl_->parameters.get(entry, impl_->parameters.gradients());
}

void Network::set_parameter(std::string_view name, std::span<const float> values) {
  const ParameterStore::Entry& entry = impl_->entry("Network::set_parameter", name);
  check(static_cast<std::int64_t>(values.size()) == entry.info.size(),
        "Network::set_parameter: {} has {} values, {} were given", name, entry.info.size(), values.size());
  impl_->parameters.set(entry, values);
}

std::int64_t Network::copy_parameters_from(const Network& other) {
  std::int64_t copied = 0;
  for (const ParameterStore::Entry& entry : impl_->parameters.entries()) {
    const ParameterStore::Entry* from = other.impl_->parameters.find(entry.info.name);
    if (from == nullptr || from->info.shape != entry.info.shape) continue;
    impl_->parameters.set(entry, other.impl_->parameters.get(*from));
    ++copied;
  }
  return copied;
}

const std::string& Network::description() const { return impl_->options.description; }
const NetworkOptions& Network::options() const { return impl_->options; }
std::int64_t Network::classes() const { return impl_->layers.back().out.channels; }
Stream Network::stream() const { return impl_->stream; }

std::vector<LayerInfo> Network::layers() const {
  std::vector<LayerInfo> infos;
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    const nn::LayerSpec& layer = impl_->layers[i];
    infos.push_back({layer.name, layer.text, layer.part, layer.out, impl_->frozen[i] != 0, impl_->multipliers[i]});
  }
  return infos;
}

std::int64_t Network::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterStore::Entry& entry : impl_->parameters.entries()) {
    if (entry.info.trainable) count += entry.info.size();
  }
  return count;
}

double Network::forward_flops() const {
  double flops = 0;
  for (const nn::LayerSpec& layer : impl_->layers) {
    if (layer.kind != nn::LayerKind::conv && layer.kind != nn::LayerKind::linear) continue;
    const std::int64_t inputs =
        layer.kind == nn::LayerKind::conv ? layer.kernel * layer.kernel * layer.in.channels : layer.in.size();
    flops += 2.0 * static_cast<double>(inputs) * static_cast<double>(layer.out.size());
  }
  return flops;
}

}  // namespace leaven::train
