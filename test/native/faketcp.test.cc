// FakeTcpSender and FakeTcpReceiver against a kernel that says what the test wants: what one sends the other receives.
#include <linux/if_arp.h>

#include <cerrno>

#include "support/check.h"
#include "support/fake-kernel.h"
#include "support/memory.h"
#include "sys/checksum.h"
#include "sys/faketcp_answers.h"
#include "sys/packet.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kHeader = layout::received_payloadAt;
constexpr uint32_t kHeadBytes = sizeof(VnetHeader) + 14 + 20 + 32;

struct FlowMemory : RowMemory {
  FlowMemory() : RowMemory(layout::flow_rowsAt, layout::flow_dataAt, layout::flow_rowBytes, 8) { cell<int32_t>(get(), layout::flow_usedAt) = 8; }
  RowTable table() const { return RowTable(get(), layout::flow_rowsAt, layout::flow_dataAt, layout::flow_rowBytes, 0, layout::flow_usedAt); }
};

// One end with one open connection (row 0), to the same address by which it is itself known, so that it hears what it sends.
class Bench {
 public:
  Bench() {
    fakeKernel() = &kernel;
    kernel.hardwareType = ARPHRD_ETHER;
    open(0, 4000);
    uint8_t* row = paths_.table().row(0);
    std::memcpy(row + layout::path_endpointAt, flow(0) + layout::tuple_endpointAt, 28);
    cell<int32_t>(row, layout::path_originAt) = layout::pathOrigin_configured;
    revive();
  }

  void revive() {
    index = std::make_unique<FlowIndex>(flows_.table());
    sender = std::make_unique<FakeTcpSender>(3, -1, descriptors_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0, *index, wanted.get());
    receiver = std::make_unique<FakeTcpReceiver>(3, 0, received_.producer(), handshakes_.producer(), carriers_.row(0), *index, segments.get(), touched);
  }

  void open(int32_t row, uint16_t port) {
    uint8_t* at = flow(row);
    cell<uint16_t>(at, 0) = AF_INET;
    writeBe16(at + 2, port);
    std::memcpy(at + 4, "\x0a\x00\x00\x01", 4);
    std::memcpy(at + layout::tuple_localAt, "\x0a\x00\x00\x01", 4);
    cell<uint16_t>(at, layout::tuple_localPortAt) = port;
    cell<uint16_t>(at, layout::tuple_linkHeaderBytesAt) = 14;
    cell<int32_t>(at, layout::flow_stateAt) = layout::flowState_open;
    cell<int32_t>(at, layout::flow_timestampsAt) = 1;
    cell<uint32_t>(at, layout::flow_sendNextAt) = 0xffffff00;
    cell<uint32_t>(at, layout::flow_sendUnacknowledgedAt) = 0xffffff00;
    cell<uint32_t>(at, layout::flow_sendMostAt) = 0xffffff00;
    cell<uint32_t>(at, layout::flow_sendWindowAt) = 1 << 20;
    cell<int32_t>(at, layout::flow_sendShiftAt) = 10;
    cell<uint32_t>(at, layout::flow_receiveNextAt) = 0xffffff00;
    cell<uint32_t>(at, layout::flow_receiveWindowAt) = 1 << 20;
    cell<uint32_t>(at, layout::flow_recentNextAt) = 0xffffff00;
    cell<uint32_t>(at, layout::flow_windowFieldAt) = 1024;
  }

  uint32_t run(uint32_t count, uint32_t bytes, uint32_t lastBytes, uint8_t ecn = 0) {
    SealedLog log = log_.log();
    const uint32_t total = (count - 1) * bytes + lastBytes;
    const uint32_t position = log.reserve(total);
    for (uint32_t i = 0; i < total; i++) log.at(position)[i] = static_cast<uint8_t>(i * 7);
    // Data messages, so that the opener's ring takes them.
    for (uint32_t i = 0; i < count; i++) std::memcpy(log.at(position) + i * bytes, "\x04\0\0\0", std::min<uint32_t>(4, lastBytes));
    uint8_t* record = claimDescriptor(out_, position, count, bytes, lastBytes);
    cell<int32_t>(record, layout::descriptor_ecnAt) = ecn;
    out_.commit(layout::descriptor_bytes, layout::recordType_descriptor);
    out_.publish();
    return position;
  }

