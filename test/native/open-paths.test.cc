// What the opener says about paths: which one brought what, who is told of control frames, and what a REPORT holds.
#include <set>

#include "support/open_bench.h"

namespace hawser {
namespace {
using namespace test;

uint32_t records(RingConsumer& ring, int32_t type) {
  uint32_t count = 0;
  for (; ring.peek() != nullptr; ring.advance()) count += ring.type() == type ? 1 : 0;
  ring.release();
  return count;
}

TEST("Opener books each run on the path it came by, and tells of unknown ones once a millisecond") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(5, 1, 2);
  const Bytes inner = makePacket(Shape{});
  bench.from(1, 2, 5e6);
  bench.receive({bench.sealed(inner, 0), bench.sealed(inner, 7), bench.sealed(inner, 3)});
  bench.from(0, 1);
  bench.receive({bench.sealed(inner, 4)});
  bench.turn();
  CHECK_EQUAL(cell<double>(bench.path(5), layout::path_receivedPacketsAt), 3);
  CHECK_EQUAL(cell<double>(bench.path(5), layout::path_receivedBytesAt), 3 * (inner.size() + 32));
  CHECK_EQUAL(cell<uint64_t>(bench.path(5), layout::path_largestAt), 7);
  CHECK_EQUAL(cell<double>(bench.path(5), layout::path_largestTimeUsAt), 5e6);
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedPacketsAt), 1);
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 0);

  uint64_t counter = 100;
  for (int i = 0; i < 10; i++, bench.nowUs += 250) {
    bench.from(1, 1);  // the endpoint of one path by the link of the other
    bench.receive({bench.sealed(inner, counter++)});
    bench.turn();
  }
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 3);
  CHECK_EQUAL(cell<uint64_t>(bench.path(5), layout::path_largestAt), 7);
}

TEST("Opener tells two paths apart that differ by their transport alone") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 1, 1);
  bench.addPath(1, 1, 1, layout::transport_test);
  const Bytes inner = makePacket(Shape{});
  bench.from(1, 1);
  uint64_t counter = 0;
  for (const int64_t transport : {layout::transport_test, layout::transport_udp, layout::transport_test, int64_t{3}}) {
    bench.by(static_cast<int32_t>(transport));
    bench.receive({bench.sealed(inner, counter++)});
    bench.turn();
  }
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedPacketsAt), 1);
  CHECK_EQUAL(cell<double>(bench.path(1), layout::path_receivedPacketsAt), 2);
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 1);
}

TEST("Opener compares an endpoint that is no address by all its bytes") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  constexpr uint16_t kNoFamily = 257;
  cell<uint16_t>(bench.path(0), layout::path_endpointAt) = kNoFamily;
  const Bytes inner = makePacket(Shape{});
  bench.from(0, 1);
  bench.ofKind(kNoFamily);
  bench.receive({bench.sealed(inner, 0)});
  bench.turn();
  bench.path(0)[layout::path_endpointAt + layout::endpoint_bytes - 1] = 1;
  bench.receive({bench.sealed(inner, 1)});
  bench.turn();
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedPacketsAt), 1);
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 1);
}

TEST("Opener takes what comes to another address of ours than the path leaves from for another path") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(1, 0, 1);
  bench.path(0)[layout::path_localAt] = 10;
  bench.path(1)[layout::path_localAt] = 20;
  const Bytes inner = makePacket(Shape{});
  bench.from(0, 1);
  uint64_t counter = 0;
  for (const uint8_t local : {10, 20, 20, 30}) {
    bench.to(local);
    bench.receive({bench.sealed(inner, counter++)});
    bench.turn();
  }
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedPacketsAt), 1);
  CHECK_EQUAL(cell<double>(bench.path(1), layout::path_receivedPacketsAt), 2);
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 1);
}

TEST("Opener tells where a peer that knows no paths is heard, be it on a path or not") {
  OpenBench bench;
  bench.addPath(0, 0, 1);
  bench.addPath(1, 1, 2);
  const Bytes inner = makePacket(Shape{});
  bench.from(0, 1);
  bench.receive({bench.sealed(inner, 0)});
  bench.turn();
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 0);
  bench.from(1, 2);
  bench.receive({bench.sealed(inner, 1)});
  bench.turn();
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 1);
  CHECK_EQUAL(bench.unreported[0], 0);
}

