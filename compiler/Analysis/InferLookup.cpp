// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Look-ups by hand in a table whose rows are spread: each rank takes the rows that it has and zeros for others, and an
// all_reduce adds them up.
//
//   i   = id - coordinate * rows        rows of a rank's part
//   has = 0 <= i and i < rows
//   y   = has ? table[has ? i : 0, d] : 0
//
// An id is in the part of one rank, and the others add zeros: y is a part of the sum over the axes that the rows are
// spread over, as a product with one-hot rows is. One rank has all rows, and the bound is how many it has.
#include "compiler/Analysis/FunctionInference.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Size;

namespace {

/// id * ids + constant + sum of coordinate * factor.
struct LinearIndex {
  int64_t ids = 0, constant = 0;
  BlockArgument id;
  std::map<layout::AxisId, int64_t> factors;

  /// Nullopt where two ids meet.
  static std::optional<LinearIndex> sum(const LinearIndex &a, const LinearIndex &b, int64_t sign) {
    if (a.id && b.id && a.id != b.id)
      return std::nullopt;
    LinearIndex all = a;
    all.id = a.id ? a.id : b.id;
    all.ids += sign * b.ids;
    all.constant += sign * b.constant;
    for (auto [axis, factor] : b.factors)
      all.factors[axis] += sign * factor;
    return all;
  }
  LinearIndex times(int64_t number) const {
    LinearIndex all = *this;
    all.ids *= number;
    all.constant *= number;
    for (auto &entry : all.factors)
      entry.second *= number;
    return all;
  }
  /// Without factors that are 0.
  std::map<layout::AxisId, int64_t> nonZero() const {
    std::map<layout::AxisId, int64_t> result;
    for (auto [axis, factor] : factors)
      if (factor != 0)
        result[axis] = factor;
    return result;
  }
};

/// Whether an id is in the rank's part: which of the two bounds a condition says.
struct Bounds {
  bool isLower = false, isUpper = false;
};

/// Reads the look-up of one id in rows that begin where `factors` say, `rows` of them.
class LookupReader {
public:
  LookupReader(Block *body, std::map<layout::AxisId, int64_t> factors, int64_t rows,
               llvm::function_ref<std::optional<LinearIndex>(mlir::Value)> readOutside)
      : body(body), factors(std::move(factors)), rows(rows), readOutside(readOutside) {}

  /// The id, where `taken` is the row of it wherever the id is in the part.
  std::optional<BlockArgument> read(mlir::Value condition, mlir::Value taken, bool isNegated) {
    if (!isInPart(condition, isNegated) || !isRow(taken) || !id)
      return std::nullopt;
    return id;
  }

private:
  static constexpr unsigned deepest = 12;

