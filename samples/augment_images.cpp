// Applies augmentations to picture files: what the kernels do, for the eye and for scripts.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "samples/support/command_line.hpp"
#include "samples/support/json_log.hpp"
#include "samples/support/mixing.hpp"
#include "samples/support/numbers.hpp"
#include "samples/support/picture.hpp"
#include "samples/support/progress_line.hpp"

namespace {

using namespace leaven;
using namespace leaven::samples;
namespace fs = std::filesystem;

constexpr std::size_t kMostSheetRows = 50;
constexpr std::size_t kMostSheetColumns = 12;
constexpr std::int64_t kLargestSheetTile = 320;  // pictures wait for the sheet in this size

struct Arguments {
  std::vector<std::string> inputs;
  std::vector<std::string> ops;
  std::vector<std::string> policies;
  std::string mix;
  std::uint64_t seed = 1;
  int copies = 1;
  std::string out;
  std::string sheet;
  std::string log;
};

// The checked command line.
struct Plan {
  std::vector<ParsedOp> ops;
  std::vector<ParsedPolicy> policies;
  std::optional<Mix> mix;
  std::vector<std::vector<fs::path>> outputs;  // of each input, one per copy

  bool draws() const { return !policies.empty() || mix; }
};

// A picture between its policies and mixing: its copies, and what the contact sheet shows of it.
struct Prepared {
  std::size_t index = 0;
  std::vector<io::HostImage> copies;
  std::vector<io::SheetTile> steps;
};

void add_options(CLI::App& app, Arguments& a) {
  app.add_option("IN", a.inputs, "Picture files: PNG, JPEG, PPM, PGM or BMP with 8 bits per channel")
      ->type_name("")
      ->required()
      ->group("Input");
  app.add_option("--op", a.ops,
                 "An operation (see below); give --op again for more, they are applied in the order given")
      ->type_name("NAME:key=value,...")
      ->allow_extra_args(false)
      ->group("Augmentation");
  app.add_option("--policy", a.policies,
                 "Random operations (see below), behind those of --op; --policy again for another kind")
      ->type_name("NAME:key=value,...")
      ->allow_extra_args(false)
      ->group("Augmentation");
  app.add_option("--mix", a.mix, "Mixes the pictures, all of one size by then, with each other; comes last")
      ->type_name("NAME:key=value,...")
      ->group("Augmentation");
  app.add_option("--seed", a.seed, "Of what is drawn: equal seeds give equal pictures")
      ->type_name("N")
      ->group("Augmentation");
  app.add_option("--copies", a.copies, "Results for each picture, with --policy or --mix")
      ->type_name("N")
      ->check(in_range(1, 10000))
      ->group("Augmentation");
  app.add_option("--out", a.out, "Folder for NAME.png, or NAME_1.png, NAME_2.png, ... with several copies")
      ->type_name("DIR")
      ->required()
      ->group("Output");
  app.add_option("--sheet", a.sheet, "A labelled contact sheet (PNG) of the first 50 pictures, step by step")
      ->type_name("FILE")
      ->group("Output");
  app.add_option("--log", a.log, "A line of JSON for each picture")->type_name("FILE")->group("Output");
}

std::string examples() {
  return "  augment_images cat.jpg --op rotate:angle=15,interpolation=bilinear --op brightness:factor=1.3 --out out\n"
         "  augment_images *.png --policy randaugment:num_ops=2,magnitude=9 --copies 8 --out out --sheet sheet.png\n"
         "  augment_images *.png --policy rand-m9-mstd0.5-inc1 --policy random_erase --mix cutmix:alpha=1 --out out\n"
         "\nOperations (--op):\n" +
         help_of(operation_specs()) + "\nPolicies (--policy):\n" + help_of(policy_specs()) +
         "  rand-m9-n2-p0.5-mstd0.5-mmax10-inc1, augmix-m3-w3-d2-a1\n"
         "      as timm: each number may be left out with its letters\n" +
         "\nMixing (--mix):\n" + help_of(mix_specs()) +
         "\nExit status: 0, 1 where a picture failed (the others are written), 2 for a wrong command line.";
}

fs::path output_path(const Arguments& a, const fs::path& input, int copy) {
  const std::string suffix = a.copies > 1 ? "_" + std::to_string(copy + 1) : "";
  return fs::path(a.out) / (input.stem().string() + suffix + ".png");
}

// Nothing may be written twice, or over an input.
void check_paths(const Arguments& a, const Plan& plan) {
  std::map<fs::path, std::string> writer;
  if (!a.sheet.empty()) writer[fs::absolute(a.sheet).lexically_normal()] = "--sheet";
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    for (const fs::path& output : plan.outputs[i]) {
      const auto [other, is_new] = writer.emplace(fs::absolute(output).lexically_normal(), a.inputs[i]);
      if (!is_new) {
        throw UsageError(a.inputs[i] + " and " + other->second + " would both be written to " + output.string());
      }
    }
  }
  for (const std::string& input : a.inputs) {
    std::error_code ignored;
    for (const auto& [output, by] : writer) {
      if (fs::equivalent(input, output, ignored)) throw UsageError(by + " would be written over the input " + input);
    }
  }
}

