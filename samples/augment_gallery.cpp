// One picture of every augmentation: operations with strengths across, policies and mixing with several draws.
#include <algorithm>
#include <iostream>

#include "samples/support/command_line.hpp"
#include "samples/support/gallery.hpp"
#include "samples/support/picture.hpp"
#include "samples/support/scenes.hpp"

namespace {

using namespace leaven;
using namespace leaven::samples;

constexpr std::int64_t kSide = 80;  // what the rows' lengths in pixels are made for

struct Arguments {
  std::vector<std::string> inputs;
  std::string out;
};

// The square in the middle, scaled.
io::HostImage square(const std::string& path, Stream stream) {
  const io::HostImage image = io::read_image(path);
  const std::int64_t side = std::min(image.height, image.width);
  const auto op = [](const std::string& name, std::int64_t width, std::int64_t height, const std::string& more) {
    return parse_op(name + ":width=" + std::to_string(width) + ",height=" + std::to_string(height) + more,
                    operation_specs());
  };
  Picture picture(image, stream);
  picture.apply(
      op("crop", side, side,
         ",x=" + std::to_string((image.width - side) / 2) + ",y=" + std::to_string((image.height - side) / 2)));
  picture.apply(op("resize", kSide, kSide, ""));
  return picture.to_host();
}

void run(const Arguments& a, Stream stream) {
  const io::HostImage picture = a.inputs.empty() ? lake_scene(kSide) : square(a.inputs[0], stream);
  const io::HostImage partner = a.inputs.size() < 2 ? balloon_scene(kSide) : square(a.inputs[1], stream);
  if (picture.channels != partner.channels) {
    throw InvalidArgument("the two pictures are mixed: expected both in grey or both in RGB");
  }
  const io::HostImage sheet = gallery_sheet(gallery_rows(picture, partner, stream), picture, partner);
  io::write_png(a.out, sheet);
  std::cout << a.out << ": " << sheet.width << " x " << sheet.height << " pixels, on " << describe(stream) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  const auto app = make_app("augment_gallery", "Draws one picture of all that augment_images can do.",
                            "  augment_gallery --out gallery.png\n"
                            "  augment_gallery cat.jpg dog.jpg --out gallery.png\n");
  Arguments arguments;
  app->add_option("IN", arguments.inputs, "A picture, and one to mix it with, instead of the painted ones")
      ->type_name("")
      ->expected(0, 2)
      ->group("Input");
  app->add_option("--out", arguments.out, "The PNG to write")->type_name("FILE")->required()->group("Output");
  const MachineOptions machine(*app);
  return run_program(*app, argc, argv, [&] { run(arguments, machine.open()); });
}
