// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// linalg: the rule of an operation from its indexing maps, and its linearity from its body.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/Monotone.h"
#include "compiler/Layout/Compare.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

namespace {

/// How the value that a body yields depends on its arguments: by linear argument sets.
struct Dependence {
  enum class Kind { Constant, Linear, Additive, Multilinear, NonLinear } kind = Kind::Constant;
  SmallVector<BlockArgument, 4> arguments;
};

/// Coordinates, sizes and counts, which may differ between ranks or from one rank.
bool isNumberOfMesh(Operation *op) {
  return isa<tensor::DimOp>(op) || isa_and_nonnull<MusterDialect>(op->getDialect());
}

Dependence nonLinear() { return {Dependence::Kind::NonLinear, {}}; }

/// Reads a body: what it yields as a function of its tensor arguments, of positions, and of values from outside.
class BodyReader {
public:
  /// `isTensor` tells arguments that are elements of tensors; `positionOf` reads a value as a position that the
  /// operation walks, and remembers it. Both must outlive the reader.
  BodyReader(Block *body, llvm::function_ref<bool(BlockArgument)> isTensor,
             llvm::function_ref<bool(mlir::Value)> positionOf)
      : body(body), isTensor(isTensor), positionOf(positionOf) {}

  Dependence read(mlir::Value value) {
    auto [known, isNew] = memo.try_emplace(value);
    if (isNew) {
      Dependence dependence = readNew(value);
      known = memo.find(value);
      known->second = std::move(dependence);
    }
    return known->second;
  }
  /// Scalars from outside the body, or given to it, that what was read depends on.
  llvm::SmallSetVector<mlir::Value, 4> scalars;
  /// A position was read that `positionOf` did not know.
  bool hasUnknownPosition = false;

private:
  using Kind = Dependence::Kind;

  Dependence readNew(mlir::Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == body) {
      if (isTensor(argument))
        return {Kind::Linear, {argument}};
      scalars.insert(argument);
      return {};
    }
    if (value.getType().isIntOrIndex() && positionOf(value))
      return {}; // an operand of its own, which is never a part of a sum
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != body) {
      scalars.insert(value);
      return {};
    }
    if (isa<linalg::IndexOp>(op))
      hasUnknownPosition = true;
    if (isNumberOfMesh(op)) {
      scalars.insert(value);
      return {};
    }
    if (op->getNumRegions() != 0) {
      readRegions(op);
      return nonLinear();
    }
    auto of = [&](unsigned i) { return read(op->getOperand(i)); };
    if (isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp, arith::SIToFPOp>(op))
      return of(0);
    if (isa<arith::AddFOp, arith::SubFOp>(op)) {
      Dependence a = of(0), b = of(1);
      auto isTerm = [](Kind kind) { return kind == Kind::Linear || kind == Kind::Additive; };
      if (!isTerm(a.kind) || !isTerm(b.kind))
        return a.kind == Kind::Constant && b.kind == Kind::Constant ? Dependence{} : nonLinear();
      Dependence sum{Kind::Additive, a.arguments};
      for (BlockArgument argument : b.arguments)
        if (!llvm::is_contained(sum.arguments, argument)) // bodies share values
          sum.arguments.push_back(argument);
      return sum;
    }
    if (isa<arith::MulFOp, arith::DivFOp>(op)) {
      Dependence a = of(0), b = of(1);
      if (b.kind == Kind::Constant && a.kind != Kind::NonLinear)
        return a;
      if (isa<arith::DivFOp>(op))
        return nonLinear();
      if (a.kind == Kind::Constant && b.kind != Kind::NonLinear)
        return b;
      auto isFactor = [](Kind kind) { return kind == Kind::Linear || kind == Kind::Multilinear; };
      if (!isFactor(a.kind) || !isFactor(b.kind))
        return nonLinear();
      for (BlockArgument argument : b.arguments)
        if (llvm::is_contained(a.arguments, argument))
          return nonLinear(); // a square
      Dependence productOf{Kind::Multilinear, a.arguments};
      productOf.arguments.append(b.arguments);
      return productOf;
    }
    Dependence result;
    for (mlir::Value operand : op->getOperands())
      if (read(operand).kind != Kind::Constant)
        result = nonLinear();
    return result;
  }

  /// What operations inside another take from the body and from outside.
  void readRegions(Operation *op) {
    op->walk([&](Operation *inner) {
      hasUnknownPosition |= isa<linalg::IndexOp>(inner);
      if (isNumberOfMesh(inner))
        scalars.insert(inner->result_begin(), inner->result_end());
      for (mlir::Value operand : inner->getOperands())
        if (operand.getParentBlock() == body)
          read(operand);
        else if (!body->getParent()->isAncestor(operand.getParentRegion()))
          scalars.insert(operand);
    });
  }

  Block *body;
  llvm::function_ref<bool(BlockArgument)> isTensor;
  llvm::function_ref<bool(mlir::Value)> positionOf;
  llvm::DenseMap<mlir::Value, Dependence> memo;
};

