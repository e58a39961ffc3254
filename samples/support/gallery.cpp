#include "samples/support/gallery.hpp"

#include <algorithm>

#include "samples/support/mixing.hpp"
#include "samples/support/picture.hpp"

namespace leaven::samples {
namespace {

// One row of operations: '%' in the pattern stands for a value. Lengths are for pictures of 80 pixels.
struct OpRow {
  const char* title;
  const char* name;
  const char* strength;
  const char* pattern;
  std::vector<const char*> values;
  std::vector<const char*> captions{};  // the values themselves where there are none
};

const std::vector<OpRow>& op_rows() {
  static const std::vector<OpRow> rows{
      {"Pixel values", "brightness", "factor", "brightness:factor=%", {"0.3", "0.6", "1.3", "1.7", "2.5"}},
      {"", "brightness", "offset", "brightness:offset=%", {"-100", "-50", "50", "100", "150"}},
      {"", "contrast", "factor", "contrast:factor=%", {"0", "0.4", "0.7", "1.5", "3"}},
      {"", "color", "factor", "color:factor=%", {"0", "0.4", "0.7", "1.6", "3"}},
      {"", "hue", "factor", "hue:factor=%", {"-0.3", "-0.1", "0.1", "0.3", "0.5"}},
      {"", "sharpness", "factor", "sharpness:factor=%", {"0", "2", "4", "8", "16"}},
      {"", "gaussian_blur", "sigma", "gaussian_blur:kernel_size=17,sigma=%", {"0.6", "1", "1.6", "2.5", "4"}},
      {"", "posterize", "bits", "posterize:bits=%", {"5", "4", "3", "2", "1"}},
      {"", "solarize", "threshold", "solarize:threshold=%", {"224", "192", "160", "128", "64"}},
      {"", "solarize_add", "addend", "solarize_add:addend=%", {"20", "45", "70", "95", "120"}},
      {"",
       "autocontrast, equalize, grey, invert",
       "",
       "%",
       {"contrast:factor=0.4 autocontrast", "equalize", "grey", "invert"},
       {"auto", "equalize", "grey", "invert"}},
      {"",
       "erase",
       "rectangle",
       "erase:fill=128,%",
       {"x=30,y=34,width=20,height=12", "x=6,y=8,width=24,height=24", "x=44,y=30,width=30,height=36",
        "x=0,y=52,width=80,height=28", "x=20,y=-10,width=40,height=100"},
       {"20x12", "24x24", "30x36", "80x28", "40x100"}},
      {"Geometry",
       "flip",
       "left_right, top_bottom, both",
       "flip:axis=%",
       {"left_right", "top_bottom", "both"},
       {"", "", ""}},
      {"", "rotate", "degrees", "rotate:angle=%,interpolation=bicubic", {"-45", "-15", "15", "45", "90"}},
      {"", "shear", "x", "shear:x=%,interpolation=bicubic", {"-0.4", "-0.2", "0.1", "0.2", "0.4"}},
      {"", "shear", "y", "shear:y=%,interpolation=bicubic", {"-0.4", "-0.2", "0.1", "0.2", "0.4"}},
      {"", "translate", "x, pixels", "translate:x=%", {"-30", "-15", "8", "15", "30"}},
      {"", "translate", "y, pixels", "translate:y=%", {"-30", "-15", "8", "15", "30"}},
      {"", "affine", "scale", "affine:angle=10,scale=%,interpolation=bicubic", {"0.5", "0.75", "1.2", "1.6", "2.4"}},
      {"",
       "perspective",
       "corners",
       "perspective:%,interpolation=bicubic",
       {"x1=14,y1=8,x4=14,y4=-8", "x2=-20,y2=12,x3=-20,y3=-12", "x1=18,x2=-18", "x3=-24,x4=24",
        "x1=16,y1=10,x3=-16,y3=-20"},
       {"left", "right", "top", "bottom", "two"}},
      {"",
       "interpolation",
       "of any warp",
       "affine:angle=15,scale=3,translate_x=-22,translate_y=-22,interpolation=%",
       {"nearest", "bilinear", "bicubic"}},
      {"",
       "border",
       "of any warp",
       "affine:angle=15,scale=0.5,interpolation=bilinear,border=%",
       {"fill", "edge", "reflect", "wrap"}},
      {"",
       "crop",
       "side",
       "crop:%",
       {"x=4,y=4,width=64,height=64", "x=26,y=26,width=48,height=48", "x=34,y=26,width=32,height=32",
        "x=4,y=4,width=24,height=24"},
       {"64", "48", "32", "24"}},
      {"",
       "pad_crop",
       "x, y of 20",
       "pad_crop:padding=10,%",
       {"x=0,y=0", "x=20,y=0", "x=10,y=3", "x=0,y=20", "x=20,y=20"},
       {"0, 0", "20, 0", "10, 3", "0, 20", "20, 20"}},
      {"",
       "resize",
       "size",
       "resize:%",
       {"width=20,height=20", "width=40,height=40", "width=80,height=40", "width=40,height=80", "width=60,height=72"},
       {"20x20", "40x40", "80x40", "40x80", "60x72"}},
  };
  return rows;
}

struct DrawnRow {
  const char* title;
  const char* name;
  const char* strength;
  const char* text;
};

constexpr DrawnRow kPolicies[] = {
    {"Policies, five draws each", "randaugment", "", "randaugment:num_ops=2,magnitude=15,interpolation=bilinear"},
    {"", "trivialaugment", "", "trivialaugment:interpolation=bilinear"},
    {"", "autoaugment", "imagenet", "autoaugment:interpolation=bilinear"},
    {"", "rand-m9-mstd0.5-inc1", "", "rand-m9-mstd0.5-inc1"},
    {"", "augmix", "severity 8", "augmix:severity=8"},
    {"", "augmix-m5-w4-d2", "", "augmix-m5-w4-d2"},
    {"", "jitter", "all four", "jitter:brightness=0.4,contrast=0.4,saturation=0.6,hue=0.15"},
    {"", "random_affine", "",
     "random_affine:angle_least=-30,angle_most=30,translate_x=0.2,scale_least=0.7,scale_most=1.4,interpolation="
     "bilinear"},
    {"", "random_erase", "", "random_erase:probability=1,fill=128"},
    {"", "random_resized_crop", "", "random_resized_crop:width=80,height=80,scale_least=0.15"},
};

constexpr DrawnRow kMixes[] = {
    {"Mixing, own share of the label", "cutmix", "", "cutmix:alpha=1"},
    {"", "mixup", "", "mixup:alpha=1"},
    {"", "cutmix_or_mixup", "", "cutmix_or_mixup:mixup_alpha=1"},
};

GalleryRow row_of(const OpRow& row, const io::HostImage& picture, Stream stream) {
  GalleryRow made{row.title, row.name, row.strength, {}};
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    std::string text = row.pattern;
    text.replace(text.find('%'), 1, row.values[i]);
    Picture changed(picture, stream);
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      changed.apply(parse_op(text.substr(at, end - at), operation_specs()));
      at = end + 1;
    }
    made.tiles.push_back({changed.to_host(), row.captions.empty() ? row.values[i] : row.captions[i], text});
  }
  return made;
}

