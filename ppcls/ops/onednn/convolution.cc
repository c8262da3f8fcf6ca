// Convolutions and their gradients. oneDNN chooses the layout of the weights; Paddle's stays [O, I/groups, H, W].
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::memory;
using tag = dnnl::memory::format_tag;
using dnnl::algorithm;
using dnnl::prop_kind;

memory::dims weight_dims(const Convolution& c) {
  const int64_t g = c.groups;
  if (g == 1) return {c.y.c, c.x.c, c.window.kernel_h, c.window.kernel_w};
  return {g, c.y.c / g, c.x.c / g, c.window.kernel_h, c.window.kernel_w};
}

memory::desc plain_weights(const Convolution& c) {
  return {weight_dims(c), memory::data_type::f32, c.groups == 1 ? tag::oihw : tag::goihw};
}

memory::desc any_weights(const Convolution& c, Type type) { return {weight_dims(c), data_type(type), tag::any}; }

// The arguments that all three primitives end with. oneDNN counts a dense kernel's dilation as 0.
struct Geometry {
  memory::dims strides, dilations, begin, end;
  explicit Geometry(const Window& w)
      : strides{w.stride_h, w.stride_w},
        dilations{w.dilation_h - 1, w.dilation_w - 1},
        begin{w.pad_top, w.pad_left},
        end{w.pad_bottom, w.pad_right} {}
};

Key key_of(const Convolution& c) {
  const Window& w = c.window;
  return {static_cast<int64_t>(c.type), c.x.n, c.x.h, c.x.w, c.x.c, c.y.c, c.groups, w.kernel_h, w.kernel_w, w.stride_h,
          w.stride_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right, w.dilation_h, w.dilation_w};
}

dnnl::convolution_forward::primitive_desc forward_desc(const Convolution& c, prop_kind kind, bool bias, bool residual,
                                                       Act act) {
  dnnl::primitive_attr attr = user_scratchpad();
  dnnl::post_ops post;
  if (residual) post.append_binary(algorithm::binary_add, channels_last(c.type, c.y));
  if (act != Act::none) {
    const Eltwise e = eltwise(act);
    post.append_eltwise(e.algorithm, e.alpha, e.beta);
  }
  attr.set_post_ops(post);
  const memory::desc no_bias;
  const memory::desc bias_desc = bias ? memory::desc({c.y.c}, memory::data_type::f32, tag::a) : no_bias;
  const Geometry g(c.window);
  return {engine(), kind, algorithm::convolution_direct, channels_last(c.type, c.x), any_weights(c, c.type),
          bias_desc, channels_last(c.type, c.y), g.strides, g.dilations, g.begin, g.end, attr};
}

// The backward primitives ask which forward one they belong to.
dnnl::convolution_forward::primitive_desc forward_hint(const Convolution& c) {
  return forward_desc(c, prop_kind::forward_training, false, false, Act::none);
}

}  // namespace

void convolution(const Convolution& c, const void* x, const float* weights, const float* bias, const void* residual,
                 Act act, void* y) {
  using Entry = Made<dnnl::convolution_forward>;
  static PrimitiveCache<Entry> cache;
  Key key = key_of(c);
  key.insert(key.end(), {bias != nullptr, residual != nullptr, static_cast<int64_t>(act)});
  auto made = cache.get(std::move(key), [&] {
    return Entry(forward_desc(c, prop_kind::forward_inference, bias != nullptr, residual != nullptr, act));
  });
  const auto& desc = made->desc;
  Arguments arguments = {
      {DNNL_ARG_SRC, at(desc.src_desc(), x)},
      {DNNL_ARG_WEIGHTS, reordered(at(plain_weights(c), weights), desc.weights_desc(), Piece::reordered_weights)},
      {DNNL_ARG_DST, at(desc.dst_desc(), y)}};
  if (bias != nullptr) arguments.insert({DNNL_ARG_BIAS, at(desc.bias_desc(), bias)});
  if (residual != nullptr)
    arguments.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, at(desc.dst_desc(), residual)});
  run(made->primitive, desc.scratchpad_desc(), std::move(arguments));
}

void convolution_backward_data(const Convolution& c, const void* dy, const float* weights, void* dx) {
  // oneDNN takes a kernel for dense convolutions here, a hundred times slower.
  if (is_depthwise(c) && c.type == Type::bf16 && (c.window.stride_h > 1 || c.window.stride_w > 1))
    return depthwise_backward_data(c, dy, weights, dx);
  using Entry = Made<dnnl::convolution_backward_data>;
  static PrimitiveCache<Entry> cache;
  auto made = cache.get(key_of(c), [&] {
    const Geometry g(c.window);
    return Entry({engine(), algorithm::convolution_direct, channels_last(c.type, c.x), any_weights(c, c.type),
                  channels_last(c.type, c.y), g.strides, g.dilations, g.begin, g.end, forward_hint(c),
                  user_scratchpad()});
  });
  const auto& desc = made->desc;
  run(made->primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_DIFF_DST, at(desc.diff_dst_desc(), dy)},
       {DNNL_ARG_WEIGHTS, reordered(at(plain_weights(c), weights), desc.weights_desc(), Piece::reordered_weights)},
       {DNNL_ARG_DIFF_SRC, at(desc.diff_src_desc(), dx)}});
}

void convolution_backward_weights(const Convolution& c, const void* x, const void* dy, float* dweights) {
  // Likewise for all but 3x3 pixels.
  if (is_depthwise(c) && (c.window.kernel_h != 3 || c.window.kernel_w != 3))
    return depthwise_backward_weights(c, x, dy, dweights);
  using Entry = Made<dnnl::convolution_backward_weights>;
  static PrimitiveCache<Entry> cache;
  auto made = cache.get(key_of(c), [&] {
    const Geometry g(c.window);
    return Entry({engine(), algorithm::convolution_direct, channels_last(c.type, c.x), any_weights(c, Type::f32),
                  channels_last(c.type, c.y), g.strides, g.dilations, g.begin, g.end, forward_hint(c),
                  user_scratchpad()});
  });
  const auto& desc = made->desc;
  const memory::desc found = desc.diff_weights_desc();
  const memory target = at(plain_weights(c), dweights);
  const bool same = found == plain_weights(c);
  const memory written = same ? target : at(found, own_memory(Piece::reordered_weights, found.get_size()));
  run(made->primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_SRC, at(desc.src_desc(), x)},
       {DNNL_ARG_DIFF_DST, at(desc.diff_dst_desc(), dy)},
       {DNNL_ARG_DIFF_WEIGHTS, written}});
  if (!same) reorder(written, target);
}

const float* scaled_weights(const Convolution& c, const float* weights, const float* scale) {
  const int64_t each = c.x.c / c.groups * c.window.kernel_h * c.window.kernel_w;
  auto* scaled = static_cast<float*>(own_memory(Piece::scaled_weights, c.y.c * each * sizeof(float)));
#pragma omp parallel for schedule(static)
  for (int64_t out = 0; out < c.y.c; ++out)
    for (int64_t i = 0; i < each; ++i) scaled[out * each + i] = weights[out * each + i] * scale[out];
  return scaled;
}

}  // namespace ppcls