  // A message arrives: by default as another interface would bring it, its checksum known to be right.
  void hear(Bytes bytes) { kernel.waiting.push_back({std::move(bytes)}); }
  int receive() {
    receiver->begin(9e6);
    return receiver->receive(3, 64);
  }

  uint8_t* flow(int32_t row) { return flows_.table().row(row); }
  uint8_t* pathRow() { return paths_.table().row(0); }
  double path(int64_t column) { return cell<double>(paths_.table().row(0), column); }
  uint8_t* carrier() { return carriers_.row(0); }
  uint32_t u32(int64_t column, int32_t row = 0) { return cell<uint32_t>(flow(row), column); }
  SealedLog log() { return log_.log(); }
  uint32_t used() { return out_.usedBytes(); }

  FakeKernel kernel;
  Block wanted{layout::wanted_rows * layout::wanted_rowBytes};
  Block segments{layout::segment_rows * layout::segment_rowBytes};
  int32_t touched[layout::segment_rows] = {};
  std::unique_ptr<FlowIndex> index;
  std::unique_ptr<FakeTcpSender> sender;
  std::unique_ptr<FakeTcpReceiver> receiver;
  RingMemory received_{1 << 20};
  RingConsumer got = received_.consumer();

 private:
  RingMemory handshakes_{1 << 14};
  RingMemory descriptors_{4096};
  LogMemory log_{1 << 20};
  PathMemory paths_{2};
  LinkMemory links_{1};
  CarrierMemory carriers_{1};
  FlowMemory flows_;
  RingProducer out_ = descriptors_.producer();
};

VnetHeader vnetOf(const Bytes& bytes) {
  VnetHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

const uint8_t* tcpOf(const Bytes& bytes) { return bytes.data() + sizeof(VnetHeader) + 14 + 20; }

TEST("sendDescriptors() sends a run as one super-segment, its headers in front of what lies in the log") {
  Bench bench;
  const uint32_t position = bench.run(45, 1400, 700, 2);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  CHECK_EQUAL(bench.kernel.sent.size(), 1);
  const Bytes& sent = bench.kernel.sent[0];
  const VnetHeader vnet = vnetOf(sent);
  CHECK_EQUAL(vnet.gsoType, kGsoTcp4);
  CHECK_EQUAL(vnet.gsoBytes, 1400);
  CHECK_EQUAL(vnet.headerBytes, 14 + 20 + 32);
  CHECK_EQUAL(vnet.checksumStart, 14 + 20);
  CHECK_EQUAL(sent.size(), kHeadBytes + 44 * 1400 + 700);
  CHECK(std::memcmp(sent.data() + kHeadBytes, bench.log().at(position), 44 * 1400 + 700) == 0);
  CHECK_EQUAL(readBe32(tcpOf(sent) + 4), 0xffffff00);
  CHECK_EQUAL(bench.u32(layout::flow_sendNextAt), static_cast<uint32_t>(0xffffff00 + 44 * 1400 + 700));
  CHECK_EQUAL(sent[sizeof(VnetHeader) + 14 + 1], 0);  // no connection negotiates ECN
  CHECK_EQUAL(bench.path(layout::path_sentBytesAt), 44 * 1400 + 700);
  CHECK_EQUAL(bench.path(layout::path_sentPacketsAt), 45);
}

TEST("sendDescriptors() cuts a run that is longer than an IP packet into two") {
  Bench bench;
  bench.run(64, 1024, 1000);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  CHECK_EQUAL(bench.kernel.sent.size(), 2);
  size_t payload = 0;
  uint32_t next = 0xffffff00;
  for (const Bytes& sent : bench.kernel.sent) {
    CHECK(sent.size() - sizeof(VnetHeader) - 14 <= 65535);
    CHECK_EQUAL(readBe32(tcpOf(sent) + 4), next);
    payload += sent.size() - kHeadBytes;
    next += static_cast<uint32_t>(sent.size() - kHeadBytes);
  }
  CHECK_EQUAL(payload, 63 * 1024 + 1000);
  CHECK_EQUAL(bench.path(layout::path_sentPacketsAt), 64);
}

TEST("sendDescriptors() uses numbers again that a full socket did not take, and goes on where it was") {
  Bench bench;
  bench.run(64, 1024, 1000);
  bench.run(2, 100, 100);
  int calls = 0;
  bench.kernel.verdict = [&calls](size_t, uint32_t) { return calls++ == 0 ? 0 : EAGAIN; };
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 0);
  const uint32_t after = bench.u32(layout::flow_sendNextAt);
  CHECK_EQUAL(after, static_cast<uint32_t>(0xffffff00 + bench.kernel.sent[0].size() - kHeadBytes));
  bench.kernel.verdict = [](size_t, uint32_t) { return 0; };
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 2);
  CHECK_EQUAL(bench.kernel.sent.size(), 3);
  CHECK_EQUAL(readBe32(tcpOf(bench.kernel.sent[1]) + 4), after);
  CHECK_EQUAL(bench.path(layout::path_sentBytesAt), 63 * 1024 + 1000 + 200);
  CHECK_EQUAL(bench.used(), 0);
}

