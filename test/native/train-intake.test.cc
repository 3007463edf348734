// TrainIntake: what waits is looked at, sealed, put by and released, and a train that kills its reader is found out.
#include <cerrno>

#include "support/check.h"
#include "support/memory.h"
#include "support/packets.h"
#include "sys/train_intake.h"

namespace hawser {
namespace {
using namespace test;

class Bench {
 public:
  explicit Bench(uint32_t linkBytes = 1 << 16) : link(linkBytes) {
    sessions_.install(0, 5, 3);
    producer_ = link.producer();
    tun_ = plain_.producer();
  }

  void offer(const Bytes& packet, const VnetHeader& header = {}) {
    const uint32_t bytes = static_cast<uint32_t>(layout::train_packetAt) + static_cast<uint32_t>(packet.size());
    uint8_t* record = tun_.claim(bytes + 16);
    CHECK(record != nullptr);
    std::memset(record, 0, static_cast<size_t>(layout::train_packetAt));
    std::memcpy(record + layout::train_vnetAt, &header, sizeof header);
    std::memcpy(record + layout::train_packetAt, packet.data(), packet.size());
    cell<uint32_t>(record, layout::train_lengthAt) = static_cast<uint32_t>(packet.size());
    tun_.commit(bytes + 16, layout::recordType_train);
    tun_.publish();
  }

  // A successor of the one before, over the same memory.
  TrainIntake intake() {
    TrainIntake::Parts parts;
    parts.plain = plain_.consumer();
    parts.allowedIps = AllowedIps(everybody_.get());
    parts.stash = stash.get();
    parts.facts = facts;
    return TrainIntake(parts, sealer_);
  }

  void begin() { CHECK_EQUAL(sealer_.open({0, 0, 2, 1420, 1.0}, &producer_), 0); }
  uint64_t nextCounter() { return cell<uint64_t>(sessions_.table().slot(0), layout::session_sendCounterAt); }

  RingMemory link;
  Block stash{1 << 18};
  TrainFacts facts[TrainIntake::kMaxTrains];

 private:
  Sealer::Parts parts() {
    Sealer::Parts parts;
    parts.log = log_.log();
    parts.sessions = sessions_.table();
    parts.maxFecBytes = 1412;
    return parts;
  }

