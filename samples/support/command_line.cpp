#include "samples/support/command_line.hpp"

#include <iostream>
#include <sstream>

#include <leaven/cpu.hpp>
#include <leaven/error.hpp>
#include "samples/support/names.hpp"

namespace leaven::samples {
namespace {

constexpr std::size_t kHelpColumn = 34;
constexpr std::size_t kHelpWidth = 110;

std::string wrapped(const std::string& text, std::size_t width) {
  std::istringstream words(text);
  std::string result;
  std::size_t line = 0;
  for (std::string word; words >> word; line += word.size()) {
    if (line > 0 && line + 1 + word.size() > width) {
      result += "\n";
      line = 0;
    } else if (line > 0) {
      result += " ";
      ++line;
    }
    result += word;
  }
  return result;
}

// "--seed N          of all random choices [1]", in groups.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kHelpColumn); }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    return " " + (option->get_positional() ? "..." : option->get_type_name());
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string value = option->get_default_str();
    const bool shown = option->get_type_size() > 0 && !value.empty() && value != "[]" && value != "\"\"";
    return wrapped(option->get_description() + (shown ? " [" + value + "]" : ""), kHelpWidth - kHelpColumn);
  }
};

std::string unknown_option(const CLI::App& app, const std::vector<std::string>& remaining) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const std::string& argument : remaining) {
    if (argument.size() < 2 || argument[0] != '-') continue;
    const std::string name = argument.substr(0, argument.find('='));
    return "unknown option " + name + suggestion(name, known);
  }
  return "unexpected argument '" + (remaining.empty() ? "" : remaining.front()) + "'";
}

std::string help_text(const CLI::App& app) {
  std::string text = app.help();
  for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
  return text;
}

int usage_error(const CLI::App& app, const std::string& what) {
  std::cerr << app.get_name() << ": " << what << "\nTry '" << app.get_name() << " --help'.\n";
  return 2;
}

}  // namespace

std::unique_ptr<CLI::App> make_app(const std::string& name, const std::string& purpose, const std::string& examples) {
  auto app = std::make_unique<CLI::App>(wrapped(purpose, kHelpWidth), name);
  app->formatter(std::make_shared<HelpFormatter>());
  app->get_formatter()->label("OPTIONS", "options");
  app->option_defaults()->always_capture_default();
  app->set_help_flag();
  app->footer(examples.empty() ? "" : "\nExamples:\n" + examples);
  return app;
}

int run_program(CLI::App& app, int argc, const char* const* argv, const std::function<void()>& body) {
  app.set_help_flag("-h,--help", "Print this help and exit")->group("Other");  // last of the groups
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << help_text(app);
    return 0;
  } catch (const CLI::ExtrasError&) {
    return usage_error(app, unknown_option(app, app.remaining()));
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what());
  }
  try {
    body();
    return 0;
  } catch (const UsageError& error) {
    return usage_error(app, error.what());
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << error.what() << "\n";
    return 1;
  }
}

void as_usage_error(std::string_view text, const std::function<void()>& attempt) {
  try {
    attempt();
  } catch (const InvalidArgument& error) {
    throw UsageError(std::string(text) + ": " + error.what());
  }
}

CLI::Validator one_of(std::vector<std::string> names) {
  return CLI::Validator(
      [names = std::move(names)](std::string& value) {
        if (std::find(names.begin(), names.end(), value) != names.end()) return std::string{};
        return "'" + value + "' is not known" + suggestion(value, names) + " Allowed: " + listed(names);
      },
      "", "one of");
}

CLI::Validator in_range(double lowest, double highest) { return CLI::Range(lowest, highest).description(""); }

MachineOptions::MachineOptions(CLI::App& app) {
  app.add_option("--backend", backend_, "Where to compute: auto takes the GPU where there is one")
      ->check(one_of({"auto", "cpu", "cuda"}))
      ->type_name("auto|cpu|cuda")
      ->group("Machine");
  app.add_option("--threads", threads_, "Threads of the CPU backend; 0: one for each core")
      ->check(in_range(0, 1024))
      ->type_name("N")
      ->group("Machine");
}

OwnedStream MachineOptions::open() const {
  if (threads_ > 0) set_cpu_threads(threads_);
  if (backend_ == "auto") return best_stream();
  return OwnedStream(backend_ == "cuda" ? Backend::cuda : Backend::cpu);
}

std::string describe(Stream stream) {
  if (stream.backend() == Backend::cuda) return "cuda";
  const int threads = cpu_threads();
  return "cpu (" + std::string(name(cpu_isa())) + ", " + std::to_string(threads) +
         (threads == 1 ? " thread)" : " threads)");
}

}  // namespace leaven::samples
