// Node-API side of native/crypto-api.ts: arguments in, sys/aead.h, sys/blake2s.h and its sisters, numbers out.
#include "bind/crypto.h"

#include <cerrno>
#include <cstring>

#include "bind/values.h"
#include "sys/aead.h"
#include "sys/blake2s.h"
#include "sys/blake2s256.h"
#include "sys/cpu.h"
#include "sys/x25519.h"

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

Napi::Value blake2s256Of(const Napi::CallbackInfo& info) {
  Bytes first, second, target;
  const bool valid = bytesOf(info[0], first) && bytesOf(info[1], second) && bytesOf(info[2], target) && target.length == blake2s256Bytes;
  if (!valid) return Napi::Number::New(info.Env(), -EINVAL);
  // Into a place of its own: the hash of a handshake is made of itself.
  uint8_t hash[blake2s256Bytes];
  auto* digest = static_cast<Blake2s256*>(info.Data());
  if (!digest->hash(hash, {first.data, first.length}, {second.data, second.length})) return Napi::Number::New(info.Env(), -EIO);
  memcpy(target.data, hash, sizeof(hash));
  return Napi::Number::New(info.Env(), static_cast<double>(blake2s256Bytes));
}

Napi::Value blake2sHkdf(const Napi::CallbackInfo& info) {
  Bytes chainingKey, input, target;
  const bool valid = bytesOf(info[0], chainingKey) && bytesOf(info[1], input) && bytesOf(info[2], target) &&
                     chainingKey.length == blake2s256Bytes && target.length > 0 && target.length <= 3 * blake2s256Bytes &&
                     target.length % blake2s256Bytes == 0;
  if (!valid) return Napi::Number::New(info.Env(), -EINVAL);
  auto* digest = static_cast<Blake2s256*>(info.Data());
  const bool done = digest->derive(target.data, target.length / blake2s256Bytes, chainingKey.data, {input.data, input.length});
  return Napi::Number::New(info.Env(), done ? static_cast<double>(target.length) : -EIO);
}

// new X25519Key(raw?)
class X25519KeyObject : public Napi::ObjectWrap<X25519KeyObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Self = X25519KeyObject;
    return DefineClass(env, "X25519Key",
                       {InstanceMethod<&Self::copyPublic>("copyPublic"), InstanceMethod<&Self::derive>("derive"), InstanceMethod<&Self::clear>("clear")});
  }

  explicit X25519KeyObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    Bytes raw;
    const bool isGiven = !info[0].IsUndefined();
    if (isGiven && (!bytesOf(info[0], raw) || raw.length != x25519Bytes)) {
      Napi::RangeError::New(info.Env(), "An X25519 private key has 32 bytes").ThrowAsJavaScriptException();
    } else if (!(isGiven ? key_.read(raw.data) : key_.generate())) {
      Napi::Error::New(info.Env(), "OpenSSL makes no X25519 key").ThrowAsJavaScriptException();
    }
  }

 private:
  Napi::Value copyPublic(const Napi::CallbackInfo& info) {
    Bytes target;
    if (!bytesOf(info[0], target) || target.length != x25519Bytes) return Napi::Number::New(info.Env(), -EINVAL);
    memcpy(target.data, key_.publicKey(), x25519Bytes);
    return Napi::Number::New(info.Env(), static_cast<double>(x25519Bytes));
  }

  Napi::Value derive(const Napi::CallbackInfo& info) {
    Bytes other, target;
    const bool valid = bytesOf(info[0], other) && bytesOf(info[1], target) && other.length == x25519Bytes && target.length == x25519Bytes;
    if (!valid) return Napi::Number::New(info.Env(), -EINVAL);
    return Napi::Number::New(info.Env(), key_.derive(target.data, other.data) ? static_cast<double>(x25519Bytes) : -EBADMSG);
  }

  Napi::Value clear(const Napi::CallbackInfo& info) {
    key_.clear();
    return info.Env().Undefined();
  }

  X25519Key key_;
};

Napi::Value hasAesHardware(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), cpuHasAes()); }

}  // namespace

void initCrypto(Napi::Env env, Napi::Object exports) {
  exports.Set("aeadSeal", Napi::Function::New(env, aeadSeal, "aeadSeal"));
  exports.Set("aeadOpen", Napi::Function::New(env, aeadOpen, "aeadOpen"));
  auto* mac = new Blake2s128();
  env.AddCleanupHook([mac] { delete mac; });
  exports.Set("blake2s128", Napi::Function::New(env, blake2s128Of, "blake2s128", mac));
  auto* digest = new Blake2s256();
  env.AddCleanupHook([digest] { delete digest; });
  exports.Set("blake2s256", Napi::Function::New(env, blake2s256Of, "blake2s256", digest));
  exports.Set("blake2sHkdf", Napi::Function::New(env, blake2sHkdf, "blake2sHkdf", digest));
  exports.Set("X25519Key", X25519KeyObject::define(env));
  exports.Set("hasAesHardware", Napi::Function::New(env, hasAesHardware, "hasAesHardware"));
}

}  // namespace hawser
