// Exports of native/data-api.ts: plain functions, and the classes that actors drive.
#pragma once
#include <napi.h>

namespace hawser {

void initData(Napi::Env env, Napi::Object exports);
void initTun(Napi::Env env, Napi::Object exports);
void initLink(Napi::Env env, Napi::Object exports);
void initSealer(Napi::Env env, Napi::Object exports);
void initOpener(Napi::Env env, Napi::Object exports);
void initFakeTcp(Napi::Env env, Napi::Object exports);
void initTcp(Napi::Env env, Napi::Object exports);

}  // namespace hawser
