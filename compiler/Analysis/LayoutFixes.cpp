// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Fixes are found by trying: each is one edit of the program as it stands, and only those are named with which the
// whole function is proved. Edits at the operation where the maps part come first, then its neighbours; of those at
// one operation the ones that change least.
#include "compiler/Analysis/LayoutExplanation.h"
#include "compiler/Analysis/LayoutTrial.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <functional>
#include <numeric>

using namespace mlir;
using namespace muster;

namespace {

/// Of the operation's copy; false where it cannot be applied.
using Apply = std::function<bool(LayoutTrial &)>;

struct Edit {
  Operation *op;
  int64_t cost;
  size_t number; // in order of program text, which decides between equal costs
  LayoutFix fix;
  Apply apply;
};

std::string textOf(ArrayRef<int64_t> numbers) {
  return "[" + llvm::join(llvm::map_range(numbers, [](int64_t number) { return std::to_string(number); }), ", ") + "]";
}

std::string textOf(ArrayAttr axes) {
  std::string text = llvm::join(
      llvm::map_range(axes.getAsRange<StringAttr>(), [](StringAttr axis) { return "\"" + axis.str() + "\""; }), ", ");
  return axes.size() == 1 ? text : "[" + text + "]";
}

/// Collects the edits of one function.
class EditList {
public:
  EditList(func::FuncOp function, Operation *parting) : mesh(getMesh(function)) {
    int64_t number = 0;
    for (Operation &op : function.getBody().front())
      if (!isa<tensor::EmptyOp, arith::ConstantOp, SizeOp>(op))
        order[&op] = number++;
    auto found = order.find(parting);
    center = found == order.end() ? number : found->second;
    for (Operation &op : function.getBody().front())
      if (order.contains(&op))
        addEditsOf(&op);
    llvm::sort(edits,
               [](const Edit &a, const Edit &b) { return std::tie(a.cost, a.number) < std::tie(b.cost, b.number); });
  }

  std::vector<Edit> edits;

private:
  /// `weight`: how unusual the edit is; each operation away from where the maps part counts 4.
  void add(Operation *op, int64_t weight, std::string text, Apply apply, std::string before = "",
           std::string after = "") {
    int64_t distance = std::abs(order.lookup(op) - center);
    edits.push_back({op, distance * 4 + weight, edits.size(),
                     LayoutFix{op->getLoc(), std::move(text), std::move(before), std::move(after)}, std::move(apply)});
  }

  void addEditsOf(Operation *op);
  void addPermutations(linalg::TransposeOp op);
  void addDims(Operation *op);
  void addAxes(Operation *op);
  void addKinds(Operation *op);
  void addReplacement(Operation *op);
  void addRemoval(Operation *op);
  void addInsertions(Operation *op);
  void addTranspositions(Operation *op);
  void addOperands(Operation *op);
  void addSizes(tensor::ExpandShapeOp op);
  /// Single axes, then all subsets of several, in every order where `isOrdered`.
  SmallVector<ArrayAttr> axisChoices(bool isOrdered);

