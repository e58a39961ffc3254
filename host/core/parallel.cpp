#include "host/core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <leaven/cpu.hpp>
#include "host/core/check.hpp"

namespace leaven {
namespace {

thread_local bool inside_range = false;

struct Job {
  std::int64_t count;
  std::int64_t ranges;
  detail::RangeFunction function;
  void* context;
  std::atomic<std::int64_t> next{0};
  std::mutex error_mutex{};
  std::exception_ptr error{};

  void work() {
    const bool outer = inside_range;
    inside_range = true;
    for (std::int64_t i = next++; i < ranges; i = next++) {
      try {
        function(context, count * i / ranges, count * (i + 1) / ranges);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_range = outer;
  }
};

// Workers sleep between jobs: a spinning pool loses several times its speed beside a busy process.
class Pool {
 public:
  ~Pool() { resize(0); }

  void resize(int workers) {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    stop_ = false;
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { loop(); });
  }

  int workers() const { return static_cast<int>(threads_.size()); }

  void run(Job& job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      ++generation_;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void loop() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || (job_ != nullptr && generation_ != seen); });
      if (stop_) return;
      seen = generation_;
      Job* job = job_;
      ++busy_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
  Job* job_ = nullptr;
  std::uint64_t generation_ = 0;
  int busy_ = 0;
  bool stop_ = false;
};

int initial_threads() {
  const int machine = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const char* text = std::getenv("LEAVEN_THREADS");
  const int asked = text != nullptr ? std::atoi(text) : 0;
  return asked > 0 ? std::min(asked, 1024) : machine;
}

std::atomic<int> thread_count{0};
std::mutex pool_mutex;  // one job at a time; a second caller runs its job alone

Pool& pool() {
  static Pool instance;
  return instance;
}

}  // namespace

int cpu_threads() {
  int threads = thread_count.load();
  if (threads == 0) {
    threads = initial_threads();
    thread_count.store(threads);
  }
  return threads;
}

void set_cpu_threads(int threads) {
  check(threads >= 1 && threads <= 1024, "set_cpu_threads: threads is {}, expected 1 to 1024", threads);
  thread_count.store(threads);
}

std::int64_t ranges_for(std::int64_t count, std::int64_t grain) {
  const std::int64_t most = std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain));
  const int threads = cpu_threads();
  return threads == 1 ? 1 : std::min<std::int64_t>(most, std::int64_t{4} * threads);
}

void detail::parallel_ranges(std::int64_t count, std::int64_t ranges, RangeFunction function, void* context) {
  if (count <= 0) return;
  ranges = std::clamp<std::int64_t>(ranges, 1, count);
  Job job{.count = count, .ranges = ranges, .function = function, .context = context};
  const int threads = cpu_threads();
  std::unique_lock lock(pool_mutex, std::defer_lock);
  if (ranges == 1 || threads == 1 || inside_range || !lock.try_lock()) {
    job.work();
  } else {
    if (pool().workers() != threads - 1) pool().resize(threads - 1);
    pool().run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace leaven
