// Emulates links between pairs of interfaces of its namespace: `link-emulator SEED IF_A IF_B [IF_A IF_B …]`. Link i joins the
// i-th pair; `up` is from A to B. Commands are lines on stdin, each answered by one line of JSON; the end of stdin ends the program.
//   set LINK up|down|both [KEY VALUE]…   rateBps delayNs jitterNs keepsOrder loss burstStart burstEnd duplicate reorder
//                                        reorderByNs queueBytes mtu blackhole
//   stats
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "link-model.h"

namespace {

using emulator::Frame;
using emulator::FramePool;
using emulator::LinkDirection;
using emulator::Parameters;

/// struct virtio_net_hdr of linux/virtio_net.h, which C++ cannot include (a field is called `class`).
struct VnetHeader {
  uint8_t flags, gsoType;
  uint16_t headerLength, gsoSize, checksumStart, checksumOffset;
};
static_assert(sizeof(VnetHeader) == emulator::kVnetHeaderBytes);
constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr int kBatch = 64;
/// Under load the loop turns once in this time, so that frames are moved in batches. Half of it is given back at delivery.
constexpr double kTurnNs = 100'000;
constexpr double kEarlyNs = kTurnNs / 2;
/// How long after the last frame the loop goes on turning instead of blocking.
constexpr double kLingerNs = 2'000'000;
constexpr int kSocketBytes = 16 << 20;

double nowNs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "link-emulator: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

/// One interface: a packet socket that sees what its peer sends, and can send to it. Checksums the sender left to "hardware" stay
/// partial by way of the virtio header.
class Port {
 public:
  Port(FramePool& pool, const char* interface) : pool_(pool) {
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) fail("socket(AF_PACKET)");
    const int one = 1;
    if (setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) fail("PACKET_VNET_HDR");
    if (setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0) fail("PACKET_IGNORE_OUTGOING");
    // Past the queueing discipline: the queue of this link is ours.
    if (setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0) fail("PACKET_QDISC_BYPASS");
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof kSocketBytes);
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof kSocketBytes);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (address.sll_ifindex == 0) fail(interface);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("bind");
    for (int i = 0; i < kBatch; i++) {
      waiting_[i] = pool_.take();
      in_[i] = {};
      inVectors_[i] = {waiting_[i]->bytes, emulator::kFrameBytes};
      in_[i].msg_hdr.msg_iov = &inVectors_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
      out_[i] = {};
      out_[i].msg_hdr.msg_iov = &outVectors_[i];
      out_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  int fd() const { return fd_; }
  uint64_t oversized() const { return oversized_; }
  uint64_t refused() const { return refused_; }

  /// Moves what has come into `direction`; returns the number of frames.
  int read(LinkDirection& direction, double atNs) {
    const int count = recvmmsg(fd_, in_, kBatch, MSG_TRUNC, nullptr);
    // ENETDOWN is told once after the lab has taken the carrier away.
    if (count < 0) return 0;
    for (int i = 0; i < count; i++) {
      Frame* frame = waiting_[i];
      auto* header = reinterpret_cast<VnetHeader*>(frame->bytes);
      if (in_[i].msg_len > emulator::kFrameBytes || header->gsoType != 0) {
        oversized_ += 1;
        continue;
      }
      header->flags &= kNeedsChecksum;
      frame->length = in_[i].msg_len;
      direction.enter(frame, atNs);
      waiting_[i] = pool_.take();
      inVectors_[i].iov_base = waiting_[i]->bytes;
    }
    return count;
  }

  /// Sends what has arrived out of `direction`; returns the number of frames.
  int write(LinkDirection& direction, double atNs) {
    int total = 0;
    for (;;) {
      int count = 0;
      for (Frame* frame; count < kBatch && (frame = direction.arrived(atNs)) != nullptr; count++) {
        outVectors_[count] = {frame->bytes, frame->length};
        leaving_[count] = frame;
      }
      if (count == 0) return total;
      total += count;
      // A frame the interface refuses (no carrier) is gone, as on a real wire.
      for (int sent = 0; sent < count;) {
        const int result = sendmmsg(fd_, out_ + sent, static_cast<unsigned>(count - sent), 0);
        if (result <= 0) refused_ += 1;
        sent += result > 0 ? result : 1;
      }
      for (int i = 0; i < count; i++) pool_.give(leaving_[i]);
    }
  }

 private:
  FramePool& pool_;
  int fd_ = -1;
  uint64_t oversized_ = 0, refused_ = 0;
  Frame* waiting_[kBatch];
  Frame* leaving_[kBatch];
  mmsghdr in_[kBatch], out_[kBatch];
  iovec inVectors_[kBatch], outVectors_[kBatch];
};

