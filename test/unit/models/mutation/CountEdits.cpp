// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/models/mutation/CountEdits.h"

#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace muster;

namespace {

class CountEditor {
public:
  CountEditor(func::FuncOp function, std::mt19937 &random)
      : function(function), builder(function.getContext()), random(random) {}

  std::string run() {
    using Edit = std::string (CountEditor::*)();
    static constexpr Edit edits[] = {
        &CountEditor::leaveOutCounts, &CountEditor::takeOtherCounts, &CountEditor::scaleCounts,
        &CountEditor::leaveOutMove,   &CountEditor::moveInBranch,    &CountEditor::countOther,
        &CountEditor::countAsOther,   &CountEditor::takeOtherSize,   &CountEditor::changeSize,
        &CountEditor::takeOtherFirst, &CountEditor::changeArgument,  &CountEditor::changeCheck,
        &CountEditor::flipSide};
    return (this->*edits[random() % std::size(edits)])();
  }

private:
  size_t below(size_t end) { return random() % end; }

  template <typename T>
  T pick(const std::vector<T> &from) {
    return from.empty() ? T() : from[below(from.size())];
  }

  static std::string nameOf(Operation *op) { return op->getName().getStringRef().str(); }

  std::vector<Operation *> opsWhere(llvm::function_ref<bool(Operation *)> wanted) {
    std::vector<Operation *> ops;
    for (Operation &op : function.front())
      if (wanted(&op))
        ops.push_back(&op);
    return ops;
  }

  /// Operands of a type, of operations that move or compute; `movers`: of what moves rows only.
  template <typename Type>
  std::vector<OpOperand *> operandsOf(llvm::function_ref<bool(Operation *)> wanted) {
    std::vector<OpOperand *> operands;
    for (Operation *op : opsWhere(wanted))
      for (OpOperand &operand : op->getOpOperands())
        if (isa<Type>(operand.get().getType()))
          operands.push_back(&operand);
    return operands;
  }

  static bool isMove(Operation *op) {
    return isa<AllGatherOp, ReduceScatterOp, SliceOp, AllToAllOp, RedistributeOp>(op);
  }

  /// Values in front of an operation, but for one.
  template <typename Type>
  std::vector<Value> othersBefore(Operation *user, Value value) {
    std::vector<Value> others;
    for (Operation &op : function.front()) {
      if (&op == user)
        break;
      for (Value result : op.getResults())
        if (isa<Type>(result.getType()) && result != value)
          others.push_back(result);
    }
    return others;
  }

  std::string leaveOutCounts() {
    OpOperand *operand = pick(operandsOf<CountsType>(isMove));
    if (!operand)
      return "";
    Operation *op = operand->getOwner();
    op->eraseOperand(operand->getOperandNumber());
    op->removeAttr("ragged");
    return nameOf(op) + ": counts left out";
  }

  std::string takeOtherCounts() {
    OpOperand *operand = pick(operandsOf<CountsType>(isMove));
    Value other = operand ? pick(othersBefore<CountsType>(operand->getOwner(), operand->get())) : Value();
    if (!other)
      return "";
    operand->set(other);
    return nameOf(operand->getOwner()) + ": other counts";
  }

  std::string scaleCounts() {
    OpOperand *operand = pick(operandsOf<CountsType>([](Operation *op) { return isMove(op) || isa<OffsetsOp>(op); }));
    if (!operand)
      return "";
    builder.setInsertionPoint(operand->getOwner());
    bool isFactor = random() % 2;
    operand->set(ScaleOp::create(builder, operand->getOwner()->getLoc(), operand->get().getType(), operand->get(),
                                 isFactor ? 2 : 1, isFactor ? 0 : 1));
    return nameOf(operand->getOwner()) + (isFactor ? ": twice the counts" : ": one more than the counts");
  }

  std::string leaveOutMove() {
    Operation *op = pick(opsWhere([](Operation *op) {
      return (isMove(op) || isa<AllReduceOp>(op)) && op->getOperand(0).getType() == op->getResult(0).getType();
    }));
    if (!op)
      return "";
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
    return "a movement left out";
  }

  /// A rank without rows does not take part.
  std::string moveInBranch() {
    Operation *op = pick(opsWhere([](Operation *op) { return isMove(op) || isa<AllReduceOp>(op); }));
    auto type = op ? cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
    Value size = op ? pick(othersBefore<IndexType>(op, Value())) : Value();
    if (!size)
      return "";
    builder.setInsertionPoint(op);
    Location loc = op->getLoc();
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value some = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ugt, size, zero);
    auto branch = scf::IfOp::create(builder, loc, type, some, /*withElseRegion=*/true);
    op->getResult(0).replaceAllUsesWith(branch.getResult(0));
    builder.setInsertionPointToStart(branch.thenBlock());
    op->moveBefore(branch.thenBlock(), branch.thenBlock()->end());
    builder.setInsertionPointToEnd(branch.thenBlock());
    scf::YieldOp::create(builder, loc, op->getResult(0));
    builder.setInsertionPointToStart(branch.elseBlock());
    SmallVector<Value> sizes(static_cast<size_t>(type.getNumDynamicDims()), zero);
    Value nothing = tensor::EmptyOp::create(builder, loc, type, sizes);
    scf::YieldOp::create(builder, loc, nothing);
    return nameOf(op) + ": in a branch";
  }

