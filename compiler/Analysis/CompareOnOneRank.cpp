// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Results of dims that no argument names: slices of a packed projection, declared as dims of their own. Names do not
// say which elements such a result should hold; the program on one rank does. There collectives do nothing, and sizes
// and offsets of what ranks share are those of this mesh times sizes of axes, by which of them the shapes decide.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/OneRankSizes.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using layout::Size;

using Shape = SmallVector<int64_t, 4>;

namespace {

/// Digits read as an index of one rank, major first; `index` counts local digits down, mesh digits are coordinates.
int64_t indexOnOneRank(const layout::Universe &universe, ArrayRef<layout::Digit> digits, const layout::Place &place,
                       int64_t index) {
  int64_t result = 0, weight = 1;
  for (const layout::Digit &digit : llvm::reverse(digits)) {
    int64_t count = digit.count.getValue();
    int64_t value = digit.isMesh() ? place.coordinates[digit.axis] / digit.weight.getValue() % count : index % count;
    if (!digit.isMesh())
      index /= count;
    result += value * weight;
    weight *= count;
  }
  return result;
}

int64_t sizeOnOneRank(const layout::Dim &dim) {
  int64_t size = 1, parts = 0;
  for (const layout::Digit &digit : dim.digits)
    size *= digit.count.getValue();
  for (const layout::Dim &segment : dim.segments)
    parts += sizeOnOneRank(segment);
  return dim.isSegmented() ? parts : size;
}

/// Whether the dims of the value say what they are on one rank.
bool isPlain(const layout::Value &value) {
  auto isConcrete = [](const layout::Digit &digit) {
    return digit.count.isConcrete() && digit.stride.isConcrete() && digit.weight.isConcrete();
  };
  return !value.isUnsettled && value.floats.empty() && value.parts.empty() &&
         llvm::all_of(value.dims, [&](const layout::Dim &dim) {
           // Parts side by side are the same parts on one rank, each with all of its positions.
           auto isConcreteDim = [&](const layout::Dim &own) { return llvm::all_of(own.digits, isConcrete); };
           return isConcreteDim(dim) && llvm::all_of(dim.segments, isConcreteDim);
         });
}

} // namespace

/// The program on one rank, of which one value is looked at.
class FunctionInference::OneRank {
public:
  OneRank(FunctionInference &inference, mlir::Value value, const layout::Value &declared)
      : inference(inference), value(value), sizes(inference.scope.universe, declared) {}

  /// False where the value is no movement of values whose dims are settled.
  bool collect() { return sizes.isComplete() && collect(value) && steps.size() <= mostSteps; }

  /// Calls `visit` for each choice of sizes for which the value has this shape; stops where it returns true.
  bool forEachChoice(ArrayRef<int64_t> wanted, const llvm::DenseMap<mlir::Value, Shape> *fixed,
                     llvm::function_ref<bool()> visit) {
    tries = 0;
    isTruncated = false;
    return choose(0, wanted, fixed, visit);
  }
  /// Whether the last forEachChoice saw all of them.
  bool sawAll() const { return !isTruncated; }
  const llvm::DenseMap<mlir::Value, Shape> &getShapes() const { return shapes; }

  /// The element at an index on one rank.
  PulledElement pull(SmallVector<int64_t, 4> index) const;

private:
  static constexpr size_t mostSteps = 60;
  static constexpr int mostTries = 2000;
  static constexpr size_t mostShapes = 64; ///< of one reshape

  bool collect(mlir::Value own);
  /// Its digits tell what it is on one rank; what was cut is followed to what it was cut from.
  bool isKnownWhole(mlir::Value own) const {
    const Known &known = inference.get(own);
    return known.kind == Known::Kind::Digits && !layout::hasRanges(inference.scope.universe, known.value);
  }
  bool choose(size_t step, ArrayRef<int64_t> wanted, const llvm::DenseMap<mlir::Value, Shape> *fixed,
              llvm::function_ref<bool()> visit);
  std::vector<std::pair<Shape, Shape>> candidates(mlir::Value own);
  void factorise(ArrayRef<Size> local, size_t dim, int64_t left, Shape &sofar, std::vector<Shape> &results);

