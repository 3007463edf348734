// Flight against a model of two lossy paths: nothing is counted twice, nothing stays in flight, and all that is lost goes out again.
#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "support/check.h"
#include "support/memory.h"
#include "sys/flight.h"

namespace hawser {
namespace {
using namespace test;

constexpr uint32_t kBytes = 100;

class Model {
 public:
  explicit Model(uint32_t logBytes = 1 << 20) : log_(logBytes), link_(1 << 18), flight_(rows_) {
    producer_ = link_.producer();
    consumer_ = link_.consumer();
  }

  void send(uint32_t count, uint8_t path, uint8_t flags = Flight::kWatched | Flight::kResendable) {
    Flight::Run run{};
    run.counter = next_;
    run.sentUs = nowUs;
    run.slot = 3;
    run.position = log_.log().reserve(count * kBytes);
    run.segmentBytes = kBytes;
    run.lastBytes = kBytes / 2;
    run.count = static_cast<uint8_t>(count);
    run.path = path;
    run.flags = flags;
    flight_.record(run);
    next_ += count;
  }

  // The peer's report: which counters have arrived, and sections (path, largest counter by it).
  bool report(const std::set<uint64_t>& arrived, const std::vector<std::pair<uint8_t, uint64_t>>& sections = {}, uint32_t cut = 0,
              const std::set<uint64_t>& rebuilt = {}) {
    const uint64_t next = arrived.empty() ? 0 : *arrived.rbegin() + 1;
    const auto words = static_cast<uint32_t>(std::min<uint64_t>((next + 63) / 64, layout::report_maxWords));
    std::vector<uint64_t> bitmap(words);
    for (const uint64_t counter : arrived) {
      if ((next - 1 - counter) / 64 < words) bitmap[(next - 1 - counter) / 64] |= uint64_t{1} << ((next - 1 - counter) % 64);
    }
    std::vector<uint8_t> frame(layout::report_headerBytes + sections.size() * layout::report_sectionBytes);
    frame[1] = 2;
    frame[layout::report_sectionsAt] = static_cast<uint8_t>(sections.size());
    std::memcpy(&frame[layout::report_nextAt], &next, 8);
    frame[layout::report_wordsAt] = static_cast<uint8_t>(words);
    uint8_t* at = frame.data() + layout::report_headerBytes;
    for (const auto& [path, largest] : sections) {
      const uint32_t back = static_cast<uint32_t>(next - 1 - largest) | static_cast<uint32_t>(path) << 24;
      std::memcpy(at + layout::report_backAt, &back, 4);
      at += layout::report_sectionBytes;
    }
    const size_t spelt = frame.size();
    frame.resize(spelt + (words + 7) / 8);
    for (uint32_t i = 0; i < words; i++) {
      if (bitmap[i] == ~uint64_t{0}) continue;
      frame[spelt + i / 8] |= static_cast<uint8_t>(1u << (i % 8));
      frame.resize(frame.size() + 8);
      std::memcpy(&frame[frame.size() - 8], &bitmap[i], 8);
    }
    if (!rebuilt.empty()) {
      frame[layout::report_flagsAt] = layout::report_flagRebuilt;
      frame.push_back(static_cast<uint8_t>(rebuilt.size()));
      for (const uint64_t counter : rebuilt) {
        frame.push_back(static_cast<uint8_t>(next - 1 - counter));
        frame.push_back(static_cast<uint8_t>((next - 1 - counter) >> 8));
      }
    }
    flight_.clear();
    return flight_.acknowledge(3, frame.data(), static_cast<uint32_t>(frame.size()) - cut, nowUs);
  }

  const PathFeedback& after(uint8_t path) {
    flight_.trim(nowUs);
    flight_.survey();
    return feedback_[path];
  }

  uint32_t resend(uint8_t path, uint32_t maxBytes = 1 << 20, uint32_t longest = UINT32_MAX) {
    return flight_.resend(producer_, log_.log(), path, path, maxBytes, longest, nowUs);
  }

