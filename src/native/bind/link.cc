// LinkSender and LinkReceiver of native/data-api.ts.
#include "bind/data.h"
#include "bind/values.h"
#include "sys/link_io.h"

namespace hawser {
namespace {

// `obfuscations` of LinkSender and LinkReceiver: undefined = none.
Obfuscations obfuscationsOf(const Napi::Object& from) {
  Obfuscations result;
  Bytes encoded;
  if (!bytesOf(from.Get("obfuscations"), encoded)) return result;
  result.read(encoded.data, encoded.length, from.Get("takesPlain").ToBoolean());
  return result;
}

// new LinkSender({ fd4, fd6, gso, descriptors, logs, out, paths, links, carriers, carrier, obfuscations })
class LinkSenderObject : public Napi::ObjectWrap<LinkSenderObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "LinkSender",
                       {InstanceMethod<&LinkSenderObject::sendDescriptors>("sendDescriptors"),
                        InstanceMethod<&LinkSenderObject::sendDatagrams>("sendDatagrams"),
                        InstanceMethod<&LinkSenderObject::readErrors>("readErrors"),
                        InstanceMethod<&LinkSenderObject::measureQueue>("measureQueue")});
  }

  explicit LinkSenderObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const RowTable links = linkTable(memory_.of(from.Get("links")));
    const RowTable paths = pathTable(memory_.of(from.Get("paths")));
    const RowTable carriers = carrierTable(memory_.of(from.Get("carriers")));
    const Napi::Array descriptors = from.Get("descriptors").As<Napi::Array>();
    const Napi::Array logs = from.Get("logs").As<Napi::Array>();
    for (uint32_t shard = 0; shard < descriptors.Length(); shard++) {
      // The first sends all datagrams.
      const RingConsumer datagrams = shard == 0 ? memory_.consumer(from.Get("out")) : RingConsumer();
      senders_.push_back(std::make_unique<LinkSender>(from.Get("fd4").ToNumber().Int32Value(), from.Get("fd6").ToNumber().Int32Value(),
                                                      from.Get("gso").ToBoolean(), memory_.consumer(descriptors.Get(shard)), datagrams,
                                                      SealedLog(memory_.of(logs.Get(shard))), paths, links, carriers,
                                                      from.Get("carrier").ToNumber().Int32Value()));
      senders_.back()->wear(obfuscationsOf(from));
    }
  }

  Napi::Value sendDescriptors(const Napi::CallbackInfo& info) {
    LinkSender& sender = *senders_[static_cast<size_t>(intOf(info, 1))];
    return Napi::Number::New(info.Env(), sender.sendDescriptors(static_cast<uint32_t>(intOf(info, 0))));
  }
  Napi::Value sendDatagrams(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), first().sendDatagrams(static_cast<uint32_t>(intOf(info, 0))));
  }
  Napi::Value readErrors(const Napi::CallbackInfo& info) {
    first().readErrors();
    return info.Env().Undefined();
  }
  Napi::Value measureQueue(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), first().measureQueue());
  }

 private:
  LinkSender& first() { return *senders_.front(); }

  Memory memory_;
  // By shard.
  std::vector<std::unique_ptr<LinkSender>> senders_;
};

// new LinkReceiver({ received, handshakes, carriers, carrier, obfuscations, takesPlain })
class LinkReceiverObject : public Napi::ObjectWrap<LinkReceiverObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "LinkReceiver", {InstanceMethod<&LinkReceiverObject::receive>("receive")});
  }

  explicit LinkReceiverObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const int32_t index = from.Get("carrier").ToNumber().Int32Value();
    const std::vector<RingProducer> rings = memory_.producers(from.Get("received"), LinkReceiver::kLargestClaim);
    receiver_ = std::make_unique<LinkReceiver>(index, rings.front(), memory_.producer(from.Get("handshakes")),
                                               carrierTable(memory_.of(from.Get("carriers"))).row(index));
    if (rings.size() > 1) receiver_->spread(rings);
    receiver_->wear(obfuscationsOf(from));
  }

  Napi::Value receive(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), receiver_->receive(intOf(info, 0), static_cast<uint32_t>(intOf(info, 1))));
  }

 private:
  Memory memory_;
  std::unique_ptr<LinkReceiver> receiver_;
};

}  // namespace

void initLink(Napi::Env env, Napi::Object exports) {
  exports.Set("LinkSender", LinkSenderObject::define(env));
  exports.Set("LinkReceiver", LinkReceiverObject::define(env));
}

}  // namespace hawser
