// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/NormalForm.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

layout::Reduction muster::reductionOf(ReductionKind kind) {
  return kind == ReductionKind::Sum   ? layout::Reduction::Sum
         : kind == ReductionKind::Max ? layout::Reduction::Maximum
                                      : layout::Reduction::Minimum;
}

mlir::Value muster::movedOperand(Operation *op) {
  if (isa<ExchangeOp, AllToAllOp, AllGatherOp, SliceOp, AllReduceOp, ReduceScatterOp, BroadcastOp, PermuteOp,
          tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp>(op))
    return op->getOperand(0);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return transpose.getInput();
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

void FunctionInference::inferReshape(Operation *op, mlir::Value input) {
  Known known = get(input);
  mlir::Value result = op->getResult(0);
  auto type = cast<RankedTensorType>(result.getType());
  if (known.kind == Known::Kind::Uniform)
    return set(result, known);
  if (known.kind == Known::Kind::Failed)
    return fail(op);
  SmallVector<Size, 4> shape, before = shapeOf(input);
  for (unsigned i = 0; i < type.getRank(); ++i) {
    std::optional<Size> size;
    if (!type.isDynamicDim(i)) {
      size = type.getDimSize(i);
    } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
      size = sizeOf(expand.getMixedOutputShape()[i]);
    } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
      size = 1;
      SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
      for (int64_t dim : groups[i])
        *size *= before[static_cast<size_t>(dim)];
    }
    if (!size) {
      Refusal refusal{Refusal::Kind::Unknown, "the size of dim " + std::to_string(i) + " of this reshape is not known",
                      "its size (make it with muster.size)"};
      return reportRefusal(op, refusal, 1108);
    }
    shape.push_back(*size);
  }
  std::shared_ptr<const layout::Packed> parts;
  if (std::optional<layout::Packed> packed = packedOf(known)) {
    if (auto reshaped = layout::reshape(scope.universe, *packed, shape)) {
      std::optional<Known> moved = knownOf(std::move(*reshaped), op, known.kind != Known::Kind::Digits);
      if (moved && known.kind != Known::Kind::Waiting)
        return set(result, std::move(*moved));
      if (moved)
        parts = moved->packed;
    } else if (std::optional<layout::Value> whole = joinParts(*packed)) {
      if (Outcome<layout::Value> moved = layout::reshape(scope.universe, *whole, shape))
        parts = asOnePart(std::move(*moved));
    }
  }
  known.packed = std::move(parts);
  if (known.kind == Known::Kind::Pulled) {
    known.shape = shape;
    return set(result, std::move(known));
  }
  Outcome<layout::Value> reshaped = layout::reshape(scope.universe, known.value, shape);
  if (reshaped)
    return set(result, std::move(*reshaped));
  if (reshaped.getRefusal().kind != Refusal::Kind::Misaligned)
    return reportRefusal(op, reshaped.getRefusal(), 1104);
  // Only grouping was lost: a later reshape starts from the same digits.
  if (known.kind != Known::Kind::Waiting) {
    known.kind = Known::Kind::Waiting;
    known.op = op;
    known.reason = reshaped.getRefusal().message;
  }
  known.shape = shape;
  set(result, std::move(known));
}

//===----------------------------------------------------------------------===//
// Permutation
//===----------------------------------------------------------------------===//

/// Ranks change places. What does not vary over them stays; the rest is followed place by place.
void FunctionInference::inferPermute(PermuteOp op) {
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  SmallVector<layout::AxisId, 2> group = scope.groupOf(op.getAxes());
  bool varies = !input->isFull();
  input->forEachMeshDigit([&](const layout::Digit &digit) { varies |= llvm::is_contained(group, digit.axis); });
  bool hasZeros = llvm::any_of(op.getSources(), [](int64_t source) { return source < 0; });
  if (!varies && !hasZeros)
    return set(op.getResult(), layout::Value(*input));
  std::string why = "this moves values between ranks in an order that is no exchange";
  if (hasZeros || !inferPulled(op, why)) {
    Refusal refusal{Refusal::Kind::Unknown, why, "an exchange or all_to_all instead"};
    reportRefusal(op, refusal, 1108);
  }
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

/// The dim that a collective cuts into equal parts.
static std::optional<unsigned> cutDim(Operation *op) {
  if (isa<ExchangeOp>(op))
    return 0;
  if (auto all = dyn_cast<AllToAllOp>(op))
    return static_cast<unsigned>(all.getSplit());
  if (isa<SliceOp, ReduceScatterOp>(op))
    return static_cast<unsigned>(op->getAttrOfType<IntegerAttr>("dim").getInt());
  return std::nullopt;
}

Outcome<layout::Value> muster::exchangeParts(const layout::Universe &universe, const layout::Value &value,
                                             layout::Group group, unsigned dim) {
  Size size = universe.sizeOf(group);
  if (value.dims.size() <= dim || value.dims[dim].localSize() == size)
    return layout::exchange(universe, value, group, dim);
  // Equal parts: cut the dim, exchange, and join again.
  std::optional<Size> part = layout::divide(value.dims[dim].localSize(), size);
  if (!part)
    return Refusal{Refusal::Kind::Unknown, "dim " + std::to_string(dim) + " has no equal parts for all sizes",
                   size.print(universe.symbols.getNames()) + " divides " +
                       value.dims[dim].localSize().print(universe.symbols.getNames())};
  SmallVector<Size, 4> shape = value.localShape(), cut = shape;
  cut[dim] = *part;
  cut.insert(cut.begin() + dim, size);
  Outcome<layout::Value> parts = layout::reshape(universe, value, cut);
  if (!parts)
    return parts;
  Outcome<layout::Value> exchanged = layout::exchange(universe, *parts, group, dim);
  if (!exchanged)
    return exchanged;
  return layout::reshape(universe, *exchanged, shape);
}

Outcome<layout::Value> FunctionInference::move(Operation *op, const layout::Value &value) {
  const layout::Universe &universe = scope.universe;
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    return layout::transpose(value, transpose.getPermutation());
  }
  if (scope.hasRows())
    if (std::optional<Refusal> refusal = refuseRows(op, value))
      return *refusal;
  return llvm::TypeSwitch<Operation *, Outcome<layout::Value>>(op)
      .Case([&](ExchangeOp own) -> Outcome<layout::Value> {
        return exchangeParts(universe, value, scope.groupOf(own.getAxes()), 0);
      })
      .Case([&](AllToAllOp own) {
        return layout::allToAll(universe, value, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getSplit()),
                                static_cast<unsigned>(own.getConcat()));
      })
      .Case([&](AllGatherOp own) {
        return layout::allGather(universe, value, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()));
      })
      .Case([&](SliceOp own) {
        return layout::slice(universe, value, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()));
      })
      .Case([&](AllReduceOp own) {
        return layout::allReduce(universe, value, scope.groupOf(own.getAxes()), reductionOf(own.getKind()));
      })
      .Case([&](ReduceScatterOp own) {
        return layout::reduceScatter(universe, value, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()),
                                     reductionOf(own.getKind()));
      })
      .Case([&](BroadcastOp own) { return layout::broadcast(universe, value, scope.groupOf(own.getAxes())); })
      .Default([&](Operation *) -> Outcome<layout::Value> { llvm_unreachable("no movement"); });
}

