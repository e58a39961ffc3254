#include "host/train/batch_order.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/core/philox.hpp"

namespace leaven::train {
namespace {

std::vector<std::int64_t> shuffled(const std::vector<std::int64_t>& samples, std::uint64_t seed, std::int64_t pass) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys;
  keys.reserve(samples.size());
  for (const std::int64_t id : samples) {
    const Philox4 r = draw(seed, static_cast<std::uint32_t>(pass), static_cast<std::uint64_t>(id), DrawSlot::shuffle);
    keys.emplace_back(std::uint64_t{r.x} << 32 | r.y, id);
  }
  std::ranges::sort(keys);
  std::vector<std::int64_t> order;
  order.reserve(samples.size());
  for (const auto& [key, id] : keys) order.push_back(id);
  return order;
}

}  // namespace

BatchOrder::BatchOrder(const FitData& data, std::int64_t batch, std::uint64_t seed)
    : seed_(seed), first_{.samples = data.samples}, second_{.samples = data.more_samples} {
  const auto size = [](const List& list) { return static_cast<std::int64_t>(list.samples.size()); };
  second_.rows =
      static_cast<std::int64_t>(std::llround(static_cast<double>(data.more_share) * static_cast<double>(batch)));
  if (size(second_) == 0) second_.rows = 0;
  if (size(first_) == 0) second_.rows = batch;
  first_.rows = std::min(batch - second_.rows, size(first_));
  second_.rows = std::min(second_.rows, size(second_));
}

void BatchOrder::append(List& list, std::int64_t step, std::vector<std::int64_t>& ids) const {
  if (list.rows == 0) return;
  const std::int64_t steps_of_pass = static_cast<std::int64_t>(list.samples.size()) / list.rows;
  const std::int64_t pass = step / steps_of_pass;
  if (pass != list.pass) {
    list.order = shuffled(list.samples, seed_, pass);
    list.pass = pass;
  }
  const auto from = list.order.begin() + step % steps_of_pass * list.rows;
  ids.insert(ids.end(), from, from + list.rows);
}

std::vector<std::int64_t> BatchOrder::ids(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> ids;
  ids.reserve(static_cast<std::size_t>((end - begin) * rows()));
  for (std::int64_t step = begin; step < end; ++step) {
    append(first_, step, ids);
    append(second_, step, ids);
  }
  return ids;
}

}  // namespace leaven::train
