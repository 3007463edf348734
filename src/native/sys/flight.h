// What is under way to one peer: every run of sealed packets, by which path it left, and what the peer said of it. It names lost
// packets and puts them on another path from the sealed log; when to do so, and by which path, is TypeScript's choice.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "ring.h"
#include "tables.h"

namespace hawser {

// One path's row of what `acknowledge`, `expire` and `survey` found out. Sums since the last `clear`.
using PathFeedback = layout::FeedbackRow;

// The rows of a peer's paths by their number. The flights of all peers write into the same ones, one call at a time.
class FeedbackRows {
 public:
  explicit FeedbackRows(PathFeedback* rows) : rows_(rows) {}

  PathFeedback& operator[](uint32_t path) {
    written_ |= uint64_t{1} << path;
    return rows_[path];
  }
  void clear() {
    for (; written_ != 0; written_ &= written_ - 1) {
      PathFeedback& row = rows_[std::countr_zero(written_)];
      row = PathFeedback{};
      row.rttUs = -1;
    }
  }

 private:
  PathFeedback* rows_;
  uint64_t written_ = ~uint64_t{0};
};
static_assert(layout::path_mostPerPeer == 64, "a bit for each path of a peer");

class Flight {
 public:
  static constexpr uint32_t kPaths = layout::path_mostPerPeer;

  static constexpr uint8_t kNoPath = 255;

  struct Run {
    uint64_t counter;
    double sentUs;
    uint64_t acked, lost, queued, resent;  // a bit a packet
    int32_t slot;
    uint32_t position;
    uint32_t segmentBytes, lastBytes;
    uint16_t resentPackets;  // all that went out again of it, some of them more than once
    uint8_t count, path, trafficClass, flags;
    uint8_t ecn;
    // Of what is not watched: where a copy of it may yet come by.
    uint8_t copyPath = kNoPath;
  };
  // Of a run: it counts as in flight and is watched for loss; what is lost of it may go out again.
  static constexpr uint8_t kWatched = layout::flight_watched;
  static constexpr uint8_t kResendable = layout::flight_resendable;

  explicit Flight(FeedbackRows& out) : out_(out) { clear(); }

  // Forgets the sums; a report's figures stand alone.
  void clear() { out_.clear(); }
  void record(const Run& run);
  // A REPORT (contract/frames.ts) about the counters of `slot`. False when it is malformed.
  bool acknowledge(int32_t slot, const uint8_t* frame, uint32_t length, double nowUs);
  // Declares lost what was sent more than `lossDelayUs[path]` before something that arrived by the same path (RFC 9002, 6.1.2).
  void detectLoss(const double* lossDelayUs);
  // First of the counters of `slot` that bore a control frame and were found lost, or were taken, and were not told of yet; -1 = there is none.
  double nextHollow(int32_t slot);
  // Declares lost what left by `path` before `beforeUs` and was not acknowledged; `nextHollow` tells of the control frames among it.
  void expire(uint32_t path, double beforeUs);
  // What left by `path`, has more sealed bytes than `longest` and was not acknowledged will not arrive, which is no loss of the path's:
  // it may go out again, and the sums do not count it.
  void loseLonger(uint32_t path, uint32_t longest);
  // Refreshes bytes in flight and the oldest packet of every path.
  void survey();
  uint32_t queuedPackets() const { return queuedPackets_; }
  // Sealed bytes of the longest packet in the oldest run that waits to be sent again; 0 = none waits.
  uint32_t queuedLongest();
  // Gives up those that wait to be sent again and are longer than `longest`.
  void giveUpLonger(uint32_t longest);
  // A packet that waited to be sent again as it lies in the log.
  struct Taken {
    uint64_t counter;
    int32_t slot;
    uint32_t position, offset, bytes;  // `offset`: bytes behind `position`
    uint8_t trafficClass, ecn;
  };
  // Takes the oldest packet that waits in a run with longer ones than `longest`: what it bore goes out under other counters, and nobody need
  // wait for its own. False when there is none.
  bool takeLonger(const SealedLog& log, uint32_t longest, Taken& taken);
  // So many of what was taken left by `path`.
  void noteTaken(uint32_t path, uint32_t packets) { out_[path].resentPackets += packets; }
  // Sends lost packets of at most `longest` sealed bytes again by `path`, whose row is `pathRow`, oldest first, up to `maxBytes`.
  // Returns bytes.
  uint32_t resend(RingProducer& link, const SealedLog& log, uint32_t path, int32_t pathRow, uint32_t maxBytes, uint32_t longest, double nowUs);
  // Notes that run `back` from the newest was also sent by `path` (redundant sending).
  void recordCopy(uint32_t back, uint32_t path, double nowUs);
  // Forgets what was settled or is older than it can matter.
  void trim(double nowUs);

