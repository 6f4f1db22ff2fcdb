// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows that counts divide (compiler/Layout/Rows.h): what may cut, gather and read them.
//
//   | operation                                 | needs of the rows it touches                                    |
//   | ----------------------------------------- | --------------------------------------------------------------- |
//   | all_gather, all_to_all ragged concat      | own rows, and their counts over the group                       |
//   | slice, reduce_scatter, all_to_all ragged  | all rows, and their counts over the group                       |
//   |   split                                   |                                                                 |
//   | redistribute of a ragged dim              | as the above; counts may be missing (verify-counts asks)        |
//   | other movement                            | leaves each rank the segments that it has, cuts no dim of rows; |
//   |                                           | of padded rows equal parts, by ranks that have the same segment |
//   |                                           | and of a multiple of them, and any of segments of one length    |
//   | attention, cache_append, gather_rows of a | own rows of one batch in all operands, and states that are      |
//   |   table of rows                           | divided alike: their numbers count from the rank's own rows     |
//   | attention, cache_append                   | or all rows, with starts and pages that are not divided         |
//   | gather_rows with a first row              | or own rows of which that is the first, by numbers among all    |
//   | all others                                | own rows with own rows, all rows with all rows                  |
//
// What changes a form without counts is wrong (E1201), by counts of another batch, unit or group too (E1202 to E1204).
// By counts on which the group may not agree, and of rows that are not known to be in a form, nothing is known.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/UnlessCounts.h"

#include "dialects/Muster/IR/CountText.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::Dim;
using layout::Refusal;
using layout::Rows;
using layout::Size;
using layout::SpaceId;

static Refusal wrongCounts(int number, std::string message) {
  Refusal refusal = Refusal::wrong(std::move(message));
  refusal.number = number;
  return refusal;
}

static Refusal unknownRows(std::string message, std::string fact) {
  return {Refusal::Kind::Unknown, std::move(message), std::move(fact)};
}

static TypedValue<CountsType> countsOf(Operation *op) {
  for (mlir::Value operand : op->getOperands())
    if (isa<CountsType>(operand.getType()))
      return cast<TypedValue<CountsType>>(operand);
  return {};
}

static std::string rowsText(const Rows &rows) { return rows.unit + " of batch @" + rows.batch; }

/// The first digit of the dim on a rank is of rows: what is cut in equal parts is rows.
static bool leadsWithRows(const layout::Universe &universe, const Dim &dim) {
  for (const layout::Digit &digit : dim.isSegmented() ? dim.segments.front().digits : dim.digits)
    if (!digit.isMesh())
      return !digit.stride.isZero() && universe.spaces[digit.space].rows.has_value();
  return false;
}

const Uniformity *FunctionInference::uniformityOf(func::FuncOp function) {
  if (!uniformity)
    uniformity = std::make_unique<Uniformity>(entry, mesh);
  const Uniformity *found = uniformity.get();
  size_t depth = 0;
  for (; found && depth < frames.size() && found->getFunction() != function; ++depth)
    found = found->callee(frames[depth].first);
  return found && found->getFunction() == function ? found : nullptr;
}

static bool isPadded(const layout::Universe &universe, const Dim &dim) {
  return llvm::any_of(dim.isSegmented() ? dim.segments.front().digits : dim.digits, [&](const layout::Digit &digit) {
    return universe.spaces[digit.space].rows && universe.spaces[digit.space].rows->unit == "padded";
  });
}

//===----------------------------------------------------------------------===//
// Counts and the rows that they count
//===----------------------------------------------------------------------===//

