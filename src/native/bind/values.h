// Arguments of Node-API calls: memory by typed-array view (a bare SharedArrayBuffer is refused by Node-API), ports, errors.
#pragma once
#include <napi.h>

#include <cstring>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/ring.h"

namespace hawser {

// Holds the views that native pointers point into, so that their memory outlives the object.
class Memory {
 public:
  uint8_t* of(const Napi::Value& value) {
    // In a thread that is being cut every property reads as empty. It runs no JavaScript any more, so what it is given here is
    // never used; it must only not be a null pointer.
    if (value.IsEmpty()) return nothing_;
    Napi::Uint8Array view = value.As<Napi::Uint8Array>();
    keep_.push_back(Napi::Persistent(view));
    return view.Data();
  }

  // A port as native code takes it: { ring: Uint8Array, doorbell: Uint8Array, doorbellFd }.
  RingProducer producer(const Napi::Value& value) {
    const Napi::Object port = value.As<Napi::Object>();
    const Doorbell doorbell(of(port.Get("doorbell")), port.Get("doorbellFd").ToNumber().Int32Value());
    return RingProducer(of(port.Get("ring")), doorbell);
  }
  // The same for a producer of records of up to `largestBytes`; throws when the ring cannot carry them.
  RingProducer producer(const Napi::Value& value, uint32_t largestBytes) {
    const RingProducer ring = producer(value);
    if (!ring.carries(largestBytes)) {
      const std::string what = "A ring of " + std::to_string(ring.capacity()) + " bytes cannot carry records of " + std::to_string(largestBytes);
      Napi::RangeError::New(value.Env(), what).ThrowAsJavaScriptException();
    }
    return ring;
  }
  // An array of such ports, which is not empty.
  std::vector<RingProducer> producers(const Napi::Value& value, uint32_t largestBytes) {
    const Napi::Array ports = value.As<Napi::Array>();
    std::vector<RingProducer> rings;
    for (uint32_t i = 0; i < ports.Length(); i++) rings.push_back(producer(ports.Get(i), largestBytes));
    return rings;
  }
  RingConsumer consumer(const Napi::Value& value) { return RingConsumer(of(value.As<Napi::Object>().Get("ring"))); }

 private:
  alignas(64) uint8_t nothing_[1024] = {};
  std::vector<Napi::Reference<Napi::Uint8Array>> keep_;
};

// The bytes of a Uint8Array argument; false for anything else.
struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

inline bool bytesOf(const Napi::Value& value, Bytes& target) {
  if (!value.IsTypedArray()) return false;
  Napi::TypedArray view = value.As<Napi::TypedArray>();
  if (view.TypedArrayType() != napi_uint8_array) return false;
  Napi::Uint8Array bytes = view.As<Napi::Uint8Array>();
  target.data = bytes.Data();
  target.length = bytes.ByteLength();
  return true;
}

inline int32_t intOf(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Int32Value(); }
inline double doubleOf(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().DoubleValue(); }

template <typename T>
T* arrayOf(Memory& memory, const Napi::Value& value) {
  return reinterpret_cast<T*>(memory.of(value));
}

// The same for exactly `count` of T, which is what TypeScript's columns say: in a view of another size each side would read the other's
// numbers in the wrong place. Throws then, and returns null.
template <typename T>
T* rowsOf(Memory& memory, const Napi::Object& from, const char* name, size_t count) {
  const Napi::Value value = from.Get(name);
  // See Memory::of.
  if (value.IsEmpty()) return arrayOf<T>(memory, value);
  Bytes view;
  const bool isBytes = bytesOf(value, view);
  if (isBytes && view.length == count * sizeof(T)) return arrayOf<T>(memory, value);
  const std::string what = std::string("Cannot use \"") + name + "\": " + (isBytes ? std::to_string(view.length) + " bytes" : "no Uint8Array") +
                           ", not " + std::to_string(count * sizeof(T)) + " (" + std::to_string(count) + " of " + std::to_string(sizeof(T)) +
                           " bytes; run npm run build when the addon is of another version)";
  Napi::RangeError::New(value.Env(), what).ThrowAsJavaScriptException();
  return nullptr;
}

// Throws what `open…` functions throw: message, code, syscall, errno.
void throwSystemError(Napi::Env env, const std::string& what, const SystemError& failure);

}  // namespace hawser
