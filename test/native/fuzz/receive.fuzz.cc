// What recvmmsg gives, with GRO trains of any shape: nothing of the peer's is lost, torn, or placed outside the ring.
#include <algorithm>

#include "../support/fake-kernel.h"
#include "../support/memory.h"
#include "sys/link_io.h"

using namespace hawser;
using namespace hawser::test;

namespace {

bool isData(const Bytes& bytes) { return bytes.size() >= 4 && readLe32(bytes.data()) == 4; }

struct World {
  FakeKernel kernel;
  RingMemory data{1 << 22};
  RingMemory handshakes{1 << 12};
  CarrierMemory carriers{1};
  LinkReceiver receiver{0, data.producer(), handshakes.producer(), carriers.row(0)};
  RingConsumer consumer = data.consumer();
  RingConsumer shakes = handshakes.consumer();

  void take(std::vector<Bytes>& got) {
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      const uint8_t* from = record + layout::received_payloadAt;
      got.emplace_back(from, from + cell<uint32_t>(record, layout::received_lengthAt));
      consumer.advance();
    }
    consumer.release();
    for (; shakes.peek() != nullptr; shakes.advance()) {
    }
    shakes.release();
  }
};

}  // namespace

// Messages in the input: length (2 bytes), segment bytes (2), first byte; longer than the input = repeated bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World* world = new World;
  fakeKernel() = &world->kernel;
  std::vector<Bytes> wanted, got;
  uint8_t number = 0;
  while (size >= 5) {
    Datagrams message;
    message.bytes.assign(std::min<uint32_t>(65507, data[0] | data[1] << 8), number++);
    message.segmentBytes = data[2] | static_cast<uint32_t>(data[3]) << 8;
    const uint32_t step = message.segmentBytes == 0 ? 65536 : message.segmentBytes;
    bool any = false;
    for (size_t at = 0; at < message.bytes.size(); at += step) {
      if (message.bytes.size() - at < 4) break;
      const uint32_t type = data[4];
      if (std::min<size_t>(step, message.bytes.size() - at) < 4) continue;
      std::memcpy(message.bytes.data() + at, &type, 4);
      any = any || isData(Bytes(message.bytes.begin() + static_cast<long>(at), message.bytes.begin() + static_cast<long>(at) + 4));
    }
    if (any) wanted.push_back(message.bytes);
    world->kernel.waiting.push_back(message);
    data += 5;
    size -= 5;
  }
  while (!world->kernel.waiting.empty()) {
    // An empty ring of the size that topology/plan.ts gives it is never full.
    if (world->receiver.receive(3, 64) < 0) __builtin_trap();
    world->take(got);
  }
  if (got != wanted) __builtin_trap();
  return 0;
}
