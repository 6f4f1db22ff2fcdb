// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Sampling/SampleInputs.h"

#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::sampling;
using reference::RandomReals;
using reference::Tensor;

namespace {

/// What the integers of an argument are for.
enum class Role { Any, LookUp, Positions, Starts, BlockTable, Slots };

class Sampler {
public:
  Sampler(func::FuncOp function, MeshAttr mesh, uint64_t seed, int64_t lookUpParts)
      : function(function), mesh(mesh), seed(seed), lookUpParts(lookUpParts) {}

  std::optional<Sample> run();

private:
  static constexpr int64_t sequences = 2;
  static constexpr int64_t mostSquared = 8; ///< ranks of which rows are a multiple of the square

  static constexpr int64_t mostElements = int64_t(1) << 21;

  bool findRoles();
  bool addElements(ArrayRef<int64_t> shape);
  bool chooseSizes();
  bool chooseSize(StringRef name, int64_t wanted);
  std::optional<SmallVector<int64_t>> logicalShape(unsigned argument);
  std::optional<Tensor> makeIntegers(unsigned argument, RankedTensorType type, ArrayRef<int64_t> shape);
  /// How many rows of a sequence the step has, and which page holds its page `number`.
  int64_t countOf(int64_t sequence) const { return rows / sequences + (sequence == 0 ? rows % sequences : 0); }
  int64_t pageOf(int64_t sequence, int64_t number) const { return (pages - 1 - number) * sequences + sequence; }

  func::FuncOp function;
  MeshAttr mesh;
  uint64_t seed;
  int64_t lookUpParts;
  Sample sample;
  SmallVector<Role> roles;
  SmallVector<int64_t> bounds; ///< of looked up rows, by argument; 0 where the table's size is open
  int64_t rows = 0, pages = 1, pageSlots = 1, elements = 0;
};

} // namespace

/// An element that the interpreter computes with.
static bool isUsable(Type type) {
  auto real = dyn_cast<FloatType>(type);
  return real ? real.getWidth() <= 64 : type.isIntOrIndex();
}

/// Cosines or sines of position times 10000^(-j / n), n columns: what programs may take for granted of such a table.
static Tensor makeRopeTable(RankedTensorType type, bool isCosine) {
  Tensor table(type.getShape(), type.getElementType());
  reference::forEachIndex(type.getShape(), [&](ArrayRef<int64_t> index) {
    double frequency = std::pow(10000.0, -static_cast<double>(index[1]) / static_cast<double>(type.getDimSize(1)));
    double angle = static_cast<double>(index[0]) * frequency;
    table.at(index) = reference::Number::ofReal(isCosine ? std::cos(angle) : std::sin(angle));
  });
  return table;
}

bool Sampler::findRoles() {
  for (BlockArgument argument : function.getArguments()) {
    roles.push_back(Role::Any);
    bounds.push_back(0);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !isUsable(type.getElementType()))
      return false;
    if (isa<FloatType>(type.getElementType()))
      continue;
    SmallVector<mlir::Value> work{argument};
    llvm::SmallDenseSet<mlir::Value, 8> seen;
    std::optional<Role> found;
    bool isOne = true;
    auto add = [&](Role role) {
      isOne &= !found || *found == role;
      found = role;
    };
    while (!work.empty()) {
      mlir::Value own = work.pop_back_val();
      if (!seen.insert(own).second)
        continue;
      for (OpOperand &use : own.getUses()) {
        Operation *user = use.getOwner();
        llvm::TypeSwitch<Operation *>(user)
            .Case([&](nn::GatherRowsOp op) {
              if (op.getIndices() != own)
                return;
              add(Role::LookUp);
              auto load = op.getTable().getDefiningOp<LoadOp>();
              auto weight =
                  load ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(load, load.getWeightAttr()) : WeightOp();
              bounds.back() = weight ? weight.getLogicalType().getDimSize(0) : 0;
            })
            .Case([&](nn::RopeOp) { add(Role::Positions); })
            .Case([&](nn::AttentionOp op) {
              add(op.getPositions() == own     ? Role::Positions
                  : op.getQueryStarts() == own ? Role::Starts
                                               : Role::BlockTable);
            })
            .Case([&](nn::CacheAppendOp op) {
              add(Role::Slots);
              auto state = SymbolTable::lookupNearestSymbolFrom<StateOp>(op, op.getStateAttr());
              pageSlots = state ? state.getLogicalType().getDimSize(1) : 1;
            })
            .Case<AllGatherOp, AllToAllOp, SliceOp, BroadcastOp, PermuteOp, ExchangeOp, RedistributeOp, AssertLayoutOp,
                  tensor::CastOp, tensor::ExtractSliceOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
                [&](Operation *op) { work.push_back(op->getResult(0)); });
      }
    }
    if (!isOne)
      return false;
    roles.back() = found.value_or(Role::Any);
  }
  return true;
}