std::optional<Refusal> FunctionInference::refuseSource(mlir::Value counts, SpaceId space) {
  const Rows rows = *scope.universe.spaces[space].rows;
  auto open = [&](const std::string &what) {
    return unknownRows(what,
                       "that these counts count " + rowsText(rows) + " (muster.local_count of tensor.dim of them)");
  };
  if (rows.padding)
    return paddings[rows.padding - 1].key == keyOfCounts(counts)
               ? std::nullopt
               : std::optional(unknownRows("these are not the counts by which the rows were padded",
                                           "that both pad alike (one muster.pad_counts for both)"));
  counts = plainCounts(counts);
  if (LocalCountOp local = localOf(counts)) {
    if (auto sum = local.getSize().getDefiningOp<arith::AddIOp>(); sum && isSumOfChildren(sum, space))
      return std::nullopt;
    auto dim = local.getSize().getDefiningOp<tensor::DimOp>();
    std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt;
    if (!index)
      return open("the counts are of a number that is no size of rows");
    const Known &known = get(dim.getSource());
    if (known.kind != Known::Kind::Digits || *index >= static_cast<int64_t>(known.value.dims.size()))
      return open("the counts are of the size of a tensor that is not known");
    std::optional<SpaceId> own = layout::ownRowsOf(scope.universe, known.value.dims[static_cast<size_t>(*index)]);
    const std::optional<Rows> &counted = own ? scope.universe.spaces[*own].rows : std::nullopt;
    if (!counted || !counted->hasSameLengths(rows))
      return open("the counts are of the size of a dim of other rows");
    return std::nullopt;
  }
  if (auto exchange = counts.getDefiningOp<ExchangeCountsOp>())
    counts = originOf(exchange.getInputs()[cast<OpResult>(counts).getResultNumber()]);
  // The parts of arguments are as long as the step's record of their unit and batch says (resolve-sizes).
  if (auto record = counts.getDefiningOp<plan::RecordOp>()) {
    for (auto other : entry.getBody().front().getOps<plan::RecordOp>())
      if (other != record && other.getType() == record.getType() && !areOnlyUnless(other))
        return open("the record of a step counts " + rowsText(rows) + " twice");
    return std::nullopt;
  }
  // What the first child leaves of the rows of both is the second's.
  if (auto split = counts.getDefiningOp<SplitCountsOp>(); split && counts == split.getSecondChild()) {
    LocalCountOp whole = localOf(split.getParent()), first = localOf(split.getFirst());
    auto sum = whole ? whole.getSize().getDefiningOp<arith::AddIOp>() : arith::AddIOp();
    auto dim =
        sum && first && sum.getLhs() == first.getSize() ? sum.getRhs().getDefiningOp<tensor::DimOp>() : tensor::DimOp();
    if (std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt) {
      const Known &known = get(dim.getSource());
      bool isDim = known.kind == Known::Kind::Digits && *index < static_cast<int64_t>(known.value.dims.size());
      std::optional<SpaceId> own =
          isDim ? layout::ownRowsOf(scope.universe, known.value.dims[static_cast<size_t>(*index)]) : std::nullopt;
      const std::optional<Rows> &counted = own ? scope.universe.spaces[*own].rows : std::nullopt;
      if (counted && counted->hasSameLengths(rows))
        return std::nullopt;
    }
    // Of a record, as above: ports of the second child are as long as this says, where nothing else does.
    if (makerOf<plan::RecordOp>(split.getParent()) && makerOf<plan::RecordOp>(split.getFirst()) &&
        llvm::none_of(entry.getBody().front(), [&](Operation &other) {
          return &other != split && llvm::is_contained(other.getResultTypes(), counts.getType());
        }))
      return std::nullopt;
  }
  // What the record of a step says, and what is made of it, is taken at its word, as long as it says one thing.
  bool isArgument = isa<BlockArgument>(counts) && counts.getParentBlock() == &entry.getBody().front();
  if (!isArgument &&
      !isa_and_nonnull<StepFieldOp, SplitCountsOp, ScaleOp, PadCountsOp, AlignOp>(counts.getDefiningOp()))
    return open("where these counts come from is not known");
  if (auto scale = counts.getDefiningOp<ScaleOp>();
      scale && scale.getCounts().getType().getUnit() == scale.getResult().getType().getUnit())
    return open("the counts are a multiple of counts of their own unit");
  std::string key = keyOfCounts(counts);
  auto [maker, isNew] = countsOfRows.try_emplace(rows.unit + "@" + rows.batch, key);
  if (maker->second != key)
    return open("other counts were taken for " + rowsText(rows) + " before");
  if (isNew)
    assume(isArgument ? entry.getOperation() : counts.getDefiningOp(),
           (isArgument ? "the counts in argument " + std::to_string(cast<BlockArgument>(counts).getArgNumber())
                       : std::string("these counts")) +
               " count " + rowsText(rows));
  return std::nullopt;
}

