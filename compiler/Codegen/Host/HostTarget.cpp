// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/HostTarget.h"

#include <algorithm>
#include <mutex>

#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace llvm;

namespace muster::codegen {

namespace {

// The instruction sets that compiled arithmetic may use. A CPU's other features (prefetch hints, system calls, AMX
// tiles, ...) are of no use to these kernels and would only make a plan pickier about its machine.
constexpr StringLiteral usableFeatures[] = {
    "avx",     "avx2",       "avx512bf16", "avx512bitalg", "avx512bw", "avx512cd",   "avx512dq",
    "avx512f", "avx512ifma", "avx512vbmi", "avx512vbmi2",  "avx512vl", "avx512vnni", "avx512vpopcntdq",
    "bmi",     "bmi2",       "cx16",       "f16c",         "fma",      "lzcnt",      "movbe",
    "popcnt",  "sse",        "sse2",       "sse3",         "sse4.1",   "sse4.2",     "ssse3"};

Error unknownCpu(StringRef name) {
  SmallVector<StringRef> known;
  X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
  return createStringError(
      "E4101 expected host, or an x86-64 CPU such as x86-64-v2, x86-64-v3, x86-64-v4, skylake-avx512, znver4 (%zu are "
      "known) but got '%s'",
      known.size(), name.str().c_str());
}

} // namespace

Expected<HostTarget> HostTarget::parse(StringRef name) {
  SmallVector<std::string> enabled;
  HostTarget target;
  target.arch = "x86_64";
  if (name == "host") {
#if !defined(__x86_64__)
    return createStringError(
        "E4102 expected an x86-64 machine for target host but got another architecture; name a CPU");
#endif
    target.cpu = sys::getHostCPUName().str();
    for (const auto &feature : sys::getHostCPUFeatures())
      if (feature.second)
        enabled.push_back(feature.first().str());
  } else {
    if (X86::parseArchX86(name, /*Only64Bit=*/true) == X86::CK_None)
      return unknownCpu(name);
    target.cpu = name.str();
    SmallVector<StringRef> features;
    X86::getFeaturesForCPU(name, features);
    for (StringRef feature : features)
      enabled.push_back(feature.str());
  }
  for (StringRef feature : usableFeatures)
    if (is_contained(enabled, feature))
      target.features.push_back(feature.str());
  // Every x86-64 machine has these; LLVM's lists leave them out for some names.
  for (StringRef feature : {"sse", "sse2"})
    if (!target.hasFeature(feature))
      target.features.push_back(feature.str());
  llvm::sort(target.features);
  target.vectorLanes = target.hasFeature("avx512f") ? 16 : target.hasFeature("avx2") ? 8 : 4;
  return target;
}

bool HostTarget::hasFeature(StringRef feature) const {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

std::string HostTarget::featureString() const {
  SmallVector<std::string> parts;
  for (const std::string &feature : features)
    parts.push_back("+" + feature);
  return join(parts, ",");
}

Expected<std::unique_ptr<TargetMachine>> HostTarget::createTargetMachine() const {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const Target *backend = TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return createStringError("E4103 cannot make a code generator for %s because %s", triple.str().c_str(),
                             message.c_str());
  TargetOptions options;
  options.FunctionSections = true;
  options.DataSections = true;
  // The baseline plus exactly the listed features: nothing else can get into the code.
  return std::unique_ptr<TargetMachine>(backend->createTargetMachine(
      triple, "x86-64", featureString(), options, Reloc::PIC_, CodeModel::Small, CodeGenOptLevel::Aggressive));
}

} // namespace muster::codegen
