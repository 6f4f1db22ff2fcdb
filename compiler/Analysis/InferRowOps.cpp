// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows that are padded, and rows of a batch that was split in two children (dialects/Muster/IR/RowOps.td):
//
//   | operation  | needs                                                        | gives                              |
//   | ---------- | ------------------------------------------------------------ | ---------------------------------- |
//   | pad        | own rows, their counts, and padded ones that are not less    | own rows of a padded space         |
//   | unpad      | own rows of a padded space, by the counts that padded them   | own rows of the space before       |
//   | split_rows | own rows, and counts of two children that have all of them   | own rows of each child             |
//   | join_rows  | own rows of the two children of a batch, in their order      | own rows of the batch              |
//
// A padded space belongs to the rows that were padded and to the counts, so that rows padded in two ways are rows of
// two spaces. Which batches are children of which, and in which order, is said by muster.split_counts or by
// `muster.split` of the function; else by the first operation that takes them for children, which is then assumed. That
// children have as many rows as their parent is proved by verify-counts; where it does not follow from split_counts it
// is assumed here.
#include "compiler/Analysis/FunctionInference.h"

#include "dialects/Muster/IR/BatchSplit.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Dim;
using layout::Refusal;
using layout::Rows;
using layout::SpaceId;

static Refusal unknownRows(std::string message, std::string fact) {
  return {Refusal::Kind::Unknown, std::move(message), std::move(fact)};
}

static std::string textOf(const Rows &rows) { return rows.unit + " of batch @" + rows.batch; }

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

std::optional<SpaceId> FunctionInference::spaceOfCounts(mlir::Value counts) {
  auto type = cast<CountsType>(counts.getType());
  SmallVector<Attribute> names(type.getAxes().begin(), type.getAxes().end());
  SmallVector<layout::AxisId, 2> axes = scope.groupOf(ArrayAttr::get(type.getContext(), names));
  std::string key = type.getUnit() == CountUnit::Padded ? keyOfCounts(counts) : "";
  for (auto [id, space] : llvm::enumerate(scope.universe.spaces)) {
    if (!space.rows || space.rows->batch != type.getEpoch().getValue() ||
        space.rows->unit != stringifyCountUnit(type.getUnit()) || space.rows->axes != axes)
      continue;
    if (!space.rows->padding || paddings[space.rows->padding - 1].key == key)
      return static_cast<SpaceId>(id);
  }
  return std::nullopt;
}

bool FunctionInference::areCountsOf(Operation *op, mlir::Value counts, SpaceId space) {
  auto type = cast<CountsType>(counts.getType());
  const Rows rows = *scope.universe.spaces[space].rows;
  SmallVector<Attribute> names(type.getAxes().begin(), type.getAxes().end());
  SmallVector<layout::AxisId, 2> axes = scope.groupOf(ArrayAttr::get(type.getContext(), names));
  bool isSame = type.getEpoch().getValue() == rows.batch && stringifyCountUnit(type.getUnit()) == rows.unit;
  if (isSame && axes != rows.axes) {
    reportRefusal(
        op, unknownRows(textOf(rows) + " by counts over other axes than divide them", "counts over these axes"), 1108);
    return false;
  }
  // Rows of a graph may be joined before anybody counts them; that they are counted is what verify-counts asks.
  if (isSame && makerOf<ub::PoisonOp>(counts) && isa<SplitRowsOp, JoinRowsOp>(op)) {
    assume(makerOf<ub::PoisonOp>(counts), "counts that are still to be made count " + textOf(rows));
    return true;
  }
  std::optional<Refusal> refusal = refuseCounts(op, counts, space, axes, /*isOwn=*/true);
  if (refusal)
    reportRefusal(op, *refusal, 1108);
  return !refusal;
}

