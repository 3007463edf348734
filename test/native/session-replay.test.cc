// The replay bitmap of a slot on its way from the slot to the window behind the table.
#include <algorithm>
#include <set>
#include <vector>

#include "support/check.h"
#include "support/memory.h"
#include "sys/session_replay.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kBits = 65600;
constexpr uint64_t kUntouched = 0xdeadbeefdeadbeefu;

TEST("SessionReplay takes each counter once, before, on and after its way out of the slot") {
  for (const uint32_t bits : {kBits, 2048u, 1024u, 256u}) {
    for (const uint32_t step : {1u, 7u, 63u, 64u, 900u, 3000u}) {
      SessionMemory memory(2, bits);
      const SessionTable sessions(memory.get());
      std::fill_n(sessions.window(1), bits / 64, kUntouched);
      Random random(bits + step);
      std::set<uint64_t> seen;
      uint64_t next = 0;
      for (uint64_t base = 0; base < 6000; base += 1 + random.below(step)) {
        const uint64_t counter = base - std::min<uint64_t>(base, random.below(150));
        SessionReplay replay(sessions, 1);
        const bool isOld = next > counter && next - counter > bits - 64;
        const bool wanted = seen.count(counter) == 0 && !isOld;
        CHECK(replay.fresh(counter) == wanted);
        CHECK(replay.accept(counter) == wanted);
        CHECK(!SessionReplay(sessions, 1).accept(counter));
        if (wanted) seen.insert(counter);
        next = std::max(next, counter + 1);
        const uint64_t newest = SessionReplay(sessions, 1).downFrom(next - 1, 0);
        for (uint64_t back = 0; back < 64 && back < next; back++) CHECK((newest >> back & 1) == seen.count(next - 1 - back));
      }
    }
  }
}

TEST("SessionReplay leaves the window alone until it needs it, and forgets nothing that came before") {
  SessionMemory memory(1, kBits);
  const SessionTable sessions(memory.get());
  std::fill_n(sessions.window(0), kBits / 64, kUntouched);
  SessionReplay replay(sessions, 0);
  for (uint64_t counter = 1; counter < 960; counter++) CHECK(replay.accept(counter));
  for (uint32_t i = 0; i < kBits / 64; i++) CHECK(sessions.window(0)[i] == kUntouched);
  CHECK(replay.fresh(0));
  CHECK(replay.accept(60000));
  for (uint64_t counter = 1; counter < 960; counter++) CHECK(!replay.fresh(counter));
  for (uint64_t counter = 960; counter < 60000; counter++) CHECK(replay.fresh(counter));
  CHECK(replay.accept(0));
  CHECK(!replay.accept(0));
}

}  // namespace
}  // namespace hawser