TEST("sendDescriptors() sends one by one where the kernel cannot cut") {
  Bench bench;
  bench.run(40, 100, 50);
  bench.kernel.verdict = [](size_t bytes, uint32_t) { return bytes > 300 ? EINVAL : 0; };
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  CHECK_EQUAL(bench.kernel.sent.size(), 40);
  CHECK_EQUAL(bench.path(layout::path_sentBytesAt), 39 * 100 + 50);
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 0);
  CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_gsoAt), 0);
  CHECK_EQUAL(bench.u32(layout::flow_sendNextAt), static_cast<uint32_t>(0xffffff00 + 39 * 100 + 50));
}

TEST("sendDescriptors() goes on cutting after a queue was full, and sends one by one where a link has no addresses") {
  Bench bench;
  bench.run(40, 100, 50);
  bench.kernel.verdict = [](size_t bytes, uint32_t) { return bytes > 300 ? ENOBUFS : 0; };
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 39 * 100 + 50);
  CHECK_EQUAL(cell<int32_t>(bench.carrier(), layout::carrier_gsoAt), 1);
  bench.kernel.verdict = [](size_t, uint32_t) { return 0; };
  cell<uint16_t>(bench.flow(0), layout::tuple_linkHeaderBytesAt) = 0;
  bench.run(40, 100, 50);
  bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(bench.kernel.sent.size(), 40);
}

TEST("sendDescriptors() refuses what the other end's window does not take, what is too long, and what comes too late") {
  Bench bench;
  cell<uint32_t>(bench.flow(0), layout::flow_sendWindowAt) = 250;
  bench.run(3, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 0);
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 300);
  bench.run(2, 100, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  cell<uint32_t>(bench.flow(0), layout::flow_sendWindowAt) = 1 << 20;
  bench.kernel.verdict = [](size_t, uint32_t) { return EMSGSIZE; };
  bench.run(1, 1500, 1500);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 0 + 1);
  CHECK_EQUAL(bench.path(layout::path_tooLongPacketsAt), 1);
  bench.run(1, 100, 100);
  for (uint32_t units = 0; units < bench.log().capacityUnits(); units += 512) bench.log().reserve(512 * SealedLog::kUnit);
  bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(bench.path(layout::path_lateBytesAt), 100);
  CHECK_EQUAL(bench.used(), 0);
}

TEST("sendDescriptors() says of a path how much shorter headers without timestamps are") {
  Bench bench;
  bench.run(1, 0, 100);
  bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(cell<int32_t>(bench.pathRow(), layout::path_sparedBytesAt), 0);
  cell<int32_t>(bench.flow(0), layout::flow_timestampsAt) = 0;
  bench.run(1, 0, 100);
  bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(cell<int32_t>(bench.pathRow(), layout::path_sparedBytesAt), 12);
}

