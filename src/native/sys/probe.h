// Sockets of health probes past the tunnel: marked, bound to an interface, never blocking. No policy, no JavaScript.
#pragma once
#include <cstddef>
#include <cstdint>

#include "sys/netlink.h"

namespace hawser {

// Echo requests: a ping socket where net.ipv4.ping_group_range allows it, else a raw one that only takes echo replies. The caller
// writes the checksum of IPv4; what a raw IPv4 socket receives begins with the IP header. -1 with `failure` filled in.
int openMarkedIcmpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure);

// Its close resets the connection: probes leave nothing in TIME_WAIT.
int openMarkedTcpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure);

// 1 = connected, and `roundTripUs` is what the kernel measured (0 = it did not); 0 = not yet; else a negative errno.
int tcpConnectState(int fd, double& roundTripUs);

// As receiveFromSocket without waiting; `arrivedUs` is CLOCK_BOOTTIME microseconds when the kernel received it.
long receiveStamped(int fd, uint8_t* target, size_t length, double& arrivedUs);

}  // namespace hawser
