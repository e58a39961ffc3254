#include "samples/support/chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "samples/support/html.hpp"
#include "samples/support/numbers.hpp"

namespace leaven::samples {
namespace {

constexpr double kWidth = 520;
constexpr double kHeight = 300;
constexpr double kLeft = 58;
constexpr double kRight = 14;
constexpr double kTop = 12;
constexpr double kBottom = 46;
constexpr std::size_t kMostPoints = 240;
constexpr std::size_t kColours = 8;  // in the style sheet: s0 to s7

using Points = std::vector<std::pair<double, double>>;

Points finite_means(const Points& points) {
  Points kept;
  for (const auto& point : points) {
    if (std::isfinite(point.first) && std::isfinite(point.second)) kept.push_back(point);
  }
  const std::size_t part = (kept.size() + kMostPoints - 1) / kMostPoints;
  if (part <= 1) return kept;
  Points means;
  for (std::size_t begin = 0; begin < kept.size(); begin += part) {
    const std::size_t end = std::min(begin + part, kept.size());
    double x = 0;
    double y = 0;
    for (std::size_t i = begin; i < end; ++i) {
      x += kept[i].first;
      y += kept[i].second;
    }
    means.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
  }
  return means;
}

struct Range {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();

  void add(double value) {
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  // Some room where there is none.
  void widen(double share) {
    const double room = highest > lowest ? (highest - lowest) * share : std::max(std::abs(highest) * 0.1, 1e-3);
    lowest -= room;
    highest += room;
  }
};

std::string number(double value) { return fixed(value, 1); }

std::string tick_text(double value, double step, Chart::Values values) {
  if (values == Chart::Values::shares) {
    return percent(value, std::max(0, static_cast<int>(std::ceil(-std::log10(step * 100) - 1e-9))));
  }
  if (step >= 1) return thousands(value);
  return fixed(value, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
}

std::string value_text(double value, Chart::Values values) {
  return values == Chart::Values::shares ? percent(value) : fixed(value, std::abs(value) >= 100 ? 0 : 3);
}

// Colours repeat after eight series; then the lines are dashed.
std::string line_class(std::size_t index) {
  return "line s" + std::to_string(index % kColours) + (index % (2 * kColours) >= kColours ? " dashed" : "");
}

class Drawing {
 public:
  Drawing(const Chart& chart, const std::vector<Points>& series) : chart_(chart), series_(series) {
    for (const Points& points : series) {
      for (const auto& [x, y] : points) {
        x_.add(x);
        y_.add(y);
      }
    }
    if (!(x_.highest > x_.lowest)) x_.widen(0);
    y_.widen(0.05);
  }

  std::string svg() {
    std::string out = "<svg viewBox='0 0 " + fixed(kWidth, 0) + " " + fixed(kHeight, 0) + "' role='img' aria-label='" +
                      escape_html(chart_.title + ": " + summary()) + "'>\n";
    out += axes();
    for (std::size_t i = 0; i < series_.size(); ++i) out += line(i);
    return out + "</svg>\n";
  }

 private:
  double to_x(double x) const { return kLeft + (x - x_.lowest) / (x_.highest - x_.lowest) * (kWidth - kLeft - kRight); }
  double to_y(double y) const {
    return kHeight - kBottom - (y - y_.lowest) / (y_.highest - y_.lowest) * (kHeight - kTop - kBottom);
  }
  // For those who cannot see the lines.
  std::string summary() const {
    std::string text;
    for (std::size_t i = 0; i < series_.size(); ++i) {
      if (series_[i].empty()) continue;
      text += (text.empty() ? "" : "; ") + chart_.series[i].name + " from " +
              value_text(series_[i].front().second, chart_.values) + " to " +
              value_text(series_[i].back().second, chart_.values);
    }
    return text;
  }
  std::string text(const char* kind, double x, double y, const std::string& content) const {
    return std::string("<text class='") + kind + "' x='" + number(x) + "' y='" + number(y) + "'>" +
           escape_html(content) + "</text>\n";
  }
  std::string axes() const {
    std::string out;
    const std::vector<double> rows = axis_ticks(y_.lowest, y_.highest, 7);
    for (const double y : rows) {
      out +=
          "<path class='grid' d='M" + number(kLeft) + " " + number(to_y(y)) + "H" + number(kWidth - kRight) + "'/>\n";
      out += text("y-tick", kLeft - 8, to_y(y) + 4, tick_text(y, step_of(rows), chart_.values));
    }
    const std::vector<double> columns = axis_ticks(x_.lowest, x_.highest, 7);
    for (const double x : columns) {
      out += text("x-tick", to_x(x), kHeight - kBottom + 18, tick_text(x, step_of(columns), Chart::Values::numbers));
    }
    out += "<path class='axis' d='M" + number(kLeft) + " " + number(kTop) + "V" + number(kHeight - kBottom) + "H" +
           number(kWidth - kRight) + "'/>\n";
    out += text("x-label", (kLeft + kWidth - kRight) / 2, kHeight - 6, chart_.x_label);
    out += "<text class='y-label' transform='translate(13 " + number((kTop + kHeight - kBottom) / 2) +
           ") rotate(-90)'>" + escape_html(chart_.y_label) + "</text>\n";
    return out;
  }
  static double step_of(const std::vector<double>& ticks) { return ticks.size() > 1 ? ticks[1] - ticks[0] : 1; }
  std::string line(std::size_t index) const {
    const Points& points = series_[index];
    std::string path;
    for (const auto& [x, y] : points) path += (path.empty() ? "M" : "L") + number(to_x(x)) + " " + number(to_y(y));
    std::string out = "<path class='" + line_class(index) + "' d='" + path + "'/>\n";
    if (points.size() > 12) return path.empty() ? "" : out;
    for (const auto& [x, y] : points) {
      out += "<circle class='dot s" + std::to_string(index % kColours) + "' cx='" + number(to_x(x)) + "' cy='" +
             number(to_y(y)) + "' r='3'/>\n";
    }
    return path.empty() ? "" : out;
  }

  const Chart& chart_;
  const std::vector<Points>& series_;
  Range x_;
  Range y_;
};

std::string legend(const Chart& chart, const std::vector<Points>& series) {
  std::string out = "<ul class='legend'>\n";
  for (std::size_t i = 0; i < series.size(); ++i) {
    const std::string last = series[i].empty() ? "no data" : value_text(series[i].back().second, chart.values);
    out += "<li><svg viewBox='0 0 26 10' aria-hidden='true'><path class='" + line_class(i) + "' d='M1 5H25'/></svg>" +
           escape_html(chart.series[i].name) + " <b>" + last + "</b></li>\n";
  }
  return out + "</ul>\n";
}

}  // namespace

std::vector<double> axis_ticks(double lowest, double highest, int most) {
  const double least_step = (highest - lowest) / most;
  if (!(least_step > 0) || !std::isfinite(least_step)) return {};
  double step = std::pow(10.0, std::floor(std::log10(least_step)));
  for (const double times : {2.0, 2.5, 2.0}) {  // 1, 2, 5, 10
    if (step < least_step) step *= times;
  }
  std::vector<double> ticks;
  const double first = std::ceil(lowest / step - 1e-9);
  for (double k = first; k * step <= highest + 1e-9 * step; ++k) ticks.push_back(k * step);
  return ticks;
}

std::string chart_html(const Chart& chart) {
  std::vector<Points> series;
  bool empty = true;
  for (const Series& one : chart.series) {
    series.push_back(finite_means(one.points));
    empty = empty && series.back().empty();
  }
  const std::string body =
      empty ? "<p class='empty'>No data.</p>\n"
            : "<div class='scroll'>" + Drawing(chart, series).svg() + "</div>\n" + legend(chart, series);
  return "<figure class='chart'>\n<figcaption>" + escape_html(chart.title) + "</figcaption>\n" + body + "</figure>\n";
}

}  // namespace leaven::samples
