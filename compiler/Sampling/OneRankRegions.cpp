// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls and loops: their bodies are written as often as they run.
#include "compiler/Sampling/OneRankWriter.h"

using namespace mlir;
using namespace muster;
using namespace muster::sampling;

Writing OneRankWriter::writeCall(func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee || callee.isExternal() || callee.isPublic())
    return unsupported;
  Block &body = callee.getBody().front();
  for (auto [operand, argument] : llvm::zip_equal(op.getOperands(), body.getArguments()))
    forward(operand, argument);
  if (Result result = writeBody(body); result != written)
    return result;
  for (auto [value, result] : llvm::zip_equal(body.getTerminator()->getOperands(), op.getResults()))
    forward(value, result);
  return written;
}

/// Whether nothing depends on the number of the iteration but which of several whole tensors is taken.
bool OneRankWriter::takesWholes(mlir::Value number) {
  return llvm::all_of(number.getUsers(), [&](Operation *user) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    if (!slice || !slice->getParentOfType<scf::ForOp>())
      return false;
    for (auto [dim, offset] : llvm::enumerate(slice.getMixedOffsets())) {
      if (dyn_cast<mlir::Value>(offset) != number)
        continue;
      mlir::Value source = slice.getSource();
      if (slice.getStaticSizes()[dim] != 1 || isOpen(source) || !map.contains(source) ||
          shapeOf(source)[dim] != slice.getSourceType().getDimSize(static_cast<unsigned>(dim)))
        return false;
    }
    return true;
  });
}

/// Iteration by iteration.
Writing OneRankWriter::writeLoop(scf::ForOp op) {
  constexpr int64_t mostIterations = 64;
  std::optional<Integer> begin = integerOf(op.getLowerBound()), end = integerOf(op.getUpperBound()),
                         step = integerOf(op.getStep());
  if (!begin || !end || !step || step->value < 1 || (end->value - begin->value) / step->value > mostIterations ||
      !takesWholes(op.getInductionVar()))
    return unsupported;
  Block &body = *op.getBody();
  for (auto [init, argument] : llvm::zip_equal(op.getInitArgs(), op.getRegionIterArgs()))
    forward(init, argument);
  for (int64_t i = begin->value; i < end->value; i += step->value) {
    integers[op.getInductionVar()] = {i, false, false};
    if (Result result = writeBody(body); result != written)
      return result;
    // All at once: what is carried may change places.
    struct Carried {
      mlir::Value value, elements;
      std::optional<Integer> integer;
    };
    SmallVector<Carried> carried;
    for (mlir::Value value : body.getTerminator()->getOperands())
      carried.push_back(
          {isOpen(value) ? mlir::Value() : map.lookupOrNull(value), open.lookup(value), integerOf(value)});
    for (auto [own, value, argument] :
         llvm::zip_equal(carried, body.getTerminator()->getOperands(), op.getRegionIterArgs())) {
      if (own.integer)
        return unsupported;
      bool wasOpen = !own.value;
      open.erase(argument);
      if (wasOpen)
        open[argument] = own.elements;
      else
        map.map(argument, own.value);
    }
  }
  for (auto [argument, result] : llvm::zip_equal(op.getRegionIterArgs(), op.getResults()))
    forward(argument, result);
  return written;
}
