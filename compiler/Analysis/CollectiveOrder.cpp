// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CollectiveOrder.h"

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Analysis/CountInference.h"
#include "compiler/Analysis/Entries.h"
#include "compiler/Analysis/Uniformity.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <map>

using namespace mlir;
using namespace muster;

namespace {

using AxisSet = llvm::SmallDenseSet<unsigned, 4>;

/// What a block issues, in order; of a branch or loop one entry that tells all of it. Long ones are compared by hash
/// and shown by how they begin.
class Trace {
public:
  /// `what` is what must be the same for ranks to meet in it, `inside` the same of what it does not show, `sizes` of
  /// how much they move.
  void add(std::string what, uint64_t inside, uint64_t sizes, bool isSizeKnown) {
    uint64_t own = llvm::xxh3_64bits(what) + inside * base;
    names = names * base + own;
    amounts = amounts * base + (own ^ sizes);
    power *= base;
    ++length;
    areSizesKnown &= isSizeKnown;
    if (shown.size() < mostShown)
      shown.push_back(std::move(what));
  }
  void append(const Trace &other) {
    names = names * other.power + other.names;
    amounts = amounts * other.power + other.amounts;
    power *= other.power;
    length += other.length;
    areSizesKnown &= other.areSizesKnown;
    for (const std::string &entry : other.shown)
      if (shown.size() < mostShown)
        shown.push_back(entry);
    addGroups(other);
  }
  void addGroups(const Trace &other) { groups.insert(other.groups.begin(), other.groups.end()); }
  /// In the place of a call: sizes of which nothing is known are those of this call alone.
  void setCall(Operation *call) {
    if (!areSizesKnown)
      amounts = llvm::hash_combine(amounts, call);
  }
  bool empty() const { return length == 0; }
  bool issuesAs(const Trace &other) const { return length == other.length && names == other.names; }
  bool movesAs(const Trace &other) const { return issuesAs(other) && amounts == other.amounts; }
  uint64_t hash() const { return names; }
  uint64_t hashOfSizes() const { return amounts; }
  std::string text() const {
    if (empty())
      return "nothing";
    std::string all = llvm::join(shown, ", ");
    return length > shown.size() ? all + ", ... (" + std::to_string(length) + " in all)" : all;
  }

  AxisSet groups;
  bool areSizesKnown = true;

private:
  static constexpr size_t mostShown = 12;
  static constexpr uint64_t base = 0x9e3779b97f4a7c15;
  SmallVector<std::string, 4> shown;
  uint64_t length = 0, names = 0, amounts = 0, power = 1;
};

/// A function in its calls with the same arguments.
struct Frame {
  CountInference &inference;
  const Uniformity &uniformity;
};

class OrderCheck {
public:
  OrderCheck(CollectiveReport &report, llvm::DenseSet<std::pair<Operation *, int>> &reported)
      : report(report), reported(reported) {}

  Trace walk(Frame frame, Block &block) {
    Trace trace;
    for (Operation &op : block)
      trace.append(walk(frame, op));
    return trace;
  }
  /// All blocks of a function.
  Trace walkBody(Frame frame, func::FuncOp function);

private:
  Trace walk(Frame frame, Operation &op);
  Trace walkBranches(Frame frame, Operation &op, Value condition, ArrayRef<Trace> branches);
  Trace walkLoop(Frame frame, Operation &op, ArrayRef<Value> deciding, ArrayRef<Block *> blocks);
  Trace walkCall(Frame frame, func::CallOp op);
  bool issuesNothing(func::FuncOp function) const;
  void checkSizes(Frame frame, Operation &op, const AxisSet &group);
  void add(StepFinding finding) {
    // Once an operation, though its function is called more than once.
    if (reported.insert({finding.op, finding.number}).second)
      report.findings.push_back(std::move(finding));
  }
  /// The axes of a collective or of an exchange of counts; null for other operations.
  ArrayAttr groupOf(Operation &op) const;
  std::string describe(Operation &op, ArrayAttr axes) const;
  void addEntry(Frame frame, Operation &op, ArrayAttr axes, Trace &trace) const;
  LayoutMessage::Note noteOrigin(Frame frame, const Variation &variation, unsigned axis, const Twine &what) const {
    StringRef name = frame.uniformity.getMesh().getAxes()[axis].getName();
    return {variation.originOf(axis), (what + " differs over '" + name + "' from here on").str()};
  }

