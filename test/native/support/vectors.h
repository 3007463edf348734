// Reads test/vectors/*.json as far as the native tests need it: flat fields in the order they were written.
#pragma once
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace hawser::test {

class VectorFile {
 public:
  explicit VectorFile(const std::string& name) {
    std::ifstream file(std::string(HAWSER_VECTORS) + "/" + name);
    text_.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }

  // Whether a field of this name follows before the next one called `before` does.
  bool hasNext(const std::string& name, const std::string& before = "") const {
    const size_t found = text_.find(quoted(name), at_);
    return found != std::string::npos && (before.empty() || found < text_.find(quoted(before), at_));
  }

  // The value of the next field of that name, without its quotes; empty when there is none.
  std::string next(const std::string& name) {
    const size_t found = text_.find(quoted(name), at_);
    if (found == std::string::npos) return "";
    const size_t from = text_.find_first_not_of(": \"", found + name.size() + 2);
    at_ = text_.find_first_of("\",\n}", from);
    return text_.substr(from, at_ - from);
  }

  uint32_t nextNumber(const std::string& name) { return static_cast<uint32_t>(std::atoi(next(name).c_str())); }

  std::vector<uint8_t> nextHex(const std::string& name) {
    const std::string hex = next(name);
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return bytes;
  }

 private:
  static std::string quoted(const std::string& name) { return "\"" + name + "\""; }

  std::string text_;
  size_t at_ = 0;
};

}  // namespace hawser::test
