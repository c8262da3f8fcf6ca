// What the operators compute, on plain memory: no Paddle below this line.
//
// Pictures are channels-last (NHWC) and dense. `Type` is the type of pictures and their gradients; weights,
// statistics and the gradients of both are always float32.
#pragma once

#include <cstdint>

namespace ppcls {

enum class Type { f32, bf16 };

struct Shape {
  int64_t n, h, w, c;
  int64_t pixels() const { return n * h * w; }
  int64_t size() const { return pixels() * c; }
};

// Of a convolution or a pooling window; pad_* are rows or columns of padding on that side.
struct Window {
  int64_t kernel_h, kernel_w, stride_h, stride_w;
  int64_t pad_top, pad_bottom, pad_left, pad_right;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t out_h(int64_t h) const { return (h + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1) / stride_h + 1; }
  int64_t out_w(int64_t w) const { return (w + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1) / stride_w + 1; }
};

struct Convolution {
  Type type;
  Shape x, y;
  Window window;
  int64_t groups;
};

struct Pooling {
  Type type;
  Shape x, y;
  Window window;
  bool max;  // else the average of the pixels that are not padding
};

// Threads of this library's operators, in every thread that calls them; 1 in a forked child.
void set_threads(int count);
int threads();

// Weights are [out, in / groups, height, width]. `bias` and `residual` may be null; y = relu?(conv + bias + residual).
void convolution(const Convolution&, const void* x, const float* weights, const float* bias, const void* residual,
                 bool relu, void* y);
void convolution_backward_data(const Convolution&, const void* dy, const float* weights, void* dx);
void convolution_backward_weights(const Convolution&, const void* x, const void* dy, float* dweights);
// weights * scale of the output channel, into this thread's own memory, valid until the next call.
const float* scaled_weights(const Convolution&, const float* weights, const float* scale);

struct BatchNorm {
  Type type;
  int64_t pixels, channels;
  bool relu;
  bool batch_statistics;  // mean and variance follow from x, and gradients flow through them
};

void batch_moments(Type, int64_t pixels, int64_t channels, const void* x, float* mean, float* variance);
// y = relu?((x - mean) * inv_std * scale + shift + residual); `residual` may be null.
void batch_norm(const BatchNorm&, const void* x, const float* mean, const float* inv_std, const float* scale,
                const float* shift, const void* residual, void* y);
// Where a residual was added before ReLU, `y` and `dresidual` are given, and `dresidual` becomes dy where y > 0; else
// both are null.
void batch_norm_backward(const BatchNorm&, const void* x, const float* mean, const float* inv_std, const float* scale,
                         const float* shift, const void* y, const void* dy, void* dx, float* dscale, float* dshift,
                         void* dresidual);

// The size in bytes of what `pooling` keeps for its gradient: 0 for averages.
int64_t pooling_workspace(const Pooling&);
void pooling(const Pooling&, const void* x, void* y, void* workspace);
void pooling_backward(const Pooling&, const void* dy, const void* workspace, void* dx);

// y[rows, columns] = x[rows, inner] * weights[inner, columns] + bias, all float32; `bias` may be null.
void linear(int64_t rows, int64_t inner, int64_t columns, const float* x, const float* weights, const float* bias,
            float* y);
// Either side may be transposed: `left` is then [inner, rows] and `right` [columns, inner].
void matmul(int64_t rows, int64_t inner, int64_t columns, const float* left, bool left_transposed, const float* right,
            bool right_transposed, float* product);

// `images` float32 NCHW -> NHWC of type `type`, and back.
void to_channels_last(Type, const Shape&, const float* images, void* y);
void from_channels_last(Type, const Shape&, const void* x, float* images);

void add(Type, int64_t size, const void* a, const void* b, void* sum);

}  // namespace ppcls