  // Counters of the descriptors that the link was given.
  std::vector<uint64_t> sent() {
    std::vector<uint64_t> counters;
    for (uint8_t* record = consumer_.peek(); record != nullptr; record = consumer_.peek()) {
      const uint32_t count = cell<uint32_t>(record, layout::descriptor_countAt);
      for (uint32_t i = 0; i < count; i++) counters.push_back(cell<uint64_t>(record, layout::descriptor_counterAt) + i);
      CHECK(cell<uint32_t>(record, layout::descriptor_lengthAt) == (count - 1) * kBytes + cell<uint32_t>(record, layout::descriptor_lastBytesAt));
      consumer_.advance();
    }
    consumer_.release();
    return counters;
  }

  Flight& flight() { return flight_; }
  LogMemory& log() { return log_; }
  double nowUs = 1e6;

 private:
  LogMemory log_;
  RingMemory link_;
  std::array<PathFeedback, Flight::kPaths> feedback_{};
  FeedbackRows rows_{feedback_.data()};
  Flight flight_;
  RingProducer producer_;
  RingConsumer consumer_;
  uint64_t next_ = 0;
};

const std::array<double, Flight::kPaths> kNoDelay{};

TEST("acknowledge() counts each packet once and knows the path of a section") {
  Model model;
  model.send(4, 0);
  model.send(3, 1);
  CHECK(model.after(0).inFlightBytes == 350);
  model.nowUs += 30e3;
  CHECK(model.report({0, 1, 4}, {{9, 1}, {8, 4}}));
  CHECK(model.after(0).ackedPackets == 2 && model.after(0).ackedBytes == 200 && model.after(0).inFlightBytes == 150);
  CHECK(model.after(0).rttUs == 30e3 && model.after(1).rttUs == 30e3);
  CHECK(model.report({0, 1, 4}, {{9, 1}}));
  CHECK(model.after(0).ackedPackets == 0 && model.after(0).inFlightBytes == 150);
  CHECK(model.report({0, 1, 2, 3, 4, 5, 6}));
  CHECK(model.after(0).inFlightBytes == 0 && model.after(1).inFlightBytes == 0 && model.after(1).oldestSentUs == 0);
}

TEST("acknowledge() refuses a frame that is shorter than it says") {
  Model model;
  model.send(4, 0);
  CHECK(!model.report({0, 1, 2, 3}, {{1, 3}}, 1));
  CHECK(!model.report({0, 1, 2, 3}, {{1, 3}}, 9));
  CHECK(!model.report({0, 1, 2, 3}, {{1, 3}}, 24));
  CHECK(model.after(0).inFlightBytes == 350);
}

TEST("detectLoss() takes for lost what was overtaken on its own path, not on another") {
  Model model;
  model.send(4, 0);
  model.nowUs += 5e3;
  model.send(4, 1);
  CHECK(model.report({4, 5, 6, 7}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK(model.after(0).lostPackets == 0);
  model.send(2, 0);
  CHECK(model.report({0, 1, 3, 8, 9}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK(model.after(0).lostPackets == 1 && model.flight().queuedPackets() == 1);
  CHECK(model.resend(1) == kBytes);
  CHECK(model.sent() == std::vector<uint64_t>({2}));
  CHECK(model.after(1).inFlightBytes == kBytes);
  CHECK(model.report({0, 1, 2, 3, 8, 9}));
  CHECK(model.after(1).inFlightBytes == 0);
}

TEST("expire() gives up a silent path, and resend() brings it all by another, oldest first") {
  Model model;
  for (int i = 0; i < 5; i++) model.send(6, 0);
  model.nowUs += 100e3;
  model.flight().expire(0, model.nowUs - 1);
  CHECK(model.after(0).inFlightBytes == 0 && model.flight().queuedPackets() == 30);
  while (model.flight().queuedPackets() != 0) CHECK(model.resend(1, 250) > 0);
  std::vector<uint64_t> all;
  for (uint64_t counter = 0; counter < 30; counter++) all.push_back(counter);
  CHECK(model.sent() == all);
  // And once more when that one is lost as well.
  model.nowUs += 100e3;
  model.flight().expire(1, model.nowUs - 1);
  CHECK(model.flight().queuedPackets() == 30 && model.after(1).inFlightBytes == 0);
}

TEST("detectLoss() gives what went out again by the only path a second try, and a third, as soon as it was overtaken there") {
  Model model;
  std::set<uint64_t> arrived;
  model.send(1, 0);
  for (uint64_t later = 1; later <= 3; later++) {
    model.nowUs += 5e3;
    model.send(1, 0);
    arrived.insert(later);
    CHECK(model.report(arrived));
    model.flight().detectLoss(kNoDelay.data());
    CHECK_EQUAL(model.after(0).lostPackets, 1);
    CHECK_EQUAL(model.flight().queuedPackets(), 1);
    CHECK(model.resend(0) > 0 && model.sent() == std::vector<uint64_t>({0}));
    // What left before it, and in the same moment, has not overtaken it.
    CHECK(model.report(arrived));
    model.flight().detectLoss(kNoDelay.data());
    CHECK_EQUAL(model.after(0).lostPackets, 0);
    CHECK_EQUAL(model.after(0).inFlightBytes, kBytes / 2);
  }
  // Who waited for it has given up by now.
  model.nowUs += 5e3;
  model.send(1, 0);
  arrived.insert(4);
  CHECK(model.report(arrived));
  model.flight().detectLoss(kNoDelay.data());
  CHECK(model.flight().queuedPackets() == 0 && model.after(0).inFlightBytes == 0);
}

TEST("detectLoss() sends nothing again of a copy that was overtaken while its original may come") {
  Model model;
  model.send(1, 0);
  model.flight().recordCopy(0, 1, model.nowUs);
  model.nowUs += 5e3;
  model.send(1, 1);
  CHECK(model.report({1}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK(model.flight().queuedPackets() == 0);
}

TEST("nextHollow() names lost control frames once, of one slot, and none that may come by another path") {
  Model model;
  model.send(2, 0, 0);
  model.send(1, 0, 0);
  model.flight().recordCopy(0, 1, model.nowUs);
  model.nowUs += 5e3;
  model.send(1, 0);
  CHECK_EQUAL(model.flight().nextHollow(3), -1);
  CHECK(model.report({0, 3}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK(model.after(0).lostPackets == 0 && model.flight().queuedPackets() == 0);
  CHECK_EQUAL(model.flight().nextHollow(3), 1);
  CHECK_EQUAL(model.flight().nextHollow(3), -1);
  CHECK(model.report({0, 3}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK_EQUAL(model.flight().nextHollow(3), -1);
  // Once a packet of it came late there is nothing to say either.
  model.send(1, 0, 0);
  model.nowUs += 5e3;
  model.send(1, 0);
  CHECK(model.report({0, 3, 4, 5}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK_EQUAL(model.flight().nextHollow(4), -1);
}

TEST("acknowledge() says when the newest packet left that arrived, though no section tells of its path") {
  Model model;
  model.send(2, 0);
  const double firstUs = model.nowUs;
  model.nowUs += 5e3;
  model.send(1, 0);
  const double secondUs = model.nowUs;
  model.nowUs += 5e3;
  model.send(1, 0);
  CHECK(model.report({0, 1}));
  CHECK_EQUAL(model.after(0).ackedSentUs, firstUs);
  CHECK_EQUAL(model.after(0).rttUs, -1);
  CHECK(model.report({0, 1, 2}));
  CHECK_EQUAL(model.after(0).ackedSentUs, secondUs);
  CHECK(model.report({0, 1, 2}));
  CHECK_EQUAL(model.after(0).ackedSentUs, 0);
}

TEST("nextHollow() names control frames of a path that was given up") {
  Model model;
  model.send(2, 0);
  model.send(1, 0, 0);
  model.send(1, 1, 0);
  model.send(1, 0, 0);
  model.flight().recordCopy(0, 1, model.nowUs);
  model.nowUs += 100e3;
  model.send(1, 0, 0);
  model.flight().expire(0, model.nowUs - 1);
  CHECK_EQUAL(model.flight().nextHollow(3), 2);
  CHECK_EQUAL(model.flight().nextHollow(3), -1);
}

TEST("nextHollow() names a control frame that left by two paths when both have lost it, whichever first") {
  for (const uint8_t first : {0, 1}) {
    Model model;
    model.send(1, 0, 0);
    model.flight().recordCopy(0, 1, model.nowUs);
    model.nowUs += 100e3;
    model.send(1, 0, 0);
    model.flight().expire(first, model.nowUs - 1);
    CHECK_EQUAL(model.flight().nextHollow(3), -1);
    model.flight().expire(1 - first, model.nowUs - 1);
    CHECK_EQUAL(model.flight().nextHollow(3), 0);
    model.flight().expire(1 - first, model.nowUs - 1);
    CHECK_EQUAL(model.flight().nextHollow(3), -1);
  }
  // By both it was overtaken.
  Model model;
  model.send(1, 0, 0);
  model.flight().recordCopy(0, 1, model.nowUs);
  model.nowUs += 5e3;
  model.send(1, 0);
  CHECK(model.report({1}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK_EQUAL(model.flight().nextHollow(3), -1);
  model.send(1, 1);
  CHECK(model.report({1, 2}));
  model.flight().detectLoss(kNoDelay.data());
  CHECK_EQUAL(model.flight().nextHollow(3), 0);
}

TEST("resend() passes over what the log no longer holds") {
  Model model(1 << 16);
  model.send(4, 0);
  for (int i = 0; i < 40; i++) model.log().log().reserve(4096);
  model.nowUs += 100e3;
  model.flight().expire(0, model.nowUs - 1);
  CHECK(model.resend(1) == 0 && model.sent().empty() && model.flight().queuedPackets() == 0);
}

TEST("Flight stays consistent under random loss, repair and late arrival") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    Random random(seed);
    Model model;
    std::set<uint64_t> arrived;
    uint64_t sent = 0;
    for (int round = 0; round < 300; round++) {
      model.nowUs += 1e3;
      const uint32_t count = random.between(1, 64);
      const auto path = static_cast<uint8_t>(random.below(2));
      model.send(count, path, random.chance(5) ? 0 : Flight::kWatched | Flight::kResendable);
      for (uint64_t counter = sent; counter < sent + count; counter++) if (!random.chance(10)) arrived.insert(counter);
      sent += count;
      while (arrived.size() > 4000) arrived.erase(arrived.begin());
      CHECK(model.report(arrived));
      model.flight().detectLoss(kNoDelay.data());
      model.resend(static_cast<uint8_t>(random.below(2)), random.between(1, 5000));
      for (const uint64_t counter : model.sent()) if (!random.chance(3)) arrived.insert(counter);
      CHECK(model.after(0).inFlightBytes >= 0 && model.after(1).inFlightBytes >= 0);
    }
    model.nowUs += 10e6;
    model.report(arrived);
    CHECK(model.after(0).inFlightBytes == 0 && model.after(1).inFlightBytes == 0 && model.flight().queuedPackets() == 0);
  }
}

TEST("Flight takes a rebuilt packet for lost by its path, at once, and never sends it again") {
  Model model;
  model.send(8, 1);
  CHECK(model.report({0, 1, 2, 4, 6, 7}, {}, 0, {3, 5}));
  const PathFeedback& path = model.after(1);
  CHECK_EQUAL(path.ackedPackets, 6);
  CHECK_EQUAL(path.lostPackets, 2);
  CHECK_EQUAL(path.lostRuns, 2);
  CHECK_EQUAL(path.inFlightBytes, 0);
  CHECK_EQUAL(model.resend(1), 0);
  // A later report that does not tell any more says nothing new.
  CHECK(model.report({0, 1, 2, 3, 4, 5, 6, 7}));
  CHECK_EQUAL(model.after(1).ackedPackets + model.after(1).spuriousPackets, 0);
}

TEST("What left in pieces since and is acknowledged was not brought by the path that lost it") {
  Model model;
  model.send(8, 0);
  model.flight().loseLonger(0, 50);
  Flight::Taken taken;
  // The last of a run is short.
  for (int i = 0; i < 7; i++) CHECK(model.flight().takeLonger(model.log().log(), 50, taken));
  CHECK(model.report({0, 1, 2, 3, 4, 5, 6}));
  CHECK_EQUAL(model.after(0).spuriousPackets, 0);
}

}  // namespace
}  // namespace hawser