  MeshAttr mesh;
  DenseMap<Operation *, int64_t> order;
  int64_t center = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Edits of what an operation says
//===----------------------------------------------------------------------===//

static int64_t differences(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return llvm::count_if(llvm::zip(a, b), [](auto pair) { return std::get<0>(pair) != std::get<1>(pair); });
}

/// Calls `visit` with every permutation of up to 6 numbers but the first.
static void forEachPermutation(size_t count, function_ref<void(ArrayRef<int64_t>)> visit) {
  SmallVector<int64_t> permutation(count);
  std::iota(permutation.begin(), permutation.end(), 0);
  constexpr size_t most = 6;
  if (count <= most)
    while (std::next_permutation(permutation.begin(), permutation.end()))
      visit(permutation);
}

void EditList::addPermutations(linalg::TransposeOp op) {
  SmallVector<int64_t> own(op.getPermutation());
  auto propose = [&](ArrayRef<int64_t> other) {
    if (other == ArrayRef(own))
      return;
    SmallVector<int64_t> chosen(other);
    add(
        op, differences(chosen, own) - 2, "use permutation " + textOf(chosen),
        [original = op.getOperation(), chosen](LayoutTrial &trial) {
          auto copy = cast<linalg::TransposeOp>(trial.copyOf(original));
          copy.setPermutation(chosen);
          return propagateTypes(copy);
        },
        textOf(own), textOf(chosen));
  };
  SmallVector<int64_t> identity(own.size());
  std::iota(identity.begin(), identity.end(), 0);
  propose(identity);
  forEachPermutation(own.size(), propose);
}

void EditList::addDims(Operation *op) {
  auto rank = cast<RankedTensorType>(op->getOperand(0).getType()).getRank();
  auto set = [op](StringRef name, int64_t dim) {
    return [op, name = name.str(), dim](LayoutTrial &trial) {
      Operation *copy = trial.copyOf(op);
      copy->setAttr(name, Builder(copy->getContext()).getI64IntegerAttr(dim));
      return true;
    };
  };
  if (auto all = dyn_cast<AllToAllOp>(op)) {
    auto says = [](int64_t split, int64_t concat) {
      return "split " + std::to_string(split) + " concat " + std::to_string(concat);
    };
    for (int64_t split = 0; split < rank; ++split)
      for (int64_t concat = 0; concat < rank; ++concat) {
        int64_t changes = (split != int64_t(all.getSplit())) + (concat != int64_t(all.getConcat()));
        if (changes == 0)
          continue;
        Apply first = set("split", split), second = set("concat", concat);
        add(
            op, changes - 1, "use " + says(split, concat),
            [=](LayoutTrial &trial) { return first(trial) && second(trial) && propagateTypes(trial.copyOf(op)); },
            says(all.getSplit(), all.getConcat()), says(split, concat));
      }
    return;
  }
  auto own = op->getAttrOfType<IntegerAttr>("dim");
  if (!own || !isa<AllGatherOp, SliceOp, ReduceScatterOp>(op))
    return;
  for (int64_t dim = 0; dim < rank; ++dim)
    if (dim != own.getInt())
      add(
          op, 0, "use dim " + std::to_string(dim),
          [op, apply = set("dim", dim)](LayoutTrial &trial) {
            return apply(trial) && propagateTypes(trial.copyOf(op));
          },
          "dim " + std::to_string(own.getInt()), "dim " + std::to_string(dim));
}

SmallVector<ArrayAttr> EditList::axisChoices(bool isOrdered) {
  SmallVector<ArrayAttr> choices;
  Builder builder(mesh.getContext());
  ArrayRef<MeshAxisAttr> axes = mesh.getAxes();
  constexpr size_t mostAxes = 4;
  size_t count = std::min(axes.size(), mostAxes);
  for (unsigned subset = 1; subset < (1u << count); ++subset) {
    SmallVector<StringRef> names;
    for (size_t i = 0; i < count; ++i)
      if (subset >> i & 1)
        names.push_back(axes[i].getName());
    choices.push_back(builder.getStrArrayAttr(names));
    if (isOrdered)
      forEachPermutation(names.size(), [&](ArrayRef<int64_t> permutation) {
        SmallVector<StringRef> ordered;
        for (int64_t at : permutation)
          ordered.push_back(names[static_cast<size_t>(at)]);
        choices.push_back(builder.getStrArrayAttr(ordered));
      });
  }
  SmallVector<ArrayAttr> sorted;
  for (size_t size = 1; size <= count; ++size)
    llvm::copy_if(choices, std::back_inserter(sorted), [&](ArrayAttr axes) { return axes.size() == size; });
  return sorted;
}

void EditList::addAxes(Operation *op) {
  auto own = op->getAttrOfType<ArrayAttr>("axes");
  if (!own)
    return;
  for (ArrayAttr axes : axisChoices(!isa<AllReduceOp>(op)))
    if (axes != own)
      add(
          op, axes.size() == own.size() ? 1 : 2, "use " + textOf(axes),
          [op, axes](LayoutTrial &trial) {
            trial.copyOf(op)->setAttr("axes", axes);
            return propagateTypes(trial.copyOf(op));
          },
          "on " + textOf(own), "on " + textOf(axes));
}

void EditList::addKinds(Operation *op) {
  for (ReductionKind kind : {ReductionKind::Sum, ReductionKind::Max, ReductionKind::Min}) {
    auto other = ReductionKindAttr::get(op->getContext(), kind);
    if (other != op->getAttr("kind"))
      add(op, kind == ReductionKind::Sum ? 3 : 12, ("reduce with " + stringifyReductionKind(kind)).str(),
          [op, other](LayoutTrial &trial) {
            trial.copyOf(op)->setAttr("kind", other);
            return true;
          });
  }
}

/// An exchange in place of a collective of the same type.
void EditList::addReplacement(Operation *op) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  if (type.getRank() == 0 || type.isDynamicDim(0) || type.getDimSize(0) % getGroupSize(mesh, axes) != 0)
    return;
  add(op, 5, "use muster.exchange", [op, axes](LayoutTrial &trial) {
    Operation *copy = trial.copyOf(op);
    OpBuilder builder(copy);
    mlir::Value input = copy->getOperand(0);
    auto exchange = ExchangeOp::create(builder, op->getLoc(), input.getType(), input, axes);
    copy->getResult(0).replaceAllUsesWith(exchange.getResult());
    copy->erase();
    return true;
  });
}

/// The two sizes of a group in the other order.
void EditList::addSizes(tensor::ExpandShapeOp op) {
  RankedTensorType type = op.getResultType();
  if (!type.hasStaticShape())
    return;
  for (const ReassociationIndices &group : op.getReassociationIndices())
    for (size_t i = 0; i + 1 < group.size(); ++i) {
      SmallVector<int64_t> shape(type.getShape());
      std::swap(shape[static_cast<size_t>(group[i])], shape[static_cast<size_t>(group[i + 1])]);
      if (ArrayRef(shape) == type.getShape())
        continue;
      add(op, 3, "use output_shape " + textOf(shape), [original = op.getOperation(), shape](LayoutTrial &trial) {
        auto copy = cast<tensor::ExpandShapeOp>(trial.copyOf(original));
        OpBuilder builder(copy);
        auto other = tensor::ExpandShapeOp::create(builder, copy.getLoc(), copy.getResultType().clone(shape),
                                                   copy.getSrc(), copy.getReassociationIndices());
        copy.getResult().replaceAllUsesWith(other.getResult());
        copy.erase();
        for (Operation *user : other->getUsers())
          if (!propagateTypes(user))
            return false;
        return true;
      });
    }
}

//===----------------------------------------------------------------------===//
// Edits of which operations there are
//===----------------------------------------------------------------------===//

void EditList::addRemoval(Operation *op) {
  add(op, 2, "remove this " + op->getName().getStringRef().str(), [op](LayoutTrial &trial) {
    Operation *copy = trial.copyOf(op);
    bool isSame = copy->getResult(0).getType() == copy->getOperand(0).getType();
    SmallVector<Operation *> users(copy->getUsers());
    copy->getResult(0).replaceAllUsesWith(copy->getOperand(0));
    copy->erase();
    return isSame || llvm::all_of(users, [](Operation *user) { return propagateTypes(user); });
  });
}

/// A collective behind `op` that keeps the type.
void EditList::addInsertions(Operation *op) {
  auto type = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (!type)
    return;
  auto insert = [&](const Twine &what, int64_t weight, auto make) {
    add(op, weight, ("insert " + what + " behind this " + op->getName().getStringRef()).str(),
        [op, make](LayoutTrial &trial) {
          Operation *copy = trial.copyOf(op);
          OpBuilder builder(copy->getContext());
          builder.setInsertionPointAfter(copy);
          mlir::Value input = copy->getResult(0);
          Operation *made = make(builder, op->getLoc(), input);
          input.replaceAllUsesExcept(made->getResult(0), made);
          return true;
        });
  };
  bool computes = !isa<ExchangeOp, AllToAllOp, AllGatherOp, SliceOp, AllReduceOp, ReduceScatterOp, linalg::TransposeOp,
                       tensor::CollapseShapeOp, tensor::ExpandShapeOp, LoadOp>(op);
  for (ArrayAttr axes : axisChoices(/*isOrdered=*/false)) {
    if (isa<FloatType>(type.getElementType()))
      insert("all_reduce sum on " + textOf(axes), computes ? 2 : 7,
             [axes](OpBuilder &builder, Location at, auto input) {
               auto kind = ReductionKindAttr::get(builder.getContext(), ReductionKind::Sum);
               return AllReduceOp::create(builder, at, input.getType(), input, kind, axes).getOperation();
             });
    int64_t parts = getGroupSize(mesh, axes);
    if (type.getRank() > 0 && !type.isDynamicDim(0) && parts > 1 && type.getDimSize(0) % parts == 0)
      insert("exchange on " + textOf(axes), 6, [axes](OpBuilder &builder, Location at, auto input) {
        return ExchangeOp::create(builder, at, input.getType(), input, axes).getOperation();
      });
  }
}

/// A transposition before a reshape.
void EditList::addTranspositions(Operation *op) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  SmallVector<int64_t> identity(static_cast<size_t>(type.getRank()));
  std::iota(identity.begin(), identity.end(), 0);
  if (op->getOperand(0).getDefiningOp<linalg::TransposeOp>())
    return; // another permutation of that one does the same
  forEachPermutation(identity.size(), [&](ArrayRef<int64_t> other) {
    SmallVector<int64_t> permutation(other);
    add(op, differences(permutation, identity) + 2,
        "transpose by " + textOf(permutation) + " before this " + op->getName().getStringRef().str(),
        [op, permutation](LayoutTrial &trial) {
          Operation *copy = trial.copyOf(op);
          OpBuilder builder(copy);
          mlir::Value input = copy->getOperand(0);
          auto empty = tensor::EmptyOp::create(builder, op->getLoc(), SmallVector<OpFoldResult>(),
                                               cast<RankedTensorType>(input.getType()).getElementType());
          auto transpose = linalg::TransposeOp::create(builder, op->getLoc(), input, empty, permutation);
          copy->setOperand(0, transpose->getResult(0));
          return propagateTypes(transpose);
        });
  });
}

