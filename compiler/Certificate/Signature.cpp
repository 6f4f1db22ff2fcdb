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
  std::vector<std::string> names;
  for (AxisRefAttr axis : refs)
    names.push_back(getAxisName(axis));
  return groupOf(names);
}

static Size sizeOfGroup(const Run &group) {
  Size size(1);
  for (const Digit &part : group)
    size *= part.count;
  return size;
}

/// Sizes of axes and names. The certificate gives them; each must be what types and `muster.sizes` say, or open.
bool Program::readSignature(const llvm::json::Object &own) {
  const llvm::json::Object *given = own.getObject("sizes");
  if (!mesh || !entry.getBody().hasOneBlock() || !given)
    return reject("a function without a mesh or sizes, or of several blocks", true);
  for (const auto &[name, text] : *given)
    if (!readSize(text, sizes[name.str()]) || sizes[name.str()] == 0)
      return reject("the size of '" + name.str() + "' is none");
  for (MeshAxisAttr axis : mesh.getAxes()) {
    std::string name = axis.getName().str();
    axes[name] = ShapedType::isDynamic(axis.getSize()) ? sizes[name] : Size(axis.getSize());
    if (ShapedType::isDynamic(axis.getSize()) && !isOpenSize(axes[name], Size(1), name))
      return reject("axis '" + name + "' is open, and its size is not");
  }
  SmallVector<std::pair<LayoutAttr, RankedTensorType>> declared;
  auto note = [&](Attribute layout, Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && layout)
      declared.push_back({cast<LayoutAttr>(layout), tensor});
  };
  for (auto [i, type] : llvm::enumerate(entry.getArgumentTypes()))
    note(entry.getArgAttr(unsigned(i), attribute::layout), type);
  for (auto [i, type] : llvm::enumerate(entry.getResultTypes())) {
    note(entry.getResultAttr(unsigned(i), attribute::layout), type);
    if (auto layout = entry.getResultAttrOfType<LayoutAttr>(unsigned(i), attribute::layout))
      for (LayoutDimAttr dim : layout.getDims())
        for (LayoutTermAttr term : dim.getTerms())
          if (!dim.getSegmented())
            bound.insert(term.getName().str());
  }
  entry.walk([&](AssertLayoutOp claim) { note(claim.getLayout(), claim.getInput().getType()); });
  // What is known: stated, what is left of a dim of known size, and what is open.
  std::set<std::string> known;
  if (auto stated = entry->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : stated)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue());
          number && sizes[size.getName().str()] == number.getInt())
        known.insert(size.getName().str());
  if (auto facts = entry->getAttrOfType<FactsAttr>(attribute::facts))
    for (auto [divisor, name] : llvm::zip(facts.getDivisors(), facts.getDividends()))
      if (axes.count(divisor.str()) && isOpenSize(sizes[name.str()], axes[divisor.str()], name.str()))
        known.insert(name.str());
  for (size_t before = ~size_t(0); before != known.size();) {
    before = known.size();
    for (auto [layout, type] : declared)
      for (auto [i, dim] : llvm::enumerate(layout.getDims()))
        for (LayoutTermAttr term : dim.getSegmented() ? ArrayRef<LayoutTermAttr>() : dim.getTerms()) {
          std::string name = term.getName().str();
          bool isLast = i < size_t(type.getRank()) && !type.isDynamicDim(unsigned(i)) &&
                        llvm::all_of(
                            dim.getTerms(),
                            [&](LayoutTermAttr other) { return other == term || known.count(other.getName().str()); });
          if (isLast || isOpenSize(sizes[name], Size(1), name) ||
              isOpenSize(sizes[name], sizeOfGroup(axesOf(term.getAxes())), name))
            known.insert(name);
        }
  }
  for (auto [layout, type] : declared) { // Every layout must fit these sizes.
    for (LayoutDimAttr dim : layout.getDims())
      for (LayoutTermAttr term : dim.getTerms())
        if (!dim.getSegmented() && !known.count(term.getName().str()))
          return reject("nothing says that the size of '" + term.getName() + "' is what the certificate says");
    if (!declaredMap(layout, type))
      return false;
  }
  return true;
}