  CollectiveReport &report;
  llvm::DenseSet<std::pair<Operation *, int>> &reported;
  /// Of functions that were walked, in calls with the same arguments.
  std::map<std::pair<const CountInference *, const Uniformity *>, Trace> walked;
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
  for (StringRef name : {"dim", "split", "concat", "root", "sources", "ragged"})
    if (Attribute attr = op.getAttr(name)) {
      os << " " << name << " ";
      if (auto number = dyn_cast<IntegerAttr>(attr); number)
        os << number.getInt();
      else if (auto side = dyn_cast<RaggedSideAttr>(attr))
        os << stringifyRaggedSide(side.getValue());
      else
        os << attr;
    }
  if (auto redistribute = dyn_cast<RedistributeOp>(op))
    os << " from " << redistribute.getFrom().getText() << " to " << redistribute.getTo().getText();
  if (auto exchange = dyn_cast<ExchangeCountsOp>(op))
    for (Value input : exchange.getInputs()) {
      if (auto local = input.getDefiningOp<LocalCountOp>())
        os << " of field \"" << local.getFieldName() << '"';
      else if (auto field = input.getDefiningOp<StepFieldOp>())
        os << " of field \"" << field.getField() << '"';
    }
  for (Type type : op.getOperandTypes())
    os << " of " << type;
  return text;
}

/// Also by what is moved: the counts, and sizes that the types leave open.
void OrderCheck::addEntry(Frame frame, Operation &op, ArrayAttr axes, Trace &trace) const {
  uint64_t sizes = 0;
  bool isKnown = true;
  auto take = [&](const CountTerm *term) {
    sizes = llvm::hash_combine(sizes, term);
    isKnown &= !isOfOneRun(term);
  };
  for (Value operand : op.getOperands()) {
    if (isa<CountsType>(operand.getType()))
      take(frame.inference.termOf(operand));
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    for (int64_t dim = 0; type && dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        take(frame.inference.sizeOf(operand, dim));
    // Counts that the device makes: nothing is known of them but where they come from.
    if (type && isa_and_nonnull<RoutedAttr>(type.getEncoding())) {
      sizes = llvm::hash_combine(sizes, operand.getAsOpaquePointer());
      isKnown = false;
    }
  }
  trace.add(describe(op, axes), /*inside=*/0, sizes, isKnown);
}

void OrderCheck::checkSizes(Frame frame, Operation &op, const AxisSet &group) {
  // What has counts says how its sizes differ; what counts themselves are, is of one size.
  bool hasCounts = llvm::any_of(op.getOperandTypes(), [](Type type) { return isa<CountsType>(type); });
  if (hasCounts || isa<RedistributeOp, AllToAllVOp>(op))
    return;
  Varying operand = frame.uniformity.of(op.getOperand(0));
  if (std::optional<unsigned> axis = operand.sizes.common(group))
    add({1223,
         &op,
         "ranks of a group hold tensors of different sizes: " + op.getName().stripDialect().str() + " takes no counts",
         {noteOrigin(frame, operand.sizes, *axis, "the size")}});
}

Trace OrderCheck::walk(Frame frame, Operation &op) {
  Trace trace;
  if (ArrayAttr axes = groupOf(op)) {
    trace.groups = frame.uniformity.axesOf(axes);
    if (trace.groups.empty())
      return trace; // groups of one rank
    ++report.collectives;
    addEntry(frame, op, axes, trace);
    checkSizes(frame, op, trace.groups);
    return trace;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    Trace branches[2] = {walk(frame, *branch.thenBlock()), {}};
    if (Block *block = branch.elseBlock())
      branches[1] = walk(frame, *block);
    return walkBranches(frame, op, branch.getCondition(), branches);
  }
  if (auto choice = dyn_cast<scf::IndexSwitchOp>(op)) {
    SmallVector<Trace> branches;
    for (Region &region : choice->getRegions())
      branches.push_back(walk(frame, region.front()));
    return walkBranches(frame, op, choice.getArg(), branches);
  }
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return walkLoop(frame, op, {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()}, {loop.getBody()});
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return walkLoop(frame, op, {loop.getConditionOp().getCondition()}, {loop.getBeforeBody(), loop.getAfterBody()});
  if (auto call = dyn_cast<func::CallOp>(op))
    return walkCall(frame, call);
  for (Region &region : op.getRegions())
    for (Block &block : region)
      trace.append(walk(frame, block));
  if (!trace.empty() && !isa<scf::ExecuteRegionOp>(op))
    add({1220,
         &op,
         "cannot prove that all ranks issue the same collectives: how '" + op.getName().getStringRef().str() +
             "' runs what is in it is not followed",
         {{op.getLoc(), "in it: " + trace.text()}}});
  return trace;
}

/// Neither a function nor those that it calls have collectives.
bool OrderCheck::issuesNothing(func::FuncOp function) const {
  llvm::SetVector<Operation *> reached;
  reached.insert(function);
  for (size_t next = 0; next < reached.size(); ++next)
    if (reached[next]
            ->walk([&](Operation *op) {
              if (groupOf(*op))
                return WalkResult::interrupt();
              if (auto call = dyn_cast<func::CallOp>(op))
                if (Operation *callee = SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr()))
                  reached.insert(callee);
              return WalkResult::advance();
            })
            .wasInterrupted())
      return false;
  return true;
}

Trace OrderCheck::walkCall(Frame frame, func::CallOp op) {
  CountInference *inside = frame.inference.callee(op);
  const Uniformity *uniformity = frame.uniformity.callee(op);
  auto called = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!called || called.isExternal())
    return {};
  if (!inside || !uniformity) {
    if (issuesNothing(called))
      return {};
    add({1220,
         op,
         "cannot prove that all ranks issue the same collectives: '" + op.getCallee().str() +
             "', which calls itself or has more than one block, is not followed",
         {}});
    return {};
  }
  auto [known, isNew] = walked.try_emplace({inside, uniformity});
  if (isNew) {
    Trace body = walkBody({*inside, *uniformity}, called);
    known = walked.insert_or_assign({inside, uniformity}, std::move(body)).first;
  }
  Trace trace = known->second;
  trace.setCall(op);
  return trace;
}

