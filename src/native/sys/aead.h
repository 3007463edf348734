// Authenticated encryption through OpenSSL's EVP as Node exports it (headers come with Node, nothing is linked).
#pragma once
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstddef>
#include <cstdint>

namespace hawser {

// Values are those of `cipher` in contract/peer-tables.ts. Plaintext copies and appends 16 zero bytes: benches only.
enum class Cipher { ChaCha20Poly1305 = 0, Aes256Gcm = 1, Plaintext = 2 };

constexpr size_t aeadTagBytes = 16;
constexpr size_t aeadNonceBytes = 12;
constexpr size_t aeadKeyBytes = 32;

struct AeadBytes {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

// One direction of one key, reused for every packet. Not thread-safe; every thread owns its contexts.
class AeadContext {
 public:
  AeadContext() = default;
  ~AeadContext() { clear(); }
  AeadContext(const AeadContext&) = delete;
  AeadContext& operator=(const AeadContext&) = delete;
  AeadContext(AeadContext&& other) noexcept;
  AeadContext& operator=(AeadContext&& other) noexcept;

  // Sets the key; may be called again for another. False when OpenSSL refuses (the cipher is missing, or no memory).
  bool initialise(Cipher cipher, const uint8_t key[aeadKeyBytes], bool sealing);

  // Forgets the key (OpenSSL cleanses its own copy).
  void clear();

  bool ready() const { return ready_; }

  // WireGuard's nonce: 4 zero bytes, then the counter little-endian. No additional data. Writes length + 16 bytes to `target`,
  // which may equal `source`. False only when OpenSSL failed: `target` then holds nothing that may be sent.
  bool seal(uint8_t* target, const uint8_t* source, size_t length, uint64_t counter);

  // Writes lengthWithTag - 16 bytes to `target`, which may equal `source`. False when the tag does not verify: `target` then
  // holds garbage that nobody may use.
  bool open(uint8_t* target, const uint8_t* source, size_t lengthWithTag, uint64_t counter);

  // General forms, for handshakes and the published vectors.
  bool sealWith(uint8_t* target, AeadBytes source, AeadBytes additional, const uint8_t nonce[aeadNonceBytes]);
  bool openWith(uint8_t* target, AeadBytes source, AeadBytes additional, const uint8_t nonce[aeadNonceBytes]);

 private:
  EVP_CIPHER_CTX* context_ = nullptr;
  // Reused for every tag; only `.data` of the first changes.
  OSSL_PARAM tag_[2] = {};
  Cipher cipher_ = Cipher::Plaintext;
  bool ready_ = false;
};

}  // namespace hawser
