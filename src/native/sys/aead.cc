#include "sys/aead.h"

#include <openssl/core_names.h>

#include <bit>
#include <cstring>
#include <utility>

namespace hawser {
namespace {

static_assert(std::endian::native == std::endian::little, "the nonce is stored as the machine stores it");

void writeNonce(uint8_t nonce[aeadNonceBytes], uint64_t counter) {
  memset(nonce, 0, 4);
  memcpy(nonce + 4, &counter, 8);
}

const char* nameOf(Cipher cipher) { return cipher == Cipher::Aes256Gcm ? "AES-256-GCM" : "ChaCha20-Poly1305"; }

}  // namespace

AeadContext::AeadContext(AeadContext&& other) noexcept { *this = std::move(other); }

AeadContext& AeadContext::operator=(AeadContext&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(tag_, other.tag_);
  std::swap(cipher_, other.cipher_);
  std::swap(ready_, other.ready_);
  return *this;
}

bool AeadContext::initialise(Cipher cipher, const uint8_t key[aeadKeyBytes], bool sealing) {
  clear();
  cipher_ = cipher;
  if (cipher == Cipher::Plaintext) {
    ready_ = true;
    return true;
  }
  context_ = EVP_CIPHER_CTX_new();
  if (context_ == nullptr) return false;
  // The fetched cipher is reference-counted by the context: nothing is cached process-wide.
  EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, nameOf(cipher), nullptr);
  const uint8_t nonce[aeadNonceBytes] = {};
  ready_ = fetched != nullptr && EVP_CipherInit_ex2(context_, fetched, key, nonce, sealing ? 1 : 0, nullptr) == 1;
  EVP_CIPHER_free(fetched);
  uint8_t unused = 0;
  tag_[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, &unused, aeadTagBytes);
  tag_[1] = OSSL_PARAM_construct_end();
  if (!ready_) clear();
  return ready_;
}

void AeadContext::clear() {
  EVP_CIPHER_CTX_free(context_);
  context_ = nullptr;
  ready_ = false;
}

bool AeadContext::seal(uint8_t* target, const uint8_t* source, size_t length, uint64_t counter) {
  uint8_t nonce[aeadNonceBytes];
  writeNonce(nonce, counter);
  return sealWith(target, {source, length}, {}, nonce);
}

bool AeadContext::open(uint8_t* target, const uint8_t* source, size_t lengthWithTag, uint64_t counter) {
  uint8_t nonce[aeadNonceBytes];
  writeNonce(nonce, counter);
  return openWith(target, {source, lengthWithTag}, {}, nonce);
}

bool AeadContext::sealWith(uint8_t* target, AeadBytes source, AeadBytes additional,
                           const uint8_t nonce[aeadNonceBytes]) {
  if (!ready_) return false;
  const size_t length = source.length;
  if (cipher_ == Cipher::Plaintext) {
    if (length > 0) memmove(target, source.data, length);
    memset(target + length, 0, aeadTagBytes);
    return true;
  }
  int written = 0;
  uint8_t none[aeadTagBytes];
  if (EVP_EncryptInit_ex2(context_, nullptr, nullptr, nonce, nullptr) != 1) return false;
  if (additional.length > 0 &&
      EVP_EncryptUpdate(context_, nullptr, &written, additional.data, static_cast<int>(additional.length)) != 1) {
    return false;
  }
  if (length > 0 && EVP_EncryptUpdate(context_, target, &written, source.data, static_cast<int>(length)) != 1) {
    return false;
  }
  if (EVP_EncryptFinal_ex(context_, none, &written) != 1) return false;
  tag_[0].data = target + length;
  return EVP_CIPHER_CTX_get_params(context_, tag_) == 1;
}

bool AeadContext::openWith(uint8_t* target, AeadBytes source, AeadBytes additional,
                           const uint8_t nonce[aeadNonceBytes]) {
  if (!ready_ || source.length < aeadTagBytes) return false;
  const size_t length = source.length - aeadTagBytes;
  if (cipher_ == Cipher::Plaintext) {
    if (length > 0) memmove(target, source.data, length);
    return true;
  }
  int written = 0;
  uint8_t none[aeadTagBytes];
  if (EVP_DecryptInit_ex2(context_, nullptr, nullptr, nonce, nullptr) != 1) return false;
  tag_[0].data = const_cast<uint8_t*>(source.data + length);
  if (EVP_CIPHER_CTX_set_params(context_, tag_) != 1) return false;
  if (additional.length > 0 &&
      EVP_DecryptUpdate(context_, nullptr, &written, additional.data, static_cast<int>(additional.length)) != 1) {
    return false;
  }
  if (length > 0 && EVP_DecryptUpdate(context_, target, &written, source.data, static_cast<int>(length)) != 1) {
    return false;
  }
  return EVP_DecryptFinal_ex(context_, none, &written) == 1;
}

}  // namespace hawser