  FunctionInference &inference;
  mlir::Value value;
  layout::OneRankSizes sizes;
  std::vector<mlir::Value> steps; ///< operands first
  llvm::DenseSet<mlir::Value> seen;
  llvm::DenseMap<mlir::Value, Shape> shapes, offsets; ///< offsets of slices
  int tries = 0;
  bool isTruncated = false;
};

bool FunctionInference::OneRank::collect(mlir::Value own) {
  if (!seen.insert(own).second)
    return true;
  const Known &known = inference.get(own);
  if (isKnownWhole(own)) {
    if (!isPlain(known.value))
      return false;
    Shape shape;
    for (const layout::Dim &dim : known.value.dims)
      shape.push_back(sizeOnOneRank(dim));
    shapes[own] = std::move(shape);
    return true;
  }
  Operation *op = own.getDefiningOp();
  if (!op || known.kind == Known::Kind::Failed || known.kind == Known::Kind::Uniform)
    return false;
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    for (int64_t stride : slice.getStaticStrides())
      if (stride != 1)
        return false;
    if (llvm::any_of(slice.getStaticOffsets(), ShapedType::isDynamic) ||
        llvm::any_of(slice.getStaticSizes(), ShapedType::isDynamic) || !collect(slice.getSource()))
      return false;
  } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    for (mlir::Value input : concat.getInputs())
      if (!collect(input))
        return false;
  } else {
    mlir::Value input = movedOperand(op);
    if (!input || isa<AllReduceOp, ReduceScatterOp>(op) || !collect(input))
      return false;
  }
  steps.push_back(own);
  return true;
}

/// The sizes of dims [dim, ...) on one rank, `left` in all: those of this mesh times or divided by sizes of axes.
void FunctionInference::OneRank::factorise(ArrayRef<Size> local, size_t dim, int64_t left, Shape &sofar,
                                           std::vector<Shape> &results) {
  if (dim == local.size()) {
    if (left == 1)
      results.push_back(sofar);
    return;
  }
  for (int64_t size : sizes.sizes(local[dim].getValue())) {
    if (left % size != 0)
      continue;
    isTruncated |= results.size() > mostShapes;
    if (isTruncated)
      return;
    sofar.push_back(size);
    factorise(local, dim + 1, left / size, sofar, results);
    sofar.pop_back();
  }
}

/// Shapes of a step on one rank and, of a slice, where it begins.
std::vector<std::pair<Shape, Shape>> FunctionInference::OneRank::candidates(mlir::Value own) {
  Operation *op = own.getDefiningOp();
  std::vector<std::pair<Shape, Shape>> results;
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    const Shape &source = shapes[slice.getSource()];
    SmallVector<Size, 4> local = inference.shapeOf(slice.getSource());
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    // Either all that is a part of a dim grows with the dim, or nothing does.
    for (bool grows : {true, false}) {
      Shape shape, offset;
      bool fits = true;
      for (unsigned dim = 0; dim < source.size(); ++dim) {
        int64_t whole = local[dim].getValue(), size = slice.getStaticSizes()[dim], at = slice.getStaticOffsets()[dim];
        if (size == whole) {
          size = source[dim];
        } else if (grows) {
          fits &= size * source[dim] % whole == 0 && at * source[dim] % whole == 0;
          size = dropped.test(dim) ? 1 : size * source[dim] / whole;
          at = at * source[dim] / whole;
        }
        fits &= at + size <= source[dim];
        offset.push_back(at);
        if (!dropped.test(dim))
          shape.push_back(size);
      }
      if (fits)
        results.push_back({shape, offset});
    }
    return results;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    Shape shape = shapes[concat.getInputs().front()];
    for (mlir::Value input : concat.getInputs().drop_front())
      for (auto [dim, size] : llvm::enumerate(shapes[input])) {
        if (dim == concat.getDim())
          shape[dim] += size;
        else if (shape[dim] != size)
          return results;
      }
    results.push_back({shape, {}});
    return results;
  }
  const Shape &source = shapes[movedOperand(op)];
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    Shape shape;
    for (int64_t dim : transpose.getPermutation())
      shape.push_back(source[static_cast<size_t>(dim)]);
    results.push_back({shape, {}});
    return results;
  }
  if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
    results.push_back({source, {}}); // a collective of one rank
    return results;
  }
  int64_t volume = 1;
  for (int64_t size : source)
    volume *= size;
  std::vector<Shape> found;
  Shape sofar;
  factorise(inference.shapeOf(own), 0, volume, sofar, found);
  for (Shape &shape : found)
    results.push_back({std::move(shape), {}});
  return results;
}

