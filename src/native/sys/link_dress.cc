// LinkSender's packets that wear an obfuscation: what stands in front is gathered with what lies in the log.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "link_io.h"
#include "packet.h"

namespace hawser {
namespace {

// net/ipv4/udp.c: UDP_MAX_SEGMENTS of kernels before 6.9; and what 16 bits of length leave behind the headers of IPv6.
constexpr uint32_t kMostSegments = 64;
constexpr uint32_t kMostBytes = 65535 - 48;
constexpr uint32_t kTypeBytes = 4;
constexpr uint32_t kInitiationBytes = kHandshakeBytes[0];

uint32_t headerOf(const HeaderRange& range, RandomBytes& random) {
  return range.first == range.last ? range.first : range.first + random.below(uint64_t{range.last} - range.first + 1);
}

}  // namespace

void LinkSender::wear(Obfuscations obfuscations) {
  obfuscations_ = std::move(obfuscations);
  if (obfuscations_.empty()) return;
  fronts_.resize(std::max<size_t>(kMostSegments * (layout::obfuscation_mostPaddingBytes + kTypeBytes), layout::obfuscation_mostDatagramBytes));
  parts_.resize(2 * kMostSegments);
}

// Fills `parts_` with `count` packets of a run, from number `first` on; returns their bytes on the wire.
size_t LinkSender::dress(const Message& message, uint32_t first, uint32_t count) {
  const Obfuscation& wears = *message.wears;
  const uint32_t all = cell<uint32_t>(message.descriptor, layout::descriptor_countAt);
  const uint32_t step = cell<uint32_t>(message.descriptor, layout::descriptor_segmentBytesAt);
  const uint32_t last = cell<uint32_t>(message.descriptor, layout::descriptor_lastBytesAt);
  const uint32_t padding = wears.paddings[3];
  const uint32_t front = padding + kTypeBytes;
  size_t total = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t* at = fronts_.data() + static_cast<size_t>(i) * front;
    random_.take(at, padding);
    const uint32_t type = headerOf(wears.headers[3], random_);
    std::memcpy(at + padding, &type, sizeof type);
    const uint32_t number = first + i;
    const uint32_t bytes = all == 1 ? static_cast<uint32_t>(message.bytes.iov_len) : number + 1 == all ? last : step;
    parts_[2 * i] = {at, front};
    parts_[2 * i + 1] = {static_cast<uint8_t*>(message.bytes.iov_base) + static_cast<size_t>(number) * step + kTypeBytes, bytes - kTypeBytes};
    total += padding + bytes;
  }
  return total;
}

// A run in as few calls as the kernel takes; `singly_` packets of it have left before.
LinkSender::Outcome LinkSender::sendDressed(uint32_t index) {
  Message& message = messages_[index];
  const uint32_t count = cell<uint32_t>(message.descriptor, layout::descriptor_countAt);
  const uint32_t step = cell<uint32_t>(message.descriptor, layout::descriptor_segmentBytesAt) + message.wears->paddings[3];
  const bool cuts = count > 1 && cell<int32_t>(carrier_, layout::carrier_gsoAt) != 0;
  uint32_t most = cuts ? std::clamp<uint32_t>(kMostBytes / std::max<uint32_t>(1, step), 1, kMostSegments) : 1;
  const msghdr whole = headers_[index].msg_hdr;
  const size_t uncut = whole.msg_controllen - (count > 1 ? CMSG_SPACE(sizeof(uint16_t)) : 0);
  if (count > 1) {
    // UDP_SEGMENT is the last control message.
    auto* segment = reinterpret_cast<cmsghdr*>(message.control + uncut);
    const auto bytes = static_cast<uint16_t>(step);
    std::memcpy(CMSG_DATA(segment), &bytes, sizeof bytes);
  }
  bool any = false;
  while (singly_ < count) {
    const uint32_t some = std::min(most, count - singly_);
    msghdr header = whole;
    dress(message, singly_, some);
    header.msg_iov = parts_.data();
    header.msg_iovlen = 2 * some;
    header.msg_controllen = some > 1 ? whole.msg_controllen : uncut;
    if (header.msg_controllen == 0) header.msg_control = nullptr;
    const int error = sendOne(fdOf(message), header);
    if (error == EIO) cell<int32_t>(carrier_, layout::carrier_gsoAt) = 0;
    if (some > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      most = 1;
      continue;
    }
    // What the path does not take is counted in sealed bytes, as everywhere above.
    const size_t sealed = parts_[1].iov_len + kTypeBytes;
    if (error == 0) any = true;
    else if (failed(error, &message, sealed) == Outcome::Blocked) return Outcome::Blocked;
    singly_ += some;
  }
  singly_ = 0;
  return any ? Outcome::Sent : Outcome::Refused;
}

// A handshake message behind its padding; before an initiation the signature packets, then junk. An errno, of the message itself.
int LinkSender::sendHandshake(int fd, msghdr& header, const Obfuscation& wears) {
  const iovec message = *header.msg_iov;
  uint32_t kind = 0;
  while (kind < 3 && message.iov_len != kHandshakeBytes[kind]) kind++;
  if (kind == 3) return EINVAL;
  iovec parts[2] = {{fronts_.data(), 0}, message};
  header.msg_iov = parts;
  header.msg_iovlen = 1;
  const bool isCall = message.iov_len == kInitiationBytes;
  for (const Chain& chain : wears.chains) {
    if (!isCall) break;
    parts[0].iov_len = chainBytes(chain);
    writeChain(chain, static_cast<uint32_t>(std::time(nullptr)), random_, fronts_.data());
    sendOne(fd, header);
  }
  for (uint32_t i = 0; isCall && i < wears.junkCount; i++) {
    parts[0].iov_len = wears.junkLeast + random_.below(uint64_t{wears.junkMost} - wears.junkLeast + 1);
    random_.take(fronts_.data(), parts[0].iov_len);
    sendOne(fd, header);
  }
  parts[0].iov_len = wears.paddings[kind];
  random_.take(fronts_.data(), parts[0].iov_len);
  header.msg_iovlen = 2;
  return sendOne(fd, header);
}

}  // namespace hawser
