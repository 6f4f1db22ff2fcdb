// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "compiler/Analysis/LayoutInference.h"

#include "llvm/Support/Error.h"

namespace muster::verify {

/// Runs the function of a finding in the reference interpreter, on all ranks, with inputs whose elements are numbered,
/// and says which element stands where the counterexample says. Fails where there is no counterexample, the value is
/// computed and not moved, or what runs is not what the counterexample says.
llvm::Expected<std::string> replay(const LayoutFinding &finding);

} // namespace muster::verify