Trace OrderCheck::walkBody(Frame frame, func::FuncOp function) {
  Trace trace;
  for (Block &block : function.getBody())
    trace.append(walk(frame, block));
  if (!trace.empty() && !function.getBody().hasOneBlock())
    add({1220,
         function,
         "cannot prove that all ranks issue the same collectives: branches between blocks are not followed",
         {}});
  return trace;
}

Trace OrderCheck::walkBranches(Frame frame, Operation &op, Value condition, ArrayRef<Trace> branches) {
  Trace both;
  for (const Trace &branch : branches)
    both.addGroups(branch);
  auto differs = [&](auto same) {
    return llvm::find_if(branches.drop_front(), [&](const Trace &branch) { return !same(branches.front(), branch); });
  };
  const Trace *other = differs([](const Trace &a, const Trace &b) { return a.issuesAs(b); }),
              *moved = differs([](const Trace &a, const Trace &b) { return a.movesAs(b); });
  if (moved == branches.end()) {
    both.append(branches.front()); // whichever branch is taken
    return both;
  }
  Variation variation = frame.uniformity.of(condition).elements;
  if (std::optional<unsigned> axis = variation.common(both.groups)) {
    bool isIf = isa<scf::IfOp>(op);
    StepFinding finding;
    finding.op = &op;
    bool isKnown = llvm::all_of(branches, [](const Trace &branch) { return branch.areSizesKnown; });
    finding.number = other != branches.end() ? 1221 : isKnown ? 1223 : 1220;
    finding.message = finding.number == 1221 ? "collectives differ between ranks that take different branches"
                      : finding.number == 1223
                          ? "collectives move other sizes on ranks that take different branches"
                          : "cannot prove that collectives move the same sizes on ranks that take different "
                            "branches";
    finding.notes.push_back(noteOrigin(frame, variation, *axis, "the condition"));
    const Trace &second = other != branches.end() ? *other : *moved;
    finding.notes.push_back({op.getLoc(), (isIf ? "then: " : "the last case: ") + branches.front().text()});
    finding.notes.push_back({op.getLoc(), (isIf ? "else: " : "another: ") + second.text()});
    finding.notes.push_back({op.getLoc(), "a condition of what all ranks of the group know (exchanged counts, an "
                                          "all_reduce of the condition) would be the same on each"});
    add(std::move(finding));
  }
  std::string text;
  uint64_t inside = 0, sizes = 0;
  for (const Trace &branch : branches) {
    text += (text.empty() ? "if (" : " else (") + branch.text() + ")";
    inside = llvm::hash_combine(inside, branch.hash());
    sizes = llvm::hash_combine(sizes, branch.hashOfSizes());
    both.areSizesKnown &= branch.areSizesKnown;
  }
  both.add(std::move(text), inside, sizes, both.areSizesKnown);
  return both;
}

Trace OrderCheck::walkLoop(Frame frame, Operation &op, ArrayRef<Value> deciding, ArrayRef<Block *> blocks) {
  Trace body;
  for (Block *block : blocks)
    body.append(walk(frame, *block));
  if (body.empty())
    return body;
  for (Value value : deciding) {
    Variation variation = frame.uniformity.of(value).elements;
    if (std::optional<unsigned> axis = variation.common(body.groups)) {
      add({1222,
           &op,
           "ranks may run this loop, which has collectives, a different number of times",
           {noteOrigin(frame, variation, *axis, "how often it runs"), {op.getLoc(), "in the loop: " + body.text()}}});
      break;
    }
  }
  // How often it runs belongs to what is issued.
  uint64_t sizes = body.hashOfSizes();
  bool isKnown = body.areSizesKnown;
  for (Value value : deciding) {
    const CountTerm *term = frame.inference.termOf(value);
    sizes = llvm::hash_combine(sizes, term);
    isKnown &= !isOfOneRun(term);
  }
  Trace loop;
  loop.addGroups(body);
  loop.add("repeatedly (" + body.text() + ")", body.hash(), sizes, isKnown);
  return loop;
}

} // namespace

CollectiveReport muster::checkCollectiveOrder(ModuleOp module) {
  CollectiveReport report;
  llvm::DenseSet<std::pair<Operation *, int>> reported;
  for (func::FuncOp function : entriesOf(module)) {
    MeshAttr mesh = getMesh(function);
    CountTerms terms(mesh);
    CountInference inference(function, terms);
    Uniformity uniformity(function, mesh);
    OrderCheck(report, reported).walkBody({inference, uniformity}, function);
  }
  return report;
}
