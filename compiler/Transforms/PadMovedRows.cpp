// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/PadMovedRows.h"

#include "compiler/Analysis/CountInference.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace {

/// What one redistribution does with the rows.
struct Moved {
  RedistributeOp op;
  unsigned dim;
  bool isGathered;
};

class Padder {
public:
  Padder(func::FuncOp function, MeshAttr mesh, TypedValue<CountsType> counts)
      : counts(counts), terms(mesh), inference(function, terms),
        total(terms.elementOf(CountTerm::Kind::Total, inference.termOf(counts))) {
    visit(function.front());
  }

  int64_t pad(PaddingMode mode, int64_t multiple, Value unless);

private:
  void visit(Block &block);
  void visit(Operation &op);
  void visitIf(scf::IfOp op);
  void visitFor(scf::ForOp op);
  void keepRegions(Operation &op);
  void visitRedistribution(RedistributeOp op);
  /// What is one value or another has rows as they have.
  void join(ValueRange values);
  /// The dims of a tensor that have all rows.
  SmallVector<int64_t, 1> rowDims(Value tensor);
  /// Whether a tensor has all rows, or a number is how many there are.
  bool isOfRows(Value value);
  /// Whether a tensor may have all rows though that is not known: an argument of a function that is called.
  bool mayHaveRows(Value tensor);
  /// The one dim of all rows; -1 where there are none or several.
  int64_t rowDim(Value tensor);
  bool worksByRow(Operation &op);
  bool worksByRow(linalg::LinalgOp op);
  bool worksByRow(nn::IterationRuleOpInterface op);
  bool keepsRows(Operation &op);
  void rename(RedistributeOp op, StringRef name);

  TypedValue<CountsType> counts;
  CountTerms terms;
  CountInference inference;
  const CountTerm *total;
  /// Values that must have the same rows.
  llvm::EquivalenceClasses<void *> classes;
  SmallVector<void *> exact;
  SmallVector<Moved> moved;
  SmallVector<std::pair<RedistributeOp, unsigned>> passed; ///< redistributions of other dims
};

SmallVector<int64_t, 1> Padder::rowDims(Value tensor) {
  SmallVector<int64_t, 1> dims;
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  for (int64_t dim = 0; type && dim < type.getRank(); ++dim)
    if (type.isDynamicDim(dim) && inference.sizeOf(tensor, dim) == total)
      dims.push_back(dim);
  return dims;
}

int64_t Padder::rowDim(Value tensor) {
  SmallVector<int64_t, 1> dims = rowDims(tensor);
  return dims.size() == 1 ? dims.front() : -1;
}

bool Padder::isOfRows(Value value) {
  return value.getType().isIndex() ? inference.termOf(value) == total : !rowDims(value).empty();
}

bool Padder::mayHaveRows(Value tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  for (int64_t dim = 0; type && dim < type.getRank(); ++dim)
    if (const CountTerm *size = inference.sizeOf(tensor, dim);
        size->kind == CountTerm::Kind::Symbol && size->text.empty())
      return true;
  return false;
}

bool Padder::worksByRow(linalg::LinalgOp op) {
  if (op->walk([](Operation *inner) {
          return isa<linalg::IndexOp, tensor::ExtractOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
        }).wasInterrupted())
    return false;
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  return llvm::all_of(op->getOpOperands(), [&](OpOperand &operand) {
    int64_t dim = rowDim(operand.get());
    if (dim < 0)
      return true;
    auto iterator = dyn_cast<AffineDimExpr>(op.getMatchingIndexingMap(&operand).getResult(dim));
    return iterator && iterators[iterator.getPosition()] == utils::IteratorType::parallel;
  });
}

bool Padder::worksByRow(nn::IterationRuleOpInterface op) {
  if (isa<nn::GatherRowsOp, nn::AttentionOp, nn::CacheAppendOp>(op.getOperation()))
    return false;
  nn::IterationRule rule = op.getIterationRule();
  size_t index = 0;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      continue;
    const auto &dims = rule.operands[index++];
    int64_t dim = rowDim(operand);
    if (dim < 0)
      continue;
    // Numbers say what is read.
    if (!type.getElementType().isFloat() || dims[dim] == nn::noIterator ||
        rule.iterators[dims[dim]].kind != nn::IteratorKind::Parallel)
      return false;
  }
  return true;
}

/// Of what cuts or regroups other dims.
bool Padder::keepsRows(Operation &op) {
  Value source = op.getOperand(0), result = op.getResult(0);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    int64_t dim = rowDim(source);
    return dim < 0 || (rowDim(result) >= 0 && isConstantIntValue(slice.getMixedOffsets()[dim], 0) &&
                       isConstantIntValue(slice.getMixedStrides()[dim], 1));
  }
  return (rowDim(source) < 0) == (rowDim(result) < 0);
}

