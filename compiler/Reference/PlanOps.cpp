// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan dialect on tensors: transfers between ranks, library calls, and kernels with their bodies.
#include "compiler/Reference/Execution.h"
#include "compiler/Reference/PagedMemory.h"
#include "compiler/Reference/RaggedOps.h"
#include "compiler/Reference/ScalarOps.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using namespace muster::reference;

//===----------------------------------------------------------------------===//
// Transfers
//===----------------------------------------------------------------------===//

namespace {

/// A transfer on all ranks: every rank pulls one box from each peer.
class Transfer {
public:
  Transfer(plan::TransferOp op, const Frame &frame, Execution &execution)
      : op(op), frame(frame), execution(execution), source(frame.find(op.getSource())->second) {}

  GlobalResults run() {
    RankValues results;
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      auto result = pull(rank);
      if (!result)
        return result.takeError();
      results.push_back(share(std::move(*result)));
    }
    return SmallVector<RankValues, 1>{std::move(results)};
  }

private:
  struct Box {
    SmallVector<int64_t> extents, sourceStrides, destinationStrides;
    int64_t sourceOffset, destinationOffset;
  };

  /// Position of a rank on the axes of counts or offsets.
  size_t positionOf(int64_t rank, Type type) {
    auto offsets = dyn_cast<OffsetsType>(type);
    ArrayRef<StringAttr> axes = offsets ? offsets.getAxes() : cast<CountsType>(type).getAxes();
    return static_cast<size_t>(getGroupPosition(execution.getMesh(), rank, axes));
  }

  SmallVector<int64_t> evaluate(AffineMap map, int64_t rank, int64_t peer, ArrayRef<int64_t> columns) {
    // Own coordinates, the peer's, the row's, then elements of counts (TransferDims); sizes are the symbols. Symbols
    // follow the dims here.
    SmallVector<int64_t> values = execution.getMesh().getCoordinates(rank);
    llvm::append_range(values, execution.getMesh().getCoordinates(peer));
    llvm::append_range(values, columns);
    for (Value counts : op.getCounts()) {
      ArrayRef<Number> elements = frame.find(counts)->second[static_cast<size_t>(rank)]->getElements();
      for (int64_t at : {rank, peer})
        values.push_back(elements[positionOf(at, counts.getType())].integer);
    }
    for (Value size : op.getSizes())
      values.push_back(frame.find(size)->second[rank]->getScalar().integer);
    SmallVector<AffineExpr> symbols;
    for (unsigned i = 0; i < map.getNumSymbols(); ++i)
      symbols.push_back(getAffineDimExpr(map.getNumDims() + i, map.getContext()));
    return llvm::map_to_vector(map.getResults(), [&](AffineExpr expression) {
      return evaluateAffine(expression.replaceSymbols(symbols), values);
    });
  }

  llvm::Expected<Tensor> makeResult(int64_t rank) {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    SmallVector<int64_t> shape(type.getShape());
    auto next = op.getResultSizes().begin();
    for (int64_t &size : shape)
      if (ShapedType::isDynamic(size))
        size = frame.find(*next++)->second[rank]->getScalar().integer;
    if (std::string reason = whyNoTensor(shape); !reason.empty())
      return failAt(op, reason);
    return Tensor(shape, type.getElementType());
  }

  llvm::Expected<Tensor> pull(int64_t rank) {
    auto made = makeResult(rank);
    if (!made)
      return made.takeError();
    Tensor result = std::move(*made);
    SmallVector<int64_t> group = getGroup(execution.getMesh(), rank, op.getAxes());
    int64_t position = llvm::find(group, rank) - group.begin();
    std::vector<bool> written(result.getElementCount(), false);
    if (!op.getSources()) {
      for (int64_t peer : group)
        if (llvm::Error error = pullFrom(rank, peer, {}, result, written))
          return error;
      return result;
    }
    size_t width = plan::getTransferDims(op).columns + 1;
    size_t own = op.getSources()->size() / group.size(); // numbers
    bool isEmpty = true;
    for (size_t row = 0; row < own; row += width) {
      ArrayRef<int64_t> numbers = op.getSources()->slice(static_cast<size_t>(position) * own + row, width);
      if (numbers.front() < 0)
        continue;
      isEmpty = false;
      if (llvm::Error error = pullFrom(rank, group[numbers.front()], numbers.drop_front(), result, written))
        return error;
    }
    if (!isEmpty)
      return result;
    return Tensor(result.getShape(), result.getElementType(),
                  result.isReal() ? Number::ofReal(0) : Number::ofInteger(0));
  }

