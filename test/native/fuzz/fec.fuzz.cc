// PARITY frames as a peer may write them, among packets that come and go: nothing outside the frame is read, and what is rebuilt
// stays within a packet.
#include <algorithm>

#include "../support/memory.h"
#include "sys/fec_decode.h"

using namespace hawser;
using namespace hawser::test;

namespace {

constexpr uint32_t kMaxSealed = 300;

uint8_t touch(FecDecoder& decoder, uint32_t count) {
  if (count > ReedSolomon::kMaxParity) __builtin_trap();
  uint8_t seen = 0;
  for (uint32_t i = 0; i < count; i++) {
    const FecDecoder::Rebuilt& one = decoder.rebuilt(i);
    if (one.length < 32 || one.length > kMaxSealed) __builtin_trap();
    for (uint32_t at = 0; at < one.length; at++) seen = static_cast<uint8_t>(seen ^ one.sealed[at]);
  }
  return seen;
}

}  // namespace

// Steps in the input: one byte of choice; for a packet its counter (1 byte, beyond the base of all) and length (2), for a frame its
// length (2), then its bytes. A frame's kind and first byte are made right more often than not.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FecCodes codes;
  FecDecoder decoder(codes, kMaxSealed, 128);
  volatile uint8_t seen = 0;
  while (size >= 4) {
    const uint8_t choice = data[0];
    if ((choice & 1) == 0) {
      const uint32_t length = data[2] | static_cast<uint32_t>(data[3] & 1) << 8;
      const Block packet(length + 1);
      seen = seen ^ touch(decoder, decoder.remember(data[1], packet.get(), length, data[3] >> 1));
      data += 4;
      size -= 4;
      continue;
    }
    const uint32_t length = std::min<uint32_t>(data[1] | static_cast<uint32_t>(data[2] & 1) << 8, static_cast<uint32_t>(size) - 3);
    const Block frame(length + 1);
    std::memcpy(frame.get() + 1, data + 3, length);
    if ((choice & 6) != 0 && length >= 22) {
      frame.get()[1] = 0;
      frame.get()[1 + layout::parity_kindAt] = layout::controlKind_parity;
      std::memset(frame.get() + 1 + layout::parity_baseAt + 1, 0, 7);
    }
    seen = seen ^ touch(decoder, decoder.parity(frame.get() + 1, length, 5));
    data += 3 + length;
    size -= 3 + length;
  }
  return 0;
}
