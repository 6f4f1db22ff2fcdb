// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutScope.h"

#include "compiler/Analysis/ChunkOrders.h"

#include "compiler/Layout/NormalForm.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using layout::Digit;
using layout::Dim;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

static Refusal wrong(std::string message) { return {Refusal::Kind::Wrong, std::move(message), ""}; }
static Refusal unknown(std::string message, std::string fact = "") {
  return {Refusal::Kind::Unknown, std::move(message), std::move(fact)};
}

static std::optional<Size> staticSize(RankedTensorType type, unsigned dim) {
  if (type.isDynamicDim(dim))
    return std::nullopt;
  return Size(type.getDimSize(dim));
}

SmallVector<layout::AxisId, 2> LayoutScope::groupOf(StringRef axis) const {
  SmallVector<layout::AxisId, 2> group;
  std::optional<AxisPart> part = findAxisPart(digits->mesh, axis);
  if (!part)
    return group;
  // Digits stand from the outermost on.
  SmallVector<AxisPart, 2> all = digits->digitsOf(part->index), own = digits->digitsOf(*part);
  for (auto [index, digit] : llvm::enumerate(all))
    if (llvm::any_of(own, [&](const AxisPart &other) { return other.weight == digit.weight; }))
      group.push_back(firstDigit[static_cast<size_t>(part->index)] + static_cast<layout::AxisId>(index));
  return group;
}

SmallVector<layout::AxisId, 2> LayoutScope::groupOf(ArrayAttr axes) const {
  SmallVector<layout::AxisId, 2> group;
  for (StringRef axis : axes.getAsValueRange<StringAttr>())
    llvm::append_range(group, groupOf(axis));
  return group;
}

SmallVector<layout::AxisId, 2> LayoutScope::groupOf(ArrayRef<AxisRefAttr> axes) const {
  SmallVector<layout::AxisId, 2> group;
  for (AxisRefAttr axis : axes)
    llvm::append_range(group, axis.isWholeAxis() ? groupOf(axis.getName()) : groupOf(getAxisName(axis)));
  return group;
}

std::optional<Size> LayoutScope::sizeOf(StringRef name) const {
  if (digits->mesh.findAxis(name) >= 0)
    return universe.sizeOf(groupOf(name));
  auto known = sizes.find(name);
  if (known == sizes.end() || rows.contains(name))
    return std::nullopt;
  return known->second;
}

std::optional<Refusal> LayoutScope::learnRows(ArrayRef<std::pair<LayoutAttr, RankedTensorType>> declared) {
  for (auto [layout, type] : declared)
    for (auto [index, dim] : llvm::enumerate(layout.getDims()))
      for (LayoutTermAttr term : dim.getTerms()) {
        if (!term.isRagged())
          continue;
        std::string name = term.getName().str();
        if (dim.getSegmented() || dim.getTerms().size() != 1 || term.getAxes().empty() || term.getAnyOrder() ||
            term.getOrder() != ChunkOrder::Contiguous)
          return unknown("rows '" + name + "' in " + layout.getText() + ", which are not a dim of their own over axes",
                         "a dim of one name, divided over axes by counts");
        if (!type.isDynamicDim(static_cast<unsigned>(index)) || (sizes.contains(name) && !rows.contains(name)))
          return unknown("rows '" + name + "' of a size that their type fixes", "a dynamic dim, of which counts tell");
        if (Outcome<Size> divisor = divisorOf(term); !divisor)
          return divisor.getRefusal();
        layout::Rows own{term.getEpoch().str(), term.getUnit().str(), groupOf(term.getAxes()), 1};
        std::optional<Size> part = universe.symbols.add(own.unit + "@" + own.batch);
        if (!part)
          return unknown("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes");
        own.part = *part;
        for (const auto &[other, known] : rows)
          if (known.batch == own.batch && (other == name || known.unit == own.unit) &&
              (!known.isSameBatch(own) || (other == name && known.unit != own.unit)))
            return unknown("batch @" + own.batch + " is divided over other axes in " + layout.getText() + " than '" +
                               other.str() + "' elsewhere",
                           "one division of each batch, or batches of their own");
        auto [known, isNew] = rows.try_emplace(name, own);
        if (!isNew && known->second.batch != own.batch)
          return wrong("rows '" + name + "' are of batch @" + known->second.batch + " in one layout and of @" +
                       own.batch + " in " + layout.getText());
        sizes.try_emplace(name, universe.sizeOf(own.axes) * own.part);
      }
  // A name that is of rows is so in all layouts.
  for (auto [layout, type] : declared)
    for (LayoutDimAttr dim : layout.getDims())
      for (LayoutTermAttr term : dim.getTerms()) {
        if (term.isRagged() || !rows.contains(term.getName()))
          continue;
        if (!term.getAxes().empty())
          return wrong("dim '" + term.getName().str() + "' is divided by counts elsewhere but in equal parts in " +
                       layout.getText());
        if (dim.getTerms().size() != 1 || term.getAnyOrder())
          return unknown("rows '" + term.getName().str() + "' in " + layout.getText() +
                             ", which are no dim of their own",
                         "a dim of one name");
      }
  return std::nullopt;
}

