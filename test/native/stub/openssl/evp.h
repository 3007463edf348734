// Stands in for OpenSSL's header, so that sys/ compiles and links without Node: `stub/aead.cc` defines what AeadContext does.
#pragma once
#include <cstdint>

struct evp_cipher_ctx_st {
  uint64_t key;
};
using EVP_CIPHER_CTX = evp_cipher_ctx_st;
