// The kernels as operators of Paddle: checks, outputs, gradients.
#include <cmath>
#include <string>
#include <vector>

#include "arena.h"
#include "dnnl.hpp"
#include "kernels.h"
#include "paddle/phi/api/ext/op_meta_info.h"
#include "paddle/phi/api/include/api.h"
#include "paddle/phi/api/include/tensor.h"
#include "paddle/phi/api/include/tensor_utils.h"

namespace {

using paddle::DataType;
using paddle::Tensor;
using Tensors = std::vector<Tensor>;
using Dims = std::vector<int64_t>;

std::string shown(const Dims& dims) {
  std::string text = "[";
  for (int64_t size : dims) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}
std::string shown(const Tensor& x) { return shown(x.shape()); }

Tensor empty(const Dims& dims, DataType type) {
  size_t bytes = phi::SizeOf(type);
  for (int64_t size : dims) bytes *= static_cast<size_t>(size);
  void* data = ppcls::allocate(bytes);
  PD_CHECK(data != nullptr, "no memory for ", bytes >> 20, " MiB, a result of the shape ", shown(dims));
  return paddle::from_blob(data, dims, type, phi::DataLayout::NCHW, paddle::CPUPlace(), ppcls::release);
}
Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype()); }

ppcls::Type type_of(const Tensor& x, const char* name) {
  PD_CHECK(x.is_cpu(), name, ": expected a tensor on the CPU");
  PD_CHECK(x.dtype() == DataType::FLOAT32 || x.dtype() == DataType::BFLOAT16, name,
           ": expected float32 or bfloat16; received ", phi::DataTypeToString(x.dtype()));
  return x.dtype() == DataType::BFLOAT16 ? ppcls::Type::bf16 : ppcls::Type::f32;
}

ppcls::Shape picture(const Tensor& x, const char* name) {
  type_of(x, name);
  PD_CHECK(x.shape().size() == 4, name, ": expected [N, H, W, C]; received ", shown(x));
  const Dims s = x.shape();
  PD_CHECK(x.numel() > 0, name, ": expected at least one element; received ", shown(x));
  return {s[0], s[1], s[2], s[3]};
}

void check_same(const Tensor& a, const char* a_name, const Tensor& b, const char* b_name) {
  PD_CHECK(b.initialized(), b_name, ": there is none");
  PD_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype() && b.is_cpu(), b_name, ": expected the shape ", shown(a),
           " and the type of ", a_name, "; received ", shown(b), ", ", phi::DataTypeToString(b.dtype()));
}

