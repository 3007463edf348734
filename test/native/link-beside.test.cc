// A sealer that sends a single packet itself while the carrier's thread sleeps, and leaves everything else to it.
#include <cerrno>
#include <utility>

#include "support/check.h"
#include "support/fake-kernel.h"
#include "support/memory.h"
#include "sys/link_io.h"
#include "sys/send_turn.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kBytes = 100;

// A carrier whose thread sleeps, and what sends beside it.
class BesideBench {
 public:
  BesideBench() {
    fakeKernel() = &kernel;
    cell<uint16_t>(path(), layout::path_endpointAt) = AF_INET;
    cell<int32_t>(carrier(), layout::carrier_beside4At) = 4;
    arm(true);
  }

  // A descriptor of `count` packets, visible and not rung for.
  void seal(uint32_t count = 1) {
    SealedLog log = log_.log();
    const uint32_t position = log.reserve(count * kBytes);
    for (uint32_t i = 0; i < count; i++) std::memset(log.at(position) + i * kBytes, static_cast<int>(number_++), kBytes);
    claimDescriptor(out, position, count, kBytes, kBytes);
    out.commit(layout::descriptor_bytes, layout::recordType_descriptor);
    out.show();
  }

  void arm(bool asleep) { word(bell_.get(), layout::doorbell_armedAt).store(asleep ? 1 : 0); }
  uint8_t* path() { return paths_.table().row(0); }
  uint8_t* carrier() { return carriers_.row(0); }
  int32_t turn() { return word(carrier(), layout::carrier_turnAt).load(); }
  double sentPackets() { return cell<double>(carrier(), layout::carrier_sentPacketsAt); }
  std::vector<int> sent() {
    std::vector<int> numbers;
    for (const Bytes& one : kernel.sent) numbers.push_back(one[0]);
    return numbers;
  }

  FakeKernel kernel;

 private:
  uint8_t number_ = 0;
  Block bell_{layout::doorbell_bytes};
  RingMemory descriptors_{4096};
  RingMemory datagrams_{4096};
  LogMemory log_{1 << 20};
  PathMemory paths_{2};
  LinkMemory links_{1};
  CarrierMemory carriers_{1};

 public:
  RingProducer out{descriptors_.get(), Doorbell(bell_.get(), -1)};
  LinkSender thread{3, -1, true, descriptors_.consumer(), datagrams_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0};
  LinkSender beside{descriptors_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0};
};

TEST("sendBeside() sends a single packet and books it, and either goes on where the other has come to") {
  BesideBench bench;
  int besides = 0;
  for (int round = 0; round < 200; round++) {
    bench.seal();
    const bool isSent = bench.beside.sendBeside(bench.out);
    besides += isSent ? 1 : 0;
    CHECK_EQUAL(bench.out.usedBytes() == 0, isSent);
    bench.seal();
    CHECK_EQUAL(bench.thread.sendDescriptors(16), isSent ? 1 : 2);
  }
  // A record behind padding, at the end of the ring, is not alone.
  CHECK(besides > 190 && besides < 200);
  CHECK_EQUAL(bench.kernel.sent.size(), 400);
  for (size_t i = 0; i < 400; i++) CHECK_EQUAL(bench.kernel.sent[i][0], i & 255);
  CHECK_EQUAL(bench.sentPackets(), 400);
  CHECK_EQUAL(cell<double>(bench.path(), layout::path_sentBytesAt), 400 * kBytes);
  CHECK_EQUAL(bench.turn(), 0);
  CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_gsoAt), 1);
}

TEST("measureQueue() stores nothing while a sealer has the turn, and asks it to look again") {
  BesideBench bench;
  std::atomic_ref<int32_t> queue = word(bench.carrier(), layout::carrier_outqBytesAt);
  {
    SendTurn sealer(bench.carrier());
    queue.store(9000);
    CHECK_EQUAL(bench.thread.measureQueue(), 9000);
    CHECK_EQUAL(queue.load(), 9000);
    CHECK(sealer.end());
  }
  // No such descriptor: nothing waits.
  CHECK_EQUAL(bench.thread.measureQueue(), 0);
  CHECK_EQUAL(queue.load(), 0);
  CHECK_EQUAL(bench.turn(), 0);
}

