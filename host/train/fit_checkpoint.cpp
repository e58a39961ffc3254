#include "host/train/fit_checkpoint.hpp"

#include <algorithm>
#include <charconv>

#include "host/core/check.hpp"
#include "host/train/checkpoint.hpp"
#include "host/train/network_impl.hpp"

namespace leaven::train {
namespace {

struct PolicyText {
  std::string operator()(const RandAugmentOptions& o) const {
    return message("RandAugment {} of magnitude {}", o.num_ops, o.magnitude);
  }
  std::string operator()(const TrivialAugmentOptions& o) const { return message("TrivialAugment of {} bins", o.bins); }
  std::string operator()(const AutoAugmentOptions& o) const {
    return message("AutoAugment {}", static_cast<std::int32_t>(o.set));
  }
  std::string operator()(const TimmRandAugmentOptions& o) const {
    return message("timm's RandAugment {} of magnitude {}, std {}, at most {}, probability {}, increasing {}",
                   o.num_ops, o.magnitude, o.magnitude_std, o.magnitude_max, o.probability, o.increasing);
  }
  std::string operator()(const AugMixOptions& o) const {
    return message("AugMix {} of width {}, depth {}, alpha {}, {}", o.severity, o.width, o.depth, o.alpha,
                   static_cast<std::int32_t>(o.strengths));
  }
  std::string operator()(const RandomAffineOptions& o) const {
    return message("random affine, angle {} to {}, translation {}, {}, scale {} to {}, shear {} to {}, {} to {}",
                   o.angle_deg.least, o.angle_deg.most, o.translate_x, o.translate_y, o.scale.least, o.scale.most,
                   o.shear_x_deg.least, o.shear_x_deg.most, o.shear_y_deg.least, o.shear_y_deg.most);
  }
  std::string operator()(const ColourJitterOptions& o) const {
    return message("colour jitter {}, {}, {}, {}", o.brightness, o.contrast, o.saturation, o.hue);
  }
};

struct MixText {
  std::string operator()(const CutMixOptions& o) const { return text("CutMix", o.alpha, o); }
  std::string operator()(const MixUpOptions& o) const { return text("MixUp", o.alpha, o); }
  std::string operator()(const CutMixOrMixUpOptions& o) const {
    return message("{} of CutMix {} and ", o.cutmix_probability, o.cutmix_alpha) + text("MixUp", o.mixup_alpha, o);
  }
  template <class Options>
  static std::string text(const char* name, float alpha, const Options& o) {
    return message("{} {} of probability {}, partner {}, draws {}", name, alpha, o.probability,
                   static_cast<std::int32_t>(o.partner), static_cast<std::int32_t>(o.draws));
  }
};

constexpr const char* kPrefix = "momentum.";

// FNV-1a, 64 bits.
class Hash {
 public:
  void add(std::int64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
      hash_ = (hash_ ^ (static_cast<std::uint64_t>(value) >> (8 * byte) & 0xff)) * 0x100000001b3u;
    }
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace

std::string fingerprint(const FitData& data, const FitOptions& o, std::int64_t steps, std::int64_t rows) {
  Hash hash;
  hash.add(data.data->size());
  for (const std::int64_t id : data.samples) {
    hash.add(id);
    hash.add(data.data->host_labels[static_cast<std::size_t>(id)]);
  }
  hash.add(-1);
  for (const std::int64_t id : data.more_samples) hash.add(id);
  const AugmenterOptions& a = o.augment;
  std::string text = message(
      "steps {}, batch {}, seed {}, learning rate {}, warm-up {}, momentum {}, weight decay {}, smoothing {}, "
      "samples {} + {} of hash {}, pad-crop {}, flip {}, {}, {}",
      steps, rows, o.seed, o.learning_rate, o.warm_up, o.sgd.momentum, o.sgd.weight_decay, o.label_smoothing,
      data.samples.size(), data.more_samples.size(), hash.value(), a.pad_crop ? a.pad_crop->padding : 0,
      a.flip_probability, a.policy ? std::visit(PolicyText{}, *a.policy) : std::string("no policy"),
      a.mix ? std::visit(MixText{}, *a.mix) : std::string("no mixing"));
  if (a.random_resized_crop) {
    const auto& [size, crop] = *a.random_resized_crop;
    text += message(", random resized crop {}x{}, scale {} to {}, ratio {} to {}", size.height, size.width,
                    crop.scale.least, crop.scale.most, crop.ratio.least, crop.ratio.most);
  }
  if (a.random_erase) {
    const RandomEraseOptions& e = *a.random_erase;
    text += message(", erasing {}, scale {} to {}, ratio {} to {}", e.probability, e.scale.least, e.scale.most,
                    e.ratio.least, e.ratio.most);
  }
  if (o.distillation) {
    text += message(", distillation temperature {}, weights {} and {}", o.distillation->temperature,
                    o.distillation->hard_weight, o.distillation->soft_weight);
  }
  return text;
}

void save_fit(const Network& network, const Sgd& sgd, std::int64_t step, const std::string& fingerprint,
              const std::filesystem::path& path) {
  TensorFile file = to_tensor_file(network);
  const ParameterStore& store = NetworkAccess::impl(network).parameters;
  for (const ParameterStore::Entry& entry : store.entries()) {
    if (!entry.info.trainable) continue;
    file.tensors.push_back(
        {kPrefix + entry.info.name, entry.info.shape, store.get(entry, NetworkAccess::momentum(sgd))});
  }
  file.metadata["step"] = std::to_string(step);
  file.metadata["fit"] = fingerprint;
  write_tensors(path, file);
}

std::int64_t resume_fit(Network& network, const Sgd& sgd, const std::string& fingerprint,
                        const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return 0;
  const TensorFile file = read_tensors(path);
  const auto metadata = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
      throw IoError(message("{}: no training to continue: its metadata lack {}", path.string(), key));
    }
    return found->second;
  };
  const std::string step_text = metadata("step");
  std::int64_t step = -1;
  const auto parsed = std::from_chars(step_text.data(), step_text.data() + step_text.size(), step);
  if (parsed.ec != std::errc{} || step < 0) {
    throw IoError(message("{}: its step is \"{}\"", path.string(), step_text));
  }
  check(metadata("fit") == fingerprint, "fit: {} is the checkpoint of another training ({}), expected {}",
        path.string(), metadata("fit"), fingerprint);
  check(metadata("description") == network.description(), "fit: {} is the checkpoint of another network:\n{}",
        path.string(), metadata("description"));
  const ParameterStore& store = NetworkAccess::impl(network).parameters;
  std::vector<const TensorFile::Tensor*> momentum;
  for (const ParameterStore::Entry& entry : store.entries()) {
    if (!entry.info.trainable) continue;
    const auto tensor = std::ranges::find(file.tensors, kPrefix + entry.info.name, &TensorFile::Tensor::name);
    if (tensor == file.tensors.end() || tensor->shape != entry.info.shape) {
      throw IoError(message("{}: tensor {}{} is missing or misshapen", path.string(), kPrefix, entry.info.name));
    }
    momentum.push_back(&*tensor);
  }
  set_parameters(network, path, file);
  auto next = momentum.begin();
  for (const ParameterStore::Entry& entry : store.entries()) {
    if (entry.info.trainable) store.set(entry, NetworkAccess::momentum(sgd), (*next++)->values);
  }
  return step;
}

}  // namespace leaven::train
