// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/NeededCounts.h"

#include "compiler/Analysis/Entries.h"
#include "dialects/Muster/IR/BatchSplit.h"
#include "mlir/Dialect/UB/IR/UBOps.h"

using namespace mlir;
using namespace muster;

static SmallVector<StringAttr> axesOf(LayoutTermAttr term) {
  SmallVector<StringAttr> axes;
  for (AxisRefAttr axis : term.getAxes())
    axes.push_back(StringAttr::get(axis.getContext(), getAxisName(axis)));
  return axes;
}

/// Rows that an operation moves, or begins at, and has no counts of.
static SmallVector<LayoutTermAttr, 1> findUncounted(Operation *op) {
  if (auto first = dyn_cast<FirstRowOp>(op))
    return {first.getRows()};
  SmallVector<LayoutTermAttr, 1> terms;
  if (auto redistribute = dyn_cast<RedistributeOp>(op); redistribute && redistribute.getCounts().empty())
    for (int64_t dim : redistribute.getRaggedDims()) {
      LayoutTermAttr from = raggedTermOf(redistribute.getFrom().getDims()[dim]);
      terms.push_back(from ? from : raggedTermOf(redistribute.getTo().getDims()[dim]));
    }
  return terms;
}

NeededCounts::NeededCounts(ModuleOp module) {
  for (func::FuncOp entry : entriesOf(module))
    entries.insert(entry);
  SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
  SmallVector<func::CallOp> calls;
  for (func::FuncOp function : functions) {
    std::set<std::string> &own = counted[function];
    auto note = [&](Type type) {
      if (auto counts = dyn_cast<CountsType>(type))
        own.insert(counts.getEpoch().getValue().str());
    };
    llvm::for_each(function.getArgumentTypes(), note);
    // Joins of a batch that was split wait for their counts.
    bool isSplit = BatchSplit::of(function).has_value();
    function.walk([&](Operation *op) {
      if (!isSplit || !isa<ub::PoisonOp>(op))
        llvm::for_each(op->getResultTypes(), note);
      if (auto call = dyn_cast<func::CallOp>(op))
        calls.push_back(call);
    });
  }
  // From what is called to what calls, until nothing is new.
  auto join = [&](auto add) {
    for (bool isNew = true; isNew;) {
      isNew = false;
      for (func::CallOp call : calls)
        if (auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee()); callee && !isEntry(callee))
          isNew |= add(call->getParentOfType<func::FuncOp>(), callee);
    }
  };
  join([&](func::FuncOp caller, func::FuncOp callee) {
    size_t before = counted[caller].size();
    std::set<std::string> inside = counted[callee];
    counted[caller].insert(inside.begin(), inside.end());
    return counted[caller].size() != before;
  });
  for (func::FuncOp function : functions)
    if (!isEntry(function))
      function.walk([&](Operation *op) {
        for (LayoutTermAttr term : findUncounted(op))
          if (!counted[function].count(term.getEpoch().str()))
            needs[function].try_emplace(countableOf(term), Need{axesOf(term), op});
      });
  join([&](func::FuncOp caller, func::FuncOp callee) {
    if (isEntry(caller))
      return false;
    bool isNew = false;
    for (const auto &[what, need] : std::map<Countable, Need>(needs[callee]))
      if (!counted[caller].count(what.epoch))
        isNew |= needs[caller].try_emplace(what, need).second;
    return isNew;
  });
}

const std::map<Countable, NeededCounts::Need> &NeededCounts::of(func::FuncOp function) const {
  static const std::map<Countable, Need> nothing;
  auto found = needs.find(function);
  return isEntry(function) || found == needs.end() ? nothing : found->second;
}

const std::set<std::string> &NeededCounts::countedIn(func::FuncOp function) const {
  return counted.find(function)->second;
}

/// What the arguments of a function have rows of, and the axes that divide them.
static std::map<Countable, SmallVector<StringAttr>> rowsOf(func::FuncOp function) {
  std::map<Countable, SmallVector<StringAttr>> rows;
  for (unsigned index = 0; index < function.getNumArguments(); ++index)
    if (auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout))
      for (LayoutDimAttr dim : layout.getDims())
        if (LayoutTermAttr term = raggedTermOf(dim))
          rows.try_emplace(countableOf(term), axesOf(term));
  return rows;
}

int64_t muster::copyCalledEntries(ModuleOp module) {
  llvm::DenseMap<Operation *, func::FuncOp> copies;
  SymbolTable symbols(module);
  for (bool isNew = true; isNew;) {
    isNew = false;
    const NeededCounts needed(module);
    SmallVector<func::CallOp> calls;
    module.walk([&](func::CallOp call) { calls.push_back(call); });
    for (func::CallOp call : calls) {
      auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
      auto caller = call->getParentOfType<func::FuncOp>();
      if (!callee || callee == caller || !needed.isEntry(callee) || !needed.countedIn(callee).empty())
        continue;
      auto inside = rowsOf(callee), outside = rowsOf(caller);
      bool isInStep = llvm::all_of(inside, [&](const auto &rows) {
        auto own = outside.find(rows.first);
        return own != outside.end() && own->second == rows.second && !needed.countedIn(caller).count(rows.first.epoch);
      });
      if (inside.empty() || (needed.isEntry(caller) && !isInStep))
        continue;
      func::FuncOp &copy = copies[callee];
      if (!copy) {
        copy = callee.clone();
        copy.setName((callee.getSymName() + ".called").str());
        copy.setPrivate();
        symbols.insert(copy, std::next(callee->getIterator()));
        isNew = true;
      }
      call.setCallee(copy.getSymName());
    }
  }
  return static_cast<int64_t>(copies.size());
}
