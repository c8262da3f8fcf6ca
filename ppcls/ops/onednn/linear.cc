// The classifier's matrix products: MKL's threads would wait, spinning, where oneDNN's want to compute.
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::memory;
using tag = dnnl::memory::format_tag;

memory::desc matrix(int64_t rows, int64_t columns, bool transposed) {
  return {{rows, columns}, memory::data_type::f32, transposed ? tag::ba : tag::ab};
}

void product(int64_t rows, int64_t inner, int64_t columns, const float* left, bool left_transposed, const float* right,
             bool right_transposed, const float* bias, float* result) {
  using Entry = Made<dnnl::matmul>;
  static PrimitiveCache<Entry> cache;
  Key key = {rows, inner, columns, left_transposed, right_transposed, bias != nullptr};
  auto made = cache.get(std::move(key), [&] {
    const memory::desc none;
    const memory::desc bias_desc = bias != nullptr ? matrix(1, columns, false) : none;
    return Entry({engine(), matrix(rows, inner, left_transposed), matrix(inner, columns, right_transposed), bias_desc,
                  matrix(rows, columns, false), user_scratchpad()});
  });
  const auto& desc = made->desc;
  Arguments arguments = {{DNNL_ARG_SRC, at(desc.src_desc(), left)},
                         {DNNL_ARG_WEIGHTS, at(desc.weights_desc(), right)},
                         {DNNL_ARG_DST, at(desc.dst_desc(), result)}};
  if (bias != nullptr) arguments.insert({DNNL_ARG_BIAS, at(desc.bias_desc(), bias)});
  run(made->primitive, desc.scratchpad_desc(), std::move(arguments));
}

}  // namespace

void linear(int64_t rows, int64_t inner, int64_t columns, const float* x, const float* weights, const float* bias,
            float* y) {
  product(rows, inner, columns, x, false, weights, false, bias, y);
}

void matmul(int64_t rows, int64_t inner, int64_t columns, const float* left, bool left_transposed, const float* right,
            bool right_transposed, float* result) {
  product(rows, inner, columns, left, left_transposed, right, right_transposed, nullptr, result);
}

}  // namespace ppcls
