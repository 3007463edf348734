// LinkSender and LinkReceiver against a kernel that says what the test wants.
// The kernel's header does not bring what it needs.
#include <time.h>

#include <linux/errqueue.h>

#include <cerrno>
#include <utility>

#include "support/check.h"
#include "support/fake-kernel.h"
#include "support/memory.h"
#include "sys/ecn.h"
#include "sys/link_io.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kHeader = layout::received_payloadAt;

// A sender whose log the test fills: descriptors of `count` packets of `bytes` each, the packet's number in every byte.
class SendBench {
 public:
  explicit SendBench(bool gso = true) : gso_(gso) {
    fakeKernel() = &kernel;
    uint8_t* row = paths_.table().row(0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(row + layout::path_endpointAt, &address, sizeof address);
    revive();
  }

  void revive() {
    sender = std::make_unique<LinkSender>(3, -1, gso_, descriptors_.consumer(), datagrams_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0);
  }

  // Seals a run into the log and leaves its descriptor; returns its position.
  uint32_t run(uint32_t count, uint32_t bytes, uint32_t lastBytes, int32_t path = 0, uint8_t ecn = kNotEct) {
    SealedLog log = log_.log();
    const uint32_t total = (count - 1) * bytes + lastBytes;
    const uint32_t position = log.reserve(total);
    for (uint32_t i = 0; i < count; i++) std::memset(log.at(position) + i * bytes, static_cast<int>(number_++), i + 1 == count ? lastBytes : bytes);
    uint8_t* record = claimDescriptor(out_, position, count, bytes, lastBytes);
    if (record == nullptr) return position;
    cell<int32_t>(record, layout::descriptor_pathAt) = path;
    cell<int32_t>(record, layout::descriptor_ecnAt) = ecn;
    out_.commit(layout::descriptor_bytes, layout::recordType_descriptor);
    out_.publish();
    return position;
  }

  // A handshake message to send as it is.
  void datagram() {
    uint8_t* record = handshakes_.claim(layout::outgoing_payloadAt + 148);
    std::memset(record, 0, layout::outgoing_payloadAt + 148);
    cell<uint16_t>(record, layout::outgoing_endpointAt) = AF_INET;
    cell<uint32_t>(record, layout::outgoing_lengthAt) = 148;
    cell<int32_t>(record, layout::outgoing_trafficClassAt) = 0x88;
    handshakes_.commit(layout::outgoing_payloadAt + 148, layout::recordType_handshakeOut);
    handshakes_.publish();
  }

  // The path leads to an IPv6 endpoint from now on.
  void useV6() {
    cell<uint16_t>(path(), layout::path_endpointAt) = AF_INET6;
    sender = std::make_unique<LinkSender>(3, 4, gso_, descriptors_.consumer(), datagrams_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0);
  }

  // Overwrites everything the log holds.
  void flood() {
    for (uint32_t units = 0; units < log_.log().capacityUnits(); units += 512) log_.log().reserve(512 * SealedLog::kUnit);
  }

  double number(int64_t column, int32_t path = 0) { return cell<double>(paths_.table().row(path), column); }
  uint8_t* link() { return links_.row(0); }
  uint8_t* carrier() { return carriers_.row(0); }
  uint8_t* path() { return paths_.table().row(0); }
  uint32_t used() { return out_.usedBytes(); }

  FakeKernel kernel;
  std::unique_ptr<LinkSender> sender;

 private:
  bool gso_;
  uint32_t number_ = 0;
  RingMemory descriptors_{4096};
  RingMemory datagrams_{4096};
  LogMemory log_{1 << 20};
  PathMemory paths_{2};
  LinkMemory links_{1};
  CarrierMemory carriers_{1};
  RingProducer out_ = descriptors_.producer();
  RingProducer handshakes_ = datagrams_.producer();
};

void checkNumbers(const std::vector<Bytes>& sent, const std::vector<int>& wanted) {
  CHECK_EQUAL(sent.size(), wanted.size());
  for (size_t i = 0; i < std::min(sent.size(), wanted.size()); i++) CHECK_EQUAL(sent[i][0], wanted[i]);
}

TEST("sendDescriptors() gives up a run whose path row was left half written, and does not wait for its dead writer") {
  SendBench bench;
  word(bench.path(), layout::path_sequenceAt).store(7);
  bench.run(2, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 0);
  CHECK_EQUAL(bench.number(layout::path_refusedBytesAt), 200);
  CHECK_EQUAL(bench.used(), 0);
  word(bench.path(), layout::path_sequenceAt).store(8);
  bench.run(1, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
}

TEST("sendDescriptors() sends runs whole, and packet by packet when the kernel cannot cut") {
  for (const int error : {0, EIO, EINVAL, EMSGSIZE}) {
    SendBench bench;
    bench.kernel.verdict = [error](size_t, uint32_t segment) { return segment != 0 ? error : 0; };
    bench.run(3, 100, 40);
    bench.run(1, 90, 90);
    bench.run(2, 100, 100);
    CHECK_EQUAL(bench.sender->sendDescriptors(16), 3);
    checkNumbers(bench.kernel.sent, {0, 1, 2, 3, 4, 5});
    CHECK_EQUAL(bench.kernel.sent[2].size(), 40);
    CHECK_EQUAL(bench.number(layout::path_sentBytesAt), 240 + 90 + 200);
    CHECK_EQUAL(bench.number(layout::path_sentPacketsAt), 6);
    CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_gsoAt), error == EIO ? 0 : 1);
    CHECK_EQUAL(bench.used(), 0);
  }
}

