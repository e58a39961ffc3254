#include "samples/support/report.hpp"

#include <algorithm>

#include "samples/support/html.hpp"
#include "samples/support/report_style.hpp"

namespace leaven::samples {
namespace {

// "+1.2" is a gain, "-0.3" a loss; the sign stays, so that colour is not all there is.
std::string cell_tone(const std::string& cell) {
  if (cell.size() < 2 || cell[1] < '0' || cell[1] > '9') return "";
  return cell[0] == '+' ? " gain" : cell[0] == '-' ? " loss" : "";
}

std::string side(Align align) { return align == Align::left ? "left" : "right-side"; }

std::string table_row(const Table& table, const std::vector<std::string>& row, bool best) {
  if (row.size() == 1) {
    return "<tr class='group'><th class='left' scope='colgroup' colspan='" + std::to_string(table.columns.size()) +
           "'>" + escape_html(row[0]) + "</th></tr>\n";
  }
  std::string out = best ? "<tr class='best'>" : "<tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string cell = i < row.size() ? row[i] : "";
    const std::string kind = side(table.columns[i].align) + cell_tone(cell);
    out += i == 0 ? "<th scope='row' class='" + kind + "'>" + escape_html(cell) + "</th>"
                  : "<td class='" + kind + "'>" + escape_html(cell) + "</td>";
  }
  return out + "</tr>\n";
}

std::string image_html(const ReportImage& picture, std::int64_t side_px) {
  constexpr std::string_view kClass[] = {"", " class='right'", " class='wrong'"};
  constexpr std::string_view kMark[] = {"", "<b>\xe2\x9c\x93</b> ", "<b>\xe2\x9c\x97</b> "};
  const io::HostImage* image = &picture.image;
  io::HostImage reduced;
  const std::int64_t longer = std::max(image->height, image->width);
  if (longer > side_px) {
    reduced = io::fit(*image, side_px);
    image = &reduced;
  }
  const std::int64_t times = longer > 0 && longer < side_px ? side_px / longer : 1;
  const auto tone = static_cast<std::size_t>(picture.tone);
  const std::string& words = picture.alternative.empty() ? picture.caption : picture.alternative;
  std::string out = "<figure" + std::string(kClass[tone]) + "><img" + (times > 1 ? " class='pixels'" : "");
  out += " width='" + std::to_string(image->width * times) + "' height='" + std::to_string(image->height * times);
  out += "' alt='" + escape_html(words) + "' src='data:image/png;base64," + base64(io::encode_png(*image)) + "'>";
  return out + "<figcaption>" + std::string(kMark[tone]) + escape_html(picture.caption) + "</figcaption></figure>\n";
}

}  // namespace

Report::Report(std::string title, std::string summary) : title_(std::move(title)), summary_(std::move(summary)) {}

void Report::section(const std::string& heading) {
  const std::string anchor = slug(heading) + "-" + std::to_string(++sections_);
  contents_ += "<li><a href='#" + anchor + "'>" + escape_html(heading) + "</a></li>\n";
  body_ += "<h2 id='" + anchor + "'>" + escape_html(heading) + "</h2>\n";
}

void Report::paragraph(std::string_view text) { body_ += "<p>" + escape_html(text) + "</p>\n"; }

void Report::facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  body_ += "<dl class='facts'>\n";
  for (const auto& [name, value] : facts) {
    body_ += "<div><dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "</dd></div>\n";
  }
  body_ += "</dl>\n";
}

void Report::table(const Table& table, const std::string& caption, std::span<const std::size_t> best_rows) {
  const std::string label = "table-" + std::to_string(++tables_);
  body_ += "<figure>\n<figcaption id='" + label + "'>" + escape_html(caption) + "</figcaption>\n";
  body_ += "<div class='scroll' role='region' tabindex='0' aria-labelledby='" + label + "'>\n";
  body_ += "<table aria-labelledby='" + label + "'>\n<thead><tr>";
  for (const Column& column : table.columns) {
    body_ += "<th scope='col' class='" + side(column.align) + "'>" + escape_html(column.heading) + "</th>";
  }
  body_ += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    body_ += table_row(table, table.rows[i], std::find(best_rows.begin(), best_rows.end(), i) != best_rows.end());
  }
  body_ += "</tbody>\n</table>\n</div>\n</figure>\n";
}

void Report::charts(std::span<const Chart> charts) {
  body_ += "<div class='charts'>\n";
  for (const Chart& chart : charts) body_ += chart_html(chart);
  body_ += "</div>\n";
}

void Report::images(std::span<const ReportImage> images, const std::string& caption, std::int64_t side_px) {
  body_ += "<figure>\n<figcaption>" + escape_html(caption) + "</figcaption>\n";
  body_ += "<div class='images' style='--side: " + std::to_string(side_px) + "px'>\n";
  for (const ReportImage& image : images) body_ += image_html(image, side_px);
  body_ += "</div>\n</figure>\n";
}

std::string Report::html() const {
  std::string out =
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n<title>";
  out += escape_html(title_) + "</title>\n<style>" + kReportStyle + "</style>\n</head>\n<body>\n<main>\n<h1>";
  out += escape_html(title_) + "</h1>\n<p class='summary'>" + escape_html(summary_) + "</p>\n";
  if (!contents_.empty()) out += "<nav aria-label='Contents'><ul>\n" + contents_ + "</ul></nav>\n";
  return out + body_ + "</main>\n</body>\n</html>\n";
}

void Report::write(const std::filesystem::path& path) const {
  std::error_code ignored;  // where the folder cannot be made, writing the file says so
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  const std::string text = html();
  io::write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace leaven::samples
