// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/models/mutation/GraphEdits.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "test/unit/models/mutation/GraphRunner.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Verifier.h"

#include <functional>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

class Editor {
public:
  Editor(func::FuncOp entry, llvm::function_ref<void(func::FuncOp, const std::string &)> visit)
      : entry(entry), module(entry->getParentOfType<ModuleOp>()), mesh(getMesh(entry)), visit(visit) {}

  void run() {
    int64_t number = 0;
    for (Operation &op : entry.getBody().front()) {
      std::string name = op.getName().getStringRef().str() + " #" + std::to_string(number++);
      if (op.hasAttr("axes"))
        editCollective(&op, name);
      if (op.getNumResults() == 1)
        insertBehind(&op, name);
    }
    for (unsigned i = 0; i < entry.getNumArguments(); ++i)
      if (auto layout = entry.getArgAttrOfType<LayoutAttr>(i, attribute::layout))
        editLayout(
            layout, "argument " + std::to_string(i),
            [i](IRMapping &, func::FuncOp copy, LayoutAttr other) { copy.setArgAttr(i, attribute::layout, other); },
            cast<RankedTensorType>(entry.getArgument(i).getType()));
    for (unsigned i = 0; i < entry.getNumResults(); ++i)
      if (auto layout = entry.getResultAttrOfType<LayoutAttr>(i, attribute::layout))
        editLayout(
            layout, "result " + std::to_string(i),
            [i](IRMapping &, func::FuncOp copy, LayoutAttr other) { copy.setResultAttr(i, attribute::layout, other); },
            cast<RankedTensorType>(entry.getResultTypes()[i]));
    for (Operation &op : *module.getBody())
      if (isa<WeightOp, StateOp>(op))
        editLayout(op.getAttrOfType<LayoutAttr>("layout"), SymbolTable::getSymbolName(&op).str(),
                   [&op](IRMapping &map, func::FuncOp, LayoutAttr other) { map.lookup(&op)->setAttr("layout", other); },
                   {});
  }

private:
  using Apply = std::function<void(IRMapping &, func::FuncOp)>;

  void propose(const std::string &what, const Apply &apply) {
    IRMapping map;
    OwningOpRef<ModuleOp> copy = cast<ModuleOp>(module->clone(map));
    auto edited = cast<func::FuncOp>(map.lookup(entry.getOperation()));
    apply(map, edited);
    ScopedDiagnosticHandler silence(copy->getContext(), [](Diagnostic &) { return success(); });
    if (succeeded(verify(*copy)))
      visit(edited, what);
  }

  /// Single axes and pairs in both orders.
  SmallVector<ArrayAttr> axisChoices() {
    Builder builder(mesh.getContext());
    SmallVector<ArrayAttr> choices;
    for (MeshAxisAttr a : mesh.getAxes()) {
      choices.push_back(builder.getStrArrayAttr({a.getName()}));
      for (MeshAxisAttr b : mesh.getAxes())
        if (a != b)
          choices.push_back(builder.getStrArrayAttr({a.getName(), b.getName()}));
    }
    return choices;
  }

