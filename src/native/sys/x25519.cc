#include "sys/x25519.h"

#include <openssl/err.h>

#include <cstring>

namespace hawser {
namespace {

// What OpenSSL notes of a refusal would be found by the next who asks it, Node's own crypto too.
bool sayNo() {
  ERR_clear_error();
  return false;
}

}  // namespace

bool X25519Key::generate() {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr);
  const bool done = context != nullptr && EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key_) == 1;
  EVP_PKEY_CTX_free(context);
  return done ? prepare() : sayNo();
}

bool X25519Key::read(const uint8_t raw[x25519Bytes]) {
  key_ = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw, x25519Bytes);
  return key_ != nullptr ? prepare() : sayNo();
}

bool X25519Key::prepare() {
  size_t length = x25519Bytes;
  const bool done = EVP_PKEY_get_raw_public_key(key_, publicKey_, &length) == 1 && length == x25519Bytes &&
                    (deriving_ = EVP_PKEY_CTX_new(key_, nullptr)) != nullptr && EVP_PKEY_derive_init(deriving_) == 1;
  if (done) return true;
  clear();
  return sayNo();
}

bool X25519Key::derive(uint8_t target[x25519Bytes], const uint8_t publicKey[x25519Bytes]) {
  memset(target, 0, x25519Bytes);
  if (deriving_ == nullptr) return false;
  EVP_PKEY* other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, publicKey, x25519Bytes);
  size_t length = x25519Bytes;
  const bool done = other != nullptr && EVP_PKEY_derive_set_peer(deriving_, other) == 1 &&
                    EVP_PKEY_derive(deriving_, target, &length) == 1 && length == x25519Bytes;
  EVP_PKEY_free(other);
  if (done) return true;
  memset(target, 0, x25519Bytes);
  return sayNo();
}

void X25519Key::clear() {
  EVP_PKEY_CTX_free(deriving_);
  EVP_PKEY_free(key_);
  deriving_ = nullptr;
  key_ = nullptr;
}

}  // namespace hawser