const float* floats(const Tensor& x, const Dims& dims, const char* name) {
  PD_CHECK(x.is_cpu() && x.dtype() == DataType::FLOAT32 && x.shape() == dims, name, ": expected float32 of ",
           dims.size(), " dimensions that fit the pictures, on the CPU; received ", shown(x), ", ",
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

// Convolution. `window`: strides, paddings (both sides alike) and dilations, each for height and width.

ppcls::Convolution convolution_of(const Tensor& x, const Tensor& weight, const std::vector<int>& window, int groups) {
  const ppcls::Shape s = picture(x, "convolution: X");
  const Dims w = weight.shape();
  PD_CHECK(w.size() == 4 && weight.dtype() == DataType::FLOAT32 && weight.is_cpu(),
           "convolution: Weight: expected float32 [out, in / groups, height, width]; received ", shown(weight), ", ",
           phi::DataTypeToString(weight.dtype()));
  PD_CHECK(window.size() == 6, "convolution: window: expected 6 numbers; received ", window.size());
  PD_CHECK(groups >= 1 && s.c == w[1] * groups && w[0] % groups == 0, "convolution: groups: ", groups,
           " groups of weights ", shown(weight), " don't fit pictures ", shown(x));
  const ppcls::Window v{w[2],      w[3],      window[0], window[1], window[2],
                        window[2], window[3], window[3], window[4], window[5]};
  PD_CHECK(window[0] > 0 && window[1] > 0 && window[2] >= 0 && window[3] >= 0 && window[4] > 0 && window[5] > 0,
           "convolution: window: expected strides and dilations above 0 and paddings of 0 or more");
  const ppcls::Shape y{s.n, v.out_h(s.h), v.out_w(s.w), w[0]};
  PD_CHECK(y.h > 0 && y.w > 0, "convolution: the pictures ", shown(x), " are smaller than the kernel of ",
           shown(weight));
  return {type_of(x, "convolution: X"), s, y, v, groups};
}

Tensors convolution(const Tensor& x, const Tensor& weight, const std::vector<int>& window, int groups, bool) {
  const ppcls::Convolution c = convolution_of(x, weight, window, groups);
  Tensor y = empty({c.y.n, c.y.h, c.y.w, c.y.c}, x.dtype());
  guarded("convolution",
          [&] { ppcls::convolution(c, x.data(), weight.data<float>(), nullptr, nullptr, false, y.data()); });
  return {y};
}

Tensors convolution_grad(const Tensor& x, const Tensor& weight, const Tensor& dy, const std::vector<int>& window,
                         int groups, bool input_gradient) {
  const ppcls::Convolution c = convolution_of(x, weight, window, groups);
  PD_CHECK(dy.shape() == Dims({c.y.n, c.y.h, c.y.w, c.y.c}) && dy.dtype() == x.dtype(),
           "convolution: gradient: doesn't fit; received ", shown(dy), ", ", phi::DataTypeToString(dy.dtype()));
  Tensor dx = empty_like(x), dweight = empty_like(weight);
  guarded("convolution gradient", [&] {
    // The gradient of the model's input is asked for by nobody, and is not written.
    if (input_gradient) ppcls::convolution_backward_data(c, dy.data(), weight.data<float>(), dx.data());
    ppcls::convolution_backward_weights(c, x.data(), dy.data(), dweight.data<float>());
  });
  return {dx, dweight};
}

// Convolution, batch norm with the statistics of training, addition and ReLU as one primitive; no gradient.
Tensors folded(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& shift, const Tensor& mean,
               const Tensor& variance, const paddle::optional<Tensor>& residual, const std::vector<int>& window,
               int groups, float epsilon, bool relu) {
  const ppcls::Convolution c = convolution_of(x, weight, window, groups);
  const Dims channels = {c.y.c};
  const float* g = floats(scale, channels, "convolution: Scale");
  const float* b = floats(shift, channels, "convolution: Shift");
  const float* m = floats(mean, channels, "convolution: Mean");
  const float* v = floats(variance, channels, "convolution: Variance");
  Tensor y = empty({c.y.n, c.y.h, c.y.w, c.y.c}, x.dtype());
  if (residual) check_same(y, "the result", residual.get(), "convolution: Residual");
  std::vector<float> factor(c.y.c), bias(c.y.c);
  for (int64_t i = 0; i < c.y.c; ++i) {
    factor[i] = g[i] / std::sqrt(v[i] + epsilon);
    bias[i] = b[i] - m[i] * factor[i];
  }
  guarded("convolution", [&] {
    const float* weights = ppcls::scaled_weights(c, weight.data<float>(), factor.data());
    ppcls::convolution(c, x.data(), weights, bias.data(), residual ? residual.get().data() : nullptr, relu, y.data());
  });
  return {y};
}

// Batch norm.

ppcls::BatchNorm batch_norm_of(const Tensor& x, bool relu, bool batch_statistics) {
  const ppcls::Shape s = picture(x, "batch norm: X");
  return {type_of(x, "batch norm: X"), s.pixels(), s.c, relu, batch_statistics};
}

// Mean and Variance are those that training keeps. They are changed in place, `momentum` of the old ones staying,
// and not declared so: Paddle would then take them for results that have a gradient.
Tensors batch_norm_with(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                        const Tensor& variance, const Tensor* residual, float momentum, float epsilon, bool relu,
                        bool batch_statistics) {
  const ppcls::BatchNorm b = batch_norm_of(x, relu, batch_statistics);
  const Dims channels = {b.channels};
  const float* g = floats(scale, channels, "batch norm: Scale");
  const float* s = floats(shift, channels, "batch norm: Shift");
  float* kept_mean = const_cast<float*>(floats(mean, channels, "batch norm: Mean"));
  float* kept_variance = const_cast<float*>(floats(variance, channels, "batch norm: Variance"));
  if (residual != nullptr) check_same(x, "X", *residual, "batch norm: Residual");
  Tensor y = empty_like(x), used_mean = empty_like(mean), inv_std = empty_like(mean);
  float *m = used_mean.data<float>(), *v = inv_std.data<float>();
  if (batch_statistics) ppcls::batch_moments(b.type, b.pixels, b.channels, x.data(), m, v);
  for (int64_t c = 0; c < b.channels; ++c) {
    if (batch_statistics) {
      kept_mean[c] = kept_mean[c] * momentum + m[c] * (1 - momentum);
      kept_variance[c] = kept_variance[c] * momentum + v[c] * (1 - momentum);
    } else {
      m[c] = kept_mean[c];
      v[c] = kept_variance[c];
    }
    v[c] = 1 / std::sqrt(v[c] + epsilon);
  }
  ppcls::batch_norm(b, x.data(), m, v, g, s, residual != nullptr ? residual->data() : nullptr, y.data());
  return {y, used_mean, inv_std};
}

Tensors batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                   const Tensor& variance, float momentum, float epsilon, bool relu,
                   bool batch_statistics) {
  return batch_norm_with(x, scale, shift, mean, variance, nullptr, momentum, epsilon, relu, batch_statistics);
}

Tensors batch_norm_add(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                       const Tensor& variance, const Tensor& residual, float momentum, float epsilon, bool relu,
                       bool batch_statistics) {
  return batch_norm_with(x, scale, shift, mean, variance, &residual, momentum, epsilon, relu, batch_statistics);
}

Tensors batch_norm_grad(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                        const Tensor& inv_std, const Tensor& dy, float, float, bool relu, bool batch_statistics) {
  const ppcls::BatchNorm b = batch_norm_of(x, relu, batch_statistics);
  check_same(x, "X", dy, "batch norm: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(shift);
  ppcls::batch_norm_backward(b, x.data(), mean.data<float>(), inv_std.data<float>(), scale.data<float>(),
                             shift.data<float>(), nullptr, dy.data(), dx.data(), dscale.data<float>(),
                             dshift.data<float>(), nullptr);
  return {dx, dscale, dshift};
}

Tensors batch_norm_add_grad(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y,
                            const Tensor& mean, const Tensor& inv_std, const Tensor& dy, float momentum, float epsilon,
                            bool relu, bool batch_statistics) {
  if (!relu) {
    Tensors gradients = batch_norm_grad(x, scale, shift, mean, inv_std, dy, momentum, epsilon, false, batch_statistics);
    gradients.push_back(dy);
    return gradients;
  }
  const ppcls::BatchNorm b = batch_norm_of(x, true, batch_statistics);
  check_same(x, "X", dy, "batch norm: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(shift), dresidual = empty_like(x);
  ppcls::batch_norm_backward(b, x.data(), mean.data<float>(), inv_std.data<float>(), scale.data<float>(),
                             shift.data<float>(), y.data(), dy.data(), dx.data(), dscale.data<float>(),
                             dshift.data<float>(), dresidual.data());
  return {dx, dscale, dshift, dresidual};
}

// Pooling. `window`: kernel, strides, then padding at the top, bottom, left and right.

ppcls::Pooling pooling_of(const Tensor& x, const std::vector<int>& window, bool max) {
  const ppcls::Shape s = picture(x, "pooling: X");
  PD_CHECK(window.size() == 8, "pooling: window: expected 8 numbers; received ", window.size());
  const ppcls::Window w{window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]};
  PD_CHECK(w.kernel_h > 0 && w.kernel_w > 0 && w.stride_h > 0 && w.stride_w > 0,
           "pooling: window: expected kernel and strides above 0");
  PD_CHECK(w.pad_top >= 0 && w.pad_top < w.kernel_h && w.pad_bottom >= 0 && w.pad_bottom < w.kernel_h &&
               w.pad_left >= 0 && w.pad_left < w.kernel_w && w.pad_right >= 0 && w.pad_right < w.kernel_w,
           "pooling: window: expected paddings from 0 to less than the kernel");
  const ppcls::Shape y{s.n, w.out_h(s.h), w.out_w(s.w), s.c};
  PD_CHECK(y.h > 0 && y.w > 0, "pooling: the pictures ", shown(x), " are smaller than the window");
  return {type_of(x, "pooling: X"), s, y, w, max};
}

Tensors pooling(const Tensor& x, const std::vector<int>& window, bool max) {
  const ppcls::Pooling p = pooling_of(x, window, max);
  Tensor y = empty({p.y.n, p.y.h, p.y.w, p.y.c}, x.dtype());
  return guarded("pooling", [&]() -> Tensors {
    // Averages keep nothing, but an output must have an element.
    Tensor workspace = empty({std::max<int64_t>(1, ppcls::pooling_workspace(p))}, DataType::UINT8);
    ppcls::pooling(p, x.data(), y.data(), workspace.data());
    return {y, workspace};
  });
}

Tensors pooling_grad(const Tensor& x, const Tensor& workspace, const Tensor& dy, const std::vector<int>& window,
                     bool max) {
  const ppcls::Pooling p = pooling_of(x, window, max);
  PD_CHECK(dy.shape() == Dims({p.y.n, p.y.h, p.y.w, p.y.c}) && dy.dtype() == x.dtype(),
           "pooling: gradient: doesn't fit; received ", shown(dy));
  Tensor dx = empty_like(x);
  guarded("pooling gradient", [&] { ppcls::pooling_backward(p, dy.data(), workspace.data(), dx.data()); });
  return {dx};
}

// Linear: X [rows, inner], Weight [inner, columns], Bias [columns].

Tensors linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  PD_CHECK(x.shape().size() == 2 && weight.shape().size() == 2 && x.numel() > 0,
           "linear: expected X [rows, inner] and Weight [inner, columns]; received ", shown(x), " and ", shown(weight));
  const int64_t rows = x.shape()[0], inner = x.shape()[1], columns = weight.shape()[1];
  const float* p = floats(x, {rows, inner}, "linear: X");
  const float* w = floats(weight, {inner, columns}, "linear: Weight");
  const float* b = floats(bias, {columns}, "linear: Bias");
  Tensor y = empty({rows, columns}, DataType::FLOAT32);
  guarded("linear", [&] { ppcls::linear(rows, inner, columns, p, w, b, y.data<float>()); });
  return {y};
}

Tensors linear_grad(const Tensor& x, const Tensor& weight, const Tensor& dy) {
  const int64_t rows = x.shape()[0], inner = x.shape()[1], columns = weight.shape()[1];
  const float* d = floats(dy, {rows, columns}, "linear: gradient");
  Tensor dx = empty_like(x), dweight = empty_like(weight), dbias = empty({columns}, DataType::FLOAT32);
  guarded("linear gradient", [&] {
    ppcls::matmul(rows, columns, inner, d, false, weight.data<float>(), true, dx.data<float>());
    ppcls::matmul(inner, rows, columns, x.data<float>(), true, d, false, dweight.data<float>());
  });
  float* sums = dbias.data<float>();
  for (int64_t column = 0; column < columns; ++column) sums[column] = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) sums[column] += d[row * columns + column];
  return {dx, dweight, dbias};
}

