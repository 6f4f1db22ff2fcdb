// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountChecker.h"

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Analysis/Entries.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

namespace {

/// What a size says of rows, for errors: the unit and batch of the rows, where it is just that.
std::optional<Countable> countableOf(const CountTerm *term) {
  const CountTerm *rows = findTerm(term, Kind::Rows);
  bool isSimple =
      term->kind == Kind::Rows || (term->kind == Kind::Total && term->operands.front()->kind == Kind::Exchanged &&
                                   term->operands.front()->operands.front()->kind == Kind::Rows);
  return isSimple ? std::optional(rows->what) : std::nullopt;
}

/// How the rows of a term are padded; null where they are not.
const CountTerm *paddingOf(const CountTerm *term) { return findTerm(term, Kind::Pad); }

} // namespace

void CountChecker::add(int number, Operation &op, const Twine &message, ArrayRef<LayoutMessage::Note> notes) {
  // Once an operation, though its function is called more than once.
  if (reported.insert({&op, number}).second)
    report.findings.push_back({number, &op, message.str(), {notes.begin(), notes.end()}});
}

/// What is undefined in a term where `op` stands: behind a condition that holds, only what holds with it. `way` gets
/// the branches on the way, outermost first.
static const CountTerm *findUndefined(Operation &op, const CountTerm *term,
                                      SmallVectorImpl<std::pair<const CountTerm *, bool>> &way) {
  if (term->kind == Kind::Undefined)
    return term;
  std::optional<bool> known;
  if (term->kind == Kind::Either)
    for (Operation *inner = &op; Operation *parent = inner->getParentOp(); inner = parent)
      if (auto branch = dyn_cast<scf::IfOp>(parent); branch && branch.getCondition() == term->value)
        known = branch.getThenRegion().isAncestor(inner->getParentRegion());
  for (auto [index, operand] : llvm::enumerate(term->operands)) {
    if (known && *known != (index == 0))
      continue;
    if (term->kind == Kind::Either)
      way.push_back({term, index == 0});
    if (const CountTerm *found = findUndefined(op, operand, way))
      return found;
    if (term->kind == Kind::Either)
      way.pop_back();
  }
  return nullptr;
}

bool CountChecker::isUndefined(Operation &op, const CountTerm *term, StringRef what) {
  SmallVector<std::pair<const CountTerm *, bool>> way;
  const CountTerm *undefined = findUndefined(op, term, way);
  if (!undefined)
    return false;
  SmallVector<LayoutMessage::Note> notes = {{undefined->value.getLoc(), "nothing is set here"}};
  for (auto [branch, holds] : way)
    notes.push_back({branch->value.getLoc(),
                     holds ? "so it is where this condition holds" : "so it is where this condition does not hold"});
  add(1201, op, what + " may be undefined", notes);
  return true;
}

//===----------------------------------------------------------------------===//
// What moves rows
//===----------------------------------------------------------------------===//

void CountChecker::checkMoved(Frame frame, Operation &op, Value tensor, int64_t dim, Value counts, const AxisSet &group,
                              bool isPart) {
  if (counted.insert(&op).second)
    ++report.operations;
  const CountTerm *vector = frame.inference.termOf(counts), *size = frame.inference.sizeOf(tensor, dim);
  if (isUndefined(op, vector, "the counts") || isUndefined(op, size, "the size of what is moved"))
    return;
  Variation variation = frame.uniformity.of(counts).elements;
  if (std::optional<unsigned> axis = variation.common(group)) {
    StringRef name = frame.uniformity.getMesh().getAxes()[*axis].getName();
    add(1205, op,
        "expected counts that are the same on all ranks of the group but got some that differ over '" + name + "'",
        {{variation.originOf(*axis), ("they differ over '" + name + "' from here on").str()}});
    return;
  }
  const CountTerm *expected = terms->elementOf(isPart ? Kind::Own : Kind::Total, vector);
  if (expected == size)
    return;
  auto type = cast<CountsType>(counts.getType());
  Countable given{type.getEpoch().getValue().str(), type.getUnit()};
  std::string side = isPart ? "a rank's rows" : "the rows of all ranks";
  auto difference = bounds->findUnequal(size, expected);
  if (!difference) {
    add(1220, op, "cannot prove that the counts count these rows: that " + size->print() + " is " + expected->print());
    return;
  }
  std::optional<Countable> rows = ::countableOf(size);
  int number = rows && rows->epoch != given.epoch       ? 1202
               : rows && rows->unit != given.unit       ? 1203
               : paddingOf(size) != paddingOf(expected) ? 1214
                                                        : 1206;
  add(number, op,
      number == 1214 ? "expected one way of padding a batch but got rows that are " + size->print() +
                           " and counts that say " + expected->print()
                     : "expected counts of " + (rows ? rows->text() : size->print()) + " but got " +
                           (number == 1206 ? "counts that say " + expected->print() : given.text()),
      {{op.getLoc(), difference->print() + ", " + side + " are " + std::to_string(difference->left) + " at position " +
                         std::to_string(difference->position) + " and the counts say " +
                         std::to_string(difference->right)},
       {counts.getLoc(), "the counts are made here"}});
}

