#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace leaven::samples {

struct ProgressOptions {
  std::string unit = "images";
  std::ostream* out = nullptr;        ///< nullptr: the standard error output
  int columns = -1;                   ///< of the terminal; 0: not a terminal; -1: look
  std::function<double()> clock_s{};  ///< none: the time
};

/// How far long work is: one line with the rate and the time left, rewritten on a terminal, elsewhere a new line every
/// few seconds.
class ProgressLine {
 public:
  ProgressLine(std::string what, std::int64_t total, ProgressOptions options = {});
  ~ProgressLine();  ///< ends the line where finish() was not called
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `done` of the total so far; shown at most ten times a second (elsewhere: every five seconds).
  void show(std::int64_t done, std::string_view note = {});
  /// A line of its own, such as an error, that the progress line does not spoil.
  void print(std::string_view line);
  /// The last line: total, time, rate.
  void finish(std::string_view note = {});

 private:
  void write(std::string text, bool last);

  std::string what_;
  std::int64_t total_;
  ProgressOptions options_;
  double begin_s_;
  double shown_s_;
  std::int64_t done_ = 0;
  bool line_open_ = false;
  bool finished_ = false;
};

}  // namespace leaven::samples
