// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CPU that host kernels are compiled for.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_HOSTTARGET_H
#define MUSTER_COMPILER_CODEGEN_HOST_HOSTTARGET_H

#include <memory>
#include <string>
#include <vector>

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llvm {
class TargetMachine;
}

namespace muster::codegen {

/// A CPU, as far as code generation and the loader care: code may use the listed features and no others, so a machine
/// that has all of them can run the kernels whatever its name.
struct HostTarget {
  /// "x86_64"
  std::string arch;
  /// LLVM's name of the CPU to tune for: "znver4", "x86-64-v3", ... Never "host": that one is resolved.
  std::string cpu;
  /// What the machine must have, LLVM's names, sorted: {"avx", "avx2", ..., "fma", ...}. Only instruction sets that
  /// compiled arithmetic can use; system instructions are left out.
  std::vector<std::string> features;
  /// Number of f32 lanes of the widest vectors: 16, 8 or 4.
  int vectorLanes = 4;

  /// `host`, or a 64-bit x86 CPU or level by LLVM's name (`x86-64-v3`, `znver4`). E4101 names an unknown one.
  static llvm::Expected<HostTarget> parse(llvm::StringRef name);

  bool hasFeature(llvm::StringRef feature) const;
  /// Whether a*b+c is one instruction.
  bool hasFma() const { return hasFeature("fma"); }
  /// Whether matrix products want their weights in Packing.BlockedN64K16.
  bool packsMatmulWeights() const { return hasFeature("avx512f"); }

  /// "+avx,+avx2,...", as LLVM takes it.
  std::string featureString() const;
  /// A new code generator for this target: position-independent, -O3. Each thread needs its own.
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createTargetMachine() const;
};

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_HOSTTARGET_H
