// Node-API side of native/network-api.ts: arguments in, sys/netlink.h, numbers out.
#include "bind/network.h"

#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bind/values.h"
#include "sys/netlink.h"

namespace hawser {
namespace {

int32_t int32Of(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsNumber() ? info[index].As<Napi::Number>().Int32Value() : -1;
}

uint32_t uint32Of(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsNumber() ? info[index].As<Napi::Number>().Uint32Value() : 0;
}

std::string textOf(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsString() ? info[index].As<Napi::String>().Utf8Value() : std::string();
}

Napi::Value throwOpenFailure(Napi::Env env, const char* what, const OpenFailure& failure) {
  const std::string code = uv_err_name(-failure.error);
  const std::string message =
      std::string("Cannot open ") + what + ": " + failure.call + " " + code + " (" + strerror(failure.error) + ")";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("syscall", Napi::String::New(env, failure.call));
  error.Set("errno", Napi::Number::New(env, -failure.error));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value openNetlink(const Napi::CallbackInfo& info) {
  OpenFailure failure;
  const int fd = openNetlinkSocket(uint32Of(info, 0), failure);
  if (fd < 0) return throwOpenFailure(info.Env(), "a netlink socket", failure);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value openMarkedUdp(const Napi::CallbackInfo& info) {
  OpenFailure failure;
  const std::string interfaceName = textOf(info, 2);
  const int fd = openMarkedUdpSocket(int32Of(info, 0), uint32Of(info, 1), interfaceName.c_str(), failure);
  if (fd < 0) {
    const std::string what =
        interfaceName.empty() ? std::string("a marked UDP socket") : "a marked UDP socket on \"" + interfaceName + "\"";
    return throwOpenFailure(info.Env(), what.c_str(), failure);
  }
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value connectUdp(const Napi::CallbackInfo& info) {
  Bytes address;
  const bool valid = bytesOf(info[1], address);
  const uint16_t port = static_cast<uint16_t>(uint32Of(info, 2));
  const int result =
      valid ? connectUdpSocket(int32Of(info, 0), address.data, address.length, port, uint32Of(info, 3)) : -EINVAL;
  return Napi::Number::New(info.Env(), result);
}

Napi::Value sendBytes(const Napi::CallbackInfo& info) {
  Bytes bytes;
  const bool valid = bytesOf(info[1], bytes);
  const long result = valid ? sendOnSocket(int32Of(info, 0), bytes.data, bytes.length) : -EINVAL;
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

Napi::Value receiveBytes(const Napi::CallbackInfo& info) {
  Bytes target;
  const bool valid = bytesOf(info[1], target);
  const long result =
      valid ? receiveFromSocket(int32Of(info, 0), target.data, target.length, int32Of(info, 2)) : -EINVAL;
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

Napi::Value sdNotify(const Napi::CallbackInfo& info) {
  const std::string path = textOf(info, 0);
  const std::string message = textOf(info, 1);
  const int result =
      notifySystemd(path.data(), path.size(), reinterpret_cast<const uint8_t*>(message.data()), message.size());
  return Napi::Number::New(info.Env(), result);
}

}  // namespace

void initNetwork(Napi::Env env, Napi::Object exports) {
  exports.Set("openNetlink", Napi::Function::New(env, openNetlink, "openNetlink"));
  exports.Set("openMarkedUdp", Napi::Function::New(env, openMarkedUdp, "openMarkedUdp"));
  exports.Set("connectUdp", Napi::Function::New(env, connectUdp, "connectUdp"));
  exports.Set("sendBytes", Napi::Function::New(env, sendBytes, "sendBytes"));
  exports.Set("receiveBytes", Napi::Function::New(env, receiveBytes, "receiveBytes"));
  exports.Set("sdNotify", Napi::Function::New(env, sdNotify, "sdNotify"));
}

}  // namespace hawser
