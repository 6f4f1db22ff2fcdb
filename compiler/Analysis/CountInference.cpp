// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountInference.h"

#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

Countable muster::countableOf(LayoutTermAttr term) {
  return {term.getEpoch().str(), *symbolizeCountUnit(term.getUnit())};
}

LayoutTermAttr muster::raggedTermOf(LayoutDimAttr dim) {
  bool isRagged = dim.getTerms().size() == 1 && dim.getTerms().front().isRagged();
  return isRagged ? dim.getTerms().front() : LayoutTermAttr();
}

static Countable countableOf(CountsType type) { return {type.getEpoch().getValue().str(), type.getUnit()}; }

template <typename Axes>
static SmallVector<std::string, 2> namesOf(const Axes &axes) {
  SmallVector<std::string, 2> names;
  for (auto axis : axes) {
    if constexpr (std::is_same_v<decltype(axis), AxisRefAttr>)
      names.push_back(getAxisName(axis));
    else
      names.push_back(axis.getValue().str());
  }
  return names;
}

/// By function and the terms of all arguments.
struct CountInference::Calls {
  int64_t contexts = 0;
  std::map<std::pair<Operation *, std::vector<const CountTerm *>>, std::unique_ptr<CountInference>> known;
};

CountInference::CountInference(func::FuncOp function, CountTerms &terms)
    : function(function), terms(terms), calls(std::make_shared<Calls>()) {}

CountInference::CountInference(func::FuncOp function, CountInference &caller, func::CallOp call)
    : function(function), terms(caller.terms), caller(&caller), call(call), context(++caller.calls->contexts),
      calls(caller.calls) {}

CountInference *CountInference::callee(func::CallOp op) {
  auto found = callees.find(op);
  if (found != callees.end())
    return found->second;
  auto called = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  bool isRecursive = false;
  for (CountInference *outer = this; outer; outer = outer->caller)
    isRecursive |= outer->function == called;
  if (!called || called.isExternal() || isRecursive || !called.getBody().hasOneBlock())
    return callees[op] = nullptr;
  std::vector<const CountTerm *> arguments;
  for (Value operand : op.getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType())) {
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        arguments.push_back(sizeOf(operand, dim));
    } else {
      arguments.push_back(termOf(operand));
    }
  std::unique_ptr<CountInference> &inside = calls->known[{called, arguments}];
  if (!inside) {
    inside.reset(new CountInference(called, *this, op));
    // What it is shared by is what it starts from.
    auto next = arguments.begin();
    for (BlockArgument argument : called.getArguments())
      if (auto type = dyn_cast<RankedTensorType>(argument.getType())) {
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          inside->known[{argument, dim}] = *next++;
      } else {
        inside->known[{argument, -1}] = *next++;
      }
  }
  return callees[op] = inside.get();
}

const CountTerm *CountInference::returned(func::CallOp op, const CountTerm *term, Value result, int64_t dim) {
  CountInference *inside = callee(op);
  bool isFirst = inside->call == op && inside->caller == this;
  return isFirst || !isOfOneRun(term) ? term : unknown(result, dim);
}

/// What does not come true is asked again at each level, so that loops that carry something else double the work.
static bool isFollowed(scf::ForOp loop) {
  constexpr unsigned mostLevels = 10;
  unsigned levels = 0;
  for (Operation *outer = loop; outer && levels <= mostLevels; outer = outer->getParentOp())
    levels += isa<scf::ForOp>(outer);
  return levels <= mostLevels;
}

const CountTerm *CountInference::sizeOf(Value tensor, int64_t dim) {
  auto found = known.find({tensor, dim});
  if (found != known.end())
    return found->second;
  // Of loops in each other the outermost comes first: it asks for those inside.
  if (auto carried = dyn_cast<BlockArgument>(tensor))
    if (auto loop = dyn_cast<scf::ForOp>(carried.getOwner()->getParentOp());
        loop && carried.getArgNumber() > 0 && isFollowed(loop)) {
      sizeOf(loop.getTiedLoopInit(carried)->get(), dim);
      if (found = known.find({tensor, dim}); found != known.end())
        return found->second;
    }
  // What a loop carries depends on itself.
  known[{tensor, dim}] = unknown(tensor, dim);
  const CountTerm *term = inferSize(tensor, dim);
  return known[{tensor, dim}] = term;
}