Outcome<Size> LayoutScope::divisorOf(LayoutTermAttr term) const {
  for (AxisRefAttr axis : term.getAxes())
    if (axis.isWholeAxis() ? digits->mesh.findAxis(axis.getName()) < 0 : !findAxisPart(digits->mesh, getAxisName(axis)))
      return wrong("references unknown axis '" + getAxisName(axis) + "'");
  return universe.sizeOf(groupOf(term.getAxes()));
}

std::optional<Refusal> LayoutScope::learnSizes(LayoutAttr layout, RankedTensorType local) {
  if (layout.getRank() != local.getRank())
    return wrong("layout " + layout.getText() + " has " + std::to_string(layout.getRank()) +
                 " dims but its tensor has " + std::to_string(local.getRank()));
  for (auto [index, dim] : llvm::enumerate(layout.getDims())) {
    if (dim.getSegmented() || dim.getTerms().size() != 1)
      continue;
    LayoutTermAttr term = dim.getTerms().front();
    std::optional<Size> size = staticSize(local, static_cast<unsigned>(index));
    Outcome<Size> divisor = divisorOf(term);
    if (!divisor)
      return divisor.getRefusal();
    if (!size)
      continue;
    Size logical = *size * *divisor;
    if (!logical.isValid())
      return wrong("dim '" + term.getName().str() + "' has more than 2^63 positions");
    auto [known, isNew] = sizes.try_emplace(term.getName(), logical);
    if (!isNew && !(known->second == logical))
      return wrong("dim '" + term.getName().str() + "' has size " + known->second.print(universe.symbols.getNames()) +
                   " in one layout and " + logical.print(universe.symbols.getNames()) + " in " + layout.getText());
  }
  return std::nullopt;
}

