#include "samples/support/report.hpp"

#include <cmath>
#include <set>

#include "samples/support/html.hpp"
#include "tests/support/backend.hpp"
#include "tests/support/temporary_folder.hpp"

namespace leaven::test {
namespace {

using namespace samples;

std::int64_t count(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

// Every element that is opened is closed, in the right order.
void expect_balanced(const std::string& html) {
  const std::set<std::string> void_elements{"!doctype", "meta", "img"};
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = html.find('<', at)) != std::string::npos;) {
    const std::size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" \n") - (tag[0] == '/'));
    at = end;
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    } else if (void_elements.count(name) == 0 && tag.back() != '/') {
      open.push_back(name);
    }
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

io::HostImage flat(std::int64_t height, std::int64_t width, std::uint8_t value) {
  return {height, width, 1, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width), value)};
}

Report sample_report() {
  Report report("A title with <b> & 'quotes'", "A summary");
  report.section("Results");
  report.facts({{"labels", "200"}, {"time", "4 min"}});
  report.table({{{"method", Align::left}, {"accuracy"}, {"gain"}, {"note", Align::left}},
                {{"a group"}, {"plain", "71 %"}, {"CutMix", "70 %", "-0.4", "no gain"}, {"self", "80 %", "+9.0"}}},
               "Accuracy", std::vector<std::size_t>{3});
  report.paragraph("1 < 2");
  report.section("Curves & pictures");
  report.charts(
      std::vector<Chart>{{"Accuracy", "images", "accuracy", {{"plain", {{0, 0.1}, {1, 0.5}}}}, Chart::Values::shares},
                         {"Loss", "step", "loss", {{"plain", {{0, 2.0}, {1, NAN}, {2, 1.0}}}}}});
  report.images(std::vector<ReportImage>{{flat(28, 28, 7), "neutral"},
                                         {flat(28, 28, 8), "good", "a coat", Tone::right},
                                         {flat(300, 200, 9), "bad", "a shoe", Tone::wrong}},
                "Pictures");
  return report;
}

TEST(Report, IsOneBalancedFileThatNeedsNothingElse) {
  const std::string html = sample_report().html();
  expect_balanced(html);
  EXPECT_EQ(html.rfind("<!doctype html>", 0), 0u);
  EXPECT_EQ(count(html, "http"), 0);
  EXPECT_EQ(count(html, "<script"), 0);
  EXPECT_EQ(count(html, "src='"), count(html, "src='data:image/png;base64,"));
  EXPECT_EQ(count(html, "url("), 0);
}

TEST(Report, EscapesAllText) {
  const std::string html = sample_report().html();
  EXPECT_NE(html.find("<h1>A title with &lt;b&gt; &amp; &#39;quotes&#39;</h1>"), std::string::npos);
  EXPECT_NE(html.find("<p>1 &lt; 2</p>"), std::string::npos);
  EXPECT_EQ(escape_html("<a href=\"x\">'&\x01"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
}

TEST(Report, LinksItsSections) {
  const std::string html = sample_report().html();
  EXPECT_NE(html.find("<a href='#curves-pictures-2'>Curves &amp; pictures</a>"), std::string::npos);
  EXPECT_NE(html.find("<h2 id='curves-pictures-2'>"), std::string::npos);
}

TEST(Report, TablesHaveHeadersGroupsAndTones) {
  const std::string html = sample_report().html();
  EXPECT_EQ(count(html, "<th scope='col'"), 4);
  EXPECT_EQ(count(html, "<th scope='row'"), 3);
  EXPECT_EQ(count(html, "scope='colgroup' colspan='4'>a group"), 1);
  EXPECT_EQ(count(html, "loss'>-0.4</td>"), 1);
  EXPECT_EQ(count(html, "gain'>+9.0</td>"), 1);
  EXPECT_EQ(count(html, "<tr class='best'><th scope='row' class='left'>self"), 1);
}

std::vector<std::uint8_t> decoded(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    have += 6;
    if (have >= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> (have -= 8) & 255));
  }
  return bytes;
}

