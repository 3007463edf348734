// Obfuscations as carriers wear and know them: signature packets, the inbound look, runs behind their paddings, and trains that lose theirs.
#include <cctype>
#include <cstring>

#include "support/check.h"
#include "support/fake-kernel.h"
#include "support/memory.h"
#include "sys/link_io.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kPaddings[] = {15, 33, 7, 16};
constexpr HeaderRange kHeaders[] = {{100, 200}, {300, 400}, {500, 500}, {1000, 0x7fffffff}};
constexpr int32_t kId = 77;
constexpr int32_t kWear = 7;

void put(Bytes& to, uint32_t value) {
  for (int i = 0; i < 4; i++) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// What wire/obfuscation.ts writes for kId, with two junk packets and the signature <b 0xc0ffee><r 5><rd 4><rc 4><t>.
Bytes encoded(int32_t id = kId, int32_t wear = kWear) {
  Bytes bytes;
  for (const uint32_t value : {static_cast<uint32_t>(id), static_cast<uint32_t>(wear), 2u, 40u, 70u}) put(bytes, value);
  for (const uint32_t padding : kPaddings) put(bytes, padding);
  for (const HeaderRange& range : kHeaders) put(bytes, range.first), put(bytes, range.last);
  for (const uint32_t value : {1u, 5u, 0u, 3u}) put(bytes, value);
  for (const uint8_t byte : {0xc0, 0xff, 0xee, 0}) bytes.push_back(byte);
  for (const uint32_t value : {1u, 5u, 2u, 4u, 3u, 4u, 4u, 4u}) put(bytes, value);
  return bytes;
}

Obfuscations known(bool takesPlain = false) {
  Obfuscations all;
  const Bytes bytes = encoded();
  all.read(bytes.data(), bytes.size(), takesPlain);
  return all;
}

Bytes message(uint32_t padding, uint32_t type, uint32_t bytes, uint8_t fill = 9) {
  Bytes one(padding + bytes, fill);
  std::memcpy(one.data() + padding, &type, sizeof type);
  return one;
}

TEST("Obfuscations::read() takes whole ones, and nothing of what breaks off or makes no sense") {
  CHECK_EQUAL(known().count(), 1);
  CHECK(known().find(kId) != nullptr);
  CHECK(known().find(kWear) != nullptr);
  CHECK(known().find(1) == nullptr);
  const Bytes whole = encoded();
  for (size_t length = 0; length < whole.size(); length++) {
    Obfuscations all;
    // On the heap and no longer: the sanitizer sees what is read behind it.
    const Bytes part(whole.begin(), whole.begin() + static_cast<long>(length));
    all.read(part.data(), part.size(), true);
    CHECK(all.empty());
  }
  for (const size_t at : {layout::obfuscation_paddingsAt + 14, layout::obfuscation_headersAt + 3, layout::obfuscation_chainsAt + 0, layout::obfuscation_junkLeastAt + 1}) {
    Bytes wrong = whole;
    wrong[at] = 0xff;
    Obfuscations all;
    all.read(wrong.data(), wrong.size(), true);
    CHECK(all.empty());
  }
}

TEST("writeChain() writes what its tags say") {
  RandomBytes random;
  const Obfuscations all = known();
  const Chain& chain = all.find(kId)->chains[0];
  Bytes first(chainBytes(chain)), second(chainBytes(chain));
  CHECK_EQUAL(first.size(), 3 + 5 + 4 + 4 + 4);
  writeChain(chain, 0x01020304, random, first.data());
  writeChain(chain, 0x01020304, random, second.data());
  CHECK(std::memcmp(first.data(), "\xc0\xff\xee", 3) == 0);
  CHECK(!std::equal(first.begin() + 3, first.begin() + 16, second.begin() + 3));
  for (size_t i = 8; i < 12; i++) CHECK(std::isdigit(first[i]) != 0);
  for (size_t i = 12; i < 16; i++) CHECK(std::isalpha(first[i]) != 0);
  CHECK(std::memcmp(first.data() + 16, "\x01\x02\x03\x04", 4) == 0);
}

TEST("look() knows each message by its length and header, and WireGuard as it is for people alone") {
  const Obfuscations all = known();
  for (uint32_t kind = 0; kind < 3; kind++) {
    const Bytes good = message(kPaddings[kind], kHeaders[kind].last, kHandshakeBytes[kind]);
    const Obfuscations::Look look = all.look(good.data(), static_cast<uint32_t>(good.size()));
    CHECK_EQUAL(static_cast<uint32_t>(look.handshake), kind + 1);
    CHECK_EQUAL(look.wear, kWear);
    CHECK_EQUAL(look.handshakePadding, kPaddings[kind]);
    const Bytes other = message(kPaddings[kind], kHeaders[kind].first - 1, kHandshakeBytes[kind], 0xff);
    CHECK(all.look(other.data(), static_cast<uint32_t>(other.size())).handshake == Kind::None);
    const Bytes plain = message(0, kind + 1, kHandshakeBytes[kind], 0xff);
    const Obfuscations::Look bare = all.look(plain.data(), static_cast<uint32_t>(plain.size()));
    CHECK(bare.handshake != Kind::None);
    CHECK_EQUAL(bare.wear, 0);
  }
  const Bytes data = message(16, 1000, 32);
  CHECK(all.look(data.data(), 48).isData);
  CHECK(!all.look(data.data(), 47).isData);
  const Bytes plain = message(0, 4, 64, 0xff);
  CHECK(!all.look(plain.data(), 64).isData);
  CHECK(known(true).look(plain.data(), 64).isData);
  for (uint32_t length = 0; length < 32; length++) {
    const Bytes tiny(length, 1);
    CHECK(!all.look(tiny.data(), length).isData);
  }
}

class Bench {
 public:
  explicit Bench(bool gso = true) {
    fakeKernel() = &kernel;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(path() + layout::path_endpointAt, &address, sizeof address);
    cell<int32_t>(path(), layout::path_obfuscationAt) = kWear;
    sender = std::make_unique<LinkSender>(3, -1, gso, descriptors_.consumer(), datagrams_.consumer(), log_.log(), paths_.table(), links_.table(), carriers_.table(), 0);
    sender->wear(known());
    receiver = std::make_unique<LinkReceiver>(0, data_.producer(), heard_.producer(), carriers_.row(0));
    receiver->wear(known());
  }

  // A run of data messages, the packet's number behind its header.
  void run(uint32_t count, uint32_t bytes, uint32_t lastBytes) {
    SealedLog log = log_.log();
    const uint32_t total = (count - 1) * bytes + lastBytes;
    const uint32_t position = log.reserve(total);
    for (uint32_t i = 0; i < count; i++) {
      const Bytes one = message(0, 4, i + 1 == count ? lastBytes : bytes, static_cast<uint8_t>(number_++));
      std::memcpy(log.at(position) + i * bytes, one.data(), one.size());
      sealed.push_back(one);
    }
    claimDescriptor(out_, position, count, bytes, lastBytes);
    out_.commit(layout::descriptor_bytes, layout::recordType_descriptor);
    out_.publish();
  }

  void handshake(uint32_t bytes, int32_t wears) {
    uint8_t* record = calls_.claim(layout::outgoing_payloadAt + bytes);
    std::memset(record, 0, layout::outgoing_payloadAt + bytes);
    cell<uint16_t>(record, layout::outgoing_endpointAt) = AF_INET;
    cell<uint32_t>(record, layout::outgoing_lengthAt) = bytes;
    cell<int32_t>(record, layout::outgoing_obfuscationAt) = wears;
    record[layout::outgoing_payloadAt] = 150;
    calls_.commit(layout::outgoing_payloadAt + bytes, layout::recordType_handshakeOut);
    calls_.publish();
  }

  // All that was sent comes in, as one train where `segment` is not 0.
  void loop(uint32_t segment) {
    Datagrams train;
    for (const Bytes& one : kernel.sent) {
      if (segment == 0) kernel.waiting.push_back({one});
      else train.bytes.insert(train.bytes.end(), one.begin(), one.end());
    }
    train.segmentBytes = segment;
    if (segment != 0) kernel.waiting.push_back(train);
    while (receiver->receive(3, 64) > 0) {
    }
    RingConsumer consumer = data_.consumer();
    for (uint8_t* record = consumer.peek(); record != nullptr; record = consumer.peek()) {
      const uint32_t length = cell<uint32_t>(record, layout::received_lengthAt);
      const uint32_t step = cell<uint32_t>(record, layout::received_segmentBytesAt);
      const uint8_t* from = record + layout::received_payloadAt;
      for (uint32_t at = 0; at < length; at += step) opened.emplace_back(from + at, from + std::min(length, at + step));
      consumer.advance();
    }
    consumer.release();
  }

  uint8_t* path() { return paths_.table().row(0); }
  RingConsumer heard() { return heard_.consumer(); }
  double number(int64_t column) { return cell<double>(path(), column); }

  FakeKernel kernel;
  std::unique_ptr<LinkSender> sender;
  std::unique_ptr<LinkReceiver> receiver;
  std::vector<Bytes> sealed;
  std::vector<Bytes> opened;

 private:
  uint32_t number_ = 1;
  RingMemory descriptors_{4096};
  RingMemory datagrams_{4096};
  RingMemory data_{1 << 20};
  RingMemory heard_{1 << 16};
  LogMemory log_{1 << 20};
  PathMemory paths_{2};
  LinkMemory links_{1};
  CarrierMemory carriers_{1};
  RingProducer out_ = descriptors_.producer();
  RingProducer calls_ = datagrams_.producer();
};

TEST("a run leaves behind its paddings in few calls, and comes in as it was sealed, joined or not") {
  for (const uint32_t segment : {0u, 1016u}) {
    for (const int error : {0, EIO, EINVAL}) {
      Bench bench;
      bench.kernel.verdict = [error](size_t, uint32_t cut) { return cut != 0 ? error : 0; };
      bench.run(40, 1000, 400);
      CHECK_EQUAL(bench.sender->sendDescriptors(16), 1);
      CHECK_EQUAL(bench.kernel.sent.size(), 40);
      if (error == 0) CHECK(bench.kernel.calls <= 2);
      CHECK_EQUAL(bench.kernel.sent[0].size(), 1016);
      CHECK_EQUAL(bench.kernel.sent[39].size(), 416);
      for (size_t i = 0; i < bench.kernel.sent.size(); i++) {
        const uint32_t type = readLe32(bench.kernel.sent[i].data() + 16);
        CHECK(type >= 1000 && type <= 0x7fffffff);
      }
      CHECK(bench.kernel.sent[0] != bench.kernel.sent[1]);
      CHECK_EQUAL(bench.number(layout::path_sentBytesAt), 39 * 1000 + 400);
      CHECK_EQUAL(bench.number(layout::path_sentPacketsAt), 40);
      bench.loop(segment);
      CHECK(bench.opened == bench.sealed);
    }
  }
}

TEST("more packets than one call takes, or than 16 bits of length, leave in several; a full socket goes on where it stopped") {
  for (const uint32_t bytes : {100u, 1440u}) {
    Bench bench;
    int room = 1;
    bench.kernel.verdict = [&](size_t, uint32_t) { return room-- > 0 ? 0 : EAGAIN; };
    bench.run(bytes == 100 ? 100 : 45, bytes, bytes);
    for (int i = 0; i < 10; i++) bench.sender->sendDescriptors(16), room = 1;
    CHECK_EQUAL(bench.kernel.sent.size(), bench.sealed.size());
    bench.loop(0);
    CHECK(bench.opened == bench.sealed);
  }
}

TEST("what nobody knows how to dress does not leave") {
  Bench bench;
  cell<int32_t>(bench.path(), layout::path_obfuscationAt) = 12345;
  bench.run(1, 100, 100);
  bench.handshake(148, 12345);
  bench.sender->sendDescriptors(16);
  CHECK_EQUAL(bench.sender->sendDatagrams(4), 1);
  CHECK_EQUAL(bench.kernel.sent.size(), 0);
  CHECK_EQUAL(bench.number(layout::path_refusedBytesAt), 100);
}

TEST("an initiation follows its signature and junk; others come behind their padding alone; the type field stays") {
  Bench bench;
  bench.handshake(148, kId);
  bench.handshake(64, kWear);
  bench.handshake(92, 0);
  CHECK_EQUAL(bench.sender->sendDatagrams(4), 3);
  CHECK_EQUAL(bench.kernel.sent.size(), 4 + 1 + 1);
  CHECK_EQUAL(bench.kernel.sent[0].size(), 20);
  for (size_t i = 1; i < 3; i++) CHECK(bench.kernel.sent[i].size() >= 40 && bench.kernel.sent[i].size() <= 70);
  CHECK_EQUAL(bench.kernel.sent[3].size(), 15 + 148);
  CHECK_EQUAL(readLe32(bench.kernel.sent[3].data() + 15), 150);
  CHECK_EQUAL(bench.kernel.sent[4].size(), 7 + 64);
  CHECK_EQUAL(bench.kernel.sent[5].size(), 92);
  // Junk may look like data by chance; nobody can open it.
  bench.loop(0);
  RingConsumer heard = bench.heard();
  uint8_t* record = heard.peek();
  CHECK(record != nullptr);
  if (record == nullptr) return;
  CHECK_EQUAL(cell<uint32_t>(record, layout::received_lengthAt), 148);
  CHECK_EQUAL(cell<int32_t>(record, layout::received_obfuscationAt), kWear);
  CHECK_EQUAL(readLe32(record + layout::received_payloadAt), 150);
}

TEST("a train that holds more than data gives the data alone, and what may be both is taken for both") {
  Bench bench;
  Bytes both = message(15, 150, 148);
  const uint32_t type = 5000;
  std::memcpy(both.data() + 16, &type, sizeof type);
  Bytes first = message(16, 1000, both.size() - 16, 3), junk(both.size(), 0);
  bench.kernel.sent = {first, junk, both, first};
  // The look at `both` as an initiation must find its header, which data overlaps by three bytes.
  both[15] = 150;
  bench.loop(static_cast<uint32_t>(both.size()));
  CHECK(bench.opened.size() >= 2);
  CHECK_EQUAL(bench.opened[0].size(), both.size() - 16);
  CHECK_EQUAL(readLe32(bench.opened[0].data()), 4);
}

}  // namespace
}  // namespace hawser
