#include "faketcp_answers.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "packet.h"

namespace hawser {
namespace {

constexpr double kAskAgainUs = 1e6;
// As syn-cookies.ts has it.
constexpr double kEpochUs = 64e6;
constexpr uint32_t kHashMask = (1u << 26) - 1;
constexpr int32_t kNoShift = 15;
// Ethernet's 1500 less IP's header and TCP's.
constexpr uint16_t kMss4 = 1460;
constexpr uint16_t kMss6 = 1440;
// RFC 7323 section 2.3.
constexpr int32_t kMostShift = 14;

enum Option : uint8_t { kEnd = 0, kNop = 1, kMss = 2, kShift = 3, kSackPermitted = 4, kStamps = 8 };

// Where the first option of `kind` begins, if it has its `length`; null = there is none.
const uint8_t* optionOf(const uint8_t* tcp, uint32_t tcpBytes, Option kind, uint32_t length) {
  for (uint32_t at = 20; at < tcpBytes;) {
    if (tcp[at] == kEnd) return nullptr;
    if (tcp[at] == kNop) {
      at += 1;
      continue;
    }
    const uint32_t all = at + 1 < tcpBytes ? tcp[at + 1] : 0;
    if (all < 2 || at + all > tcpBytes) return nullptr;
    if (tcp[at] == kind) return all == length ? tcp + at : nullptr;
    at += all;
  }
  return nullptr;
}

// Appends options in the order and with the padding of Linux (net/ipv4/tcp_output.c).
struct Header {
  uint8_t bytes[60] = {};
  uint32_t length = 20;

