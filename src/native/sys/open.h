// Opens what the links received. `look` splits received messages into runs of equal type and receiver index; TypeScript says
// per run which key slot it belongs to; `open` then decrypts, drops replays, checks the inner source, joins and publishes, and
// releases the input, all in one call, so that a thread that is terminated leaves nothing half done.
#pragma once
#include <cstdint>

#include "allowed_ips.h"
#include "cipher_cache.h"
#include "coalesce.h"
#include "open_path.h"
#include "report.h"
#include "ring.h"
#include "tables.h"

namespace hawser {

// One run, as TypeScript sees it in an Int32Array. TypeScript fills in `slot` (-1: nobody's) and `cipher`.
struct OpenRun {
  int32_t record;  // which record of this look
  int32_t from;
  int32_t count;
  uint32_t receiverIndex;
  int32_t slot;
  int32_t cipher;
};

// What one `open` did, in the same order as data-api.ts names it.
struct OpenResult {
  int32_t packets, bytes, replayed, rejected, keepalives, control, unknown, stalled, parity;
};

struct OpenerParts {
  SessionTable sessions;
  RowTable peers;
  RowTable paths;
  AllowedIps allowedIps;
  RingProducer out;
  RingProducer events;
  RingProducer reports;
  bool joinUdp = false;
  // Bit of a slot's capabilities: its peer reads reports.
  int32_t pathsCapability = 0;
  // See Reporter.
  int32_t* unreported = nullptr;
};

class Opener {
 public:
  static constexpr uint32_t kMaxRuns = 512;

  explicit Opener(const OpenerParts& parts)
      : sessions_(parts.sessions), peers_(parts.peers), allowedIps_(parts.allowedIps), out_(parts.out), events_(parts.events),
        joinUdp_(parts.joinUdp), pathsCapability_(parts.pathsCapability), ciphers_(parts.sessions, CipherCache::Direction::Receive),
        ledger_(parts.sessions, parts.peers, parts.paths), reporter_(parts.sessions, parts.paths, parts.reports, parts.unreported),
        roamedUs_(static_cast<size_t>(parts.peers.rows())) {}

  // Describes up to `maxRecords` waiting records; returns the number of runs.
  uint32_t look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords);
  // Opens the runs of the last look. Records that were finished are released; on a full output the rest stays.
  void open(RingConsumer& input, const OpenRun* runs, uint32_t count, double nowUs, OpenResult& result);

  // Sends what is known of a slot to the peer; see Reporter::write.
  int32_t report(int32_t slot, double nowUs) { return reporter_.write(slot, nowUs); }

  void sweep() {
    ciphers_.sweep();
    reporter_.sweep();
  }

 private:
  enum class Outcome { Done, Full };

  uint32_t splitRecord(const uint8_t* record, int32_t number, OpenRun* runs) const;
  Outcome openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result);
  Outcome openDatagram(const uint8_t* record, uint32_t at, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result);
  void authenticate(const uint8_t* record, double nowUs);
  void closeRun(const uint8_t* record, const OpenRun& run, double nowUs);
  void deliver(const uint8_t* record, uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result);
  void takeControl(const uint8_t* record, const uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result);
  bool forwardFrame(RingProducer& to, const uint8_t* plain, uint32_t length, const OpenRun& run, double atUs);
  void tellRoamed(const uint8_t* record, const OpenRun& run, double nowUs);

  // What the run being opened has brought so far; all of it is authentic.
  struct Brought {
    uint32_t datagrams = 0;
    uint32_t bytes = 0;
    uint32_t packets = 0;
    uint64_t lowest = UINT64_MAX;
    uint64_t largest = 0;
    int32_t pathRow = -1;
    bool hasData = false;
  };

  SessionTable sessions_;
  RowTable peers_;
  CachedLookup allowedIps_;
  RingProducer out_;
  RingProducer events_;
  bool joinUdp_;
  int32_t pathsCapability_;
  CipherCache ciphers_;
  PathLedger ledger_;
  Reporter reporter_;
  // When a peer was last said to have roamed, by peer row.
  std::vector<double> roamedUs_;
  Coalescer coalescer_;
  AeadContext* context_ = nullptr;
  uint8_t* slot_ = nullptr;
  uint8_t* peer_ = nullptr;
  int32_t peerIndex_ = -1;
  Brought brought_;
};

}  // namespace hawser
