// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountCheck.h"

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Analysis/CountBounds.h"
#include "compiler/Analysis/CountInference.h"
#include "compiler/Analysis/SplitCheck.h"
#include "compiler/Analysis/Uniformity.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

namespace {

using AxisSet = llvm::SmallDenseSet<unsigned, 4>;

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

class CountChecker {
public:
  explicit CountChecker(CountReport &report) : report(report) {}

  void checkFunction(func::FuncOp function, MeshAttr mesh);

private:
  /// A function in one of its calls.
  struct Frame {
    CountInference &inference;
    const Uniformity &uniformity;
  };

  void walk(Frame frame, Block &block);
  void check(Frame frame, Operation &op);
  /// An operation of the group `axes` that takes a dim of `tensor`, of which a rank has a part or the whole, by
  /// `counts`.
  void checkMoved(Frame frame, Operation &op, Value tensor, int64_t dim, Value counts, const AxisSet &group,
                  bool isPart);
  /// The same in equal parts: what is gathered must be of one size, what is handed out must divide.
  void checkEqualParts(Frame frame, Operation &op, Value tensor, int64_t dim, ArrayAttr axes, bool isPart);
  void checkRedistribute(Frame frame, RedistributeOp op);
  /// A rank's rows of a dim, by counts that its group knows.
  void checkOwn(Frame frame, Operation &op, Value tensor, uint64_t dim, TypedValue<CountsType> counts);
  /// That `padded` are the padded counts of `live`. Where rows are added, room for them is enough.
  void checkPadding(Frame frame, Operation &op, Value live, Value padded, bool isAdded);
  /// That two children, in this order, have the rows `whole` of their parent.
  void checkChildren(Frame frame, Operation &op, const CountTerm *whole, Value first, Value second);
  /// That `first` is where the rank's rows in dim 0 of `table` begin.
  void checkFirstRow(Frame frame, Operation &op, Value table, Value first);
  void checkExchange(Frame frame, ExchangeCountsOp op);
  /// What touches a state, by the batch of its rows.
  void checkState(Frame frame, Operation &op);
  void checkCarried(Operation &op);
  /// That `needed` is at most what `room` has, where rows of unequal parts are in it.
  void checkRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what);
  /// The same of any rows.
  void checkFits(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what);
  void reportRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what,
                  const CountDifference &difference);
  void checkStructured(Frame frame, linalg::LinalgOp op);
  void checkSlices(Frame frame, Operation &op);
  void checkCapacity(Frame frame, CheckCountOp op);
  /// That what a rank receives is what the others send it, and that there is room for as much as can come.
  void checkRouted(Frame frame, AllToAllVOp op);
  void checkHistogram(Frame frame, nn::HistogramOp op);
  /// How many indices a histogram counts, at most.
  const CountTerm *countedBy(Frame frame, nn::HistogramOp op);

  bool isUndefined(Operation &op, const CountTerm *term, StringRef what);
  void add(int number, Operation &op, const Twine &message, ArrayRef<LayoutMessage::Note> notes = {});

  CountReport &report;
  CountTerms *terms = nullptr;
  llvm::DenseSet<std::pair<Operation *, int>> reported;
  llvm::DenseSet<Operation *> counted;
  llvm::StringSet<> epochs;
  /// Who exchanged a field of a batch first.
  std::map<std::pair<Countable, std::string>, SmallVector<ExchangeCountsOp>> exchanges;
  /// Of the function that nobody calls.
  CountBounds *bounds = nullptr;
  func::FuncOp entry;
  std::optional<BatchSplit> split;
  StateOrder states;
};

} // namespace

void CountChecker::add(int number, Operation &op, const Twine &message, ArrayRef<LayoutMessage::Note> notes) {
  // Once an operation, though its function is called more than once.
  if (reported.insert({&op, number}).second)
    report.findings.push_back({number, &op, message.str(), {notes.begin(), notes.end()}});
}

