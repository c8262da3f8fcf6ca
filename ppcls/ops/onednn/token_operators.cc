// The kernels of tokens, [..., channels], as operators of Paddle.
#include <algorithm>

#include "tensors.h"

namespace ppcls::op {

// Linear: X [..., inner], Weight [inner, columns], Bias [columns]; the result has the type of X.

struct Product {
  Type type;
  int64_t rows, inner, columns;
};

Product product_of(const Tensor& x, const Tensor& weight) {
  PD_CHECK(x.shape().size() > 1 && weight.shape().size() == 2 && x.numel() > 0 && x.shape().back() == weight.shape()[0],
           "linear: expected X [..., inner] and Weight [inner, columns]; received ", shown(x), " and ", shown(weight));
  floats(weight, weight.shape(), "linear: Weight");
  const int64_t inner = weight.shape()[0];
  return {type_of(x, "linear: X"), x.numel() / inner, inner, weight.shape()[1]};
}

Tensors linear(const Tensor& x, const Tensor& weight, const paddle::optional<Tensor>& bias) {
  const Product p = product_of(x, weight);
  const float* b = bias ? floats(bias.get(), {p.columns}, "linear: Bias") : nullptr;
  Dims dims = x.shape();
  dims.back() = p.columns;
  Tensor y = empty(dims, x.dtype());
  guarded("linear", [&] {
    const void* w = narrowed(p.type, weight.numel(), weight.data<float>());
    product({p.type, p.rows, p.inner, x.data()}, {p.type, p.inner, p.columns, w}, b,
            {p.type, p.rows, p.columns, y.data()});
  });
  return {y};
}

Tensors linear_grad(const Tensor& x, const Tensor& weight, const paddle::optional<Tensor>& bias, const Tensor& dy) {
  const Product p = product_of(x, weight);
  PD_CHECK(dy.dtype() == x.dtype() && dy.numel() == p.rows * p.columns, "linear: gradient: doesn't fit; received ",
           shown(dy));
  Tensor dx = empty_like(x), dweight = empty_like(weight), dbias = empty({p.columns}, DataType::FLOAT32);
  guarded("linear gradient", [&] {
    const void* w = narrowed(p.type, weight.numel(), weight.data<float>());
    product({p.type, p.rows, p.columns, dy.data()}, {p.type, p.columns, p.inner, w, true}, nullptr,
            {p.type, p.rows, p.inner, dx.data()});
    product({p.type, p.inner, p.rows, x.data(), true}, {p.type, p.rows, p.columns, dy.data()}, nullptr,
            {Type::f32, p.inner, p.columns, dweight.data()});
  });
  if (!bias) return {dx, dweight, Tensor()};
  pixel_sums(p.type, p.rows, p.columns, dy.data(), dbias.data<float>());
  return {dx, dweight, dbias};
}

// Layer norm over the last dimension.

LayerNorm layer_norm_of(const Tensor& x, const Tensor& scale, float epsilon) {
  const int64_t channels = x.shape().back();
  floats(scale, {channels}, "layer norm: Scale");
  return {type_of(x, "layer norm: X"), x.numel() / channels, channels, epsilon};
}

Tensors layer_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, float epsilon) {
  const LayerNorm n = layer_norm_of(x, scale, epsilon);
  const float* s = floats(shift, {n.channels}, "layer norm: Shift");
  Tensor y = empty_like(x), mean = empty({n.rows}, DataType::FLOAT32), variance = empty_like(mean);
  guarded("layer norm", [&] {
    ppcls::layer_norm(n, x.data(), scale.data<float>(), s, y.data(), mean.data<float>(), variance.data<float>());
  });
  return {y, mean, variance};
}

