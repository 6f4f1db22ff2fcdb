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
  module.walk([&](ExchangeOp exchange) {
    MeshAttr mesh = getMesh(exchange);
    int64_t group = mesh ? getGroupSize(mesh, exchange.getAxes()) : 0;
    mlir::Value value = exchange.getInput();
    int64_t dim = 0;
    auto groupOf = [&](auto reshape) { // of the dim, in the larger of two shapes
      for (auto [i, group] : llvm::enumerate(reshape.getReassociationIndices()))
        if (isa<tensor::CollapseShapeOp>(reshape) ? int64_t(i) == dim : llvm::is_contained(group, dim))
          return std::pair(static_cast<int64_t>(i), group);
      return std::pair(int64_t(0), ReassociationIndices());
    };
    for (; group != 0;) {
      if (auto transpose = value.getDefiningOp<linalg::TransposeOp>()) {
        dim = transpose.getPermutation()[static_cast<size_t>(dim)];
        value = transpose.getInput();
      } else if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>()) {
        auto dims = groupOf(collapse).second;
        auto isIt = [&](int64_t i) { return collapse.getSrcType().getDimSize(static_cast<unsigned>(i)) == group; };
        auto found = llvm::find_if(dims, isIt);
        dim = found == dims.end() ? dims.front() : *found;
        value = collapse.getSrc();
      } else if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>();
                 expand && groupOf(expand).second.size() == 1) {
        dim = groupOf(expand).first;
        value = expand.getSrc();
      } else {
        break;
      }
    }
    if (group != 0 && isa_and_nonnull<tensor::ExpandShapeOp, tensor::ReshapeOp>(value.getDefiningOp()))
      made[{value.getAsOpaquePointer(), static_cast<size_t>(dim)}] = group;
  });
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
  for (unsigned symbol : size.getSymbols())
    factors.push_back(-static_cast<int64_t>(symbol) - 1);
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
    std::string space = isDuplicate              ? (digit.isCopy ? "*" : "")
                        : own == ownSpaces.end() ? universe.spaces[digit.space].name
                                                 : own->second;
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

/// Neighbours that are one run of positions as one digit.
static void join(SmallVectorImpl<layout::Digit> &digits) {
  for (size_t i = digits.size(); i-- > 1;)
    if (layout::continues(digits[i - 1], digits[i])) {
      digits[i].count *= digits[i - 1].count;
      digits.erase(digits.begin() + static_cast<ptrdiff_t>(i) - 1);
    }
}

/// Digits cut into dims of these sizes, or none where a size cuts no digit.
static std::vector<SmallVector<layout::Digit, 2>> cut(ArrayRef<layout::Digit> digits, ArrayRef<layout::Size> sizes) {
  std::vector<SmallVector<layout::Digit, 2>> dims(sizes.size());
  SmallVector<layout::Digit> left(digits);
  for (size_t i = sizes.size(); i-- > 0;)
    for (layout::Size size = sizes[i]; !size.isOne();) {
      if (left.empty())
        return {};
      layout::Digit digit = left.pop_back_val();
      if (std::optional<layout::Size> rest = divide(size, digit.count)) {
        size = *rest;
      } else if (std::optional<layout::Size> outer = divide(digit.count, size)) {
        left.push_back(digit);
        left.back().count = *outer;
        left.back().stride = digit.stride * size;
        digit.count = std::exchange(size, layout::Size(1));
      } else {
        return {};
      }
      dims[i].insert(dims[i].begin(), digit);
    }
  return left.empty() ? dims : std::vector<SmallVector<layout::Digit, 2>>();
}

static layout::Size sizeOf(ArrayRef<layout::Digit> digits) {
  layout::Size size = 1;
  for (const layout::Digit &digit : digits)
    size *= digit.count;
  return size;
}

/// Whether two are the same list of digits.
static bool isSame(ArrayRef<layout::Digit> a, ArrayRef<layout::Digit> b) {
  return llvm::equal(a, b, [](const layout::Digit &a, const layout::Digit &b) { return a.names(b); });
}

