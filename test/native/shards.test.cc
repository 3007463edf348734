// LinkReceiver and TunSorter with several shards: each packet in the ring of its shard, in order, and a shard that stands still keeps no other.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "support/check.h"
#include "support/fake-kernel.h"
#include "support/memory.h"
#include "sys/link_io.h"
#include "sys/packet.h"
#include "sys/shards.h"
#include "sys/tun_sorter.h"
#include "sys/vnet.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kHeader = layout::received_payloadAt;

// A receiver for `shards` openers, each of which keeps what is its own.
class SortBench {
 public:
  explicit SortBench(uint32_t shards, uint32_t capacity = 1 << 20) : wanted(shards), got(shards), foreign(shards) {
    fakeKernel() = &kernel;
    std::vector<RingProducer> rings;
    for (uint32_t i = 0; i < shards; i++) {
      memories_.emplace_back(capacity);
      rings.push_back(memories_.back().producer());
      consumers_.push_back(memories_.back().consumer());
    }
    receiver = std::make_unique<LinkReceiver>(0, rings.front(), handshakes_.producer(), carriers_.row(0));
    receiver->spread(rings);
  }

  // One message of data datagrams for these receiver indices, the last of them shorter.
  void put(const std::vector<uint32_t>& indices, uint32_t bytes) {
    Datagrams datagrams;
    for (size_t i = 0; i < indices.size(); i++) {
      Bytes one(i + 1 == indices.size() ? bytes - 7 : bytes, static_cast<uint8_t>(number_));
      const uint32_t head[4] = {4, indices[i], number_, 0};
      std::memcpy(one.data(), head, sizeof head);
      number_ += 1;
      wanted[shardOf(indices[i], static_cast<uint32_t>(wanted.size()))].push_back(one);
      datagrams.bytes.insert(datagrams.bytes.end(), one.begin(), one.end());
    }
    if (indices.size() > 1) datagrams.segmentBytes = bytes;
    kernel.waiting.push_back(datagrams);
  }

  void take(uint32_t shard) {
    RingConsumer& consumer = consumers_[shard];
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      const uint32_t length = cell<uint32_t>(record, layout::received_lengthAt);
      const uint32_t step = cell<uint32_t>(record, layout::received_segmentBytesAt);
      for (uint32_t at = 0; at < length; at += step) {
        const Bytes one(record + kHeader + at, record + kHeader + std::min(length, at + step));
        uint32_t index;
        std::memcpy(&index, one.data() + 4, sizeof index);
        if (shardOf(index, static_cast<uint32_t>(got.size())) == shard) got[shard].push_back(one);
        else foreign[shard] += 1;
      }
      consumer.advance();
    }
    consumer.release();
  }

  void takeAll() {
    for (uint32_t shard = 0; shard < got.size(); shard++) take(shard);
  }

  double dropped() { return cell<double>(carriers_.row(0), layout::carrier_droppedAt); }

  FakeKernel kernel;
  std::unique_ptr<LinkReceiver> receiver;
  std::vector<std::vector<Bytes>> wanted;
  std::vector<std::vector<Bytes>> got;
  std::vector<uint32_t> foreign;

 private:
  std::vector<RingMemory> memories_;
  std::vector<RingConsumer> consumers_;
  RingMemory handshakes_{1 << 16};
  CarrierMemory carriers_{1};
  uint32_t number_ = 1;
};

TEST("LinkReceiver sorts datagrams by receiver index, small, large and joined, and keeps their order") {
  Random random(17);
  for (int round = 0; round < 40; round++) {
    SortBench bench(random.between(2, 4));
    for (int turn = 0; turn < 40; turn++) {
      const uint32_t messages = random.between(1, 12);
      for (uint32_t i = 0; i < messages; i++) {
        std::vector<uint32_t> indices(random.chance(3) ? random.between(2, 45) : 1, random.next());
        // Who sends by one address for several peers.
        if (random.chance(5)) for (uint32_t& index : indices) index = random.next();
        bench.put(indices, random.between(40, 1400));
      }
      while (bench.receiver->receive(3, 64) > 0) bench.takeAll();
      bench.takeAll();
    }
    for (size_t shard = 0; shard < bench.wanted.size(); shard++) {
      CHECK_EQUAL(bench.got[shard].size(), bench.wanted[shard].size());
      CHECK(bench.got[shard] == bench.wanted[shard]);
    }
    CHECK_EQUAL(bench.dropped(), 0);
    if (hopeless()) return;
  }
}