std::optional<Refusal> FunctionInference::refuseCounts(Operation *op, mlir::Value counts, SpaceId space,
                                                       layout::Group group, bool isOwn) {
  const layout::Universe &universe = scope.universe;
  const Rows rows = *universe.spaces[space].rows;
  auto type = cast<CountsType>(counts.getType());
  std::string moves = "moves " + rowsText(rows) + " by counts of ";
  if (type.getEpoch().getValue() != rows.batch)
    return wrongCounts(1202, moves + "batch @" + type.getEpoch().getValue().str());
  if (stringifyCountUnit(type.getUnit()) != rows.unit) {
    std::string mixed = moves + stringifyCountUnit(type.getUnit()).str();
    bool isOpen = rows.padding ? !rows.isLonger : type.getUnit() == CountUnit::Padded && !mayPad(counts);
    return isOpen ? unknownRows(mixed, "that there are dead rows, or none") : wrongCounts(1203, mixed);
  }
  auto isSpread = [&](layout::AxisId axis) { return !universe.axes[axis].size.isOne(); };
  SmallVector<layout::AxisId, 2> own = llvm::to_vector(llvm::make_filter_range(rows.axes, isSpread)),
                                 over = llvm::to_vector(llvm::make_filter_range(group, isSpread));
  if (own != over) {
    std::string names;
    for (layout::AxisId axis : own)
      names += (names.empty() ? "'" : ", '") + universe.axes[axis].name + "'";
    bool isApart = llvm::none_of(over, [&](layout::AxisId axis) { return llvm::is_contained(own, axis); });
    if (!isApart)
      return unknownRows("moves rows that are divided over " + names + " over some of these axes, or in another order",
                         "one movement over all axes of the rows");
    // Ranks of such a group have equally many of their own rows, which are gathered like equal parts; there is no
    // division of all rows among them.
    if (isOwn)
      return refuseSource(counts, space);
    return wrongCounts(1204, moves + textOf(type) + ", but they are divided over " + names);
  }
  const Uniformity *varying = uniformityOf(counts.getParentRegion()->getParentOfType<func::FuncOp>());
  if (!varying)
    return unknownRows(moves + "which it is not known whether ranks agree on", "counts of the function that is called");
  SmallVector<Attribute> names;
  for (layout::AxisId axis : over)
    names.push_back(StringAttr::get(op->getContext(), universe.axes[axis].whole.empty() ? universe.axes[axis].name
                                                                                        : universe.axes[axis].whole));
  if (std::optional<unsigned> axis =
          varying->of(counts).elements.common(varying->axesOf(ArrayAttr::get(op->getContext(), names))))
    return unknownRows(moves + "which each rank along '" + mesh.getAxes()[*axis].getName().str() + "' may have others",
                       "counts that are the same on all ranks of the group (E1205 of verify-counts)");
  return refuseSource(counts, space);
}

void FunctionInference::noteMakers(Operation *op, LayoutFinding &finding) {
  for (mlir::Value operand : op->getOperands()) {
    if (isa<CountsType>(operand.getType()))
      finding.notes.push_back({muster::makerOf(originOf(operand)).getLoc(),
                               textOf(cast<CountsType>(operand.getType())) + " are counted here"});
    const Known &known = get(operand);
    if (!isa<RankedTensorType>(operand.getType()) || known.kind != Known::Kind::Digits)
      continue;
    for (const Dim &dim : known.value.dims)
      if (const Rows *rows = layout::paddedRowsOf(scope.universe, dim)) {
        Location made = paddings[rows->padding - 1].op->getLoc();
        if (llvm::none_of(finding.notes, [&](const auto &note) { return note.first == made; }))
          finding.notes.push_back({made, "the rows are padded here"});
      } else if (std::optional<SpaceId> space = layout::ownRowsOf(scope.universe, dim);
                 space || (space = layout::allRowsOf(scope.universe, dim)))
        for (BlockArgument argument : entry.getArguments()) {
          auto layout = entry.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout);
          bool names = layout && llvm::any_of(layout.getDims(), [&](LayoutDimAttr dim) {
                         return llvm::any_of(dim.getTerms(), [&](LayoutTermAttr term) {
                           return term.getName() == scope.universe.spaces[*space].name;
                         });
                       });
          if (names) {
            finding.notes.push_back(
                {argument.getLoc(), rowsText(*scope.universe.spaces[*space].rows) + " are declared here"});
            break;
          }
        }
  }
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

