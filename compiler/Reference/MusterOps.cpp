// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives, by their definitions in dialects/Muster/IR/MusterOps.td; weights, positions and sizes.
#include "compiler/Reference/Parts.h"
#include "compiler/Reference/RaggedOps.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

/// One collective on all ranks.
class Collective {
public:
  Collective(Operation *op, const RankValues &inputs, ArrayAttr axes, Execution &execution)
      : op(op), inputs(inputs), axes(axes), execution(execution) {}

  /// Computes each rank's result from the inputs of its group, in the order of position, and its own position in it.
  GlobalResults
  run(llvm::function_ref<llvm::Expected<Tensor>(ArrayRef<const Tensor *> group, int64_t position)> compute) {
    RankValues results;
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      ranks = getGroup(execution.getMesh(), rank, axes);
      auto group = llvm::map_to_vector(ranks, [&](int64_t member) { return inputs[member].get(); });
      int64_t position = llvm::find(ranks, rank) - ranks.begin();
      auto result = compute(group, position);
      if (!result)
        return result.takeError();
      results.push_back(share(std::move(*result)));
    }
    return SmallVector<RankValues, 1>{std::move(results)};
  }

  /// The ranks of the group that is computed, in the order of position.
  ArrayRef<int64_t> getRanks() const { return ranks; }

  Operation *op;

private:
  const RankValues &inputs;
  ArrayAttr axes;
  Execution &execution;
  SmallVector<int64_t> ranks;
};

} // namespace

//===----------------------------------------------------------------------===//
// Parts of tensors
//===----------------------------------------------------------------------===//

llvm::Error muster::reference::checkShapes(Operation *op, ArrayRef<const Tensor *> group, int64_t free) {
  for (const Tensor *member : group)
    for (int64_t dim = 0; dim < member->getRank(); ++dim)
      if (dim != free && member->getDimSize(dim) != group.front()->getDimSize(dim))
        return failAt(op, "expected all ranks of the group to hold shape " + formatShape(group.front()->getShape()) +
                              " but got " + formatShape(member->getShape()));
  return llvm::Error::success();
}

Tensor muster::reference::takeRows(const Tensor &tensor, int64_t dim, int64_t first, int64_t count) {
  SmallVector<int64_t> shape(tensor.getShape());
  shape[dim] = count;
  Tensor result(shape, tensor.getElementType());
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> source(index);
    source[dim] += first;
    result.at(index) = tensor.at(source);
  });
  return result;
}

llvm::Expected<Tensor> muster::reference::takePart(Operation *op, const Tensor &tensor, int64_t dim, int64_t part,
                                                   int64_t parts) {
  int64_t size = tensor.getDimSize(dim);
  if (size % parts != 0)
    return failAt(op, "expected dim " + Twine(dim) + " to be divisible by the group's " + Twine(parts) +
                          " ranks but got " + Twine(size));
  return takeRows(tensor, dim, part * (size / parts), size / parts);
}

Tensor muster::reference::concatenate(ArrayRef<const Tensor *> parts, int64_t dim) {
  SmallVector<int64_t> shape(parts.front()->getShape());
  shape[dim] = 0;
  for (const Tensor *part : parts)
    shape[dim] += part->getDimSize(dim);
  Tensor result(shape, parts.front()->getElementType());
  int64_t offset = 0;
  for (const Tensor *part : parts) {
    forEachIndex(part->getShape(), [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> target(index);
      target[dim] += offset;
      result.at(target) = part->at(index);
    });
    offset += part->getDimSize(dim);
  }
  return result;
}

Tensor muster::reference::reduceGroup(ArrayRef<const Tensor *> group, ReductionKind kind, bool exact) {
  Tensor result = *group.front();
  for (const Tensor *member : group.drop_front())
    for (auto [element, value] : llvm::zip_equal(result.getElements(), member->getElements()))
      element = reduceStep(kind, element, value, result.getElementType(), exact);
  return result;
}