TEST("a message for one shard alone is seen by no other") {
  SortBench bench(2);
  for (uint32_t i = 0; i < 50; i++) bench.put(std::vector<uint32_t>(1 + i % 3, 100 + i % 2), 200);
  while (bench.receiver->receive(3, 64) > 0) {}
  bench.takeAll();
  CHECK_EQUAL(bench.foreign[0] + bench.foreign[1], 0u);
  CHECK_EQUAL(bench.got[0].size() + bench.got[1].size(), bench.wanted[0].size() + bench.wanted[1].size());
}

TEST("an opener that stands still costs its own shard packets, which are counted, and no other any") {
  SortBench bench(2, 1 << 19);
  uint32_t sent = 0;
  for (int turn = 0; turn < 400; turn++) {
    bench.put({0}, 1400), sent += 1;
    bench.put({1}, 1400);
    while (bench.receiver->receive(3, 64) > 0) {}
    bench.take(1);
    CHECK(bench.kernel.waiting.empty());
    if (hopeless()) return;
  }
  CHECK(bench.got[1] == bench.wanted[1]);
  CHECK(bench.dropped() > 0);
  bench.take(0);
  CHECK_EQUAL(bench.got[0].size() + bench.dropped(), sent);
  // It goes on.
  bench.put({0}, 1400);
  CHECK_EQUAL(bench.receiver->receive(3, 64), 1);
  const size_t before = bench.got[0].size();
  bench.take(0);
  CHECK_EQUAL(bench.got[0].size(), before + 1);
}

TEST("with all rings full the rest stays in the socket") {
  SortBench bench(2, 1 << 19);
  for (int i = 0; i < 2000; i++) bench.put({static_cast<uint32_t>(i)}, 1400);
  int last = 0;
  for (int turn = 0; turn < 200 && last != -ENOSPC; turn++) last = bench.receiver->receive(3, 64);
  CHECK_EQUAL(last, -ENOSPC);
  CHECK(!bench.kernel.waiting.empty());
}

// IPv4 leads to row 0 and IPv6 to row 1. A socket stands for the TUN.
class TunBench {
 public:
  explicit TunBench(uint32_t shards = 2) {
    CHECK_EQUAL(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
    std::vector<RingProducer> rings;
    for (uint32_t i = 0; i < shards; i++) {
      memories_.emplace_back(1 << 18);
      rings.push_back(memories_.back().producer());
      consumers.push_back(memories_.back().consumer());
    }
    cell<uint32_t>(trie_.get(), layout::allowedIps_capacityAt) = kNodes;
    rowOf(layout::allowedIps_rootV4) = 0;
    rowOf(layout::allowedIps_rootV6) = 1;
    sorter = std::make_unique<TunSorter>(ends[0], rings, AllowedIps(trie_.get()));
  }
  ~TunBench() {
    ::close(ends[0]);
    ::close(ends[1]);
  }

  void put(bool isV6, uint32_t bytes) {
    Bytes train(sizeof(VnetHeader) + bytes);
    uint8_t* packet = train.data() + sizeof(VnetHeader);
    packet[0] = isV6 ? 0x60 : 0x45;
    writeBe16(packet + (isV6 ? 4 : 2), static_cast<uint16_t>(isV6 ? bytes - 40 : bytes));
    for (uint32_t at = 40; at < bytes; at++) packet[at] = static_cast<uint8_t>(number_ + at);
    number_ += 1;
    wanted[isV6 ? 1 : 0].push_back(train);
    CHECK_EQUAL(::write(ends[1], train.data(), train.size()), static_cast<ssize_t>(train.size()));
  }

  int read(double nowUs = 1) { return sorter->read(8, nowUs, bytes, dropped); }

  void take(uint32_t shard) {
    RingConsumer& consumer = consumers[shard];
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
      const uint8_t* at = record + layout::train_vnetAt;
      got[shard].emplace_back(at, at + sizeof(VnetHeader) + length);
      consumer.advance();
    }
    consumer.release();
  }

