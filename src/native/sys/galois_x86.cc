// The x86-64 kernels of galois.h. Each function carries its own target attribute and is called only where the CPU has the
// instructions; the rest of the addon is built for every x86-64.
#include "galois.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define HAWSER_TARGET(features) __attribute__((target(features)))
#define HAWSER_STEP(features) static inline __attribute__((always_inline, target(features)))

namespace hawser::galois {
namespace {

// 32 zeros, then 32 ones: loaded from `tail` on, a vector whose last `tail` bytes are ones.
struct Edge {
  alignas(64) uint8_t bytes[64] = {};
};
constexpr Edge makeEdge() {
  Edge edge;
  for (uint32_t i = 32; i < 64; i++) edge.bytes[i] = 255;
  return edge;
}
constexpr Edge kEdge = makeEdge();

// Takes at most `most` targets at a time, so that a kernel's sums stay in registers; each pass reads the sources once.
template <uint32_t most, typename Pass>
void inPasses(const Product& product, Pass pass) {
  Product part = product;
  for (uint32_t first = 0; first < product.targetCount; first += part.targetCount) {
    part.targetCount = product.targetCount - first < most ? product.targetCount - first : most;
    part.targets = product.targets + first;
    part.factors = product.factors + static_cast<size_t>(first) * product.sourceCount;
    pass(part);
  }
}

// A remainder shorter than a vector is done by the vector that ends with the string. Its first bytes are done twice: stored
// twice they are the same, and where the product is added `fresh` leaves them out.
template <uint32_t rows>
HAWSER_STEP("ssse3") void stepSsse3(const Product& product, size_t at, __m128i fresh) {
  const __m128i nibble = _mm_set1_epi8(15);
  __m128i sum[rows];
  for (uint32_t r = 0; r < rows; r++) sum[r] = _mm_setzero_si128();
  for (uint32_t s = 0; s < product.sourceCount; s++) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(product.sources[s] + at));
    const __m128i low = _mm_and_si128(bytes, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi64(bytes, 4), nibble);
    for (uint32_t r = 0; r < rows; r++) {
      const Factor& factor = product.factors[r * product.sourceCount + s];
      sum[r] = _mm_xor_si128(sum[r], _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factor.low)), low));
      sum[r] = _mm_xor_si128(sum[r], _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factor.high)), high));
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    auto* target = reinterpret_cast<__m128i*>(product.targets[r] + at);
    if (product.adds) sum[r] = _mm_xor_si128(_mm_loadu_si128(target), _mm_and_si128(sum[r], fresh));
    _mm_storeu_si128(target, sum[r]);
  }
}

template <uint32_t rows>
HAWSER_TARGET("ssse3") void passSsse3(const Product& product) {
  constexpr size_t kWidth = 16;
  size_t at = 0;
  for (; at + kWidth <= product.length; at += kWidth) stepSsse3<rows>(product, at, _mm_set1_epi8(-1));
  if (at == product.length) return;
  const auto* fresh = reinterpret_cast<const __m128i*>(kEdge.bytes + 32 - kWidth + (product.length - at));
  stepSsse3<rows>(product, product.length - kWidth, _mm_loadu_si128(fresh));
}

template <uint32_t rows>
HAWSER_STEP("avx2") void stepAvx2(const Product& product, size_t at, __m256i fresh) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i sum[rows];
  for (uint32_t r = 0; r < rows; r++) sum[r] = _mm256_setzero_si256();
  for (uint32_t s = 0; s < product.sourceCount; s++) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(product.sources[s] + at));
    const __m256i low = _mm256_and_si256(bytes, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi64(bytes, 4), nibble);
    for (uint32_t r = 0; r < rows; r++) {
      const Factor& factor = product.factors[r * product.sourceCount + s];
      const __m256i lows = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factor.low)));
      const __m256i highs = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(factor.high)));
      sum[r] = _mm256_xor_si256(sum[r], _mm256_shuffle_epi8(lows, low));
      sum[r] = _mm256_xor_si256(sum[r], _mm256_shuffle_epi8(highs, high));
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    auto* target = reinterpret_cast<__m256i*>(product.targets[r] + at);
    if (product.adds) sum[r] = _mm256_xor_si256(_mm256_loadu_si256(target), _mm256_and_si256(sum[r], fresh));
    _mm256_storeu_si256(target, sum[r]);
  }
}

