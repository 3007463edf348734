// Sealer of native/data-api.ts: hands the calls of TypeScript on to sys/seal.h and sys/train_intake.h, and decides nothing.
#include "bind/data.h"
#include "bind/values.h"
#include "sys/link_io.h"
#include "sys/seal.h"
#include "sys/train_intake.h"

namespace hawser {
namespace {

using Info = Napi::CallbackInfo;

Napi::Value numberOf(const Info& info, double value) { return Napi::Number::New(info.Env(), value); }
uint32_t unsignedOf(const Info& info, size_t index) { return static_cast<uint32_t>(intOf(info, index)); }

// new Sealer(SealerParts of data-api.ts). What each method takes and returns stands there.
class SealerObject : public Napi::ObjectWrap<SealerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = SealerObject;
    return DefineClass(env, "Sealer",
                       {// Trains.
                        InstanceMethod<&Self::look>("look"), InstanceMethod<&Self::sealTrains>("sealTrains"), InstanceMethod<&Self::stash>("stash"),
                        InstanceMethod<&Self::isSameConnection>("isSameConnection"), InstanceMethod<&Self::release>("release"),
                        InstanceMethod<&Self::sealStashed>("sealStashed"), InstanceMethod<&Self::segmentsLeft>("segmentsLeft"),
                        InstanceMethod<&Self::skipSegment>("skipSegment"), InstanceMethod<&Self::markCongestion>("markCongestion"),
                        // Runs.
                        InstanceMethod<&Self::begin>("begin"), InstanceMethod<&Self::sealPacket>("sealPacket"), InstanceMethod<&Self::copy>("copy"),
                        InstanceMethod<&Self::protect>("protect"), InstanceMethod<&Self::sealParity>("sealParity"), InstanceMethod<&Self::end>("end"),
                        // What is under way.
                        InstanceMethod<&Self::report>("report"), InstanceMethod<&Self::tick>("tick"), InstanceMethod<&Self::resend>("resend"),
                        InstanceMethod<&Self::resendCut>("resendCut"), InstanceMethod<&Self::nextHollow>("nextHollow"),
                        InstanceMethod<&Self::lostBytes>("lostBytes"), InstanceMethod<&Self::giveUpLonger>("giveUpLonger"),
                        InstanceMethod<&Self::loseLonger>("loseLonger"),
                        // Parity.
                        InstanceMethod<&Self::waitingParity>("waitingParity"), InstanceMethod<&Self::closeParity>("closeParity"),
                        InstanceMethod<&Self::parityBytes>("parityBytes"), InstanceMethod<&Self::dropParity>("dropParity"),
                        // What is no more.
                        InstanceMethod<&Self::sweep>("sweep"), InstanceMethod<&Self::forgetPeer>("forgetPeer")});
  }

  explicit SealerObject(const Info& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const auto intFrom = [&from](const char* name) { return from.Get(name).ToNumber().Int32Value(); };
    auto* const facts = rowsOf<TrainFacts>(memory_, from, "facts", TrainIntake::kMaxTrains);
    auto* const limits = rowsOf<double>(memory_, from, "limits", 2 * Flight::kPaths);
    auto* const feedback = rowsOf<PathFeedback>(memory_, from, "feedback", Flight::kPaths);
    auto* const tally = rowsOf<TooLongTally>(memory_, from, "tooLong", 1);
    if (facts == nullptr || limits == nullptr || feedback == nullptr || tally == nullptr) return;
    const Napi::Array carriers = from.Get("carriers").As<Napi::Array>();
    for (uint32_t i = 0; i < carriers.Length(); i++) carriers_.push_back(memory_.producer(carriers.Get(i)));
    Sealer::Parts parts;
    parts.log = SealedLog(memory_.of(from.Get("log")));
    parts.sessions = SessionTable(memory_.of(from.Get("sessions")));
    parts.paths = pathTable(memory_.of(from.Get("paths")));
    parts.peers = peerTable(memory_.of(from.Get("peers")));
    parts.feedback = feedback;
    parts.lossLimits = limits;
    parts.tally = tally;
    parts.maxFecBytes = static_cast<uint32_t>(intFrom("maxFecBytes"));
    parts.answersFd = intFrom("answersFd");
    parts.limits = InnerLimits(parts.peers, parts.sessions, static_cast<uint32_t>(intFrom("mtu")),
                               static_cast<OuterFragments>(intFrom("outerFragments")));
    sealer_ = std::make_unique<Sealer>(parts);
    const TrainIntake::Parts taken{memory_.consumer(from.Get("plain")), AllowedIps(memory_.of(from.Get("allowedIps"))), memory_.of(from.Get("stash")), facts};
    intake_ = std::make_unique<TrainIntake>(taken, *sealer_);
    sendBeside(from, carriers, parts.log, parts.paths);
  }