struct Link {
  Link(FramePool& pool, uint64_t seed, const char* a, const char* b)
      : portA(pool, a), portB(pool, b), up(pool, 2 * seed), down(pool, 2 * seed + 1) {}
  Port portA, portB;
  LinkDirection up, down;
};

const std::map<std::string, double Parameters::*> kNumbers = {
    {"rateBps", &Parameters::rateBps},       {"delayNs", &Parameters::delayNs},
    {"jitterNs", &Parameters::jitterNs},     {"loss", &Parameters::loss},
    {"burstStart", &Parameters::burstStart}, {"burstEnd", &Parameters::burstEnd},
    {"duplicate", &Parameters::duplicate},   {"reorder", &Parameters::reorder},
    {"reorderByNs", &Parameters::reorderByNs}, {"queueBytes", &Parameters::queueBytes},
    {"mtu", &Parameters::mtu},
};

/// Applies one parameter; false = unknown name.
bool apply(LinkDirection& direction, const std::string& key, double value) {
  if (const auto found = kNumbers.find(key); found != kNumbers.end()) direction.parameters.*found->second = value;
  else if (key == "keepsOrder") direction.parameters.keepsOrder = value != 0;
  else if (key == "blackhole") direction.setBlackhole(value != 0, nowNs());
  else return false;
  return true;
}

using Links = std::vector<std::unique_ptr<Link>>;

const char* set(Links& links, std::istringstream& words) {
  size_t index = 0;
  std::string which, key;
  if (!(words >> index >> which) || index >= links.size()) return "no such link";
  if (which != "up" && which != "down" && which != "both") return "no such direction";
  for (double value; words >> key;) {
    if (!(words >> value)) return "no number";
    if (which != "down" && !apply(links[index]->up, key, value)) return "no such parameter";
    if (which != "up" && !apply(links[index]->down, key, value)) return "no such parameter";
  }
  return nullptr;
}

void printDirection(const char* name, const LinkDirection& direction, const Port& from, const Port& to) {
  const auto& s = direction.statistics;
  std::printf(
      "\"%s\":{\"frames\":%lu,\"bytes\":%lu,\"deliveredFrames\":%lu,\"deliveredBytes\":%lu,\"dropped\":%lu,\"lost\":%lu,"
      "\"swallowed\":%lu,\"tooLong\":%lu,\"duplicated\":%lu,\"reordered\":%lu,\"oversized\":%lu,\"refused\":%lu,\"queueBytes\":%lu,"
      "\"maxQueueBytes\":%lu}",
      name, s.frames, s.bytes, s.deliveredFrames, s.deliveredBytes, s.dropped, s.lost, s.swallowed, s.tooLong, s.duplicated,
      s.reordered, from.oversized(), to.refused(), direction.queueBytes(), s.maxQueueBytes);
}

void printStatistics(const Links& links) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double cpuMs = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  std::printf("{\"cpuMs\":%.1f,\"links\":[", cpuMs);
  for (size_t i = 0; i < links.size(); i++) {
    const Link& link = *links[i];
    std::printf(i == 0 ? "{" : ",{");
    printDirection("up", link.up, link.portA, link.portB);
    std::printf(",");
    printDirection("down", link.down, link.portB, link.portA);
    std::printf("}");
  }
  std::printf("]}\n");
}

