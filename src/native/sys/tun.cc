#include "tun.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vnet.h"

#ifndef TUN_F_USO4  // include/uapi/linux/if_tun.h since 6.2
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace hawser {

SystemError openTun(const std::string& name, bool persistent, bool multiQueue, TunDevice& device) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return SystemError::now("open");
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0);
  if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) return SystemError::now("TUNSETIFF");
  int headerBytes = sizeof(VnetHeader);
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &headerBytes) < 0) return SystemError::now("TUNSETVNETHDRSZ");
  const unsigned long base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  device.udpOffload = ::ioctl(fd.get(), TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6) == 0;
  // Without offloads every packet comes and goes alone: slower, never an error.
  if (!device.udpOffload && ::ioctl(fd.get(), TUNSETOFFLOAD, base) < 0) ::ioctl(fd.get(), TUNSETOFFLOAD, 0ul);
  if (::ioctl(fd.get(), TUNSETPERSIST, persistent ? 1ul : 0ul) < 0) return SystemError::now("TUNSETPERSIST");
  device.name = request.ifr_name;
  device.fd = fd.release();
  return {};
}

int setTunPersistent(int fd, bool persistent) {
  return ::ioctl(fd, TUNSETPERSIST, persistent ? 1ul : 0ul) < 0 ? -errno : 0;
}

int readTrain(int fd, uint8_t* record) {
  constexpr uint32_t kMaxPacketBytes = 65535;
  const ssize_t got = ::read(fd, record + layout::train_vnetAt, kMaxPacketBytes + sizeof(VnetHeader));
  if (got < 0) return errno == EINTR ? 0 : -errno;
  return std::max(0, static_cast<int>(got) - static_cast<int>(sizeof(VnetHeader)));
}

void describeTrain(uint8_t* record, uint32_t length, double nowUs) {
  cell<int32_t>(record, layout::train_progressAt) = 0;
  cell<uint32_t>(record, layout::train_lengthAt) = length;
  cell<double>(record, layout::train_timeAt) = nowUs;
}

// 16 bytes behind the packet are the sealer's, for padding.
uint32_t trainRecordBytes(uint32_t length) { return layout::train_packetAt + length + 16; }

int TunReader::read(uint32_t maxTrains, double nowUs, double& bytes) {
  int count = 0;
  int failure = -EAGAIN;
  for (uint32_t i = 0; i < maxTrains; i++) {
    uint8_t* record = out_.claim(layout::train_maxRecordBytes);
    if (record == nullptr) {
      failure = -ENOSPC;
      break;
    }
    const int length = readTrain(fd_, record);
    if (length < 0) {
      failure = length;
      break;
    }
    if (length == 0) continue;
    describeTrain(record, static_cast<uint32_t>(length), nowUs);
    out_.commit(trainRecordBytes(static_cast<uint32_t>(length)), layout::recordType_train);
    // Each at once, so that the sealer works while the next is being read.
    out_.publish();
    bytes += length;
    count += 1;
  }
  return count != 0 ? count : failure;
}

int TunWriter::write(uint32_t maxTrains, double& bytes, double& packets, uint32_t& errors) {
  int count = 0;
  for (uint32_t i = 0; i < maxTrains; i++) {
    uint8_t* record = in_.peek();
    if (record == nullptr) break;
    const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
    const ssize_t wrote = ::write(fd_, record + layout::train_vnetAt, length + sizeof(VnetHeader));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) errors += 1;
    bytes += length;
    packets += cell<uint32_t>(record, layout::train_progressAt);
    count += 1;
    in_.advance();
    // Each at once: a thread that dies here repeats nothing.
    in_.release();
  }
  return count;
}

}  // namespace hawser
