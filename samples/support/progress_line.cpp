#include "samples/support/progress_line.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include "samples/support/numbers.hpp"

namespace leaven::samples {
namespace {

constexpr double kTerminalInterval_s = 0.1;
constexpr double kLogInterval_s = 5;

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int terminal_columns() {
  winsize size{};
  if (!::isatty(STDERR_FILENO)) return 0;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressLine::ProgressLine(std::string what, std::int64_t total, ProgressOptions options)
    : what_(std::move(what)), total_(total), options_(std::move(options)) {
  if (options_.out == nullptr) options_.out = &std::cerr;
  if (options_.columns < 0) options_.columns = terminal_columns();
  if (!options_.clock_s) options_.clock_s = now_s;
  begin_s_ = options_.clock_s();
  shown_s_ = begin_s_;
}

ProgressLine::~ProgressLine() {
  if (line_open_) *options_.out << std::endl;
}

void ProgressLine::show(std::int64_t done, std::string_view note) {
  done_ = std::min(done, total_);
  const double now = options_.clock_s();
  const double interval = options_.columns > 0 ? kTerminalInterval_s : kLogInterval_s;
  if (now - shown_s_ < interval) return;
  shown_s_ = now;
  const double rate = static_cast<double>(done_) / (now - begin_s_);
  std::string text = what_ + "  " + thousands(static_cast<double>(done_)) + " of " +
                     thousands(static_cast<double>(total_)) + " " + options_.unit;
  if (done_ > 0) {
    text += "  " + thousands(rate) + " " + options_.unit + "/s  " +
            duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  write(text + (note.empty() ? "" : "  ") + std::string(note), false);
}

void ProgressLine::print(std::string_view line) {
  *options_.out << (line_open_ ? "\r\x1b[K" : "") << line << std::endl;
  line_open_ = false;
}

void ProgressLine::finish(std::string_view note) {
  if (std::exchange(finished_, true)) return;
  const double seconds = options_.clock_s() - begin_s_;
  std::string text =
      what_ + "  " + thousands(static_cast<double>(total_)) + " " + options_.unit + " in " + duration(seconds);
  if (seconds > 0) text += "  " + thousands(static_cast<double>(total_) / seconds) + " " + options_.unit + "/s";
  write(text + (note.empty() ? "" : "  ") + std::string(note), true);
}

void ProgressLine::write(std::string text, bool last) {
  constexpr const char* kClearToEnd = "\x1b[K";
  if (options_.columns > 0) {
    text = std::string("\r") + text.substr(0, static_cast<std::size_t>(options_.columns - 1)) + kClearToEnd;
    line_open_ = !last;
  }
  *options_.out << text << (last || options_.columns == 0 ? "\n" : "") << std::flush;
}

}  // namespace leaven::samples
