// FakeTcp of native/faketcp-api.ts.
#include "sys/faketcp_answers.h"

#include "bind/data.h"
#include "bind/values.h"
#include "sys/blake2s.h"
#include "sys/packet.h"
#include "sys/packet_filter.h"
#include "sys/packet_socket.h"

namespace hawser {
namespace {

RowTable flowTable(uint8_t* base) {
  return RowTable(base, layout::flow_rowsAt, layout::flow_dataAt, layout::flow_rowBytes, 0, layout::flow_usedAt);
}

// new FakeTcp({ fd4, fd6, listenPort, firstCallPort4, callPorts4, firstCallPort6, callPorts6, tunnel, mark, interface, descriptors, logs, received, handshakes, paths, links, carriers, carrier, flows, segments, wanted, touched, cookieKey, answerWindow, windowShift })
class FakeTcpObject : public Napi::ObjectWrap<FakeTcpObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "FakeTcp",
                       {InstanceMethod<&FakeTcpObject::receive>("receive"), InstanceMethod<&FakeTcpObject::begin>("begin"),
                        InstanceMethod<&FakeTcpObject::segmentCount>("segmentCount"), InstanceMethod<&FakeTcpObject::touchedCount>("touchedCount"),
                        InstanceMethod<&FakeTcpObject::answeredCount>("takeAnsweredCount"), InstanceMethod<&FakeTcpObject::ignoredCount>("takeIgnoredCount"),
                        InstanceMethod<&FakeTcpObject::deliver>("deliver"), InstanceMethod<&FakeTcpObject::sendDescriptors>("sendDescriptors"),
                        InstanceMethod<&FakeTcpObject::takeWanted>("takeWanted"), InstanceMethod<&FakeTcpObject::sendDatagram>("sendDatagram"),
                        InstanceMethod<&FakeTcpObject::sendSegment>("sendSegment"), InstanceMethod<&FakeTcpObject::sendRoutedSegment>("sendRouted"),
                        InstanceMethod<&FakeTcpObject::source>("askSource"), InstanceMethod<&FakeTcpObject::isOwn>("isOwnAddress"),
                        InstanceMethod<&FakeTcpObject::insert>("insert"), InstanceMethod<&FakeTcpObject::remove>("remove"),
                        InstanceMethod<&FakeTcpObject::find>("find"), InstanceMethod<&FakeTcpObject::findTo>("findTo"),
                        InstanceMethod<&FakeTcpObject::measureQueue>("measureQueue")});
  }

  explicit FakeTcpObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Object from = info[0].As<Napi::Object>();
    const int fd4 = from.Get("fd4").ToNumber().Int32Value();
    const int fd6 = from.Get("fd6").ToNumber().Int32Value();
    const int32_t carrier = from.Get("carrier").ToNumber().Int32Value();
    mark_ = from.Get("mark").ToNumber().Uint32Value();
    interface_ = from.Get("interface").ToString().Utf8Value();
    const auto port = [&from](const char* name) { return static_cast<uint16_t>(from.Get(name).ToNumber().Uint32Value()); };
    filters_ = std::make_unique<PacketFilters>(fd4, fd6, PacketPorts{true, port("listenPort"), port("firstCallPort4"), port("callPorts4")},
                                               PacketPorts{false, port("listenPort"), port("firstCallPort6"), port("callPorts6")},
                                               from.Get("tunnel").ToString().Utf8Value());
    uint8_t* segments = rowsOf<uint8_t>(memory_, from, "segments", layout::segment_rows * layout::segment_rowBytes);
    uint8_t* wanted = rowsOf<uint8_t>(memory_, from, "wanted", layout::wanted_rows * layout::wanted_rowBytes);
    int32_t* touched = rowsOf<int32_t>(memory_, from, "touched", layout::segment_rows);
    const RowTable carriers = carrierTable(memory_.of(from.Get("carriers")));
    index_ = std::make_unique<FlowIndex>(flowTable(memory_.of(from.Get("flows"))));
    const RowTable paths = pathTable(memory_.of(from.Get("paths")));
    const RowTable links = linkTable(memory_.of(from.Get("links")));
    const Napi::Array descriptors = from.Get("descriptors").As<Napi::Array>();
    const Napi::Array logs = from.Get("logs").As<Napi::Array>();
    for (uint32_t shard = 0; shard < descriptors.Length(); shard++)
      senders_.push_back(std::make_unique<FakeTcpSender>(fd4, fd6, memory_.consumer(descriptors.Get(shard)), SealedLog(memory_.of(logs.Get(shard))), paths,
                                                         links, carriers, carrier, *index_, wanted));
    const std::vector<RingProducer> rings = memory_.producers(from.Get("received"), LinkReceiver::kLargestClaim);
    receiver_ = std::make_unique<FakeTcpReceiver>(fd4, carrier, rings.front(), memory_.producer(from.Get("handshakes")), carriers.row(carrier), *index_,
                                                  segments, touched);
    if (rings.size() > 1) receiver_->spread(rings);
    Bytes key;
    if (!bytesOf(from.Get("cookieKey"), key) || key.length == 0 || key.length > sizeof key_) {
      Napi::TypeError::New(info.Env(), "cookieKey has 1 to 32 bytes").ThrowAsJavaScriptException();
      return;
    }
    std::memcpy(key_, key.data, keyBytes_ = key.length);
    SynAnswers::Settings settings;
    settings.listenPort = port("listenPort");
    settings.window = port("answerWindow");
    settings.windowShift = static_cast<uint8_t>(from.Get("windowShift").ToNumber().Uint32Value());
    settings.hash = [this](const uint8_t* bytes, size_t length) {
      uint8_t mac[blake2s128Bytes] = {};
      blake2s_.compute(mac, key_, keyBytes_, bytes, length);
      return readLe32(mac);
    };
    settings.isOwn = [this](const uint8_t* tuple) { return filters_->ask(tuple); };
    answers_ = std::make_unique<SynAnswers>(std::move(settings));
    receiver_->answerBy(answers_.get());
  }

  Napi::Value begin(const Napi::CallbackInfo& info) {
    receiver_->begin(doubleOf(info, 0));
    return info.Env().Undefined();
  }
  Napi::Value receive(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), receiver_->receive(intOf(info, 0), static_cast<uint32_t>(intOf(info, 1))));
  }
  Napi::Value segmentCount(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), receiver_->segmentCount()); }
  Napi::Value answeredCount(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), answers_->takeCount()); }
  Napi::Value ignoredCount(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), answers_->takeIgnoredCount()); }
  Napi::Value touchedCount(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), receiver_->touchedCount()); }
  Napi::Value deliver(const Napi::CallbackInfo& info) {
    const auto index = static_cast<uint32_t>(intOf(info, 0));
    if (index < layout::segment_rows) receiver_->deliver(index);
    return info.Env().Undefined();
  }
  Napi::Value sendDescriptors(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), senders_[static_cast<size_t>(intOf(info, 2))]->sendDescriptors(static_cast<uint32_t>(intOf(info, 0)), doubleOf(info, 1)));
  }
  Napi::Value takeWanted(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), senders_[static_cast<size_t>(intOf(info, 0))]->takeWanted()); }
  Napi::Value sendDatagram(const Napi::CallbackInfo& info) {
    Bytes bytes;
    const int32_t flow = intOf(info, 0);
    if (!index_->has(flow) || !bytesOf(info[1], bytes)) return Napi::Number::New(info.Env(), -EINVAL);
    return Napi::Number::New(info.Env(), first().sendDatagram(flow, bytes.data, static_cast<uint32_t>(bytes.length),
                                                               static_cast<uint8_t>(intOf(info, 2)), doubleOf(info, 3)));
  }
  Napi::Value sendSegment(const Napi::CallbackInfo& info) {
    Bytes tuple, tcp;
    if (!segmentOf(info, tuple, tcp)) return Napi::Number::New(info.Env(), -EINVAL);
    return Napi::Number::New(info.Env(), first().sendSegment(tuple.data, tcp.data, static_cast<uint32_t>(tcp.length), intOf(info, 2)));
  }
  Napi::Value sendRoutedSegment(const Napi::CallbackInfo& info) {
    Bytes tuple, tcp;
    if (!segmentOf(info, tuple, tcp)) return Napi::Number::New(info.Env(), -EINVAL);
    return Napi::Number::New(info.Env(), sendRouted(tuple.data, tcp.data, static_cast<uint32_t>(tcp.length), mark_, interface_));
  }
  Napi::Value source(const Napi::CallbackInfo& info) {
    Bytes tuple;
    if (!tupleOf(info[0], tuple)) return Napi::Number::New(info.Env(), -EINVAL);
    const int failed = first().findSource(tuple.data, mark_, interface_);
    if (failed == 0) filters_->admit(tuple.data);
    return Napi::Number::New(info.Env(), failed);
  }
  Napi::Value isOwn(const Napi::CallbackInfo& info) {
    Bytes tuple;
    return Napi::Boolean::New(info.Env(), tupleOf(info[0], tuple) && filters_->ask(tuple.data));
  }
  Napi::Value insert(const Napi::CallbackInfo& info) {
    const int32_t row = intOf(info, 0);
    if (!index_->has(row)) return info.Env().Undefined();
    index_->insert(row);
    filters_->admit(index_->row(row));
    return info.Env().Undefined();
  }
  Napi::Value remove(const Napi::CallbackInfo& info) {
    if (index_->has(intOf(info, 0))) index_->remove(intOf(info, 0));
    return info.Env().Undefined();
  }
  Napi::Value find(const Napi::CallbackInfo& info) {
    Bytes tuple;
    return Napi::Number::New(info.Env(), tupleOf(info[0], tuple) ? index_->find(tuple.data) : -1);
  }
  Napi::Value findTo(const Napi::CallbackInfo& info) {
    Bytes endpoint, local;
    const bool sound = bytesOf(info[0], endpoint) && endpoint.length >= sizeof(sockaddr_in6) && bytesOf(info[1], local) && local.length >= 16;
    return Napi::Number::New(info.Env(), sound ? index_->findTo(endpoint.data, local.data) : -1);
  }
  Napi::Value measureQueue(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), first().measureQueue()); }

 private:
  FakeTcpSender& first() { return *senders_.front(); }
  static bool tupleOf(const Napi::Value& value, Bytes& tuple) { return bytesOf(value, tuple) && tuple.length >= layout::tuple_bytes; }
  static bool segmentOf(const Napi::CallbackInfo& info, Bytes& tuple, Bytes& tcp) {
    return tupleOf(info[0], tuple) && bytesOf(info[1], tcp) && tcp.length >= 20 && tcp.length <= 60;
  }

  Memory memory_;
  uint32_t mark_ = 0;
  std::string interface_;
  std::unique_ptr<PacketFilters> filters_;
  std::unique_ptr<FlowIndex> index_;
  // By shard; what is of no shard leaves by the first.
  std::vector<std::unique_ptr<FakeTcpSender>> senders_;
  uint8_t key_[32] = {};
  size_t keyBytes_ = 0;
  Blake2s128 blake2s_;
  std::unique_ptr<SynAnswers> answers_;
  std::unique_ptr<FakeTcpReceiver> receiver_;
};