TEST("Opener hands each kind of control frame to the one whose business it is") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(3, 0, 1);
  std::vector<Bytes> datagrams;
  for (uint8_t kind = 0; kind < 9; kind++) datagrams.push_back(bench.sealed({0, kind, 9, 9}, kind));
  bench.receive(datagrams);
  bench.turn();
  std::set<int> toManager, toSealer;
  int keysUsed = 0;
  for (uint8_t* at = bench.events.peek(); at != nullptr; bench.events.advance(), at = bench.events.peek()) {
    if (bench.events.type() == layout::recordType_keysUsed) {
      CHECK_EQUAL(cell<int32_t>(at, 0), 0);
      keysUsed += 1;
      continue;
    }
    toManager.insert(at[layout::frame_payloadAt + 1]);
    CHECK_EQUAL(cell<int32_t>(at, layout::frame_pathAt), 3);
  }
  for (uint8_t* at = bench.heard.peek(); at != nullptr; bench.heard.advance(), at = bench.heard.peek()) {
    toSealer.insert(at[layout::frame_payloadAt + 1]);
    CHECK_EQUAL(bench.heard.type(), layout::recordType_frameIn);
    CHECK_EQUAL(cell<int32_t>(at, layout::frame_pathAt), 3);
    CHECK_EQUAL(cell<int32_t>(at, layout::frame_slotAt), 0);
  }
  // Of nine packets under these keys the first.
  CHECK_EQUAL(keysUsed, 1);
  CHECK(toManager == (std::set<int>{1, 3, 4}));
  CHECK(toSealer == (std::set<int>{2, 5, 6}));
  CHECK_EQUAL(bench.total.parity, 1);
  CHECK_EQUAL(bench.unreported[0], 0);
}

// A REPORT, read the plain way.
struct ReadReport {
  uint64_t next = 0;
  uint32_t words = 0;
  std::vector<uint64_t> bitmap;
  std::set<uint32_t> paths;

  bool has(uint64_t counter) const {
    const uint64_t back = next - 1 - counter;
    return counter < next && back / 64 < words && (bitmap[back / 64] >> (back % 64) & 1) != 0;
  }
  bool covers(uint64_t counter) const { return counter < next && (next - 1 - counter) / 64 < words; }
};

ReadReport takeReport(OpenBench& bench, int32_t path = layout::framePath_two) {
  ReadReport read;
  uint8_t* at = bench.reports.peek();
  CHECK(at != nullptr);
  if (at == nullptr) return read;
  CHECK_EQUAL(bench.reports.type(), layout::recordType_frameOut);
  CHECK_EQUAL(cell<int32_t>(at, layout::frame_pathAt), path);
  CHECK_EQUAL(cell<int32_t>(at, layout::frame_slotAt), -1);
  const uint8_t* frame = at + layout::frame_payloadAt;
  CHECK_EQUAL(frame[1], 2);
  CHECK_EQUAL(readLe32(frame + layout::report_receiverIndexAt), kIndex);
  read.next = readLe64(frame + layout::report_nextAt);
  read.words = readLe32(frame + layout::report_wordsAt);
  const uint32_t sections = frame[layout::report_sectionsAt];
  for (uint32_t i = 0; i < sections; i++) {
    const uint8_t* section = frame + layout::report_headerBytes + i * layout::report_sectionBytes;
    const uint32_t number = readLe32(section + layout::report_backAt) >> 24;
    read.paths.insert(number);
    CHECK_EQUAL(read.next - 1 - (readLe32(section) & 0xffffff), cell<uint64_t>(bench.path(static_cast<int32_t>(number)), layout::path_largestAt));
    CHECK_EQUAL(readLe32(section + layout::report_packetsAt), cell<double>(bench.path(static_cast<int32_t>(number)), layout::path_receivedPacketsAt));
  }
  const uint8_t* words = frame + layout::report_headerBytes + sections * layout::report_sectionBytes;
  const uint8_t* word = words + (read.words + 7) / 8;
  for (uint32_t i = 0; i < read.words; i++) {
    const bool isSpelt = (words[i / 8] >> (i % 8) & 1) != 0;
    read.bitmap.push_back(isSpelt ? readLe64(word) : ~uint64_t{0});
    if (isSpelt) word += 8;
  }
  CHECK_EQUAL(readLe32(at + layout::frame_lengthAt), static_cast<size_t>(word - frame));
  bench.reports.advance();
  bench.reports.release();
  return read;
}

