// Opener on what a network may send: malformed records, forged and replayed packets, and a full output.
#include <algorithm>
#include <set>

#include "support/check.h"
#include "support/memory.h"
#include "support/packets.h"
#include "sys/open.h"
#include "sys/seal.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kIndex = 0x77665544;
constexpr uint32_t kHeader = layout::received_payloadAt;

class Bench {
 public:
  explicit Bench(uint32_t outBytes = 1 << 20) : out_(outBytes) {
    sessions_.install(0, kIndex, 9);
    uint8_t key[aeadKeyBytes];
    std::memset(key, 9, sizeof key);
    sealing_.initialise(Cipher::ChaCha20Poly1305, key, true);
    input_ = received_.consumer();
    producer_ = received_.producer();
    plain_ = out_.consumer();
    opener_ = std::make_unique<Opener>(sessions_.table(), peers_.table(), paths_.table(), AllowedIps(everybody_.get()), out_.producer(),
                                       events_.producer(), true);
  }

  Bytes sealed(const Bytes& inner, uint64_t counter) {
    Bytes datagram(kDataHeaderBytes + inner.size() + kTagBytes);
    datagram[0] = kTypeData;
    std::memcpy(datagram.data() + 4, &kIndex, 4);
    std::memcpy(datagram.data() + 8, &counter, 8);
    sealing_.seal(datagram.data() + kDataHeaderBytes, inner.data(), inner.size(), counter);
    return datagram;
  }

  // One received message: datagrams of equal length but the last.
  bool receive(const std::vector<Bytes>& datagrams, uint32_t segmentBytes = 0) {
    Bytes all;
    for (const Bytes& one : datagrams) all.insert(all.end(), one.begin(), one.end());
    uint8_t* record = producer_.claim(static_cast<uint32_t>(kHeader + all.size()));
    if (record == nullptr) return false;
    std::memset(record, 0, kHeader);
    cell<uint32_t>(record, layout::received_segmentBytesAt) = segmentBytes != 0 ? segmentBytes : static_cast<uint32_t>(datagrams[0].size());
    cell<uint32_t>(record, layout::received_lengthAt) = static_cast<uint32_t>(all.size());
    std::memcpy(record + kHeader, all.data(), all.size());
    producer_.commit(static_cast<uint32_t>(kHeader + all.size()), layout::recordType_received);
    producer_.publish();
    return true;
  }

  // One turn of the actor; false when there was nothing to do.
  bool turn() {
    const uint32_t count = opener_->look(input_, runs_, 16);
    if (count == 0) return false;
    for (uint32_t i = 0; i < count; i++) runs_[i].slot = runs_[i].receiverIndex == kIndex ? 0 : -1;
    result = OpenResult{};
    opener_->open(input_, runs_, count, 1.0, result);
    total.packets += result.packets;
    total.replayed += result.replayed;
    total.rejected += result.rejected;
    total.unknown += result.unknown;
    total.keepalives += result.keepalives;
    total.control += result.control;
    return true;
  }

  uint32_t drain() {
    uint32_t packets = 0;
    for (uint8_t* record = plain_.peek(); record != nullptr; record = plain_.peek()) {
      packets += cell<uint32_t>(record, layout::train_progressAt);
      plain_.advance();
    }
    plain_.release();
    return packets;
  }

  void restart() {
    opener_ = std::make_unique<Opener>(sessions_.table(), peers_.table(), paths_.table(), AllowedIps(everybody_.get()), out_.producer(),
                                       events_.producer(), true);
    input_ = received_.consumer();
  }

  uint32_t waiting() { return producer_.usedBytes(); }

  OpenResult result{};
  OpenResult total{};

 private:
  RingMemory received_{1 << 20};
  RingMemory out_;
  RingMemory events_{1 << 12};
  SessionMemory sessions_{2, 1024};
  PeerMemory peers_{1};
  PathMemory paths_{1};
  EverybodyMemory everybody_;
  RingConsumer input_;
  RingProducer producer_;
  RingConsumer plain_;
  AeadContext sealing_;
  std::unique_ptr<Opener> opener_;
  OpenRun runs_[Opener::kMaxRuns];
};

