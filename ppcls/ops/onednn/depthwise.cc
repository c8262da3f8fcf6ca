// Gradients of convolutions of each channel by itself, where oneDNN has no kernel of its own for them: in channels-last
// images the channels are the vectors.
#include <algorithm>
#include <vector>

#include "numbers.h"

namespace ppcls {
namespace {

// The outputs along one side, [begin, end), whose kernel's tap at `offset` is inside of `size` pixels.
struct Range {
  int64_t begin, end;
  Range(int64_t offset, int64_t size, int64_t stride, int64_t outputs)
      : begin(offset >= 0 ? 0 : (-offset + stride - 1) / stride),
        end(offset >= size ? 0 : std::min(outputs, (size - 1 - offset) / stride + 1)) {}
};

// The gradient of some taps of one row of the kernel, from one image and up to 16 channels; kTaps sums stay in
// registers, so that each gradient is loaded once for all of them.
template <class T, int kTaps>
void row_gradient(const Convolution& c, const T* x, const T* dy, int64_t row, int64_t first_tap, int64_t channels,
                  Lanes* sums) {
  const Window& w = c.window;
  Lanes own[kTaps] = {};
  const int64_t top = row * w.dilation_h - w.pad_top, left = first_tap * w.dilation_w - w.pad_left;
  const Range rows(top, c.x.h, w.stride_h, c.y.h);
  int64_t begin = 0, end = c.y.w;  // where all taps are inside
  for (int tap = 0; tap < kTaps; ++tap) {
    const Range columns(left + tap * w.dilation_w, c.x.w, w.stride_w, c.y.w);
    begin = std::max(begin, columns.begin);
    end = std::min(end, columns.end);
  }
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    const T* x_row = x + (i * w.stride_h + top) * c.x.w * c.x.c;
    const T* dy_row = dy + i * c.y.w * c.y.c;
    const auto edge = [&](int64_t from, int64_t to) {
      for (int64_t j = from; j < to; ++j) {
        const Lanes gradient = load_lanes(dy_row + j * c.y.c, channels);
        for (int tap = 0; tap < kTaps; ++tap) {
          const int64_t column = j * w.stride_w + left + tap * w.dilation_w;
          if (column >= 0 && column < c.x.w) own[tap] += gradient * load_lanes(x_row + column * c.x.c, channels);
        }
      }
    };
    const int64_t last = std::max(begin, end);
    edge(0, std::min(begin, c.y.w));
    if (channels == kLanes) {
      for (int64_t j = begin; j < end; ++j) {
        const Lanes gradient = load_lanes(dy_row + j * c.y.c);
        const T* p = x_row + (j * w.stride_w + left) * c.x.c;
        for (int tap = 0; tap < kTaps; ++tap) own[tap] += gradient * load_lanes(p + tap * w.dilation_w * c.x.c);
      }
    } else {
      edge(begin, end);
    }
    edge(std::min(last, c.y.w), c.y.w);
  }
  std::copy(own, own + kTaps, sums);
}

template <class T>
void weight_gradient(const Convolution& c, const T* x, const T* dy, float* dweights) {
  const Window& w = c.window;
  const int64_t taps = w.kernel_h * w.kernel_w, blocks = (c.x.c + kLanes - 1) / kLanes;
  std::vector<Lanes> partial(c.x.n * blocks * taps);  // of each image, added in their order
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < c.x.n; ++n) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first = block * kLanes, channels = std::min(kLanes, c.x.c - first);
      const T* from = x + n * c.x.h * c.x.w * c.x.c + first;
      const T* gradients = dy + n * c.y.h * c.y.w * c.y.c + first;
      Lanes* sums = &partial[(n * blocks + block) * taps];
      for (int64_t row = 0; row < w.kernel_h; ++row) {
        for (int64_t tap = 0; tap < w.kernel_w;) {
          Lanes* target = sums + row * w.kernel_w + tap;
          const int64_t left = w.kernel_w - tap;
          const auto one = left >= 5   ? row_gradient<T, 5>
                           : left >= 3 ? row_gradient<T, 3>
                           : left == 2 ? row_gradient<T, 2>
                                       : row_gradient<T, 1>;
          one(c, from, gradients, row, tap, channels, target);
          tap += left >= 5 ? 5 : left >= 3 ? 3 : left;
        }
      }
    }
  }
#pragma omp parallel for schedule(static)
  for (int64_t channel = 0; channel < c.x.c; ++channel) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      double sum = 0;
      for (int64_t n = 0; n < c.x.n; ++n)
        sum += partial[(n * blocks + channel / kLanes) * taps + tap][channel % kLanes];
      dweights[channel * taps + tap] = static_cast<float>(sum);
    }
  }
}

template <class T>
void data_gradient(const Convolution& c, const T* dy, const float* weights, T* dx) {
  const Window& w = c.window;
  const int64_t taps = w.kernel_h * w.kernel_w, channels = c.x.c;
  std::vector<float> by_tap(taps * channels);
  for (int64_t channel = 0; channel < channels; ++channel)
    for (int64_t tap = 0; tap < taps; ++tap) by_tap[tap * channels + channel] = weights[channel * taps + tap];
#pragma omp parallel
  {
    std::vector<float> sums(channels);
#pragma omp for schedule(static)
    for (int64_t row = 0; row < c.x.n * c.x.h; ++row) {
      const int64_t n = row / c.x.h, i = row % c.x.h;
      for (int64_t j = 0; j < c.x.w; ++j) {
        std::fill(sums.begin(), sums.end(), 0.f);
        for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
          const int64_t y = i + w.pad_top - ky * w.dilation_h, out_row = y / w.stride_h;
          if (y < 0 || y % w.stride_h != 0 || out_row >= c.y.h) continue;
          for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
            const int64_t z = j + w.pad_left - kx * w.dilation_w, out_column = z / w.stride_w;
            if (z < 0 || z % w.stride_w != 0 || out_column >= c.y.w) continue;
            const T* __restrict gradient = dy + ((n * c.y.h + out_row) * c.y.w + out_column) * channels;
            const float* __restrict weight = &by_tap[(ky * w.kernel_w + kx) * channels];
            float* __restrict sum = sums.data();
#pragma omp simd
            for (int64_t k = 0; k < channels; ++k) sum[k] += load(gradient[k]) * weight[k];
          }
        }
        T* __restrict target = dx + (row * c.x.w + j) * channels;
        const float* __restrict sum = sums.data();
#pragma omp simd
        for (int64_t k = 0; k < channels; ++k) store(target[k], sum[k]);
      }
    }
  }
}

}  // namespace

bool is_depthwise(const Convolution& c) { return c.groups > 1 && c.groups == c.x.c && c.groups == c.y.c; }

void depthwise_backward_data(const Convolution& c, const void* dy, const float* weights, void* dx) {
  threads();
  with_type(c.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    data_gradient(c, static_cast<const T*>(dy), weights, static_cast<T*>(dx));
  });
}

void depthwise_backward_weights(const Convolution& c, const void* x, const void* dy, float* dweights) {
  threads();
  with_type(c.type, [&](auto* of_type) {
    using T = std::remove_pointer_t<decltype(of_type)>;
    weight_gradient(c, static_cast<const T*>(x), static_cast<const T*>(dy), dweights);
  });
}

}  // namespace ppcls
