// Opens what the links received. `look` splits received messages into runs of equal type and receiver index; TypeScript says
// per run which key slot it belongs to; `open` then decrypts, drops replays, checks the inner source, joins and publishes, and
// releases the input, all in one call, so that a thread that is terminated leaves nothing half done. What overtook others on another
// path of its peer may be held first (reorder.h).
#pragma once
#include <cstdint>
#include <deque>

#include "allowed_ips.h"
#include "cipher_cache.h"
#include "coalesce.h"
#include "fec_sessions.h"
#include "fragments.h"
#include "inner_limit.h"
#include "open_path.h"
#include "reorder.h"
#include "report.h"
#include "ring.h"
#include "tables.h"

namespace hawser {

// One run of a received record: TypeScript fills in `slot` (-1: nobody's) and `cipher`.
using OpenRun = layout::RunsRow;
// What one `open` did.
using OpenResult = layout::OpenedRow;

struct OpenerParts {
  SessionTable sessions;
  RowTable peers;
  RowTable paths;
  AllowedIps allowedIps;
  RingProducer out;
  RingProducer events;
  RingProducer reports;
  bool joinUdp = false;
  // See Reporter.
  int32_t* unreported = nullptr;
  // Packets of peers with at least so many paths are put in order; 0 = of none.
  int32_t orderFromPaths = 0;
  // One path is enough where the peer says that it repairs what its only path loses.
  bool awaitsRepairs = false;
  // See Reorder.
  double* gaps = nullptr;
  double* lateness = nullptr;
  // Longest sealed packet that parity can bring back.
  uint32_t maxFecBytes = 0;
  // What SYNs of a peer may offer.
  InnerLimits limits;
};

class Opener {
 public:
  static constexpr uint32_t kMaxRuns = 512;

  explicit Opener(const OpenerParts& parts)
      : sessions_(parts.sessions), peers_(parts.peers), allowedIps_(parts.allowedIps), out_(parts.out), events_(parts.events),
        joinUdp_(parts.joinUdp), orderFromPaths_(parts.orderFromPaths), awaitsRepairs_(parts.awaitsRepairs),
        ciphers_(parts.sessions, CipherCache::Direction::Receive),
        ledger_(parts.sessions, parts.peers, parts.paths), reporter_(parts.sessions, parts.peers, parts.paths, parts.reports, parts.unreported),
        reorder_(parts.sessions, parts.peers, parts.gaps, parts.lateness), fec_(parts.sessions, parts.maxFecBytes),
        limits_(parts.limits), joiner_(parts.peers.rows()), roamedUs_(static_cast<size_t>(parts.peers.rows())) {}

  // Describes up to `maxRecords` waiting records; returns the number of runs. Until they are opened the first bears the blame if this
  // thread dies.
  uint32_t look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords);
  // Opens the runs of the last look. Records that were finished are released; on a full output the rest stays.
  void open(RingConsumer& input, const OpenRun* runs, uint32_t count, double nowUs, OpenResult& result);

  // Sends what is known of a slot to the peer; see Reporter::write.
  int32_t report(int32_t slot, double nowUs) { return reporter_.write(slot, nowUs); }

  // Fills the rows of `gaps`; returns how many.
  uint32_t gaps() { return reorder_.describe(); }
  // Waits no longer for what is missing first in `slot`, and delivers what waited for that. A slot whose first is not missing only
  // goes on delivering. False when the output is full: call again.
  bool giveUp(int32_t slot, double nowUs);

  // Forgets what is kept of `slot` if it is not ready any more; -1 = of any slot.
  void sweep(int32_t slot) {
    lane_ = nullptr;
    sessions_.eachOf(slot, [this](int32_t one) {
      reorder_.sweep(one);
      ciphers_.sweep(one);
      reporter_.sweep(one);
      fec_.sweep(one);
    });
  }

 private:
  enum class Outcome { Done, Full };
  // What is being opened: where it lies, when, and where it is booked.
  struct Arrival {
    const uint8_t* record;
    const OpenRun* run;
    double nowUs;
    OpenResult* result;
  };

