// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace muster::certificate {

/// An open size may be anything that the divisor divides: the divisor times a symbol of its own.
bool Program::isOpenSize(const Size &size, const Size &divisor, const std::string &name) {
  for (int64_t i = 1; i <= symbolCount; ++i)
    if (size == divisor * symbol(i))
      return symbols.try_emplace(symbol(i), name).first->second == name;
  return false;
}

/// Axes, or parts of them, as digits; one of count 0 where the mesh has no such axis.
Run Program::groupOf(ArrayRef<std::string> names) {
  Run group;
  for (StringRef name : names) {
    std::optional<AxisPart> part = findAxisPart(mesh, name);
    std::string axis = part ? mesh.getAxes()[size_t(part->index)].getName().str() : "";
    Size size = !part ? Size(0) : ShapedType::isDynamic(part->size) ? axes[axis] : Size(part->size);
    group.push_back({size, Size(0), "", axis, Size(part ? part->weight : 1)});
  }
  return group;
}

Run Program::groupOf(Operation *collective) {
  std::vector<std::string> names;
  if (auto given = collective->getAttrOfType<ArrayAttr>("axes"))
    for (StringRef name : given.getAsValueRange<StringAttr>())
      names.push_back(name.str());
  return groupOf(names);
}

Run Program::axesOf(ArrayRef<AxisRefAttr> refs) {
  return groupOf(llvm::to_vector(llvm::map_range(refs, [](AxisRefAttr axis) { return getAxisName(axis); })));
}

/// Sizes of axes and names: those that types and `muster.sizes` say. Only of open ones the certificate gives them.
bool Program::readSignature(const llvm::json::Object &own) {
  const llvm::json::Object *given = own.getObject("sizes");
  if (!mesh || !entry.getBody().hasOneBlock() || !given)
    return lacksRule("a function without a mesh or sizes, or of several blocks");
  auto isOpen = [&](StringRef name, const Size &divisor, Size &size) {
    const llvm::json::Value *text = given->get(name);
    return text && readSize(*text, size) && isOpenSize(size, divisor, name.str());
  };
  for (MeshAxisAttr axis : mesh.getAxes()) {
    Size &size = axes[axis.getName().str()] = Size(axis.getSize());
    if (ShapedType::isDynamic(axis.getSize()) && !isOpen(axis.getName(), Size(1), size))
      return reject("axis '" + axis.getName() + "' is open, and its size is not");
  }
  SmallVector<std::pair<LayoutAttr, std::vector<Size>>> declared;
  auto note = [&](Attribute layout, Type type) {
    if (isa<RankedTensorType>(type) && layout)
      declared.push_back({cast<LayoutAttr>(layout), shapeOf(type)});
  };
  for (auto [i, type] : llvm::enumerate(entry.getArgumentTypes()))
    note(entry.getArgAttr(unsigned(i), attribute::layout), type);
  for (auto [i, type] : llvm::enumerate(entry.getResultTypes()))
    note(entry.getResultAttr(unsigned(i), attribute::layout), type);
  for (unsigned i = 0; i < entry.getNumResults(); ++i)
    if (auto layout = entry.getResultAttrOfType<LayoutAttr>(i, attribute::layout))
      for (LayoutDimAttr dim : layout.getDims())
        for (LayoutTermAttr term : dim.getTerms())
          bound.insert(term.getName().str());
  entry.walk([&](AssertLayoutOp claim) { note(claim.getLayout(), claim.getInput().getType()); });
  if (auto stated = entry->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : stated)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue()); number && number.getInt() > 0)
        sizes[size.getName().str()] = Size(number.getInt());
  // The last size of a dim follows from the others; what no dim tells is open.
  std::map<std::string, std::vector<Size>> divisors;
  if (auto facts = entry->getAttrOfType<FactsAttr>(attribute::facts))
    for (auto [divisor, name] : llvm::zip(facts.getDivisors(), facts.getDividends()))
      if (axes.count(divisor.str()))
        divisors[name.str()].push_back(axes[divisor.str()]);
  for (size_t before = ~size_t(0); std::exchange(before, sizes.size()) != sizes.size();)
    for (const auto &[layout, shape] : declared)
      for (auto [dim, local] : llvm::zip(layout.getDims(), shape)) {
        Size whole = local;
        std::vector<std::string> left;
        for (LayoutTermAttr term : dim.getSegmented() ? ArrayRef<LayoutTermAttr>() : dim.getTerms()) {
          Size divisor = sizeOfGroup(axesOf(term.getAxes()));
          divisors[term.getName().str()].push_back(divisor);
          if (auto size = sizes.find(term.getName().str()); size == sizes.end())
            left.push_back(term.getName().str());
          else
            whole = divides(size->second, whole * divisor) ? whole * divisor / size->second : Size(0);
          if (!left.empty() && left.back() == term.getName())
            whole *= divisor;
        }
        if (left.size() == 1 && whole > 0)
          sizes[left[0]] = whole;
      }
  for (auto &[name, own] : divisors) {
    Size size(0);
    auto isIt = [&](const Size &divisor) { return isOpen(name, divisor, size); };
    if (!sizes.count(name) && (isIt(Size(1)) || llvm::any_of(own, isIt)))
      sizes[name] = size;
  }
  for (const auto &[name, text] : *given)
    if (auto known = sizes.find(name.str()); known != sizes.end()) {
      if (Size size; !readSize(text, size) || size != known->second)
        return reject("the size of '" + Twine(StringRef(name)) + "' is another");
    }
  return llvm::all_of(declared, [&](const auto &own) { return declaredMap(own.first, own.second).has_value(); });
}

