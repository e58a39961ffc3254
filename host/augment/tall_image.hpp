#pragma once

#include <cstdint>

#include <leaven/view.hpp>

// A batch as one tall image, for operations that look at single pixels only.
namespace leaven {

// Each image begins where the rows of the one before end.
template <class T>
bool rows_go_on(const ImageView<T>& view) {
  return view.image_stride == view.height * view.row_stride;
}

// All images below each other as one.
template <class T>
ImageView<T> merged(ImageView<T> view) {
  view.height *= view.count;
  view.image_stride *= view.count;
  view.count = 1;
  return view;
}

template <class T>
ImageView<T> rows(ImageView<T> view, std::int64_t begin, std::int64_t end) {
  view.data += begin * view.row_stride;
  view.height = end - begin;
  return view;
}

}  // namespace leaven