// Two of a kind would read the same random numbers.
void add_policy(Plan& plan, ParsedPolicy policy) {
  for (const ParsedPolicy& other : plan.policies) {
    if (other.step.index() != policy.step.index()) continue;
    throw UsageError("--policy " + other.text + " and --policy " + policy.text +
                     " would share their draws: give one of them");
  }
  plan.policies.push_back(std::move(policy));
}

Plan make_plan(const Arguments& a) {
  Plan plan;
  for (const std::string& op : a.ops) plan.ops.push_back(parse_op(op, operation_specs()));
  for (const std::string& policy : a.policies) add_policy(plan, parse_policy(policy));
  if (!a.mix.empty()) plan.mix = parse_mix(a.mix);
  if (plan.ops.empty() && !plan.draws()) throw UsageError("nothing to do: give --op, --policy or --mix");
  if (a.copies > 1 && !plan.draws()) {
    throw UsageError("--copies needs --policy or --mix: without it all copies are equal");
  }
  for (const std::string& input : a.inputs) {
    std::vector<fs::path> outputs;
    for (int copy = 0; copy < a.copies; ++copy) outputs.push_back(output_path(a, input, copy));
    plan.outputs.push_back(std::move(outputs));
  }
  check_paths(a, plan);
  return plan;
}

io::SheetTile sheet_tile(const io::HostImage& image, const std::string& caption) {
  const bool large = std::max(image.height, image.width) > kLargestSheetTile;
  return {large ? io::fit(image, kLargestSheetTile) : image, caption};
}

bool on_sheet(const Arguments& a, std::size_t index) { return !a.sheet.empty() && index < kMostSheetRows; }

std::string drawn_name(const Plan& plan) {
  std::string name;
  for (const ParsedPolicy& policy : plan.policies) name += (name.empty() ? "" : ", ") + policy.name;
  return name;
}

// The operations, then the draws of each copy, which are written where they are not to be mixed.
Prepared prepare(const Arguments& a, const Plan& plan, std::size_t index, Stream stream) {
  Prepared prepared{.index = index, .copies = {}, .steps = {}};
  const auto show = [&](const io::HostImage& image, const std::string& caption) {
    if (on_sheet(a, index)) prepared.steps.push_back(sheet_tile(image, caption));
  };
  const fs::path input = a.inputs[index];
  const io::HostImage original = io::read_image(input);
  show(original, input.filename().string());
  Picture picture(original, stream);
  for (const ParsedOp& op : plan.ops) {
    picture.apply(op);
    if (on_sheet(a, index)) show(picture.to_host(), op.text);
  }
  const io::HostImage source = picture.to_host();
  for (std::size_t copy = 0; copy < plan.outputs[index].size(); ++copy) {
    io::HostImage result = source;
    if (!plan.policies.empty()) {
      Picture varied(source, stream);
      const RandomKey key{.seed = a.seed, .epoch = static_cast<std::uint32_t>(copy)};
      for (const ParsedPolicy& policy : plan.policies) {
        varied.apply_policy(policy, key, static_cast<std::int64_t>(index));
      }
      result = varied.to_host();
      show(result, drawn_name(plan) + " " + std::to_string(copy + 1));
    }
    if (plan.mix) {
      prepared.copies.push_back(std::move(result));
    } else {
      io::write_png(plan.outputs[index][copy], result);
    }
  }
  return prepared;
}

void check_one_shape(const Arguments& a, const Prepared& first, const Prepared& next) {
  const auto text = [](const io::HostImage& image) {
    return std::to_string(image.width) + " x " + std::to_string(image.height) + " x " + std::to_string(image.channels);
  };
  const io::HostImage& expected = first.copies[0];
  const io::HostImage& got = next.copies[0];
  if (got.view().shape() == expected.view().shape()) return;
  const char* remedy = got.channels == expected.channels ? "; --op resize gives pictures one size" : "";
  throw InvalidArgument("--mix: has " + text(got) + " values, expected " + text(expected) + " as " +
                        a.inputs[first.index] + remedy);
}