/// Another value of the same type in place of an operand that has other uses, and two operands of one operation
/// swapped.
void EditList::addOperands(Operation *op) {
  if (isa<func::ReturnOp, AssertLayoutOp>(op))
    return;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    for (unsigned j = i + 1; j < op->getNumOperands(); ++j) {
      mlir::Value first = op->getOperand(i), second = op->getOperand(j);
      if (first == second || first.getType() != second.getType() || !isa<RankedTensorType>(first.getType()) ||
          first.getDefiningOp<tensor::EmptyOp>() || second.getDefiningOp<tensor::EmptyOp>())
        continue;
      add(op, 3, "swap operands " + std::to_string(i) + " and " + std::to_string(j), [op, i, j](LayoutTrial &trial) {
        Operation *copy = trial.copyOf(op);
        mlir::Value first = copy->getOperand(i);
        copy->setOperand(i, copy->getOperand(j));
        copy->setOperand(j, first);
        return true;
      });
    }
}

void EditList::addEditsOf(Operation *op) {
  addOperands(op);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    addPermutations(transpose);
    addRemoval(op);
  } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    addSizes(expand);
    addTranspositions(op);
  } else if (isa<tensor::CollapseShapeOp, tensor::ReshapeOp, ExchangeOp>(op)) {
    addTranspositions(op);
  }
  if (isa<AllToAllOp, AllGatherOp, SliceOp, ReduceScatterOp, AllReduceOp, ExchangeOp, BroadcastOp>(op)) {
    addDims(op);
    addAxes(op);
    addRemoval(op);
    if (isa<AllReduceOp, ReduceScatterOp>(op))
      addKinds(op);
    if (isa<AllReduceOp, BroadcastOp>(op))
      addReplacement(op);
  }
  addInsertions(op);
}

