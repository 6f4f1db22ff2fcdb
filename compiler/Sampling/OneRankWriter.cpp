// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One text of a function on one rank, operation by operation. Calls and loops are in OneRankRegions.cpp, operations
// whose text says sizes in OneRankShapes.cpp.
#include "compiler/Sampling/OneRankWriter.h"

#include "dialects/NN/IR/NNDialect.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::sampling;

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

static bool isContiguous(LayoutAttr layout) {
  for (LayoutDimAttr dim : layout.getDims())
    for (LayoutTermAttr term : dim.getTerms())
      if (term.getOrder() != ChunkOrder::Contiguous || term.getAnyOrder() || term.isRagged())
        return false;
  return layout.getPartials().empty();
}

/// Made of a part of another value, through operations on single elements.
static bool isPart(mlir::Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<tensor::ExtractSliceOp>(op))
      return true;
    if (op->getNumOperands() < 1 || op->getNumRegions() > 1)
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// Whether what a function means on one rank follows from its text and shapes alone.
bool OneRankWriter::isClear(func::FuncOp own) {
  if (!own.getBody().hasOneBlock())
    return false;
  auto isClearAttribute = [](Attribute attribute) {
    auto layout = dyn_cast_or_null<LayoutAttr>(attribute);
    return !layout || isContiguous(layout);
  };
  for (unsigned i = 0; i < own.getNumArguments(); ++i)
    if (!isClearAttribute(own.getArgAttr(i, attribute::layout)))
      return false;
  for (unsigned i = 0; i < own.getNumResults(); ++i)
    if (!isClearAttribute(own.getResultAttr(i, attribute::layout)))
      return false;
  return true;
}

bool OneRankWriter::isClear() {
  auto module = function->getParentOfType<ModuleOp>();
  for (auto state : module.getOps<StateOp>())
    if (!isContiguous(state.getLayout()))
      return false;
  bool movesParts = false, joinsParts = false, cuts = false, isFlat = true;
  joins = false;
  for (auto own : module.getOps<func::FuncOp>()) {
    if (own != function && (own.isPublic() || own.isExternal()))
      continue;
    if (!isClear(own))
      return false;
    own.walk([&](Operation *op) {
      movesParts |= isa<AllGatherOp, AllToAllOp, ExchangeOp, RedistributeOp>(op);
      auto concat = dyn_cast<tensor::ConcatOp>(op);
      joins |= isa<tensor::InsertSliceOp, tensor::ConcatOp>(op);
      cuts |= isa<tensor::ExtractSliceOp>(op);
      isFlat &= !isa<func::CallOp, scf::ForOp>(op);
      joinsParts |= isa<tensor::InsertSliceOp>(op) || (concat && llvm::any_of(concat.getInputs(), isPart));
    });
  }
  // Parts are not followed through calls and loops.
  joinsParts |= joins && cuts && !isFlat;
  return !(movesParts && joinsParts);
}

/// a / b for all divisors a and b of the number of ranks.
void OneRankWriter::chooseFactors() {
  int64_t ranks = getMesh(function).getRankCount();
  SmallVector<int64_t> divisors;
  for (int64_t i = 1; i <= ranks; ++i)
    if (ranks % i == 0)
      divisors.push_back(i);
  for (int64_t a : divisors)
    for (int64_t b : divisors)
      factors.insert({a / std::gcd(a, b), b / std::gcd(a, b)});
}

void OneRankWriter::makeSymbols(ModuleOp module) {
  builder.setInsertionPointToEnd(module.getBody());
  MLIRContext *context = builder.getContext();
  auto mesh = MeshAttr::get(context, {MeshAxisAttr::get(context, "one", 1)});
  MeshOp::create(builder, function.getLoc(), "mesh", mesh);
  for (Operation &op : *function->getParentOfType<ModuleOp>().getBody()) {
    if (!isa<WeightOp, StateOp>(op))
      continue;
    Operation *copy = builder.clone(op);
    std::string names;
    auto type = cast<RankedTensorType>(copy->getAttrOfType<TypeAttr>("type").getValue());
    for (int64_t i = 0; i < type.getRank(); ++i)
      names += (i ? ", d" : "d") + std::to_string(i);
    copy->setAttr("layout", LayoutAttr::parseText(context, "[" + names + "]"));
  }
}

