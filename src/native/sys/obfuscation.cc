#include "obfuscation.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "packet.h"

namespace hawser {
namespace {

constexpr uint32_t kLeastDataBytes = 32;
constexpr uint32_t kMostChains = 5;
constexpr char kDigits[] = "0123456789";
constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// What is read of an encoded list, and where the reading stands.
class Encoded {
 public:
  Encoded(const uint8_t* bytes, size_t length) : bytes_(bytes), left_(length) {}

  bool has(size_t count) const { return left_ >= count; }
  uint32_t number(size_t at) const { return readLe32(bytes_ + at); }
  const uint8_t* pass(size_t count) {
    const uint8_t* at = bytes_;
    bytes_ += count;
    left_ -= count;
    return at;
  }

 private:
  const uint8_t* bytes_;
  size_t left_;
};

bool readPart(Encoded& from, ChainPart& part, size_t& total) {
  if (!from.has(8)) return false;
  part.kind = from.number(0);
  part.bytes = from.number(4);
  from.pass(8);
  if (part.kind > layout::chainPart_time || part.bytes > layout::obfuscation_mostDatagramBytes) return false;
  if (part.kind == layout::chainPart_time && part.bytes != 4) return false;
  total += part.bytes;
  if (total > layout::obfuscation_mostDatagramBytes) return false;
  if (part.kind != layout::chainPart_literal) return true;
  const size_t stored = (part.bytes + 3u) & ~size_t{3};
  if (!from.has(stored)) return false;
  const uint8_t* literal = from.pass(stored);
  part.literal.assign(literal, literal + part.bytes);
  return true;
}

bool readChain(Encoded& from, Chain& chain) {
  if (!from.has(4)) return false;
  const uint32_t parts = from.number(0);
  from.pass(4);
  size_t total = 0;
  for (uint32_t i = 0; i < parts; i++) {
    ChainPart part{};
    if (!readPart(from, part, total)) return false;
    chain.push_back(std::move(part));
  }
  return true;
}

bool readOne(Encoded& from, Obfuscation& one) {
  if (!from.has(layout::obfuscation_headerBytes)) return false;
  one.id = static_cast<int32_t>(from.number(layout::obfuscation_idAt));
  one.wear = static_cast<int32_t>(from.number(layout::obfuscation_wearAt));
  one.junkCount = from.number(layout::obfuscation_junkCountAt);
  one.junkLeast = from.number(layout::obfuscation_junkLeastAt);
  one.junkMost = from.number(layout::obfuscation_junkMostAt);
  for (size_t kind = 0; kind < 4; kind++) {
    one.paddings[kind] = from.number(layout::obfuscation_paddingsAt + 4 * kind);
    one.headers[kind] = {from.number(layout::obfuscation_headersAt + 8 * kind), from.number(layout::obfuscation_headersAt + 8 * kind + 4)};
    if (one.headers[kind].first > one.headers[kind].last) return false;
    if (one.paddings[kind] > layout::obfuscation_mostDatagramBytes) return false;
  }
  const uint32_t chains = from.number(layout::obfuscation_chainsAt);
  from.pass(layout::obfuscation_headerBytes);
  if (one.id == 0 || chains > kMostChains || one.paddings[3] > layout::obfuscation_mostPaddingBytes) return false;
  if (one.junkLeast > one.junkMost || one.junkMost > layout::obfuscation_mostDatagramBytes) return false;
  for (uint32_t i = 0; i < chains; i++) {
    one.chains.emplace_back();
    if (!readChain(from, one.chains.back())) return false;
  }
  return true;
}

}  // namespace

void RandomBytes::take(uint8_t* target, size_t length) {
  while (length > 0) {
    if (left_ == 0) {
      const ssize_t got = ::getrandom(pool_, sizeof pool_, 0);
      if (got <= 0) continue;
      left_ = static_cast<size_t>(got);
    }
    const size_t some = std::min(length, left_);
    left_ -= some;
    std::memcpy(target, pool_ + left_, some);
    target += some;
    length -= some;
  }
}

uint32_t RandomBytes::below(uint64_t limit) {
  uint8_t bytes[4];
  take(bytes, sizeof bytes);
  return static_cast<uint32_t>((readLe32(bytes) * limit) >> 32);
}

size_t chainBytes(const Chain& chain) {
  size_t total = 0;
  for (const ChainPart& part : chain) total += part.bytes;
  return total;
}

void writeChain(const Chain& chain, uint32_t unixSeconds, RandomBytes& random, uint8_t* target) {
  for (const ChainPart& part : chain) {
    if (part.kind == layout::chainPart_literal) {
      std::copy(part.literal.begin(), part.literal.end(), target);
    } else if (part.kind == layout::chainPart_time) {
      for (int i = 0; i < 4; i++) target[i] = static_cast<uint8_t>(unixSeconds >> (24 - 8 * i));
    } else {
      random.take(target, part.bytes);
      const bool isDigits = part.kind == layout::chainPart_digits;
      if (isDigits || part.kind == layout::chainPart_letters) {
        for (uint32_t i = 0; i < part.bytes; i++) target[i] = static_cast<uint8_t>(isDigits ? kDigits[target[i] % 10] : kLetters[target[i] % 52]);
      }
    }
    target += part.bytes;
  }
}

void Obfuscations::read(const uint8_t* bytes, size_t length, bool takesPlain) {
  Encoded from(bytes, length);
  takesPlain_ = takesPlain;
  for (int64_t i = 0; i < layout::obfuscation_most; i++) {
    Obfuscation one{};
    if (!readOne(from, one)) break;
    all_.push_back(std::move(one));
  }
}

const Obfuscation* Obfuscations::find(int32_t name) const {
  for (const Obfuscation& one : all_) {
    if (one.id == name || one.wear == name) return &one;
  }
  return nullptr;
}

Obfuscations::Look Obfuscations::look(const uint8_t* datagram, uint32_t length) const {
  Look result;
  if (length < kLeastDataBytes) return result;
  // Padding at random has these four bytes once in 2^32 packets.
  const uint32_t type = readLe32(datagram);
  if (type >= 1 && type <= 3 && length == kHandshakeBytes[type - 1]) result.handshake = static_cast<Kind>(type);
  result.isData = takesPlain_ && type == 4;
  if (result.isData) return result;
  for (const Obfuscation& one : all_) {
    if (one.wear == 0) continue;
    for (uint32_t kind = 0; kind < 3; kind++) {
      const uint32_t padding = one.paddings[kind];
      if (length != padding + kHandshakeBytes[kind] || !one.headers[kind].holds(readLe32(datagram + padding))) continue;
      if (result.wear != 0) continue;
      result.handshake = static_cast<Kind>(kind + 1);
      result.wear = one.wear;
      result.handshakePadding = padding;
    }
    const uint32_t padding = one.paddings[3];
    if (result.isData || length < padding + kLeastDataBytes || !one.headers[3].holds(readLe32(datagram + padding))) continue;
    result.isData = true;
    result.dataPadding = padding;
  }
  return result;
}

}  // namespace hawser
