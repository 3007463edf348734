// Opener and parity: what is rebuilt is delivered once, booked on no path, and reported apart from what arrived. Sealer and parity: what
// is sealed can be rebuilt by its peer.
#include <map>
#include <set>

#include "support/check.h"
#include "support/open_bench.h"
#include "sys/fec_encode.h"

namespace hawser {
namespace {
using namespace test;

struct Reported {
  std::set<uint64_t> arrived, rebuilt;
};

class FecBench : public OpenBench {
 public:
  FecBench() : encoder_(codes_, 1412) {
    allowPaths();
    addPath(0, 0, 1);
    bumpPaths();
  }

  // Ten packets and their parity; the parity frames take the counters after them.
  void make(uint64_t first, uint32_t parities) {
    packets.clear();
    parity.clear();
    encoder_.begin(10, parities);
    for (uint64_t counter = first; counter < first + 10; counter++) {
      Shape shape;
      shape.tcp = false;
      shape.sourcePort = static_cast<uint16_t>(kFirstPort + counter);
      shape.payloadBytes = 1000 + static_cast<uint32_t>(counter % 7);  // large enough to be kept in order
      packets[counter] = sealed(makePacket(shape), counter);
      CHECK(encoder_.add(packets[counter].data(), static_cast<uint32_t>(packets[counter].size())) == FecEncoder::Added::Taken);
    }
    for (uint32_t j = 0; j < parities; j++) {
      uint32_t length = 0;
      const uint8_t* frame = encoder_.frame(j, parities, length);
      parity.push_back(sealed(Bytes(frame, frame + length), first + 10 + j));
    }
  }

  void take(const Bytes& datagram) {
    CHECK(receive({datagram}));
    CHECK(turn());
    total.rebuilt += result.rebuilt;
  }

  Reported readReport() {
    Reported reported;
    CHECK(report(0) > 0);
    const uint8_t* record = reports.peek();
    if (record == nullptr) return reported;
    const uint8_t* frame = record + layout::frame_payloadAt;
    const uint64_t next = readLe64(frame + layout::report_nextAt);
    const uint32_t words = frame[layout::report_wordsAt];
    const uint8_t* spelt = frame + layout::report_headerBytes + frame[layout::report_sectionsAt] * layout::report_sectionBytes;
    const uint8_t* at = spelt + (words + 7) / 8;
    for (uint32_t i = 0; i < words; i++) {
      uint64_t word = ~uint64_t{0};
      if ((spelt[i / 8] >> (i % 8) & 1) != 0) {
        word = readLe64(at);
        at += 8;
      }
      for (uint64_t bit = 0; bit < 64 && 64 * i + bit < next; bit++) {
        if ((word >> bit & 1) != 0) reported.arrived.insert(next - 1 - 64 * i - bit);
      }
    }
    const uint32_t number = (frame[layout::report_flagsAt] & layout::report_flagRebuilt) != 0 ? *at++ : 0;
    for (uint32_t i = 0; i < number; i++) reported.rebuilt.insert(next - 1 - (at[2 * i] | static_cast<uint64_t>(at[2 * i + 1]) << 8));
    reports.advance();
    reports.release();
    return reported;
  }

  std::map<uint64_t, Bytes> packets;
  std::vector<Bytes> parity;

 private:
  FecCodes codes_;
  FecEncoder encoder_;
};

// After the first PARITY of a session the opener keeps what comes.
void wakeUp(FecBench& bench) {
  bench.make(0, 1);
  for (const auto& [counter, packet] : bench.packets) bench.take(packet);
  bench.take(bench.parity[0]);
  bench.drain();
  bench.readReport();
}

TEST("Opener delivers what parity brings back, and reports it apart from what arrived") {
  FecBench bench;
  wakeUp(bench);
  bench.make(20, 2);
  for (const auto& [counter, packet] : bench.packets) {
    if (counter != 23 && counter != 27) bench.take(packet);
  }
  const double bytes = cell<double>(bench.path(0), layout::path_receivedBytesAt);
  bench.take(bench.parity[0]);
  bench.take(bench.parity[1]);
  CHECK_EQUAL(bench.total.rebuilt, 2);
  CHECK_EQUAL(bench.drain(), 10);
  CHECK_EQUAL(cell<double>(bench.peer(), layout::peer_rebuiltPacketsAt), 2);
  const auto parityBytes = static_cast<double>(bench.parity[0].size() + bench.parity[1].size());
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedBytesAt) - bytes, parityBytes);
  for (int again = 0; again < 2; again++) {
    const Reported reported = bench.readReport();
    CHECK(reported.rebuilt == (std::set<uint64_t>{23, 27}));
    CHECK(reported.arrived.count(23) == 0 && reported.arrived.count(24) == 1 && reported.arrived.count(31) == 1);
    bench.make(100 + static_cast<uint64_t>(again) * 20, 1);
    bench.take(bench.packets.begin()->second);
  }
}

