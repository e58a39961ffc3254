#include <cmath>
#include <functional>

#include "tests/augment/images.hpp"

// What an affine map keeps: lines, parallels, ratios of lengths on a line; and what rotation and reflection keep
// besides: lengths. On matrices and point sets, and on pictures of small discs that are found again by their centres.
namespace leaven::test {
namespace {

PointPx apply(const AffineMatrix& matrix, PointPx p) {
  const auto& m = matrix.m;
  return {m[0] * p.x + m[1] * p.y + m[2], m[3] * p.x + m[4] * p.y + m[5]};
}

PointPx between(PointPx a, PointPx b, double t) { return {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)}; }
double distance(PointPx a, PointPx b) { return std::hypot(b.x - a.x, b.y - a.y); }
double cross(PointPx a, PointPx b, PointPx c) { return (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y); }

// A disc of radius 4 round each point, of value 40, 60, 80, ...; the rest is 0.
constexpr int kFirstValue = 40;
constexpr int kValueStep = 20;

Image discs(int size, const std::vector<PointPx>& points) {
  return reference::make(size, size, 1, [&](int y, int x, int) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (distance(points[i], {x + 0.5, y + 0.5}) <= 4.0) return kFirstValue + kValueStep * static_cast<int>(i);
    }
    return 0;
  });
}

std::vector<PointPx> centres(const Image& image, std::size_t count) {
  std::vector<PointPx> sums(count);
  std::vector<double> pixels(count, 0);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int i = (image.at(y, x, 0) - kFirstValue) / kValueStep;
      if (image.at(y, x, 0) < kFirstValue || i >= static_cast<int>(count)) continue;
      sums[static_cast<std::size_t>(i)].x += x + 0.5;
      sums[static_cast<std::size_t>(i)].y += y + 0.5;
      pixels[static_cast<std::size_t>(i)] += 1;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_GT(pixels[i], 10) << "disc " << i << " left the picture";
    sums[i] = {sums[i].x / pixels[i], sums[i].y / pixels[i]};
  }
  return sums;
}

class Meaning : public BackendTest {
 protected:
  static constexpr int kSize = 160;
  using Step = std::function<void(In, Out)>;

  std::vector<PointPx> moved(const std::vector<PointPx>& points, const Step& step) const {
    const ImageShape shape{1, kSize, kSize, 1};
    const Batch in({discs(kSize, points)}, shape, Memory::nhwc, stream());
    const Batch out(shape, Memory::nhwc, stream());
    step(in.view(), out.view());
    return centres(out.images()[0], points.size());
  }

  std::vector<Step> affine_steps() const {
    const auto with = [this](const AffineMatrix& m) {
      return [this, m](In in, Out out) { affine_warp(in, m, {}, out, stream()); };
    };
    const ImageSize size{kSize, kSize};
    return {
        with(affine_matrix({.angle_deg = 20, .translate = {6, -4}, .scale = 0.9}, size)),
        with(affine_matrix({.angle_deg = -35, .scale = 1.1, .shear_x_deg = 12, .shear_y_deg = -7}, size)),
        with(affine_from_points({{{40, 40}, {120, 50}, {50, 110}}}, {{{30, 50}, {110, 40}, {60, 120}}})),
        [this](In in, Out out) { shear(in, Shear{.x = 0.2, .y = -0.1}, {}, out, stream()); },
        [this](In in, Out out) {
          translate(in, TranslationPx{7, 3}, {}, out, stream());
        },
    };
  }

  std::vector<Step> rigid_steps() const {
    std::vector<Step> steps;
    for (const double angle : {10.0, 33.0, 90.0, 145.0, 180.0, 301.5}) {
      steps.push_back([this, angle](In in, Out out) { rotate(in, angle, {}, out, stream()); });
    }
    for (const FlipAxis axis : {FlipAxis::left_right, FlipAxis::top_bottom, FlipAxis::both}) {
      steps.push_back([this, axis](In in, Out out) { flip(in, axis, out, stream()); });
    }
    return steps;
  }

  static constexpr double kPixel = 1.0;  // how well a disc's centre is known, twice
};
LEAVEN_ON_BOTH_BACKENDS(Meaning);