Outcome<LayoutScope> LayoutScope::make(func::FuncOp function, const AxisDigits &digits, bool inEqualParts) {
  LayoutScope scope(digits);
  if (!digits.getSymbolic().empty())
    return unknown("a part of axis '" + digits.getSymbolic().str() + "' of symbolic size",
                   "the size of '" + digits.getSymbolic().str() + "'");
  if (AxisDigits::Conflict conflict = digits.findConflict(); !conflict.axis.empty())
    return unknown("the parts of axis '" + conflict.axis.str() + "' do not nest: one begins at weight " +
                       std::to_string(conflict.lesser) + ", one at " + std::to_string(conflict.greater),
                   "parts that begin at weights that divide one another");
  for (auto [index, axis] : llvm::enumerate(digits.mesh.getAxes())) {
    scope.firstDigit.push_back(static_cast<layout::AxisId>(scope.universe.axes.size()));
    if (digits.isSplit(static_cast<int64_t>(index))) {
      for (const AxisPart &digit : digits.digitsOf(static_cast<int64_t>(index)))
        scope.universe.axes.push_back({digits.nameOf(digit), digit.size, axis.getName().str(), digit.weight});
      continue;
    }
    Size size = axis.getSize();
    if (ShapedType::isDynamic(axis.getSize())) {
      std::optional<Size> symbol = scope.universe.symbols.add(axis.getName());
      if (!symbol)
        return unknown("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes");
      size = *symbol;
    }
    scope.universe.axes.push_back({axis.getName().str(), size});
  }
  SmallVector<std::pair<LayoutAttr, RankedTensorType>, 8> declared;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout))
      if (auto type = dyn_cast<RankedTensorType>(function.getArgument(i).getType()))
        declared.push_back({layout, type});
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (auto layout = function.getResultAttrOfType<LayoutAttr>(i, attribute::layout))
      if (auto type = dyn_cast<RankedTensorType>(function.getResultTypes()[i]))
        declared.push_back({layout, type});
  function.walk([&](AssertLayoutOp claim) {
    declared.push_back({claim.getLayout(), cast<RankedTensorType>(claim.getInput().getType())});
  });
  for (auto [layout, type] : declared)
    if (std::optional<Refusal> refusal = scope.learnSizes(layout, type))
      return *refusal;
  if (std::optional<Refusal> refusal = scope.learnRows(declared))
    return *refusal;

  if (auto given = function->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : given)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue())) {
        auto [known, isNew] = scope.sizes.try_emplace(size.getName(), Size(number.getInt()));
        if (number.getInt() < 1 || (!isNew && !(known->second == Size(number.getInt()))))
          return wrong("dim '" + size.getName().str() + "' has size " + known->second.print() + " but is given as " +
                       std::to_string(number.getInt()));
      }
  // Products of names with static sizes: the one that is open is what is left.
  for (bool isChanged = true; isChanged;) {
    isChanged = false;
    for (auto [layout, type] : declared)
      for (auto [index, dim] : llvm::enumerate(layout.getDims())) {
        std::optional<Size> left = staticSize(type, static_cast<unsigned>(index));
        if (dim.getSegmented() || dim.getTerms().size() < 2 || !left)
          continue;
        SmallVector<LayoutTermAttr, 2> open;
        for (LayoutTermAttr term : dim.getTerms()) {
          Outcome<Size> divisor = scope.divisorOf(term);
          if (!divisor)
            return divisor.getRefusal();
          *left *= *divisor;
          auto known = scope.sizes.find(term.getName());
          if (known == scope.sizes.end())
            open.push_back(term);
          else if (std::optional<Size> rest = layout::divide(*left, known->second))
            left = *rest;
          else
            return wrong("the product of sizes in " + layout.getText() + " is not that of the tensor");
        }
        if (open.size() == 1) {
          scope.sizes.try_emplace(open.front().getName(), *left);
          isChanged = true;
        }
      }
  }

  // Names that no type fixes: a symbol, times what the facts and the layouts say divides it. Local sizes of a sharded
  // dim are whole, so what a layout divides by divides it.
  llvm::StringMap<Size> divisors;
  auto noteDivisor = [&](StringRef name, Size divisor) {
    auto [known, isNew] = divisors.try_emplace(name, divisor);
    if (isNew || layout::divide(known->second, divisor))
      return;
    if (known->second.isConcrete() && divisor.isConcrete() && !divisor.isZero()) {
      known->second = Size(std::lcm(known->second.getValue(), divisor.getValue()));
      return;
    }
    if (!layout::divide(divisor, known->second)) {
      // Two symbols that divide a size need not divide it together.
      divisor *= known->second;
      scope.assumptions.push_back("'" + name.str() + "' is a multiple of " +
                                  divisor.print(scope.universe.symbols.getNames()));
    }
    known->second = divisor;
  };
  SmallVector<StringRef, 8> open;
  for (auto [layout, type] : declared)
    for (LayoutDimAttr dim : layout.getDims())
      for (LayoutTermAttr term : dim.getTerms()) {
        if (dim.getSegmented() || scope.sizes.contains(term.getName()))
          continue;
        Outcome<Size> divisor = scope.divisorOf(term);
        if (!divisor)
          return divisor.getRefusal();
        noteDivisor(term.getName(), *divisor);
        if (!llvm::is_contained(open, term.getName()))
          open.push_back(term.getName());
      }
  if (auto facts = function->getAttrOfType<FactsAttr>(attribute::facts))
    for (auto [divisor, dividend] : llvm::zip(facts.getDivisors(), facts.getDividends())) {
      std::string fact = "fact " + divisor.getValue().str() + "|" + dividend.getValue().str();
      std::optional<Size> size = scope.sizeOf(divisor.getValue()), whole = scope.sizeOf(dividend.getValue());
      bool isOpen = llvm::is_contained(open, dividend.getValue());
      if (!size || (!whole && !isOpen))
        return wrong(fact + " names '" + (size ? dividend : divisor).getValue().str() +
                     "', which is no axis and no dim of known size");
      if (whole && whole->isConcrete() && size->isConcrete() && !layout::divide(*whole, *size))
        return wrong(fact + " contradicts the sizes " + size->print() + " and " + whole->print());
      if (isOpen)
        noteDivisor(dividend.getValue(), *size);
    }
  for (StringRef name : open) {
    // A product of names of which all but one are known is no choice; the types settle it where the value is made.
    Size divisor = divisors.lookup(name);
    if (inEqualParts) {
      Size multiple = divisor;
      for (const layout::Axis &axis : scope.universe.axes)
        multiple *= axis.size;
      auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
      auto bound = bounds ? bounds.getAs<IntegerAttr>(name) : IntegerAttr();
      if (!bound || (multiple.isConcrete() && multiple.getValue() <= bound.getInt())) {
        divisor = multiple;
        scope.multiples.push_back("'" + name.str() + "' is a multiple of " +
                                  multiple.print(scope.universe.symbols.getNames()));
      }
    }
    std::string symbolName =
        divisor.isOne() ? name.str() : name.str() + "/" + divisor.print(scope.universe.symbols.getNames());
    std::optional<Size> symbol = scope.universe.symbols.add(symbolName);
    if (!symbol)
      return unknown("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes");
    scope.sizes[name] = divisor * *symbol;
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (auto layout = function.getResultAttrOfType<LayoutAttr>(i, attribute::layout))
      for (LayoutDimAttr dim : layout.getDims())
        for (LayoutTermAttr term : dim.getTerms())
          if (!dim.getSegmented() && !scope.names.contains(term.getName())) {
            layout::SpaceId space = scope.universe.addSpace({term.getName().str(), scope.sizes.lookup(term.getName())});
            scope.universe.spaces[space].isBound = true;
            scope.names[term.getName()] = space;
            scope.markRows(space, term.getName());
          }
  return scope;
}

