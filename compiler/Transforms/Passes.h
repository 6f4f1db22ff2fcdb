// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of the lowering, one a file. Passes.td documents each; compiler/Pipeline orders them.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace muster {

#define GEN_PASS_DECL
#include "compiler/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Transforms/Passes.h.inc"

} // namespace muster