bool CountChecker::isUndefined(Operation &op, const CountTerm *term, StringRef what) {
  const CountTerm *undefined = findTerm(term, Kind::Undefined);
  if (!undefined)
    return false;
  SmallVector<LayoutMessage::Note> notes = {{undefined->value.getLoc(), "nothing is set here"}};
  // From the outermost branch of which one side has nothing to the innermost.
  for (const CountTerm *own = term; own != undefined;) {
    const auto *next = llvm::find_if(
        own->operands, [](const CountTerm *operand) { return findTerm(operand, Kind::Undefined) != nullptr; });
    if (own->kind == Kind::Either)
      notes.push_back({own->value.getLoc(), next == own->operands.begin()
                                                ? "so it is where this condition holds"
                                                : "so it is where this condition does not hold"});
    own = *next;
  }
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
  if (kept == own)
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

void CountChecker::checkChildren(Frame frame, Operation &op, const CountTerm *whole, Value first, Value second) {
  const CountTerm *front = frame.inference.termOf(first), *behind = frame.inference.termOf(second);
  if (isUndefined(op, front, "the counts of the first child") ||
      isUndefined(op, behind, "the counts of the second child") || isUndefined(op, whole, "the number of rows"))
    return;
  if (front->kind == Kind::Rest && front->operands[1] == behind) {
    add(1211, op, "expected the rows of the first child in front but got those of the second",
        {{first.getLoc(), "the children are made here"}});
    return;
  }
  const CountTerm *together =
      terms->binary(Kind::Add, terms->elementOf(Kind::Own, front), terms->elementOf(Kind::Own, behind));
  if (together == whole)
    return;
  auto difference = bounds->findUnequal(whole, together);
  if (!difference) {
    add(1220, op,
        "cannot prove that the children have the rows of their batch: that " + together->print() + " is " +
            whole->print());
    return;
  }
  add(1211, op, "expected children of " + whole->print() + " together but got " + together->print(),
      {{op.getLoc(), difference->print() + ", the batch has " + std::to_string(difference->left) +
                         " rows at position " + std::to_string(difference->position) + " and its children have " +
                         std::to_string(difference->right)}});
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
// Once a step
//===----------------------------------------------------------------------===//

void CountChecker::checkExchange(Frame frame, ExchangeCountsOp op) {
  if (Operation *loop = op->getParentOfType<LoopLikeOpInterface>()) {
    add(1212, *op, "exchanges counts at every turn of a loop: a step has one record", {{loop->getLoc(), "this loop"}});
  }
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    auto type = cast<CountsType>(input.getType());
    Countable what{type.getEpoch().getValue().str(), type.getUnit()};
    epochs.insert(what.epoch);
    std::string field;
    if (auto local = input.getDefiningOp<LocalCountOp>())
      field = local.getFieldName().str();
    else if (auto step = input.getDefiningOp<StepFieldOp>())
      field = step.getField().str();
    // Both children together have no more rows than a record may say.
    auto limits = entry->getAttrOfType<DictionaryAttr>(attribute::bounds);
    auto limit = limits && split && what.epoch == split->parent ? limits.getAs<IntegerAttr>(field) : IntegerAttr();
    if (limit && op->getParentOp() == entry)
      bounds->ensure(terms->elementOf(Kind::Maximum, frame.inference.termOf(op.getResult(index))), limit.getInt());
    SmallVector<ExchangeCountsOp> &others = exchanges[{what, field}];
    for (ExchangeCountsOp other : others)
      if (other != op && !areExclusive(other, op)) {
        add(1212, *op, "expected one exchange of " + what.text() + " in a step but got two",
            {{other.getLoc(), "the other is here"}});
        break;
      }
    if (!llvm::is_contained(others, op))
      others.push_back(op);
  }
}

void CountChecker::checkCarried(Operation &op) {
  for (Type type : op.getResultTypes())
    if (isa<CountsType, OffsetsType>(type))
      add(1212, op, "carries counts from turn to turn: the counts of a step do not change");
}

//===----------------------------------------------------------------------===//
// Room for rows
//===----------------------------------------------------------------------===//

void CountChecker::reportRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what,
                              const CountDifference &difference) {
  add(1209, op, what + " has room for " + room->print() + " rows, but there are " + needed->print(),
      {{op.getLoc(), difference.print() + ", there is room for " + std::to_string(difference.right) +
                         " rows at position " + std::to_string(difference.position) + " and " +
                         std::to_string(difference.left) + " come"}});
}

void CountChecker::checkFits(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what) {
  if (needed->kind != Kind::Constant || room->kind != Kind::Constant)
    return checkRoom(op, needed, room, what);
  if (needed->number > room->number)
    add(1209, op, what + " has room for " + room->print() + " rows, but " + needed->print() + " can come");
}

