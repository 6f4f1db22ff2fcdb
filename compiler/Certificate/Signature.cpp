// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

#include "mlir/IR/Matchers.h"

#include <functional>

using namespace mlir;

namespace muster::certificate {

Size Program::symbol(const std::string &name) {
  // Primes below 2^63: no number of a program has one as a factor.
  static constexpr int64_t distances[] = {25, 165, 259, 301, 375, 387, 391, 409, 457, 471};
  if (symbols.size() >= std::size(distances))
    unsupported("more than " + Twine(std::size(distances)) + " symbolic sizes");
  int64_t prime = std::numeric_limits<int64_t>::max() - distances[symbols.size() % std::size(distances)] + 1;
  return symbols.try_emplace(name, Size(prime)).first->second;
}

/// 0 for an axis that is not there, and for a part that does not divide its axis.
Size Program::axisSize(AxisRefAttr axis) {
  auto known = axes.find(axis.getName().str());
  if (known == axes.end() || axis.isWholeAxis())
    return known == axes.end() ? Size(0) : known->second;
  return divides(Size(axis.getSize() * axis.getWeight()), known->second) ? Size(axis.getSize()) : Size(0);
}

Size Program::divisorOf(LayoutTermAttr term) {
  Size divisor(1);
  for (AxisRefAttr axis : term.getAxes())
    divisor *= axisSize(axis);
  return divisor;
}

/// Sizes of axes and names. They follow from types and `muster.sizes`; a name that no type fixes is a symbol times what
/// layouts and facts divide it by.
void Program::readSignature() {
  MeshAttr mesh = getMesh(entry);
  if (!mesh || !entry.getBody().hasOneBlock())
    return unsupported("a function without a mesh, or of several blocks");
  for (MeshAxisAttr axis : mesh.getAxes())
    axes[axis.getName().str()] =
        ShapedType::isDynamic(axis.getSize()) ? symbol(axis.getName().str()) : Size(axis.getSize());
  // Rules here move whole axes; layouts may name parts.
  auto isAxis = [&](StringRef name) { return axes.count(name.str()) != 0; };
  auto isWhole = [](AxisRefAttr axis) { return axis.isWholeAxis(); };
  WalkResult whole = entry->getParentOfType<ModuleOp>().walk([&](Operation *op) {
    auto group = op->getAttrOfType<ArrayAttr>("axes");
    auto coordinate = dyn_cast<CoordinateOp>(op);
    bool isFine = (!coordinate || isAxis(coordinate.getAxis())) &&
                  (!group || llvm::all_of(group.getAsValueRange<StringAttr>(), isAxis));
    if (auto own = dyn_cast<RedistributeOp>(op))
      for (LayoutAttr layout : {own.getFrom(), own.getTo()}) {
        for (LayoutDimAttr dim : layout.getDims())
          for (LayoutTermAttr term : dim.getTerms())
            isFine &= llvm::all_of(term.getAxes(), isWhole);
        for (PartialAttr partial : layout.getPartials())
          isFine &= llvm::all_of(partial.getAxes(), isWhole);
      }
    return isFine ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (whole.wasInterrupted())
    return unsupported("movement over a part of an axis");
  SmallVector<std::pair<LayoutAttr, RankedTensorType>> declared;
  auto note = [&](LayoutAttr layout, Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && layout && layout.getRank() == tensor.getRank())
      declared.push_back({layout, tensor});
  };
  for (auto [i, type] : llvm::enumerate(entry.getArgumentTypes()))
    note(entry.getArgAttrOfType<LayoutAttr>(unsigned(i), attribute::layout), type);
  for (auto [i, type] : llvm::enumerate(entry.getResultTypes())) {
    auto layout = entry.getResultAttrOfType<LayoutAttr>(unsigned(i), attribute::layout);
    note(layout, type);
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      for (LayoutTermAttr term : dim.getSegmented() ? Terms() : dim.getTerms())
        bound.insert(term.getName().str());
  }
  entry.walk([&](AssertLayoutOp claim) { note(claim.getLayout(), claim.getInput().getType()); });
  if (auto given = entry->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : given)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue()); number && number.getInt() > 0)
        sizes[size.getName().str()] = Size(number.getInt());
  std::map<std::string, Size> divisors; // of names that no type fixes
  auto noteDivisor = [&](const std::string &name, const Size &divisor) {
    Size &known = divisors.try_emplace(name, divisor).first->second;
    if (!divides(known, divisor) && !divides(divisor, known))
      unsupported("dim '" + name + "' is divided in two ways of which neither divides the other");
    known = divides(known, divisor) ? divisor : known;
  };
  for (bool isChanged = true; isChanged && fault.empty();) {
    isChanged = false;
    for (auto [layout, type] : declared)
      for (auto [i, dim] : llvm::enumerate(layout.getDims())) {
        Size left(type.isDynamicDim(unsigned(i)) ? 0 : type.getDimSize(unsigned(i))); // 0: not known
        SmallVector<std::string, 2> open;
        for (LayoutTermAttr term : dim.getSegmented() ? Terms() : dim.getTerms()) {
          auto known = sizes.find(term.getName().str());
          left *= divisorOf(term);
          if (known != sizes.end())
            left = divides(known->second, left) ? left / known->second : Size(0);
          else
            open.push_back(term.getName().str()), noteDivisor(open.back(), divisorOf(term));
        }
        if (open.size() == 1 && left > 0)
          isChanged = sizes.try_emplace(open[0], left).second;
      }
  }
  if (auto facts = entry->getAttrOfType<FactsAttr>(attribute::facts))
    for (auto [divisor, dividend] : llvm::zip(facts.getDivisors(), facts.getDividends()))
      if (auto size = axes.find(divisor.str()); size != axes.end() && divisors.count(dividend.str()))
        noteDivisor(dividend.str(), size->second);
  for (const auto &[name, divisor] : divisors)
    if (!sizes.count(name))
      sizes[name] = divisor * symbol(name);
  for (auto [layout, type] : declared) // Every layout must fit these sizes.
    (void)declaredMap(layout, type);
}

