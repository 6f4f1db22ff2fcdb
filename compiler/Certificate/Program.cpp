// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

#include "compiler/Certificate/Checker.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace muster::certificate {

bool Program::reject(const llvm::Twine &reason, bool isWithoutRule) {
  isUnsupported |= fault.empty() && isWithoutRule;
  fault = fault.empty() ? reason.str() : fault;
  return false;
}

const Map *Program::mapOf(Value value) const {
  auto known = maps.find(value);
  return known == maps.end() ? nullptr : &known->second;
}

/// A map of the certificate that fits the type of the value.
bool Program::readMap(Value value, const llvm::json::Value *text, Map &map) {
  llvm::json::Path::Root root;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!text || !fromJSON(*text, map, root) || !type)
    return reject("the map is not one of the result");
  size_t rank = map.isNumber ? 0 : size_t(type.getRank());
  if (map.dims[OnMesh].size() != rank || map.dims[OnOneRank].size() != rank || (map.isNumber && !map.pending.empty()))
    return reject("the map is not one of the result");
  std::vector<Run> choices{Run()}; // of a part of each dim
  for (size_t d = 0; d < rank; ++d) {
    const Dim &dim = map.dims[OnMesh][d], &there = map.dims[OnOneRank][d];
    if (dim.empty() || dim.size() != there.size() ||
        (!type.isDynamicDim(unsigned(d)) && localSize(dim) != type.getDimSize(unsigned(d))))
      return reject("the map does not fit dim " + Twine(d));
    if (type.isDynamicDim(unsigned(d)) && map.isFree(d))
      return lacksRule("copies of which the number is open");
    std::vector<Run> before = std::exchange(choices, {});
    for (const Run &part : there)
      for (Run choice : before) {
        for (const Digit &digit : part)
          if (digit.stride == 0 && !map.isFree(d))
            return lacksRule("copies beside other elements of a dim");
          else if (digit.stride != 0 && digit.count != 1)
            choice.push_back({digit.count, Size(0), "", digit.space, digit.stride});
        choices.push_back(choice);
      }
  }
  // On one rank each position stands once: digits are disjoint parts of their spaces.
  if (!llvm::all_of(choices, areDisjoint))
    return lacksRule("positions that stand in two places");
  return areDisjoint(map.pending) || reject("two digits use one part of an axis");
}

/// Whether what has the one map may pass as the other: the same, or a number.
bool Program::mayPass(const Map *map, const Map &as) const {
  auto isPart = [&](const Digit &digit) { // What a number reduced with itself is.
    return map->isZero ? digit.space != "product" : digit.space == "max" || digit.space == "min";
  };
  return map && (map->isZero || !as.isZero) && (map->isNumber || !as.isNumber) &&
         (map->isNumber ? llvm::all_of(as.pending, isPart)
                        : isPermuted(map->pending, as.pending) && isSame(map->dims[OnMesh], as.dims[OnMesh], OnMesh) &&
                              isSame(map->dims[OnOneRank], as.dims[OnOneRank], OnOneRank));
}

