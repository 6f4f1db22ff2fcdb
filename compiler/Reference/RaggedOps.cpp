// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives with counts, by their definitions in dialects/Muster/IR/MusterOps.td: every part is held against the
// counts before anything moves.
#include "compiler/Reference/RaggedOps.h"
#include "compiler/Reference/Parts.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

using Counts = SmallVector<int64_t>;
using Group = ArrayRef<const Tensor *>;
using Result = llvm::Expected<Tensor>;

/// One collective with counts on the ranks of one group.
class RaggedStep {
public:
  RaggedStep(Operation *op, Group group, const Counts &counts) : op(op), group(group), counts(counts) {}

  /// Every member has as many rows in `dim` as are its own.
  llvm::Error checkParts(int64_t dim) const {
    for (auto [position, member] : llvm::enumerate(group))
      if (member->getDimSize(dim) != counts[position])
        return failAt(op, "expected " + Twine(counts[position]) + " rows, as counted, at position " + Twine(position) +
                              " but got " + Twine(member->getDimSize(dim)));
    return llvm::Error::success();
  }
  /// Every one of `members` has all rows in `dim`.
  llvm::Error checkWhole(Group members, int64_t dim) const {
    for (const Tensor *member : members)
      if (member->getDimSize(dim) != total())
        return failAt(op, "expected all " + Twine(total()) + " rows, as counted, but got " +
                              Twine(member->getDimSize(dim)));
    return llvm::Error::success();
  }
  /// The rows of `position`.
  Tensor ownPart(const Tensor &whole, int64_t dim, int64_t position) const {
    return takeRows(whole, dim, std::accumulate(counts.begin(), counts.begin() + position, int64_t(0)),
                    counts[position]);
  }
  int64_t total() const { return std::accumulate(counts.begin(), counts.end(), int64_t(0)); }

  Result exchange(AllToAllOp own, int64_t position) const {
    int64_t split = own.getSplit(), concat = own.getConcat(), ragged = own.getRaggedDim();
    if (llvm::Error error = checkShapes(op, group, ragged))
      return error;
    if (llvm::Error error = ragged == concat ? checkParts(concat) : checkWhole(group, split))
      return error;
    std::vector<Tensor> parts;
    for (const Tensor *member : group) {
      if (ragged == split) {
        parts.push_back(ownPart(*member, split, position));
        continue;
      }
      auto part = takePart(op, *member, split, position, static_cast<int64_t>(group.size()));
      if (!part)
        return part.takeError();
      parts.push_back(std::move(*part));
    }
    return concatenate(llvm::map_to_vector(parts, [](const Tensor &part) { return &part; }), concat);
  }

private:
  Operation *op;
  Group group;
  const Counts &counts;
};

} // namespace

Value muster::reference::countsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AllGatherOp, ReduceScatterOp, SliceOp, AllToAllOp>([](auto own) { return own.getCounts(); })
      .Default([](Operation *) { return Value(); });
}

Result muster::reference::runRagged(Operation *op, ArrayRef<const Tensor *> group, ArrayRef<int64_t> counts,
                                    int64_t position, bool exact) {
  Counts vector(counts);
  RaggedStep step(op, group, vector);
  auto unless = [](llvm::Error error, llvm::function_ref<Result()> compute) -> Result {
    if (error)
      return error;
    return compute();
  };
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](AllGatherOp own) -> Result {
        int64_t dim = own.getDim();
        if (llvm::Error error = checkShapes(op, group, dim))
          return error;
        return unless(step.checkParts(dim), [&]() -> Result { return concatenate(group, dim); });
      })
      .Case([&](SliceOp own) -> Result {
        int64_t dim = own.getDim();
        return unless(step.checkWhole(group.slice(position, 1), dim),
                      [&]() -> Result { return step.ownPart(*group[position], dim, position); });
      })
      .Case([&](ReduceScatterOp own) -> Result {
        int64_t dim = own.getDim();
        if (llvm::Error error = checkShapes(op, group, dim))
          return error;
        return unless(step.checkWhole(group, dim), [&]() -> Result {
          return step.ownPart(reduceGroup(group, own.getKind(), exact), dim, position);
        });
      })
      .Case([&](AllToAllOp own) { return step.exchange(own, position); })
      .Default([](Operation *other) -> Result { return failAt(other, "unsupported: counts of this collective"); });
}

/// How many rows each position gets, of routed counts.
static llvm::Expected<SmallVector<int64_t>> rowsOf(Operation *op, const Tensor &counts) {
  int64_t parts = counts.getDimSize(0), each = counts.getElementCount() / parts;
  SmallVector<int64_t> rows(parts, 0);
  for (auto [index, number] : llvm::enumerate(counts.getElements())) {
    if (number.integer < 0)
      return failAt(op, "expected counts of at least 0 but got " + Twine(number.integer));
    rows[static_cast<int64_t>(index) / each] += number.integer;
  }
  return rows;
}

Result muster::reference::runRouted(Operation *op, ArrayRef<const Tensor *> group, ArrayRef<const Tensor *> sent,
                                    const Tensor *received, int64_t position) {
  if (llvm::Error error = checkShapes(op, group, 0))
    return error;
  SmallVector<int64_t> expected;
  if (received) {
    auto told = rowsOf(op, *received);
    if (!told)
      return told.takeError();
    expected = std::move(*told);
  }
  SmallVector<int64_t> shape(group[position]->getShape());
  shape[0] = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
  Tensor result(shape, group[position]->getElementType(), getUndefined(group[position]->getElementType()));
  int64_t room = shape[0], next = 0;
  for (auto [source, rows] : llvm::enumerate(group)) {
    auto counts = rowsOf(op, *sent[source]);
    if (!counts)
      return counts.takeError();
    int64_t first = std::accumulate(counts->begin(), counts->begin() + position, int64_t(0)),
            count = (*counts)[position];
    if (first + count > rows->getDimSize(0))
      return failAt(op, "expected at least " + Twine(first + count) + " rows to send at position " + Twine(source) +
                            " but got " + Twine(rows->getDimSize(0)));
    if (received && count != expected[source])
      return failAt(op, "expected counts of " + Twine(count) + " rows to receive from position " + Twine(source) +
                            ", as are sent, but got " + Twine(expected[source]));
    if (next + count > room)
      return failAt(op, "expected at most " + Twine(room) + " rows to receive but got " + Twine(next + count));
    Tensor part = takeRows(*rows, 0, first, count);
    forEachIndex(part.getShape(), [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> target(index);
      target[0] += next;
      result.at(target) = part.at(index);
    });
    next += count;
  }
  return result;
}
