// Order of packets that came by several paths, against an oracle that keeps sets of counters.
#include <algorithm>
#include <map>
#include <set>

#include "support/open_bench.h"
#include "sys/reorder_class.h"

namespace hawser {
namespace {
using namespace test;

// The counter is the source port (less what keeps it from being 53), so that it can be told from what comes out. Large ones wait for those before them.
Bytes packetOf(uint64_t counter, bool isLarge) {
  Shape shape;
  shape.tcp = false;
  shape.sourcePort = static_cast<uint16_t>(counter + OpenBench::kFirstPort);
  shape.payloadBytes = isLarge ? 400 : 100;
  shape.seed = static_cast<uint32_t>(counter);
  return makePacket(shape);
}

// A bench whose peer has two paths and says that it uses them.
struct Bond : OpenBench {
  explicit Bond(uint32_t outBytes = 1 << 20) : OpenBench(outBytes) {
    allowPaths();
    addPath(0, 0, 1);
    addPath(1, 1, 2);
  }
  bool arrive(uint64_t counter, bool isLarge = true) { return receive({sealed(packetOf(counter, isLarge), counter)}); }
  void turns() {
    while (turn() && result.stalled == 0) {
    }
  }
};

class Oracle {
 public:
  void arrive(uint64_t counter, bool waits) {
    if (counter < head_ || !waits) out.push_back(static_cast<uint32_t>(counter));
    if (counter < head_) return;
    come_[counter] = waits;
    release();
  }
  bool isGapped() const { return !come_.empty(); }
  void giveUp() {
    if (come_.empty()) return;
    head_ = come_.begin()->first;
    release();
  }
  uint64_t head() const { return head_; }
  std::vector<uint32_t> out;

