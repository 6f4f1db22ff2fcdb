// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that compute: what meets on a rank meets on one rank, partial operands only where the operation is linear,
// and shards that are reduced become pending.
#include "compiler/Certificate/Program.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace muster::certificate {

namespace {

/// How what an operation yields depends on its operands (a bit for each).
struct Payload {
  nn::Linearity kind = nn::Linearity::NonLinear;
  uint64_t operands = 0; ///< none: a constant
};

} // namespace

static Payload combine(Operation *op, ArrayRef<Payload> parts) {
  Payload all;
  bool isSum = isa<arith::AddFOp, arith::SubFOp>(op), isProduct = isa<arith::MulFOp>(op);
  for (const Payload &part : parts) {
    isProduct &= part.kind == nn::Linearity::Multilinear && !(all.operands & part.operands); // no square
    isSum &= part.operands && (part.kind == nn::Linearity::Additive ||
                               (part.kind == nn::Linearity::Multilinear && llvm::has_single_bit(part.operands)));
    all.operands |= part.operands;
  }
  bool isScale = isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp, arith::SIToFPOp>(op) ||
                 (isa<arith::MulFOp, arith::DivFOp>(op) && !parts[1].operands);
  if (all.operands && isScale)
    return parts[0];
  if (all.operands && isa<arith::MulFOp>(op) && !parts[0].operands)
    return parts[1];
  all.kind = isSum ? nn::Linearity::Additive : isProduct ? nn::Linearity::Multilinear : nn::Linearity::NonLinear;
  return all;
}