 private:
  // look(max)
  Napi::Value look(const Info& info) { return numberOf(info, intake_->look(unsignedOf(info, 0))); }

  // sealTrains(from, count, maxSegments)
  Napi::Value sealTrains(const Info& info) { return numberOf(info, intake_->seal(unsignedOf(info, 0), unsignedOf(info, 1), intOf(info, 2))); }

  // stash(index, offset)
  Napi::Value stash(const Info& info) { return numberOf(info, intake_->putBy(unsignedOf(info, 0), unsignedOf(info, 1))); }

  // isSameConnection(index, offset)
  Napi::Value isSameConnection(const Info& info) {
    return Napi::Boolean::New(info.Env(), intake_->isSameConnection(unsignedOf(info, 0), unsignedOf(info, 1)));
  }

  // release(count)
  Napi::Value release(const Info& info) {
    intake_->release(unsignedOf(info, 0));
    return info.Env().Undefined();
  }

  // sealStashed(offset, maxSegments)
  Napi::Value sealStashed(const Info& info) { return numberOf(info, intake_->sealStashed(unsignedOf(info, 0), intOf(info, 1))); }

  // segmentsLeft(offset)
  Napi::Value segmentsLeft(const Info& info) { return numberOf(info, intake_->segmentsLeft(unsignedOf(info, 0))); }

  // skipSegment(offset)
  Napi::Value skipSegment(const Info& info) { return Napi::Boolean::New(info.Env(), intake_->skipSegment(unsignedOf(info, 0))); }

  // markCongestion(offset)
  Napi::Value markCongestion(const Info& info) { return numberOf(info, intake_->markCongestion(unsignedOf(info, 0)) ? 1 : 0); }

  // begin(slot, path, trafficClass, maxPaddedBytes, nowUs, port, peer, record)
  Napi::Value begin(const Info& info) {
    const int32_t record = intOf(info, 7);
    const Sealer::Order order{intOf(info, 0),    intOf(info, 1), intOf(info, 2), unsignedOf(info, 3),
                              doubleOf(info, 4), intOf(info, 6), record >= 0,    static_cast<uint8_t>(std::max(record, 0))};
    const auto port = static_cast<size_t>(intOf(info, 5));
    return numberOf(info, sealer_->open(order, &carriers_[port], port < besides_.size() ? besides_[port].get() : nullptr));
  }

  // sealPacket(bytes: Uint8Array with 16 spare bytes, length)
  Napi::Value sealPacket(const Info& info) {
    Napi::Uint8Array packet = info[0].As<Napi::Uint8Array>();
    const int sealed = sealer_->packet(packet.Data(), unsignedOf(info, 1));
    sealer_->flush();
    return numberOf(info, sealed);
  }

  // copy(port, path, longest)
  Napi::Value copy(const Info& info) { return numberOf(info, sealer_->copy(carrier(info, 0), intOf(info, 1), unsignedOf(info, 2))); }

  // protect(data, parity)
  Napi::Value protect(const Info& info) {
    sealer_->protect(unsignedOf(info, 0), unsignedOf(info, 1));
    return info.Env().Undefined();
  }

  // sealParity(dataPath)
  Napi::Value sealParity(const Info& info) {
    const int sealed = sealer_->parity(unsignedOf(info, 0));
    sealer_->flush();
    return numberOf(info, sealed);
  }

  // end()
  Napi::Value end(const Info& info) { return numberOf(info, sealer_->close()); }

  // report(peer, slot, frame: Uint8Array, length, nowUs)
  Napi::Value report(const Info& info) {
    Bytes frame;
    if (!bytesOf(info[2], frame)) return numberOf(info, -1);
    const auto length = static_cast<uint32_t>(std::min(frame.length, static_cast<size_t>(intOf(info, 3))));
    return numberOf(info, sealer_->acknowledge(intOf(info, 0), intOf(info, 1), frame.data, length, doubleOf(info, 4)));
  }

