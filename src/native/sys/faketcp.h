// The packet path of FakeTCP: plain data of open connections goes from the sealed log to the wire and from the wire to the rings here, many
// segments in one super-segment each way. All else (handshakes, resets, acknowledgements that are due) is told to TypeScript
// (protocols/faketcp/), which says what to send.
#pragma once
#include <linux/if_packet.h>
#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "link_io.h"
#include "vnet.h"

namespace hawser {

class SynAnswers;

// Rows of the flow table by who their packets are to and from.
class FlowIndex {
 public:
  explicit FlowIndex(RowTable flows);

  // TypeScript has filled in the row's tuple, or is about to set it free.
  void insert(int32_t row);
  void remove(int32_t row);
  // Of both addresses and both ports; -1 = none.
  int32_t find(const uint8_t* tuple) const;
  // Of those to an endpoint from an address of ours (zeros = any): the newest open one that has settled, else one that has not, else one that was
  // dialled; -1 = none.
  int32_t findTo(const uint8_t* endpoint, const uint8_t* local) const;
  uint8_t* row(int32_t index) const { return flows_.row(index); }
  bool has(int32_t index) const { return flows_.has(index); }

 private:
  static constexpr uint32_t kBuckets = 8192;

  uint32_t bucketOf(const uint8_t* endpoint) const;

  RowTable flows_;
  uint64_t seed_;
  // One more than a row; 0 = the end.
  std::vector<int32_t> heads_;
  std::vector<int32_t> next_;
};

struct FakeTcpHeaders {
  static constexpr uint32_t kMostLinkBytes = 14;
  static constexpr uint32_t kMostBytes = sizeof(VnetHeader) + kMostLinkBytes + 40 + 60;

  uint8_t bytes[kMostBytes];
  uint32_t length = 0;
  sockaddr_ll to;

  // Everything in front of `payloadBytes` that leave to where `tuple` says: `tcp` without its checksum, which the kernel completes, for each
  // segment of `segmentBytes` (0 = it is one).
  void build(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, uint32_t payloadBytes, uint32_t segmentBytes, uint8_t trafficClass,
             uint16_t identification, uint32_t flowLabel);
};

// Sends the segment by a raw IP socket of its own, so that the kernel finds its way: to somebody who was not heard yet. 0 or a negative errno.
int sendRouted(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, uint32_t mark, const std::string& interface);
// Writes into the tuple the address that the kernel would send from. 0 or a negative errno.
int askSource(uint8_t* tuple, uint32_t mark, const std::string& interface);

class FakeTcpSender {
 public:
  FakeTcpSender(int fd4, int fd6, RingConsumer descriptors, SealedLog log, RowTable paths, RowTable links, RowTable carriers, int32_t carrier,
                FlowIndex& flows, uint8_t* wanted);

  // Sends up to `max` descriptors; returns how many were finished. 0 with work left = the socket is full.
  int sendDescriptors(uint32_t max, double nowUs);
  // Rows of `wanted` that were filled since the last call.
  uint32_t takeWanted();
  // One datagram by an open connection. 0 or a negative errno.
  int sendDatagram(int32_t flow, const uint8_t* bytes, uint32_t length, uint8_t trafficClass, double nowUs);
  // One segment without payload to where `tuple` says, of a connection or of none (-1). 0 or a negative errno.
  int sendSegment(const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, int32_t flow);
  // Writes into the tuple, where it names none, the address of ours to call from. 0 or a negative errno.
  int findSource(uint8_t* tuple, uint32_t mark, const std::string& interface) const;
  int measureQueue();

 private:
  static constexpr uint32_t kBatch = 16;
  // Of an IPv4 packet, its header included, and of what follows an IPv6 header.
  static constexpr uint32_t kMostIpBytes = 65535;

  struct Message {
    FakeTcpHeaders headers;
    iovec parts[2];
    uint8_t* flow;
    uint8_t* path;
    uint32_t packets;
    uint32_t bytes;
    uint32_t sequence;
    // Of the descriptor: how many of its packets are sent with this message.
    uint32_t through;
    bool isLast;
  };
  enum class Fate { Ready, Late, Homeless, Refused, Wanted };

  uint32_t collect(uint32_t max, double nowUs);
  Fate look(uint8_t* descriptor, int32_t& flow);
  bool add(uint8_t* descriptor, uint8_t* flow, uint32_t& count, double nowUs);
  void compose(Message& message, uint8_t* flow, uint32_t payloadBytes, uint32_t segmentBytes, uint8_t trafficClass, double nowUs);
  void giveUp(uint8_t* descriptor, Fate fate);
  void want(uint8_t* descriptor);
  void account(const Message& message);
  void refuse(const Message& message, int error);
  void fail(int error);
  void retract(uint32_t from, uint32_t count);
  bool fits(uint8_t* flow, uint32_t ipBytes, double nowUs);
  int fdOf(const uint8_t* tuple) const;

  int fd4_;
  int fd6_;
  RingConsumer descriptors_;
  SealedLog log_;
  RowTable paths_;
  uint8_t* link_;
  uint8_t* carrier_;
  FlowIndex& flows_;
  uint8_t* wanted_;
  uint32_t wantedRows_ = 0;
  // Packets of the descriptor at the head that have left already.
  uint32_t progress_ = 0;
  // MTU of the interface that was used last, asked for again now and then.
  int32_t mtuInterface_ = 0;
  uint32_t mtu_ = 0;
  double mtuUs_ = 0;
  Message messages_[kBatch];
  mmsghdr calls_[kBatch];
};

class FakeTcpReceiver : public LinkReceiver {
 public:
  // `segments`: rows of `segment`; `touched`: so many i32 as `segment_rows`.
  FakeTcpReceiver(int fd4, int32_t carrier, RingProducer data, RingProducer handshakes, uint8_t* row, FlowIndex& flows, uint8_t* segments, int32_t* touched);

  // SYNs are answered by it, and told to nobody.
  void answerBy(SynAnswers* answers) { answers_ = answers; }

  // Of the turn; then `receive`, and what it found is in the rows.
  void begin(double nowUs);
  int receive(int fd, uint32_t maxMessages);
  uint32_t segmentCount() const { return segmentCount_; }
  uint32_t touchedCount() const { return touchedCount_; }
  // The payload of a segment that was told of is plain data after all.
  void deliver(uint32_t segment);

 protected:
  void prepare(int fd, uint32_t index, Message& message, msghdr& header) override;
  void finish(int fd, uint32_t index, Message& message, msghdr& header, uint32_t bytes) override;

 private:
  struct Segment;

  bool parse(uint32_t index, const Message& message, uint32_t bytes, Segment& segment) const;
  void align(Message& message, uint32_t skip, uint32_t length);
  bool take(uint8_t* flow, const Segment& segment);
  void tell(const Segment& segment, const Message& message, int32_t flow);

  bool isAnswered(int fd, const Segment& segment);

  uint32_t& headBytesOf(int fd) { return headBytes_[fd == fd4_ ? 0 : 1]; }

  int fd4_;
  FlowIndex& flows_;
  uint8_t* segments_;
  int32_t* touched_;
  SynAnswers* answers_ = nullptr;
  uint32_t segmentCount_ = 0;
  uint32_t touchedCount_ = 0;
  double nowUs_ = 0;
  // What stood in front of the datagrams of each family lately: room for so much is made.
  uint32_t headBytes_[2] = {76, 96};
  std::vector<sockaddr_ll> from_;
  std::vector<uint8_t> heads_;
  std::vector<uint8_t> joined_;
};

}  // namespace hawser