TEST("sendDescriptors() keeps a copy of the first packet for whoever makes the connection that is missing") {
  Bench bench;
  cell<int32_t>(bench.flow(0), layout::flow_stateAt) = layout::flowState_closed;
  const uint32_t position = bench.run(3, 148, 100);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 0);
  CHECK_EQUAL(bench.sender->takeWanted(), 1);
  CHECK_EQUAL(bench.sender->takeWanted(), 0);
  CHECK_EQUAL(cell<uint32_t>(bench.wanted.get(), layout::wanted_payloadBytesAt), 148);
  CHECK(std::memcmp(bench.wanted.get() + layout::wanted_payloadAt, bench.log().at(position), 148) == 0);
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 396);
  for (int i = 0; i < 40; i++) bench.run(1, 148, 148), bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(bench.sender->takeWanted(), layout::wanted_rows);
  // Who called us from that port takes no calls there.
  cell<int32_t>(bench.pathRow(), layout::path_originAt) = layout::pathOrigin_learnt;
  bench.run(1, 148, 148), bench.sender->sendDescriptors(16, 5e6);
  CHECK_EQUAL(bench.sender->takeWanted(), 0);
}

// The connection's other end is itself: what was sent is heard, as one message or cut.
Bytes sentBy(Bench& bench) {
  bench.sender->sendDescriptors(16, 5e6);
  const Bytes sent = bench.kernel.sent.back();
  bench.kernel.sent.clear();
  return sent;
}

TEST("receive() takes a super-segment as one record, whatever stands in front of it and however much was expected") {
  for (const bool stamps : {true, false, true}) {
    Bench bench;
    cell<int32_t>(bench.flow(0), layout::flow_timestampsAt) = stamps ? 1 : 0;
    for (int round = 0; round < 3; round++) {
      const uint32_t position = bench.run(40, 1400, 33);
      bench.hear(sentBy(bench));
      CHECK_EQUAL(bench.receive(), 1);
      uint8_t* record = bench.got.peek();
      CHECK(record != nullptr);
      if (record == nullptr) return;
      CHECK_EQUAL(cell<uint32_t>(record, layout::received_segmentBytesAt), 1400);
      CHECK_EQUAL(cell<uint32_t>(record, layout::received_lengthAt), 39 * 1400 + 33);
      CHECK(std::memcmp(record + kHeader, bench.log().at(position), 39 * 1400 + 33) == 0);
      CHECK(std::memcmp(record + layout::received_endpointAt, bench.flow(0), 28) == 0);
      bench.got.advance();
      bench.got.release();
      CHECK_EQUAL(bench.receiver->segmentCount(), 0);
      CHECK_EQUAL(bench.receiver->touchedCount(), 1);
      CHECK_EQUAL(bench.u32(layout::flow_receiveNextAt), bench.u32(layout::flow_sendNextAt));
      CHECK_EQUAL(bench.u32(layout::flow_owedSegmentsAt), 40);
      cell<int32_t>(bench.flow(0), layout::flow_touchedAt) = 0;
    }
  }
}

TEST("receive() believes no checksum that nobody has looked at") {
  Bench bench;
  bench.run(1, 101, 101);
  Bytes sent = sentBy(bench);
  sent[0] = 0;  // neither partial nor checked
  uint8_t* ip = sent.data() + sizeof(VnetHeader) + 14;
  uint8_t* tcp = ip + 20;
  const uint32_t tcpBytes = static_cast<uint32_t>(sent.size() - sizeof(VnetHeader) - 34);
  tcp[16] = tcp[17] = 0;
  const auto checksum = static_cast<uint16_t>(~foldSum(sumPseudoHeader(ip, kProtocolTcp, tcpBytes) + sumWords(tcp, tcpBytes)));
  std::memcpy(tcp + 16, &checksum, 2);
  Bytes broken = sent;
  broken.back() ^= 1;
  bench.hear(broken);
  bench.receive();
  CHECK(bench.got.peek() == nullptr);
  CHECK_EQUAL(cell<double>(bench.carrier(), layout::carrier_droppedAt), 1);
  bench.hear(sent);
  bench.receive();
  CHECK(bench.got.peek() != nullptr);
}

