// FRAG frames as a peer may write them, in any order, of several peers, sessions and times: nothing outside the frame is read, what comes
// of it is as long as its frames said, and what is held stays within its bounds.
#include <algorithm>

#include "../support/memory.h"
#include "sys/fragments.h"

using namespace hawser;
using namespace hawser::test;

// Steps in the input: peer, slot and life (1 byte), counter (1), milliseconds since the last step (1), length (2), then the frame. What
// `isPiece` asks for is made right, for nobody else is handed over.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint32_t kHeader = layout::fragment_headerBytes;
  FragmentJoiner joiner;
  volatile uint8_t seen = 0;
  double nowUs = 1;
  while (size >= 5 + kHeader) {
    nowUs += data[2] * 1e3;
    const FragmentJoiner::Piece piece{data[0] & 1, data[0] >> 1 & 1, data[0] >> 2 & 1, data[1], nowUs};
    const uint32_t room = static_cast<uint32_t>(size) - 5;
    const uint32_t length = std::clamp<uint32_t>(data[3] | static_cast<uint32_t>(data[4] & 7) << 8, kHeader, room);
    const bool isMarked = (data[4] & 8) != 0;
    const Block frame(length);
    std::memcpy(frame.get(), data + 5, length);
    frame.get()[0] = 0;
    frame.get()[layout::fragment_kindAt] = layout::controlKind_fragment;
    if (!FragmentJoiner::isPiece(frame.get(), length)) __builtin_trap();
    seen = seen ^ static_cast<uint8_t>(FragmentJoiner::isOrdered(frame.get()));
    FragmentJoiner::setMarked(frame.get(), isMarked);
    if (joiner.add(piece, frame.get(), length)) {
      uint16_t total;
      std::memcpy(&total, frame.get() + layout::fragment_totalAt, sizeof total);
      if (joiner.whole().size() != total) __builtin_trap();
      for (const uint8_t byte : joiner.whole()) seen = seen ^ byte;
      seen = seen ^ static_cast<uint8_t>(joiner.isMarked());
    }
    if ((data[4] & 16) != 0) joiner.expire(nowUs);
    data += 5 + length;
    size -= 5 + length;
  }
  joiner.takeDropped();
  return 0;
}