template <uint32_t rows>
HAWSER_TARGET("avx2") void passAvx2(const Product& product) {
  constexpr size_t kWidth = 32;
  size_t at = 0;
  for (; at + kWidth <= product.length; at += kWidth) stepAvx2<rows>(product, at, _mm256_set1_epi8(-1));
  if (at == product.length) return;
  const auto* fresh = reinterpret_cast<const __m256i*>(kEdge.bytes + (product.length - at));
  stepAvx2<rows>(product, product.length - kWidth, _mm256_loadu_si256(fresh));
}

template <uint32_t rows>
HAWSER_STEP("avx2,gfni") void stepGfniAvx2(const Product& product, size_t at, __m256i fresh) {
  __m256i sum[rows];
  for (uint32_t r = 0; r < rows; r++) sum[r] = _mm256_setzero_si256();
  for (uint32_t s = 0; s < product.sourceCount; s++) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(product.sources[s] + at));
    for (uint32_t r = 0; r < rows; r++) {
      const uint64_t matrix = product.factors[r * product.sourceCount + s].matrix;
      const __m256i matrices = _mm256_set1_epi64x(static_cast<long long>(matrix));
      sum[r] = _mm256_xor_si256(sum[r], _mm256_gf2p8affine_epi64_epi8(bytes, matrices, 0));
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    auto* target = reinterpret_cast<__m256i*>(product.targets[r] + at);
    if (product.adds) sum[r] = _mm256_xor_si256(_mm256_loadu_si256(target), _mm256_and_si256(sum[r], fresh));
    _mm256_storeu_si256(target, sum[r]);
  }
}

template <uint32_t rows>
HAWSER_TARGET("avx2,gfni") void passGfniAvx2(const Product& product) {
  constexpr size_t kWidth = 32;
  size_t at = 0;
  for (; at + kWidth <= product.length; at += kWidth) stepGfniAvx2<rows>(product, at, _mm256_set1_epi8(-1));
  if (at == product.length) return;
  const auto* fresh = reinterpret_cast<const __m256i*>(kEdge.bytes + (product.length - at));
  stepGfniAvx2<rows>(product, product.length - kWidth, _mm256_loadu_si256(fresh));
}

