// What transformers need besides matrix products: layer norm by oneDNN, and attention, each head of each sample by one
// thread, whose scores then stay in its caches.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "numbers.h"
#include "primitives.h"

namespace ppcls {
namespace {

using dnnl::memory;
using tag = dnnl::memory::format_tag;

struct Norms {
  Made<dnnl::layer_normalization_forward> forward;
  Made<dnnl::layer_normalization_backward> backward;
};

std::shared_ptr<const Norms> made(const LayerNorm& n) {
  static PrimitiveCache<Norms> cache;
  int32_t epsilon;
  std::memcpy(&epsilon, &n.epsilon, sizeof epsilon);
  return cache.get({static_cast<int64_t>(n.type), n.rows, n.channels, epsilon}, [&]() -> Norms {
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    const memory::desc x = {{n.rows, n.channels}, data_type(n.type), tag::ab};
    const memory::desc statistics = {{n.rows}, memory::data_type::f32, tag::a};
    Made<dnnl::layer_normalization_forward> forward({engine(), dnnl::prop_kind::forward_training, x, x, statistics,
                                                     n.epsilon, flags, user_scratchpad()});
    Made<dnnl::layer_normalization_backward> backward({engine(), dnnl::prop_kind::backward, x, x, x, statistics,
                                                       n.epsilon, flags, forward.desc, user_scratchpad()});
    return {forward, backward};
  });
}

memory::desc channels_of(const LayerNorm& n) { return {{n.channels}, memory::data_type::f32, tag::a}; }

// C [rows, columns] = alpha * A * B, each row-major with the distance between its rows, on the calling thread.
void multiply(char a_form, char b_form, int64_t rows, int64_t columns, int64_t inner, float alpha, const float* a,
              int64_t a_stride, const float* b, int64_t b_stride, float* c, int64_t c_stride) {
  dnnl_sgemm(a_form, b_form, rows, columns, inner, alpha, a, a_stride, b, b_stride, 0.f, c, c_stride);
}

// Rows of a head as floats: where they are, or copied.
struct Rows {
  const float* data;
  int64_t stride;
};

inline Rows rows_of(const float* p, int64_t, int64_t, int64_t stride, float*) { return {p, stride}; }

inline Rows rows_of(const bfloat16* p, int64_t length, int64_t width, int64_t stride, float* room) {
  for (int64_t i = 0; i < length; ++i)
    for (int64_t k = 0; k < width; ++k) room[i * width + k] = load(p[i * stride + k]);
  return {room, width};
}

template <class T>
void put_rows(const float* rows, int64_t length, int64_t width, T* target, int64_t stride) {
  for (int64_t i = 0; i < length; ++i)
    for (int64_t k = 0; k < width; ++k) store(target[i * stride + k], rows[i * width + k]);
}

void softmax(float* row, int64_t length) {
  float largest = row[0], sum = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < length; ++i) largest = std::max(largest, row[i]);
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < length; ++i) {
    row[i] = exponential(row[i] - largest);
    sum += row[i];
  }
  const float factor = 1 / sum;
#pragma omp simd
  for (int64_t i = 0; i < length; ++i) row[i] *= factor;
}

// The head's part of [samples, length, parts, heads, width].
int64_t offset(const Attention& a, int64_t sample, int64_t parts, int64_t part, int64_t head) {
  return ((sample * a.length * parts + part) * a.heads + head) * a.width;
}

template <class T>
void attend(const Attention& a, const T* qkv, const float* bias, T* y, T* shares) {
  const int64_t length = a.length, width = a.width, square = length * length, stride = 3 * a.heads * width;
#pragma omp parallel
  {
    std::vector<float> scores(square), room(4 * length * width);
#pragma omp for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < a.samples; ++sample) {
      for (int64_t head = 0; head < a.heads; ++head) {
        Rows rows[3];
        for (int64_t part = 0; part < 3; ++part)
          rows[part] =
              rows_of(qkv + offset(a, sample, 3, part, head), length, width, stride, &room[part * length * width]);
        multiply('N', 'T', length, length, width, a.scale, rows[0].data, rows[0].stride, rows[1].data, rows[1].stride,
                 scores.data(), length);
        if (a.biases > 0) {
          const int64_t of_sample = sample % a.biases * a.bias_heads + (a.bias_heads > 1 ? head : 0);
          const float* __restrict added = bias + of_sample * square;
          for (int64_t i = 0; i < square; ++i) scores[i] += added[i];
        }
        for (int64_t i = 0; i < length; ++i) softmax(&scores[i * length], length);
        put_rows(scores.data(), length, length, shares + (sample * a.heads + head) * square, length);
        float* result = &room[3 * length * width];
        multiply('N', 'N', length, width, length, 1.f, scores.data(), length, rows[2].data, rows[2].stride, result,
                 width);
        put_rows(result, length, width, y + offset(a, sample, 1, 0, head), a.heads * width);
      }
    }
  }
}

