#include "sys/x25519.h"

#include <openssl/evp.h>

#include <memory>

namespace hawser {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

Key privateOf(const uint8_t* raw) {
  return {EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw, x25519Bytes), &EVP_PKEY_free};
}

}  // namespace

bool x25519Public(uint8_t target[x25519Bytes], const uint8_t privateKey[x25519Bytes]) {
  const Key key = privateOf(privateKey);
  size_t length = x25519Bytes;
  return key != nullptr && EVP_PKEY_get_raw_public_key(key.get(), target, &length) == 1 && length == x25519Bytes;
}

bool x25519Shared(uint8_t target[x25519Bytes], const uint8_t privateKey[x25519Bytes], const uint8_t publicKey[x25519Bytes]) {
  const Key own = privateOf(privateKey);
  const Key other{EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, publicKey, x25519Bytes), &EVP_PKEY_free};
  if (own == nullptr || other == nullptr) return false;
  const Context context{EVP_PKEY_CTX_new(own.get(), nullptr), &EVP_PKEY_CTX_free};
  size_t length = x25519Bytes;
  return context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
         EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
         EVP_PKEY_derive(context.get(), target, &length) == 1 && length == x25519Bytes;
}

}  // namespace hawser