std::optional<SpaceId> FunctionInference::countedRows(Operation *op, const layout::Value &value, uint64_t dim,
                                                      mlir::Value counts) {
  const Dim &rows = value.dims[dim];
  std::optional<SpaceId> own = layout::ownRowsOf(scope.universe, rows);
  if (!own && layout::allRowsOf(scope.universe, rows)) {
    Refusal refusal =
        Refusal::wrong("takes rows that are all on each rank for each rank's own: " + print(scope.universe, rows));
    refusal.number = 1204;
    reportRefusal(op, refusal, 1204);
    return std::nullopt;
  }
  if (!own) {
    reportRefusal(op,
                  unknownRows("a dim that is not known to be the rank's own rows: " + print(scope.universe, rows),
                              "a dim that counts divide (t/dp : tokens @step in a layout)"),
                  1108);
    return std::nullopt;
  }
  return areCountsOf(op, counts, *own) ? own : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Padding
//===----------------------------------------------------------------------===//

std::optional<Refusal> FunctionInference::refusePadding(PadRowsOp op, SpaceId space) {
  mlir::Value live = beforePadding(op.getTo());
  if (live == originOf(op.getTo())) {
    if (!countsOfRows.try_emplace("at least " + keyOfCounts(live)).second)
      return std::nullopt;
    Operation *maker = live.getDefiningOp();
    assume(maker ? maker : entry.getOperation(),
           "these padded counts are at least those of " + textOf(*scope.universe.spaces[space].rows));
    return std::nullopt;
  }
  const Rows &rows = *scope.universe.spaces[space].rows;
  auto type = cast<CountsType>(live.getType());
  if (type.getEpoch().getValue() != rows.batch || stringifyCountUnit(type.getUnit()) != rows.unit)
    return unknownRows("pads " + textOf(rows) + " to padded counts of something else",
                       "counts that are padded from those of the rows");
  return refuseSource(live, space);
}

std::optional<SpaceId> FunctionInference::paddedSpace(SpaceId space, PadRowsOp op) {
  layout::Universe &universe = scope.universe;
  // Of rows with the same lengths, by the same counts: as long.
  std::string key = keyOfCounts(op.getTo());
  auto known = llvm::find_if(paddings, [&](const Padding &padding) { return padding.key == key; });
  auto number = static_cast<unsigned>(known - paddings.begin()) + 1;
  if (known == paddings.end())
    paddings.push_back({key, op});
  auto [made, isNew] = padded.try_emplace({space, number}, 0);
  if (!isNew)
    return made->second;
  Rows rows = *universe.spaces[space].rows;
  rows.unit = stringifyCountUnit(CountUnit::Padded).str();
  rows.padding = number;
  rows.isLonger = mayPad(op.getTo());
  rows.isLevel = isLevel(op.getTo());
  Operation *top = op->getParentOfType<ModuleOp>();
  rows.isFilled =
      (top ? top : entry.getOperation())
          ->walk([](PadRowsOp other) { return other.getFill() ? WalkResult::interrupt() : WalkResult::advance(); })
          .wasInterrupted();
  std::string tag = "padded@" + rows.batch + (number > 1 ? "#" + std::to_string(number) : "");
  std::optional<SpaceId> result =
      scope.addRows(universe.spaces[space].name + ".padded", tag, std::move(rows), multipleOf(op.getTo()));
  if (!result) {
    padded.erase({space, number});
    return std::nullopt;
  }
  unpadded[*result] = space;
  return padded[{space, number}] = *result;
}

void FunctionInference::inferPadRows(PadRowsOp op) {
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  std::optional<SpaceId> space = countedRows(op, *input, op.getDim(), op.getCounts());
  if (!space)
    return;
  if (std::optional<Refusal> refusal = refusePadding(op, *space))
    return reportRefusal(op, *refusal, 1108);
  std::optional<SpaceId> longer = paddedSpace(*space, op);
  if (!longer)
    return reportRefusal(op, unknownRows("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes", ""),
                         1108);
  layout::Value value = get(op.getInput()).value;
  value.dims[op.getDim()] = layout::ownRows(scope.universe, *longer);
  set(op.getResult(), std::move(value));
}

void FunctionInference::inferUnpadRows(UnpadRowsOp op) {
  if (get(op.getInput()).kind == Known::Kind::Uniform)
    return set(op.getResult(), Known(get(op.getInput())));
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  std::optional<SpaceId> space = countedRows(op, *input, op.getDim(), op.getCounts());
  if (!space)
    return;
  auto before = unpadded.find(*space);
  if (before == unpadded.end())
    return reportRefusal(op,
                         unknownRows("takes dead rows away from rows that came padded: which are live is not known",
                                     "the operation that padded them (muster.pad)"),
                         1108);
  if (!areCountsOf(op, op.getTo(), before->second))
    return;
  layout::Value value = get(op.getInput()).value;
  value.dims[op.getDim()] = layout::ownRows(scope.universe, before->second);
  set(op.getResult(), std::move(value));
}

std::optional<Refusal> FunctionInference::refuseDeadReads(Operation *op) {
  bool readsByNumbers = false;
  if (auto body = dyn_cast<linalg::LinalgOp>(op))
    readsByNumbers = body->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (paddings.empty() || !(readsByNumbers || isa<nn::NNDialect>(op->getDialect())))
    return std::nullopt;
  for (mlir::Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    const Known &known = get(operand);
    bool isWritten = isa<nn::CacheAppendOp>(op);
    if (!type || known.kind != Known::Kind::Digits || (type.getElementType().isFloat() && !isWritten))
      continue;
    for (const Dim &dim : known.value.dims)
      if (auto refusal = layout::refuseDeadRows(scope.universe, dim, isWritten ? "writes" : "reads at numbers in"))
        return refusal;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Children
//===----------------------------------------------------------------------===//

bool FunctionInference::areChildren(Operation *op, mlir::Value first, mlir::Value second, mlir::Value parent,
                                    StringRef batch) {
  auto batchOf = [](mlir::Value counts) { return cast<CountsType>(counts.getType()).getEpoch().getValue().str(); };
  if (!hasChildren) {
    hasChildren = true;
    entry.walk([&](SplitCountsOp split) {
      children.try_emplace(batchOf(split.getParent()),
                           std::pair(batchOf(split.getFirst()), batchOf(split->getResult(1))));
    });
    auto said = entry->getAttrOfType<DictionaryAttr>(attribute::split);
    auto nameOf = [&](StringRef key) {
      auto name = said ? said.getAs<FlatSymbolRefAttr>(key) : FlatSymbolRefAttr();
      return name ? name.getValue().str() : "";
    };
    if (said)
      children.try_emplace(nameOf("parent"), std::pair(nameOf("first"), nameOf("second")));
  }
  std::pair own(batchOf(first), batchOf(second));
  auto [known, isNew] = children.try_emplace(batch, own);
  if (known->second != own) {
    reportRefusal(op,
                  unknownRows("takes @" + own.first + " and then @" + own.second + " for the children of batch @" +
                                  batch.str() + ", which are @" + known->second.first + " and then @" +
                                  known->second.second,
                              "one order of the children (E1211 of verify-counts)"),
                  1108);
    return false;
  }
  auto rest = makerOf<SplitCountsOp>(second);
  bool isWhole = rest && rest->getResult(1) == originOf(second) && keyOfCounts(rest.getFirst()) == keyOfCounts(first) &&
                 (!parent || keyOfCounts(rest.getParent()) == keyOfCounts(parent));
  if (!isWhole && countsOfRows.try_emplace("children of " + batch.str() + keyOfCounts(first)).second)
    assume(op,
           "the rows of batch @" + batch.str() + " are those of @" + own.first + " and then those of @" + own.second);
  return true;
}

bool FunctionInference::isSumOfChildren(arith::AddIOp sum, SpaceId parent) {
  auto rowsOf = [&](mlir::Value size) -> std::optional<SpaceId> {
    auto dim = size.getDefiningOp<tensor::DimOp>();
    std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt;
    const Known &known = dim ? get(dim.getSource()) : get({});
    if (!index || known.kind != Known::Kind::Digits || *index >= static_cast<int64_t>(known.value.dims.size()))
      return std::nullopt;
    return layout::ownRowsOf(scope.universe, known.value.dims[static_cast<size_t>(*index)]);
  };
  std::optional<SpaceId> a = rowsOf(sum.getLhs()), b = rowsOf(sum.getRhs());
  auto hasLengths = [&](SpaceId own, SpaceId other) {
    return scope.universe.spaces[own].rows->hasSameLengths(*scope.universe.spaces[other].rows);
  };
  return a && b && llvm::any_of(families, [&](const Family &family) {
           return family.parent == parent && ((hasLengths(*a, family.first) && hasLengths(*b, family.second)) ||
                                              (hasLengths(*a, family.second) && hasLengths(*b, family.first)));
         });
}

void FunctionInference::inferSplitRows(SplitRowsOp op) {
  if (const Known known = get(op.getInput()); known.kind == Known::Kind::Uniform) {
    for (mlir::Value result : op->getResults())
      set(result, Known(known));
    return;
  }
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  // Whose rows they are is said by the parent; how many, by the children.
  const Dim &dim = input->dims[op.getDim()];
  layout::Universe &universe = scope.universe;
  std::optional<SpaceId> space = layout::ownRowsOf(universe, dim);
  if (!space || universe.spaces[*space].rows->padding || universe.spaces[*space].rows->unit == "padded") {
    bool isAll = !space && layout::allRowsOf(universe, dim);
    Refusal refusal =
        isAll ? Refusal::wrong("takes rows that are all on each rank for each rank's own: " + print(universe, dim))
              : unknownRows("splits a dim that is not known to be the rank's own rows: " + print(universe, dim),
                            "a dim that counts divide (t/dp : tokens @step in a layout), not padded");
    refusal.number = isAll ? 1204 : 0;
    return reportRefusal(op, refusal, 1108);
  }
  const Rows rows = *universe.spaces[*space].rows;
  auto rest = makerOf<SplitCountsOp>(op.getSecond());
  if (rest && !areCountsOf(op, rest.getParent(), *space))
    return;
  if (!areChildren(op, op.getFirst(), op.getSecond(), {}, rows.batch))
    return;
  std::optional<SpaceId> own[2];
  for (const Family &family : families)
    if (family.parent == *space) {
      own[0] = family.first;
      own[1] = family.second;
    }
  mlir::Value counts[] = {op.getFirst(), op.getSecond()};
  if (!own[0]) {
    for (unsigned child : {0u, 1u}) {
      auto type = cast<CountsType>(counts[child].getType());
      StringRef batch = type.getEpoch().getValue();
      SmallVector<SpaceId, 2> named = scope.rowsOf(rows.unit, batch, rows.axes);
      Rows part = rows;
      part.batch = batch.str();
      own[child] = named.size() == 1 ? std::optional(named.front())
                                     : scope.addRows(universe.spaces[*space].name + " of @" + part.batch,
                                                     rows.unit + "@" + part.batch, part);
      if (!own[child])
        return reportRefusal(op, unknownRows("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes", ""),
                             1108);
    }
    families.push_back({*space, *own[0], *own[1]});
  }
  for (unsigned child : {0u, 1u})
    if (!areCountsOf(op, counts[child], *own[child]))
      return;
  for (unsigned child : {0u, 1u}) {
    layout::Value value = get(op.getInput()).value;
    value.dims[op.getDim()] = layout::ownRows(universe, *own[child]);
    set(op->getResult(child), std::move(value));
  }
}

void FunctionInference::inferJoinRows(JoinRowsOp op) {
  const Known a = get(op.getFirstRows()), b = get(op.getSecondRows());
  if (a.kind == Known::Kind::Uniform && b.kind == Known::Kind::Uniform && a.isZero && b.isZero)
    return set(op.getResult(), a);
  const layout::Value *front = digitsOf(op, op.getFirstRows());
  const layout::Value *behind = front ? digitsOf(op, op.getSecondRows()) : nullptr;
  if (!behind)
    return;
  layout::Value first = *front, second = *behind;
  uint64_t dim = op.getDim();
  std::optional<SpaceId> own = countedRows(op, first, dim, op.getFirst());
  if (!own)
    return;
  std::optional<SpaceId> other = countedRows(op, second, dim, op.getSecond());
  if (!other)
    return;
  layout::Universe &universe = scope.universe;
  const Rows rows = *universe.spaces[*own].rows;
  StringRef batch = op.getTo().getType().getEpoch().getValue();
  if (!areChildren(op, op.getFirst(), op.getSecond(), op.getTo(), batch))
    return;
  // The rows that were split, or those that the signature names.
  SmallVector<SpaceId, 2> parents;
  for (const Family &family : families)
    if (family.first == *own && family.second == *other)
      parents.push_back(family.parent);
  if (parents.empty()) {
    parents = scope.rowsOf(rows.unit, batch, rows.axes);
    if (parents.empty()) {
      Rows whole = rows;
      whole.batch = batch.str();
      if (std::optional<SpaceId> made = scope.addRows(rows.unit, rows.unit + "@" + whole.batch, whole))
        parents.push_back(*made);
    }
    if (parents.size() == 1)
      families.push_back({parents.front(), *own, *other});
  }
  if (parents.size() != 1)
    return reportRefusal(op,
                         unknownRows("joins rows of batch @" + batch.str() + " that have several names",
                                     "one name for the " + rows.unit + " of the batch"),
                         1108);
  if (!areCountsOf(op, op.getTo(), parents.front()))
    return;
  first.dims[dim] = second.dims[dim] = layout::ownRows(universe, parents.front());
  auto isSettled = [](const layout::Value &value) { return !value.isChoice && !value.isUnsettled && !value.history; };
  SmallVector<std::optional<layout::Size>, 4> homes[2];
  first.forEachMeshDigit([&](const layout::Digit &digit) { homes[0].push_back(digit.home); });
  second.forEachMeshDigit([&](const layout::Digit &digit) { homes[1].push_back(digit.home); });
  if (!layout::isSame(first, second) || homes[0] != homes[1] || !isSettled(first) || !isSettled(second))
    return reportRefusal(op,
                         unknownRows("joins rows of which both children hold something else: " +
                                         print(universe, first) + " and " + print(universe, second),
                                     "the same layout of both children"),
                         1108);
  set(op.getResult(), std::move(first));
}

bool FunctionInference::inferRowOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](PadRowsOp own) { return inferPadRows(own), true; })
      .Case([&](UnpadRowsOp own) { return inferUnpadRows(own), true; })
      .Case([&](SplitRowsOp own) { return inferSplitRows(own), true; })
      .Case([&](JoinRowsOp own) { return inferJoinRows(own), true; })
      .Default([](Operation *) { return false; });
}
