// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference interpreter as a pass, for muster-opt.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace muster::reference {

#define GEN_PASS_DECL
#include "compiler/Reference/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Reference/Passes.h.inc"

} // namespace muster::reference