void CountChecker::checkEqualParts(Frame frame, Operation &op, Value tensor, int64_t dim, ArrayAttr axes, bool isPart) {
  AxisSet group = frame.uniformity.axesOf(axes);
  const CountTerm *size = frame.inference.sizeOf(tensor, dim);
  if (group.empty() || isUndefined(op, size, "the size of what is moved"))
    return;
  Variation variation = frame.uniformity.of(tensor).sizes;
  std::optional<unsigned> axis = variation.common(group);
  const CountTerm *rows = findTerm(size, Kind::Rows);
  if (isPart) {
    // Other dims may differ; of this one a constant or what is the same on all ranks does not.
    if (!axis || size->kind == Kind::Constant || (size->kind == Kind::Symbol && !size->text.empty()) ||
        size->kind == Kind::Total)
      return;
    StringRef name = frame.uniformity.getMesh().getAxes()[*axis].getName();
    add(1201, op,
        "moves " + (rows ? "rows of " + rows->what.text() : std::string("parts of different sizes")) + " over '" +
            name + "' without counts",
        {{variation.originOf(*axis), ("their number differs over '" + name + "' from here on").str()}});
    return;
  }
  MeshAttr mesh = frame.uniformity.getMesh();
  int64_t parts = getGroupSize(mesh, axes);
  if (!rows || ShapedType::isDynamic(parts) || isMultipleOf(size, parts))
    return;
  const CountTerm *rest = terms->binary(
      Kind::Subtract, size,
      terms->binary(Kind::Multiply, terms->binary(Kind::Divide, size, terms->constant(parts)), terms->constant(parts)));
  if (rest->isConstant(0))
    return;
  auto difference = bounds->findUnequal(rest, terms->constant(0));
  if (!difference) {
    add(1220, op, "cannot prove that " + size->print() + " is a multiple of " + Twine(parts));
    return;
  }
  std::optional<int64_t> number = terms->evaluate(size, difference->sample, difference->position);
  add(1208, op,
      "hands out " + size->print() + " in " + Twine(parts) + " equal parts, to a multiple of which nothing aligns it",
      {{op.getLoc(), difference->print() + ", there are " + std::to_string(number.value_or(0)) + " rows at position " +
                         std::to_string(difference->position)}});
}

void CountChecker::checkRedistribute(Frame frame, RedistributeOp op) {
  SmallVector<int64_t> dims = op.getRaggedDims();
  if (dims.empty())
    return;
  for (int64_t dim : dims) {
    LayoutTermAttr from = raggedTermOf(op.getFrom().getDims()[dim]), to = raggedTermOf(op.getTo().getDims()[dim]);
    LayoutTermAttr term = from ? from : to;
    Value counts = op.getCountsOf(dim);
    if (!counts) {
      add(1201, *op, "moves rows of " + muster::countableOf(term).text() + " without counts");
      continue;
    }
    AxisSet group;
    for (AxisRefAttr axis : term.getAxes())
      if (std::optional<AxisPart> part = findAxisPart(frame.uniformity.getMesh(), getAxisName(axis));
          part && part->size != 1)
        group.insert(part->index);
    checkMoved(frame, *op, op.getInput(), dim, counts, group, /*isPart=*/static_cast<bool>(from));
  }
}

//===----------------------------------------------------------------------===//
// A rank's rows
//===----------------------------------------------------------------------===//

void CountChecker::checkOwn(Frame frame, Operation &op, Value tensor, uint64_t dim, TypedValue<CountsType> counts) {
  checkMoved(frame, op, tensor, static_cast<int64_t>(dim), counts, frame.uniformity.axesOf(counts.getType().getAxes()),
             /*isPart=*/true);
}

/// That padding `own` rows makes these counts, whichever way a condition goes; what was padded may be aligned again.
static bool isPaddedFrom(CountTerms &terms, const CountTerm *counts, const CountTerm *own) {
  while (counts->kind == Kind::Pad)
    counts = counts->operands.front();
  if (counts->kind == Kind::Either)
    return llvm::all_of(counts->operands, [&](const CountTerm *way) { return isPaddedFrom(terms, way, own); });
  return terms.elementOf(Kind::Own, counts) == own;
}

