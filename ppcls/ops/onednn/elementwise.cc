// What reads and writes each value once: activations by oneDNN, and sums, factors and joins of channels by our own
// loops, whose threads Paddle's own lack. Sums over pixels are taken image by image or in blocks, in their order, so that
// results don't depend on the number of threads.
#include <algorithm>
#include <cstring>

#include "numbers.h"
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::algorithm;
using dnnl::memory;

// Rows of a block of sums.
constexpr int64_t kBlock = 256;

memory::desc flat(Type type, int64_t size) { return {{size}, data_type(type), memory::format_tag::a}; }

struct Activation {
  Made<dnnl::eltwise_forward> forward;
  Made<dnnl::eltwise_backward> backward;
};

std::shared_ptr<const Activation> made(Type type, Act act, int64_t size) {
  static PrimitiveCache<Activation> cache;
  return cache.get({static_cast<int64_t>(type), static_cast<int64_t>(act), size}, [&]() -> Activation {
    const Eltwise e = eltwise(act);
    const memory::desc desc = flat(type, size);
    Made<dnnl::eltwise_forward> forward(
        {engine(), dnnl::prop_kind::forward_training, e.algorithm, desc, desc, e.alpha, e.beta, user_scratchpad()});
    Made<dnnl::eltwise_backward> backward(
        {engine(), e.algorithm, desc, desc, desc, e.alpha, e.beta, forward.desc, user_scratchpad()});
    return {forward, backward};
  });
}

// Calls `function` with the first rows of blocks and their ends, all blocks at once, and adds up what each one has put
// into `width` sums of its own.
template <class Function>
std::vector<double> summed(int64_t rows, int64_t width, Function function) {
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  std::vector<float> partial(blocks * width);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block)
    function(block * kBlock, std::min(rows, (block + 1) * kBlock), &partial[block * width]);
  std::vector<double> sums(width);
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t i = 0; i < width; ++i) sums[i] += partial[block * width + i];
  return sums;
}

// The gradient of a * x + b to x, and its sums over `length` values: to a and to b.
template <class T>
void affine_gradients(int64_t length, const T* __restrict x, const T* __restrict dy, float a, T* __restrict dx,
                      float* sums) {
  float products = 0, plain = 0;
#pragma omp simd reduction(+ : products, plain)
  for (int64_t i = 0; i < length; ++i) {
    const float gradient = load(dy[i]);
    products += gradient * load(x[i]);
    plain += gradient;
    store(dx[i], gradient * a);
  }
  sums[0] = products;
  sums[1] = plain;
}

template <class T>
void gate_with(const Shape& s, const T* x, const float* gates, T* y) {
  const int64_t pixels = s.h * s.w;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < s.pixels(); ++row) {
    const float* __restrict g = gates + row / pixels * s.c;
    const T* __restrict p = x + row * s.c;
    T* __restrict q = y + row * s.c;
#pragma omp simd
    for (int64_t c = 0; c < s.c; ++c) store(q[c], load(p[c]) * g[c]);
  }
}

template <class T>
void gate_gradients(const Shape& s, const T* x, const float* gates, const T* dy, T* dx, float* dgates) {
  const int64_t pixels = s.h * s.w, blocks = (pixels + kBlock - 1) / kBlock;
  std::vector<float> partial(s.n * blocks * s.c);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < s.n * blocks; ++block) {
    const int64_t n = block / blocks, first = block % blocks * kBlock, last = std::min(pixels, first + kBlock);
    const float* __restrict g = gates + n * s.c;
    float* __restrict dg = &partial[block * s.c];
    for (int64_t row = n * pixels + first; row < n * pixels + last; ++row) {
      const T* __restrict p = x + row * s.c;
      const T* __restrict d = dy + row * s.c;
      T* __restrict dp = dx + row * s.c;
#pragma omp simd
      for (int64_t c = 0; c < s.c; ++c) {
        const float gradient = load(d[c]);
        dg[c] += gradient * load(p[c]);
        store(dp[c], gradient * g[c]);
      }
    }
  }
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = 0;
      for (int64_t block = n * blocks; block < (n + 1) * blocks; ++block) sum += partial[block * s.c + c];
      dgates[n * s.c + c] = static_cast<float>(sum);
    }
  }
}

// Copies between the whole and its parts; `copy` takes a place in each.
template <class T, class Copy>
void move(int64_t pixels, T* whole, bool interleaved, const std::vector<Part>& parts, Copy copy) {
  int64_t channels = 0;
  for (const Part& part : parts) channels += part.channels;
  const int64_t count = static_cast<int64_t>(parts.size());
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < pixels; ++row) {
    T* at = whole + row * channels;
    for (int64_t i = 0; i < count; ++i) {
      T* part = static_cast<T*>(parts[i].data) + row * parts[i].channels;
      if (interleaved) {
        for (int64_t c = 0; c < parts[i].channels; ++c) copy(at + c * count + i, part + c, 1);
      } else {
        copy(at, part, parts[i].channels);
        at += parts[i].channels;
      }
    }
  }
}

}  // namespace

