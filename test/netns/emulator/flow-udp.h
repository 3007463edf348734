// A numbered UDP flow of constant rate, its receiver that knows gaps, losses, copies and order, and a pinging pair.
#pragma once

#include <poll.h>
#include <sys/prctl.h>

#include "flow-io.h"

namespace flow {

constexpr size_t kDatagramBytes = 65536;

struct Numbered {
  uint64_t number;
  double sentMs;
};

inline int connected(const Address& address) {
  const int fd = socket(address.family(), SOCK_DGRAM, 0), bytes = 4 << 20;
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  if (connect(fd, address.get(), address.length) < 0) fail("connect");
  return fd;
}

inline bool hasEnded(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  char byte;
  return poll(&waiting, 1, 0) > 0 && read(fd, &byte, 1) <= 0;
}

/// Sends until the time is over or stdin ends. Datagrams the kernel refuses are sent no second time.
inline int udpSend(const Address& address, double rateMbit, size_t bytes, double seconds, int tos) {
  prctl(PR_SET_TIMERSLACK, 1);
  const int fd = connected(address);
  setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
  setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
  const double perMs = rateMbit * 1e3 / (8.0 * static_cast<double>(bytes));
  const double startMs = nowMs();
  uint64_t sent = 0, failed = 0;
  char datagram[kDatagramBytes] = {};
  for (double atMs = startMs; atMs < startMs + seconds * 1e3; atMs = nowMs()) {
    for (const double due = (atMs - startMs) * perMs; static_cast<double>(sent) < due; sent++) {
      const Numbered head{sent, nowMs()};
      std::memcpy(datagram, &head, sizeof head);
      if (send(fd, datagram, bytes, 0) < 0) failed += 1;
    }
    if (hasEnded(STDIN_FILENO)) break;
    sleepMs(std::clamp(1 / perMs, 0.2, 10.0));
  }
  std::printf("{\"event\":\"done\",\"sent\":%lu,\"failed\":%lu,\"ms\":%.1f}\n", sent, failed, nowMs() - startMs);
  return 0;
}

/// Counts a window of the flow: from the last `cut` to this one. What was missing at the cut may still come before `report`.
class Receiver {
 public:
  void take(const Numbered& head, size_t bytes, double atMs) {
    if (lastMs_ > 0 && atMs - lastMs_ > gapMs_) {
      gapMs_ = atMs - lastMs_;
      gapAtMs_ = lastMs_;
    }
    lastMs_ = atMs;
    received_ += 1;
    buckets_.add(bytes, atMs);
    if (head.number >= seen_.size()) seen_.resize(2 * head.number + 1024);
    if (seen_[head.number]) copies_ += 1;
    else uniqueEver_ += 1;
    seen_[head.number] = true;
    if (head.number + 1 < next_) reordered_ += 1;
    next_ = std::max(next_, head.number + 1);
    delaysMs_.push_back(static_cast<float>(atMs - head.sentMs));
  }

  /// Ends the window; a silence that still lasts counts as far as it has come.
  void cut(double atMs) {
    begin_ = end_;
    end_ = next_;
    if (lastMs_ > 0 && atMs - lastMs_ > gapMs_) {
      gapMs_ = atMs - lastMs_;
      gapAtMs_ = lastMs_;
    }
    done_ = std::move(*this).window();
    received_ = copies_ = reordered_ = 0;
    gapMs_ = gapAtMs_ = 0;
    buckets_ = Buckets();
    delaysMs_.clear();
  }

  void report() {
    uint64_t missing = 0;
    for (uint64_t i = begin_; i < end_; i++) missing += seen_[i] ? 0 : 1;
    std::printf("{\"event\":\"report\",\"expected\":%lu,\"missing\":%lu,\"uniqueEver\":%lu,%s}\n", end_ - begin_, missing, uniqueEver_,
                done_.c_str());
    std::fflush(stdout);
  }

 private:
  std::string window() && {
    char text[400];
    std::snprintf(text, sizeof text,
                  "\"received\":%lu,\"copies\":%lu,\"reordered\":%lu,\"maxGapMs\":%.2f,\"gapAtMs\":%.2f,\"delayP50Ms\":%.3f,"
                  "\"delayP99Ms\":%.3f,\"delayMaxMs\":%.3f,\"buckets\":",
                  received_, copies_, reordered_, gapMs_, gapAtMs_, quantile(delaysMs_, 0.5), quantile(delaysMs_, 0.99),
                  quantile(delaysMs_, 1));
    return text + buckets_.json();
  }

