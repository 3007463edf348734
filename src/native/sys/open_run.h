// What the three steps of opening (open.h) tell each other of the run at work.
#pragma once
#include <cstdint>

#include "layout.h"
#include "ring.h"

namespace hawser {

// One run of a received record: TypeScript fills in `slot` (-1: nobody's) and `cipher`.
using OpenRun = layout::RunsRow;
// What one `open` did.
using OpenResult = layout::OpenedRow;

// Who sealed a run, as its key slot says.
struct Sender {
  int32_t slot = -1;
  int32_t peer = -1;
  // Rows of the session table and of the peer table.
  uint8_t* keys = nullptr;
  uint8_t* row = nullptr;
  // Of its HELLO in this session.
  int32_t capabilities = 0;

  bool can(int32_t capability) const { return (capabilities & capability) != 0; }
  // Tells two sessions of one slot apart.
  int32_t generation() const { return cell<int32_t>(keys, layout::session_generationAt); }
};

// What is being opened: where it lies, from whom it is, when, and where it is counted.
struct Arrival {
  const uint8_t* record;
  const OpenRun* run;
  const Sender* from;
  double nowUs;
  OpenResult* result;
};

}  // namespace hawser
