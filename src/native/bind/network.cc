// Node-API side of native/network-api.ts: arguments in, sys/netlink.h, numbers out.
#include "bind/network.h"

#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bind/values.h"
#include "sys/children.h"
#include "sys/netlink.h"
#include "sys/probe.h"

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
  const int fd = openNetlinkSocket(int32Of(info, 1), uint32Of(info, 0), failure);
  if (fd < 0) return throwOpenFailure(info.Env(), "a netlink socket", failure);
  return Napi::Number::New(info.Env(), fd);
}

using OpenMarked = int (*)(int family, uint32_t fwmark, const char* interfaceName, OpenFailure& failure);

Napi::Value openMarked(const Napi::CallbackInfo& info, OpenMarked open, const char* kind) {
  OpenFailure failure;
  const std::string interfaceName = textOf(info, 2);
  const int fd = open(int32Of(info, 0), uint32Of(info, 1), interfaceName.c_str(), failure);
  if (fd < 0) {
    const std::string where = interfaceName.empty() ? std::string() : " on \"" + interfaceName + "\"";
    return throwOpenFailure(info.Env(), (std::string("a marked ") + kind + " socket" + where).c_str(), failure);
  }
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value openMarkedUdp(const Napi::CallbackInfo& info) { return openMarked(info, openMarkedUdpSocket, "UDP"); }
Napi::Value openMarkedIcmp(const Napi::CallbackInfo& info) { return openMarked(info, openMarkedIcmpSocket, "ICMP"); }
Napi::Value openMarkedTcp(const Napi::CallbackInfo& info) { return openMarked(info, openMarkedTcpSocket, "TCP"); }

// Where a call leaves one number beside its result: the first cell of a Float64Array.
void leaveNumber(const Napi::Value& target, double value) {
  if (!target.IsTypedArray()) return;
  Napi::TypedArray array = target.As<Napi::TypedArray>();
  if (array.TypedArrayType() == napi_float64_array && array.ElementLength() > 0) array.As<Napi::Float64Array>()[0] = value;
}

Napi::Value tcpConnected(const Napi::CallbackInfo& info) {
  double roundTripUs = 0;
  const int result = tcpConnectState(int32Of(info, 0), roundTripUs);
  leaveNumber(info[1], roundTripUs);
  return Napi::Number::New(info.Env(), result);
}

Napi::Value receiveWithTime(const Napi::CallbackInfo& info) {
  Bytes target;
  double arrivedUs = 0;
  const bool valid = bytesOf(info[1], target);
  const long result = valid ? receiveStamped(int32Of(info, 0), target.data, target.length, arrivedUs) : -EINVAL;
  leaveNumber(info[2], arrivedUs);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

Napi::Value connectUdp(const Napi::CallbackInfo& info) {
  Bytes address;
  const bool valid = bytesOf(info[1], address);
  const uint16_t port = static_cast<uint16_t>(uint32Of(info, 2));
  const int result =
      valid ? connectUdpSocket(int32Of(info, 0), address.data, address.length, port, uint32Of(info, 3)) : -EINVAL;
  return Napi::Number::New(info.Env(), result);
}

Napi::Value filterRoutes(const Napi::CallbackInfo& info) {
  Bytes addresses;
  const bool valid = bytesOf(info[2], addresses);
  const auto protocol = static_cast<uint8_t>(uint32Of(info, 1));
  const int result = valid ? filterRouteEvents(int32Of(info, 0), protocol, addresses.data, addresses.length / 5) : -EINVAL;
  return Napi::Number::New(info.Env(), result);
}

Napi::Value bindTo(const Napi::CallbackInfo& info) {
  Bytes address;
  const bool valid = bytesOf(info[1], address);
  const int result = valid ? bindSource(int32Of(info, 0), address.data, address.length, uint32Of(info, 2)) : -EINVAL;
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

Napi::Value reap(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), reapChild(int32Of(info, 0), int32Of(info, 1)));
}

}  // namespace

void initNetwork(Napi::Env env, Napi::Object exports) {
  exports.Set("openNetlink", Napi::Function::New(env, openNetlink, "openNetlink"));
  exports.Set("openMarkedUdp", Napi::Function::New(env, openMarkedUdp, "openMarkedUdp"));
  exports.Set("openMarkedIcmp", Napi::Function::New(env, openMarkedIcmp, "openMarkedIcmp"));
  exports.Set("openMarkedTcp", Napi::Function::New(env, openMarkedTcp, "openMarkedTcp"));
  exports.Set("tcpConnected", Napi::Function::New(env, tcpConnected, "tcpConnected"));
  exports.Set("receiveStamped", Napi::Function::New(env, receiveWithTime, "receiveStamped"));
  exports.Set("connectUdp", Napi::Function::New(env, connectUdp, "connectUdp"));
  exports.Set("filterRouteEvents", Napi::Function::New(env, filterRoutes, "filterRouteEvents"));
  exports.Set("bindSource", Napi::Function::New(env, bindTo, "bindSource"));
  exports.Set("sendBytes", Napi::Function::New(env, sendBytes, "sendBytes"));
  exports.Set("receiveBytes", Napi::Function::New(env, receiveBytes, "receiveBytes"));
  exports.Set("reapChild", Napi::Function::New(env, reap, "reapChild"));
  exports.Set("sdNotify", Napi::Function::New(env, sdNotify, "sdNotify"));
}

}  // namespace hawser