  uint8_t* add(Option kind, uint8_t all) {
    uint8_t* at = bytes + length;
    at[0] = kind;
    at[1] = all;
    length += all;
    return at + 2;
  }
  void pad(uint32_t nops) {
    std::memset(bytes + length, kNop, nops);
    length += nops;
  }
};

}  // namespace

SynAnswers::SynAnswers(Settings settings) : settings_(std::move(settings)) {
  [[maybe_unused]] const ssize_t got = ::getrandom(&seed_, sizeof seed_, 0);
}

bool SynAnswers::take(int fd, const uint8_t* tuple, const uint8_t* tcp, uint32_t tcpBytes, double nowUs) {
  // Whoever called without meaning it resets what he is answered, and a reset of nothing means nothing.
  if ((tcp[13] & layout::tcpFlag_rst) != 0) return true;
  constexpr uint8_t kLook = layout::tcpFlag_syn | layout::tcpFlag_ack;
  if (settings_.listenPort == 0 || readBe16(tcp + 2) != settings_.listenPort || (tcp[13] & kLook) != layout::tcpFlag_syn) return false;
  if (!isOurs(tuple, nowUs)) return true;
  if (isAnsweredOften(tuple, nowUs)) {
    ignored_ += 1;
    return true;
  }
  const uint8_t* mss = optionOf(tcp, tcpBytes, kMss, 4);
  const uint8_t* shiftAt = optionOf(tcp, tcpBytes, kShift, 3);
  const uint8_t* stamps = optionOf(tcp, tcpBytes, kStamps, 10);
  const bool isSackPermitted = optionOf(tcp, tcpBytes, kSackPermitted, 2) != nullptr;
  std::memcpy(hashed_, tuple, kNameBytes);
  Header header;
  writeBe16(header.bytes, settings_.listenPort);
  std::memcpy(header.bytes + 2, tcp, 2);
  writeBe32(header.bytes + 4, cookie(shiftAt == nullptr ? -1 : std::min<int32_t>(kMostShift, shiftAt[2]), nowUs));
  writeBe32(header.bytes + 8, readBe32(tcp + 4) + 1);
  header.bytes[13] = layout::tcpFlag_syn | layout::tcpFlag_ack;
  writeBe16(header.bytes + 14, settings_.window);
  // An end that says nothing of it gets nothing of it.
  if (mss != nullptr && readBe16(mss + 2) != 0) writeBe16(header.add(kMss, 4), cell<uint16_t>(const_cast<uint8_t*>(tuple), 0) == AF_INET ? kMss4 : kMss6);
  if (isSackPermitted != (stamps != nullptr)) header.pad(2);
  if (isSackPermitted) header.add(kSackPermitted, 2);
  if (stamps != nullptr) {
    uint8_t* values = header.add(kStamps, 10);
    writeBe32(values, static_cast<uint32_t>(static_cast<uint64_t>(nowUs / 1000)) + hash(2, 0));
    std::memcpy(values + 4, stamps + 2, 4);
  }
  if (shiftAt != nullptr) {
    header.pad(1);
    *header.add(kShift, 3) = settings_.windowShift;
  }
  header.bytes[12] = static_cast<uint8_t>(header.length / 4 << 4);
  if (waiting_ == kBatch) send(fd);
  answers_[waiting_++].build(tuple, header.bytes, header.length, 0, 0, 0, 0, 0);
  count_ += 1;
  return true;
}

// What does not leave is lost like what is lost on the way: who calls asks again.
void SynAnswers::send(int fd) {
  mmsghdr calls[kBatch] = {};
  iovec parts[kBatch];
  for (uint32_t i = 0; i < waiting_; i++) {
    parts[i] = {answers_[i].bytes, answers_[i].length};
    calls[i].msg_hdr.msg_name = &answers_[i].to;
    calls[i].msg_hdr.msg_namelen = sizeof answers_[i].to;
    calls[i].msg_hdr.msg_iov = &parts[i];
    calls[i].msg_hdr.msg_iovlen = 1;
  }
  for (uint32_t from = 0; from < waiting_;) {
    const int sent = ::sendmmsg(fd, calls + from, waiting_ - from, MSG_NOSIGNAL);
    // The first of those that are left was refused.
    from += sent > 0 ? static_cast<uint32_t>(sent) : 1;
  }
  waiting_ = 0;
}

// A flood of segments shall not ask the kernel for each.
bool SynAnswers::isOurs(const uint8_t* tuple, double nowUs) {
  const uint8_t* local = tuple + layout::tuple_localAt;
  if (askedUs_ == 0 || nowUs >= askedUs_ + kAskAgainUs || std::memcmp(asked_, local, sizeof asked_) != 0) {
    std::memcpy(asked_, local, sizeof asked_);
    askedUs_ = nowUs;
    isOwn_ = settings_.isOwn(tuple);
  }
  return isOwn_;
}

// Counts the answer. Spoofed addresses are spread over all places, and none of them has many.
bool SynAnswers::isAnsweredOften(const uint8_t* tuple, double nowUs) {
  const auto second = static_cast<uint64_t>(nowUs / 1e6);
  if (second != second_) {
    second_ = second;
    std::memset(answered_, 0, sizeof answered_);
  }
  uint64_t address = 0;
  const bool isIp4 = cell<uint16_t>(const_cast<uint8_t*>(tuple), layout::tuple_endpointAt) == AF_INET;
  std::memcpy(&address, tuple + layout::tuple_endpointAt + (isIp4 ? 4 : 8), isIp4 ? 4 : 8);
  uint64_t mixed = (address ^ seed_ ^ second) * 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
  uint16_t& answered = answered_[(mixed >> 32) % kPlaces];
  if (answered >= kMostAnswers) return true;
  answered += 1;
  return false;
}

uint32_t SynAnswers::hash(uint8_t first, uint8_t second) {
  hashed_[kNameBytes] = first;
  hashed_[kNameBytes + 1] = second;
  return settings_.hash(hashed_, sizeof hashed_);
}

// First sequence number for the connection whose name lies in `hashed_`. `shift` -1 = its SYN said none.
uint32_t SynAnswers::cookie(int32_t shift, double nowUs) {
  const auto epoch = static_cast<uint64_t>(nowUs / kEpochUs);
  const auto said = static_cast<uint32_t>(shift < 0 ? kNoShift : shift);
  const uint32_t veil = hash(1, 0) & ~kHashMask;
  const uint32_t plain = static_cast<uint32_t>(epoch & 3) << 30 | said << 26 | (hash(static_cast<uint8_t>(epoch), static_cast<uint8_t>(16 | said)) & kHashMask);
  return plain ^ veil;
}

}  // namespace hawser
