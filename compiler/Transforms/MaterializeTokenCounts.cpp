// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountInference.h"
#include "compiler/Transforms/NeededCounts.h"
#include "compiler/Transforms/PadMovedRows.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/BatchSplit.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"

#include <limits>

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_MATERIALIZETOKENCOUNTSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// A dim of an argument whose parts have lengths of their own.
struct RaggedDim {
  unsigned argument = 0;
  int64_t dim = 0;
  LayoutTermAttr term;
};

/// The counts of rows, and the dims that have them.
struct Counted {
  Value value;
  std::string name;
  SmallVector<StringAttr> axes;
};

/// Counts of one function: what its arguments say that there is to count, and one value for each.
class Counting {
public:
  /// `levels`: where rows are padded, whether they are levelled depends on the step.
  Counting(func::FuncOp function, const NeededCounts &needed, bool levels)
      : function(function), needed(needed), mesh(getMesh(function)), split(BatchSplit::of(function)), levels(levels),
        handWritten(needed.countedIn(function)) {}

  LogicalResult run();
  /// Pads the tokens that are gathered and handed out; counts what moves padded rows.
  void pad(PaddingMode mode, int64_t multiple) {
    for (const auto &[what, own] : counts) {
      Value unless = prompts.lookup(what.epoch);
      // A function that is called is not told how many prompts there are: nothing is levelled in it.
      PaddingMode level = mode == PaddingMode::Balanced && !unless ? PaddingMode::Sum : mode;
      if (what.unit == CountUnit::Tokens && (level != PaddingMode::Sum || multiple > 1))
        padded += padMovedRows(function, mesh, cast<TypedValue<CountsType>>(own.value), level, multiple, unless);
    }
    dropPrompts();
  }

  int64_t padded = 0, made = 0, given = 0, checks = 0;

private:
  void takeArguments();
  LogicalResult readArguments();
  /// Names of the axes of a dim.
  SmallVector<StringAttr> axesOf(const RaggedDim &dim) const;
  CountsType typeOf(const Countable &what, ArrayRef<StringAttr> axes) const;
  const RaggedDim *findDim(std::string_view batch, CountUnit unit, LayoutTermAttr like) const;
  /// The other child's dim of one whose rows the children of a batch divide among them; null for others.
  const RaggedDim *findSecond(const Countable &what, const RaggedDim &dim) const;
  bool isLeftByFirst(const Countable &what, const RaggedDim &dim) const;
  /// Of batches with tokens over these axes: how many sequences have more than one of them.
  SmallVector<StepFieldOp, 2> makePrompts(ImplicitLocOpBuilder &builder, ArrayRef<StringAttr> axes) const;
  /// What nothing was padded by is no field of the step.
  void dropPrompts();
  void exchange();
  void exchange(ImplicitLocOpBuilder &builder, ArrayRef<Countable> counted, ArrayRef<StringAttr> axes);
  void splitCounts(ImplicitLocOpBuilder &builder);
  void checkTotals();
  LogicalResult attach(RedistributeOp op);
  void fillJoins();
  LogicalResult placeFirstRow(FirstRowOp op);
  LogicalResult passCounts(func::CallOp call);

  func::FuncOp function;
  const NeededCounts &needed;
  MeshAttr mesh;
  std::optional<BatchSplit> split;
  bool levels;
  /// Counts of the sequences with several tokens, by batch.
  llvm::StringMap<Value> prompts;
  /// Batches that the function counts itself.
  const std::set<std::string> &handWritten;
  std::map<Countable, RaggedDim> dims;
  std::map<Countable, Counted> counts;
  std::map<Countable, Value> offsets;
};

/// Of a function that is called: the last arguments are what it needs.
void Counting::takeArguments() {
  const auto &own = needed.of(function);
  for (auto [need, argument] : llvm::zip_equal(own, function.getArguments().take_back(own.size())))
    counts[need.first] = {argument, "", need.second.axes};
}

