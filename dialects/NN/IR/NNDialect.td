// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_NN_IR_NNDIALECT_TD
#define MUSTER_DIALECTS_NN_IR_NNDIALECT_TD

include "mlir/IR/OpBase.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::muster::nn";
  let summary = "What a model computes";
  let description = [{
    A closed, small list: an operation is here because a library or a kernel of its own serves it, or because its rule of iteration cannot be
    read off an indexing map. Everything element-wise is `linalg`. Operations work on the local tensors of a rank and know no mesh.

    Letters in the descriptions: t tokens, s sequences, h query heads, g key-value heads, d head dim, i inputs, o outputs.
    Unless an operation says otherwise, arithmetic is in the element type with f32 accumulation at least, and NaN propagates.
  }];
}

#endif