  std::vector<bool> seen_;
  std::vector<float> delaysMs_;
  Buckets buckets_;
  uint64_t begin_ = 0, end_ = 0, next_ = 0;
  uint64_t uniqueEver_ = 0;
  uint64_t received_ = 0, copies_ = 0, reordered_ = 0;
  double lastMs_ = 0, gapMs_ = 0, gapAtMs_ = 0;
  std::string done_;
};

/// Receives until stdin ends. Lines of stdin: `cut`, `report`; both are answered.
inline int udpSink(int port) {
  const int fd = bindAny(SOCK_DGRAM, 0, port), bytes = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  std::printf("{\"event\":\"ready\"}\n");
  std::fflush(stdout);
  Receiver receiver;
  char datagram[kDatagramBytes];
  for (;;) {
    pollfd waiting[2] = {{fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[0].revents != 0) {
      for (ssize_t size; (size = recv(fd, datagram, sizeof datagram, MSG_DONTWAIT)) >= static_cast<ssize_t>(sizeof(Numbered));) {
        Numbered head;
        std::memcpy(&head, datagram, sizeof head);
        receiver.take(head, static_cast<size_t>(size), nowMs());
      }
    }
    if (waiting[1].revents == 0) continue;
    char line[64] = "";
    if (read(STDIN_FILENO, line, sizeof line - 1) <= 0) return 0;
    if (std::strncmp(line, "cut", 3) == 0) {
      receiver.cut(nowMs());
      std::printf("{\"event\":\"cut\"}\n");
      std::fflush(stdout);
    } else {
      receiver.report();
    }
  }
}

inline int udpEcho(int port) {
  const int fd = bindAny(SOCK_DGRAM, 0, port);
  std::printf("{\"event\":\"ready\"}\n");
  std::fflush(stdout);
  char datagram[kDatagramBytes];
  for (;;) {
    Address from;
    from.length = sizeof from.storage;
    const ssize_t size = recvfrom(fd, datagram, sizeof datagram, 0, reinterpret_cast<sockaddr*>(&from.storage), &from.length);
    if (size > 0) sendto(fd, datagram, static_cast<size_t>(size), 0, from.get(), from.length);
  }
}

/// One small datagram each interval; round trips of the answers, and how many never came within a second of the end.
inline int udpPing(const Address& address, double intervalMs, uint64_t count, size_t bytes) {
  prctl(PR_SET_TIMERSLACK, 1);
  const int fd = connected(address);
  std::vector<float> tripsMs;
  std::vector<bool> seen(count);
  char datagram[kDatagramBytes] = {};
  uint64_t sent = 0;
  const double startMs = nowMs(), endMs = startMs + static_cast<double>(count) * intervalMs + 1000;
  for (double atMs = startMs; atMs < endMs && tripsMs.size() < count; atMs = nowMs()) {
    for (; sent < count && startMs + static_cast<double>(sent) * intervalMs <= atMs; sent++) {
      const Numbered head{sent, nowMs()};
      std::memcpy(datagram, &head, sizeof head);
      send(fd, datagram, std::max(bytes, sizeof head), 0);
    }
    const double nextMs = sent < count ? startMs + static_cast<double>(sent) * intervalMs : endMs;
    const double restMs = std::max(0.0, nextMs - nowMs());
    const timespec rest{static_cast<time_t>(restMs / 1e3), static_cast<long>((restMs - 1e3 * static_cast<long>(restMs / 1e3)) * 1e6)};
    pollfd waiting{fd, POLLIN, 0};
    if (ppoll(&waiting, 1, &rest, nullptr) <= 0) continue;
    while (recv(fd, datagram, sizeof datagram, MSG_DONTWAIT) >= static_cast<ssize_t>(sizeof(Numbered))) {
      Numbered head;
      std::memcpy(&head, datagram, sizeof head);
      if (head.number >= count || seen[head.number]) continue;
      seen[head.number] = true;
      tripsMs.push_back(static_cast<float>(nowMs() - head.sentMs));
    }
  }
  std::printf("{\"event\":\"done\",\"sent\":%lu,\"received\":%zu,\"minMs\":%.3f,\"p25Ms\":%.3f,\"p50Ms\":%.3f,\"p75Ms\":%.3f,"
              "\"p95Ms\":%.3f,\"p99Ms\":%.3f,\"maxMs\":%.3f}\n",
              sent, tripsMs.size(), quantile(tripsMs, 0), quantile(tripsMs, 0.25), quantile(tripsMs, 0.5), quantile(tripsMs, 0.75),
              quantile(tripsMs, 0.95), quantile(tripsMs, 0.99), quantile(tripsMs, 1));
  return 0;
}

}  // namespace flow
