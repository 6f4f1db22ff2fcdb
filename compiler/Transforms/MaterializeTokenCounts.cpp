// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountInference.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

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

/// Counts of one function: what its arguments say that there is to count, and one value for each.
class Counting {
public:
  explicit Counting(func::FuncOp function) : function(function), mesh(getMesh(function)) {}

  LogicalResult run();

  int64_t made = 0, given = 0, checks = 0;

private:
  void findHandWritten();
  LogicalResult readArguments();
  void exchange();
  void checkTotals();
  LogicalResult attach(RedistributeOp op);

  func::FuncOp function;
  MeshAttr mesh;
  /// Batches that the function counts itself.
  llvm::StringSet<> handWritten;
  std::map<Countable, RaggedDim> dims;
  std::map<Countable, Value> counts;
};

void Counting::findHandWritten() {
  auto note = [&](Type type) {
    if (auto counted = dyn_cast<CountsType>(type))
      handWritten.insert(counted.getEpoch().getValue());
  };
  llvm::for_each(function.getArgumentTypes(), note);
  function.walk([&](Operation *op) { llvm::for_each(op->getResultTypes(), note); });
}

LogicalResult Counting::readArguments() {
  for (unsigned index = 0; index < function.getNumArguments(); ++index) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    for (auto [dim, terms] : llvm::enumerate(layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())) {
      LayoutTermAttr term = raggedTermOf(terms);
      if (!term || handWritten.contains(term.getEpoch()))
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

/// One exchange for each set of axes, at the top: nothing is launched before it.
void Counting::exchange() {
  ImplicitLocOpBuilder builder(function.getLoc(), OpBuilder::atBlockBegin(&function.front()));
  auto typeOf = [&](const Countable &what, ArrayRef<StringAttr> axes) {
    return CountsType::get(builder.getContext(), axes, what.unit,
                           FlatSymbolRefAttr::get(builder.getContext(), what.epoch));
  };
  // A batch has one start more than it has requests.
  auto requestsOf = [&](const Countable &what) -> const RaggedDim * {
    auto requests = what.unit == CountUnit::Starts ? dims.find({what.epoch, CountUnit::Requests}) : dims.end();
    return requests != dims.end() && requests->second.term.getAxes() == dims.find(what)->second.term.getAxes()
               ? &requests->second
               : nullptr;
  };
  llvm::MapVector<Attribute, SmallVector<Countable>> byAxes;
  auto axesOf = [&](const RaggedDim &dim) {
    SmallVector<StringAttr> axes;
    for (AxisRefAttr axis : dim.term.getAxes())
      axes.push_back(builder.getStringAttr(getAxisName(axis)));
    return axes;
  };
  for (const auto &[what, dim] : dims)
    if (!requestsOf(what)) {
      SmallVector<StringAttr> axes = axesOf(dim);
      byAxes[builder.getArrayAttr(SmallVector<Attribute>(axes.begin(), axes.end()))].push_back(what);
    }
  for (const auto &group : byAxes) {
    SmallVector<Value> own;
    SmallVector<Type> types;
    for (const Countable &what : group.second) {
      const RaggedDim &dim = dims.find(what)->second;
      Value size = tensor::DimOp::create(builder, function.getArgument(dim.argument), dim.dim);
      own.push_back(LocalCountOp::create(builder, typeOf(what, {}), size, builder.getStringAttr(dim.term.getName())));
      types.push_back(typeOf(what, axesOf(dim)));
    }
    auto exchanged = ExchangeCountsOp::create(builder, types, own);
    for (auto [what, value] : llvm::zip_equal(group.second, exchanged.getResults()))
      counts[what] = value;
  }
  for (const auto &[what, dim] : dims)
    if (requestsOf(what))
      counts[what] =
          ScaleOp::create(builder, typeOf(what, axesOf(dim)), counts.find({what.epoch, CountUnit::Requests})->second,
                          /*factor=*/1, /*addend=*/1);
  made += static_cast<int64_t>(counts.size());
}

/// A bound of all positions together that does not follow from that of each.
void Counting::checkTotals() {
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  if (!bounds)
    return;
  ImplicitLocOpBuilder builder(function.getLoc(), function.getContext());
  for (const auto &[what, value] : counts) {
    const RaggedDim &dim = dims.find(what)->second;
    auto each = bounds.getAs<IntegerAttr>(dim.term.getName());
    auto all = bounds.getAs<IntegerAttr>((dim.term.getName() + ".total").str());
    int64_t positions = 1;
    for (AxisRefAttr axis : dim.term.getAxes()) {
      int64_t size = findAxisPart(mesh, getAxisName(axis))->size;
      positions =
          ShapedType::isDynamic(size) || ShapedType::isDynamic(positions) ? ShapedType::kDynamic : positions * size;
    }
    if (!all || (each && !ShapedType::isDynamic(positions) && all.getInt() / positions >= each.getInt()))
      continue;
    builder.setInsertionPointAfterValue(value);
    Value total = TotalOp::create(builder, value);
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
    if (handWritten.contains(term.getEpoch()))
      return success();
    auto value = counts.find(countableOf(term));
    if (value == counts.end())
      return op.emitOpError() << "E1201 moves rows of " << countableOf(term).text()
                              << ", which no argument of the function has: there is nothing to count them by";
    operands.push_back(value->second);
  }
  if (operands.empty())
    return success();
  op.getCountsMutable().assign(operands);
  ++given;
  return success();
}

LogicalResult Counting::run() {
  findHandWritten();
  if (failed(readArguments()))
    return failure();
  if (!dims.empty())
    exchange();
  checkTotals();
  WalkResult result = function.walk(
      [&](RedistributeOp op) { return failed(attach(op)) ? WalkResult::interrupt() : WalkResult::advance(); });
  return failure(result.wasInterrupted());
}

struct MaterializeTokenCounts : muster::impl::MaterializeTokenCountsPassBase<MaterializeTokenCounts> {
  using MaterializeTokenCountsPassBase::MaterializeTokenCountsPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || !getMesh(function))
        continue;
      Counting counting(function);
      if (failed(counting.run()))
        return signalPassFailure();
      countsMade += counting.made;
      operationsGiven += counting.given;
      checksPlaced += counting.checks;
    }
  }
};

} // namespace
