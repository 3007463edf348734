// The smallest test harness: cases register themselves, a failed check prints where and what, and main speaks TAP.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace hawser::test {

struct Case {
  const char* title;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Registration {
  Registration(const char* title, void (*run)()) { cases().push_back({title, run}); }
};

inline int& failures() {
  static int count = 0;
  return count;
}

// Failures when the current case began; a case that already failed this often has said enough.
inline int& failuresBefore() {
  static int count = 0;
  return count;
}
inline bool hopeless() { return failures() - failuresBefore() > 5; }

inline void fail(const char* file, int line, const std::string& what) {
  failures() += 1;
  std::printf("# %s:%d: %s\n", file, line, what.c_str());
}

inline std::string shown(long long value) { return std::to_string(value); }

// A seeded generator (xorshift64*), so that a failure can be had again.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>(state_ * 0x2545f4914f6cdd1du >> 32);
  }
  uint32_t below(uint32_t limit) { return next() % limit; }
  uint32_t between(uint32_t from, uint32_t to) { return from + below(to - from + 1); }
  bool chance(uint32_t outOf) { return below(outOf) == 0; }

 private:
  uint64_t state_;
};

}  // namespace hawser::test

#define HAWSER_JOIN2(a, b) a##b
#define HAWSER_JOIN(a, b) HAWSER_JOIN2(a, b)
#define TEST(title) HAWSER_TEST(title, HAWSER_JOIN(testCase, __LINE__), HAWSER_JOIN(testEntry, __LINE__))
#define HAWSER_TEST(title, name, entry)                        \
  static void name();                                          \
  static const ::hawser::test::Registration entry(title, name); \
  static void name()
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) ::hawser::test::fail(__FILE__, __LINE__, "not so: " #condition); \
  } while (false)
#define CHECK_EQUAL(found, wanted)                                                                                       \
  do {                                                                                                                   \
    const long long isFound = static_cast<long long>(found);                                                             \
    const long long isWanted = static_cast<long long>(wanted);                                                           \
    if (isFound != isWanted)                                                                                             \
      ::hawser::test::fail(__FILE__, __LINE__, #found " is " + ::hawser::test::shown(isFound) + ", not " + ::hawser::test::shown(isWanted)); \
  } while (false)
