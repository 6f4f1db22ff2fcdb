// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Structured operations, named or generic: every point of the iteration space in row-major order, the body at each.
#include "compiler/Reference/ScalarBody.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace muster::reference;

/// Sizes of the loops, read off the operands; all operands must agree.
static llvm::Expected<SmallVector<int64_t>> getLoopSizes(linalg::LinalgOp op, ArrayRef<const Tensor *> operands) {
  SmallVector<int64_t> sizes(op.getNumLoops(), -1);
  for (auto [tensor, map] : llvm::zip_equal(operands, op.getIndexingMapsArray()))
    for (auto [dim, expression] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expression);
      if (!loop)
        continue;
      int64_t size = tensor->getDimSize(static_cast<int64_t>(dim));
      if (sizes[loop.getPosition()] >= 0 && sizes[loop.getPosition()] != size)
        return failAt(op, "expected loop " + Twine(loop.getPosition()) + " to have size " +
                              Twine(sizes[loop.getPosition()]) + " but got " + Twine(size));
      sizes[loop.getPosition()] = size;
    }
  for (auto [loop, size] : llvm::enumerate(sizes))
    if (size < 0)
      return failAt(op, "cannot tell the size of loop " + Twine(loop) + " because no operand has it as a dim");
  return sizes;
}

static void applyMap(AffineMap map, ArrayRef<int64_t> point, SmallVectorImpl<int64_t> &index) {
  index.clear();
  for (AffineExpr expression : map.getResults()) {
    if (auto loop = dyn_cast<AffineDimExpr>(expression))
      index.push_back(point[loop.getPosition()]);
    else if (auto constant = dyn_cast<AffineConstantExpr>(expression))
      index.push_back(constant.getValue());
    else
      index.push_back(evaluateAffine(expression, point));
  }
}

int64_t muster::reference::evaluateAffine(AffineExpr expression, ArrayRef<int64_t> dims) {
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return dims[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expression))
    return constant.getValue();
  auto binary = cast<AffineBinaryOpExpr>(expression);
  int64_t left = evaluateAffine(binary.getLHS(), dims), right = evaluateAffine(binary.getRHS(), dims);
  switch (expression.getKind()) {
  case AffineExprKind::Add:
    return left + right;
  case AffineExprKind::Mul:
    return left * right;
  case AffineExprKind::Mod:
    return ((left % right) + right) % right;
  case AffineExprKind::FloorDiv:
    return left / right - (left % right != 0 && (left < 0) != (right < 0) ? 1 : 0);
  case AffineExprKind::CeilDiv:
    return left / right + (left % right != 0 && (left < 0) == (right < 0) ? 1 : 0);
  default:
    llvm_unreachable("indexing maps have no symbols");
  }
}

LocalResults muster::reference::interpretLinalgOp(Operation *operation, const RankView &view) {
  auto op = dyn_cast<linalg::LinalgOp>(operation);
  if (!op || op->getNumRegions() != 1 || op->getRegion(0).empty())
    return failAt(operation, "unsupported by the reference interpreter");
  SmallVector<const Tensor *> inputs;
  for (Value operand : op->getOperands())
    inputs.push_back(&view.get(operand));
  auto sizes = getLoopSizes(op, inputs);
  if (!sizes)
    return sizes.takeError();
  auto body = ScalarBody::create(op->getRegion(0).front(), view);
  if (!body)
    return body.takeError();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  int64_t inputCount = op.getNumDpsInputs();
  SmallVector<Tensor, 1> results;
  for (Value init : op.getDpsInits())
    results.push_back(view.get(init));
  // The body sees inputs, then the accumulators as they stand.
  SmallVector<Number> arguments(inputs.size());
  SmallVector<int64_t> index;
  llvm::Error error = llvm::Error::success();
  forEachIndex(*sizes, [&](ArrayRef<int64_t> point) {
    if (error)
      return;
    for (auto [i, map] : llvm::enumerate(maps)) {
      const Tensor &tensor = static_cast<int64_t>(i) < inputCount ? *inputs[i] : results[i - inputCount];
      applyMap(map, point, index);
      if (!tensor.contains(index)) {
        error =
            failAt(op, "expected an index inside " + formatShape(tensor.getShape()) + " but got " + formatShape(index));
        return;
      }
      arguments[i] = tensor.at(index);
    }
    auto values = body->run(arguments, point);
    if (!values) {
      error = values.takeError();
      return;
    }
    for (auto [i, value] : llvm::enumerate(*values)) {
      applyMap(maps[inputCount + i], point, index);
      results[i].at(index) = value;
    }
  });
  if (error)
    return error;
  return results;
}
