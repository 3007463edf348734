#include "tun_sorter.h"

#include <cerrno>
#include <cstring>

#include "packet.h"
#include "shards.h"
#include "tun.h"
#include "vnet.h"

namespace hawser {

int TunSorter::read(uint32_t maxTrains, double nowUs, double& bytes, double& dropped) {
  int count = 0;
  int failure = -EAGAIN;
  for (uint32_t i = 0; i < maxTrains; i++) {
    if (!claim(nowUs)) {
      failure = -ENOSPC;
      break;
    }
    uint8_t* record = records_[current_];
    const int got = readTrain(fd_, record);
    if (got < 0) {
      failure = got;
      break;
    }
    if (got == 0) continue;
    const auto length = static_cast<uint32_t>(got);
    count += 1;
    bytes += length;
    const uint32_t shard = shardOfTrain(record + layout::train_packetAt, length);
    uint8_t* target = records_[shard];
    if (target == nullptr) {
      dropped += 1;
      continue;
    }
    if (target != record) std::memcpy(target + layout::train_vnetAt, record + layout::train_vnetAt, length + sizeof(VnetHeader));
    describeTrain(target, length, nowUs);
    out_[shard].commit(trainRecordBytes(length), layout::recordType_train);
    out_[shard].publish();
    current_ = shard;
  }
  return count != 0 ? count : failure;
}

// Room for one train in each ring; false when there is none, or none in a ring that may have some soon.
bool TunSorter::claim(double nowUs) {
  for (uint32_t shard = 0; shard < out_.size(); shard++) {
    records_[shard] = out_[shard].claim(layout::train_maxRecordBytes);
    double& since = fullSinceUs_[shard];
    if (records_[shard] != nullptr) {
      since = 0;
    } else if (since == 0) {
      since = nowUs;
    }
  }
  for (const double since : fullSinceUs_)
    if (since != 0 && nowUs - since < kPatienceUs) return false;
  for (uint32_t shard = 0; shard < out_.size() && records_[current_] == nullptr; shard++) current_ = shard;
  return records_[current_] != nullptr;
}

// What is no packet, or nobody's, is the first shard's, which counts it.
uint32_t TunSorter::shardOfTrain(const uint8_t* packet, uint32_t length) {
  const IpView ip = viewIp(packet, length);
  const int32_t row = ip.version == 0 ? -1 : allowedIps_.find(ip.destination, ip.addressBytes);
  return row < 0 ? 0 : shardOf(static_cast<uint32_t>(row), static_cast<uint32_t>(out_.size()));
}

}  // namespace hawser
