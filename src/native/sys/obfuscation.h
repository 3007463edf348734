// What datagrams wear against recognition: AmneziaWG's junk, signature chains, paddings and header values, as contract/obfuscation.ts has
// them. Without any configured nothing of this is asked for more than once a message.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout.h"

namespace hawser {

// WireGuard's messages in the order in which an obfuscation names them.
enum class Kind : uint8_t { None, Initiation, Response, CookieReply, Data };

inline constexpr uint32_t kHandshakeBytes[] = {148, 92, 64};

// Values of a type field from `first` to `last`.
struct HeaderRange {
  uint32_t first;
  uint32_t last;
  bool holds(uint32_t value) const { return value - first <= last - first; }
};

struct ChainPart {
  uint32_t kind;
  uint32_t bytes;
  std::vector<uint8_t> literal;
};

using Chain = std::vector<ChainPart>;

struct Obfuscation {
  int32_t id;
  int32_t wear;
  uint32_t junkCount, junkLeast, junkMost;
  // By kind, of the four that there are.
  uint32_t paddings[4];
  HeaderRange headers[4];
  std::vector<Chain> chains;
};

// Bytes of getrandom(2), fetched some at a time. Used once each.
class RandomBytes {
 public:
  void take(uint8_t* target, size_t length);
  // 0 to `limit` - 1, as good as evenly.
  uint32_t below(uint64_t limit);

 private:
  uint8_t pool_[4096];
  size_t left_ = 0;
};

size_t chainBytes(const Chain& chain);
// Writes a signature packet of `chainBytes` bytes.
void writeChain(const Chain& chain, uint32_t unixSeconds, RandomBytes& random, uint8_t* target);

// The obfuscations of one daemon.
class Obfuscations {
 public:
  // As the contract has them; what breaks off or makes no sense ends the list. `takesPlain`: WireGuard as it is passes, too.
  void read(const uint8_t* bytes, size_t length, bool takesPlain);
  bool empty() const { return all_.empty(); }
  size_t count() const { return all_.size(); }
  // By id or by wear; nullptr: there is none.
  const Obfuscation* find(int32_t name) const;

  // What a datagram may be. Where it has the length of a handshake and the header of data, too, it is taken for both: each is proven later.
  struct Look {
    Kind handshake = Kind::None;
    int32_t wear = 0;  // of the handshake
    uint32_t handshakePadding = 0;
    bool isData = false;
    uint32_t dataPadding = 0;
  };
  // Handshakes of WireGuard as it is are always told, for people.
  Look look(const uint8_t* datagram, uint32_t length) const;

 private:
  std::vector<Obfuscation> all_;
  bool takesPlain_ = true;
};

}  // namespace hawser