TEST("report() says of every counter whether it arrived, and reaches back over one lost report") {
  Random random(31);
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(9, 1, 2);
  const Bytes inner = makePacket(Shape{});
  std::set<uint64_t> arrived;
  std::vector<uint64_t> late;
  std::vector<uint64_t> sinceLast, sinceBefore;
  std::set<uint32_t> paths, pathsBefore;
  uint64_t counter = 0;
  for (int round = 0; round < 300; round++) {
    bench.from(round % 2, static_cast<uint8_t>(1 + round % 2), 1e9 + round);
    const size_t arrivedBefore = arrived.size();
    const uint32_t count = random.between(1, 60);
    for (uint32_t i = 0; i < count; i++, counter++) {
      if (random.chance(5)) {
        late.push_back(counter);
        continue;
      }
      bench.receive({bench.sealed(inner, counter)});
      arrived.insert(counter);
      sinceLast.push_back(counter);
    }
    while (!late.empty() && counter - late.front() > 200) {
      if (random.chance(2)) {
        bench.receive({bench.sealed(inner, late.front())});
        arrived.insert(late.front());
        sinceLast.push_back(late.front());
      }
      late.erase(late.begin());
    }
    if (arrived.size() != arrivedBefore) paths.insert(round % 2 == 0 ? 0 : 9);
    while (bench.turn()) bench.drain();
    if (bench.unreported[0] == 0) continue;
    CHECK(bench.report(0) > 0);
    CHECK_EQUAL(bench.unreported[0], 0);
    const ReadReport read = takeReport(bench);
    CHECK_EQUAL(read.next, *arrived.rbegin() + 1);
    CHECK(read.words >= 4);
    for (uint64_t back = 0; back < read.words * 64 && back < read.next; back++) {
      const uint64_t one = read.next - 1 - back;
      CHECK(read.has(one) == (arrived.count(one) != 0));
    }
    for (const uint64_t one : sinceLast) CHECK(read.covers(one));
    for (const uint64_t one : sinceBefore) CHECK(read.covers(one));
    pathsBefore.insert(paths.begin(), paths.end());
    CHECK(read.paths == pathsBefore);
    pathsBefore.swap(paths);
    paths.clear();
    sinceBefore.swap(sinceLast);
    sinceLast.clear();
    if (hopeless()) return;
  }
}

TEST("Opener reports at once by a path that stands by when the peer asks by it while it sends by another") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(9, 1, 2);
  const Bytes probe = {0, layout::controlKind_probe, 9, 9};
  const auto ask = [&](int carrier, uint64_t counter) {
    bench.from(carrier, static_cast<uint8_t>(1 + carrier), 1e9);
    bench.receive({bench.sealed(probe, counter)});
    while (bench.turn()) bench.drain();
    return bench.reports.peek() != nullptr;
  };
  bench.nowUs = 1e6;
  cell<int32_t>(bench.path(9), layout::path_stateAt) = layout::pathState_standby;
  CHECK(!ask(1, 0));
  bench.from(0, 1, 1e9);
  bench.receive({bench.sealed(makePacket(Shape{}), 1)});
  while (bench.turn()) bench.drain();
  CHECK(!ask(0, 2));
  CHECK(ask(1, 3));
  const ReadReport read = takeReport(bench, 9);
  CHECK(read.has(1));
  CHECK(read.paths.count(0) == 1);
  // The path may be blocked in that direction: what is due by two paths is due all the same, and reaches back as far.
  CHECK_EQUAL(bench.unreported[0], 1);
  CHECK(bench.report(0) > 0);
  const ReadReport due = takeReport(bench);
  CHECK(due.has(1));
  CHECK(due.paths.count(0) == 1 && due.paths.count(9) == 1);
  CHECK_EQUAL(bench.unreported[0], 0);
  cell<double>(bench.peer(), layout::peer_lastDataReceivedAt) = -1e9;
  CHECK(!ask(1, 4));
}