TEST("Opener splits a message by index, and delivers what is its own") {
  Bench bench;
  Shape shape;
  const Bytes inner = makePacket(shape);
  std::vector<Bytes> datagrams;
  for (uint64_t counter = 0; counter < 9; counter++) datagrams.push_back(bench.sealed(inner, counter));
  datagrams[3][4] ^= 1;   // somebody else's index
  datagrams[5][0] = 2;    // not a data message
  datagrams[7][40] ^= 1;  // forged
  datagrams[8] = datagrams[0];
  bench.receive(datagrams);
  while (bench.turn()) {
  }
  CHECK_EQUAL(bench.total.packets, 5);
  CHECK_EQUAL(bench.total.unknown, 2);
  CHECK_EQUAL(bench.total.rejected, 1);
  CHECK_EQUAL(bench.total.replayed, 1);
  CHECK_EQUAL(bench.drain(), 5);
  CHECK_EQUAL(bench.waiting(), 0);
}

TEST("Opener takes keepalives, control frames and short datagrams for what they are") {
  Bench bench;
  bench.receive({bench.sealed({}, 0)});
  bench.receive({bench.sealed({0x01, 2, 3}, 1)});
  bench.receive({bench.sealed({0x91, 2, 3}, 2)});
  for (uint32_t length = 1; length < 32; length++) {
    Bytes cut = bench.sealed({}, 3);
    cut.resize(length);
    bench.receive({cut});
  }
  while (bench.turn()) {
  }
  CHECK_EQUAL(bench.total.keepalives, 1);
  CHECK_EQUAL(bench.total.control, 1);
  CHECK_EQUAL(bench.total.rejected, 1);
  CHECK_EQUAL(bench.total.unknown, 31);
  CHECK_EQUAL(bench.drain(), 0);
}

TEST("Opener delivers each packet once through an output that is full again and again, and through a restart") {
  Random random(21);
  Bench bench(1 << 18);
  uint64_t counter = 0;
  uint32_t sent = 0, delivered = 0;
  bool stalled = false;
  for (int round = 0; round < 200; round++) {
    std::vector<Bytes> datagrams;
    Shape shape;
    shape.payloadBytes = random.between(500, 1300);
    const uint32_t count = random.between(1, 40);
    for (uint32_t i = 0; i < count; i++) {
      shape.sourcePort = static_cast<uint16_t>(random.below(4) + 1);
      datagrams.push_back(bench.sealed(makePacket(shape), counter++));
    }
    if (bench.receive(datagrams)) sent += count;
    bench.turn();
    stalled = stalled || bench.result.stalled != 0;
    if (random.chance(3)) delivered += bench.drain();
    if (random.chance(20)) bench.restart();
  }
  for (int i = 0; i < 10000 && bench.turn(); i++) delivered += bench.drain();
  delivered += bench.drain();
  CHECK(stalled);
  CHECK_EQUAL(delivered, sent);
  CHECK_EQUAL(bench.total.replayed, 0);
  CHECK_EQUAL(bench.waiting(), 0);
}

TEST("Opener survives records of any content, sealed and not, and always comes to their end") {
  Random random(22);
  Bench bench;
  uint64_t counter = 0;
  for (int round = 0; round < 3000; round++) {
    std::vector<Bytes> datagrams;
    const uint32_t count = random.between(1, 5);
    for (uint32_t i = 0; i < count; i++) {
      Bytes inner(random.below(random.chance(10) ? 20000 : 200));
      for (uint8_t& byte : inner) byte = static_cast<uint8_t>(random.next());
      // Often nearly a packet: the right nibble, a plausible length.
      if (inner.size() > 4 && random.chance(2)) inner[0] = random.chance(2) ? 0x45 : 0x60, inner[2] = 0, inner[3] = static_cast<uint8_t>(inner.size());
      Bytes datagram = bench.sealed(inner, counter++);
      if (random.chance(4)) datagram[random.below(static_cast<uint32_t>(datagram.size()))] ^= 1;
      if (random.chance(8)) datagram.resize(random.between(1, static_cast<uint32_t>(datagram.size())));
      datagrams.push_back(datagram);
    }
    bench.receive(datagrams, random.chance(3) ? random.between(1, 65535) : 0);
    for (int turn = 0; turn < 50 && bench.turn(); turn++) bench.drain();
  }
  CHECK_EQUAL(bench.waiting(), 0);
}

}  // namespace
}  // namespace hawser
