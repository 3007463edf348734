#include "report.h"

#include <time.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "packet.h"
#include "session_replay.h"

namespace hawser {
namespace {

constexpr uint32_t kBackLimit = 0xffffff;

void writeLe32(uint8_t* at, uint32_t value) { std::memcpy(at, &value, 4); }
void writeLe64(uint8_t* at, uint64_t value) { std::memcpy(at, &value, 8); }
uint32_t modulo32(double value) { return static_cast<uint32_t>(static_cast<uint64_t>(value)); }

}  // namespace

double realtimeUs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

Reporter::Notes& Reporter::notesOf(int32_t slot) {
  std::unique_ptr<Notes>& kept = notes_[slot];
  if (kept == nullptr) kept = std::make_unique<Notes>();
  Notes& notes = *kept;
  const int32_t generation = cell<int32_t>(sessions_.slot(slot), layout::session_generationAt);
  if (notes.generation != generation) {
    const bool wasListed = notes.isListed;
    notes = Notes{};
    notes.generation = generation;
    notes.isListed = wasListed;
  }
  return notes;
}

bool Reporter::takeBefore(int32_t slot, int32_t generation, uint64_t counter) {
  if (!sessions_.has(slot)) return false;
  uint8_t* keys = sessions_.slot(slot);
  // The pieces bear later ones.
  if (cell<int32_t>(keys, layout::session_generationAt) != generation || counter >= cell<uint64_t>(keys, layout::session_receiveNextAt)) return false;
  if (!SessionReplay(sessions_, slot).accept(counter)) return false;
  noteRebuilt(slot, counter);
  note(slot, counter, -1, true);
  return true;
}

void Reporter::noteRebuilt(int32_t slot, uint64_t counter) {
  Notes& notes = notesOf(slot);
  if (notes.rebuilt.size() < kMostRebuilt) notes.rebuilt.push_back(counter);
}

bool Reporter::wasRebuilt(int32_t slot, uint64_t counter) const {
  const Notes* notes = known(slot);
  const auto in = [counter](const std::vector<uint64_t>& list) { return std::find(list.begin(), list.end(), counter) != list.end(); };
  return notes != nullptr && (in(notes->rebuilt) || in(notes->rebuiltBefore));
}

void Reporter::forgetRebuilt(int32_t slot, uint64_t counter) {
  Notes& notes = notesOf(slot);
  std::erase(notes.rebuilt, counter);
  std::erase(notes.rebuiltBefore, counter);
}

void Reporter::note(int32_t slot, uint64_t lowest, int32_t row, bool hasData) {
  Notes& notes = notesOf(slot);
  notes.lowest = std::min(notes.lowest, lowest);
  if (row >= 0) notes.paths |= uint64_t{1} << row % layout::path_mostPerPeer;
  if (!hasData || notes.isListed) return;
  notes.isListed = true;
  unreported_[++unreported_[0]] = slot;
}

int32_t Reporter::write(int32_t slot, double nowUs, int32_t path) {
  if (!sessions_.has(slot) || known(slot) == nullptr) return 0;
  Notes& notes = *known(slot);
  uint8_t* keys = sessions_.slot(slot);
  if (!sessions_.isReady(slot) || cell<uint64_t>(keys, layout::session_receiveNextAt) == 0 || cell<int32_t>(keys, layout::session_generationAt) != notes.generation) {
    unlist(slot);
    return 0;
  }
  uint8_t* record = out_.claim(static_cast<uint32_t>(layout::frame_payloadAt) + kMaxBytes);
  if (record == nullptr) return -ENOSPC;
  const uint32_t length = emit(record + layout::frame_payloadAt, slot, notes);
  cell<int32_t>(record, layout::frame_peerAt) = cell<int32_t>(keys, layout::session_peerAt);
  cell<int32_t>(record, layout::frame_slotAt) = -1;
  cell<uint32_t>(record, layout::frame_lengthAt) = length;
  cell<int32_t>(record, layout::frame_classAt) = layout::trafficClass_control;
  cell<double>(record, layout::frame_timeAt) = nowUs;
  cell<int32_t>(record, layout::frame_pathAt) = path;
  out_.commit(static_cast<uint32_t>(layout::frame_payloadAt) + length, layout::recordType_frameOut);
  out_.publish();
  // The path that asked may be blocked in this direction: what is due is due as before.
  if (path != layout::framePath_two) return static_cast<int32_t>(length);
  notes.lowestBefore = notes.lowest;
  notes.pathsBefore = notes.paths;
  notes.lowest = UINT64_MAX;
  notes.paths = 0;
  notes.rebuiltBefore.swap(notes.rebuilt);
  notes.rebuilt.clear();
  unlist(slot);
  return static_cast<int32_t>(length);
}

void Reporter::sweep(int32_t slot) {
  if (known(slot) == nullptr || sessions_.isReady(slot)) return;
  unlist(slot);
  notes_[slot].reset();
}

uint32_t Reporter::emit(uint8_t* target, int32_t slot, Notes& notes) const {
  uint8_t* keys = sessions_.slot(slot);
  const uint64_t next = cell<uint64_t>(keys, layout::session_receiveNextAt);
  std::memset(target, 0, layout::report_headerBytes);
  target[1] = layout::controlKind_report;
  writeLe32(target + layout::report_receiverIndexAt, cell<uint32_t>(keys, layout::session_localIndexAt));
  writeLe64(target + layout::report_nextAt, next);
  writeLe32(target + layout::report_timeAt, modulo32(realtimeUs()));
  uint8_t* at = target + layout::report_headerBytes;
  const Sections sections = emitSections(at, slot, notes);
  at += sections.count * layout::report_sectionBytes;
  const uint64_t words = bitmapWords(slot, notes, sections);
  const SessionReplay window(sessions_, slot);
  uint8_t* spelt = at;
  at += (words + 7) / 8;
  std::memset(spelt, 0, static_cast<size_t>(at - spelt));
  for (uint64_t i = 0; i < words; i++) {
    const uint64_t word = window.downFrom(next - 1, 64 * i) & ~rebuiltWord(notes, next - 1 - 64 * i);
    // Most have arrived: words without a hole are not written out.
    if (word == ~uint64_t{0}) continue;
    spelt[i / 8] |= static_cast<uint8_t>(1u << (i % 8));
    writeLe64(at, word);
    at += 8;
  }
  if (!notes.rebuilt.empty() || !notes.rebuiltBefore.empty()) {
    target[layout::report_flagsAt] |= layout::report_flagRebuilt;
    at = emitRebuilt(at, notes, next);
  }
  if (sections.tellsMarks) {
    target[layout::report_flagsAt] |= layout::report_flagMarks;
    at = emitMarks(at, sections);
  }
  target[layout::report_sectionsAt] = static_cast<uint8_t>(sections.count);
  writeLe32(target + layout::report_wordsAt, static_cast<uint32_t>(words));
  return static_cast<uint32_t>(at - target);
}

// One for each path that brought something lately and whose largest counter is of this slot; returns which.
Reporter::Sections Reporter::emitSections(uint8_t* target, int32_t slot, Notes& notes) const {
  const uint8_t* keys = sessions_.slot(slot);
  const uint64_t next = cell<uint64_t>(const_cast<uint8_t*>(keys), layout::session_receiveNextAt);
  const int32_t peer = cell<int32_t>(const_cast<uint8_t*>(keys), layout::session_peerAt);
  int32_t rowOf[layout::path_mostPerPeer];
  uint64_t known = 0;
  for (int32_t row = chain_.first(peer); row >= 0; row = chain_.next(row, peer)) {
    rowOf[row % layout::path_mostPerPeer] = row;
    known |= uint64_t{1} << row % layout::path_mostPerPeer;
  }
  const bool isHeard = (cell<int32_t>(const_cast<uint8_t*>(keys), layout::session_capabilitiesAt) & layout::capability_ecn) != 0;
  Sections sections;
  const uint32_t firstNumber = notes.firstNumber;
  // Turned so that the first of them is the lowest.
  uint64_t paths = std::rotr((notes.paths | notes.pathsBefore) & known, static_cast<int>(firstNumber));
  for (; paths != 0; paths &= paths - 1) {
    const auto number = static_cast<uint32_t>((std::countr_zero(paths) + firstNumber) % layout::path_mostPerPeer);
    if (sections.count == layout::report_maxSections) {
      notes.firstNumber = number;
      break;
    }
    const int32_t row = rowOf[number];
    uint8_t* path = paths_.row(row);
    const uint64_t largest = cell<uint64_t>(path, layout::path_largestAt);
    if (cell<int32_t>(path, layout::path_largestSlotAt) != slot || largest >= next || next - 1 - largest > kBackLimit) continue;
    writeLe32(target + layout::report_backAt, static_cast<uint32_t>(next - 1 - largest) | number << 24);
    writeLe32(target + layout::report_arrivalAt, modulo32(cell<double>(path, layout::path_largestTimeUsAt)));
    writeLe32(target + layout::report_packetsAt, modulo32(cell<double>(path, layout::path_receivedPacketsAt)));
    writeLe32(target + layout::report_bytesAt, modulo32(cell<double>(path, layout::path_largestBytesAt)));
    target += layout::report_sectionBytes;
    sections.rows[sections.count++] = row;
    if (isHeard && cell<double>(path, layout::path_receivedEcnAt) != 0) sections.tellsMarks = true;
  }
  return sections;
}

uint8_t* Reporter::emitMarks(uint8_t* at, const Sections& sections) const {
  for (uint32_t i = 0; i < sections.count; i++, at += layout::report_marksBytes) {
    uint8_t* path = paths_.row(sections.rows[i]);
    writeLe32(at, modulo32(cell<double>(path, layout::path_receivedEcnAt)));
    writeLe32(at + 4, modulo32(cell<double>(path, layout::path_receivedMarkedAt)));
  }
  return at;
}

// Bits of the 64 counters from `newest` down that were rebuilt, the newest lowest.
uint64_t Reporter::rebuiltWord(const Notes& notes, uint64_t newest) {
  uint64_t word = 0;
  for (const auto* list : {&notes.rebuilt, &notes.rebuiltBefore}) {
    for (const uint64_t counter : *list) {
      if (counter <= newest && newest - counter < 64) word |= uint64_t{1} << (newest - counter);
    }
  }
  return word;
}

// A number, then how far each is behind the newest counter (u16). Returns the end.
uint8_t* Reporter::emitRebuilt(uint8_t* at, const Notes& notes, uint64_t next) {
  uint8_t* const number = at++;
  *number = 0;
  for (const auto* list : {&notes.rebuilt, &notes.rebuiltBefore}) {
    for (const uint64_t counter : *list) {
      if (counter >= next || next - 1 - counter > 0xffff) continue;
      const auto back = static_cast<uint16_t>(next - 1 - counter);
      std::memcpy(at, &back, sizeof back);
      at += sizeof back;
      *number += 1;
    }
  }
  return at;
}

// Back to the smallest counter accepted since the report before the last.
uint64_t Reporter::bitmapWords(int32_t slot, const Notes& notes, const Sections& sections) const {
  const uint64_t next = cell<uint64_t>(sessions_.slot(slot), layout::session_receiveNextAt);
  const uint64_t lowest = std::min({notes.lowest, notes.lowestBefore, next - 1});
  const uint64_t rebuiltBytes = 1 + 2 * (notes.rebuilt.size() + notes.rebuiltBefore.size());
  const uint64_t room =
      (kMaxBytes - layout::report_headerBytes - sections.bytes() - layout::report_maxWords / 8 - rebuiltBytes) / 8;
  const uint64_t most = std::min({static_cast<uint64_t>(layout::report_maxWords), room, uint64_t{sessions_.windowBits() / 64 - 1}});
  return std::clamp((next - 1 - lowest) / 64 + 1, std::min(kLeastWords, most), most);
}

void Reporter::unlist(int32_t slot) {
  Notes& notes = *known(slot);
  if (!notes.isListed) return;
  notes.isListed = false;
  int32_t* begin = unreported_ + 1;
  int32_t* end = begin + unreported_[0];
  int32_t* found = std::find(begin, end, slot);
  if (found == end) return;
  *found = *(end - 1);
  unreported_[0] -= 1;
}

}  // namespace hawser
