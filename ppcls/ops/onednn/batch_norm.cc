// Batch norm with an activation and the addition before it. Not oneDNN's: that one reads x twice for its statistics and the
// mask of ReLU in both passes of its gradient, and knows no addition; on pictures that do not fit into the caches,
// reading is all that it takes.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "numbers.h"

namespace ppcls {
namespace {

// Rows (pixels) are summed in blocks, and the blocks in their order: results don't depend on the number of threads,
// and float32 sums stay short. Many rows make few partial sums; few keep a block in a core's cache.
struct Blocks {
  int64_t rows, each, count;
  Blocks(int64_t rows, int64_t channels)
      : rows(rows),
        each(std::min<int64_t>(128, std::max<int64_t>(16, 32768 / channels))),
        count((rows + each - 1) / each) {}
  int64_t begin(int64_t block) const { return block * each; }
  int64_t end(int64_t block) const { return std::min(rows, (block + 1) * each); }
};

using Sums = std::vector<float>;  // two of each block: [blocks, 2, channels]

// Adds up both sums of every block.
template <class Take>
void total(const Sums& partial, const Blocks& blocks, int64_t channels, Take take) {
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    double first = 0, second = 0;
    for (int64_t block = 0; block < blocks.count; ++block) {
      first += partial[2 * block * channels + c];
      second += partial[(2 * block + 1) * channels + c];
    }
    take(c, first, second);
  }
}

// Mean and variance in one pass over memory: each block's mean, then the squares around it while the block is still in
// the cache, then both over all blocks. Sums of plain squares would lose the digits that a mean far from 0 takes.
template <class T>
void moments(int64_t rows, int64_t channels, const T* x, float* mean, float* variance) {
  const Blocks blocks(rows, channels);
  Sums partial(2 * blocks.count * channels);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks.count; ++block) {
    float* __restrict own_mean = &partial[2 * block * channels];
    float* __restrict squares = own_mean + channels;
    for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) {
      const T* __restrict p = x + row * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) own_mean[c] += load(p[c]);
    }
    const float share = 1.f / static_cast<float>(blocks.end(block) - blocks.begin(block));
    for (int64_t c = 0; c < channels; ++c) own_mean[c] *= share;
    for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) {
      const T* __restrict p = x + row * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        const float d = load(p[c]) - own_mean[c];
        squares[c] += d * d;
      }
    }
  }
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    double weighted = 0, square = 0;
    for (int64_t block = 0; block < blocks.count; ++block)
      weighted += static_cast<double>(partial[2 * block * channels + c]) * (blocks.end(block) - blocks.begin(block));
    const double center = weighted / rows;
    for (int64_t block = 0; block < blocks.count; ++block) {
      const double offset = partial[2 * block * channels + c] - center;
      square += partial[(2 * block + 1) * channels + c] + offset * offset * (blocks.end(block) - blocks.begin(block));
    }
    mean[c] = static_cast<float>(center);
    variance[c] = static_cast<float>(square / rows);
  }
}

// (x - mean) * factor + shift is the normalised, scaled and shifted x. Not x * factor + offset, which loses digits
// where the mean is large.
struct Affine {
  const float *mean, *shift;
  std::vector<float> factor;
  Affine(int64_t channels, const float* mean, const float* inv_std, const float* scale, const float* shift)
      : mean(mean), shift(shift), factor(channels) {
    for (int64_t c = 0; c < channels; ++c) factor[c] = inv_std[c] * scale[c];
  }
};

template <class T, class A, bool kResidual>
void normalise(const BatchNorm& b, const Affine& affine, const T* x, const T* residual, T* y) {
  const Blocks blocks(b.pixels, b.channels);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks.count; ++block) {
    const float* __restrict factor = affine.factor.data();
    const float* __restrict mean = affine.mean;
    const float* __restrict shift = affine.shift;
    for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) {
      const T* __restrict p = x + row * b.channels;
      const T* __restrict r = residual + (kResidual ? row * b.channels : 0);
      T* __restrict q = y + row * b.channels;
#pragma omp simd
      for (int64_t c = 0; c < b.channels; ++c) {
        float value = (load(p[c]) - mean[c]) * factor[c] + shift[c];
        if (kResidual) value += load(r[c]);
        store(q[c], A::of(value));
      }
    }
  }
}

// The activation's input is found again from x, which is read anyway; where there was an addition, `kFromY`, what ReLU
// lets through is known from y.

