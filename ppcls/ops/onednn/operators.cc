// The kernels as operators of Paddle: checks, outputs, gradients. Those that read each value once are in
// elementwise_operators.cc, those of tokens in token_operators.cc.
#include <algorithm>
#include <cmath>

#include "tensors.h"

namespace ppcls::op {

// Convolution. `window`: strides; padding at the top, bottom, left and right; dilations.

Convolution convolution_of(const Tensor& x, const Tensor& weight, const std::vector<int>& window, int groups) {
  const Shape s = images_shape(x, "convolution: X");
  const Dims w = weight.shape();
  PD_CHECK(w.size() == 4 && weight.dtype() == DataType::FLOAT32 && weight.is_cpu(),
           "convolution: Weight: expected float32 [out, in / groups, height, width]; received ", shown(weight), ", ",
           phi::DataTypeToString(weight.dtype()));
  PD_CHECK(window.size() == 8, "convolution: window: expected 8 numbers; received ", window.size());
  PD_CHECK(groups >= 1 && s.c == w[1] * groups && w[0] % groups == 0, "convolution: groups: ", groups,
           " groups of weights ", shown(weight), " don't fit images ", shown(x));
  const Window v{w[2],      w[3],      window[0], window[1], window[2],
                        window[3], window[4], window[5], window[6], window[7]};
  PD_CHECK(window[0] > 0 && window[1] > 0 && window[6] > 0 && window[7] > 0 &&
               *std::min_element(window.begin(), window.end()) >= 0,
           "convolution: window: expected strides and dilations above 0 and paddings of 0 or more");
  const Shape y{s.n, v.out_h(s.h), v.out_w(s.w), w[0]};
  PD_CHECK(y.h > 0 && y.w > 0, "convolution: the images ", shown(x), " are smaller than the kernel of ",
           shown(weight));
  return {type_of(x, "convolution: X"), s, y, v, groups};
}

Tensors convolution(const Tensor& x, const Tensor& weight, const std::vector<int>& window, int groups, bool) {
  const Convolution c = convolution_of(x, weight, window, groups);
  Tensor y = empty({c.y.n, c.y.h, c.y.w, c.y.c}, x.dtype());
  guarded("convolution",
          [&] { ppcls::convolution(c, x.data(), weight.data<float>(), nullptr, nullptr, Act::none, y.data()); });
  return {y};
}

Tensors convolution_grad(const Tensor& x, const Tensor& weight, const Tensor& dy, const std::vector<int>& window,
                         int groups, bool input_gradient) {
  const Convolution c = convolution_of(x, weight, window, groups);
  PD_CHECK(dy.shape() == Dims({c.y.n, c.y.h, c.y.w, c.y.c}) && dy.dtype() == x.dtype(),
           "convolution: gradient: doesn't fit; received ", shown(dy), ", ", phi::DataTypeToString(dy.dtype()));
  Tensor dx = empty_like(x), dweight = empty_like(weight);
  guarded("convolution gradient", [&] {
    // The gradient of the model's input is asked for by nobody, and is not written.
    if (input_gradient) convolution_backward_data(c, dy.data(), weight.data<float>(), dx.data());
    convolution_backward_weights(c, x.data(), dy.data(), dweight.data<float>());
  });
  return {dx, dweight};
}

// Convolution, batch norm with the statistics of training, addition and activation as one primitive; no gradient.
Tensors folded(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& shift, const Tensor& mean,
               const Tensor& variance, const paddle::optional<Tensor>& residual, const std::vector<int>& window,
               int groups, float epsilon, const std::string& act) {
  const Convolution c = convolution_of(x, weight, window, groups);
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
    const float* weights = scaled_weights(c, weight.data<float>(), factor.data());
    ppcls::convolution(c, x.data(), weights, bias.data(), residual ? residual.get().data() : nullptr,
                       act_of(act), y.data());
  });
  return {y};
}

// Batch norm.

BatchNorm batch_norm_of(const Tensor& x, const std::string& act, bool batch_statistics) {
  PD_CHECK(normalises_with(act_of(act)), "batch norm: not with ", act, " in one operator");
  const Shape s = images_shape(x, "batch norm: X");
  return {type_of(x, "batch norm: X"), s.pixels(), s.c, act_of(act), batch_statistics};
}