std::optional<Refusal> FunctionInference::refuseRows(Operation *op, const layout::Value &value) {
  const layout::Universe &universe = scope.universe;
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  if (!axes)
    return std::nullopt;
  SmallVector<layout::AxisId, 2> group = scope.groupOf(axes);
  if (universe.sizeOf(group).isOne())
    return std::nullopt;
  std::string name = op->getName().stripDialect().str();
  auto all = dyn_cast<AllToAllOp>(op);
  if (auto counts = countsOf(op)) {
    bool isGathered = isa<AllGatherOp>(op) || (all && all.getRagged() == RaggedSide::Concat);
    size_t index = static_cast<size_t>(all ? all.getRaggedDim() : op->getAttrOfType<IntegerAttr>("dim").getInt());
    const Dim &dim = value.dims[index];
    std::optional<SpaceId> own = layout::ownRowsOf(universe, dim), whole = layout::allRowsOf(universe, dim);
    std::optional<SpaceId> space = isGathered ? own : whole;
    if (!space && (own || whole) && !isGathered)
      return std::nullopt; // what varies over the group already, which the rules refuse
    if (!space && (own || whole))
      return wrongCounts(1204, name + " by counts gathers rows that are all on each rank: " + print(universe, dim));
    if (!space)
      return unknownRows(name + " by counts of a dim that is not known to be rows: " + print(universe, dim),
                         "a dim that counts divide (t/dp : tokens @step in a layout)");
    if (all) {
      const Dim &other = value.dims[isGathered ? all.getSplit() : all.getConcat()];
      if (layout::hasRows(universe, other))
        return unknownRows("an all_to_all of two dims of rows", "one dim of rows");
    }
    return refuseCounts(op, counts, *space, group, isGathered);
  }
  bool isSpread = llvm::any_of(layout::segmentAxes(universe, value),
                               [&](layout::AxisId axis) { return llvm::is_contained(group, axis); });
  if (isSpread && (isa<AllGatherOp, ExchangeOp>(op) || all))
    return wrongCounts(1201, name + " moves rows that counts divide in equal parts: " + print(universe, value));
  std::optional<size_t> cut;
  if (isa<ExchangeOp>(op))
    cut = 0;
  else if (all)
    cut = all.getSplit();
  else if (isa<SliceOp, ReduceScatterOp>(op))
    cut = static_cast<size_t>(op->getAttrOfType<IntegerAttr>("dim").getInt());
  const Rows *padded = cut ? layout::paddedRowsOf(universe, value.dims[*cut]) : nullptr;
  if (padded && (padded->isLevel || (!isa<ExchangeOp>(op) && layout::mayCutRows(universe, value.dims[*cut], group))))
    return std::nullopt;
  if (cut && !isSpread && leadsWithRows(universe, value.dims[*cut]) && isPadded(universe, value.dims[*cut]))
    return unknownRows(name + " cuts padded rows into equal parts: " + print(universe, value.dims[*cut]),
                       "that they are padded to a multiple of the ranks");
  if (cut && !isSpread && leadsWithRows(universe, value.dims[*cut]))
    return wrongCounts(1201,
                       name + " cuts rows that counts divide into equal parts: " + print(universe, value.dims[*cut]));
  return std::nullopt;
}