/// On one rank a collective does nothing, and a dim that a reshape made for an exchange has one element for each that
/// goes to a rank. Else shards are where they stand in the reading.
LayoutCertificate::OnOneRank LayoutCertificate::onOneRank(Operation *op, const layout::Value &reading) {
  OnOneRank plain;
  for (const layout::Dim &dim : reading.dims) {
    std::vector<layout::Dim> parts = dim.isSegmented() ? dim.segments : std::vector<layout::Dim>{dim};
    plain.emplace_back();
    for (layout::Dim &part : parts) {
      tidy(part.digits);
      llvm::erase_if(part.digits, [](const layout::Digit &digit) { return digit.stride.isZero() && !digit.isCopy; });
      for (layout::Digit &digit : part.digits)
        digit.axis = layout::Digit::local;
      join(part.digits);
      plain.back().push_back(part.digits);
    }
  }
  auto known = !op || op->getNumOperands() == 0 ? ranks.end() : ranks.find(op->getOperand(0));
  bool isKnown = op && known != ranks.end();
  if (!op || (!isKnown && !isa<tensor::ExpandShapeOp>(op)))
    return plain;
  const OnOneRank operand = isKnown ? known->second : OnOneRank();
  if ((op->hasAttr("axes") || isa<RedistributeOp, tensor::CastOp>(op)) && operand.size() == plain.size())
    return operand;
  OnOneRank moved(plain.size());
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
      moved[i] = operand[static_cast<size_t>(dim)];
    return moved;
  }
  std::vector<std::pair<SmallVector<int64_t, 2>, SmallVector<int64_t, 2>>> groups; // dims of the result, of the operand
  auto all = [](size_t count) { return llvm::to_vector_of<int64_t, 2>(llvm::seq(count)); };
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    for (auto [i, group] : llvm::enumerate(expand.getReassociationIndices()))
      groups.push_back({group, {static_cast<int64_t>(i)}});
  else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    for (auto [i, group] : llvm::enumerate(collapse.getReassociationIndices()))
      groups.push_back({{static_cast<int64_t>(i)}, group});
  else if (isa<tensor::ReshapeOp>(op))
    groups.push_back({all(plain.size()), all(operand.size())});
  if (groups.empty())
    return plain;
  for (const auto &[results, operands] : groups) {
    SmallVector<layout::Digit> digits;
    for (int64_t dim : isKnown ? operands : results) // A reshape has the digits of its operand.
      if (const auto &parts = (isKnown ? operand : plain)[static_cast<size_t>(dim)]; parts.size() != 1)
        return plain;
      else
        llvm::append_range(digits, parts[0]);
    SmallVector<layout::Size> sizes;
    SmallVector<size_t> others; // which may be larger
    for (auto [i, dim] : llvm::enumerate(results)) {
      auto group = made.find({op->getResult(0).getAsOpaquePointer(), static_cast<size_t>(dim)});
      layout::Size size = sizeOf(plain[static_cast<size_t>(dim)][0]);
      std::optional<layout::Size> smaller;
      if (group != made.end() && results.size() > 1)
        smaller = ShapedType::isDynamic(group->second)
                      ? layout::Size(1)
                      : divide(reading.dims[static_cast<size_t>(dim)].localSize(), layout::Size(group->second));
      if (!smaller)
        others.push_back(i);
      sizes.push_back(smaller.value_or(size));
    }
    // What one rank has more goes to the dim that ends as the rank's part of it does.
    layout::Size whole = sizeOf(digits), product = layout::product(sizes);
    auto dims = cut(digits, sizes);
    auto isLike = [&](size_t i) {
      const auto &own = plain[static_cast<size_t>(results[i])][0];
      return own.empty() || dims[i].empty() || own.back().names(dims[i].back()) ||
             (own.back().space == dims[i].back().space && own.back().stride == dims[i].back().stride);
    };
    auto isFound = [&] { return !dims.empty() && llvm::all_of(llvm::seq(results.size()), isLike); };
    // Those that have digits first.
    decltype(others) ordered;
    for (bool isEmpty : {false, true})
      llvm::copy_if(others, std::back_inserter(ordered),
                    [&](size_t i) { return plain[static_cast<size_t>(results[i])][0].empty() == isEmpty; });
    others = std::move(ordered);
    for (size_t i = 0; i < others.size() && !isFound(); ++i) {
      SmallVector<layout::Size> tried = sizes;
      std::optional<layout::Size> rest = divide(product, sizes[others[i]]), size = rest ? divide(whole, *rest) : rest;
      tried[others[i]] = size.value_or(1);
      dims = cut(digits, tried);
    }
    if (!isFound() && !results.empty())
      return plain;
    for (auto [i, dim] : llvm::enumerate(results)) {
      join(dims[i]);
      moved[static_cast<size_t>(dim)] = {dims[i]};
    }
  }
  return moved;
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
  std::vector<bool> free;
  for (layout::Dim &dim : reading.dims) {
    Array parts;
    free.push_back(false);
    if (!dim.isSegmented()) {
      tidy(dim.digits);
      bool isFree = !dim.digits.empty() && isFreeDim(op, dim);
      free.back() = isFree;
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
  if (op->getNumResults() == 1) {
    OnOneRank own = onOneRank(op, reading), plain = onOneRank(nullptr, reading);
    Array one;
    for (auto [i, dim] : llvm::enumerate(own)) {
      Array parts;
      for (const auto &part : dim)
        parts.push_back(free[i] ? (*map.getArray("dims"))[i].getAsArray()->front() : toJson(universe, part));
      one.push_back(std::move(parts));
    }
    auto isSameDim = [](const auto &a, const auto &b) { return llvm::equal(a, b, isSame); };
    if (!llvm::equal(own, plain, isSameDim))
      map["one"] = std::move(one);
    ranks[op->getResult(0)] = std::move(own);
  }
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
