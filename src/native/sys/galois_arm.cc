// The ARMv8 kernel of galois.h (NEON is part of every AArch64), and none at all on other architectures than x86-64.
#include "galois.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace hawser::galois {
namespace {

constexpr uint32_t kWidth = 16;

// As on x86: the remainder is done by the vector that ends with the string; where the product is added, the first `stale` bytes of
// it, done already, are left out.
template <uint32_t rows>
inline void step(const Product& product, size_t at, uint32_t stale) {
  uint8x16_t sum[rows];
  for (uint32_t r = 0; r < rows; r++) sum[r] = vdupq_n_u8(0);
  for (uint32_t s = 0; s < product.sourceCount; s++) {
    const uint8x16_t bytes = vld1q_u8(product.sources[s] + at);
    const uint8x16_t low = vandq_u8(bytes, vdupq_n_u8(15));
    const uint8x16_t high = vshrq_n_u8(bytes, 4);
    for (uint32_t r = 0; r < rows; r++) {
      const Factor& factor = product.factors[r * product.sourceCount + s];
      sum[r] = veorq_u8(sum[r], vqtbl1q_u8(vld1q_u8(factor.low), low));
      sum[r] = veorq_u8(sum[r], vqtbl1q_u8(vld1q_u8(factor.high), high));
    }
  }
  static constexpr uint8_t kPlaces[kWidth] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const uint8x16_t fresh = vcgeq_u8(vld1q_u8(kPlaces), vdupq_n_u8(static_cast<uint8_t>(stale)));
  for (uint32_t r = 0; r < rows; r++) {
    uint8_t* target = product.targets[r] + at;
    if (product.adds) sum[r] = veorq_u8(vld1q_u8(target), vandq_u8(sum[r], fresh));
    vst1q_u8(target, sum[r]);
  }
}

template <uint32_t rows>
void pass(const Product& product) {
  size_t at = 0;
  for (; at + kWidth <= product.length; at += kWidth) step<rows>(product, at, 0);
  if (at < product.length) step<rows>(product, product.length - kWidth, static_cast<uint32_t>(kWidth - (product.length - at)));
}

void multiplyNeon(const Product& product) {
  if (product.length < kWidth) return multiplyScalar(product);
  static constexpr void (*kPasses[])(const Product&) = {pass<1>, pass<2>, pass<3>, pass<4>};
  Product part = product;
  for (uint32_t first = 0; first < product.targetCount; first += part.targetCount) {
    part.targetCount = product.targetCount - first < 4 ? product.targetCount - first : 4;
    part.targets = product.targets + first;
    part.factors = product.factors + static_cast<size_t>(first) * product.sourceCount;
    kPasses[part.targetCount - 1](part);
  }
}

}  // namespace

Multiplier archMultiplierOf(Kernel kernel) { return kernel == Kernel::Neon ? multiplyNeon : nullptr; }

}  // namespace hawser::galois
#elif !defined(__x86_64__)
namespace hawser::galois {
Multiplier archMultiplierOf(Kernel) { return nullptr; }
}  // namespace hawser::galois
#endif
