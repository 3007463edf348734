/* Datagram load that costs little beside what is measured. Every verb prints one JSON array of numbers.
 *   load sink PORT                              counts datagrams until one says END        → [datagrams]
 *   load send HOST PORT BYTES PPS SECONDS       paced batches of sendmmsg, then END        → [datagrams sent]
 *   load echo PORT                              answers until it is killed
 *   load flood HOST PORT PPS SECONDS            forged WireGuard messages, right sizes     → [datagrams sent]
 *   load ping HOST PORT INTERVAL_US COUNT       one 64-byte datagram an interval           → [p50, p99, p99.9, max us, lost]
 * HOST is a numeric IPv4 address. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, slot_bytes = 2048, buffer_bytes = 8 << 20 };
static char slots[batch][slot_bytes];
static struct mmsghdr messages[batch];
static struct iovec vectors[batch];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void rest_us(int us) {
  struct timespec t = {.tv_nsec = us * 1000L};
  nanosleep(&t, NULL);
}

static int open_socket(const char *host, int port, int is_server) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = buffer_bytes;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (!is_server && inet_pton(AF_INET, host, &address.sin_addr) != 1) exit(2);
  int result = is_server ? bind(fd, (void *)&address, sizeof address) : connect(fd, (void *)&address, sizeof address);
  if (result < 0) {
    perror("load");
    exit(1);
  }
  return fd;
}

static void prepare(size_t bytes) {
  for (int i = 0; i < batch; i++) {
    vectors[i] = (struct iovec){.iov_base = slots[i], .iov_len = bytes};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
}

static void run_sink(int port) {
  int fd = open_socket(NULL, port, 1);
  prepare(slot_bytes);
  puts("ready");
  fflush(stdout);
  for (long count = 0;;) {
    int got = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
    for (int i = 0; i < got; i++) {
      if (memcmp(slots[i], "END", 3) != 0) {
        count++;
        continue;
      }
      printf("[%ld]\n", count);
      return;
    }
  }
}

/* Initiations, responses, cookies and data in turn: the right type and size, all else random. */
static void forge(void) {
  static const size_t bytes[] = {148, 92, 64, 1452};
  for (int i = 0; i < batch; i++) {
    for (size_t at = 0; at < slot_bytes; at++) slots[i][at] = rand();
    memset(slots[i], 0, 4);
    slots[i][0] = i % 4 + 1;
    vectors[i].iov_len = bytes[i % 4];
  }
}

/* Zero bytes = a flood of forgeries. */
static void run_send(const char *host, int port, size_t bytes, double pps, double seconds) {
  int fd = open_socket(host, port, 0);
  prepare(bytes);
  if (bytes == 0) forge();
  double start = now_us();
  long sent = 0, total = (long)(pps * seconds);
  while (sent < total) {
    long due = (long)((now_us() - start) * pps / 1e6) - sent;
    /* Behind by more than 20 ms of the rate: this sender cannot; it does not burst to catch up. */
    if (due > pps / 50) total -= due - (long)(pps / 50), start += (due - pps / 50) * 1e6 / pps;
    if (due <= 0) {
      rest_us(50);
      continue;
    }
    int result = sendmmsg(fd, messages, due < batch ? due : batch, 0);
    if (result > 0) sent += result;
    else rest_us(50);
  }
  printf("[%ld]\n", sent);
  if (bytes == 0) return;
  for (int i = 0; i < 10; i++) {
    usleep(100000);
    if (send(fd, "END", 3, 0) < 0) return;
  }
}

static void run_echo(int port) {
  int fd = open_socket(NULL, port, 1);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, slots[0], slot_bytes, 0, (void *)&from, &length);
    if (got > 0 && sendto(fd, slots[0], got, 0, (void *)&from, length) < 0) perror("load echo");
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void run_ping(const char *host, int port, int interval_us, int count) {
  int fd = open_socket(host, port, 0), got = 0;
  double *trips = calloc(count, sizeof *trips), start = now_us(), last_due = start + (double)count * interval_us;
  for (int sent = 0; got < count;) {
    double now = now_us();
    if (sent < count && now >= start + (double)sent * interval_us) {
      double packet[8] = {now};
      if (send(fd, packet, sizeof packet, 0) > 0) sent++;
      continue;
    }
    if (sent == count && now > last_due + 500e3) break;
    double next = sent < count ? start + (double)sent * interval_us - now : 10e3;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    struct timespec wait = {.tv_nsec = next > 0 ? (long)(next * 1e3) : 0};
    if (ppoll(&item, 1, &wait, NULL) <= 0) continue;
    double packet[8];
    if (recv(fd, packet, sizeof packet, 0) == sizeof packet) trips[got++] = now_us() - packet[0];
  }
  if (got == 0) exit(1);
  qsort(trips, got, sizeof *trips, compare);
  double p50 = trips[got / 2], p99 = trips[(int)(got * 0.99)], p999 = trips[(int)(got * 0.999)];
  printf("[%.1f, %.1f, %.1f, %.1f, %d]\n", p50, p99, p999, trips[got - 1], count - got);
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  if (argc == 3 && strcmp(verb, "sink") == 0) run_sink(atoi(argv[2]));
  else if (argc == 3 && strcmp(verb, "echo") == 0) run_echo(atoi(argv[2]));
  else if (argc == 7 && strcmp(verb, "send") == 0)
    run_send(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]), atof(argv[6]));
  else if (argc == 6 && strcmp(verb, "flood") == 0) run_send(argv[2], atoi(argv[3]), 0, atof(argv[4]), atof(argv[5]));
  else if (argc == 6 && strcmp(verb, "ping") == 0) run_ping(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
  else return 2;
  return 0;
}