  SessionMemory sessions_{2, 128};
  LogMemory log_{1 << 20};
  RingMemory plain_{1 << 18};
  EverybodyMemory everybody_;
  Sealer sealer_{parts()};
  RingProducer producer_;
  RingProducer tun_;
};

Shape tcp(uint32_t payloadBytes) {
  Shape shape;
  shape.payloadBytes = payloadBytes;
  return shape;
}

TEST("look() gives facts about what waits, and again about what was not released") {
  Bench bench;
  TrainIntake intake = bench.intake();
  CHECK_EQUAL(intake.look(16), 0u);
  bench.offer(makePacket(tcp(100)));
  bench.offer(makePacket(tcp(900)));
  CHECK_EQUAL(intake.look(16), 2u);
  CHECK_EQUAL(bench.facts[0].payloadBytes, 100);
  CHECK_EQUAL(bench.facts[1].payloadBytes, 900);
  CHECK_EQUAL(bench.facts[1].peer, 0);
  intake.release(1);
  CHECK_EQUAL(intake.look(16), 1u);
  CHECK_EQUAL(bench.facts[0].payloadBytes, 900);
  intake.release(1);
  CHECK_EQUAL(intake.look(16), 0u);
}

TEST("seal() goes through trains until the budget ends, and on from there") {
  Bench bench;
  TrainIntake intake = bench.intake();
  const Shape large = tcp(3000);
  bench.offer(makePacket(large), gsoHeader(large, 1000));
  bench.offer(makePacket(tcp(10)));
  CHECK_EQUAL(intake.look(16), 2u);
  CHECK_EQUAL(bench.facts[0].segments, 3);
  bench.begin();
  CHECK_EQUAL(intake.seal(0, 2, 2), 2);
  CHECK_EQUAL(bench.facts[0].progress, 2);
  CHECK_EQUAL(intake.seal(0, 2, 100), 2);
  CHECK_EQUAL(bench.facts[0].progress, 3);
  CHECK_EQUAL(bench.facts[1].progress, 1);
  CHECK_EQUAL(bench.nextCounter(), 4u);
  intake.release(2);
  CHECK_EQUAL(intake.look(16), 0u);
}

TEST("a train that makes no sense is done with, and those behind it are sealed") {
  Bench bench;
  TrainIntake intake = bench.intake();
  VnetHeader wrong = gsoHeader(tcp(3000), 1000);
  wrong.gsoBytes = 0;
  bench.offer(makePacket(tcp(3000)), wrong);
  bench.offer(makePacket(tcp(10)));
  CHECK_EQUAL(intake.look(16), 2u);
  bench.begin();
  CHECK_EQUAL(intake.seal(0, 2, 100), 1);
  CHECK(bench.facts[0].progress >= bench.facts[0].segments);
  CHECK_EQUAL(bench.facts[1].progress, 1);
}

TEST("seal() says that the link's ring is full when not even one segment found room") {
  Bench bench(1 << 10);
  TrainIntake intake = bench.intake();
  bench.begin();
  for (int round = 0; round < 1000; round++) {
    // Of another size each time, so that none joins the descriptor before it.
    bench.offer(makePacket(tcp(10 + 16 * static_cast<uint32_t>(round % 40))));
    CHECK_EQUAL(intake.look(1), 1u);
    const int sealed = intake.seal(0, 1, 1);
    if (sealed < 0) {
      CHECK_EQUAL(sealed, -ENOSPC);
      return;
    }
    intake.release(1);
  }
  CHECK(false);
}

TEST("what is put by is sealed from the stash, in parts, given up or marked there") {
  Bench bench;
  TrainIntake intake = bench.intake();
  const Shape large = tcp(3000);
  bench.offer(makePacket(large), gsoHeader(large, 1000));
  bench.offer(makePacket(tcp(10)));
  Shape marked = tcp(20);
  marked.trafficClass = 2;
  bench.offer(makePacket(marked));
  CHECK_EQUAL(intake.look(16), 3u);
  constexpr uint32_t kFirst = 0, kSecond = 1 << 16, kThird = 1 << 17;
  CHECK_EQUAL(intake.putBy(0, kFirst), static_cast<uint32_t>(makePacket(large).size()));
  intake.putBy(1, kSecond);
  intake.putBy(2, kThird);
  CHECK(intake.isSameConnection(0, kSecond));
  CHECK(!intake.markCongestion(kSecond));
  CHECK(intake.markCongestion(kThird));
  intake.release(3);
  CHECK_EQUAL(intake.look(16), 0u);
  CHECK_EQUAL(intake.segmentsLeft(kFirst), 3u);
  CHECK(intake.skipSegment(kFirst));
  bench.begin();
  CHECK_EQUAL(intake.sealStashed(kFirst, 1), 1);
  CHECK_EQUAL(intake.segmentsLeft(kFirst), 1u);
  CHECK(!intake.skipSegment(kFirst));
  CHECK_EQUAL(intake.sealStashed(kFirst, 100), 1);
  CHECK_EQUAL(intake.segmentsLeft(kFirst), 0u);
  CHECK_EQUAL(intake.sealStashed(kSecond, 100), 1);
}

TEST("after a death in mid-batch trains are looked at one by one, and the one that kills is passed over") {
  Bench bench;
  for (uint32_t bytes : {100u, 200u, 300u, 400u}) bench.offer(makePacket(tcp(bytes)));
  {
    TrainIntake victim = bench.intake();
    CHECK_EQUAL(victim.look(16), 4u);
  }
  {
    // Nobody knows yet which of the four it was.
    TrainIntake victim = bench.intake();
    CHECK_EQUAL(victim.look(16), 1u);
    victim.release(1);
    CHECK_EQUAL(victim.look(16), 1u);
    CHECK_EQUAL(bench.facts[0].payloadBytes, 200);
  }
  {
    // Once may be chance.
    TrainIntake victim = bench.intake();
    CHECK_EQUAL(victim.look(16), 1u);
    CHECK_EQUAL(bench.facts[0].payloadBytes, 200);
  }
  TrainIntake intake = bench.intake();
  CHECK_EQUAL(intake.look(16), 1u);
  CHECK_EQUAL(bench.facts[0].payloadBytes, 300);
  intake.release(1);
  CHECK_EQUAL(intake.look(16), 1u);
  CHECK_EQUAL(bench.facts[0].payloadBytes, 400);
}

}  // namespace
}  // namespace hawser