//===----------------------------------------------------------------------===//
// Trying
//===----------------------------------------------------------------------===//

SmallVector<LayoutFix, 2> muster::findFixes(func::FuncOp function, Operation *parting, int64_t budget,
                                            FixObserver onFix) {
  SmallVector<LayoutFix, 2> fixes;
  if (!getMesh(function) || !function.getBody().hasOneBlock())
    return fixes;
  constexpr size_t mostFixes = 3;
  constexpr int64_t window = 8; // edits that are much further off than the first that helps tell nobody anything
  std::optional<int64_t> best;
  EditList list(function, parting);
  LayoutTrial trial(function);
  for (const Edit &edit : list.edits) {
    if (fixes.size() == mostFixes || trial.getWork() >= budget || (best && edit.cost > *best + window))
      break;
    trial.restart();
    if (!edit.apply(trial) || trial.judge() != TrialVerdict::Proved)
      continue;
    fixes.push_back(edit.fix);
    // Other result types ask for edits of the text elsewhere, too.
    if (!edit.fix.before.empty() && trial.copyOf(edit.op)->getResultTypes() != edit.op->getResultTypes())
      fixes.back().before = fixes.back().after = "";
    best = best.value_or(edit.cost);
    if (onFix)
      onFix(fixes.back(), trial.getModule());
  }
  return fixes;
}
