// Tells JavaScript that a descriptor has become readable. The one place where native code calls JavaScript: Node watches only what it
// can read by itself (uv_guess_handle), and a netlink socket is none of that. It is for the main thread, off the packet path.
#include <uv.h>

#include <cerrno>

#include "bind/network.h"

namespace hawser {
namespace {

struct Watch {
  Watch(Napi::Env from, const Napi::Function& function)
      : env(from), callback(Napi::Persistent(function)), context(from, "hawser:readable") {}

  Napi::Env env;
  Napi::FunctionReference callback;
  Napi::AsyncContext context;
  uv_poll_t poll{};
  // Of the environment's end, which waits until the loop has let go of the handle.
  napi_async_cleanup_hook_handle cleanup = nullptr;
};

void onReadable(uv_poll_t* poll, int status, int) {
  Watch* watch = static_cast<Watch*>(poll->data);
  const Napi::HandleScope scope(watch->env);
  watch->callback.MakeCallback(watch->env.Global(), {}, watch->context);
  if (watch->env.IsExceptionPending()) {
    napi_fatal_exception(watch->env, watch->env.GetAndClearPendingException().Value());
  }
  // libuv takes a socket that has an error (ENOBUFS: the kernel dropped events) for a broken one; reading has cleared it.
  if (status < 0 && uv_is_closing(reinterpret_cast<uv_handle_t*>(poll)) == 0) uv_poll_start(poll, UV_READABLE, onReadable);
}

// Idempotent; the watch is gone some turns of the loop later.
void stop(Watch* watch) {
  uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(&watch->poll);
  if (uv_is_closing(handle) != 0) return;
  uv_close(handle, [](uv_handle_t* closed) {
    Watch* ended = static_cast<Watch*>(closed->data);
    const Napi::HandleScope scope(ended->env);
    napi_remove_async_cleanup_hook(ended->cleanup);
    delete ended;
  });
}

// (fd, callback) → a function that ends it, to be called once and before the descriptor is closed.
Napi::Value watchReadable(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  Watch* watch = new Watch(env, info[1].As<Napi::Function>());
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const int refused = uv_poll_init(loop, &watch->poll, fd);
  if (refused < 0) {
    delete watch;
    Napi::Error::New(env, std::string("Cannot watch a descriptor: ") + uv_strerror(refused)).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  watch->poll.data = watch;
  const auto onEnd = [](napi_async_cleanup_hook_handle, void* data) { stop(static_cast<Watch*>(data)); };
  napi_add_async_cleanup_hook(env, onEnd, watch, &watch->cleanup);
  uv_poll_start(&watch->poll, UV_READABLE, onReadable);
  uv_unref(reinterpret_cast<uv_handle_t*>(&watch->poll));
  return Napi::Function::New(env, [watch](const Napi::CallbackInfo&) { stop(watch); });
}

}  // namespace

void initReadable(Napi::Env env, Napi::Object exports) {
  exports.Set("watchReadable", Napi::Function::New(env, watchReadable, "watchReadable"));
}

}  // namespace hawser