// Mean and Variance are those that training keeps. They are changed in place, `momentum` of the old ones staying,
// and not declared so: Paddle would then take them for results that have a gradient.
Tensors batch_norm_with(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                        const Tensor& variance, const Tensor* residual, float momentum, float epsilon,
                        const std::string& act, bool batch_statistics) {
  const BatchNorm b = batch_norm_of(x, act, batch_statistics);
  const Dims channels = {b.channels};
  const float* g = floats(scale, channels, "batch norm: Scale");
  const float* s = floats(shift, channels, "batch norm: Shift");
  float* kept_mean = const_cast<float*>(floats(mean, channels, "batch norm: Mean"));
  float* kept_variance = const_cast<float*>(floats(variance, channels, "batch norm: Variance"));
  if (residual != nullptr) check_same(x, "X", *residual, "batch norm: Residual");
  Tensor y = empty_like(x), used_mean = empty_like(mean), inv_std = empty_like(mean);
  float *m = used_mean.data<float>(), *v = inv_std.data<float>();
  if (batch_statistics) batch_moments(b.type, b.pixels, b.channels, x.data(), m, v);
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
                   const Tensor& variance, float momentum, float epsilon,
                   const std::string& act, bool batch_statistics) {
  return batch_norm_with(x, scale, shift, mean, variance, nullptr, momentum, epsilon, act, batch_statistics);
}

Tensors batch_norm_add(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                       const Tensor& variance, const Tensor& residual, float momentum, float epsilon,
                       const std::string& act, bool batch_statistics) {
  return batch_norm_with(x, scale, shift, mean, variance, &residual, momentum, epsilon, act, batch_statistics);
}

