#include "open_authenticate.h"

namespace hawser {

const Sender* Authenticator::begin(const OpenRun& run, double nowUs) {
  context_ = ciphers_.get(run.slot, static_cast<Cipher>(run.cipher));
  if (context_ == nullptr) return nullptr;
  uint8_t* keys = sessions_.slot(run.slot);
  if (nowUs >= cell<double>(keys, layout::session_expiryAt)) return nullptr;
  const int32_t peer = cell<int32_t>(keys, layout::session_peerAt);
  sender_ = Sender{run.slot, peer, keys, peers_.row(peer), cell<int32_t>(keys, layout::session_capabilitiesAt)};
  return &sender_;
}

}  // namespace hawser
