// The replay bitmap of one key slot. It lies in the slot itself while nothing came beyond its first counters, which is all that an idle
// session ever hears, and then in the window behind the table, which takes a page of memory as soon as it is written to.
#pragma once
#include <cstdint>
#include <cstring>

#include "replay.h"
#include "tables.h"

namespace hawser {

class SessionReplay {
 public:
  SessionReplay(const SessionTable& sessions, int32_t slot)
      : early_(reinterpret_cast<uint64_t*>(sessions.slot(slot) + layout::session_earlyWindowAt)), window_(sessions.window(slot)),
        bits_(sessions.windowBits()), next_(cell<uint64_t>(sessions.slot(slot), layout::session_receiveNextAt)) {}

  // See ReplayWindow.
  bool fresh(uint64_t counter) const { return current().fresh(counter); }
  uint64_t downFrom(uint64_t from, uint64_t back) const { return current().downFrom(from, back); }
  bool accept(uint64_t counter) {
    if (isEarly() && counter >= kEarlyCounters) {
      // What lies in it beyond the counters that came is overwritten on the way to the new one.
      std::memcpy(window_, early_, kEarlyBits / 8);
      return ReplayWindow(window_, bits_, next_).accept(counter);
    }
    return current().accept(counter);
  }

 private:
  static constexpr uint32_t kEarlyBits = layout::session_earlyWindowBytes * 8;
  // A bitmap remembers 64 counters less than it has bits, and of these early ones none may be forgotten.
  static constexpr uint64_t kEarlyCounters = kEarlyBits - 64;

  // A window that is no larger than the slot's own is used from the start.
  bool isEarly() const { return next_ <= kEarlyCounters && bits_ > kEarlyBits; }
  ReplayWindow current() const { return isEarly() ? ReplayWindow(early_, kEarlyBits, next_) : ReplayWindow(window_, bits_, next_); }

  uint64_t* early_;
  uint64_t* window_;
  uint32_t bits_;
  uint64_t& next_;
};

}  // namespace hawser
