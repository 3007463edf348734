// Parity of sealed packets, from the sender's sums to the receiver's rebuilt packets: whatever is lost, late, repeated or nonsense.
#include <algorithm>
#include <bit>
#include <map>

#include "support/check.h"
#include "support/memory.h"
#include "sys/fec_decode.h"
#include "sys/fec_encode.h"
#include "sys/seal.h"

namespace hawser {
namespace {
using namespace test;
using Bytes = std::vector<uint8_t>;

constexpr uint32_t kMaxSealed = 1412;
constexpr uint32_t kIndex = 0x01020304;

Bytes sealedPacket(uint64_t counter, uint32_t length, Random& random, uint32_t index = kIndex) {
  Bytes packet(length);
  for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random.next());
  const uint32_t type = kTypeData;
  std::memcpy(packet.data(), &type, 4);
  std::memcpy(packet.data() + 4, &index, 4);
  std::memcpy(packet.data() + 8, &counter, 8);
  return packet;
}

// A frame in memory of exact size.
struct Frame {
  explicit Frame(const Bytes& bytes) : block(bytes.size()) { std::memcpy(block.get(), bytes.data(), bytes.size()); }
  Block block;
};

// A group as it travels: sealed packets by counter, and its parity frames.
struct Group {
  std::map<uint64_t, Bytes> packets;
  std::vector<Bytes> parities;
};

class Rope {
 public:
  explicit Rope(uint64_t seed, uint32_t packets = FecDecoder::kPackets) : random(seed), encoder(codes, kMaxSealed), decoder(receiving, kMaxSealed, packets) {}

  // `count` packets from `first` on, of a code of `data` + `parity`; every `stride`-th counter.
  Group make(uint64_t first, uint32_t count, uint32_t data, uint32_t parity, uint32_t fixedLength = 0, uint32_t stride = 1) {
    Group group;
    encoder.begin(data, parity);
    for (uint32_t i = 0; i < count; i++) {
      const uint64_t counter = first + uint64_t{i} * stride;
      const Bytes packet = sealedPacket(counter, fixedLength != 0 ? fixedLength : random.between(32, kMaxSealed), random);
      CHECK(encoder.add(packet.data(), static_cast<uint32_t>(packet.size())) == FecEncoder::Added::Taken);
      group.packets[counter] = packet;
    }
    for (uint32_t j = 0; j < parity; j++) {
      uint32_t length = 0;
      const uint8_t* frame = encoder.frame(j, parity, length);
      group.parities.emplace_back(frame, frame + length);
    }
    return group;
  }

  uint32_t remember(const Bytes& packet, int32_t path = 0) { return keep(decoder.remember(readLe64(packet.data() + 8), packet.data(), static_cast<uint32_t>(packet.size()), path)); }
  uint32_t parity(const Bytes& bytes, uint32_t index = kIndex) {
    const Frame frame(bytes);
    return keep(decoder.parity(frame.block.get(), static_cast<uint32_t>(bytes.size()), index));
  }

  Random random;
  FecCodes codes, receiving;
  FecEncoder encoder;
  FecDecoder decoder;
  std::map<uint64_t, Bytes> rebuilt;

 private:
  uint32_t keep(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
      const FecDecoder::Rebuilt& one = decoder.rebuilt(i);
      CHECK(rebuilt.emplace(one.counter, Bytes(one.sealed, one.sealed + one.length)).second);
    }
    return count;
  }
};

TEST("Fec rebuilds every pattern of up to m losses, in any order of arrival") {
  uint64_t counter = 5;
  Rope rope(11);
  for (uint32_t data = 1; data <= 5; data++) {
    for (uint32_t parity = 1; parity <= 3; parity++) {
      for (uint32_t lost = 0; lost < 1u << data; lost++) {
        if (std::popcount(lost) > static_cast<int>(parity)) continue;
        const Group group = rope.make(counter, data, data, parity);
        std::vector<const Bytes*> arrivals;
        for (const auto& [number, packet] : group.packets) {
          if ((lost >> (number - counter) & 1) == 0) arrivals.push_back(&packet);
        }
        for (const Bytes& frame : group.parities) arrivals.push_back(&frame);
        for (size_t i = arrivals.size(); i > 1; i--) std::swap(arrivals[i - 1], arrivals[rope.random.below(static_cast<uint32_t>(i))]);
        rope.rebuilt.clear();
        for (const Bytes* bytes : arrivals) {
          if ((*bytes)[0] == 0) rope.parity(*bytes);
          else if (rope.rebuilt.count(readLe64(bytes->data() + 8)) == 0) rope.remember(*bytes);
        }
        rope.remember(sealedPacket(counter + data, 50, rope.random));
        for (const auto& [number, packet] : group.packets) {
          if ((lost >> (number - counter) & 1) != 0) CHECK(rope.rebuilt[number] == packet);
          else if (rope.rebuilt.count(number) != 0) CHECK(rope.rebuilt[number] == packet);
        }
        counter += data + parity;
        if (hopeless()) return;
      }
    }
  }
  CHECK_EQUAL(rope.decoder.counts().malformed, 0);
}