std::optional<Refusal> FunctionInference::refuseRows(RedistributeOp op, const layout::Value &value, unsigned index) {
  const layout::Universe &universe = scope.universe;
  const Dim &dim = value.dims[index];
  LayoutTermAttr from = op.getFrom().getDims()[index].getTerms().front(),
                 to = op.getTo().getDims()[index].getTerms().front();
  if (!from.isRagged() && !to.isRagged()) {
    const Rows *padded = layout::paddedRowsOf(universe, dim);
    if (!layout::hasRows(universe, dim) || (padded && padded->isLevel))
      return std::nullopt;
    if (!layout::ownRowsOf(universe, dim) && !layout::allRowsOf(universe, dim))
      return unknownRows("redistributes a dim of rows and of others: " + print(universe, dim), "collectives instead");
    return wrongCounts(1201, "moves rows that counts divide in equal parts: " + print(universe, dim));
  }
  if (from.isRagged() && to.isRagged())
    return unknownRows("redistributes rows from one division by counts to another", "one of them whole");
  LayoutTermAttr term = from.isRagged() ? from : to;
  if ((from.isRagged() ? to : from).getAxes().size() != 0)
    return unknownRows("redistributes rows between counts and equal parts", "rows that are whole between the two");
  std::optional<SpaceId> space = from.isRagged() ? layout::ownRowsOf(universe, dim) : layout::allRowsOf(universe, dim);
  if (!space)
    return unknownRows("redistributes as rows, by counts, a dim that is not known to be any: " + print(universe, dim),
                       "a dim that counts divide (t/dp : tokens @step in a layout)");
  const Rows &rows = *universe.spaces[*space].rows;
  std::string moves = "moves " + rowsText(rows) + " as ";
  if (term.getEpoch() != rows.batch)
    return wrongCounts(1202, moves + "batch @" + term.getEpoch().str());
  if (term.getUnit() != rows.unit)
    return wrongCounts(1203, moves + term.getUnit().str());
  SmallVector<layout::AxisId, 2> group = scope.groupOf(term.getAxes());
  if (group != rows.axes) {
    bool isApart = llvm::none_of(group, [&](layout::AxisId axis) { return llvm::is_contained(rows.axes, axis); });
    if (!isApart)
      return unknownRows("moves rows over some of the axes that divide them", "one movement over all axes of the rows");
    return wrongCounts(1204, moves + "rows of other groups: " + print(universe, dim));
  }
  if (mlir::Value counts = op.getCountsOf(index))
    return refuseCounts(op, counts, *space, group, from.isRagged());
  return std::nullopt;
}

void FunctionInference::checkRows(Operation *op) {
  for (mlir::Value result : op->getResults()) {
    if (!isa<RankedTensorType>(result.getType()))
      continue;
    const Known &known = get(result);
    SmallVector<const layout::Value *, 4> values;
    if (known.kind == Known::Kind::Digits)
      values.push_back(&known.value);
    if (known.packed)
      for (const auto &part : known.packed->parts)
        values.push_back(&part);
    for (const layout::Value *value : values) {
      if (std::optional<Refusal> refusal = layout::refuseCutRows(scope.universe, *value))
        return reportRefusal(op, *refusal, 1108);
      if (std::optional<Refusal> refusal = refuseCutRoute(*value))
        return reportRefusal(op, *refusal, 1108);
    }
    if (known.kind != Known::Kind::Digits || countsOf(op))
      continue;
    mlir::Value source = movedOperand(op);
    if (isa<tensor::ExtractSliceOp, plan::TransferOp, tensor::PadOp>(op))
      source = op->getOperand(0);
    if (auto redistribute = dyn_cast<RedistributeOp>(op); redistribute && redistribute.getRaggedDims().empty())
      source = redistribute.getInput();
    if (!source || get(source).kind != Known::Kind::Digits ||
        layout::sameSegments(scope.universe, get(source).value, known.value))
      continue;
    if (isa<plan::TransferOp>(op)) {
      Refusal refusal = unknownRows("a transfer in equal parts of rows that counts divide", "counts of the transfer");
      return reportRefusal(op, refusal, 1108);
    }
    return reportRefusal(op, wrongCounts(1201, "moves rows that counts divide in equal parts"), 1201);
  }
}

/// Whether a number is computed of constants, coordinates and how many rows the rank itself has, and so of nothing that
/// tells how many stand in front of them.
static bool isOfOwnRank(mlir::Value value, llvm::function_ref<bool(tensor::DimOp)> isOwnSize, unsigned depth = 0) {
  constexpr unsigned deepest = 12;
  Operation *op = value.getDefiningOp();
  if (!op || depth > deepest)
    return false;
  if (isa<CoordinateOp, OwnCountOp>(op) || matchPattern(value, m_Constant()))
    return true;
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return isOwnSize(dim);
  return isa<arith::ArithDialect>(op->getDialect()) && llvm::all_of(op->getOperands(), [&](mlir::Value operand) {
           return isOfOwnRank(operand, isOwnSize, depth + 1);
         });
}