const CountTerm *CountInference::termOf(Value value) {
  auto found = known.find({value, -1});
  if (found != known.end())
    return found->second;
  known[{value, -1}] = unknown(value);
  const CountTerm *term = inferTerm(value);
  return known[{value, -1}] = term;
}

const CountTerm *CountInference::fold(OpFoldResult size) {
  if (std::optional<int64_t> number = getConstantIntValue(size))
    return terms.constant(*number);
  return termOf(cast<Value>(size));
}

//===----------------------------------------------------------------------===//
// Arguments and regions
//===----------------------------------------------------------------------===//

LayoutTermAttr CountInference::findRagged(llvm::function_ref<bool(LayoutTermAttr)> wanted) {
  auto look = [&](LayoutAttr layout) {
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      if (LayoutTermAttr term = raggedTermOf(dim); term && wanted(term))
        return term;
    return LayoutTermAttr();
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (LayoutTermAttr term = look(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout)))
      return term;
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (LayoutTermAttr term = look(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout)))
      return term;
  return {};
}

/// The rows of a ragged dim. A batch has one start more than it has requests.
const CountTerm *CountInference::rowsOf(LayoutTermAttr term) {
  Countable what = countableOf(term), requests{what.epoch, CountUnit::Requests};
  if (what.unit == CountUnit::Starts && findRagged([&](LayoutTermAttr other) {
        return countableOf(other) == requests && other.getAxes() == term.getAxes();
      }))
    return terms.binary(Kind::Add, terms.rows(requests, namesOf(term.getAxes())), terms.constant(1));
  return terms.rows(std::move(what), namesOf(term.getAxes()));
}

const CountTerm *CountInference::sizeOfArgument(BlockArgument argument, int64_t dim) {
  if (argument.getOwner() != &function.front())
    return unknown(argument, dim);
  if (caller)
    return caller->sizeOf(call.getOperand(argument.getArgNumber()), dim);
  auto layout = function.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout);
  if (!layout)
    return unknown(argument, dim);
  LayoutDimAttr own = layout.getDims()[dim];
  if (LayoutTermAttr term = raggedTermOf(own))
    return rowsOf(term);
  if (own.getTerms().size() != 1 || !own.getTerms().front().getAxes().empty())
    return unknown(argument, dim);
  // A name that is ragged elsewhere in the signature means the rows of all ranks.
  StringRef name = own.getTerms().front().getName();
  LayoutTermAttr ragged = findRagged([&](LayoutTermAttr term) { return term.getName() == name; });
  if (!ragged)
    return terms.named(name);
  SmallVector<std::string, 2> axes = namesOf(ragged.getAxes());
  return terms.elementOf(Kind::Total, terms.exchanged(terms.rows(countableOf(ragged), axes), axes));
}

const CountTerm *CountInference::termOfArgument(BlockArgument argument) {
  if (argument.getOwner() != &function.front())
    return unknown(argument);
  if (caller)
    return caller->termOf(call.getOperand(argument.getArgNumber()));
  auto counts = dyn_cast<CountsType>(argument.getType());
  if (!counts || counts.getAxes().empty())
    return unknown(argument);
  SmallVector<std::string, 2> axes = namesOf(counts.getAxes());
  return terms.exchanged(terms.rows(::countableOf(counts), axes), axes);
}