TEST("Opener takes the original of a rebuilt packet for arrived, and delivers it once") {
  FecBench bench;
  wakeUp(bench);
  bench.make(20, 1);
  for (const auto& [counter, packet] : bench.packets) {
    if (counter != 29) bench.take(packet);
  }
  bench.take(bench.parity[0]);
  CHECK_EQUAL(bench.total.rebuilt, 1);
  const double bytes = cell<double>(bench.path(0), layout::path_receivedBytesAt);
  Bytes forged = bench.packets[29];
  forged.back() ^= 1;
  bench.take(forged);
  CHECK_EQUAL(bench.result.rejected, 1);
  bench.take(bench.packets[29]);
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedBytesAt) - bytes, static_cast<double>(bench.packets[29].size()));
  CHECK_EQUAL(bench.drain(), 10);
  const Reported reported = bench.readReport();
  CHECK(reported.rebuilt.empty() && reported.arrived.count(29) == 1);
  bench.take(bench.packets[29]);
  CHECK_EQUAL(bench.result.replayed, 1);
  CHECK_EQUAL(bench.drain(), 0);
}

TEST("Opener puts rebuilt packets where they belong when it keeps order") {
  FecBench bench;
  bench.addPath(1, 1, 2);
  bench.bumpPaths();
  wakeUp(bench);
  bench.make(11, 1);
  for (const auto& [counter, packet] : bench.packets) {
    if (counter != 14) bench.take(packet);
  }
  bench.take(bench.parity[0]);
  const std::vector<uint32_t> ports = bench.drainPorts();
  CHECK(ports == (std::vector<uint32_t>{11, 12, 13, 14, 15, 16, 17, 18, 19, 20}));
}

TEST("Opener frees the decoder of a slot that is gone, and goes on without") {
  FecBench bench;
  wakeUp(bench);
  bench.renewSlot();
  bench.make(20, 1);
  for (const auto& [counter, packet] : bench.packets) {
    if (counter != 24) bench.take(packet);
  }
  bench.take(bench.parity[0]);
  CHECK(bench.drain() >= 9);
}

// A sealer whose link is read by a decoder.
class SealedRope {
 public:
  SealedRope() {
    sessions_.install(0, 5, 3);
    producer_ = link_.producer();
    consumer_ = link_.consumer();
  }

  Sealer::Order order(int32_t path, int32_t trafficClass) const { return {0, path, trafficClass, 1380, nowUs, 0, false, 0}; }

  void sealData(uint32_t count, int32_t path, uint32_t bytes, uint32_t data, uint32_t parity) {
    CHECK_EQUAL(sealer.open(order(path, 2), &producer_), 0);
    sealer.protect(data, parity);
    Bytes plain(bytes + 16, 0x45);
    for (uint32_t i = 0; i < count; i++) CHECK_EQUAL(sealer.packet(plain.data(), bytes), 1);
    sealer.close();
  }
  int sealParity(int32_t path, uint32_t dataPath) {
    CHECK_EQUAL(sealer.open(order(path, 0), &producer_), 0);
    const int frames = sealer.parity(dataPath);
    sealer.close();
    return frames;
  }

  // Sealed packets by the path they left by.
  std::map<int32_t, std::vector<Bytes>> collect() {
    std::map<int32_t, std::vector<Bytes>> sent;
    for (uint8_t* record = consumer_.peek(); record != nullptr; record = consumer_.peek()) {
      const uint32_t step = cell<uint32_t>(record, layout::descriptor_segmentBytesAt);
      const uint32_t count = cell<uint32_t>(record, layout::descriptor_countAt);
      const uint8_t* from = log_.log().at(cell<uint32_t>(record, layout::descriptor_positionAt));
      for (uint32_t i = 0; i < count; i++) {
        const uint32_t length = i + 1 == count ? cell<uint32_t>(record, layout::descriptor_lastBytesAt) : step;
        sent[cell<int32_t>(record, layout::descriptor_pathAt)].emplace_back(from + i * step, from + i * step + length);
      }
      consumer_.advance();
    }
    consumer_.release();
    return sent;
  }

