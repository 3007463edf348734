// The list of what the addon exports; one init function a file of bind/.
#include <napi.h>

#include "bind/crypto.h"
#include "bind/data.h"
#include "bind/network.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  hawser::initCrypto(env, exports);
  hawser::initData(env, exports);
  hawser::initNetwork(env, exports);
  hawser::initReadable(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(hawser, init)