Writing OneRankWriter::write(OwningOpRef<ModuleOp> &text, int64_t &workDone) {
  if (!isClear())
    return unsupported;
  chooseFactors();
  text = ModuleOp::create(function.getLoc());
  makeSymbols(*text);
  SmallVector<Type> arguments, results;
  for (auto [type, shape] : llvm::zip_equal(function.getArgumentTypes(), signature.arguments))
    arguments.push_back(cast<RankedTensorType>(type).clone(shape));
  for (auto [type, shape] : llvm::zip_equal(function.getResultTypes(), signature.results)) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return unsupported;
    results.push_back(tensor.clone(shape));
  }
  auto copy =
      func::FuncOp::create(builder, function.getLoc(), oneRankEntry, builder.getFunctionType(arguments, results));
  Block *block = copy.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  for (auto [own, other] : llvm::zip_equal(function.getArguments(), block->getArguments()))
    map.map(own, other);
  for (Operation &op : function.getBody().front())
    if (Result result = write(op); result != written)
      return result;
  workDone = work;
  ScopedDiagnosticHandler silence(builder.getContext(), [](Diagnostic &) { return success(); });
  return succeeded(verify(copy)) ? written : misfit;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

mlir::Value OneRankWriter::constant(int64_t number, Type type) {
  return arith::ConstantOp::create(builder, function.getLoc(), builder.getIntegerAttr(type, number));
}

mlir::Value OneRankWriter::materialize(mlir::Value own, ArrayRef<int64_t> shape) {
  if (!isOpen(own))
    return shapeOf(own) == Shape(shape) ? map.lookup(own) : mlir::Value();
  Type element = cast<RankedTensorType>(own.getType()).getElementType();
  mlir::Value value = tensor::EmptyOp::create(builder, own.getLoc(), shape, element);
  if (mlir::Value elements = open.lookup(own))
    value = linalg::FillOp::create(builder, own.getLoc(), elements, value).getResult(0);
  return value;
}

std::optional<Integer> OneRankWriter::integerOf(OpFoldResult number) {
  if (auto attribute = dyn_cast<Attribute>(number))
    return Integer{cast<IntegerAttr>(attribute).getInt(), true, false};
  auto known = integers.find(cast<mlir::Value>(number));
  return known == integers.end() ? std::optional<Integer>() : known->second;
}

SmallVector<int64_t> OneRankWriter::candidates(int64_t number, int64_t most) const {
  std::set<int64_t> found;
  for (auto [numerator, denominator] : factors)
    if (number * numerator % denominator == 0 && number * numerator / denominator <= most)
      found.insert(number * numerator / denominator);
  return SmallVector<int64_t>(found.begin(), found.end());
}

Writing OneRankWriter::take(ArrayRef<int64_t> all, int64_t &chosen) {
  auto [known, isNew] = takenAt.try_emplace({current, taken++}, 0);
  if (isNew && !all.empty())
    known->second = all.size() == 1 ? all.front() : all[choices.take(all.size())];
  chosen = known->second;
  return llvm::is_contained(all, chosen) ? written : misfit;
}

