// Inner packets that are longer than their peer takes uncut: how TCP is cut, what goes in FRAG frames or IP fragments and comes out again,
// who is told, what SYNs offer, and what nonsense in FRAG frames does.
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "support/open_bench.h"
#include "sys/fragments.h"
#include "sys/inspect.h"
#include "sys/mss.h"
#include "sys/seal.h"

namespace hawser {
namespace {
using namespace test;

constexpr int32_t kReadsFragments = layout::capability_pathSizes;

// A sealer whose datagrams are an OpenBench's, and the answers it writes to what it takes for a TUN.
class LongBench {
 public:
  explicit LongBench(OuterFragments outer = OuterFragments::Auto, uint32_t linkBytes = 1 << 16) : link_(linkBytes) {
    sessions_.install(0, kIndex, 9);
    producer_ = link_.producer();
    consumer_ = link_.consumer();
    CHECK_EQUAL(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, answers_), 0);
    Sealer::Parts parts;
    parts.log = log_.log();
    parts.sessions = sessions_.table();
    parts.peers = peers_.table();
    parts.maxFecBytes = 1412;
    parts.limits = InnerLimits(peers_.table(), sessions_.table(), 1420, outer);
    parts.answersFd = answers_[0];
    parts.tally = &tally;
    parts.feedback = feedback_.data();
    sealer_ = std::make_unique<Sealer>(parts);
  }
  ~LongBench() {
    ::close(answers_[0]);
    ::close(answers_[1]);
  }
  LongBench(const LongBench&) = delete;
  LongBench& operator=(const LongBench&) = delete;

  void limit(int32_t bytes) {
    cell<int32_t>(peers_.table().row(0), layout::peer_innerMtuAt) = bytes;
    paddedTo_ = static_cast<uint32_t>(bytes);
  }
  void hearsAgain() { cell<int32_t>(sessions_.table().slot(0), layout::session_capabilitiesAt) = kReadsFragments | layout::capability_again; }
  void hearsFragments() { cell<int32_t>(sessions_.table().slot(0), layout::session_capabilitiesAt) = kReadsFragments; }

  // Looks at a packet as the tun-reader leaves it, and seals it whole; returns the facts.
  TrainFacts send(const Bytes& packet, const VnetHeader& vnet, uint32_t segmentsAtOnce = 64) {
    record_.assign(static_cast<size_t>(layout::train_packetAt) + packet.size() + 16, 0xee);
    uint8_t* record = record_.data();
    std::memset(record, 0, static_cast<size_t>(layout::train_packetAt));
    std::memcpy(record + layout::train_vnetAt, &vnet, sizeof vnet);
    std::memcpy(record + layout::train_packetAt, packet.data(), packet.size());
    cell<uint32_t>(record, layout::train_lengthAt) = static_cast<uint32_t>(packet.size());
    cell<double>(record, layout::train_timeAt) = nowUs;
    CachedLookup everybody{AllowedIps(everybody_.get())};
    TrainFacts facts = inspectTrain(record, everybody);
    sealer_->fit(record, facts);
    finish(segmentsAtOnce);
    CHECK_EQUAL(facts.segments, cell<int32_t>(record, layout::train_progressAt));
    return facts;
  }

  // Seals what is left of the record.
  void finish(uint32_t segmentsAtOnce) {
    for (int turn = 0; turn < 5000 && Sealer::segmentsLeft(record_.data()) > 0; turn++) {
      CHECK_EQUAL(sealer_->open({0, 0, 2, paddedTo_, nowUs, 0, true, kFlags}, &producer_), 0);
      sealer_->refit(record_.data());
      const int sealed = sealer_->train(record_.data(), segmentsAtOnce);
      CHECK(sealed > 0 || sealed == -ENOSPC);
      sealer_->close();
      collect();
    }
  }

  // The same with a link that takes nothing until its ring is full: what finds no room waits.
  void loseAndCutByFullLink(uint32_t longest) {
    std::erase_if(datagrams, [longest](const Bytes& one) { return one.size() > longest; });
    Flight& flight = sealer_->flight(0);
    flight.loseLonger(0, longest);
    for (int turn = 0; turn < 5000 && flight.queuedPackets() > 0; turn++) {
      if (sealer_->resendCut({0, 0, 0, 0, nowUs, 0, true, kFlags}, &producer_, UINT32_MAX, longest) == 0) collect();
    }
    collect();
  }

  // All that was sent and was longer than `longest` is lost, and what it bore goes again in pieces. Returns the counters that nobody need
  // wait for.
  std::vector<uint64_t> loseAndCut(uint32_t longest) {
    std::erase_if(datagrams, [longest](const Bytes& one) { return one.size() > longest; });
    Flight& flight = sealer_->flight(0);
    flight.loseLonger(0, longest);
    for (int turn = 0; turn < 5000 && flight.queuedPackets() > 0; turn++) {
      CHECK(sealer_->resendCut({0, 0, 0, 0, nowUs, 0, true, kFlags}, &producer_, 4000, longest) > 0);
      collect();
    }
    std::vector<uint64_t> hollow;
    for (double next = flight.nextHollow(0); next >= 0; next = flight.nextHollow(0)) hollow.push_back(static_cast<uint64_t>(next));
    return hollow;
  }

