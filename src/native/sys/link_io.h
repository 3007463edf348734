// The packet path of one carrier with UDP sockets: sends descriptors from the sealed log and datagrams as they are, and receives into the rings of
// the opener (data) and the session-manager (handshakes). No policy: which path, which peer and when was decided before.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "obfuscation.h"
#include "ring.h"
#include "send_turn.h"
#include "socket_errors.h"
#include "tables.h"

namespace hawser {

class LinkSender {
 public:
  // `carrier`: row of the carrier table; its link says what packets carry as their source.
  LinkSender(int fd4, int fd6, bool gso, RingConsumer descriptors, RingConsumer datagrams, SealedLog log, RowTable paths, RowTable links,
             RowTable carriers, int32_t carrier)
      : LinkSender(descriptors, log, paths, links, carriers, carrier) {
    fd4_ = fd4;
    fd6_ = fd6;
    datagrams_ = datagrams;
    cell<int32_t>(carrier_, layout::carrier_gsoAt) = gso ? 1 : 0;
  }
  // A sealer's, for `sendBeside` and nothing else.
  LinkSender(RingConsumer descriptors, SealedLog log, RowTable paths, RowTable links, RowTable carriers, int32_t carrier)
      : descriptors_(descriptors), log_(log), paths_(paths), link_(links.row(carrier / static_cast<int32_t>(layout::carrier_rowsPerLink))),
        carrier_(carriers.row(carrier)), errors_(paths, carrier) {}

  // What paths and datagrams may wear.
  void wear(Obfuscations obfuscations);

  // Sends up to `max` descriptors; returns how many were finished (sent, refused or late). 0 with work left = the socket is full, or a
  // sealer sends, which wakes this thread then.
  int sendDescriptors(uint32_t max);
  // A sealer's, of what it has just left in the ring `from`: sends it if it is a single packet and the carrier's thread sleeps, by the
  // sockets that the carrier's row names. False = the carrier is to be woken; whatever is not plain sailing is left to it.
  bool sendBeside(const RingProducer& from);
  // Sends waiting handshake datagrams; returns how many.
  int sendDatagrams(uint32_t max);
  // Empties the sockets' error queues: worth calling when a receive failed, for a socket is readable as long as there is something.
  void readErrors();
  // Refreshes the carrier row's count of bytes that wait below us (SIOCOUTQ), or leaves it to whoever has the turn.
  int measureQueue();

 private:
  static constexpr uint32_t kBatch = 16;
  enum class Outcome { Sent, Blocked, Refused };
  enum class Fate { Ready, Late, Homeless, Unaddressed };

  // One message under construction: where to, from where, and the control message that says how to cut it.
  struct Message {
    sockaddr_in6 address;
    iovec bytes;
    uint8_t* descriptor;
    // nullptr = it leaves as it is.
    const Obfuscation* wears;
    bool mayFragment;
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
  };

  uint32_t sendBatch(uint32_t max, Outcome& outcome);
  bool sendOnly();
  uint32_t collect(uint32_t max);
  Fate prepare(uint8_t* descriptor, uint32_t index);
  void giveUp(uint8_t* descriptor, Fate fate);
  bool goesWhole(const Message& message) const;
  bool goesAlike(const Message& one, const Message& other) const { return fdOf(one) == fdOf(other) && one.mayFragment == other.mayFragment; }
  void prepareSocket(const Message& message);
  int fdOf(const Message& message) const { return message.address.sin6_family == AF_INET ? fd4_ : fd6_; }
  int sendOne(int fd, const msghdr& header);
  Outcome sendSlowly(uint32_t index);
  Outcome sendSingly(uint32_t index);
  Outcome sendDressed(uint32_t index);
  size_t dress(const Message& message, uint32_t first, uint32_t count);
  int sendHandshake(int fd, msghdr& header, const Obfuscation& wears);
  void account(const Message& message, bool sent);
  Outcome failed(int error, const Message* message = nullptr, size_t bytes = 0);

  int fd4_ = -1;
  int fd6_ = -1;
  RingConsumer descriptors_;
  RingConsumer datagrams_;
  SealedLog log_;
  RowTable paths_;
  uint8_t* link_;
  uint8_t* carrier_;
  SocketErrors errors_;
  Obfuscations obfuscations_;
  RandomBytes random_;
  // Of a call that sends dressed packets: what stands in front of each, up to its type field, and the parts of all.
  std::vector<uint8_t> fronts_;
  std::vector<iovec> parts_;
  uint32_t singly_ = 0;  // datagrams of the first descriptor that went out one by one, before the socket was full
  Message messages_[kBatch];
  mmsghdr headers_[kBatch];
};

// Fills `control` with the source address and, where they are not 0, UDP_SEGMENT and the outer header's DSCP and ECN byte; returns its
// length.
size_t writeSendControl(uint8_t* control, sa_family_t family, const uint8_t local[16], int32_t interfaceIndex, uint16_t segmentBytes,
                        uint8_t trafficClass);

// Receives into the rings of the opener and the session-manager. What a transport puts in front of datagrams is read by those who derive
// from it; by itself it is UDP's.
class LinkReceiver {
 public:
  // `row`: of the carrier table, in that row.
  LinkReceiver(int32_t carrier, RingProducer data, RingProducer handshakes, uint8_t* row);
  virtual ~LinkReceiver();

