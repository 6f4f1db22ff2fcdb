// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which counts are which. A step has one exchange, so functions that are called get counts as arguments: there a value
// is what this call gives it (`originOf`), an operation of the function that made it. What was made once, at the top of
// the entry, is the same in every call; what a function or the body of a loop makes is another each time.
#include "compiler/Analysis/FunctionInference.h"

using namespace mlir;
using namespace muster;

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

mlir::Value FunctionInference::originOf(mlir::Value value) const {
  auto found = origins.find(value);
  return found == origins.end() ? value : found->second;
}

bool FunctionInference::isCountLike(mlir::Value value) const {
  return isa<CountsType, OffsetsType>(value.getType()) ||
         (scope.hasRows() && isa_and_nonnull<OwnOffsetOp, FirstRowOp>(originOf(value).getDefiningOp()));
}

void FunctionInference::passOrigin(mlir::Value from, mlir::Value to) {
  if (isCountLike(from))
    origins[to] = originOf(from);
  else
    origins.erase(to);
}

void FunctionInference::returnOrigin(mlir::Value origin, func::CallOp call, mlir::Value result) {
  auto maker = origin ? origin.getParentRegion()->getParentOfType<func::FuncOp>() : func::FuncOp();
  // What a function makes has one name for all its calls.
  bool isOne = maker && (maker == entry || llvm::is_contained(callStack, maker.getOperation()) || isRunOnce(maker));
  if (isOne)
    origins[result] = origin;
  else
    origins.erase(result);
}

bool FunctionInference::isSteady(mlir::Value value) const {
  func::FuncOp function = entry;
  return value.getParentBlock() == &function.getBody().front();
}

bool FunctionInference::isRunOnce(func::FuncOp function) {
  func::CallOp only;
  unsigned calls = 0;
  auto module = entry->getParentOfType<ModuleOp>();
  module.walk([&](func::CallOp call) {
    if (call.getCallee() == function.getSymName()) {
      only = call;
      ++calls;
    }
  });
  if (calls != 1 || only->getParentOfType<LoopLikeOpInterface>())
    return false;
  auto caller = only->getParentOfType<func::FuncOp>();
  return caller == entry || (caller != function && isRunOnce(caller));
}

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

mlir::Value FunctionInference::plainCounts(mlir::Value counts) const {
  counts = originOf(counts);
  while (auto split = counts.getDefiningOp<SplitCountsOp>()) {
    if (cast<OpResult>(counts).getResultNumber() != 0)
      break;
    counts = originOf(split.getFirst());
  }
  return counts;
}

std::string FunctionInference::keyOfCounts(mlir::Value counts) const {
  counts = plainCounts(counts);
  if (auto align = counts.getDefiningOp<AlignOp>())
    return "pad " + std::to_string(align.getMultiple()) + " sum (" + keyOfCounts(align.getCounts()) + ")";
  if (auto pad = counts.getDefiningOp<PadCountsOp>())
    return "pad " + std::to_string(pad.getMultiple()) + " " + stringifyPaddingMode(pad.getMode()).str() + " (" +
           keyOfCounts(pad.getCounts()) + (pad.getUnless() ? ", " + keyOfCounts(pad.getUnless()) : "") + ")";
  if (auto scale = counts.getDefiningOp<ScaleOp>())
    return "scale " + std::to_string(scale.getFactor()) + " " + std::to_string(scale.getAddend()) + " (" +
           keyOfCounts(scale.getCounts()) + ")";
  if (auto split = counts.getDefiningOp<SplitCountsOp>())
    return "rest (" + keyOfCounts(split.getParent()) + ", " + keyOfCounts(split.getFirst()) + ")";
  std::string key = std::to_string(reinterpret_cast<uintptr_t>(counts.getAsOpaquePointer()));
  // Of one call.
  Operation *function = counts.getParentRegion()->getParentOfType<func::FuncOp>();
  for (auto [called, frame] : llvm::zip(callStack, frames))
    if (called == function)
      key += "#" + std::to_string(frame.second);
  return key;
}

mlir::Value FunctionInference::beforePadding(mlir::Value counts) const {
  counts = originOf(counts);
  while (isa_and_nonnull<AlignOp, PadCountsOp>(counts.getDefiningOp()))
    counts = originOf(counts.getDefiningOp()->getOperand(0));
  return counts;
}

bool FunctionInference::mayPad(mlir::Value counts) const {
  for (Operation *op = originOf(counts).getDefiningOp(); isa_and_nonnull<AlignOp, PadCountsOp>(op);
       op = originOf(op->getOperand(0)).getDefiningOp()) {
    if (auto align = dyn_cast<AlignOp>(op); align && align.getMultiple() > 1)
      return true;
    auto pad = dyn_cast<PadCountsOp>(op);
    if (!pad)
      continue;
    // Of ranks that are levelled some have less than the most, if there is more than one.
    int64_t ranks = 1;
    for (StringAttr axis : pad.getResult().getType().getAxes()) {
      int64_t index = mesh.findAxis(axis.getValue());
      int64_t size = index < 0 ? ShapedType::kDynamic : mesh.getAxes()[static_cast<size_t>(index)].getSize();
      ranks = ShapedType::isDynamic(size) ? 0 : ranks * size;
    }
    if (pad.getMultiple() > 1 || (pad.getMode() != PaddingMode::Sum && ranks > 1))
      return true;
  }
  return false;
}

int64_t FunctionInference::multipleOf(mlir::Value counts) const {
  counts = originOf(counts);
  auto outer = [&](int64_t multiple) {
    int64_t inner = multipleOf(counts.getDefiningOp()->getOperand(0));
    return inner % multiple == 0 ? inner : multiple; // rounded up to a divisor it stays
  };
  if (auto align = counts.getDefiningOp<AlignOp>())
    return outer(static_cast<int64_t>(align.getMultiple()));
  if (auto pad = counts.getDefiningOp<PadCountsOp>())
    return outer(static_cast<int64_t>(pad.getMultiple()));
  return 1;
}

bool FunctionInference::isLevel(mlir::Value counts) const {
  counts = originOf(counts);
  if (auto align = counts.getDefiningOp<AlignOp>())
    return isLevel(align.getCounts());
  auto pad = counts.getDefiningOp<PadCountsOp>();
  return pad && (pad.getMode() == PaddingMode::Max || isLevel(pad.getCounts()));
}

LocalCountOp FunctionInference::localOf(mlir::Value counts) const {
  counts = originOf(counts);
  if (auto exchange = counts.getDefiningOp<ExchangeCountsOp>())
    counts = originOf(exchange.getInputs()[cast<OpResult>(counts).getResultNumber()]);
  return counts.getDefiningOp<LocalCountOp>();
}
