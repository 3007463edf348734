#include "too_big.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "checksum.h"
#include "vnet.h"

namespace hawser {
namespace {
constexpr uint32_t kIcmpBytes = 8;
constexpr uint32_t kMostAnswerBytesV4 = 576;
constexpr uint8_t kTtl = 64;
// RFC 1812, 4.3.2.5: an error has the precedence of internetwork control.
constexpr uint8_t kInternetworkControl = 0xc0;

// RFC 792 and its registry: destination unreachable, source quench, redirect, time exceeded, parameter problem.
bool isIcmpError(uint8_t type) { return type == 3 || type == 4 || type == 5 || type == 11 || type == 12; }

bool isSingleHostV4(const uint8_t* address) {
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

bool isSingleHostV6(const uint8_t* address) {
  static constexpr uint8_t kUnspecified[16] = {};
  return address[0] != 0xff && std::memcmp(address, kUnspecified, 15) != 0;
}

uint32_t writeV4(uint8_t* target, const uint8_t* packet, const IpView& ip, uint32_t mtu) {
  const bool isLaterFragment = (readBe16(packet + 6) & 0x1fff) != 0;
  const bool isError = packet[9] == kProtocolIcmp && (ip.length <= ip.headerBytes || isIcmpError(packet[ip.headerBytes]));
  if (isLaterFragment || isError || !isSingleHostV4(ip.source) || !isSingleHostV4(ip.destination)) return 0;
  constexpr uint32_t kHeader = 20;
  const uint32_t quoted = std::min(ip.length, kMostAnswerBytesV4 - kHeader - kIcmpBytes);
  const uint32_t total = kHeader + kIcmpBytes + quoted;
  std::memset(target, 0, kHeader + kIcmpBytes);
  target[0] = 0x45;
  target[1] = kInternetworkControl;
  writeBe16(target + 2, static_cast<uint16_t>(total));
  target[6] = 0x40;  // don't fragment: its identification is of no use (RFC 6864)
  target[8] = kTtl;
  target[9] = kProtocolIcmp;
  std::memcpy(target + 12, ip.destination, 4);
  std::memcpy(target + 16, ip.source, 4);
  writeIpv4Checksum(target);
  uint8_t* icmp = target + kHeader;
  icmp[0] = 3;
  icmp[1] = 4;
  writeBe16(icmp + 6, static_cast<uint16_t>(mtu));
  std::memcpy(icmp + kIcmpBytes, packet, quoted);
  const uint16_t checksum = static_cast<uint16_t>(~foldSum(sumWords(icmp, kIcmpBytes + quoted)));
  std::memcpy(icmp + 2, &checksum, 2);
  return total;
}

uint32_t writeV6(uint8_t* target, const uint8_t* packet, const IpView& ip, uint32_t mtu) {
  // A fragment header or others in front hide what it is; only what can be seen to be no error is answered to.
  constexpr uint8_t kFragmentHeader = 44;
  const bool isError = ip.protocol == kProtocolIcmpV6 && (ip.length <= ip.headerBytes || packet[ip.headerBytes] < 128);
  const bool isLaterFragment = ip.protocol == kFragmentHeader && (ip.length < 48 || (readBe16(packet + 42) & 0xfff8) != 0);
  if (isError || isLaterFragment || !isSingleHostV6(ip.source) || !isSingleHostV6(ip.destination)) return 0;
  constexpr uint32_t kHeader = 40;
  const uint32_t quoted = std::min(ip.length, kMostAnswerBytes - kHeader - kIcmpBytes);
  std::memset(target, 0, kHeader + kIcmpBytes);
  target[0] = 0x60;
  writeBe16(target + 4, static_cast<uint16_t>(kIcmpBytes + quoted));
  target[6] = kProtocolIcmpV6;
  target[7] = kTtl;
  std::memcpy(target + 8, ip.destination, 16);
  std::memcpy(target + 24, ip.source, 16);
  uint8_t* icmp = target + kHeader;
  icmp[0] = 2;
  writeBe32(icmp + 4, mtu);
  std::memcpy(icmp + kIcmpBytes, packet, quoted);
  const uint64_t sum = sumPseudoHeader(target, kProtocolIcmpV6, kIcmpBytes + quoted) + sumWords(icmp, kIcmpBytes + quoted);
  const uint16_t checksum = static_cast<uint16_t>(~foldSum(sum));
  std::memcpy(icmp + 2, &checksum, 2);
  return kHeader + kIcmpBytes + quoted;
}

}  // namespace

uint32_t writeTooBig(uint8_t* target, const uint8_t* packet, uint32_t length, uint32_t mtu) {
  const IpView ip = viewIp(packet, length);
  if (ip.version == 4) return writeV4(target, packet, ip, std::min(mtu, 65535u));
  return ip.version == 6 ? writeV6(target, packet, ip, mtu) : 0;
}

TooBigTeller::Bucket& TooBigTeller::bucketOf(int32_t peer, double nowUs) {
  const auto index = static_cast<size_t>(std::max(peer, 0));
  if (index >= buckets_.size()) buckets_.resize(index + 1);
  Bucket& bucket = buckets_[index];
  bucket.tokens = std::min(kBurst, bucket.tokens + std::max(0.0, nowUs - bucket.atUs) * kPerSecond / 1e6);
  bucket.atUs = nowUs;
  return bucket;
}

bool TooBigTeller::tell(int32_t peer, const uint8_t* packet, uint32_t length, uint32_t mtu, double nowUs) {
  if (fd_ < 0) return false;
  Bucket& bucket = bucketOf(peer, nowUs);
  if (bucket.tokens < 1) return false;
  uint8_t record[sizeof(VnetHeader) + kMostAnswerBytes] = {};
  const uint32_t bytes = writeTooBig(record + sizeof(VnetHeader), packet, length, mtu);
  if (bytes == 0) return false;
  bucket.tokens -= 1;
  return ::write(fd_, record, sizeof(VnetHeader) + bytes) >= 0;
}

}  // namespace hawser
