#include "bind/data.h"

#include <sys/eventfd.h>
#include <uv.h>

#include "bind/values.h"
#include "sys/layout.h"
#include "sys/thread_slice.h"
#include "sys/tun.h"
#include "sys/udp_socket.h"
#include "sys/wait.h"

namespace hawser {

void throwSystemError(Napi::Env env, const std::string& what, const SystemError& failure) {
  const std::string code = uv_err_name(-failure.number);
  Napi::Error error = Napi::Error::New(env, "Cannot open " + what + ": " + failure.call + " " + code + " (" + std::strerror(failure.number) + ")");
  error.Set("code", Napi::String::New(env, code));
  error.Set("syscall", Napi::String::New(env, failure.call));
  error.Set("errno", Napi::Number::New(env, -failure.number));
  error.ThrowAsJavaScriptException();
}

namespace {

Napi::Value now(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), nowUs()); }

Napi::Value unixNow(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), unixUs()); }

Napi::Value openDoorbell(const Napi::CallbackInfo& info) {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) throwSystemError(info.Env(), "a doorbell", SystemError::now("eventfd"));
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value ring(const Napi::CallbackInfo& info) {
  const uint64_t one = 1;
  const ssize_t wrote = ::write(intOf(info, 0), &one, sizeof one);
  return Napi::Number::New(info.Env(), wrote < 0 ? -errno : 0);
}

Napi::Value closeFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ::close(intOf(info, 0)) < 0 ? -errno : 0);
}

Napi::Value replaceFd(const Napi::CallbackInfo& info) {
  const int fresh = intOf(info, 0);
  const int failed = ::dup3(fresh, intOf(info, 1), O_CLOEXEC) < 0 ? -errno : 0;
  ::close(fresh);
  return Napi::Number::New(info.Env(), failed);
}

Napi::Value wait(const Napi::CallbackInfo& info) {
  Napi::Int32Array fds = info[2].As<Napi::Int32Array>();
  const int result = waitForWork(intOf(info, 0), fds.Data(), static_cast<uint32_t>(fds.ElementLength()), doubleOf(info, 3));
  return Napi::Number::New(info.Env(), result);
}

Napi::Value setSlice(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), setThreadSlice(intOf(info, 0), doubleOf(info, 1)));
}

Napi::Value pause(const Napi::CallbackInfo& info) {
  pauseThread(doubleOf(info, 0));
  return info.Env().Undefined();
}

Napi::Value openTunDevice(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  const Napi::Object options = info[1].As<Napi::Object>();
  TunDevice device;
  const SystemError failed =
      openTun(name, options.Get("persistent").ToBoolean(), options.Get("multiQueue").ToBoolean(), device);
  if (failed.call != nullptr) {
    throwSystemError(info.Env(), "TUN device \"" + name + "\"", failed);
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("fd", device.fd);
  result.Set("name", device.name);
  result.Set("udpOffload", device.udpOffload);
  return result;
}

Napi::Value setPersistent(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), setTunPersistent(intOf(info, 0), info[1].ToBoolean()));
}

Napi::Value openUdpSocket(const Napi::CallbackInfo& info) {
  const Napi::Object from = info[0].As<Napi::Object>();
  UdpOptions options;
  options.family = from.Get("family").ToNumber().Int32Value() == 4 ? AF_INET : AF_INET6;
  options.port = static_cast<uint16_t>(from.Get("port").ToNumber().Uint32Value());
  options.mark = from.Get("mark").ToNumber().Uint32Value();
  options.interface = from.Get("interface").ToString();
  UdpSocket socket;
  const SystemError failed = openUdp(options, socket);
  if (failed.call != nullptr) {
    throwSystemError(info.Env(), "UDP port " + std::to_string(options.port), failed);
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("fd", socket.fd);
  result.Set("port", socket.port);
  result.Set("gso", socket.gso);
  result.Set("gro", socket.gro);
  result.Set("receiveBufferBytes", socket.receiveBufferBytes);
  result.Set("sendBufferBytes", socket.sendBufferBytes);
  return result;
}

Napi::Object layoutObject(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
#define HAWSER_EXPORT(group, name, value) object.Set(#group "." #name, static_cast<double>(layout::group##_##name));
  HAWSER_LAYOUT(HAWSER_EXPORT)
#undef HAWSER_EXPORT
  return object;
}

}  // namespace

void initData(Napi::Env env, Napi::Object exports) {
  exports.Set("layout", layoutObject(env));
  exports.Set("nowUs", Napi::Function::New(env, now));
  exports.Set("unixUs", Napi::Function::New(env, unixNow));
  exports.Set("openDoorbell", Napi::Function::New(env, openDoorbell));
  exports.Set("ring", Napi::Function::New(env, ring));
  exports.Set("closeFd", Napi::Function::New(env, closeFd));
  exports.Set("replaceFd", Napi::Function::New(env, replaceFd));
  exports.Set("wait", Napi::Function::New(env, wait));
  exports.Set("setThreadSlice", Napi::Function::New(env, setSlice));
  exports.Set("pause", Napi::Function::New(env, pause));
  exports.Set("openTun", Napi::Function::New(env, openTunDevice));
  exports.Set("setTunPersistent", Napi::Function::New(env, setPersistent));
  exports.Set("openUdp", Napi::Function::New(env, openUdpSocket));
  initTun(env, exports);
  initLink(env, exports);
  initSealer(env, exports);
  initOpener(env, exports);
  initFakeTcp(env, exports);
  initTcp(env, exports);
}

}  // namespace hawser
