// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CollectiveOrder.h"

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Analysis/Uniformity.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace muster;

namespace {

using AxisSet = llvm::SmallDenseSet<unsigned, 4>;

/// What a block issues, in order; of a branch or loop one entry that tells all of it.
struct Trace {
  SmallVector<std::string, 4> entries;
  AxisSet groups;
  void append(const Trace &other) {
    entries.append(other.entries.begin(), other.entries.end());
    groups.insert(other.groups.begin(), other.groups.end());
  }
  std::string text() const { return entries.empty() ? "nothing" : llvm::join(entries, ", "); }
};

class OrderCheck {
public:
  OrderCheck(const Uniformity &uniformity, CollectiveReport &report) : uniformity(uniformity), report(report) {}

  Trace walk(Block &block) {
    Trace trace;
    for (Operation &op : block)
      trace.append(walk(op));
    return trace;
  }

private:
  Trace walk(Operation &op);
  Trace walkIf(scf::IfOp op);
  Trace walkLoop(Operation &op, ArrayRef<Value> deciding, ArrayRef<Block *> blocks);
  void checkSizes(Operation &op, const AxisSet &group);
  /// The axes of a collective or of an exchange of counts; null for other operations.
  ArrayAttr groupOf(Operation &op) const;
  std::string describe(Operation &op, ArrayAttr axes) const;
  StringRef nameOf(unsigned axis) const { return uniformity.getMesh().getAxes()[axis].getName(); }
  LayoutMessage::Note noteOrigin(const Variation &variation, unsigned axis, const Twine &what) const {
    return {variation.originOf(axis), (what + " differs over '" + nameOf(axis) + "' from here on").str()};
  }

  const Uniformity &uniformity;
  CollectiveReport &report;
};

ArrayAttr OrderCheck::groupOf(Operation &op) const {
  if (auto exchange = dyn_cast<ExchangeCountsOp>(op)) {
    auto axes = cast<CountsType>(exchange.getResult(0).getType()).getAxes();
    return ArrayAttr::get(op.getContext(), SmallVector<Attribute>(axes.begin(), axes.end()));
  }
  if (isa<SliceOp>(op))
    return {}; // moves nothing between ranks
  if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
    // Whatever it becomes, it moves along axes that one of its layouts names.
    llvm::SetVector<Attribute> axes;
    for (LayoutAttr layout : {redistribute.getFrom(), redistribute.getTo()}) {
      for (LayoutDimAttr dim : layout.getDims())
        for (LayoutTermAttr term : dim.getTerms())
          for (AxisRefAttr axis : term.getAxes())
            axes.insert(StringAttr::get(op.getContext(), getAxisName(axis)));
      for (PartialAttr partial : layout.getPartials())
        for (AxisRefAttr axis : partial.getAxes())
          axes.insert(StringAttr::get(op.getContext(), getAxisName(axis)));
    }
    return redistribute.getFrom() == redistribute.getTo() ? ArrayAttr()
                                                          : ArrayAttr::get(op.getContext(), axes.getArrayRef());
  }
  return collectiveAxesOf(&op);
}

/// "all_reduce sum on "tp" of f32": what must be the same for two ranks to meet in it.
std::string OrderCheck::describe(Operation &op, ArrayAttr axes) const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op.getName().stripDialect();
  if (auto reduce = dyn_cast<AllReduceOp>(op))
    os << " " << stringifyReductionKind(reduce.getKind());
  if (auto reduce = dyn_cast<ReduceScatterOp>(op))
    os << " " << stringifyReductionKind(reduce.getKind());
  os << " on ";
  llvm::interleaveComma(axes.getAsValueRange<StringAttr>(), os, [&](StringRef axis) { os << '"' << axis << '"'; });
  for (StringRef name : {"dim", "split", "concat", "root", "sources"})
    if (Attribute attr = op.getAttr(name))
      os << " " << name << " " << attr;
  for (Type type : op.getOperandTypes())
    os << " of " << type;
  return text;
}