TEST("receive() takes what comes in any order, and acknowledges the highest number") {
  Bench bench;
  std::vector<Bytes> sent;
  for (int i = 0; i < 3; i++) bench.run(1, 200, 200), sent.push_back(sentBy(bench));
  for (const int i : {2, 0, 1, 1}) bench.hear(sent[static_cast<size_t>(i)]);
  CHECK_EQUAL(bench.receive(), 4);
  int records = 0;
  for (; bench.got.peek() != nullptr; records++) bench.got.advance();
  CHECK_EQUAL(records, 4);
  CHECK_EQUAL(bench.u32(layout::flow_receiveNextAt), static_cast<uint32_t>(0xffffff00 + 600));
}

TEST("receive() tells of what is no plain data in the window, and of what nobody knows, and delivers it when asked to") {
  Bench bench;
  bench.run(1, 148, 148);
  const Bytes sent = sentBy(bench);
  const auto with = [&sent](const std::function<void(uint8_t*)>& change) {
    Bytes other = sent;
    change(const_cast<uint8_t*>(tcpOf(other)));
    return other;
  };
  bench.hear(with([](uint8_t* tcp) { tcp[13] |= layout::tcpFlag_rst; }));
  bench.hear(with([](uint8_t* tcp) { tcp[13] = layout::tcpFlag_syn; }));
  bench.hear(with([](uint8_t* tcp) { writeBe32(tcp + 4, 0x50000000); }));
  bench.hear(with([](uint8_t* tcp) { writeBe32(tcp + 8, 0x50000000); }));
  bench.hear(with([](uint8_t* tcp) { writeBe16(tcp + 2, 4001); }));
  CHECK_EQUAL(bench.receive(), 5);
  CHECK(bench.got.peek() == nullptr);
  CHECK_EQUAL(bench.receiver->segmentCount(), 5);
  CHECK_EQUAL(cell<int32_t>(bench.segments.get(), layout::segment_flowAt), 0);
  CHECK_EQUAL(cell<int32_t>(bench.segments.get() + 4 * layout::segment_rowBytes, layout::segment_flowAt), -1);
  CHECK_EQUAL(bench.u32(layout::flow_receiveNextAt), 0xffffff00);
  bench.receiver->deliver(4);
  uint8_t* record = bench.got.peek();
  CHECK(record != nullptr && std::memcmp(record + kHeader, sent.data() + kHeadBytes, 148) == 0);
  CHECK(record != nullptr && cell<uint32_t>(record, layout::received_lengthAt) == 148);
}

TEST("receive() takes no data, however well its numbers fit, that echoes no timestamp of ours") {
  Bench bench;
  bench.run(1, 148, 148);
  const Bytes sent = sentBy(bench);
  cell<uint32_t>(bench.flow(0), layout::flow_recentEchoAt) = 8000;
  const auto hear = [&](uint32_t echo) {
    Bytes other = sent;
    writeBe32(const_cast<uint8_t*>(tcpOf(other)) + 28, echo);
    bench.hear(std::move(other));
    bench.receive();
    return bench.receiver->segmentCount() == 0;
  };
  for (const uint32_t echo : {0u, 3000u, 12000u, 0x80000000u, 0xfffffff0u}) CHECK(!hear(echo));
  CHECK_EQUAL(bench.u32(layout::flow_receiveNextAt), 0xffffff00);
  for (const uint32_t echo : {8000u, 8900u, 7000u}) CHECK(hear(echo));
  CHECK_EQUAL(bench.u32(layout::flow_recentEchoAt), 8900);
  CHECK_EQUAL(bench.u32(layout::flow_receiveNextAt), 0xffffff00 + 148);
  Bytes bare = sent;
  std::memset(const_cast<uint8_t*>(tcpOf(bare)) + 20, 1, 8);
  writeBe32(const_cast<uint8_t*>(tcpOf(bare)) + 28, 8900);
  bench.hear(std::move(bare));
  bench.receive();
  CHECK_EQUAL(bench.receiver->segmentCount(), 1);
}

