// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The nn dialect: what a model computes. See docs/dialects/NN.md and the .td files beside this one.
#pragma once

#include "dialects/NN/IR/IterationRule.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/NN/IR/NNDialect.h.inc"
#include "dialects/NN/IR/NNInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.h.inc"
