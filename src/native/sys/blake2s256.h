// BLAKE2s-256, and the HMAC and HKDF that WireGuard's handshake builds of it (whitepaper 5.4; Noise revision 34, 4.3).
#pragma once
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>

namespace hawser {

constexpr size_t blake2s256Bytes = 32;

// OpenSSL contexts that are used again for every message: to fetch one takes longer than a handshake's messages do to hash.
class Blake2s256 {
 public:
  Blake2s256();
  ~Blake2s256();
  Blake2s256(const Blake2s256&) = delete;
  Blake2s256& operator=(const Blake2s256&) = delete;

  struct Part {
    const uint8_t* data;
    size_t length;
  };

  // Of both parts in a row. False when OpenSSL refuses, as with the next.
  bool hash(uint8_t target[blake2s256Bytes], Part first, Part second);

  // HKDF with `count` (1 to 3) outputs of 32 bytes each. `target` may not lie in what is read.
  bool derive(uint8_t* target, size_t count, const uint8_t chainingKey[blake2s256Bytes], Part input);

 private:
  static constexpr size_t blockBytes = 64;
  bool hmac(uint8_t target[blake2s256Bytes], const uint8_t key[blake2s256Bytes], Part first, Part second);

  EVP_MD* digest_ = nullptr;
  EVP_MD_CTX* context_ = nullptr;
};

}  // namespace hawser