  static std::string textOf(Attribute attribute) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return text;
  }

  void editCollective(Operation *op, const std::string &name) {
    auto change = [&](const std::string &attribute, Attribute other) {
      if (op->getAttr(attribute) && op->getAttr(attribute) != other)
        propose(name + ": " + attribute + " " + textOf(other),
                [=](IRMapping &map, func::FuncOp) { map.lookup(op)->setAttr(attribute, other); });
    };
    for (ArrayAttr axes : axisChoices())
      change("axes", axes);
    for (ReductionKind kind : {ReductionKind::Sum, ReductionKind::Max, ReductionKind::Min})
      change("kind", ReductionKindAttr::get(op->getContext(), kind));
    Builder builder(op->getContext());
    auto type = cast<RankedTensorType>(op->getOperand(0).getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      for (const char *attribute : {"dim", "split", "concat"})
        change(attribute, builder.getI64IntegerAttr(dim));
    for (int64_t split = 0; op->hasAttr("split") && split < type.getRank(); ++split)
      for (int64_t concat = 0; concat < type.getRank(); ++concat) {
        auto first = builder.getI64IntegerAttr(split), second = builder.getI64IntegerAttr(concat);
        if (first != op->getAttr("split") && second != op->getAttr("concat"))
          propose(name + ": split " + std::to_string(split) + " concat " + std::to_string(concat),
                  [=](IRMapping &map, func::FuncOp) {
                    map.lookup(op)->setAttr("split", first);
                    map.lookup(op)->setAttr("concat", second);
                  });
      }
    if (op->getOperand(0).getType() != op->getResult(0).getType())
      return;
    propose(name + ": left out", [op](IRMapping &map, func::FuncOp) {
      Operation *copy = map.lookup(op);
      copy->getResult(0).replaceAllUsesWith(copy->getOperand(0));
      copy->erase();
    });
    propose(name + ": doubled", [op](IRMapping &map, func::FuncOp) {
      Operation *copy = map.lookup(op);
      Operation *second = copy->clone();
      OpBuilder(copy->getContext()).setInsertionPointAfter(copy);
      copy->getBlock()->getOperations().insertAfter(copy->getIterator(), second);
      copy->getResult(0).replaceAllUsesExcept(second->getResult(0), second);
      second->setOperand(0, copy->getResult(0));
    });
  }

  void insertBehind(Operation *op, const std::string &name) {
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || !isa<FloatType>(type.getElementType()) || op->getName().getStringRef() == "tensor.empty")
      return;
    auto insert = [&](const std::string &what, auto make) {
      propose(what + " behind " + name, [op, make](IRMapping &map, func::FuncOp) {
        Operation *copy = map.lookup(op);
        OpBuilder builder(copy->getContext());
        builder.setInsertionPointAfter(copy);
        mlir::Value input = copy->getResult(0);
        Operation *made = make(builder, copy->getLoc(), input);
        input.replaceAllUsesExcept(made->getResult(0), made);
      });
    };
    for (ArrayAttr axes : axisChoices()) {
      std::string on = textOf(axes);
      for (ReductionKind kind : {ReductionKind::Sum, ReductionKind::Max})
        insert("all_reduce " + stringifyReductionKind(kind).str() + " " + on,
               [=](OpBuilder &builder, Location at, mlir::Value input) -> Operation * {
                 return AllReduceOp::create(builder, at, input.getType(), input,
                                            ReductionKindAttr::get(builder.getContext(), kind), axes);
               });
      insert("broadcast " + on, [=](OpBuilder &builder, Location at, mlir::Value input) -> Operation * {
        return BroadcastOp::create(builder, at, input.getType(), input, builder.getI64IntegerAttr(0), axes);
      });
      int64_t parts = getGroupSize(mesh, axes);
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        if (type.isDynamicDim(static_cast<unsigned>(dim)) || type.getDimSize(static_cast<unsigned>(dim)) % parts == 0)
          insert("all_to_all in dim " + std::to_string(dim) + " " + on,
                 [=](OpBuilder &builder, Location at, mlir::Value input) -> Operation * {
                   return AllToAllOp::create(builder, at, input.getType(), input, axes, dim, dim);
                 });
    }
  }

  /// `local`: of a port, whose logical sizes must stay; of a symbol its type says them.
  void editLayout(LayoutAttr layout, const std::string &name,
                  const std::function<void(IRMapping &, func::FuncOp, LayoutAttr)> &set, RankedTensorType local) {
    std::string text = layout.getText();
    llvm::SmallVector<std::string> others;
    for (MeshAxisAttr a : mesh.getAxes()) {
      std::string axis = a.getName().str();
      for (MeshAxisAttr b : mesh.getAxes())
        if (a.getName() < b.getName()) { // swapped
          std::string other;
          for (size_t i = 0; i < text.size();) {
            StringRef rest = StringRef(text).drop_front(i);
            bool isStart = i > 0 && StringRef("/(,").contains(text[i - 1]);
            if (isStart && rest.starts_with(a.getName())) {
              other += b.getName().str();
              i += a.getName().size();
            } else if (isStart && rest.starts_with(b.getName())) {
              other += axis;
              i += b.getName().size();
            } else {
              other += text[i++];
            }
          }
          others.push_back(other);
        }
      for (size_t i = 0; i < text.size(); ++i) {
        StringRef rest = StringRef(text).drop_front(i);
        if (rest.starts_with("/" + axis)) // whole
          others.push_back(text.substr(0, i) + text.substr(i + 1 + axis.size()));
        bool isEnd = i > 0 && llvm::isAlnum(text[i - 1]) && (rest.starts_with(",") || rest.starts_with("]"));
        if (isEnd) // divided
          others.push_back(text.substr(0, i) + "/" + axis + text.substr(i));
      }
    }
    for (const std::string &other : others) {
      ScopedDiagnosticHandler silence(module.getContext(), [](Diagnostic &) { return success(); });
      LayoutAttr parsed = LayoutAttr::parseText(module.getContext(), other);
      if (!parsed || parsed == layout || parsed.getRank() != layout.getRank())
        continue;
      if (local && logicalSizes(local, parsed, mesh) != logicalSizes(local, layout, mesh))
        continue;
      propose(name + ": layout " + other, [&](IRMapping &map, func::FuncOp copy) { set(map, copy, parsed); });
    }
  }

  func::FuncOp entry;
  ModuleOp module;
  MeshAttr mesh;
  llvm::function_ref<void(func::FuncOp, const std::string &)> visit;
};

} // namespace

void test::forEachEdit(func::FuncOp entry, llvm::function_ref<void(func::FuncOp, const std::string &)> visit) {
  Editor(entry, visit).run();
}
