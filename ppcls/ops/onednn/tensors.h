// What operators of Paddle share: results, and checks of what comes in.
#pragma once

#include <string>
#include <vector>

#include "arena.h"
#include "dnnl.hpp"
#include "kernels.h"
#include "paddle/phi/api/ext/op_meta_info.h"
#include "paddle/phi/api/include/api.h"
#include "paddle/phi/api/include/tensor.h"
#include "paddle/phi/api/include/tensor_utils.h"

namespace ppcls::op {

using paddle::DataType;
using paddle::Tensor;
using Tensors = std::vector<Tensor>;
using Dims = std::vector<int64_t>;

inline std::string shown(const Dims& dims) {
  std::string text = "[";
  for (int64_t size : dims) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}
inline std::string shown(const Tensor& x) { return shown(x.shape()); }

inline Tensor empty(const Dims& dims, DataType type) {
  size_t bytes = phi::SizeOf(type);
  for (int64_t size : dims) bytes *= static_cast<size_t>(size);
  void* data = allocate(bytes);
  PD_CHECK(data != nullptr, "no memory for ", bytes >> 20, " MiB, a result of the shape ", shown(dims));
  return paddle::from_blob(data, dims, type, phi::DataLayout::NCHW, paddle::CPUPlace(), release);
}
inline Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype()); }

inline Type type_of(const Tensor& x, const char* name) {
  PD_CHECK(x.is_cpu(), name, ": expected a tensor on the CPU");
  PD_CHECK(x.dtype() == DataType::FLOAT32 || x.dtype() == DataType::BFLOAT16, name,
           ": expected float32 or bfloat16; received ", phi::DataTypeToString(x.dtype()));
  return x.dtype() == DataType::BFLOAT16 ? Type::bf16 : Type::f32;
}

inline Shape images_shape(const Tensor& x, const char* name) {
  type_of(x, name);
  PD_CHECK(x.shape().size() == 4, name, ": expected [N, H, W, C]; received ", shown(x));
  const Dims s = x.shape();
  PD_CHECK(x.numel() > 0, name, ": expected at least one element; received ", shown(x));
  return {s[0], s[1], s[2], s[3]};
}

inline void check_same(const Tensor& a, const char* a_name, const Tensor& b, const char* b_name) {
  PD_CHECK(b.initialized(), b_name, ": there is none");
  PD_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype() && b.is_cpu(), b_name, ": expected the shape ", shown(a),
           " and the type of ", a_name, "; received ", shown(b), ", ", phi::DataTypeToString(b.dtype()));
}

inline const float* floats(const Tensor& x, const Dims& dims, const char* name) {
  PD_CHECK(x.is_cpu() && x.dtype() == DataType::FLOAT32 && x.shape() == dims, name, ": expected float32 of ",
           dims.size(), " dimensions that fit the images, on the CPU; received ", shown(x), ", ",
           phi::DataTypeToString(x.dtype()));
  return x.data<float>();
}

// Runs a kernel; what oneDNN throws names the operator.
template <class Kernel>
auto guarded(const char* name, Kernel kernel) {
  try {
    return kernel();
  } catch (const dnnl::error& error) {
    PD_THROW(name, ": oneDNN: ", error.what());
  }
}

// The activation of a name in ppcls/models/layers/operators.py; "none" for none.
inline Act act_of(const std::string& name) {
  static const std::vector<std::string> names = {
      "none",      "relu",  "relu6", "leaky_relu", "steep_leaky_relu", "sigmoid", "hardsigmoid", "steep_hardsigmoid", "clip",
      "hardswish", "swish", "gelu",  "quick_gelu", "mish",             "tanh"};
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Act>(i);
  PD_THROW("there is no activation ", name);
}

}  // namespace ppcls::op