void OneRankWriter::forward(mlir::Value from, mlir::Value to) {
  open.erase(to);
  integers.erase(to);
  if (isOpen(from))
    open[to] = open.lookup(from);
  else if (auto known = integers.find(from); known != integers.end())
    integers[to] = Integer(known->second);
  else if (mlir::Value known = map.lookupOrNull(from))
    map.map(to, known);
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

Writing OneRankWriter::write(Operation &op) {
  constexpr int64_t mostOperations = 20000;
  if (++count > mostOperations)
    return unsupported;
  current = &op;
  taken = 0;
  return llvm::TypeSwitch<Operation *, Writing>(&op)
      .Case([&](arith::ConstantOp own) { return writeConstant(own); })
      .Case([&](tensor::EmptyOp own) {
        open[own] = mlir::Value();
        return written;
      })
      .Case([&](linalg::FillOp own) {
        if (isOpen(own.getOutputs().front())) {
          mlir::Value elements = map.lookupOrNull(own.getInputs().front());
          open[own.getResult(0)] = elements;
          return elements ? written : unsupported;
        }
        open.erase(own.getResult(0));
        return writeLinalg(own);
      })
      .Case([&](CoordinateOp own) {
        // Only as the number of a part, times its size.
        for (Operation *user : own->getUsers())
          if (!isa<arith::MulIOp>(user))
            return unsupported;
        integers[own] = {0, false, true};
        return written;
      })
      .Case([&](SizeOp own) {
        auto size = [&](StringRef name) -> int64_t {
          if (getMesh(function).findAxis(name) >= 0)
            return 1;
          auto known = signature.sizes.find(name);
          return known == signature.sizes.end() ? 0 : known->second;
        };
        int64_t dividend = size(own.getDividend()), divisor = own.getDivisor() ? size(*own.getDivisor()) : 1;
        if (dividend < 1 || divisor < 1 || dividend % divisor != 0)
          return unsupported;
        integers[own] = {dividend / divisor, false, false};
        return written;
      })
      .Case([&](tensor::DimOp own) {
        std::optional<Integer> dim = integerOf(own.getIndex());
        if (!dim || isOpen(own.getSource()) || dim->value < 0 || dim->value >= typeOf(own.getSource()).getRank())
          return unsupported;
        integers[own] = {shapeOf(own.getSource())[static_cast<size_t>(dim->value)], false, false};
        return written;
      })
      .Case<AllGatherOp, AllToAllOp, AllReduceOp, ReduceScatterOp, SliceOp, BroadcastOp, RedistributeOp, AssertLayoutOp,
            tensor::CastOp>([&](Operation *own) {
        forward(own->getOperand(0), own->getResult(0));
        return written;
      })
      .Case([&](ExchangeOp own) {
        // Of parts that were joined in a list, one for each rank, there is one on one rank.
        if (isOpen(own.getInput()))
          return unsupported;
        int64_t local = own.getResult().getType().getShape().front();
        bool mayBeList = ShapedType::isDynamic(local) || shapeOf(own.getInput()).front() == local;
        if (joins && mayBeList)
          return unsupported;
        forward(own.getInput(), own.getResult());
        return written;
      })
      .Case([&](LoadOp own) { return writeLoad(own); })
      .Case([&](tensor::ExpandShapeOp own) { return writeExpand(own); })
      .Case([&](tensor::CollapseShapeOp own) { return writeCollapse(own); })
      .Case([&](tensor::ReshapeOp own) { return writeReshape(own); })
      .Case([&](tensor::FromElementsOp own) {
        bool isShape = llvm::all_of(own->getUsers(), [](Operation *user) { return isa<tensor::ReshapeOp>(user); });
        return isShape && own.getType().getElementType().isIntOrIndex() ? written : unsupported;
      })
      .Case([&](tensor::ExtractSliceOp own) { return writeSlice(own); })
      .Case([&](tensor::ConcatOp own) { return writeConcat(own); })
      .Case([&](linalg::LinalgOp own) { return writeLinalg(own); })
      .Case([&](func::CallOp own) { return writeCall(own); })
      .Case([&](scf::ForOp own) { return writeLoop(own); })
      .Case([&](func::ReturnOp own) { return writeReturn(own); })
      .Default([&](Operation *own) {
        if (isa_and_present<nn::NNDialect>(own->getDialect()))
          return writeNN(*own);
        bool isScalar =
            own->getNumRegions() == 0 && own->getNumResults() == 1 && !isa<ShapedType>(own->getResult(0).getType());
        if (isScalar && own->getResult(0).getType().isIntOrIndex())
          return writeInteger(*own);
        return own->hasTrait<OpTrait::Elementwise>() ? writeElementwise(*own) : unsupported;
      });
}

Writing OneRankWriter::writeBody(Block &block) {
  constexpr int mostDepth = 16;
  if (depth == mostDepth)
    return unsupported;
  ++depth;
  for (Operation &op : block.without_terminator())
    if (Result result = write(op); result != written)
      return result;
  --depth;
  return written;
}

Writing OneRankWriter::clone(Operation &op, ArrayRef<Shape> results) {
  Operation *copy = builder.clone(op, map);
  for (auto [own, other, shape] : llvm::zip_equal(op.getResults(), copy->getResults(), results)) {
    if (auto type = dyn_cast<RankedTensorType>(own.getType()))
      other.setType(type.clone(shape));
    map.map(own, other);
  }
  for (const Shape &shape : results) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    work += count;
  }
  return written;
}

