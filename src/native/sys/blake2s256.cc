#include "sys/blake2s256.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <cstring>

namespace hawser {

Blake2s256::Blake2s256() : digest_(EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr)), context_(EVP_MD_CTX_new()) {
  if (digest_ == nullptr) ERR_clear_error();
}

Blake2s256::~Blake2s256() {
  EVP_MD_CTX_free(context_);
  EVP_MD_free(digest_);
}

bool Blake2s256::hash(uint8_t target[blake2s256Bytes], Part first, Part second) {
  return digest_ != nullptr && context_ != nullptr && EVP_DigestInit_ex2(context_, digest_, nullptr) == 1 &&
         EVP_DigestUpdate(context_, first.data, first.length) == 1 &&
         EVP_DigestUpdate(context_, second.data, second.length) == 1 && EVP_DigestFinal_ex(context_, target, nullptr) == 1;
}

// RFC 2104.
bool Blake2s256::hmac(uint8_t target[blake2s256Bytes], const uint8_t key[blake2s256Bytes], Part first, Part second) {
  uint8_t pad[blockBytes];
  memset(pad, 0x36, sizeof(pad));
  for (size_t i = 0; i < blake2s256Bytes; i++) pad[i] ^= key[i];
  uint8_t inner[blake2s256Bytes];
  bool done = digest_ != nullptr && context_ != nullptr && EVP_DigestInit_ex2(context_, digest_, nullptr) == 1 &&
              EVP_DigestUpdate(context_, pad, sizeof(pad)) == 1 && EVP_DigestUpdate(context_, first.data, first.length) == 1 &&
              EVP_DigestUpdate(context_, second.data, second.length) == 1 && EVP_DigestFinal_ex(context_, inner, nullptr) == 1;
  for (uint8_t& byte : pad) byte ^= 0x36 ^ 0x5c;
  done = done && hash(target, {pad, sizeof(pad)}, {inner, sizeof(inner)});
  OPENSSL_cleanse(pad, sizeof(pad));
  OPENSSL_cleanse(inner, sizeof(inner));
  return done;
}

bool Blake2s256::derive(uint8_t* target, size_t count, const uint8_t chainingKey[blake2s256Bytes], Part input) {
  uint8_t secret[blake2s256Bytes];
  bool done = hmac(secret, chainingKey, input, {nullptr, 0});
  Part last{nullptr, 0};
  for (uint8_t number = 1; done && number <= count; number++) {
    uint8_t* const output = target + (number - 1u) * blake2s256Bytes;
    done = hmac(output, secret, last, {&number, 1});
    last = {output, blake2s256Bytes};
  }
  OPENSSL_cleanse(secret, sizeof(secret));
  return done;
}

}  // namespace hawser