  std::optional<LinearIndex> linear(mlir::Value value, unsigned depth = 0) {
    if (depth > deepest)
      return std::nullopt;
    if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == body) {
      LinearIndex own;
      own.ids = 1;
      own.id = argument;
      return own;
    }
    APInt number;
    if (matchPattern(value, m_ConstantInt(&number))) {
      LinearIndex own;
      own.constant = number.getSExtValue();
      return own;
    }
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != body)
      return readOutside(value);
    if (isa<arith::IndexCastOp, arith::ExtSIOp>(op))
      return linear(op->getOperand(0), depth + 1);
    if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op))
      return readOutside(value);
    std::optional<LinearIndex> a = linear(op->getOperand(0), depth + 1), b = linear(op->getOperand(1), depth + 1);
    if (!a || !b)
      return std::nullopt;
    if (!isa<arith::MulIOp>(op))
      return LinearIndex::sum(*a, *b, isa<arith::SubIOp>(op) ? -1 : 1);
    if (!a->id && a->nonZero().empty())
      return b->times(a->constant);
    return !b->id && b->nonZero().empty() ? std::optional(a->times(b->constant)) : std::nullopt;
  }

  /// The sign with which the row is in a number (the row is id - begin), and what is added; nullopt for anything else.
  std::optional<std::pair<int64_t, int64_t>> ofRow(const LinearIndex &own) {
    if ((own.ids != 1 && own.ids != -1) || (id && own.id != *id))
      return std::nullopt;
    std::map<layout::AxisId, int64_t> wanted;
    for (auto [axis, factor] : factors)
      wanted[axis] = -own.ids * factor;
    if (own.nonZero() != wanted)
      return std::nullopt;
    id = own.id;
    return std::pair(own.ids, own.constant);
  }

  std::optional<Bounds> bounds(mlir::Value condition, bool isNegated, unsigned depth = 0) {
    Operation *op = condition.getDefiningOp();
    if (!op || op->getBlock() != body || depth > deepest)
      return std::nullopt;
    if (isa<arith::AndIOp, arith::OrIOp>(op) && isa<arith::OrIOp>(op) == isNegated) {
      auto a = bounds(op->getOperand(0), isNegated, depth + 1), b = bounds(op->getOperand(1), isNegated, depth + 1);
      if (!a || !b)
        return std::nullopt;
      return Bounds{a->isLower || b->isLower, a->isUpper || b->isUpper};
    }
    if (isa<arith::XOrIOp>(op))
      return matchPattern(op->getOperand(1), m_One()) ? bounds(op->getOperand(0), !isNegated, depth + 1) : std::nullopt;
    auto compare = dyn_cast<arith::CmpIOp>(op);
    if (!compare)
      return std::nullopt;
    std::optional<LinearIndex> a = linear(compare.getLhs()), b = linear(compare.getRhs());
    std::optional<LinearIndex> difference = a && b ? LinearIndex::sum(*a, *b, -1) : std::nullopt;
    std::optional<std::pair<int64_t, int64_t>> row = difference ? ofRow(*difference) : std::nullopt;
    if (!row)
      return std::nullopt;
    using Predicate = arith::CmpIPredicate;
    Predicate predicate = isNegated ? arith::invertPredicate(compare.getPredicate()) : compare.getPredicate();
    // Without a sign a number below 0 is above all others: row < rows says both bounds, if the row is what is compared.
    if (predicate == Predicate::ult) {
      bool isBoth = row->first == 1 && row->second == -rows && ofRow(*a) && a->constant == 0;
      return isBoth ? std::optional(Bounds{true, true}) : std::nullopt;
    }
    // sign * row + constant > 0, or >= 0 with one more.
    int64_t sign = row->first, constant = row->second;
    if (predicate == Predicate::slt || predicate == Predicate::sle) {
      sign = -sign;
      constant = -constant;
      predicate = predicate == Predicate::slt ? Predicate::sgt : Predicate::sge;
    }
    if (predicate == Predicate::sgt)
      --constant;
    else if (predicate != Predicate::sge)
      return std::nullopt;
    // sign * row + constant >= 0.
    if (sign == 1 && constant == 0)
      return Bounds{true, false};
    if (sign == -1 && constant == rows - 1)
      return Bounds{false, true};
    return std::nullopt;
  }

  bool isInPart(mlir::Value condition, bool isNegated) {
    std::optional<Bounds> own = bounds(condition, isNegated);
    return own && own->isLower && own->isUpper;
  }

  /// Whether a number is the row wherever the id is in the part.
  bool isRow(mlir::Value value, unsigned depth = 0) {
    if (std::optional<LinearIndex> own = linear(value)) {
      std::optional<std::pair<int64_t, int64_t>> row = ofRow(*own);
      return row && row->first == 1 && row->second == 0;
    }
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != body || depth > deepest)
      return false;
    if (isa<arith::IndexCastOp, arith::ExtSIOp>(op))
      return isRow(op->getOperand(0), depth + 1);
    auto choice = dyn_cast<arith::SelectOp>(op);
    if (!choice)
      return false;
    return (isInPart(choice.getCondition(), false) && isRow(choice.getTrueValue(), depth + 1)) ||
           (isInPart(choice.getCondition(), true) && isRow(choice.getFalseValue(), depth + 1));
  }

  Block *body;
  std::map<layout::AxisId, int64_t> factors;
  int64_t rows;
  llvm::function_ref<std::optional<LinearIndex>(mlir::Value)> readOutside;
  std::optional<BlockArgument> id;
};

} // namespace