const CountTerm *CountInference::ofRegion(OpResult result, llvm::function_ref<const CountTerm *(Value)> of) {
  unsigned index = result.getResultNumber();
  return llvm::TypeSwitch<Operation *, const CountTerm *>(result.getOwner())
      .Case([&](scf::IfOp op) {
        return terms.either(op.getCondition(), context, of(op.thenYield().getOperand(index)),
                            of(op.elseYield().getOperand(index)));
      })
      .Case([&](scf::ForOp op) -> const CountTerm * {
        const CountTerm *initial = of(op.getInitArgs()[index]);
        // Of what a turn carries the same was asked for, with all loops inside.
        if (isFollowed(op) && of(op.getRegionIterArg(index)) == initial)
          return initial;
        return of(op.getYieldedValues()[index]) == initial ? initial : nullptr;
      })
      .Default([](Operation *) -> const CountTerm * { return nullptr; });
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

const CountTerm *CountInference::sizeOfRedistributed(RedistributeOp op, int64_t dim) {
  LayoutDimAttr from = op.getFrom().getDims()[dim], to = op.getTo().getDims()[dim];
  if (from == to)
    return sizeOf(op.getInput(), dim);
  LayoutTermAttr after = raggedTermOf(to), before = raggedTermOf(from);
  if (!after && !before)
    return unknown(op.getResult(), dim);
  if (Value counts = op.getCountsOf(dim))
    return terms.elementOf(after ? Kind::Own : Kind::Total, termOf(counts));
  if (after)
    return rowsOf(after);
  SmallVector<std::string, 2> axes = namesOf(before.getAxes());
  bool isWhole = to.getTerms().size() == 1 && to.getTerms().front().getAxes().empty();
  return isWhole ? terms.elementOf(Kind::Total, terms.exchanged(terms.rows(countableOf(before), axes), axes))
                 : unknown(op.getResult(), dim);
}

const CountTerm *CountInference::sizeOfReshaped(Operation *op, int64_t dim) {
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return fold(expand.getMixedOutputShape()[dim]);
  auto collapse = cast<tensor::CollapseShapeOp>(op);
  const CountTerm *product = terms.constant(1);
  for (int64_t source : collapse.getReassociationIndices()[dim])
    product = terms.binary(Kind::Multiply, product, sizeOf(collapse.getSrc(), source));
  return product;
}

/// The operand of an nn operation whose dim has the iterator of a result's dim.
static std::optional<std::pair<Value, int64_t>> findIterated(nn::IterationRuleOpInterface op, unsigned result,
                                                             int64_t dim) {
  nn::IterationRule rule = op.getIterationRule();
  int64_t iterator = rule.results[result][dim];
  SmallVector<Value> tensors;
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      tensors.push_back(operand);
  for (auto [tensor, dims] : llvm::zip(tensors, rule.operands))
    for (auto [index, own] : llvm::enumerate(dims))
      if (own == iterator && own != nn::noIterator)
        return std::pair(tensor, static_cast<int64_t>(index));
  return std::nullopt;
}

const CountTerm *CountInference::inferSize(Value tensor, int64_t dim) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (!type || dim >= type.getRank())
    return unknown(tensor, dim);
  if (!type.isDynamicDim(dim))
    return terms.constant(type.getDimSize(dim));
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()); loop && argument.getArgNumber() > 0) {
      OpResult result = loop.getTiedLoopResult(argument);
      const CountTerm *initial = sizeOf(loop.getInitArgs()[result.getResultNumber()], dim);
      // Taken for granted while the body is looked at; where it does not come true, nothing that followed is kept.
      auto before = known;
      auto calledBefore = callees;
      known[{tensor, dim}] = initial;
      if (sizeOf(loop.getYieldedValues()[result.getResultNumber()], dim) == initial)
        return initial;
      known = std::move(before);
      callees = std::move(calledBefore);
      return unknown(tensor, dim);
    }
    return sizeOfArgument(argument, dim);
  }
  auto result = cast<OpResult>(tensor);
  auto grown = [&](Value input, ArrayAttr axes, Kind kind) {
    MeshAttr mesh = getMesh(tensor.getDefiningOp());
    int64_t group = mesh ? getGroupSize(mesh, axes) : ShapedType::kDynamic;
    return ShapedType::isDynamic(group) ? unknown(tensor, dim)
                                        : terms.binary(kind, sizeOf(input, dim), terms.constant(group));
  };
  auto counted = [&](Value counts, Kind kind) { return terms.elementOf(kind, termOf(counts)); };
  auto moved = [&](auto op, Kind withCounts, Kind without) {
    if (static_cast<int64_t>(op.getDim()) != dim)
      return sizeOf(op.getInput(), dim);
    return op.getCounts() ? counted(op.getCounts(), withCounts) : grown(op.getInput(), op.getAxes(), without);
  };
  return llvm::TypeSwitch<Operation *, const CountTerm *>(tensor.getDefiningOp())
      .Case([&](AllGatherOp op) { return moved(op, Kind::Total, Kind::Multiply); })
      .Case<SliceOp, ReduceScatterOp>([&](auto op) { return moved(op, Kind::Own, Kind::Divide); })
      .Case([&](AllToAllOp op) {
        auto split = static_cast<int64_t>(op.getSplit()), concat = static_cast<int64_t>(op.getConcat());
        if (split == concat || (dim != split && dim != concat))
          return sizeOf(op.getInput(), dim);
        if (op.getRaggedDim() == dim)
          return counted(op.getCounts(), dim == split ? Kind::Own : Kind::Total);
        return grown(op.getInput(), op.getAxes(), dim == split ? Kind::Divide : Kind::Multiply);
      })
      .Case<AllReduceOp, BroadcastOp, ExchangeOp, PermuteOp, AssertLayoutOp>(
          [&](auto op) { return sizeOf(op.getInput(), dim); })
      .Case<PadRowsOp, UnpadRowsOp>([&](auto op) {
        return static_cast<int64_t>(op.getDim()) == dim ? counted(op.getTo(), Kind::Own) : sizeOf(op.getInput(), dim);
      })
      .Case([&](SplitRowsOp op) {
        if (static_cast<int64_t>(op.getDim()) != dim)
          return sizeOf(op.getInput(), dim);
        return counted(result.getResultNumber() == 0 ? op.getFirst() : op.getSecond(), Kind::Own);
      })
      .Case([&](JoinRowsOp op) {
        return static_cast<int64_t>(op.getDim()) == dim ? counted(op.getTo(), Kind::Own)
                                                        : sizeOf(op.getFirstRows(), dim);
      })
      .Case([&](RedistributeOp op) { return sizeOfRedistributed(op, dim); })
      .Case([&](tensor::CastOp op) { return sizeOf(op.getSource(), dim); })
      .Case([&](tensor::EmptyOp op) { return fold(op.getMixedSizes()[dim]); })
      .Case([&](tensor::GenerateOp op) { return termOf(op.getDynamicExtents()[type.getDynamicDimIndex(dim)]); })
      .Case([&](tensor::ExtractSliceOp op) {
        llvm::SmallBitVector dropped = op.getDroppedDims();
        int64_t kept = -1;
        for (auto [index, size] : llvm::enumerate(op.getMixedSizes()))
          if (!dropped[index] && ++kept == dim)
            return fold(size);
        return unknown(tensor, dim);
      })
      .Case([&](tensor::InsertSliceOp op) { return sizeOf(op.getDest(), dim); })
      .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([&](Operation *op) { return sizeOfReshaped(op, dim); })
      .Case([&](tensor::ConcatOp op) {
        if (static_cast<int64_t>(op.getDim()) != dim)
          return sizeOf(op.getInputs().front(), dim);
        const CountTerm *sum = terms.constant(0);
        for (Value input : op.getInputs())
          sum = terms.binary(Kind::Add, sum, sizeOf(input, dim));
        return sum;
      })
      .Case([&](tensor::PadOp op) {
        return terms.binary(Kind::Add, sizeOf(op.getSource(), dim),
                            terms.binary(Kind::Add, fold(op.getMixedLowPad()[dim]), fold(op.getMixedHighPad()[dim])));
      })
      .Case([&](func::CallOp op) {
        CountInference *inside = callee(op);
        if (!inside)
          return unknown(tensor, dim);
        Operation *exit = inside->function.front().getTerminator();
        return returned(op, inside->sizeOf(exit->getOperand(result.getResultNumber()), dim), tensor, dim);
      })
      .Case<scf::IfOp, scf::ForOp>([&](Operation *) {
        const CountTerm *term = ofRegion(result, [&](Value value) { return sizeOf(value, dim); });
        return term ? term : unknown(tensor, dim);
      })
      .Case([&](nn::IterationRuleOpInterface op) {
        auto operand = findIterated(op, result.getResultNumber(), dim);
        return operand ? sizeOf(operand->first, operand->second) : unknown(tensor, dim);
      })
      .Case([&](DestinationStyleOpInterface op) { return sizeOf(op.getTiedOpOperand(result)->get(), dim); })
      .Case([&](ub::PoisonOp) { return terms.undefined(tensor, context); })
      .Default([&](Operation *op) -> const CountTerm * {
        // What works element by element has the sizes of its operands.
        if (op->hasTrait<OpTrait::SameOperandsAndResultType>() || OpTrait::hasElementwiseMappableTraits(op))
          for (Value operand : op->getOperands())
            if (auto own = dyn_cast<RankedTensorType>(operand.getType()); own && own.getRank() == type.getRank())
              return sizeOf(operand, dim);
        return unknown(tensor, dim);
      });
}

