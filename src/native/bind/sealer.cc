// Sealer of native/data-api.ts: looks at waiting trains, and seals those that TypeScript chose.
#include <array>

#include "bind/data.h"
#include "bind/values.h"
#include "sys/ecn.h"
#include "sys/inspect.h"
#include "sys/seal.h"

namespace hawser {
namespace {

// new Sealer(SealerParts of data-api.ts)
class SealerObject : public Napi::ObjectWrap<SealerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Sealer",
                       {InstanceMethod<&SealerObject::look>("look"), InstanceMethod<&SealerObject::begin>("begin"),
                        InstanceMethod<&SealerObject::sealTrains>("sealTrains"), InstanceMethod<&SealerObject::sealStashed>("sealStashed"),
                        InstanceMethod<&SealerObject::sealPacket>("sealPacket"), InstanceMethod<&SealerObject::end>("end"),
                        InstanceMethod<&SealerObject::segmentsLeft>("segmentsLeft"), InstanceMethod<&SealerObject::skipSegment>("skipSegment"), InstanceMethod<&SealerObject::markCongestion>("markCongestion"),
                        InstanceMethod<&SealerObject::stash>("stash"), InstanceMethod<&SealerObject::isSameConnection>("isSameConnection"), InstanceMethod<&SealerObject::release>("release"),
                        InstanceMethod<&SealerObject::copy>("copy"), InstanceMethod<&SealerObject::report>("report"),
                        InstanceMethod<&SealerObject::tick>("tick"), InstanceMethod<&SealerObject::resend>("resend"), InstanceMethod<&SealerObject::resendCut>("resendCut"), InstanceMethod<&SealerObject::protect>("protect"),
                        InstanceMethod<&SealerObject::waitingParity>("waitingParity"), InstanceMethod<&SealerObject::sealParity>("sealParity"),
                        InstanceMethod<&SealerObject::closeParity>("closeParity"), InstanceMethod<&SealerObject::parityBytes>("parityBytes"),
                        InstanceMethod<&SealerObject::dropParity>("dropParity"), InstanceMethod<&SealerObject::nextHollow>("nextHollow"), InstanceMethod<&SealerObject::lostBytes>("lostBytes"), InstanceMethod<&SealerObject::giveUpLonger>("giveUpLonger"), InstanceMethod<&SealerObject::loseLonger>("loseLonger"), InstanceMethod<&SealerObject::sweep>("sweep")});
  }

  explicit SealerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    facts_ = rowsOf<TrainFacts>(memory_, from, "facts", kMaxTrains);
    limits_ = rowsOf<double>(memory_, from, "limits", 2 * Flight::kPaths);
    auto* const feedback = rowsOf<PathFeedback>(memory_, from, "feedback", Flight::kPaths);
    auto* const tally = rowsOf<TooLongTally>(memory_, from, "tooLong", 1);
    if (facts_ == nullptr || limits_ == nullptr || feedback == nullptr || tally == nullptr) return;
    plain_ = memory_.consumer(from.Get("plain"));
    const Napi::Array carriers = from.Get("carriers").As<Napi::Array>();
    for (uint32_t i = 0; i < carriers.Length(); i++) carriers_.push_back(memory_.producer(carriers.Get(i)));
    allowedIps_ = CachedLookup(AllowedIps(memory_.of(from.Get("allowedIps"))));
    stash_ = memory_.of(from.Get("stash"));
    log_ = SealedLog(memory_.of(from.Get("log")));
    Sealer::Parts parts;
    parts.log = log_;
    parts.sessions = SessionTable(memory_.of(from.Get("sessions")));
    parts.paths = pathTable(memory_.of(from.Get("paths")));
    parts.feedback = feedback;
    parts.tally = tally;
    const auto intFrom = [&from](const char* name) { return from.Get(name).ToNumber().Int32Value(); };
    parts.maxFecBytes = static_cast<uint32_t>(intFrom("maxFecBytes"));
    parts.answersFd = intFrom("answersFd");
    parts.limits = InnerLimits(peerTable(memory_.of(from.Get("peers"))), parts.sessions, static_cast<uint32_t>(intFrom("mtu")),
                               static_cast<OuterFragments>(intFrom("outerFragments")));
    sealer_ = std::make_unique<Sealer>(parts);
  }

 private:
  static constexpr uint32_t kMaxTrains = 64;

  // look(max): facts about the next trains in the ring; returns how many.
  Napi::Value look(const Napi::CallbackInfo& info) {
    // After a death in mid-batch one by one, for as many as a batch may have held: the blame falls on the record that earns it.
    const bool careful = plain_.isSuspicious() && carefulLooks_ < kMaxTrains;
    const uint32_t max = careful ? 1 : std::min(kMaxTrains, static_cast<uint32_t>(intOf(info, 0)));
    uint32_t count = 0;
    for (; count < max; count++) {
      uint8_t* record = plain_.peek();
      if (record == nullptr) break;
      if (count == 0) plain_.begin();
      records_[count] = record;
      facts_[count] = inspectTrain(record, allowedIps_);
      sealer_->fit(record, facts_[count]);
      plain_.advance();
    }
    if (careful) carefulLooks_ += count;
    return Napi::Number::New(info.Env(), count);
  }

  // begin(slot, path, trafficClass, maxPaddedBytes, nowUs, port, peer, record): 0 or a negative errno. `record`: -1 = not at all,
  // else the flight's flags.
  Napi::Value begin(const Napi::CallbackInfo& info) {
    const int32_t record = intOf(info, 7);
    const Sealer::Order order{intOf(info, 0),    intOf(info, 1), intOf(info, 2), static_cast<uint32_t>(intOf(info, 3)),
                              doubleOf(info, 4), intOf(info, 6), record >= 0,    static_cast<uint8_t>(std::max(record, 0))};
    return Napi::Number::New(info.Env(), sealer_->open(order, &carriers_[static_cast<size_t>(intOf(info, 5))]));
  }

  // sealTrains(from, count, maxSegments): segments sealed of trains `from`…, whole trains but for the last; or a negative errno
  // when not even one was. A train that makes no sense is marked done and skipped.
  Napi::Value sealTrains(const Napi::CallbackInfo& info) {
    const auto from = static_cast<uint32_t>(intOf(info, 0));
    const auto count = static_cast<uint32_t>(intOf(info, 1));
    int32_t budget = intOf(info, 2);
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
    sealer_->flush();
    return Napi::Number::New(info.Env(), sealed != 0 ? sealed : failure);
  }

  // sealStashed(offset, maxSegments): the same for one train in the stash.
  Napi::Value sealStashed(const Napi::CallbackInfo& info) {
    sealer_->refit(stash_ + intOf(info, 0));
    const int sealed = sealRecord(stash_ + intOf(info, 0), intOf(info, 1));
    sealer_->flush();
    return Napi::Number::New(info.Env(), sealed);
  }

  // sealPacket(bytes: Uint8Array with 16 spare bytes, length)
  Napi::Value sealPacket(const Napi::CallbackInfo& info) {
    Napi::Uint8Array packet = info[0].As<Napi::Uint8Array>();
    const int sealed = sealer_->packet(packet.Data(), static_cast<uint32_t>(intOf(info, 1)));
    sealer_->flush();
    return Napi::Number::New(info.Env(), sealed);
  }

  Napi::Value end(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), sealer_->close()); }

  Napi::Value segmentsLeft(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), Sealer::segmentsLeft(stash_ + intOf(info, 0)));
  }

  Napi::Value skipSegment(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), Sealer::skipSegment(stash_ + intOf(info, 0)));
  }

  Napi::Value markCongestion(const Napi::CallbackInfo& info) {
    uint8_t* record = stash_ + intOf(info, 0);
    return Napi::Number::New(info.Env(), markCongestionExperienced(record + layout::train_packetAt, cell<uint32_t>(record, layout::train_lengthAt)));
  }

  // stash(index, offset): copies a train out of the ring, where it stays until `release`: a thread that is cut in between leaves
  // it in both places, and twice is better than lost.
  Napi::Value stash(const Napi::CallbackInfo& info) {
    uint8_t* record = records_[static_cast<size_t>(intOf(info, 0))];
    const uint32_t length = cell<uint32_t>(record, layout::train_lengthAt);
    std::memcpy(stash_ + intOf(info, 1), record, layout::train_packetAt + length);
    return Napi::Number::New(info.Env(), length);
  }

  // isSameConnection(index, offset): whether a train of the last look and a stashed one, both of TCP, are of one connection.
  Napi::Value isSameConnection(const Napi::CallbackInfo& info) {
    uint8_t* record = records_[static_cast<size_t>(intOf(info, 0))];
    uint8_t* stashed = stash_ + intOf(info, 1);
    const auto lengthOf = [](uint8_t* of) { return cell<uint32_t>(of, layout::train_lengthAt); };
    return Napi::Boolean::New(info.Env(), hawser::isSameConnection(record + layout::train_packetAt, lengthOf(record),
                                                                   stashed + layout::train_packetAt, lengthOf(stashed)));
  }

  // release(count): the first `count` trains of the last look are sealed, stashed or given up; the rest are looked at again.
  Napi::Value release(const Napi::CallbackInfo& info) {
    plain_.end();
    plain_.rewind();
    for (int32_t count = intOf(info, 0); count > 0 && plain_.peek() != nullptr; count--) plain_.advance();
    plain_.release();
    return info.Env().Undefined();
  }

  // copy(port, path, longest): what was sealed since begin goes out by another path too, but for longer packets; bytes.
  Napi::Value copy(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), sealer_->copy(carriers_[static_cast<size_t>(intOf(info, 0))], intOf(info, 1), static_cast<uint32_t>(intOf(info, 2))));
  }

  // report(peer, slot, frame: Uint8Array, length, nowUs): packets that wait to be sent again, -1 for a malformed frame.
  Napi::Value report(const Napi::CallbackInfo& info) {
    Flight& flight = sealer_->flight(intOf(info, 0));
    Bytes frame;
    if (!bytesOf(info[2], frame)) return Napi::Number::New(info.Env(), -1);
    const auto length = std::min(frame.length, static_cast<size_t>(intOf(info, 3)));
    const double nowUs = doubleOf(info, 4);
    flight.clear();
    const bool isGood = flight.acknowledge(intOf(info, 1), frame.data, static_cast<uint32_t>(length), nowUs);
    flight.detectLoss(limits_);
    return Napi::Number::New(info.Env(), isGood ? settled(flight, nowUs) : -1);
  }

  // tick(peer, nowUs): packets that wait to be sent again.
  Napi::Value tick(const Napi::CallbackInfo& info) {
    Flight& flight = sealer_->flight(intOf(info, 0));
    flight.clear();
    for (uint32_t path = 0; path < Flight::kPaths; path++) {
      if (limits_[Flight::kPaths + path] > 0) flight.expire(path, limits_[Flight::kPaths + path]);
    }
    return Napi::Number::New(info.Env(), settled(flight, doubleOf(info, 1)));
  }

  // resend(peer, port, path, maxBytes, longest, nowUs): bytes of lost packets that left by `path`.
  Napi::Value resend(const Napi::CallbackInfo& info) {
    const int32_t path = intOf(info, 2);
    const uint32_t bytes = sealer_->resend(intOf(info, 0), carriers_[static_cast<size_t>(intOf(info, 1))], path, static_cast<uint32_t>(intOf(info, 3)),
                                            static_cast<uint32_t>(intOf(info, 4)), doubleOf(info, 5));
    return Napi::Number::New(info.Env(), bytes);
  }

  // resendCut(peer, slot, port, path, maxBytes, longest, nowUs, record): bytes of what lost packets bore that left by `path` in pieces.
  Napi::Value resendCut(const Napi::CallbackInfo& info) {
    const Sealer::Order order{intOf(info, 1), intOf(info, 3), 0, 0, doubleOf(info, 6), intOf(info, 0), true, static_cast<uint8_t>(intOf(info, 7))};
    const uint32_t bytes = sealer_->resendCut(order, &carriers_[static_cast<size_t>(intOf(info, 2))], static_cast<uint32_t>(intOf(info, 4)), static_cast<uint32_t>(intOf(info, 5)));
    return Napi::Number::New(info.Env(), bytes);
  }

  // protect(data, parity): what is sealed until `end` goes into groups of so many packets.
  Napi::Value protect(const Napi::CallbackInfo& info) {
    sealer_->protect(static_cast<uint32_t>(intOf(info, 0)), static_cast<uint32_t>(intOf(info, 1)));
    return info.Env().Undefined();
  }

  // waitingParity(peer): of the group whose parity has waited longest, slot × mostPerPeer + path of its data; -1 = none.
  Napi::Value waitingParity(const Napi::CallbackInfo& info) {
    const FecGroups::Closed* closed = sealer_->fec().front(intOf(info, 0));
    return Napi::Number::New(info.Env(), closed == nullptr ? -1.0 : static_cast<double>(closed->slot * layout::path_mostPerPeer + closed->path));
  }

  // sealParity(dataPath): frames, or a negative errno.
  Napi::Value sealParity(const Napi::CallbackInfo& info) {
    const int sealed = sealer_->parity(static_cast<uint32_t>(intOf(info, 0)));
    sealer_->flush();
    return Napi::Number::New(info.Env(), sealed);
  }

  // nextHollow(peer, slot): the next counter that bore a lost control frame, or was taken; -1 = there is none.
  Napi::Value nextHollow(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), sealer_->flight(intOf(info, 0)).nextHollow(intOf(info, 1))); }

  // lostBytes(peer): sealed bytes of the longest packet in the oldest run that waits to be sent again; 0 = none does.
  Napi::Value lostBytes(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), sealer_->flight(intOf(info, 0)).queuedLongest()); }

  // giveUpLonger(peer, longest): of those that wait to be sent again.
  Napi::Value giveUpLonger(const Napi::CallbackInfo& info) {
    sealer_->flight(intOf(info, 0)).giveUpLonger(static_cast<uint32_t>(intOf(info, 1)));
    return info.Env().Undefined();
  }

  // loseLonger(peer, path, longest): what left by a path, is longer and was not acknowledged, will not arrive.
  Napi::Value loseLonger(const Napi::CallbackInfo& info) {
    sealer_->flight(intOf(info, 0)).loseLonger(static_cast<uint32_t>(intOf(info, 1)) % Flight::kPaths, static_cast<uint32_t>(intOf(info, 2)));
    return info.Env().Undefined();
  }

  // parityBytes(peer): inner bytes of each frame of the parity that has waited longest; 0 = none waits.
  Napi::Value parityBytes(const Napi::CallbackInfo& info) {
    const FecGroups::Closed* closed = sealer_->fec().front(intOf(info, 0));
    return Napi::Number::New(info.Env(), closed == nullptr ? 0 : closed->group->frameBytes());
  }

  // dropParity(peer): the parity that has waited longest is not sent.
  Napi::Value dropParity(const Napi::CallbackInfo& info) {
    if (sealer_->fec().front(intOf(info, 0)) != nullptr) sealer_->fec().pop(intOf(info, 0));
    return info.Env().Undefined();
  }

  // closeParity(peer, beforeUs): ends groups that began before; when the oldest of the others did, 0 = there are none.
  Napi::Value closeParity(const Napi::CallbackInfo& info) {
    sealer_->fec().closeOlder(intOf(info, 0), doubleOf(info, 1));
    return Napi::Number::New(info.Env(), sealer_->fec().oldestUs(intOf(info, 0)));
  }

  static int32_t settled(Flight& flight, double nowUs) {
    flight.trim(nowUs);
    flight.survey();
    return static_cast<int32_t>(flight.queuedPackets());
  }

  Napi::Value sweep(const Napi::CallbackInfo& info) {
    sealer_->sweep(intOf(info, 0));
    return info.Env().Undefined();
  }

  static void markDone(uint8_t* record) { cell<int32_t>(record, layout::train_progressAt) = INT32_MAX; }

  int sealRecord(uint8_t* record, int32_t budget) {
    const int done = sealer_->train(record, static_cast<uint32_t>(budget));
    if (done != -EBADMSG) return done;
    markDone(record);
    return 0;
  }

  Memory memory_;
  RingConsumer plain_;
  std::vector<RingProducer> carriers_;
  CachedLookup allowedIps_;
  uint8_t* stash_ = nullptr;
  TrainFacts* facts_ = nullptr;
  double* limits_ = nullptr;
  SealedLog log_;
  std::array<uint8_t*, kMaxTrains> records_{};
  uint32_t carefulLooks_ = 0;
  std::unique_ptr<Sealer> sealer_;
};

}  // namespace

void initSealer(Napi::Env env, Napi::Object exports) { exports.Set("Sealer", SealerObject::define(env)); }

}  // namespace hawser
