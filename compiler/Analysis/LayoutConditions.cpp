// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// At which sizes would a wrong program be right? A movement of data depends on its sizes only through those that are
// 1: a digit of one value says nothing. So the sizes of a concrete program are lifted to symbols, and the program is
// verified again with each set of symbols set to 1 and the others to primes.
//
// Lifting. Each axis is a symbol, and each named dim is a symbol times the axes that divide it in some layout. A size
// in the text (`output_shape [4, 3, 2]`) is a product of symbols of the dim that is cut there; which ones follows from
// their values:
//
//   | dim cut   | is              | into     | so             |
//   | --------- | --------------- | -------- | -------------- |
//   | s = 12    | sp * (s/sp)     | [4, 3]   | [sp, s/sp]     |
//   | 840       | (s/sp) b h d    | [3, 280] | [s/sp, b h d]  |
//
// Where the values leave a choice nothing is said, unless the declared results settle it.
#include "compiler/Analysis/LayoutExplanation.h"
#include "compiler/Analysis/LayoutTrial.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace mlir;
using namespace muster;

namespace {

/// A product of symbols: how often each occurs, by index.
using Monomial = SmallVector<unsigned, 8>;
using Shape = SmallVector<Monomial, 5>;

class Lifting {
public:
  Lifting(func::FuncOp function, MeshAttr mesh) : function(function), mesh(mesh) {}

  /// Makes the symbols; `extra` names pairs of dim and axis that divide it though no layout says so.
  bool makeSymbols(ArrayRef<std::pair<std::string, std::string>> extra);
  /// Shapes of all values; false where they are not known or leave a choice.
  bool liftShapes();

  size_t symbolCount() const { return names.size(); }
  ArrayRef<std::string> getNames() const { return names; }
  ArrayRef<int64_t> getValues() const { return values; }
  /// Gives the copy the sizes that `sizes` asks for.
  bool instantiate(LayoutTrial &trial, ArrayRef<int64_t> sizes);
  /// Dims and axes that divide them, of which no layout says so.
  SmallVector<std::pair<std::string, std::string>> possibleDivisors();

private:
  Monomial one() const { return Monomial(names.size(), 0); }
  unsigned addSymbol(std::string name, int64_t value) {
    names.push_back(std::move(name));
    values.push_back(value);
    return static_cast<unsigned>(names.size() - 1);
  }
  int64_t evaluate(const Monomial &monomial, ArrayRef<int64_t> sizes) const {
    int64_t product = 1;
    for (size_t i = 0; i < monomial.size(); ++i)
      for (unsigned k = 0; k < monomial[i]; ++k)
        product *= sizes[i];
    return product;
  }
  template <typename Visit>
  void forEachLayout(Visit visit);
  std::optional<Shape> shapeOf(LayoutAttr layout, RankedTensorType type);
  std::optional<Monomial> groupOf(ArrayAttr axes) const;
  std::optional<Shape> resultShape(Operation *op);
  bool fits(tensor::ExpandShapeOp op, const Shape &result);
  bool cut(Monomial whole, ArrayRef<int64_t> sizes, Shape &parts);
  std::optional<Monomial> choose(const Monomial &whole, int64_t value, bool &isAmbiguous);

  func::FuncOp function;
  MeshAttr mesh;
  SmallVector<std::string> names;
  SmallVector<int64_t> values;
  std::map<std::string, unsigned> axes;
  std::map<std::string, Monomial> dims; ///< logical
  std::map<std::string, int64_t> dimSizes;
  DenseMap<mlir::Value, Shape> shapes;
};

} // namespace

template <typename Visit>
void Lifting::forEachLayout(Visit visit) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout))
      visit(layout, dyn_cast<RankedTensorType>(function.getArgument(i).getType()));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (auto layout = function.getResultAttrOfType<LayoutAttr>(i, attribute::layout))
      visit(layout, dyn_cast<RankedTensorType>(function.getResultTypes()[i]));
  function.walk(
      [&](AssertLayoutOp claim) { visit(claim.getLayout(), dyn_cast<RankedTensorType>(claim.getInput().getType())); });
}