TEST("sendDescriptors() asks for GSO no more once EIO has switched it off") {
  SendBench bench;
  uint32_t asked = 0;
  bench.kernel.verdict = [&](size_t, uint32_t segment) { return segment != 0 ? (asked++, EIO) : 0; };
  for (int i = 0; i < 10; i++) {
    bench.run(2, 100, 100);
    bench.sender->sendDescriptors(16);
  }
  CHECK_EQUAL(bench.kernel.sent.size(), 20);
  CHECK(asked <= 2);
}

TEST("sendDescriptors() goes on where a full socket stopped it, in the middle of a run too") {
  for (const bool gso : {true, false}) {
    SendBench bench(gso);
    int room = 0;
    bench.kernel.verdict = [&](size_t, uint32_t segment) {
      if (!gso && segment != 0) return EIO;
      return room-- > 0 ? 0 : EAGAIN;
    };
    for (int i = 0; i < 4; i++) bench.run(3, 100, 100);
    for (int turn = 0; turn < 40; turn++) {
      room = 1;
      bench.sender->sendDescriptors(16);
    }
    checkNumbers(bench.kernel.sent, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    CHECK_EQUAL(bench.number(layout::path_sentBytesAt), 1200);
    CHECK_EQUAL(bench.used(), 0);
  }
}

TEST("a position that was overwritten before it was sent is counted late once, and never sent") {
  SendBench bench;
  bench.run(2, 100, 100);
  bench.flood();
  bench.run(2, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
  checkNumbers(bench.kernel.sent, {2, 3});
  CHECK_EQUAL(bench.number(layout::path_lateBytesAt), 200);
}

TEST("a descriptor that cannot be sent is counted once, though the socket stays full before it") {
  SendBench bench;
  bool full = true;
  bench.kernel.verdict = [&](size_t, uint32_t) { return full ? EAGAIN : 0; };
  // The second one's path has no address.
  bench.run(1, 100, 100);
  bench.run(1, 70, 70, 1);
  bench.run(1, 50, 50);
  for (int turn = 0; turn < 10; turn++) CHECK_EQUAL(bench.sender->sendDescriptors(16), 0);
  CHECK_EQUAL(bench.number(layout::path_refusedBytesAt, 1), 0);
  full = false;
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 2);
  checkNumbers(bench.kernel.sent, {0, 2});
  CHECK_EQUAL(bench.number(layout::path_refusedBytesAt, 1), 70);
  CHECK_EQUAL(bench.number(layout::path_sentBytesAt), 150);
  CHECK_EQUAL(bench.used(), 0);
}

TEST("a run that grew late half sent takes nothing of the next run with it") {
  SendBench bench;
  int room = 2;
  bench.kernel.verdict = [&](size_t, uint32_t segment) { return segment != 0 ? EIO : room-- > 0 ? 0 : EAGAIN; };
  bench.run(4, 100, 100);
  bench.sender->sendDescriptors(16);
  checkNumbers(bench.kernel.sent, {0, 1});
  bench.flood();
  bench.run(4, 100, 100);
  room = 100;
  bench.sender->sendDescriptors(16);
  checkNumbers(bench.kernel.sent, {0, 1, 4, 5, 6, 7});
}

TEST("a refused run is counted and gone; the next is tried") {
  SendBench bench;
  int number = 0;
  bench.kernel.verdict = [&](size_t, uint32_t) { return number++ < 2 ? ENETUNREACH : 0; };
  bench.run(1, 100, 100);
  bench.run(1, 60, 60);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 2);
  checkNumbers(bench.kernel.sent, {1});
  CHECK_EQUAL(bench.number(layout::path_refusedBytesAt), 100);
  CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_lastErrorAt), ENETUNREACH);
}

