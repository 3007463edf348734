// Node-API side of native/crypto-api.ts: arguments in, sys/aead.h and sys/blake2s.h, numbers out.
#include "bind/crypto.h"

#include <cerrno>
#include <cstring>

#include "bind/values.h"
#include "sys/aead.h"
#include "sys/blake2s.h"
#include "sys/cpu.h"

namespace hawser {
namespace {

// The arguments of aeadSeal and aeadOpen: cipher, key, nonce, additional, source, target.
struct AeadArguments {
  Cipher cipher = Cipher::Plaintext;
  Bytes key, nonce, additional, source, target;
};

bool readAead(const Napi::CallbackInfo& info, AeadArguments& arguments) {
  if (!info[0].IsNumber()) return false;
  const int32_t cipher = info[0].As<Napi::Number>().Int32Value();
  if (cipher < 0 || cipher > static_cast<int32_t>(Cipher::Plaintext)) return false;
  arguments.cipher = static_cast<Cipher>(cipher);
  return bytesOf(info[1], arguments.key) && arguments.key.length == aeadKeyBytes &&
         bytesOf(info[2], arguments.nonce) && arguments.nonce.length == aeadNonceBytes &&
         bytesOf(info[3], arguments.additional) && bytesOf(info[4], arguments.source) &&
         bytesOf(info[5], arguments.target) && arguments.source.length < INT32_MAX &&
         arguments.additional.length < INT32_MAX;
}

Napi::Value aeadSeal(const Napi::CallbackInfo& info) {
  AeadArguments a;
  if (!readAead(info, a) || a.target.length < a.source.length + aeadTagBytes) {
    return Napi::Number::New(info.Env(), -EINVAL);
  }
  AeadContext context;
  const bool done =
      context.initialise(a.cipher, a.key.data, true) &&
      context.sealWith(a.target.data, {a.source.data, a.source.length}, {a.additional.data, a.additional.length}, a.nonce.data);
  return Napi::Number::New(info.Env(), done ? static_cast<double>(a.source.length + aeadTagBytes) : -EIO);
}

Napi::Value aeadOpen(const Napi::CallbackInfo& info) {
  AeadArguments a;
  if (!readAead(info, a)) return Napi::Number::New(info.Env(), -EINVAL);
  if (a.source.length < aeadTagBytes) return Napi::Number::New(info.Env(), -EBADMSG);
  const size_t length = a.source.length - aeadTagBytes;
  if (a.target.length < length) return Napi::Number::New(info.Env(), -EINVAL);
  AeadContext context;
  if (!context.initialise(a.cipher, a.key.data, false)) return Napi::Number::New(info.Env(), -EIO);
  const bool genuine = context.openWith(a.target.data, {a.source.data, a.source.length},
                                        {a.additional.data, a.additional.length}, a.nonce.data);
  if (!genuine && length > 0) memset(a.target.data, 0, length);
  return Napi::Number::New(info.Env(), genuine ? static_cast<double>(length) : -EBADMSG);
}

Napi::Value blake2s128Of(const Napi::CallbackInfo& info) {
  Bytes key, message, target;
  const bool valid = bytesOf(info[0], key) && bytesOf(info[1], message) && bytesOf(info[2], target) &&
                     key.length >= 1 && key.length <= 32 && target.length >= blake2s128Bytes;
  if (!valid) return Napi::Number::New(info.Env(), -EINVAL);
  auto* mac = static_cast<Blake2s128*>(info.Data());
  const bool done = mac->compute(target.data, key.data, key.length, message.data, message.length);
  return Napi::Number::New(info.Env(), done ? static_cast<double>(blake2s128Bytes) : -EIO);
}

Napi::Value hasAesHardware(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), cpuHasAes()); }

}  // namespace

void initCrypto(Napi::Env env, Napi::Object exports) {
  exports.Set("aeadSeal", Napi::Function::New(env, aeadSeal, "aeadSeal"));
  exports.Set("aeadOpen", Napi::Function::New(env, aeadOpen, "aeadOpen"));
  auto* mac = new Blake2s128();
  env.AddCleanupHook([mac] { delete mac; });
  exports.Set("blake2s128", Napi::Function::New(env, blake2s128Of, "blake2s128", mac));
  exports.Set("hasAesHardware", Napi::Function::New(env, hasAesHardware, "hasAesHardware"));
}

}  // namespace hawser
