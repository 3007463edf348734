// Runs every registered case, or those whose title contains the first argument, and prints TAP.
#include <cstring>

#include "check.h"

int main(int count, char** arguments) {
  using namespace hawser::test;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  int number = 0;
  int failed = 0;
  for (const Case& one : cases()) {
    if (count > 1 && std::strstr(one.title, arguments[1]) == nullptr) continue;
    failuresBefore() = failures();
    one.run();
    const bool passed = failures() == failuresBefore();
    if (!passed) failed += 1;
    std::printf("%s %d - %s\n", passed ? "ok" : "not ok", ++number, one.title);
  }
  std::printf("1..%d\n", number);
  return failed == 0 ? 0 : 1;
}