static nn::Linearity linearityOf(const Payload &payload, size_t operands) {
  bool isOfAll = payload.operands == (uint64_t(1) << operands) - 1; // one that is not used says nothing of the result
  return isOfAll ? payload.kind : nn::Linearity::NonLinear;
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
  if (hasStart && kind == nn::IteratorKind::Sum)
    kind = nn::IteratorKind::Whole;
  if (hasStart)
    walked.push_back(&init);
  llvm::DenseMap<Value, Payload> payloads;
  for (OpOperand *operand : walked) {
    bool isTensor = isa<RankedTensorType>(operand->get().getType());
    if (!isTensor && !isUniform(operand->get()))
      return false; // a number that may differ between ranks
    if (!isTensor)
      continue;
    payloads[op.getMatchingBlockArgument(operand)] = {nn::Linearity::Multilinear, uint64_t(1) << operands.size()};
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
      auto first = llvm::find(op->getOperands(), operand) - op->operand_begin();
      parts.push_back({nn::Linearity::Multilinear, uint64_t(1) << first});
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

/// Query head j of a rank meets key-value head j / (heads of a group on the rank): that of its group.
bool Program::checkHeads(const Map &query, const Map &keys, int64_t heads, int64_t keyHeads) {
  Place own = placesOf(query.dims[OnMesh], OnMesh)[0], met = placesOf(keys.dims[OnMesh], OnMesh)[0];
  Size local = query.shape(OnMesh)[1], localKeys = keys.shape(OnMesh)[2];
  if (query.shape(OnOneRank)[1] != heads || keys.shape(OnOneRank)[2] != keyHeads || !divides(localKeys, local))
    return reject("other heads than the operation names");
  auto key = own.index[1].divide(local / localKeys);
  met.index[2] = key ? key->first : Number();
  auto wanted = indexOf(query, own), got = key ? indexOf(keys, met) : std::nullopt;
  auto group = wanted ? wanted->at(1).divide(Size(heads / keyHeads)) : std::nullopt;
  if (!group || !got)
    return lacksRule("heads that cannot be compared");
  return group->first == got->at(2) || reject("query heads meet key-value heads of other groups");
}

bool Program::checkComputation(Operation *op, const Map *claimed) {
  nn::IterationRule rule;
  Operands operands;
  if (!readRule(op, rule, operands))
    return lacksRule("'" + op->getName().getStringRef() + "'");
  if (llvm::is_contained(operands, nullptr))
    return reject("an operand has no map");
  if (!isa<linalg::LinalgOp>(op) && op->getDialect()->getNamespace() == "nn" &&
      llvm::any_of(operands, [](const Map *map) { return map->isNumber; }))
    return lacksRule("a number as an operand");
  std::optional<Map> keys, values;
  if (auto own = dyn_cast<nn::CacheAppendOp>(op)) {
    keys = declaredMap(op, own.getStateAttr());
    if (!keys)
      return false;
    // A rank that holds pages sees all rows of their sequences: rows are spread as pages are.
    for (const Digit &digit : operands[0]->dims[OnMesh][0][0])
      if (digit.isMesh() &&
          llvm::none_of(keys->dims[OnMesh][0][0], [&](const Digit &page) { return page.axis == digit.axis; }))
        return reject("the rows are spread over '" + digit.axis + "' and the pages are not");
    for (std::vector<Dim> &dims : keys->dims)
      dims.erase(dims.begin(), dims.begin() + 2);
    operands.push_back(&*keys);
    rule.operands.push_back({1, 2});
  }
  if (auto own = dyn_cast<nn::AttentionOp>(op)) {
    keys = declaredMap(op, own.getKeysAttr());
    values = declaredMap(op, own.getValuesAttr());
    for (const auto *state : {&keys, &values})
      if (!*state || !checkHeads(*operands[0], **state, int64_t(own.getHeads()), int64_t(own.getKvHeads())))
        return false;
  }
  if (auto own = dyn_cast<nn::GatherRowsOp>(op); own && own.getFirst()) { // Row r of the rank's part is row first + r.
    Place place = placesOf(operands[0]->dims[OnMesh], OnMesh)[0];
    auto first = formOf(own.getFirst(), OnMesh, place);
    auto rows = indexOf(*operands[0], place);
    if (!first || !rows || !(rows->at(0) == *first + place.index[0]))
      return reject("the first row is not where the rank's part of the table begins");
  }
  return checkRule(rule, operands, claimed);
}

bool Program::checkRule(const nn::IterationRule &rule, const Operands &operands, const Map *claimed) {
  bool isMultilinear = rule.linearity == nn::Linearity::Multilinear,
       isAdditive = rule.linearity == nn::Linearity::Additive;
  auto isNumber = [](const Map *map) { return map->isNumber; };
  auto isParallel = [](const nn::Iterator &iterator) { return iterator.kind == nn::IteratorKind::Parallel; };
  auto isMaximum = [](const nn::Iterator &iterator) { return iterator.kind == nn::IteratorKind::Maximum; };
  if (claimed && claimed->isNumber)
    return (llvm::all_of(operands, isNumber) && llvm::all_of(rule.iterators, isParallel) && !claimed->isZero) ||
           reject("the map is not that of one number");
  // What is still to be reduced.
  Run pending;
  const Map *first = nullptr;
  for (auto [i, map] : llvm::enumerate(operands)) {
    if (isAdditive && map->isNumber && !map->isZero &&
        llvm::any_of(operands, [](const Map *other) { return !other->pending.empty(); }))
      return reject("adds a number once for each part of a sum");
    if (!map->isNumber && map->dims[OnMesh].size() != rule.operands[i].size())
      return reject("operand " + Twine(i) + " has another rank");
    if (!map->pending.empty() && !isMultilinear && !isAdditive && !(rule.linearOperands >> i & 1))
      return reject("operand " + Twine(i) + " is still to be reduced over '" + map->pending[0].axis + "'");
    if (llvm::any_of(map->pending, [](const Digit &part) { return part.space != "sum"; }) ||
        (!map->pending.empty() && llvm::any_of(rule.iterators, isMaximum)))
      return lacksRule("a function of what is still to be reduced by a maximum, or a maximum of parts");
    if (map->isNumber)
      continue;
    if (isAdditive && first && !isPermuted(map->pending, first->pending))
      return reject("adds values of which one is still to be reduced and one is not");
    if (!isAdditive || !first)
      llvm::append_range(pending, map->pending);
    first = map;
  }
  // Indices of the result and operands that meet, on the mesh and on one rank: for each iterator, of the first operand
  // that knows it.
  std::vector<Dim> dims(rule.iterators.size());
  std::vector<std::optional<Size>> wholes(dims.size());
  auto forDims = [&](auto &&visit) {
    for (auto [map, iterators] : llvm::zip_first(operands, rule.operands))
      for (size_t d = 0; d < map->dims[OnMesh].size(); ++d)
        visit(*map, d, iterators[d]);
  };
  forDims([&](const Map &map, size_t d, int64_t iterator) {
    if (iterator != nn::noIterator &&
        (dims[size_t(iterator)].empty() || (!wholes[size_t(iterator)] && !map.isFree(d)))) {
      dims[size_t(iterator)] = map.dims[OnMesh][d];
      if (!map.isFree(d))
        wholes[size_t(iterator)] = map.shape(OnOneRank)[d];
    }
  });
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim.empty() && !isParallel(rule.iterators[i]))
      return lacksRule("a reduction of nothing but numbers");
    else if (dim.empty()) // copies that the operation makes
      dim = {{}};
  std::vector<Place> places = placesOf(dims, OnMesh);
  for (const Place &place : places) {
    std::vector<std::optional<Number>> known(dims.size());
    auto agree = [&](const Map &map, const nn::DimIterators &iterators, bool isResult) {
      Place own{place.coordinates, {}};
      for (auto [d, iterator] : llvm::enumerate(iterators))
        own.index.push_back(iterator == nn::noIterator ? Number::variable("!", map.shape(OnMesh)[d])
                                                       : place.index[size_t(iterator)]);
      auto index = indexOf(map, own);
      for (auto [d, iterator] : llvm::enumerate(iterators)) {
        if (!index)
          return lacksRule("dims of which the maps do not tell where they are on one rank");
        Size whole = map.shape(OnOneRank)[d];
        if (iterator == nn::noIterator) {
          if (!(index->at(d) == own.index[d]) || whole != map.shape(OnMesh)[d])
            return reject("dim " + Twine(d) + " is needed whole");
          continue;
        }
        auto &met = known[size_t(iterator)];
        if (map.isFree(d) ? isResult && wholes[size_t(iterator)]
                          : (isResult && !met) || map.shape(OnMesh)[d] != localSize(dims[size_t(iterator)]) ||
                                whole != wholes[size_t(iterator)] || (met && !(*met == index->at(d))))
          return reject(isResult ? "a dim of the result is that of no operand" : "two dims do not agree");
        if (!map.isFree(d))
          met = index->at(d);
      }
      return true;
    };
    for (auto [map, iterators] : llvm::zip_first(operands, rule.operands))
      if (!map->isNumber && !agree(*map, iterators, false))
        return false;
    for (auto [i, iterator] : llvm::enumerate(rule.iterators)) {
      if (isParallel(iterator))
        continue;
      bool isWhole = iterator.kind == nn::IteratorKind::Whole;
      if (!known[i] || dims[i].size() > 1 || (isWhole && !(*known[i] == place.index[i])) ||
          !known[i]->countsTo(*wholes[i]))
        return reject("not all of a dim that is reduced, once each");
      Size local(1);
      for (const Term &term : known[i]->terms) {
        if (term.variable == "#" + std::to_string(i))
          local *= term.count;
        else if (term.variable[0] == '#')
          return reject("an index of another dim where a dim is reduced");
        else if (&place != &places.front())
          continue;
        else if (!isWhole)
          pending.push_back(
              {term.count, Size(0), isMaximum(iterator) ? "max" : "sum", term.variable.substr(1), term.at});
        else
          return reject("a dim is needed whole on every rank");
      }
      if (local != localSize(dims[i]))
        return reject("copies of parts of a dim that is reduced");
    }
    if (claimed && (claimed->dims[OnMesh].size() != rule.results[0].size() || !agree(*claimed, rule.results[0], true)))
      return reject("the result has another rank");
  }
  if (!areDisjoint(pending))
    return reject("an axis serves two reductions");
  if (!claimed)
    return true;
  if (!isPermuted(claimed->pending, pending))
    return reject("the result is still to be reduced over other ranks than its map says");
  for (auto [d, iterator] : llvm::enumerate(rule.results[0])) { // Names are those of an operand.
    bool isOf = claimed->isFree(d);
    forDims([&](const Map &map, size_t k, int64_t other) {
      isOf |= other == iterator && isSame({map.dims[OnOneRank][k]}, {claimed->dims[OnOneRank][d]}, OnOneRank);
    });
    if (!isOf)
      return reject("a dim of the result is that of no operand");
  }
  return true;
}

} // namespace muster::certificate