// Layout.

ppcls::Shape nchw(const Tensor& images) {
  PD_CHECK(images.shape().size() == 4 && images.dtype() == DataType::FLOAT32 && images.is_cpu() && images.numel() > 0,
           "channels last: expected float32 [N, C, H, W]; received ", shown(images), ", ",
           phi::DataTypeToString(images.dtype()));
  const Dims s = images.shape();
  return {s[0], s[2], s[3], s[1]};
}

Tensors channels_last(const Tensor& images, bool bfloat16) {
  const ppcls::Shape s = nchw(images);
  Tensor y = empty({s.n, s.h, s.w, s.c}, bfloat16 ? DataType::BFLOAT16 : DataType::FLOAT32);
  const auto type = type_of(y, "channels last");
  guarded("channels last", [&] { ppcls::to_channels_last(type, s, images.data<float>(), y.data()); });
  return {y};
}

Tensors channels_last_grad(const Tensor& images, const Tensor& dy, bool) {
  Tensor dimages = empty_like(images);
  const auto type = type_of(dy, "channels last: gradient");
  guarded("channels last gradient",
          [&] { ppcls::from_channels_last(type, nchw(images), dy.data(), dimages.data<float>()); });
  return {dimages};
}

// One tensor for two uses, whose gradients are added by all threads; Paddle's own sum takes one.