Tensors batch_norm_grad(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                        const Tensor& inv_std, const Tensor& dy, float, float, const std::string& act,
                        bool batch_statistics) {
  const BatchNorm b = batch_norm_of(x, act, batch_statistics);
  check_same(x, "X", dy, "batch norm: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(shift);
  batch_norm_backward(b, x.data(), mean.data<float>(), inv_std.data<float>(), scale.data<float>(),
                             shift.data<float>(), nullptr, dy.data(), dx.data(), dscale.data<float>(),
                             dshift.data<float>(), nullptr);
  return {dx, dscale, dshift};
}

Tensors batch_norm_add_grad(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y,
                            const Tensor& mean, const Tensor& inv_std, const Tensor& dy, float momentum, float epsilon,
                            const std::string& act, bool batch_statistics) {
  if (act == "none") {
    Tensors gradients = batch_norm_grad(x, scale, shift, mean, inv_std, dy, momentum, epsilon, act, batch_statistics);
    gradients.push_back(dy);
    return gradients;
  }
  PD_CHECK(act == "relu", "batch norm with an addition: expected relu or no activation; received ", act);
  const BatchNorm b = batch_norm_of(x, act, batch_statistics);
  check_same(x, "X", dy, "batch norm: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(shift), dresidual = empty_like(x);
  batch_norm_backward(b, x.data(), mean.data<float>(), inv_std.data<float>(), scale.data<float>(),
                             shift.data<float>(), y.data(), dy.data(), dx.data(), dscale.data<float>(),
                             dshift.data<float>(), dresidual.data());
  return {dx, dscale, dshift, dresidual};
}

// Pooling. `window`: kernel, strides, then padding at the top, bottom, left and right.

Pooling pooling_of(const Tensor& x, const std::vector<int>& window, bool max) {
  const Shape s = images_shape(x, "pooling: X");
  PD_CHECK(window.size() == 8, "pooling: window: expected 8 numbers; received ", window.size());
  const Window w{window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]};
  PD_CHECK(w.kernel_h > 0 && w.kernel_w > 0 && w.stride_h > 0 && w.stride_w > 0,
           "pooling: window: expected kernel and strides above 0");
  PD_CHECK(w.pad_top >= 0 && w.pad_top < w.kernel_h && w.pad_bottom >= 0 && w.pad_bottom < w.kernel_h &&
               w.pad_left >= 0 && w.pad_left < w.kernel_w && w.pad_right >= 0 && w.pad_right < w.kernel_w,
           "pooling: window: expected paddings from 0 to less than the kernel");
  const Shape y{s.n, w.out_h(s.h), w.out_w(s.w), s.c};
  PD_CHECK(y.h > 0 && y.w > 0, "pooling: the images ", shown(x), " are smaller than the window");
  return {type_of(x, "pooling: X"), s, y, w, max};
}

Tensors pooling(const Tensor& x, const std::vector<int>& window, bool max) {
  const Pooling p = pooling_of(x, window, max);
  Tensor y = empty({p.y.n, p.y.h, p.y.w, p.y.c}, x.dtype());
  return guarded("pooling", [&]() -> Tensors {
    // Averages keep nothing, but an output must have an element.
    Tensor workspace = empty({std::max<int64_t>(1, pooling_workspace(p))}, DataType::UINT8);
    ppcls::pooling(p, x.data(), y.data(), workspace.data());
    return {y, workspace};
  });
}

Tensors pooling_grad(const Tensor& x, const Tensor& workspace, const Tensor& dy, const std::vector<int>& window,
                     bool max) {
  const Pooling p = pooling_of(x, window, max);
  PD_CHECK(dy.shape() == Dims({p.y.n, p.y.h, p.y.w, p.y.c}) && dy.dtype() == x.dtype(),
           "pooling: gradient: doesn't fit; received ", shown(dy));
  Tensor dx = empty_like(x);
  guarded("pooling gradient", [&] { pooling_backward(p, dy.data(), workspace.data(), dx.data()); });
  return {dx};
}

// Layout.

Shape nchw(const Tensor& images) {
  PD_CHECK(images.shape().size() == 4 && images.dtype() == DataType::FLOAT32 && images.is_cpu() && images.numel() > 0,
           "channels last: expected float32 [N, C, H, W]; received ", shown(images), ", ",
           phi::DataTypeToString(images.dtype()));
  const Dims s = images.shape();
  return {s[0], s[2], s[3], s[1]};
}

Tensors channels_last(const Tensor& images, bool bfloat16) {
  const Shape s = nchw(images);
  Tensor y = empty({s.n, s.h, s.w, s.c}, bfloat16 ? DataType::BFLOAT16 : DataType::FLOAT32);
  const auto type = type_of(y, "channels last");
  guarded("channels last", [&] { to_channels_last(type, s, images.data<float>(), y.data()); });
  return {y};
}

Tensors channels_last_grad(const Tensor& images, const Tensor& dy, bool) {
  Tensor dimages = empty_like(images);
  const auto type = type_of(dy, "channels last: gradient");
  guarded("channels last gradient",
          [&] { from_channels_last(type, nchw(images), dy.data(), dimages.data<float>()); });
  return {dimages};
}

}  // namespace ppcls::op

extern "C" void ppcls_set_threads(int count) { ppcls::set_threads(count); }

using namespace ppcls::op;  // for the macros below

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
    .Attrs({"window: std::vector<int>", "groups: int", "epsilon: float", "act: std::string"})
    .SetKernelFn(PD_KERNEL(folded));

PD_BUILD_OP(ppcls_batch_norm)
    .Inputs({"X", "Scale", "Shift", "Mean", "Variance"})
    .Outputs({"Y", "UsedMean", "InvStd"})
    .Attrs({"momentum: float", "epsilon: float", "act: std::string", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm));
PD_BUILD_GRAD_OP(ppcls_batch_norm)
    .Inputs({"X", "Scale", "Shift", "UsedMean", "InvStd", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift")})
    .Attrs({"momentum: float", "epsilon: float", "act: std::string", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm_grad));

PD_BUILD_OP(ppcls_batch_norm_add)
    .Inputs({"X", "Scale", "Shift", "Mean", "Variance", "Residual"})
    .Outputs({"Y", "UsedMean", "InvStd"})
    .Attrs({"momentum: float", "epsilon: float", "act: std::string", "batch_statistics: bool"})
    .SetKernelFn(PD_KERNEL(batch_norm_add));
PD_BUILD_GRAD_OP(ppcls_batch_norm_add)
    .Inputs({"X", "Scale", "Shift", "Y", "UsedMean", "InvStd", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift"), Grad("Residual")})
    .Attrs({"momentum: float", "epsilon: float", "act: std::string", "batch_statistics: bool"})
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
