// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The nn dialect by the formulas in dialects/NN/IR/NNOps.td. Sums are float64; results are rounded once.
#include "compiler/Reference/Execution.h"
#include "compiler/Reference/PagedMemory.h"
#include "dialects/NN/IR/NNDialect.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::nn;
using namespace muster::reference;

static LocalResults one(Tensor tensor) {
  SmallVector<Tensor, 1> results;
  results.push_back(std::move(tensor));
  return results;
}

/// Two sizes that types leave open must be equal when the operation runs.
static llvm::Error checkSame(Operation *op, StringRef what, int64_t expected, int64_t got) {
  if (expected == got)
    return llvm::Error::success();
  return failAt(op, "expected " + what + " to have size " + Twine(expected) + " but got " + Twine(got));
}

static LocalResults run(MatmulOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput()), &weight = view.get(op.getWeight());
  if (llvm::Error error = checkSame(op, "dim 1 of weight", input.getDimSize(1), weight.getDimSize(1)))
    return error;
  Tensor result({input.getDimSize(0), weight.getDimSize(0)}, input.getElementType());
  for (int64_t t = 0; t < result.getDimSize(0); ++t)
    for (int64_t o = 0; o < result.getDimSize(1); ++o) {
      double sum = 0;
      for (int64_t i = 0; i < input.getDimSize(1); ++i)
        sum += input.real({t, i}) * weight.real({o, i});
      result.at({t, o}) = view.round(sum, result.getElementType());
    }
  return one(std::move(result));
}

static LocalResults run(GatherRowsOp op, const RankView &view) {
  const Tensor &table = view.get(op.getTable()), &indices = view.get(op.getIndices());
  int64_t first = op.getFirst() ? view.getInteger(op.getFirst()) : 0;
  Tensor result({indices.getDimSize(0), table.getDimSize(1)}, table.getElementType());
  for (int64_t t = 0; t < result.getDimSize(0); ++t) {
    int64_t row = indices.integer({t}) - first;
    bool isHere = row >= 0 && row < table.getDimSize(0);
    if (!isHere && !op.getFirst())
      return failAt(op, "expected an index below " + Twine(table.getDimSize(0)) + " but got " + Twine(row) +
                            " at row " + Twine(t));
    for (int64_t i = 0; i < result.getDimSize(1); ++i)
      result.at({t, i}) = isHere ? table.at({row, i}) : Number::ofReal(0);
  }
  return one(std::move(result));
}

static LocalResults run(HistogramOp op, const RankView &view) {
  const Tensor &indices = view.get(op.getIndices());
  auto type = llvm::cast<RankedTensorType>(op.getType());
  Tensor result(type.getShape(), type.getElementType(), Number::ofInteger(0));
  int64_t rows = indices.getDimSize(0), valid = op.getValid() ? view.getInteger(op.getValid()) : rows;
  if (valid < 0 || valid > rows)
    return failAt(op, "expected at most " + Twine(rows) + " valid indices but got " + Twine(valid));
  for (int64_t t = 0; t < valid; ++t) {
    int64_t bin = indices.integer({t});
    if (bin >= result.getElementCount())
      return failAt(op, "expected an index below " + Twine(result.getElementCount()) + " but got " + Twine(bin) +
                            " at row " + Twine(t));
    if (bin >= 0)
      ++result.getElements()[bin].integer;
  }
  return one(std::move(result));
}

static LocalResults run(RmsNormOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput()), &scale = view.get(op.getScale());
  int64_t width = input.getDimSize(1);
  if (llvm::Error error = checkSame(op, "dim 0 of scale", width, scale.getDimSize(0)))
    return error;
  Tensor result(input.getShape(), input.getElementType());
  for (int64_t t = 0; t < input.getDimSize(0); ++t) {
    double squares = 0;
    for (int64_t i = 0; i < width; ++i)
      squares += input.real({t, i}) * input.real({t, i});
    double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + op.getEpsilon().convertToDouble());
    for (int64_t i = 0; i < width; ++i)
      result.at({t, i}) = view.round(input.real({t, i}) * factor * scale.real({i}), result.getElementType());
  }
  return one(std::move(result));
}

static LocalResults run(SplitHeadsOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput());
  int64_t headDim = static_cast<int64_t>(op.getHeadDim());
  if (input.getDimSize(1) % headDim != 0)
    return failAt(op, "expected head_dim " + Twine(headDim) + " to divide dim 1 but got " + Twine(input.getDimSize(1)));
  return one(input.reshaped({input.getDimSize(0), input.getDimSize(1) / headDim, headDim}));
}

static LocalResults run(MergeHeadsOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput());
  return one(input.reshaped({input.getDimSize(0), input.getDimSize(1) * input.getDimSize(2)}));
}

static LocalResults run(RopeOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput()), &cos = view.get(op.getCos()), &sin = view.get(op.getSin());
  const Tensor &positions = view.get(op.getPositions());
  if (llvm::Error error = checkSame(op, "dim 0 of positions", input.getDimSize(0), positions.getDimSize(0)))
    return error;
  int64_t half = input.getDimSize(2) / 2;
  Tensor result(input.getShape(), input.getElementType());
  for (int64_t t = 0; t < input.getDimSize(0); ++t) {
    int64_t p = positions.integer({t});
    if (p < 0 || p >= cos.getDimSize(0))
      return failAt(op,
                    "expected a position below the table's " + Twine(cos.getDimSize(0)) + " rows but got " + Twine(p));
    for (int64_t h = 0; h < input.getDimSize(1); ++h)
      for (int64_t j = 0; j < half; ++j) {
        double low = input.real({t, h, j}), high = input.real({t, h, j + half}), c = cos.real({p, j}),
               s = sin.real({p, j});
        result.at({t, h, j}) = view.round(low * c - high * s, result.getElementType());
        result.at({t, h, j + half}) = view.round(high * c + low * s, result.getElementType());
      }
  }
  return one(std::move(result));
}

static LocalResults run(CacheAppendOp op, const RankView &view, Execution &execution) {
  auto state = execution.getState(op, op.getState(), view.getRank());
  if (!state)
    return state.takeError();
  if (llvm::Error error = appendRows(op, **state, view.get(op.getRows()), view.get(op.getSlots())))
    return error;
  return SmallVector<Tensor, 1>();
}

static LocalResults run(AttentionOp op, const RankView &view, Execution &execution) {
  auto keys = execution.getState(op, op.getKeys(), view.getRank());
  if (!keys)
    return keys.takeError();
  auto values = execution.getState(op, op.getValues(), view.getRank());
  if (!values)
    return values.takeError();
  auto result = attend(op, view,
                       {view.get(op.getQuery()), **keys, **values, view.get(op.getPositions()),
                        view.get(op.getQueryStarts()), view.get(op.getBlockTable()),
                        static_cast<int64_t>(op.getHeads() / op.getKvHeads()), op.getScale().convertToDouble()});
  if (!result)
    return result.takeError();
  return one(std::move(*result));
}

LocalResults muster::reference::interpretNNOp(Operation *operation, const RankView &view, Execution &execution) {
  return llvm::TypeSwitch<Operation *, LocalResults>(operation)
      .Case<MatmulOp, GatherRowsOp, HistogramOp, RmsNormOp, SplitHeadsOp, MergeHeadsOp, RopeOp>(
          [&](auto op) { return run(op, view); })
      .Case<CacheAppendOp, AttentionOp>([&](auto op) { return run(op, view, execution); })
      .Default([&](Operation *op) -> LocalResults { return failAt(op, "unsupported by the reference interpreter"); });
}