bool Sampler::chooseSize(StringRef name, int64_t wanted) {
  int64_t bound = wanted, ranks = mesh.getRankCount();
  if (auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds))
    if (auto own = bounds.getAs<IntegerAttr>(name))
      bound = own.getInt();
  if (wanted > bound)
    wanted = bound / ranks * ranks;
  auto [entry, isNew] = sample.sizes.dims.try_emplace(name, wanted);
  sample.greatestOpen = std::max(sample.greatestOpen, entry->second);
  return wanted >= 1 && (isNew || entry->second == wanted);
}

bool Sampler::chooseSizes() {
  if (auto given = function->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : given)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue()))
        sample.sizes.dims[size.getName()] = number.getInt();
  // What types say of a name, so that an open dim of that name is of the same size.
  SmallVector<std::pair<std::string, Role>> open;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto type = cast<RankedTensorType>(function.getArgument(i).getType());
    auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    if (!layout && !type.hasStaticShape())
      return false;
    for (int64_t dim = 0; layout && dim < type.getRank(); ++dim) {
      LayoutDimAttr own = layout.getDims()[static_cast<size_t>(dim)];
      if (own.getSegmented() || own.getTerms().size() != 1) {
        if (type.isDynamicDim(static_cast<unsigned>(dim)))
          return false;
        continue;
      }
      LayoutTermAttr term = own.getTerms().front();
      int64_t size = type.getDimSize(static_cast<unsigned>(dim));
      if (ShapedType::isDynamic(size)) {
        open.push_back({term.getName().str(), dim == 0 ? roles[i] : Role::Any});
        continue;
      }
      for (AxisRefAttr axis : term.getAxes())
        size *= axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
      auto [entry, isNew] = sample.sizes.dims.try_emplace(term.getName(), size);
      if (!isNew && entry->second != size)
        return false;
    }
  }
  // Sizes that roles settle come first.
  for (const auto &[name, role] : open)
    if (role == Role::Starts || role == Role::BlockTable)
      if (!sample.sizes.dims.count(name) && !chooseSize(name, role == Role::Starts ? sequences + 1 : sequences))
        return false;
  int64_t ranks = mesh.getRankCount(), unit = ranks <= mostSquared ? ranks * ranks : 2 * ranks, next = 1;
  unit = std::max<int64_t>(unit, 4);
  for (const auto &[name, role] : open)
    if (!sample.sizes.dims.count(name) && !chooseSize(name, unit * next++))
      return false;
  return true;
}

std::optional<SmallVector<int64_t>> Sampler::logicalShape(unsigned argument) {
  auto type = cast<RankedTensorType>(function.getArgument(argument).getType());
  auto layout = function.getArgAttrOfType<LayoutAttr>(argument, attribute::layout);
  SmallVector<int64_t> shape(type.getShape());
  if (!layout)
    return shape;
  if (layout.getRank() != type.getRank())
    return std::nullopt;
  for (auto [size, dim] : llvm::zip_equal(shape, layout.getDims())) {
    if (dim.getSegmented()) {
      size = 0;
      for (LayoutTermAttr term : dim.getTerms())
        size += term.getExtent();
    } else if (ShapedType::isDynamic(size)) {
      size = sample.sizes.dims.lookup(dim.getTerms().front().getName());
    } else {
      for (LayoutTermAttr term : dim.getTerms())
        for (AxisRefAttr axis : term.getAxes())
          size *= axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
    }
  }
  return shape;
}

