// Segmenter against packets made the plain way: every header shape, odd lengths, and headers that make no sense.
#include <algorithm>

#include "support/check.h"
#include "support/packets.h"
#include "sys/segment.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kSlack = 16;

// A super-packet in memory of exact size.
struct Super {
  Bytes bytes;
  uint32_t length;
  VnetHeader header;

  Super(const Shape& shape, uint16_t gsoBytes) : bytes(makePacket(shape)), length(static_cast<uint32_t>(bytes.size())), header(gsoHeader(shape, gsoBytes)) {
    bytes.resize(length + kSlack, 0xee);
    // What the kernel leaves in a partial checksum is of no use: the segmenter must not build on it.
    bytes[header.checksumStart + header.checksumOffset] ^= 0x5a;
  }
};

void compare(const Bytes& found, const Bytes& wanted, const char* what) {
  if (found == wanted) return;
  size_t at = 0;
  while (at < found.size() && at < wanted.size() && found[at] == wanted[at]) at++;
  fail(__FILE__, __LINE__, std::string(what) + ": differs at byte " + std::to_string(at) + " of " + std::to_string(wanted.size()) + ", found " + std::to_string(found.size()));
}

// Builds segments from `from` on, as many as `count`, and compares each with the plain way's.
void checkCut(Super& super, const std::vector<Bytes>& wanted, uint32_t from, uint32_t count) {
  Segmenter segmenter;
  CHECK(segmenter.begin(super.header, super.bytes.data(), super.length));
  CHECK_EQUAL(segmenter.count(), wanted.size());
  if (segmenter.count() != wanted.size()) return;
  for (uint32_t index = from; index < std::min<uint32_t>(from + count, segmenter.count()); index++) {
    const uint32_t length = segmenter.lengthOf(index);
    const uint8_t* segment = segmenter.build(index);
    compare(Bytes(segment, segment + length), wanted[index], "segment");
  }
  segmenter.restore();
}

TEST("Segmenter cuts every header shape as its sender would have") {
  Random random(1);
  for (int round = 0; round < 4000; round++) {
    Shape shape;
    shape.version = random.chance(2) ? 4 : 6;
    shape.tcp = !random.chance(3);
    shape.ipOptionBytes = random.chance(3) ? (shape.version == 4 ? random.below(11) * 4 : random.below(3) * 8) : 0;
    shape.tcpOptionBytes = random.below(11) * 4;
    shape.payloadBytes = random.between(1, random.chance(4) ? 60000 : 9000);
    shape.id = static_cast<uint16_t>(random.next());
    shape.sequence = random.next();
    shape.flags = static_cast<uint8_t>(0x10 | (random.next() & 0xc9));
    shape.seed = random.next();
    // Also far smaller than the headers, where the headers of a segment lie over several before it.
    const uint32_t gsoBytes = random.chance(4) ? random.between(1, 60) : random.between(61, 1500);
    if (shape.payloadBytes / gsoBytes > 3000) continue;
    Super super(shape, static_cast<uint16_t>(gsoBytes));
    const Bytes before = super.bytes;
    const std::vector<Bytes> wanted = cutPlainly(shape, gsoBytes);
    const uint32_t total = static_cast<uint32_t>(wanted.size());
    // In one go, or interrupted and resumed by another segmenter, as a restarted sealer does.
    const uint32_t first = random.chance(2) ? total : random.below(total);
    checkCut(super, wanted, 0, first);
    CHECK(std::equal(before.begin(), before.begin() + shape.headerBytes(), super.bytes.begin()));
    checkCut(super, wanted, first, total - first);
    CHECK(std::all_of(super.bytes.begin() + super.length, super.bytes.end(), [](uint8_t byte) { return byte == 0xee; }));
    if (hopeless()) return;
  }
}

TEST("Segmenter completes a partial checksum of a plain packet, and leaves a whole one alone") {
  for (const bool tcp : {true, false}) {
    for (uint32_t payload = 0; payload < 70; payload++) {
      Shape shape;
      shape.tcp = tcp;
      shape.payloadBytes = payload;
      const Bytes wanted = makePacket(shape);
      Bytes partial = wanted;
      put16(partial, shape.ipBytes() + (tcp ? 16 : 6), pseudoSum(partial, shape.ipBytes(), tcp));
      VnetHeader header = gsoHeader(shape, 0);
      header.gsoType = kGsoNone;
      Segmenter segmenter;
      CHECK(segmenter.begin(header, partial.data(), static_cast<uint32_t>(partial.size())));
      CHECK_EQUAL(segmenter.count(), 1);
      segmenter.build(0);
      compare(partial, wanted, "partial");
      Bytes whole = wanted;
      CHECK(segmenter.begin(VnetHeader{}, whole.data(), static_cast<uint32_t>(whole.size())));
      segmenter.build(0);
      compare(whole, wanted, "whole");
    }
  }
}

bool refuses(VnetHeader header, Bytes bytes) {
  Segmenter segmenter;
  return !segmenter.begin(header, bytes.data(), static_cast<uint32_t>(bytes.size()));
}

TEST("Segmenter refuses headers that make no sense") {
  Shape shape;
  shape.payloadBytes = 3000;
  const Bytes packet = makePacket(shape);
  const VnetHeader sound = gsoHeader(shape, 1000);
  CHECK(!refuses(sound, packet));
  VnetHeader header = sound;
  header.gsoBytes = 0;
  CHECK(refuses(header, packet));
  header = sound;
  header.gsoType = 9;
  CHECK(refuses(header, packet));
  header = sound;
  header.checksumStart = 19;
  CHECK(refuses(header, packet));
  header.checksumStart = 65000;
  CHECK(refuses(header, packet));
  Bytes shortTcp = packet;
  shortTcp[20 + 12] = 0x40;  // a data offset of 16 bytes
  CHECK(refuses(sound, shortTcp));
  Bytes longIp = packet;
  longIp[0] = 0x4f;  // 60 bytes of IP header, though TCP begins at 20
  CHECK(refuses(sound, longIp));
  Bytes notIp = packet;
  notIp[0] = 0x75;
  CHECK(refuses(sound, notIp));
  header = sound;
  header.gsoType = kGsoTcp6;
  CHECK(refuses(header, packet));
  CHECK(refuses(sound, Bytes(packet.begin(), packet.begin() + shape.headerBytes())));
  CHECK(refuses(VnetHeader{}, Bytes(19, 0x45)));
  CHECK(refuses(VnetHeader{}, Bytes()));
}

TEST("Segmenter keeps a nonsensical checksum field inside the packet") {
  Shape shape;
  for (const uint16_t start : {uint16_t{0}, uint16_t{39}, uint16_t{120}, uint16_t{65535}}) {
    for (const uint16_t offset : {uint16_t{0}, uint16_t{112}, uint16_t{65535}}) {
      Bytes bytes = makePacket(shape);
      VnetHeader header{};
      header.flags = kVnetNeedsChecksum;
      header.checksumStart = start;
      header.checksumOffset = offset;
      Segmenter segmenter;
      CHECK(segmenter.begin(header, bytes.data(), static_cast<uint32_t>(bytes.size())));
      segmenter.build(0);
    }
  }
}

}  // namespace
}  // namespace hawser