Tensors layer_norm_grad(const Tensor& x, const Tensor& scale, const Tensor& mean, const Tensor& variance,
                        const Tensor& dy, float epsilon) {
  const LayerNorm n = layer_norm_of(x, scale, epsilon);
  check_same(x, "X", dy, "layer norm: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(scale);
  guarded("layer norm gradient", [&] {
    layer_norm_backward(n, x.data(), scale.data<float>(), mean.data<float>(), variance.data<float>(), dy.data(),
                        dx.data(), dscale.data<float>(), dshift.data<float>());
  });
  return {dx, dscale, dshift};
}

// Attention: Qkv [samples, length, 3 * heads * width], Bias [biases, heads or 1, length, length].

Attention attention_of(const Tensor& qkv, const paddle::optional<Tensor>& bias, int heads, float scale) {
  const Dims s = qkv.shape();
  PD_CHECK(s.size() == 3 && qkv.numel() > 0 && heads > 0 && s[2] % (3 * heads) == 0,
           "attention: Qkv: expected [samples, length, 3 * heads * width], with ", heads, " heads; received ",
           shown(qkv));
  Attention a{type_of(qkv, "attention: Qkv"), s[0], s[1], heads, s[2] / 3 / heads, scale, 0, 1};
  if (!bias) return a;
  const Dims b = bias.get().shape();
  PD_CHECK(b.size() == 4 && b[0] > 0 && a.samples % b[0] == 0 && (b[1] == 1 || b[1] == heads) && b[2] == a.length &&
               b[3] == a.length,
           "attention: Bias: expected [samples or a divisor, heads or 1, length, length]; received ", shown(bias.get()),
           " for ", shown(qkv));
  floats(bias.get(), b, "attention: Bias");
  a.biases = b[0];
  a.bias_heads = b[1];
  return a;
}

Tensors attention(const Tensor& qkv, const paddle::optional<Tensor>& bias, int heads, float scale) {
  const Attention a = attention_of(qkv, bias, heads, scale);
  Tensor y = empty({a.samples, a.length, a.heads * a.width}, qkv.dtype());
  Tensor shares = empty({a.samples, a.heads, a.length, a.length}, qkv.dtype());
  ppcls::attention(a, qkv.data(), bias ? bias.get().data<float>() : nullptr, y.data(), shares.data());
  return {y, shares};
}

Tensors attention_grad(const Tensor& qkv, const paddle::optional<Tensor>& bias, const Tensor& shares, const Tensor& dy,
                       int heads, float scale) {
  const Attention a = attention_of(qkv, bias, heads, scale);
  PD_CHECK(dy.dtype() == qkv.dtype() && dy.numel() == qkv.numel() / 3, "attention: gradient: doesn't fit; received ",
           shown(dy));
  Tensor dqkv = empty_like(qkv);
  if (!bias) {
    attention_backward(a, qkv.data(), shares.data(), dy.data(), dqkv.data(), nullptr, nullptr);
    return {dqkv, Tensor()};
  }
  Tensor dbias = empty_like(bias.get()), dscores = empty(shares.shape(), DataType::FLOAT32);
  attention_backward(a, qkv.data(), shares.data(), dy.data(), dqkv.data(), dscores.data<float>(), dbias.data<float>());
  return {dqkv, dbias};
}

// Windows of images, and images of windows. `window`: height, width, and the pixels that images are moved by.

Tiles tiles_of(const Shape& s, const std::vector<int>& window) {
  PD_CHECK(window.size() == 3, "windows: window: expected 3 numbers; received ", window.size());
  const Tiles t{window[0], window[1], window[2]};
  PD_CHECK(t.height > 0 && t.width > 0 && t.shift >= 0 && t.shift < std::max(t.height, t.width) &&
               s.h % t.height == 0 && s.w % t.width == 0,
           "windows: those of ", t.height, " x ", t.width, " pixels, moved by ", t.shift, ", don't fill images ",
           shown({s.n, s.h, s.w, s.c}));
  return t;
}

Tensors windows(const Tensor& x, const std::vector<int>& window) {
  const Shape s = images_shape(x, "windows: X");
  const Tiles t = tiles_of(s, window);
  Tensor tokens = empty({s.pixels() / t.height / t.width, t.height * t.width, s.c}, x.dtype());
  ppcls::windows(type_of(x, "windows"), s, t, x.data(), tokens.data());
  return {tokens};
}

Tensors join_windows(const Tensor& tokens, int height, int width, const std::vector<int>& window) {
  const int64_t channels = tokens.shape().back(), pixels = static_cast<int64_t>(height) * width;
  PD_CHECK(pixels > 0 && tokens.numel() % (pixels * channels) == 0, "windows: tokens ", shown(tokens),
           " don't make images of ", height, " x ", width, " pixels");
  const Shape s{tokens.numel() / pixels / channels, height, width, channels};
  const Tiles t = tiles_of(s, window);
  Tensor images = empty({s.n, s.h, s.w, s.c}, tokens.dtype());
  ppcls::join_windows(type_of(tokens, "windows"), s, t, tokens.data(), images.data());
  return {images};
}

Tensors windows_grad(const Tensor& x, const Tensor& dtokens, const std::vector<int>& window) {
  return join_windows(dtokens, x.shape()[1], x.shape()[2], window);
}

Tensors join_windows_grad(const Tensor& dimages, int, int, const std::vector<int>& window) {
  return windows(dimages, window);
}

}  // namespace ppcls::op

