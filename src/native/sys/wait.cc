#include "wait.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>

namespace hawser {

double nowUs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double unixUs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

namespace {
constexpr double kLongestWaitUs = 3600e6;
}

int waitForWork(int doorbellFd, const int32_t* fds, uint32_t count, double deadlineUs) {
  constexpr uint32_t kMaxFds = 15;
  pollfd entries[kMaxFds + 1];
  if (count > kMaxFds) return -EINVAL;
  entries[0] = {doorbellFd, POLLIN, 0};
  for (uint32_t i = 0; i < count; i++) entries[i + 1] = {fds[i], POLLIN, 0};
  // The conversion of what time_t cannot hold is undefined behaviour, so that `Infinity` must not reach it. NaN becomes 0.
  const double remainingUs = std::fmin(std::fmax(0, deadlineUs - nowUs()), kLongestWaitUs);
  timespec timeout;
  timeout.tv_sec = static_cast<time_t>(remainingUs / 1e6);
  timeout.tv_nsec = static_cast<long>(std::fmod(remainingUs, 1e6) * 1e3);
  const int ready = ppoll(entries, count + 1, &timeout, nullptr);
  if (ready < 0) return errno == EINTR ? 1 : -errno;
  int found = 0;
  if (entries[0].revents != 0) {
    uint64_t rings;
    [[maybe_unused]] const ssize_t got = ::read(doorbellFd, &rings, sizeof rings);
    found = 1;
  }
  for (uint32_t i = 1; i <= count; i++) found |= entries[i].revents != 0 ? 1 << i : 0;
  return found;
}

}  // namespace hawser