  uint32_t splitRecord(const uint8_t* record, int32_t number, OpenRun* runs) const;
  Outcome openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result);
  Outcome openDatagram(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openOne(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openLate(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival);
  void openRebuilt(FecDecoder& decoder, uint32_t count, const Arrival& arrival);
  Outcome openAtOnce(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival);
  Outcome openAhead(const uint8_t* datagram, uint32_t length, uint64_t counter, const Arrival& arrival);
  void reject(const Arrival& arrival);
  void accept(uint64_t counter, uint32_t length, const Arrival& arrival);
  void closeRun(const Arrival& arrival);
  bool isForTun(uint8_t* plain, uint32_t length, const Arrival& arrival, IpView& ip);
  bool takeEcn(uint8_t* plain, IpView& ip, const Arrival& arrival);
  bool mayEnter(uint8_t* plain, uint32_t length, int32_t peer, IpView& ip);
  void noteData(const Arrival& arrival);
  void notePiece(uint8_t* plain, const Arrival& arrival);
  void takeParity(const uint8_t* plain, uint32_t length, const Arrival& arrival);
  void takePiece(const uint8_t* plain, uint32_t length, const FragmentJoiner::Piece& piece);
  bool deliverJoined();
  void takeControl(const uint8_t* plain, uint32_t length, const Arrival& arrival);
  void forwardFrame(RingProducer& to, const uint8_t* plain, uint32_t length, const Arrival& arrival, double atUs);
  void tellRoamed(const Arrival& arrival);
  void skip(uint64_t first, uint32_t count, double nowUs);
  int32_t takeRoom(double nowUs);
  bool makeWindow(uint64_t counter, double nowUs);
  bool deliverReady(Lane& lane, double nowUs);
  bool deliverBacklog(double nowUs);

  // What the run being opened has brought so far; all of it is authentic.
  struct Brought {
    uint32_t datagrams = 0;
    uint32_t bytes = 0;
    uint32_t packets = 0;
    // Packets with an ECN field outside, and those of them that were marked on the way.
    uint32_t ecnPackets = 0;
    uint32_t marked = 0;
    uint64_t lowest = UINT64_MAX;
    uint64_t largest = 0;
    // Of the datagram opened last.
    uint64_t counter = 0;
    int32_t pathRow = -1;
    bool hasManyPaths = false;
    bool hasData = false;
    // The datagram opened last was a control frame.
    bool isControl = false;
  };

  SessionTable sessions_;
  RowTable peers_;
  CachedLookup allowedIps_;
  RingProducer out_;
  RingProducer events_;
  bool joinUdp_;
  int32_t orderFromPaths_;
  bool awaitsRepairs_;
  CipherCache ciphers_;
  PathLedger ledger_;
  Reporter reporter_;
  Reorder reorder_;
  FecSessions fec_;
  InnerLimits limits_;
  FragmentJoiner joiner_;
  // Joined packets that are to be delivered next.
  std::deque<PacketBytes> joined_;
  // Pieces taken, and packets dropped that were marked in vain, since `open` told of them.
  int32_t pieces_ = 0;
  int32_t unmarkablePieces_ = 0;
  // Packets that the PARITY frame opened last has rebuilt.
  uint32_t rebuiltByFrame_ = 0;
  bool isRebuilding_ = false;
  // ECN field of the outer headers of the run being opened.
  uint8_t outerEcn_ = 0;
  // CLOCK_REALTIME at the call's nowUs: a thread may lose the CPU in the middle of a call.
  double openedUs_ = 0;
  // When a peer was last said to have roamed, by peer row.
  std::vector<double> roamedUs_;
  Coalescer coalescer_;
  AeadContext* context_ = nullptr;
  uint8_t* slot_ = nullptr;
  uint8_t* peer_ = nullptr;
  int32_t peerIndex_ = -1;
  // Of the run's slot; null when its packets need no order.
  Lane* lane_ = nullptr;
  // Where the next packet that is ahead will be opened: room is made only for authentic ones.
  int32_t spare_ = -1;
  Brought brought_;
};

// CLOCK_REALTIME microseconds when the kernel had a received record.
double kernelUs(const uint8_t* record);

}  // namespace hawser