bool FunctionInference::OneRank::choose(size_t step, ArrayRef<int64_t> wanted,
                                        const llvm::DenseMap<mlir::Value, Shape> *fixed,
                                        llvm::function_ref<bool()> visit) {
  isTruncated |= ++tries > mostTries;
  if (isTruncated)
    return false;
  if (step == steps.size())
    return ArrayRef<int64_t>(shapes[value]) == wanted && visit();
  mlir::Value own = steps[step];
  for (auto &[shape, offset] : candidates(own)) {
    if (fixed)
      if (auto known = fixed->find(own); known != fixed->end() && known->second != shape)
        continue;
    shapes[own] = shape;
    offsets[own] = offset;
    if (choose(step + 1, wanted, fixed, visit))
      return true;
  }
  return false;
}

PulledElement FunctionInference::OneRank::pull(SmallVector<int64_t, 4> index) const {
  mlir::Value own = value;
  while (true) {
    if (isKnownWhole(own)) {
      const Known &known = inference.get(own);
      PulledElement element;
      element.source = own;
      element.positions.assign(inference.scope.universe.spaces.size(), 0);
      element.segments.assign(index.size(), 0);
      for (auto [dim, at, segment] : llvm::zip(known.value.dims, index, element.segments)) {
        int64_t rest = at;
        for (; segment + 1 < dim.segments.size() && rest >= sizeOnOneRank(dim.segments[segment]); ++segment)
          rest -= sizeOnOneRank(dim.segments[segment]);
        for (const layout::Digit &digit :
             llvm::reverse(dim.isSegmented() ? dim.segments[segment].digits : dim.digits)) {
          element.positions[digit.space] += rest % digit.count.getValue() * digit.stride.getValue();
          rest /= digit.count.getValue();
        }
      }
      return element;
    }
    Operation *op = own.getDefiningOp();
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      llvm::SmallBitVector dropped = slice.getDroppedDims();
      SmallVector<int64_t, 4> before;
      unsigned at = 0;
      for (auto [dim, offset] : llvm::enumerate(offsets.find(own)->second))
        before.push_back(offset + (dropped.test(static_cast<unsigned>(dim)) ? 0 : index[at++]));
      index = before;
      own = slice.getSource();
      continue;
    }
    if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
      size_t dim = static_cast<size_t>(concat.getDim());
      for (mlir::Value input : concat.getInputs()) {
        own = input;
        int64_t size = shapes.find(input)->second[dim];
        if (index[dim] < size)
          break;
        index[dim] -= size;
      }
      continue;
    }
    mlir::Value input = movedOperand(op);
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
      SmallVector<int64_t, 4> before(index.size());
      for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
        before[static_cast<size_t>(dim)] = index[i];
      index = before;
    } else if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
      const Shape &to = shapes.find(own)->second, &from = shapes.find(input)->second;
      int64_t flat = 0;
      for (auto [at, size] : llvm::zip(index, to))
        flat = flat * size + at;
      index.assign(from.size(), 0);
      for (size_t i = from.size(); i-- > 0; flat /= from[i])
        index[i] = flat % from[i];
    }
    own = input;
  }
}

/// An argument of the function that `op` is in has a dim of this name.
static bool isNamedByArguments(Operation *op, llvm::StringRef name) {
  auto function = isa<func::FuncOp>(op) ? cast<func::FuncOp>(op) : op->getParentOfType<func::FuncOp>();
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout))
      for (LayoutDimAttr dim : layout.getDims())
        if (llvm::any_of(dim.getTerms(), [&](LayoutTermAttr term) { return term.getName() == name; }))
          return true;
  return false;
}

