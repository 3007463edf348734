// Ends of child processes that nobody waits for any more.
#pragma once

#include <linux/wait.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace hawser {

// 1 = the child has ended and is gone, 0 = it has not within `timeoutMs`, or a negative errno. Never waits for another child. The system call
// itself: the C library's header of waitpid(3) has the name of our own sys/wait.h.
inline int reapChild(int pid, int timeoutMs) {
  if (pid <= 0) return -EINVAL;
  for (int waitedMs = 0;; waitedMs += 1) {
    const long gone = syscall(SYS_wait4, pid, nullptr, WNOHANG, nullptr);
    if (gone < 0 && errno != EINTR) return -errno;
    if (gone == pid) return 1;
    if (waitedMs >= timeoutMs) return 0;
    const timespec millisecond{0, 1000000};
    nanosleep(&millisecond, nullptr);
  }
}

}  // namespace hawser
