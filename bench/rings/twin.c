/* The same jobs as the benches of src/rings, in plain C: what the machine allows.
 *   twin roundtrip-spin SECONDS   two threads hand a word back and forth, spinning    → [round trips per second]
 *   twin roundtrip-futex SECONDS  the same, asleep in between                         → [round trips per second]
 *   twin wake COUNT PAUSE_US      a thread blocked in poll(eventfd) is woken          → [p50, p99, max microseconds]
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Alignas(128) atomic_int ping_word;
static _Alignas(128) atomic_int pong_word;
static _Alignas(128) atomic_int stop_word;
static int is_futex;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void await(atomic_int *word, int wanted) {
  for (;;) {
    int seen = atomic_load(word);
    if (seen == wanted) return;
    if (is_futex) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    else if (atomic_load_explicit(&stop_word, memory_order_relaxed)) return;
  }
}

static void put(atomic_int *word, int value) {
  atomic_store(word, value);
  if (is_futex) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *unused) {
  (void)unused;
  for (int i = 1; !atomic_load_explicit(&stop_word, memory_order_relaxed); i++) {
    await(&ping_word, i);
    put(&pong_word, i);
  }
  return NULL;
}

static void roundtrip(double seconds) {
  pthread_t thread;
  pthread_create(&thread, NULL, answer, NULL);
  double start = now_us(), end = start + seconds * 1e6;
  int count = 0;
  while (now_us() < end) {
    for (int i = 0; i < 16; i++) {
      put(&ping_word, ++count);
      await(&pong_word, count);
    }
  }
  double took = now_us() - start;
  printf("[%.1f]\n", count / took * 1e6);
  atomic_store(&stop_word, 1);
  put(&ping_word, count + 1);
  pthread_join(thread, NULL);
}

static int bell;
static int wake_count;
static double *latencies;
static _Atomic double sent_at;

static void *sleeper(void *unused) {
  (void)unused;
  struct pollfd item = {.fd = bell, .events = POLLIN};
  /* On a busy machine two rings may fall into one wake-up: it counts for both. */
  for (int i = 0; i < wake_count;) {
    uint64_t value;
    poll(&item, 1, -1);
    double latency = now_us() - atomic_load(&sent_at);
    if (read(bell, &value, 8) != 8) abort();
    while (value-- > 0 && i < wake_count) latencies[i++] = latency;
  }
  return NULL;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void wake(int count, int pause_us) {
  pthread_t thread;
  bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  wake_count = count;
  latencies = calloc(count, sizeof *latencies);
  pthread_create(&thread, NULL, sleeper, NULL);
  for (int i = 0; i < count; i++) {
    usleep(pause_us);
    uint64_t one = 1;
    atomic_store(&sent_at, now_us());
    if (write(bell, &one, 8) != 8) abort();
  }
  pthread_join(thread, NULL);
  qsort(latencies, count, sizeof *latencies, compare);
  printf("[%.2f, %.2f, %.2f]\n", latencies[count / 2], latencies[(int)(count * 0.99)], latencies[count - 1]);
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  double first = argc > 2 ? atof(argv[2]) : 1;
  is_futex = strcmp(verb, "roundtrip-futex") == 0;
  if (strncmp(verb, "roundtrip-", 10) == 0) roundtrip(first);
  else if (strcmp(verb, "wake") == 0) wake((int)first, argc > 3 ? atoi(argv[3]) : 200);
  else return 2;
  return 0;
}
