#include "seal.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ecn.h"
#include "link_io.h"

namespace hawser {

int Sealer::open(const Order& order, RingProducer* link, LinkSender* beside) {
  const Cipher cipher = sessions_.has(order.slot)
                            ? static_cast<Cipher>(cell<int32_t>(sessions_.slot(order.slot), layout::session_sendCipherAt))
                            : Cipher::ChaCha20Poly1305;
  context_ = ciphers_.get(order.slot, cipher);
  if (context_ == nullptr) return -ENOKEY;
  slot_ = sessions_.slot(order.slot);
  if (order.nowUs >= cell<double>(slot_, layout::session_expiryAt)) return -EKEYEXPIRED;
  order_ = order;
  limit_ = limits_.of(order.peer);
  link_ = link;
  beside_ = beside;
  index_ = cell<uint32_t>(slot_, cipher == Cipher::Aes256Gcm ? layout::session_remoteIndexAesAt : layout::session_remoteIndexAt);
  // RFC 6040 4.3: a Hawser of old would lose the marks. A stock peer gets them, as the kernel's WireGuard gives them to anybody.
  const int32_t capabilities = cell<int32_t>(slot_, layout::session_capabilitiesAt);
  ecnMask_ = capabilities == 0 || (capabilities & layout::capability_ecn) != 0 ? kEcnMask : 0;
  descriptor_ = nullptr;
  sealedBytes_ = 0;
  committed_.clear();
  protect(0, 0);
  return 0;
}

int Sealer::train(uint8_t* record, uint32_t maxSegments) {
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
  uint32_t& progress = cell<uint32_t>(record, layout::train_progressAt);
  Segmenter segmenter;
  if (!segmenter.begin(vnet, record + layout::train_packetAt, length)) return -EBADMSG;
  // The first is the longest; what no datagram can hold has no room in a descriptor either.
  if (padded(segmenter.lengthOf(0)) + kDataHeaderBytes + kTagBytes > kMaxDescriptorBytes) return -EBADMSG;
  const uint32_t count = std::min(maxSegments, segmenter.count() - std::min(progress, segmenter.count()));
  if (count == 0) return 0;
  if (segmenter.lengthOf(progress) > limit_) return trainTooLong(segmenter, progress, count);
  // Taken before sealing, so that a thread that dies in between wastes counters and never repeats one.
  if (!takeCounters(count)) return -EKEYEXPIRED;
  const uint8_t ecn = ecnOf(record + layout::train_packetAt, length) & ecnMask_;
  uint32_t done = 0;
  uint32_t innerBytes = 0;
  for (; done < count; done++) {
    const uint32_t segmentLength = segmenter.lengthOf(progress);
    if (!room(padded(segmentLength) + kDataHeaderBytes + kTagBytes, ecn)) break;
    sealOne(segmenter.build(progress), segmentLength);
    progress += 1;
    innerBytes += segmentLength;
  }
  bookInner(innerBytes);
  segmenter.restore();
  return done == 0 ? -ENOSPC : static_cast<int>(done);
}

// What the peer is charged for, on it and on the path that it leaves by.
void Sealer::bookInner(uint32_t bytes) {
  if (peers_.has(order_.peer)) add(peers_.row(order_.peer), layout::peer_innerTxBytesAt, bytes);
  if (paths_.has(order_.path)) add(paths_.row(order_.path), layout::path_innerTxBytesAt, bytes);
}

uint32_t Sealer::segmentsLeft(uint8_t* record) {
  VnetHeader vnet;
  std::memcpy(&vnet, record + layout::train_vnetAt, sizeof vnet);
  Segmenter segmenter;
  if (!segmenter.begin(vnet, record + layout::train_packetAt, cell<uint32_t>(record, layout::train_lengthAt))) return 0;
  return segmenter.count() - std::min(cell<uint32_t>(record, layout::train_progressAt), segmenter.count());
}

bool Sealer::skipSegment(uint8_t* record) {
  if (segmentsLeft(record) < 2) return false;
  cell<uint32_t>(record, layout::train_progressAt) += 1;
  return true;
}

int Sealer::packet(uint8_t* bytes, uint32_t length, uint8_t ecn) {
  if (padded(length) + kDataHeaderBytes + kTagBytes > kMaxDescriptorBytes) return -EBADMSG;
  if (!takeCounters(1)) return -EKEYEXPIRED;
  if (!room(padded(length) + kDataHeaderBytes + kTagBytes, ecn)) return -ENOSPC;
  sealOne(bytes, length);
  return 1;
}

// The counters of a descriptor follow one another; false when the key is used up.
bool Sealer::takeCounters(uint32_t count) {
  const uint64_t first = std::atomic_ref<uint64_t>(cell<uint64_t>(slot_, layout::session_sendCounterAt)).fetch_add(count);
  if (descriptor_ != nullptr && first != counter_) finishDescriptor();
  counter_ = first;
  return first + count < kRejectAfterMessages;
}

int Sealer::parity(uint32_t dataPath) {
  int done = 0;
  for (FecGroups::Closed* closed = fec_.front(order_.peer); closed != nullptr; closed = fec_.front(order_.peer)) {
    if (closed->slot != order_.slot || closed->path != dataPath) break;
    // The frame names no receiver index: it protects packets to the one that it is addressed to itself.
    const bool sameIndex = closed->group->receiverIndex() == index_;
    for (; sameIndex && closed->sent < closed->parities; closed->sent++) {
      uint32_t length = 0;
      uint8_t* frame = closed->group->frame(closed->sent, closed->parities, length);
      const int sealed = packet(frame, length);
      if (sealed < 0) return done > 0 ? done : sealed;
      done += 1;
    }
    fec_.pop(order_.peer);
  }
  return done;
}

void Sealer::flush() {
  finishDescriptor();
  if (link_ == nullptr || !link_->show()) return;
  if (beside_ == nullptr || !beside_->sendBeside(*link_)) link_->wake();
}

uint32_t Sealer::close() {
  flush();
  link_ = nullptr;
  return sealedBytes_;
}

// WireGuard pads to 16, but not beyond the MTU (a full packet stays as it is).
uint32_t Sealer::padded(uint32_t length) const {
  const uint32_t rounded = (length + 15) & ~15u;
  return std::max(length, std::min(rounded, order_.maxPaddedBytes));
}

// Makes sure that a packet of `sealedBytes` may follow in the current descriptor, or in a new one.
bool Sealer::room(uint32_t sealedBytes, uint8_t ecn) {
  if (descriptor_ != nullptr) {
    const bool fits = packets_ < kMaxDescriptorPackets && used_ + sealedBytes <= kMaxDescriptorBytes;
    // UDP_SEGMENT cuts equal pieces: a longer packet cannot follow, and nothing follows a shorter one.
    if (fits && lastBytes_ == segmentBytes_ && sealedBytes <= segmentBytes_ && ecn == ecn_) return true;
    finishDescriptor();
  }
  return startDescriptor(ecn);
}

bool Sealer::startDescriptor(uint8_t ecn) {
  descriptor_ = link_->claim(layout::descriptor_bytes);
  if (descriptor_ == nullptr) return false;
  position_ = log_.reserve(kMaxDescriptorBytes);
  used_ = packets_ = segmentBytes_ = lastBytes_ = 0;
  ecn_ = ecn;
  firstCounter_ = counter_;
  return true;
}

void Sealer::finishDescriptor() {
  if (descriptor_ == nullptr) return;
  log_.trim(position_, used_);
  if (packets_ != 0) {
    cell<uint32_t>(descriptor_, layout::descriptor_positionAt) = position_;
    cell<uint32_t>(descriptor_, layout::descriptor_countAt) = packets_;
    cell<uint32_t>(descriptor_, layout::descriptor_segmentBytesAt) = segmentBytes_;
    cell<uint32_t>(descriptor_, layout::descriptor_lastBytesAt) = lastBytes_;
    cell<int32_t>(descriptor_, layout::descriptor_pathAt) = order_.path;
    cell<int32_t>(descriptor_, layout::descriptor_classAt) = order_.trafficClass;
    cell<uint64_t>(descriptor_, layout::descriptor_counterAt) = firstCounter_;
    cell<int32_t>(descriptor_, layout::descriptor_slotAt) = order_.slot;
    cell<uint32_t>(descriptor_, layout::descriptor_lengthAt) = used_;
    cell<uint32_t>(descriptor_, layout::descriptor_skipAt) = 0;
    cell<int32_t>(descriptor_, layout::descriptor_ecnAt) = ecn_;
    book();
    link_->commit(layout::descriptor_bytes, layout::recordType_descriptor);
    sealedBytes_ += used_;
  }
  descriptor_ = nullptr;
}

// Before the descriptor can be seen: what was sealed for a path, and what left, must be known to a successor and to a report.
void Sealer::book() {
  if (paths_.has(order_.path)) {
    add(paths_.row(order_.path), layout::path_sealedBytesAt, used_);
    add(paths_.row(order_.path), layout::path_scheduledPacketsAt, packets_);
  }
  std::memcpy(committed_.emplace_back().data(), descriptor_, layout::descriptor_bytes);
  if (!order_.isRecorded) return;
  Flight::Run run{};
  run.counter = firstCounter_;
  run.sentUs = order_.nowUs;
  run.slot = order_.slot;
  run.position = position_;
  run.segmentBytes = segmentBytes_;
  run.lastBytes = lastBytes_;
  run.count = static_cast<uint8_t>(packets_);
  run.path = static_cast<uint8_t>(order_.path % static_cast<int32_t>(Flight::kPaths));
  run.trafficClass = static_cast<uint8_t>(order_.trafficClass);
  run.flags = order_.flightFlags;
  run.ecn = ecn_;
  flight(order_.peer).record(run);
}

uint32_t Sealer::copy(RingProducer& link, int32_t path, uint32_t longest) {
  uint32_t bytes = 0;
  for (size_t i = 0; i < committed_.size(); i++) {
    if (cell<uint32_t>(committed_[i].data(), layout::descriptor_segmentBytesAt) > longest) continue;
    uint8_t* record = link.claim(layout::descriptor_bytes);
    if (record == nullptr) break;
    std::memcpy(record, committed_[i].data(), layout::descriptor_bytes);
    cell<int32_t>(record, layout::descriptor_pathAt) = path;
    bytes += cell<uint32_t>(record, layout::descriptor_lengthAt);
    if (order_.isRecorded) {
      const auto back = static_cast<uint32_t>(committed_.size() - 1 - i);
      flight(order_.peer).recordCopy(back, static_cast<uint32_t>(path) % Flight::kPaths, order_.nowUs);
    }
    link.commit(layout::descriptor_bytes, layout::recordType_descriptor);
  }
  if (paths_.has(path)) add(paths_.row(path), layout::path_sealedBytesAt, bytes);
  link.publish();
  return bytes;
}

uint32_t Sealer::resend(int32_t peer, RingProducer& link, int32_t path, uint32_t maxBytes, uint32_t longest, double nowUs) {
  const uint32_t bytes = flight(peer).resend(link, log_, static_cast<uint32_t>(path) % Flight::kPaths, path, maxBytes, longest, nowUs);
  if (paths_.has(path)) add(paths_.row(path), layout::path_sealedBytesAt, bytes);
  return bytes;
}

Flight& Sealer::flight(int32_t peer) {
  const auto index = static_cast<size_t>(std::max(peer, 0));
  if (index >= flights_.size()) flights_.resize(index + 1);
  if (flights_[index] == nullptr) flights_[index] = std::make_unique<Flight>(feedback_);
  return *flights_[index];
}

int32_t Sealer::acknowledge(int32_t peer, int32_t slot, const uint8_t* frame, uint32_t length, double nowUs) {
  Flight& of = flight(peer);
  of.clear();
  const bool isGood = of.acknowledge(slot, frame, length, nowUs);
  of.detectLoss(lossLimits_);
  return isGood ? settled(of, nowUs) : -1;
}

int32_t Sealer::expire(int32_t peer, double nowUs) {
  Flight& of = flight(peer);
  of.clear();
  const double* beforeUs = lossLimits_ + Flight::kPaths;
  for (uint32_t path = 0; path < Flight::kPaths; path++) {
    if (beforeUs[path] > 0) of.expire(path, beforeUs[path]);
  }
  return settled(of, nowUs);
}

int32_t Sealer::settled(Flight& flight, double nowUs) {
  flight.trim(nowUs);
  flight.survey();
  return static_cast<int32_t>(flight.queuedPackets());
}

int64_t Sealer::waitingParity(int32_t peer) {
  const FecGroups::Closed* closed = fec_.front(peer);
  return closed == nullptr ? -1 : int64_t{closed->slot} * layout::path_mostPerPeer + closed->path;
}

uint32_t Sealer::parityBytes(int32_t peer) {
  const FecGroups::Closed* closed = fec_.front(peer);
  return closed == nullptr ? 0 : closed->group->frameBytes();
}

void Sealer::dropParity(int32_t peer) {
  if (fec_.front(peer) != nullptr) fec_.pop(peer);
}

void Sealer::sealOne(uint8_t* plain, uint32_t length) {
  const uint32_t paddedLength = padded(length);
  uint8_t* target = log_.at(position_) + used_;
  std::memcpy(target, &kTypeData, 1);
  target[1] = target[2] = target[3] = 0;
  std::memcpy(target + 4, &index_, 4);
  std::memcpy(target + 8, &counter_, 8);
  // The zeros stand where the next segment begins, so they are lent and given back.
  uint8_t borrowed[16];
  const uint32_t padding = paddedLength - length;
  std::memcpy(borrowed, plain + length, padding);
  std::memset(plain + length, 0, padding);
  const bool sealed = context_->seal(target + kDataHeaderBytes, plain, paddedLength, counter_);
  std::memcpy(plain + length, borrowed, padding);
  counter_ += 1;
  if (!sealed) return;  // OpenSSL refused; nothing of it may leave
  lastBytes_ = paddedLength + kDataHeaderBytes + kTagBytes;
  if (packets_ == 0) segmentBytes_ = lastBytes_;
  if (fecData_ != 0) {
    const auto path = static_cast<uint32_t>(order_.path) % Flight::kPaths;
    fec_.add({order_.peer, order_.slot, path, fecData_, fecParity_, order_.nowUs}, target, lastBytes_);
  }
  used_ += lastBytes_;
  packets_ += 1;
}

}  // namespace hawser