LogicalResult Counting::readArguments() {
  for (unsigned index = 0; index < function.getNumArguments(); ++index) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    for (auto [dim, terms] : llvm::enumerate(layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())) {
      LayoutTermAttr term = raggedTermOf(terms);
      if (!term || handWritten.count(term.getEpoch().str()))
        continue;
      RaggedDim ragged{index, static_cast<int64_t>(dim), term};
      const RaggedDim &first = dims.insert({countableOf(term), ragged}).first->second;
      auto refuse = [&](StringRef number, const Twine &text) {
        InFlightDiagnostic error = emitError(function.getArgument(index).getLoc()) << number << " " << text;
        error.attachNote(function.getArgument(first.argument).getLoc())
            << "counted first here: argument " << first.argument << ", dim " << first.dim;
        return error;
      };
      if (first.term.getAxes() != term.getAxes())
        return refuse("E1204", "expected all rows of " + countableOf(term).text() +
                                   " to be divided by the same axes but got other ones in dim " + Twine(dim) +
                                   " of argument " + Twine(index));
      if (first.term.getName() != term.getName())
        return refuse("E1206", "expected one name for the dims of " + countableOf(term).text() + " but got '" +
                                   term.getName() + "' in dim " + Twine(dim) + " of argument " + Twine(index) +
                                   " and '" + first.term.getName() + "'");
    }
  }
  return success();
}

SmallVector<StringAttr> Counting::axesOf(const RaggedDim &dim) const {
  SmallVector<StringAttr> axes;
  for (AxisRefAttr axis : dim.term.getAxes())
    axes.push_back(StringAttr::get(axis.getContext(), getAxisName(axis)));
  return axes;
}

CountsType Counting::typeOf(const Countable &what, ArrayRef<StringAttr> axes) const {
  MLIRContext *context = mesh.getContext();
  return CountsType::get(context, axes, what.unit, FlatSymbolRefAttr::get(context, what.epoch));
}

const RaggedDim *Counting::findDim(std::string_view batch, CountUnit unit, LayoutTermAttr like) const {
  auto found = dims.find({std::string(batch), unit});
  return found != dims.end() && found->second.term.getAxes() == like.getAxes() ? &found->second : nullptr;
}

const RaggedDim *Counting::findSecond(const Countable &what, const RaggedDim &dim) const {
  return split && what.epoch == split->first && BatchSplit::isDivided(what.unit)
             ? findDim(split->second, what.unit, dim.term)
             : nullptr;
}

/// What the first child leaves needs no field of its own.
bool Counting::isLeftByFirst(const Countable &what, const RaggedDim &dim) const {
  return split && what.epoch == split->second && BatchSplit::isDivided(what.unit) &&
         findDim(split->first, what.unit, dim.term);
}

SmallVector<StepFieldOp, 2> Counting::makePrompts(ImplicitLocOpBuilder &builder, ArrayRef<StringAttr> axes) const {
  SmallVector<StepFieldOp, 2> fields;
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  auto isTokens = [](const auto &counted) { return counted.first.unit == CountUnit::Tokens; };
  bool isAlone = llvm::count_if(dims, isTokens) == (split ? 2 : 1);
  for (const auto &[what, dim] : dims) {
    if (!isTokens(std::pair(what, dim)) || ArrayRef<StringAttr>(axesOf(dim)) != axes)
      continue;
    // There are at most as many as sequences, or else as tokens.
    const RaggedDim *requests = findDim(what.epoch, CountUnit::Requests, dim.term);
    int64_t bound = std::numeric_limits<int32_t>::max();
    for (const RaggedDim *of : {requests, &dim})
      if (auto given = of && bounds ? bounds.getAs<IntegerAttr>(of->term.getName()) : IntegerAttr())
        bound = std::min(bound, given.getInt());
    std::string name = "prefills";
    if (split && split->isChild(what.epoch))
      name += split->suffixOf(what.epoch);
    else if (!isAlone)
      name += "." + what.epoch;
    auto type = CountsType::get(builder.getContext(), {}, CountUnit::Requests,
                                FlatSymbolRefAttr::get(builder.getContext(), what.epoch));
    fields.push_back(StepFieldOp::create(builder, type, name, bound));
  }
  return fields;
}

