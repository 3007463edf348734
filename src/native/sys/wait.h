// The one place where a data thread blocks, and the clock of the data path.
#pragma once
#include <cstdint>

namespace hawser {

// CLOCK_BOOTTIME in microseconds: goes on during suspend, as key ages must.
double nowUs();

// CLOCK_REALTIME in microseconds: what the kernel stamps packets with.
double unixUs();

// Waits until the doorbell rings, one of `fds` is readable, or `deadlineUs` is reached, for an hour at most; drains the doorbell.
// 0 = deadline, negative errno, else bits: 1 = the doorbell (or a signal), 2 = the first of `fds`, 4 = the second … At most 15 fds.
int waitForWork(int doorbellFd, const int32_t* fds, uint32_t count, double deadlineUs);

}  // namespace hawser
