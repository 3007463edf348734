// An AeadContext without cryptography: a keyed stream for the text and a keyed checksum for the tag. Like OpenSSL it writes the
// plaintext before it knows whether the tag is right, so that whoever gives it too small a target is caught by the sanitizers.
#include "sys/aead.h"

#include <cstring>
#include <utility>

namespace hawser {
namespace {

uint64_t mix(uint64_t value) {
  value ^= value >> 31;
  value *= 0x9e3779b97f4a7c15u;
  return value ^ value >> 29;
}

uint64_t sum(uint64_t key, uint64_t counter, const uint8_t* bytes, size_t length) {
  uint64_t state = mix(key ^ mix(counter + 1));
  for (size_t i = 0; i < length; i++) state = mix(state + bytes[i] + 1);
  return mix(state ^ length);
}

void crypt(uint64_t key, uint64_t counter, uint8_t* target, const uint8_t* source, size_t length) {
  const uint64_t stream = mix(key + mix(counter ^ 0x5555));
  for (size_t i = 0; i < length; i++) target[i] = source[i] ^ static_cast<uint8_t>(stream >> (i % 8 * 8));
}

}  // namespace

AeadContext::AeadContext(AeadContext&& other) noexcept { *this = std::move(other); }

AeadContext& AeadContext::operator=(AeadContext&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(cipher_, other.cipher_);
  std::swap(ready_, other.ready_);
  return *this;
}

bool AeadContext::initialise(Cipher cipher, const uint8_t key[aeadKeyBytes], bool) {
  clear();
  cipher_ = cipher;
  context_ = new EVP_CIPHER_CTX{sum(static_cast<uint64_t>(cipher), 0, key, aeadKeyBytes)};
  ready_ = true;
  return true;
}

void AeadContext::clear() {
  delete context_;
  context_ = nullptr;
  ready_ = false;
}

bool AeadContext::seal(uint8_t* target, const uint8_t* source, size_t length, uint64_t counter) {
  if (!ready_) return false;
  const uint64_t tag = sum(context_->key, counter, source, length);
  crypt(context_->key, counter, target, source, length);
  std::memcpy(target + length, &tag, 8);
  std::memset(target + length + 8, 0, 8);
  return true;
}

bool AeadContext::open(uint8_t* target, const uint8_t* source, size_t lengthWithTag, uint64_t counter) {
  if (!ready_ || lengthWithTag < aeadTagBytes) return false;
  const size_t length = lengthWithTag - aeadTagBytes;
  uint8_t given[aeadTagBytes];
  std::memcpy(given, source + length, sizeof given);
  crypt(context_->key, counter, target, source, length);
  const uint64_t tag = sum(context_->key, counter, target, length);
  uint8_t wanted[aeadTagBytes] = {};
  std::memcpy(wanted, &tag, 8);
  return std::memcmp(given, wanted, sizeof given) == 0;
}

}  // namespace hawser