/// `local`: 0 where it is open. `prefix`, of a weight or state: names are its own.
std::optional<Map> Program::declaredMap(LayoutAttr layout, std::vector<Size> local, const std::string &prefix) {
  Map map;
  auto fail = [&](bool isUnknown = false) {
    return reject("layout " + layout.getText() + " does not fit its tensor", isUnknown), std::nullopt;
  };
  if (size_t(layout.getRank()) != local.size())
    return fail();
  for (auto [dim, whole] : llvm::zip(layout.getDims(), local)) {
    Dim parts, there;
    for (LayoutTermAttr term : dim.getTerms()) {
      std::string name = prefix + term.getName().str();
      Run run = axesOf(term.getAxes());
      Size divisor = sizeOfGroup(run), size = whole * divisor;
      auto known = sizes.find(term.getName().str());
      if (dim.getSegmented())
        size = Size(term.getExtent());
      else if (dim.getTerms().size() > 1 || (prefix.empty() && whole == 0))
        size = known == sizes.end() ? Size(0) : known->second;
      else if (whole == 0) // the pages of a state: as many as the session has
        for (int64_t k = symbolCount; k > 0 && !isOpenSize(size, divisor, "@" + name); --k)
          size = divisor * symbol(k);
      if (term.isRagged() || term.getAnyOrder() || term.getOrder() == ChunkOrder::ZigZag)
        return reject("ragged rows, or heads or chunks out of order", true), std::nullopt;
      if (size == 0)
        return fail(true);
      if (!divides(divisor, size) || spaces.try_emplace(name, size).first->second != size)
        return fail();
      bool isStripe = term.getOrder() == ChunkOrder::Stripe; // dealt one by one: the mesh digits are the minor ones
      Size stride = isStripe ? Size(1) : size / divisor;
      for (Digit &digit : llvm::reverse(run)) {
        digit.space = name;
        digit.stride = std::exchange(stride, stride * digit.count);
      }
      run.push_back({size / divisor, isStripe ? divisor : Size(1), name});
      if (dim.getSegmented() || parts.empty()) {
        parts.emplace_back();
        there.emplace_back();
      }
      llvm::append_range(parts.back(), run);
      there.back().push_back({size, Size(1), name});
    }
    if (parts.empty() || (whole > 0 && localSize(parts) != whole))
      return fail();
    map.dims[OnMesh].push_back(parts);
    map.dims[OnOneRank].push_back(there);
  }
  for (PartialAttr partial : layout.getPartials())
    for (Digit digit : axesOf(partial.getAxes())) {
      digit.space = stringifyReductionKind(partial.getKind()).str();
      if (digit.count != 1)
        map.pending.push_back(digit);
    }
  return map;
}