TEST(Report, HoldsThePicturesWithWordsForThem) {
  const TemporaryFolder folder;
  const std::string html = sample_report().html();
  EXPECT_EQ(count(html, "<img"), 3);
  EXPECT_EQ(count(html, "alt='neutral'"), 1) << "the caption where there are no other words";
  EXPECT_EQ(count(html, "alt='a coat'"), 1);
  EXPECT_EQ(count(html, "\xe2\x9c\x93"), 1);
  EXPECT_EQ(count(html, "\xe2\x9c\x97"), 1);
  EXPECT_EQ(count(html, "width='84' height='84'"), 2) << "three times 28";
  EXPECT_EQ(count(html, "width='64' height='96'"), 1) << "300 x 200, reduced";
  const std::string marker = "base64,";
  const std::size_t begin = html.find(marker) + marker.size();
  write_bytes(folder / "first.png", decoded(html.substr(begin, html.find('\'', begin) - begin)));
  EXPECT_EQ(io::read_image(folder / "first.png").pixels, flat(28, 28, 7).pixels);
}

TEST(Report, IsWrittenToANewFolderOrNamesTheFile) {
  const TemporaryFolder folder;
  sample_report().write(folder / "out/report.html");
  const std::vector<std::uint8_t> bytes = read_bytes(folder / "out/report.html");
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), sample_report().html());
  EXPECT_THROW(sample_report().write("/dev/null/report.html"), IoError);
}

TEST(Base64, FollowsRfc4648) {
  const auto encoded = [](const std::string& text) {
    return base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded("\xff\xfe"), "//4=");
}

TEST(Chart, DrawsEachSeriesOnceWithItsLastValue) {
  const std::string html = chart_html({"T", "x", "y", {{"a", {{0, 1}, {1, 3}}}, {"b", {{0, 2}, {1, 2.5}}}}});
  expect_balanced(html);
  EXPECT_EQ(count(html, "class='line s0' d='M"), 2) << "the line and its legend";
  EXPECT_EQ(count(html, "<b>3.000</b>"), 1);
  EXPECT_NE(html.find("aria-label='T: a from 1.000 to 3.000; b from 2.000 to 2.500'"), std::string::npos) << html;
}

TEST(Chart, SurvivesNoDataOnePointAndValuesThatAreNotFinite) {
  EXPECT_NE(chart_html({"T", "x", "y", {}}).find("No data."), std::string::npos);
  EXPECT_NE(chart_html({"T", "x", "y", {{"a", {{0, NAN}}}}}).find("No data."), std::string::npos);
  for (const Chart& chart :
       {Chart{"T", "x", "y", {{"a", {{5, 0}}}}}, Chart{"T", "x", "y", {{"a", {{1, 2}, {2, INFINITY}, {3, 2}}}}},
        Chart{"T", "x", "y", {{"a", {{0, 1}, {1, 2}}}, {"none", {}}}}}) {
    const std::string html = chart_html(chart);
    expect_balanced(html);
    EXPECT_EQ(count(html, "nan"), 0) << html;
    EXPECT_EQ(count(html, "inf"), 0) << html;
  }
}

TEST(Chart, ShowsLongSeriesAsMeans) {
  Series series{"a", {}};
  for (int i = 0; i < 10000; ++i) series.points.emplace_back(i, i % 2);
  const std::string html = chart_html({"T", "x", "y", {series}});
  EXPECT_LT(html.size(), 10000u);
  EXPECT_NE(html.find("from 0.500 to 0.500"), std::string::npos);
}

TEST(Chart, TicksAreRoundNumbersInsideTheRange) {
  EXPECT_EQ(axis_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(axis_ticks(0.5, 3.2, 6), (std::vector<double>{0.5, 1, 1.5, 2, 2.5, 3}));
  EXPECT_EQ(axis_ticks(-1, 1, 2), (std::vector<double>{-1, 0, 1}));
  EXPECT_TRUE(axis_ticks(1, 1, 5).empty());
  for (double highest = 1e-6; highest < 1e9; highest *= 1.7) {
    const std::size_t ticks = axis_ticks(0, highest, 6).size();
    EXPECT_GE(ticks, 3u) << highest;
    EXPECT_LE(ticks, 7u) << highest;
  }
}

}  // namespace
}  // namespace leaven::test