TEST("the outer header bears a run's ECN field, whole and packet by packet, and a handshake what it was given, in both families") {
  for (const bool gso : {true, false}) {
    SendBench bench(gso);
    bench.run(3, 100, 40, 0, kCongestionExperienced);
    bench.run(2, 100, 100);
    bench.run(1, 100, 100, 0, kEct0);
    bench.datagram();
    bench.sender->sendDescriptors(16);
    bench.sender->sendDatagrams(4);
    CHECK(bench.kernel.classes == Bytes({3, 3, 3, 0, 0, 2, 0x88}));
    bench.kernel.classes.clear();
    bench.useV6();
    bench.run(2, 100, 100, 0, kEct1);
    bench.sender->sendDescriptors(16);
    CHECK(bench.kernel.classes == Bytes({1, 1}));
  }
}

// A receiver, its two rings, and what came out of them.
class ReceiveBench {
 public:
  explicit ReceiveBench(uint32_t startAt = 0) : data_(1 << 20, startAt) {
    fakeKernel() = &kernel;
    receiver = std::make_unique<LinkReceiver>(0, data_.producer(), handshakes_.producer(), carriers_.row(0));
    consumer = data_.consumer();
    handshakes = handshakes_.consumer();
  }

  // Data datagrams of type 4, `count` of `bytes` each, the datagram's number behind the header.
  void put(uint32_t count, uint32_t bytes, uint32_t lastBytes, uint8_t type = 4) {
    Datagrams datagrams;
    for (uint32_t i = 0; i < count; i++) {
      Bytes one(i + 1 == count ? lastBytes : bytes);
      for (size_t at = 0; at < one.size(); at++) one[at] = static_cast<uint8_t>(number_ + at);
      if (one.size() >= 4) one[0] = type, one[1] = one[2] = one[3] = 0;
      number_ += 1;
      if (type == 4) wanted.push_back(one);
      datagrams.bytes.insert(datagrams.bytes.end(), one.begin(), one.end());
    }
    if (count > 1) datagrams.segmentBytes = bytes;
    kernel.waiting.push_back(datagrams);
  }

  void take() {
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      CHECK_EQUAL(consumer.type(), layout::recordType_received);
      const uint32_t length = cell<uint32_t>(record, layout::received_lengthAt);
      const uint32_t step = cell<uint32_t>(record, layout::received_segmentBytesAt);
      CHECK_EQUAL(consumer.length(), kHeader + length);
      for (uint32_t at = 0; at < length; at += step) got.emplace_back(record + kHeader + at, record + kHeader + std::min(length, at + step));
      consumer.advance();
    }
    consumer.release();
  }

  FakeKernel kernel;
  std::unique_ptr<LinkReceiver> receiver;
  RingConsumer consumer;
  RingConsumer handshakes;
  std::vector<Bytes> wanted;
  std::vector<Bytes> got;

 private:
  RingMemory data_;
  RingMemory handshakes_{1 << 16};
  CarrierMemory carriers_{1};
  uint32_t number_ = 0;
};

