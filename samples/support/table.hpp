#pragma once

#include <string>
#include <vector>

namespace leaven::samples {

enum class Align { left, right };

struct Column {
  std::string heading;
  Align align = Align::right;
};

/// Rows of text under headings.
struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;

  /// Aligned for a terminal, a rule under the headings; ends with a line break. UTF-8 letters count as one column.
  std::string text() const;
};

}  // namespace leaven::samples
