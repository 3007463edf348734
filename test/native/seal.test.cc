// Sealer: every packet once, every counter once, and descriptors that a link can send with UDP_SEGMENT.
#include <cerrno>
#include <map>
#include <set>

#include "support/check.h"
#include "support/memory.h"
#include "support/packets.h"
#include "sys/seal.h"

namespace hawser {
namespace {
using namespace test;

// A sealer, and a link that opens what the descriptors point at.
class Bench {
 public:
  explicit Bench(uint32_t linkBytes = 1 << 16) : link_(linkBytes) {
    sessions_.install(0, 5, 3);
    uint8_t key[aeadKeyBytes];
    std::memset(key, 3, sizeof key);
    opening_.initialise(Cipher::ChaCha20Poly1305, key, false);
    producer_ = link_.producer();
    consumer_ = link_.consumer();
  }

  Sealer sealer() {
    Sealer::Parts parts;
    parts.log = log_.log();
    parts.sessions = sessions_.table();
    parts.peers = peers_.table();
    parts.paths = paths_.table();
    parts.maxFecBytes = 1412;
    return Sealer(parts);
  }
  int open(Sealer& sealer) { return sealer.open({0, 0, 2, 1420, 1.0}, &producer_); }

  // A train record as the tun-reader leaves it.
  Bytes record(const Shape& shape, uint16_t gsoBytes) {
    const Bytes packet = makePacket(shape);
    Bytes bytes(static_cast<size_t>(layout::train_packetAt) + packet.size() + 16);
    const VnetHeader header = gsoBytes == 0 ? VnetHeader{} : gsoHeader(shape, gsoBytes);
    std::memcpy(bytes.data() + layout::train_vnetAt, &header, sizeof header);
    std::memcpy(bytes.data() + layout::train_packetAt, packet.data(), packet.size());
    cell<uint32_t>(bytes.data(), layout::train_lengthAt) = static_cast<uint32_t>(packet.size());
    return bytes;
  }

  // Opens everything the descriptors tell of.
  void collect() {
    for (uint8_t* descriptor = consumer_.peek(); descriptor != nullptr; descriptor = consumer_.peek()) {
      const uint32_t count = cell<uint32_t>(descriptor, layout::descriptor_countAt);
      const uint32_t step = cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
      const uint32_t last = cell<uint32_t>(descriptor, layout::descriptor_lastBytesAt);
      const uint32_t position = cell<uint32_t>(descriptor, layout::descriptor_positionAt);
      CHECK(count >= 1 && count <= 64);
      CHECK(last <= step);
      CHECK_EQUAL(cell<uint32_t>(descriptor, layout::descriptor_lengthAt), (count - 1) * step + last);
      CHECK((count - 1) * step + last <= 65507);
      CHECK(log_.log().holds(position));
      for (uint32_t i = 0; i < count; i++) openOne(log_.log().at(position) + i * step, i + 1 == count ? last : step);
      const uint64_t first = cell<uint64_t>(descriptor, layout::descriptor_counterAt);
      CHECK(counters.count(first) == 1);
      consumer_.advance();
    }
    consumer_.release();
  }

  std::vector<Bytes> packets;
  std::set<uint64_t> counters;

  // What the peer, and the path, are charged for.
  double chargedPeer() { return cell<double>(peers_.table().row(0), layout::peer_innerTxBytesAt); }
  double chargedPath() { return cell<double>(paths_.table().row(0), layout::path_innerTxBytesAt); }

 private:
  void openOne(const uint8_t* datagram, uint32_t length) {
    const uint64_t counter = readLe64(datagram + 8);
    CHECK(counters.insert(counter).second);
    Bytes plain(length - kDataHeaderBytes - kTagBytes);
    CHECK(opening_.open(plain.data(), datagram + kDataHeaderBytes, length - kDataHeaderBytes, counter));
    const IpView ip = viewIp(plain.data(), plain.size());
    CHECK(ip.version != 0);
    CHECK(plain.size() == ip.length || plain.size() % 16 == 0 || plain.size() == 1420);
    for (size_t at = ip.length; at < plain.size(); at++) CHECK_EQUAL(plain[at], 0);
    plain.resize(ip.length);
    packets.push_back(plain);
  }

  RingMemory link_;
  LogMemory log_{1 << 22};
  SessionMemory sessions_{1, 128};
  PeerMemory peers_{1};
  PathMemory paths_{1};
  RingProducer producer_;
  RingConsumer consumer_;
  AeadContext opening_;
};

TEST("Sealer seals and charges every segment once, under any budget, across full rings and restarts") {
  Random random(31);
  for (int round = 0; round < 60; round++) {
    Bench bench(4096);
    auto sealer = std::make_unique<Sealer>(bench.sealer());
    std::vector<Bytes> wanted;
    for (int train = 0; train < 12; train++) {
      Shape shape;
      shape.version = random.chance(2) ? 4 : 6;
      shape.payloadBytes = random.between(1, random.chance(2) ? 1300 : 60000);
      shape.seed = random.next();
      const uint32_t gsoBytes = random.chance(5) ? random.between(20, 90) : random.between(500, 1348);
      const bool plain = shape.payloadBytes <= 1300;
      if (plain) wanted.push_back(makePacket(shape));
      else for (const Bytes& one : cutPlainly(shape, gsoBytes)) wanted.push_back(one);
      Bytes record = bench.record(shape, plain ? 0 : static_cast<uint16_t>(gsoBytes));
      while (Sealer::segmentsLeft(record.data()) > 0) {
        CHECK_EQUAL(bench.open(*sealer), 0);
        const int sealed = sealer->train(record.data(), random.between(1, 80));
        CHECK(sealed > 0 || sealed == -ENOSPC);
        sealer->close();
        bench.collect();
        if (random.chance(10)) sealer = std::make_unique<Sealer>(bench.sealer());
        if (hopeless()) return;
      }
    }
    CHECK_EQUAL(bench.packets.size(), wanted.size());
    CHECK(bench.packets == wanted);
    double bytes = 0;
    for (const Bytes& one : wanted) bytes += static_cast<double>(one.size());
    CHECK_EQUAL(bench.chargedPeer(), bytes);
    CHECK_EQUAL(bench.chargedPath(), bytes);
  }
}

TEST("Sealer refuses what cannot be one datagram, and keeps its log") {
  Bench bench;
  Sealer sealer = bench.sealer();
  CHECK_EQUAL(bench.open(sealer), 0);
  // A TUN with an MTU of 65,535 would give such a packet; 65,507 bytes are what UDP carries.
  Shape shape;
  shape.payloadBytes = 65535 - shape.headerBytes();
  Bytes record = bench.record(shape, 0);
  CHECK_EQUAL(sealer.train(record.data(), 1), -EBADMSG);
  shape.payloadBytes = 65507 - 32 - shape.headerBytes();
  record = bench.record(shape, 0);
  CHECK_EQUAL(sealer.train(record.data(), 1), 1);
  sealer.close();
  bench.collect();
  CHECK_EQUAL(bench.packets.size(), 1);
}

}  // namespace
}  // namespace hawser
