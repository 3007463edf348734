#include "galois.h"

#include <array>

namespace hawser::galois {
namespace {

constexpr uint32_t kPolynomial = 0x11d;

struct Tables {
  std::array<uint8_t, 510> exponential{};  // twice, so that a sum of two logarithms needs no reduction
  std::array<uint8_t, 256> logarithm{};
};

constexpr Tables makeTables() {
  Tables tables;
  uint32_t value = 1;
  for (uint32_t i = 0; i < 255; i++) {
    tables.exponential[i] = tables.exponential[i + 255] = static_cast<uint8_t>(value);
    tables.logarithm[value] = static_cast<uint8_t>(i);
    value <<= 1;
    if (value > 255) value ^= kPolynomial;
  }
  return tables;
}

constexpr Tables kTables = makeTables();

// GF2P8AFFINEQB computes bit i of the product as the parity of (byte 7 - i of the matrix) AND x.
uint64_t matrixOf(uint8_t value) {
  uint64_t matrix = 0;
  for (uint32_t column = 0; column < 8; column++) {
    const uint8_t product = multiply(value, static_cast<uint8_t>(1u << column));
    for (uint32_t bit = 0; bit < 8; bit++) {
      if ((product >> bit & 1) != 0) matrix |= uint64_t{1} << ((7 - bit) * 8 + column);
    }
  }
  return matrix;
}

}  // namespace

uint8_t multiply(uint8_t a, uint8_t b) {
  if (a == 0 || b == 0) return 0;
  return kTables.exponential[static_cast<size_t>(kTables.logarithm[a]) + kTables.logarithm[b]];
}

uint8_t inverse(uint8_t a) { return kTables.exponential[255u - kTables.logarithm[a]]; }

uint8_t power(uint8_t a, uint32_t exponent) {
  if (exponent == 0) return 1;
  if (a == 0) return 0;
  return kTables.exponential[kTables.logarithm[a] * exponent % 255];
}

Factor factorOf(uint8_t value) {
  Factor factor;
  for (uint32_t i = 0; i < 16; i++) {
    factor.low[i] = multiply(value, static_cast<uint8_t>(i));
    factor.high[i] = multiply(value, static_cast<uint8_t>(i << 4));
  }
  factor.matrix = matrixOf(value);
  return factor;
}

void multiplyScalar(const Product& product) {
  for (uint32_t r = 0; r < product.targetCount; r++) {
    uint8_t* target = product.targets[r];
    for (uint32_t s = 0; s < product.sourceCount; s++) {
      const Factor& factor = product.factors[r * product.sourceCount + s];
      const uint8_t* source = product.sources[s];
      const bool adds = product.adds || s > 0;
      for (size_t b = 0; b < product.length; b++) {
        const uint8_t value = factor.low[source[b] & 15] ^ factor.high[source[b] >> 4];
        target[b] = adds ? target[b] ^ value : value;
      }
    }
  }
}

const char* nameOf(Kernel kernel) {
  switch (kernel) {
    case Kernel::Scalar: return "scalar";
    case Kernel::Ssse3: return "ssse3";
    case Kernel::Avx2: return "avx2";
    case Kernel::GfniAvx2: return "gfni-avx2";
    case Kernel::GfniAvx512: return "gfni-avx512";
    case Kernel::Neon: return "neon";
  }
  return "unknown";
}

Multiplier multiplierOf(Kernel kernel) { return kernel == Kernel::Scalar ? multiplyScalar : archMultiplierOf(kernel); }

Kernel bestKernel() {
  for (const Kernel kernel : {Kernel::GfniAvx512, Kernel::GfniAvx2, Kernel::Neon, Kernel::Avx2, Kernel::Ssse3}) {
    if (multiplierOf(kernel) != nullptr) return kernel;
  }
  return Kernel::Scalar;
}

}  // namespace hawser::galois