void Counting::dropPrompts() {
  SmallVector<ExchangeCountsOp, 2> exchanges;
  for (const auto &made : prompts)
    if (made.second.use_empty())
      exchanges.push_back(made.second.getDefiningOp<ExchangeCountsOp>());
  llvm::sort(exchanges, [](Operation *a, Operation *b) { return a < b; });
  exchanges.erase(llvm::unique(exchanges), exchanges.end());
  for (ExchangeCountsOp op : exchanges) {
    SmallVector<Value> inputs, results;
    SmallVector<Operation *> dropped;
    for (auto [input, result] : llvm::zip_equal(op.getInputs(), op.getResults())) {
      auto field = input.getDefiningOp<StepFieldOp>();
      if (field && result.use_empty()) {
        dropped.push_back(field);
        continue;
      }
      inputs.push_back(input);
      results.push_back(result);
    }
    OpBuilder builder(op);
    auto less = ExchangeCountsOp::create(builder, op.getLoc(), TypeRange(ValueRange(results)), inputs);
    for (auto [from, to] : llvm::zip_equal(results, less.getResults()))
      from.replaceAllUsesWith(to);
    op.erase();
    for (Operation *field : dropped)
      field->erase();
  }
}

/// Of two children the whole and the first's: what the second has is what that leaves.
void Counting::exchange(ImplicitLocOpBuilder &builder, ArrayRef<Countable> counted, ArrayRef<StringAttr> axes) {
  SmallVector<std::pair<Countable, std::string>> fields;
  SmallVector<Value> own;
  SmallVector<Type> types;
  auto bring = [&](const Countable &what, StringRef field, Value size) {
    own.push_back(LocalCountOp::create(builder, typeOf(what, {}), size, builder.getStringAttr(field)));
    types.push_back(typeOf(what, axes));
    fields.push_back({what, field.str()});
  };
  auto sizeOf = [&](const RaggedDim &dim) -> Value {
    return tensor::DimOp::create(builder, function.getArgument(dim.argument), dim.dim);
  };
  for (const Countable &what : counted) {
    const RaggedDim &dim = dims.find(what)->second;
    Value size = sizeOf(dim);
    if (const RaggedDim *second = findSecond(what, dim)) {
      Value whole = arith::AddIOp::create(builder, size, sizeOf(*second));
      bring({split->parent, what.unit}, split->parentName(dim.term.getName()), whole);
    }
    bring(what, dim.term.getName(), size);
  }
  for (StepFieldOp field : levels ? makePrompts(builder, axes) : SmallVector<StepFieldOp, 2>()) {
    CountsType type = field.getResult().getType();
    own.push_back(field);
    types.push_back(CountsType::get(builder.getContext(), axes, type.getUnit(), type.getEpoch()));
  }
  auto exchanged = ExchangeCountsOp::create(builder, types, own);
  for (auto [field, value] : llvm::zip(fields, exchanged.getResults()))
    counts[field.first] = {value, field.second, SmallVector<StringAttr>(axes)};
  for (Value value : exchanged.getResults().drop_front(fields.size()))
    prompts[cast<CountsType>(value.getType()).getEpoch().getValue()] = value;
}

void Counting::splitCounts(ImplicitLocOpBuilder &builder) {
  for (const auto &[what, dim] : dims) {
    const RaggedDim *second = findSecond(what, dim);
    if (!second)
      continue;
    Countable left{split->second, what.unit};
    const Counted &first = counts[what], &whole = counts[{split->parent, what.unit}];
    auto children = SplitCountsOp::create(builder, TypeRange{first.value.getType(), typeOf(left, first.axes)},
                                          whole.value, first.value);
    counts[left] = {children.getSecondChild(), second->term.getName().str(), first.axes};
  }
}

