// Applies augmentations to picture files: what the kernels do, for the eye and for scripts.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "samples/support/command_line.hpp"
#include "samples/support/json_log.hpp"
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
  std::string policy;
  std::uint64_t seed = 1;
  int copies = 1;
  std::string out;
  std::string sheet;
  std::string log;
};

// The checked command line.
struct Plan {
  std::vector<ParsedOp> ops;
  std::optional<ParsedOp> policy;
  std::vector<std::vector<fs::path>> outputs;  // of each input, one per copy
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
  app.add_option("--policy", a.policy, "Random operations, behind those of --op")
      ->type_name("NAME:key=value,...")
      ->group("Augmentation");
  app.add_option("--seed", a.seed, "Of the policy's draws: equal seeds give equal pictures")
      ->type_name("N")
      ->group("Augmentation");
  app.add_option("--copies", a.copies, "Results for each picture, with a policy")
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
         "\nOperations (--op):\n" +
         help_of(operation_specs()) + "\nPolicies (--policy):\n" + help_of(policy_specs()) +
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

Plan make_plan(const Arguments& a) {
  Plan plan;
  for (const std::string& op : a.ops) plan.ops.push_back(parse_op(op, operation_specs()));
  if (!a.policy.empty()) plan.policy = parse_op(a.policy, policy_specs());
  if (plan.ops.empty() && !plan.policy) throw UsageError("nothing to do: give --op or --policy");
  if (a.copies > 1 && !plan.policy) throw UsageError("--copies needs --policy: without it all copies are equal");
  for (const std::string& input : a.inputs) {
    std::vector<fs::path> outputs;
    for (int copy = 0; copy < a.copies; ++copy) outputs.push_back(output_path(a, input, copy));
    plan.outputs.push_back(std::move(outputs));
  }
  check_paths(a, plan);
  return plan;
}

// Writes the results of one picture. Returns, where the contact sheet wants it, each step of the way.
std::vector<io::SheetTile> process(const Arguments& a, const Plan& plan, std::size_t index, Stream stream) {
  std::vector<io::SheetTile> steps;
  const auto show = [&](const Picture& picture, const std::string& caption) {
    if (a.sheet.empty() || index >= kMostSheetRows) return;
    io::HostImage image = picture.to_host();
    if (std::max(image.height, image.width) > kLargestSheetTile) image = io::fit(image, kLargestSheetTile);
    steps.push_back({std::move(image), caption});
  };
  const fs::path input = a.inputs[index];
  Picture picture(io::read_image(input), stream);
  show(picture, input.filename().string());
  for (const ParsedOp& op : plan.ops) {
    picture.apply(op);
    show(picture, op.text);
  }
  const io::HostImage prepared = picture.to_host();
  if (!plan.policy) io::write_png(plan.outputs[index][0], prepared);
  for (int copy = 0; plan.policy && copy < a.copies; ++copy) {
    Picture varied(prepared, stream);
    varied.apply_policy(*plan.policy, {.seed = a.seed, .epoch = static_cast<std::uint32_t>(copy)},
                        static_cast<std::int64_t>(index));
    show(varied, plan.policy->name + " " + std::to_string(copy + 1));
    io::write_png(plan.outputs[index][static_cast<std::size_t>(copy)], varied.to_host());
  }
  return steps;
}

void write_sheet(const Arguments& a, const Plan& plan, const std::vector<io::SheetTile>& tiles) {
  if (a.sheet.empty() || tiles.empty()) return;
  const std::size_t row = 1 + plan.ops.size() + (plan.policy ? static_cast<std::size_t>(a.copies) : 0);
  io::write_contact_sheet(a.sheet, tiles, {.columns = static_cast<std::int64_t>(std::min(row, kMostSheetColumns))});
}

void run(const Arguments& a, Stream stream) {
  const Plan plan = make_plan(a);
  fs::create_directories(a.out);
  JsonLog log(a.log);
  std::vector<io::SheetTile> tiles;
  std::size_t failures = 0;
  ProgressLine progress("augment", static_cast<std::int64_t>(a.inputs.size()));
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    try {
      for (io::SheetTile& tile : process(a, plan, i, stream)) tiles.push_back(std::move(tile));
      log.write("written", {{"input", a.inputs[i]}, {"outputs", plan.outputs[i]}});
    } catch (const Error& error) {
      ++failures;
      const std::string what = error.what();
      progress.print(what.starts_with(a.inputs[i]) ? what : a.inputs[i] + ": " + what);
      log.write("failed", {{"input", a.inputs[i]}, {"error", what}});
    }
    progress.show(static_cast<std::int64_t>(i + 1));
  }
  progress.finish(describe(stream));
  write_sheet(a, plan, tiles);
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
