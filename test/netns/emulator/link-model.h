// One direction of an emulated link: drop-tail queue → transmitter of a given rate → wire with delay, jitter, loss. No I/O, no
// clock: times are arguments, in nanoseconds of CLOCK_MONOTONIC; randomness comes from a seeded generator.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <string_view>
#include <vector>

namespace emulator {

constexpr uint32_t kVnetHeaderBytes = 10;  // struct virtio_net_hdr of linux/virtio_net.h
constexpr uint32_t kFrameBytes = 2048 - 16;
constexpr uint32_t kEthernetHeaderBytes = 14;

/// A frame with its virtio header in front, as AF_PACKET hands it over.
struct Frame {
  uint32_t length = 0;
  uint8_t bytes[kFrameBytes];

  /// Octets that occupy the link: the Ethernet frame without preamble and check sequence.
  uint32_t wireBytes() const { return length - kVnetHeaderBytes; }
};

/// Frames are taken and given back at packet rate, so they are never freed.
class FramePool {
 public:
  Frame* take() {
    if (free_.empty()) grow();
    Frame* frame = free_.back();
    free_.pop_back();
    return frame;
  }
  void give(Frame* frame) { free_.push_back(frame); }

 private:
  void grow() {
    slabs_.push_back(std::make_unique<Frame[]>(kSlabFrames));
    for (size_t i = 0; i < kSlabFrames; i++) free_.push_back(&slabs_.back()[i]);
  }

  static constexpr size_t kSlabFrames = 1024;
  std::vector<std::unique_ptr<Frame[]>> slabs_;
  std::vector<Frame*> free_;
};

struct Parameters {
  double rateBps = 0;  // 0 = as fast as frames come
  double delayNs = 0;
  double jitterNs = 0;    // sigma of a normal distribution
  bool keepsOrder = true; // of jittered frames
  double loss = 0;        // share, independent
  double burstStart = 0;  // Gilbert-Elliott: probability a frame to go from good to bad …
  double burstEnd = 1;    // … and from bad to good; every frame is lost while bad
  double duplicate = 0;
  double reorder = 0;            // share of frames held back …
  double reorderByNs = 5e6;      // … by this
  double queueBytes = 128 << 10;
  double mtu = 0;                // longer packets (Ethernet header not counted) vanish where they enter; 0 = none do
};

struct Statistics {
  uint64_t frames = 0, bytes = 0;                    // taken from the sender
  uint64_t deliveredFrames = 0, deliveredBytes = 0;  // handed to the receiver
  uint64_t dropped = 0;                              // queue full
  uint64_t lost = 0;                                 // on the wire
  uint64_t swallowed = 0;                            // by a blackhole
  uint64_t tooLong = 0;                              // longer than `mtu`
  uint64_t duplicated = 0, reordered = 0;
  uint64_t maxQueueBytes = 0;
};

class LinkDirection {
 public:
  LinkDirection(FramePool& pool, uint64_t seed) : pool_(pool), random_(seed) {}

  Parameters parameters;
  Statistics statistics;

  uint64_t queueBytes() const { return queuedBytes_; }

  /// A frame enters. It is dropped when the queue holds `queueBytes` already; the one in the transmitter does not count.
  void enter(Frame* frame, double nowNs) {
    statistics.frames += 1;
    statistics.bytes += frame->wireBytes();
    if (parameters.mtu > 0 && frame->wireBytes() > parameters.mtu + kEthernetHeaderBytes) {
      statistics.tooLong += 1;
      pool_.give(frame);
      return;
    }
    if (queuedBytes_ + frame->wireBytes() > std::max(parameters.queueBytes, kLeastQueueBytes) && !queue_.empty()) {
      statistics.dropped += 1;
      pool_.give(frame);
      return;
    }
    if (queue_.empty()) headDoneNs_ = std::max(nowNs, transmitterFreeNs_) + transmitNs(*frame);
    queue_.push_back(frame);
    queuedBytes_ += frame->wireBytes();
    statistics.maxQueueBytes = std::max(statistics.maxQueueBytes, queuedBytes_);
  }

  /// Puts on the wire what the transmitter has finished by `nowNs`. Late calls lose no capacity: times are computed, not measured.
  void transmit(double nowNs) {
    while (!queue_.empty() && headDoneNs_ <= nowNs) {
      Frame* frame = queue_.front();
      queue_.pop_front();
      queuedBytes_ -= frame->wireBytes();
      transmitterFreeNs_ = headDoneNs_;
      carry(frame, headDoneNs_);
      if (!queue_.empty()) headDoneNs_ += transmitNs(*queue_.front());
    }
  }

  /// The next frame that has arrived by `nowNs`, or null. The caller gives it back to the pool.
  Frame* arrived(double nowNs) {
    while (!wire_.empty() && wire_.top().dueNs <= nowNs) {
      const Flight flight = wire_.top();
      wire_.pop();
      if (flight.middleNs >= holeFromNs_ && flight.middleNs < holeUntilNs_) {
        statistics.swallowed += 1;
        pool_.give(flight.frame);
        continue;
      }
      statistics.deliveredFrames += 1;
      statistics.deliveredBytes += flight.frame->wireBytes();
      return flight.frame;
    }
    return nullptr;
  }

