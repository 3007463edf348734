// Exports of native/crypto-api.ts.
#pragma once
#include <napi.h>

namespace hawser {

void initCrypto(Napi::Env env, Napi::Object exports);

}  // namespace hawser