std::optional<LayoutFinding> FunctionInference::compareOnOneRank(Operation *op, mlir::Value value,
                                                                 const layout::Value &declared, LayoutFinding open) {
  OneRank oneRank(*this, value, declared);
  bool hasSegments = llvm::any_of(declared.dims, [](const layout::Dim &dim) { return dim.isSegmented(); });
  if (!scope.universe.symbols.getNames().empty() || hasSegments || !isPlain(declared) || !oneRank.collect())
    return open;
  // Where parts lie side by side, a dim that an argument names too has positions of its own: being the same program on
  // one rank does not say that the elements are there.
  auto hasParts = [&](const auto &shape) {
    return llvm::any_of(get(shape.first).value.dims, [](const layout::Dim &dim) { return dim.isSegmented(); });
  };
  if (llvm::any_of(oneRank.getShapes(), hasParts) && llvm::any_of(declared.dims, [&](const layout::Dim &dim) {
        return llvm::any_of(dim.digits, [&](const layout::Digit &digit) {
          return isNamedByArguments(op, scope.universe.spaces[digit.space].name);
        });
      }))
    return open;
  Shape wanted;
  std::vector<layout::Place> places(1);
  places.front().coordinates.assign(scope.universe.axes.size(), 0);
  places.front().index.assign(declared.dims.size(), 0);
  auto spread = [&](int64_t size, llvm::function_ref<int64_t &(layout::Place &)> at) {
    size_t count = places.size();
    if (static_cast<int64_t>(count) * size > (int64_t(1) << 16))
      return false;
    for (int64_t i = 1; i < size; ++i)
      for (size_t k = 0; k < count; ++k) {
        layout::Place own = places[k];
        at(own) = i;
        places.push_back(std::move(own));
      }
    return true;
  };
  for (size_t dim = 0; dim < declared.dims.size(); ++dim) {
    wanted.push_back(sizeOnOneRank(declared.dims[dim]));
    if (!spread(declared.dims[dim].localSize().getValue(),
                [dim](layout::Place &place) -> int64_t & { return place.index[dim]; }))
      return open;
  }
  for (size_t axis = 0; axis < scope.universe.axes.size(); ++axis)
    if (!spread(scope.universe.axes[axis].size.getValue(),
                [axis](layout::Place &place) -> int64_t & { return place.coordinates[axis]; }))
      return open;

  struct Difference {
    layout::Place place;
    PulledElement wanted, got;
  };
  std::optional<Difference> first;
  bool isFollowed = true;
  auto isSameProgram = [&] {
    for (const layout::Place &place : places) {
      SmallVector<int64_t, 4> index;
      for (auto [dim, at] : llvm::zip(declared.dims, place.index))
        index.push_back(indexOnOneRank(scope.universe, dim.digits, place, at));
      std::optional<PulledElement> got = pull(value, place);
      PulledElement own = oneRank.pull(index);
      if (!got) {
        isFollowed = false;
        return false;
      }
      if (got->source == own.source && got->segments == own.segments && got->positions == own.positions)
        continue;
      if (!first)
        first = Difference{place, own, *got};
      return false;
    }
    return true;
  };
  if (oneRank.forEachChoice(wanted, &sizesOnOneRank, isSameProgram)) {
    for (const auto &[own, shape] : oneRank.getShapes())
      sizesOnOneRank[own] = shape;
    markUncovered("a result of dims that no argument names");
    return std::nullopt;
  }
  // With other sizes than an earlier result needs it may be right: not decided.
  if (!sizesOnOneRank.empty() && oneRank.forEachChoice(wanted, nullptr, isSameProgram))
    return open;
  if (!first || !isFollowed || !oneRank.sawAll())
    return open;
  LayoutFinding finding;
  finding.op = op;
  finding.number = 1104;
  finding.message = "holds other elements than on one rank";
  LayoutCounterexample example;
  example.coordinates = nameCoordinates(scope.universe, first->place);
  example.index = first->place.index;
  if (first->got.segments != first->wanted.segments)
    return finding;
  for (const layout::Dim &dim : get(first->got.source).value.dims)
    for (const layout::Digit &digit : dim.digits) {
      const std::string &name = scope.universe.spaces[digit.space].name;
      if (llvm::any_of(example.got, [&](const auto &known) { return known.first == name; }))
        continue;
      example.wanted.push_back({name, first->wanted.positions[digit.space]});
      example.got.push_back({name, first->got.positions[digit.space]});
    }
  if (first->got.source == first->wanted.source)
    finding.counterexample = std::move(example);
  return finding;
}
