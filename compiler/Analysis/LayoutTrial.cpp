// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutTrial.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

LayoutTrial::LayoutTrial(func::FuncOp original) : original(original) {
  auto source = original->getParentOfType<ModuleOp>();
  module = ModuleOp::create(source.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  for (Operation &op : *source.getBody()) {
    auto function = dyn_cast<func::FuncOp>(op);
    if (!function) {
      builder.clone(op);
    } else if (function != original && function.isPrivate()) {
      builder.clone(op);
      function.walk([&](Operation *) { ++size; });
    }
  }
  original.walk([&](Operation *) { ++size; });
}

func::FuncOp LayoutTrial::restart() {
  if (copy)
    copy.erase();
  mapping.clear();
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  copy = cast<func::FuncOp>(builder.clone(*original, mapping));
  return copy;
}

TrialVerdict LayoutTrial::judge() {
  work += size;
  ScopedDiagnosticHandler silence(copy.getContext(), [](Diagnostic &) { return success(); });
  if (failed(verify(copy)))
    return TrialVerdict::Invalid;
  SymbolTableCollection symbols;
  WalkResult valid = copy.walk([&](SymbolUserOpInterface op) {
    return succeeded(op.verifySymbolUses(symbols)) ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (valid.wasInterrupted())
    return TrialVerdict::Invalid;
  LayoutReport report = inferLayouts(*module);
  if (report.has(LayoutFinding::Kind::Refuted))
    return TrialVerdict::Refuted;
  return report.has(LayoutFinding::Kind::Unknown) ? TrialVerdict::Unknown : TrialVerdict::Proved;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static int64_t times(int64_t size, int64_t factor) {
  return ShapedType::isDynamic(size) || ShapedType::isDynamic(factor) ? ShapedType::kDynamic : size * factor;
}

static std::optional<int64_t> part(int64_t size, int64_t parts) {
  if (ShapedType::isDynamic(size) || ShapedType::isDynamic(parts))
    return ShapedType::kDynamic;
  if (size % parts != 0)
    return std::nullopt;
  return size / parts;
}

/// The type of the only result that the operands ask for; null where none fits or the operation is not known here.
static Type resultTypeOf(Operation *op) {
  MeshAttr mesh = getMesh(op);
  auto input = op->getNumOperands() ? dyn_cast<RankedTensorType>(op->getOperand(0).getType()) : RankedTensorType();
  if (!input || !mesh || op->getNumResults() != 1)
    return {};
  SmallVector<int64_t> shape(input.getShape());
  auto made = [&]() -> Type { return input.clone(shape); };
  auto cut = [&](int64_t dim, int64_t parts) {
    if (dim < 0 || dim >= input.getRank())
      return false;
    std::optional<int64_t> own = part(shape[static_cast<size_t>(dim)], parts);
    if (own)
      shape[static_cast<size_t>(dim)] = *own;
    return own.has_value();
  };
  auto join = [&](int64_t dim, int64_t parts) {
    if (dim < 0 || dim >= input.getRank())
      return false;
    shape[static_cast<size_t>(dim)] = times(shape[static_cast<size_t>(dim)], parts);
    return true;
  };
  return llvm::TypeSwitch<Operation *, Type>(op)
      .Case<ExchangeOp, AllReduceOp, BroadcastOp, PermuteOp, AssertLayoutOp>([&](auto) -> Type { return input; })
      .Case([&](linalg::TransposeOp own) {
        for (auto [i, dim] : llvm::enumerate(own.getPermutation()))
          shape[i] = input.getDimSize(static_cast<unsigned>(dim));
        return made();
      })
      .Case([&](AllToAllOp own) {
        int64_t parts = getGroupSize(mesh, own.getAxes());
        return cut(own.getSplit(), parts) && join(own.getConcat(), parts) ? made() : Type();
      })
      .Case([&](AllGatherOp own) { return join(own.getDim(), getGroupSize(mesh, own.getAxes())) ? made() : Type(); })
      .Case<SliceOp, ReduceScatterOp>(
          [&](auto own) { return cut(own.getDim(), getGroupSize(mesh, own.getAxes())) ? made() : Type(); })
      .Case([&](tensor::CollapseShapeOp own) -> Type {
        return tensor::CollapseShapeOp::inferCollapsedType(input, own.getReassociationIndices());
      })
      .Case([&](tensor::ExpandShapeOp own) -> Type {
        RankedTensorType result = own.getResultType();
        auto groups = own.getReassociationIndices();
        if (static_cast<int64_t>(groups.size()) != input.getRank())
          return {};
        for (auto [size, group] : llvm::zip(input.getShape(), groups)) {
          int64_t product = 1;
          for (int64_t dim : group)
            product = times(product, result.getDimSize(static_cast<unsigned>(dim)));
          if (ShapedType::isDynamic(size) != ShapedType::isDynamic(product) ||
              (!ShapedType::isDynamic(size) && size != product))
            return {};
        }
        return result;
      })
      .Case([&](tensor::ReshapeOp own) -> Type {
        auto result = dyn_cast<RankedTensorType>(own.getResult().getType());
        bool isStatic = result && result.hasStaticShape() && input.hasStaticShape();
        return isStatic && result.getNumElements() == input.getNumElements() ? result : Type();
      })
      .Default([&](Operation *other) -> Type {
        if (!other->hasTrait<OpTrait::Elementwise>())
          return {};
        for (mlir::Value operand : other->getOperands())
          if (auto type = dyn_cast<RankedTensorType>(operand.getType()); !type || type.getShape() != input.getShape())
            return {};
        return cast<RankedTensorType>(other->getResult(0).getType()).clone(shape);
      });
}

/// A destination of the transposition's new type.
static void remakeInit(linalg::TransposeOp op, RankedTensorType type) {
  OpBuilder builder(op);
  SmallVector<mlir::Value> sizes;
  for (auto [i, dim] : llvm::enumerate(op.getPermutation()))
    if (type.isDynamicDim(static_cast<unsigned>(i)))
      sizes.push_back(tensor::DimOp::create(builder, op.getLoc(), op.getInput(), dim));
  op.getInitMutable().assign(
      tensor::EmptyOp::create(builder, op.getLoc(), type.getShape(), type.getElementType(), sizes));
}

bool muster::propagateTypes(Operation *first) {
  llvm::SmallDenseSet<mlir::Value, 8> changed;
  for (Operation *op = first; op; op = op->getNextNode()) {
    bool isTouched =
        op == first || llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return changed.contains(operand); });
    if (!isTouched || isa<tensor::DimOp>(op))
      continue;
    Type type = resultTypeOf(op);
    if (!type)
      return false;
    if (type == op->getResult(0).getType())
      continue;
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
      remakeInit(transpose, cast<RankedTensorType>(type));
    op->getResult(0).setType(type);
    changed.insert(op->getResult(0));
  }
  return true;
}