  llvm::Error pullFrom(int64_t rank, int64_t peer, ArrayRef<int64_t> columns, Tensor &result,
                       std::vector<bool> &written) {
    Box box{evaluate(op.getExtents(), rank, peer, columns), evaluate(op.getSourceStrides(), rank, peer, columns),
            evaluate(op.getDestinationStrides(), rank, peer, columns),
            evaluate(op.getSourceOffset(), rank, peer, columns).front(),
            evaluate(op.getDestinationOffset(), rank, peer, columns).front()};
    for (int64_t extent : box.extents)
      if (extent < 0)
        return failAt(op,
                      "expected extents of at least 0 but got " + formatShape(box.extents) + " on rank " + Twine(rank));
    llvm::Error error = llvm::Error::success();
    forEachIndex(box.extents, [&](ArrayRef<int64_t> index) {
      int64_t from = box.sourceOffset, to = box.destinationOffset;
      for (auto [i, sourceStride, destinationStride] :
           llvm::zip_equal(index, box.sourceStrides, box.destinationStrides)) {
        from += i * sourceStride;
        to += i * destinationStride;
      }
      if (!error)
        error = copyElement(rank, peer, from, to, result, written);
    });
    return error;
  }

  llvm::Error copyElement(int64_t rank, int64_t peer, int64_t from, int64_t to, Tensor &result,
                          std::vector<bool> &written) {
    const Tensor &tensor = *source[peer];
    if (from < 0 || from >= tensor.getElementCount())
      return failAt(op, "expected rank " + Twine(rank) + " to read below element " + Twine(tensor.getElementCount()) +
                            " of rank " + Twine(peer) + " but got " + Twine(from));
    if (to < 0 || to >= result.getElementCount())
      return failAt(op, "expected rank " + Twine(rank) + " to write below element " + Twine(result.getElementCount()) +
                            " but got " + Twine(to));
    Number value = tensor.getElements()[from];
    Number &target = result.getElements()[to];
    if (written[to] && !op.getReduction())
      return failAt(op, "expected rank " + Twine(rank) + " to write element " + Twine(to) +
                            " once but got it again from rank " + Twine(peer));
    target = written[to] ? reduceStep(*op.getReduction(), target, value, result.getElementType(), execution.isExact())
                         : value;
    written[to] = true;
    return llvm::Error::success();
  }

  plan::TransferOp op;
  const Frame &frame;
  Execution &execution;
  const RankValues &source;
};

} // namespace

//===----------------------------------------------------------------------===//
// The step record
//===----------------------------------------------------------------------===//

/// One value a position: as given by name, a value a rank, or the lengths of the parts of a ragged dim.
static llvm::Expected<SmallVector<int64_t>> readRecord(plan::RecordOp op, Execution &execution) {
  const LogicalSizes &sizes = execution.getSizes();
  MeshAttr mesh = execution.getMesh();
  CountsType type = op.getResult().getType();
  auto positions = static_cast<size_t>(getGroupSize(mesh, op.getAxes()));
  SmallVector<int64_t> record;
  std::string key = (stringifyCountUnit(type.getUnit()) + "@" + type.getEpoch().getValue()).str();
  if (auto field = sizes.fields.find(op.getName()); field != sizes.fields.end()) {
    SmallVector<std::optional<int64_t>> values(positions);
    if (static_cast<int64_t>(field->second.size()) != execution.getRankCount())
      return failAt(op, "expected a value of field '" + op.getName() + "' for each rank but got " +
                            Twine(field->second.size()));
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      auto position = static_cast<size_t>(getGroupPosition(mesh, rank, type.getAxes()));
      int64_t value = field->second[static_cast<size_t>(rank)];
      if (values[position] && *values[position] != value)
        return failAt(op, "expected '" + op.getName() + "' to be equal on ranks of one position but got " +
                              Twine(*values[position]) + " and " + Twine(value));
      values[position] = value;
    }
    record = llvm::map_to_vector(values, [](const std::optional<int64_t> &value) { return *value; });
  } else if (auto counts = sizes.counts.find(key); counts != sizes.counts.end()) {
    record.assign(counts->second.begin(), counts->second.end());
  } else {
    return failAt(op, "references unknown counts '" + key + "': no input has a dim of them and none were given");
  }
  if (record.size() != positions)
    return failAt(op,
                  "expected " + Twine(positions) + " counts of '" + op.getName() + "' but got " + Twine(record.size()));
  int64_t sum = 0;
  for (int64_t value : record) {
    sum += value;
    if (value < 0 || value > static_cast<int64_t>(op.getBound()))
      return failAt(op, "expected '" + op.getName() + "' in [0, " + Twine(op.getBound()) + "] but got " + Twine(value));
  }
  if (op.getTotal() && sum > static_cast<int64_t>(*op.getTotal()))
    return failAt(op, "expected at most " + Twine(*op.getTotal()) + " of '" + op.getName() + "' in all but got " +
                          Twine(sum));
  return record;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// What a launch's operand holds now: states are memory, whatever was read of them before.
