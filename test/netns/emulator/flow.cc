// Traffic for tests and benches, one JSON object a line on stdout:
//   flow serve PORT [mptcp]                                            TCP server, until it is killed
//   flow tcp HOST PORT up|down SECONDS BYTES STREAMS CC [mptcp]        bytes received in each 100 ms, per stream
//   flow udp-sink PORT                                                 `cut` and `report` on stdin
//   flow udp-send HOST PORT MBIT BYTES SECONDS TOS
//   flow udp-echo PORT
//   flow udp-ping HOST PORT INTERVAL_MS COUNT BYTES
#include <cmath>
#include <map>

#include "flow-tcp.h"
#include "flow-udp.h"

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string verb = argc > 1 ? argv[1] : "";
  static const std::map<std::string, int> leastArguments = {
      {"serve", 3}, {"tcp", 9}, {"udp-sink", 3}, {"udp-send", 8}, {"udp-echo", 3}, {"udp-ping", 7},
  };
  const auto least = leastArguments.find(verb);
  if (least == leastArguments.end() || argc < least->second) {
    std::fprintf(stderr, "flow: unknown verb or too few arguments\n");
    return 2;
  }
  const bool isMptcp = std::strcmp(argv[argc - 1], "mptcp") == 0;
  if (verb == "serve") return flow::serve(std::atoi(argv[2]), isMptcp);
  if (verb == "udp-sink") return flow::udpSink(std::atoi(argv[2]));
  if (verb == "udp-echo") return flow::udpEcho(std::atoi(argv[2]));
  const flow::Address address = flow::parseAddress(argv[2], std::atoi(argv[3]));
  if (verb == "udp-send") {
    return flow::udpSend(address, std::atof(argv[4]), std::strtoul(argv[5], nullptr, 10), std::atof(argv[6]), std::atoi(argv[7]));
  }
  if (verb == "udp-ping") {
    return flow::udpPing(address, std::atof(argv[4]), std::strtoul(argv[5], nullptr, 10), std::strtoul(argv[6], nullptr, 10));
  }
  const flow::Transfer transfer{address, std::strcmp(argv[4], "down") == 0, isMptcp, std::atof(argv[5]),
                                std::strtoul(argv[6], nullptr, 10), argv[8]};
  return flow::transferAll(transfer, std::strtoul(argv[7], nullptr, 10));
}
