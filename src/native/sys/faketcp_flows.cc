#include <sys/random.h>

#include <cstring>

#include "faketcp.h"

namespace hawser {
namespace {

bool isSameEndpoint(const uint8_t* one, const uint8_t* other) {
  const auto& a = *reinterpret_cast<const sockaddr_in6*>(one);
  const auto& b = *reinterpret_cast<const sockaddr_in6*>(other);
  if (a.sin6_family != b.sin6_family || a.sin6_port != b.sin6_port) return false;
  // The flow label of IPv6 says nothing about where the other is.
  if (a.sin6_family == AF_INET) return std::memcmp(one + 4, other + 4, 4) == 0;
  return std::memcmp(&a.sin6_addr, &b.sin6_addr, 16) == 0 && a.sin6_scope_id == b.sin6_scope_id;
}

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

}  // namespace

FlowIndex::FlowIndex(RowTable flows) : flows_(flows), seed_(0), heads_(kBuckets), next_(static_cast<size_t>(flows.rows())) {
  // Nobody from outside shall know which connections fall on one place.
  [[maybe_unused]] const ssize_t got = ::getrandom(&seed_, sizeof seed_, 0);
  for (int32_t index = 0; index < std::min(flows_.used(), flows_.rows()); index++) {
    if (cell<int32_t>(flows_.row(index), layout::flow_stateAt) != layout::flowState_free) insert(index);
  }
}

uint32_t FlowIndex::bucketOf(const uint8_t* endpoint) const {
  const auto& address = *reinterpret_cast<const sockaddr_in6*>(endpoint);
  uint64_t hash = mix(seed_, address.sin6_port);
  if (address.sin6_family == AF_INET) {
    uint32_t value;
    std::memcpy(&value, endpoint + 4, 4);
    hash = mix(hash, value);
  } else {
    uint64_t values[2];
    std::memcpy(values, &address.sin6_addr, 16);
    hash = mix(mix(hash, values[0]), values[1]);
  }
  return static_cast<uint32_t>(hash >> 32) % kBuckets;
}

void FlowIndex::insert(int32_t row) {
  int32_t& head = heads_[bucketOf(flows_.row(row) + layout::tuple_endpointAt)];
  next_[static_cast<size_t>(row)] = head;
  head = row + 1;
}

void FlowIndex::remove(int32_t row) {
  int32_t* at = &heads_[bucketOf(flows_.row(row) + layout::tuple_endpointAt)];
  while (*at != 0 && *at != row + 1) at = &next_[static_cast<size_t>(*at - 1)];
  if (*at != 0) *at = next_[static_cast<size_t>(row)];
}

int32_t FlowIndex::find(const uint8_t* tuple) const {
  for (int32_t at = heads_[bucketOf(tuple + layout::tuple_endpointAt)]; at != 0; at = next_[static_cast<size_t>(at - 1)]) {
    const uint8_t* row = flows_.row(at - 1);
    if (std::memcmp(row + layout::tuple_localPortAt, tuple + layout::tuple_localPortAt, 2) == 0 &&
        isSameEndpoint(row + layout::tuple_endpointAt, tuple + layout::tuple_endpointAt) &&
        std::memcmp(row + layout::tuple_localAt, tuple + layout::tuple_localAt, 16) == 0)
      return at - 1;
  }
  return -1;
}

int32_t FlowIndex::findTo(const uint8_t* endpoint, const uint8_t* local) const {
  int32_t open = -1;
  int32_t dialled = -1;
  const bool any = std::memcmp(local, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0;
  for (int32_t at = heads_[bucketOf(endpoint)]; at != 0; at = next_[static_cast<size_t>(at - 1)]) {
    uint8_t* row = flows_.row(at - 1);
    if (!isSameEndpoint(row + layout::tuple_endpointAt, endpoint)) continue;
    if (!any && std::memcmp(row + layout::tuple_localAt, local, 16) != 0) continue;
    const int32_t state = cell<int32_t>(row, layout::flow_stateAt);
    if (state == layout::flowState_open) {
      if (cell<int32_t>(row, layout::flow_settledAt) != 0) return at - 1;
      if (open < 0) open = at - 1;
    }
    if (state == layout::flowState_dialled) dialled = at - 1;
  }
  return open >= 0 ? open : dialled;
}

}  // namespace hawser