  // Inner bytes that the peer is charged for.
  double charged() { return cell<double>(peers_.table().row(0), layout::peer_innerTxBytesAt); }

  double resentPackets() const { return feedback_[0].resentPackets; }

  // What was sealed before can no longer be opened here.
  void loseKey() {
    uint8_t* slot = sessions_.table().slot(0);
    cell<uint32_t>(slot, layout::session_remoteIndexAesAt) = cell<uint32_t>(slot, layout::session_remoteIndexAt);
  }

  // All that was sent is lost; returns bytes that went again in pieces.
  uint32_t loseAndTry(uint32_t longest) {
    sealer_->flight(0).loseLonger(0, longest);
    return sealer_->resendCut({0, 0, 0, 0, nowUs, 0, true, kFlags}, &producer_, 4000, longest);
  }

  // Inner packets of what was sent, as they lie in the datagrams: FRAG frames are not joined.
  std::vector<Bytes> opened() {
    AeadContext key;
    uint8_t bytes[aeadKeyBytes];
    std::memset(bytes, 9, sizeof bytes);
    key.initialise(Cipher::ChaCha20Poly1305, bytes, false);
    std::vector<Bytes> packets;
    for (const Bytes& one : datagrams) {
      Bytes plain(one.size() - kDataHeaderBytes - kTagBytes);
      CHECK(key.open(plain.data(), one.data() + kDataHeaderBytes, one.size() - kDataHeaderBytes, readLe64(one.data() + 8)));
      const IpView ip = viewIp(plain.data(), plain.size());
      if (ip.version != 0) plain.resize(ip.length);
      packets.push_back(plain);
    }
    return packets;
  }

  // The next answer, without its virtio header; empty = none.
  Bytes answer() {
    Bytes bytes(2000);
    const ssize_t got = ::read(answers_[1], bytes.data(), bytes.size());
    if (got < 10) return {};
    bytes.resize(static_cast<size_t>(got));
    CHECK(std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t byte) { return byte == 0; }));
    return Bytes(bytes.begin() + 10, bytes.end());
  }

  Bytes record_;
  std::vector<Bytes> datagrams;
  double nowUs = 1e6;
  TooLongTally tally{};

 private:
  static constexpr uint8_t kFlags = Flight::kWatched | Flight::kResendable;

  void collect() {
    for (uint8_t* descriptor = consumer_.peek(); descriptor != nullptr; descriptor = consumer_.peek()) {
      const uint32_t count = cell<uint32_t>(descriptor, layout::descriptor_countAt);
      const uint32_t step = cell<uint32_t>(descriptor, layout::descriptor_segmentBytesAt);
      const uint32_t last = cell<uint32_t>(descriptor, layout::descriptor_lastBytesAt);
      const uint8_t* at = log_.log().at(cell<uint32_t>(descriptor, layout::descriptor_positionAt));
      for (uint32_t i = 0; i < count; i++) {
        const uint32_t bytes = i + 1 == count ? last : step;
        datagrams.emplace_back(at + i * step, at + i * step + bytes);
        CHECK_EQUAL(readLe64(at + i * step + 8), cell<uint64_t>(descriptor, layout::descriptor_counterAt) + i);
      }
      consumer_.advance();
    }
    consumer_.release();
  }

  RingMemory link_;
  LogMemory log_{1 << 22};
  SessionMemory sessions_{1, 128};
  PeerMemory peers_{1};
  EverybodyMemory everybody_;
  std::array<PathFeedback, Flight::kPaths> feedback_{};
  int answers_[2];
  uint32_t paddedTo_ = 1420;
  RingProducer producer_;
  RingConsumer consumer_;
  std::unique_ptr<Sealer> sealer_;
};

// What an opener makes of datagrams: whole inner packets, cut again where they were joined.
std::vector<Bytes> delivered(OpenBench& bench) {
  std::vector<Bytes> packets;
  for (const Bytes& record : bench.drainRecords()) {
    VnetHeader vnet;
    std::memcpy(&vnet, record.data() + layout::train_vnetAt, sizeof vnet);
    const uint32_t length = cell<uint32_t>(const_cast<uint8_t*>(record.data()), layout::train_lengthAt);
    Bytes bytes(record.begin() + layout::train_packetAt, record.begin() + layout::train_packetAt + length);
    bytes.resize(length + 16);
    Segmenter segmenter;
    CHECK(segmenter.begin(vnet, bytes.data(), length));
    for (uint32_t i = 0; i < segmenter.count(); i++) {
      const uint8_t* segment = segmenter.build(i);
      packets.emplace_back(segment, segment + segmenter.lengthOf(i));
    }
  }
  return packets;
}

