// The model's input, float32 NCHW -> NHWC of the type that the model computes in, and windows of images.
#include <cstring>

#include "primitives.h"

namespace ppcls {
namespace {

dnnl::memory channels_first(const Shape& s, const void* images) {
  return at({{s.n, s.c, s.h, s.w}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::nchw}, images);
}

// Calls `copy` with the index of each pixel of an image and of its token.
template <class Copy>
void each_token(const Shape& s, const Tiles& t, Copy copy) {
  const int64_t across = s.w / t.width;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < s.n * s.h; ++row) {
    const int64_t n = row / s.h, y = row % s.h, from_y = (y + t.shift) % s.h;
    for (int64_t x = 0; x < s.w; ++x) {
      const int64_t window = (n * (s.h / t.height) + y / t.height) * across + x / t.width;
      copy((n * s.h + from_y) * s.w + (x + t.shift) % s.w,
           (window * t.height + y % t.height) * t.width + x % t.width);
    }
  }
}

}  // namespace

void to_channels_last(Type type, const Shape& shape, const float* images, void* y) {
  reorder(channels_first(shape, images), at(channels_last(type, shape), y));
}

void from_channels_last(Type type, const Shape& shape, const void* x, float* images) {
  reorder(at(channels_last(type, shape), x), channels_first(shape, images));
}

void windows(Type type, const Shape& s, const Tiles& t, const void* images, void* tokens) {
  threads();
  const int64_t bytes = s.c * (type == Type::bf16 ? 2 : 4);
  each_token(s, t, [&](int64_t pixel, int64_t token) {
    std::memcpy(static_cast<char*>(tokens) + token * bytes, static_cast<const char*>(images) + pixel * bytes, bytes);
  });
}

void join_windows(Type type, const Shape& s, const Tiles& t, const void* tokens, void* images) {
  threads();
  const int64_t bytes = s.c * (type == Type::bf16 ? 2 : 4);
  each_token(s, t, [&](int64_t pixel, int64_t token) {
    std::memcpy(static_cast<char*>(images) + pixel * bytes, static_cast<const char*>(tokens) + token * bytes, bytes);
  });
}

}  // namespace ppcls