TEST("Fec rebuilds a group that was closed before it was full, with gaps in its counters") {
  Rope rope(12);
  for (uint32_t count = 1; count <= 10; count++) {
    const Group group = rope.make(1000 * count, count, 10, 2, 0, 6);
    uint32_t left = 0;
    for (const auto& [number, packet] : group.packets) {
      if (left++ >= 2) rope.remember(packet);
    }
    rope.rebuilt.clear();
    CHECK_EQUAL(rope.parity(group.parities[1]), count == 1 ? 1 : 0);
    CHECK_EQUAL(rope.parity(group.parities[0]), count >= 2 ? 2 : 0);
    for (const auto& [number, bytes] : rope.rebuilt) CHECK(bytes == group.packets.at(number));
    CHECK_EQUAL(rope.rebuilt.size(), std::min(count, 2u));
    if (hopeless()) return;
  }
}

TEST("Fec of a group of one is a copy of the packet") {
  Rope rope(13);
  const Group group = rope.make(77, 1, 1, 1);
  CHECK_EQUAL(rope.parity(group.parities[0]), 1);
  CHECK(rope.rebuilt[77] == group.packets.at(77));
}

TEST("Fec brings lengths back, from an empty packet to the longest") {
  Rope rope(14);
  uint64_t counter = 0;
  for (const uint32_t length : {32u, 33u, 48u, 1000u, kMaxSealed}) {
    Group group = rope.make(counter, 4, 10, 1);
    rope.encoder.begin(10, 1);
    Bytes lost = sealedPacket(counter + 2, length, rope.random);
    group.packets[counter + 2] = lost;
    for (const auto& [number, packet] : group.packets) rope.encoder.add(packet.data(), static_cast<uint32_t>(packet.size()));
    uint32_t bytes = 0;
    const uint8_t* frame = rope.encoder.frame(0, 1, bytes);
    for (const auto& [number, packet] : group.packets) {
      if (number != counter + 2) rope.remember(packet);
    }
    CHECK_EQUAL(rope.parity(Bytes(frame, frame + bytes)), 1);
    CHECK(rope.rebuilt[counter + 2] == lost);
    counter += 10;
  }
}

TEST("FecEncoder leaves out what is too long and ends a group where it must") {
  Rope rope(15);
  rope.encoder.begin(3, 1);
  const auto add = [&](uint64_t counter, uint32_t length, uint32_t index = kIndex) {
    const Bytes packet = sealedPacket(counter, length, rope.random, index);
    return rope.encoder.add(packet.data(), length);
  };
  using Added = FecEncoder::Added;
  CHECK(add(100, kMaxSealed + 1) == Added::TooLong);
  CHECK_EQUAL(rope.encoder.count(), 0);
  CHECK(add(101, 100) == Added::Taken);
  CHECK(add(102, 100, kIndex + 1) == Added::Full);
  CHECK(add(101 + 64, 100) == Added::Full);
  CHECK(add(100, 100) == Added::Full);
  CHECK(add(101 + 63, 100) == Added::Taken);
  CHECK(!rope.encoder.full());
  CHECK(add(101 + 62, 100) == Added::Taken);
  CHECK(rope.encoder.full());
  CHECK(add(101 + 61, 100) == Added::Full);
}

TEST("FecEncoder frames are 40 bytes longer than the inner packet at most") {
  Rope rope(16);
  const Group group = rope.make(1, 3, 10, 2, kMaxSealed);
  CHECK_EQUAL(group.parities[0].size(), kMaxSealed - 32 + layout::parity_excessBytes);
  CHECK_EQUAL(group.parities[0][1], 7);
}

TEST("FecDecoder takes parity twice, and packets twice, as once") {
  Rope rope(17);
  const Group group = rope.make(1, 4, 4, 2);
  rope.remember(group.packets.at(1));
  rope.remember(group.packets.at(1));
  CHECK_EQUAL(rope.parity(group.parities[0]), 0);
  CHECK_EQUAL(rope.parity(group.parities[0]), 0);
  CHECK_EQUAL(rope.remember(group.packets.at(1)), 0);
  CHECK_EQUAL(rope.parity(group.parities[1]), 0);
  CHECK_EQUAL(rope.remember(group.packets.at(3)), 0);
  CHECK_EQUAL(rope.remember(sealedPacket(5, 50, rope.random)), 2);
  CHECK(rope.rebuilt[2] == group.packets.at(2) && rope.rebuilt[4] == group.packets.at(4));
  // What was rebuilt is known: the same parity finds nothing missing.
  CHECK_EQUAL(rope.parity(group.parities[0]), 0);
  CHECK_EQUAL(rope.decoder.counts().needless, 1);
}

