// How many records a look may take. After a death in mid-batch it takes them one by one, for as many as a batch may have held: the blame
// falls on the record that earns it.
#pragma once
#include <cstdint>

#include "ring.h"

namespace hawser {

class CarefulLook {
 public:
  // `batch`: records that the one who died may have had in hand.
  uint32_t most(const RingConsumer& ring, uint32_t wanted, uint32_t batch) {
    isCareful_ = ring.isSuspicious() && taken_ < batch;
    return isCareful_ ? 1 : wanted;
  }
  // So many records were taken then.
  void took(uint32_t count) {
    if (isCareful_) taken_ += count;
  }

 private:
  uint32_t taken_ = 0;
  bool isCareful_ = false;
};

}  // namespace hawser