//===----------------------------------------------------------------------===//
// Numbers and counts
//===----------------------------------------------------------------------===//

static bool isWide(Type type) { return type.isIndex() || type.getIntOrFloatBitWidth() >= 32; }

const CountTerm *CountInference::termOfScalar(Operation *op, unsigned result) {
  auto binary = [&](Kind kind) {
    return isWide(op->getResult(0).getType()) ? terms.binary(kind, termOf(op->getOperand(0)), termOf(op->getOperand(1)))
                                              : unknown(op->getResult(result));
  };
  // Of a divisor that is a number: what is rounded up is more of what is rounded down, and a rest is what that leaves.
  auto divided = [&](bool isRest) -> const CountTerm * {
    const CountTerm *whole = termOf(op->getOperand(0)), *by = termOf(op->getOperand(1));
    if (by->kind != Kind::Constant || by->number < 1 || !isNotNegative(whole) || !isWide(op->getResult(0).getType()))
      return unknown(op->getResult(result));
    if (isRest)
      return terms.binary(Kind::Subtract, whole,
                          terms.binary(Kind::Multiply, terms.binary(Kind::Divide, whole, by), by));
    return terms.binary(Kind::Divide, terms.binary(Kind::Add, whole, terms.constant(by->number - 1)), by);
  };
  return llvm::TypeSwitch<Operation *, const CountTerm *>(op)
      .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>([&](auto) { return divided(/*isRest=*/false); })
      .Case<arith::RemSIOp, arith::RemUIOp>([&](auto) { return divided(/*isRest=*/true); })
      .Case([&](arith::AddIOp) { return binary(Kind::Add); })
      .Case([&](arith::SubIOp) { return binary(Kind::Subtract); })
      .Case([&](arith::MulIOp) { return binary(Kind::Multiply); })
      .Case<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>([&](auto) { return binary(Kind::Divide); })
      .Case<arith::MinSIOp, arith::MinUIOp>([&](auto) { return binary(Kind::Lesser); })
      .Case<arith::MaxSIOp, arith::MaxUIOp>([&](auto) { return binary(Kind::Greater); })
      .Case<arith::IndexCastOp, arith::IndexCastUIOp>([&](auto cast) {
        // Sizes fit in 32 bits; what is narrower may wrap.
        return isWide(cast.getIn().getType()) && isWide(cast.getType()) ? termOf(cast.getIn())
                                                                        : unknown(cast.getResult());
      })
      .Case([&](arith::SelectOp select) {
        return select.getCondition().getType().isInteger(1)
                   ? terms.either(select.getCondition(), context, termOf(select.getTrueValue()),
                                  termOf(select.getFalseValue()))
                   : unknown(select.getResult());
      })
      .Case([&](tensor::DimOp dim) {
        std::optional<int64_t> index = dim.getConstantIndex();
        return index ? sizeOf(dim.getSource(), *index) : unknown(dim.getResult());
      })
      .Default([&](Operation *) { return unknown(op->getResult(result)); });
}

