// Opens what the links received. `look` splits received messages into runs of equal type and receiver index; TypeScript says
// per run which key slot it belongs to; `open` then decrypts, drops replays, checks the inner source, joins and publishes, and
// releases the input, all in one call, so that a thread that is terminated leaves nothing half done.
#pragma once
#include <cstdint>

#include "allowed_ips.h"
#include "cipher_cache.h"
#include "coalesce.h"
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
  int32_t packets, bytes, replayed, rejected, keepalives, control, unknown, stalled;
};

class Opener {
 public:
  static constexpr uint32_t kMaxRuns = 512;

  Opener(SessionTable sessions, RowTable peers, RowTable paths, AllowedIps allowedIps, RingProducer out, RingProducer events, bool joinUdp)
      : sessions_(sessions), peers_(peers), paths_(paths), allowedIps_(allowedIps), out_(out), events_(events), joinUdp_(joinUdp),
        ciphers_(sessions, CipherCache::Direction::Receive) {}

  // Describes up to `maxRecords` waiting records; returns the number of runs.
  uint32_t look(RingConsumer& input, OpenRun* runs, uint32_t maxRecords);
  // Opens the runs of the last look. Records that were finished are released; on a full output the rest stays.
  void open(RingConsumer& input, const OpenRun* runs, uint32_t count, double nowUs, OpenResult& result);

  void sweep() { ciphers_.sweep(); }

 private:
  enum class Outcome { Done, Full };

  uint32_t splitRecord(const uint8_t* record, int32_t number, OpenRun* runs) const;
  Outcome openRun(uint8_t* record, const OpenRun& run, double nowUs, OpenResult& result);
  Outcome openDatagram(const uint8_t* datagram, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result);
  void deliver(uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs, OpenResult& result);
  bool forwardControl(const uint8_t* plain, uint32_t length, const OpenRun& run, double nowUs);
  void creditPath(const uint8_t* record, const OpenRun& run, double nowUs);

  SessionTable sessions_;
  RowTable peers_;
  RowTable paths_;
  CachedLookup allowedIps_;
  RingProducer out_;
  RingProducer events_;
  bool joinUdp_;
  CipherCache ciphers_;
  Coalescer coalescer_;
  AeadContext* context_ = nullptr;
  uint8_t* slot_ = nullptr;
  uint8_t* peer_ = nullptr;
  int32_t peerIndex_ = -1;
  bool authenticated_ = false;
  uint32_t authenticatedPackets_ = 0;
  uint32_t authenticatedBytes_ = 0;
};

}  // namespace hawser