void CountChecker::checkPadding(Frame frame, Operation &op, Value live, Value padded, bool isAdded) {
  const CountTerm *rows = frame.inference.termOf(live), *all = frame.inference.termOf(padded);
  if (isUndefined(op, rows, "the counts") || isUndefined(op, all, "the padded counts"))
    return;
  // What was padded may be aligned again.
  const CountTerm *inner = all;
  while (inner != rows && inner->kind == Kind::Pad)
    inner = inner->operands.front();
  const CountTerm *own = terms->elementOf(Kind::Own, rows), *room = terms->elementOf(Kind::Own, all),
                  *kept = terms->elementOf(Kind::Own, inner);
  if (kept == own || isPaddedFrom(*terms, all, own))
    return;
  if (isAdded)
    return checkRoom(op, own, room, "what is padded");
  std::optional<CountDifference> difference;
  if (inner != all)
    difference = bounds->findUnequal(kept, own);
  if (!difference) {
    add(1220, op,
        "cannot prove that only dead rows are dropped: that of " + room->print() + " rows " + own->print() +
            " are not dead");
    return;
  }
  add(1206, op, "expected counts of " + kept->print() + ", which were padded, but got counts that say " + own->print(),
      {{op.getLoc(), difference->print() + ", a rank's rows that are not dead are " + std::to_string(difference->left) +
                         " at position " + std::to_string(difference->position) + " and the counts say " +
                         std::to_string(difference->right)},
       {live.getLoc(), "the counts are made here"}});
}

/// Whether a number is in a term of which nothing is known, not even that it is the same on all ranks.
static bool dependsOnUnknown(const CountTerm *term) {
  return (term->kind == Kind::Symbol && term->text.empty()) || llvm::any_of(term->operands, dependsOnUnknown);
}

/// Own rows among those of all ranks (E1207): they begin behind the rows of the ranks in front.
void CountChecker::checkFirstRow(Frame frame, Operation &op, Value table, Value first) {
  const CountTerm *rows = frame.inference.sizeOf(table, 0), *given = frame.inference.termOf(first);
  const CountTerm *vector = rows->kind == Kind::Rows  ? terms->exchanged(rows, rows->axes)
                            : rows->kind == Kind::Own ? rows->operands.front()
                                                      : nullptr;
  bool isAlone = vector && vector->kind == Kind::Exchanged && terms->positionsOf(vector->axes) == 1;
  if (!vector || isAlone || isUndefined(op, given, "the first row"))
    return;
  ++report.operations;
  const CountTerm *expected = terms->elementOf(Kind::OwnOffset, vector);
  if (given == expected)
    return;
  auto difference = bounds->findUnequal(given, expected);
  if (!difference || dependsOnUnknown(given)) {
    add(1220, op, "cannot prove where a rank's rows begin: that " + given->print() + " is " + expected->print());
    return;
  }
  add(1207, op, "expected a rank's rows to begin at " + expected->print() + " but got " + given->print(),
      {{op.getLoc(), difference->print() + ", the rows at position " + std::to_string(difference->position) +
                         " begin at " + std::to_string(difference->right) + " and the first row says " +
                         std::to_string(difference->left)}});
}

//===----------------------------------------------------------------------===//
// Walk
//===----------------------------------------------------------------------===//

void CountChecker::walk(Frame frame, Block &block) {
  for (Operation &op : block) {
    check(frame, op);
    if (auto call = dyn_cast<func::CallOp>(op)) {
      walkCall(frame, call);
      continue;
    }
    if (isa<linalg::LinalgOp>(op))
      continue;
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        walk(frame, inner);
  }
}

void CountChecker::walkCall(Frame frame, func::CallOp call) {
  CountInference *inside = frame.inference.callee(call);
  const Uniformity *uniformity = frame.uniformity.callee(call);
  if (!inside || !uniformity)
    return;
  chain.push_back(call);
  auto [exchanged, isNew] = walked.try_emplace({inside, uniformity});
  // In a split batch the order of what touches states is that of all calls.
  if (isNew || split) {
    size_t first = made.size();
    for (Block &inner : inside->getFunction().getBody())
      walk({*inside, *uniformity}, inner);
    std::vector<Exchange> own(made.begin() + static_cast<ptrdiff_t>(first), made.end());
    for (Exchange &exchange : own)
      exchange.chain.erase(exchange.chain.begin(), exchange.chain.begin() + static_cast<ptrdiff_t>(chain.size()));
    walked[{inside, uniformity}] = std::move(own);
  } else {
    // What it exchanges, this call exchanges again.
    for (Exchange exchange : std::vector<Exchange>(exchanged->second)) {
      exchange.chain.insert(exchange.chain.begin(), chain.begin(), chain.end());
      addExchange(std::move(exchange));
    }
  }
  chain.pop_back();
}