TEST("FecDecoder does not rebuild what parity cannot tell apart") {
  Rope rope(18);
  const Group group = rope.make(1, 5, 5, 2);
  rope.remember(group.packets.at(1));
  rope.remember(group.packets.at(2));
  CHECK_EQUAL(rope.parity(group.parities[0]), 0);
  CHECK_EQUAL(rope.parity(group.parities[1]), 0);
  // The same group said otherwise is another group, and the first goes on waiting.
  Bytes other = group.parities[0];
  other[layout::parity_membersAt] = 0x0f;
  CHECK_EQUAL(rope.parity(other), 0);
  CHECK_EQUAL(rope.remember(group.packets.at(5)), 2);
  CHECK(rope.rebuilt[3] == group.packets.at(3) && rope.rebuilt[4] == group.packets.at(4));
}

TEST("FecDecoder gives up what it does not keep any more, and goes on across the wrap of its store") {
  Rope rope(19, 128);
  const Group old = rope.make(10, 10, 10, 1);
  for (const auto& [number, packet] : old.packets) {
    if (number != 12) rope.remember(packet);
  }
  uint64_t counter = 20;
  for (int round = 0; round < 200; round++) {
    const Group group = rope.make(counter, 10, 10, 1);
    const uint64_t lost = counter + rope.random.below(10);
    for (const auto& [number, packet] : group.packets) {
      if (number != lost) rope.remember(packet);
    }
    CHECK_EQUAL(rope.parity(group.parities[0]), 1);
    CHECK(rope.rebuilt[lost] == group.packets.at(lost));
    counter += 11;
    if (hopeless()) return;
  }
  CHECK_EQUAL(rope.parity(old.parities[0]), 0);
  CHECK_EQUAL(rope.decoder.counts().stale, 1);
  // Nor does it take an old packet into the place of a new one.
  const Group last = rope.make(counter, 2, 10, 1);
  rope.remember(last.packets.at(counter));
  rope.remember(sealedPacket(counter - 128, 100, rope.random));
  CHECK_EQUAL(rope.parity(last.parities[0]), 1);
}

TEST("FecDecoder keeps parity that comes long before its packets, and only so many groups") {
  Rope rope(20);
  std::vector<Group> groups;
  for (uint32_t i = 0; i < 70; i++) {
    groups.push_back(rope.make(1 + i * 4, 3, 3, 1));
    rope.parity(groups.back().parities[0]);
  }
  CHECK_EQUAL(rope.decoder.counts().givenUp, 6);
  for (uint32_t i = 0; i < 70; i++) {
    rope.remember(groups[i].packets.at(1 + i * 4));
    CHECK_EQUAL(rope.remember(groups[i].packets.at(3 + i * 4)), i < 6 ? 0 : 1);
    if (i >= 6) CHECK(rope.rebuilt[2 + i * 4] == groups[i].packets.at(2 + i * 4));
  }
}

TEST("FecDecoder waits for what the path may still bring, until something later came by it") {
  Rope rope(25);
  const Group group = rope.make(1, 4, 4, 2);
  rope.remember(group.packets.at(1), 7);
  CHECK_EQUAL(rope.parity(group.parities[0]), 0);
  CHECK_EQUAL(rope.parity(group.parities[1]), 0);
  CHECK_EQUAL(rope.remember(group.packets.at(2), 7), 0);
  // Another path has overtaken this one: it says nothing.
  CHECK_EQUAL(rope.remember(sealedPacket(9, 50, rope.random), 8), 0);
  CHECK_EQUAL(rope.remember(group.packets.at(4), 7), 1);
  CHECK(rope.rebuilt[3] == group.packets.at(3));
  const Group next = rope.make(21, 4, 4, 2);
  rope.remember(next.packets.at(21), 7);
  rope.parity(next.parities[0]);
  rope.parity(next.parities[1]);
  CHECK_EQUAL(rope.remember(next.packets.at(22), 7), 0);
  CHECK_EQUAL(rope.remember(sealedPacket(29, 50, rope.random), 7), 2);
}