bool FunctionInference::inferLookup(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  if (op.getNumDpsInits() != 1 || op->getNumResults() != 1 || op.getNumReductionLoops() != 0 ||
      op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)))
    return false;
  auto choice = body->getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  if (!choice)
    return false;
  bool isNegated = isZeroNumber(choice.getTrueValue());
  if (!isNegated && !isZeroNumber(choice.getFalseValue()))
    return false;
  auto element = (isNegated ? choice.getFalseValue() : choice.getTrueValue()).getDefiningOp<tensor::ExtractOp>();
  if (!element || element->getBlock() != body || element.getTensor().getParentBlock() == body ||
      !choice.getType().isFloat())
    return false;
  // The rows of the table, and where those of a rank begin.
  const Known &table = get(element.getTensor());
  if (table.kind != Known::Kind::Digits || layout::hasMoved(table.value) || table.value.dims.empty() ||
      table.value.dims[0].isSegmented() || !table.value.dims[0].localSize().isConcrete())
    return false;
  std::map<layout::AxisId, int64_t> factors;
  const layout::Dim &rowDim = table.value.dims[0];
  bool isPlain = rowDim.digits.size() > 1 && rowDim.digits.back().stride.isOne() && !rowDim.digits.back().isMesh();
  for (const layout::Digit &digit : rowDim.digits) {
    if (&digit == &rowDim.digits.back())
      continue;
    isPlain &= digit.isMesh() && digit.weight.isOne() && digit.count == scope.universe.axes[digit.axis].size &&
               digit.stride.isConcrete() && layout::continues(digit, *(&digit + 1)) && !factors.count(digit.axis);
    if (isPlain)
      factors[digit.axis] = digit.stride.getValue();
  }
  const layout::Space &space = scope.universe.spaces[rowDim.digits.empty() ? 0 : rowDim.digits.back().space];
  if (!isPlain || !space.tag.empty() || space.twin || space.range)
    return false;
  // Numbers from outside: sums of coordinates times sizes, and a number.
  auto readOutside = [&](mlir::Value value) -> std::optional<LinearIndex> {
    LinearIndex own;
    if (std::optional<Size> size = value.getType().isIndex() ? sizeOf(value) : std::nullopt) {
      own.constant = size->isConcrete() ? size->getValue() : 0;
      return size->isConcrete() ? std::optional(own) : std::nullopt;
    }
    std::optional<CoordinateTerms> terms = coordinateTermsOf(value);
    if (!terms)
      return std::nullopt;
    for (auto &[axis, factor] : *terms) {
      if (!factor.isConcrete())
        return std::nullopt;
      own.factors[axis] += factor.getValue();
    }
    return own;
  };
  std::optional<BlockArgument> id = LookupReader(body, factors, rowDim.localSize().getValue(), readOutside)
                                        .read(choice.getCondition(), element.getIndices().front(), isNegated);
  if (!id)
    return false;
  // One-hot rows of the id times the table.
  OpOperand *ids = op.getMatchingOpOperand(*id);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  ComputeRule rule;
  for (size_t i = 0; i < op.getNumLoops(); ++i) {
    rule.iterators.push_back(layout::IteratorKind::Parallel);
    rule.names.push_back("d" + std::to_string(i));
  }
  rule.iterators.push_back(layout::IteratorKind::Sum);
  rule.names.push_back("row");
  auto dimsOf = [&](OpOperand &operand) -> std::optional<llvm::SmallVector<int64_t, 4>> {
    llvm::SmallVector<int64_t, 4> dims;
    for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        return std::nullopt;
      dims.push_back(static_cast<int64_t>(dim.getPosition()));
    }
    return dims;
  };
  auto walked = dimsOf(*ids), results = dimsOf(*op.getDpsInitOperand(0));
  if (!walked || !results || type.getRank() == 0)
    return false;
  llvm::SmallVector<int64_t, 4> taken{static_cast<int64_t>(op.getNumLoops())};
  for (mlir::Value index : element.getIndices().drop_front()) {
    auto own = index.getDefiningOp<linalg::IndexOp>();
    if (!own || llvm::is_contained(taken, static_cast<int64_t>(own.getDim())) ||
        llvm::is_contained(*walked, static_cast<int64_t>(own.getDim())))
      return false;
    taken.push_back(static_cast<int64_t>(own.getDim()));
  }
  if (!mayCompute(op, ids->get()))
    return true;
  rule.operands = {*walked, taken};
  rule.results = {*results};
  rule.linearity = layout::Linearity::NonLinear;
  rule.linearOperands = 2;
  markUncovered("a look-up by hand in rows that are spread");
  if (std::optional<SmallVector<Known, 1>> looked = applyRule(op, rule, {get(ids->get()), table}))
    set(op->getResult(0), std::move(looked->front()));
  return true;
}