void obey(Links& links, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "stats") {
    printStatistics(links);
  } else if (verb == "set") {
    const char* error = set(links, words);
    if (error == nullptr) std::printf("{\"ok\":true}\n");
    else std::printf("{\"error\":\"%s\"}\n", error);
  } else {
    std::printf("{\"error\":\"unknown verb\"}\n");
  }
  std::fflush(stdout);
}

/// Reads commands without blocking; false at the end of stdin.
bool readCommands(Links& links, std::string& pending) {
  char bytes[4096];
  const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count == 0) return false;
  if (count > 0) pending.append(bytes, static_cast<size_t>(count));
  for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
    obey(links, pending.substr(0, end));
  }
  return true;
}

void wait(int epoll, double untilNs, double atNs, epoll_event* events, int& count) {
  const double restNs = std::clamp(untilNs - atNs, 0.0, 1e9);
  const timespec rest{static_cast<time_t>(restNs / 1e9), static_cast<long>(std::fmod(restNs, 1e9))};
  count = epoll_pwait2(epoll, events, kBatch, &rest, nullptr);
}

void sleepUntil(double untilNs) {
  const timespec until{static_cast<time_t>(untilNs / 1e9), static_cast<long>(std::fmod(untilNs, 1e9))};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void watch(int epoll, int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

/// Frames of one turn: everything that is due leaves, everything that has come enters.
int turn(Links& links, const epoll_event* events, int count, double atNs) {
  int moved = 0;
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 >= 2 * links.size()) continue;
    Link& link = *links[events[i].data.u64 / 2];
    moved += events[i].data.u64 % 2 == 0 ? link.portA.read(link.up, atNs) : link.portB.read(link.down, atNs);
  }
  for (auto& link : links) {
    for (LinkDirection* direction : {&link->up, &link->down}) {
      if (direction->nextNs() > atNs + kEarlyNs) continue;
      direction->transmit(atNs + kEarlyNs);
      moved += (direction == &link->up ? link->portB : link->portA).write(*direction, atNs + kEarlyNs);
    }
  }
  return moved;
}

void run(Links& links) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  const uint64_t stdinTag = 2 * links.size();
  watch(epoll, STDIN_FILENO, stdinTag);
  for (size_t i = 0; i < links.size(); i++) {
    watch(epoll, links[i]->portA.fd(), 2 * i);
    watch(epoll, links[i]->portB.fd(), 2 * i + 1);
  }
  epoll_event events[kBatch];
  std::string pending;
  double busyUntilNs = 0;
  for (double atNs = nowNs();; atNs = nowNs()) {
    double nextNs = INFINITY;
    for (auto& link : links) nextNs = std::min({nextNs, link->up.nextNs(), link->down.nextNs()});
    int count = 0;
    if (atNs < busyUntilNs) {
      sleepUntil(atNs + kTurnNs);
      wait(epoll, 0, 0, events, count);
    } else {
      wait(epoll, nextNs - kEarlyNs, atNs, events, count);
    }
    atNs = nowNs();
    if (turn(links, events, std::max(count, 0), atNs) > 1) busyUntilNs = atNs + kLingerNs;
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == stdinTag && !readCommands(links, pending)) return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc % 2 != 0) {
    std::fprintf(stderr, "usage: link-emulator SEED IF_A IF_B [IF_A IF_B …]\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1);
  // A wire does not wait for a processor. Without the right to it the emulator is only less exact.
  const sched_param urgent{1};
  const bool isUrgent = sched_setscheduler(0, SCHED_RR, &urgent) == 0;
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  FramePool pool;
  Links links;
  const uint64_t seed = std::strtoull(argv[1], nullptr, 10);
  for (int i = 2; i + 1 < argc; i += 2) {
    links.push_back(std::make_unique<Link>(pool, seed * 1000 + static_cast<uint64_t>(i), argv[i], argv[i + 1]));
  }
  std::printf("{\"event\":\"ready\",\"isUrgent\":%s}\n", isUrgent ? "true" : "false");
  std::fflush(stdout);
  run(links);
  return 0;
}