/// Part `position` of every member's dim `split`, in order, side by side in dim `concat`.
static llvm::Expected<Tensor> exchangeParts(Operation *op, ArrayRef<const Tensor *> group, int64_t position,
                                            int64_t split, int64_t concat) {
  std::vector<Tensor> parts;
  for (const Tensor *member : group) {
    auto part = takePart(op, *member, split, position, static_cast<int64_t>(group.size()));
    if (!part)
      return part.takeError();
    parts.push_back(std::move(*part));
  }
  return concatenate(llvm::map_to_vector(parts, [](const Tensor &part) { return &part; }), concat);
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> integersOf(const Tensor &tensor) {
  return llvm::map_to_vector(tensor.getElements(), [](Number number) { return number.integer; });
}

/// The counts of each dim that a redistribution divides or joins by counts, where all parts are as long as they say.
static llvm::Error learnCounts(RedistributeOp op, const Frame &frame, const RankValues &input, Execution &execution,
                               LogicalSizes &sizes) {
  for (auto [dim, value] : llvm::zip(op.getRaggedDims(), op.getCounts())) {
    auto from = op.getFrom().getDims()[dim].getTerms().front(), to = op.getTo().getDims()[dim].getTerms().front();
    LayoutTermAttr term = from.isRagged() ? from : to;
    const RankValues &counts = frame.find(value)->second;
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      SmallVector<int64_t> own = integersOf(*counts[rank]);
      if (own != integersOf(*counts.front()))
        return failAt(op, "expected the counts " + formatShape(integersOf(*counts.front())) + " on all ranks but got " +
                              formatShape(own) + " on rank " + Twine(rank));
      int64_t expected = from.isRagged() ? own[getGroupPosition(execution.getMesh(), rank, term.getAxes())]
                                         : std::accumulate(own.begin(), own.end(), int64_t(0));
      if (input[rank]->getDimSize(dim) != expected)
        return failAt(op, "expected " + Twine(expected) + " rows, as counted, on rank " + Twine(rank) + " but got " +
                              Twine(input[rank]->getDimSize(dim)));
    }
    SmallVector<int64_t> all = integersOf(*counts.front());
    sizes.counts[(term.getUnit() + "@" + term.getEpoch()).str()] = std::vector<int64_t>(all.begin(), all.end());
  }
  return llvm::Error::success();
}

static GlobalResults redistribute(RedistributeOp op, const Frame &frame, Execution &execution) {
  const RankValues &input = frame.find(op.getInput())->second;
  LogicalSizes sizes = execution.getSizes();
  if (llvm::Error error = learnCounts(op, frame, input, execution, sizes))
    return error;
  auto logical = gather(input, op.getFrom(), execution.getMesh(), sizes, execution.isExact());
  if (!logical)
    return failAt(op, toString(logical.takeError()));
  // Ragged lengths and sizes that the input shows.
  if (llvm::Error error = learnSizes(input, op.getFrom(), execution.getMesh(), sizes))
    return failAt(op, toString(std::move(error)));
  auto parts = scatter(*logical, op.getTo(), execution.getMesh(), sizes);
  if (!parts)
    return failAt(op, toString(parts.takeError()));
  return SmallVector<RankValues, 1>{std::move(*parts)};
}

/// Whose ranks, each of a group, hold the same counts.
static GlobalResults runCounted(Operation *op, Collective &collective, const RankValues &counts, bool exact) {
  return collective.run([&](ArrayRef<const Tensor *> group, int64_t position) -> llvm::Expected<Tensor> {
    SmallVector<int64_t> first = integersOf(*counts[collective.getRanks().front()]);
    for (int64_t rank : collective.getRanks())
      if (integersOf(*counts[rank]) != first)
        return failAt(op, "expected the counts " + formatShape(first) + " on all ranks of the group but got " +
                              formatShape(integersOf(*counts[rank])));
    return runRagged(op, group, first, position, exact);
  });
}

/// Each rank by what the members of its group send and what it is told to receive.
static GlobalResults runRouted(AllToAllVOp op, Collective &collective, const Frame &frame) {
  const RankValues &sent = frame.find(op.getSend())->second, &received = frame.find(op.getReceive())->second;
  return collective.run([&](ArrayRef<const Tensor *> group, int64_t position) {
    auto counts = llvm::map_to_vector(collective.getRanks(), [&](int64_t rank) { return sent[rank].get(); });
    return reference::runRouted(op, group, counts, received[collective.getRanks()[position]].get(), position);
  });
}

