#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <initializer_list>
#include <utility>
#include <vector>

#include <leaven/error.hpp>

// The part of oneDNN that the layers use: one engine, and calls prepared once. Primitives are created and run with one
// thread: their results do not depend on the number of threads.
namespace leaven::nn {

// While it lives, OpenMP loops of the calling thread have one thread. oneDNN's own threads spin, and starve beside a
// busy process; the pool's threads call it single-threaded instead.
class SingleThreadedOneDnn {
 public:
  SingleThreadedOneDnn();
  ~SingleThreadedOneDnn();
  SingleThreadedOneDnn(const SingleThreadedOneDnn&) = delete;
  SingleThreadedOneDnn& operator=(const SingleThreadedOneDnn&) = delete;

 private:
  int before_;
};

const dnnl::engine& onednn_engine();

// f32; tag::any: oneDNN chooses the format.
dnnl::memory::desc onednn_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag tag);
dnnl::memory::desc onednn_desc(const dnnl::memory::dims& dims, const dnnl::memory::dims& strides);

// With the caller's scratchpad.
dnnl::primitive_attr onednn_attributes();

// `create()` with one thread; oneDNN's exception becomes an Error that begins with `what`.
template <class Create>
auto create_onednn(const char* what, Create create) {
  const SingleThreadedOneDnn guard;
  try {
    return create();
  } catch (const dnnl::error& error) {
    throw Error(std::string(what) + ": oneDNN: " + error.what());
  }
}

// A primitive with its arguments. One object serves one thread at a time.
class OneDnnCall {
 public:
  using Arguments = std::vector<std::pair<int, dnnl::memory::desc>>;

  OneDnnCall() = default;
  OneDnnCall(dnnl::primitive primitive, const Arguments& arguments);

  // `data`: one pointer per argument, in their order.
  void run(std::initializer_list<const void*> data);

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// A copy from one format into another, with its scratchpad.
OneDnnCall onednn_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

}  // namespace leaven::nn
