// Opener of native/opener-api.ts: describes received runs, and opens them once TypeScript has named their key slots.
#include "sys/open.h"

#include <cerrno>

#include "bind/data.h"
#include "bind/values.h"
#include "sys/careful_look.h"

namespace hawser {
namespace {

// new Opener(OpenerParts of opener-api.ts)
class OpenerObject : public Napi::ObjectWrap<OpenerObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Opener",
                       {InstanceMethod<&OpenerObject::look>("look"), InstanceMethod<&OpenerObject::open>("open"),
                        InstanceMethod<&OpenerObject::report>("report"), InstanceMethod<&OpenerObject::gaps>("gaps"),
                        InstanceMethod<&OpenerObject::giveUp>("giveUp"), InstanceMethod<&OpenerObject::sweep>("sweep")});
  }

  explicit OpenerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    runs_ = rowsOf<OpenRun>(memory_, from, "runs", Opener::kMaxRuns);
    result_ = rowsOf<OpenResult>(memory_, from, "result", 1);
    OpenerParts parts;
    parts.gaps = rowsOf<double>(memory_, from, "gaps", Reorder::kGapsCells);
    parts.lateness = rowsOf<double>(memory_, from, "lateness", Reorder::kLatenessCells);
    if (runs_ == nullptr || result_ == nullptr || parts.gaps == nullptr || parts.lateness == nullptr) return;
    const Napi::Array inputs = from.Get("received").As<Napi::Array>();
    for (uint32_t i = 0; i < inputs.Length(); i++) inputs_.push_back(memory_.consumer(inputs.Get(i)));
    careful_.resize(inputs_.size());
    parts.sessions = SessionTable(memory_.of(from.Get("sessions")));
    parts.peers = peerTable(memory_.of(from.Get("peers")));
    parts.paths = pathTable(memory_.of(from.Get("paths")));
    parts.allowedIps = AllowedIps(memory_.of(from.Get("allowedIps")));
    parts.out = memory_.producer(from.Get("plain"));
    parts.events = memory_.producer(from.Get("events"));
    parts.reports = memory_.producer(from.Get("reports"));
    parts.heard = memory_.producer(from.Get("heard"));
    parts.joinUdp = from.Get("joinUdp").ToBoolean();
    parts.unreported = arrayOf<int32_t>(memory_, from.Get("unreported"));
    parts.orderFromPaths = from.Get("orderFromPaths").ToNumber().Int32Value();
    parts.awaitsRepairs = from.Get("awaitsRepairs").ToBoolean();
    parts.maxFecBytes = from.Get("maxFecBytes").ToNumber().Uint32Value();
    const auto intFrom = [&from](const char* name) { return from.Get(name).ToNumber().Int32Value(); };
    parts.limits = InnerLimits(parts.peers, parts.sessions, static_cast<uint32_t>(intFrom("mtu")), static_cast<OuterFragments>(intFrom("outerFragments")));
    opener_ = std::make_unique<Opener>(parts);
  }

 private:
  // look(input, maxRecords): fills `runs`; returns how many.
  Napi::Value look(const Napi::CallbackInfo& info) {
    const auto index = static_cast<size_t>(intOf(info, 0));
    const auto max = static_cast<uint32_t>(intOf(info, 1));
    const uint32_t runs = opener_->look(inputs_[index], runs_, careful_[index].most(inputs_[index], max, max));
    careful_[index].took(runs == 0 ? 0 : 1);
    return Napi::Number::New(info.Env(), runs);
  }

  // open(input, count, nowUs): opens the runs of the last look; fills `result`.
  Napi::Value open(const Napi::CallbackInfo& info) {
    *result_ = OpenResult{};
    opener_->open(inputs_[static_cast<size_t>(intOf(info, 0))], runs_, static_cast<uint32_t>(intOf(info, 1)), doubleOf(info, 2), *result_);
    return Napi::Number::New(info.Env(), result_->packets);
  }

  // report(slot, nowUs): length of the frame, 0 or a negative errno.
  Napi::Value report(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), opener_->report(intOf(info, 0), doubleOf(info, 1)));
  }

  // gaps(): fills the rows of `gaps`; returns how many.
  Napi::Value gaps(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), opener_->gaps()); }

  // giveUp(slot, nowUs): 0, or -28 when the output is full.
  Napi::Value giveUp(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), opener_->giveUp(intOf(info, 0), doubleOf(info, 1)) ? 0 : -ENOSPC);
  }

  Napi::Value sweep(const Napi::CallbackInfo& info) {
    opener_->sweep(intOf(info, 0));
    return info.Env().Undefined();
  }

  Memory memory_;
  std::vector<RingConsumer> inputs_;
  // By input.
  std::vector<CarefulLook> careful_;
  OpenRun* runs_ = nullptr;
  OpenResult* result_ = nullptr;
  std::unique_ptr<Opener> opener_;
};

}  // namespace

void initOpener(Napi::Env env, Napi::Object exports) { exports.Set("Opener", OpenerObject::define(env)); }

}  // namespace hawser