/// `prefix`, of a weight or state: names are its own.
Map Program::declaredMap(LayoutAttr layout, RankedTensorType local, const std::string &prefix) {
  Map map;
  if (layout.getRank() != local.getRank())
    return reject("layout " + layout.getText() + " is of another rank than its tensor"), Map();
  for (auto [i, dim] : llvm::enumerate(layout.getDims())) {
    Size whole(local.isDynamicDim(unsigned(i)) ? 0 : local.getDimSize(unsigned(i)));
    map.dims.emplace_back(dim.getSegmented() ? 0 : 1);
    for (LayoutTermAttr term : dim.getTerms()) {
      Size divisor = divisorOf(term), size = whole * divisor, stride(1);
      if (dim.getSegmented())
        size = Size(term.getExtent());
      else if (prefix.empty() || dim.getTerms().size() > 1)
        size = sizes.count(term.getName().str()) ? sizes.at(term.getName().str()) : Size(0);
      else if (whole == 0) // the pages of a state: as many as the session has
        size = divisor * symbol("@" + term.getName().str());
      if (term.isRagged())
        unsupported("ragged rows");
      if (size == 0 || !divides(divisor, size))
        return reject("layout " + layout.getText() + " does not divide dim '" + term.getName() + "'"), Map();
      std::string name = prefix + (term.getAnyOrder() ? "any(" + term.getName() + ")" : term.getName()).str();
      if (term.getAnyOrder())
        tags[name] = name;
      if (term.getOrder() == ChunkOrder::ZigZag) {
        name += " zigzag";
        zigZags[name] = divisor;
        tags[name] = "zigzag over " + print({{{divisor, Size(1), "", ""}}});
      }
      if (spaces.try_emplace(name, size).first->second != size)
        return reject("dim '" + name + "' has another size elsewhere than in " + layout.getText()), Map();
      bool isStripe = term.getOrder() == ChunkOrder::Stripe; // dealt one by one: the mesh digits are the minor ones
      Run run;
      stride = isStripe ? Size(1) : size / divisor;
      for (AxisRefAttr axis : llvm::reverse(term.getAxes())) {
        Size weight(axis.isWholeAxis() ? 1 : axis.getWeight());
        run.insert(run.begin(), {axisSize(axis), stride, name, axis.getName().str(), weight});
        stride *= axisSize(axis);
      }
      run.insert(isStripe ? run.begin() : run.end(), {size / divisor, isStripe ? divisor : Size(1), name, ""});
      if (dim.getSegmented())
        map.dims[i].push_back(run);
      else
        llvm::append_range(map.dims[i][0], run);
    }
    if (whole > 0 && localSize(map.dims[i]) != whole)
      return reject("layout " + layout.getText() + " does not fit dim " + Twine(i) + " of its tensor"), Map();
  }
  for (PartialAttr partial : layout.getPartials())
    for (AxisRefAttr axis : partial.getAxes())
      if (axisSize(axis) != 1)
        map.pending.push_back({axisSize(axis), Size(0), stringifyReductionKind(partial.getKind()).str(),
                               axis.getName().str(), Size(axis.isWholeAxis() ? 1 : axis.getWeight())});
  map.kind = Map::Digits;
  normalise(map);
  llvm::append_range(spread, meshDigits(map));
  return map;
}

