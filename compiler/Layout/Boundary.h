// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a declared result, or a claim inside a program, says of a value.

#ifndef MUSTER_COMPILER_LAYOUT_BOUNDARY_H
#define MUSTER_COMPILER_LAYOUT_BOUNDARY_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// Nullopt where the value is `declared`, for some reading. Declared dims made of the same spaces must be equal digit
/// for digit; dims of other, unnamed spaces by position.
std::optional<Refusal> boundaryDisagreement(const Universe &universe, const Value &value, const Value &declared);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_BOUNDARY_H