/// A field that each rank brings counts over the axes over which it is exchanged.
static CountsType exchangedTypeOf(StepFieldOp op) {
  for (OpOperand &use : op.getResult().getUses())
    if (auto exchange = dyn_cast<ExchangeCountsOp>(use.getOwner()))
      return cast<CountsType>(exchange.getResult(use.getOperandNumber()).getType());
  return op.getResult().getType();
}

const CountTerm *CountInference::inferTerm(Value value) {
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number)))
    return number.getSignificantBits() <= 64 ? terms.constant(number.getSExtValue()) : unknown(value);
  if (auto argument = dyn_cast<BlockArgument>(value))
    return termOfArgument(argument);
  auto result = cast<OpResult>(value);
  unsigned index = result.getResultNumber();
  return llvm::TypeSwitch<Operation *, const CountTerm *>(value.getDefiningOp())
      .Case([&](LocalCountOp op) { return termOf(op.getSize()); })
      .Case([&](StepFieldOp op) {
        Countable what = ::countableOf(op.getResult().getType());
        what.epoch += " (" + op.getField().str() + ")";
        return terms.rows(std::move(what), namesOf(exchangedTypeOf(op).getAxes()));
      })
      .Case([&](ExchangeCountsOp op) {
        return terms.exchanged(termOf(op.getInputs()[index]), namesOf(cast<CountsType>(value.getType()).getAxes()));
      })
      .Case([&](OwnCountOp op) { return terms.elementOf(Kind::Own, termOf(op.getCounts())); })
      .Case([&](TotalOp op) { return terms.elementOf(Kind::Total, termOf(op.getCounts())); })
      .Case([&](MaximumOp op) { return terms.elementOf(Kind::Maximum, termOf(op.getCounts())); })
      .Case([&](OffsetsOp op) { return termOf(op.getCounts()); })
      .Case([&](OwnOffsetOp op) { return terms.elementOf(Kind::OwnOffset, termOf(op.getOffsets())); })
      .Case([&](FirstRowOp op) {
        SmallVector<std::string, 2> axes = namesOf(op.getRows().getAxes());
        return terms.elementOf(Kind::OwnOffset, terms.exchanged(rowsOf(op.getRows()), axes));
      })
      .Case([&](AlignOp op) {
        return terms.pad(termOf(op.getCounts()), static_cast<int64_t>(op.getMultiple()), PaddingMode::Sum);
      })
      .Case([&](ScaleOp op) {
        return terms.scale(termOf(op.getCounts()), static_cast<int64_t>(op.getFactor()),
                           static_cast<int64_t>(op.getAddend()));
      })
      .Case([&](PadCountsOp op) {
        return terms.pad(termOf(op.getCounts()), static_cast<int64_t>(op.getMultiple()), op.getMode(),
                         op.getUnless() ? termOf(op.getUnless()) : nullptr);
      })
      .Case([&](SplitCountsOp op) {
        return index == 0 ? termOf(op.getFirst()) : terms.rest(termOf(op.getParent()), termOf(op.getFirst()));
      })
      .Case([&](SizeOp op) { return op.getDivisor() ? unknown(value) : terms.named(op.getDividend()); })
      .Case([&](func::CallOp op) -> const CountTerm * {
        CountInference *inside = callee(op);
        if (!inside)
          return unknown(value);
        return returned(op, inside->termOf(inside->function.front().getTerminator()->getOperand(index)), value, -1);
      })
      .Case<scf::IfOp, scf::ForOp>([&](Operation *) {
        const CountTerm *term = ofRegion(result, [&](Value own) { return termOf(own); });
        return term ? term : unknown(value);
      })
      .Case([&](ub::PoisonOp) { return terms.undefined(value, context); })
      .Default([&](Operation *op) { return termOfScalar(op, index); });
}