TEST_P(Meaning, LinesStayLinesAndKeepRatios) {
  const PointPx a{55, 60};
  const PointPx b{105, 95};
  const std::vector<double> at{0.0, 0.25, 0.6, 1.0};
  std::vector<PointPx> points;
  for (const double t : at) points.push_back(between(a, b, t));
  for (const Step& step : affine_steps()) {
    const std::vector<PointPx> now = moved(points, step);
    const double length = distance(now[0], now[3]);
    ASSERT_GT(length, 30);
    for (std::size_t i = 1; i < 3; ++i) {
      EXPECT_LT(std::abs(cross(now[0], now[3], now[i])) / length, kPixel) << "off the line";
      EXPECT_NEAR(distance(now[0], now[i]), at[i] * length, kPixel) << "at another ratio";
    }
  }
}

TEST_P(Meaning, ParallelsStayParallel) {
  const std::vector<PointPx> points{{50, 60}, {100, 75}, {60, 95}, {110, 110}};
  for (const Step& step : affine_steps()) {
    const std::vector<PointPx> now = moved(points, step);
    const PointPx first{now[1].x - now[0].x, now[1].y - now[0].y};
    const PointPx second{now[3].x - now[2].x, now[3].y - now[2].y};
    EXPECT_NEAR(first.x, second.x, 2 * kPixel);  // equal and parallel before, so afterwards
    EXPECT_NEAR(first.y, second.y, 2 * kPixel);
  }
}

TEST_P(Meaning, RotationAndFlipKeepLengths) {
  const std::vector<PointPx> points{{55, 60}, {105, 70}, {70, 105}, {95, 100}};
  for (const Step& step : rigid_steps()) {
    const std::vector<PointPx> now = moved(points, step);
    for (std::size_t i = 0; i < points.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) EXPECT_NEAR(distance(now[i], now[j]), distance(points[i], points[j]), kPixel);
    }
  }
}

TEST_P(Meaning, FlipTurnsRoundAndRotationDoesNot) {
  const std::vector<PointPx> points{{55, 60}, {105, 70}, {70, 105}};
  const auto turn_of = [](const std::vector<PointPx>& p) { return cross(p[0], p[1], p[2]); };
  const double before = turn_of(points);
  const auto rotated = moved(points, [this](In in, Out out) { rotate(in, 50.0, {}, out, stream()); });
  const auto flipped = moved(points, [this](In in, Out out) { flip(in, FlipAxis::left_right, out, stream()); });
  EXPECT_GT(turn_of(rotated) * before, 0);
  EXPECT_LT(turn_of(flipped) * before, 0);
}

TEST_P(Meaning, RotateIsCounterClockwise) {
  const auto now = moved({{120, 80}}, [this](In in, Out out) { rotate(in, 60.0, {}, out, stream()); });
  EXPECT_NEAR(now[0].x, 80 + 40 * std::cos(M_PI / 3), kPixel);
  EXPECT_NEAR(now[0].y, 80 - 40 * std::sin(M_PI / 3), kPixel);  // y points down
}

TEST_P(Meaning, AffineFromPointsPutsPointsWhereTheyWereAskedFor) {
  const std::array<PointPx, 3> from{{{45, 50}, {110, 60}, {60, 115}}};
  const std::array<PointPx, 3> to{{{60, 40}, {120, 90}, {40, 100}}};
  const AffineMatrix matrix = affine_from_points(from, to);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(distance(apply(matrix, to[i]), from[i]), 1e-11);
  const auto now =
      moved({from.begin(), from.end()}, [&](In in, Out out) { affine_warp(in, matrix, {}, out, stream()); });
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(distance(now[i], to[i]), kPixel);
}

