#pragma once

#include <string>
#include <utility>
#include <vector>

namespace leaven::samples {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x ascending; values that are not finite are left out
};

/// Lines over common axes.
struct Chart {
  enum class Values { numbers, shares };  ///< shares (0..1) are shown in percent

  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
  Values values = Values::numbers;
};

/// An HTML figure: caption, inline SVG with axes, legend with the last values. Long series are shown as means of parts.
std::string chart_html(const Chart& chart);

/// Round numbers at equal steps, at most about `most` of them, within lowest..highest.
std::vector<double> axis_ticks(double lowest, double highest, int most);

}  // namespace leaven::samples
