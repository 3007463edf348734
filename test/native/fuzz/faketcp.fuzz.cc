// What a packet socket gives: segments of any shape, joined or not, for a connection that is open and for none. What becomes a record is a
// payload that was there, and nothing is read or written beyond what there is.
#include <linux/if_arp.h>

#include <algorithm>

#include "../support/fake-kernel.h"
#include "../support/memory.h"
#include "sys/faketcp.h"
#include "sys/packet.h"

using namespace hawser;
using namespace hawser::test;

namespace {

// Of virtio, Ethernet, IPv4 and TCP without options.
constexpr uint32_t kHeaderBytes = 10 + 14 + 20 + 20;

struct World {
  FakeKernel kernel;
  RingMemory data{1 << 22};
  RingMemory handshakes{1 << 14};
  CarrierMemory carriers{1};
  RowMemory flows{layout::flow_rowsAt, layout::flow_dataAt, layout::flow_rowBytes, 4};
  Block segments{layout::segment_rows * layout::segment_rowBytes};
  int32_t touched[layout::segment_rows] = {};
  FlowIndex index{table()};
  FakeTcpReceiver receiver{3, 0, data.producer(), handshakes.producer(), carriers.row(0), index, segments.get(), touched};
  RingConsumer consumer = data.consumer();
  RingConsumer shakes = handshakes.consumer();

  World() {
    kernel.hardwareType = ARPHRD_ETHER;
    uint8_t* row = flow();
    cell<uint16_t>(row, 0) = AF_INET;
    writeBe16(row + 2, 4000);
    std::memcpy(row + 4, "\x0a\0\0\x01", 4);
    std::memcpy(row + layout::tuple_localAt, "\x0a\0\0\x02", 4);
    cell<uint16_t>(row, layout::tuple_localPortAt) = 443;
    cell<int32_t>(row, layout::flow_stateAt) = layout::flowState_open;
    index.insert(0);
  }

  RowTable table() { return RowTable(flows.get(), layout::flow_rowsAt, layout::flow_dataAt, layout::flow_rowBytes, 0, layout::flow_usedAt); }
  uint8_t* flow() { return table().row(0); }

  // No byte was changed that says how long a header or a packet is.
  bool isHonest = true;

  void reset() {
    uint8_t* row = flow();
    for (const int64_t column : {layout::flow_receiveNextAt, layout::flow_recentNextAt, layout::flow_sendNextAt, layout::flow_sendUnacknowledgedAt})
      cell<uint32_t>(row, column) = 0xfffffff0;
    cell<uint32_t>(row, layout::flow_receiveWindowAt) = 1 << 20;
    cell<int32_t>(row, layout::flow_sendShiftAt) = 14;
    cell<int32_t>(row, layout::flow_touchedAt) = 0;
    cell<int32_t>(row, layout::flow_owedSegmentsAt) = 0;
  }

  void drain() {
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      const uint32_t length = cell<uint32_t>(record, layout::received_lengthAt);
      // Payload bytes are all 4 or 0 in `message`; headers are not.
      for (uint32_t i = 0; isHonest && i < length; i++)
        if (record[layout::received_payloadAt + i] > 4) __builtin_trap();
      consumer.advance();
    }
    consumer.release();
    for (; shakes.peek() != nullptr; shakes.advance()) {
    }
    shakes.release();
  }
};

Bytes message(const uint8_t* data) {
  const uint32_t payload = (data[0] | data[1] << 8) % 65000;
  const uint32_t options = (data[2] & 3) * 4;
  Bytes bytes(kHeaderBytes + options + payload, 0);
  VnetHeader vnet{};
  vnet.flags = data[2] & 4 ? kVnetNeedsChecksum : kVnetDataValid;
  vnet.gsoType = data[2] & 8 ? kGsoTcp4 : kGsoNone;
  vnet.gsoBytes = static_cast<uint16_t>(data[3] * 8);
  std::memcpy(bytes.data(), &vnet, sizeof vnet);
  uint8_t* ip = bytes.data() + 24;
  ip[0] = 0x45;
  writeBe16(ip + 2, static_cast<uint16_t>(40 + options + payload));
  ip[9] = kProtocolTcp;
  std::memcpy(ip + 12, "\x0a\0\0\x01\x0a\0\0\x02", 8);
  uint8_t* tcp = ip + 20;
  writeBe16(tcp, 4000);
  writeBe16(tcp + 2, 443);
  writeBe32(tcp + 4, 0xfffffff0);
  writeBe32(tcp + 8, 0xfffffff0);
  tcp[12] = static_cast<uint8_t>((5 + options / 4) << 4);
  tcp[13] = 16;
  for (uint32_t at = 0; at + 4 <= payload; at += 4) tcp[20 + options + at] = at % 64 == 0 ? 4 : 0;
  return bytes;
}

}  // namespace

// Messages in the input, 12 bytes each: length (2), shape (1), size of joined ones (1), four times where a byte of a header (IP's, too) is changed and to what.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World* world = new World;
  fakeKernel() = &world->kernel;
  world->kernel.waiting.clear();
  world->isHonest = true;
  for (; size >= 12; data += 12, size -= 12) {
    Bytes bytes = message(data);
    for (int change = 0; change < 4; change++) {
      const uint32_t at = data[4 + 2 * change] % (kHeaderBytes + (data[2] & 3) * 4);
      if (data[4 + 2 * change] == 0) continue;
      bytes[at] = data[5 + 2 * change];
      if (at == 24 || at == 26 || at == 27 || at == 44 + 12) world->isHonest = false;
    }
    if (data[2] & 16) bytes.resize(bytes.size() - (data[3] * bytes.size()) / 256);
    world->kernel.waiting.push_back({std::move(bytes)});
  }
  while (!world->kernel.waiting.empty()) {
    world->reset();
    world->receiver.begin(1e6);
    if (world->receiver.receive(3, 64) < 0) __builtin_trap();
    world->drain();
    for (uint32_t index = 0; index < world->receiver.segmentCount(); index++) world->receiver.deliver(index);
    world->drain();
  }
  return 0;
}