template <class T>
void attend_backward(const Attention& a, const T* qkv, const T* shares, const T* dy, T* dqkv, float* dscores) {
  const int64_t length = a.length, width = a.width, square = length * length, stride = 3 * a.heads * width;
#pragma omp parallel
  {
    std::vector<float> gradients(square), shares_room(square), room(7 * length * width);
    const auto piece = [&](int64_t number) { return &room[number * length * width]; };
#pragma omp for collapse(2) schedule(static)
    for (int64_t sample = 0; sample < a.samples; ++sample) {
      for (int64_t head = 0; head < a.heads; ++head) {
        Rows rows[3];
        for (int64_t part = 0; part < 3; ++part)
          rows[part] = rows_of(qkv + offset(a, sample, 3, part, head), length, width, stride, piece(part));
        const Rows d =
            rows_of(dy + offset(a, sample, 1, 0, head), length, width, a.heads * width, piece(3));
        const Rows p =
            rows_of(shares + (sample * a.heads + head) * square, length, length, length, shares_room.data());
        multiply('T', 'N', length, width, length, 1.f, p.data, p.stride, d.data, d.stride, piece(6), width);
        multiply('N', 'T', length, length, width, 1.f, d.data, d.stride, rows[2].data, rows[2].stride,
                 gradients.data(), length);
        for (int64_t i = 0; i < length; ++i) {
          float* __restrict gradient = &gradients[i * length];
          const float* __restrict share = p.data + i * length;
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t k = 0; k < length; ++k) sum += gradient[k] * share[k];
#pragma omp simd
          for (int64_t k = 0; k < length; ++k) gradient[k] = share[k] * (gradient[k] - sum);
        }
        if (dscores != nullptr)
          std::copy(gradients.begin(), gradients.end(), dscores + (sample * a.heads + head) * square);
        multiply('N', 'N', length, width, length, a.scale, gradients.data(), length, rows[1].data, rows[1].stride,
                 piece(4), width);
        multiply('T', 'N', length, width, length, a.scale, gradients.data(), length, rows[0].data, rows[0].stride,
                 piece(5), width);
        for (int64_t part = 0; part < 3; ++part)
          put_rows(piece(4 + part), length, width, dqkv + offset(a, sample, 3, part, head), stride);
      }
    }
  }
}

// The gradient of each bias: the sum over the samples, and the heads, that it was added to.
void sum_scores(const Attention& a, const float* dscores, float* dbias) {
  const int64_t square = a.length * a.length, each = a.bias_heads > 1 ? 1 : a.heads;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t of_sample = 0; of_sample < a.biases * a.bias_heads; ++of_sample) {
    for (int64_t row = 0; row < a.length; ++row) {
      float* __restrict sums = dbias + of_sample * square + row * a.length;
      std::fill(sums, sums + a.length, 0.f);
      for (int64_t sample = of_sample / a.bias_heads; sample < a.samples; sample += a.biases) {
        for (int64_t head = 0; head < each; ++head) {
          const int64_t from = sample * a.heads + (a.bias_heads > 1 ? of_sample % a.bias_heads : head);
          const float* __restrict p = dscores + from * square + row * a.length;
          for (int64_t k = 0; k < a.length; ++k) sums[k] += p[k];
        }
      }
    }
  }
}

}  // namespace

void layer_norm(const LayerNorm& n, const void* x, const float* scale, const float* shift, void* y, float* mean,
                float* variance) {
  const auto both = made(n);
  const auto& desc = both->forward.desc;
  run(both->forward.primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_SRC, at(desc.src_desc(), x)},
       {DNNL_ARG_SCALE, at(channels_of(n), scale)},
       {DNNL_ARG_SHIFT, at(channels_of(n), shift)},
       {DNNL_ARG_MEAN, at(desc.mean_desc(), mean)},
       {DNNL_ARG_VARIANCE, at(desc.variance_desc(), variance)},
       {DNNL_ARG_DST, at(desc.dst_desc(), y)}});
}

void layer_norm_backward(const LayerNorm& n, const void* x, const float* scale, const float* mean, const float* variance,
                         const void* dy, void* dx, float* dscale, float* dshift) {
  const auto both = made(n);
  const auto& desc = both->backward.desc;
  run(both->backward.primitive, desc.scratchpad_desc(),
      {{DNNL_ARG_SRC, at(desc.src_desc(), x)},
       {DNNL_ARG_SCALE, at(channels_of(n), scale)},
       {DNNL_ARG_SHIFT, at(channels_of(n), scale)},  // which oneDNN wants and does not read
       {DNNL_ARG_MEAN, at(desc.mean_desc(), mean)},
       {DNNL_ARG_VARIANCE, at(desc.variance_desc(), variance)},
       {DNNL_ARG_DIFF_DST, at(desc.diff_dst_desc(), dy)},
       {DNNL_ARG_DIFF_SRC, at(desc.diff_src_desc(), dx)},
       {DNNL_ARG_DIFF_SCALE, at(channels_of(n), dscale)},
       {DNNL_ARG_DIFF_SHIFT, at(channels_of(n), dshift)}});
}

void attention(const Attention& a, const void* qkv, const float* bias, void* y, void* shares) {
  threads();
  with_type(a.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    attend(a, static_cast<const T*>(qkv), bias, static_cast<T*>(y), static_cast<T*>(shares));
  });
}

void attention_backward(const Attention& a, const void* qkv, const void* shares, const void* dy, void* dqkv,
                        float* dscores, float* dbias) {
  threads();
  with_type(a.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    attend_backward(a, static_cast<const T*>(qkv), static_cast<const T*>(shares), static_cast<const T*>(dy),
                    static_cast<T*>(dqkv), dscores);
  });
  if (dbias != nullptr) sum_scores(a, dscores, dbias);
}

}  // namespace ppcls