void LayoutScope::markRows(layout::SpaceId space, StringRef name) {
  auto own = rows.find(name);
  if (own == rows.end())
    return;
  universe.spaces[space].rows = own->second;
  universe.spaces[space].tag = own->second.unit + "@" + own->second.batch;
}

SmallVector<layout::SpaceId, 2> LayoutScope::rowsOf(StringRef unit, StringRef batch, layout::Group axes) {
  SmallVector<layout::SpaceId, 2> spaces;
  // In the order of the alphabet.
  std::vector<StringRef> sorted;
  for (const auto &own : rows)
    if (own.second.unit == unit && own.second.batch == batch && ArrayRef(own.second.axes) == axes)
      sorted.push_back(own.getKey());
  llvm::sort(sorted);
  for (StringRef name : sorted) {
    auto [known, isNew] = names.try_emplace(name, 0);
    if (isNew) { // a name of claims only
      known->second = universe.addSpace({name.str(), sizes.lookup(name)});
      markRows(known->second, name);
    }
    spaces.push_back(known->second);
  }
  return spaces;
}

std::optional<layout::SpaceId> LayoutScope::addRows(StringRef name, const std::string &tag, layout::Rows own,
                                                    int64_t multiple) {
  std::optional<Size> part = universe.symbols.add(multiple == 1 ? tag : tag + "/" + std::to_string(multiple));
  if (!part)
    return std::nullopt;
  own.part = Size(multiple) * *part;
  layout::Space space{name.str(), universe.sizeOf(own.axes) * own.part, tag};
  space.rows = std::move(own);
  return universe.addSpace(std::move(space));
}

