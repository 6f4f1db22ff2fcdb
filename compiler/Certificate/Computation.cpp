// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace muster::certificate {

namespace {

/// How what an operation yields depends on its operands.
struct Payload {
  enum Kind { Constant, Multilinear, Additive, NonLinear } kind = Constant;
  std::set<size_t> operands = {};
};

} // namespace

static Payload combine(Operation *op, ArrayRef<Payload> parts) {
  Payload all{Payload::NonLinear};
  size_t count = 0;
  bool isConstant = true, isSum = isa<arith::AddFOp, arith::SubFOp>(op);
  for (const Payload &part : parts) {
    all.operands.insert(part.operands.begin(), part.operands.end());
    count += part.operands.size();
    isConstant &= part.kind == Payload::Constant;
    isSum &= part.kind == Payload::Additive || (part.kind == Payload::Multilinear && part.operands.size() == 1);
  }
  if (isConstant)
    return Payload();
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp, arith::SIToFPOp>(op))
    return parts[0];
  if (isa<arith::MulFOp>(op) && parts[0].kind == Payload::Constant)
    return parts[1];
  if (isa<arith::MulFOp, arith::DivFOp>(op) && parts[1].kind == Payload::Constant)
    return parts[0];
  bool isProduct = isa<arith::MulFOp>(op) && parts[0].kind == Payload::Multilinear &&
                   parts[1].kind == Payload::Multilinear && count == all.operands.size(); // no square
  all.kind = isSum ? Payload::Additive : isProduct ? Payload::Multilinear : Payload::NonLinear;
  return all;
}

static nn::Linearity linearityOf(const Payload &payload, size_t operands) {
  if (payload.operands.size() != operands) // one that is not used says nothing of the result
    return nn::Linearity::NonLinear;
  return payload.kind == Payload::Additive      ? nn::Linearity::Additive
         : payload.kind == Payload::Multilinear ? nn::Linearity::Multilinear
                                                : nn::Linearity::NonLinear;
}

/// False where there is no rule.
bool Program::readLinalg(linalg::LinalgOp op, nn::IterationRule &rule, std::vector<Map> &operands) {
  if (op.getNumDpsInits() != 1 || op->getNumResults() != 1)
    return false;
  OpOperand &init = *op.getDpsInitOperand(0);
  Block *body = op.getBlock();
  Value yielded = body->getTerminator()->getOperand(0);
  BlockArgument accumulator = body->getArguments().back();
  bool isReduction = llvm::is_contained(op.getIteratorTypesArray(), utils::IteratorType::reduction);
  nn::IteratorKind kind = nn::IteratorKind::Whole;
  Operation *combiner = yielded.getDefiningOp();
  if (isReduction && combiner && combiner->getNumOperands() == 2 && combiner->hasOneUse() && accumulator.hasOneUse() &&
      *accumulator.user_begin() == combiner) {
    yielded = combiner->getOperand(combiner->getOperand(0) == accumulator ? 1 : 0);
    if (isa<arith::AddFOp, arith::AddIOp>(combiner))
      kind = nn::IteratorKind::Sum;
    else if (isa<arith::MaximumFOp, arith::MaxNumFOp, arith::MaxSIOp>(combiner))
      kind = nn::IteratorKind::Maximum;
  }
  // The start of a sharded reduction counts on every rank, so it must be neutral; else it is one more operand.
  Map start = mapOf(init.get());
  bool isNeutral = start.kind == Map::Uniform && (start.isZero || kind == nn::IteratorKind::Maximum);
  SmallVector<OpOperand *> walked(op.getDpsInputOperands());
  bool hasStart = op.payloadUsesValueFromOperand(&init) && !(isReduction && isNeutral);
  if (hasStart)
    walked.push_back(&init);
  llvm::DenseMap<Value, Payload> payloads;
  for (OpOperand *operand : walked) {
    if (!isa<RankedTensorType>(operand->get().getType())) {
      if (!isUniformScalar(operand->get()))
        return false; // a number that may differ between ranks
      continue;
    }
    payloads[op.getMatchingBlockArgument(operand)] = {Payload::Multilinear, {operands.size()}};
    operands.push_back(mapOf(operand->get()));
    rule.operands.emplace_back();
    for (AffineExpr expr : op.getMatchingIndexingMap(operand).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim && !isa<AffineConstantExpr>(expr))
        return false;
      rule.operands.back().push_back(dim ? int64_t(dim.getPosition()) : nn::noIterator);
    }
  }
  for (Operation &inner : body->without_terminator()) {
    SmallVector<Payload> parts;
    for (Value operand : inner.getOperands()) {
      if (operand.getParentBlock() != body && !isUniformScalar(operand))
        return false;
      parts.push_back(payloads.lookup(operand));
    }
    if (!isa<arith::ArithDialect, math::MathDialect>(inner.getDialect()) || inner.getNumResults() != 1)
      return false; // linalg.index, tensor.extract, ...
    payloads[inner.getResult(0)] = combine(&inner, parts);
  }
  rule.linearity =
      isReduction && hasStart ? nn::Linearity::NonLinear : linearityOf(payloads.lookup(yielded), operands.size());
  for (utils::IteratorType type : op.getIteratorTypesArray())
    rule.iterators.push_back({"", type == utils::IteratorType::parallel ? nn::IteratorKind::Parallel : kind});
  rule.results.emplace_back();
  for (AffineExpr expr : op.getMatchingIndexingMap(&init).getResults()) {
    if (!isa<AffineDimExpr>(expr))
      return false;
    rule.results[0].push_back(int64_t(cast<AffineDimExpr>(expr).getPosition()));
  }
  return true;
}

