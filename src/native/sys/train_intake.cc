#include "train_intake.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ecn.h"

namespace hawser {
namespace {
uint8_t* packetOf(uint8_t* record) { return record + layout::train_packetAt; }
uint32_t lengthOf(uint8_t* record) { return cell<uint32_t>(record, layout::train_lengthAt); }
}  // namespace

uint32_t TrainIntake::look(uint32_t max) {
  const uint32_t most = careful_.most(plain_, std::min(kMaxTrains, max), kMaxTrains);
  uint32_t count = 0;
  for (; count < most; count++) {
    uint8_t* record = plain_.peek();
    if (record == nullptr) break;
    if (count == 0) plain_.begin();
    records_[count] = record;
    facts_[count] = inspectTrain(record, allowedIps_);
    sealer_.fit(record, facts_[count]);
    plain_.advance();
  }
  careful_.took(count);
  return count;
}

int TrainIntake::seal(uint32_t from, uint32_t count, int32_t budget) {
  int32_t sealed = 0;
  int failure = 0;
  for (uint32_t i = from; i < from + count && budget > 0; i++) {
    const int done = sealRecord(records_[i], budget);
    facts_[i].progress = cell<int32_t>(records_[i], layout::train_progressAt);
    if (done < 0) {
      failure = done;
      break;
    }
    sealed += done;
    budget -= done;
  }
  sealer_.flush();
  return sealed != 0 ? sealed : failure;
}

void TrainIntake::release(uint32_t count) {
  plain_.end();
  plain_.rewind();
  for (; count > 0 && plain_.peek() != nullptr; count--) plain_.advance();
  plain_.release();
}

uint32_t TrainIntake::putBy(uint32_t index, uint32_t offset) {
  uint8_t* record = records_[index];
  const uint32_t length = lengthOf(record);
  std::memcpy(stash_ + offset, record, layout::train_packetAt + length);
  return length;
}

bool TrainIntake::isSameConnection(uint32_t index, uint32_t offset) const {
  uint8_t* one = records_[index];
  uint8_t* other = stash_ + offset;
  return hawser::isSameConnection(packetOf(one), lengthOf(one), packetOf(other), lengthOf(other));
}

int TrainIntake::sealStashed(uint32_t offset, int32_t budget) {
  uint8_t* record = stash_ + offset;
  sealer_.refit(record);
  const int sealed = sealRecord(record, budget);
  sealer_.flush();
  return sealed;
}

bool TrainIntake::markCongestion(uint32_t offset) {
  uint8_t* record = stash_ + offset;
  return markCongestionExperienced(packetOf(record), lengthOf(record)) != 0;
}

int TrainIntake::sealRecord(uint8_t* record, int32_t budget) {
  const int done = sealer_.train(record, static_cast<uint32_t>(std::max(budget, 0)));
  if (done != -EBADMSG) return done;
  cell<int32_t>(record, layout::train_progressAt) = INT32_MAX;
  return 0;
}

}  // namespace hawser