Outcome<Dim> LayoutScope::termOf(LayoutTermAttr term, std::optional<Size> local, Names &scope,
                                 const std::string &prefix) {
  if (term.isRagged() && (!prefix.empty() || !rows.contains(term.getName())))
    return unknown("rows '" + term.getName().str() + "' of a weight or state", "a plain dim");
  Outcome<Size> divisor = divisorOf(term);
  if (!divisor)
    return divisor.getRefusal();
  Size logical = 1;
  if (local) {
    logical = *local * *divisor;
  } else if (prefix.empty() && sizes.contains(term.getName())) {
    logical = sizes.lookup(term.getName());
  } else {
    return unknown("the size of dim '" + term.getName().str() + "' is not known", "its size");
  }
  std::optional<Size> part = layout::divide(logical, *divisor);
  if (!part)
    return wrong("dim '" + term.getName().str() + "' of size " + logical.print(universe.symbols.getNames()) +
                 " does not divide by " + divisor->print(universe.symbols.getNames()));
  std::string name = term.getAnyOrder() ? "any(" + term.getName().str() + ")" : term.getName().str();
  std::string tag = term.getAnyOrder() ? name : "";
  if (term.getOrder() == ChunkOrder::ZigZag)
    name += " zigzag over " + divisor->print(universe.symbols.getNames());
  auto [known, isNew] = scope.try_emplace(name, 0);
  if (isNew && term.getOrder() == ChunkOrder::ZigZag) {
    auto [plain, isPlainNew] = scope.try_emplace(term.getName(), 0);
    if (isPlainNew)
      plain->second = universe.addSpace({prefix + term.getName().str(), logical});
    // A movement may have put the plain dim in this order before.
    scope[name] = zigZagOf(universe, plain->second, *divisor);
  } else if (isNew) {
    known->second = universe.addSpace({prefix + name, logical, tag});
    if (prefix.empty())
      markRows(known->second, name);
  }
  layout::SpaceId space = scope.lookup(name);
  if (!(universe.spaces[space].size == logical))
    return wrong("dim '" + term.getName().str() + "' has size " +
                 universe.spaces[space].size.print(universe.symbols.getNames()) + " elsewhere but " +
                 logical.print(universe.symbols.getNames()) + " here");
  Dim dim;
  Digit own;
  own.count = *part;
  own.stride = 1;
  own.space = space;
  Size stride = *part;
  if (term.getOrder() == ChunkOrder::Stripe) { // positions are dealt out one by one: the mesh digits are the minor ones
    own.stride = *divisor;
    stride = 1;
  }
  SmallVector<layout::AxisId, 2> group = groupOf(term.getAxes());
  for (layout::AxisId axis : llvm::reverse(group)) {
    Digit digit;
    digit.count = universe.axes[axis].size;
    digit.stride = stride;
    digit.space = space;
    digit.axis = axis;
    digit.home = Size(1);
    dim.digits.insert(dim.digits.begin(), digit);
    stride *= digit.count;
  }
  if (term.getOrder() == ChunkOrder::Stripe)
    dim.digits.insert(dim.digits.begin(), own);
  else
    dim.digits.push_back(own);
  return dim;
}

Outcome<Dim> LayoutScope::dimOf(LayoutDimAttr dim, std::optional<Size> local, Names &scope, const std::string &prefix) {
  ArrayRef<LayoutTermAttr> terms = dim.getTerms();
  if (!dim.getSegmented() && terms.size() == 1)
    return termOf(terms.front(), local, scope, prefix);
  Dim result;
  for (LayoutTermAttr term : terms) {
    std::optional<Size> own;
    Outcome<Size> divisor = divisorOf(term);
    if (!divisor)
      return divisor.getRefusal();
    if (dim.getSegmented())
      own = layout::divide(Size(term.getExtent()), *divisor);
    else if (sizes.contains(term.getName()))
      own = layout::divide(sizes.lookup(term.getName()), *divisor);
    if (!own)
      return unknown("the size of dim '" + term.getName().str() + "' is not known or does not divide", "its size");
    Outcome<Dim> part = termOf(term, own, scope, prefix);
    if (!part)
      return part;
    if (dim.getSegmented())
      result.segments.push_back(std::move(*part));
    else
      llvm::append_range(result.digits, part->digits);
  }
  return result;
}

