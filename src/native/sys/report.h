// Builds REPORT frames (docs/wire-format.md): what the replay window and the path table know of one key slot, for the peer's sealer.
// When one is due is TypeScript's to say.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "by_row.h"
#include "ring.h"
#include "tables.h"

namespace hawser {

class Reporter {
 public:
  // `unreported`: how many slots have something to report, then which; shared with TypeScript, which only reads it.
  Reporter(SessionTable sessions, RowTable peers, RowTable paths, RingProducer out, int32_t* unreported)
      : sessions_(sessions), paths_(paths), chain_(peers, paths), out_(out), unreported_(unreported) {
    unreported_[0] = 0;
  }

  // Counters from `lowest` on were accepted under `slot` by path `row` (-1: by none we know); `hasData`: not only control frames.
  void note(int32_t slot, uint64_t lowest, int32_t row, bool hasData);

  // What had this counter of a session came under others: whether it is news. The counter is taken then, as one that was rebuilt.
  bool takeBefore(int32_t slot, int32_t generation, uint64_t counter);
  // A counter was accepted because its packet was rebuilt from parity: it did not come by its path.
  void noteRebuilt(int32_t slot, uint64_t counter);
  // Whether it was, and has not come since.
  bool wasRebuilt(int32_t slot, uint64_t counter) const;
  // It came after all.
  void forgetRebuilt(int32_t slot, uint64_t counter);

  // Writes a frameOut record that reports on `slot`, publishes it, and takes the slot off the list. Returns the length of the frame; 0
  // when there is nothing to say, or -ENOSPC. `path`: one of `framePath`, or the row of the only path that it leaves by: such a report is
  // said beside the one that is due, and stands for none.
  int32_t write(int32_t slot, double nowUs, int32_t path = layout::framePath_two);

  // Forgets a slot that is not ready any more.
  void sweep(int32_t slot);

 private:
  // Larger ones would not fit the smallest tunnel MTU (1280, IPv6) in its sealed form.
  static constexpr uint32_t kMaxBytes = 1136;
  // At least 256 bits, whatever is new: what a lost report said is said again.
  static constexpr uint64_t kLeastWords = 4;
  // More than are rebuilt between two reports; what is beyond counts as arrived.
  static constexpr size_t kMostRebuilt = 127;

  struct Notes {
    int32_t generation = -1;
    bool isListed = false;
    // Since the last report, and between it and the one before: a report that got lost is made good by the next.
    uint64_t lowest = UINT64_MAX;
    uint64_t lowestBefore = UINT64_MAX;
    // A bit for each path by its number.
    uint64_t paths = 0;
    uint64_t pathsBefore = 0;
    // The number whose section is first: all have their turn where there are more than one report tells of.
    uint32_t firstNumber = 0;
    // Counters rebuilt since the last report, and between it and the one before.
    std::vector<uint64_t> rebuilt;
    std::vector<uint64_t> rebuiltBefore;
  };

  uint32_t emit(uint8_t* target, int32_t slot, Notes& notes) const;
  // Rows of the paths that a report has sections of.
  struct Sections {
    uint32_t count = 0;
    int32_t rows[layout::report_maxSections];
    // For each, what came with an ECN field.
    bool tellsMarks = false;

    uint32_t bytes() const { return count * static_cast<uint32_t>(layout::report_sectionBytes + (tellsMarks ? layout::report_marksBytes : 0)); }
  };
  Sections emitSections(uint8_t* target, int32_t slot, Notes& notes) const;
  uint8_t* emitMarks(uint8_t* at, const Sections& sections) const;
  static uint64_t rebuiltWord(const Notes& notes, uint64_t newest);
  static uint8_t* emitRebuilt(uint8_t* at, const Notes& notes, uint64_t next);
  Notes& notesOf(int32_t slot);
  // Null when nothing has come under the slot.
  Notes* known(int32_t slot) const {
    const std::unique_ptr<Notes>* kept = notes_.find(slot);
    return kept == nullptr ? nullptr : kept->get();
  }
  uint64_t bitmapWords(int32_t slot, const Notes& notes, const Sections& sections) const;
  void unlist(int32_t slot);

  SessionTable sessions_;
  RowTable paths_;
  PathChain chain_;
  RingProducer out_;
  int32_t* unreported_;
  // By slot, of those that something has come under.
  ByRow<std::unique_ptr<Notes>> notes_;
};

// CLOCK_REALTIME in microseconds: the clock of the kernel's receive timestamps.
double realtimeUs();

}  // namespace hawser