// The gradient before the activation, dz, summed as it is and times x - mean; with a residual it is also that one's gradient.
template <class T, class A, bool kFromY>
void gradient_sums(const BatchNorm& b, const Blocks& blocks, const Affine& affine, const T* x, const T* y,
                   const T* dy, T* dresidual, Sums& partial) {
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks.count; ++block) {
    float* __restrict sum = &partial[2 * block * b.channels];
    float* __restrict product = sum + b.channels;
    const float* __restrict factor = affine.factor.data();
    const float* __restrict mean = affine.mean;
    const float* __restrict shift = affine.shift;
    for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) {
      const int64_t start = row * b.channels, masked = kFromY ? start : 0;
      const T* __restrict p = x + start;
      const T* __restrict g = dy + start;
      const T* __restrict q = y + masked;
      T* __restrict dr = dresidual + masked;
#pragma omp simd
      for (int64_t c = 0; c < b.channels; ++c) {
        const float centred = load(p[c]) - mean[c];
        const float dz = A::gradient(kFromY ? load(q[c]) : centred * factor[c] + shift[c], load(g[c]));
        if (kFromY) store(dr[c], dz);
        sum[c] += dz;
        product[c] += dz * centred;
      }
    }
  }
}

// dx = dz * factor + (x - mean) * slope + constant, all by channel.
template <class T, class A>
void input_gradient(const BatchNorm& b, const Blocks& blocks, const Affine& affine, const T* x, const T* dz,
                    const float* slope, const float* constant, T* dx) {
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks.count; ++block) {
    const float* __restrict factor = affine.factor.data();
    const float* __restrict mean = affine.mean;
    const float* __restrict shift = affine.shift;
    for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) {
      const T* __restrict p = x + row * b.channels;
      const T* __restrict g = dz + row * b.channels;
      T* __restrict d = dx + row * b.channels;
#pragma omp simd
      for (int64_t c = 0; c < b.channels; ++c) {
        const float centred = load(p[c]) - mean[c];
        const float z = A::gradient(centred * factor[c] + shift[c], load(g[c]));
        store(d[c], z * factor[c] + (centred * slope[c] + constant[c]));
      }
    }
  }
}

template <class T, class A>
void backward(const BatchNorm& b, const Affine& affine, const T* x, const float* inv_std, const T* y, const T* dy, T* dx,
              float* dscale, float* dshift, T* dresidual) {
  const Blocks blocks(b.pixels, b.channels);
  Sums partial(2 * blocks.count * b.channels);
  const auto sums = dresidual != nullptr ? gradient_sums<T, Relu, true> : gradient_sums<T, A, false>;
  sums(b, blocks, affine, x, y, dy, dresidual, partial);
  // With x^ = (x - mean) * inv_std: dx = factor * (dz - dshift / pixels - x^ * dscale / pixels).
  std::vector<float> slope(b.channels), constant(b.channels);
  total(partial, blocks, b.channels, [&](int64_t c, double sum, double product) {
    dshift[c] = static_cast<float>(sum);
    dscale[c] = static_cast<float>(product * inv_std[c]);
    if (!b.batch_statistics) return;
    slope[c] = static_cast<float>(-affine.factor[c] * product * inv_std[c] * inv_std[c] / b.pixels);
    constant[c] = static_cast<float>(-affine.factor[c] * sum / b.pixels);
  });
  const auto gradient = dresidual != nullptr ? input_gradient<T, Identity> : input_gradient<T, A>;
  gradient(b, blocks, affine, x, dresidual != nullptr ? dresidual : dy, slope.data(), constant.data(), dx);
}

}  // namespace

bool normalises_with(Act act) {
  return with_act(act, [](auto) {});
}

void batch_moments(Type type, int64_t pixels, int64_t channels, const void* x, float* mean, float* variance) {
  threads();
  with_type(type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    moments(pixels, channels, static_cast<const T*>(x), mean, variance);
  });
}

void batch_norm(const BatchNorm& b, const void* x, const float* mean, const float* inv_std, const float* scale,
                const float* shift, const void* residual, void* y) {
  threads();
  const Affine affine(b.channels, mean, inv_std, scale, shift);
  with_type(b.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    with_act(b.act, [&](auto act) {
      const auto form = residual != nullptr ? normalise<T, decltype(act), true> : normalise<T, decltype(act), false>;
      form(b, affine, static_cast<const T*>(x), static_cast<const T*>(residual), static_cast<T*>(y));
    });
  });
}

void batch_norm_backward(const BatchNorm& b, const void* x, const float* mean, const float* inv_std, const float* scale,
                         const float* shift, const void* y, const void* dy, void* dx, float* dscale, float* dshift,
                         void* dresidual) {
  threads();
  const Affine affine(b.channels, mean, inv_std, scale, shift);
  with_type(b.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    with_act(b.act, [&](auto act) {
      backward<T, decltype(act)>(b, affine, static_cast<const T*>(x), inv_std, static_cast<const T*>(y),
                                 static_cast<const T*>(dy), static_cast<T*>(dx), dscale, dshift,
                                 static_cast<T*>(dresidual));
    });
  });
}

}  // namespace ppcls