TEST("receive() goes on behind what the other end has, where numbers were taken back") {
  Bench bench;
  bench.run(4, 1000, 1000);
  const Bytes sent = sentBy(bench);
  cell<uint32_t>(bench.flow(0), layout::flow_sendNextAt) = 0xffffff00;
  Bytes other = sent;
  writeBe32(const_cast<uint8_t*>(tcpOf(other)) + 8, 0xffffff00 + 3000);
  bench.hear(std::move(other));
  bench.receive();
  CHECK_EQUAL(bench.receiver->segmentCount(), 0);
  CHECK_EQUAL(bench.u32(layout::flow_sendNextAt), static_cast<uint32_t>(0xffffff00 + 3000));
}

TEST("deliver() tells apart what was joined") {
  Bench bench;
  bench.run(2, 148, 100);
  Bytes sent = sentBy(bench);
  writeBe16(const_cast<uint8_t*>(tcpOf(sent)) + 2, 4001);
  bench.hear(std::move(sent));
  bench.receive();
  bench.receiver->deliver(0);
  uint8_t* record = bench.got.peek();
  CHECK(record != nullptr && cell<uint32_t>(record, layout::received_segmentBytesAt) == 148);
  CHECK(record != nullptr && cell<uint32_t>(record, layout::received_lengthAt) == 248);
}

TEST("sendDatagram() makes nobody known by a cookie reply") {
  Bench bench;
  uint8_t message[64] = {3};
  CHECK_EQUAL(bench.sender->sendDatagram(0, message, sizeof message, 0, 5e6), 0);
  CHECK_EQUAL(cell<double>(bench.flow(0), layout::flow_sentDataUsAt), 0);
  message[0] = 2;
  CHECK_EQUAL(bench.sender->sendDatagram(0, message, sizeof message, 0, 5e6), 0);
  CHECK_EQUAL(cell<double>(bench.flow(0), layout::flow_sentDataUsAt), 5e6);
}

Bytes bytesOf(const char* hex) {
  Bytes bytes;
  for (; hex[0] != 0; hex += 2) bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(hex, 2), nullptr, 16)));
  return bytes;
}

TEST("receive() answers SYNs to our port as TypeScript would, and tells of nothing else less") {
  Bench bench;
  bool isOwn = true;
  int asked = 0;
  SynAnswers::Settings settings;
  settings.listenPort = 4000;
  settings.window = 65160;
  settings.windowShift = 10;
  // FNV-1a, as in test/protocols/faketcp/syn-cookies.test.ts.
  settings.hash = [](const uint8_t* bytes, size_t length) {
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 16777619;
    return hash;
  };
  settings.isOwn = [&](const uint8_t*) { return asked++, isOwn; };
  SynAnswers answers(settings);
  bench.receiver->answerBy(&answers);
  bench.run(1, 148, 148);
  const Bytes data = sentBy(bench);
  bench.kernel.sent.clear();
  // Ports, numbers, flags and options in place of those of a segment with data.
  const auto hear = [&](const char* hex, double nowUs) {
    const Bytes tcp = bytesOf(hex);
    Bytes other(data.begin(), data.begin() + sizeof(VnetHeader) + 34);
    writeBe16(other.data() + sizeof(VnetHeader) + 14 + 2, static_cast<uint16_t>(20 + tcp.size()));
    other.insert(other.end(), tcp.begin(), tcp.end());
    bench.hear(other);
    bench.receiver->begin(nowUs);
    CHECK_EQUAL(bench.receiver->receive(3, 64), 1);
  };
  hear("0fa10fa01234567800000000a002faf000000000020405b40402080adeadbeef0000000001030307", 200e6);
  hear("0fa10fa012345678000000005002faf000000000", 200e6);
  CHECK_EQUAL(bench.receiver->segmentCount(), 0);
  CHECK_EQUAL(answers.takeCount(), 2);
  CHECK_EQUAL(bench.kernel.sent.size(), 2);
  if (hopeless() || bench.kernel.sent.size() != 2) return;
  const auto tcpIn = [](const Bytes& sent) {
    Bytes tcp(sent.begin() + sizeof(VnetHeader) + 34, sent.end());
    // The kernel completes it.
    tcp[16] = tcp[17] = 0;
    return tcp;
  };
  CHECK(tcpIn(bench.kernel.sent[0]) == bytesOf("0fa00fa1a533510812345679a012fe8800000000020405b40402080a0633d5b4deadbeef0103030a"));
  CHECK(tcpIn(bench.kernel.sent[1]) == bytesOf("0fa00fa185334470123456795012fe8800000000"));
  CHECK_EQUAL(asked, 1);
  // Another port, and what is no SYN alone.
  hear("0fa10fa112345678000000005002faf000000000", 200e6);
  CHECK_EQUAL(bench.receiver->segmentCount(), 1);
  hear("0fa10fa012345678000000005012faf000000000", 200e6);
  CHECK_EQUAL(bench.receiver->segmentCount(), 1);
  hear("0fa10fa012345678000000005004faf000000000", 200e6);
  CHECK_EQUAL(bench.receiver->segmentCount(), 0);
  // What is only routed through this host is not answered.
  isOwn = false;
  hear("0fa10fa012345678000000005002faf000000000", 202e6);
  CHECK_EQUAL(bench.receiver->segmentCount(), 0);
  CHECK_EQUAL(bench.kernel.sent.size(), 2);
  CHECK_EQUAL(answers.takeCount(), 0);
}

