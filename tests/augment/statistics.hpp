#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// Tests of samples against a law: each gives the probability of a deviation at least as large if the law holds.
namespace leaven::test {

// Upper regularised incomplete gamma function Q(a, x): series for small x, continued fraction (Lentz) for large.
inline double gamma_q(double a, double x) {
  if (x <= 0) return 1;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double k = a + 1; term > sum * 1e-16; ++k) sum += term *= x / k;
    return 1 - front * sum;
  }
  double b = x + 1 - a;
  double c = 1e300;
  double d = 1 / b;
  double fraction = d;
  for (int i = 1; i < 10000; ++i) {
    const double numerator = -i * (i - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= c * d;
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

inline double chi_square_p(double statistic, double degrees_of_freedom) {
  return gamma_q(degrees_of_freedom / 2, statistic / 2);
}

// Counts against probabilities.
inline double fits_p(const std::vector<std::int64_t>& counts, const std::vector<double>& probabilities) {
  double total = 0;
  for (const std::int64_t count : counts) total += static_cast<double>(count);
  double statistic = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i];
    statistic += (static_cast<double>(counts[i]) - expected) * (static_cast<double>(counts[i]) - expected) / expected;
  }
  return chi_square_p(statistic, static_cast<double>(counts.size()) - 1);
}

inline double uniform_p(const std::vector<std::int64_t>& counts) {
  return fits_p(counts, std::vector<double>(counts.size(), 1 / static_cast<double>(counts.size())));
}

// Two samples against each other, in `bins` equal parts of [low, high]; sparse bins are joined to their neighbour.
inline double same_law_p(const std::vector<double>& a, const std::vector<double>& b, double low, double high,
                         int bins) {
  std::vector<double> count_a(static_cast<std::size_t>(bins)), count_b(count_a);
  const auto bin = [&](double v) {
    return static_cast<std::size_t>(std::clamp((v - low) / (high - low) * bins, 0.0, bins - 1.0));
  };
  for (const double v : a) ++count_a[bin(v)];
  for (const double v : b) ++count_b[bin(v)];
  const auto size_a = static_cast<double>(a.size());
  const auto size_b = static_cast<double>(b.size());
  double statistic = 0;
  double cells = 0;
  double in_a = 0;
  double in_b = 0;
  for (std::size_t i = 0; i < count_a.size(); ++i) {
    in_a += count_a[i];
    in_b += count_b[i];
    if (in_a + in_b < 20 && i + 1 < count_a.size()) continue;
    const double difference = in_a * std::sqrt(size_b / size_a) - in_b * std::sqrt(size_a / size_b);
    if (in_a + in_b > 0) statistic += difference * difference / (in_a + in_b);
    ++cells;
    in_a = in_b = 0;
  }
  return chi_square_p(statistic, cells - 1);
}

// Kolmogorov and Smirnov: samples against a continuous distribution function.
template <class Cdf>
double kolmogorov_p(std::vector<double> samples, const Cdf& cdf) {
  std::sort(samples.begin(), samples.end());
  const auto n = static_cast<double>(samples.size());
  double distance = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double f = cdf(samples[i]);
    const auto rank = static_cast<double>(i);
    distance = std::max({distance, f - rank / n, (rank + 1) / n - f});
  }
  const double t = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  if (t < 0.2) return 1;
  double sum = 0;
  for (int k = 1; k < 100; ++k) sum += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * t * t);
  return std::clamp(sum, 0.0, 1.0);
}

// The distribution function of Beta(a, a): continued fraction of the incomplete beta function (Lentz).
inline double symmetric_beta_cdf(double a, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > 0.5) return 1 - symmetric_beta_cdf(a, 1 - x);
  const double front = std::exp(a * std::log(x) + a * std::log1p(-x) + std::lgamma(2 * a) - 2 * std::lgamma(a)) / a;
  double c = 1;
  double d = 1 / (1 - 2 * a * x / (a + 1));
  double fraction = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (a - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= c * d;
    const double odd = -(a + m) * (2 * a + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    fraction *= c * d;
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

}  // namespace leaven::test
