#pragma once

#include <cstdint>
#include <string>

// Numbers as people read them, the same in every locale.
namespace leaven::samples {

std::string fixed(double value, int digits);        ///< 3.14
std::string thousands(double value);                ///< 1,234,567 (rounded to a whole number)
std::string percent(double share, int digits = 1);  ///< 0.8234 -> 82.3 %
std::string points(double difference);              ///< 0.0123 -> +1.2 (percentage points)
std::string duration(double seconds);               ///< 0.84 s, 12.3 s, 4 min 05 s, 1 h 02 min
std::string size_bytes(std::int64_t bytes);         ///< 312 B, 45.2 KiB, 1.4 MiB

}  // namespace leaven::samples