/// The claimed map of the only result follows from the maps of the operands.
bool Program::checkMap(Operation *op, const Map &claimed) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  DenseElementsAttr elements;
  bool isSplat = matchPattern(op, m_Constant(&elements)) && elements.isSplat();
  std::string number = std::to_string(numbers.lookup(op));
  if (isSplat || (isa<linalg::FillOp, tensor::SplatOp>(op) && isUniform(op->getOperand(0)))) {
    auto isZero = [](auto value) { return matchPattern(value, m_AnyZeroFloat()) || matchPattern(value, m_Zero()); };
    bool isNumber = claimed.isNumber && (!claimed.isZero || isZero(isSplat ? op->getResult(0) : op->getOperand(0)));
    return isNumber || reject("the map is not that of one number");
  }
  if (auto load = dyn_cast<LoadOp>(op)) {
    auto declared = declaredMap(op, load.getWeightAttr());
    return declared && (mayPass(&*declared, claimed) || reject("the map is not what is declared"));
  }
  if (isa<arith::ConstantOp>(op)) { // the same numbers on every rank: spaces of its own
    Map own;
    for (auto [i, size] : llvm::enumerate(type.getShape()))
      own.dims[OnMesh].push_back({{{Size(size), Size(1), "constant " + number + "." + std::to_string(i)}}});
    own.dims[OnOneRank] = own.dims[OnMesh];
    return mayPass(&own, claimed) || reject("the map is not what is declared");
  }
  if (auto generate = dyn_cast<tensor::GenerateOp>(op)) { // a rank's part of 0, 1, 2, ...
    for (World world : {OnMesh, OnOneRank}) {
      if (type.getRank() != 1 || claimed.isNumber || claimed.dims[world][0].size() != 1 || !claimed.pending.empty())
        return lacksRule("a table that is no index + coordinate * size");
      Place place = placesOf(claimed.dims[world], world)[0];
      auto form = formOf(generate.getBody().front().getTerminator()->getOperand(0), world, place);
      auto positions = positionsAt(claimed.dims[world], place);
      if (!form || !positions || positions->of != std::map<std::string, Number>{{"positions " + number, *form}} ||
          (world == OnMesh && type.isDynamicDim(0) &&
           formOf(generate.getDynamicExtents()[0], OnMesh, Place()) != Number{claimed.shape(OnMesh)[0]}))
        return lacksRule("a table that is no index + coordinate * size");
    }
    return true;
  }
  bool isMovement =
      isa<MusterDialect>(op->getDialect()) ||
      isa<tensor::CastOp, linalg::TransposeOp, tensor::ExtractSliceOp, tensor::ConcatOp, tensor::ExpandShapeOp,
          tensor::CollapseShapeOp, tensor::ReshapeOp, nn::SplitHeadsOp, nn::MergeHeadsOp>(op);
  return isMovement ? checkMovement(op, claimed) : checkComputation(op, &claimed);
}

/// Branches and loops. The certificate has the maps of the results, and so of what is yielded and carried.
bool Program::checkRegions(Operation *op) {
  for (Value operand : op->getOperands())
    if (!isa<RankedTensorType>(operand.getType()) && !isUniform(operand))
      return lacksRule("a condition, bound or carried number that may differ between ranks");
  const llvm::json::Object *record = next < records->size() ? (*records)[next++].getAsObject() : nullptr;
  const llvm::json::Array *given =
      record && record->getInteger("op") == numbers.lookup(op) ? record->getArray("maps") : nullptr;
  if (op->getNumResults() == 0)
    --next;
  std::vector<std::optional<Map>> claimed(op->getNumResults());
  auto loop = dyn_cast<scf::ForOp>(op);
  for (unsigned i = 0; i < claimed.size(); ++i) {
    if (!given || i >= given->size() || (*given)[i].getAsNull())
      continue;
    if (!readMap(op->getResult(i), &(*given)[i], claimed[i].emplace()))
      return false;
    if (loop && !mayPass(mapOf(loop.getInitArgs()[i]), *claimed[i]))
      return reject("a carried value does not begin as the map says");
    if (loop)
      maps[loop.getRegionIterArg(i)] = *claimed[i];
  }
  for (Region &region : op->getRegions()) {
    if (!region.empty() && !checkBlock(region.front()))
      return false;
    for (unsigned i = 0; !region.empty() && i < claimed.size(); ++i)
      if (claimed[i] && !mayPass(mapOf(region.front().getTerminator()->getOperand(i)), *claimed[i]))
        return reject("a carried or yielded value is not what the map says");
  }
  for (unsigned i = 0; i < claimed.size(); ++i)
    if (claimed[i])
      maps[op->getResult(i)] = *claimed[i];
  return true;
}

/// The same elements as on one rank, at the declared places; and of names that a result has, those positions.
bool Program::checkDeclared(Value value, LayoutAttr layout) {
  const Map *map = mapOf(value);
  std::optional<Map> declared = declaredMap(layout, shapeOf(value.getType()));
  if (!map || !declared)
    return lacksRule("a value without a map, or a layout that has none");
  if (map->isNumber)
    return mayPass(map, *declared) || reject("a value is not reduced as declared");
  if (!isPermuted(map->pending, declared->pending))
    return reject("a value is not reduced as declared");
  for (auto [own, wanted] : llvm::zip(map->dims[OnOneRank], declared->dims[OnOneRank])) {
    std::set<std::string> names = bound;
    for (const Run &run : wanted)
      for (const Digit &digit : run)
        names.insert(digit.space);
    for (const Run &run : own)
      for (const Digit &digit : run)
        if (names.count(digit.space) && digit.stride != 0 && !isSame({own}, {wanted}, OnOneRank))
          return reject("a dim holds other positions of '" + digit.space + "' than declared");
  }
  return holdsAs(*map, *declared) || reject("ranks hold other elements than declared");
}

