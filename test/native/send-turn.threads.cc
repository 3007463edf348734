// A sealer and a carrier that take turns at one ring of descriptors, under ThreadSanitizer: each record once, in order, and none left lying.
#include <poll.h>
#include <sys/eventfd.h>

#include <thread>

#include "support/check.h"
#include "support/memory.h"
#include "sys/send_turn.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kRecords = 100000;

// What both share under the turn, as a carrier's counters are.
struct Shared {
  uint8_t* carrier;
  uint32_t next = 0;
  uint32_t besides = 0;
};

// In a turn: takes what waits, which must be the records that follow.
void take(RingConsumer& consumer, Shared& shared) {
  consumer.follow();
  for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
    CHECK_EQUAL(cell<uint32_t>(record, 0), shared.next);
    shared.next += 1;
    consumer.advance();
  }
  consumer.release();
}

TEST("SendTurn has each record taken once and in order by sealer and carrier, and loses no wake-up") {
  RingMemory memory(4096);
  CarrierMemory carriers(1);
  Block bell(layout::doorbell_bytes);
  const int fd = ::eventfd(0, EFD_NONBLOCK);
  Shared shared{carriers.row(0)};
  std::atomic<bool> timedOut = false;
  std::thread carrier([&] {
    RingConsumer consumer = memory.consumer();
    auto armed = word(bell.get(), layout::doorbell_armedAt);
    const auto look = [&] {
      if (consumer.isEmpty()) return false;
      SendTurn turn(shared.carrier);
      if (!turn.isOurs()) return false;
      take(consumer, shared);
      return true;
    };
    for (bool ended = false; !ended && !timedOut;) {
      armed.store(1, std::memory_order_seq_cst);
      if (!look()) {
        pollfd entry{fd, POLLIN, 0};
        // 20 s stand for ever.
        if (::poll(&entry, 1, 20000) == 0) timedOut = true;
        uint64_t rings;
        [[maybe_unused]] const ssize_t got = ::read(fd, &rings, sizeof rings);
      }
      armed.store(0, std::memory_order_seq_cst);
      SendTurn turn(shared.carrier);
      ended = turn.isOurs() && shared.next == kRecords;
    }
  });
  RingProducer producer(memory.get(), Doorbell(bell.get(), fd));
  RingConsumer consumer = memory.consumer();
  Random random(7);
  for (uint32_t number = 0; number < kRecords && !timedOut;) {
    uint8_t* record = producer.claim(8);
    if (record == nullptr) {
      std::this_thread::yield();
      continue;
    }
    cell<uint32_t>(record, 0) = number++;
    producer.commit(8, 1);
    producer.show();
    bool isDone = false;
    if (producer.isConsumerAsleep() && producer.holdsOne(8)) {
      SendTurn turn(shared.carrier);
      if (turn.isOurs()) {
        take(consumer, shared);
        shared.besides += 1;
        isDone = true;
      }
      isDone = !turn.end() && isDone;
    }
    // The last wakes the carrier, which ends then.
    if (!isDone || number == kRecords) producer.wake();
    for (uint32_t pause = random.below(400); pause > 0; pause--) asm volatile("");
  }
  carrier.join();
  ::close(fd);
  CHECK(!timedOut);
  CHECK_EQUAL(shared.next, kRecords);
  CHECK(shared.besides > 0);
}

}  // namespace
}  // namespace hawser