TEST("a SynAnswers answers one address so often a second, whatever its ports, and others all the same") {
  SynAnswers::Settings settings;
  settings.listenPort = 4000;
  settings.hash = [](const uint8_t* bytes, size_t) { return static_cast<uint32_t>(bytes[2]); };
  settings.isOwn = [](const uint8_t*) { return true; };
  FakeKernel kernel;
  fakeKernel() = &kernel;
  for (const bool isIp4 : {true, false}) {
    SynAnswers answers(settings);
    alignas(8) uint8_t tuple[layout::tuple_bytes] = {};
    cell<uint16_t>(tuple, 0) = isIp4 ? AF_INET : AF_INET6;
    uint8_t* address = tuple + layout::tuple_endpointAt + (isIp4 ? 4 : 8);
    uint8_t tcp[20] = {};
    writeBe16(tcp + 2, 4000);
    tcp[12] = 5 << 4;
    tcp[13] = layout::tcpFlag_syn;
    const auto call = [&](uint16_t port, double nowUs) {
      writeBe16(tuple + 2, port);
      writeBe16(tcp, port);
      CHECK(answers.take(3, tuple, tcp, sizeof tcp, nowUs));
    };
    address[0] = 9;
    for (uint16_t i = 0; i < 2000; i++) {
      // Within a /64 it is one.
      if (!isIp4) address[15] = static_cast<uint8_t>(i);
      call(i, 5.5e6);
    }
    CHECK_EQUAL(answers.takeCount(), SynAnswers::kMostAnswers);
    CHECK_EQUAL(answers.takeIgnoredCount(), 2000 - SynAnswers::kMostAnswers);
    // Of others a few fall on its place, in this second.
    for (uint16_t i = 0; i < 200; i++) address[0] = 10, address[1] = static_cast<uint8_t>(i), call(i, 5.6e6);
    CHECK(answers.takeCount() >= 195);
    address[0] = 9, address[1] = 0;
    call(1, 6.1e6);
    CHECK_EQUAL(answers.takeCount(), 1);
  }
}

TEST("receive() survives headers that lie") {
  Bench bench;
  bench.run(2, 148, 148);
  const Bytes sent = sentBy(bench);
  uint32_t seed = 1;
  for (int i = 0; i < 20000; i++) {
    Bytes other = sent;
    for (int change = 0; change < 3; change++) {
      seed = seed * 1664525 + 1013904223;
      other[(seed >> 8) % kHeadBytes] = static_cast<uint8_t>(seed >> 24);
    }
    seed = seed * 1664525 + 1013904223;
    if ((seed & 7) == 0) other.resize((seed >> 8) % (other.size() + 1));
    bench.hear(std::move(other));
    bench.receive();
    while (bench.got.peek() != nullptr) bench.got.advance();
    bench.got.release();
    for (uint32_t index = 0; index < bench.receiver->segmentCount(); index++) bench.receiver->deliver(index);
    while (bench.got.peek() != nullptr) bench.got.advance();
    bench.got.release();
    cell<int32_t>(bench.flow(0), layout::flow_touchedAt) = 0;
    cell<uint32_t>(bench.flow(0), layout::flow_receiveNextAt) = 0xffffff00;
  }
}

