// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/PagedMemory.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace muster::reference;

llvm::Error muster::reference::appendRows(Operation *op, Tensor &state, const Tensor &rows, const Tensor &slots) {
  if (slots.getDimSize(0) != rows.getDimSize(0))
    return failAt(op, "expected " + Twine(rows.getDimSize(0)) + " slots but got " + Twine(slots.getDimSize(0)));
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
  return llvm::Error::success();
}

namespace {

class Attention {
public:
  Attention(Operation *op, const RankView &view, const AttentionInputs &inputs)
      : op(op), view(view), inputs(inputs), result(inputs.query.getShape(), inputs.query.getElementType()) {}

  llvm::Expected<Tensor> run() {
    int64_t rows = inputs.query.getDimSize(0), sequences = inputs.blockTable.getDimSize(0);
    if (inputs.positions.getDimSize(0) != rows)
      return failAt(op, "expected " + Twine(rows) + " positions but got " + Twine(inputs.positions.getDimSize(0)));
    if (inputs.queryStarts.getDimSize(0) != sequences + 1)
      return failAt(op, "expected " + Twine(sequences + 1) + " query starts but got " +
                            Twine(inputs.queryStarts.getDimSize(0)));
    for (int64_t s = 0; s < sequences; ++s) {
      int64_t first = inputs.queryStarts.integer({s}), end = inputs.queryStarts.integer({s + 1});
      if (first < 0 || first > end || end > rows)
        return failAt(op, "expected query starts to ascend from 0 to " + Twine(rows) + " but got " + Twine(first) +
                              " and " + Twine(end));
      for (int64_t t = first; t < end; ++t)
        if (llvm::Error error = runRow(s, t))
          return error;
    }
    return std::move(result);
  }

private:
  llvm::Error runRow(int64_t s, int64_t t) {
    int64_t pageSlots = inputs.keys.getDimSize(1), last = inputs.positions.integer({t});
    int64_t capacity = inputs.blockTable.getDimSize(1) * pageSlots;
    if (last < 0 || last >= capacity)
      return failAt(op,
                    "expected a position below the block table's " + Twine(capacity) + " slots but got " + Twine(last));
    pages.clear();
    for (int64_t u = 0; u <= last; ++u) {
      int64_t page = inputs.blockTable.integer({s, u / pageSlots});
      if (page < 0 || page >= inputs.keys.getDimSize(0))
        return failAt(op, "expected a page below " + Twine(inputs.keys.getDimSize(0)) + " but got " + Twine(page) +
                              " for position " + Twine(u) + " of sequence " + Twine(s));
      pages.push_back(page);
    }
    for (int64_t h = 0; h < inputs.query.getDimSize(1); ++h)
      runHead(t, h, h / inputs.headsPerGroup);
    return llvm::Error::success();
  }

  /// Softmax of all scores, then the weighted sum: two passes, no running maximum.
  void runHead(int64_t t, int64_t h, int64_t g) {
    int64_t pageSlots = inputs.keys.getDimSize(1), width = inputs.query.getDimSize(2),
            length = static_cast<int64_t>(pages.size());
    std::vector<double> weights(length);
    double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t u = 0; u < length; ++u) {
      double score = 0;
      for (int64_t d = 0; d < width; ++d)
        score += inputs.query.real({t, h, d}) * inputs.keys.real({pages[u], u % pageSlots, g, d});
      weights[u] = score * inputs.scale;
      greatest = std::max(greatest, weights[u]);
    }
    for (double &weight : weights) {
      weight = std::exp(weight - greatest);
      sum += weight;
    }
    for (int64_t d = 0; d < width; ++d) {
      double value = 0;
      for (int64_t u = 0; u < length; ++u)
        value += weights[u] * inputs.values.real({pages[u], u % pageSlots, g, d});
      result.at({t, h, d}) = view.round(value / sum, result.getElementType());
    }
  }

  Operation *op;
  const RankView &view;
  const AttentionInputs &inputs;
  Tensor result;
  std::vector<int64_t> pages; ///< of every key of the current row
};

} // namespace

llvm::Expected<Tensor> muster::reference::attend(Operation *op, const RankView &view, const AttentionInputs &inputs) {
  return Attention(op, view, inputs).run();
}
