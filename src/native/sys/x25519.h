// X25519 (RFC 7748) on raw keys, by OpenSSL, whose ladder takes the same time whatever the key.
#pragma once
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>

namespace hawser {

constexpr size_t x25519Bytes = 32;

// A private key as OpenSSL keeps it: to read a raw one costs as much as what is done with it then. OpenSSL overwrites it when it is freed.
class X25519Key {
 public:
  X25519Key() = default;
  ~X25519Key() { clear(); }
  X25519Key(const X25519Key&) = delete;
  X25519Key& operator=(const X25519Key&) = delete;

  // One of these once. False when OpenSSL refuses (no memory, no randomness).
  bool generate();
  bool read(const uint8_t raw[x25519Bytes]);

  const uint8_t* publicKey() const { return publicKey_; }

  // The shared secret. False after `clear`, and when it would be all zero: the other side's key is of low order (RFC 7748 section 6.1);
  // `target` is zeros then. `target` may not be `publicKey`: that is read after `target` is overwritten.
  bool derive(uint8_t target[x25519Bytes], const uint8_t publicKey[x25519Bytes]);

  // Overwrites the private key; it serves for nothing afterwards.
  void clear();

 private:
  bool prepare();

  EVP_PKEY* key_ = nullptr;
  EVP_PKEY_CTX* deriving_ = nullptr;
  uint8_t publicKey_[x25519Bytes] = {};
};

}  // namespace hawser
