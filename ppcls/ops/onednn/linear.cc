// Matrix products: MKL's threads would wait, spinning, where oneDNN's want to compute.
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::memory;
using tag = dnnl::memory::format_tag;

memory::desc matrix(const Matrix& m) {
  return {{m.rows, m.columns}, data_type(m.type), m.transposed ? tag::ba : tag::ab};
}

}  // namespace

void product(const Matrix& left, const Matrix& right, const float* bias, const Matrix& result) {
  using Entry = Made<dnnl::matmul>;
  static PrimitiveCache<Entry> cache;
  Key key = {bias != nullptr};
  for (const Matrix* m : {&left, &right, &result})
    key.insert(key.end(), {static_cast<int64_t>(m->type), m->rows, m->columns, m->transposed});
  auto made = cache.get(std::move(key), [&] {
    const memory::desc none;
    const memory::desc bias_desc =
        bias != nullptr ? memory::desc({1, result.columns}, memory::data_type::f32, tag::ab) : none;
    return Entry({engine(), matrix(left), matrix(right), bias_desc, matrix(result), user_scratchpad()});
  });
  const auto& desc = made->desc;
  Arguments arguments = {{DNNL_ARG_SRC, at(desc.src_desc(), left.data)},
                         {DNNL_ARG_WEIGHTS, at(desc.weights_desc(), right.data)},
                         {DNNL_ARG_DST, at(desc.dst_desc(), result.data)}};
  if (bias != nullptr) arguments.insert({DNNL_ARG_BIAS, at(desc.bias_desc(), bias)});
  run(made->primitive, desc.scratchpad_desc(), std::move(arguments));
}

const void* narrowed(Type type, int64_t size, const float* values) {
  if (type == Type::f32) return values;
  const memory::desc wide = {{size}, data_type(Type::f32), tag::a}, narrow = {{size}, data_type(type), tag::a};
  return reordered(at(wide, values), narrow, Piece::reordered_weights).get_data_handle();
}

}  // namespace ppcls
