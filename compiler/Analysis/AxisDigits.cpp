// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/AxisDigits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

ArrayAttr muster::collectiveAxesOf(Operation *op) {
  return isa<AllGatherOp, ReduceScatterOp, AllReduceOp, AllToAllOp, AllToAllVOp, ExchangeOp, SliceOp, BroadcastOp,
             PermuteOp>(op)
             ? op->getAttrOfType<ArrayAttr>("axes")
             : ArrayAttr();
}

void AxisDigits::note(StringRef axis) {
  if (mesh.findAxis(axis) >= 0)
    return;
  std::optional<AxisPart> part = findAxisPart(mesh, axis);
  if (!part)
    return; // an unknown axis, which is reported elsewhere
  named = true;
  int64_t whole = mesh.getAxes()[part->index].getSize();
  if (ShapedType::isDynamic(whole)) {
    symbolic = mesh.getAxes()[part->index].getName();
    return;
  }
  SmallVector<int64_t, 2> &own = boundaries[part->index];
  for (int64_t weight : {part->weight, part->weight * part->size})
    if (part->size != 1 && weight != 1 && weight != whole && !llvm::is_contained(own, weight))
      own.insert(llvm::lower_bound(own, weight), weight);
}

void AxisDigits::note(LayoutAttr layout) {
  if (!layout || !seen.insert(layout).second)
    return;
  auto noteAll = [&](ArrayRef<AxisRefAttr> axes) {
    for (AxisRefAttr axis : axes)
      if (!axis.isWholeAxis())
        note(getAxisName(axis));
  };
  for (LayoutDimAttr dim : layout.getDims())
    for (LayoutTermAttr term : dim.getTerms())
      noteAll(term.getAxes());
  for (PartialAttr partial : layout.getPartials())
    noteAll(partial.getAxes());
}

void AxisDigits::note(Operation *op) {
  if (ArrayAttr group = collectiveAxesOf(op)) {
    if (seen.insert(group).second)
      for (StringRef axis : group.getAsValueRange<StringAttr>())
        note(axis);
    return;
  }
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](RedistributeOp own) {
        note(own.getFrom());
        note(own.getTo());
      })
      .Case<AssertLayoutOp, WeightOp, StateOp>([&](auto own) { note(own.getLayout()); })
      .Case([&](CoordinateOp own) { note(own.getAxis()); })
      .Case<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp, arith::RemUIOp, arith::RemSIOp>([&](Operation *own) {
        auto coordinate = own->getOperand(0).getDefiningOp<CoordinateOp>();
        APInt number;
        if (!coordinate || !matchPattern(own->getOperand(1), m_ConstantInt(&number)))
          return;
        int64_t index = mesh.findAxis(coordinate.getAxis());
        std::optional<AxisPart> part = index >= 0 ? std::optional(AxisPart{index, 1, mesh.getAxes()[index].getSize()})
                                                  : findAxisPart(mesh, coordinate.getAxis());
        int64_t divisor = number.getSExtValue();
        if (part && divisor > 1 && divisor < part->size && part->size % divisor == 0)
          computed.push_back({part->index, part->weight * divisor});
      })
      .Case([&](func::FuncOp own) {
        for (unsigned i = 0; i < own.getNumArguments(); ++i)
          note(own.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
        for (unsigned i = 0; i < own.getNumResults(); ++i)
          note(own.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
      });
}

void AxisDigits::settle() {
  for (auto [axis, weight] : computed) {
    SmallVector<int64_t, 2> &own = boundaries[axis];
    bool nests =
        llvm::all_of(own, [weight = weight](int64_t other) { return other % weight == 0 || weight % other == 0; });
    if (nests && !llvm::is_contained(own, weight))
      own.insert(llvm::lower_bound(own, weight), weight);
  }
  computed.clear();
}

AxisDigits::Conflict AxisDigits::findConflict() const {
  for (auto [axis, own] : llvm::zip_equal(mesh.getAxes(), boundaries))
    for (size_t i = 1; i < own.size(); ++i)
      if (own[i] % own[i - 1] != 0)
        return {axis.getName(), own[i - 1], own[i]};
  return {};
}

SmallVector<AxisPart, 2> AxisDigits::digitsOf(int64_t axis) const {
  SmallVector<AxisPart, 2> digits;
  int64_t end = mesh.getAxes()[axis].getSize();
  for (int64_t weight : llvm::reverse(boundaries[axis])) {
    digits.push_back({axis, weight, end / weight});
    end = weight;
  }
  digits.push_back({axis, 1, end});
  return digits;
}

SmallVector<AxisPart, 2> AxisDigits::digitsOf(const AxisPart &part) const {
  SmallVector<AxisPart, 2> digits = digitsOf(part.index);
  if (part.weight != 1 || part.size != mesh.getAxes()[part.index].getSize())
    llvm::erase_if(digits, [&](const AxisPart &digit) {
      return digit.weight < part.weight || digit.weight >= part.weight * part.size;
    });
  return digits;
}

std::string AxisDigits::nameOf(const AxisPart &digit) const {
  StringRef name = mesh.getAxes()[digit.index].getName();
  return isSplit(digit.index) ? getAxisName(AxisRefAttr::get(mesh.getContext(), name, digit.weight, digit.size))
                              : name.str();
}

llvm::MapVector<MeshAttr, AxisDigits> muster::findAxisDigits(ModuleOp module, SymbolTableCollection &symbols) {
  llvm::MapVector<MeshAttr, AxisDigits> meshes;
  MeshAttr only = getMesh(module); // looking for it walks the module, so once
  for (Operation &op : *module.getBody()) {
    if (!isa<func::FuncOp, WeightOp, StateOp>(op))
      continue;
    MeshAttr mesh = only;
    if (auto name = op.getAttrOfType<FlatSymbolRefAttr>(attribute::mesh)) {
      auto named = symbols.lookupNearestSymbolFrom<MeshOp>(&op, name);
      mesh = named ? named.getMesh() : MeshAttr();
    }
    if (!mesh)
      continue;
    AxisDigits &digits = meshes.try_emplace(mesh, mesh).first->second;
    op.walk([&](Operation *inner) { digits.note(inner); });
  }
  for (auto &[mesh, digits] : meshes)
    digits.settle();
  return meshes;
}
