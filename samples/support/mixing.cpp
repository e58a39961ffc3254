#include "samples/support/mixing.hpp"

#include <numeric>

#include "samples/support/command_line.hpp"
#include "samples/support/keys.hpp"

namespace leaven::samples {
namespace {

using namespace keys;

Mix mix_of(const ParsedOp& op) {
  const auto partner = chosen<MixPartner>(op, "partner");
  const auto draws = chosen<MixDraws>(op, "draws");
  const float probability = real(op, "probability");
  if (op.name == "cutmix") return CutMixOptions{real(op, "alpha"), probability, partner, draws};
  if (op.name == "mixup") return MixUpOptions{real(op, "alpha"), probability, partner, draws};
  return CutMixOrMixUpOptions{
      real(op, "cutmix_alpha"), real(op, "mixup_alpha"), real(op, "cutmix_probability"), probability, partner, draws};
}

struct MixBatch {
  ImageView<const std::uint8_t> in;
  std::span<const std::int64_t> ids;
  std::span<const std::int32_t> labels;
  RandomKey key;
  ImageView<std::uint8_t> out;
  MixedLabels mixed;
  Stream stream;

  void operator()(const CutMixOptions& o) const { cutmix(in, ids, labels, o, key, out, mixed, stream); }
  void operator()(const MixUpOptions& o) const { mixup(in, ids, labels, o, key, out, mixed, stream); }
  void operator()(const CutMixOrMixUpOptions& o) const { cutmix_or_mixup(in, ids, labels, o, key, out, mixed, stream); }
};

}  // namespace

Mix parse_mix(std::string_view text) {
  const Mix mix = mix_of(parse_op(text, mix_specs()));
  const OwnedStream stream(Backend::cpu);
  const io::HostImage one_pixel{1, 1, 3, {0, 0, 0}};
  const std::int64_t id = 0;
  as_usage_error(text, [&] { mix_pictures({&one_pixel, 1}, {&id, 1}, mix, {}, stream); });
  return mix;
}

std::vector<MixedPicture> mix_pictures(std::span<const io::HostImage> pictures,
                                       std::span<const std::int64_t> sample_ids, const Mix& mix, RandomKey key,
                                       Stream stream) {
  if (pictures.empty()) return {};
  ImageShape shape = pictures[0].view().shape();
  shape.count = static_cast<std::int64_t>(pictures.size());
  std::vector<std::uint8_t> pixels;
  pixels.reserve(static_cast<std::size_t>(shape.size()));
  for (const io::HostImage& picture : pictures) {
    pixels.insert(pixels.end(), picture.pixels.begin(), picture.pixels.end());
  }
  std::vector<std::int32_t> places(pictures.size());
  std::iota(places.begin(), places.end(), 0);

  const Buffer<std::uint8_t> in(std::span<const std::uint8_t>(pixels), stream);
  const Buffer<std::uint8_t> out(in.size(), stream);
  const Buffer<std::int64_t> ids(sample_ids, stream);
  const Buffer<std::int32_t> labels(std::span<const std::int32_t>(places), stream);
  const Buffer<std::int32_t> own(labels.size(), stream), partners(labels.size(), stream);
  const Buffer<float> weights(labels.size(), stream);
  std::visit(MixBatch{.in = ImageView<const std::uint8_t>::nhwc(in.data(), shape),
                      .ids = ids.cspan(),
                      .labels = labels.cspan(),
                      .key = key,
                      .out = ImageView<std::uint8_t>::nhwc(out.data(), shape),
                      .mixed = {own.span(), partners.span(), weights.span()},
                      .stream = stream},
             mix);

  pixels = out.to_host(stream);
  const std::vector<std::int32_t> partner = partners.to_host(stream);
  const std::vector<float> weight = weights.to_host(stream);
  const auto size = static_cast<std::ptrdiff_t>(in.size() / shape.count);
  std::vector<MixedPicture> mixed;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto begin = pixels.begin() + static_cast<std::ptrdiff_t>(i) * size;
    mixed.push_back({{shape.height, shape.width, shape.channels, {begin, begin + size}},
                     static_cast<std::size_t>(partner[i]),
                     weight[i]});
  }
  return mixed;
}

}  // namespace leaven::samples
