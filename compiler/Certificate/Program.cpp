// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

#include "compiler/Certificate/Checker.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace muster::certificate {

static Axes axesOf(ArrayAttr names) {
  Axes group;
  for (StringRef name : names.getAsValueRange<StringAttr>())
    group.push_back(name.str());
  return group;
}

static bool isReshape(Operation *op) {
  return isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ReshapeOp>(op);
}

//===--- Operations that move
//---------------------------------------------------------------------------------------===//

/// The map of the result, from that of the operand; nullopt for an operation that moves nothing.
std::optional<Map> Program::moved(Operation *op, bool &isMoving) {
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return concatenated(concat);
  bool isCollective = op->hasAttr("axes") && isa<MusterDialect>(op->getDialect());
  if (!isCollective &&
      !isa<tensor::CastOp, linalg::TransposeOp, RedistributeOp, tensor::ExtractSliceOp, BroadcastOp>(op))
    return std::nullopt;
  Map map = mapOf(op->getOperand(0));
  if (map.kind != Map::Digits)
    return map;
  isMoving = !isa<tensor::CastOp, linalg::TransposeOp>(op);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    Map result = map;
    for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
      result.dims[i] = map.dims[size_t(dim)];
    return result;
  }
  if (auto own = dyn_cast<RedistributeOp>(op))
    return redistributed(own, map);
  if (auto own = dyn_cast<tensor::ExtractSliceOp>(op))
    return sliced(own, map, isMoving);
  if (!isCollective)
    return map;
  Axes group = axesOf(op->getAttrOfType<ArrayAttr>("axes"));
  if (isa<PermuteOp>(op))
    unsupported("'muster.permute'");
  if (isa<BroadcastOp>(op))
    for (const Digit &digit : meshDigits(map))
      if (llvm::is_contained(group, digit.axis))
        reject("overwrites elements that are not the same");
  if (auto kind = op->getAttrOfType<ReductionKindAttr>("kind"))
    reduce(map, group, stringifyReductionKind(kind.getValue()).str());
  auto dimOf = [&](StringRef name) {
    auto dim = op->getAttrOfType<IntegerAttr>(name);
    return size_t(dim ? dim.getInt() : 0);
  };
  bool isExchange = isa<ExchangeOp, AllToAllOp>(op);
  Run taken = isExchange || isa<AllGatherOp>(op) ? take(map, group) : Run();
  if (isExchange || isa<SliceOp, ReduceScatterOp>(op))
    scatter(map, group, dimOf(isExchange ? "split" : "dim"));
  if (isExchange || isa<AllGatherOp>(op))
    gather(map, taken, dimOf(isExchange ? "concat" : "dim"));
  return map;
}

/// The sum first, then what leaves, then what arrives.
Map Program::redistributed(RedistributeOp op, Map map) {
  for (PartialAttr partial : op.getFrom().getPartials())
    for (AxisRefAttr axis : partial.getAxes())
      if (llvm::none_of(op.getTo().getPartials(),
                        [&](PartialAttr to) { return llvm::is_contained(to.getAxes(), axis); }))
        reduce(map, {axis.getName().str()}, stringifyReductionKind(partial.getKind()).str());
  for (bool isArriving : {false, true})
    for (auto [i, from, to] : llvm::enumerate(op.getFrom().getDims(), op.getTo().getDims())) {
      Axes group;
      for (LayoutTermAttr term : from == to ? Terms() : (isArriving ? to : from).getTerms())
        for (AxisRefAttr axis : term.getAxes())
          group.push_back(axis.getName().str());
      if (from != to && (from.getTerms().size() > 1 || to.getTerms().size() > 1))
        unsupported("a redistribution of a dim of several terms");
      if (isArriving && !group.empty())
        scatter(map, group, i);
      else if (!group.empty())
        gather(map, take(map, group), i);
    }
  return map;
}

/// Whole dims, the rank's part of a dim, whole parts of packed dims.
Map Program::sliced(tensor::ExtractSliceOp op, Map map, bool &isMoving) {
  isMoving = false;
  for (unsigned i = 0; i < map.dims.size(); ++i) {
    OpFoldResult offset = op.getMixedOffsets()[i];
    Size size = sizeOf(op.getMixedSizes()[i]), first = sizeOf(offset), taken(0), at(0);
    bool isConstant = isa<Attribute>(offset) || matchPattern(cast<Value>(offset), m_Constant());
    if (auto group = isConstant ? std::nullopt : groupOfOffset(cast<Value>(offset), size)) {
      isMoving = true;
      scatter(map, *group, i);
    } else if (!isConstant || sizeOf(op.getMixedStrides()[i]) != 1) {
      unsupported("a slice of unknown offset, or with a stride");
    }
    Dim parts;
    for (const Run &part : map.dims[i]) {
      if (at >= first && at + localSize(part) <= first + size) {
        parts.push_back(part);
        taken += localSize(part);
      }
      at += localSize(part);
    }
    if (parts.empty() || taken != size)
      return Map(); // a part of a dim: place by place only
    map.dims[i] = parts;
  }
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (size_t i = map.dims.size(); i-- > 0;) {
    if (!dropped.test(unsigned(i)))
      continue;
    Run own = map.dims[i][0]; // What divides the dim goes to the front of the next one.
    map.dims.erase(map.dims.begin() + ptrdiff_t(i));
    if (!own.empty())
      gather(map, own, i);
  }
  return map;
}