bool dependsOn(mlir::Value value, mlir::Value on, Block *body) {
  SmallVector<mlir::Value, 8> work{value};
  llvm::DenseSet<mlir::Value> seen;
  while (!work.empty()) {
    mlir::Value next = work.pop_back_val();
    if (next == on)
      return true;
    if (Operation *op = next.getDefiningOp(); op && op->getBlock() == body && seen.insert(next).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// The one argument in which a quotient, or a choice between a number and zero, is linear whatever the others are.
std::optional<unsigned> linearArgumentOf(mlir::Value payload, BodyReader &reader, Block *body,
                                         llvm::function_ref<bool(mlir::Value)> isZero) {
  Operation *op = payload.getDefiningOp();
  mlir::Value linear, other;
  if (auto quotient = dyn_cast_or_null<arith::DivFOp>(op)) {
    linear = quotient.getLhs();
    other = quotient.getRhs();
  } else if (auto choice = dyn_cast_or_null<arith::SelectOp>(op); choice && isZero(choice.getFalseValue())) {
    linear = choice.getTrueValue();
    other = choice.getCondition();
  }
  if (!linear)
    return std::nullopt;
  Dependence dependence = reader.read(linear);
  if (dependence.kind != Dependence::Kind::Linear || dependence.arguments.size() != 1 ||
      dependsOn(other, dependence.arguments.front(), body))
    return std::nullopt;
  return dependence.arguments.front().getArgNumber();
}

/// What each iteration adds to the accumulator, and how.
struct BodyReduction {
  layout::IteratorKind kind = layout::IteratorKind::Whole;
  mlir::Value payload;
};

BodyReduction readReduction(Block *body) {
  mlir::Value yielded = body->getTerminator()->getOperand(0);
  BlockArgument accumulator = body->getArguments().back();
  Operation *combiner = yielded.getDefiningOp();
  if (!combiner || combiner->getNumOperands() != 2 || !llvm::is_contained(combiner->getOperands(), accumulator))
    return {layout::IteratorKind::Whole, yielded};
  mlir::Value payload = combiner->getOperand(combiner->getOperand(0) == accumulator ? 1 : 0);
  if (dependsOn(payload, accumulator, body))
    return {layout::IteratorKind::Whole, yielded}; // a recurrence
  layout::IteratorKind kind = layout::IteratorKind::Whole;
  if (isa<arith::AddFOp, arith::AddIOp>(combiner))
    kind = layout::IteratorKind::Sum;
  else if (isa<arith::MaximumFOp, arith::MaxNumFOp, arith::MaxSIOp>(combiner))
    kind = layout::IteratorKind::Maximum;
  else if (isa<arith::MinimumFOp, arith::MinNumFOp, arith::MinSIOp>(combiner))
    kind = layout::IteratorKind::Minimum;
  return {kind, payload};
}

} // namespace

/// A tensor from outside of which a body takes elements at places that it computes: those of one rank, if every rank
/// has all of it. True where that is not known: it was reported.
bool FunctionInference::refuseTaken(Operation *op, mlir::Value tensor) {
  const Known &known = get(tensor);
  if (known.kind == Known::Kind::Failed) {
    failQuietly(op, tensor);
    return true;
  }
  if (known.kind == Known::Kind::Uniform && !known.isUnwritten)
    return false;
  if (isWholeOnRanks(known))
    return false;
  Refusal refusal{Refusal::Kind::Unknown,
                  "takes elements of a tensor, of which ranks have not all or not in the order of one rank",
                  "the tensor as an operand of the operation, or whole on every rank"};
  reportRefusal(op, refusal, 1108);
  return true;
}

/// Whether every rank has all of the dim, place by place as one rank has it.
bool FunctionInference::isWholeInOrder(const layout::Dim &dim) const {
  if (dim.order)
    return false;
  if (dim.isSegmented())
    return llvm::all_of(dim.segments, [&](const layout::Dim &segment) { return isWholeInOrder(segment); });
  // All positions of each space, local ones in the order that the text gives them: on one rank it gives them the same.
  llvm::SmallDenseMap<layout::SpaceId, Size, 2> held;
  for (const layout::Digit &digit : dim.digits) {
    const layout::Space &space = scope.universe.spaces[digit.space];
    bool isPlain = space.tag.empty() && !space.twin && !space.rows && !space.pieceOf && !digit.isPart;
    if (digit.isMesh() || !isPlain || digit.stride.isZero())
      return false;
    held.try_emplace(digit.space, 1).first->second *= digit.count;
  }
  Outcome<layout::FlatDim> flat = layout::flatten(scope.universe, dim);
  return flat && flat->tags.empty() && flat->local.size() <= 1 && flat->mesh.empty() &&
         llvm::all_of(held, [&](const auto &own) { return own.second == scope.universe.spaces[own.first].size; });
}

/// The dims of an operand of which some are walked by sums of iterators (convolutions): those are positions of the
/// operation's own, and right where the dim is whole on every rank. `windows`: the iterators in such sums.
std::optional<SmallVector<int64_t, 4>> FunctionInference::dimsOfWindows(AffineMap map, Known &operand,
                                                                        llvm::SmallBitVector &windows) {
  if (operand.kind != Known::Kind::Digits || map.getNumSymbols() != 0)
    return std::nullopt;
  // By one reading: in another the dim might not be whole.
  std::optional<layout::Value> plain = layout::plainValue(scope.universe, operand.value);
  if (!plain)
    return std::nullopt;
  SmallVector<int64_t, 4> dims;
  for (auto [at, expr] : llvm::enumerate(map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    dims.push_back(dim ? static_cast<int64_t>(dim.getPosition()) : layout::noIterator);
    if (dim || isa<AffineConstantExpr>(expr))
      continue;
    if (!expr.isPureAffine() || !isWholeInOrder(plain->dims[at]))
      return std::nullopt;
    for (unsigned iterator = 0; iterator < map.getNumDims(); ++iterator)
      if (expr.isFunctionOfDim(iterator))
        windows.set(iterator);
    plain->dims[at] = constantDim(plain->dims[at].localSize(), "windows");
  }
  markUncovered("windows along a dim");
  operand.value = std::move(*plain);
  return dims;
}

/// Windows that overlap (position s + k for s and k of more than one value) along a dim of which ranks have parts, or
/// which they have in another order than one rank: why that is wrong, whatever the sizes may be on one rank.
std::optional<std::string> FunctionInference::overlapsWrongly(linalg::LinalgOp op, OpOperand &operand) {
  const Known &known = get(operand.get());
  if (known.kind != Known::Kind::Digits || known.value.isChoice || !known.value.floats.empty())
    return std::nullopt;
  SmallVector<int64_t, 4> ranges = op.getStaticLoopRanges();
  for (auto [at, expr] : llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults())) {
    auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
    if (!sum || sum.getKind() != AffineExprKind::Add)
      continue;
    auto first = dyn_cast<AffineDimExpr>(sum.getLHS()), second = dyn_cast<AffineDimExpr>(sum.getRHS());
    if (!first || !second || ranges[first.getPosition()] < 2 || ranges[second.getPosition()] < 2)
      continue;
    const layout::Dim &dim = known.value.dims[at];
    for (const layout::Dim &part : dim.isSegmented() ? ArrayRef(dim.segments) : ArrayRef(dim)) {
      if (part.digits.size() < 2 || layout::hasRanges(scope.universe, part) ||
          !llvm::all_equal(llvm::map_range(part.digits, [](auto &digit) { return digit.space; })))
        continue;
      auto isMesh = [](const layout::Digit &digit) { return digit.isMesh(); };
      // Digits that a collective put elsewhere; those that a transposition moves are there on one rank, too.
      if (llvm::none_of(part.digits, isMesh) && !layout::flatten(scope.universe, part))
        return "windows overlap along a dim that is in another order than on one rank: " + print(scope.universe, dim);
      // Where the shards are settled, they are of this dim.
      if (!known.value.isUnsettled && !part.digits.back().isMesh() &&
          llvm::none_of(part.digits, [&](const layout::Digit &digit) { return isMesh(digit) && digit.isAmbiguous; }))
        return "windows overlap along a dim of which each rank has its part only: " + print(scope.universe, dim);
    }
  }
  return std::nullopt;
}

void FunctionInference::inferLinalg(linalg::LinalgOp op) {
  auto unsupported = [&](const std::string &what) {
    Refusal refusal{Refusal::Kind::Unknown, what, "a linalg operation of projected permutations"};
    reportRefusal(op, refusal, 1108);
  };
  if (inferLookup(op))
    return;
  if (op.getNumDpsInits() != 1 || op->getNumResults() != 1)
    return unsupported("unsupported linalg operation of several results");
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  bool hasReduction = llvm::is_contained(iterators, utils::IteratorType::reduction);
  Block *body = op.getBlock();
  BodyReduction reduction{layout::IteratorKind::Whole, body->getTerminator()->getOperand(0)};
  if (hasReduction)
    reduction = readReduction(body);
  ComputeRule rule;
  for (auto [index, kind] : llvm::enumerate(iterators)) {
    rule.iterators.push_back(kind == utils::IteratorType::parallel ? layout::IteratorKind::Parallel : reduction.kind);
    rule.names.push_back("d" + std::to_string(index));
  }
  SmallVector<Known, 4> operands;
  auto dimsOf = [&](OpOperand &operand) -> std::optional<SmallVector<int64_t, 4>> {
    SmallVector<int64_t, 4> dims;
    for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim && !isa<AffineConstantExpr>(expr))
        return std::nullopt; // windows: positions that no iterator alone walks
      dims.push_back(dim ? static_cast<int64_t>(dim.getPosition()) : layout::noIterator);
    }
    return dims;
  };
  llvm::SmallDenseMap<unsigned, unsigned> operandAt;                     // by argument of the body
  llvm::SmallBitVector windows(static_cast<unsigned>(iterators.size())); // iterators of which sums are positions
  auto add = [&](OpOperand &operand) {
    const Known &known = get(operand.get());
    if (!mayCompute(op, operand.get()))
      return false;
    std::optional<SmallVector<int64_t, 4>> dims = dimsOf(operand);
    if (!dims && known.kind == Known::Kind::Uniform)
      return true;
    operandAt[operand.getOperandNumber()] = static_cast<unsigned>(operands.size());
    operands.push_back(known);
    if (!dims)
      dims = dimsOfWindows(op.getMatchingIndexingMap(&operand), operands.back(), windows);
    if (!dims) {
      Refusal refusal{Refusal::Kind::Unknown,
                      "windows of " + (known.kind == Known::Kind::Digits ? print(scope.universe, known.value)
                                                                         : "parts side by side"),
                      "a dim that every rank has whole and in the order of one rank, where windows go along it"};
      if (std::optional<std::string> why = overlapsWrongly(op, operand)) {
        refusal.kind = Refusal::Kind::Wrong;
        refusal.message = *why;
      }
      reportRefusal(op, refusal, 1106);
      return false;
    }
    rule.operands.push_back(*dims);
    return true;
  };
  for (OpOperand *input : op.getDpsInputOperands())
    if (isa<RankedTensorType>(input->get().getType()) && !add(*input))
      return;
  OpOperand &init = *op.getDpsInitOperand(0);
  std::optional<SmallVector<int64_t, 4>> resultDims = dimsOf(init);
  if (!resultDims || llvm::is_contained(*resultDims, layout::noIterator))
    return unsupported("unsupported indexing map of a result");
  rule.results.push_back(*resultDims);
  bool readsInit = op.payloadUsesValueFromOperand(&init);
  if (readsInit && !hasReduction && !add(init))
    return; // an update in place: one more operand

  // A dim of one element may be a shard of more: a tap of each rank.
  auto isWhole = [&](const layout::Value &value, size_t dim) {
    return value.floats.empty() && !value.isUnsettled && isWholeInOrder(value.dims[dim]);
  };
  for (auto [known, dims] : llvm::zip(operands, rule.operands))
    for (auto [dim, iterator] : llvm::enumerate(dims))
      if (iterator != layout::noIterator && windows.test(static_cast<unsigned>(iterator)) &&
          known.kind == Known::Kind::Digits && !isWhole(known.value, dim)) {
        Refusal refusal{Refusal::Kind::Unknown,
                        "windows along dim " + std::to_string(dim) + " of " + print(scope.universe, known.value) +
                            ", which is not whole",
                        "a dim that every rank has whole and in the order of one rank, where windows go along it"};
        return reportRefusal(op, refusal, 1108);
      }

  // Positions that the body computes are tables that its iterators walk.
  std::string misplaced;
  bool isOfRows = false;
  auto positionOf = [&](mlir::Value value) {
    for (linalg::IndexOp index : body->getOps<linalg::IndexOp>()) {
      std::optional<CoordinateTerms> terms = coordinateTermsOf(value, index.getResult());
      if (!terms)
        continue;
      int64_t iterator = static_cast<int64_t>(index.getDim());
      std::optional<Size> size;
      bool isSpread = false;
      auto learn = [&](const Known &known, ArrayRef<int64_t> dims) {
        for (auto [dim, own] : llvm::enumerate(dims))
          if (own == iterator && known.kind == Known::Kind::Digits) {
            size = known.value.dims[dim].localSize();
            for (const layout::Digit &digit : known.value.dims[dim].digits)
              isSpread |= digit.isMesh();
            isOfRows |= layout::hasRows(scope.universe, known.value.dims[dim]);
          }
      };
      for (auto [known, dims] : llvm::zip(operands, rule.operands))
        learn(known, dims);
      auto type = cast<RankedTensorType>(init.get().getType());
      for (auto [dim, own] : llvm::enumerate(*resultDims))
        if (!size && own == iterator && !type.isDynamicDim(static_cast<unsigned>(dim)))
          size = Size(type.getDimSize(static_cast<unsigned>(dim)));
      if (isSpread && terms->empty())
        misplaced = "linalg.index " + std::to_string(iterator) +
                    " counts from 0 on each rank, but what it walks is spread over ranks";
      std::optional<layout::Value> table = size ? positionTable(*size, *terms) : std::nullopt;
      if (!table)
        return false;
      Known known;
      known.kind = Known::Kind::Digits;
      known.value = std::move(*table);
      operands.push_back(std::move(known));
      rule.operands.push_back({iterator});
      return true;
    }
    return false;
  };
  auto operandOf = [&](BlockArgument argument) { return op.getMatchingOpOperand(argument)->get(); };
  auto isTensor = [&](BlockArgument argument) { return isa<RankedTensorType>(operandOf(argument).getType()); };
  BodyReader reader(body, isTensor, positionOf);
  using Kind = Dependence::Kind;
  Kind kind = reader.read(reduction.payload).kind;
  for (mlir::Value scalar : reader.scalars) {
    if (isa<ShapedType>(scalar.getType())) {
      if (refuseTaken(op, scalar))
        return;
      continue;
    }
    if (Operation *own = scalar.getDefiningOp(); own && op->isAncestor(own))
      if (Operation *source = divergenceOf(own))
        divergent[scalar] = source;
    auto argument = dyn_cast<BlockArgument>(scalar);
    if (refuseDivergence(op, argument && argument.getOwner() == body ? operandOf(argument) : scalar))
      return;
  }
  if (!misplaced.empty()) {
    // Rows that counts divide may be meant to be counted from the rank's own.
    Refusal refusal{isOfRows ? Refusal::Kind::Unknown : Refusal::Kind::Wrong, misplaced,
                    isOfRows ? "positions as an argument with the rows' layout" : ""};
    return reportRefusal(op, refusal, 1106);
  }
  if (reader.hasUnknownPosition) {
    Refusal refusal{Refusal::Kind::Unknown, "positions of a dim of unknown size", "the size of the dim"};
    return reportRefusal(op, refusal, 1108);
  }
  rule.linearity = kind == Kind::Additive                              ? layout::Linearity::Additive
                   : kind == Kind::Linear || kind == Kind::Multilinear ? layout::Linearity::Multilinear
                                                                       : layout::Linearity::NonLinear;
  setOrders(rule, operands, [&](ArrayRef<size_t> some, std::optional<layout::Reduction> joint) {
    SmallVector<BlockArgument, 2> arguments;
    for (auto [argument, at] : operandAt)
      if (llvm::is_contained(some, at))
        arguments.push_back(body->getArgument(argument));
    return orderIn(body, reduction.payload, arguments, joint);
  });
  auto isZero = [&](mlir::Value value) {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == body ? get(operandOf(argument)).isZero
                                                   : matchPattern(value, m_AnyZeroFloat());
  };
  if (std::optional<unsigned> argument = linearArgumentOf(reduction.payload, reader, body, isZero))
    if (auto at = operandAt.find(*argument); kind == Kind::NonLinear && at != operandAt.end())
      rule.linearOperands = 1u << at->second;
  if (!readsInit || !hasReduction) {
    if (std::optional<SmallVector<Known, 1>> results = applyRule(op, rule, operands))
      set(op->getResult(0), std::move(results->front()));
    return;
  }

  // What the reduction starts from: of a sum it is added once, and zero may be added on every rank. Others may meet
  // their start on every rank, as they meet their elements.
  const Known &start = get(init.get());
  if (!mayCompute(op, init.get()))
    return;
  bool isSum = reduction.kind == layout::IteratorKind::Sum;
  if (!isSum) {
    rule.operands.push_back(*resultDims);
    operands.push_back(start);
    rule.orders.resize(operands.size(), layout::Order::Unknown);
    if (reduction.kind != layout::IteratorKind::Whole)
      rule.orders.back() = layout::Order::Kept;
  }
  std::optional<SmallVector<Known, 1>> reduced = applyRule(op, rule, operands);
  if (!reduced)
    return;
  if (!isSum || start.isZero)
    return set(op->getResult(0), std::move(reduced->front()));
  ComputeRule combine;
  SmallVector<int64_t, 4> dims;
  for (size_t dim = 0; dim < resultDims->size(); ++dim) {
    combine.iterators.push_back(layout::IteratorKind::Parallel);
    combine.names.push_back("d" + std::to_string((*resultDims)[dim]));
    dims.push_back(static_cast<int64_t>(dim));
  }
  combine.operands = {dims, dims};
  combine.results = {dims};
  combine.linearity = layout::Linearity::Additive;
  if (std::optional<SmallVector<Known, 1>> results = applyRule(op, combine, {start, reduced->front()}))
    set(op->getResult(0), std::move(results->front()));
}
