#include "host/nn/onednn.hpp"

#include <omp.h>

#include "host/core/check.hpp"

namespace leaven::nn {
namespace {

// oneDNN's CPU stream runs a primitive in the calling thread; each thread has its own.
dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

}  // namespace

SingleThreadedOneDnn::SingleThreadedOneDnn() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleThreadedOneDnn::~SingleThreadedOneDnn() { omp_set_num_threads(before_); }

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::desc onednn_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}
dnnl::memory::desc onednn_desc(const dnnl::memory::dims& dims, const dnnl::memory::dims& strides) {
  return {dims, dnnl::memory::data_type::f32, strides};
}

dnnl::primitive_attr onednn_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

OneDnnCall::OneDnnCall(dnnl::primitive primitive, const Arguments& arguments) : primitive_(std::move(primitive)) {
  for (const auto& [index, desc] : arguments) {
    memories_.push_back(dnnl::memory(desc, onednn_engine(), nullptr));  // data comes with run()
    arguments_.push_back({index, memories_.back().get()});
  }
}

// The C interface: the C++ one builds a map for each call.
void OneDnnCall::run(std::initializer_list<const void*> data) {
  auto memory = memories_.begin();
  for (const void* pointer : data) (memory++)->set_data_handle(const_cast<void*>(pointer));
  const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), thread_stream().get(),
                                                      static_cast<int>(arguments_.size()), arguments_.data());
  if (status != dnnl_success) throw Error(message("oneDNN: a primitive failed with status {}", status));
}

OneDnnCall onednn_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  return create_onednn("reorder", [&] {
    const dnnl::reorder::primitive_desc desc(onednn_engine(), from, onednn_engine(), to);
    return OneDnnCall(dnnl::reorder(desc), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  });
}

}  // namespace leaven::nn
