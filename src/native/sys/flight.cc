// The record of runs: what is in flight, what has arrived, what is lost.
#include "flight.h"

#include <algorithm>
#include <bit>

namespace hawser {

void Flight::grow() {
  std::vector<Run> larger(std::max<size_t>(256, runs_.size() * 2));
  for (uint64_t i = head_; i < tail_; i++) larger[i & (larger.size() - 1)] = at(i);
  runs_.swap(larger);
}

void Flight::record(const Run& run) {
  if (tail_ - head_ == runs_.size()) {
    if (runs_.size() < kMaxRuns) {
      grow();
    } else {
      settle(at(head_));
      head_ += 1;
    }
  }
  at(tail_) = run;
  tail_ += 1;
  seen_ |= uint64_t{1} << run.path;
  if (run.flags & kWatched) inFlight_[run.path] += bytesOf(run, full(run));
}

void Flight::recordCopy(uint32_t back, uint32_t path, double nowUs) {
  if (tail_ - head_ <= back) return;
  const uint64_t sequence = tail_ - 1 - back;
  Run& run = at(sequence);
  // Nobody knows which of the two will come first.
  run.resent = full(run);
  if (!(run.flags & kWatched)) {
    run.copyPath = static_cast<uint8_t>(path);
    return;
  }
  copies_.push_back(Copy{sequence, full(run), nowUs, static_cast<uint8_t>(path)});
  seen_ |= uint64_t{1} << path;
  inFlight_[path] += bytesOf(run, full(run));
}

void Flight::acknowledgeRun(uint64_t sequence, Run& run, uint64_t fresh) {
  PathFeedback& out = out_[run.path];
  const uint64_t flying = fresh & ~run.lost;
  run.acked |= fresh;
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued & fresh));
  run.queued &= ~fresh;
  if (run.flags & kWatched) {
    inFlight_[run.path] -= bytesOf(run, flying);
    out.ackedPackets += std::popcount(flying);
    out.ackedBytes += bytesOf(run, flying);
    if ((flying & ~run.resent) != 0) out.ackedLongest = std::max<double>(out.ackedLongest, longestOf(run, flying & ~run.resent));
    out.spuriousPackets += std::popcount(fresh & run.lost & ~run.resent);
  }
  if ((fresh & ~run.resent) != 0) {
    newestAcked_[run.path] = std::max(newestAcked_[run.path], run.sentUs);
    out.ackedSentUs = std::max(out.ackedSentUs, run.sentUs);
  }
  if ((fresh & run.resent) != 0) settleCopies(sequence, run, fresh, true);
}

// The peer has them, but the path has lost them.
void Flight::takeRebuilt(uint64_t sequence, Run& run, uint64_t fresh) {
  const uint64_t flying = fresh & ~run.lost;
  run.acked |= fresh;
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued & fresh));
  run.queued &= ~fresh;
  run.lost |= fresh;
  if ((run.flags & kWatched) != 0 && flying != 0) lose(run, flying, run.path);
  if ((fresh & run.resent) != 0) settleCopies(sequence, run, fresh, false);
}