std::optional<Tensor> Sampler::makeIntegers(unsigned argument, RankedTensorType type, ArrayRef<int64_t> shape) {
  std::string name = "argument " + std::to_string(argument);
  auto random = [&](int64_t bound) {
    return makeRandom(shape, type.getElementType(), seed, name, RandomReals::Uniform, bound);
  };
  Role role = roles[argument];
  if (role == Role::Any)
    return random(type.getElementType().isInteger(1) ? 2 : 3);
  if (role == Role::LookUp && bounds[argument])
    return random(bounds[argument]);
  std::vector<int64_t> values;
  if (role == Role::LookUp) { // of rows of the step: from all over, in no order
    int64_t bound = std::max<int64_t>(1, sample.greatestOpen / lookUpParts), count = 1;
    for (int64_t size : shape)
      count *= size;
    for (int64_t i = 0; i < count; ++i) {
      int64_t row = i * bound / count;
      values.push_back(((i % 2 ? bound - 1 - row : row) + static_cast<int64_t>(seed)) % bound);
    }
    return Tensor::ofIntegers(shape, type.getElementType(), values);
  }
  if (role == Role::BlockTable) {
    if (shape.size() != 2 || shape[0] != sequences)
      return std::nullopt;
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t i = 0; i < shape[1]; ++i)
        values.push_back(pageOf(s, i));
  } else if (role == Role::Starts) {
    if (shape.size() != 1 || shape[0] != sequences + 1)
      return std::nullopt;
    values.push_back(0);
    for (int64_t s = 0; s < sequences; ++s)
      values.push_back(values.back() + countOf(s));
  } else {
    if (shape.size() != 1 || shape[0] != rows)
      return std::nullopt;
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t i = 0; i < countOf(s); ++i)
        values.push_back(role == Role::Positions ? i : pageOf(s, i / pageSlots) * pageSlots + i % pageSlots);
  }
  return Tensor::ofIntegers(shape, type.getElementType(), values);
}

bool Sampler::addElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 1 || (count *= size) > mostElements)
      return false;
  return (elements += count) <= mostElements;
}

std::optional<Sample> Sampler::run() {
  if (!findRoles() || !chooseSizes())
    return std::nullopt;
  SmallVector<SmallVector<int64_t>> shapes;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    std::optional<SmallVector<int64_t>> shape = logicalShape(i);
    if (!shape)
      return std::nullopt;
    if ((roles[i] == Role::Positions || roles[i] == Role::Slots) && shape->size() == 1) {
      if (rows && rows != shape->front())
        return std::nullopt;
      rows = shape->front();
    }
    if (roles[i] == Role::BlockTable && shape->size() == 2)
      pages = (*shape)[1];
    shapes.push_back(std::move(*shape));
  }
  if (llvm::is_contained(roles, Role::BlockTable) && countOf(0) > pages * pageSlots)
    return std::nullopt;
  sample.pages = sequences * pages;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto type = cast<RankedTensorType>(function.getArgument(i).getType());
    if (!addElements(shapes[i]))
      return std::nullopt;
    if (isa<FloatType>(type.getElementType())) {
      sample.arguments.push_back(
          makeRandom(shapes[i], type.getElementType(), seed, "argument " + std::to_string(i), RandomReals::Uniform, 2));
      continue;
    }
    std::optional<Tensor> integers = makeIntegers(i, type, shapes[i]);
    if (!integers)
      return std::nullopt;
    sample.arguments.push_back(std::move(*integers));
  }
  // Of all functions: some may be called.
  WalkResult loads = function->getParentOfType<ModuleOp>().walk([&](LoadOp load) {
    auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(load, load.getWeightAttr());
    if (!weight)
      return WalkResult::interrupt();
    StringRef name = weight.getSymName();
    RankedTensorType type = weight.getLogicalType();
    if (sample.weights.count(name))
      return WalkResult::advance();
    if (!addElements(type.getShape()))
      return WalkResult::interrupt();
    if (!isUsable(type.getElementType()))
      return WalkResult::interrupt();
    auto generator = weight->getAttrOfType<StringAttr>(attribute::generator);
    StringRef kind = generator ? generator.getValue() : "";
    if (kind == "coordinate")
      return WalkResult::advance(); // the interpreter makes it
    sample.weights.try_emplace(
        name, (kind == "rope_cos" || kind == "rope_sin") && type.getRank() == 2
                  ? makeRopeTable(type, kind == "rope_cos")
                  : makeRandom(type.getShape(), type.getElementType(), seed, name, RandomReals::Uniform, 2));
    return WalkResult::advance();
  });
  if (loads.wasInterrupted())
    return std::nullopt;
  return std::move(sample);
}

std::optional<Sample> sampling::makeSample(func::FuncOp function, MeshAttr mesh, uint64_t seed, int64_t lookUpParts) {
  return Sampler(function, mesh, seed, lookUpParts).run();
}
