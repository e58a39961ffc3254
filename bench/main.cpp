#include <benchmark/benchmark.h>

#include <leaven/cpu.hpp>

// The CPU's rows are for one thread unless LEAVEN_THREADS says otherwise.
int main(int argc, char** argv) {
  if (std::getenv("LEAVEN_THREADS") == nullptr) leaven::set_cpu_threads(1);
  benchmark::AddCustomContext("instruction set", std::string(leaven::name(leaven::cpu_isa())));
  benchmark::AddCustomContext("threads", std::to_string(leaven::cpu_threads()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
