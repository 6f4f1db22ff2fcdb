// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a step with given counts moves between ranks, and what it pads.

#ifndef MUSTER_TOOLS_MUSTERINSPECT_TRAFFIC_H
#define MUSTER_TOOLS_MUSTERINSPECT_TRAFFIC_H

#include "runtime/plan/LoadedPlan.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::inspect {

/// Bytes that each rank receives from others in one transfer of a step. What a rank copies from itself is not counted.
struct TransferTraffic {
  uint32_t step;
  std::string kind; ///< as the plan names it: "all_gather"
  std::string location;
  std::vector<uint64_t> received; ///< by rank
};

/// A count that is padded: rows that buffers are made for, and those of them that hold nothing.
struct Padding {
  uint32_t slot; ///< the first of the padded count
  int64_t rows;  ///< of all positions
  int64_t dead;
};

struct VariantPadding {
  std::string variant;
  std::vector<Padding> padding; ///< at the variant's bounds
};

struct EntryTraffic {
  std::string entry;
  std::string variant; ///< that the step runs
  std::vector<TransferTraffic> transfers;
  std::vector<VariantPadding> variants;
};

/// A step of a plan.
struct StepTraffic {
  std::vector<int64_t> record;
  std::vector<Padding> padding; ///< at these counts
  std::vector<EntryTraffic> entries;
};

/// The step that `counts` says: FIELD=VALUE, with commas between fields and one value for each position of a field
/// ("t=5:3,s=1:1"). `starts` is one more than `s` where it is left out. Errors: E0110 where fields are unknown, missing
/// or named twice, or have another number of values; E2410 to E2413, E2417 where the plan has no step with such counts.
Result<StepTraffic> trafficAt(const plan::LoadedPlan &plan, std::string_view counts);

/// For people, and for machines.
std::string textTraffic(const plan::LoadedPlan &plan, const StepTraffic &traffic);
std::string jsonTraffic(const plan::LoadedPlan &plan, const StepTraffic &traffic);

} // namespace muster::inspect

#endif // MUSTER_TOOLS_MUSTERINSPECT_TRAFFIC_H