/// `prefix`, of a weight or state: names are its own.
std::optional<Map> Program::declaredMap(LayoutAttr layout, RankedTensorType local, const std::string &prefix) {
  Map map;
  auto fail = [&] { return reject("layout " + layout.getText() + " does not fit its tensor"), std::nullopt; };
  if (layout.getRank() != local.getRank())
    return fail();
  for (auto [i, dim] : llvm::enumerate(layout.getDims())) {
    Size whole(local.isDynamicDim(unsigned(i)) ? 0 : local.getDimSize(unsigned(i)));
    Dim parts;
    for (LayoutTermAttr term : dim.getTerms()) {
      std::string name = prefix + (term.getAnyOrder() ? "any(" + term.getName() + ")" : term.getName()).str();
      Run run = axesOf(term.getAxes());
      Size divisor = sizeOfGroup(run), size = whole * divisor;
      if (dim.getSegmented())
        size = Size(term.getExtent());
      else if (prefix.empty() || dim.getTerms().size() > 1)
        size = sizes[term.getName().str()];
      else if (whole == 0) // the pages of a state: as many as the session has
        for (int64_t k = symbolCount; k > 0 && !isOpenSize(size, divisor, "@" + name); --k)
          size = divisor * symbol(k);
      if (term.isRagged())
        return reject("ragged rows", true), std::nullopt;
      if (size == 0 || !divides(divisor, size))
        return fail();
      if (term.getAnyOrder())
        tags[name] = name;
      if (term.getOrder() == ChunkOrder::ZigZag) {
        name += " zigzag";
        zigZags[name] = int64_t(divisor);
        tags[name] = "zigzag over " + std::to_string(zigZags[name]);
      }
      if (spaces.try_emplace(name, size).first->second != size)
        return fail();
      bool isStripe = term.getOrder() == ChunkOrder::Stripe; // dealt one by one: the mesh digits are the minor ones
      Size stride = isStripe ? Size(1) : size / divisor;
      for (Digit &digit : llvm::reverse(run)) {
        digit.space = name;
        digit.stride = std::exchange(stride, stride * digit.count);
      }
      run.insert(isStripe ? run.begin() : run.end(), {size / divisor, isStripe ? divisor : Size(1), name});
      if (dim.getSegmented() || parts.empty())
        parts.push_back(run);
      else
        llvm::append_range(parts[0], run);
    }
    if (parts.empty() || (whole > 0 && localSize(parts) != whole))
      return fail();
    map.dims.push_back(parts);
  }
  for (PartialAttr partial : layout.getPartials())
    for (Digit digit : axesOf(partial.getAxes())) {
      digit.space = stringifyReductionKind(partial.getKind()).str();
      if (digit.count != 1)
        map.pending.push_back(digit);
    }
  llvm::append_range(spread, meshDigits(map.dims));
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
  return declaredMap(layout, *local, name.getValue().str() + ".");
}

std::optional<Number> Program::formOf(OpFoldResult value) {
  auto known = [](const Size &size) { return size > 0 ? std::optional<Number>(Number{size}) : std::nullopt; };
  if (std::optional<int64_t> number = getConstantIntValue(value))
    return *number < 0 ? std::nullopt : std::optional<Number>(Number{Size(*number)});
  if (auto argument = dyn_cast<BlockArgument>(cast<Value>(value))) {
    auto table = dyn_cast<tensor::GenerateOp>(argument.getOwner()->getParentOp());
    if (!table)
      return std::nullopt;
    std::optional<Number> size = formOf(table.getType().isDynamicDim(0)
                                            ? OpFoldResult(table.getDynamicExtents()[0])
                                            : OpFoldResult(Builder(table).getIndexAttr(table.getType().getDimSize(0))));
    return size && size->terms.empty() ? std::optional<Number>(Number::variable("#0", size->constant)) : std::nullopt;
  }
  Operation *op = cast<Value>(value).getDefiningOp();
  if (auto coordinate = dyn_cast<CoordinateOp>(op)) {
    Digit axis = groupOf({coordinate.getAxis().str()})[0];
    return Number() + Number{Size(0), {{"@" + axis.axis, axis.weight, axis.count, Size(1)}}};
  }
  if (isa<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp>(op))
    return formOf(op->getOperand(0));
  if (auto size = dyn_cast<SizeOp>(op)) {
    auto named = [&](StringRef name) { return axes.count(name.str()) ? axes[name.str()] : sizes[name.str()]; };
    Size dividend = named(size.getDividend()), divisor = size.getDivisor() ? named(*size.getDivisor()) : Size(1);
    return divides(divisor, dividend) ? known(dividend / divisor) : std::nullopt;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::vector<Size> shape = mapOf(dim.getSource()) ? shapeOf(dim.getSource()) : std::vector<Size>();
    auto at = size_t(dim.getConstantIndex().value_or(-1));
    return at < shape.size() ? known(shape[at]) : std::nullopt;
  }
  if (!isa<arith::AddIOp, arith::MulIOp>(op))
    return std::nullopt;
  std::optional<Number> a = formOf(op->getOperand(0)), b = formOf(op->getOperand(1));
  if (!a || !b || (isa<arith::MulIOp>(op) && !a->terms.empty() && !b->terms.empty()))
    return std::nullopt;
  return isa<arith::AddIOp>(op) ? *a + *b : a->terms.empty() ? *b * a->constant : *a * b->constant;
}

Size Program::sizeOf(OpFoldResult value) {
  std::optional<Number> number = formOf(value);
  return number && number->terms.empty() ? number->constant : Size(0);
}

bool Program::isUniform(Value scalar) {
  Operation *op = scalar.getDefiningOp();
  if (!op)
    return cast<BlockArgument>(scalar).getOwner() == &entry.getBody().front();
  return isa<arith::ConstantOp, SizeOp, tensor::DimOp>(op) ||
         (isa<arith::ArithDialect>(op->getDialect()) &&
          llvm::all_of(op->getOperands(), [&](Value operand) { return isUniform(operand); }));
}

} // namespace muster::certificate
