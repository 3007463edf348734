// Seals trains into the log. It knows neither queues nor paths: TypeScript says which trains, under which key slot, by which
// path and how many segments at most; this takes the counters, cuts, encrypts and leaves a descriptor for the link.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "cipher_cache.h"
#include "fec_groups.h"
#include "flight.h"
#include "inner_limit.h"
#include "inspect.h"
#include "ring.h"
#include "segment.h"
#include "tables.h"
#include "too_big.h"

namespace hawser {

class LinkSender;

// Type (4, little-endian u32), receiver index, counter; the tag follows the ciphertext (WireGuard paper, 5.4.6).
inline constexpr uint32_t kDataHeaderBytes = 16;
inline constexpr uint32_t kTagBytes = 16;
inline constexpr uint8_t kTypeData = 4;
// WireGuard's Reject-After-Messages.
inline constexpr uint64_t kRejectAfterMessages = UINT64_MAX - (uint64_t{1} << 13);

// Packets that were too long for their peer, ever.
using TooLongTally = layout::TooLongRow;

class Sealer {
 public:
  struct Order {
    int32_t slot;
    int32_t path;
    int32_t trafficClass;
    uint32_t maxPaddedBytes;  // the tunnel's MTU: padding to 16 never goes beyond it
    double nowUs;
    int32_t peer = 0;
    // What leaves is remembered, to be compared with what the peer acknowledges.
    bool isRecorded = false;
    uint8_t flightFlags = 0;
  };

  struct Parts {
    SealedLog log;
    SessionTable sessions;
    RowTable paths;
    // `Flight::kPaths` rows that the flights of all peers write to, one call at a time.
    PathFeedback* feedback = nullptr;
    // For each of `Flight::kPaths`, how much later something must have left by it that arrived, for a packet to be lost; then, before when
    // what left by it is lost, 0 = whenever it left it may arrive.
    const double* lossLimits = nullptr;
    // Longest sealed packet that gets parity.
    uint32_t maxFecBytes = 0;
    InnerLimits limits;
    // The TUN device that answers go to; -1 = none.
    int answersFd = -1;
    TooLongTally* tally = nullptr;
    RowTable peers{};
  };

  explicit Sealer(const Parts& parts)
      : log_(parts.log), sessions_(parts.sessions), paths_(parts.paths), peers_(parts.peers), feedback_(parts.feedback), lossLimits_(parts.lossLimits), limits_(parts.limits), teller_(parts.answersFd),
        tally_(parts.tally), ciphers_(parts.sessions, CipherCache::Direction::Send),
        reopeners_(parts.sessions, CipherCache::Direction::Reopen), fec_(parts.maxFecBytes) {}

  // Makes a train that was looked at fit for its peer: what a SYN offers, and how TCP is cut. Says so in `facts`.
  void fit(uint8_t* record, TrainFacts& facts);
  // In a run: the same for the cut of a train that has waited.
  void refit(uint8_t* record);

  // Starts a run: the slot's cipher and index are looked up once. 0, or a negative errno:
  // EKEYEXPIRED (the slot cannot seal any more), ENOKEY (not ready). `beside`: sends for the link while its thread sleeps; may be null.
  int open(const Order& order, RingProducer* link, LinkSender* beside = nullptr);
  // Seals up to `maxSegments` not yet sealed segments of the train record at `record`. Returns how many, or ENOSPC when the
  // link's ring is full, EBADMSG when the train makes no sense. What is too long for the peer is cut, or dropped and counted.
  int train(uint8_t* record, uint32_t maxSegments);
  // Segments of a train record that are not sealed yet; 0 when it makes no sense.
  static uint32_t segmentsLeft(uint8_t* record);
  // Gives up the first segment that is left, unless it is the last; whether it did.
  static bool skipSegment(uint8_t* record);
  // Seals one inner packet that is not a train: a control frame, or nothing (keepalive). `bytes` needs 16 writable bytes more. `ecn`: of the outer
  // header.
  int packet(uint8_t* bytes, uint32_t length, uint8_t ecn = 0);
  // What follows in this run goes into groups of `data` packets with `parity` parities.
  void protect(uint32_t data, uint32_t parity) {
    fecData_ = data;
    fecParity_ = parity;
  }
  // Seals the parity that waits for the run's peer, under the run's slot, of data that left by `dataPath` (within the peer's rows).
  // Returns frames, or ENOSPC when the link's ring is full before the first.
  int parity(uint32_t dataPath);
  FecGroups& fec() { return fec_; }
  // Whose parity has waited longest of a peer: slot × mostPerPeer + path of its data, -1 = none waits; and bytes of each of its frames.
  int64_t waitingParity(int32_t peer);
  uint32_t parityBytes(int32_t peer);
  // It is not sent.
  void dropParity(int32_t peer);
  // Commits the descriptor at work, and wakes the link or sends in its place. Before the call that sealed returns to JavaScript: a thread that is
  // terminated there would leave trains that count as sealed and were never sent.
  void flush();
  // Ends the run. Returns bytes sealed in it.
  uint32_t close();

