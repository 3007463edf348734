// Encoded obfuscations as nobody writes them, and datagrams under one that is whole: nothing is read or written outside, and what comes out
// is shorter than what went in.
#include <algorithm>

#include "../support/fake-kernel.h"
#include "../support/memory.h"
#include "sys/link_io.h"

using namespace hawser;
using namespace hawser::test;

namespace {

struct World {
  FakeKernel kernel;
  RingMemory data{1 << 22};
  RingMemory handshakes{1 << 16};
  CarrierMemory carriers{1};
};

void drain(RingConsumer consumer, uint32_t most) {
  for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
    const uint32_t length = cell<uint32_t>(record, layout::received_lengthAt);
    const uint32_t step = cell<uint32_t>(record, layout::received_segmentBytesAt);
    if (length == 0 || length > most || step == 0 || layout::received_payloadAt + length > consumer.length()) __builtin_trap();
    consumer.advance();
  }
  consumer.release();
}

}  // namespace

// Length of the encoded list (2 bytes), the list; then a message: segment bytes (2), the rest of the input.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const size_t listed = std::min<size_t>(size - 4, data[0] | data[1] << 8);
  const Bytes list(data + 2, data + 2 + listed);
  Obfuscations all;
  all.read(list.data(), list.size(), (data[1] & 0x80) != 0);
  RandomBytes random;
  for (int32_t id = 1; id < 4; id++) {
    const Obfuscation* one = all.find(id);
    if (one == nullptr) continue;
    for (const Chain& chain : one->chains) {
      Bytes written(chainBytes(chain));
      writeChain(chain, 1, random, written.data());
    }
  }
  static World* world = new World;
  fakeKernel() = &world->kernel;
  LinkReceiver receiver(0, world->data.producer(), world->handshakes.producer(), world->carriers.row(0));
  receiver.wear(all);
  const uint8_t* rest = data + 2 + listed;
  Datagrams message;
  message.segmentBytes = rest[0] | static_cast<uint32_t>(rest[1]) << 8;
  message.bytes.assign(rest + 2, data + size);
  message.bytes.resize(std::min<size_t>(message.bytes.size(), 65507));
  const auto most = static_cast<uint32_t>(message.bytes.size());
  world->kernel.waiting.push_back(std::move(message));
  while (!world->kernel.waiting.empty()) {
    if (receiver.receive(3, 64) < 0) __builtin_trap();
  }
  drain(world->data.consumer(), most);
  drain(world->handshakes.consumer(), most);
  return 0;
}
