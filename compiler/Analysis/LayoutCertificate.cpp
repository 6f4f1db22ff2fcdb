// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutCertificate.h"

#include "compiler/Layout/Readings.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace muster;
using llvm::json::Array;
using llvm::json::Object;

LayoutCertificate::LayoutCertificate(ModuleOp module) {
  int64_t count = 0;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) { numbers[op] = count++; });
}

void LayoutCertificate::beginFunction(func::FuncOp function) {
  if (!functions.empty() && functions.back().name == function.getSymName())
    functions.pop_back();
  functions.push_back({function.getSymName().str(), "", {}, {}, false});
  ownSpaces.clear();
}

/// A number, or a list of numbers whose product it is. -k is the k-th symbol.
llvm::json::Value LayoutCertificate::toJson(const layout::Universe &universe, const layout::Size &size) const {
  if (size.isConcrete())
    return size.getValue();
  Array factors;
  if (size.getCoefficient() != 1)
    factors.push_back(size.getCoefficient());
  for (size_t index = 0; index < universe.symbols.getNames().size(); ++index)
    for (unsigned i = 0; i < size.getExponent(static_cast<unsigned>(index)); ++i)
      factors.push_back(-static_cast<int64_t>(index) - 1);
  return factors;
}

/// The axis of the mesh and, where it is not 1, the weight in it.
void LayoutCertificate::addAxis(Array &item, const layout::Universe &universe, layout::AxisId id,
                                layout::Size weight) const {
  const layout::Axis &axis = universe.axes[id];
  item.push_back(axis.whole.empty() ? axis.name : axis.whole);
  weight *= axis.weight;
  if (!weight.isOne())
    item.push_back(toJson(universe, weight));
}

llvm::json::Value LayoutCertificate::toJson(const layout::Universe &universe, ArrayRef<layout::Digit> digits) const {
  Array run;
  for (const layout::Digit &digit : digits) {
    auto own = ownSpaces.find(digit.space);
    bool isDuplicate = digit.stride.isZero();
    std::string space = isDuplicate ? "" : own == ownSpaces.end() ? universe.spaces[digit.space].name : own->second;
    Array item{toJson(universe, digit.count), toJson(universe, digit.stride), space};
    if (digit.isMesh())
      addAxis(item, universe, digit.axis, digit.weight);
    run.push_back(std::move(item));
  }
  return run;
}

static StringRef nameOf(layout::Reduction reduction) {
  switch (reduction) {
  case layout::Reduction::Sum:
    return "sum";
  case layout::Reduction::Maximum:
    return "max";
  case layout::Reduction::Minimum:
    return "min";
  case layout::Reduction::Product:
    return "product";
  }
  llvm_unreachable("unknown reduction");
}