/// A layout that this file can lift: each dim one term in contiguous order over whole axes.
static bool isLiftable(LayoutAttr layout, RankedTensorType type) {
  return type && type.hasStaticShape() && type.getRank() == layout.getRank() && layout.isPlain();
}

bool Lifting::makeSymbols(ArrayRef<std::pair<std::string, std::string>> extra) {
  names.clear();
  values.clear();
  std::map<std::string, std::vector<std::string>> divisors;
  bool isKnown = true;
  forEachLayout([&](LayoutAttr layout, RankedTensorType type) {
    if (!isLiftable(layout, type)) {
      isKnown = false;
      return;
    }
    for (int64_t i = 0; i < layout.getRank(); ++i) {
      std::string name = layout.getDimName(i).str();
      int64_t size = type.getDimSize(static_cast<unsigned>(i));
      std::vector<std::string> &known = divisors[name];
      for (StringRef axis : layout.getPlainAxes(i)) {
        size *= mesh.getAxisSize(axis);
        if (!llvm::is_contained(known, axis.str()))
          known.push_back(axis.str());
      }
      auto [own, isNew] = dimSizes.try_emplace(name, size);
      isKnown &= own->second == size;
    }
  });
  if (!isKnown)
    return false;
  for (const auto &[dim, axis] : extra)
    if (!llvm::is_contained(divisors[dim], axis))
      divisors[dim].push_back(axis);
  for (MeshAxisAttr axis : mesh.getAxes())
    axes[axis.getName().str()] = addSymbol(axis.getName().str(), axis.getSize());
  std::map<std::string, unsigned> rests;
  for (const auto &[name, own] : divisors) {
    int64_t rest = dimSizes[name];
    std::string text = name;
    for (const std::string &axis : own) {
      int64_t size = values[axes[axis]];
      if (rest % size != 0)
        return false;
      rest /= size;
      text += "/" + axis;
    }
    rests[name] = addSymbol(text, rest);
  }
  for (const auto &[name, rest] : rests) {
    Monomial monomial = one();
    ++monomial[rest];
    for (const std::string &axis : divisors[name])
      ++monomial[axes[axis]];
    dims[name] = monomial;
  }
  return true;
}

SmallVector<std::pair<std::string, std::string>> Lifting::possibleDivisors() {
  SmallVector<std::pair<std::string, std::string>> pairs;
  for (const auto &[name, monomial] : dims)
    for (const auto &[axis, symbol] : axes)
      if (monomial[symbol] == 0 && values[symbol] > 1 && dimSizes[name] % values[symbol] == 0)
        pairs.push_back({name, axis});
  return pairs;
}

static std::optional<Monomial> divide(Monomial a, const Monomial &b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] < b[i])
      return std::nullopt;
    a[i] -= b[i];
  }
  return a;
}

static Monomial multiply(Monomial a, const Monomial &b) {
  for (size_t i = 0; i < a.size(); ++i)
    a[i] += b[i];
  return a;
}

std::optional<Shape> Lifting::shapeOf(LayoutAttr layout, RankedTensorType type) {
  Shape shape;
  for (int64_t i = 0; i < layout.getRank(); ++i) {
    Monomial own = dims[layout.getDimName(i).str()];
    for (StringRef axis : layout.getPlainAxes(i)) {
      Monomial divisor = one();
      ++divisor[axes[axis.str()]];
      std::optional<Monomial> rest = divide(own, divisor);
      if (!rest)
        return std::nullopt;
      own = *rest;
    }
    if (evaluate(own, values) != type.getDimSize(static_cast<unsigned>(i)))
      return std::nullopt;
    shape.push_back(own);
  }
  return shape;
}

std::optional<Monomial> Lifting::groupOf(ArrayAttr group) const {
  Monomial size = one();
  for (StringAttr axis : group.getAsRange<StringAttr>()) {
    auto found = axes.find(axis.str());
    if (found == axes.end())
      return std::nullopt;
    ++size[found->second];
  }
  return size;
}

