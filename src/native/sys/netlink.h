// Sockets off the packet path: rtnetlink, marked UDP for the resolver, systemd's notification socket. No policy, no JavaScript.
#pragma once
#include <cstddef>
#include <cstdint>

namespace hawser {

// What a failed open… reports; `call` is the system call that refused.
struct OpenFailure {
  int error = 0;
  const char* call = "";
};

// Opens netlink of that protocol (NETLINK_ROUTE, NETLINK_NETFILTER) subscribed to `groups` (mask). Returns the fd, or -1 with `failure`
// filled in.
int openNetlinkSocket(int protocol, uint32_t groups, OpenFailure& failure);

// From now on such a socket hears of routes only what leads everywhere (prefix length 0), is ours (`protocol`), or leads to one of the
// addresses: 5 bytes each, 4 or 6 and the first four of the address (so that a route to the same /32 of IPv6 passes too). Links,
// addresses and rules pass as ever. At most 700 addresses. Returns 0 or a negative errno.
int filterRouteEvents(int fd, uint8_t protocol, const uint8_t* addresses, size_t count);

// Binds a socket to an address of this host, 4 or 16 bytes; the kernel chooses the port. Returns 0 or a negative errno.
int bindSource(int fd, const uint8_t* address, size_t addressBytes, uint32_t scopeId);

// Opens a non-blocking UDP socket whose packets carry `fwmark` (0 = none) and leave by `interfaceName` ("" = routing decides).
int openMarkedUdpSocket(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure);

// Sets the peer of a UDP socket; `address` is 4 or 16 bytes in network order. Returns 0 or a negative errno.
int connectUdpSocket(int fd, const uint8_t* address, size_t addressBytes, uint16_t port, uint32_t scopeId);

// Returns the bytes sent or a negative errno.
long sendOnSocket(int fd, const uint8_t* bytes, size_t length);

// Waits at most `timeoutMs` (0 = not at all). Returns the bytes, -EAGAIN at the timeout, -EMSGSIZE if the message was cut.
long receiveFromSocket(int fd, uint8_t* target, size_t length, int timeoutMs);

// One datagram to a systemd NOTIFY_SOCKET ("@name" is abstract). Returns 0 or a negative errno.
int notifySystemd(const char* path, size_t pathBytes, const uint8_t* message, size_t messageBytes);

}  // namespace hawser