Tensors branch(const Tensor& x) { return {x, x}; }

Tensors branch_grad(const Tensor& a, const Tensor& b) {
  // A use that the loss does not depend on has no gradient.
  if (!a.initialized() || !b.initialized()) return {a.initialized() ? a : b};
  check_same(a, "the first gradient", b, "the second gradient");
  Tensor sum = empty_like(a);
  ppcls::add(type_of(a, "branch"), a.numel(), a.data(), b.data(), sum.data());
  return {sum};
}

}  // namespace

extern "C" void ppcls_set_threads(int count) { ppcls::set_threads(count); }

using paddle::Grad;
using paddle::Optional;

PD_BUILD_OP(ppcls_convolution)
    .Inputs({"X", "Weight"})
    .Outputs({"Y"})
    .Attrs({"window: std::vector<int>", "groups: int", "input_gradient: bool"})
    .SetKernelFn(PD_KERNEL(convolution));
PD_BUILD_GRAD_OP(ppcls_convolution)
    .Inputs({"X", "Weight", Grad("Y")})
    .Outputs({Grad("X"), Grad("Weight")})
    .Attrs({"window: std::vector<int>", "groups: int", "input_gradient: bool"})
    .SetKernelFn(PD_KERNEL(convolution_grad));

PD_BUILD_OP(ppcls_folded)
    .Inputs({"X", "Weight", "Scale", "Shift", "Mean", "Variance", Optional("Residual")})
    .Outputs({"Y"})
    .Attrs({"window: std::vector<int>", "groups: int", "epsilon: float", "relu: bool"})
    .SetKernelFn(PD_KERNEL(folded));

