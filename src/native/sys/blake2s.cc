#include "sys/blake2s.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace hawser {

Blake2s128::Blake2s128() {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  context_ = mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac);
  EVP_MAC_free(mac);
  size_t size = blake2s128Bytes;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
  if (context_ != nullptr && EVP_MAC_CTX_set_params(context_, parameters) != 1) {
    EVP_MAC_CTX_free(context_);
    context_ = nullptr;
  }
}

Blake2s128::~Blake2s128() { EVP_MAC_CTX_free(context_); }

bool Blake2s128::compute(uint8_t target[blake2s128Bytes], const uint8_t* key, size_t keyLength, const uint8_t* message,
                         size_t length) {
  size_t written = 0;
  return context_ != nullptr && EVP_MAC_init(context_, key, keyLength, nullptr) == 1 &&
         EVP_MAC_update(context_, message, length) == 1 &&
         EVP_MAC_final(context_, target, &written, blake2s128Bytes) == 1 && written == blake2s128Bytes;
}

}  // namespace hawser