 private:
  struct Copy {
    uint64_t run;  // sequence number
    uint64_t mask;
    double sentUs;
    uint8_t path;
  };
  struct Hollow {
    uint64_t counter;
    int32_t slot;
  };
  static constexpr uint32_t kMaxRuns = 1 << 14;
  // What nobody asks for is not worth more; a path that narrows loses a window.
  static constexpr size_t kMaxHollow = 1024;
  static constexpr uint8_t kMaxResends = 3;
  static constexpr double kSettledUs = 500e3;
  static constexpr double kForgottenUs = 5e6;

  static uint64_t full(const Run& run) { return run.count >= 64 ? ~uint64_t{0} : (uint64_t{1} << run.count) - 1; }
  static uint32_t bytesOf(const Run& run, uint64_t mask) {
    const uint32_t bytes = static_cast<uint32_t>(std::popcount(mask)) * run.segmentBytes;
    const bool hasLast = (mask >> (run.count - 1) & 1) != 0;
    return hasLast ? bytes - run.segmentBytes + run.lastBytes : bytes;
  }
  // Of the packets in `mask`, which is not empty; the last of a run is never longer than the others.
  static uint32_t longestOf(const Run& run, uint64_t mask) { return mask >> (run.count - 1) == 1 && std::popcount(mask) == 1 ? run.lastBytes : run.segmentBytes; }
  Run& at(uint64_t sequence) { return runs_[sequence & (runs_.size() - 1)]; }
  bool contains(uint64_t sequence) const { return sequence >= head_ && sequence < tail_; }
  const uint8_t* readBitmap(const uint8_t* at, const uint8_t* end, uint32_t words);
  const uint8_t* readRebuilt(const uint8_t* at, const uint8_t* end, uint32_t words);
  void grow();
  void acknowledgeRun(uint64_t sequence, Run& run, uint64_t fresh);
  void takeRebuilt(uint64_t sequence, Run& run, uint64_t fresh);
  void settleCopies(uint64_t sequence, const Run& run, uint64_t fresh, bool haveArrived);
  void lose(Run& run, uint64_t bits, uint32_t path);
  void loseFrames(Run& run, uint64_t bits, uint32_t path);
  void noteHollow(const Run& run, uint64_t bits);
  void queue(Run& run, uint64_t bits);
  void settle(Run& run);
  void section(int32_t slot, uint64_t next, uint32_t time, const uint8_t* bytes, const uint8_t* marks, double nowUs);
  int32_t pathOf(int32_t slot, uint64_t counter, double& sentUs);
  uint32_t resendRun(uint64_t sequence, RingProducer& link, uint32_t path, int32_t pathRow, uint32_t maxBytes, double nowUs);

  FeedbackRows& out_;
  std::array<uint64_t, layout::report_maxWords> bitmap_{};
  std::array<uint64_t, layout::report_maxWords> rebuilt_{};
  std::vector<Run> runs_;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  std::vector<Copy> copies_;
  std::vector<Hollow> hollow_;
  uint32_t queuedPackets_ = 0;
  // Numbers that anything ever left by.
  uint64_t seen_ = 0;
  std::array<double, kPaths> inFlight_{};
  std::array<double, kPaths> newestAcked_{};
  std::array<int8_t, 256> pathOfNumber_ = makeUnknown();

  static constexpr std::array<int8_t, 256> makeUnknown() {
    std::array<int8_t, 256> all{};
    for (auto& each : all) each = -1;
    return all;
  }
};

}  // namespace hawser