bool Padder::worksByRow(Operation &op) {
  for (ValueRange values : {ValueRange(op.getOperands()), ValueRange(op.getResults())})
    for (Value value : values)
      if (rowDims(value).size() > 1)
        return false;
  return llvm::TypeSwitch<Operation *, bool>(&op)
      .Case<tensor::DimOp, tensor::EmptyOp, AllReduceOp>([](Operation *) { return true; })
      .Case<tensor::ExtractSliceOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp, nn::SplitHeadsOp, nn::MergeHeadsOp>(
          [&](Operation *own) { return keepsRows(*own); })
      .Case([&](linalg::LinalgOp own) { return worksByRow(own); })
      .Case([&](nn::IterationRuleOpInterface own) { return worksByRow(own); })
      .Default([](Operation *own) {
        // How many rows there are is no element of one.
        return own->hasTrait<OpTrait::Elementwise>() &&
               llvm::none_of(own->getOperandTypes(), [](Type type) { return type.isIndex(); });
      });
}

void Padder::join(ValueRange values) {
  // Where only some are known to have the rows, none is padded.
  bool isOpen = !llvm::all_of(values, [&](Value value) { return isOfRows(value); });
  Value first;
  for (Value value : values) {
    if (!isOfRows(value))
      continue;
    if (first)
      classes.unionSets(first.getAsOpaquePointer(), value.getAsOpaquePointer());
    first = value;
    if (isOpen || rowDims(value).size() > 1)
      exact.push_back(value.getAsOpaquePointer());
  }
}

void Padder::visitIf(scf::IfOp op) {
  for (OpResult result : op.getResults()) {
    unsigned index = result.getResultNumber();
    join({result, op.thenYield().getOperand(index), op.elseYield().getOperand(index)});
  }
  for (Region *region : {&op.getThenRegion(), &op.getElseRegion()})
    if (!region->empty())
      visit(region->front());
}

void Padder::visitFor(scf::ForOp op) {
  for (Value bound : {op.getLowerBound(), op.getUpperBound(), op.getStep()})
    if (isOfRows(bound))
      exact.push_back(bound.getAsOpaquePointer());
  for (auto [initial, carried, yielded, result] :
       llvm::zip_equal(op.getInitArgs(), op.getRegionIterArgs(), op.getYieldedValues(), op.getResults()))
    join({initial, carried, yielded, result});
  visit(*op.getBody());
}

/// What lies in regions of which it is not known how often they run, or what goes in and out, keeps its rows.
void Padder::keepRegions(Operation &op) {
  bool isMoved = false;
  op.walk([&](Operation *inner) {
    for (ValueRange values : {ValueRange(inner->getOperands()), ValueRange(inner->getResults())})
      for (Value value : values)
        if (isOfRows(value))
          exact.push_back(value.getAsOpaquePointer());
    if (auto redistribute = dyn_cast<RedistributeOp>(inner))
      isMoved |= llvm::is_contained(redistribute.getCounts(), counts);
  });
  if (isMoved)
    op.emitWarning() << "E1216 expected rows that are padded to be moved in branches (scf.if) and loops (scf.for) but "
                        "got '"
                     << op.getName() << "', in which they stay as they are";
}

void Padder::visitRedistribution(RedistributeOp op) {
  Value input = op.getInput(), result = op.getResult();
  for (auto [dim, layouts] : llvm::enumerate(llvm::zip_equal(op.getFrom().getDims(), op.getTo().getDims()))) {
    auto [from, to] = layouts;
    auto index = static_cast<int64_t>(dim);
    bool isGathered = raggedTermOf(from) && !raggedTermOf(to), isHandedOut = !raggedTermOf(from) && raggedTermOf(to);
    if (!isGathered && !isHandedOut)
      continue;
    Value whole = isGathered ? result : input;
    if (op.getCountsOf(dim) == counts && rowDim(whole) == index)
      moved.push_back({op, static_cast<unsigned>(dim), isGathered});
    else if (isOfRows(whole))
      exact.push_back(whole.getAsOpaquePointer());
  }
  if (int64_t dim = rowDim(input); dim >= 0 && rowDim(result) == dim)
    passed.push_back({op, static_cast<unsigned>(dim)});
  else if (isOfRows(input) && isOfRows(result))
    exact.push_back(input.getAsOpaquePointer());
  if (isOfRows(input) && isOfRows(result))
    classes.unionSets(input.getAsOpaquePointer(), result.getAsOpaquePointer());
}

void Padder::visit(Block &own) {
  for (Operation &op : own)
    if (!isa<scf::YieldOp>(op))
      visit(op);
}

