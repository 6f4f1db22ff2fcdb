// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_NN_IR_NNINTERFACES_TD
#define MUSTER_DIALECTS_NN_IR_NNINTERFACES_TD

include "mlir/IR/OpBase.td"

def NN_IterationRuleOpInterface : OpInterface<"IterationRuleOpInterface"> {
  let cppNamespace = "::muster::nn";
  let description = [{
    An operation that computes: which iterators it has, of which kind, and which dim of which operand and result each one walks. Layout
    inference reads this and nothing else of an operation.
  }];
  let methods = [InterfaceMethod<"The rule, as data.", "::muster::nn::IterationRule", "getIterationRule">];
}

#endif