TEST("receive() keeps every datagram and their order, small, large and mixed, wherever the ring wraps") {
  Random random(11);
  for (int round = 0; round < 60; round++) {
    ReceiveBench bench(random.chance(2) ? 0xffff0000u : random.next() & ~7u);
    for (int turn = 0; turn < 60; turn++) {
      const uint32_t messages = random.between(1, 12);
      for (uint32_t i = 0; i < messages; i++) {
        if (random.chance(3)) bench.put(random.between(2, 45), 1400, random.between(32, 1400));
        else if (random.chance(4)) bench.put(1, 0, random.between(1, 3), 9);
        else bench.put(1, 0, random.between(32, 2100));
      }
      while (bench.receiver->receive(3, 64) > 0) bench.take();
      bench.take();
    }
    CHECK(bench.kernel.waiting.empty());
    CHECK_EQUAL(bench.got.size(), bench.wanted.size());
    for (size_t i = 0; i < std::min(bench.got.size(), bench.wanted.size()); i++) CHECK(bench.got[i] == bench.wanted[i]);
    if (hopeless()) return;
  }
}

TEST("receive() tells the DSCP and ECN of the outer header, in both families") {
  for (const bool isV6 : {false, true}) {
    ReceiveBench bench;
    for (const uint8_t trafficClass : {0, 3, 0x8a}) {
      bench.put(3, 100, 60);
      bench.kernel.waiting.back().trafficClass = trafficClass;
      bench.kernel.waiting.back().isV6 = isV6;
    }
    CHECK_EQUAL(bench.receiver->receive(3, 64), 3);
    for (const uint8_t trafficClass : {0, 3, 0x8a}) {
      uint8_t* record = bench.consumer.peek();
      CHECK(record != nullptr);
      if (record == nullptr) return;
      CHECK_EQUAL(cell<int32_t>(record, layout::received_trafficClassAt), trafficClass);
      CHECK_EQUAL(cell<uint32_t>(record, layout::received_segmentBytesAt), 100);
      bench.consumer.advance();
    }
  }
}

TEST("a flood of datagrams that are nobody's does not fill the opener's ring") {
  ReceiveBench bench;
  for (int i = 0; i < 5000; i++) {
    bench.put(1, 0, 500, 77);
    CHECK(bench.receiver->receive(3, 64) > 0);
    // The opener is not woken for nothing, and releases nothing: it saw no record.
    if (hopeless()) return;
  }
  CHECK(bench.consumer.peek() == nullptr);
  bench.put(1, 0, 500);
  CHECK(bench.receiver->receive(3, 64) > 0);
  bench.take();
  CHECK_EQUAL(bench.got.size(), 1);
}

TEST("receive() leaves the rest in the kernel when the ring is full, and hands handshakes on") {
  ReceiveBench bench;
  int full = 0;
  for (int i = 0; i < 3000 && full == 0; i++) {
    bench.put(1, 0, 1400);
    if (bench.receiver->receive(3, 64) == -ENOSPC) full = i;
  }
  CHECK(full > 100);
  bench.take();
  while (bench.receiver->receive(3, 64) > 0) bench.take();
  CHECK_EQUAL(bench.got.size(), bench.wanted.size());
  bench.put(1, 0, 148, 1);
  bench.put(1, 0, 147, 1);
  bench.put(2, 92, 92, 2);
  bench.receiver->receive(3, 64);
  int handshakes = 0;
  for (; bench.handshakes.peek() != nullptr; bench.handshakes.advance()) handshakes += 1;
  CHECK_EQUAL(handshakes, 3);
  CHECK(bench.consumer.peek() == nullptr);
}