// The first draws that change the picture: a policy may leave one as it is.
GalleryRow row_of(const DrawnRow& row, const io::HostImage& picture, Stream stream) {
  constexpr std::uint32_t kMostDraws = 100;
  GalleryRow made{row.title, row.name, row.strength, {}};
  const ParsedPolicy policy = parse_policy(row.text);
  for (std::uint32_t epoch = 0; made.tiles.size() < kGalleryColumns && epoch < kMostDraws; ++epoch) {
    Picture drawn(picture, stream);
    drawn.apply_policy(policy, {.seed = 1, .epoch = epoch}, 0);
    io::HostImage image = drawn.to_host();
    if (image.pixels != picture.pixels) made.tiles.push_back({std::move(image), "", row.text});
  }
  return made;
}

GalleryRow mixed_row(const DrawnRow& row, const io::HostImage& picture, const io::HostImage& partner, Stream stream) {
  constexpr std::uint32_t kMostDraws = 100;
  GalleryRow made{row.title, row.name, row.strength, {}};
  const Mix mix = parse_mix(row.text);
  const std::vector<io::HostImage> pair{picture, partner};
  const std::vector<std::int64_t> ids{0, 1};
  for (std::uint32_t epoch = 0; made.tiles.size() < kGalleryColumns && epoch < kMostDraws; ++epoch) {
    MixedPicture mixed = mix_pictures(pair, ids, mix, {.seed = 1, .epoch = epoch}, stream)[0];
    if (mixed.image.pixels == picture.pixels) continue;
    const std::string share = std::to_string(static_cast<int>(100 * mixed.own_weight + 0.5f)) + " %";
    made.tiles.push_back({std::move(mixed.image), share, row.text});
  }
  return made;
}

}  // namespace

std::vector<GalleryRow> gallery_rows(const io::HostImage& picture, const io::HostImage& partner, Stream stream) {
  std::vector<GalleryRow> rows;
  for (const OpRow& row : op_rows()) rows.push_back(row_of(row, picture, stream));
  for (const DrawnRow& row : kPolicies) rows.push_back(row_of(row, picture, stream));
  for (const DrawnRow& row : kMixes) rows.push_back(mixed_row(row, picture, partner, stream));
  return rows;
}

}  // namespace leaven::samples
