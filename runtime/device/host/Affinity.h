// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which CPUs this process may use (the mask that it inherited), and pinning threads to them.

#ifndef MUSTER_RUNTIME_DEVICE_HOST_AFFINITY_H
#define MUSTER_RUNTIME_DEVICE_HOST_AFFINITY_H

#include <cstdint>
#include <vector>

namespace muster::device {

/// Numbers of the CPUs that the calling thread may run on, ascending; at least one.
std::vector<uint32_t> allowedCpus();

/// Restricts the calling thread to one CPU. False where the system refuses; the thread then runs where it did.
bool pinToCpu(uint32_t cpu);

} // namespace muster::device

#endif // MUSTER_RUNTIME_DEVICE_HOST_AFFINITY_H
