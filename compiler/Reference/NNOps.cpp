// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The nn dialect by the formulas in dialects/NN/IR/NNOps.td. Sums are float64; results are rounded once.
#include "compiler/Reference/Execution.h"
#include "dialects/NN/IR/NNDialect.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

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
    return std::move(error);
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
      return failAt(op, "expected an index below " + Twine(table.getDimSize(0)) + " but got " + Twine(row) + " at row " + Twine(t));
    for (int64_t i = 0; i < result.getDimSize(1); ++i)
      result.at({t, i}) = isHere ? table.at({row, i}) : Number::ofReal(0);
  }
  return one(std::move(result));
}

static LocalResults run(RmsNormOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput()), &scale = view.get(op.getScale());
  int64_t width = input.getDimSize(1);
  if (llvm::Error error = checkSame(op, "dim 0 of scale", width, scale.getDimSize(0)))
    return std::move(error);
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
    return std::move(error);
  int64_t half = input.getDimSize(2) / 2;
  Tensor result(input.getShape(), input.getElementType());
  for (int64_t t = 0; t < input.getDimSize(0); ++t) {
    int64_t p = positions.integer({t});
    if (p < 0 || p >= cos.getDimSize(0))
      return failAt(op, "expected a position below the table's " + Twine(cos.getDimSize(0)) + " rows but got " + Twine(p));
    for (int64_t h = 0; h < input.getDimSize(1); ++h)
      for (int64_t j = 0; j < half; ++j) {
        double low = input.real({t, h, j}), high = input.real({t, h, j + half}), c = cos.real({p, j}), s = sin.real({p, j});
        result.at({t, h, j}) = view.round(low * c - high * s, result.getElementType());
        result.at({t, h, j + half}) = view.round(high * c + low * s, result.getElementType());
      }
  }
  return one(std::move(result));
}

static LocalResults run(CacheAppendOp op, const RankView &view, Execution &execution) {
  auto found = execution.getState(op, op.getState(), view.getRank());
  if (!found)
    return found.takeError();
  Tensor &state = **found;
  const Tensor &rows = view.get(op.getRows()), &slots = view.get(op.getSlots());
  if (llvm::Error error = checkSame(op, "dim 0 of slots", rows.getDimSize(0), slots.getDimSize(0)))
    return std::move(error);
  int64_t pageSlots = state.getDimSize(1);
  for (int64_t t = 0; t < rows.getDimSize(0); ++t) {
    int64_t slot = slots.integer({t});
    if (slot < 0)
      continue;
    if (slot / pageSlots >= state.getDimSize(0))
      return failAt(op, "expected a slot below " + Twine(state.getDimSize(0) * pageSlots) + " but got " + Twine(slot));
    for (int64_t g = 0; g < rows.getDimSize(1); ++g)
      for (int64_t d = 0; d < rows.getDimSize(2); ++d)
        state.at({slot / pageSlots, slot % pageSlots, g, d}) = rows.at({t, g, d});
  }
  return SmallVector<Tensor, 1>();
}

namespace {

/// Attention of one rank: the sequences' keys and values by their pages.
class Attention {
public:
  Attention(AttentionOp op, const RankView &view, const Tensor &keys, const Tensor &values)
      : op(op), view(view), keys(keys), values(values), query(view.get(op.getQuery())), positions(view.get(op.getPositions())),
        starts(view.get(op.getQueryStarts())), blocks(view.get(op.getBlockTable())), result(query.getShape(), query.getElementType()) {}

  LocalResults run() {
    if (llvm::Error error = checkSame(op, "dim 0 of positions", query.getDimSize(0), positions.getDimSize(0)))
      return std::move(error);
    if (llvm::Error error = checkSame(op, "dim 0 of query_starts", blocks.getDimSize(0) + 1, starts.getDimSize(0)))
      return std::move(error);
    for (int64_t s = 0; s < blocks.getDimSize(0); ++s) {
      int64_t first = starts.integer({s}), end = starts.integer({s + 1});
      if (first < 0 || first > end || end > query.getDimSize(0))
        return failAt(op, "expected query_starts to ascend from 0 to " + Twine(query.getDimSize(0)) + " but got " + Twine(first) + " and " + Twine(end));
      for (int64_t t = first; t < end; ++t)
        if (llvm::Error error = runRow(s, t))
          return std::move(error);
    }
    return one(std::move(result)); // Rows of no sequence stay undefined.
  }

private:
  llvm::Error runRow(int64_t s, int64_t t) {
    int64_t pageSlots = keys.getDimSize(1), last = positions.integer({t});
    if (last < 0 || last >= blocks.getDimSize(1) * pageSlots)
      return failAt(op, "expected a position below the block table's " + Twine(blocks.getDimSize(1) * pageSlots) + " slots but got " + Twine(last));
    pages.clear();
    for (int64_t u = 0; u <= last; ++u) {
      int64_t page = blocks.integer({s, u / pageSlots});
      if (page < 0 || page >= keys.getDimSize(0))
        return failAt(op, "expected a page below " + Twine(keys.getDimSize(0)) + " but got " + Twine(page) + " for position " + Twine(u) +
                              " of sequence " + Twine(s));
      pages.push_back(page);
    }
    for (int64_t h = 0; h < query.getDimSize(1); ++h)
      runHead(t, h, h / static_cast<int64_t>(op.getHeads() / op.getKvHeads()));
    return llvm::Error::success();
  }

  void runHead(int64_t t, int64_t h, int64_t g) {
    int64_t pageSlots = keys.getDimSize(1), width = query.getDimSize(2), length = static_cast<int64_t>(pages.size());
    std::vector<double> weights(length);
    double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t u = 0; u < length; ++u) {
      double score = 0;
      for (int64_t d = 0; d < width; ++d)
        score += query.real({t, h, d}) * keys.real({pages[u], u % pageSlots, g, d});
      weights[u] = score * op.getScale().convertToDouble();
      greatest = std::max(greatest, weights[u]);
    }
    for (double &weight : weights) {
      weight = std::exp(weight - greatest);
      sum += weight;
    }
    for (int64_t d = 0; d < width; ++d) {
      double value = 0;
      for (int64_t u = 0; u < length; ++u)
        value += weights[u] * values.real({pages[u], u % pageSlots, g, d});
      result.at({t, h, d}) = view.round(value / sum, result.getElementType());
    }
  }

  AttentionOp op;
  const RankView &view;
  const Tensor &keys, &values, &query, &positions, &starts, &blocks;
  Tensor result;
  std::vector<int64_t> pages; ///< of every key of the current row
};

} // namespace

static LocalResults run(AttentionOp op, const RankView &view, Execution &execution) {
  auto keys = execution.getState(op, op.getKeys(), view.getRank());
  if (!keys)
    return keys.takeError();
  auto values = execution.getState(op, op.getValues(), view.getRank());
  if (!values)
    return values.takeError();
  return Attention(op, view, **keys, **values).run();
}

LocalResults muster::reference::interpretNNOp(Operation *operation, const RankView &view, Execution &execution) {
  return llvm::TypeSwitch<Operation *, LocalResults>(operation)
      .Case<MatmulOp, GatherRowsOp, RmsNormOp, SplitHeadsOp, MergeHeadsOp, RopeOp>([&](auto op) { return run(op, view); })
      .Case<CacheAppendOp, AttentionOp>([&](auto op) { return run(op, view, execution); })
      .Default([&](Operation *op) -> LocalResults { return failAt(op, "unsupported by the reference interpreter"); });
}
