# How every target is compiled.
set(LEAVEN_WARNINGS -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND LEAVEN_WARNINGS -Wno-restrict)  # false alarms on std::string's operator+, GCC bug 105651
endif()
if(LEAVEN_WERROR)
  list(APPEND LEAVEN_WARNINGS -Werror)
endif()
set(LEAVEN_SANITIZERS "")
if(LEAVEN_SANITIZE)
  set(LEAVEN_SANITIZERS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(LEAVEN_X86 OFF)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(LEAVEN_X86 ON)
endif()

function(leaven_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  # No contraction: u8 results and losses promise their bits. -fno-math-errno and -fno-trapping-math change no result.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:${LEAVEN_WARNINGS};${LEAVEN_SANITIZERS};-ffp-contract=off;-fno-math-errno;-fno-trapping-math>
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-fmad=false;-lineinfo;-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter>)
  if(LEAVEN_X86)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v2>)
  endif()
  if(LEAVEN_SANITIZE)
    target_link_options(${target} PUBLIC ${LEAVEN_SANITIZERS})
  endif()
endfunction()

# A static library of `sources` (host) and `kernels` (.cu, only with CUDA). A source *_isa.cpp is compiled once for each
# instruction set, in the namespace LEAVEN_ISA (host/core/isa.hpp).
function(leaven_add_library target sources kernels)
  set(isa_sources ${sources})
  list(FILTER isa_sources INCLUDE REGEX "_isa\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_isa\\.cpp$")
  if(LEAVEN_WITH_CUDA)
    list(APPEND sources ${kernels})
  endif()
  add_library(${target} STATIC ${sources})
  leaven_compile_options(${target})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  if(LEAVEN_WITH_CUDA)
    target_compile_definitions(${target} PRIVATE LEAVEN_WITH_CUDA=1)
    target_link_libraries(${target} PUBLIC CUDA::cudart)
  endif()
  find_package(Threads REQUIRED)
  target_link_libraries(${target} PUBLIC Threads::Threads)
  if(isa_sources)
    leaven_add_isa(${target} baseline "" "${isa_sources}")
    if(LEAVEN_X86)
      leaven_add_isa(${target} avx2 "-march=x86-64-v3" "${isa_sources}")
      leaven_add_isa(${target} avx512 "-march=x86-64-v4;-mprefer-vector-width=512" "${isa_sources}")
    endif()
  endif()
endfunction()

function(leaven_add_isa target isa flags sources)
  add_library(${target}_${isa} OBJECT ${sources})
  leaven_compile_options(${target}_${isa})
  set_target_properties(${target}_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target}_${isa} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(${target}_${isa} PRIVATE LEAVEN_ISA=${isa})
  target_compile_options(${target}_${isa} PRIVATE -O3 ${flags})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${isa}>)
endfunction()

# A program of this project: benchmark or sample.
function(leaven_add_program target)
  add_executable(${target} ${ARGN})
  leaven_compile_options(${target})
endfunction()

# Tests and what the samples share: large headers, nothing that has to be fast. Optimising them would be half of the time
# that the whole project takes to compile. -Wno-array-bounds, -Wno-stringop-overflow: false alarms of GCC 12 in std::string
# at -O1.
function(leaven_optimise_less target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1;-Wno-array-bounds;-Wno-stringop-overflow>)
endfunction()

# Of a test program or of leaven_test_support, whose precompiled header all test programs share: the same options.
function(leaven_test_options target)
  leaven_optimise_less(${target})
  # It is the library that the sanitizers look at: instrumented tests would take half of the time of such a build.
  if(LEAVEN_SANITIZE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=all>)
  endif()
  # -Wno-mismatched-new-delete: a false alarm of GCC 12 about tests that count allocations by their own operator new.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
endfunction()

function(leaven_add_test_program target)
  leaven_add_program(${target} ${ARGN})
  leaven_test_options(${target})
  target_precompile_headers(${target} REUSE_FROM leaven_test_support)
endfunction()