using namespace ppcls::op;  // for the macros below
using paddle::Grad;
using paddle::Optional;

PD_BUILD_OP(ppcls_linear).Inputs({"X", "Weight", Optional("Bias")}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(linear));
PD_BUILD_GRAD_OP(ppcls_linear)
    .Inputs({"X", "Weight", Optional("Bias"), Grad("Y")})
    .Outputs({Grad("X"), Grad("Weight"), Grad(Optional("Bias"))})
    .SetKernelFn(PD_KERNEL(linear_grad));

PD_BUILD_OP(ppcls_layer_norm)
    .Inputs({"X", "Scale", "Shift"})
    .Outputs({"Y", "Mean", "Variance"})
    .Attrs({"epsilon: float"})
    .SetKernelFn(PD_KERNEL(layer_norm));
PD_BUILD_GRAD_OP(ppcls_layer_norm)
    .Inputs({"X", "Scale", "Mean", "Variance", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift")})
    .Attrs({"epsilon: float"})
    .SetKernelFn(PD_KERNEL(layer_norm_grad));

PD_BUILD_OP(ppcls_attention)
    .Inputs({"Qkv", Optional("Bias")})
    .Outputs({"Y", "Shares"})
    .Attrs({"heads: int", "scale: float"})
    .SetKernelFn(PD_KERNEL(attention));
PD_BUILD_GRAD_OP(ppcls_attention)
    .Inputs({"Qkv", Optional("Bias"), "Shares", Grad("Y")})
    .Outputs({Grad("Qkv"), Grad(Optional("Bias"))})
    .Attrs({"heads: int", "scale: float"})
    .SetKernelFn(PD_KERNEL(attention_grad));

PD_BUILD_OP(ppcls_windows)
    .Inputs({"X"})
    .Outputs({"Tokens"})
    .Attrs({"window: std::vector<int>"})
    .SetKernelFn(PD_KERNEL(windows));
PD_BUILD_GRAD_OP(ppcls_windows)
    .Inputs({"X", Grad("Tokens")})
    .Outputs({Grad("X")})
    .Attrs({"window: std::vector<int>"})
    .SetKernelFn(PD_KERNEL(windows_grad));

PD_BUILD_OP(ppcls_join_windows)
    .Inputs({"Tokens"})
    .Outputs({"X"})
    .Attrs({"height: int", "width: int", "window: std::vector<int>"})
    .SetKernelFn(PD_KERNEL(join_windows));
PD_BUILD_GRAD_OP(ppcls_join_windows)
    .Inputs({Grad("X")})
    .Outputs({Grad("Tokens")})
    .Attrs({"height: int", "width: int", "window: std::vector<int>"})
    .SetKernelFn(PD_KERNEL(join_windows_grad));
