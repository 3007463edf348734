// Opens what the links received, in three steps, each with a file of its own: authenticate (whose is it, is it genuine), dispatch (what is
// in it, may it enter), deliver (in order, joined, to the TUN). `look` splits received messages into runs of equal type and receiver
// index; TypeScript says per run which key slot it belongs to; `open` then takes every datagram through the three, publishes, and releases
// the input, all in one call, so that a thread that is terminated leaves nothing half done.
#pragma once
#include <cstdint>

#include "fec_sessions.h"
#include "open_authenticate.h"
#include "open_deliver.h"
#include "open_dispatch.h"
#include "open_path.h"
#include "open_run.h"
#include "report.h"
#include "ring.h"
#include "tables.h"

namespace hawser {

struct OpenerParts {
  SessionTable sessions;
  RowTable peers;
  RowTable paths;
  AllowedIps allowedIps;
  RingProducer out;
  RingProducer events;
  RingProducer reports;
  RingProducer heard;
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
      : sessions_(parts.sessions), orderFromPaths_(parts.orderFromPaths), awaitsRepairs_(parts.awaitsRepairs),
        ledger_(parts.sessions, parts.peers, parts.paths), reporter_(parts.sessions, parts.peers, parts.paths, parts.reports, parts.unreported),
        fec_(parts.sessions, parts.maxFecBytes), authenticator_(parts.sessions, parts.peers),
        dispatcher_({parts.peers, parts.allowedIps, parts.limits, parts.events, parts.heard}, ledger_, reporter_),
        delivery_({parts.sessions, parts.peers, parts.out, parts.joinUdp, parts.gaps, parts.lateness}, dispatcher_) {}
  // Its steps hold references to one another.
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  // Describes up to `maxRecords` waiting records; returns the number of runs. Until they are opened the first bears the blame if this
  // thread dies.
  uint32_t look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords);
  // Opens the runs of the last look. Records that were finished are released; on a full output the rest stays.
  void open(RingConsumer& input, const OpenRun* runs, uint32_t count, double nowUs, OpenResult& result);

  // Sends what is known of a slot to the peer; see Reporter::write.
  int32_t report(int32_t slot, double nowUs) { return reporter_.write(slot, nowUs); }

  // Fills the rows of `gaps`; returns how many.
  uint32_t gaps() { return delivery_.describeGaps(); }
  // Waits no longer for what is missing first in `slot`, and delivers what waited for that. A slot whose first is not missing only
  // goes on delivering. False when the output is full: call again.
  bool giveUp(int32_t slot, double nowUs) { return !sessions_.has(slot) || delivery_.giveUp(slot, nowUs); }

  // Forgets what is kept of `slot` if it is not ready any more; -1 = of any slot.
  void sweep(int32_t slot) {
    sessions_.eachOf(slot, [this](int32_t one) {
      delivery_.sweep(one);
      authenticator_.sweep(one);
      reporter_.sweep(one);
      fec_.sweep(one);
    });
  }

 private:
  enum class Outcome { Done, Full };

  uint32_t splitRecord(const uint8_t* record, int32_t number, OpenRun* runs) const;
  Outcome openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result);
  bool isOrdered(const Sender& from);
  Outcome openDatagram(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openOne(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openAtOnce(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openAhead(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  Outcome openLate(const uint8_t* datagram, uint32_t length, const Arrival& arrival);
  void openRebuilt(FecDecoder& decoder, uint32_t count, const Arrival& arrival);
  void accept(uint64_t counter, uint32_t length, const Arrival& arrival);
  void handle(Dispatcher::Kind kind, const uint8_t* plain, uint32_t length, const Arrival& arrival);
  void takeParity(const uint8_t* plain, uint32_t length, const Arrival& arrival);

  SessionTable sessions_;
  int32_t orderFromPaths_;
  bool awaitsRepairs_;
  PathLedger ledger_;
  Reporter reporter_;
  FecSessions fec_;
  Authenticator authenticator_;
  Dispatcher dispatcher_;
  Delivery delivery_;
  // Packets that the PARITY frame opened last has rebuilt.
  uint32_t rebuiltByFrame_ = 0;
  bool isRebuilding_ = false;
};

}  // namespace hawser