/// The divisor of `whole` with this value; sets `isAmbiguous` where there are several.
std::optional<Monomial> Lifting::choose(const Monomial &whole, int64_t value, bool &isAmbiguous) {
  std::optional<Monomial> found;
  Monomial current = one();
  // Symbols of value 1 could stand anywhere: they make every cut ambiguous.
  std::function<void(size_t, int64_t)> search = [&](size_t i, int64_t rest) {
    if (i == whole.size()) {
      if (rest != 1)
        return;
      isAmbiguous |= found.has_value();
      found = current;
      return;
    }
    for (unsigned count = 0; count <= whole[i]; ++count) {
      current[i] = count;
      search(i + 1, rest);
      if (values[i] == 0 || rest % values[i] != 0)
        break;
      rest /= values[i];
    }
    current[i] = 0;
  };
  search(0, value);
  return found;
}

/// The symbols of each of the sizes that `whole` is cut into.
bool Lifting::cut(Monomial whole, ArrayRef<int64_t> sizes, Shape &parts) {
  size_t first = parts.size();
  // Those that can be one product only come first, so that they take their symbols from the others.
  parts.resize(first + sizes.size());
  SmallVector<size_t> open;
  for (size_t i = 0; i < sizes.size(); ++i)
    open.push_back(i);
  while (!open.empty()) {
    if (open.size() == 1) {
      parts[first + open.front()] = whole;
      return evaluate(whole, values) == sizes[open.front()];
    }
    bool found = false;
    for (size_t &i : open) {
      bool isAmbiguous = false;
      std::optional<Monomial> own = choose(whole, sizes[i], isAmbiguous);
      if (!own)
        return false;
      if (isAmbiguous)
        continue;
      parts[first + i] = *own;
      whole = *divide(whole, *own);
      open.erase(&i);
      found = true;
      break;
    }
    if (!found)
      return false;
  }
  return true;
}

std::optional<Shape> Lifting::resultShape(Operation *op) {
  auto input = op->getNumOperands() ? shapes.find(op->getOperand(0)) : shapes.end();
  if (input == shapes.end() || op->getNumResults() != 1)
    return std::nullopt;
  Shape shape = input->second;
  auto scale = [&](ArrayAttr group, int64_t dim, bool isCut) {
    std::optional<Monomial> size = groupOf(group);
    Monomial &own = shape[static_cast<size_t>(dim)];
    std::optional<Monomial> scaled = !size ? std::nullopt : isCut ? divide(own, *size) : multiply(own, *size);
    if (scaled)
      own = *scaled;
    return scaled.has_value();
  };
  if (isa<AllReduceOp, BroadcastOp, AssertLayoutOp>(op))
    return shape;
  if (auto exchange = dyn_cast<ExchangeOp>(op)) {
    std::optional<Monomial> size = groupOf(exchange.getAxes());
    return size && divide(shape[0], *size) ? std::optional(shape) : std::nullopt;
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    Shape result;
    for (int64_t dim : transpose.getPermutation())
      result.push_back(shape[static_cast<size_t>(dim)]);
    return result;
  }
  if (auto all = dyn_cast<AllToAllOp>(op))
    return scale(all.getAxes(), all.getSplit(), true) && scale(all.getAxes(), all.getConcat(), false)
               ? std::optional(shape)
               : std::nullopt;
  if (auto gather = dyn_cast<AllGatherOp>(op))
    return scale(gather.getAxes(), gather.getDim(), false) ? std::optional(shape) : std::nullopt;
  if (auto slice = dyn_cast<SliceOp>(op))
    return scale(slice.getAxes(), slice.getDim(), true) ? std::optional(shape) : std::nullopt;
  if (auto scatter = dyn_cast<ReduceScatterOp>(op))
    return scale(scatter.getAxes(), scatter.getDim(), true) ? std::optional(shape) : std::nullopt;
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    Shape result;
    for (const ReassociationIndices &group : collapse.getReassociationIndices()) {
      Monomial product = one();
      for (int64_t dim : group)
        product = multiply(product, shape[static_cast<size_t>(dim)]);
      result.push_back(product);
    }
    return result;
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    Shape result;
    RankedTensorType type = expand.getResultType();
    for (auto [i, group] : llvm::enumerate(expand.getReassociationIndices())) {
      SmallVector<int64_t> sizes;
      for (int64_t dim : group)
        sizes.push_back(type.getDimSize(static_cast<unsigned>(dim)));
      if (!cut(shape[i], sizes, result))
        return std::nullopt;
    }
    return result;
  }
  if (op->hasTrait<OpTrait::Elementwise>()) {
    for (mlir::Value operand : op->getOperands())
      if (auto own = shapes.find(operand); own == shapes.end() || own->second != shape)
        return std::nullopt;
    return shape;
  }
  return std::nullopt;
}

