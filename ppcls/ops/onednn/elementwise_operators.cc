// The kernels that read each value once as operators of Paddle.
#include "tensors.h"

namespace ppcls::op {

// Activations.

Tensors activation(const Tensor& x, const std::string& act) {
  Tensor y = empty_like(x);
  guarded("activation", [&] { ppcls::activation(type_of(x, "activation"), act_of(act), x.numel(), x.data(), y.data()); });
  return {y};
}

Tensors activation_grad(const Tensor& x, const Tensor& dy, const std::string& act) {
  check_same(x, "X", dy, "activation: gradient");
  Tensor dx = empty_like(x);
  guarded("activation gradient", [&] {
    activation_backward(type_of(x, "activation"), act_of(act), x.numel(), x.data(), dy.data(), dx.data());
  });
  return {dx};
}

// ReLU by itself lets through what its result shows, too, so that its input need not stay.

Tensors relu(const Tensor& x) { return activation(x, "relu"); }

Tensors relu_grad(const Tensor& y, const Tensor& dy) { return activation_grad(y, dy, "relu"); }

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

// A sum, whose gradient is that of both.

Tensors add(const Tensor& a, const Tensor& b) {
  check_same(a, "A", b, "addition: B");
  Tensor sum = empty_like(a);
  ppcls::add(type_of(a, "addition"), a.numel(), a.data(), b.data(), sum.data());
  return {sum};
}

Tensors add_grad(const Tensor& dy) { return {dy, dy}; }

// One factor and one offset for everything.

Tensors affine(const Tensor& x, const Tensor& scale, const Tensor& shift) {
  const float s = *floats(scale, {1}, "affine: Scale"), b = *floats(shift, {1}, "affine: Shift");
  Tensor y = empty_like(x);
  ppcls::affine(type_of(x, "affine: X"), x.numel(), x.data(), s, b, y.data());
  return {y};
}

Tensors affine_grad(const Tensor& x, const Tensor& scale, const Tensor& dy) {
  check_same(x, "X", dy, "affine: gradient");
  Tensor dx = empty_like(x), dscale = empty_like(scale), dshift = empty_like(scale);
  affine_backward(type_of(x, "affine: X"), x.numel(), x.data(), dy.data(), *scale.data<float>(), dx.data(),
                  dscale.data<float>(), dshift.data<float>());
  return {dx, dscale, dshift};
}

// A gate for each channel, the last dimension, of each sample, the first: float32 [N, C] whatever more dimensions of 1
// there are. A single gate for all samples takes them for one.

Shape gated(const Tensor& x, const Tensor& gates) {
  type_of(x, "gate: X");
  const Dims s = x.shape();
  const int64_t channels = s.empty() ? 0 : s.back(), samples = channels > 0 ? gates.numel() / channels : 0;
  PD_CHECK(s.size() > 1 && (samples == s[0] || samples == 1) && samples * channels == gates.numel(),
           "gate: Gates: expected one for each sample and channel of ", shown(x), "; received ", shown(gates));
  floats(gates, gates.shape(), "gate: Gates");
  return {samples, x.numel() / samples / channels, 1, channels};
}

Tensors gate(const Tensor& x, const Tensor& gates) {
  const Shape s = gated(x, gates);
  Tensor y = empty_like(x);
  ppcls::gate(type_of(x, "gate: X"), s, x.data(), gates.data<float>(), y.data());
  return {y};
}

Tensors gate_grad(const Tensor& x, const Tensor& gates, const Tensor& dy) {
  const Shape s = gated(x, gates);
  check_same(x, "X", dy, "gate: gradient");
  Tensor dx = empty_like(x), dgates = empty_like(gates);
  gate_backward(type_of(x, "gate: X"), s, x.data(), gates.data<float>(), dy.data(), dx.data(), dgates.data<float>());
  return {dx, dgates};
}

// A bias for each channel, which is the last dimension.

Tensors add_bias(const Tensor& x, const Tensor& bias) {
  const int64_t channels = x.shape().back();
  const float* b = floats(bias, {channels}, "bias: Bias");
  Tensor y = empty_like(x);
  ppcls::add_bias(type_of(x, "bias: X"), x.numel() / channels, channels, x.data(), b, y.data());
  return {y};
}

Tensors add_bias_grad(const Tensor& bias, const Tensor& dy) {
  const int64_t channels = bias.numel();
  Tensor dbias = empty_like(bias);
  pixel_sums(type_of(dy, "bias: gradient"), dy.numel() / channels, channels, dy.data(), dbias.data<float>());
  return {dy, dbias};
}

// Channels side by side, and apart again.

std::vector<Part> parts_of(const Tensors& tensors) {
  std::vector<Part> parts;
  for (const Tensor& one : tensors) parts.push_back({const_cast<void*>(one.data()), one.shape().back()});
  return parts;
}

Tensors concat(const Tensors& xs, bool interleaved) {
  Dims dims = xs[0].shape();
  const int64_t pixels = images_shape(xs[0], "concat: X").pixels(), first = dims.back();
  dims.back() = 0;
  for (const Tensor& x : xs) {
    const Dims own = x.shape();
    PD_CHECK(x.is_cpu() && own.size() == 4 && x.dtype() == xs[0].dtype() && (own.back() == first || !interleaved) &&
                 std::equal(own.begin(), own.end() - 1, dims.begin()),
             "concat: X: expected images like ", shown(xs[0]), "; received ", shown(x));
    dims.back() += own.back();
  }
  Tensor y = empty(dims, xs[0].dtype());
  concatenate(type_of(y, "concat"), pixels, parts_of(xs), interleaved, y.data());
  return {y};
}

Tensors concat_grad(const Tensors& xs, const Tensor& dy, bool interleaved) {
  Tensors gradients;
  for (const Tensor& x : xs) gradients.push_back(empty_like(x));
  const int64_t pixels = images_shape(dy, "concat: gradient").pixels();
  split(type_of(dy, "concat: gradient"), pixels, dy.data(), interleaved, parts_of(gradients));
  return gradients;
}

Tensors halves(const Tensor& x) {
  const Shape s = images_shape(x, "halves: X");
  PD_CHECK(s.c % 2 == 0, "halves: X: expected an even number of channels; received ", shown(x));
  const Tensors both = {empty({s.n, s.h, s.w, s.c / 2}, x.dtype()), empty({s.n, s.h, s.w, s.c / 2}, x.dtype())};
  split(type_of(x, "halves: X"), s.pixels(), x.data(), false, parts_of(both));
  return both;
}

Tensors halves_grad(const Tensor& a, const Tensor& b) {
  check_same(a, "the first gradient", b, "the second gradient");
  return concat({a, b}, false);
}

}  // namespace ppcls::op

