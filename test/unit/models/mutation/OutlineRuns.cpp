// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/models/mutation/OutlineRuns.h"

#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace mlir;
using namespace muster;

namespace {

class Outliner {
public:
  explicit Outliner(func::FuncOp entry) : entry(entry) {}

  void outline(ArrayRef<Operation *> run) {
    llvm::SetVector<Value> taken;
    llvm::SmallPtrSet<Operation *, 16> inside(run.begin(), run.end());
    auto isInside = [&](Operation *op) {
      while (op && op->getBlock() != &entry.front())
        op = op->getParentOp();
      return inside.contains(op);
    };
    SmallVector<Operation *> constants;
    SmallVector<Value> results;
    for (Operation *op : run) {
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *maker = operand.getDefiningOp();
          if (maker ? isInside(maker) : operand.getParentBlock() != &entry.front())
            continue;
          // Numbers are written where they are used.
          if (maker && matchPattern(maker, m_Constant())) {
            if (!llvm::is_contained(constants, maker))
              constants.push_back(maker);
          } else {
            taken.insert(operand);
          }
        }
      });
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !isInside(user); }))
          results.push_back(result);
    }
    // Sizes stay where they are used: the proof of layouts does not follow numbers into functions, nor counts out.
    auto isSize = [](Value value) { return !isa<RankedTensorType>(value.getType()); };
    auto isNumber = [](Value value) { return value.getType().isIndex(); };
    if (llvm::any_of(taken, isNumber) || llvm::any_of(results, isSize))
      return;
    OpBuilder builder(entry);
    Location loc = entry.getLoc();
    SmallVector<Type> types = llvm::map_to_vector(results, [](Value value) { return value.getType(); });
    SmallVector<Type> arguments = llvm::map_to_vector(taken, [](Value value) { return value.getType(); });
    auto function = func::FuncOp::create(builder, loc, "part", builder.getFunctionType(arguments, types));
    function.setPrivate();
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    mapping.map(taken.getArrayRef(), body->getArguments());
    for (Operation *op : constants)
      builder.clone(*op, mapping);
    for (Operation *op : run)
      builder.clone(*op, mapping);
    func::ReturnOp::create(builder, loc,
                           llvm::map_to_vector(results, [&](Value value) { return mapping.lookup(value); }));
    std::string text;
    llvm::raw_string_ostream(text) << function;
    auto [known, isNew] = functions.try_emplace(text, function);
    if (isNew)
      function.setName("part" + std::to_string(functions.size()));
    else
      function.erase();
    builder.setInsertionPoint(run.front());
    auto call = func::CallOp::create(builder, loc, known->second, taken.getArrayRef());
    for (auto [from, to] : llvm::zip_equal(results, call.getResults()))
      from.replaceAllUsesWith(to);
    for (Operation *op : llvm::reverse(run))
      op->erase();
    ++calls;
  }

  func::FuncOp entry;
  std::map<std::string, func::FuncOp> functions;
  int64_t calls = 0;
};

} // namespace

muster::test::Outlined muster::test::outlineRuns(func::FuncOp entry, std::mt19937 &random) {
  llvm::SetVector<StringRef> kinds;
  for (Operation &op : entry.front())
    kinds.insert(op.getName().getStringRef());
  llvm::DenseSet<StringRef> boundaries;
  for (StringRef kind : kinds)
    if (random() % 4 == 0)
      boundaries.insert(kind);
  std::vector<SmallVector<Operation *>> runs(1);
  for (Operation &op : entry.front().without_terminator()) {
    // Weights have names; layers are told apart by what they are given.
    if (isa<LoadOp>(op) || matchPattern(&op, m_Constant()))
      continue;
    if (boundaries.contains(op.getName().getStringRef()))
      runs.emplace_back();
    else
      runs.back().push_back(&op);
  }
  // What a run takes stands in front of all of it.
  SmallVector<Operation *> first;
  for (Operation &op : entry.front())
    if (isa<LoadOp>(op) || matchPattern(&op, m_Constant()))
      first.push_back(&op);
  for (Operation *op : llvm::reverse(first))
    op->moveBefore(&entry.front(), entry.front().begin());
  Outliner outliner(entry);
  for (const auto &run : runs)
    if (run.size() > 1)
      outliner.outline(run);
  return {outliner.calls, static_cast<int64_t>(outliner.functions.size())};
}

std::string muster::test::editCall(func::FuncOp entry, std::mt19937 &random) {
  std::vector<OpOperand *> operands;
  std::vector<Value> counts;
  entry.walk([&](func::CallOp call) {
    for (OpOperand &operand : call->getOpOperands())
      if (auto type = dyn_cast<CountsType>(operand.get().getType()); type && !type.getAxes().empty())
        operands.push_back(&operand);
  });
  if (operands.empty())
    return "";
  OpOperand *operand = operands[random() % operands.size()];
  Operation *call = operand->getOwner();
  for (Operation &op : entry.front()) {
    if (op.getBlock() != call->getBlock() || &op == call)
      break;
    for (Value result : op.getResults())
      if (result.getType() == operand->get().getType() && result != operand->get())
        counts.push_back(result);
  }
  if (!counts.empty() && random() % 2) {
    operand->set(counts[random() % counts.size()]);
    return "a call: other counts";
  }
  OpBuilder builder(call);
  operand->set(ScaleOp::create(builder, call->getLoc(), operand->get().getType(), operand->get(), 2, 0));
  return "a call: twice the counts";
}
