// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs any entry of a plan once, with inputs and results by name.

#ifndef MUSTER_RUNTIME_SESSION_ENTRYCALL_H
#define MUSTER_RUNTIME_SESSION_ENTRYCALL_H

#include "runtime/executor/Executor.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::session {

/// A logical tensor, row-major.
struct NamedTensor {
  std::string_view name;
  schema::ElementType element = schema::ElementType::F32;
  std::span<const int64_t> dims;
  const void *data = nullptr;
};

/// How many elements of a dim in unequal parts each position has: the values of field `field` of the step record.
struct NamedCounts {
  std::string_view field;
  std::vector<int64_t> values;
};

/// What an entry's result is in the step that ran.
struct ResultShape {
  std::string_view name; // lives as long as the plan
  schema::ElementType element = schema::ElementType::F32;
  std::vector<int64_t> dims;
  uint64_t bytes = 0;
};

/// Runs `entry` with `inputs`, each named once, in any order; the step record follows from their dims (a field that no
/// dim of the entry is equal to is as `counts` says, else 0). Dims in unequal parts are divided as `counts` says, else
/// evenly, the first positions having one more. The results can then be read from `executor` by index. Errors: E2431
/// names that are unknown or repeated, E2432 element, dims, counts that are not those of a dim, or two dims that
/// disagree on a field; those of the executor.
Result<std::vector<ResultShape>> callEntry(executor::Executor &executor, std::string_view entry,
                                           std::span<const NamedTensor> inputs,
                                           std::span<const NamedCounts> counts = {});

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_ENTRYCALL_H