using namespace ppcls::op;  // for the macros below
using paddle::Grad;
using paddle::Vec;

PD_BUILD_OP(ppcls_activation)
    .Inputs({"X"})
    .Outputs({"Y"})
    .Attrs({"act: std::string"})
    .SetKernelFn(PD_KERNEL(activation));
PD_BUILD_GRAD_OP(ppcls_activation)
    .Inputs({"X", Grad("Y")})
    .Outputs({Grad("X")})
    .Attrs({"act: std::string"})
    .SetKernelFn(PD_KERNEL(activation_grad));

PD_BUILD_OP(ppcls_relu).Inputs({"X"}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(relu));
PD_BUILD_GRAD_OP(ppcls_relu).Inputs({"Y", Grad("Y")}).Outputs({Grad("X")}).SetKernelFn(PD_KERNEL(relu_grad));

PD_BUILD_OP(ppcls_branch).Inputs({"X"}).Outputs({"A", "B"}).SetKernelFn(PD_KERNEL(branch));
PD_BUILD_GRAD_OP(ppcls_branch)
    .Inputs({Grad("A"), Grad("B")})
    .Outputs({Grad("X")})
    .SetKernelFn(PD_KERNEL(branch_grad));

PD_BUILD_OP(ppcls_add).Inputs({"A", "B"}).Outputs({"Sum"}).SetKernelFn(PD_KERNEL(add));
PD_BUILD_GRAD_OP(ppcls_add).Inputs({Grad("Sum")}).Outputs({Grad("A"), Grad("B")}).SetKernelFn(PD_KERNEL(add_grad));

PD_BUILD_OP(ppcls_affine).Inputs({"X", "Scale", "Shift"}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(affine));
PD_BUILD_GRAD_OP(ppcls_affine)
    .Inputs({"X", "Scale", Grad("Y")})
    .Outputs({Grad("X"), Grad("Scale"), Grad("Shift")})
    .SetKernelFn(PD_KERNEL(affine_grad));

PD_BUILD_OP(ppcls_gate).Inputs({"X", "Gates"}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(gate));
PD_BUILD_GRAD_OP(ppcls_gate)
    .Inputs({"X", "Gates", Grad("Y")})
    .Outputs({Grad("X"), Grad("Gates")})
    .SetKernelFn(PD_KERNEL(gate_grad));

PD_BUILD_OP(ppcls_add_bias).Inputs({"X", "Bias"}).Outputs({"Y"}).SetKernelFn(PD_KERNEL(add_bias));
PD_BUILD_GRAD_OP(ppcls_add_bias)
    .Inputs({"Bias", Grad("Y")})
    .Outputs({Grad("X"), Grad("Bias")})
    .SetKernelFn(PD_KERNEL(add_bias_grad));

PD_BUILD_OP(ppcls_concat)
    .Inputs({Vec("X")})
    .Outputs({"Y"})
    .Attrs({"interleaved: bool"})
    .SetKernelFn(PD_KERNEL(concat));
PD_BUILD_GRAD_OP(ppcls_concat)
    .Inputs({Vec("X"), Grad("Y")})
    .Outputs({Grad(Vec("X"))})
    .Attrs({"interleaved: bool"})
    .SetKernelFn(PD_KERNEL(concat_grad));

PD_BUILD_OP(ppcls_halves).Inputs({"X"}).Outputs({"A", "B"}).SetKernelFn(PD_KERNEL(halves));
PD_BUILD_GRAD_OP(ppcls_halves)
    .Inputs({Grad("A"), Grad("B")})
    .Outputs({Grad("X")})
    .SetKernelFn(PD_KERNEL(halves_grad));
