// Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), and its bulk form: sums of products of whole byte strings, in
// the fastest way this CPU has. The scalar kernel is the twin that every other one must equal.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hawser::galois {

uint8_t multiply(uint8_t a, uint8_t b);
// Of anything but 0.
uint8_t inverse(uint8_t a);
// a^exponent; 0^0 is 1.
uint8_t power(uint8_t a, uint32_t exponent);

// A constant factor, as each kernel reads it: its products with 0..15 and with 16, 32, … 240, and the product as an 8×8 bit
// matrix (GF2P8AFFINEQB: Intel SDM volume 2; its own multiplication is modulo 0x11b, so it is of no use).
struct Factor {
  uint8_t low[16];
  uint8_t high[16];
  uint64_t matrix;
};

Factor factorOf(uint8_t value);

// targets[r][b] = sum over s of factors[r * sources + s] × source[s][b], for b < length; added to what is there, or stored.
// Targets and sources do not overlap. Any length and any alignment.
struct Product {
  uint8_t* const* targets;
  uint32_t targetCount;
  const uint8_t* const* sources;
  uint32_t sourceCount;
  const Factor* factors;
  size_t length;
  bool adds;
};

enum class Kernel { Scalar, Ssse3, Avx2, GfniAvx2, GfniAvx512, Neon };
inline constexpr Kernel kKernels[] = {Kernel::Scalar, Kernel::Ssse3, Kernel::Avx2, Kernel::GfniAvx2, Kernel::GfniAvx512, Kernel::Neon};

using Multiplier = void (*)(const Product&);

const char* nameOf(Kernel kernel);
// Null when this CPU, or this build, does not have it.
Multiplier multiplierOf(Kernel kernel);
Kernel bestKernel();

// Each architecture's file answers for its own kernels; null for those of others.
Multiplier archMultiplierOf(Kernel kernel);
void multiplyScalar(const Product& product);

}  // namespace hawser::galois
