// X25519 (RFC 7748) on raw keys.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hawser {

constexpr size_t x25519Bytes = 32;

// The public half of a private key. False when OpenSSL refuses (no memory).
bool x25519Public(uint8_t target[x25519Bytes], const uint8_t privateKey[x25519Bytes]);

// The shared secret; false when it would be all zero: the other side's key is of low order (RFC 7748 section 6.1).
bool x25519Shared(uint8_t target[x25519Bytes], const uint8_t privateKey[x25519Bytes], const uint8_t publicKey[x25519Bytes]);

}  // namespace hawser
