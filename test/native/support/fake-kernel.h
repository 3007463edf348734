// The socket calls of sys/link_*.cc, answered by the test: what was sent is cut as UDP_SEGMENT asks and kept, errors and full
// sockets come when the test wants them, and what is received was put there, GRO trains included.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <deque>
#include <functional>

#include "packets.h"

namespace hawser::test {

struct Datagrams {
  Bytes bytes;
  uint32_t segmentBytes = 0;  // 0 = one datagram
  uint8_t trafficClass = 0;   // of the outer header
  bool isV6 = false;
};

// An entry of the socket's error queue.
struct SocketError {
  uint8_t origin = 0;  // SO_EE_ORIGIN_*
  int number = 0;
  uint32_t info = 0;
  sockaddr_in destination{};  // of the packet it is about
};

struct FakeKernel {
  // errno for the next message to send (0 = it goes), given its bytes and its UDP_SEGMENT.
  std::function<int(size_t bytes, uint32_t segmentBytes)> verdict = [](size_t, uint32_t) { return 0; };
  std::vector<Bytes> sent;
  // Of each that was sent, the outer header's DSCP and ECN.
  std::vector<uint8_t> classes;
  uint32_t calls = 0;
  std::deque<SocketError> errors;
  // What IP_RECVERR was set to last.
  bool keepsErrors = true;
  std::deque<Datagrams> waiting;
  // Of the interface that what waits came by, when it is a packet socket's; 0 = it is a UDP socket's.
  uint16_t hardwareType = 0;
};

inline FakeKernel*& fakeKernel() {
  static FakeKernel* current = nullptr;
  return current;
}

}  // namespace hawser::test
