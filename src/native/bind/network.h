// Exports of native/network-api.ts.
#pragma once
#include <napi.h>

namespace hawser {

void initNetwork(Napi::Env env, Napi::Object exports);
void initReadable(Napi::Env env, Napi::Object exports);

}  // namespace hawser