void CountChecker::check(Frame frame, Operation &op) {
  if (split)
    checkState(frame, op);
  auto moved = [&](auto own, bool isPart) {
    auto dim = static_cast<int64_t>(own.getDim());
    if (own.getCounts())
      checkMoved(frame, op, own.getInput(), dim, own.getCounts(), frame.uniformity.axesOf(own.getAxes()), isPart);
    else
      checkEqualParts(frame, op, own.getInput(), dim, own.getAxes(), isPart);
  };
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](AllGatherOp own) { moved(own, /*isPart=*/true); })
      .Case<ReduceScatterOp, SliceOp>([&](auto own) { moved(own, /*isPart=*/false); })
      .Case([&](AllToAllOp own) {
        auto split = static_cast<int64_t>(own.getSplit()), concat = static_cast<int64_t>(own.getConcat());
        if (own.getRaggedDim() >= 0)
          checkMoved(frame, op, own.getInput(), own.getRaggedDim(), own.getCounts(),
                     frame.uniformity.axesOf(own.getAxes()), /*isPart=*/own.getRaggedDim() == concat);
        if (own.getRaggedDim() != concat && split != concat)
          checkEqualParts(frame, op, own.getInput(), concat, own.getAxes(), /*isPart=*/true);
        if (own.getRaggedDim() != split)
          checkEqualParts(frame, op, own.getInput(), split, own.getAxes(), /*isPart=*/false);
      })
      .Case([&](RedistributeOp own) { checkRedistribute(frame, own); })
      .Case([&](PadRowsOp own) {
        checkOwn(frame, op, own.getInput(), own.getDim(), own.getCounts());
        checkPadding(frame, op, own.getCounts(), own.getTo(), /*isAdded=*/true);
      })
      .Case([&](UnpadRowsOp own) {
        checkOwn(frame, op, own.getInput(), own.getDim(), own.getCounts());
        checkPadding(frame, op, own.getTo(), own.getCounts(), /*isAdded=*/false);
      })
      .Case([&](SplitRowsOp own) {
        ++report.operations;
        checkChildren(frame, op, frame.inference.sizeOf(own.getInput(), static_cast<int64_t>(own.getDim())),
                      own.getFirst(), own.getSecond());
      })
      .Case([&](JoinRowsOp own) {
        checkOwn(frame, op, own.getFirstRows(), own.getDim(), own.getFirst());
        checkOwn(frame, op, own.getSecondRows(), own.getDim(), own.getSecond());
        checkChildren(frame, op, terms->elementOf(Kind::Own, frame.inference.termOf(own.getTo())), own.getFirst(),
                      own.getSecond());
      })
      .Case([&](SplitCountsOp own) {
        areInOrder(op, own.getParent().getType().getEpoch().getValue(), own.getFirstChild(), own.getSecondChild());
      })
      .Case([&](nn::GatherRowsOp own) {
        if (own.getFirst())
          checkFirstRow(frame, op, own.getTable(), own.getFirst());
      })
      .Case([&](AllToAllVOp own) { checkRouted(frame, own); })
      .Case([&](nn::HistogramOp own) { checkHistogram(frame, own); })
      .Case([&](ExchangeCountsOp own) { checkExchange(frame, own); })
      .Case([&](CheckCountOp own) { checkCapacity(frame, own); })
      .Case<scf::ForOp, scf::WhileOp>([&](auto own) { checkCarried(*own); })
      .Case([&](linalg::LinalgOp own) { checkStructured(frame, own); })
      .Case([&](nn::IterationRuleOpInterface own) { checkIterated(frame, own); })
      .Case([&](tensor::ExpandShapeOp own) { checkExpanded(frame, own); })
      .Default([&](Operation *) {
        if (op.hasTrait<OpTrait::Elementwise>())
          checkElementwise(frame, op);
        checkSlices(frame, op);
      });
}

void CountChecker::checkFunction(func::FuncOp function, MeshAttr mesh) {
  CountTerms own(mesh);
  CountBounds ownBounds(own, function);
  terms = &own;
  bounds = &ownBounds;
  entry = function;
  exchanges.clear();
  made.clear();
  walked.clear();
  exceeded.clear();
  startChildren(function);
  CountInference inference(function, own);
  Uniformity uniformity(function, mesh);
  for (Block &block : function.getBody())
    walk({inference, uniformity}, block);
  report.batches = static_cast<int64_t>(epochs.size());
}

CountReport muster::checkCounts(ModuleOp module) {
  CountReport report;
  CountChecker checker(report);
  for (func::FuncOp function : entriesOf(module))
    checker.checkFunction(function, getMesh(function));
  return report;
}