TEST(AffineFromPoints, KeepsRatiosAndParallels) {
  const AffineMatrix m = affine_from_points({{{3, 1}, {90, 12}, {17, 80}}}, {{{-5, 8}, {70, -20}, {33, 64}}});
  for (const PointPx a : {PointPx{0, 0}, PointPx{-40, 17}, PointPx{1000, 3}}) {
    const PointPx b{a.x + 12, a.y - 31};
    for (const double t : {0.1, 0.5, 2.0}) {
      const PointPx image = apply(m, between(a, b, t));
      EXPECT_LT(distance(image, between(apply(m, a), apply(m, b), t)), 1e-9);
    }
    const PointPx shift = apply(m, b);
    const PointPx origin = apply(m, a);
    EXPECT_NEAR(shift.x - origin.x, apply(m, {12, -31}).x - apply(m, {0, 0}).x, 1e-9);
    EXPECT_NEAR(shift.y - origin.y, apply(m, {12, -31}).y - apply(m, {0, 0}).y, 1e-9);
  }
}

TEST(AffineFromPoints, IsTheIdentityForEqualPoints) {
  const std::array<PointPx, 3> points{{{0, 0}, {64, 0}, {0, 32}}};
  EXPECT_EQ(affine_from_points(points, points), AffineMatrix{});
}

TEST(AffineMatrix, IsTheIdentityWithoutParameters) {
  EXPECT_EQ(affine_matrix({}, {.height = 31, .width = 64}), (AffineMatrix{{1, -0.0, 0, -0.0, 1, 0}}));
}

TEST(AffineMatrix, RotationsKeepLengthsAndScaleDivides) {
  const ImageSize size{.height = 40, .width = 60};
  for (const double angle : {-170.0, -45.0, 13.0, 90.0}) {
    const AffineMatrix rotated = affine_matrix({.angle_deg = angle}, size);
    const AffineMatrix doubled = affine_matrix({.angle_deg = angle, .scale = 2}, size);
    const PointPx p{3, 4};
    const PointPx q{30, 11};
    EXPECT_NEAR(distance(apply(rotated, p), apply(rotated, q)), distance(p, q), 1e-12);
    EXPECT_NEAR(distance(apply(doubled, p), apply(doubled, q)), distance(p, q) / 2, 1e-12);
    EXPECT_LT(distance(apply(rotated, {30, 20}), {30, 20}), 1e-12) << "the centre stays";
  }
}

// Every point of `to` comes from its point of `from`; for a square onto itself moved, the map is affine.
TEST(PerspectiveFromPoints, TakesEachPointToItsPlace) {
  const std::array<PointPx, 4> from{{{0, 0}, {99, 2}, {95, 80}, {-3, 77}}};
  const std::array<PointPx, 4> to{{{12, 7}, {88, -4}, {110, 91}, {5, 60}}};
  const std::array<double, 8> m = perspective_from_points(from, to).m;
  for (std::size_t i = 0; i < 4; ++i) {
    const double d = m[6] * to[i].x + m[7] * to[i].y + 1;
    EXPECT_NEAR((m[0] * to[i].x + m[1] * to[i].y + m[2]) / d, from[i].x, 1e-9) << i;
    EXPECT_NEAR((m[3] * to[i].x + m[4] * to[i].y + m[5]) / d, from[i].y, 1e-9) << i;
  }
  const std::array<PointPx, 4> square{{{0, 0}, {10, 0}, {10, 10}, {0, 10}}};
  const std::array<PointPx, 4> moved{{{3, -2}, {13, -2}, {13, 8}, {3, 8}}};
  const std::array<double, 8> shift = perspective_from_points(square, moved).m;
  const std::array<double, 8> expected{1, 0, -3, 0, 1, 2, 0, 0};
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(shift[i], expected[i], 1e-12) << i;
}

TEST(PerspectiveFromPoints, RefusesWhatMakesNoMap) {
  const std::array<PointPx, 4> good{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}};
  const auto text = [&](const std::array<PointPx, 4>& to) {
    return message_of<InvalidArgument>([&] { perspective_from_points(good, to); });
  };
  EXPECT_NE(text({{{0, 0}, {1, 1}, {2, 2}, {0, 1}}}).find("expected no three points on one line"), std::string::npos);
  EXPECT_NE(text({{{5, 5}, {5, 5}, {9, 1}, {0, 1}}}).find("expected no three points on one line"), std::string::npos);
  EXPECT_EQ(text({{{0, 0}, {NAN, 1}, {1, 0}, {0, 1}}}),
            "perspective_from_points: to[1] is (nan, 1), expected finite numbers");
}

}  // namespace
}  // namespace leaven::test
