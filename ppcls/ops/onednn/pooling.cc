// Max and average pooling; the global average is a window as large as the picture.
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::memory;

Key key_of(const Pooling& p) {
  const Window& w = p.window;
  return {static_cast<int64_t>(p.type), p.max, p.x.n, p.x.h, p.x.w, p.x.c, p.y.h, p.y.w, w.kernel_h, w.kernel_w,
          w.stride_h, w.stride_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right};
}

struct Entry {
  Made<dnnl::pooling_forward> forward;
  Made<dnnl::pooling_backward> backward;
};

Entry make(const Pooling& p) {
  const auto algorithm = p.max ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  const Window& w = p.window;
  const memory::dims strides = {w.stride_h, w.stride_w}, kernel = {w.kernel_h, w.kernel_w}, no_dilation = {0, 0};
  const memory::dims begin = {w.pad_top, w.pad_left}, end = {w.pad_bottom, w.pad_right};
  const memory::desc x = channels_last(p.type, p.x), y = channels_last(p.type, p.y);
  Made<dnnl::pooling_forward> forward({engine(), dnnl::prop_kind::forward_training, algorithm, x, y, strides, kernel,
                                       no_dilation, begin, end, user_scratchpad()});
  Made<dnnl::pooling_backward> backward({engine(), algorithm, x, y, strides, kernel, no_dilation, begin, end,
                                         forward.desc, user_scratchpad()});
  return {forward, backward};
}

std::shared_ptr<const Entry> entry(const Pooling& p) {
  static PrimitiveCache<Entry> cache;
  return cache.get(key_of(p), [&] { return make(p); });
}

}  // namespace

int64_t pooling_workspace(const Pooling& p) {
  return p.max ? static_cast<int64_t>(entry(p)->forward.desc.workspace_desc().get_size()) : 0;
}

void pooling(const Pooling& p, const void* x, void* y, void* workspace) {
  auto made = entry(p);
  const auto& desc = made->forward.desc;
  Arguments arguments = {{DNNL_ARG_SRC, at(desc.src_desc(), x)}, {DNNL_ARG_DST, at(desc.dst_desc(), y)}};
  if (p.max) arguments.insert({DNNL_ARG_WORKSPACE, at(desc.workspace_desc(), workspace)});
  run(made->forward.primitive, desc.scratchpad_desc(), std::move(arguments));
}

void pooling_backward(const Pooling& p, const void* dy, const void* workspace, void* dx) {
  auto made = entry(p);
  const auto& desc = made->backward.desc;
  Arguments arguments = {{DNNL_ARG_DIFF_DST, at(desc.diff_dst_desc(), dy)},
                         {DNNL_ARG_DIFF_SRC, at(desc.diff_src_desc(), dx)}};
  if (p.max) arguments.insert({DNNL_ARG_WORKSPACE, at(desc.workspace_desc(), workspace)});
  run(made->backward.primitive, desc.scratchpad_desc(), std::move(arguments));
}

}  // namespace ppcls