/// Whether each group of result dims has the product of the dim that it is cut from.
bool Lifting::fits(tensor::ExpandShapeOp op, const Shape &result) {
  auto input = shapes.find(op.getSrc());
  if (input == shapes.end())
    return false;
  for (auto [i, group] : llvm::enumerate(op.getReassociationIndices())) {
    Monomial product = one();
    for (int64_t dim : group)
      product = multiply(product, result[static_cast<size_t>(dim)]);
    if (product != input->second[i])
      return false;
  }
  return true;
}

bool Lifting::liftShapes() {
  shapes.clear();
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    auto type = dyn_cast<RankedTensorType>(function.getArgument(i).getType());
    std::optional<Shape> shape = layout && type ? shapeOf(layout, type) : std::nullopt;
    if (!shape)
      return false;
    shapes[function.getArgument(i)] = *shape;
  }
  // What a result is declared to be decides where the last reshape leaves a choice.
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    auto layout = function.getResultAttrOfType<LayoutAttr>(static_cast<unsigned>(i), attribute::layout);
    std::optional<Shape> shape = layout ? shapeOf(layout, cast<RankedTensorType>(value.getType())) : std::nullopt;
    if (!shape || (shapes.contains(value) && shapes[value] != *shape))
      return false;
    shapes[value] = *shape;
  }
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (isa<tensor::EmptyOp>(op))
      continue;
    if (op.getNumRegions() > 0 && !isa<linalg::TransposeOp>(op))
      return false;
    std::optional<Shape> shape;
    if (auto known = op.getNumResults() == 1 ? shapes.find(op.getResult(0)) : shapes.end();
        known != shapes.end() && isa<tensor::ExpandShapeOp>(op))
      shape = known->second; // by the declared result; its product was checked with the type
    else
      shape = resultShape(&op);
    if (!shape)
      return false;
    if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op); expand && !fits(expand, *shape))
      return false;
    auto [own, isNew] = shapes.try_emplace(op.getResult(0), *shape);
    if (!isNew && own->second != *shape)
      return false;
  }
  return true;
}

bool Lifting::instantiate(LayoutTrial &trial, ArrayRef<int64_t> sizes) {
  func::FuncOp copy = trial.restart();
  auto typeAt = [&](mlir::Value value) {
    SmallVector<int64_t> shape;
    for (const Monomial &dim : shapes[value])
      shape.push_back(evaluate(dim, sizes));
    return cast<RankedTensorType>(value.getType()).clone(shape);
  };
  Builder builder(copy.getContext());
  for (const auto &entry : shapes) {
    mlir::Value own = trial.copyOf(entry.first);
    own.setType(typeAt(entry.first));
    if (auto transpose = own.getDefiningOp<linalg::TransposeOp>()) {
      OpBuilder before(transpose);
      auto type = cast<RankedTensorType>(own.getType());
      transpose.getInitMutable().assign(
          tensor::EmptyOp::create(before, transpose.getLoc(), type.getShape(), type.getElementType()));
    }
    if (auto expand = own.getDefiningOp<tensor::ExpandShapeOp>())
      expand.setStaticOutputShape(cast<RankedTensorType>(own.getType()).getShape());
  }
  SmallVector<Type> results;
  for (mlir::Value value : function.getBody().front().getTerminator()->getOperands())
    results.push_back(typeAt(value));
  copy.setType(builder.getFunctionType(copy.getBody().getArgumentTypes(), results));
  SmallVector<MeshAxisAttr> own;
  for (MeshAxisAttr axis : mesh.getAxes())
    own.push_back(MeshAxisAttr::get(mesh.getContext(), axis.getName(), sizes[axes[axis.getName().str()]]));
  MeshAttr changed = MeshAttr::get(mesh.getContext(), own);
  trial.getModule().walk([&](MeshOp op) { op.setMeshAttr(changed); });
  return true;
}

