// Reed-Solomon of one core, ours or ISA-L's (by dlopen): `fec KERNEL|best|isal encode|decode|accumulate DATA PARITY BYTES GROUPS SECONDS
// [LIBISAL]`. Prints [Gbit/s of data shards] as JSON, and `fec kernels` what there is. Before and after it measures it checks that
// the shards are what the scalar kernel computes.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "sys/reed_solomon.h"

using namespace hawser;

namespace {

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

// One group of shards; every shard begins on a cache line, as both sides like it best.
struct Group {
  std::vector<uint8_t*> shards;

  Group(uint32_t count, uint32_t bytes, uint32_t seed) {
    const size_t stride = (bytes + 127) / 64 * 64;
    auto* memory = static_cast<uint8_t*>(std::aligned_alloc(64, stride * count));
    for (uint32_t i = 0; i < count; i++) shards.push_back(memory + i * stride);
    for (size_t i = 0; i < stride * count; i++) memory[i] = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  }
};

// ISA-L's public interface (erasure_code.h).
struct Isal {
  void (*initTables)(int sources, int rows, unsigned char* coefficients, unsigned char* tables);
  void (*encode)(int length, int sources, int rows, unsigned char* tables, unsigned char** data, unsigned char** coding);

  explicit Isal(const char* path) {
    void* library = dlopen(path, RTLD_NOW);
    if (library == nullptr) stop(std::string("Cannot open ") + path + ": " + dlerror());
    initTables = reinterpret_cast<decltype(initTables)>(dlsym(library, "ec_init_tables"));
    encode = reinterpret_cast<decltype(encode)>(dlsym(library, "ec_encode_data"));
    if (initTables == nullptr || encode == nullptr) stop(std::string(path) + " is not ISA-L");
  }
};

galois::Kernel kernelCalled(const std::string& name) {
  if (name == "best") return galois::bestKernel();
  for (const galois::Kernel each : galois::kKernels) {
    if (name == galois::nameOf(each) && galois::multiplierOf(each) != nullptr) return each;
  }
  stop("No kernel " + name + " here");
}

void printKernels() {
  for (const galois::Kernel each : galois::kKernels) {
    if (galois::multiplierOf(each) != nullptr) std::printf("%s ", galois::nameOf(each));
  }
  std::printf("\n");
}

class Run {
 public:
  Run(uint32_t data, uint32_t parity, uint32_t bytes, uint32_t groups, double seconds)
      : code_(data, parity), bytes_(bytes), seconds_(seconds) {
    for (uint32_t i = 0; i < groups; i++) groups_.emplace_back(data + parity, bytes, i + 1);
    const ReedSolomon scalar(data, parity, galois::Kernel::Scalar);
    for (Group& group : groups_) scalar.encode(group.shards.data(), group.shards.data() + data, bytes);
    for (const Group& group : groups_) {
      for (uint8_t* shard : group.shards) wanted_.emplace_back(shard, shard + bytes);
    }
  }

  void ours(const std::string& kernelName, const std::string& what) {
    const ReedSolomon code(code_.data(), code_.parity(), kernelCalled(kernelName));
    const uint32_t data = code.data();
    if (what == "encode") {
      measure(data, data + code.parity(), [&](Group& group) { code.encode(group.shards.data(), group.shards.data() + data, bytes_); });
    } else if (what == "decode") {
      // The first shards are lost, as many as there are parities.
      const uint64_t missing = (uint64_t{1} << code.parity()) - 1;
      ReedSolomonRepairer repairer;
      measure(0, code.parity(), [&](Group& group) { repairer.repair(code, missing, 0, static_cast<uint32_t>(missing), group.shards.data(), bytes_); });
    } else if (what == "accumulate") {
      measure(data, data + code.parity(), [&](Group& group) {
        for (uint32_t j = 0; j < code.parity(); j++) std::memset(group.shards[data + j], 0, bytes_);
        for (uint32_t i = 0; i < data; i++) code.accumulate(i, group.shards[i], bytes_, group.shards.data() + data, code.parity());
      });
    } else {
      stop("encode, decode or accumulate, not " + what);
    }
  }

  void theirs(const Isal& isal) {
    const auto data = static_cast<int>(code_.data());
    const auto parity = static_cast<int>(code_.parity());
    std::vector<unsigned char> coefficients;
    for (int r = 0; r < parity; r++) {
      for (int c = 0; c < data; c++) coefficients.push_back(code_.coefficient(static_cast<uint32_t>(r), static_cast<uint32_t>(c)));
    }
    std::vector<unsigned char> tables(static_cast<size_t>(32 * data * parity));
    isal.initTables(data, parity, coefficients.data(), tables.data());
    measure(code_.data(), code_.data() + code_.parity(), [&](Group& group) {
      isal.encode(static_cast<int>(bytes_), data, parity, tables.data(), group.shards.data(), group.shards.data() + data);
    });
  }

 private:
  // `work` fills shards from…to of a group.
  template <typename Work>
  void measure(uint32_t from, uint32_t to, Work work) {
    for (Group& group : groups_) {
      for (uint32_t i = from; i < to; i++) std::memset(group.shards[i], 0, bytes_);
      work(group);
    }
    check();
    using Clock = std::chrono::steady_clock;
    uint64_t rounds = 0;
    const auto start = Clock::now();
    double elapsed = 0;
    while (elapsed < seconds_) {
      for (uint32_t i = 0; i < 2048; i++) work(groups_[i % groups_.size()]);
      rounds += 2048;
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    check();
    std::printf("[%.4f]\n", static_cast<double>(rounds) * code_.data() * bytes_ * 8 / elapsed / 1e9);
  }

  void check() {
    size_t next = 0;
    for (const Group& group : groups_) {
      for (uint8_t* shard : group.shards) {
        if (std::memcmp(shard, wanted_[next++].data(), bytes_) != 0) stop("A shard differs from the scalar kernel's");
      }
    }
  }

  ReedSolomon code_;
  uint32_t bytes_;
  double seconds_;
  std::vector<Group> groups_;
  std::vector<std::vector<uint8_t>> wanted_;
};

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::strcmp(words[1], "kernels") == 0) {
    printKernels();
    return 0;
  }
  if (count < 8) stop("usage: fec kernels | KERNEL|best|isal encode|decode|accumulate DATA PARITY BYTES GROUPS SECONDS [LIBISAL]");
  const auto number = [&](int index) { return static_cast<uint32_t>(std::atoi(words[index])); };
  Run run(number(3), number(4), number(5), number(6), std::atof(words[7]));
  if (std::strcmp(words[1], "isal") != 0) {
    run.ours(words[1], words[2]);
  } else {
    if (count < 9) stop("isal needs the path of libisal.so");
    run.theirs(Isal(words[8]));
  }
}
