// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that compute: all dims of an iterator agree, an axis serves one iterator or one pending reduction, partial
// operands only where the operation is linear, and shards that are reduced become pending.
#include "compiler/Certificate/Program.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace muster::certificate {

namespace {

/// How what an operation yields depends on its operands (a bit for each).
struct Payload {
  enum Kind { Multilinear, Additive, NonLinear } kind = NonLinear;
  uint64_t operands = 0; ///< none: a constant
};

} // namespace

static Payload combine(Operation *op, ArrayRef<Payload> parts) {
  Payload all;
  bool isSum = isa<arith::AddFOp, arith::SubFOp>(op), isProduct = isa<arith::MulFOp>(op), isScale = false;
  for (const Payload &part : parts) {
    isProduct &= part.kind == Payload::Multilinear && !(all.operands & part.operands); // no square
    isSum &= part.operands && (part.kind == Payload::Additive ||
                               (part.kind == Payload::Multilinear && llvm::has_single_bit(part.operands)));
    all.operands |= part.operands;
  }
  isScale = isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp, arith::SIToFPOp>(op) ||
            (isa<arith::MulFOp, arith::DivFOp>(op) && !parts[1].operands);
  if (!all.operands || isScale)
    return parts.empty() ? all : parts[0];
  if (isa<arith::MulFOp>(op) && !parts[0].operands)
    return parts[1];
  all.kind = isSum ? Payload::Additive : isProduct ? Payload::Multilinear : Payload::NonLinear;
  return all;
}

static nn::Linearity linearityOf(const Payload &payload, size_t operands) {
  bool isOfAll = payload.operands == (uint64_t(1) << operands) - 1; // one that is not used says nothing of the result
  return !isOfAll || payload.kind == Payload::NonLinear ? nn::Linearity::NonLinear
         : payload.kind == Payload::Additive            ? nn::Linearity::Additive
                                                        : nn::Linearity::Multilinear;
}

static bool readDims(AffineMap map, nn::DimIterators &dims) {
  for (AffineExpr expr : map.getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    dims.push_back(dim ? int64_t(dim.getPosition()) : nn::noIterator);
    if (!dim && !isa<AffineConstantExpr>(expr))
      return false;
  }
  return true;
}