  // Sends what the run at work has sealed by another path too, but for descriptors with longer packets; returns bytes. Between a call that sealed and close().
  uint32_t copy(RingProducer& link, int32_t path, uint32_t longest);
  // Sends lost packets of a peer that are no longer than `longest` again by `path`, oldest first; returns bytes.
  uint32_t resend(int32_t peer, RingProducer& link, int32_t path, uint32_t maxBytes, uint32_t longest, double nowUs);
  // Sends what lost packets bore that are longer than `longest`, oldest first, in FRAG frames of at most that many sealed bytes: up to about
  // `maxBytes`, at least one packet. `order`: as for a run. Returns bytes.
  uint32_t resendCut(const Order& order, RingProducer* link, uint32_t maxBytes, uint32_t longest);
  // What is under way to a peer.
  Flight& flight(int32_t peer);
  // Takes a REPORT frame of the peer in, about what was sealed under `slot`: fills `feedback`. Returns packets that wait to be sent again,
  // or -1 when it is malformed.
  int32_t acknowledge(int32_t peer, int32_t slot, const uint8_t* frame, uint32_t length, double nowUs);
  // Declares lost what is overdue; returns the same.
  int32_t expire(int32_t peer, double nowUs);

  // Forgets what is under way to a peer, and its parity.
  void forgetPeer(int32_t peer) {
    const auto index = static_cast<size_t>(std::max(peer, 0));
    if (index < flights_.size()) flights_[index].reset();
    fec_.forget(peer);
  }

  // Forgets what is kept of the keys in `slot` if it is not ready any more; -1 = in any slot.
  void sweep(int32_t slot) {
    sessions_.eachOf(slot, [this](int32_t one) {
      ciphers_.sweep(one);
      reopeners_.sweep(one);
    });
  }

 private:
  static constexpr uint32_t kMaxDescriptorBytes = 65507;
  static constexpr uint32_t kMaxDescriptorPackets = 64;

  static bool recut(uint8_t* record, uint32_t limit);
  int trainTooLong(Segmenter& segmenter, uint32_t& progress, uint32_t count);
  int tooLong(uint8_t* plain, uint32_t length);
  int cutFrames(uint8_t* plain, uint32_t length, uint8_t ecn, uint8_t flags);
  void cutAgain(uint8_t* plain, uint32_t length, const Flight::Taken& taken);
  int cutIpv4(uint8_t* plain, const IpView& ip, uint8_t ecn);
  uint8_t* reopen(const Flight::Taken& taken, uint32_t& length);
  void tell(int32_t peer, const uint8_t* packet, uint32_t length, uint32_t limit, double nowUs);
  bool takeCounters(uint32_t count);
  bool makeRoom(uint32_t packets);
  uint32_t padded(uint32_t length) const;
  bool room(uint32_t sealedBytes, uint8_t ecn);
  bool startDescriptor(uint8_t ecn);
  void finishDescriptor();
  void sealOne(uint8_t* plain, uint32_t length);
  void bookInner(uint32_t bytes);

  static int32_t settled(Flight& flight, double nowUs);
  void book();

  SealedLog log_;
  SessionTable sessions_;
  RowTable paths_;
  RowTable peers_;
  FeedbackRows feedback_;
  const double* lossLimits_;
  InnerLimits limits_;
  TooBigTeller teller_;
  TooLongTally* tally_;
  CipherCache ciphers_;
  CipherCache reopeners_;
  std::vector<uint8_t> reopened_;
  FecGroups fec_;
  std::vector<std::unique_ptr<Flight>> flights_;  // by row of the peer table
  std::vector<std::array<uint8_t, layout::descriptor_bytes>> committed_;  // descriptors of the run at work
  Order order_{};
  RingProducer* link_ = nullptr;
  LinkSender* beside_ = nullptr;
  AeadContext* context_ = nullptr;
  uint8_t* slot_ = nullptr;
  uint32_t index_ = 0;
  // Of an inner packet's ECN field, what the outer header gets: all, or nothing for a peer that would not look at it.
  uint8_t ecnMask_ = 0;
  // Of the run's peer: bytes of an inner packet that leaves uncut.
  uint32_t limit_ = InnerLimits::kNone;
  // the descriptor being filled
  uint8_t* descriptor_ = nullptr;
  uint32_t position_ = 0;
  uint32_t used_ = 0;
  uint32_t packets_ = 0;
  uint32_t segmentBytes_ = 0;
  uint32_t lastBytes_ = 0;
  uint8_t ecn_ = 0;
  uint64_t firstCounter_ = 0;
  uint64_t counter_ = 0;  // next of those this call has taken
  uint32_t sealedBytes_ = 0;
  // of `protect`; 0 = not at all
  uint32_t fecData_ = 0;
  uint32_t fecParity_ = 0;
};

}  // namespace hawser