  std::string countOther() {
    Operation *op = pick(opsWhere([](Operation *op) { return isa<LocalCountOp>(op); }));
    if (!op)
      return "";
    std::vector<Value> others = othersBefore<IndexType>(op, op->getOperand(0));
    Value other = random() % 2 ? pick(others) : changed(op, op->getOperand(0));
    if (!other)
      return "";
    op->setOperand(0, other);
    return "another number counted";
  }

  std::string countAsOther() {
    auto exchange =
        cast_or_null<ExchangeCountsOp>(pick(opsWhere([](Operation *op) { return isa<ExchangeCountsOp>(op); })));
    if (!exchange)
      return "";
    size_t index = below(exchange.getNumResults());
    auto type = cast<CountsType>(exchange.getResult(index).getType());
    bool isBatch = random() % 2;
    auto relabel = [&](Value value) {
      auto own = cast<CountsType>(value.getType());
      value.setType(CountsType::get(own.getContext(), own.getAxes(),
                                    isBatch                             ? own.getUnit()
                                    : type.getUnit() == CountUnit::Rows ? CountUnit::Tokens
                                                                        : CountUnit::Rows,
                                    isBatch ? FlatSymbolRefAttr::get(own.getContext(), "other") : own.getEpoch()));
    };
    relabel(exchange.getInputs()[index]);
    relabel(exchange.getResult(index));
    return isBatch ? "counted as another batch" : "counted as another unit";
  }

  Value changed(Operation *user, Value size) {
    builder.setInsertionPoint(user);
    Location loc = user->getLoc();
    auto number = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(builder, loc, value); };
    switch (random() % 4) {
    case 0:
      return arith::AddIOp::create(builder, loc, size, number(1));
    case 1:
      return arith::DivUIOp::create(builder, loc, size, number(2));
    case 2:
      return arith::MulIOp::create(builder, loc, size, number(2));
    default:
      return number(static_cast<int64_t>(random() % 8));
    }
  }

  OpOperand *pickSize() {
    return pick(operandsOf<IndexType>([](Operation *op) { return !isa<LocalCountOp, tensor::DimOp>(op); }));
  }

  std::string takeOtherSize() {
    OpOperand *operand = pickSize();
    Value other = operand ? pick(othersBefore<IndexType>(operand->getOwner(), operand->get())) : Value();
    if (!other)
      return "";
    operand->set(other);
    return nameOf(operand->getOwner()) + ": another size";
  }

  std::string changeSize() {
    OpOperand *operand = pickSize();
    if (!operand)
      return "";
    operand->set(changed(operand->getOwner(), operand->get()));
    return nameOf(operand->getOwner()) + ": a size changed";
  }

  std::string takeOtherFirst() {
    Operation *op = pick(opsWhere([](Operation *op) { return isa<OwnOffsetOp>(op); }));
    Value counts = op ? pick(othersBefore<CountsType>(op, Value())) : Value();
    auto type = counts ? cast<CountsType>(counts.getType()) : CountsType();
    if (!type || type.getAxes().empty())
      return "";
    builder.setInsertionPoint(op);
    op->setOperand(
        0, OffsetsOp::create(builder, op->getLoc(),
                             OffsetsType::get(type.getContext(), type.getAxes(), type.getUnit(), type.getEpoch()),
                             counts));
    return "first row of other counts";
  }

  std::string changeArgument() {
    auto index = static_cast<unsigned>(below(function.getNumArguments()));
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    std::string text = layout ? layout.getText() : "";
    size_t found = text.find(" : ");
    if (found == std::string::npos)
      return "";
    size_t end = text.find_first_of(",]", found), slash = text.find('/');
    switch (random() % 4) {
    case 0:
      text = text.substr(0, text.find('@', found)) + "@other" + text.substr(end);
      break;
    case 1:
      text = text.substr(0, found) + " : " + (text.find("rows") == std::string::npos ? "rows" : "tokens") + " @step" +
             text.substr(end);
      break;
    case 2: // equal parts
      text = text.substr(0, found) + text.substr(end);
      break;
    default: // whole
      text = text.substr(0, slash) + text.substr(end);
    }
    LayoutAttr other = LayoutAttr::parseText(function.getContext(), text);
    if (!other)
      return "";
    function.setArgAttr(index, attribute::layout, other);
    return "argument " + std::to_string(index) + ": " + text;
  }

  std::string changeCheck() {
    auto check = cast_or_null<CheckCountOp>(pick(opsWhere([](Operation *op) { return isa<CheckCountOp>(op); })));
    if (!check)
      return "";
    if (random() % 2) {
      check.erase();
      return "a check left out";
    }
    check.setBound(check.getBound() / 2);
    return "a check of half the bound";
  }

  std::string flipSide() {
    Operation *op = pick(opsWhere([](Operation *op) { return isa<AllToAllOp>(op) && op->hasAttr("ragged"); }));
    auto all = cast_or_null<AllToAllOp>(op);
    if (!all)
      return "";
    RaggedSide side = *all.getRagged() == RaggedSide::Concat ? RaggedSide::Split : RaggedSide::Concat;
    all.setRagged(side);
    if (random() % 2) {
      uint64_t split = all.getSplit();
      all.setSplit(all.getConcat());
      all.setConcat(split);
    }
    return "the other dim ragged";
  }

  func::FuncOp function;
  OpBuilder builder;
  std::mt19937 &random;
};

} // namespace

std::string muster::test::editCounts(func::FuncOp function, std::mt19937 &random) {
  return CountEditor(function, random).run();
}
