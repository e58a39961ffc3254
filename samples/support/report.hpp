#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <leaven/io.hpp>
#include "samples/support/chart.hpp"
#include "samples/support/table.hpp"

namespace leaven::samples {

enum class Tone { neutral, right, wrong };  ///< shown by colour and by a mark

/// A picture of a report's grid.
struct ReportImage {
  io::HostImage image;
  std::string caption;        ///< short: it stands under the picture
  std::string alternative{};  ///< the picture in words, for those who cannot see it; empty: the caption
  Tone tone = Tone::neutral;
};

/// A report as one HTML file that needs nothing else: style, charts (SVG) and pictures (PNG) are in it. Light and dark
/// as the reader's system, readable on a telephone. All text is escaped; parts appear in the order of the calls.
class Report {
 public:
  Report(std::string title, std::string summary);

  /// Begins a section; the table of contents links to it.
  void section(const std::string& heading);
  void paragraph(std::string_view text);
  /// A line of key figures: (name, value).
  void facts(const std::vector<std::pair<std::string, std::string>>& facts);
  /// A row with one cell is a heading of the rows below it. Cells that begin with + or - and a digit are shown as gain
  /// or loss. `best_rows`: indices of rows to emphasise.
  void table(const Table& table, const std::string& caption, std::span<const std::size_t> best_rows = {});
  /// Charts side by side where there is room.
  void charts(std::span<const Chart> charts);
  /// A grid of captioned pictures; small ones are magnified, large ones reduced, to about `side_px`.
  void images(std::span<const ReportImage> images, const std::string& caption, std::int64_t side_px = 96);

  std::string html() const;
  /// Makes the folder, writes atomically. @throws IoError
  void write(const std::filesystem::path& path) const;

 private:
  std::string title_;
  std::string summary_;
  std::string contents_;
  std::string body_;
  int sections_ = 0;
  int tables_ = 0;
};

}  // namespace leaven::samples