/// False where there is no rule.
bool Program::readLinalg(linalg::LinalgOp op, nn::IterationRule &rule, Operands &operands) {
  if (op.getNumDpsInits() != 1 || op->getNumResults() != 1)
    return false;
  OpOperand &init = *op.getDpsInitOperand(0);
  Block *body = op.getBlock();
  Value yielded = body->getTerminator()->getOperand(0);
  BlockArgument accumulator = body->getArguments().back();
  bool isReduction = op.getNumReductionLoops() > 0;
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
  const Map *start = mapOf(init.get());
  bool isNeutral = start && start->isNumber && (start->isZero || kind == nn::IteratorKind::Maximum);
  SmallVector<OpOperand *> walked(op.getDpsInputOperands());
  bool hasStart = op.payloadUsesValueFromOperand(&init) && !(isReduction && isNeutral);
  if (hasStart)
    walked.push_back(&init);
  llvm::DenseMap<Value, Payload> payloads;
  for (OpOperand *operand : walked) {
    bool isTensor = isa<RankedTensorType>(operand->get().getType());
    if (!isTensor && !isUniform(operand->get()))
      return false; // a number that may differ between ranks
    if (!isTensor)
      continue;
    payloads[op.getMatchingBlockArgument(operand)] = {Payload::Multilinear, uint64_t(1) << operands.size()};
    operands.push_back(mapOf(operand->get()));
    if (operands.size() == 64 || !readDims(op.getMatchingIndexingMap(operand), rule.operands.emplace_back()))
      return false;
  }
  for (Operation &inner : body->without_terminator()) {
    SmallVector<Payload> parts;
    for (Value operand : inner.getOperands()) {
      if (operand.getParentBlock() != body && !isUniform(operand))
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
  return readDims(op.getMatchingIndexingMap(&init), rule.results.emplace_back());
}

/// False where there is no rule.
bool Program::readRule(Operation *op, nn::IterationRule &rule, Operands &operands) {
  if (auto own = dyn_cast<linalg::LinalgOp>(op))
    return readLinalg(own, rule, operands);
  SmallVector<Payload> parts;
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType())) { // The first of equal operands: x * x is a square.
      parts.push_back(
          {Payload::Multilinear, uint64_t(1) << (llvm::find(op->getOperands(), operand) - op->operand_begin())});
      operands.push_back(mapOf(operand));
    }
  if (auto own = dyn_cast<nn::IterationRuleOpInterface>(op)) {
    rule = own.getIterationRule();
    return true;
  }
  auto type = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (!type || !op->hasTrait<OpTrait::Elementwise>() || operands.size() != op->getNumOperands() ||
      !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return false;
  nn::DimIterators dims = llvm::to_vector_of<int64_t, 4>(llvm::seq(type.getRank()));
  rule.iterators.assign(dims.size(), {"", nn::IteratorKind::Parallel});
  rule.operands.assign(operands.size(), dims);
  rule.results = {dims};
  rule.linearity = linearityOf(combine(op, parts), operands.size());
  return true;
}

/// The dim as positions of one logical dim: the stride of each digit is the product of what follows it. `reason` tells
/// why that is not so. A dim that is consumed holds a space that a result names entirely or not at all.
Dim Program::flatten(const Map &map, const Run &run, bool isConsumed, std::string &reason) const {
  Dim flat{run};
  Size extent(1);
  for (size_t i = run.size(); i-- > 0;) {
    const Digit &digit = run[i];
    // Digits below the last one of a piece stand elsewhere. Where one was ever on the mesh, ranks hold parts of it.
    bool isBelowSpread = llvm::any_of(
        spread, [&](const Digit &other) { return other.space == digit.space && !divides(digit.stride, other.stride); });
    bool isDisplaced = llvm::any_of(
        displaced, [&](const Digit &other) { return other.space == digit.space && other.stride == digit.stride; });
    if (digit.stride == 0 || ((isBelowSpread || isDisplaced) && !(i + 1 < run.size() && continues(digit, run[i + 1]))))
      reason = "what continues a digit stands elsewhere";
    Size held(1), elsewhere(1);
    for (const Digit &other : run)
      held *= other.space == digit.space ? other.count : Size(1);
    for (const Digit &other : meshDigits(map.dims))
      elsewhere *= other.space == digit.space && !llvm::is_contained(run, other) ? other.count : Size(1);
    auto whole = spaces.find(digit.space);
    bool isEntire = (whole != spaces.end() && held == whole->second) ||
                    (held == digit.count && digit.stride == 1 && heads.count({digit.space, digit.count}));
    if (bound.count(digit.space) && !isEntire && (isConsumed || elsewhere != 1))
      reason = "a part of '" + digit.space + "', which a result names";
    auto tag = tags.find(digit.space);
    flat[0][i].space = tag == tags.end() ? "flat" : tag->second;
    flat[0][i].stride = std::exchange(extent, extent * digit.count);
  }
  return flat;
}

/// Two dims name the same positions on every rank.
bool Program::checkAgree(const Map &aMap, const Dim &a, const Map &bMap, const Dim &b) {
  std::string reason;
  if (isSame(a, b, axes) || isFree(a) || isFree(b))
    return true;
  bool isEqual = a.size() == b.size();
  for (size_t i = 0; isEqual && i < a.size(); ++i)
    isEqual &= isSame(flatten(aMap, a[i], false, reason), flatten(bMap, b[i], false, reason), axes);
  return (isEqual && reason.empty()) || reject("two dims do not agree" + (reason.empty() ? "" : ": " + reason));
}

/// The positions of a dim at a local index, "#0".
bool Program::positionsOf(const Dim &dim, Positions &positions) const {
  Place place{{}, {Number::variable("#0", localSize(dim))}};
  for (const auto &[axis, size] : axes)
    place.coordinates[axis] = Number::variable("@" + axis, size);
  std::vector<size_t> parts;
  std::string blocked;
  return dim.size() == 1 && addPositions({dim}, place, positions, parts, blocked);
}

/// Query head j of a rank meets key-value head j / (heads of a group on the rank): that of its group.
bool Program::checkHeads(const Map &query, const Map &keys, int64_t group) {
  std::string reason, blocked;
  Dim q = flatten(query, query.dims[1][0], false, reason), kv = flatten(keys, keys.dims[2][0], false, reason);
  Size local = localSize(q), localKv = localSize(kv);
  Positions ownQ, ownKv;
  Number met, rest;
  if (reason.empty() && divides(localKv, local)) { // each key-value head for all that share it on the rank
    kv[0].push_back({local / localKv, Size(0), ""});
    if (positionsOf(q, ownQ) && positionsOf(kv, ownKv) && ownQ["flat"].divide(Size(group), met, rest, blocked))
      return met == ownKv["flat"] || reject("query heads meet key-value heads of other groups");
  }
  return reject("heads that cannot be compared", true);
}

bool Program::checkComputation(Operation *op, const Map *claimed) {
  nn::IterationRule rule;
  Operands operands;
  if (!readRule(op, rule, operands))
    return reject("'" + op->getName().getStringRef() + "'", true);
  if (llvm::is_contained(operands, nullptr))
    return reject("an operand has no map");
  std::optional<Map> keys, values;
  if (!isa<linalg::LinalgOp>(op) && op->getDialect()->getNamespace() == "nn" &&
      llvm::any_of(operands, [](const Map *map) { return map->isNumber; }))
    return reject("a number as an operand", true);
  if (auto own = dyn_cast<nn::CacheAppendOp>(op)) {
    keys = declaredMap(op, own.getStateAttr());
    if (!keys)
      return false;
    // A rank that holds pages sees all rows of their sequences: rows are spread as pages are.
    for (const Digit &digit : meshDigits({operands[0]->dims[0]}))
      if (llvm::none_of(meshDigits({keys->dims[0]}), [&](const Digit &page) { return page.axis == digit.axis; }))
        return reject("the rows are spread over '" + digit.axis + "' and the pages are not");
    keys->dims.erase(keys->dims.begin(), keys->dims.begin() + 2);
    operands.push_back(&*keys);
    rule.operands.push_back({1, 2});
  }
  if (auto own = dyn_cast<nn::AttentionOp>(op)) {
    keys = declaredMap(op, own.getKeysAttr());
    values = declaredMap(op, own.getValuesAttr());
    if (!keys || !values || !checkAgree(*keys, keys->dims[2], *values, values->dims[2]) ||
        !checkHeads(*operands[0], *keys, int64_t(own.getHeads() / own.getKvHeads())))
      return false;
  }
  if (auto own = dyn_cast<nn::GatherRowsOp>(op); own && own.getFirst()) {
    // Row r of the rank's part of the table is row first + r.
    const Dim &rows = operands[0]->dims[0];
    std::optional<Number> first = formOf(own.getFirst());
    Positions positions;
    if (!first || !positionsOf(rows, positions) || positions.size() > 1 ||
        !((positions.empty() ? Number() : positions.begin()->second) ==
          *first + Number::variable("#0", localSize(rows))))
      return reject("the first row is not where the rank's part of the table begins");
  }
  return checkRule(rule, operands, claimed);
}

bool Program::checkRule(const nn::IterationRule &rule, const Operands &operands, const Map *claimed) {
  bool isMultilinear = rule.linearity == nn::Linearity::Multilinear,
       isAdditive = rule.linearity == nn::Linearity::Additive;
  std::vector<std::pair<const Map *, const Dim *>> dims(rule.iterators.size());
  Run pending, used;
  const Map *first = nullptr;
  auto isNumber = [](const Map *map) { return map->isNumber; };
  if (claimed && claimed->isNumber) {
    bool isOne = llvm::all_of(operands, isNumber) && llvm::all_of(rule.iterators, [](const nn::Iterator &iterator) {
                   return iterator.kind == nn::IteratorKind::Parallel;
                 });
    return (isOne && !claimed->isZero) || reject("the map is not that of one number");
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const Map &map = *operands[i];
    if (isNumber(&map) && (!isAdditive || map.isZero))
      continue;
    if (isNumber(&map) && llvm::any_of(operands, [](const Map *other) { return !other->pending.empty(); }))
      return reject("adds a number once for each part of a sum");
    if (isNumber(&map))
      continue;
    if (map.dims.size() != rule.operands[i].size())
      return reject("operand " + Twine(i) + " has another rank");
    if (!map.pending.empty() && !isMultilinear && !isAdditive && !(rule.linearOperands >> i & 1))
      return reject("operand " + Twine(i) + " is still to be reduced over '" + map.pending[0].axis + "'");
    if (isAdditive && first && !isPermuted(map.pending, first->pending))
      return reject("adds values of which one is still to be reduced and one is not");
    if (!isAdditive || !first)
      llvm::append_range(pending, map.pending);
    first = &map;
    for (size_t d = 0; d < map.dims.size(); ++d) {
      if (rule.operands[i][d] == nn::noIterator) {
        if (!meshDigits({map.dims[d]}).empty())
          return reject("dim " + Twine(d) + " is needed whole");
        continue;
      }
      auto &known = dims[size_t(rule.operands[i][d])];
      if (known.second && !checkAgree(*known.first, *known.second, map, map.dims[d]))
        return false;
      if (!known.second || isFree(*known.second))
        known = {&map, &map.dims[d]};
    }
  }
  for (auto [iterator, known] : llvm::zip(rule.iterators, dims)) {
    Run shards = known.second ? meshDigits({*known.second}) : Run();
    if (!known.second || iterator.kind == nn::IteratorKind::Parallel) {
      llvm::append_range(used, shards);
      continue;
    }
    bool isMaximum = iterator.kind == nn::IteratorKind::Maximum;
    bool mayBeSpread = iterator.kind != nn::IteratorKind::Whole && (isMultilinear || rule.linearOperands || isMaximum);
    std::string reason = known.second->size() == 1 ? "" : "a packed dim is consumed";
    (void)flatten(*known.first, known.second->front(), true, reason);
    if (!reason.empty() || (!shards.empty() && !mayBeSpread))
      return reject(reason.empty() ? "a dim is needed whole on every rank" : reason);
    for (const Digit &digit : shards)
      pending.push_back({digit.count, Size(0), isMaximum ? "max" : "sum", digit.axis, digit.weight});
  }
  llvm::append_range(used, pending);
  if (!areDisjoint(used))
    return reject("an axis serves two dims, or a dim and a reduction");
  if (!claimed)
    return true;
  if (claimed->dims.size() != rule.results[0].size() || !isPermuted(claimed->pending, pending))
    return reject("the result is still to be reduced over other ranks than its map says");
  for (auto [iterator, dim] : llvm::zip(rule.results[0], claimed->dims)) {
    const Dim *known = iterator == nn::noIterator ? nullptr : dims[size_t(iterator)].second;
    // The dim of any operand, of one size before one of any; of any where no operand has it.
    bool isOf = !known && isFree(dim);
    for (size_t i = 0; i < operands.size() && known && !isOf; ++i)
      for (size_t k = 0; k < operands[i]->dims.size(); ++k)
        isOf |= rule.operands[i][k] == iterator && isSame(operands[i]->dims[k], dim, axes) &&
                (isFree(*known) || !isFree(dim));
    if (!isOf)
      return reject("a dim of the result is that of no operand");
  }
  return true;
}

} // namespace muster::certificate
