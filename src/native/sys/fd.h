// A file descriptor that closes itself unless it was released, and the error of an `open…`.
#pragma once
#include <unistd.h>

#include <cerrno>

namespace hawser {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// Which call failed and how; `call` is null when nothing did.
struct SystemError {
  const char* call = nullptr;
  int number = 0;
  static SystemError now(const char* call) { return SystemError{call, errno}; }
};

}  // namespace hawser
