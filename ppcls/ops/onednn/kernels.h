// What the operators compute, on plain memory: no Paddle below this line.
//
// Pictures are channels-last (NHWC) and dense. `Type` is the type of pictures and their gradients; weights,
// statistics and the gradients of both are always float32.
#pragma once

#include <cstdint>
#include <vector>

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

// What is done to each value by itself; `none` changes nothing.
enum class Act {
  none, relu, relu6, leaky_relu, steep_leaky_relu, sigmoid, hardsigmoid, steep_hardsigmoid, clip, hardswish, swish,
  gelu, quick_gelu, mish, tanh
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

// Weights are [out, in / groups, height, width]. `bias` and `residual` may be null; y = act(conv + bias + residual).
void convolution(const Convolution&, const void* x, const float* weights, const float* bias, const void* residual,
                 Act act, void* y);
void convolution_backward_data(const Convolution&, const void* dy, const float* weights, void* dx);
void convolution_backward_weights(const Convolution&, const void* x, const void* dy, float* dweights);
// The same for convolutions of each channel by itself, by kernels of our own.
bool is_depthwise(const Convolution&);
void depthwise_backward_data(const Convolution&, const void* dy, const float* weights, void* dx);
void depthwise_backward_weights(const Convolution&, const void* x, const void* dy, float* dweights);
// weights * scale of the output channel, into this thread's own memory, valid until the next call.
const float* scaled_weights(const Convolution&, const float* weights, const float* scale);

struct BatchNorm {
  Type type;
  int64_t pixels, channels;
  Act act;  // one of those that `normalises_with` takes
  bool batch_statistics;  // mean and variance follow from x, and gradients flow through them
};

bool normalises_with(Act);
void batch_moments(Type, int64_t pixels, int64_t channels, const void* x, float* mean, float* variance);
// y = act((x - mean) * inv_std * scale + shift + residual); `residual` may be null.
void batch_norm(const BatchNorm&, const void* x, const float* mean, const float* inv_std, const float* scale,
                const float* shift, const void* residual, void* y);
// Where a residual was added, `y` and `dresidual` are given, the activation is ReLU, and `dresidual` becomes dy where
// y > 0; else both are null.
void batch_norm_backward(const BatchNorm&, const void* x, const float* mean, const float* inv_std, const float* scale,
                         const float* shift, const void* y, const void* dy, void* dx, float* dscale, float* dshift,
                         void* dresidual);

// The size in bytes of what `pooling` keeps for its gradient: 0 for averages.
int64_t pooling_workspace(const Pooling&);
void pooling(const Pooling&, const void* x, void* y, void* workspace);
void pooling_backward(const Pooling&, const void* dy, const void* workspace, void* dx);

// A matrix [rows, columns]; in memory [columns, rows] if `transposed`.
struct Matrix {
  Type type;
  int64_t rows, columns;
  const void* data;
  bool transposed = false;
};

// result = left * right + bias of the column; `bias` may be null.
void product(const Matrix& left, const Matrix& right, const float* bias, const Matrix& result);
// The values in `type`: themselves, or a copy in this thread's own memory, valid until the next call.
const void* narrowed(Type type, int64_t size, const float* values);

// Rows of `channels` values with mean 0 and variance 1, times scale plus shift, by channel. `mean` and `variance`, of
// each row, are kept for the gradient.
struct LayerNorm {
  Type type;
  int64_t rows, channels;
  float epsilon;
};
void layer_norm(const LayerNorm&, const void* x, const float* scale, const float* shift, void* y, float* mean,
                float* variance);
void layer_norm_backward(const LayerNorm&, const void* x, const float* scale, const float* mean, const float* variance,
                         const void* dy, void* dx, float* dscale, float* dshift);

// Attention of `heads` heads among the `length` tokens of each sample; queries, keys and values are side by side in
// [samples, length, 3, heads, width]. Scores are times `scale` plus the biases [biases, bias_heads, length, length],
// of one head for all or of each, of each `biases` samples in a row; there are none if `biases` is 0. `shares`, the
// softmax of the scores [samples, heads, length, length], are kept for the gradient.
struct Attention {
  Type type;
  int64_t samples, length, heads, width;
  float scale;
  int64_t biases, bias_heads;
};
void attention(const Attention&, const void* qkv, const float* bias, void* y, void* shares);
// Without biases `dscores`, room for the gradients of all scores, and `dbias` are null.
void attention_backward(const Attention&, const void* qkv, const void* shares, const void* dy, void* dqkv,
                        float* dscores, float* dbias);

// Windows of images that are moved up and left by `shift` pixels before, row by row: [windows, height * width, c].
// `join_windows` is the inverse, and so also the gradient.
struct Tiles {
  int64_t height, width, shift;
};
void windows(Type, const Shape&, const Tiles&, const void* images, void* tokens);
void join_windows(Type, const Shape&, const Tiles&, const void* tokens, void* images);

// `images` float32 NCHW -> NHWC of type `type`, and back.
void to_channels_last(Type, const Shape&, const float* images, void* y);
void from_channels_last(Type, const Shape&, const void* x, float* images);

// Each value by itself.
void activation(Type, Act, int64_t size, const void* x, void* y);
void activation_backward(Type, Act, int64_t size, const void* x, const void* dy, void* dx);
void add(Type, int64_t size, const void* a, const void* b, void* sum);

// y = x * scale + shift by one float each; the gradients of both are sums over everything.
void affine(Type, int64_t size, const void* x, float scale, float shift, void* y);
void affine_backward(Type, int64_t size, const void* x, const void* dy, float scale, void* dx, float* dscale,
                     float* dshift);

// y = x * gate, a gate for each channel of each image: [n, c]. `Shape` may be of tokens.
void gate(Type, const Shape&, const void* x, const float* gates, void* y);
void gate_backward(Type, const Shape&, const void* x, const float* gates, const void* dy, void* dx, float* dgates);

// y = x + bias of the channel; the sums of all pixels are its gradient.
void add_bias(Type, int64_t pixels, int64_t channels, const void* x, const float* bias, void* y);
void pixel_sums(Type, int64_t pixels, int64_t channels, const void* x, float* sums);

// The parts side by side, all first pixels, then all second ones ...; `interleaved`: their first channels, then their
// second ones ..., for parts of the same size. `split` is the inverse.
struct Part {
  void* data;
  int64_t channels;
};
void concatenate(Type, int64_t pixels, const std::vector<Part>& parts, bool interleaved, void* whole);
void split(Type, int64_t pixels, const void* whole, bool interleaved, const std::vector<Part>& parts);

}  // namespace ppcls