TEST("FecDecoder names the receiver index that the parity came to") {
  Rope rope(21);
  const Group group = rope.make(9, 1, 1, 1);
  CHECK_EQUAL(rope.parity(group.parities[0], 0xaabbccdd), 1);
  CHECK_EQUAL(readLe32(rope.rebuilt[9].data() + 4), 0xaabbccdd);
}

TEST("FecDecoder counts frames that make no sense, and reads nothing beside them") {
  Rope rope(22);
  const Group group = rope.make(1, 4, 4, 2, 200);
  rope.remember(group.packets.at(1));
  const Bytes good = group.parities[0];
  for (size_t length = 1; length < good.size(); length++) CHECK_EQUAL(rope.parity(Bytes(good.begin(), good.begin() + static_cast<long>(length))), 0);
  CHECK_EQUAL(rope.decoder.counts().malformed, good.size() - 1);
  const auto with = [&](int64_t at, uint8_t value) {
    Bytes bad = good;
    bad[static_cast<size_t>(at)] = value;
    const uint64_t before = rope.decoder.counts().malformed;
    CHECK_EQUAL(rope.parity(bad), 0);
    CHECK_EQUAL(rope.decoder.counts().malformed, before + 1);
  };
  with(0, 0x40);
  with(layout::parity_kindAt, 6);
  with(layout::parity_dataAt, 0);
  with(layout::parity_dataAt, 65);
  with(layout::parity_dataAt, 3);  // fewer than members
  with(layout::parity_indexAt, 0x12);
  with(layout::parity_shardBytesAt + 1, 0xff);
  with(layout::parity_membersAt, 0x0e);
  Bytes beyond = good;
  std::memset(beyond.data() + layout::parity_baseAt, 0xff, 8);
  CHECK_EQUAL(rope.parity(beyond), 0);
  CHECK_EQUAL(rope.decoder.counts().malformed, good.size() - 1 + 9);
  // Padding of the data message may follow the shard.
  Bytes padded = good;
  padded.resize(padded.size() + 13);
  CHECK_EQUAL(rope.parity(padded), 0);
  rope.remember(group.packets.at(2));
  CHECK_EQUAL(rope.remember(group.packets.at(4)), 1);
  CHECK(rope.rebuilt[3] == group.packets.at(3));
}

TEST("FecDecoder refuses a group whose packets are longer than its shards") {
  Rope rope(23);
  const Group shorter = rope.make(1, 2, 2, 1, 100);
  rope.remember(sealedPacket(1, 300, rope.random));
  CHECK_EQUAL(rope.parity(shorter.parities[0]), 0);
  CHECK_EQUAL(rope.decoder.counts().malformed, 1);
}

TEST("Fec at random: losses, disorder, copies, other codes; nothing false is ever rebuilt and enough parity is always used") {
  Random seeds(24);
  for (int round = 0; round < 30; round++) {
    Rope rope(seeds.next());
    uint64_t counter = seeds.next();
    uint32_t due = 0;
    for (int number = 0; number < 60; number++) {
      const uint32_t data = rope.random.between(1, 20);
      const uint32_t parity = rope.random.between(1, 4);
      const uint32_t count = rope.random.between(1, data);
      const Group group = rope.make(counter, count, data, parity, 0, rope.random.between(1, 3));
      std::vector<const Bytes*> arrivals;
      uint32_t lost = 0;
      uint32_t parities = 0;
      for (const auto& [one, packet] : group.packets) {
        if (rope.random.chance(6)) lost += 1;
        else arrivals.push_back(&packet);
      }
      for (const Bytes& frame : group.parities) {
        if (rope.random.chance(6)) continue;
        parities += 1;
        arrivals.push_back(&frame);
        if (rope.random.chance(4)) arrivals.push_back(&frame);
      }
      for (size_t i = arrivals.size(); i > 1; i--) {
        if (rope.random.chance(3)) std::swap(arrivals[i - 1], arrivals[rope.random.below(static_cast<uint32_t>(i))]);
      }
      rope.rebuilt.clear();
      for (const Bytes* bytes : arrivals) {
        if ((*bytes)[0] == 0) rope.parity(*bytes);
        else if (rope.rebuilt.count(readLe64(bytes->data() + 8)) == 0) rope.remember(*bytes);
      }
      rope.remember(sealedPacket(counter + 63, 50, rope.random));
      for (const auto& [one, bytes] : rope.rebuilt) CHECK(bytes == group.packets.at(one));
      if (lost <= parities) {
        due += lost;
        CHECK(rope.rebuilt.size() >= lost);
      }
      counter += 64;
      if (hopeless()) return;
    }
    CHECK(due > 0);
  }
}

}  // namespace
}  // namespace hawser
