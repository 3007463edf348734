// Keyed BLAKE2s with a 16-byte result (RFC 7693), as WireGuard's mac1 and mac2 use it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hawser {

constexpr size_t blake2s128Bytes = 16;

// `keyLength` is 1 to 32. False when OpenSSL refuses.
bool blake2s128(uint8_t target[blake2s128Bytes], const uint8_t* key, size_t keyLength, const uint8_t* message,
                size_t length);

}  // namespace hawser