void OrderCheck::checkSizes(Operation &op, const AxisSet &group) {
  // What has counts says how its sizes differ.
  bool hasCounts = llvm::any_of(op.getOperandTypes(), [](Type type) { return isa<CountsType>(type); });
  if (hasCounts || isa<RedistributeOp>(op))
    return;
  Varying operand = uniformity.of(op.getOperand(0));
  std::optional<unsigned> axis = operand.sizes.common(group);
  if (!axis)
    return;
  report.findings.push_back(
      {1223,
       &op,
       "ranks of a group hold tensors of different sizes: " + op.getName().stripDialect().str() + " takes no counts",
       {noteOrigin(operand.sizes, *axis, "the size")}});
}

Trace OrderCheck::walk(Operation &op) {
  Trace trace;
  if (ArrayAttr axes = groupOf(op)) {
    trace.groups = uniformity.axesOf(axes);
    if (trace.groups.empty())
      return trace; // groups of one rank
    ++report.collectives;
    trace.entries.push_back(describe(op, axes));
    checkSizes(op, trace.groups);
    return trace;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return walkIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return walkLoop(op, {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()}, {loop.getBody()});
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return walkLoop(op, {loop.getConditionOp().getCondition()}, {loop.getBeforeBody(), loop.getAfterBody()});
  if (auto call = dyn_cast<func::CallOp>(op)) {
    if (const Uniformity *inside = uniformity.callee(call)) {
      auto called = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      return OrderCheck(*inside, report).walk(called.getBody().front());
    }
    return trace;
  }
  for (Region &region : op.getRegions())
    for (Block &block : region)
      trace.append(walk(block));
  return trace;
}

Trace OrderCheck::walkIf(scf::IfOp op) {
  Trace branches[2];
  branches[0] = walk(*op.thenBlock());
  if (Block *block = op.elseBlock())
    branches[1] = walk(*block);
  Trace both;
  both.groups = branches[0].groups;
  both.groups.insert(branches[1].groups.begin(), branches[1].groups.end());
  if (branches[0].entries == branches[1].entries) {
    both.entries = branches[0].entries; // whichever branch is taken
    return both;
  }
  Variation condition = uniformity.of(op.getCondition()).elements;
  if (std::optional<unsigned> axis = condition.common(both.groups)) {
    StepFinding finding;
    finding.number = 1221;
    finding.op = op;
    finding.message = "collectives differ between ranks that take different branches";
    finding.notes.push_back(noteOrigin(condition, *axis, "the condition"));
    finding.notes.push_back({op.getLoc(), "then: " + branches[0].text()});
    finding.notes.push_back({op.getLoc(), "else: " + branches[1].text()});
    finding.notes.push_back({op.getLoc(), "a condition of what all ranks of the group know (exchanged counts, an "
                                          "all_reduce of the condition) would be the same on each"});
    report.findings.push_back(std::move(finding));
  }
  both.entries = {"if (" + branches[0].text() + ") else (" + branches[1].text() + ")"};
  return both;
}

Trace OrderCheck::walkLoop(Operation &op, ArrayRef<Value> deciding, ArrayRef<Block *> blocks) {
  Trace body;
  for (Block *block : blocks)
    body.append(walk(*block));
  if (body.entries.empty())
    return body;
  for (Value value : deciding) {
    Variation variation = uniformity.of(value).elements;
    if (std::optional<unsigned> axis = variation.common(body.groups)) {
      report.findings.push_back(
          {1222,
           &op,
           "ranks may run this loop, which has collectives, a different number of times",
           {noteOrigin(variation, *axis, "how often it runs"), {op.getLoc(), "in the loop: " + body.text()}}});
      break;
    }
  }
  body.entries = {"repeatedly (" + body.text() + ")"};
  return body;
}

} // namespace

CollectiveReport muster::checkCollectiveOrder(ModuleOp module) {
  CollectiveReport report;
  llvm::DenseSet<StringRef> called;
  module.walk([&](func::CallOp call) { called.insert(call.getCallee()); });
  for (auto function : module.getOps<func::FuncOp>()) {
    MeshAttr mesh = getMesh(function);
    if (!mesh || function.isExternal() || called.contains(function.getSymName()))
      continue;
    Uniformity uniformity(function, mesh);
    OrderCheck check(uniformity, report);
    for (Block &block : function.getBody())
      check.walk(block);
  }
  return report;
}
