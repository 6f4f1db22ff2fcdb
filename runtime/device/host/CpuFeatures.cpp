// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/device/host/CpuFeatures.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace muster::device {

#if defined(__x86_64__)

namespace {

enum Register : uint8_t { eax, ebx, ecx, edx };
/// What the operating system must save for the feature to be usable (XCR0).
enum Saved : uint8_t { nothing, ymm, zmm, tiles };

struct Feature {
  std::string_view name; // LLVM's
  uint32_t leaf;
  uint8_t subleaf;
  Register where;
  uint8_t bit;
  Saved saved;
};

// Sources: Intel SDM volume 2A (CPUID), AMD APM volume 3 appendix E.
constexpr Feature featureTable[] = {
    {"x87", 1, 0, edx, 0, nothing},
    {"cx8", 1, 0, edx, 8, nothing},
    {"cmov", 1, 0, edx, 15, nothing},
    {"mmx", 1, 0, edx, 23, nothing},
    {"fxsr", 1, 0, edx, 24, nothing},
    {"sse", 1, 0, edx, 25, nothing},
    {"sse2", 1, 0, edx, 26, nothing},
    {"sse3", 1, 0, ecx, 0, nothing},
    {"pclmul", 1, 0, ecx, 1, nothing},
    {"ssse3", 1, 0, ecx, 9, nothing},
    {"fma", 1, 0, ecx, 12, ymm},
    {"cx16", 1, 0, ecx, 13, nothing},
    {"sse4.1", 1, 0, ecx, 19, nothing},
    {"sse4.2", 1, 0, ecx, 20, nothing},
    {"crc32", 1, 0, ecx, 20, nothing},
    {"movbe", 1, 0, ecx, 22, nothing},
    {"popcnt", 1, 0, ecx, 23, nothing},
    {"aes", 1, 0, ecx, 25, nothing},
    {"xsave", 1, 0, ecx, 26, nothing},
    {"avx", 1, 0, ecx, 28, ymm},
    {"f16c", 1, 0, ecx, 29, ymm},
    {"rdrnd", 1, 0, ecx, 30, nothing},
    {"fsgsbase", 7, 0, ebx, 0, nothing},
    {"bmi", 7, 0, ebx, 3, nothing},
    {"avx2", 7, 0, ebx, 5, ymm},
    {"bmi2", 7, 0, ebx, 8, nothing},
    {"invpcid", 7, 0, ebx, 10, nothing},
    {"rtm", 7, 0, ebx, 11, nothing},
    {"avx512f", 7, 0, ebx, 16, zmm},
    {"evex512", 7, 0, ebx, 16, zmm},
    {"avx512dq", 7, 0, ebx, 17, zmm},
    {"rdseed", 7, 0, ebx, 18, nothing},
    {"adx", 7, 0, ebx, 19, nothing},
    {"avx512ifma", 7, 0, ebx, 21, zmm},
    {"clflushopt", 7, 0, ebx, 23, nothing},
    {"clwb", 7, 0, ebx, 24, nothing},
    {"avx512cd", 7, 0, ebx, 28, zmm},
    {"sha", 7, 0, ebx, 29, nothing},
    {"avx512bw", 7, 0, ebx, 30, zmm},
    {"avx512vl", 7, 0, ebx, 31, zmm},
    {"avx512vbmi", 7, 0, ecx, 1, zmm},
    {"pku", 7, 0, ecx, 4, nothing},
    {"waitpkg", 7, 0, ecx, 5, nothing},
    {"avx512vbmi2", 7, 0, ecx, 6, zmm},
    {"shstk", 7, 0, ecx, 7, nothing},
    {"gfni", 7, 0, ecx, 8, nothing},
    {"vaes", 7, 0, ecx, 9, ymm},
    {"vpclmulqdq", 7, 0, ecx, 10, ymm},
    {"avx512vnni", 7, 0, ecx, 11, zmm},
    {"avx512bitalg", 7, 0, ecx, 12, zmm},
    {"avx512vpopcntdq", 7, 0, ecx, 14, zmm},
    {"rdpid", 7, 0, ecx, 22, nothing},
    {"cldemote", 7, 0, ecx, 25, nothing},
    {"movdiri", 7, 0, ecx, 27, nothing},
    {"movdir64b", 7, 0, ecx, 28, nothing},
    {"enqcmd", 7, 0, ecx, 29, nothing},
    {"uintr", 7, 0, edx, 5, nothing},
    {"avx512vp2intersect", 7, 0, edx, 8, zmm},
    {"serialize", 7, 0, edx, 14, nothing},
    {"tsxldtrk", 7, 0, edx, 16, nothing},
    {"pconfig", 7, 0, edx, 18, nothing},
    {"amx-bf16", 7, 0, edx, 22, tiles},
    {"avx512fp16", 7, 0, edx, 23, zmm},
    {"amx-tile", 7, 0, edx, 24, tiles},
    {"amx-int8", 7, 0, edx, 25, tiles},
    {"sha512", 7, 1, eax, 0, ymm},
    {"sm3", 7, 1, eax, 1, ymm},
    {"sm4", 7, 1, eax, 2, ymm},
    {"avxvnni", 7, 1, eax, 4, ymm},
    {"avx512bf16", 7, 1, eax, 5, zmm},
    {"cmpccxadd", 7, 1, eax, 7, nothing},
    {"amx-fp16", 7, 1, eax, 21, tiles},
    {"hreset", 7, 1, eax, 22, nothing},
    {"avxifma", 7, 1, eax, 23, ymm},
    {"avxvnniint8", 7, 1, edx, 4, ymm},
    {"avxneconvert", 7, 1, edx, 5, ymm},
    {"avxvnniint16", 7, 1, edx, 10, ymm},
    {"prefetchi", 7, 1, edx, 14, nothing},
    {"xsaveopt", 0xd, 1, eax, 0, nothing},
    {"xsavec", 0xd, 1, eax, 1, nothing},
    {"xsaves", 0xd, 1, eax, 3, nothing},
    {"ptwrite", 0x14, 0, ebx, 4, nothing},
    {"sahf", 0x80000001, 0, ecx, 0, nothing},
    {"lzcnt", 0x80000001, 0, ecx, 5, nothing},
    {"sse4a", 0x80000001, 0, ecx, 6, nothing},
    {"prfchw", 0x80000001, 0, ecx, 8, nothing},
    {"xop", 0x80000001, 0, ecx, 11, ymm},
    {"lwp", 0x80000001, 0, ecx, 15, nothing},
    {"fma4", 0x80000001, 0, ecx, 16, ymm},
    {"tbm", 0x80000001, 0, ecx, 21, nothing},
    {"mwaitx", 0x80000001, 0, ecx, 29, nothing},
    {"64bit", 0x80000001, 0, edx, 29, nothing},
    {"clzero", 0x80000008, 0, ebx, 0, nothing},
    {"rdpru", 0x80000008, 0, ebx, 4, nothing},
    {"wbnoinvd", 0x80000008, 0, ebx, 9, nothing},
};

uint64_t extendedControl() {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1))
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

