// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two children of a batch: the body twice, each with half of the rows, as far as the rows that are asked for; the rest
// once, on the rows of both. Of operations that touch a state, those of the first child come first at each stage, so
// that a sequence that is cut finds in the second what the first has written.
#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Analysis/CountInference.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/BatchSplit.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_SPLITBATCHESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// Rows of a value of both children, to be one value again.
struct Join {
  int64_t dim = 0;
  LayoutTermAttr term;
};

class BatchSplitter {
public:
  explicit BatchSplitter(func::FuncOp function) : function(function), block(function.front()) {}

  LogicalResult run();
  int64_t stages = 0, joined = 0;

private:
  LogicalResult findBatch();
  LogicalResult classify();
  LogicalResult findDependent();
  void findHead();
  LogicalResult findJoins();
  LogicalResult checkStates();
  void addArguments();
  void emitChildren();
  void emitJoins();
  void setAttributes();

  /// Moves what `op` reads, and belongs to no child, to where the next operation is put.
  void placeOperands(Operation *op);
  DictionaryAttr extendBounds(DictionaryAttr bounds) const;
  DictionaryAttr extendVariant(DictionaryAttr variant, DictionaryAttr bounds) const;
  bool isDependent(Operation *op) const;
  bool isBehindJoins(Operation *user) const {
    Operation *own = block.findAncestorOpInBlock(*user);
    return head.contains(own) || own == block.getTerminator();
  }
  SmallVector<Value> operandsOf(Operation *op) const;
  std::string nameFor(StringRef name, unsigned child) const { return (name + split.suffixOf(batchOf(child))).str(); }
  StringRef batchOf(unsigned child) const { return child == 0 ? split.first : split.second; }

  func::FuncOp function;
  Block &block;
  BatchSplit split;
  /// The batch's ragged dims, and what they count.
  llvm::StringMap<CountUnit> names;
  SmallVector<FieldClass> classes;
  /// What differs between the children, and the operations that make it, by the stage that they are in.
  llvm::DenseSet<Value> dependent;
  llvm::MapVector<Operation *, int64_t> stageOf;
  /// What is computed once, behind the joins.
  llvm::SetVector<Operation *> head;
  llvm::MapVector<Value, Join> joins;
  /// What stands where it is to stay.
  llvm::DenseSet<Operation *> placed;
  IRMapping children[2];
  AttrTypeReplacer renamers[2];
};

/// Of the operation and of what stands in its regions.
SmallVector<Value> BatchSplitter::operandsOf(Operation *op) const {
  SmallVector<Value> operands(op->getOperands());
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  operands.append(captured.begin(), captured.end());
  return operands;
}

bool isCollective(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        bool moves = isa<RedistributeOp>(inner) || (collectiveAxesOf(inner) && !isa<SliceOp>(inner));
        return moves ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// States that the operation, or one inside it, touches.
void forEachState(Operation *op, llvm::function_ref<void(StringAttr, Operation *)> visit) {
  op->walk([&](Operation *inner) {
    for (NamedAttribute attr : inner->getAttrs())
      if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attr.getValue()))
        if (SymbolTable::lookupNearestSymbolFrom<StateOp>(inner, symbol))
          visit(symbol.getAttr(), inner);
  });
}

//===----------------------------------------------------------------------===//
// What there is
//===----------------------------------------------------------------------===//

