#include "host/io/stb.hpp"

#include <memory>

// Static: a program that uses Leaven may have its own copy.
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // reported where their code is inlined into ours
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace leaven::io {

const char* stb_decode(Bytes file, std::int64_t channels, std::vector<std::uint8_t>& pixels) {
  int width = 0;
  int height = 0;
  int in_file = 0;
  struct Free {
    void operator()(stbi_uc* data) const { stbi_image_free(data); }
  };
  const std::unique_ptr<stbi_uc, Free> data(stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &width,
                                                                  &height, &in_file, static_cast<int>(channels)));
  if (data == nullptr) return stbi_failure_reason();
  pixels.insert(pixels.end(), data.get(), data.get() + std::int64_t{width} * height * channels);
  return nullptr;
}

std::vector<std::uint8_t> stb_encode_png(const std::uint8_t* pixels, std::int64_t width, std::int64_t height,
                                         std::int64_t channels) {
  std::vector<std::uint8_t> file;
  const auto append = [](void* context, void* data, int size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    static_cast<std::vector<std::uint8_t>*>(context)->assign(bytes, bytes + size);
  };
  stbi_write_png_to_func(append, &file, static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels),
                         pixels, static_cast<int>(width * channels));
  return file;
}

}  // namespace leaven::io