  double nowUs = 1;

 private:
  RingMemory link_{1 << 16};
  LogMemory log_{1 << 22};
  SessionMemory sessions_{1, 128};
  PathMemory paths_{32};
  RingProducer producer_;
  RingConsumer consumer_;
  PathFeedback feedback_[Flight::kPaths] = {};

 public:
  Sealer sealer{{log_.log(), sessions_.table(), paths_.table(), feedback_, nullptr, 1412, {}, -1, nullptr}};
};

TEST("Sealer groups by path, and its parity brings back what was lost") {
  SealedRope rope;
  rope.sealData(3, 0, 700, 5, 2);
  rope.sealData(4, 1, 1380, 5, 2);
  rope.sealData(2, 0, 900, 5, 2);
  CHECK(rope.sealer.fec().front(0) != nullptr);
  CHECK_EQUAL(rope.sealer.fec().front(0)->path, 0);
  CHECK_EQUAL(rope.sealParity(1, 0), 2);
  CHECK(rope.sealer.fec().front(0) == nullptr);
  CHECK_EQUAL(rope.sealer.fec().oldestUs(0), 1);
  rope.sealer.fec().closeOlder(0, 1);
  CHECK(rope.sealer.fec().front(0) == nullptr);
  rope.sealer.fec().closeOlder(0, 2);
  CHECK_EQUAL(rope.sealParity(0, 1), 1);
  auto sent = rope.collect();
  CHECK_EQUAL(sent[0].size(), 5 + 1);
  CHECK_EQUAL(sent[1].size(), 4 + 2);

  FecCodes codes;
  FecDecoder decoder(codes, 1412);
  AeadContext opening;
  uint8_t key[aeadKeyBytes];
  std::memset(key, 3, sizeof key);
  opening.initialise(Cipher::ChaCha20Poly1305, key, false);
  const auto take = [&](const Bytes& datagram, int32_t path) {
    Bytes plain(datagram.size() - 32);
    const uint64_t counter = readLe64(datagram.data() + 8);
    CHECK(opening.open(plain.data(), datagram.data() + 16, datagram.size() - 16, counter));
    if (plain[0] == 0) return decoder.parity(plain.data(), static_cast<uint32_t>(plain.size()), readLe32(datagram.data() + 4));
    return decoder.remember(counter, datagram.data(), static_cast<uint32_t>(datagram.size()), path);
  };
  for (size_t i = 2; i < 5; i++) take(sent[0][i], 0);
  CHECK_EQUAL(take(sent[1][4], 1), 0);
  CHECK_EQUAL(take(sent[1][5], 1), 2);
  for (uint32_t i = 0; i < 2; i++) {
    const Bytes rebuilt(decoder.rebuilt(i).sealed, decoder.rebuilt(i).sealed + decoder.rebuilt(i).length);
    CHECK(rebuilt == sent[0][i]);
  }
}

TEST("Sealer leaves longer packets without parity, and gives short groups their share") {
  SealedRope rope;
  rope.sealData(3, 0, 1381, 10, 4);
  CHECK_EQUAL(rope.sealer.fec().tooLong(), 3);
  rope.sealData(2, 0, 100, 10, 4);
  rope.sealer.fec().closeOlder(0, 2);
  CHECK_EQUAL(rope.sealParity(0, 0), 1);
  rope.sealData(10, 0, 100, 10, 4);
  CHECK_EQUAL(rope.sealParity(0, 0), 4);
  // Four packets are worth 1.6 parities: what a group lacks the next one gets.
  int frames = 0;
  for (int group = 0; group < 10; group++) {
    rope.sealData(4, 0, 100, 10, 4);
    rope.sealer.fec().closeOlder(0, 2);
    frames += rope.sealParity(0, 0);
  }
  CHECK(frames == 15 || frames == 16);
  CHECK_EQUAL(rope.sealParity(0, 0), 0);
}

}  // namespace
}  // namespace hawser