Writing OneRankWriter::writeConstant(arith::ConstantOp op) {
  if (auto number = dyn_cast<IntegerAttr>(op.getValue())) {
    integers[op] = {number.getInt(), number.getInt() != 0, false};
    return written;
  }
  if (isa<FloatAttr>(op.getValue()))
    return clone(*op, Shape());
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  bool isShape = llvm::all_of(op->getUsers(), [&](Operation *user) {
    auto reshape = dyn_cast<tensor::ReshapeOp>(user);
    return reshape && reshape.getShape() == op.getResult();
  });
  if (elements && isShape)
    return written; // read where it is used
  if (elements && isa<FloatType>(elements.getElementType()) && !elements.isSplat())
    return clone(*op, Shape(elements.getType().getShape()));
  if (!elements || !elements.isSplat())
    return unsupported;
  if (auto type = dyn_cast<FloatType>(elements.getElementType())) {
    open[op] = arith::ConstantOp::create(builder, op.getLoc(), elements.getSplatValue<FloatAttr>());
    return written;
  }
  if (elements.getElementType().isIntOrIndex() && elements.getSplatValue<APInt>().isZero()) {
    open[op] = constant(0, elements.getElementType());
    return written;
  }
  return unsupported;
}

Writing OneRankWriter::writeInteger(Operation &op) {
  SmallVector<Integer, 2> operands;
  for (mlir::Value operand : op.getOperands()) {
    std::optional<Integer> known = integerOf(operand);
    if (!known)
      return unsupported;
    operands.push_back(*known);
  }
  if (operands.empty())
    return unsupported;
  int64_t a = operands.front().value, b = operands.back().value;
  auto divided = [&](auto quotient) -> std::optional<int64_t> {
    return a < 0 || b <= 0 ? std::optional<int64_t>() : quotient();
  };
  std::optional<int64_t> value =
      llvm::TypeSwitch<Operation *, std::optional<int64_t>>(&op)
          .Case([&](arith::AddIOp) { return a + b; })
          .Case([&](arith::SubIOp) { return a - b; })
          .Case([&](arith::MulIOp) { return a * b; })
          .Case<arith::DivUIOp, arith::DivSIOp>([&](auto) { return divided([&] { return a / b; }); })
          .Case<arith::CeilDivUIOp, arith::CeilDivSIOp>([&](auto) { return divided([&] { return (a + b - 1) / b; }); })
          .Case<arith::RemUIOp, arith::RemSIOp>([&](auto) { return divided([&] { return a % b; }); })
          .Case<arith::MinUIOp, arith::MinSIOp>([&](auto) { return std::min(a, b); })
          .Case<arith::MaxUIOp, arith::MaxSIOp>([&](auto) { return std::max(a, b); })
          .Case<arith::IndexCastOp, arith::IndexCastUIOp>([&](auto) { return a; })
          .Default([](Operation *) { return std::nullopt; });
  if (!value)
    return unsupported;
  bool isProduct = isa<arith::MulIOp>(op), isWritten = false, isOrigin = isProduct ? false : true;
  for (const Integer &operand : operands) {
    isWritten |= operand.isWritten;
    isOrigin = isProduct ? isOrigin || operand.isOrigin : isOrigin && operand.isOrigin;
  }
  isOrigin &= isa<arith::MulIOp, arith::AddIOp, arith::IndexCastOp, arith::IndexCastUIOp>(op);
  integers[op.getResult(0)] = {*value, isWritten && !isOrigin, isOrigin};
  return written;
}