TEST("a router's word about earlier packets is a hint, and fails none that leaves") {
  SendBench bench;
  cell<int32_t>(bench.path(), layout::path_stateAt) = layout::pathState_up;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  // As the kernel does it: the errno of what is in the queue fails the next call, once.
  bool isPending = false;
  bench.kernel.verdict = [&](size_t, uint32_t) { return std::exchange(isPending, false) ? EMSGSIZE : 0; };
  const auto say = [&](uint8_t origin, int number, uint32_t mtu, const sockaddr_in& about) {
    bench.kernel.errors.push_back({origin, number, mtu, about});
    isPending = true;
  };
  for (const uint32_t count : {1u, 3u}) {
    say(SO_EE_ORIGIN_ICMP, EMSGSIZE, 1400, to);
    bench.run(count, 100, 100);
    CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
    CHECK_EQUAL(bench.kernel.errors.size(), 0);
  }
  bench.datagram();
  say(SO_EE_ORIGIN_ICMP, ECONNREFUSED, 0, to);
  CHECK_EQUAL(bench.sender->sendDatagrams(16), 1);
  CHECK_EQUAL(bench.kernel.sent.size(), 5);
  CHECK_EQUAL(bench.number(layout::path_tooLongPacketsAt), 0);
  CHECK_EQUAL(cell<double>(bench.carrier(), layout::carrier_errorsAt), 0);
  CHECK_EQUAL(bench.number(layout::path_hintsAt), 2);
  CHECK_EQUAL(cell<int32_t>(bench.path(), layout::path_hintBytesAt), 1400);
  // About another destination, and what the kernel itself says of a size: neither is a hint.
  sockaddr_in other = to;
  other.sin_port = htons(9);
  say(SO_EE_ORIGIN_ICMP, EMSGSIZE, 1300, other);
  bench.sender->readErrors();
  CHECK_EQUAL(bench.number(layout::path_hintsAt), 2);
  bench.kernel.verdict = [&](size_t, uint32_t) {
    bench.kernel.errors.push_back({SO_EE_ORIGIN_LOCAL, EMSGSIZE, 1300, to});
    return EMSGSIZE;
  };
  bench.run(1, 100, 100);
  bench.sender->sendDescriptors(16);
  CHECK_EQUAL(bench.number(layout::path_hintsAt), 2);
  CHECK_EQUAL(bench.number(layout::path_tooLongPacketsAt), 1);
}

TEST("a flood of ICMP is not listened to for a second, and costs no packet") {
  SendBench bench;
  bench.kernel.verdict = [&](size_t, uint32_t) {
    if (!bench.kernel.keepsErrors) return 0;
    bench.kernel.errors.push_back({SO_EE_ORIGIN_ICMP, EMSGSIZE, 1400, {}});
    return EMSGSIZE;
  };
  bench.run(1, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
  CHECK_EQUAL(bench.used(), 0);
  CHECK_EQUAL(bench.kernel.sent.size(), 1);
  CHECK_EQUAL(bench.number(layout::path_tooLongPacketsAt), 0);
  CHECK_EQUAL(cell<double>(bench.carrier(), layout::carrier_errorsAt), 0);
  CHECK(!bench.kernel.keepsErrors);
  const timespec pause{1, 100'000'000};
  ::nanosleep(&pause, nullptr);
  bench.kernel.verdict = [](size_t, uint32_t) { return 0; };
  bench.run(1, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
  CHECK(bench.kernel.keepsErrors);
}

TEST("many words of routers in one second are a flood, though each of them fails one call only") {
  SendBench bench;
  bool isPending = false;
  bench.kernel.verdict = [&](size_t, uint32_t) { return std::exchange(isPending, false) ? EMSGSIZE : 0; };
  int sent = 0;
  for (; sent < 100 && bench.kernel.keepsErrors; sent++) {
    bench.kernel.errors.push_back({SO_EE_ORIGIN_ICMP, EMSGSIZE, 1400, {}});
    isPending = true;
    bench.run(1, 100, 100);
    CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
  }
  CHECK(!bench.kernel.keepsErrors);
  CHECK(sent > 20);
  CHECK_EQUAL(bench.kernel.sent.size(), static_cast<size_t>(sent));
}

}  // namespace
}  // namespace hawser