bool Program::checkOp(Operation *op) {
  if (auto returns = dyn_cast<func::ReturnOp>(op)) {
    for (auto [i, value] : llvm::enumerate(returns.getOperands()))
      if (auto layout = entry.getResultAttrOfType<LayoutAttr>(unsigned(i), attribute::layout);
          layout && callStack.empty() && !checkDeclared(value, layout))
        return false;
    return true;
  }
  auto pass = [&](Value from, Value to) {
    maps.erase(to);
    if (const Map *map = mapOf(from))
      maps[to] = Map(*map);
  };
  if (auto claim = dyn_cast<AssertLayoutOp>(op))
    return pass(claim.getInput(), claim.getResult()), checkDeclared(claim.getInput(), claim.getLayout());
  if (isa<scf::ForOp, scf::IfOp>(op))
    return checkRegions(op);
  if (auto call = dyn_cast<func::CallOp>(op)) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
    if (!callee || callee.isExternal() || llvm::is_contained(callStack, callee) || !callee.getBody().hasOneBlock())
      return lacksRule("a call that cannot be followed");
    callStack.push_back(callee);
    for (auto [argument, operand] : llvm::zip(callee.getArguments(), op->getOperands()))
      pass(operand, argument);
    if (!checkBlock(callee.getBody().front()))
      return false;
    for (auto [result, value] : llvm::zip(op->getResults(), callee.getBody().front().getTerminator()->getOperands()))
      pass(value, result);
    callStack.pop_back();
    return true;
  }
  if (isa<nn::CacheAppendOp>(op))
    return checkComputation(op, nullptr);
  if (op->getNumResults() != 1)
    return true;
  maps.erase(op->getResult(0));
  const llvm::json::Object *record = next < records->size() ? (*records)[next].getAsObject() : nullptr;
  if (!record || record->getInteger("op") != numbers.lookup(op))
    return true; // Nothing is claimed: whatever uses it is refused.
  ++next;
  Map claimed;
  if (!readMap(op->getResult(0), record->get("map"), claimed))
    return false;
  maps[op->getResult(0)] = claimed;
  return checkMap(op, claimed);
}

bool Program::checkBlock(Block &block) {
  for (Operation &op : block)
    if (!checkOp(&op)) {
      faulty = faulty ? faulty : &op;
      return false;
    }
  return true;
}

bool Program::check(const llvm::json::Object &own) {
  records = own.getArray("values");
  isUnsupported = own.getBoolean("choices").value_or(false); // Other maps might do.
  if (!records)
    return reject("the certificate has no values");
  if (!readSignature(own))
    return false;
  for (BlockArgument argument : entry.getArguments())
    if (auto layout = entry.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout))
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        if (auto map = declaredMap(layout, shapeOf(type)))
          maps[argument] = *map;
  return checkBlock(entry.getBody().front()) &&
         (next == records->size() || reject("the certificate has maps of other operations"));
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
    if (!own || own->getString("name") != function.getSymName())
      return Fault{function.getLoc(), "the certificate has nothing of @" + function.getSymName().str()};
    if (auto why = own->getString("uncovered"))
      return Fault{function.getLoc(), why->str(), true};
    Program program(function, numbers);
    if (!program.check(*own))
      return Fault{program.faulty ? program.faulty->getLoc() : function.getLoc(), program.fault, program.isUnsupported};
  }
  if (index == 0 || index != functions.size())
    return Fault{module.getLoc(), "expected as many functions that declare layouts as the certificate has, " +
                                      std::to_string(functions.size()) + ", but got " + std::to_string(index)};
  return std::nullopt;
}

} // namespace muster::certificate
