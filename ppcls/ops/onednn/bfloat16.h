// The upper half of a float32, in loops that the compiler turns into vector instructions.
#pragma once

#include <cstdint>
#include <cstring>

namespace ppcls {

struct bfloat16 {
  uint16_t bits;
};

inline float load(float value) { return value; }

inline float load(bfloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

inline void store(float& place, float value) { place = value; }

// Rounds to nearest, ties to even; what is not a number stays so.
inline void store(bfloat16& place, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet_nan = (bits >> 16) | 0x40u;
  place.bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded);
}

}  // namespace ppcls