LogicalResult BatchSplitter::findBatch() {
  llvm::SetVector<StringRef> batches;
  auto read = [&](LayoutAttr layout) {
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      for (LayoutTermAttr term : dim.getTerms())
        if (term.isRagged()) {
          batches.insert(term.getEpoch());
          names[term.getName()] = *symbolizeCountUnit(term.getUnit());
        }
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    read(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    read(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
  if (batches.size() != 1) {
    std::string found;
    for (StringRef batch : batches)
      found += (found.empty() ? "@" : ", @") + batch.str();
    return function.emitOpError() << "E4040 expected the rows of one batch in the layouts of '" << function.getSymName()
                                  << "' but got " << (found.empty() ? "none" : found);
  }
  split.parent = batches.front().str();
  split.first = split.parent + ".a";
  split.second = split.parent + ".b";
  WalkResult counted = function.walk([&](Operation *op) {
    bool makesCounts = llvm::any_of(op->getResultTypes(), [](Type type) { return isa<CountsType, OffsetsType>(type); });
    if (!makesCounts)
      return WalkResult::advance();
    op->emitOpError() << "E4040 expected batch @" << split.parent
                      << " to be split before it is counted but got its counts";
    return WalkResult::interrupt();
  });
  return failure(counted.wasInterrupted());
}

/// By what an argument says, or by what its rows are.
LogicalResult BatchSplitter::classify() {
  for (BlockArgument argument : function.getArguments()) {
    unsigned index = argument.getArgNumber();
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    auto name = function.getArgAttrOfType<StringAttr>(index, attribute::name);
    std::string field = name ? "'" + name.str() + "'" : std::to_string(index);
    LayoutTermAttr ragged;
    bool isUnclear = false;
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      for (LayoutTermAttr term : dim.getTerms()) {
        // The rows of all positions, or two kinds of rows in one tensor.
        isUnclear |= names.contains(term.getName()) && (!term.isRagged() || ragged || dim.getTerms().size() != 1);
        if (term.isRagged())
          ragged = term;
      }
    std::optional<FieldClass> kind = fieldClassOf(function, index);
    if (!kind && layout && !isUnclear) {
      std::optional<CountUnit> unit = ragged ? symbolizeCountUnit(ragged.getUnit()) : std::nullopt;
      if (!ragged)
        kind = FieldClass::Inherit;
      else if (unit == CountUnit::Tokens)
        kind = FieldClass::Slice;
      else if (unit != CountUnit::Padded)
        kind = FieldClass::Recompute;
    }
    bool isHalved = kind == FieldClass::Slice || kind == FieldClass::Recompute;
    auto refuse = [&](const Twine &wanted) {
      return emitError(argument.getLoc())
             << "E1215 expected field " << field << " of batch @" << split.parent << " to " << wanted << " but got "
             << (kind ? "class " + stringifyFieldClass(*kind) : Twine("no class")).str() << " and "
             << (layout ? "layout " + layout.getText() : "no layout");
    };
    if (!kind)
      return refuse("be sliced, recomputed, inherited or dropped");
    if (isHalved && (!ragged || isUnclear))
      return refuse("have one dim of rows of the batch");
    if (kind == FieldClass::Inherit && ragged)
      return refuse("be sliced or recomputed, as its rows are,");
    if (kind == FieldClass::Drop && !argument.use_empty())
      return emitError(argument.getLoc())
             << "E1215 expected field " << field << " of batch @" << split.parent
             << ", which is dropped, to be read by nothing but got '" << (*argument.user_begin())->getName() << "'";
    classes.push_back(*kind);
    if (isHalved)
      dependent.insert(argument);
  }
  return success();
}

bool BatchSplitter::isDependent(Operation *op) const {
  if (auto size = dyn_cast<SizeOp>(op); size && names.contains(size.getDividend()))
    return true;
  return llvm::any_of(operandsOf(op), [&](Value value) { return dependent.contains(value); });
}

LogicalResult BatchSplitter::findDependent() {
  int64_t stage = 0;
  for (Operation &op : block.without_terminator()) {
    if (!isDependent(&op)) {
      Operation *touches = nullptr;
      forEachState(&op, [&](StringAttr, Operation *) { touches = &op; });
      if (touches)
        return op.emitOpError() << "E4042 unsupported split: expected what touches a state to have rows of batch @"
                                << split.parent << " but got '" << op.getName() << "' without";
      continue;
    }
    if (auto call = dyn_cast<func::CallOp>(op))
      return call.emitOpError() << "E4042 unsupported split: expected rows of batch @" << split.parent
                                << " in one function but got a call of '" << call.getCallee() << "'";
    dependent.insert(op.result_begin(), op.result_end());
    stageOf[&op] = stage;
    stage += isCollective(&op);
  }
  stages = stage + 1;
  return success();
}

//===----------------------------------------------------------------------===//
// Where the children meet
//===----------------------------------------------------------------------===//

/// The ragged dim of a layout, where there is one.
std::optional<Join> findRagged(LayoutAttr layout) {
  std::optional<Join> found;
  for (auto [index, dim] : llvm::enumerate(layout ? layout.getDims() : ArrayRef<LayoutDimAttr>()))
    if (LayoutTermAttr term = raggedTermOf(dim)) {
      if (found)
        return std::nullopt;
      found = Join{static_cast<int64_t>(index), term};
    }
  return found;
}

/// What is computed of asked rows, and of nothing else that the children have: it can be computed of both together.
void BatchSplitter::findHead() {
  llvm::DenseSet<Value> inHead;
  for (Operation &op : block.without_terminator()) {
    auto gather = dyn_cast<nn::GatherRowsOp>(op);
    auto asked = gather ? dyn_cast<BlockArgument>(gather.getIndices()) : BlockArgument();
    if (asked && dependent.contains(asked) && !inHead.contains(gather.getTable()))
      if (std::optional<Join> rows =
              findRagged(function.getArgAttrOfType<LayoutAttr>(asked.getArgNumber(), attribute::layout));
          rows && symbolizeCountUnit(rows->term.getUnit()) == CountUnit::Rows) {
        joins[gather.getResult()] = *rows;
        inHead.insert(gather.getResult());
        continue;
      }
    SmallVector<Value> operands = operandsOf(&op);
    if (llvm::none_of(operands, [&](Value value) { return inHead.contains(value); }))
      continue;
    bool isAlone =
        llvm::all_of(operands, [&](Value value) { return inHead.contains(value) || !dependent.contains(value); });
    forEachState(&op, [&](StringAttr, Operation *) { isAlone = false; });
    if (!isAlone) {
      joins.clear();
      head.clear();
      return;
    }
    head.insert(&op);
    inHead.insert(op.result_begin(), op.result_end());
  }
}

LogicalResult BatchSplitter::findJoins() {
  auto isReadOnce = [&](Operation *user) { return isBehindJoins(user); };
  joins.remove_if([&](auto &entry) { return llvm::none_of(entry.first.getUsers(), isReadOnce); });
  for (OpOperand &returned : block.getTerminator()->getOpOperands()) {
    Value value = returned.get();
    if (!dependent.contains(value) || joins.contains(value) || head.contains(value.getDefiningOp()))
      continue;
    unsigned index = returned.getOperandNumber();
    auto layout = function.getResultAttrOfType<LayoutAttr>(index, attribute::layout);
    std::optional<Join> rows = findRagged(layout);
    if (!rows || !BatchSplit::isDivided(*symbolizeCountUnit(rows->term.getUnit())))
      return function.emitOpError() << "E4042 unsupported split: expected result " << index
                                    << " to have tokens or rows of each position of batch @" << split.parent
                                    << " but got "
                                    << (layout ? "layout " + layout.getText() : std::string("no layout"));
    joins[value] = *rows;
  }
  for (auto &[value, rows] : joins) {
    bool isCounted = llvm::any_of(llvm::enumerate(classes), [&](auto entry) {
      std::optional<Join> own = findRagged(function.getArgAttrOfType<LayoutAttr>(entry.index(), attribute::layout));
      return own && own->term.getUnit() == rows.term.getUnit() && own->term.getAxes() == rows.term.getAxes();
    });
    if (!isCounted)
      return emitError(value.getLoc()) << "E4042 unsupported split: expected an argument with " << rows.term.getUnit()
                                       << " of batch @" << split.parent << ", to count what is joined, but got none";
  }
  return success();
}

/// A state that a stage reads before it writes: the second child would read what the first has written in that stage.
LogicalResult BatchSplitter::checkStates() {
  llvm::StringMap<int64_t> readAt;
  LogicalResult result = success();
  for (auto [op, stage] : stageOf)
    forEachState(op, [&, stage = stage](StringAttr state, Operation *inner) {
      auto effects = dyn_cast<MemoryEffectOpInterface>(inner);
      if (!effects || effects.hasEffect<MemoryEffects::Write>()) {
        auto read = readAt.find(state.getValue());
        if (read != readAt.end() && read->second == stage && succeeded(result))
          result = inner->emitOpError() << "E4042 unsupported split: expected state @" << state.getValue()
                                        << " to be written before it is read but got it written behind";
      } else {
        readAt[state.getValue()] = stage;
      }
    });
  return result;
}

//===----------------------------------------------------------------------===//
// Two of each
//===----------------------------------------------------------------------===//

/// In place of each halved argument its two children; what is dropped is gone.
void BatchSplitter::addArguments() {
  MLIRContext *context = function.getContext();
  for (unsigned child : {0u, 1u}) {
    renamers[child].addReplacement([this, child](LayoutTermAttr term) {
      if (!names.contains(term.getName()))
        return term;
      return LayoutTermAttr::get(term.getContext(), nameFor(term.getName(), child), term.getAxes(), term.getOrder(),
                                 term.getAnyOrder(), term.getUnit(), term.isRagged() ? batchOf(child) : term.getEpoch(),
                                 term.getExtent());
    });
    // "layers.3.rope" of the one becomes "layers.3.rope[a]".
    renamers[child].addReplacement([child](NameLoc loc) {
      return NameLoc::get(StringAttr::get(loc.getContext(), loc.getName().getValue() + (child == 0 ? "[a]" : "[b]")),
                          loc.getChildLoc());
    });
  }
  for (unsigned index = function.getNumArguments(); index-- > 0;) {
    BlockArgument argument = function.getArgument(index);
    FieldClass kind = classes[index];
    function.setArgAttr(index, attribute::split, StringAttr::get(context, stringifyFieldClass(kind)));
    if (kind == FieldClass::Inherit || kind == FieldClass::Drop)
      continue;
    DictionaryAttr attrs = function.getArgAttrDict(index);
    for (unsigned child : {1u, 0u}) {
      NamedAttrList own(cast<DictionaryAttr>(renamers[child].replace(Attribute(attrs))));
      if (auto name = dyn_cast_or_null<StringAttr>(own.get(attribute::name)))
        own.set(attribute::name, StringAttr::get(context, nameFor(name.getValue(), child)));
      (void)function.insertArgument(index + 1, argument.getType(), own.getDictionary(context), argument.getLoc());
      children[child].map(argument, function.getArgument(index + 1));
    }
  }
}

void BatchSplitter::placeOperands(Operation *op) {
  for (Value operand : operandsOf(op))
    if (Operation *maker = operand.getDefiningOp();
        maker && maker->getBlock() == &block && !dependent.contains(operand) && placed.insert(maker).second) {
      placeOperands(maker);
      maker->moveBefore(block.getTerminator());
    }
}

/// Stage by stage, the first child's in front, each up to its next collective: while that is under way, the other child
/// computes.
void BatchSplitter::emitChildren() {
  std::vector<SmallVector<Operation *>> byStage(stages);
  for (auto [op, stage] : stageOf)
    if (!head.contains(op))
      byStage[stage].push_back(op);
  OpBuilder builder(block.getTerminator());
  for (ArrayRef<Operation *> stage : byStage)
    for (unsigned child : {0u, 1u})
      for (Operation *op : stage) {
        placeOperands(op);
        Operation *clone = builder.clone(*op, children[child]);
        placed.insert(clone);
        renamers[child].recursivelyReplaceElementsIn(clone, /*replaceAttrs=*/true, /*replaceLocs=*/true,
                                                     /*replaceTypes=*/true);
        if (auto size = dyn_cast<SizeOp>(clone))
          size.setDividend(nameFor(size.getDividend(), child));
      }
}

void BatchSplitter::emitJoins() {
  MLIRContext *context = function.getContext();
  OpBuilder builder(block.getTerminator()), top = OpBuilder::atBlockBegin(&block);
  // Counts that nobody has made yet: one for each batch and unit.
  llvm::MapVector<Type, Value> counts;
  auto countsOf = [&](LayoutTermAttr term, StringRef batch) {
    SmallVector<StringAttr> axes;
    for (AxisRefAttr axis : term.getAxes())
      axes.push_back(builder.getStringAttr(getAxisName(axis)));
    auto type =
        CountsType::get(context, axes, *symbolizeCountUnit(term.getUnit()), FlatSymbolRefAttr::get(context, batch));
    Value &value = counts[type];
    if (!value) {
      value = ub::PoisonOp::create(top, function.getLoc(), type);
      placed.insert(value.getDefiningOp());
    }
    return value;
  };
  for (auto &[value, rows] : joins) {
    Value first = countsOf(rows.term, split.first), second = countsOf(rows.term, split.second),
          whole = countsOf(rows.term, split.parent);
    Value together = JoinRowsOp::create(builder, value.getLoc(), value.getType(), children[0].lookup(value),
                                        children[1].lookup(value), rows.dim, first, second, whole);
    placed.insert(together.getDefiningOp());
    value.replaceUsesWithIf(together, [&](OpOperand &use) { return isBehindJoins(use.getOwner()); });
    ++joined;
  }
  for (Operation *op : head) {
    placeOperands(op);
    placed.insert(op);
    op->moveBefore(block.getTerminator());
  }
  // What only results, or nothing, read: behind what it reads.
  SmallVector<Operation *> rest;
  for (Operation &op : block.without_terminator())
    if (!placed.contains(&op) && !stageOf.contains(&op))
      rest.push_back(&op);
  for (Operation *op : rest)
    op->moveBefore(block.getTerminator());
}

/// Rows that are divided have a count of all, others of each child only.
DictionaryAttr BatchSplitter::extendBounds(DictionaryAttr bounds) const {
  NamedAttrList extended;
  for (NamedAttribute bound : bounds) {
    StringRef name = bound.getName().getValue(), dim = name, total = ".total";
    bool isTotal = name.ends_with(total) && names.contains(name.drop_back(total.size()));
    if (isTotal)
      dim = name.drop_back(total.size());
    auto unit = names.find(dim);
    if (unit == names.end() || BatchSplit::isDivided(unit->second))
      extended.append(bound);
    if (unit != names.end())
      for (unsigned child : {0u, 1u})
        extended.append(nameFor(dim, child) + (isTotal ? total.str() : ""), bound.getValue());
  }
  return extended.getDictionary(bounds.getContext());
}

/// A variant for fewer tokens than there may be serves steps that are not split: all of the batch is in the second
/// child, and the first has nothing. One for all tokens serves any.
DictionaryAttr BatchSplitter::extendVariant(DictionaryAttr variant, DictionaryAttr bounds) const {
  NamedAttrList extended(extendBounds(variant));
  bool isSmaller = llvm::any_of(names, [&](const auto &name) {
    auto own = variant.getAs<IntegerAttr>(name.getKey()), most = bounds.getAs<IntegerAttr>(name.getKey());
    return name.second == CountUnit::Tokens && own && most && own.getInt() < most.getInt();
  });
  // Of starts a child without sequences has one.
  for (const auto &name : names)
    if (isSmaller && name.second != CountUnit::Starts && bounds.contains(name.getKey()))
      extended.set(nameFor(name.getKey(), 0), IntegerAttr::get(IntegerType::get(variant.getContext(), 64), 0));
  return extended.getDictionary(variant.getContext());
}

void BatchSplitter::setAttributes() {
  function->setAttr(attribute::split, split.toAttribute(function.getContext()));
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  if (bounds)
    function->setAttr(attribute::bounds, extendBounds(bounds));
  constexpr StringLiteral variants = "muster.variants";
  if (auto list = function->getAttrOfType<ArrayAttr>(variants)) {
    SmallVector<Attribute> extended;
    for (Attribute variant : list)
      extended.push_back(isa<DictionaryAttr>(variant) && bounds ? extendVariant(cast<DictionaryAttr>(variant), bounds)
                                                                : variant);
    function->setAttr(variants, ArrayAttr::get(function.getContext(), extended));
  }
}

LogicalResult BatchSplitter::run() {
  if (failed(findBatch()) || failed(classify()) || failed(findDependent()))
    return failure();
  findHead();
  if (failed(findJoins()) || failed(checkStates()))
    return failure();
  addArguments();
  emitChildren();
  emitJoins();
  for (auto [op, stage] : llvm::reverse(stageOf))
    if (!head.contains(op))
      op->erase();
  // From the last, so that indices stay; what was dropped has its class and no children.
  for (unsigned index = function.getNumArguments(); index-- > 0;)
    if (children[0].contains(function.getArgument(index)) || fieldClassOf(function, index) == FieldClass::Drop)
      (void)function.eraseArgument(index);
  setAttributes();
  return success();
}

struct SplitBatches : muster::impl::SplitBatchesPassBase<SplitBatches> {
  void runOnOperation() override {
    llvm::DenseSet<StringRef> called;
    getOperation().walk([&](func::CallOp call) { called.insert(call.getCallee()); });
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || !getMesh(function) || called.contains(function.getSymName()))
        continue;
      BatchSplitter splitter(function);
      if (failed(splitter.run()))
        return signalPassFailure();
      stages += splitter.stages;
      joined += splitter.joined;
    }
  }
};

} // namespace