// 128 bytes a step, so that each factor is loaded once for two vectors, and two sources at a time, so that one instruction
// (VPTERNLOG) adds both products. Masks make the remainder an ordinary step.
template <uint32_t rows>
HAWSER_STEP("avx512f,avx512bw,gfni") void stepGfniAvx512(const Product& product, size_t at, __mmask64 first, __mmask64 second) {
  constexpr int kXorOfThree = 0x96;
  const uint32_t sourceCount = product.sourceCount;
  const uint8_t* const* sources = product.sources;
  const size_t stride = sourceCount;
  const Factor* factors = product.factors;
  __m512i sum[rows][2];
  for (uint32_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  uint32_t s = 0;
  for (; s + 2 <= sourceCount; s += 2, sources += 2, factors += 2) {
    const __m512i a0 = _mm512_maskz_loadu_epi8(first, sources[0] + at);
    const __m512i a1 = _mm512_maskz_loadu_epi8(second, sources[0] + at + 64);
    const __m512i b0 = _mm512_maskz_loadu_epi8(first, sources[1] + at);
    const __m512i b1 = _mm512_maskz_loadu_epi8(second, sources[1] + at + 64);
    for (uint32_t r = 0; r < rows; r++) {
      const __m512i a = _mm512_set1_epi64(static_cast<long long>(factors[r * stride].matrix));
      const __m512i b = _mm512_set1_epi64(static_cast<long long>(factors[r * stride + 1].matrix));
      sum[r][0] = _mm512_ternarylogic_epi64(sum[r][0], _mm512_gf2p8affine_epi64_epi8(a0, a, 0), _mm512_gf2p8affine_epi64_epi8(b0, b, 0), kXorOfThree);
      sum[r][1] = _mm512_ternarylogic_epi64(sum[r][1], _mm512_gf2p8affine_epi64_epi8(a1, a, 0), _mm512_gf2p8affine_epi64_epi8(b1, b, 0), kXorOfThree);
    }
  }
  if (s < sourceCount) {
    const __m512i a0 = _mm512_maskz_loadu_epi8(first, sources[0] + at);
    const __m512i a1 = _mm512_maskz_loadu_epi8(second, sources[0] + at + 64);
    for (uint32_t r = 0; r < rows; r++) {
      const __m512i a = _mm512_set1_epi64(static_cast<long long>(factors[r * stride].matrix));
      sum[r][0] = _mm512_xor_si512(sum[r][0], _mm512_gf2p8affine_epi64_epi8(a0, a, 0));
      sum[r][1] = _mm512_xor_si512(sum[r][1], _mm512_gf2p8affine_epi64_epi8(a1, a, 0));
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    uint8_t* target = product.targets[r] + at;
    if (product.adds) {
      sum[r][0] = _mm512_xor_si512(sum[r][0], _mm512_maskz_loadu_epi8(first, target));
      sum[r][1] = _mm512_xor_si512(sum[r][1], _mm512_maskz_loadu_epi8(second, target + 64));
    }
    _mm512_mask_storeu_epi8(target, first, sum[r][0]);
    _mm512_mask_storeu_epi8(target + 64, second, sum[r][1]);
  }
}

template <uint32_t rows>
HAWSER_TARGET("avx512f,avx512bw,gfni") void passGfniAvx512(const Product& product) {
  constexpr size_t kWidth = 128;
  size_t at = 0;
  for (; at + kWidth <= product.length; at += kWidth) stepGfniAvx512<rows>(product, at, ~__mmask64{0}, ~__mmask64{0});
  const size_t tail = product.length - at;
  if (tail == 0) return;
  const __mmask64 some = (__mmask64{1} << (tail & 63)) - 1;
  stepGfniAvx512<rows>(product, at, tail >= 64 ? ~__mmask64{0} : some, tail >= 64 ? some : 0);
}

using Pass = void (*)(const Product&);
constexpr Pass kSsse3[] = {passSsse3<1>, passSsse3<2>, passSsse3<3>, passSsse3<4>};
constexpr Pass kAvx2[] = {passAvx2<1>, passAvx2<2>, passAvx2<3>, passAvx2<4>};
constexpr Pass kGfniAvx2[] = {passGfniAvx2<1>, passGfniAvx2<2>, passGfniAvx2<3>, passGfniAvx2<4>, passGfniAvx2<5>, passGfniAvx2<6>};
constexpr Pass kGfniAvx512[] = {passGfniAvx512<1>, passGfniAvx512<2>, passGfniAvx512<3>, passGfniAvx512<4>, passGfniAvx512<5>, passGfniAvx512<6>};

void multiplySsse3(const Product& product) {
  if (product.length < 16) return multiplyScalar(product);
  inPasses<4>(product, [](const Product& part) { kSsse3[part.targetCount - 1](part); });
}

void multiplyAvx2(const Product& product) {
  if (product.length < 32) return multiplySsse3(product);
  inPasses<4>(product, [](const Product& part) { kAvx2[part.targetCount - 1](part); });
}

void multiplyGfniAvx2(const Product& product) {
  if (product.length < 32) return multiplySsse3(product);
  inPasses<6>(product, [](const Product& part) { kGfniAvx2[part.targetCount - 1](part); });
}

void multiplyGfniAvx512(const Product& product) {
  inPasses<6>(product, [](const Product& part) { kGfniAvx512[part.targetCount - 1](part); });
}

}  // namespace

Multiplier archMultiplierOf(Kernel kernel) {
  const bool avx2 = __builtin_cpu_supports("avx2");
  const bool gfni = __builtin_cpu_supports("gfni");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  if (kernel == Kernel::Ssse3 && __builtin_cpu_supports("ssse3")) return multiplySsse3;
  if (kernel == Kernel::Avx2 && avx2) return multiplyAvx2;
  if (kernel == Kernel::GfniAvx2 && avx2 && gfni) return multiplyGfniAvx2;
  if (kernel == Kernel::GfniAvx512 && avx512 && gfni) return multiplyGfniAvx512;
  return nullptr;
}

}  // namespace hawser::galois
#endif
