// The two ends of the shared-memory ring of contract/rings.ts, as C++ drives them; rings/spsc-ring.ts is the same machine.
// A producer belongs to one thread, a consumer to one thread. The store of `tail` publishes records, the store of `head`
// returns their space.
#pragma once
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "layout.h"

namespace hawser {

inline std::atomic_ref<int32_t> word(uint8_t* base, int64_t at) {
  return std::atomic_ref<int32_t>(*reinterpret_cast<int32_t*>(base + at));
}

template <typename T>
inline T& cell(uint8_t* base, int64_t at) {
  return *reinterpret_cast<T*>(base + at);
}

// Wakes the thread that consumes. Ring it after a publish: the seq_cst load of `armed` comes after the seq_cst store of tail.
class Doorbell {
 public:
  Doorbell() = default;
  Doorbell(uint8_t* memory, int fd) : memory_(memory), fd_(fd) {}

  // Whether a wake would be a system call: the thread is about to wait, or waits.
  bool isArmed() const { return memory_ != nullptr && word(memory_, layout::doorbell_armedAt).load(std::memory_order_seq_cst) != 0; }

  void wake() const {
    if (memory_ == nullptr) return;
    auto armed = word(memory_, layout::doorbell_armedAt);
    if (armed.load(std::memory_order_seq_cst) == 0 || armed.exchange(0, std::memory_order_seq_cst) == 0) return;
    const uint64_t one = 1;
    // EAGAIN means the counter is at its limit: the thread is woken already.
    [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
  }

 private:
  uint8_t* memory_ = nullptr;
  int fd_ = -1;
};

class RingEnd {
 public:
  bool valid() const { return base_ != nullptr; }
  uint8_t* data() const { return base_ + layout::ring_dataAt; }
  uint32_t capacity() const { return capacity_; }

 protected:
  static constexpr uint32_t kHeader = layout::ring_recordHeaderBytes;

  RingEnd() = default;
  explicit RingEnd(uint8_t* base)
      : base_(base), capacity_(cell<uint32_t>(base, layout::ring_capacityAt)), mask_(capacity_ - 1) {}

  static uint32_t align(uint32_t length) { return (length + kHeader + 7) & ~7u; }
  int32_t& recordLength(uint32_t position) const { return cell<int32_t>(data(), position & mask_); }
  int32_t& recordType(uint32_t position) const { return cell<int32_t>(data(), (position & mask_) + 4); }
  uint8_t* payload(uint32_t position) const { return data() + (position & mask_) + kHeader; }

  uint8_t* base_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t mask_ = 0;
};

class RingProducer : public RingEnd {
 public:
  RingProducer() = default;
  RingProducer(uint8_t* base, Doorbell doorbell)
      : RingEnd(base), doorbell_(doorbell), tail_(word(base, layout::ring_tailAt).load()), head_(word(base, layout::ring_headAt).load()) {}

  // Whether records of `length` bytes can always pass, wherever the cursors stand: half of the ring each, at most. Checked once,
  // by whoever binds a ring to a claim, since a claim that never succeeds looks like a consumer that never comes.
  bool carries(uint32_t length) const { return align(length) <= capacity_ / 2; }

  // Contiguous space for one record of at most `length` payload bytes, or null when the ring is full.
  uint8_t* claim(uint32_t length) {
    const uint32_t needed = align(length);
    const uint32_t toEnd = capacity_ - (tail_ & mask_);
    const uint32_t total = needed <= toEnd ? needed : toEnd + needed;
    if (!hasRoom(total)) return nullptr;
    if (needed > toEnd) pad(toEnd);
    return payload(tail_);
  }

  // Ends the claimed record, which turned out to have `length` bytes. Invisible until publish().
  void commit(uint32_t length, int32_t type) {
    recordLength(tail_) = static_cast<int32_t>(length);
    recordType(tail_) = type;
    tail_ += align(length);
    committed_ += 1;
  }

  // Passes over `bytes` (header included, a multiple of 8, within the claim) so that the next record begins after them.
  void pad(uint32_t bytes) {
    recordLength(tail_) = static_cast<int32_t>(bytes - kHeader);
    recordType(tail_) = layout::ring_paddingType;
    tail_ += bytes;
  }

  bool publish() {
    const bool any = show();
    if (any) wake();
    return any;
  }

  // The same in two steps. What was shown and is not looked after otherwise needs the wake.
  bool show() {
    const bool any = committed_ != 0;
    cell<int32_t>(base_, layout::ring_publishedAt) += static_cast<int32_t>(committed_);
    committed_ = 0;
    word(base_, layout::ring_tailAt).store(static_cast<int32_t>(tail_), std::memory_order_seq_cst);
    return any;
  }
  void wake() const { doorbell_.wake(); }
  bool isConsumerAsleep() const { return doorbell_.isArmed(); }
  // Whether one record of `length` bytes is all that was published and not released.
  bool holdsOne(uint32_t length) const { return usedBytes() == align(length); }