void CountChecker::checkRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what) {
  if (needed == room || (!findTerm(needed, Kind::Rows) && !findTerm(room, Kind::Rows)))
    return;
  if (isUndefined(op, needed, "the number of rows") || isUndefined(op, room, "the size of the buffer"))
    return;
  std::optional<int64_t> most = bounds->greatest(needed);
  if ((most && room->kind == Kind::Constant && *most <= room->number) || bounds->isAtMost(needed, room))
    return;
  auto difference = bounds->findGreater(needed, room);
  if (difference)
    return reportRoom(op, needed, room, what, *difference);
  add(1220, op, "cannot prove that " + what + " has room: that " + needed->print() + " is at most " + room->print());
}

/// Dims that one loop walks have one size: another would be read or written beyond its end.
void CountChecker::checkStructured(Frame frame, linalg::LinalgOp op) {
  llvm::SmallDenseMap<unsigned, const CountTerm *> loops;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        continue;
      const CountTerm *size = frame.inference.sizeOf(operand.get(), static_cast<int64_t>(dim));
      const CountTerm *&first = loops.try_emplace(loop.getPosition(), size).first->second;
      if (first == size || (!findTerm(first, Kind::Rows) && !findTerm(size, Kind::Rows)) ||
          isUndefined(*op, first, "the number of rows") || isUndefined(*op, size, "the number of rows"))
        continue;
      std::string what =
          op.isDpsInit(&operand) ? "the buffer" : "operand " + std::to_string(operand.getOperandNumber());
      if (auto difference = bounds->findGreater(first, size))
        reportRoom(*op, first, size, what, *difference);
      else if (auto reverse = bounds->findGreater(size, first))
        reportRoom(*op, size, first, "operand 0", *reverse);
      else
        add(1220, *op,
            "cannot prove that all operands have as many rows: that " + size->print() + " is " + first->print());
    }
  }
}

void CountChecker::checkSlices(Frame frame, Operation &op) {
  auto end = [&](OpFoldResult offset, OpFoldResult size, OpFoldResult stride) -> const CountTerm * {
    auto term = [&](OpFoldResult value) {
      std::optional<int64_t> number = getConstantIntValue(value);
      return number ? terms->constant(*number) : frame.inference.termOf(cast<Value>(value));
    };
    return isConstantIntValue(stride, 1) ? terms->binary(Kind::Add, term(size), term(offset)) : nullptr;
  };
  auto check = [&](auto slice, Value tensor, StringRef what) {
    for (auto [dim, offset, size, stride] :
         llvm::enumerate(slice.getMixedOffsets(), slice.getMixedSizes(), slice.getMixedStrides()))
      if (const CountTerm *needed = end(offset, size, stride))
        checkRoom(op, needed, frame.inference.sizeOf(tensor, static_cast<int64_t>(dim)), what);
  };
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op))
    check(extract, extract.getSource(), "what is read");
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
    check(insert, insert.getDest(), "the buffer");
}

void CountChecker::checkCapacity(Frame frame, CheckCountOp op) {
  const CountTerm *term = frame.inference.termOf(op.getCount());
  std::optional<int64_t> most = bounds->greatest(term);
  // On every path: not in a branch, nor in a function that may be called in one.
  if (op->getParentOp() == entry)
    bounds->ensure(term, static_cast<int64_t>(op.getBound()));
  if (!most || *most > static_cast<int64_t>(op.getBound()))
    report.checks.push_back({op.getLoc(), term->print() + " at most " + std::to_string(op.getBound())});
}

//===----------------------------------------------------------------------===//
// Routed counts
//===----------------------------------------------------------------------===//

namespace {
/// Routed counts as the counts that they were made from, exchanged over a group or not.
struct Exchanged {
  Value root;
  bool isOdd = false; ///< exchanged an odd number of times: twice is not at all
};
} // namespace

static Exchanged exchangedOver(ArrayAttr axes, Value counts) {
  for (Exchanged made{counts, false};;) {
    Operation *op = made.root.getDefiningOp();
    auto exchange = dyn_cast_or_null<ExchangeOp>(op);
    auto all = dyn_cast_or_null<AllToAllOp>(op);
    bool isExchange = (exchange && exchange.getAxes() == axes) ||
                      (all && all.getAxes() == axes && all.getSplit() == 0 && all.getConcat() == 0 && !all.getCounts());
    if (!isExchange && !isa_and_nonnull<AssertLayoutOp, tensor::CastOp>(op))
      return made;
    made = {op->getOperand(0), made.isOdd != isExchange};
  }
}

