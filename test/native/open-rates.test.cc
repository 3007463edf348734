// What the opener charges a peer for, and how it keeps it to the rate at which it may send.
#include "support/open_bench.h"
#include "sys/policer.h"

namespace hawser {
namespace {
using namespace test;

constexpr double kSecondUs = 1e6;

double number(uint8_t* row, int64_t at) { return cell<double>(row, at); }

void limit(OpenBench& bench, double bps, double burstBytes) {
  cell<double>(bench.peer(), layout::peer_policeBpsAt) = bps;
  cell<double>(bench.peer(), layout::peer_policeBurstBytesAt) = burstBytes;
}

Bytes packetOf(uint32_t bytes) {
  Shape shape;
  shape.payloadBytes = bytes - static_cast<uint32_t>(makePacket(Shape{.payloadBytes = 0}).size());
  return makePacket(shape);
}

// Packets that enter of one each `everyUs`, until `untilUs`.
uint32_t send(OpenBench& bench, const Bytes& inner, uint64_t& counter, double everyUs, double untilUs) {
  uint32_t entered = 0;
  for (; bench.nowUs < untilUs; bench.nowUs += everyUs) {
    CHECK(bench.receive({bench.sealed(inner, counter++)}));
    bench.turn();
    entered += bench.drain();
  }
  return entered;
}

TEST("Opener charges inner bytes once, to the peer and to the path they came by first") {
  OpenBench bench;
  bench.allowPaths();
  bench.addPath(0, 0, 1);
  bench.addPath(1, 1, 2);
  const Bytes inner = packetOf(1000);
  bench.from(0, 1);
  bench.receive({bench.sealed(inner, 0), bench.sealed(inner, 1)});
  bench.turn();
  bench.from(1, 2);
  bench.receive({bench.sealed(inner, 1), bench.sealed(inner, 2)});
  bench.turn();
  bench.receive({bench.sealed(Bytes{}, 3)});
  bench.receive({bench.sealed(Bytes(16, 0), 4)});
  bench.turn();
  CHECK_EQUAL(number(bench.peer(), layout::peer_innerRxBytesAt), 3000);
  CHECK_EQUAL(number(bench.path(0), layout::path_innerRxBytesAt), 2000);
  CHECK_EQUAL(number(bench.path(1), layout::path_innerRxBytesAt), 1000);
}

TEST("Opener does not charge padding") {
  OpenBench bench;
  Bytes inner = packetOf(1001);
  inner.resize(1008, 0);
  bench.receive({bench.sealed(inner, 0)});
  bench.turn();
  CHECK_EQUAL(number(bench.peer(), layout::peer_innerRxBytesAt), 1001);
}

TEST("Opener lets nobody send faster than his rate, and takes all that is slower") {
  OpenBench bench;
  const Bytes inner = packetOf(1250);
  uint64_t counter = 0;
  CHECK_EQUAL(send(bench, inner, counter, 500, kSecondUs), 2000);  // 20 Mbit/s, without a limit
  limit(bench, 10e6, 50'000);
  const double rxBefore = number(bench.peer(), layout::peer_innerRxBytesAt);
  const double fromUs = bench.nowUs;
  const uint32_t entered = send(bench, inner, counter, 500, fromUs + 10 * kSecondUs);
  // 1000 a second, and what the burst holds.
  CHECK(entered >= 10'000 && entered <= 10'041);
  CHECK_EQUAL(number(bench.peer(), layout::peer_innerRxBytesAt) - rxBefore, entered * 1250.0);
  CHECK_EQUAL(number(bench.peer(), layout::peer_policedPacketsAt), 20'000.0 - entered);
  CHECK(bench.nowUs - number(bench.peer(), layout::peer_policedUsAt) < 10'000);
  // Just below the limit nothing is lost.
  bench.nowUs += kSecondUs;
  const double before = number(bench.peer(), layout::peer_policedPacketsAt);
  send(bench, inner, counter, 1010, bench.nowUs + 5 * kSecondUs);
  CHECK_EQUAL(number(bench.peer(), layout::peer_policedPacketsAt), before);
}

TEST("Opener lets small packets pass where bulk has used the rate up, but not many of them") {
  OpenBench bench;
  limit(bench, 1e6, 20'000);
  uint64_t counter = 0;
  send(bench, packetOf(1250), counter, 100, 10'000);
  const Bytes ping = packetOf(84);
  for (int i = 0; i < 20; i++) {
    bench.receive({bench.sealed(ping, counter++)});
    bench.turn();
  }
  CHECK_EQUAL(bench.drain(), 20);
  const uint32_t flood = send(bench, ping, counter, 10, bench.nowUs + kSecondUs);
  CHECK(flood * 84 < 125'000 + 30'000);
}

TEST("Opener takes a packet that is longer than the burst when nothing is owed") {
  OpenBench bench;
  limit(bench, 1e5, 100);
  uint64_t counter = 0;
  const Bytes inner = packetOf(1250);
  bench.nowUs = kSecondUs;
  const uint32_t entered = send(bench, inner, counter, 10'000, 11 * kSecondUs);
  CHECK(entered >= 95 && entered <= 104);
}

TEST("Opener goes by the rate that stands in the row now") {
  OpenBench bench;
  const Bytes inner = packetOf(1250);
  uint64_t counter = 0;
  limit(bench, 1e6, 10'000);
  send(bench, inner, counter, 500, kSecondUs);
  limit(bench, 0, 0);
  const double before = number(bench.peer(), layout::peer_policedPacketsAt);
  CHECK_EQUAL(send(bench, inner, counter, 500, 2 * kSecondUs), 2000);
  CHECK_EQUAL(number(bench.peer(), layout::peer_policedPacketsAt), before);
}

TEST("Opener lets a client's packets enter until its quota ends, and not one after that which reaches it") {
  OpenBench bench;
  const Bytes inner = packetOf(1250);
  uint64_t counter = 0;
  cell<double>(bench.peer(), layout::peer_stopRxBytesAt) = 100 * 1250 + 1;
  send(bench, inner, counter, 500, kSecondUs);
  CHECK_EQUAL(number(bench.peer(), layout::peer_innerRxBytesAt), 101 * 1250);
  CHECK(number(bench.peer(), layout::peer_policedPacketsAt) > 0);
  CHECK_EQUAL(send(bench, inner, counter, 20'000, 2 * kSecondUs), 0);
  cell<double>(bench.peer(), layout::peer_stopRxBytesAt) = 0;
  CHECK_EQUAL(send(bench, inner, counter, 20'000, 3 * kSecondUs), 50);
}

TEST("Policer survives a clock that goes back") {
  PeerMemory peers(1);
  uint8_t* row = peers.table().row(0);
  cell<double>(row, layout::peer_policeBpsAt) = 8e6;
  cell<double>(row, layout::peer_policeBurstBytesAt) = 10'000;
  Policer policer(peers.table());
  CHECK(policer.admits(row, 9'000, 0, 5 * kSecondUs));
  CHECK(!policer.admits(row, 9'000, 0, 4 * kSecondUs));
  CHECK(!policer.admits(row, 9'000, 0, 4 * kSecondUs + 1000));
  CHECK(policer.admits(row, 9'000, 0, 4 * kSecondUs + 20'000));
}

TEST("Policer keeps all peers together to the server's rate, and each to its share of it") {
  PeerMemory peers(2);
  const RowTable table = peers.table();
  cell<double>(peers.get(), layout::peer_totalTakeBpsAt) = 10e6;
  Policer policer(table);
  double got[2] = {};
  const auto run = [&](double fromUs) {
    got[0] = got[1] = 0;
    for (double nowUs = fromUs; nowUs < fromUs + 10 * kSecondUs; nowUs += 500)
      for (int32_t i = 0; i < 2; i++) if (policer.admits(table.row(i), 1250, 0, nowUs)) got[i] += 1250 * 8 / 10e6;
  };
  run(kSecondUs);
  CHECK(got[0] + got[1] > 9.9 && got[0] + got[1] < 10.2);
  cell<double>(table.row(0), layout::peer_shareBpsAt) = 8e6;
  cell<double>(table.row(1), layout::peer_shareBpsAt) = 2e6;
  run(20 * kSecondUs);
  CHECK(got[0] > 7.9 && got[0] < 8.2);
  CHECK(got[1] > 1.9 && got[1] < 2.2);
  // A limit of its own that is lower holds beside it; a share that is left over from before does not.
  cell<double>(table.row(0), layout::peer_policeBpsAt) = 1e6;
  run(40 * kSecondUs);
  CHECK(got[0] > 0.95 && got[0] < 1.1);
  cell<double>(peers.get(), layout::peer_totalTakeBpsAt) = 0;
  cell<double>(table.row(1), layout::peer_policeBpsAt) = 5e6;
  run(60 * kSecondUs);
  CHECK(got[1] > 4.9 && got[1] < 5.1);
}

TEST("Policer keeps the devices of a client together to its rate, and each to its share while there is one") {
  PeerMemory peers(3);
  const RowTable table = peers.table();
  Policer policer(table);
  double got[3] = {};
  const auto run = [&](double fromUs) {
    for (double& one : got) one = 0;
    for (double nowUs = fromUs; nowUs < fromUs + 10 * kSecondUs; nowUs += 500)
      for (int32_t i = 0; i < 3; i++)
        if (policer.admits(table.row(i), 1250, 0, nowUs)) got[i] += 1250 * 8 / 10e6;
  };
  for (int32_t i = 0; i < 3; i++) cell<double>(table.row(i), layout::peer_policeBpsAt) = 10e6;
  for (int32_t i = 1; i < 3; i++) cell<int32_t>(table.row(i), layout::peer_leadAt) = 2;
  run(kSecondUs);
  CHECK(got[0] > 9.9 && got[0] < 10.1);
  CHECK(got[1] + got[2] > 9.9 && got[1] + got[2] < 10.1);
  cell<double>(table.row(1), layout::peer_shareBpsAt) = 3e6;
  cell<double>(table.row(2), layout::peer_shareBpsAt) = 7e6;
  run(20 * kSecondUs);
  CHECK(got[1] > 2.9 && got[1] < 3.1);
  CHECK(got[2] > 6.9 && got[2] < 7.1);
}

}  // namespace
}  // namespace hawser