static llvm::Expected<RankValues> getOperand(plan::LaunchOp op, Value operand, const Frame &frame,
                                             Execution &execution) {
  auto state = operand.getDefiningOp<plan::StateOp>();
  if (!state)
    return frame.find(operand)->second;
  RankValues values;
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
    auto memory = execution.getState(op, state.getState(), rank);
    if (!memory)
      return memory.takeError();
    values.push_back(share(**memory));
  }
  return values;
}

static GlobalResults launch(plan::LaunchOp op, const Frame &frame, Execution &execution) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(op, op.getKernelAttr());
  std::vector<RankValues> arguments;
  for (Value operand : op->getOperands()) {
    auto values = getOperand(op, operand, frame, execution);
    if (!values)
      return values.takeError();
    arguments.push_back(std::move(*values));
  }
  Frame kernelFrame;
  Block &body = kernel.getBody().front();
  auto results = execution.runBlock(body, std::move(arguments), kernelFrame);
  if (!results)
    return results.takeError();
  for (int64_t written : op.getWrites()) {
    auto state = op.getInputs()[written].getDefiningOp<plan::StateOp>();
    if (!state)
      return failAt(op, "expected operand " + Twine(written) + " that the kernel writes to be a state");
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      auto memory = execution.getState(op, state.getState(), rank);
      if (!memory)
        return memory.takeError();
      **memory = *kernelFrame[body.getArgument(static_cast<unsigned>(written))][rank];
    }
  }
  return SmallVector<RankValues, 1>(results->begin(), results->end());
}

/// In a kernel, the state is an argument whose new value takes the place of the old one.
static GlobalResults append(plan::CacheAppendOp op, Frame &frame, Execution &execution) {
  RankValues updated;
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
    RankView view(frame, rank, execution.isExact());
    Tensor state = view.get(op.getState());
    if (llvm::Error error = appendRows(op, state, view.get(op.getRows()), view.get(op.getSlots())))
      return error;
    updated.push_back(share(std::move(state)));
  }
  frame[op.getState()] = std::move(updated);
  return SmallVector<RankValues, 1>();
}

//===----------------------------------------------------------------------===//
// On one rank
//===----------------------------------------------------------------------===//

static llvm::Expected<Tensor> multiply(plan::MatmulOp op, const RankView &view) {
  const Tensor &input = view.get(op.getInput()), &weight = view.get(op.getWeight());
  if (input.getDimSize(1) != weight.getDimSize(1))
    return failAt(op, "expected dim 1 of weight to have size " + Twine(input.getDimSize(1)) + " but got " +
                          Twine(weight.getDimSize(1)));
  Tensor result({input.getDimSize(0), weight.getDimSize(0)}, input.getElementType());
  const Tensor *accumulator = op.getAccumulator() ? &view.get(op.getAccumulator()) : nullptr;
  if (accumulator && accumulator->getShape() != result.getShape())
    return failAt(op, "expected an accumulator of shape " + formatShape(result.getShape()) + " but got " +
                          formatShape(accumulator->getShape()));
  for (int64_t t = 0; t < result.getDimSize(0); ++t)
    for (int64_t o = 0; o < result.getDimSize(1); ++o) {
      double sum = accumulator ? accumulator->real({t, o}) : 0;
      for (int64_t i = 0; i < input.getDimSize(1); ++i)
        sum += input.real({t, i}) * weight.real({o, i});
      result.at({t, o}) = view.round(sum, result.getElementType());
    }
  return result;
}