Writing OneRankWriter::writeElementwise(Operation &op) {
  if (op.getNumResults() != 1 || op.getNumRegions() != 0)
    return unsupported;
  if (!isa<RankedTensorType>(op.getResult(0).getType())) {
    for (mlir::Value operand : op.getOperands())
      if (!map.contains(operand))
        return unsupported;
    return clone(op, Shape());
  }
  std::optional<Shape> shape;
  for (mlir::Value operand : op.getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    if (isOpen(operand))
      continue;
    if (shape && *shape != shapeOf(operand))
      return misfit;
    shape = shapeOf(operand);
  }
  if (!shape)
    return unsupported;
  IRMapping own;
  for (mlir::Value operand : op.getOperands()) {
    mlir::Value other =
        isa<RankedTensorType>(operand.getType()) ? materialize(operand, *shape) : map.lookupOrNull(operand);
    if (!other)
      return unsupported;
    own.map(operand, other);
  }
  Operation *copy = builder.clone(op, own);
  copy->getResult(0).setType(cast<RankedTensorType>(op.getResult(0).getType()).clone(*shape));
  map.map(op.getResult(0), copy->getResult(0));
  work += cast<RankedTensorType>(copy->getResult(0).getType()).getNumElements();
  return written;
}

/// What the body of a linalg operation takes from outside, and numbers in it that may be meant for a mesh.
static bool isBodyClear(Region &region) {
  WalkResult result = region.walk([&](Operation *op) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    auto number = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
    bool isNumber = number && !number.getType().isInteger(1) && number.getInt() != 0;
    bool isScalar =
        op->getNumRegions() == 0 && !isa_and_present<MusterDialect, tensor::TensorDialect>(op->getDialect());
    return isNumber || !isScalar ? WalkResult::interrupt() : WalkResult::advance();
  });
  return !result.wasInterrupted();
}

Writing OneRankWriter::writeLinalg(linalg::LinalgOp op) {
  if (op->getNumRegions() != 1 || !isBodyClear(op->getRegion(0)))
    return unsupported;
  // Sizes of loops: of values whose shapes are known, then of those that are made here.
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<int64_t> loops(op.getNumLoops(), -1);
  auto forEachLoop = [&](AffineMap indices, auto visit) {
    for (auto [dim, expression] : llvm::enumerate(indices.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expression);
      if (!loop)
        return unsupported;
      if (Result result = visit(dim, loops[loop.getPosition()]); result != written)
        return result;
    }
    return written;
  };
  for (auto [operand, indices] : llvm::zip_equal(op->getOperands(), maps)) {
    if (!isa<RankedTensorType>(operand.getType())) {
      if (!indices.getResults().empty())
        return unsupported;
      continue;
    }
    if (isOpen(operand))
      continue;
    Shape shape = shapeOf(operand);
    Result result = forEachLoop(indices, [&](size_t dim, int64_t &loop) {
      if (loop >= 0 && loop != shape[dim])
        return misfit;
      loop = shape[dim];
      return written;
    });
    if (result != written)
      return result;
  }
  int64_t points = 1;
  constexpr int64_t most = int64_t(1) << 40;
  for (auto [operand, indices] : llvm::zip_equal(op->getOperands(), maps)) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || !isOpen(operand))
      continue;
    Result result = forEachLoop(indices, [&](size_t dim, int64_t &loop) {
      int64_t local = type.getDimSize(static_cast<unsigned>(dim));
      if (loop >= 0)
        return written;
      return ShapedType::isDynamic(local) ? unsupported : take(candidates(local, most), loop);
    });
    if (result != written)
      return result;
  }
  for (int64_t loop : loops)
    points = loop < 1 || points > most / loop ? most : points * loop;
  IRMapping own;
  for (auto [operand, indices] : llvm::zip_equal(op->getOperands(), maps)) {
    mlir::Value other;
    if (isa<RankedTensorType>(operand.getType())) {
      Shape shape;
      for (AffineExpr expression : indices.getResults())
        shape.push_back(loops[cast<AffineDimExpr>(expression).getPosition()]);
      other = materialize(operand, shape);
    } else {
      other = map.lookupOrNull(operand);
    }
    if (!other)
      return unsupported;
    own.map(operand, other);
  }
  WalkResult captured = op->getRegion(0).walk([&](Operation *inner) {
    for (mlir::Value operand : inner->getOperands()) {
      if (op->getRegion(0).isAncestor(operand.getParentRegion()) || own.contains(operand))
        continue;
      auto integer = integers.find(operand);
      if (integer != integers.end()) {
        // Where a part begins may be added to an index; other numbers may be meant for a mesh.
        if (integer->second.value != 0 || integer->second.isWritten)
          return WalkResult::interrupt();
        own.map(operand, constant(0, operand.getType()));
      } else if (mlir::Value other = map.lookupOrNull(operand)) {
        own.map(operand, other);
      } else {
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (captured.wasInterrupted())
    return unsupported;
  Operation *copy = builder.clone(*op, own);
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    copy->getResult(static_cast<unsigned>(i))
        .setType(copy->getOperand(static_cast<unsigned>(op.getNumDpsInputs() + static_cast<int64_t>(i))).getType());
    map.map(result, copy->getResult(static_cast<unsigned>(i)));
  }
  constexpr int64_t pointCost = 20;
  work += points > most / pointCost ? most : points * pointCost;
  return written;
}

Writing OneRankWriter::writeLoad(LoadOp op) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, op.getWeightAttr());
  if (!weight || !isContiguous(weight.getLayout()))
    return unsupported;
  return clone(*op, Shape(weight.getLogicalType().getShape()));
}

