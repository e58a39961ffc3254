#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include <leaven/io.hpp>
#include <leaven/train/data.hpp>
#include "host/core/check.hpp"

namespace leaven::train {
namespace {

using Path = std::filesystem::path;

bool is_picture(const Path& path) {
  constexpr std::array<std::string_view, 6> kEndings{".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp"};
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

template <class Wanted>
std::vector<Path> sorted_entries(const Path& folder, Wanted wanted) {
  std::error_code error;
  std::vector<Path> found;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (wanted(*entry)) found.push_back(entry->path());
  }
  if (error) throw IoError(message("{}: cannot be read: {}", folder.string(), error.message()));
  std::ranges::sort(found);
  return found;
}

}  // namespace

DataSet read_image_folder(const Path& folder, Stream stream) {
  using Entry = std::filesystem::directory_entry;
  const std::vector<Path> classes = sorted_entries(folder, [](const Entry& entry) { return entry.is_directory(); });
  if (classes.empty()) throw IoError(message("{}: it has no folder, expected one for each class", folder.string()));
  ImageShape shape{};
  Path first;
  std::vector<std::string> class_names;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (const Path& path : classes) {
    const std::vector<Path> pictures =
        sorted_entries(path, [](const Entry& entry) { return entry.is_regular_file() && is_picture(entry.path()); });
    if (pictures.empty()) throw IoError(message("{}: this class has no pictures (PNG, JPEG, PPM, BMP)", path.string()));
    for (const Path& picture : pictures) {
      const io::HostImage image = io::read_image(picture);
      if (first.empty()) {
        first = picture;
        shape = {0, image.height, image.width, image.channels};
      }
      if (image.height != shape.height || image.width != shape.width || image.channels != shape.channels) {
        throw IoError(
            message("{}: {}x{} pixels and {} channels, but the first picture, {}, has {}x{} and {}: all must "
                    "be alike",
                    picture.string(), image.height, image.width, image.channels, first.string(), shape.height,
                    shape.width, shape.channels));
      }
      pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
      labels.push_back(static_cast<std::int32_t>(class_names.size()));
    }
    class_names.push_back(path.filename().string());
  }
  shape.count = static_cast<std::int64_t>(labels.size());
  return make_data_set(pixels, shape, labels, std::move(class_names), stream);
}

}  // namespace leaven::train