Eltwise eltwise(Act act) {
  switch (act) {
    case Act::none: return {algorithm::eltwise_linear, 1.f, 0.f};
    case Act::relu: return {algorithm::eltwise_relu, 0.f, 0.f};
    case Act::relu6: return {algorithm::eltwise_clip_v2, 0.f, 6.f};
    case Act::leaky_relu: return {algorithm::eltwise_relu, 0.01f, 0.f};
    case Act::steep_leaky_relu: return {algorithm::eltwise_relu, 0.1f, 0.f};
    case Act::sigmoid: return {algorithm::eltwise_logistic, 0.f, 0.f};
    case Act::hardsigmoid: return {algorithm::eltwise_hardsigmoid, 1.f / 6, 0.5f};
    case Act::steep_hardsigmoid: return {algorithm::eltwise_hardsigmoid, 0.2f, 0.5f};
    case Act::clip: return {algorithm::eltwise_clip_v2, 0.f, 1.f};
    case Act::hardswish: return {algorithm::eltwise_hardswish, 1.f / 6, 0.5f};
    case Act::swish: return {algorithm::eltwise_swish, 1.f, 0.f};
    case Act::gelu: return {algorithm::eltwise_gelu_erf, 0.f, 0.f};
    case Act::quick_gelu: return {algorithm::eltwise_swish, 1.702f, 0.f};
    case Act::mish: return {algorithm::eltwise_mish, 0.f, 0.f};
    case Act::tanh: return {algorithm::eltwise_tanh, 0.f, 0.f};
  }
  throw dnnl::error(dnnl_invalid_arguments, "no such activation");
}

void activation(Type type, Act act, int64_t size, const void* x, void* y) {
  const auto both = made(type, act, size);
  const auto& desc = both->forward.desc;
  run(both->forward.primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_SRC, at(desc.src_desc(), x)}, {DNNL_ARG_DST, at(desc.dst_desc(), y)}});
}

void activation_backward(Type type, Act act, int64_t size, const void* x, const void* dy, void* dx) {
  const auto both = made(type, act, size);
  const auto& desc = both->backward.desc;
  run(both->backward.primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_SRC, at(desc.src_desc(), x)},
       {DNNL_ARG_DIFF_DST, at(desc.diff_dst_desc(), dy)},
       {DNNL_ARG_DIFF_SRC, at(desc.diff_src_desc(), dx)}});
}

void add(Type type, int64_t size, const void* a, const void* b, void* sum) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    const T* p = static_cast<const T*>(a);
    const T* q = static_cast<const T*>(b);
    T* s = static_cast<T*>(sum);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < size; ++i) store(s[i], load(p[i]) + load(q[i]));
  });
}

void affine(Type type, int64_t size, const void* x, float scale, float shift, void* y) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    const T* p = static_cast<const T*>(x);
    T* q = static_cast<T*>(y);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < size; ++i) store(q[i], load(p[i]) * scale + shift);
  });
}

void affine_backward(Type type, int64_t size, const void* x, const void* dy, float scale, void* dx, float* dscale,
                     float* dshift) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    const int64_t rows = (size + kBlock - 1) / kBlock;
    const auto sums = summed(rows, 2, [=](int64_t begin, int64_t end, float* two) {
      const int64_t first = begin * kBlock, length = std::min(size, end * kBlock) - first;
      affine_gradients(length, static_cast<const T*>(x) + first, static_cast<const T*>(dy) + first, scale,
                       static_cast<T*>(dx) + first, two);
    });
    *dscale = static_cast<float>(sums[0]);
    *dshift = static_cast<float>(sums[1]);
  });
}

void gate(Type type, const Shape& s, const void* x, const float* gates, void* y) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    gate_with(s, static_cast<const T*>(x), gates, static_cast<T*>(y));
  });
}

void gate_backward(Type type, const Shape& s, const void* x, const float* gates, const void* dy, void* dx,
                   float* dgates) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    gate_gradients(s, static_cast<const T*>(x), gates, static_cast<const T*>(dy), static_cast<T*>(dx), dgates);
  });
}

void add_bias(Type type, int64_t pixels, int64_t channels, const void* x, const float* bias, void* y) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < pixels; ++row) {
      const T* __restrict p = static_cast<const T*>(x) + row * channels;
      T* __restrict q = static_cast<T*>(y) + row * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) store(q[c], load(p[c]) + bias[c]);
    }
  });
}

void pixel_sums(Type type, int64_t pixels, int64_t channels, const void* x, float* sums) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    const auto found = summed(pixels, channels, [&](int64_t begin, int64_t end, float* own) {
      float* __restrict sum = own;
      for (int64_t row = begin; row < end; ++row) {
        const T* __restrict p = static_cast<const T*>(x) + row * channels;
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) sum[c] += load(p[c]);
      }
    });
    for (int64_t c = 0; c < channels; ++c) sums[c] = static_cast<float>(found[c]);
  });
}

void concatenate(Type type, int64_t pixels, const std::vector<Part>& parts, bool interleaved, void* whole) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    move(pixels, static_cast<T*>(whole), interleaved, parts,
         [](T* place, T* part, int64_t count) { std::memcpy(place, part, count * sizeof(T)); });
  });
}

void split(Type type, int64_t pixels, const void* whole, bool interleaved, const std::vector<Part>& parts) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    move(pixels, static_cast<T*>(const_cast<void*>(whole)), interleaved, parts,
         [](T* place, T* part, int64_t count) { std::memcpy(part, place, count * sizeof(T)); });
  });
}

}  // namespace ppcls