Writing OneRankWriter::writeNN(Operation &op) {
  for (mlir::Value operand : op.getOperands()) {
    if (isOpen(operand))
      return unsupported;
    auto integer = integers.find(operand);
    if (integer == integers.end())
      continue;
    // The first row of a part.
    if (integer->second.value != 0 || integer->second.isWritten)
      return unsupported;
    map.map(operand, constant(0, operand.getType()));
  }
  auto fits = [](bool condition, Shape shape) { return std::pair(condition, shape); };
  std::pair<bool, Shape> result =
      llvm::TypeSwitch<Operation *, std::pair<bool, Shape>>(&op)
          .Case([&](nn::MatmulOp own) {
            Shape input = shapeOf(own.getInput()), weight = shapeOf(own.getWeight());
            work += input[0] * input[1] * weight[0];
            return fits(input[1] == weight[1], {input[0], weight[0]});
          })
          .Case([&](nn::GatherRowsOp own) {
            return fits(true, {shapeOf(own.getIndices())[0], shapeOf(own.getTable())[1]});
          })
          .Case([&](nn::RmsNormOp own) {
            Shape input = shapeOf(own.getInput());
            return fits(input[1] == shapeOf(own.getScale())[0], input);
          })
          .Case([&](nn::SplitHeadsOp own) {
            Shape input = shapeOf(own.getInput());
            int64_t heads = static_cast<int64_t>(own.getHeads()), headDim = static_cast<int64_t>(own.getHeadDim());
            return fits(input[1] == heads * headDim, {input[0], heads, headDim});
          })
          .Case([&](nn::MergeHeadsOp own) {
            Shape input = shapeOf(own.getInput());
            bool isWhole = input[1] == static_cast<int64_t>(own.getHeads());
            return fits(isWhole && input[2] == static_cast<int64_t>(own.getHeadDim()), {input[0], input[1] * input[2]});
          })
          .Case([&](nn::RopeOp own) { return fits(true, shapeOf(own.getInput())); })
          .Case([&](nn::AttentionOp own) {
            Shape query = shapeOf(own.getQuery());
            work += query[0] * query[0] * query[1] * query[2] * 2;
            return fits(query[1] == static_cast<int64_t>(own.getHeads()), query);
          })
          .Default([](Operation *) { return std::pair(true, Shape()); });
  if (!result.first)
    return misfit;
  if (op.getNumResults() > 1 || (op.getNumResults() == 1 && result.second.empty()))
    return unsupported;
  return op.getNumResults() ? clone(op, result.second) : clone(op, ArrayRef<Shape>());
}

Writing OneRankWriter::writeReturn(func::ReturnOp op) {
  SmallVector<mlir::Value> results;
  for (auto [operand, shape] : llvm::zip_equal(op.getOperands(), signature.results)) {
    if (!isa<RankedTensorType>(operand.getType()))
      return unsupported;
    mlir::Value result = materialize(operand, shape);
    if (!result)
      return misfit;
    results.push_back(result);
  }
  func::ReturnOp::create(builder, op.getLoc(), results);
  return written;
}

Writing sampling::writeOnOneRank(func::FuncOp function, const LogicalSignature &signature, Choices &choices,
                                 OwningOpRef<ModuleOp> &text, int64_t &work) {
  return OneRankWriter(function, signature, choices).write(text, work);
}
