// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes kernels in buffer form (HostCodegen.h) with loops, vectors and flat buffers: what Attention.cpp and
// CacheAppend.cpp are written in. Values are SSA values; integers are `index` unless a name says otherwise.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_BUFFERKERNELBUILDER_H
#define MUSTER_COMPILER_CODEGEN_HOST_BUFFERKERNELBUILDER_H

#include <functional>

#include "compiler/Codegen/Host/KernelSignature.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace muster::codegen {

class BufferKernelBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;

  /// Adds func.func @name to `module`: a binding for each of `elements`, `sizes` sizes, worker and workers. Vectors
  /// hold `lanes` elements of f32.
  BufferKernelBuilder(mlir::ModuleOp module, llvm::StringRef name, llvm::ArrayRef<mlir::Type> elements, unsigned sizes,
                      GridSize grid, int lanes);

  mlir::func::FuncOp function() const { return kernel; }
  /// A binding as a flat buffer without end.
  Value binding(unsigned i) const { return flat[i]; }
  Value size(unsigned i) { return kernel.getArgument(flat.size() + i); }
  Value worker() { return kernel.getArgument(kernel.getNumArguments() - 2); }
  Value workers() { return kernel.getArgument(kernel.getNumArguments() - 1); }
  /// A flat buffer in the stack frame; made once, wherever this is called.
  Value stack(int64_t count, mlir::Type element);

  // Integers.
  Value index(int64_t value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value div(Value x, Value y); // of non-negative numbers
  Value rem(Value x, Value y);
  Value min(Value x, Value y); // signed
  Value max(Value x, Value y);
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, index(y)); }
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, index(y)); }
  Value div(Value x, int64_t y) { return y == 1 ? x : div(x, index(y)); }
  Value rem(Value x, int64_t y) { return rem(x, index(y)); }
  Value ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
  Value less(Value x, Value y); // signed, i1
  Value both(Value x, Value y);

  // Floats and vectors of them; an operation takes either.
  Value number(float value);
  Value splat(float value);
  Value splat(Value scalar);
  Value fma(Value x, Value y, Value z);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);
  Value mulf(Value x, Value y);
  Value divf(Value x, Value y);
  Value exp(Value x);
  /// x > y ? x : y, so that NaN in x is left out.
  Value greater(Value x, Value y);
  Value select(Value condition, Value x, Value y);
  Value firstLane(Value vector);
  /// combine over all lanes, in every lane; the order is the same in every call.
  Value allLanes(Value vector, const std::function<Value(Value, Value)> &combine);
  /// i1 lanes: lane number < limit (an index; may be negative).
  Value lanesBelow(Value limit);

  // Memory. Offsets count elements; vectors need no alignment.
  Value load(Value buffer, Value offset);
  /// An i32 element as an index, sign-extended.
  Value loadIndex(Value buffer, Value offset);
  void store(Value value, Value buffer, Value offset);
  /// Only the first `count` lanes are read; the others are zero. A whole vector where count >= lanes.
  Value loadVector(Value buffer, Value offset, int64_t count);
  void storeVector(Value vector, Value buffer, Value offset, int64_t count);
  Value loadVector(Value buffer, Value offset) { return loadVector(buffer, offset, lanes); }
  void storeVector(Value vector, Value buffer, Value offset) { storeVector(vector, buffer, offset, lanes); }

  // Control.
  void loop(Value from, Value to, int64_t step, const std::function<void(Value)> &body);
  Values loop(Value from, Value to, int64_t step, Values initial, const std::function<Values(Value, Values)> &body);
  void when(Value condition, const std::function<void()> &body);

  /// lanes vectors of `lanes` elements, rows to columns.
  void transpose(Values &rows);

  const int lanes;

private:
  mlir::func::FuncOp kernel;
  mlir::ImplicitLocOpBuilder b;
  Values flat;
  mlir::VectorType vectorType;
};

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_BUFFERKERNELBUILDER_H
