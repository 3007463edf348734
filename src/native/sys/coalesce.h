// Joins opened packets of one flow into super-packets, as they are opened: each packet is decrypted so that its payload lands
// right behind the payload before it (its headers briefly overwrite the end of that one), so that joining copies nothing.
// The result is one train record of the tun-writer's ring, with the virtio_net_hdr that tells the kernel how to cut it.
#pragma once
#include <cstdint>

#include "packet.h"
#include "ring.h"
#include "vnet.h"

namespace hawser {

class Coalescer {
 public:
  // `joinUdp`: the kernel takes GSO_UDP_L4 from a TUN (6.2 and later).
  void begin(RingProducer* out, bool joinUdp, double nowUs);
  // Where the next packet is to be decrypted to, with room for its `bytes`; null when the ring is full.
  uint8_t* place(uint32_t bytes);
  // What was decrypted at place() is not for the TUN (keepalive, control frame, forged, not allowed).
  void discard();
  // What was decrypted at place() is `ip`, whole and checked.
  void take(const IpView& ip);
  // Commits what is open and publishes.
  void end();

 private:
  static constexpr uint32_t kMaxHeaderBytes = 128;
  static constexpr uint32_t kMaxPacketBytes = 65535;

  enum class Kind : uint8_t { Single, Tcp, Udp };

  Kind classify(const IpView& ip, const uint8_t* packet) const;
  bool joins(const IpView& ip, const uint8_t* next) const;
  bool joinsTcp(const uint8_t* next) const;
  void join(const IpView& ip, const uint8_t* next);
  void openRecord(const IpView& ip, Kind kind);
  void finish();
  void finishGso(VnetHeader& header);

  RingProducer* out_ = nullptr;
  bool joinUdp_ = false;
  double nowUs_ = 0;
  uint8_t* record_ = nullptr;  // claimed; a packet is in it when packets_ != 0
  uint8_t* packet_ = nullptr;
  uint8_t* target_ = nullptr;
  uint32_t length_ = 0;
  uint32_t packets_ = 0;
  uint32_t headerBytes_ = 0;
  uint32_t transportAt_ = 0;
  uint32_t segmentBytes_ = 0;
  Kind kind_ = Kind::Single;
  bool closed_ = false;
  uint8_t saved_[kMaxHeaderBytes];
  uint8_t scratch_[kMaxPacketBytes + 1];
};

}  // namespace hawser
