#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace leaven::samples {

/// A log with one JSON object per line, for programs to read: {"time_s": 1.234, "event": ..., ...}. Numbers that are
/// not finite become null.
class JsonLog {
 public:
  /// Writes nowhere.
  JsonLog() = default;
  /// A new file; an empty path: writes nowhere. Makes the folder. @throws IoError
  explicit JsonLog(const std::filesystem::path& path);

  /// One line, on the disk when the call returns. time_s: seconds since the log was opened. @throws IoError
  void write(std::string_view event, const nlohmann::ordered_json& fields);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace leaven::samples
