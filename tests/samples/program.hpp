#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.hpp"

namespace leaven::test {

struct ProgramOutcome {
  int status = -1;
  std::string out;
  std::string errors;
};

// Runs a sample program of this build as a shell would.
inline ProgramOutcome run_program(const std::string& program, const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const auto quoted = [](const std::string& text) {
    std::string shell = "'";
    for (const char c : text) shell += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return shell + "'";
  };
  std::string command = quoted(std::string(LEAVEN_SAMPLES) + "/" + program);
  for (const std::string& argument : arguments) command += " " + quoted(argument);
  command += " >" + quoted(folder / "out") + " 2>" + quoted(folder / "errors");
  const int result = std::system(command.c_str());
  const auto text = [&](const char* name) {
    const std::vector<std::uint8_t> bytes = read_bytes(folder / name);
    return std::string(bytes.begin(), bytes.end());
  };
  return {WIFEXITED(result) ? WEXITSTATUS(result) : -1, text("out"), text("errors")};
}

}  // namespace leaven::test