  int ends[2];
  std::unique_ptr<TunSorter> sorter;
  std::vector<RingConsumer> consumers;
  std::vector<Bytes> wanted[2];
  std::vector<Bytes> got[2];
  double bytes = 0;
  double dropped = 0;

 private:
  static constexpr uint32_t kNodes = 8;
  int32_t& rowOf(uint32_t node) {
    // Both areas.
    for (uint32_t area = 0; area < 2; area++)
      cell<int32_t>(trie_.get(), layout::allowedIps_dataAt + (area * kNodes + node) * layout::allowedIps_nodeBytes + 8) = -1;
    return cell<int32_t>(trie_.get(), layout::allowedIps_dataAt + node * layout::allowedIps_nodeBytes + 8);
  }

  std::vector<RingMemory> memories_;
  Block trie_{static_cast<size_t>(layout::allowedIps_dataAt) + 2 * kNodes * layout::allowedIps_nodeBytes};
  uint32_t number_ = 1;
};

TEST("TunSorter leads each train to the ring of its peer's shard, in order") {
  Random random(5);
  TunBench bench;
  for (int turn = 0; turn < 500; turn++) {
    for (uint32_t i = random.between(1, 6); i > 0; i--) bench.put(random.chance(3), random.between(60, 3000));
    while (bench.read() > 0) {}
    bench.take(0);
    bench.take(1);
    if (hopeless()) return;
  }
  for (int shard = 0; shard < 2; shard++) CHECK(bench.got[shard] == bench.wanted[shard]);
  CHECK_EQUAL(bench.dropped, 0);
}

TEST("TunSorter gives what is no packet to the first shard") {
  TunBench bench;
  bench.put(true, 100);
  CHECK_EQUAL(bench.read(), 1);
  const Bytes nonsense(sizeof(VnetHeader) + 30, 0xff);
  CHECK_EQUAL(::write(bench.ends[1], nonsense.data(), nonsense.size()), static_cast<ssize_t>(nonsense.size()));
  CHECK_EQUAL(bench.read(), 1);
  bench.take(0);
  bench.take(1);
  CHECK_EQUAL(bench.got[0].size(), 1u);
  CHECK_EQUAL(bench.got[1].size(), 1u);
}

TEST("TunSorter waits for a ring that is full, drops for one that stays full, and goes on with the others") {
  TunBench bench;
  double nowUs = 1e6;
  int last = 0;
  for (int i = 0; i < 200 && last != -ENOSPC; i++) {
    bench.put(true, 3000);
    last = bench.read(nowUs);
  }
  CHECK_EQUAL(last, -ENOSPC);
  bench.put(false, 500);
  CHECK_EQUAL(bench.read(nowUs + 10e3), -ENOSPC);
  CHECK_EQUAL(bench.dropped, 0);
  CHECK(bench.read(nowUs + 30e3) > 0);
  CHECK(bench.dropped > 0);
  bench.take(0);
  CHECK_EQUAL(bench.got[0].size(), 1u);
  // There is room again, and nothing is dropped any more.
  bench.take(1);
  const double before = bench.dropped;
  const size_t had = bench.got[1].size();
  bench.put(true, 3000);
  CHECK_EQUAL(bench.read(nowUs + 31e3), 1);
  bench.take(1);
  CHECK_EQUAL(bench.dropped, before);
  CHECK_EQUAL(bench.got[1].size(), had + 1);
}

}  // namespace
}  // namespace hawser