Map Program::concatenated(tensor::ConcatOp op) {
  Map all = mapOf(op.getInputs()[0]);
  for (Value operand : op.getInputs().drop_front()) {
    Map part = mapOf(operand);
    if (part.kind != Map::Digits || all.kind != Map::Digits)
      return Map();
    Dim packed = std::exchange(all.dims[op.getDim()], {}), own = std::exchange(part.dims[op.getDim()], {});
    if (all.dims != part.dims || !isPermuted(all.pending, part.pending))
      return Map();
    llvm::append_range(packed, own);
    all.dims[op.getDim()] = packed;
  }
  return all;
}

/// A table of positions: the rank's part of 0, 1, 2, ...
Map Program::positions(tensor::GenerateOp op, const Size &part) {
  Block &body = op.getBody().front();
  Value yielded = body.getTerminator()->getOperand(0);
  while (isa_and_nonnull<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp>(yielded.getDefiningOp()))
    yielded = yielded.getDefiningOp()->getOperand(0);
  bool isOpen = op.getType().isDynamicDim(0);
  auto group = groupOfOffset(yielded, part, body.getArgument(0));
  if (!group || op.getType().getRank() != 1 || (isOpen && sizeOf(op.getDynamicExtents()[0]) != part))
    return unsupported("a table that is no index + coordinate * size"), Map();
  std::string space = "positions " + std::to_string(numbers->lookup(op));
  Map map{Map::Digits, {{{{part, Size(1), space, ""}}}}};
  for (Size whole = part; const std::string &axis : llvm::reverse(*group)) {
    map.dims[0][0].insert(map.dims[0][0].begin(), {axes[axis], whole, space, axis});
    whole *= axes[axis];
  }
  return map;
}

/// Of a reshape: sizes that its type leaves open.
void Program::checkSizes(Operation *op, const Map &from, const Map &to) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  for (unsigned i = 0; i < type.getRank(); ++i) {
    auto expand = dyn_cast<tensor::ExpandShapeOp>(op);
    auto collapse = dyn_cast<tensor::CollapseShapeOp>(op);
    Size size = expand && type.isDynamicDim(i) ? sizeOf(expand.getMixedOutputShape()[i]) : Size(collapse ? 1 : 0);
    for (int64_t dim : collapse ? collapse.getReassociationIndices()[i] : ReassociationIndices())
      size *= size_t(dim) < from.dims.size() ? localSize(from.dims[size_t(dim)]) : Size(0);
    if (type.isDynamicDim(i) && size != localSize(to.dims[i]))
      reject("dim " + Twine(i) + " has another size than " + print(to.dims[i]));
  }
}

//===--- The walk
//---------------------------------------------------------------------------------------------------===//

void Program::checkDeclared(Value value, LayoutAttr layout, Map &declared) {
  declared = declaredMap(layout, cast<RankedTensorType>(value.getType()));
  if (Map map = mapOf(value); map.kind == Map::None && fault.empty())
    checkPlaces(value, declared);
  else
    checkBoundary(map, declared);
}

void Program::checkCall(func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee || callee.isExternal() || llvm::is_contained(callStack, callee) || !callee.getBody().hasOneBlock())
    return unsupported("a call that cannot be followed");
  callStack.push_back(callee);
  for (auto [argument, operand] : llvm::zip(callee.getArguments(), op.getOperands()))
    maps[argument] = mapOf(operand);
  checkBlock(callee.getBody().front());
  for (auto [result, value] : llvm::zip(op.getResults(), callee.getBody().front().getTerminator()->getOperands()))
    maps[result] = mapOf(value);
  callStack.pop_back();
}