/// One exchange for each set of axes, at the top: nothing is launched before it.
void Counting::exchange() {
  ImplicitLocOpBuilder builder(function.getLoc(), OpBuilder::atBlockBegin(&function.front()));
  // A batch has one start more than it has requests.
  auto hasRequests = [&](const Countable &what, const RaggedDim &dim) {
    return what.unit == CountUnit::Starts && findDim(what.epoch, CountUnit::Requests, dim.term);
  };
  llvm::MapVector<Attribute, SmallVector<Countable>> byAxes;
  for (const auto &[what, dim] : dims)
    if (!hasRequests(what, dim) && !isLeftByFirst(what, dim)) {
      SmallVector<StringAttr> axes = axesOf(dim);
      byAxes[builder.getArrayAttr(SmallVector<Attribute>(axes.begin(), axes.end()))].push_back(what);
    }
  for (const auto &group : byAxes)
    exchange(builder, group.second, axesOf(dims.find(group.second.front())->second));
  splitCounts(builder);
  for (const auto &[what, dim] : dims)
    if (hasRequests(what, dim)) {
      const Counted &requests = counts.find({what.epoch, CountUnit::Requests})->second;
      counts[what] = {ScaleOp::create(builder, typeOf(what, requests.axes), requests.value, /*factor=*/1, /*addend=*/1),
                      dim.term.getName().str(), requests.axes};
    }
  made += static_cast<int64_t>(counts.size());
}

/// A bound of all positions together that does not follow from that of each.
void Counting::checkTotals() {
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  if (!bounds)
    return;
  ImplicitLocOpBuilder builder(function.getLoc(), function.getContext());
  for (const auto &[what, counted] : counts) {
    auto each = bounds.getAs<IntegerAttr>(counted.name);
    auto all = bounds.getAs<IntegerAttr>(counted.name + ".total");
    int64_t positions = 1;
    for (StringAttr axis : counted.axes) {
      int64_t size = findAxisPart(mesh, axis.getValue())->size;
      positions =
          ShapedType::isDynamic(size) || ShapedType::isDynamic(positions) ? ShapedType::kDynamic : positions * size;
    }
    if (!all || (each && !ShapedType::isDynamic(positions) && all.getInt() / positions >= each.getInt()))
      continue;
    builder.setInsertionPointAfterValue(counted.value);
    Value total = TotalOp::create(builder, counted.value);
    CheckCountOp::create(builder, total, all.getInt(), (stringifyCountUnit(what.unit) + " of a step").str());
    ++checks;
  }
}

/// Gives a redistribution the counts of each ragged dim that it moves.
LogicalResult Counting::attach(RedistributeOp op) {
  if (!op.getCounts().empty())
    return success();
  SmallVector<Value> operands;
  for (auto [from, to] : llvm::zip_equal(op.getFrom().getDims(), op.getTo().getDims())) {
    LayoutTermAttr before = raggedTermOf(from), after = raggedTermOf(to);
    if (from == to || (!before && !after))
      continue;
    LayoutTermAttr term = before ? before : after;
    if (handWritten.count(term.getEpoch().str()))
      return success();
    auto value = counts.find(countableOf(term));
    if (value == counts.end())
      return op.emitOpError() << "E1201 moves rows of " << countableOf(term).text()
                              << ", which no argument of the function has: there is nothing to count them by";
    operands.push_back(value->second.value);
  }
  if (operands.empty())
    return success();
  op.getCountsMutable().assign(operands);
  ++given;
  return success();
}

/// Gives joins of children the counts that they wait for.
void Counting::fillJoins() {
  SmallVector<ub::PoisonOp> waiting;
  function.walk([&](ub::PoisonOp op) {
    if (isa<CountsType>(op.getType()))
      waiting.push_back(op);
  });
  for (ub::PoisonOp op : waiting) {
    auto type = cast<CountsType>(op.getType());
    auto value = counts.find({type.getEpoch().getValue().str(), type.getUnit()});
    if (value == counts.end() || value->second.value.getType() != type)
      continue;
    given += static_cast<int64_t>(llvm::range_size(op->getUsers()));
    op.replaceAllUsesWith(value->second.value);
    op.erase();
  }
}