 private:
  void release() {
    for (auto first = come_.begin(); first != come_.end() && first->first == head_; first = come_.erase(first), head_++) {
      if (first->second) out.push_back(static_cast<uint32_t>(first->first));
    }
  }
  uint64_t head_ = 0;
  std::map<uint64_t, bool> come_;
};

TEST("Reorder delivers what overtook others after them, and each packet once") {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Random random(seed);
    Bond bond;
    Oracle oracle;
    // Counters in the order in which they come: each is thrown up to `skew` places back; some are lost.
    const uint32_t skew = random.between(1, 150);
    std::vector<std::pair<uint32_t, uint64_t>> order;
    for (uint32_t counter = 0; counter < 1500; counter++) {
      if (seed % 2 == 0 && random.chance(30)) continue;
      order.push_back({counter + random.below(skew), counter});
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<uint32_t> delivered;
    for (const auto& [place, counter] : order) {
      const bool isLarge = !random.chance(6);
      CHECK(bond.arrive(counter, isLarge));
      oracle.arrive(counter, isLarge);
      bond.nowUs += 10;
      if (random.chance(3)) {
        bond.turns();
        CHECK_EQUAL(bond.gap().slot < 0, !oracle.isGapped());
        if (oracle.isGapped()) CHECK_EQUAL(bond.gap().missing, oracle.head());
        if (seed % 2 == 0 && random.chance(20)) {
          CHECK(bond.giveUp(0));
          oracle.giveUp();
        }
        for (const uint32_t port : bond.drainPorts()) delivered.push_back(port);
      }
    }
    bond.turns();
    while (oracle.isGapped()) {
      oracle.giveUp();
      CHECK(bond.giveUp(0));
    }
    for (const uint32_t port : bond.drainPorts()) delivered.push_back(port);
    CHECK(delivered == oracle.out);
    CHECK_EQUAL(delivered.size(), order.size());
    CHECK_EQUAL(bond.gap().slot, -1);
    CHECK_EQUAL(cell<int32_t>(bond.peer(), layout::peer_heldPacketsAt), 0);
    CHECK_EQUAL(bond.total.replayed, 0);
    if (hopeless()) return;
  }
}

TEST("Reorder keeps what is held while the output is full, and loses nothing of it") {
  Random random(5);
  Bond bond(1 << 18);
  std::set<uint32_t> delivered;
  uint64_t counter = 0;
  bool stalled = false;
  for (int round = 0; round < 150; round++) {
    // A block that comes back to front, so that all of it is ready at once.
    const uint64_t end = counter + random.between(2, 60);
    for (uint64_t one = end; one > counter; one--) CHECK(bond.arrive(one - 1));
    counter = end;
    bond.turns();
    stalled = stalled || bond.result.stalled != 0 || bond.gap().isReady == 1;
    if (!random.chance(3)) continue;
    for (int i = 0; i < 1000 && (bond.waiting() != 0 || bond.gap().slot >= 0); i++) {
      for (const uint32_t port : bond.drainPorts()) CHECK(delivered.insert(port).second);
      if (bond.gap().slot >= 0) bond.giveUp(0);
      bond.turns();
    }
    for (const uint32_t port : bond.drainPorts()) CHECK(delivered.insert(port).second);
  }
  for (int i = 0; i < 1000 && (bond.waiting() != 0 || bond.gap().slot >= 0); i++) {
    for (const uint32_t port : bond.drainPorts()) CHECK(delivered.insert(port).second);
    if (bond.gap().slot >= 0) bond.giveUp(0);
    bond.turns();
  }
  for (const uint32_t port : bond.drainPorts()) CHECK(delivered.insert(port).second);
  CHECK(stalled);
  CHECK_EQUAL(delivered.size(), counter);
}

TEST("Reorder is bounded: the oldest gap is given up for room, and a far counter for the window") {
  Bond bond(1 << 24);
  std::vector<uint32_t> delivered;
  const auto drain = [&] {
    for (const uint32_t port : bond.drainPorts()) delivered.push_back(port);
  };
  // Counter 0 is missing, and so is 5000.
  for (uint64_t counter = 1; counter < 10'000; counter++) {
    if (counter == 5000) continue;
    CHECK(bond.arrive(counter));
    bond.turns();
    drain();
  }
  CHECK_EQUAL(delivered.size(), 4999);
  CHECK_EQUAL(bond.gap().missing, 5000);
  CHECK(bond.gap().held <= HoldPool::kPackets);
  CHECK_EQUAL(cell<double>(bond.peer(), layout::peer_givenUpPacketsAt), 1);
  bond.arrive(5000 + Lane::kWindow + 100);
  bond.turns();
  drain();
  CHECK_EQUAL(delivered.size(), 9998);
  CHECK_EQUAL(bond.gap().held, 1);
  bond.arrive(1'000'000);
  bond.turns();
  drain();
  CHECK_EQUAL(delivered.size(), 10'000);
  CHECK_EQUAL(bond.gap().slot, -1);
  CHECK(std::is_sorted(delivered.begin(), delivered.begin() + 9998));
}

TEST("Reorder believes no forged counter") {
  Bond bond;
  bond.arrive(0);
  bond.turns();
  for (const uint64_t counter : {uint64_t{5}, uint64_t{20'000}, uint64_t{1} << 40}) {
    Bytes forged = bond.sealed(packetOf(counter, true), counter);
    forged[60] ^= 1;
    bond.receive({forged});
    bond.turns();
    CHECK_EQUAL(bond.gap().slot, -1);
  }
  bond.arrive(1);
  bond.arrive(3);
  bond.turns();
  CHECK_EQUAL(bond.gap().missing, 2);
  CHECK_EQUAL(bond.drain(), 2);
}

TEST("Reorder holds nothing for a peer with one path, or of a session without paths") {
  OpenBench lone;
  lone.allowPaths();
  lone.addPath(0, 0, 1);
  lone.addPath(1, 0, 2);
  cell<int32_t>(lone.path(1), layout::path_stateAt) = layout::pathState_standby;
  OpenBench stock;
  stock.addPath(0, 0, 1);
  stock.addPath(1, 1, 2);
  for (OpenBench* bench : {&lone, &stock}) {
    for (const uint64_t counter : {3, 1, 0, 2}) bench->receive({bench->sealed(packetOf(counter, true), counter)});
    while (bench->turn()) {
    }
    CHECK(bench->drainPorts() == (std::vector<uint32_t>{3, 1, 0, 2}));
    CHECK_EQUAL(bench->gaps[0], 0);
  }
}

TEST("Reorder begins with what comes next when a second path appears, and ends when the last gap closes") {
  Bond bond;
  cell<int32_t>(bond.path(1), layout::path_stateAt) = layout::pathState_free;
  for (const uint64_t counter : {5, 3}) bond.arrive(counter);
  bond.turns();
  CHECK_EQUAL(bond.drain(), 2);
  cell<int32_t>(bond.path(1), layout::path_stateAt) = layout::pathState_up;
  bond.bumpPaths();
  for (const uint64_t counter : {4, 7}) bond.arrive(counter);
  bond.turns();
  CHECK(bond.drainPorts() == (std::vector<uint32_t>{4}));
  CHECK_EQUAL(bond.gap().missing, 6);
  cell<int32_t>(bond.path(1), layout::path_stateAt) = layout::pathState_down;
  bond.bumpPaths();
  for (const uint64_t counter : {8, 6, 10}) bond.arrive(counter);
  bond.turns();
  CHECK(bond.drainPorts() == (std::vector<uint32_t>{6, 7, 8, 10}));
}

// SKIP: `count` counters from `first` on.
Bytes skipFrame(uint64_t first, uint32_t count) {
  Bytes frame(layout::skip_bytes);
  frame[1] = layout::controlKind_skip;
  std::memcpy(&frame[layout::skip_countAt], &count, sizeof count);
  std::memcpy(&frame[layout::skip_firstAt], &first, sizeof first);
  return frame;
}

// How far the order has come when packet 0, which was awaited all the time, arrives after `frames` frames that skip all there is.
uint64_t skippedBy(uint32_t frames, double spacingUs) {
  Bond bond;
  const uint64_t beyond = 12'000;
  uint64_t first = 1;
  for (uint32_t i = 0; i < frames; i++) {
    bond.receive({bond.sealed(skipFrame(first, UINT32_MAX), beyond + i)});
    bond.turns();
    bond.nowUs += spacingUs;
    first += SkipBudget::kMostAFrame;
  }
  bond.arrive(0);
  bond.turns();
  return static_cast<uint64_t>(bond.gap().missing);
}

TEST("Reorder skips so many counters for a frame and so many a second, and no more, whatever a peer says") {
  CHECK_EQUAL(skippedBy(1, 0), 1 + SkipBudget::kMostAFrame);
  CHECK_EQUAL(skippedBy(16, 0), 1 + static_cast<uint64_t>(SkipBudget::kBurst));
  CHECK_EQUAL(skippedBy(40, 0), 1 + static_cast<uint64_t>(SkipBudget::kBurst));
  // In 100 ms a tenth of the second's share comes to the burst.
  const uint64_t later = skippedBy(42, 100'000.0 / 41);
  CHECK(later > 10'000 && later < 11'000);
  SkipBudget budget;
  uint64_t steps = 0;
  for (uint32_t frame = 0; frame < 1'000'000; frame++) steps += budget.take(UINT32_MAX, 1 + frame);
  CHECK(steps <= static_cast<uint64_t>(SkipBudget::kBurst + SkipBudget::kPerSecond) + 1);
}

// How many looks find the first counter that has come behind a gap of so many.
uint32_t looksOver(uint64_t from, uint64_t gap) {
  Lane lane;
  lane.marks = std::make_unique<int16_t[]>(Lane::kWindow);
  std::fill_n(lane.marks.get(), Lane::kWindow, Lane::kMissing);
  lane.head = from;
  lane.end = from + gap + 1;
  lane.mark(from + gap) = Lane::kPassed;
  uint32_t looks = 0;
  CHECK_EQUAL(lane.firstCome(looks), from + gap);
  return looks;
}

TEST("Reorder gives up a whole window in a sixteenth of the looks") {
  for (const uint64_t from : {uint64_t{0}, uint64_t{7}, uint64_t{Lane::kWindow - 3}, uint64_t{1} << 40}) {
    CHECK_EQUAL(looksOver(from, 1), 2);
    // At most 15 marks before the first block, and 15 behind the last.
    CHECK(looksOver(from, Lane::kWindow - 2) <= Lane::kWindow / 16 + 32);
  }
}

TEST("Reorder does not wait for control frames that were announced, nor learns from those that were not") {
  Bond bond;
  bond.arrive(0);
  bond.arrive(2);
  bond.turns();
  CHECK_EQUAL(bond.drain(), 1);
  bond.receive({bond.sealed(skipFrame(1, 1), 3)});
  bond.turns();
  CHECK_EQUAL(bond.drain(), 1);
  CHECK_EQUAL(bond.gap().slot, -1);
  bond.receive({bond.sealed({0, 5, 0, 0}, 1)});
  bond.turns();
  CHECK_EQUAL(bond.total.replayed, 0);
  CHECK_EQUAL(bond.lateness[0], 0);
  // A control frame fills a gap; then a packet does, after 300 us; then one that was given up comes, after 700.
  bond.arrive(5);
  bond.receive({bond.sealed({0, 5, 0, 0}, 4)});
  bond.turns();
  CHECK_EQUAL(bond.drain(), 1);
  CHECK_EQUAL(bond.lateness[0], 0);
  bond.arrive(7);
  bond.turns();
  bond.nowUs += 300;
  bond.arrive(6);
  bond.arrive(9);
  bond.turns();
  CHECK_EQUAL(bond.drain(), 2);
  CHECK_EQUAL(bond.lateness[0], 1);
  CHECK_EQUAL(bond.lateness[2], 300);
  CHECK_EQUAL(bond.lateness[3], 0);
  bond.nowUs += 400;
  bond.giveUp(0);
  bond.nowUs += 300;
  bond.arrive(8);
  bond.turns();
  CHECK(bond.drainPorts() == (std::vector<uint32_t>{9, 8}));
  CHECK_EQUAL(bond.lateness[0], 2);
  CHECK_EQUAL(bond.lateness[5], 700);
  CHECK_EQUAL(bond.lateness[6], 1);
}

TEST("Reorder forgets what an earlier life of a slot held") {
  Bond bond;
  bond.arrive(0);
  bond.arrive(2);
  bond.turns();
  CHECK_EQUAL(bond.drain(), 1);
  bond.renewSlot();
  bond.arrive(0);
  bond.arrive(1);
  bond.turns();
  CHECK(bond.drainPorts() == (std::vector<uint32_t>{0, 1}));
  CHECK_EQUAL(cell<int32_t>(bond.peer(), layout::peer_heldPacketsAt), 0);
  CHECK_EQUAL(bond.gaps[0], 0);
}

TEST("keepsOrder() lets pass what people wait for") {
  const auto keeps = [](Shape shape) {
    const Bytes packet = makePacket(shape);
    return keepsOrder(packet.data(), static_cast<uint32_t>(packet.size()));
  };
  for (const int version : {4, 6}) {
    Shape tcp;
    tcp.version = version;
    CHECK(keeps(tcp));
    Shape pureAck = tcp;
    pureAck.payloadBytes = 0;
    CHECK(!keeps(pureAck));
    for (const uint8_t flag : {0x01, 0x02, 0x04}) {
      Shape edge = pureAck;
      edge.flags |= flag;
      CHECK(keeps(edge));
    }
    Shape udp = tcp;
    udp.tcp = false;
    udp.payloadBytes = 1000;
    CHECK(keeps(udp));
    Shape dns = udp;
    dns.sourcePort = 53;
    CHECK(!keeps(dns));
    Shape voice = udp;
    voice.trafficClass = 46 << 2;
    CHECK(!keeps(voice));
    Shape game = udp;
    game.payloadBytes = 200;
    CHECK(!keeps(game));
    Bytes icmp = makePacket(udp);
    icmp[version == 4 ? 9 : 6] = version == 4 ? 1 : 58;
    CHECK(!keepsOrder(icmp.data(), static_cast<uint32_t>(icmp.size())));
  }
}

}  // namespace
}  // namespace hawser