void CountChecker::checkRouted(Frame frame, AllToAllVOp op) {
  if (counted.insert(op).second)
    ++report.operations;
  MeshAttr mesh = frame.uniformity.getMesh();
  int64_t group = getGroupSize(mesh, op.getAxes());
  auto type = cast<RankedTensorType>(op.getSend().getType());
  Exchanged sent = exchangedOver(op.getAxes(), op.getSend()), received = exchangedOver(op.getAxes(), op.getReceive());
  if (sent.root == received.root && sent.isOdd == received.isOdd && group != 1)
    add(1213, *op, "expected to receive what the others send but got the counts of what is sent",
        {{op.getLoc(), "where position 0 sends 1 row to position 1, which sends it none, position 0 would take 1 row "
                       "from position 1"},
         {received.root.getLoc(), "the counts are made here; muster.exchange over the group makes of them what is "
                                  "received"}});
  else if (sent.root != received.root)
    add(1220, *op,
        "cannot prove that what is received is what is sent: that one is the other, exchanged over the group",
        {{sent.root.getLoc(), "what is sent is counted here"}, {received.root.getLoc(), "what is received here"}});

  // All that this rank has counted; of counts of other ranks, as many as can come from each position.
  int64_t bound = cast<RoutedAttr>(type.getEncoding()).getBound();
  auto mostOf = [&](Exchanged counts) {
    auto histogram = counts.root.getDefiningOp<nn::HistogramOp>();
    return histogram && !counts.isOdd ? countedBy(frame, histogram) : terms->constant(type.getDimSize(0) * bound);
  };
  checkFits(*op, mostOf(sent), frame.inference.sizeOf(op.getInput(), 0), "what is sent");
  checkFits(*op, mostOf(received), frame.inference.sizeOf(op.getResult(), 0), "the buffer");
}

const CountTerm *CountChecker::countedBy(Frame frame, nn::HistogramOp op) {
  return op.getValid() ? frame.inference.termOf(op.getValid()) : frame.inference.sizeOf(op.getIndices(), 0);
}

void CountChecker::checkHistogram(Frame frame, nn::HistogramOp op) {
  auto routed = cast<RoutedAttr>(cast<RankedTensorType>(op.getType()).getEncoding());
  checkFits(*op, countedBy(frame, op), terms->constant(routed.getBound()), "the bound of the counts");
}

//===----------------------------------------------------------------------===//
// Walk
//===----------------------------------------------------------------------===//

void CountChecker::walk(Frame frame, Block &block) {
  for (Operation &op : block) {
    check(frame, op);
    if (auto call = dyn_cast<func::CallOp>(op)) {
      CountInference *inside = frame.inference.callee(call);
      const Uniformity *uniformity = frame.uniformity.callee(call);
      if (inside && uniformity)
        for (Block &inner : inside->getFunction().getBody())
          walk({*inside, *uniformity}, inner);
      continue;
    }
    if (isa<linalg::LinalgOp>(op))
      continue;
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        walk(frame, inner);
  }
}

void CountChecker::checkState(Frame frame, Operation &op) {
  for (Value operand : op.getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    const CountTerm *rows = findTerm(frame.inference.sizeOf(operand, 0), Kind::Rows);
    if (!rows)
      continue;
    if (std::optional<StepFinding> finding = states.visit(op, rows->what.epoch, *split);
        finding && reported.insert({&op, finding->number}).second)
      report.findings.push_back(std::move(*finding));
    return;
  }
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
      .Default([&](Operation *) { checkSlices(frame, op); });
}

void CountChecker::checkFunction(func::FuncOp function, MeshAttr mesh) {
  CountTerms own(mesh);
  CountBounds ownBounds(own, function);
  terms = &own;
  bounds = &ownBounds;
  entry = function;
  exchanges.clear();
  split = BatchSplit::of(function);
  states = {};
  if (split)
    llvm::append_range(report.findings, checkFields(function, *split));
  CountInference inference(function, own);
  Uniformity uniformity(function, mesh);
  for (Block &block : function.getBody())
    walk({inference, uniformity}, block);
  report.batches = static_cast<int64_t>(epochs.size());
}

CountReport muster::checkCounts(ModuleOp module) {
  CountReport report;
  llvm::DenseSet<StringRef> called;
  module.walk([&](func::CallOp call) { called.insert(call.getCallee()); });
  CountChecker checker(report);
  for (auto function : module.getOps<func::FuncOp>()) {
    MeshAttr mesh = getMesh(function);
    if (mesh && !function.isExternal() && !called.contains(function.getSymName()))
      checker.checkFunction(function, mesh);
  }
  return report;
}
