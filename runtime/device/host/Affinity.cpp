// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/device/host/Affinity.h"

#include <memory>
#include <sched.h>

namespace muster::device {

namespace {
constexpr uint32_t mostCpus = 8192;
struct FreeSet {
  void operator()(cpu_set_t *set) const { CPU_FREE(set); }
};
} // namespace

std::vector<uint32_t> allowedCpus() {
  std::vector<uint32_t> cpus;
  std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(mostCpus));
  size_t bytes = CPU_ALLOC_SIZE(mostCpus);
  CPU_ZERO_S(bytes, set.get());
  if (sched_getaffinity(0, bytes, set.get()) == 0)
    for (uint32_t cpu = 0; cpu != mostCpus; ++cpu)
      if (CPU_ISSET_S(cpu, bytes, set.get()))
        cpus.push_back(cpu);
  if (cpus.empty())
    cpus.push_back(0);
  return cpus;
}

bool pinToCpu(uint32_t cpu) {
  if (cpu >= mostCpus)
    return false;
  std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(mostCpus));
  size_t bytes = CPU_ALLOC_SIZE(mostCpus);
  CPU_ZERO_S(bytes, set.get());
  CPU_SET_S(cpu, bytes, set.get());
  return sched_setaffinity(0, bytes, set.get()) == 0;
}

} // namespace muster::device