  // Whether `bytes` are free, without claiming them.
  bool hasRoom(uint32_t bytes) {
    if (tail_ - head_ + bytes <= capacity_) return true;
    head_ = static_cast<uint32_t>(word(base_, layout::ring_headAt).load(std::memory_order_acquire));
    if (tail_ - head_ + bytes <= capacity_) return true;
    cell<int32_t>(base_, layout::ring_fullAt) += 1;
    return false;
  }

  uint32_t usedBytes() const { return tail_ - static_cast<uint32_t>(word(base_, layout::ring_headAt).load(std::memory_order_relaxed)); }

 private:
  Doorbell doorbell_;
  uint32_t tail_ = 0;
  uint32_t head_ = 0;
  uint32_t committed_ = 0;
};

class RingConsumer : public RingEnd {
 public:
  RingConsumer() = default;
  explicit RingConsumer(uint8_t* base)
      : RingEnd(base), head_(word(base, layout::ring_headAt).load()), released_(head_), tail_(word(base, layout::ring_tailAt).load()) {
    blame();
  }

  // The next record's payload, or null; length() and type() then describe it.
  uint8_t* peek() {
    for (;;) {
      if (head_ == tail_) {
        tail_ = static_cast<uint32_t>(word(base_, layout::ring_tailAt).load(std::memory_order_seq_cst));
        if (head_ == tail_) return nullptr;
      }
      length_ = static_cast<uint32_t>(recordLength(head_));
      type_ = recordType(head_);
      if (type_ == layout::ring_paddingType) {
        head_ += length_ + kHeader;
      } else if (hasPoison_ && head_ == poisonAt_) {
        advance();
      } else {
        return payload(head_);
      }
    }
  }

  uint32_t length() const { return length_; }
  int32_t type() const { return type_; }
  void advance() { head_ += align(length_); }

  void release() {
    if (released_ == head_) return;
    // Only now: after a rewind the poison is met again.
    if (hasPoison_ && static_cast<int32_t>(head_ - poisonAt_) > 0) {
      hasPoison_ = false;
      cell<int32_t>(base_, layout::ring_poisonedAt) += 1;
    }
    released_ = head_;
    word(base_, layout::ring_headAt).store(static_cast<int32_t>(head_), std::memory_order_release);
  }

  // Whether nothing waits, whoever has taken it.
  bool isEmpty() const {
    return word(base_, layout::ring_headAt).load(std::memory_order_acquire) == word(base_, layout::ring_tailAt).load(std::memory_order_seq_cst);
  }
  // Goes on where another consumer of the same ring has come to; the two take turns by a lock of theirs.
  void follow() {
    const auto head = static_cast<uint32_t>(word(base_, layout::ring_headAt).load(std::memory_order_acquire));
    if (head != released_) released_ = head_ = tail_ = head;
  }

  // Back to the oldest record that was not released: what was looked at is to be looked at again.
  void rewind() { head_ = released_; }

  // Between begin and end a dying consumer leaves its record marked; see spsc-ring.ts.
  void begin() {
    cell<int32_t>(base_, layout::ring_workingAt) = static_cast<int32_t>(head_);
    cell<int32_t>(base_, layout::ring_busyAt) = 1;
  }
  void end() { cell<int32_t>(base_, layout::ring_busyAt) = 0; }
  // A predecessor died in a batch, at a record that only batches of one will find out.
  bool isSuspicious() const { return suspicious_; }

  uint32_t usedBytes() const { return static_cast<uint32_t>(word(base_, layout::ring_tailAt).load(std::memory_order_relaxed)) - head_; }

 private:
  static constexpr int32_t kCrashesToPoison = 2;

  void blame() {
    int32_t& busy = cell<int32_t>(base_, layout::ring_busyAt);
    if (busy == 0) return;
    busy = 0;
    suspicious_ = true;
    int32_t& suspect = cell<int32_t>(base_, layout::ring_suspectAt);
    int32_t& crashes = cell<int32_t>(base_, layout::ring_crashesAt);
    const int32_t working = cell<int32_t>(base_, layout::ring_workingAt);
    crashes = suspect == working ? crashes + 1 : 1;
    suspect = working;
    if (crashes < kCrashesToPoison) return;
    crashes = 0;
    poisonAt_ = static_cast<uint32_t>(working);
    hasPoison_ = true;
  }

  uint32_t head_ = 0;
  uint32_t released_ = 0;
  uint32_t tail_ = 0;
  uint32_t length_ = 0;
  int32_t type_ = 0;
  uint32_t poisonAt_ = 0;
  bool hasPoison_ = false;
  bool suspicious_ = false;
};

}  // namespace hawser