// All that comes out of datagrams within so many turns, sorted.
std::vector<Bytes> deliverAll(OpenBench& opener, const std::vector<Bytes>& datagrams, int turns) {
  for (const Bytes& one : datagrams) opener.receive({one});
  std::vector<Bytes> found;
  for (int turn = 0; turn < turns; turn++) {
    opener.turn();
    const std::vector<Bytes> more = delivered(opener);
    found.insert(found.end(), more.begin(), more.end());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST("Sealer cuts TCP to what its peer takes as its sender would have: trains, and packets that are no trains") {
  Random random(81);
  for (int round = 0; round < 600; round++) {
    LongBench bench;
    Shape shape;
    shape.version = random.chance(2) ? 4 : 6;
    shape.tcpOptionBytes = random.below(11) * 4;
    shape.flags = static_cast<uint8_t>(0x10 | (random.next() & 0x89));
    shape.seed = random.next();
    shape.sequence = random.next();
    const bool isTrain = random.chance(2);
    const uint32_t limit = random.between(576, 1500);
    shape.payloadBytes = isTrain ? random.between(1400, 60000) : random.between(500, 9000);
    const auto gsoBytes = static_cast<uint16_t>(random.between(500, 1448));
    const bool isPartial = isTrain || random.chance(2);
    bench.limit(static_cast<int32_t>(limit));
    VnetHeader vnet{};
    if (isPartial) vnet = gsoHeader(shape, gsoBytes);
    if (!isTrain) vnet.gsoType = kGsoNone;
    const uint32_t each = std::min<uint32_t>(isTrain ? gsoBytes : shape.payloadBytes, limit - shape.headerBytes());
    Bytes packet = makePacket(shape);
    if (isPartial) put16(packet, shape.ipBytes() + 16, pseudoSum(packet, shape.ipBytes(), true));
    const TrainFacts facts = bench.send(packet, vnet, random.between(1, 64));
    const std::vector<Bytes> wanted = cutPlainly(shape, each);
    CHECK_EQUAL(facts.segments, wanted.size());
    CHECK(bench.opened() == wanted);
    for (const Bytes& one : bench.datagrams) CHECK(one.size() <= limit + 32);
    // Only who sends packet by packet is told.
    const bool isTold = !isTrain && shape.headerBytes() + shape.payloadBytes > limit;
    CHECK_EQUAL(bench.answer().empty() ? 0 : 1, isTold ? 1 : 0);
    if (hopeless()) return;
  }
}

TEST("Sealer gives no corrupt TCP packet a new checksum, and splits none that opens, resets or is urgent") {
  for (int kind = 0; kind < 4; kind++) {
    LongBench bench;
    bench.limit(1200);
    bench.hearsFragments();
    Shape shape;
    shape.payloadBytes = 1300;
    if (kind == 1) shape.flags = 0x12;
    if (kind == 2) shape.flags = 0x14;
    if (kind == 3) shape.flags = 0x30;
    Bytes packet = makePacket(shape);
    if (kind == 0) packet[60] ^= 1;
    CHECK_EQUAL(bench.send(packet, VnetHeader{}).segments, 1);
    CHECK_EQUAL(bench.datagrams.size(), 2);
    OpenBench opener;
    for (const Bytes& one : bench.datagrams) opener.receive({one});
    while (opener.turn()) {
    }
    CHECK(delivered(opener) == std::vector<Bytes>{packet});
  }
}

TEST("Packets of any length go in FRAG frames and come out byte for byte, in any order, through full outputs") {
  Random random(82);
  for (int round = 0; round < 300; round++) {
    LongBench bench;
    const uint32_t limit = random.between(576, 1400);
    bench.limit(static_cast<int32_t>(limit));
    bench.hearsFragments();
    std::vector<Bytes> wanted;
    const uint32_t count = random.between(1, 12);
    for (uint32_t i = 0; i < count; i++) {
      Shape shape;
      shape.tcp = false;
      shape.version = random.chance(2) ? 4 : 6;
      shape.dontFragment = random.chance(2);
      shape.sourcePort = static_cast<uint16_t>(1000 + i);
      shape.payloadBytes = random.between(1, random.chance(3) ? 9000 : 1500);
      shape.seed = random.next();
      // Also a train of datagrams each of which is too long.
      const bool isTrain = random.chance(4);
      const auto gsoBytes = static_cast<uint16_t>(random.between(1000, 1372));
      if (isTrain) shape.payloadBytes = random.between(gsoBytes + 1u, 9000);
      VnetHeader vnet{};
      if (isTrain) vnet = gsoHeader(shape, gsoBytes);
      bench.send(makePacket(shape), vnet, random.between(1, 5));
      if (isTrain) for (const Bytes& one : cutPlainly(shape, gsoBytes)) wanted.push_back(one);
      else wanted.push_back(makePacket(shape));
    }
    for (const Bytes& one : bench.datagrams) CHECK(one.size() <= limit + 32);
    OpenBench opener(1 << 18);
    const bool isShuffled = random.chance(2);
    std::vector<Bytes> datagrams = bench.datagrams;
    if (isShuffled)
      for (size_t i = datagrams.size(); i > 1; i--) std::swap(datagrams[i - 1], datagrams[random.below(static_cast<uint32_t>(i))]);
    if (random.chance(2)) {
      // Many paths: what is ahead of others is held.
      opener.allowPaths();
      opener.addPath(0, 0, 1);
      opener.addPath(1, 1, 2);
    }
    std::vector<Bytes> found;
    for (const Bytes& one : datagrams) {
      opener.receive({one});
      for (int turn = 0; turn < 100 && opener.turn(); turn++)
        if (random.chance(2)) for (const Bytes& packet : delivered(opener)) found.push_back(packet);
    }
    for (int turn = 0; turn < 100; turn++) {
      opener.turn();
      const std::vector<Bytes> more = delivered(opener);
      found.insert(found.end(), more.begin(), more.end());
    }
    if (isShuffled) {
      std::sort(found.begin(), found.end());
      std::sort(wanted.begin(), wanted.end());
    }
    CHECK_EQUAL(found.size(), wanted.size());
    CHECK(found == wanted);
    CHECK_EQUAL(opener.total.unjoined, 0);
    CHECK_EQUAL(opener.total.rejected, 0);
    double bytes = 0;
    for (const Bytes& one : wanted) bytes += static_cast<double>(one.size());
    CHECK_EQUAL(bench.charged(), bytes);
    CHECK_EQUAL(cell<double>(opener.peer(), layout::peer_innerRxBytesAt), bytes);
    if (hopeless()) return;
  }
}

TEST("What was lost because it was too long for its path goes again in pieces, and nobody waits for its own counters") {
  Random random(83);
  for (int round = 0; round < 200; round++) {
    LongBench bench;
    bench.hearsFragments();
    std::vector<Bytes> wanted;
    std::vector<uint64_t> lost;
    uint64_t counter = 0;
    const uint32_t longest = random.between(600, 1400);
    const uint32_t count = random.between(1, 40);
    for (uint32_t i = 0; i < count; i++) {
      Shape shape;
      shape.tcp = random.chance(2);
      shape.version = random.chance(2) ? 4 : 6;
      shape.sourcePort = static_cast<uint16_t>(1000 + i);
      shape.payloadBytes = random.between(1, 1340);
      shape.seed = random.next();
      const Bytes packet = makePacket(shape);
      bench.send(packet, VnetHeader{});
      wanted.push_back(packet);
      if (bench.datagrams.back().size() > longest) lost.push_back(counter);
      counter += 1;
    }
    CHECK(bench.loseAndCut(longest) == lost);
    CHECK_EQUAL(bench.resentPackets(), static_cast<double>(lost.size()));
    for (const Bytes& one : bench.datagrams) CHECK(one.size() <= longest);
    OpenBench opener(1 << 18);
    const std::vector<Bytes> found = deliverAll(opener, bench.datagrams, 200);
    std::sort(wanted.begin(), wanted.end());
    CHECK(found == wanted);
    CHECK_EQUAL(opener.total.rejected, 0);
    if (hopeless()) return;
  }
}

TEST("What went again in pieces and came as it was all the same is taken and counted once, whichever is first") {
  Random random(85);
  for (int round = 0; round < 200; round++) {
    LongBench bench;
    bench.hearsAgain();
    std::vector<Bytes> wanted;
    double bytes = 0;
    const uint32_t longest = random.between(600, 1400);
    for (uint32_t i = 0, count = random.between(1, 40); i < count; i++) {
      Shape shape;
      shape.tcp = random.chance(2);
      shape.version = random.chance(2) ? 4 : 6;
      shape.sourcePort = static_cast<uint16_t>(1000 + i);
      shape.payloadBytes = random.between(1, 1340);
      shape.seed = random.next();
      wanted.push_back(makePacket(shape));
      bytes += static_cast<double>(wanted.back().size());
      bench.send(wanted.back(), VnetHeader{});
    }
    const std::vector<Bytes> before = bench.datagrams;
    bench.loseAndCut(longest);
    std::vector<Bytes> all = bench.datagrams;
    uint32_t late = 0;
    for (const Bytes& one : before) {
      if (one.size() <= longest || random.chance(4)) continue;
      all.push_back(one);
      late += 1;
    }
    if (random.chance(3))
      for (size_t i = all.size(); i > 1; i--) std::swap(all[i - 1], all[random.below(static_cast<uint32_t>(i))]);
    else if (random.chance(2)) std::rotate(all.begin(), all.end() - late, all.end());
    OpenBench opener(1 << 18);
    if (random.chance(2)) {
      opener.allowPaths();
      opener.addPath(0, 0, 1);
      opener.addPath(1, 1, 2);
    }
    std::vector<Bytes> found;
    for (const Bytes& one : all) {
      opener.receive({one});
      opener.turn();
      for (const Bytes& packet : delivered(opener)) found.push_back(packet);
    }
    // Nobody has said yet that the old counters are not worth a wait.
    for (int turn = 0; turn < 100; turn++) {
      opener.giveUp(0);
      for (const Bytes& packet : delivered(opener)) found.push_back(packet);
    }
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK_EQUAL(found.size(), wanted.size());
    CHECK(found == wanted);
    CHECK_EQUAL(cell<double>(opener.peer(), layout::peer_innerRxBytesAt), bytes);
    CHECK_EQUAL(bench.charged(), bytes);
    CHECK_EQUAL(opener.total.rejected, 0);
    if (hopeless()) return;
  }
}

TEST("What is to go again in pieces waits for room for all of them: nothing is taken that a full link would lose") {
  Random random(84);
  for (int round = 0; round < 50; round++) {
    LongBench bench(OuterFragments::Auto, 4096);
    bench.hearsFragments();
    std::vector<Bytes> wanted;
    for (uint32_t i = 0; i < 60; i++) {
      Shape shape;
      shape.tcp = false;
      shape.sourcePort = static_cast<uint16_t>(1000 + i);
      shape.payloadBytes = random.between(400, 1340);
      shape.seed = random.next();
      wanted.push_back(makePacket(shape));
      bench.send(wanted.back(), VnetHeader{});
    }
    bench.loseAndCutByFullLink(random.between(300, 600));
    OpenBench opener(1 << 18);
    const std::vector<Bytes> found = deliverAll(opener, bench.datagrams, 400);
    std::sort(wanted.begin(), wanted.end());
    CHECK(found == wanted);
    if (hopeless()) return;
  }
}

TEST("Sealer counts as sent again what left, and not what it could not open any more") {
  LongBench bench;
  bench.limit(1420);
  bench.hearsFragments();
  Shape shape;
  shape.payloadBytes = 1300;
  bench.send(makePacket(shape), VnetHeader{});
  bench.loseKey();
  CHECK_EQUAL(bench.loseAndTry(1000), 0u);
  CHECK_EQUAL(bench.resentPackets(), 0.0);
}

TEST("Sealer fragments IPv4 that allows it for a peer that reads no FRAG, and leaves or drops the rest as told") {
  for (const OuterFragments outer : {OuterFragments::Never, OuterFragments::Auto, OuterFragments::Always}) {
    LongBench bench(outer);
    bench.limit(1000);
    Shape shape;
    shape.tcp = false;
    shape.payloadBytes = 1372;
    shape.ipOptionBytes = 8;
    shape.dontFragment = false;
    const Bytes packet = makePacket(shape);
    bench.send(packet, VnetHeader{});
    if (outer == OuterFragments::Always) {
      CHECK(bench.opened() == std::vector<Bytes>{packet});
    } else {
      CHECK_EQUAL(bench.datagrams.size(), 2);
      Bytes joined(packet.begin(), packet.begin() + shape.ipBytes());
      for (const Bytes& one : bench.opened()) {
        CHECK(one.size() <= 1000);
        CHECK_EQUAL(oneComplement(one.data(), shape.ipBytes()), 0xffff);
        CHECK_EQUAL((readBe16(one.data() + 6) & 0x1fff) * 8, joined.size() - shape.ipBytes());
        CHECK_EQUAL(readBe16(one.data() + 6) >> 13, joined.size() == shape.ipBytes() ? 1 : 0);
        joined.insert(joined.end(), one.begin() + shape.ipBytes(), one.end());
      }
      CHECK(joined == packet);
    }
    CHECK(bench.answer().empty());
    bench.datagrams.clear();
    shape.dontFragment = true;
    bench.send(makePacket(shape), VnetHeader{});
    CHECK_EQUAL(bench.datagrams.size(), outer == OuterFragments::Never ? 0 : 1);
    CHECK_EQUAL(bench.answer().empty() ? 0 : 1, outer == OuterFragments::Always ? 0 : 1);
    CHECK_EQUAL(bench.tally.refused, outer == OuterFragments::Never ? 1 : 0);
    CHECK_EQUAL(bench.tally.outer, outer == OuterFragments::Auto ? 1 : 0);
  }
}

void checkAnswer(const Bytes& answer, const Bytes& packet, uint32_t mtu) {
  CHECK(answer.size() > 48);
  if (answer.size() <= 48) return;
  const bool v4 = packet[0] >> 4 == 4;
  const uint32_t header = v4 ? 20 : 40;
  const IpView ip = viewIp(answer.data(), answer.size());
  CHECK_EQUAL(ip.length, answer.size());
  CHECK(std::memcmp(ip.source, packet.data() + (v4 ? 16 : 24), ip.addressBytes) == 0);
  CHECK(std::memcmp(ip.destination, packet.data() + (v4 ? 12 : 8), ip.addressBytes) == 0);
  const uint8_t* icmp = answer.data() + header;
  const auto rest = static_cast<uint32_t>(answer.size()) - header;
  CHECK_EQUAL(icmp[0], v4 ? 3 : 2);
  CHECK_EQUAL(icmp[1], v4 ? 4 : 0);
  CHECK_EQUAL(v4 ? readBe16(icmp + 6) : readBe32(icmp + 4), mtu);
  uint32_t pseudo = 0;
  if (v4) CHECK_EQUAL(oneComplement(answer.data(), 20), 0xffff);
  else pseudo = oneComplement(answer.data() + 8, 32, 58 + rest);
  CHECK_EQUAL(oneComplement(icmp, rest, pseudo), 0xffff);
  CHECK(answer.size() <= (v4 ? 576u : 1280u));
  CHECK(std::memcmp(icmp + 8, packet.data(), rest - 8) == 0);
  CHECK(rest - 8 == packet.size() || answer.size() >= (v4 ? 576u : 1280u));
}

TEST("Senders are told how long packets may be, never more than a bucket's worth, and never below IPv6's least") {
  LongBench bench;
  bench.limit(1200);
  bench.hearsFragments();
  for (const int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    shape.tcp = false;
    shape.payloadBytes = 1350;
    const Bytes packet = makePacket(shape);
    bench.send(packet, VnetHeader{});
    checkAnswer(bench.answer(), packet, version == 4 ? 1200 : 1280);
  }
  // Who pings is answered by whom it pinged.
  Shape ping;
  ping.tcp = false;
  ping.payloadBytes = 1350;
  Bytes echo = makePacket(ping);
  echo[9] = 1;
  echo[20] = 8;
  bench.send(echo, VnetHeader{});
  CHECK(bench.answer().empty());
  Shape small;
  small.version = 6;
  small.tcp = false;
  small.payloadBytes = 1280 - 48;
  bench.send(makePacket(small), VnetHeader{});
  CHECK(bench.answer().empty());
  uint32_t told = 0;
  Shape shape;
  shape.tcp = false;
  shape.payloadBytes = 1350;
  for (int i = 0; i < 500; i++) {
    bench.send(makePacket(shape), VnetHeader{});
    bench.nowUs += 1000;
    if (!bench.answer().empty()) told += 1;
  }
  CHECK(told >= 50 && told <= 80);
  CHECK_EQUAL(bench.tally.told, told + 2);
  CHECK_EQUAL(bench.tally.cut, 504);
}

TEST("Nobody is told in answer to ICMP errors, multicast, broadcast, fragments beyond the first, or from nowhere") {
  uint8_t out[kMostAnswerBytes];
  const auto isTold = [&out](const Bytes& packet) { return writeTooBig(out, packet.data(), static_cast<uint32_t>(packet.size()), 1200) != 0; };
  Shape shape;
  shape.tcp = false;
  shape.payloadBytes = 1300;
  Bytes v4 = makePacket(shape);
  CHECK(isTold(v4));
  const auto with = [](Bytes packet, size_t at, std::initializer_list<uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), packet.begin() + static_cast<std::ptrdiff_t>(at));
    return packet;
  };
  CHECK(!isTold(with(v4, 16, {224, 0, 0, 1})));
  CHECK(!isTold(with(v4, 16, {255, 255, 255, 255})));
  CHECK(!isTold(with(v4, 12, {0, 0, 0, 0})));
  CHECK(!isTold(with(v4, 6, {0x20, 0x10})));
  CHECK(isTold(with(v4, 6, {0x20, 0x00})));
  for (const uint8_t type : {3, 4, 5, 11, 12}) CHECK(!isTold(with(with(v4, 9, {1}), 20, {type})));
  CHECK(isTold(with(with(v4, 9, {1}), 20, {8})));
  shape.version = 6;
  Bytes v6 = makePacket(shape);
  CHECK(isTold(v6));
  CHECK(!isTold(with(v6, 24, {0xff, 2})));
  CHECK(!isTold(with(v6, 8, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
  CHECK(!isTold(with(with(v6, 6, {58}), 40, {2})));
  CHECK(isTold(with(with(v6, 6, {58}), 40, {128})));
  CHECK(!isTold(with(with(v6, 6, {44}), 40, {17, 0, 1, 0})));
  CHECK(isTold(with(with(v6, 6, {44}), 40, {17, 0, 0, 1})));
}

// A SYN with these options (a multiple of 4 bytes).
Bytes synWith(int version, const Bytes& options) {
  Shape shape;
  shape.version = version;
  shape.flags = 0x02;
  shape.payloadBytes = 0;
  shape.tcpOptionBytes = static_cast<uint32_t>(options.size());
  Bytes packet = makePacket(shape);
  std::copy(options.begin(), options.end(), packet.begin() + shape.ipBytes() + 20);
  writeChecksums(packet, shape.ipBytes(), true);
  return packet;
}

TEST("SYNs offer no more than fits, out of the TUN and into it, with a checksum that is right, whole or partial") {
  Random random(83);
  for (int round = 0; round < 2000; round++) {
    const int version = random.chance(2) ? 4 : 6;
    const uint32_t ipBytes = version == 4 ? 20 : 40;
    const auto mss = static_cast<uint16_t>(random.between(1, 9000));
    Bytes options;
    const uint32_t before = random.below(6);
    for (uint32_t i = 0; i < before; i++) options.push_back(1);
    options.insert(options.end(), {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)});
    if (random.chance(2)) options.insert(options.end(), {4, 2});
    while (options.size() % 4 != 0) options.push_back(random.chance(2) ? 1 : 0);
    const uint32_t limit = random.between(576, 1420);
    // A stock peer pads to 16 bytes, so only what is a multiple of 16 comes back as long as it went; a Hawser peer does not.
    const bool readsFragments = random.chance(2);
    const uint32_t comesBack = readsFragments || limit == 1420 ? limit : limit & ~15u;
    const uint32_t offered = version == 6 ? std::max(comesBack, 1280u) : comesBack;
    const auto most = static_cast<uint16_t>(std::min<uint32_t>(mss, offered - ipBytes - 20));
    Bytes wantedOptions = options;
    wantedOptions[before + 2] = static_cast<uint8_t>(most >> 8);
    wantedOptions[before + 3] = static_cast<uint8_t>(most);
    const Bytes packet = synWith(version, options);
    const Bytes wanted = synWith(version, wantedOptions);
    LongBench bench;
    bench.limit(static_cast<int32_t>(limit));
    if (readsFragments) bench.hearsFragments();
    if (random.chance(2)) {
      bench.send(packet, VnetHeader{});
    } else {
      Bytes partial = packet;
      put16(partial, ipBytes + 16, pseudoSum(partial, ipBytes, true));
      VnetHeader vnet{kVnetNeedsChecksum, 0, 0, 0, static_cast<uint16_t>(ipBytes), 16};
      bench.send(partial, vnet);
    }
    const std::vector<Bytes> out = bench.opened();
    CHECK(out.size() == 1 && out[0].size() == wanted.size());
    if (out.size() == 1) {
      // 0 and 0xffff are one number to a checksum (RFC 1624).
      Bytes found = out[0];
      if (readBe16(found.data() + ipBytes + 16) == 0xffff) put16(found, ipBytes + 16, 0);
      Bytes same = wanted;
      if (readBe16(same.data() + ipBytes + 16) == 0xffff) put16(same, ipBytes + 16, 0);
      CHECK(found == same);
    }
    OpenBench opener;
    cell<int32_t>(opener.peer(), layout::peer_innerMtuAt) = static_cast<int32_t>(limit);
    if (readsFragments) cell<int32_t>(opener.slot(), layout::session_capabilitiesAt) = kReadsFragments;
    opener.receive({opener.sealed(packet, 0)});
    opener.turn();
    const std::vector<Bytes> in = delivered(opener);
    CHECK(in.size() == 1 && in[0].size() == wanted.size() && std::equal(in[0].begin(), in[0].begin() + ipBytes + 16, wanted.begin()));
    if (in.size() == 1) CHECK_EQUAL(oneComplement(in[0].data() + ipBytes, in[0].size() - ipBytes, pseudoSum(in[0], ipBytes, true)), 0xffff);
    if (hopeless()) return;
  }
}

TEST("A SYN with options that make no sense is left as it is") {
  Random random(84);
  for (int round = 0; round < 3000; round++) {
    Bytes options(4 * random.between(1, 10));
    for (uint8_t& byte : options) byte = static_cast<uint8_t>(random.chance(2) ? random.below(6) : random.next());
    const Bytes packet = synWith(4, options);
    Bytes clamped = packet;
    clampMss(clamped.data(), viewIp(clamped.data(), clamped.size()), 700, true);
    CHECK_EQUAL(oneComplement(clamped.data() + 20, clamped.size() - 20, pseudoSum(clamped, 20, true)), 0xffff);
  }
}

// A FRAG frame of its own.
Bytes piece(uint8_t index, uint16_t total, uint16_t pieceBytes, uint32_t length, uint8_t fill) {
  Bytes frame(layout::fragment_headerBytes + length, fill);
  const uint8_t header[] = {0, 9, index, 0, static_cast<uint8_t>(total), static_cast<uint8_t>(total >> 8), static_cast<uint8_t>(pieceBytes),
                            static_cast<uint8_t>(pieceBytes >> 8)};
  std::copy(std::begin(header), std::end(header), frame.begin());
  return frame;
}

TEST("FragmentJoiner drops a packet whose pieces contradict one another, and pieces that make no sense") {
  FragmentJoiner joiner;
  const auto add = [&joiner](const Bytes& frame, uint64_t counter) {
    const Bytes exact = frame;  // of exact size, for ASan
    return joiner.add({0, 0, 1, counter, 1.0}, exact.data(), static_cast<uint32_t>(exact.size()));
  };
  CHECK(!add(piece(0, 100, 60, 60, 1), 5));
  CHECK(!add(piece(1, 101, 60, 60, 1), 6));  // another total
  CHECK_EQUAL(joiner.takeDropped(), 1);
  CHECK(!add(piece(0, 100, 60, 60, 1), 5));
  CHECK(!add(piece(0, 100, 60, 60, 1), 5));  // twice
  CHECK_EQUAL(joiner.takeDropped(), 1);
  for (const Bytes& bad : {piece(2, 100, 60, 60, 1), piece(0, 100, 60, 59, 1), piece(0, 100, 0, 60, 1), piece(0, 100, 100, 100, 1),
                           piece(0, 65535, 1000, 1000, 1), piece(1, 100, 60, 39, 1), piece(0, 0, 60, 60, 1)}) {
    CHECK(!add(bad, 50));
    CHECK_EQUAL(joiner.takeDropped(), 1);
  }
  CHECK(!add(piece(1, 100, 60, 60, 1), 0));  // would have begun before the first counter
  CHECK_EQUAL(joiner.takeDropped(), 1);
  CHECK(!add(piece(1, 100, 60, 60, 2), 8));
  CHECK(add(piece(0, 100, 60, 60, 1), 7));
  CHECK_EQUAL(joiner.whole().size(), 100);
  CHECK(joiner.whole()[59] == 1 && joiner.whole()[60] == 2);
  // Another life of the slot, another packet.
  CHECK(!add(piece(0, 100, 60, 60, 1), 7));
  const Bytes second = piece(1, 100, 60, 40, 1);
  CHECK(!joiner.add({0, 0, 2, 8, 1.0}, second.data(), static_cast<uint32_t>(second.size())));
}

TEST("FragmentJoiner holds no more than it may, drops the oldest, and nothing for longer than a second") {
  FragmentJoiner joiner;
  const auto add = [&joiner](int32_t peer, uint16_t total, uint64_t counter, double nowUs, uint8_t index = 0) {
    const uint16_t each = static_cast<uint16_t>(total / 2 + 1);
    const Bytes frame = piece(index, total, each, each, 3);
    return joiner.add({peer, 0, 1, counter, nowUs}, frame.data(), static_cast<uint32_t>(frame.size()));
  };
  for (uint64_t i = 0; i < 100; i++) CHECK(!add(0, 100, i * 10, 1.0));
  CHECK_EQUAL(joiner.takeDropped(), 100 - FragmentJoiner::kMaxPackets);
  CHECK(add(0, 100, 99 * 10 + 1, 1.0, 1));
  CHECK(!add(0, 100, 1, 1.0, 1));  // the oldest went
  joiner.expire(0.9e6);
  CHECK_EQUAL(joiner.takeDropped(), 0);
  joiner.expire(1.5e6);
  CHECK_EQUAL(joiner.takeDropped(), FragmentJoiner::kMaxPackets);
  for (uint64_t i = 0; i < 10; i++) CHECK(!add(1, 65000, i * 10, 2e6));
  CHECK_EQUAL(joiner.takeDropped(), 10 - FragmentJoiner::kMaxPeerBytes / 65000);
  // All peers together.
  for (int32_t peer = 0; peer < 40; peer++)
    for (uint64_t i = 0; i < 4; i++) CHECK(!add(peer, 65000, i * 10, 2e6));
  CHECK(joiner.takeDropped() >= 40 * 4 - FragmentJoiner::kMaxBytes / 65000);
}

TEST("Opener lets no joined packet in from an address that is not its peer's, or that is none") {
  LongBench bench;
  bench.limit(800);
  bench.hearsFragments();
  OpenBench opener;
  uint64_t counter = 0;
  // Padding behind the last piece, as the data message has it.
  Bytes inner = makePacket({});
  inner[0] = 0x75;
  const auto half = static_cast<uint16_t>(inner.size() / 2);
  for (uint8_t i = 0; i < 2; i++) {
    Bytes frame = piece(i, static_cast<uint16_t>(half * 2), half, half, 0);
    std::copy(inner.begin() + i * half, inner.begin() + (i + 1) * half, frame.begin() + 8);
    opener.receive({opener.sealed(frame, counter++)});
  }
  while (opener.turn()) {
  }
  CHECK_EQUAL(opener.drain(), 0);
  CHECK_EQUAL(cell<double>(opener.peer(), layout::peer_rejectedPacketsAt), 1);
  CHECK(cell<double>(opener.peer(), layout::peer_lastDataReceivedAt) > 0);
}

}  // namespace
}  // namespace hawser