TEST("sendBeside() leaves to the carrier what is no single packet, what is not alone, and what comes while it is awake") {
  BesideBench bench;
  bench.seal(3);
  CHECK(!bench.beside.sendBeside(bench.out));
  bench.seal();
  CHECK(!bench.beside.sendBeside(bench.out));
  CHECK_EQUAL(bench.thread.sendDescriptors(16), 2);
  CHECK((bench.sent() == std::vector<int>{0, 1, 2, 3}));
  bench.arm(false);
  bench.seal();
  CHECK(!bench.beside.sendBeside(bench.out));
  bench.arm(true);
  // Bytes wait below the socket: somebody must look whether they leave.
  cell<int32_t>(bench.carrier(), layout::carrier_outqBytesAt) = 1;
  CHECK(!bench.beside.sendBeside(bench.out));
  CHECK_EQUAL(bench.kernel.sent.size(), 4);
}

TEST("sendBeside() leaves the packet in the ring when the kernel refuses it, or there is no socket, or it would need another") {
  const std::pair<const char*, std::function<void(BesideBench&)>> cases[] = {
      {"refused", [](BesideBench& bench) { bench.kernel.verdict = [](size_t, uint32_t) { return EMSGSIZE; }; }},
      {"full", [](BesideBench& bench) { bench.kernel.verdict = [](size_t, uint32_t) { return EAGAIN; }; }},
      {"no socket", [](BesideBench& bench) { cell<int32_t>(bench.carrier(), layout::carrier_beside4At) = 0; }},
      {"worn", [](BesideBench& bench) { cell<int32_t>(bench.path(), layout::path_obfuscationAt) = 1; }},
      {"may be cut", [](BesideBench& bench) { cell<int32_t>(bench.path(), layout::path_mayFragmentAt) = 1; }},
      {"nowhere", [](BesideBench& bench) { cell<uint16_t>(bench.path(), layout::path_endpointAt) = 0; }},
  };
  for (const auto& [name, spoil] : cases) {
    BesideBench bench;
    spoil(bench);
    bench.seal();
    CHECK(!bench.beside.sendBeside(bench.out));
    CHECK_EQUAL(bench.kernel.sent.size(), 0);
    CHECK_EQUAL(bench.sentPackets(), 0);
    CHECK_EQUAL(cell<double>(bench.carrier(), layout::carrier_errorsAt), 0);
    CHECK(bench.out.usedBytes() != 0);
    CHECK_EQUAL(bench.turn(), 0);
  }
}

TEST("sendBeside() follows the carrier's word on whether packets may be cut on the way") {
  BesideBench bench;
  cell<int32_t>(bench.path(), layout::path_mayFragmentAt) = 1;
  bench.seal();
  CHECK_EQUAL(bench.thread.sendDescriptors(16), 1);
  CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_fragmenting4At), 1);
  bench.seal();
  CHECK(bench.beside.sendBeside(bench.out));
  cell<int32_t>(bench.path(), layout::path_mayFragmentAt) = 0;
  bench.seal();
  CHECK(!bench.beside.sendBeside(bench.out));
}

TEST("sendDescriptors() sends nothing in another's turn, and its wish has it woken") {
  BesideBench bench;
  SendTurn turn(bench.carrier());
  bench.seal();
  CHECK_EQUAL(bench.thread.sendDescriptors(16), 0);
  CHECK(!bench.beside.sendBeside(bench.out));
  CHECK_EQUAL(bench.kernel.sent.size(), 0);
  CHECK_EQUAL(bench.turn(), 2);
  CHECK(turn.end());
  CHECK_EQUAL(bench.turn(), 0);
  CHECK_EQUAL(bench.thread.sendDescriptors(16), 1);
}

}  // namespace
}  // namespace hawser