void LayoutCertificate::addSizes(func::FuncOp function, const LayoutScope &scope) {
  llvm::json::Object &sizes = functions.back().sizes;
  auto add = [&](StringRef name) {
    if (std::optional<layout::Size> size = scope.sizeOf(name))
      sizes[name] = toJson(scope.universe, *size);
  };
  auto addNames = [&](LayoutAttr layout) {
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      for (LayoutTermAttr term : dim.getTerms())
        add(term.getName());
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    addNames(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    addNames(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
  function.walk([&](AssertLayoutOp claim) { addNames(claim.getLayout()); });
  if (MeshAttr mesh = getMesh(function))
    for (MeshAxisAttr axis : mesh.getAxes())
      if (ShapedType::isDynamic(axis.getSize()))
        add(axis.getName());
}

/// A mesh digit directly before the digit of its dim that it continues; neighbours that are one digit joined.
static void tidy(SmallVectorImpl<layout::Digit> &digits) {
  auto isDead = [](const layout::Digit &digit) {
    return digit.count.isOne() || (digit.isMesh() && digit.stride.isZero());
  };
  llvm::erase_if(digits, isDead);
  for (size_t moves = digits.size(), i = 0; i < digits.size() && moves > 0; ++i) {
    layout::Digit digit = digits[i];
    auto isNext = [&](const layout::Digit &other) { return layout::continues(digit, other); };
    if (!digit.isMesh() || (i + 1 < digits.size() && isNext(digits[i + 1])) || llvm::none_of(digits, isNext))
      continue;
    digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
    digits.insert(llvm::find_if(digits, isNext), digit);
    --moves;
    i = static_cast<size_t>(-1); // from the start again
  }
}

/// Mesh digits that stand in a dim of more than one local element and continue nothing there.
static size_t strangersOf(const layout::Value &value) {
  size_t count = 0;
  for (const layout::Dim &dim : value.dims)
    for (size_t i = 0; i < dim.digits.size() && !dim.localSize().isOne(); ++i)
      count +=
          dim.digits[i].isMesh() && !(i + 1 < dim.digits.size() && layout::continues(dim.digits[i], dim.digits[i + 1]));
  return count;
}

/// Whether a dim of duplicates may be of any size on one rank: an operation made it that has it in no operand, and it
/// moved on one rank only.
bool LayoutCertificate::isFreeDim(Operation *op, const layout::Dim &dim) {
  auto isDuplicate = [](const layout::Digit &digit) { return !digit.isMesh() && digit.stride.isZero(); };
  if (!llvm::all_of(dim.digits, isDuplicate) || op->hasAttr("axes") || isa<RedistributeOp>(op))
    return false;
  std::string size = dim.localSize().print({});
  bool isMovement = isa<tensor::CastOp, linalg::TransposeOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp,
                        tensor::ReshapeOp, tensor::ExtractSliceOp>(op);
  if (isMovement && !freeSizes.contains({op->getOperand(0).getAsOpaquePointer(), size}))
    return false;
  for (mlir::Value result : op->getResults())
    freeSizes.insert({result.getAsOpaquePointer(), size});
  return true;
}

llvm::json::Value LayoutCertificate::mapOf(Operation *op, const layout::Universe &universe, const Known &known) {
  Array dims, pending;
  if (known.kind == Known::Kind::Uniform) {
    Object map{{"dims", Array()}, {"number", true}};
    if (known.isZero)
      map["zero"] = true;
    return map;
  }
  llvm::SmallVector<layout::Value, 1> readings = layout::readingsOf(universe, known.value);
  layout::Value reading = *std::min_element(
      readings.begin(), readings.end(), [](const auto &a, const auto &b) { return strangersOf(a) < strangersOf(b); });
  functions.back().hasChoices |= readings.size() > 1 || !reading.floats.empty();
  // A shard that no dim claims stands before a dim of one local element.
  auto isUnit = [](const layout::Dim &dim) { return dim.localSize().isOne(); };
  for (const layout::Digit &digit : reading.floats)
    if (!reading.dims.empty()) {
      auto dim = llvm::find_if(reading.dims, isUnit);
      (dim == reading.dims.end() ? reading.dims.front() : *dim)
          .digits.insert((dim == reading.dims.end() ? reading.dims.front() : *dim).digits.begin(), digit);
    }
  std::string number = std::to_string(numbers.lookup(op));
  for (auto [i, dim] : llvm::enumerate(reading.dims))
    for (const layout::Digit &digit : dim.digits) {
      if (isa<arith::ConstantOp>(op))
        ownSpaces[digit.space] = "constant " + number + "." + std::to_string(i);
      if (isa<tensor::GenerateOp>(op))
        ownSpaces[digit.space] = "positions " + number;
    }
  for (layout::Dim &dim : reading.dims) {
    Array parts;
    if (!dim.isSegmented()) {
      tidy(dim.digits);
      bool isFree = !dim.digits.empty() && isFreeDim(op, dim);
      parts.push_back(isFree ? Array{Array{toJson(universe, dim.localSize()), 0, "*"}} : toJson(universe, dim.digits));
    }
    for (layout::Dim &segment : dim.segments) {
      tidy(segment.digits);
      parts.push_back(toJson(universe, segment.digits));
    }
    dims.push_back(std::move(parts));
  }
  for (const layout::Pending &part : reading.pending) {
    Array item{toJson(universe, part.count), 0, nameOf(part.reduction)};
    addAxis(item, universe, part.axis, part.weight);
    pending.push_back(std::move(item));
  }
  Object map{{"dims", std::move(dims)}};
  if (!pending.empty())
    map["pending"] = std::move(pending);
  return map;
}

static bool hasMap(const Known &known) {
  return known.kind == Known::Kind::Digits || (known.kind == Known::Kind::Uniform && !known.isUnwritten);
}

void LayoutCertificate::add(Operation *op, const layout::Universe &universe, ArrayRef<Known> results, size_t at) {
  Object record{{"op", numbers.lookup(op)}, {"name", op->getName().getStringRef()}};
  if (op->getNumRegions() > 0 && !isa<linalg::LinalgOp, tensor::GenerateOp>(op)) {
    Array maps;
    for (const Known &known : results)
      maps.push_back(hasMap(known) ? mapOf(op, universe, known) : llvm::json::Value(nullptr));
    record["maps"] = std::move(maps);
  } else if (hasMap(results.front())) {
    record["map"] = mapOf(op, universe, results.front());
  } else {
    return;
  }
  functions.back().values.insert(functions.back().values.begin() + static_cast<ptrdiff_t>(at), std::move(record));
}

void LayoutCertificate::print(llvm::raw_ostream &stream, StringRef digest) const {
  stream << "{\"muster_certificate\": 2,\n \"program\": \"" << digest << "\",\n \"functions\": [";
  for (const Function &function : functions) {
    stream << (&function == &functions.front() ? "\n" : ",\n") << "  {\"name\": " << llvm::json::Value(function.name)
           << (function.uncovered.empty()
                   ? std::string()
                   : llvm::formatv(", \"uncovered\": {0}", llvm::json::Value(function.uncovered)).str())
           << (function.hasChoices ? ", \"choices\": true" : "")
           << ", \"sizes\": " << llvm::json::Value(Object(function.sizes)) << ", \"values\": [";
    for (const llvm::json::Value &value : function.values)
      stream << (&value == &function.values.front() ? "\n" : ",\n") << "    " << value;
    stream << "]}";
  }
  stream << "]}\n";
}