Map Program::declaredMap(Operation *op, FlatSymbolRefAttr symbol) {
  Operation *declared = SymbolTable::lookupNearestSymbolFrom(op, symbol);
  auto weight = dyn_cast_or_null<WeightOp>(declared);
  auto state = dyn_cast_or_null<StateOp>(declared);
  if (!weight && !state)
    return reject("references unknown weight or state"), Map();
  LayoutAttr layout = weight ? weight.getLayout() : state.getLayout();
  auto local = getLocalType(weight ? weight.getLogicalType() : state.getLogicalType(), layout, getMesh(op),
                            [](const Twine &) {});
  if (failed(local))
    return reject("layout " + layout.getText() + " does not fit @" + symbol.getValue()), Map();
  return declaredMap(layout, *local, symbol.getValue().str() + ".");
}

/// 0: not known.
Size Program::sizeOf(OpFoldResult size) {
  if (auto attribute = dyn_cast<Attribute>(size))
    return Size(cast<IntegerAttr>(attribute).getInt());
  Operation *op = cast<Value>(size).getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantIndexOp>(op))
    return Size(std::max<int64_t>(constant.value(), 0));
  auto named = [&](StringRef name) {
    auto axis = axes.find(name.str()), dim = sizes.find(name.str());
    return axis != axes.end() ? axis->second : dim != sizes.end() ? dim->second : Size(0);
  };
  if (auto own = dyn_cast_or_null<SizeOp>(op)) {
    Size dividend = named(own.getDividend()), divisor = own.getDivisor() ? named(*own.getDivisor()) : Size(1);
    return divides(divisor, dividend) ? dividend / divisor : Size(0);
  }
  auto dim = dyn_cast_or_null<tensor::DimOp>(op);
  Map known = dim ? mapOf(dim.getSource()) : Map();
  auto at = size_t(dim ? dim.getConstantIndex().value_or(-1) : -1);
  return known.kind == Map::Digits && at < known.dims.size() ? localSize(known.dims[at]) : Size(0);
}

/// Whether a number is the same on all ranks: constants, sizes, and what is computed from them.
bool Program::isUniformScalar(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return cast<BlockArgument>(value).getOwner() == &entry.getBody().front();
  return isa<arith::ConstantOp, SizeOp, tensor::DimOp>(op) ||
         (isa<arith::ArithDialect>(op->getDialect()) &&
          llvm::all_of(op->getOperands(), [&](Value operand) { return isUniformScalar(operand); }));
}

/// The axes, outer to inner, whose position times `part` an index is; plus `own`, once, if it is given.
std::optional<Axes> Program::groupOfOffset(Value offset, const Size &part, Value own) {
  std::map<std::string, Size> terms;
  int64_t owns = 0;
  std::function<bool(Value, Size)> collect = [&](Value value, const Size &factor) {
    if (own && value == own)
      return ++owns == 1 && factor == 1;
    Operation *op = value.getDefiningOp();
    if (auto coordinate = dyn_cast_or_null<CoordinateOp>(op))
      return terms.emplace(coordinate.getAxis().str(), factor).second;
    if (isa_and_nonnull<arith::AddIOp>(op))
      return collect(op->getOperand(0), factor) && collect(op->getOperand(1), factor);
    for (unsigned i : {0u, 1u})
      if (Size size = isa_and_nonnull<arith::MulIOp>(op) ? sizeOf(op->getOperand(i)) : Size(0); size > 0)
        return collect(op->getOperand(1 - i), factor * size);
    return matchPattern(value, m_Zero());
  };
  if (!collect(offset, Size(1)) || owns != (own ? 1 : 0))
    return std::nullopt;
  Axes group;
  for (Size step = part; !terms.empty();) {
    auto inner = llvm::find_if(terms, [&](const auto &term) { return term.second == step || axes[term.first] == 1; });
    if (inner == terms.end())
      return std::nullopt;
    step *= axes[inner->first];
    group.insert(group.begin(), inner->first);
    terms.erase(inner);
  }
  return group;
}

} // namespace muster::certificate