TEST("sendDescriptors() sends by the connection before until the one in its place has said its window") {
  Bench bench;
  bench.open(1, 4000);
  cell<uint16_t>(bench.flow(1), layout::tuple_localPortAt) = 4001;
  for (const int32_t row : {0, 1}) cell<int32_t>(bench.flow(row), layout::flow_settledAt) = 1 - row;
  cell<uint32_t>(bench.flow(1), layout::flow_sendWindowAt) = 65160;
  bench.revive();
  for (int i = 0; i < 2; i++) bench.run(40, 1000, 1000);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 2);
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 0);
  CHECK_EQUAL(bench.u32(layout::flow_sendNextAt, 0), static_cast<uint32_t>(0xffffff00 + 80000));
  // An acknowledgement by the new one, as the other end sends it.
  uint8_t* twin = bench.flow(1);
  Bytes said = bench.kernel.sent.front();
  said.resize(kHeadBytes);
  uint8_t* ip = said.data() + sizeof(VnetHeader) + 14;
  writeBe16(ip + 2, 20 + 32);
  writeBe16(ip + 20, 4000);
  writeBe16(ip + 22, 4001);
  writeBe32(ip + 24, cell<uint32_t>(twin, layout::flow_receiveNextAt));
  writeBe32(ip + 28, cell<uint32_t>(twin, layout::flow_sendUnacknowledgedAt));
  bench.hear(said);
  bench.receive();
  CHECK_EQUAL(cell<uint32_t>(twin, layout::flow_sendWindowAt), 1024u << 10);
  bench.run(80, 1000, 1000);
  CHECK_EQUAL(bench.sender->sendDescriptors(16, 5e6), 1);
  CHECK_EQUAL(bench.u32(layout::flow_sendNextAt, 1), static_cast<uint32_t>(0xffffff00 + 80000));
  CHECK_EQUAL(bench.path(layout::path_refusedBytesAt), 0);
  // What comes late by one that was replaced makes nobody send by it again.
  uint8_t* old = bench.flow(0);
  cell<double>(old, layout::flow_replacedUsAt) = 5e6;
  cell<int32_t>(old, layout::flow_settledAt) = 0;
  cell<double>(old, layout::flow_receivedUsAt) = 0;
  writeBe16(ip + 22, 4000);
  writeBe32(ip + 24, cell<uint32_t>(old, layout::flow_receiveNextAt));
  writeBe32(ip + 28, cell<uint32_t>(old, layout::flow_sendUnacknowledgedAt));
  bench.hear(said);
  bench.receive();
  CHECK(cell<double>(old, layout::flow_receivedUsAt) > 0);
  CHECK_EQUAL(cell<int32_t>(old, layout::flow_settledAt), 0);
}

TEST("a FlowIndex finds what was inserted, and nothing that was removed") {
  Bench bench;
  bench.open(1, 4001);
  bench.open(2, 4002);
  cell<uint16_t>(bench.flow(2), layout::tuple_localPortAt) = 9;
  bench.revive();
  for (int32_t row = 0; row < 3; row++) CHECK_EQUAL(bench.index->find(bench.flow(row)), row);
  const uint8_t any[16] = {};
  CHECK_EQUAL(bench.index->findTo(bench.flow(1), any), 1);
  CHECK_EQUAL(bench.index->findTo(bench.flow(1), bench.flow(1) + layout::tuple_localAt), 1);
  const uint8_t other[16] = {9};
  CHECK_EQUAL(bench.index->findTo(bench.flow(1), other), -1);
  bench.index->remove(1);
  CHECK_EQUAL(bench.index->find(bench.flow(1)), -1);
  CHECK_EQUAL(bench.index->find(bench.flow(2)), 2);
}

}  // namespace
}  // namespace hawser