void Flight::settleCopies(uint64_t sequence, const Run& run, uint64_t fresh, bool haveArrived) {
  for (Copy& copy : copies_) {
    if (copy.run != sequence || (copy.mask & fresh) == 0) continue;
    const uint64_t bits = copy.mask & fresh;
    inFlight_[copy.path] -= bytesOf(run, bits);
    copy.mask &= ~bits;
    if (!haveArrived) continue;
    out_[copy.path].ackedPackets += std::popcount(bits);
    out_[copy.path].ackedBytes += bytesOf(run, bits);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

// `bits` of `run`, which left by `path`, will not arrive by it.
void Flight::lose(Run& run, uint64_t bits, uint32_t path) {
  PathFeedback& out = out_[path];
  inFlight_[path] -= bytesOf(run, bits);
  out.lostPackets += std::popcount(bits);
  out.lostBytes += bytesOf(run, bits);
  out.lostRuns += std::popcount(bits & ~(bits << 1));
  out.lostLongest = std::max<double>(out.lostLongest, longestOf(run, bits));
  queue(run, bits);
}

// Lets lost packets go out again, if they may.
void Flight::queue(Run& run, uint64_t bits) {
  if (!(run.flags & kResendable) || run.resentPackets >= kMaxResends * run.count) return;
  const uint64_t added = bits & ~run.acked & ~run.queued;
  run.queued |= added;
  queuedPackets_ += static_cast<uint32_t>(std::popcount(added));
}

// `bits` of a run that is not watched will not arrive by `path`; perhaps they will by the other one that they left by.
void Flight::loseFrames(Run& run, uint64_t bits, uint32_t path) {
  if (run.copyPath == kNoPath) {
    run.lost |= bits;
    noteHollow(run, bits);
    return;
  }
  if (run.path == path) run.path = run.copyPath;
  run.copyPath = kNoPath;
}

// Nobody needs what they bore, but data behind them is held for them: the peer should hear so.
void Flight::noteHollow(const Run& run, uint64_t bits) {
  for (; bits != 0 && hollow_.size() < kMaxHollow; bits &= bits - 1) {
    hollow_.push_back(Hollow{run.counter + static_cast<uint32_t>(std::countr_zero(bits)), run.slot});
  }
}

double Flight::nextHollow(int32_t slot) {
  const auto found = std::find_if(hollow_.begin(), hollow_.end(), [slot](const Hollow& one) { return one.slot == slot; });
  if (found == hollow_.end()) {
    hollow_.clear();
    return -1;
  }
  const double counter = static_cast<double>(found->counter);
  hollow_.erase(found);
  return counter;
}

void Flight::detectLoss(const double* lossDelayUs) {
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    const uint64_t bits = full(run) & ~run.acked & ~run.lost;
    if (bits == 0) continue;
    if (run.copyPath != kNoPath && run.sentUs + lossDelayUs[run.copyPath] < newestAcked_[run.copyPath]) loseFrames(run, bits, run.copyPath);
    if (run.sentUs + lossDelayUs[run.path] >= newestAcked_[run.path]) continue;
    if (run.flags & kWatched) {
      run.lost |= bits;
      lose(run, bits, run.path);
    } else {
      loseFrames(run, bits, run.path);
    }
  }
  // What went out again has a second try as soon; of a copy that left beside its original nothing is said while that may come.
  for (Copy& copy : copies_) {
    if (copy.sentUs + lossDelayUs[copy.path] >= newestAcked_[copy.path] || !contains(copy.run)) continue;
    Run& run = at(copy.run);
    const uint64_t bits = copy.mask & ~run.acked & run.lost;
    copy.mask &= ~bits;
    if (bits != 0) lose(run, bits, copy.path);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

void Flight::expire(uint32_t path, double beforeUs) {
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    if (run.sentUs >= beforeUs) break;
    if (run.path != path && run.copyPath != path) continue;
    const uint64_t bits = full(run) & ~run.acked & ~run.lost;
    if (bits == 0) continue;
    if (run.flags & kWatched) {
      run.lost |= bits;
      lose(run, bits, path);
    } else {
      // What is sent again by another path must not wait there for the questions that this one was asked in between.
      loseFrames(run, bits, path);
    }
  }
  for (Copy& copy : copies_) {
    if (copy.path != path || copy.sentUs >= beforeUs || !contains(copy.run)) continue;
    Run& run = at(copy.run);
    const uint64_t bits = copy.mask & ~run.acked;
    copy.mask = 0;
    if (bits != 0) lose(run, bits, path);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

void Flight::loseLonger(uint32_t path, uint32_t longest) {
  for (uint64_t i = head_; i < tail_; i++) {
    Run& run = at(i);
    const uint64_t bits = full(run) & ~run.acked & ~run.lost;
    if (!(run.flags & kWatched) || run.path != path || bits == 0 || longestOf(run, bits) <= longest) continue;
    run.lost |= bits;
    inFlight_[path] -= bytesOf(run, bits);
    queue(run, bits);
  }
  for (Copy& copy : copies_) {
    if (copy.path != path || !contains(copy.run)) continue;
    Run& run = at(copy.run);
    const uint64_t bits = copy.mask & ~run.acked;
    if (bits == 0 || longestOf(run, bits) <= longest) continue;
    copy.mask = 0;
    inFlight_[path] -= bytesOf(run, bits);
    queue(run, bits);
  }
  std::erase_if(copies_, [](const Copy& copy) { return copy.mask == 0; });
}

void Flight::survey() {
  std::array<double, kPaths> oldest{};
  for (uint64_t i = head_; i < tail_; i++) {
    const Run& run = at(i);
    if (!(run.flags & kWatched) || (full(run) & ~run.acked & ~run.lost) == 0) continue;
    if (oldest[run.path] == 0) oldest[run.path] = run.sentUs;
  }
  for (const Copy& copy : copies_) {
    if (oldest[copy.path] == 0 || copy.sentUs < oldest[copy.path]) oldest[copy.path] = copy.sentUs;
  }
  for (uint64_t seen = seen_; seen != 0; seen &= seen - 1) {
    const auto path = static_cast<uint32_t>(std::countr_zero(seen));
    out_[path].inFlightBytes = std::max(0.0, inFlight_[path]);
    out_[path].oldestSentUs = oldest[path];
  }
}

void Flight::settle(Run& run) {
  if (run.flags & kWatched) inFlight_[run.path] -= bytesOf(run, full(run) & ~run.acked & ~run.lost);
  queuedPackets_ -= static_cast<uint32_t>(std::popcount(run.queued));
  run.queued = 0;
}

void Flight::trim(double nowUs) {
  while (head_ < tail_) {
    Run& run = at(head_);
    const uint64_t open = full(run) & ~run.acked;
    const bool isSettled = (run.flags & kWatched) == 0 || ((open & ~run.lost) == 0 && run.queued == 0);
    const double ageUs = nowUs - run.sentUs;
    if (!(open == 0 || (isSettled && ageUs > kSettledUs) || ageUs > kForgottenUs)) break;
    settle(run);
    head_ += 1;
  }
  std::erase_if(copies_, [this](const Copy& copy) {
    if (contains(copy.run)) return false;
    inFlight_[copy.path] = std::max(0.0, inFlight_[copy.path] - 1500.0 * std::popcount(copy.mask));
    return true;
  });
}

}  // namespace hawser
