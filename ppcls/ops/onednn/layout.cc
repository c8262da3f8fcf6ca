// The model's input: float32 NCHW -> NHWC of the type that the model computes in.
#include "primitives.h"

namespace ppcls {
namespace {

dnnl::memory channels_first(const Shape& s, const void* images) {
  return at({{s.n, s.c, s.h, s.w}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::nchw}, images);
}

}  // namespace

void to_channels_last(Type type, const Shape& shape, const float* images, void* y) {
  reorder(channels_first(shape, images), at(channels_last(type, shape), y));
}

void from_channels_last(Type type, const Shape& shape, const void* x, float* images) {
  reorder(at(channels_last(type, shape), x), channels_first(shape, images));
}

}  // namespace ppcls