// Mixes and writes each copy of the pictures that could be read.
void write_mixed(const Arguments& a, const Plan& plan, std::vector<Prepared>& pictures, JsonLog& log, Stream stream) {
  std::vector<std::int64_t> ids;
  for (const Prepared& picture : pictures) ids.push_back(static_cast<std::int64_t>(picture.index));
  std::vector<nlohmann::json> partners(pictures.size(), nlohmann::json::array());
  std::vector<nlohmann::json> weights = partners;
  const auto count = static_cast<std::int64_t>(pictures.size());
  ProgressLine progress("mix", a.copies * count);
  for (std::size_t copy = 0; copy < static_cast<std::size_t>(a.copies); ++copy) {
    std::vector<io::HostImage> batch;
    for (Prepared& picture : pictures) batch.push_back(std::move(picture.copies[copy]));
    const RandomKey key{.seed = a.seed, .epoch = static_cast<std::uint32_t>(copy)};
    const std::vector<MixedPicture> mixed = mix_pictures(batch, ids, *plan.mix, key, stream);
    for (std::size_t i = 0; i < mixed.size(); ++i) {
      Prepared& picture = pictures[i];
      io::write_png(plan.outputs[picture.index][copy], mixed[i].image);
      partners[i].push_back(a.inputs[pictures[mixed[i].partner].index]);
      weights[i].push_back(mixed[i].own_weight);
      if (on_sheet(a, picture.index)) {
        picture.steps.push_back(sheet_tile(mixed[i].image, "own " + percent(mixed[i].own_weight)));
      }
    }
    progress.show(static_cast<std::int64_t>(copy + 1) * count);
  }
  progress.finish(describe(stream));
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::size_t index = pictures[i].index;
    log.write("written", {{"input", a.inputs[index]},
                          {"outputs", plan.outputs[index]},
                          {"partners", partners[i]},
                          {"own_weights", weights[i]}});
  }
}

void write_sheet(const Arguments& a, const Plan& plan, const std::vector<Prepared>& pictures) {
  std::vector<io::SheetTile> tiles;
  for (const Prepared& picture : pictures) tiles.insert(tiles.end(), picture.steps.begin(), picture.steps.end());
  if (tiles.empty()) return;
  const std::size_t columns_per_copy = (plan.policies.empty() ? 0u : 1u) + (plan.mix ? 1u : 0u);
  const std::size_t row = 1 + plan.ops.size() + columns_per_copy * static_cast<std::size_t>(a.copies);
  io::write_contact_sheet(a.sheet, tiles, {.columns = static_cast<std::int64_t>(std::min(row, kMostSheetColumns))});
}

void run(const Arguments& a, Stream stream) {
  const Plan plan = make_plan(a);
  fs::create_directories(a.out);
  JsonLog log(a.log);
  std::vector<Prepared> pictures;  // their copies where they are to be mixed, their tiles
  std::size_t failures = 0;
  ProgressLine progress("augment", static_cast<std::int64_t>(a.inputs.size()));
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    try {
      Prepared picture = prepare(a, plan, i, stream);
      if (plan.mix && !pictures.empty()) check_one_shape(a, pictures[0], picture);
      if (!plan.mix) log.write("written", {{"input", a.inputs[i]}, {"outputs", plan.outputs[i]}});
      pictures.push_back(std::move(picture));
    } catch (const Error& error) {
      ++failures;
      const std::string what = error.what();
      progress.print(what.starts_with(a.inputs[i]) ? what : a.inputs[i] + ": " + what);
      log.write("failed", {{"input", a.inputs[i]}, {"error", what}});
    }
    progress.show(static_cast<std::int64_t>(i + 1));
  }
  progress.finish(describe(stream));
  if (plan.mix) write_mixed(a, plan, pictures, log, stream);
  write_sheet(a, plan, pictures);
  if (failures > 0)
    throw Error(std::to_string(failures) + " of " + std::to_string(a.inputs.size()) + " pictures failed");
}

}  // namespace

int main(int argc, char** argv) {
  const auto app =
      make_app("augment_images", "Applies augmentations to picture files and writes PNG files.", examples());
  Arguments arguments;
  add_options(*app, arguments);
  const MachineOptions machine(*app);
  return run_program(*app, argc, argv, [&] { run(arguments, machine.open()); });
}
