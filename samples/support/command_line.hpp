#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <leaven/stream.hpp>

// What the command lines of all sample programs have in common.
namespace leaven::samples {

/// Something wrong with the command line that only the program itself could see: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An empty command line with --help. Defaults are shown, help is wrapped; give each option a group() and a
/// type_name(). `examples` is printed last.
std::unique_ptr<CLI::App> make_app(const std::string& name, const std::string& purpose, const std::string& examples);

/// Parses, then calls `body`. Returns the exit status: 0, 1 where the body throws, 2 for a wrong command line; unknown
/// options and values are answered with the nearest known name. Errors go to the standard error output.
int run_program(CLI::App& app, int argc, const char* const* argv, const std::function<void()>& body);

/// Calls `attempt`. What only the library knows to be wrong with `text` is wrong before the work begins.
/// @throws UsageError where `attempt` throws InvalidArgument.
void as_usage_error(std::string_view text, const std::function<void()>& attempt);

/// For option->check(): one of `names`.
CLI::Validator one_of(std::vector<std::string> names);

/// For option->check(): a number from lowest to highest.
CLI::Validator in_range(double lowest, double highest);

/// The options --backend and --threads.
class MachineOptions {
 public:
  explicit MachineOptions(CLI::App& app);

  /// The stream asked for; sets the threads of the CPU backend.
  OwnedStream open() const;

 private:
  std::string backend_ = "auto";
  int threads_ = 0;
};

/// "cpu (avx512, 2 threads)" or "cuda"
std::string describe(Stream stream);

}  // namespace leaven::samples