/// The rank's rows begin at its own element of the offsets of their counts, and nowhere else: not at a coordinate times
/// how many there are.
bool FunctionInference::checkFirstOfRows(nn::GatherRowsOp op, SpaceId space) {
  const layout::Universe &universe = scope.universe;
  const Rows &rows = *universe.spaces[space].rows;
  auto refuse = [&](const Refusal &refusal) {
    reportRefusal(op, refusal, 1106);
    return false;
  };
  std::string wanted = "the first row is not where the rank's " + rowsText(rows) + " begin: ";
  mlir::Value first = originOf(op.getFirst());
  while (auto cast = first.getDefiningOp<arith::IndexCastOp>())
    first = originOf(cast.getIn());
  if (auto declared = first.getDefiningOp<FirstRowOp>()) {
    LayoutTermAttr term = declared.getRows();
    if (term.getEpoch() == rows.batch && term.getUnit() == rows.unit && scope.groupOf(term.getAxes()) == rows.axes)
      return true;
    return refuse(Refusal::wrong(wanted + "it is of " + declared.getLayout().getText()));
  }
  auto own = first.getDefiningOp<OwnOffsetOp>();
  auto offsets = own ? makerOf<OffsetsOp>(own.getOffsets()) : OffsetsOp();
  if (!offsets) {
    auto isOwnSize = [&](tensor::DimOp dim) {
      std::optional<int64_t> index = dim.getConstantIndex();
      const Known &known = get(dim.getSource());
      return index && known.kind == Known::Kind::Digits && *index < static_cast<int64_t>(known.value.dims.size()) &&
             !layout::allRowsOf(universe, known.value.dims[static_cast<size_t>(*index)]);
    };
    if (isOfOwnRank(first, isOwnSize))
      return refuse(Refusal::wrong(wanted + "that depends on how many other ranks have, which this number is not of"));
    return refuse(unknownRows("the first row is not known to be where the rank's " + rowsText(rows) + " begin",
                              "the first row as muster.own_offset of the offsets of their counts"));
  }
  std::optional<Refusal> refusal = refuseCounts(op, offsets.getCounts(), space, rows.axes, /*isOwn=*/true);
  return !refusal || refuse(*refusal);
}

//===----------------------------------------------------------------------===//
// Operations on the segment of each rank
//===----------------------------------------------------------------------===//