  // What datagrams may wear.
  void wear(Obfuscations obfuscations) {
    obfuscations_ = std::move(obfuscations);
    isPlain_ = obfuscations_.empty() && rings_.empty();
  }
  // Data goes to the ring of its shard (shards.h); the first is the one that the receiver was made with.
  void spread(std::vector<RingProducer> rings) {
    rings_ = std::move(rings);
    isPlain_ = false;
  }

  // Receives what waits on `fd`, at most `maxMessages`; returns how many messages, EAGAIN = none, ENOSPC = the ring is full
  // (the kernel's buffer then holds the rest).
  int receive(int fd, uint32_t maxMessages);

 protected:
  static constexpr uint32_t kSmallBytes = 2048;
  static constexpr uint32_t kLargeBytes = 65536;
  static constexpr uint32_t kSmallBatch = 32;
  static constexpr uint32_t kLargeBatch = 4;
  // Of a slot beyond the datagram: record header, `received` header, alignment.
  static constexpr uint32_t kSlotOverhead = 8 + static_cast<uint32_t>(layout::received_payloadAt) + 7;

 public:
  // Most that is claimed of the opener's ring at once: a slot for each message of a batch.
  static constexpr uint32_t kLargestClaim = kLargeBatch * (kLargeBytes + kSlotOverhead);
  static_assert(kLargeBatch * kLargeBytes > kSmallBatch * (kSmallBytes + kSlotOverhead));

 protected:
  // What recvmmsg fills in for one message, and what its control messages said.
  struct Message {
    sockaddr_in6 address;
    // What stands in front of the datagrams, the slot in the ring, and room for what the slot does not hold.
    iovec parts[3];
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(timespec)) + 2 * CMSG_SPACE(sizeof(int))];
    uint8_t local[16];
    int32_t interfaceIndex;
    uint32_t segmentBytes;
    // Of all datagrams; 0 = nothing of it goes into the rings.
    uint32_t length;
    double timeUs;
    // Outer DSCP and ECN; the kernel joins datagrams of one value only (net/core/gro.c compares it since 6.9; before, the first one's).
    uint8_t trafficClass;

    void readControl(msghdr& header);
  };

  // Before a receive: where the address of message `index` goes, and what stands in front of its datagrams (`parts[0]`, which `header`
  // passes over here).
  virtual void prepare(int fd, uint32_t index, Message& message, msghdr& header);
  // After it: `bytes` came in all. Whatever stood in front is gone from the other parts.
  virtual void finish(int fd, uint32_t index, Message& message, msghdr& header, uint32_t bytes);

  // Hands one message from elsewhere on, as if it had been received.
  void hand(Message& message, uint8_t* datagrams);

  uint8_t* row() const { return row_; }

 private:
  uint32_t slotBytes() const { return large_ ? kLargeBytes : kSmallBytes; }
  int receiveBatch(int fd, uint32_t batch);
  uint32_t place(Message& message, uint8_t* record, uint32_t stride, uint32_t unused);
  void save(uint32_t from, uint32_t count);
  void spill(uint32_t from, uint32_t count);
  void copyIn(Message& message, uint8_t* datagrams);
  bool accept(const Message& message, const uint8_t* payload);
  bool sift(Message& message, uint8_t* payload);
  bool sort(const Message& message, const uint8_t* payload);
  void put(RingProducer& ring, const Message& message, const uint8_t* datagrams);
  uint8_t* claimElsewhere(uint32_t bytes);
  void receiveFor(uint32_t shard);
  void publishOthers();
  bool undress(Message& message, uint8_t* payload);
  void forwardHandshake(const Message& message, const uint8_t* datagram, uint32_t length, int32_t wear);
  void writeHeader(uint8_t* record, const Message& message) const;

  int32_t carrier_;
  RingProducer data_;
  RingProducer handshakes_;
  uint8_t* row_;
  Obfuscations obfuscations_;
  // Nothing is worn, and there is one shard.
  bool isPlain_ = true;
  bool large_ = false;
  // Of several shards, a ring for each; the one that is received into now is `data_`, and its place here is out of date.
  std::vector<RingProducer> rings_;
  uint32_t current_ = 0;
  uint32_t last_ = 0;     // shard of the packet that came last
  uint32_t touched_ = 0;  // bits of the other shards for which something came
  std::unique_ptr<Message[]> messages_;
  std::vector<mmsghdr> headers_;
  std::vector<uint8_t> overflow_;
  std::vector<uint8_t> spilled_;
};

}  // namespace hawser