// openPackets({ family, listenPort, callPorts, mark, interface })
Napi::Value openPacketSocket(const Napi::CallbackInfo& info) {
  const Napi::Object from = info[0].As<Napi::Object>();
  PacketOptions options;
  options.family = from.Get("family").ToNumber().Int32Value() == 4 ? AF_INET : AF_INET6;
  options.listenPort = static_cast<uint16_t>(from.Get("listenPort").ToNumber().Uint32Value());
  options.callPorts = static_cast<uint16_t>(from.Get("callPorts").ToNumber().Uint32Value());
  options.mark = from.Get("mark").ToNumber().Uint32Value();
  options.interface = from.Get("interface").ToString().Utf8Value();
  PacketSocket socket;
  const SystemError failed = openPackets(options, socket);
  if (failed.call != nullptr) {
    const std::string where = options.interface.empty() ? std::string() : " on \"" + options.interface + "\"";
    throwSystemError(info.Env(), (options.listenPort == 0 ? std::string("FakeTCP") : "TCP port " + std::to_string(options.listenPort)) + where, failed);
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  Napi::Array keepers = Napi::Array::New(info.Env());
  for (size_t i = 0; i < socket.keepers.size(); i++) keepers.Set(static_cast<uint32_t>(i), socket.keepers[i]);
  result.Set("fd", socket.fd);
  result.Set("keepers", keepers);
  result.Set("firstCallPort", socket.firstCallPort);
  result.Set("callPorts", socket.callPorts);
  result.Set("receiveBufferBytes", socket.receiveBufferBytes);
  result.Set("sendBufferBytes", socket.sendBufferBytes);
  return result;
}

}  // namespace

void initFakeTcp(Napi::Env env, Napi::Object exports) {
  exports.Set("FakeTcp", FakeTcpObject::define(env));
  exports.Set("openPackets", Napi::Function::New(env, openPacketSocket));
}

}  // namespace hawser