bool FunctionInference::inferMovement(Operation *op) {
  if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
    inferRedistribute(redistribute);
    return true;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    inferSlice(slice);
    return true;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    inferConcat(concat);
    return true;
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    inferInsertSlice(insert);
    return true;
  }
  if (auto transfer = dyn_cast<plan::TransferOp>(op)) {
    inferTransfer(transfer);
    return true;
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    inferPad(pad);
    return true;
  }
  if (inferRowOp(op) || inferRouted(op))
    return true;
  mlir::Value input = movedOperand(op);
  if (!input)
    return false;
  mlir::Value result = op->getResult(0);
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
    inferReshape(op, input);
    return true;
  }
  Known known = get(input);
  if (known.kind == Known::Kind::Failed) {
    fail(op);
    return true;
  }
  if (known.kind == Known::Kind::Uniform) {
    auto kind = isa<AllReduceOp>(op)       ? cast<AllReduceOp>(op).getKind()
                : isa<ReduceScatterOp>(op) ? cast<ReduceScatterOp>(op).getKind()
                                           : ReductionKind::Max;
    if (kind == ReductionKind::Sum && !known.isZero) {
      Refusal refusal{Refusal::Kind::Wrong, "adds up a number that is the same on every rank", ""};
      reportRefusal(op, refusal, 1105);
      return true;
    }
    bool isCounted = llvm::any_of(op->getOperandTypes(), [](Type type) { return isa<CountsType>(type); });
    if (std::optional<unsigned> cut = cutDim(op);
        cut && !isCounted && cast<RankedTensorType>(input.getType()).isDynamicDim(*cut)) {
      Refusal refusal{Refusal::Kind::Unknown,
                      "dim " + std::to_string(*cut) + " of unknown size may have no equal parts", "its size"};
      reportRefusal(op, refusal, 1108);
      return true;
    }
    set(result, known);
    return true;
  }
  // Symbolic sizes have no history to keep for each part: the dim of segments is carried as it is where it can be.
  bool isSymbolic = known.kind == Known::Kind::Digits &&
                    llvm::any_of(known.value.localShape(), [](const Size &size) { return !size.isConcrete(); });
  if (std::optional<layout::Packed> packed = packedOf(known)) {
    bool isCarried = isSymbolic && !isa<tensor::CastOp, PermuteOp>(op) && move(op, known.value);
    if (!isCarried && movePacked(op, *packed))
      return true;
  }
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    // Where they cannot be followed, say why.
    if (isa<AllReduceOp, ReduceScatterOp, BroadcastOp>(op) || !inferPulled(op, known.reason))
      (void)digitsOf(op, input);
    return true;
  }
  if (isa<tensor::CastOp>(op)) {
    set(result, known);
    return true;
  }
  if (auto permute = dyn_cast<PermuteOp>(op)) {
    inferPermute(permute);
    return true;
  }
  Outcome<layout::Value> outcome = move(op, known.value);
  if (!outcome && outcome.getRefusal().kind == Refusal::Kind::Misaligned) {
    if (!inferPulled(op, outcome.getRefusal().message))
      reportRefusal(op, outcome.getRefusal(), 1104);
    return true;
  }
  setOrReport(op, result, std::move(outcome), isa<AllReduceOp, ReduceScatterOp>(op) ? 1105 : 1104);
  return true;
}
