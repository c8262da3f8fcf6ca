// Sixteen channels at once, whatever vectors the CPU has, and functions of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "bfloat16.h"
#include "kernels.h"

namespace ppcls {

constexpr int64_t kLanes = 16;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// The first `count` channels at `p`, and zeros.
inline Lanes load_lanes(const float* p, int64_t count = kLanes) {
  Lanes lanes = {};
  if (count == kLanes)
    std::memcpy(&lanes, p, sizeof lanes);
  else
    for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return lanes;
}

inline Lanes load_lanes(const bfloat16* p, int64_t count = kLanes) {
  typedef uint16_t Halves __attribute__((vector_size(kLanes * sizeof(uint16_t))));
  typedef uint32_t Words __attribute__((vector_size(kLanes * sizeof(uint32_t))));
  Halves halves = {};
  if (count == kLanes)
    std::memcpy(&halves, p, sizeof halves);
  else
    std::memcpy(&halves, p, count * sizeof(uint16_t));
  const Words words = __builtin_convertvector(halves, Words) << 16;
  Lanes lanes;
  std::memcpy(&lanes, &words, sizeof lanes);
  return lanes;
}

// e^x within 2 units in the last place, by arithmetic that compilers turn into vectors.
// Source: Cephes, https://netlib.org/cephes/ (expf): x = n log 2 + r, and a polynomial for e^r.
inline float exponential(float x) {
  x = x < -87.f ? -87.f : x > 88.f ? 88.f : x;
  const float n = __builtin_floorf(x * 1.44269504f + 0.5f);
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return (p * r * r + r + 1.f) * power;
}

// Activations, and the gradients that they let through. What is not a number stays so.
struct Identity {
  static float of(float z) { return z; }
  static float gradient(float, float dy) { return dy; }
};
struct Relu {
  static float of(float z) { return z < 0 ? 0.f : z; }
  static float gradient(float z, float dy) { return z > 0 ? dy : 0.f; }
};
struct Relu6 {
  static float of(float z) { return z < 0 ? 0.f : z > 6 ? 6.f : z; }
  static float gradient(float z, float dy) { return z > 0 && z < 6 ? dy : 0.f; }
};
struct LeakyRelu {
  static float of(float z) { return z < 0 ? 0.01f * z : z; }
  static float gradient(float z, float dy) { return z > 0 ? dy : 0.01f * dy; }
};
struct Hardswish {
  static float of(float z) { return z < -3 ? 0.f : z > 3 ? z : z * (z + 3) * (1.f / 6); }
  static float gradient(float z, float dy) { return z < -3 ? 0.f : z > 3 ? dy : dy * (2 * z + 3) * (1.f / 6); }
};
struct Swish {
  static float of(float z) { return z / (1 + exponential(-z)); }
  static float gradient(float z, float dy) {
    const float s = 1 / (1 + exponential(-z));
    return dy * s * (1 + z * (1 - s));
  }
};

// Calls `function` with an object of the activation, if it is one of those above; returns whether it is.
template <class Function>
bool with_act(Act act, Function function) {
  switch (act) {
    case Act::none: function(Identity()); return true;
    case Act::relu: function(Relu()); return true;
    case Act::relu6: function(Relu6()); return true;
    case Act::leaky_relu: function(LeakyRelu()); return true;
    case Act::hardswish: function(Hardswish()); return true;
    case Act::swish: function(Swish()); return true;
    default: return false;
  }
}

// Calls `function` with a null pointer of the type that the memory holds.
template <class Function>
void with_type(Type type, Function function) {
  if (type == Type::bf16)
    function(static_cast<bfloat16*>(nullptr));
  else
    function(static_cast<float*>(nullptr));
}

}  // namespace ppcls
