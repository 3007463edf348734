// Keyed BLAKE2s with a 16-byte result (RFC 7693), as WireGuard's mac1 and mac2 use it.
#pragma once
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>

namespace hawser {

constexpr size_t blake2s128Bytes = 16;

// One OpenSSL context, used again for every message: to make one takes longer than a handshake message does to hash.
class Blake2s128 {
 public:
  Blake2s128();
  ~Blake2s128();
  Blake2s128(const Blake2s128&) = delete;
  Blake2s128& operator=(const Blake2s128&) = delete;

  // `keyLength` is 1 to 32. False when OpenSSL refuses.
  bool compute(uint8_t target[blake2s128Bytes], const uint8_t* key, size_t keyLength, const uint8_t* message, size_t length);

 private:
  EVP_MAC_CTX* context_ = nullptr;
};

}  // namespace hawser