/// [n, k] as [ceil(n / 64), ceil(k / 16), 16, 64]: element (a, b, c, d) is (64 a + d, 16 b + c), padding is undefined.
static Tensor pack(const Tensor &matrix) {
  Tensor packed(plan::getPackedShape(matrix.getShape()), matrix.getElementType());
  forEachIndex(packed.getShape(), [&](ArrayRef<int64_t> index) {
    int64_t place[] = {index[0] * packed.getDimSize(3) + index[3], index[1] * packed.getDimSize(2) + index[2]};
    if (matrix.contains(place))
      packed.at(index) = matrix.at(place);
  });
  return packed;
}

static llvm::Expected<Tensor> attendInKernel(plan::PagedAttentionOp op, const RankView &view) {
  const Tensor &query = view.get(op.getQuery()), &keys = view.get(op.getKeys());
  return attend(op, view,
                {query, keys, view.get(op.getValues()), view.get(op.getPositions()), view.get(op.getQueryStarts()),
                 view.get(op.getBlockTable()), query.getDimSize(1) / keys.getDimSize(2),
                 op.getScale().convertToDouble()});
}

static llvm::Expected<Tensor> computeLocally(Operation *operation, const RankView &view, Execution &execution) {
  return llvm::TypeSwitch<Operation *, llvm::Expected<Tensor>>(operation)
      .Case([&](plan::CountOp op) -> llvm::Expected<Tensor> {
        auto found = execution.getSizes().dims.find(op.getName());
        if (found == execution.getSizes().dims.end())
          return failAt(op, "references unknown size '" + op.getName() +
                                "': no input has a dim of that name and no size was given");
        return Tensor::scalar(op.getResult().getType(), Number::ofInteger(found->second));
      })
      .Case([&](plan::RecordOp op) -> llvm::Expected<Tensor> {
        auto record = readRecord(op, execution);
        if (!record)
          return record.takeError();
        return Tensor::ofIntegers({static_cast<int64_t>(record->size())}, IndexType::get(op.getContext()), *record);
      })
      .Case([&](plan::MatmulOp op) { return multiply(op, view); })
      .Case([&](plan::PackedViewOp op) -> llvm::Expected<Tensor> { return pack(view.get(op.getInput())); })
      .Case([&](plan::PagedAttentionOp op) { return attendInKernel(op, view); })
      .Case([&](plan::StateOp op) -> llvm::Expected<Tensor> {
        auto memory = execution.getState(op, op.getState(), view.getRank());
        if (!memory)
          return memory.takeError();
        return **memory;
      })
      .Default([&](Operation *op) -> llvm::Expected<Tensor> {
        return failAt(op, "unsupported by the reference interpreter");
      });
}

/// Each rank by what the members of its group send it.
static GlobalResults exchangeRows(plan::ExchangeRowsOp op, const Frame &frame, Execution &execution) {
  const RankValues &source = frame.find(op.getSource())->second, &sent = frame.find(op.getSend())->second;
  RankValues results;
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
    SmallVector<int64_t> ranks = getGroup(execution.getMesh(), rank, op.getAxes());
    auto of = [&](const RankValues &values) {
      return llvm::map_to_vector(ranks, [&](int64_t member) { return values[member].get(); });
    };
    auto result = runRouted(op, of(source), of(sent), /*received=*/nullptr, llvm::find(ranks, rank) - ranks.begin());
    if (!result)
      return result.takeError();
    results.push_back(share(std::move(*result)));
  }
  return SmallVector<RankValues, 1>{std::move(results)};
}

GlobalResults muster::reference::interpretPlanOp(Operation *operation, Frame &frame, Execution &execution) {
  if (auto op = dyn_cast<plan::ExchangeRowsOp>(operation))
    return exchangeRows(op, frame, execution);
  if (auto op = dyn_cast<plan::TransferOp>(operation))
    return Transfer(op, frame, execution).run();
  if (auto op = dyn_cast<plan::LaunchOp>(operation))
    return launch(op, frame, execution);
  if (auto op = dyn_cast<plan::CacheAppendOp>(operation))
    return append(op, frame, execution);
  RankValues values;
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
    auto value = computeLocally(operation, RankView(frame, rank, execution.isExact()), execution);
    if (!value)
      return value.takeError();
    values.push_back(share(std::move(*value)));
  }
  return SmallVector<RankValues, 1>{std::move(values)};
}