  // tick(peer, nowUs)
  Napi::Value tick(const Info& info) { return numberOf(info, sealer_->expire(intOf(info, 0), doubleOf(info, 1))); }

  // resend(peer, port, path, maxBytes, longest, nowUs)
  Napi::Value resend(const Info& info) {
    return numberOf(info, sealer_->resend(intOf(info, 0), carrier(info, 1), intOf(info, 2), unsignedOf(info, 3), unsignedOf(info, 4), doubleOf(info, 5)));
  }

  // resendCut(peer, slot, port, path, maxBytes, longest, nowUs, record)
  Napi::Value resendCut(const Info& info) {
    const Sealer::Order order{intOf(info, 1), intOf(info, 3), 0, 0, doubleOf(info, 6), intOf(info, 0), true, static_cast<uint8_t>(intOf(info, 7))};
    return numberOf(info, sealer_->resendCut(order, &carrier(info, 2), unsignedOf(info, 4), unsignedOf(info, 5)));
  }

  // nextHollow(peer, slot)
  Napi::Value nextHollow(const Info& info) { return numberOf(info, sealer_->flight(intOf(info, 0)).nextHollow(intOf(info, 1))); }

  // lostBytes(peer)
  Napi::Value lostBytes(const Info& info) { return numberOf(info, sealer_->flight(intOf(info, 0)).queuedLongest()); }

  // giveUpLonger(peer, longest)
  Napi::Value giveUpLonger(const Info& info) {
    sealer_->flight(intOf(info, 0)).giveUpLonger(unsignedOf(info, 1));
    return info.Env().Undefined();
  }

  // loseLonger(peer, path, longest)
  Napi::Value loseLonger(const Info& info) {
    sealer_->flight(intOf(info, 0)).loseLonger(unsignedOf(info, 1) % Flight::kPaths, unsignedOf(info, 2));
    return info.Env().Undefined();
  }

  // waitingParity(peer)
  Napi::Value waitingParity(const Info& info) { return numberOf(info, static_cast<double>(sealer_->waitingParity(intOf(info, 0)))); }

  // closeParity(peer, beforeUs)
  Napi::Value closeParity(const Info& info) {
    sealer_->fec().closeOlder(intOf(info, 0), doubleOf(info, 1));
    return numberOf(info, sealer_->fec().oldestUs(intOf(info, 0)));
  }

  // parityBytes(peer)
  Napi::Value parityBytes(const Info& info) { return numberOf(info, sealer_->parityBytes(intOf(info, 0))); }

  // dropParity(peer)
  Napi::Value dropParity(const Info& info) {
    sealer_->dropParity(intOf(info, 0));
    return info.Env().Undefined();
  }

  // sweep(slot)
  Napi::Value sweep(const Info& info) {
    sealer_->sweep(intOf(info, 0));
    return info.Env().Undefined();
  }

  // forgetPeer(peer)
  Napi::Value forgetPeer(const Info& info) {
    sealer_->forgetPeer(intOf(info, 0));
    return info.Env().Undefined();
  }

  // For each carrier somebody who sends in its place, where `beside` names their rows.
  void sendBeside(const Napi::Object& from, const Napi::Array& ports, SealedLog log, RowTable paths) {
    const Napi::Value given = from.Get("beside");
    if (!given.IsObject()) return;
    const Napi::Object beside = given.As<Napi::Object>();
    const RowTable links = linkTable(memory_.of(beside.Get("links")));
    const RowTable carriers = carrierTable(memory_.of(beside.Get("carriers")));
    const Napi::Array rows = beside.Get("rows").As<Napi::Array>();
    for (uint32_t i = 0; i < rows.Length(); i++) {
      const int32_t row = rows.Get(i).ToNumber().Int32Value();
      besides_.push_back(std::make_unique<LinkSender>(memory_.consumer(ports.Get(i)), log, paths, links, carriers, row));
    }
  }

  RingProducer& carrier(const Info& info, size_t index) { return carriers_[static_cast<size_t>(intOf(info, index))]; }

  Memory memory_;
  std::vector<RingProducer> carriers_;
  // By carrier; empty = each carrier sends by itself.
  std::vector<std::unique_ptr<LinkSender>> besides_;
  std::unique_ptr<Sealer> sealer_;
  std::unique_ptr<TrainIntake> intake_;
};

}  // namespace

void initSealer(Napi::Env env, Napi::Object exports) { exports.Set("Sealer", SealerObject::define(env)); }

}  // namespace hawser
