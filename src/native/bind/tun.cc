// TunReader, TunSorter and TunWriter of native/data-api.ts.
#include "sys/tun.h"

#include "bind/data.h"
#include "bind/values.h"
#include "sys/tun_sorter.h"

namespace hawser {
namespace {

// new TunReader(fd, port, totals: Float64Array as bytes [bytes])
class TunReaderObject : public Napi::ObjectWrap<TunReaderObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TunReader", {InstanceMethod<&TunReaderObject::read>("read")});
  }

  explicit TunReaderObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), reader_(intOf(info, 0), memory_.producer(info[1], layout::train_maxRecordBytes)), totals_(arrayOf<double>(memory_, info[2])) {}

  Napi::Value read(const Napi::CallbackInfo& info) {
    const int count = reader_.read(static_cast<uint32_t>(intOf(info, 0)), doubleOf(info, 1), totals_[0]);
    return Napi::Number::New(info.Env(), count);
  }

 private:
  Memory memory_;
  TunReader reader_;
  double* totals_;
};

// new TunSorter(fd, ports, allowedIps, totals: [bytes, dropped])
class TunSorterObject : public Napi::ObjectWrap<TunSorterObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TunSorter", {InstanceMethod<&TunSorterObject::read>("read")});
  }

  explicit TunSorterObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), sorter_(intOf(info, 0), memory_.producers(info[1], layout::train_maxRecordBytes), AllowedIps(memory_.of(info[2]))),
        totals_(arrayOf<double>(memory_, info[3])) {}

  Napi::Value read(const Napi::CallbackInfo& info) {
    const int count = sorter_.read(static_cast<uint32_t>(intOf(info, 0)), doubleOf(info, 1), totals_[0], totals_[1]);
    return Napi::Number::New(info.Env(), count);
  }

 private:
  Memory memory_;
  TunSorter sorter_;
  double* totals_;
};

// new TunWriter(fd, port, totals: [bytes, packets, errors])
class TunWriterObject : public Napi::ObjectWrap<TunWriterObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TunWriter", {InstanceMethod<&TunWriterObject::write>("write")});
  }

  explicit TunWriterObject(const Napi::CallbackInfo& info)
      : ObjectWrap(info), writer_(intOf(info, 0), memory_.consumer(info[1])), totals_(arrayOf<double>(memory_, info[2])) {}

  Napi::Value write(const Napi::CallbackInfo& info) {
    uint32_t errors = 0;
    const int count = writer_.write(static_cast<uint32_t>(intOf(info, 0)), totals_[0], totals_[1], errors);
    totals_[2] += errors;
    return Napi::Number::New(info.Env(), count);
  }

 private:
  Memory memory_;
  TunWriter writer_;
  double* totals_;
};

}  // namespace

void initTun(Napi::Env env, Napi::Object exports) {
  exports.Set("TunReader", TunReaderObject::define(env));
  exports.Set("TunSorter", TunSorterObject::define(env));
  exports.Set("TunWriter", TunWriterObject::define(env));
}

}  // namespace hawser