std::optional<Map> Program::declaredMap(Operation *op, FlatSymbolRefAttr name) {
  Operation *declared = SymbolTable::lookupNearestSymbolFrom(op, name);
  auto weight = dyn_cast_or_null<WeightOp>(declared);
  auto state = dyn_cast_or_null<StateOp>(declared);
  LayoutAttr layout = weight ? weight.getLayout() : state ? state.getLayout() : LayoutAttr();
  auto local = layout ? getLocalType(weight ? weight.getLogicalType() : state.getLogicalType(), layout, mesh,
                                     [](const Twine &) {})
                      : FailureOr<RankedTensorType>(failure());
  if (failed(local))
    return reject("no layout that fits @" + name.getValue()), std::nullopt;
  return declaredMap(layout, shapeOf(*local), name.getValue().str() + ".");
}

std::optional<Number> Program::formOf(OpFoldResult value, World world, const Place &place) {
  if (std::optional<int64_t> number = getConstantIntValue(value))
    return *number < 0 ? std::nullopt : std::optional(Number{Size(*number)});
  Operation *op = cast<Value>(value).getDefiningOp();
  if (!op)
    return isa<tensor::GenerateOp>(cast<BlockArgument>(cast<Value>(value)).getOwner()->getParentOp())
               ? std::optional(place.index[0])
               : std::nullopt;
  if (auto coordinate = dyn_cast<CoordinateOp>(op))
    return world == OnOneRank ? Number() : coordinateOf(groupOf({coordinate.getAxis().str()})[0], place);
  if (isa<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp>(op))
    return formOf(op->getOperand(0), world, place);
  if (auto size = dyn_cast<SizeOp>(op)) {
    auto named = [&](StringRef name) {
      auto axis = axes.find(name.str()), dim = sizes.find(name.str());
      return axis != axes.end()   ? (world == OnOneRank ? Size(1) : axis->second)
             : dim == sizes.end() ? Size(0)
                                  : dim->second;
    };
    Size dividend = named(size.getDividend()), divisor = size.getDivisor() ? named(*size.getDivisor()) : Size(1);
    return dividend > 0 && divides(divisor, dividend) ? std::optional(Number{dividend / divisor}) : std::nullopt;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    const Map *map = mapOf(dim.getSource());
    auto at = size_t(dim.getConstantIndex().value_or(-1));
    return map && at < map->dims[world].size() ? std::optional(Number{map->shape(world)[at]}) : std::nullopt;
  }
  if (!isa<arith::AddIOp, arith::MulIOp>(op))
    return std::nullopt;
  std::optional<Number> a = formOf(op->getOperand(0), world, place), b = formOf(op->getOperand(1), world, place);
  if (!a || !b || (isa<arith::MulIOp>(op) && !a->terms.empty() && !b->terms.empty()))
    return std::nullopt;
  return isa<arith::AddIOp>(op) ? *a + *b : a->terms.empty() ? *b * a->constant : *a * b->constant;
}

bool Program::isUniform(Value scalar) {
  Operation *op = scalar.getDefiningOp();
  if (!op)
    return cast<BlockArgument>(scalar).getOwner() == &entry.getBody().front();
  auto size = dyn_cast<SizeOp>(op);
  return isa<arith::ConstantOp>(op) || (size && !size.getDivisor() && !axes.count(size.getDividend().str())) ||
         (isa<arith::ArithDialect>(op->getDialect()) &&
          llvm::all_of(op->getOperands(), [&](Value operand) { return isUniform(operand); }));
}

} // namespace muster::certificate
