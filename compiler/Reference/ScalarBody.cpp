// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/ScalarBody.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muster::reference;

int64_t ScalarBody::addSlot(Value value, Number number) {
  slots.push_back(number);
  return slotOf[value] = static_cast<int64_t>(slots.size()) - 1;
}

llvm::Expected<int64_t> ScalarBody::getSlot(Value value, const RankView &view, Operation *user) {
  auto found = slotOf.find(value);
  if (found != slotOf.end())
    return found->second;
  if (body->getParent()->isAncestor(value.getParentRegion()))
    return failAt(user, "expected a value of the body to be computed before its user");
  const Tensor &tensor = view.get(value);
  if (tensor.getRank() != 0)
    return failAt(user, "expected a scalar from outside the body but got a tensor of shape " +
                            formatShape(tensor.getShape()));
  return addSlot(value, tensor.getScalar());
}

llvm::Error ScalarBody::addOperation(Operation &op, const RankView &view) {
  if (std::optional<Number> constant = getScalarConstant(&op, view.isExact())) {
    addSlot(op.getResult(0), *constant);
    return llvm::Error::success();
  }
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return addBranch(branch, view);
  Instruction instruction;
  instruction.op = &op;
  ValueRange operands = op.getOperands();
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    if (body->getParent()->isAncestor(extract.getTensor().getParentRegion()))
      return failAt(&op, "unsupported: a tensor that the body itself makes");
    instruction.kind = Kind::Extract;
    instruction.tensor = view.getHandle(extract.getTensor());
    operands = extract.getIndices();
  } else if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    instruction.kind = Kind::Index;
    instruction.loop = static_cast<int64_t>(index.getDim());
  } else if (!(instruction.function = getScalarFunction(&op, view.isExact()))) {
    return failAt(&op, "unsupported by the reference interpreter");
  }
  for (Value operand : operands) {
    auto slot = getSlot(operand, view, &op);
    if (!slot)
      return slot.takeError();
    instruction.operands.push_back(*slot);
  }
  instruction.result = addSlot(op.getResult(0));
  instructions.push_back(std::move(instruction));
  return llvm::Error::success();
}

llvm::Error ScalarBody::addBranch(scf::IfOp branch, const RankView &view) {
  auto condition = getSlot(branch.getCondition(), view, branch);
  if (!condition)
    return condition.takeError();
  SmallVector<int64_t> made = llvm::map_to_vector(branch.getResults(), [&](Value value) { return addSlot(value); });
  auto addJump = [&](Kind kind) {
    Instruction jump;
    jump.op = branch;
    jump.kind = kind;
    instructions.push_back(std::move(jump));
    return instructions.size() - 1;
  };
  auto addRegion = [&](Region &region) -> llvm::Error {
    if (region.empty())
      return llvm::Error::success();
    if (llvm::Error error = addBlock(region.front(), view))
      return error;
    for (auto [value, result] : llvm::zip_equal(region.front().getTerminator()->getOperands(), made)) {
      auto slot = getSlot(value, view, branch);
      if (!slot)
        return slot.takeError();
      Instruction move;
      move.op = branch;
      move.kind = Kind::Move;
      move.operands.push_back(*slot);
      move.result = result;
      instructions.push_back(std::move(move));
    }
    return llvm::Error::success();
  };
  size_t toElse = addJump(Kind::JumpUnless);
  instructions[toElse].operands.push_back(*condition);
  if (llvm::Error error = addRegion(branch.getThenRegion()))
    return error;
  size_t toEnd = addJump(Kind::Jump);
  instructions[toElse].target = instructions.size();
  if (llvm::Error error = addRegion(branch.getElseRegion()))
    return error;
  instructions[toEnd].target = instructions.size();
  return llvm::Error::success();
}

llvm::Error ScalarBody::addBlock(Block &block, const RankView &view) {
  for (Operation &op : block.without_terminator())
    if (llvm::Error error = addOperation(op, view))
      return error;
  return llvm::Error::success();
}

llvm::Expected<ScalarBody> ScalarBody::create(Block &block, const RankView &view) {
  ScalarBody made;
  made.body = &block;
  for (BlockArgument argument : block.getArguments())
    made.addSlot(argument);
  if (llvm::Error error = made.addBlock(block, view))
    return error;
  for (Value value : block.getTerminator()->getOperands()) {
    auto slot = made.getSlot(value, view, block.getParentOp());
    if (!slot)
      return slot.takeError();
    made.yielded.push_back(*slot);
  }
  made.results.resize(made.yielded.size());
  return made;
}

llvm::Expected<ArrayRef<Number>> ScalarBody::run(ArrayRef<Number> arguments, ArrayRef<int64_t> indices) {
  llvm::copy(arguments, slots.begin());
  SmallVector<Number, 4> operands;
  SmallVector<int64_t, 4> index;
  std::string failure;
  for (size_t next = 0; next < instructions.size();) {
    Instruction &instruction = instructions[next++];
    operands.clear();
    for (int64_t slot : instruction.operands)
      operands.push_back(slots[slot]);
    switch (instruction.kind) {
    case Kind::Jump:
      next = instruction.target;
      break;
    case Kind::JumpUnless:
      if (operands.front().integer == 0)
        next = instruction.target;
      break;
    case Kind::Move:
      slots[instruction.result] = operands.front();
      break;
    case Kind::Index:
      slots[instruction.result] = Number::ofInteger(indices[instruction.loop]);
      break;
    case Kind::Extract:
      index.clear();
      for (Number operand : operands)
        index.push_back(operand.integer);
      if (!instruction.tensor->contains(index))
        return failAt(instruction.op, "expected an index inside " + formatShape(instruction.tensor->getShape()) +
                                          " but got " + formatShape(index));
      slots[instruction.result] = instruction.tensor->at(index);
      break;
    case Kind::Compute:
      slots[instruction.result] = instruction.function(operands.data(), failure);
      if (!failure.empty())
        return failAt(instruction.op, failure);
      break;
    }
  }
  for (auto [result, slot] : llvm::zip_equal(results, yielded))
    result = slots[slot];
  return ArrayRef<Number>(results);
}
