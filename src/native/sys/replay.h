// The replay window of RFC 6479: a circular bitmap of counters, here of any power-of-two size, in shared memory.
#pragma once
#include <cstdint>

namespace hawser {

class ReplayWindow {
 public:
  // `bits` is a multiple of 64. `next` is the largest accepted counter plus one, 0 when none was.
  ReplayWindow(uint64_t* words, uint32_t bits, uint64_t& next) : words_(words), count_(bits / 64), next_(next) {}

  // Whether `counter` could be accepted: neither seen nor older than the window.
  bool fresh(uint64_t counter) const {
    if (counter >= next_) return true;
    if (next_ - counter > windowBits()) return false;
    return (words_[(counter / 64) % count_] >> (counter % 64) & 1) == 0;
  }

  // Which of 64 counters were accepted: bit j tells of `from - back - j`. All of them must lie in the window, or below zero.
  uint64_t downFrom(uint64_t from, uint64_t back) const {
    if (back > from) return 0;
    const uint64_t high = from - back;
    const uint64_t at = high / 64;
    const uint32_t shift = static_cast<uint32_t>(high % 64);
    // The 64 bits that end with bit `high`, which comes to lie on top.
    uint64_t bits = words_[at % count_] << (63 - shift);
    if (shift != 63 && at > 0) bits |= words_[(at - 1) % count_] >> (shift + 1);
    return reversed(bits);
  }

  // Marks an authenticated counter; false when it was not fresh.
  bool accept(uint64_t counter) {
    if (counter >= next_) {
      advance(counter);
    } else if (!fresh(counter)) {
      return false;
    }
    words_[(counter / 64) % count_] |= uint64_t{1} << (counter % 64);
    return true;
  }

 private:
  static uint64_t reversed(uint64_t bits) {
    bits = (bits >> 1 & 0x5555555555555555u) | (bits & 0x5555555555555555u) << 1;
    bits = (bits >> 2 & 0x3333333333333333u) | (bits & 0x3333333333333333u) << 2;
    bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0fu) | (bits & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(bits);
  }

  // One word is always being refilled, so the window is a word shorter than the bitmap (RFC 6479 section 3).
  uint64_t windowBits() const { return static_cast<uint64_t>(count_ - 1) * 64; }

  void advance(uint64_t counter) {
    const uint64_t from = next_ == 0 ? 0 : (next_ - 1) / 64 + 1;
    const uint64_t to = counter / 64;
    if (next_ == 0) words_[0] = 0;
    if (to + 1 - from >= count_ && to >= from) {
      for (uint32_t i = 0; i < count_; i++) words_[i] = 0;
    } else {
      for (uint64_t i = from; i <= to; i++) words_[i % count_] = 0;
    }
    next_ = counter + 1;
  }

  uint64_t* words_;
  uint32_t count_;
  uint64_t& next_;
};

}  // namespace hawser
