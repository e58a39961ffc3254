#include "samples/support/table.hpp"

#include <algorithm>

namespace leaven::samples {
namespace {

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    widths.push_back(width(columns[i].heading));
    for (const auto& row : rows) widths[i] = std::max(widths[i], i < row.size() ? width(row[i]) : 0);
  }

  std::string out;
  const auto add = [&](const auto& cell) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string& text = cell(i);
      const std::string padding(widths[i] - width(text), ' ');
      line += (i > 0 ? "  " : "") + (columns[i].align == Align::left ? text + padding : padding + text);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  static const std::string kEmpty;
  add([&](std::size_t i) -> const std::string& { return columns[i].heading; });
  std::size_t total = 0;
  for (const std::size_t w : widths) total += w + 2;
  out += std::string(total < 2 ? 0 : total - 2, '-') + "\n";
  for (const auto& row : rows)
    add([&](std::size_t i) -> const std::string& { return i < row.size() ? row[i] : kEmpty; });
  return out;
}

}  // namespace leaven::samples
