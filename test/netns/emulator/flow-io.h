// What both kinds of flow share: time, addresses, buckets of bytes, lines of stdin.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace flow {

constexpr double kBucketMs = 100;

inline double nowMs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

inline void sleepMs(double ms) {
  const timespec t{static_cast<time_t>(ms / 1e3), static_cast<long>((ms - 1e3 * static_cast<long>(ms / 1e3)) * 1e6)};
  nanosleep(&t, nullptr);
}

[[noreturn]] inline void fail(const char* what) {
  std::printf("{\"event\":\"error\",\"message\":\"%s: %s\"}\n", what, std::strerror(errno));
  std::fflush(stdout);
  std::exit(1);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

/// A numeric address of either family.
inline Address parseAddress(const char* host, int port) {
  Address result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    result.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    result.length = sizeof *v6;
  } else {
    errno = EINVAL;
    fail(host);
  }
  return result;
}

/// A socket on all addresses of both families.
inline int bindAny(int type, int protocol, int port) {
  const int fd = socket(AF_INET6, type, protocol);
  const int off = 0, on = 1;
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("bind");
  return fd;
}

/// Bytes received in each 100 ms since the first call.
class Buckets {
 public:
  void add(uint64_t bytes, double atMs) {
    if (startMs_ < 0) startMs_ = atMs;
    const auto index = static_cast<size_t>((atMs - startMs_) / kBucketMs);
    if (index >= bytes_.size()) bytes_.resize(index + 1);
    bytes_[index] += bytes;
    total_ += bytes;
    lastMs_ = atMs;
  }
  void merge(const Buckets& other) {
    bytes_.resize(std::max(bytes_.size(), other.bytes_.size()));
    for (size_t i = 0; i < other.bytes_.size(); i++) bytes_[i] += other.bytes_[i];
    total_ += other.total_;
  }
  uint64_t total() const { return total_; }
  double lastMs() const { return lastMs_; }
  std::string json() const {
    std::string text = "[";
    for (size_t i = 0; i < bytes_.size(); i++) text += (i == 0 ? "" : ",") + std::to_string(bytes_[i]);
    return text + "]";
  }

 private:
  double startMs_ = -1, lastMs_ = 0;
  uint64_t total_ = 0;
  std::vector<uint64_t> bytes_;
};

inline double quantile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  const auto at = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<long>(at), values.end());
  return values[at];
}

}  // namespace flow