PD_BUILD_OP(ppcls_batch_norm)
    .Inputs({"X", "Scale", "Shift", "Mean", "Variance"})
    .Outputs({"Y", "UsedMean", "InvStd"})
    .Attrs({"momentum: float", "epsilon: float", "relu: bool", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm));
PD_BUILD_GRAD_OP(ppcls_batch_norm)
    .Inputs({"X", "Scale", "Shift", "UsedMean", "InvStd", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift")})
    .Attrs({"momentum: float", "epsilon: float", "relu: bool", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm_grad));

PD_BUILD_OP(ppcls_batch_norm_add)
    .Inputs({"X", "Scale", "Shift", "Mean", "Variance", "Residual"})
    .Outputs({"Y", "UsedMean", "InvStd"})
    .Attrs({"momentum: float", "epsilon: float", "relu: bool", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm_add));
PD_BUILD_GRAD_OP(ppcls_batch_norm_add)
    .Inputs({"X", "Scale", "Shift", "Y", "UsedMean", "InvStd", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift"), Grad("Residual")})
    .Attrs({"momentum: float", "epsilon: float", "relu: bool", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm_add_grad));

PD_BUILD_OP(ppcls_pooling)
    .Inputs({"X"})
    .Outputs({"Y", "Workspace"})
    .Attrs({"window: std::vector<int>", "max: bool"})
    .SetKernelFn(PD_KERNEL(pooling));
PD_BUILD_GRAD_OP(ppcls_pooling)
    .Inputs({"X", "Workspace", Grad("Y")})
    .Outputs({Grad("X")})
    .Attrs({"window: std::vector<int>", "max: bool"})
    .SetKernelFn(PD_KERNEL(pooling_grad));

PD_BUILD_OP(ppcls_linear).Inputs({"X", "Weight", "Bias"}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(linear));
PD_BUILD_GRAD_OP(ppcls_linear)
    .Inputs({"X", "Weight", Grad("Y")})
    .Outputs({Grad("X"), Grad("Weight"), Grad("Bias")})
    .SetKernelFn(PD_KERNEL(linear_grad));

PD_BUILD_OP(ppcls_channels_last)
    .Inputs({"X"})
    .Outputs({"Y"})
    .Attrs({"bfloat16: bool"})
    .SetKernelFn(PD_KERNEL(channels_last));
PD_BUILD_GRAD_OP(ppcls_channels_last)
    .Inputs({"X", Grad("Y")})
    .Outputs({Grad("X")})
    .Attrs({"bfloat16: bool"})
    .SetKernelFn(PD_KERNEL(channels_last_grad));

PD_BUILD_OP(ppcls_branch).Inputs({"X"}).Outputs({"A", "B"}).SetKernelFn(PD_KERNEL(branch));
PD_BUILD_GRAD_OP(ppcls_branch)
    .Inputs({Grad("A"), Grad("B")})
    .Outputs({Grad("X")})
    .SetKernelFn(PD_KERNEL(branch_grad));
