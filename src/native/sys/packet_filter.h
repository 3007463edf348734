// What a packet socket of FakeTCP is given of all that comes to this host: segments for ports of ours, and of those for addresses of ours.
// What is only routed through it, or comes out of the tunnel, is not copied.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace hawser {

struct PacketPorts {
  bool v4 = true;
  uint16_t listen = 0;     // 0 = nobody calls here
  uint16_t firstCall = 0;  // calls leave by `calls` ports from here on
  uint16_t calls = 0;
};

// IPv4 in the first 4 bytes.
using OwnAddress = std::array<uint8_t, 16>;

// Gives the socket a filter in place of the one it has; `own` empty = of all addresses, and whatever they are SYNs pass, so that an address
// that came later is heard of. Nothing passes of `exceptInterface` (0 = none). 0 or a negative errno.
int filterPackets(int fd, const PacketPorts& ports, const std::vector<OwnAddress>& own, int exceptInterface);
int dropEverything(int fd);

// Whether the kernel takes what is for the address of ours in the tuple for its own (the answer of its routing, not of its sockets:
// `ip_nonlocal_bind` lets these have any).
bool isOwnAddress(const uint8_t* tuple);

// The filters of one carrier's sockets, which follow the addresses of the host.
class PacketFilters {
 public:
  // `fd` -1 = the family is not there; `tunnel`: our own device, '' = none.
  PacketFilters(int fd4, int fd6, PacketPorts ports4, PacketPorts ports6, std::string tunnel);

  // A segment by the tuple must not be missed: its address of ours is one that passes from now on.
  void admit(const uint8_t* tuple);
  // Whether a segment of the tuple is for us; if so, others for that address pass from now on.
  bool ask(const uint8_t* tuple);

 private:
  struct Family {
    int fd;
    PacketPorts ports;
    std::vector<OwnAddress> own;
    // Of those some that no interface has (`ip route add local …`).
    std::vector<OwnAddress> others;
  };

  void refresh(Family& family, const OwnAddress* other);

  Family families_[2];
  std::string tunnel_;
};

}  // namespace hawser