static GlobalResults runCollective(Operation *op, const Frame &frame, Execution &execution) {
  using Group = ArrayRef<const Tensor *>;
  using Result = llvm::Expected<Tensor>;
  const RankValues &input = frame.find(op->getOperand(0))->second;
  Collective collective(op, input, op->getAttrOfType<ArrayAttr>("axes"), execution);
  bool exact = execution.isExact();
  if (Value counts = countsOf(op))
    return runCounted(op, collective, frame.find(counts)->second, exact);
  if (auto routed = dyn_cast<AllToAllVOp>(op))
    return runRouted(routed, collective, frame);
  auto checked = [&](int64_t free, llvm::function_ref<Result(Group, int64_t)> compute) {
    return collective.run([&](Group group, int64_t position) -> Result {
      if (llvm::Error error = checkShapes(collective.op, group, free))
        return error;
      return compute(group, position);
    });
  };
  return llvm::TypeSwitch<Operation *, GlobalResults>(op)
      .Case([&](AllGatherOp op) {
        int64_t dim = static_cast<int64_t>(op.getDim());
        return checked(dim, [&](Group group, int64_t) -> Result {
          if (llvm::Error error =
                  checkShapes(collective.op, group)) // Parts are equal: ragged ones have a collective of their own.
            return error;
          return concatenate(group, dim);
        });
      })
      .Case([&](ReduceScatterOp op) {
        return checked(-1, [&](Group group, int64_t position) -> Result {
          return takePart(op, reduceGroup(group, op.getKind(), exact), static_cast<int64_t>(op.getDim()), position,
                          static_cast<int64_t>(group.size()));
        });
      })
      .Case([&](AllReduceOp op) {
        return checked(-1, [&](Group group, int64_t) -> Result { return reduceGroup(group, op.getKind(), exact); });
      })
      .Case([&](AllToAllOp op) {
        return checked(-1, [&](Group group, int64_t position) -> Result {
          return exchangeParts(op, group, position, static_cast<int64_t>(op.getSplit()),
                               static_cast<int64_t>(op.getConcat()));
        });
      })
      .Case([&](ExchangeOp op) {
        return checked(
            -1, [&](Group group, int64_t position) -> Result { return exchangeParts(op, group, position, 0, 0); });
      })
      .Case([&](SliceOp op) {
        return collective.run([&](Group group, int64_t position) -> Result {
          return takePart(op, *group[position], static_cast<int64_t>(op.getDim()), position,
                          static_cast<int64_t>(group.size()));
        });
      })
      .Case([&](BroadcastOp op) {
        return checked(-1, [&](Group group, int64_t) -> Result { return *group[op.getRoot()]; });
      })
      .Case([&](PermuteOp op) {
        return checked(-1, [&](Group group, int64_t position) -> Result {
          int64_t source = op.getSources()[position];
          if (source >= 0)
            return *group[source];
          const Tensor &own = *group[position];
          return Tensor(own.getShape(), own.getElementType(), own.isReal() ? Number::ofReal(0) : Number::ofInteger(0));
        });
      })
      .Default([&](Operation *op) -> GlobalResults { return failAt(op, "unsupported by the reference interpreter"); });
}

//===----------------------------------------------------------------------===//
// Positions, sizes, counts
//===----------------------------------------------------------------------===//

static GlobalResults forEachRank(Execution &execution, llvm::function_ref<Tensor(int64_t rank)> compute) {
  RankValues values;
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank)
    values.push_back(share(compute(rank)));
  return SmallVector<RankValues, 1>{std::move(values)};
}

static GlobalResults getSize(SizeOp op, Execution &execution) {
  auto lookUp = [&](StringRef name) -> llvm::Expected<int64_t> {
    if (int64_t axis = execution.getMesh().findAxis(name); axis >= 0)
      return execution.getMesh().getAxes()[axis].getSize();
    auto found = execution.getSizes().dims.find(name);
    if (found == execution.getSizes().dims.end())
      return failAt(op,
                    "references unknown size '" + name + "': no input has a dim of that name and no size was given");
    return found->second;
  };
  auto size = lookUp(op.getDividend());
  if (!size)
    return size.takeError();
  int64_t divisor = 1;
  if (op.getDivisor()) {
    auto value = lookUp(*op.getDivisor());
    if (!value)
      return value.takeError();
    divisor = *value;
  }
  if (divisor == 0 || *size % divisor != 0)
    return failAt(op, "expected '" + *op.getDivisor() + "' to divide '" + op.getDividend() + "' but got " +
                          Twine(divisor) + " and " + Twine(*size));
  return forEachRank(
      execution, [&](int64_t) { return Tensor::scalar(op.getResult().getType(), Number::ofInteger(*size / divisor)); });
}

GlobalResults muster::reference::interpretMusterOp(Operation *operation, const Frame &frame, Execution &execution) {
  auto input = [&]() -> const RankValues & { return frame.find(operation->getOperand(0))->second; };
  return llvm::TypeSwitch<Operation *, GlobalResults>(operation)
      .Case([&](LoadOp op) -> GlobalResults {
        auto parts = execution.load(op, op.getWeight());
        if (!parts)
          return parts.takeError();
        return SmallVector<RankValues, 1>{std::move(*parts)};
      })
      .Case([&](CoordinateOp op) {
        return forEachRank(execution, [&](int64_t rank) {
          AxisPart part = *findAxisPart(execution.getMesh(), op.getAxis());
          int64_t coordinate = execution.getMesh().getCoordinates(rank)[part.index];
          return Tensor::scalar(op.getResult().getType(), Number::ofInteger(coordinate / part.weight % part.size));
        });
      })
      .Case([&](SizeOp op) { return getSize(op, execution); })
      .Case([&](AssertLayoutOp) -> GlobalResults { return SmallVector<RankValues, 1>{input()}; })
      .Case([&](RedistributeOp op) { return redistribute(op, frame, execution); })
      .Default([&](Operation *op) {
        if (isRowOp(op))
          return interpretRowOp(op, frame, execution);
        return isCountOp(op) ? interpretCountOp(op, frame, execution) : runCollective(op, frame, execution);
      });
}