/// What branches yield has one map, and all ranks take the same branch. A carried value has one map before and after
/// each iteration; a number that an iteration makes into something else is that from the start, and the body is checked
/// again.
void Program::checkRegions(Operation *op) {
  auto loop = dyn_cast<scf::ForOp>(op);
  for (Value operand : op->getOperands())
    if (!isa<RankedTensorType>(operand.getType()) && !isUniformScalar(operand))
      return unsupported("a condition, bound or carried number that may differ between ranks");
  std::vector<Map> known(op->getNumResults());
  for (unsigned i = 0; loop && i < op->getNumResults(); ++i)
    known[i] = mapOf(loop.getInitArgs()[i]);
  size_t first = next;
  bool isAgain = false;
  auto join = [&](Map &map, const Map &own) {
    bool isNumber = map.kind == Map::Uniform, isSame = map.kind == own.kind && map.dims == own.dims;
    bool mayBe = isNumber && own.kind != Map::None && (own.pending.empty() || map.isZero);
    if (isNumber && isSame ? own.isZero || !map.isZero : isSame && isPermuted(map.pending, own.pending))
      return;
    if (own.kind == Map::Uniform && !isNumber && (map.pending.empty() || own.isZero))
      return; // a number is what the other is, too
    if (!mayBe)
      reject("a carried or yielded value has two maps");
    map = own;
    isAgain = true;
  };
  do {
    isAgain = false;
    next = first;
    for (unsigned i = 0; loop && i < op->getNumResults(); ++i)
      maps[loop.getRegionIterArg(i)] = known[i];
    for (Region &region : op->getRegions()) {
      if (!region.empty())
        checkBlock(region.front());
      for (unsigned i = 0; !region.empty() && i < op->getNumResults(); ++i) {
        Map own = mapOf(region.front().getTerminator()->getOperand(i));
        if (!loop && &region == &op->getRegion(0))
          known[i] = own;
        else
          join(known[i], own);
      }
    }
  } while (loop && isAgain && fault.empty());
  for (auto [result, map] : llvm::zip(op->getResults(), known))
    maps[result] = map;
}

/// Results that are one number on every rank need no record.
std::optional<Map> Program::uniform(Operation *op) {
  auto number = [&](Value value, bool isZero) {
    return Map{Map::Uniform, {}, {}, isZero || matchPattern(value, m_AnyZeroFloat()) || matchPattern(value, m_Zero())};
  };
  DenseElementsAttr elements;
  if (matchPattern(op, m_Constant(&elements)) && elements.isSplat())
    return number(op->getResult(0), false);
  if (isa<linalg::FillOp, tensor::SplatOp>(op) && isUniformScalar(op->getOperand(0)))
    return number(op->getOperand(0), false);
  bool isTensor = op->getNumOperands() > 0 && mapOf(op->getOperand(0)).kind == Map::Uniform;
  auto kind = op->getAttrOfType<ReductionKindAttr>("kind");
  if (!isTensor || !(isReshape(op) || isa<MusterDialect>(op->getDialect()) ||
                     isa<tensor::CastOp, linalg::TransposeOp, tensor::ExtractSliceOp>(op)))
    return std::nullopt;
  Map map = mapOf(op->getOperand(0));
  bool isSum = isa<RedistributeOp>(op) || (kind && kind.getValue() == ReductionKind::Sum);
  return isSum && !map.isZero ? std::nullopt : std::optional<Map>(map); // added up, it is another number
}

/// The claimed map of the only result follows from the maps of the operands.
void Program::checkMap(Operation *op, const Map &claimed) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (claimed.kind == Map::None || !type || size_t(type.getRank()) != claimed.dims.size())
    return reject("the map is not one of the result");
  for (unsigned d = 0; d < type.getRank(); ++d)
    if (!type.isDynamicDim(d) && localSize(claimed.dims[d]) != type.getDimSize(d))
      return reject("the map does not fit dim " + Twine(d) + ": " + print(claimed.dims[d]));
  bool isMoving = false;
  if (isReshape(op)) {
    Value start = op->getOperand(0); // A reshape that cuts inside a digit has no map: only grouping was lost.
    while (mapOf(start).kind == Map::None && isReshape(start.getDefiningOp()))
      start = start.getDefiningOp()->getOperand(0);
    if (mapOf(start).kind != Map::Digits)
      return reject("operand 0 has no map");
    checkReshape(mapOf(start), claimed);
    checkSizes(op, mapOf(op->getOperand(0)), claimed);
  } else if (auto load = dyn_cast<LoadOp>(op)) {
    checkSame(declaredMap(op, load.getWeightAttr()), claimed, false);
  } else if (isa<arith::ConstantOp>(op)) { // the same numbers on every rank: spaces of its own
    Map own{Map::Digits};
    std::string space = "constant " + std::to_string(numbers->lookup(op)) + ".";
    for (auto [i, size] : llvm::enumerate(type.getShape()))
      own.dims.push_back({{{Size(size), Size(1), space + std::to_string(i), ""}}});
    checkSame(own, claimed, false);
  } else if (auto generate = dyn_cast<tensor::GenerateOp>(op)) {
    checkSame(positions(generate, claimed.dims.size() == 1 ? localSize(claimed.dims[0]) : Size(0)), claimed, false);
  } else if (std::optional<Map> expected = moved(op, isMoving)) {
    checkSame(*expected, claimed, isMoving);
  } else {
    checkComputation(op, claimed);
  }
  if (!areDisjoint(meshDigits(claimed)))
    reject("two digits use one part of an axis");
  maps[op->getResult(0)] = claimed;
}

