// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Does this machine have what a plan's target needs?

#ifndef MUSTER_RUNTIME_DEVICE_HOST_CPUFEATURES_H
#define MUSTER_RUNTIME_DEVICE_HOST_CPUFEATURES_H

#include "runtime/status/Status.h"

#include <span>
#include <string>

namespace muster::device {

/// The architecture of this process as targets name it: "x86_64" or "aarch64".
const char *hostArchitecture();

/// Compares a target's architecture and its features (LLVM's names: "avx512f", "bmi2"; a leading "+" is allowed, names
/// with "-" are not needed and skipped) with this machine. Errors: E2301 other architecture, E2302 names the first
/// feature that the CPU or the operating system lacks, E2303 a feature that this runtime has no check for.
Status checkTarget(const std::string &architecture, const std::string &cpu, std::span<const std::string> features);

} // namespace muster::device

#endif // MUSTER_RUNTIME_DEVICE_HOST_CPUFEATURES_H