bool isSaved(Saved saved) {
  static const uint64_t control = extendedControl();
  constexpr uint64_t needed[] = {0, 0x6, 0xe6, 0x60006};
  return (control & needed[saved]) == needed[saved];
}

bool hasFeature(const Feature &feature) {
  uint32_t registers[4] = {};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &registers[eax], &registers[ebx], &registers[ecx],
                         &registers[edx]))
    return false;
  return (registers[feature.where] >> feature.bit & 1) && isSaved(feature.saved);
}

std::optional<bool> hasFeature(std::string_view name) {
  for (const Feature &feature : featureTable)
    if (feature.name == name)
      return hasFeature(feature);
  return std::nullopt;
}

} // namespace

const char *hostArchitecture() { return "x86_64"; }

#else

namespace {
std::optional<bool> hasFeature(std::string_view name) {
  if (name == "neon" || name == "fp-armv8") // part of the base architecture of 64-bit processes
    return true;
  return std::nullopt;
}
} // namespace

const char *hostArchitecture() { return "aarch64"; }

#endif

Status checkTarget(const std::string &architecture, const std::string &cpu, std::span<const std::string> features) {
  if (architecture != hostArchitecture())
    return Status::error(2301, "expected a plan for {} but got one for {} ({})", hostArchitecture(), architecture, cpu);
  for (const std::string &feature : features) {
    std::string_view name = feature;
    if (name.empty() || name.front() == '-')
      continue;
    if (name.front() == '+')
      name.remove_prefix(1);
    std::optional<bool> present = hasFeature(name);
    if (!present)
      return Status::unsupported(2303, "the plan for {} needs CPU feature {}, which this runtime cannot check", cpu,
                                 name);
    if (!*present)
      return Status::error(2302, "the plan for {} needs CPU feature {}, which this machine does not have", cpu, name);
  }
  return Status::ok();
}

} // namespace muster::device