  /// When `transmit` or `arrived` has something to do; infinity = never.
  double nextNs() const {
    const double sentNs = queue_.empty() ? INFINITY : headDoneNs_;
    return wire_.empty() ? sentNs : std::min(sentNs, wire_.top().dueNs);
  }

  /// A cut in the middle of the link: what has passed the middle still arrives, what reaches it later never does.
  void setBlackhole(bool isOn, double nowNs) {
    if (isOn == isBlackhole()) return;
    if (isOn) {
      holeFromNs_ = nowNs;
      holeUntilNs_ = INFINITY;
    } else {
      holeUntilNs_ = nowNs;
    }
  }

 private:
  struct Flight {
    double dueNs;
    double middleNs;
    uint64_t order;
    Frame* frame;
    bool operator<(const Flight& other) const {  // std::priority_queue has the greatest on top
      return dueNs != other.dueNs ? dueNs > other.dueNs : order > other.order;
    }
  };

  bool isBlackhole() const { return holeUntilNs_ == INFINITY; }

  double transmitNs(const Frame& frame) const {
    return parameters.rateBps > 0 ? frame.wireBytes() * 8e9 / parameters.rateBps : 0;
  }

  bool chance(double probability) { return probability > 0 && uniform_(random_) < probability; }

  bool isLost() {
    if (isBad_ ? chance(parameters.burstEnd) : chance(parameters.burstStart)) isBad_ = !isBad_;
    return isBad_ || chance(parameters.loss);
  }

  void carry(Frame* frame, double sentNs) {
    if (isLost()) {
      statistics.lost += 1;
      pool_.give(frame);
      return;
    }
    if (chance(parameters.duplicate)) {
      Frame* copy = pool_.take();
      copy->length = frame->length;
      std::memcpy(copy->bytes, frame->bytes, frame->length);
      statistics.duplicated += 1;
      fly(copy, sentNs);
    }
    fly(frame, sentNs);
  }

  void fly(Frame* frame, double sentNs) {
    const bool isHeldBack = chance(parameters.reorder);
    double delayNs = std::max(parameters.delayNs + jitterNs(sentNs), parameters.delayNs * kLeastDelayShare);
    double dueNs = sentNs + delayNs;
    if (isHeldBack) {
      statistics.reordered += 1;
      dueNs += parameters.reorderByNs;
    } else if (parameters.keepsOrder) {
      dueNs = lastDueNs_ = std::max(dueNs, lastDueNs_);
    }
    wire_.push({dueNs, dueNs - delayNs / 2, order_++, frame});
  }

  /// Order kept: a smooth normal process (two independent samples joined by cos and sin, so that sigma holds at every instant), or
  /// else the slowest of many independent samples would delay all the frames behind it. Order free: one sample a frame.
  double jitterNs(double atNs) {
    if (parameters.jitterNs <= 0) return 0;
    if (!parameters.keepsOrder) return normal_(random_) * parameters.jitterNs;
    const double periodNs = parameters.jitterNs * kJitterPeriods;
    if (atNs >= jitterAtNs_ + 2 * periodNs) {
      jitterAtNs_ = atNs;
      jitterFrom_ = normal_(random_);
      jitterTo_ = normal_(random_);
    } else if (atNs >= jitterAtNs_ + periodNs) {
      jitterAtNs_ += periodNs;
      jitterFrom_ = jitterTo_;
      jitterTo_ = normal_(random_);
    }
    const double angle = std::min(1.0, (atNs - jitterAtNs_) / periodNs) * M_PI_2;
    return (std::cos(angle) * jitterFrom_ + std::sin(angle) * jitterTo_) * parameters.jitterNs;
  }

  /// A queue shorter than two frames would be no queue.
  static constexpr double kLeastQueueBytes = 2 * 1514;
  /// Jitter never brings a frame earlier than this share of the delay.
  static constexpr double kLeastDelayShare = 0.1;
  /// Periods of sigma between two samples: delays fall so slowly that frames hardly ever catch up with those before.
  static constexpr double kJitterPeriods = 4;

  FramePool& pool_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::normal_distribution<double> normal_{0, 1};
  std::deque<Frame*> queue_;
  uint64_t queuedBytes_ = 0;
  double headDoneNs_ = 0;
  double transmitterFreeNs_ = 0;
  std::priority_queue<Flight> wire_;
  uint64_t order_ = 0;
  double lastDueNs_ = 0;
  double holeFromNs_ = INFINITY;
  double holeUntilNs_ = -INFINITY;
  bool isBad_ = false;
  double jitterAtNs_ = -INFINITY;
  double jitterFrom_ = 0, jitterTo_ = 0;
};

}  // namespace emulator
