#include "samples/support/json_log.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>

#include <leaven/error.hpp>
#include <nlohmann/json.hpp>

namespace leaven::samples {

JsonLog::JsonLog(const std::filesystem::path& path) : path_(path) {
  if (path_.empty()) return;
  std::error_code ignored;  // where the folder cannot be made, opening the file says so
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), ignored);
  file_.open(path_);
  if (!file_) throw IoError(path_.string() + ": cannot be written: " + std::strerror(errno));
}

void JsonLog::write(std::string_view event, const nlohmann::ordered_json& fields) {
  if (path_.empty()) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  nlohmann::ordered_json line{{"time_s", std::round(seconds * 1000) / 1000}, {"event", event}};
  line.update(fields);
  file_ << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << std::endl;
  if (!file_) throw IoError(path_.string() + ": cannot be written: " + std::strerror(errno));
}

}  // namespace leaven::samples