void Padder::visit(Operation &op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return visitIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitFor(loop);
  if (op.getNumRegions() > 0 && !isa<linalg::LinalgOp>(op))
    return keepRegions(op);
  if (auto redistribute = dyn_cast<RedistributeOp>(op))
    return visitRedistribution(redistribute);
  // What a body computes with how many rows there are.
  if (isa<linalg::LinalgOp>(op))
    op.walk([&](Operation *inner) {
      for (Value value : inner->getOperands())
        if (value.getType().isIndex() && isOfRows(value))
          exact.push_back(value.getAsOpaquePointer());
    });
  SmallVector<Value> touched;
  for (ValueRange values : {ValueRange(op.getOperands()), ValueRange(op.getResults())})
    llvm::copy_if(values, std::back_inserter(touched), [&](Value value) { return isOfRows(value); });
  if (touched.empty())
    return;
  for (Value value : touched)
    classes.unionSets(touched.front().getAsOpaquePointer(), value.getAsOpaquePointer());
  if (!worksByRow(op) || llvm::any_of(op.getOperands(), [&](Value value) { return mayHaveRows(value); }))
    exact.push_back(touched.front().getAsOpaquePointer());
}

/// Rows of a name are rows of another in the layouts of a redistribution.
void Padder::rename(RedistributeOp op, StringRef name) {
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](LayoutTermAttr term) {
    if (term.getName() != name)
      return term;
    return LayoutTermAttr::get(term.getContext(), (name + ".padded").str(), term.getAxes(), term.getOrder(),
                               term.getAnyOrder(),
                               term.isRagged() ? stringifyCountUnit(CountUnit::Padded) : StringRef(term.getUnit()),
                               term.getEpoch(), term.getExtent());
  });
  op.setFromAttr(cast<LayoutAttr>(replacer.replace(Attribute(op.getFrom()))));
  op.setToAttr(cast<LayoutAttr>(replacer.replace(Attribute(op.getTo()))));
}

int64_t Padder::pad(PaddingMode mode, int64_t multiple, Value unless) {
  auto leaderOf = [&](Value value) {
    classes.insert(value.getAsOpaquePointer());
    return classes.getLeaderValue(value.getAsOpaquePointer());
  };
  llvm::DenseSet<void *> kept;
  for (void *value : exact) {
    classes.insert(value);
    kept.insert(classes.getLeaderValue(value));
  }
  // Rows that are gathered and never handed out again, or the reverse, would be padded on one side.
  llvm::DenseMap<void *, unsigned> sides;
  auto wholeOf = [](Moved move) -> Value { return move.isGathered ? move.op.getResult() : move.op.getInput(); };
  for (const Moved &move : moved)
    sides[leaderOf(wholeOf(move))] |= move.isGathered ? 1 : 2;
  auto isPadded = [&](Value whole) {
    void *leader = leaderOf(whole);
    return sides.lookup(leader) == 3 && !kept.contains(leader);
  };
  SmallVector<Moved> chosen;
  llvm::copy_if(moved, std::back_inserter(chosen), [&](const Moved &move) { return isPadded(wholeOf(move)); });
  if (chosen.empty())
    return 0;
  OpBuilder builder(counts.getContext());
  builder.setInsertionPointAfterValue(counts);
  CountsType type = counts.getType();
  auto paddedType = CountsType::get(builder.getContext(), type.getAxes(), CountUnit::Padded, type.getEpoch());
  Value padded = PadCountsOp::create(builder, counts.getLoc(), paddedType, counts, multiple, mode, unless);
  for (auto [op, dim] : passed)
    if (isPadded(op.getInput()))
      rename(op, op.getFrom().getDims()[dim].getTerms().front().getName());
  for (Moved &move : chosen) {
    RedistributeOp op = move.op;
    SmallVector<int64_t> ragged = op.getRaggedDims();
    op.getCountsMutable()[static_cast<unsigned>(llvm::find(ragged, move.dim) - ragged.begin())].set(padded);
    rename(op, op.getFrom().getDims()[move.dim].getTerms().front().getName());
    if (move.isGathered) {
      builder.setInsertionPoint(op);
      op.getInputMutable().assign(PadRowsOp::create(builder, op.getLoc(), op.getInput().getType(), op.getInput(),
                                                    move.dim, counts, padded, Value()));
      continue;
    }
    builder.setInsertionPointAfter(op);
    Value live =
        UnpadRowsOp::create(builder, op.getLoc(), op.getResult().getType(), op.getResult(), move.dim, padded, counts);
    op.getResult().replaceAllUsesExcept(live, live.getDefiningOp());
  }
  return static_cast<int64_t>(chosen.size());
}

} // namespace

int64_t muster::padMovedRows(func::FuncOp function, MeshAttr mesh, TypedValue<CountsType> counts, PaddingMode mode,
                             int64_t multiple, Value unless) {
  return Padder(function, mesh, counts).pad(mode, multiple, unless);
}