/// False where there is no rule.
bool Program::readRule(Operation *op, nn::IterationRule &rule, std::vector<Map> &operands) {
  if (auto own = dyn_cast<linalg::LinalgOp>(op))
    return readLinalg(own, rule, operands);
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      operands.push_back(mapOf(operand));
  if (auto own = dyn_cast<nn::IterationRuleOpInterface>(op)) {
    rule = own.getIterationRule();
    return true;
  }
  auto type = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (!type || !op->hasTrait<OpTrait::Elementwise>() || operands.size() != op->getNumOperands() ||
      !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return false;
  nn::DimIterators dims;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    rule.iterators.push_back({"", nn::IteratorKind::Parallel});
    dims.push_back(i);
  }
  SmallVector<Payload> parts;
  for (Value operand : op->getOperands()) // The first of equal operands: x * x is a square.
    parts.push_back({Payload::Multilinear, {size_t(llvm::find(op->getOperands(), operand) - op->operand_begin())}});
  rule.operands.assign(operands.size(), dims);
  rule.results = {dims};
  rule.linearity = linearityOf(combine(op, parts), operands.size());
  return true;
}

/// Shards divide heads, never a head dim: the logical sizes say so.
void Program::checkHeads(const Map &from, const Map &to, bool isSplit, uint64_t heads, uint64_t headDim) {
  const Map &split = isSplit ? to : from;
  if (from.kind != Map::Digits || split.dims[1].size() != 1 || split.dims[2].size() != 1)
    return reject("operand 0 has no map");
  Size counts[] = {Size(1), Size(1)};
  for (unsigned i : {0u, 1u})
    for (const Digit &digit : split.dims[i + 1][0])
      counts[i] *= digit.count;
  if (counts[0] != int64_t(heads) || counts[1] != int64_t(headDim) || localSize(split.dims[2]) != int64_t(headDim))
    return reject("expected " + Twine(heads) + " heads of " + Twine(headDim) + " but got " + print(split.dims[1]) +
                  print(split.dims[2]));
  checkReshape(from, to);
  if (const Run &inner = split.dims[2][0]; isSplit && inner.size() == 1 && inner[0].stride == 1)
    runs.insert({inner[0].space, print(split.dims[2])});
}

void Program::checkComputation(Operation *op, ArrayRef<Map> claimed) {
  nn::IterationRule rule;
  std::vector<Map> operands;
  if (!readRule(op, rule, operands))
    return unsupported("'" + op->getName().getStringRef() + "'");
  auto hasMap = [](const Map &map) { return map.kind == Map::Digits; };
  if (auto own = dyn_cast<nn::SplitHeadsOp>(op))
    return checkHeads(operands[0], claimed[0], true, own.getHeads(), own.getHeadDim());
  if (auto own = dyn_cast<nn::MergeHeadsOp>(op))
    return checkHeads(operands[0], claimed[0], false, own.getHeads(), own.getHeadDim());
  if (auto own = dyn_cast<nn::CacheAppendOp>(op)) {
    Map state = declaredMap(op, own.getStateAttr());
    if (!hasMap(operands[0]) || !hasMap(state))
      return reject("rows or a state without a map");
    // A rank that holds pages sees all rows of their sequences: rows are spread as pages are.
    Run pages = meshDigits({Map::Digits, {state.dims[0]}}), rows = meshDigits({Map::Digits, {operands[0].dims[0]}});
    for (const Digit &digit : rows)
      if (llvm::none_of(pages, [&](const Digit &page) { return page.axis == digit.axis; }))
        return reject("the rows are spread over '" + digit.axis + "' and the pages are not");
    state.dims.erase(state.dims.begin(), state.dims.begin() + 2);
    operands.push_back(state);
    rule.operands.push_back({1, 2});
  }
  if (auto own = dyn_cast<nn::AttentionOp>(op)) {
    Map keys = declaredMap(op, own.getKeysAttr()), values = declaredMap(op, own.getValuesAttr());
    if (!hasMap(operands[0]) || !hasMap(keys) || !hasMap(values))
      return reject("queries, keys or values without a map");
    checkAgree(keys, keys.dims[2], values, values.dims[2]);
    checkGroups(operands[0], keys, int64_t(own.getHeads() / own.getKvHeads()));
  }
  if (auto own = dyn_cast<nn::GatherRowsOp>(op); own && own.getFirst() && hasMap(operands[0])) {
    // Row 0 of the rank's part of the table is the first row: coordinates times strides.
    const Dim &rows = operands[0].dims[0];
    Axes group;
    for (const Digit &digit : meshDigits({Map::Digits, {rows}}))
      if (digit.count == axes[digit.axis])
        group.push_back(digit.axis);
    auto first = groupOfOffset(own.getFirst(), localSize(rows));
    bool isRun = rows.size() == 1 && rows[0].size() == group.size() + (localSize(rows) == 1 ? 0 : 1);
    for (size_t i = 0; isRun && i + 1 < rows[0].size(); ++i)
      isRun = continues(rows[0][i], rows[0][i + 1]);
    if (first)
      llvm::erase_if(*first, [&](const std::string &axis) { return axes[axis] == 1; });
    if (!isRun || !first || *first != group)
      return reject("the first row is not where the rank's part of the table begins: " + print(rows));
  }
  checkRule(rule, operands, claimed);
}

} // namespace muster::certificate
