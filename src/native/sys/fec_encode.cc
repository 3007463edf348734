#include "fec_encode.h"

#include <algorithm>
#include <cstring>

namespace hawser {

FecEncoder::FecEncoder(FecCodes& codes, uint32_t maxSealedBytes)
    : codes_(codes), maxSealedBytes_(maxSealedBytes), bufferBytes_(layout::parity_headerBytes + shardBytesOf(maxSealedBytes) + kSpareBytes) {}

void FecEncoder::begin(uint32_t data, uint32_t parity) {
  // Sums begin as zeros; only what the last group wrote has to be made so again.
  for (uint32_t j = 0; j < parity_; j++) std::memset(bufferOf(j) + layout::parity_headerBytes, 0, shardBytes_);
  if (data != data_) code_ = &codes_.of(data);
  if (buffers_.size() < static_cast<size_t>(parity) * bufferBytes_) buffers_.resize(static_cast<size_t>(parity) * bufferBytes_);
  data_ = data;
  parity_ = parity;
  count_ = 0;
  shardBytes_ = 0;
  members_ = 0;
}

FecEncoder::Added FecEncoder::add(const uint8_t* sealed, uint32_t length) {
  if (length > maxSealedBytes_ || length <= kFecHeaderBytes) return Added::TooLong;
  const uint32_t receiverIndex = readLe32(sealed + 4);
  const uint64_t counter = readLe64(sealed + 8);
  if (count_ == 0) {
    base_ = counter;
    receiverIndex_ = receiverIndex;
  }
  if (full() || receiverIndex != receiverIndex_ || counter < base_ || counter - base_ >= 64) return Added::Full;
  members_ |= uint64_t{1} << (counter - base_);
  const auto own = static_cast<uint16_t>(length - kFecHeaderBytes);
  uint8_t* lengths[ReedSolomon::kMaxParity];
  uint8_t* bodies[ReedSolomon::kMaxParity];
  for (uint32_t j = 0; j < parity_; j++) {
    lengths[j] = bufferOf(j) + layout::parity_headerBytes;
    bodies[j] = lengths[j] + kFecLengthBytes;
  }
  uint8_t ownBytes[kFecLengthBytes];
  std::memcpy(ownBytes, &own, sizeof ownBytes);
  code_->accumulate(count_, ownBytes, sizeof ownBytes, lengths, parity_);
  code_->accumulate(count_, sealed + kFecHeaderBytes, own, bodies, parity_);
  shardBytes_ = std::max(shardBytes_, shardBytesOf(length));
  count_ += 1;
  return Added::Taken;
}

uint8_t* FecEncoder::frame(uint32_t index, uint32_t parities, uint32_t& length) {
  uint8_t* frame = bufferOf(index);
  const auto shardBytes = static_cast<uint16_t>(shardBytes_);
  frame[0] = 0;
  frame[layout::parity_kindAt] = layout::controlKind_parity;
  frame[layout::parity_dataAt] = static_cast<uint8_t>(data_);
  frame[layout::parity_indexAt] = static_cast<uint8_t>((parities - 1) << 4 | index);
  std::memcpy(frame + layout::parity_shardBytesAt, &shardBytes, sizeof shardBytes);
  std::memcpy(frame + layout::parity_baseAt, &base_, sizeof base_);
  std::memcpy(frame + layout::parity_membersAt, &members_, sizeof members_);
  length = layout::parity_headerBytes + shardBytes_;
  return frame;
}

}  // namespace hawser
