# The commands of README.md. Each installs what is missing (scripts/setup) and builds with CUDA where a CUDA compiler is.
# PRESET=cpu leaves CUDA out; DEMO_ARGS and BENCH_ARGS are handed on.
SHELL := bash
PRESET ?= default
BUILD := build/$(PRESET)

.PHONY: help setup configure build demo test bench gpu-check format check-format clean

help:
	@echo 'make demo          train with 20 labels per class, print the table, write out/report.html (DEMO_ARGS=--help)'
	@echo 'make test          build everything and run the tests'
	@echo 'make bench         run all benchmarks (BENCH_ARGS=--benchmark_filter=...)'
	@echo 'make gpu-check     on a machine with a GPU: everything, with a report in out/gpu-report.txt'
	@echo 'make format        format the C++ and CUDA files (check-format: only look)'
	@echo 'make clean         remove build/ and out/'
	@echo 'PRESET=cpu make test (or build, demo, bench): with another preset of CMakePresets.json: cpu, cuda, asan, release'

setup:
	@scripts/setup

configure: setup
	@cmake --preset $(PRESET)

build: configure
	@cmake --build --preset $(PRESET)

demo: configure
	@cmake --build --preset $(PRESET) --target demo
	@mkdir -p out
	@$(BUILD)/samples/demo $(DEMO_ARGS)

test: build
	@scripts/run_tests $(PRESET)

bench: build
	@for program in $(BUILD)/bench/leaven_*_bench; do echo "== $$program"; "$$program" $(BENCH_ARGS) || exit 1; done

gpu-check:
	@scripts/setup --ci
	@scripts/gpu_check

format:
	@scripts/format

check-format:
	@scripts/format --check

clean:
	rm -rf build out