void Program::checkOp(Operation *op) {
  Map declared;
  if (auto returns = dyn_cast<func::ReturnOp>(op)) {
    for (auto [i, value] : llvm::enumerate(returns.getOperands()))
      if (auto layout = entry.getResultAttrOfType<LayoutAttr>(unsigned(i), attribute::layout);
          layout && callStack.empty())
        checkDeclared(value, layout, declared);
    return;
  }
  if (auto claim = dyn_cast<AssertLayoutOp>(op)) {
    checkDeclared(claim.getInput(), claim.getLayout(), declared);
    Map map = mapOf(claim.getInput()); // What was shown place by place has the declared map from here on.
    maps[claim.getResult()] = map.kind == Map::None ? declared : map;
    return;
  }
  if (isa<scf::ForOp, scf::IfOp>(op))
    return checkRegions(op);
  if (auto call = dyn_cast<func::CallOp>(op))
    return checkCall(call);
  if (isa<nn::CacheAppendOp>(op))
    return checkComputation(op, {});
  for (Value result : op->getResults())
    maps[result] = Map();
  if (op->getNumResults() != 1)
    return;
  const llvm::json::Object *record = next < records->size() ? (*records)[next].getAsObject() : nullptr;
  if (std::optional<Map> number = uniform(op)) {
    maps[op->getResult(0)] = *number;
  } else if (record && record->getInteger("op") == numbers->lookup(op) && record->get("map")) {
    ++next;
    checkMap(op, parseMap(*record->get("map"), symbols));
  } else if (nn::IterationRule rule; !isa<linalg::TransposeOp>(op)) {
    // Nothing is claimed: whatever uses it is refused, unless it is a number again.
    std::vector<Map> operands;
    bool isNumber = readRule(op, rule, operands) && !operands.empty() &&
                    llvm::all_of(operands, [](const Map &map) { return map.kind == Map::Uniform; });
    maps[op->getResult(0)].kind = isNumber ? Map::Uniform : Map::None;
  }
}

void Program::checkBlock(Block &block) {
  for (Operation &op : block) {
    if (!fault.empty())
      return;
    checkOp(&op);
    if (!fault.empty() && !faulty)
      faulty = &op;
  }
}

void Program::check(const llvm::json::Array &values, const llvm::DenseMap<Operation *, int64_t> &ownNumbers) {
  records = &values;
  numbers = &ownNumbers;
  faulty = nullptr;
  readSignature();
  if (!fault.empty())
    return;
  for (const llvm::json::Value &record : values) // What is on the mesh anywhere in the function.
    if (const llvm::json::Value *map = record.getAsObject() ? record.getAsObject()->get("map") : nullptr)
      llvm::append_range(spread, meshDigits(parseMap(*map, symbols)));
  for (BlockArgument argument : entry.getArguments())
    if (auto layout = entry.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout))
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        maps[argument] = declaredMap(layout, type);
  checkBlock(entry.getBody().front());
  if (next != values.size())
    reject("the certificate has maps of other operations");
}

std::optional<Fault> check(ModuleOp module, const llvm::json::Array &functions) {
  llvm::DenseMap<Operation *, int64_t> numbers;
  int64_t count = 0;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) { numbers[op] = count++; });
  size_t index = 0;
  for (auto function : module.getOps<func::FuncOp>()) {
    bool hasLayout = false;
    for (unsigned i = 0; !function.isExternal() && i < function.getNumArguments(); ++i)
      hasLayout |= bool(function.getArgAttr(i, attribute::layout));
    for (unsigned i = 0; !function.isExternal() && i < function.getNumResults(); ++i)
      hasLayout |= bool(function.getResultAttr(i, attribute::layout));
    if (!hasLayout)
      continue;
    const llvm::json::Object *own = index < functions.size() ? functions[index++].getAsObject() : nullptr;
    const llvm::json::Array *values = own ? own->getArray("values") : nullptr;
    if (!values || own->getString("name") != function.getSymName())
      return Fault{function.getLoc(), "the certificate has nothing of @" + function.getSymName().str()};
    if (auto why = own->getString("uncovered"))
      return Fault{function.getLoc(), why->str(), true};
    Program program(function);
    program.check(*values, numbers);
    if (!program.fault.empty())
      return Fault{program.faulty ? program.faulty->getLoc() : function.getLoc(), program.fault, program.isUnsupported};
  }
  if (index == 0 || index != functions.size())
    return Fault{module.getLoc(), "expected as many functions that declare layouts as the certificate has, " +
                                      std::to_string(functions.size()) + ", but got " + std::to_string(index)};
  return std::nullopt;
}

} // namespace muster::certificate