TEST("report() counts the bytes of a path until its largest counter came, whatever came later") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  const Bytes inner = makePacket(Shape{});
  const auto datagramBytes = static_cast<double>(inner.size() + 32);
  const auto tell = [&](std::vector<uint64_t> counters, double kernelUs) {
    bench.from(0, 1, kernelUs);
    for (const uint64_t counter : counters) bench.receive({bench.sealed(inner, counter)});
    bench.turn();
  };
  const auto section = [&](size_t at) {
    CHECK(bench.report(0) > 0);
    const uint8_t* frame = bench.reports.peek() + layout::frame_payloadAt;
    const uint32_t value = readLe32(frame + layout::report_headerBytes + at);
    bench.reports.advance();
    bench.reports.release();
    return value;
  };
  tell({8, 9, 10}, 1e6);
  tell({3, 4}, 2e6);
  CHECK_EQUAL(section(layout::report_bytesAt), 3 * datagramBytes);
  tell({5}, 3e6);
  CHECK_EQUAL(section(layout::report_arrivalAt), 1e6);
  tell({11}, 4e6);
  CHECK_EQUAL(section(layout::report_bytesAt), 7 * datagramBytes);
}

TEST("report() speaks only of paths that brought something since the last two") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(1, 1, 2);
  const Bytes inner = makePacket(Shape{});
  uint64_t counter = 0;
  std::vector<size_t> sections;
  for (int round = 0; round < 5; round++) {
    bench.from(0, 1);
    bench.receive({bench.sealed(inner, counter++)});
    bench.from(1, 2);
    if (round == 1) bench.receive({bench.sealed(inner, counter++)});
    bench.turn();
    bench.report(0);
    sections.push_back(takeReport(bench).paths.size());
  }
  CHECK(sections == (std::vector<size_t>{1, 2, 2, 1, 1}));
}

TEST("report() tells of all paths in turn when more bring data than one report has room for") {
  OpenBench bench;
  bench.allowPaths();
  for (int32_t row = 0; row < layout::path_mostPerPeer; row++) bench.addPath(row, 0, static_cast<uint8_t>(row + 1));
  const Bytes inner = makePacket(Shape{});
  std::set<uint32_t> told;
  uint64_t counter = 0;
  for (int round = 0; round < 2; round++) {
    for (int32_t row = 0; row < layout::path_mostPerPeer; row++) {
      bench.from(0, static_cast<uint8_t>(row + 1));
      bench.receive({bench.sealed(inner, counter++)});
      bench.turn();
    }
    bench.report(0);
    const ReadReport report = takeReport(bench);
    CHECK_EQUAL(report.paths.size(), layout::report_maxSections);
    told.insert(report.paths.begin(), report.paths.end());
  }
  CHECK_EQUAL(told.size(), layout::path_mostPerPeer);
}

TEST("Opener leaves a path that was given to another peer to that one") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  const Bytes inner = makePacket(Shape{});
  bench.from(0, 1);
  bench.receive({bench.sealed(inner, 0)});
  bench.turn();
  cell<int32_t>(bench.path(0), layout::path_peerAt) = 1;
  bench.receive({bench.sealed(inner, 1)});
  bench.turn();
  CHECK_EQUAL(cell<double>(bench.path(0), layout::path_receivedPacketsAt), 1);
  CHECK_EQUAL(records(bench.events, layout::recordType_roamed), 1);
}

TEST("report() has nothing to say of control frames alone, nor of a slot that is gone") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.receive({bench.sealed({0, 5, 0, 0}, 0), bench.sealed({0, 2, 0, 0}, 1)});
  bench.receive({bench.sealed({}, 2)});
  bench.turn();
  CHECK_EQUAL(bench.unreported[0], 0);
  bench.receive({bench.sealed(makePacket(Shape{}), 3)});
  bench.turn();
  CHECK_EQUAL(bench.unreported[0], 1);
  cell<int32_t>(bench.slot(), layout::session_stateAt) = layout::slotState_retired;
  CHECK_EQUAL(bench.report(0), 0);
  CHECK_EQUAL(bench.unreported[0], 0);
}

}  // namespace
}  // namespace hawser
