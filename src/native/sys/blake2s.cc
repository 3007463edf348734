#include "sys/blake2s.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace hawser {

bool blake2s128(uint8_t target[blake2s128Bytes], const uint8_t* key, size_t keyLength, const uint8_t* message,
                size_t length) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  EVP_MAC_CTX* context = mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac);
  EVP_MAC_free(mac);
  if (context == nullptr) return false;
  size_t size = blake2s128Bytes;
  size_t written = 0;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
  const bool done = EVP_MAC_init(context, key, keyLength, parameters) == 1 &&
                    EVP_MAC_update(context, message, length) == 1 &&
                    EVP_MAC_final(context, target, &written, blake2s128Bytes) == 1 && written == blake2s128Bytes;
  EVP_MAC_CTX_free(context);
  return done;
}

}  // namespace hawser
