// Node-API side of native/tcp-api.ts: arguments in, sys/tcp_socket.h, numbers out.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "bind/data.h"
#include "bind/values.h"
#include "sys/tcp_socket.h"

namespace hawser {
namespace {

Napi::Value listenTcp(const Napi::CallbackInfo& info) {
  const Napi::Object from = info[0].As<Napi::Object>();
  TcpListenOptions options;
  options.family = from.Get("family").ToNumber().Int32Value() == 4 ? AF_INET : AF_INET6;
  options.port = static_cast<uint16_t>(from.Get("port").ToNumber().Uint32Value());
  options.mark = from.Get("mark").ToNumber().Uint32Value();
  options.interface = from.Get("interface").ToString();
  int fd = -1;
  const SystemError failed = openTcpListener(options, fd);
  if (failed.call != nullptr) {
    throwSystemError(info.Env(), "TCP port " + std::to_string(options.port), failed);
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value duplicateFd(const Napi::CallbackInfo& info) {
  const int fd = ::fcntl(intOf(info, 0), F_DUPFD_CLOEXEC, 3);
  return Napi::Number::New(info.Env(), fd < 0 ? -errno : fd);
}

Napi::Value tune(const Napi::CallbackInfo& info) {
  const int result = tuneTcp(intOf(info, 0), static_cast<uint32_t>(intOf(info, 1)), static_cast<uint32_t>(intOf(info, 2)));
  return Napi::Number::New(info.Env(), result);
}

}  // namespace

void initTcp(Napi::Env env, Napi::Object exports) {
  exports.Set("listenTcp", Napi::Function::New(env, listenTcp));
  exports.Set("duplicateFd", Napi::Function::New(env, duplicateFd));
  exports.Set("tuneTcp", Napi::Function::New(env, tune));
}

}  // namespace hawser
