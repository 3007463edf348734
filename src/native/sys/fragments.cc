#include "fragments.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "layout.h"

namespace hawser {

namespace {
// Of a frame's flags, here alone; see setMarked.
constexpr uint8_t kMarked = 0x80;
}  // namespace

struct FragmentJoiner::Header {
  uint32_t index, total, pieceBytes;
  bool isAgain;

  uint32_t pieces() const { return (total + pieceBytes - 1) / pieceBytes; }
  uint32_t at() const { return index * pieceBytes; }
  uint32_t bytes() const { return std::min(pieceBytes, total - at()); }

  // False when it makes no sense.
  bool read(const uint8_t* frame, uint32_t length) {
    constexpr uint32_t kHeader = layout::fragment_headerBytes;
    const auto wordAt = [frame](int64_t at) { return static_cast<uint32_t>(frame[at] | frame[at + 1] << 8); };
    index = frame[layout::fragment_indexAt];
    total = wordAt(layout::fragment_totalAt);
    pieceBytes = wordAt(layout::fragment_pieceBytesAt);
    isAgain = (frame[layout::fragment_flagsAt] & layout::fragment_flagAgain) != 0;
    if (pieceBytes == 0 || pieceBytes >= total || pieces() > layout::fragment_maxPieces || index >= pieces()) return false;
    return length >= kHeader + bytes();
  }
};

bool FragmentJoiner::isPiece(const uint8_t* plain, uint32_t length) {
  return length >= layout::fragment_headerBytes && plain[0] >> 4 == 0 && plain[layout::fragment_kindAt] == layout::controlKind_fragment;
}

bool FragmentJoiner::isOrdered(const uint8_t* plain) { return (plain[layout::fragment_flagsAt] & layout::fragment_flagOrdered) != 0; }

void FragmentJoiner::setMarked(uint8_t* plain, bool isMarked) {
  uint8_t& flags = plain[layout::fragment_flagsAt];
  flags = static_cast<uint8_t>((flags & (layout::fragment_flagOrdered | layout::fragment_flagAgain)) | (isMarked ? kMarked : 0));
}

bool FragmentJoiner::add(const Piece& piece, const uint8_t* frame, uint32_t length) {
  Header header;
  if (!header.read(frame, length) || piece.counter < header.index) {
    dropped_ += 1;
    return false;
  }
  Peer& peer = peers_[piece.peer];
  expire(peer, piece.nowUs);
  Waiting* waiting = find(peer, piece, piece.counter - header.index);
  if (waiting == nullptr) waiting = begin(peer, piece, header);
  if (waiting == nullptr) return false;
  const auto index = static_cast<size_t>(waiting - peer.waiting.data());
  const uint64_t bit = uint64_t{1} << header.index;
  if (waiting->total != header.total || waiting->pieceBytes != header.pieceBytes || waiting->isAgain != header.isAgain || (waiting->have & bit) != 0) {
    drop(peer, index);
    return false;
  }
  std::memcpy(waiting->bytes.data() + header.at(), frame + layout::fragment_headerBytes, header.bytes());
  waiting->have |= bit;
  waiting->isMarked = waiting->isMarked || (frame[layout::fragment_flagsAt] & kMarked) != 0;
  if (static_cast<uint32_t>(std::popcount(waiting->have)) < waiting->pieces) return false;
  finish(peer, index);
  return !isAgain_ || readBefore();
}

// Takes the counter off the packet.
bool FragmentJoiner::readBefore() {
  constexpr size_t kAgain = layout::fragment_againBytes;
  if (whole_.size() <= kAgain) {
    dropped_ += 1;
    return false;
  }
  std::memcpy(&counterBefore_, whole_.data(), kAgain);
  whole_.erase(whole_.begin(), whole_.begin() + kAgain);
  return true;
}

// The newest first: pieces follow one another.
FragmentJoiner::Waiting* FragmentJoiner::find(Peer& peer, const Piece& piece, uint64_t first) {
  for (size_t i = peer.waiting.size(); i > 0; i--) {
    Waiting& one = peer.waiting[i - 1];
    if (one.first == first && one.slot == piece.slot && one.life == piece.life) return &one;
  }
  return nullptr;
}

// Room is made at the cost of the peer's own, oldest first; null when there is none.
FragmentJoiner::Waiting* FragmentJoiner::begin(Peer& peer, const Piece& piece, const Header& header) {
  const auto isFull = [&] { return peer.waiting.size() >= kMaxPackets || peer.bytes + header.total > kMaxPeerBytes || bytes_ + header.total > kMaxBytes; };
  while (isFull() && !peer.waiting.empty()) drop(peer, 0);
  if (isFull()) {
    dropped_ += 1;
    return nullptr;
  }
  peer.bytes += header.total;
  bytes_ += header.total;
  Waiting one{piece.slot, piece.life, piece.counter - header.index, piece.nowUs, 0, header.total, header.pieceBytes, header.pieces(), false, header.isAgain, {}};
  one.bytes.resize(header.total);
  return &peer.waiting.emplace_back(std::move(one));
}

void FragmentJoiner::drop(Peer& peer, size_t index) {
  finish(peer, index);
  dropped_ += 1;
}

void FragmentJoiner::finish(Peer& peer, size_t index) {
  Waiting& one = peer.waiting[index];
  peer.bytes -= one.total;
  bytes_ -= one.total;
  whole_ = std::move(one.bytes);
  isMarked_ = one.isMarked;
  isAgain_ = one.isAgain;
  peer.waiting.erase(peer.waiting.begin() + static_cast<std::ptrdiff_t>(index));
}

void FragmentJoiner::expire(Peer& peer, double nowUs) {
  while (!peer.waiting.empty() && nowUs - peer.waiting[0].sinceUs > kPatienceUs) drop(peer, 0);
}

void FragmentJoiner::expire(double nowUs) {
  if (bytes_ == 0 || nowUs - expiredUs_ < kPatienceUs / 4) return;
  expiredUs_ = nowUs;
  for (Peer& peer : peers_) expire(peer, nowUs);
}

uint32_t FragmentJoiner::takeDropped() {
  const uint32_t dropped = dropped_;
  dropped_ = 0;
  return dropped;
}

}  // namespace hawser
