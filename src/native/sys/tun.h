// A TUN device with virtio_net headers and offloads: one read or write moves one train of up to 64 KiB.
#pragma once
#include <cstdint>
#include <string>

#include "fd.h"
#include "ring.h"

namespace hawser {

struct TunDevice {
  int fd = -1;
  std::string name;
  bool udpOffload = false;  // USO, Linux 6.2 and later
};

// Opens or adopts the device `name`. `persistent` keeps it (with addresses and routes) when the last descriptor goes.
SystemError openTun(const std::string& name, bool persistent, bool multiQueue, TunDevice& device);
int setTunPersistent(int fd, bool persistent);

// Reads one train into a claimed record; returns its bytes, 0 = it was nothing to take (look again), or a negative errno.
int readTrain(int fd, uint8_t* record);
// Says in the record what lies there, and since when.
void describeTrain(uint8_t* record, uint32_t length, double nowUs);
// Bytes of the record of such a train.
uint32_t trainRecordBytes(uint32_t length);

class TunReader {
 public:
  TunReader(int fd, RingProducer out) : fd_(fd), out_(out) {}
  // Reads up to `maxTrains`; publishes; returns how many. EAGAIN ends it. `bytes` is increased. Negative errno when nothing
  // was read: ENOSPC the ring is full, EAGAIN the device is empty.
  int read(uint32_t maxTrains, double nowUs, double& bytes);

 private:
  int fd_;
  RingProducer out_;
};

class TunWriter {
 public:
  TunWriter(int fd, RingConsumer in) : fd_(fd), in_(in) {}
  // Writes up to `maxTrains` waiting trains; returns how many. `errors` counts those the kernel refused (they are dropped).
  int write(uint32_t maxTrains, double& bytes, double& packets, uint32_t& errors);

 private:
  int fd_;
  RingConsumer in_;
};

}  // namespace hawser