std::string LayoutScope::adviceOnSizes(LayoutDimAttr dim) {
  SmallVector<std::string, 2> unknown;
  for (LayoutTermAttr term : dim.getTerms())
    if (auto known = sizes.find(term.getName()); known != sizes.end() && !known->second.isConcrete())
      unknown.push_back(term.getName().str() + " = ...");
  if (unknown.size() < 2)
    return "";
  // The size of the dim gives the last of them.
  return "; state sizes: attributes {muster.sizes = {" + llvm::join(llvm::drop_begin(unknown), ", ") + "}}";
}

Outcome<layout::Value> LayoutScope::valueOf(LayoutAttr layout, RankedTensorType local, Names &scope,
                                            const std::string &prefix) {
  if (layout.getRank() != local.getRank())
    return wrong("layout " + layout.getText() + " has " + std::to_string(layout.getRank()) +
                 " dims but its tensor has " + std::to_string(local.getRank()));
  layout::Value value;
  for (auto [index, dim] : llvm::enumerate(layout.getDims())) {
    Outcome<Dim> own = dimOf(dim, staticSize(local, static_cast<unsigned>(index)), scope, prefix);
    if (!own)
      return own.getRefusal();
    std::optional<Size> size = staticSize(local, static_cast<unsigned>(index));
    if (size && !(own->localSize() == *size))
      return wrong("dim " + std::to_string(index) + " of layout " + layout.getText() + " is " +
                   own->localSize().print(universe.symbols.getNames()) + " on each rank but its tensor has " +
                   size->print() + adviceOnSizes(dim));
    value.dims.push_back(std::move(*own));
  }
  for (PartialAttr partial : layout.getPartials()) {
    layout::Reduction reduction = partial.getKind() == ReductionKind::Sum   ? layout::Reduction::Sum
                                  : partial.getKind() == ReductionKind::Max ? layout::Reduction::Maximum
                                                                            : layout::Reduction::Minimum;
    for (layout::AxisId axis : groupOf(partial.getAxes()))
      if (const Size &size = universe.axes[axis].size; !size.isOne())
        value.pending.push_back({size, axis, Size(1), reduction});
  }
  layout::normalise(value);
  return value;
}

Outcome<layout::Value> LayoutScope::valueOfSymbol(StringRef symbol, LayoutAttr layout, RankedTensorType local) {
  std::string prefix = symbol.str() + ".";
  Names &own = symbolNames[symbol];
  if (!local.hasStaticShape()) {
    // A state's number of pages is the session's choice.
    for (int64_t i = 0; i < local.getRank(); ++i)
      if (local.isDynamicDim(static_cast<unsigned>(i)) &&
          layout.getDims()[static_cast<size_t>(i)].getTerms().size() == 1) {
        LayoutTermAttr term = layout.getDims()[static_cast<size_t>(i)].getTerms().front();
        if (sizes.contains(term.getName()))
          continue;
        std::optional<Size> symbolSize = universe.symbols.add(term.getName());
        if (!symbolSize)
          return unknown("more than " + std::to_string(layout::maxSymbols) + " symbolic sizes");
      }
  }
  layout::Value value;
  for (auto [index, dim] : llvm::enumerate(layout.getDims())) {
    std::optional<Size> size = staticSize(local, static_cast<unsigned>(index));
    if (!size && dim.getTerms().size() == 1)
      size = universe.symbols.find(dim.getTerms().front().getName());
    Outcome<Dim> part = dimOf(dim, size, own, prefix);
    if (!part)
      return part.getRefusal();
    value.dims.push_back(std::move(*part));
  }
  layout::normalise(value);
  return value;
}

SmallVector<std::pair<std::string, int64_t>, 4> muster::nameCoordinates(const layout::Universe &universe,
                                                                        const layout::Place &place) {
  SmallVector<std::pair<std::string, int64_t>, 4> named;
  for (auto [index, axis] : llvm::enumerate(universe.axes)) {
    int64_t coordinate = place.coordinates[index];
    if (axis.whole.empty())
      named.push_back({axis.name, coordinate});
    else if (index > 0 && universe.axes[index - 1].whole == axis.whole)
      named.back().second = named.back().second * axis.size.getValue() + coordinate;
    else
      named.push_back({axis.whole, coordinate});
  }
  return named;
}
