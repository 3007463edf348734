// TCP and MPTCP flows, counted where they are received. A connection starts with one line of the client:
// `down SECONDS BYTES CC` (the server sends until either is reached; 0 = no limit) or `up CC` (the server answers with its count).
#pragma once

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/time.h>

#include <memory>
#include <thread>

#include "flow-io.h"

namespace flow {

constexpr size_t kBlockBytes = 256 << 10;
constexpr int kProtocolMptcp = 262;  // IPPROTO_MPTCP of linux/in.h
constexpr int kLevelMptcp = 284;     // SOL_MPTCP of linux/socket.h

/// A connection that is silent for so long has ended, whatever it says.
constexpr timeval kSilence{20, 0};

inline void limitSilence(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kSilence, sizeof kSilence);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kSilence, sizeof kSilence);
}

inline bool setCongestionControl(int fd, const std::string& name) {
  return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.c_str(), static_cast<socklen_t>(name.size())) == 0;
}

/// Sends zeros until the time or the bytes are used up, then says goodbye.
inline void sendBulk(int fd, double seconds, uint64_t bytes) {
  const std::unique_ptr<char[]> block(new char[kBlockBytes]());
  const double endMs = nowMs() + seconds * 1e3;
  uint64_t sent = 0;
  while ((seconds == 0 || nowMs() < endMs) && (bytes == 0 || sent < bytes)) {
    const size_t want = bytes == 0 ? kBlockBytes : std::min<uint64_t>(kBlockBytes, bytes - sent);
    const ssize_t count = send(fd, block.get(), want, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<uint64_t>(count);
  }
  shutdown(fd, SHUT_WR);
}

/// Reads to the end; `firstMs` is when the count begins.
inline Buckets receiveBulk(int fd, double firstMs) {
  const std::unique_ptr<char[]> block(new char[kBlockBytes]);
  Buckets buckets;
  buckets.add(0, firstMs);
  for (ssize_t count; (count = recv(fd, block.get(), kBlockBytes, 0)) > 0;) {
    buckets.add(static_cast<uint64_t>(count), nowMs());
  }
  return buckets;
}

inline std::string readLine(int fd) {
  std::string line;
  for (char c; recv(fd, &c, 1, 0) == 1 && c != '\n';) line += c;
  return line;
}

inline void serveOne(int fd) {
  limitSilence(fd);
  const std::string line = readLine(fd);
  char verb[8] = "", cc[32] = "";
  double seconds = 0;
  unsigned long bytes = 0;
  if (std::sscanf(line.c_str(), "down %lf %lu %31s", &seconds, &bytes, cc) == 3) {
    if (setCongestionControl(fd, cc)) sendBulk(fd, seconds, bytes);
    else std::fprintf(stderr, "flow: no congestion control %s\n", cc);
  } else if (std::sscanf(line.c_str(), "%7s", verb) == 1 && std::strcmp(verb, "up") == 0) {
    const std::string answer = receiveBulk(fd, nowMs()).json() + "\n";
    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  close(fd);
}

inline int serve(int port, bool isMptcp) {
  const int fd = bindAny(SOCK_STREAM, isMptcp ? kProtocolMptcp : 0, port);
  if (listen(fd, 64) < 0) fail("listen");
  std::printf("{\"event\":\"ready\"}\n");
  std::fflush(stdout);
  for (;;) {
    const int connection = accept(fd, nullptr, nullptr);
    if (connection >= 0) std::thread(serveOne, connection).detach();
  }
}

struct Transfer {
  Address address;
  bool isDown = true, isMptcp = false;
  double seconds = 0;
  uint64_t bytes = 0;
  std::string cc;
};

struct Outcome {
  Buckets buckets;      // down: counted here
  std::string buckets2; // up: as the server counted
  double ms = 0;
  int subflows = 0;  // extra ones of MPTCP, at the end
};

inline void transferOne(const Transfer& transfer, Outcome& outcome) {
  const int fd = socket(transfer.address.family(), SOCK_STREAM, transfer.isMptcp ? kProtocolMptcp : 0);
  if (fd < 0) fail("socket");
  limitSilence(fd);
  if (!setCongestionControl(fd, transfer.cc)) fail("TCP_CONGESTION");
  const double startMs = nowMs();
  if (connect(fd, transfer.address.get(), transfer.address.length) < 0) fail("connect");
  char line[128];
  const int length = transfer.isDown
                         ? std::snprintf(line, sizeof line, "down %f %lu %s\n", transfer.seconds, transfer.bytes, transfer.cc.c_str())
                         : std::snprintf(line, sizeof line, "up %s\n", transfer.cc.c_str());
  if (send(fd, line, static_cast<size_t>(length), MSG_NOSIGNAL) != length) fail("send");
  if (transfer.isDown) {
    outcome.buckets = receiveBulk(fd, startMs);
    outcome.ms = outcome.buckets.lastMs() - startMs;
  } else {
    sendBulk(fd, transfer.seconds, transfer.bytes);
    outcome.buckets2 = readLine(fd);
    outcome.ms = nowMs() - startMs;
  }
  uint8_t info[128] = {};
  socklen_t size = sizeof info;
  if (transfer.isMptcp && getsockopt(fd, kLevelMptcp, 1 /* MPTCP_INFO */, info, &size) == 0) outcome.subflows = info[0];
  close(fd);
}

/// Runs `streams` transfers at once and prints what each received.
inline int transferAll(const Transfer& transfer, size_t streams) {
  std::vector<Outcome> outcomes(streams);
  std::vector<std::thread> threads;
  for (auto& outcome : outcomes) threads.emplace_back(transferOne, std::cref(transfer), std::ref(outcome));
  for (auto& thread : threads) thread.join();
  std::printf("{\"event\":\"done\",\"streams\":[");
  for (size_t i = 0; i < streams; i++) {
    const Outcome& one = outcomes[i];
    const std::string buckets = transfer.isDown ? one.buckets.json() : one.buckets2;
    std::printf("%s{\"ms\":%.1f,\"subflows\":%d,\"buckets\":%s}", i == 0 ? "" : ",", one.ms, one.subflows,
                buckets.empty() ? "[]" : buckets.c_str());
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace flow
