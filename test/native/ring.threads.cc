// Two threads over one ring, under ThreadSanitizer: bytes cross without a race that the cursors do not order.
#include <sys/eventfd.h>
#include <poll.h>

#include <thread>

#include "support/check.h"
#include "support/memory.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kRecords = 200000;

uint32_t lengthOf(uint32_t number) { return 4 + (number * 2654435761u >> 20) % 700; }

void produce(RingProducer producer) {
  Random random(5);
  for (uint32_t number = 0; number < kRecords;) {
    const uint32_t batch = random.between(1, 8);
    for (uint32_t i = 0; i < batch && number < kRecords; i++) {
      const uint32_t length = lengthOf(number);
      // Claimed larger than committed, as a receiver does.
      uint8_t* record = producer.claim(length + random.below(200));
      if (record == nullptr) break;
      std::memset(record, static_cast<int>(number), length);
      std::memcpy(record, &number, 4);
      producer.commit(length, 1);
      number += 1;
    }
    producer.publish();
  }
}

// Checks what is there; returns how many records it took.
uint32_t consume(RingConsumer& consumer, uint32_t& expected) {
  uint32_t count = 0;
  for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
    uint32_t number;
    std::memcpy(&number, record, 4);
    CHECK_EQUAL(number, expected);
    CHECK_EQUAL(consumer.length(), lengthOf(expected));
    for (uint32_t at = 4; at < consumer.length(); at++)
      if (record[at] != static_cast<uint8_t>(number)) fail(__FILE__, __LINE__, "a torn record");
    expected += 1;
    count += 1;
    consumer.advance();
    if (count % 3 == 0) consumer.release();
    if (hopeless()) break;
  }
  consumer.release();
  return count;
}

TEST("a ring between two threads, polled, under ThreadSanitizer") {
  RingMemory memory(16384, 0xfffff000u);
  std::thread thread([&] { produce(memory.producer()); });
  RingConsumer consumer = memory.consumer();
  for (uint32_t expected = 0; expected < kRecords;) {
    if (consume(consumer, expected) == 0) std::this_thread::yield();
    if (hopeless()) break;
  }
  thread.join();
}

// One side of a game in which each waits, without end, for the other's only record: nobody rings twice, so a lost wake-up stops
// both. Answers come after a random pause, to fall into every moment of the other's parking.
class Player {
 public:
  Player(const RingMemory& in, const RingMemory& out, const Block& ownBell, int ownFd, const Block& otherBell, int otherFd, uint64_t seed)
      : in_(in.consumer()), out_(RingProducer(out.get(), Doorbell(otherBell.get(), otherFd))), bell_(ownBell.get()), fd_(ownFd), random_(seed) {}

  void serve() {
    for (uint32_t pause = random_.below(3000); pause > 0; pause--) asm volatile("");
    if (out_.claim(8) == nullptr) fail(__FILE__, __LINE__, "no room for one record");
    out_.commit(8, 1);
    out_.publish();
  }

  // False when the wait timed out: 20 s stand for ever, so that a lost wake-up is an error of the test and not its end.
  bool receive() {
    while (in_.peek() == nullptr) {
      auto armed = word(bell_, layout::doorbell_armedAt);
      armed.store(1, std::memory_order_seq_cst);
      if (in_.peek() == nullptr) {
        pollfd entry{fd_, POLLIN, 0};
        if (::poll(&entry, 1, 20000) == 0) return false;
        uint64_t rings;
        [[maybe_unused]] const ssize_t got = ::read(fd_, &rings, sizeof rings);
        slept += 1;
      }
      armed.store(0, std::memory_order_seq_cst);
    }
    in_.advance();
    in_.release();
    return true;
  }

  uint32_t slept = 0;

 private:
  RingConsumer in_;
  RingProducer out_;
  uint8_t* bell_;
  int fd_;
  Random random_;
};

TEST("a doorbell loses no wake-up: arm, look again, wait for ever") {
  constexpr int kRounds = 30000;
  RingMemory there(4096), back(4096);
  Block bellA(layout::doorbell_bytes), bellB(layout::doorbell_bytes);
  const int fdA = ::eventfd(0, EFD_NONBLOCK), fdB = ::eventfd(0, EFD_NONBLOCK);
  Player a(back, there, bellA, fdA, bellB, fdB, 1);
  Player b(there, back, bellB, fdB, bellA, fdA, 2);
  std::atomic<int> timedOut = 0;
  std::thread thread([&] {
    for (int round = 0; round < kRounds && timedOut == 0; round++) {
      if (!b.receive()) timedOut += 1;
      b.serve();
    }
  });
  for (int round = 0; round < kRounds && timedOut == 0; round++) {
    a.serve();
    if (!a.receive()) timedOut += 1;
  }
  thread.join();
  ::close(fdA);
  ::close(fdB);
  CHECK_EQUAL(timedOut, 0);
  CHECK(a.slept + b.slept > kRounds / 100);
}

}  // namespace
}  // namespace hawser