bool FunctionInference::takeSegments(Operation *op, SmallVectorImpl<Known> &operands,
                                     ArrayRef<const layout::Value *> states) {
  layout::Universe &universe = scope.universe;
  std::optional<Rows> rows;
  for (const Known &operand : operands)
    if (operand.kind == Known::Kind::Digits && !rows)
      for (const layout::Digit &digit : operand.value.dims[0].digits)
        if (universe.spaces[digit.space].rows && !digit.stride.isZero())
          rows = universe.spaces[digit.space].rows;
  if (!rows)
    return true;
  auto refuse = [&](Refusal refusal) {
    reportRefusal(op, refusal, 1106);
    return false;
  };
  for (const Known &operand : operands)
    if (operand.kind == Known::Kind::Digits)
      if (auto refusal = layout::refuseDeadRows(universe, operand.value.dims[0], "reads")) {
        // Numbers that count live rows never meet the dead ones.
        refusal->kind = Refusal::Kind::Unknown;
        refusal->missingFact = "rows without the dead ones (muster.unpad)";
        return refuse(*refusal);
      }
  if (layout::segmentsOf(universe, *rows).isOne())
    return true;
  // All rows of a batch whose sequences nobody divides: what says where sequences lie, in starts and pages that every
  // rank has, counts from the first row of all.
  auto isWhole = [&](const Known &operand) {
    if (operand.kind != Known::Kind::Digits || !layout::hasRows(universe, operand.value.dims[0]))
      return true;
    std::optional<SpaceId> all = layout::allRowsOf(universe, operand.value.dims[0]);
    return all && universe.spaces[*all].rows->isSameBatch(*rows) && universe.spaces[*all].rows->unit == "tokens";
  };
  auto isPaged = [](const layout::Value *state) {
    return llvm::any_of(state->dims[0].digits, [](const layout::Digit &digit) { return digit.isMesh(); });
  };
  if (!states.empty() && llvm::all_of(operands, isWhole) && llvm::none_of(states, isPaged))
    return true;
  for (Known &operand : operands) {
    if (operand.kind != Known::Kind::Digits)
      continue; // one number, or what the rule refuses
    const Dim &dim = operand.value.dims[0];
    std::optional<SpaceId> own = layout::ownRowsOf(universe, dim);
    if (!own && layout::allRowsOf(universe, dim))
      return refuse(Refusal::wrong("reads rows of all ranks by numbers that count from each rank's own rows: " +
                                   print(universe, dim)));
    if (!own)
      return refuse(unknownRows("reads, beside rows that counts divide, what is not: " + print(universe, dim),
                                "all operands of one batch, divided by its counts"));
    // Nothing else may vary over the group: the rule is not shown that the ranks differ.
    bool isElsewhere = llvm::any_of(operand.value.pending, [&](const layout::Pending &pending) {
      return llvm::is_contained(rows->axes, pending.axis);
    });
    size_t digits = 0;
    operand.value.forEachMeshDigit(
        [&](const layout::Digit &digit) { digits += llvm::is_contained(rows->axes, digit.axis); });
    if (isElsewhere || digits + 1 != dim.digits.size())
      return refuse(unknownRows("reads rows of a value that varies over their axes otherwise, too: " +
                                    print(universe, operand.value),
                                "one dim that these axes divide"));
    if (!universe.spaces[*own].rows->isSameBatch(*rows))
      return refuse(Refusal::wrong("reads " + rowsText(*universe.spaces[*own].rows) + " beside " + rowsText(*rows)));
  }
  SmallVector<layout::AxisId, 2> axes;
  for (layout::AxisId axis : rows->axes)
    if (!universe.axes[axis].size.isOne())
      axes.push_back(axis);
  for (const layout::Value *state : states) {
    SmallVector<layout::AxisId, 2> pages;
    for (const layout::Digit &digit : state->dims[0].digits)
      if (digit.isMesh())
        pages.push_back(digit.axis);
    if (pages != axes)
      return refuse(Refusal::wrong("the pages of the state are not divided as " + rowsText(*rows) + ": " +
                                   print(universe, state->dims[0])));
  }
  for (Known &operand : operands) {
    if (operand.kind != Known::Kind::Digits)
      continue;
    SpaceId space = *layout::ownRowsOf(universe, operand.value.dims[0]);
    auto [segment, isNew] = segmentSpaces.try_emplace(space, 0);
    if (isNew) {
      layout::Space own{universe.spaces[space].name, universe.spaces[space].rows->part, universe.spaces[space].tag};
      segment->second = universe.addSpace(std::move(own));
    }
    layout::Digit digit = operand.value.dims[0].digits.back();
    digit.space = segment->second;
    digit.home.reset();
    operand.value.dims[0] = Dim();
    operand.value.dims[0].digits.push_back(digit);
  }
  return true;
}

size_t FunctionInference::putSegmentsBack(layout::Value &value) {
  layout::Universe &universe = scope.universe;
  size_t found = 0;
  for (Dim &dim : value.dims)
    for (const auto &[space, segment] : segmentSpaces) {
      if (dim.isSegmented() || dim.digits.size() != 1 || dim.digits.front().space != segment ||
          dim.digits.front().stride.isZero())
        continue;
      dim.digits = layout::ownRows(universe, space).digits;
      ++found;
      break;
    }
  return found;
}

void FunctionInference::inferSegmented(Operation *op, const layout::ComputeRule &rule, ArrayRef<mlir::Value> tensors,
                                       ArrayRef<const layout::Value *> states) {
  SmallVector<Known, 4> operands;
  for (mlir::Value tensor : tensors) {
    if (!mayCompute(op, tensor))
      return;
    operands.push_back(get(tensor));
  }
  if (scope.hasRows() && !takeSegments(op, operands, states))
    return;
  std::optional<SmallVector<Known, 1>> results = applyRule(op, rule, operands);
  if (!results)
    return;
  bool isTaken = llvm::any_of(operands, [&](const Known &operand) {
    return operand.kind == Known::Kind::Digits && !operand.value.dims.empty() &&
           llvm::any_of(operand.value.dims[0].digits, [&](const layout::Digit &digit) {
             return llvm::any_of(segmentSpaces, [&](auto &segment) { return segment.second == digit.space; });
           });
  });
  for (auto [result, known] : llvm::zip(op->getResults(), *results)) {
    // Of what it holds on other ranks a result without these rows says nothing.
    if (isTaken && (known.kind != Known::Kind::Digits || putSegmentsBack(known.value) != 1))
      return reportRefusal(op, unknownRows("reads own rows, but its result has none", "a result with a row of each"),
                           1108);
    set(result, std::move(known));
  }
}