//===----------------------------------------------------------------------===//
// Sets of symbols
//===----------------------------------------------------------------------===//

/// Whether the program is right where the symbols of `ones` are 1: Proved for all of two choices of the others,
/// Refuted for both, else Unknown.
static TrialVerdict judgeWith(Lifting &lifting, LayoutTrial &trial, unsigned ones) {
  static constexpr int64_t choices[2][12] = {{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37},
                                             {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}};
  std::optional<TrialVerdict> verdict;
  for (const auto &choice : choices) {
    SmallVector<int64_t> sizes;
    for (size_t i = 0; i < lifting.symbolCount(); ++i)
      sizes.push_back(ones >> i & 1 ? 1 : choice[i]);
    if (!lifting.instantiate(trial, sizes))
      return TrialVerdict::Unknown;
    TrialVerdict own = trial.judge();
    if ((own != TrialVerdict::Proved && own != TrialVerdict::Refuted) || (verdict && *verdict != own))
      return TrialVerdict::Unknown;
    verdict = own;
  }
  return *verdict;
}

/// The least sets of symbols that must be 1, as text; empty where some set cannot be judged or none helps.
static std::string searchConditions(Lifting &lifting, LayoutTrial &trial) {
  size_t count = lifting.symbolCount();
  constexpr size_t mostSymbols = 7;
  if (count > mostSymbols)
    return "";
  SmallVector<unsigned> found;
  for (unsigned size = 0; size <= count; ++size)
    for (unsigned ones = 0; ones < (1u << count); ++ones) {
      if (static_cast<unsigned>(llvm::popcount(ones)) != size ||
          llvm::any_of(found, [&](unsigned less) { return (less & ones) == less; }))
        continue;
      TrialVerdict verdict = judgeWith(lifting, trial, ones);
      if (verdict == TrialVerdict::Unknown)
        return "";
      if (verdict == TrialVerdict::Proved)
        found.push_back(ones);
    }
  if (found.empty() || found.front() == 0)
    return "";
  SmallVector<std::string> alternatives;
  for (unsigned ones : found) {
    SmallVector<std::string> terms;
    for (size_t i = 0; i < count; ++i)
      if (ones >> i & 1)
        terms.push_back(lifting.getNames()[i] + " = 1");
    alternatives.push_back(llvm::join(terms, " and "));
  }
  return llvm::join(alternatives, " or ");
}

std::string muster::findCondition(func::FuncOp function) {
  MeshAttr mesh = getMesh(function);
  bool isConcrete = mesh && function.getBody().hasOneBlock() && llvm::all_of(mesh.getAxes(), [](MeshAxisAttr axis) {
                      return !ShapedType::isDynamic(axis.getSize());
                    });
  if (!isConcrete)
    return "";
  Lifting lifting(function, mesh);
  if (!lifting.makeSymbols({}))
    return "";
  auto possible = lifting.possibleDivisors();
  constexpr size_t mostPossible = 6;
  if (possible.size() > mostPossible)
    possible.resize(mostPossible);
  // Few divisibilities that no layout states first.
  for (unsigned size = 0; size <= possible.size(); ++size)
    for (unsigned subset = 0; subset < (1u << possible.size()); ++subset) {
      if (static_cast<unsigned>(llvm::popcount(subset)) != size)
        continue;
      SmallVector<std::pair<std::string, std::string>> extra;
      for (size_t i = 0; i < possible.size(); ++i)
        if (subset >> i & 1)
          extra.push_back(possible[i]);
      Lifting own(function, mesh);
      if (!own.makeSymbols(extra) || !own.liftShapes())
        continue;
      LayoutTrial trial(function);
      return searchConditions(own, trial);
    }
  return "";
}
