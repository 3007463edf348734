// What this CPU can do.
#pragma once

namespace hawser {

// AES-GCM in hardware: AES-NI with PCLMULQDQ, or ARMv8's AES with PMULL.
bool cpuHasAes();

}  // namespace hawser
