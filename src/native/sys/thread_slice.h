// What the kernel's scheduler is told of one thread: how soon others get the processor from it.
#pragma once
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>

namespace hawser {

// struct sched_attr of linux/sched/types.h in its first size, which every kernel takes; older C libraries have none.
struct SchedulerAttributes {
  uint32_t size = 48;
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtimeNs = 0;
  uint64_t deadlineNs = 0;
  uint64_t periodNs = 0;
};

// The time that a thread wants at a stretch (0 = as the kernel has it). Since Linux 6.12 (kernel/sched/fair.c, PREEMPT_SHORT) a thread that
// wakes takes the processor from one that wants more than itself; its share stays. Older kernels take the value and forget it.
// `threadId` 0 = the calling one. 1 = heeded; 0 = not: an old kernel, or a real-time class, which is left alone; or a negative errno.
inline int setThreadSlice(int threadId, double sliceUs) {
  SchedulerAttributes attributes;
  if (syscall(SYS_sched_getattr, threadId, &attributes, attributes.size, 0) < 0) return -errno;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH && attributes.policy != SCHED_IDLE) return 0;
  // SCHED_FLAG_RESET_ON_FORK; the others belong to fields that are not passed.
  attributes.flags &= 1;
  attributes.size = sizeof attributes;
  attributes.runtimeNs = sliceUs > 0 ? static_cast<uint64_t>(sliceUs * 1e3) : 0;
  if (syscall(SYS_sched_setattr, threadId, &attributes, 0) < 0) return -errno;
  // A kernel that heeds it says what it is, if need be within its own bounds.
  if (syscall(SYS_sched_getattr, threadId, &attributes, attributes.size, 0) < 0) return -errno;
  return attributes.runtimeNs > 0 ? 1 : 0;
}

inline void pauseThread(double forUs) {
  const auto forNs = static_cast<long>(std::fmin(std::fmax(0, forUs), 999e3) * 1e3);
  const timespec length{0, forNs};
  nanosleep(&length, nullptr);
}

}  // namespace hawser
