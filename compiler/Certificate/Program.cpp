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
  if (!text || !fromJSON(*text, map, root) || !type || (map.isNumber ? 0 : size_t(type.getRank())) != map.dims.size())
    return reject("the map is not one of the result");
  if (map.isNumber)
    return map.pending.empty() || reject("a number is not to be reduced");
  for (unsigned d = 0; d < type.getRank(); ++d)
    if (!type.isDynamicDim(d) && localSize(map.dims[d]) != type.getDimSize(d))
      return reject("the map does not fit dim " + Twine(d));
  Run digits = meshDigits(map.dims);
  llvm::append_range(digits, map.pending);
  return areDisjoint(digits) || reject("two digits use one part of an axis");
}

bool Program::isSameMap(const Map &a, const Map &b) const {
  return a.dims.size() == b.dims.size() && isPermuted(a.pending, b.pending) &&
         llvm::all_of(llvm::zip(a.dims, b.dims),
                      [&](auto dims) { return isSame(std::get<0>(dims), std::get<1>(dims), axes); });
}

/// Whether what has the one map may pass as the other: the same, or a number.
bool Program::mayPass(const Map *map, const Map &as) const {
  auto isPart = [&](const Digit &digit) { // What a number reduced with itself is.
    return map->isZero ? digit.space != "product" : digit.space == "max" || digit.space == "min";
  };
  return map && (map->isZero || !as.isZero) && (map->isNumber || !as.isNumber) &&
         (map->isNumber ? llvm::all_of(as.pending, isPart) : isSameMap(*map, as));
}

/// The claimed map of the only result follows from the maps of the operands.
bool Program::checkMap(Operation *op, const Map &claimed) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  std::optional<Map> expected;
  DenseElementsAttr elements;
  bool isSplat = matchPattern(op, m_Constant(&elements)) && elements.isSplat();
  std::string number = std::to_string(numbers.lookup(op));
  if (isSplat || (isa<linalg::FillOp, tensor::SplatOp>(op) && isUniform(op->getOperand(0)))) {
    auto isZero = [](auto value) { return matchPattern(value, m_AnyZeroFloat()) || matchPattern(value, m_Zero()); };
    return (claimed.isNumber &&
            (!claimed.isZero || (isSplat ? isZero(op->getResult(0)) : isZero(op->getOperand(0))))) ||
           reject("the map is not that of one number");
  }
  if (auto load = dyn_cast<LoadOp>(op)) {
    expected = declaredMap(op, load.getWeightAttr());
  } else if (isa<arith::ConstantOp>(op)) { // the same numbers on every rank: spaces of its own
    expected.emplace();
    for (auto [i, size] : llvm::enumerate(type.getShape()))
      expected->dims.push_back({{{Size(size), Size(1), "constant " + number + "." + std::to_string(i)}}});
  } else if (auto generate = dyn_cast<tensor::GenerateOp>(op)) { // a rank's part of 0, 1, 2, ...
    std::optional<Number> form =
        type.getRank() == 1 ? formOf(generate.getBody().front().getTerminator()->getOperand(0)) : std::nullopt;
    Positions positions;
    bool isTable = form && !claimed.isNumber && positionsOf(claimed.dims[0], positions) && positions.size() <= 1 &&
                   claimed.pending.empty();
    return (isTable && positions["positions " + number] == *form &&
            (!type.isDynamicDim(0) || localSize(claimed.dims[0]) == sizeOf(generate.getDynamicExtents()[0]))) ||
           reject("a table that is no index + coordinate * size", true);
  } else {
    return isMovement(op) ? checkMovement(op, claimed) : checkComputation(op, &claimed);
  }
  return (expected && mayPass(&*expected, claimed)) || reject("the map is not what is declared");
}

/// Branches and loops. The certificate has the maps of the results, and so of what is yielded and carried.
bool Program::checkRegions(Operation *op) {
  for (Value operand : op->getOperands())
    if (!isa<RankedTensorType>(operand.getType()) && !isUniform(operand))
      return reject("a condition, bound or carried number that may differ between ranks", true);
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

bool Program::checkDeclared(Value value, LayoutAttr layout, Map &declared) {
  std::optional<Map> wanted = declaredMap(layout, cast<RankedTensorType>(value.getType()));
  const Map *map = mapOf(value);
  if (!wanted)
    return false;
  declared = *wanted;
  if (!map)
    return declared.pending.empty() ? checkElements(value, declared)
                                    : reject("a value without a map is still to be reduced");
  if (mayPass(map, declared))
    return true;
  if (!isPermuted(map->pending, declared.pending))
    return reject("a value is not reduced as declared");
  for (auto [dim, own] : llvm::zip(map->dims, declared.dims)) {
    std::set<std::string> names = bound;
    for (const Run &run : own)
      for (const Digit &digit : run)
        names.insert(digit.space);
    for (const Run &run : dim)
      for (const Digit &digit : run)
        if (!isSame(dim, own, axes) && names.count(digit.space))
          return reject("a dim holds other positions of '" + digit.space + "' than declared");
    if (!checkAgree(*map, dim, declared, own))
      return false;
  }
  return true;
}

bool Program::checkOp(Operation *op) {
  Map declared;
  if (auto returns = dyn_cast<func::ReturnOp>(op)) {
    for (auto [i, value] : llvm::enumerate(returns.getOperands()))
      if (auto layout = entry.getResultAttrOfType<LayoutAttr>(unsigned(i), attribute::layout);
          layout && callStack.empty() && !checkDeclared(value, layout, declared))
        return false;
    return true;
  }
  if (auto claim = dyn_cast<AssertLayoutOp>(op)) {
    if (!checkDeclared(claim.getInput(), claim.getLayout(), declared))
      return false;
    const Map *map = mapOf(claim.getInput()); // What was shown place by place has the declared map from here on.
    maps[claim.getResult()] = map ? Map(*map) : declared;
    return true;
  }
  if (isa<scf::ForOp, scf::IfOp>(op))
    return checkRegions(op);
  if (auto call = dyn_cast<func::CallOp>(op)) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
    if (!callee || callee.isExternal() || llvm::is_contained(callStack, callee) || !callee.getBody().hasOneBlock())
      return reject("a call that cannot be followed", true);
    auto pass = [&](Value from, Value to) {
      maps.erase(to);
      if (const Map *map = mapOf(from))
        maps[to] = Map(*map);
    };
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
  llvm::json::Path::Root root;
  for (const llvm::json::Value &record : *records) // What is on the mesh anywhere in the function.
    if (Map map; record.getAsObject() && record.getAsObject()->get("map") &&
                 fromJSON(*record.getAsObject()->get("map"), map, root))
      llvm::append_range(spread, meshDigits(map.dims));
  for (BlockArgument argument : entry.getArguments())
    if (auto layout = entry.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout))
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        if (auto map = declaredMap(layout, type))
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