/// The first row of a rank is its own offset.
LogicalResult Counting::placeFirstRow(FirstRowOp op) {
  LayoutTermAttr term = op.getRows();
  auto value = counts.find(countableOf(term));
  if (value == counts.end())
    return op.emitOpError() << "E1201 names rows of " << countableOf(term).text()
                            << (handWritten.count(term.getEpoch().str())
                                    ? ", which the function counts itself: expected muster.own_offset of their counts"
                                    : ", which no argument of the function has: there is nothing to count them by");
  Value own = value->second.value;
  auto type = cast<CountsType>(own.getType());
  Value &starts = offsets[countableOf(term)];
  if (!starts) {
    OpBuilder builder(op.getContext());
    builder.setInsertionPointAfterValue(own);
    starts = OffsetsOp::create(builder, own.getLoc(),
                               OffsetsType::get(op.getContext(), type.getAxes(), type.getUnit(), type.getEpoch()), own);
  }
  OpBuilder builder(op);
  op.replaceAllUsesWith(OwnOffsetOp::create(builder, op.getLoc(), starts).getResult());
  op.erase();
  ++given;
  return success();
}

/// Hands on what a function that is called needs.
LogicalResult Counting::passCounts(func::CallOp call) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
  if (!callee)
    return success();
  for (const auto &[what, need] : needed.of(callee)) {
    auto value = counts.find(what);
    auto refuse = [&](StringRef number, const Twine &why) {
      InFlightDiagnostic error = need.op->emitOpError() << number << " moves rows of " << what.text() << why;
      error.attachNote(call.getLoc()) << "in this call";
      return error;
    };
    if (value == counts.end())
      return refuse("E1201", handWritten.count(what.epoch)
                                 ? ", which the caller counts itself: expected their counts as an argument of the call"
                                 : ", which no argument of the caller has: there is nothing to count them by");
    if (value->second.axes != need.axes)
      return refuse("E1204", ", which the caller divides by other axes");
    call.getOperandsMutable().append(value->second.value);
    ++given;
  }
  return success();
}

LogicalResult Counting::run() {
  if (needed.isEntry(function)) {
    if (failed(readArguments()))
      return failure();
    if (!dims.empty())
      exchange();
    checkTotals();
    if (split)
      fillJoins();
  } else {
    takeArguments();
  }
  WalkResult result = function.walk([&](Operation *op) {
    auto redistribute = dyn_cast<RedistributeOp>(op);
    auto first = dyn_cast<FirstRowOp>(op);
    auto call = dyn_cast<func::CallOp>(op);
    bool isFailed = (redistribute && failed(attach(redistribute))) || (first && failed(placeFirstRow(first))) ||
                    (call && failed(passCounts(call)));
    return isFailed ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// An argument for each of the counts that a function needs of its callers.
void addArguments(func::FuncOp function, const NeededCounts &needed) {
  MLIRContext *context = function.getContext();
  for (const auto &[what, need] : needed.of(function))
    (void)function.insertArgument(
        function.getNumArguments(),
        CountsType::get(context, need.axes, what.unit, FlatSymbolRefAttr::get(context, what.epoch)), {},
        function.getLoc());
}

struct MaterializeTokenCounts : muster::impl::MaterializeTokenCountsPassBase<MaterializeTokenCounts> {
  using MaterializeTokenCountsPassBase::MaterializeTokenCountsPassBase;

  void runOnOperation() override {
    if (align < 1) {
      getOperation().emitError() << "expected option 'align' to be at least 1 but got " << align.getValue();
      return signalPassFailure();
    }
    copyCalledEntries(getOperation());
    const NeededCounts needed(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      addArguments(function, needed);
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || !getMesh(function))
        continue;
      Counting counting(function, needed, padding == PaddingMode::Balanced);
      if (failed(counting.run()))
        return signalPassFailure();
      if (padding != PaddingMode::Sum || align > 1)
        counting.pad(padding, align);
      operationsPadded += counting.padded;
      countsMade += counting.made;
      operationsGiven += counting.given;
      checksPlaced += counting.checks;
    }
  }
};

} // namespace
