// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A coordinate on an axis of 12 ranks, of which layouts name the parts [2:3] and [6:2], is three digits: [6:2], [2:3]
// and [1:2], outer first. As axes of their own they number the ranks as before, because the last axis is the fastest.
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/MapVector.h"

#include <map>

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_SPLITMESHAXESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// The digits of every axis of one mesh.
class AxisDigits {
public:
  explicit AxisDigits(MeshAttr mesh) : mesh(mesh), boundaries(mesh.getAxes().size()) {}

  /// Notes where a part begins and ends.
  void note(const AxisPart &part);
  /// Every boundary must divide the next; failure with the two that do not.
  LogicalResult check(Operation *op) const;
  /// A part is named, if only one that is the whole axis or has one position.
  bool isNamed() const { return named; }
  bool isSplit(int64_t axis) const { return !boundaries[axis].empty(); }

  /// The names of the axes that make a part, outer first; none for a part of one position.
  SmallVector<std::string, 2> namesOf(const AxisPart &part) const;
  SmallVector<std::string, 2> namesOf(StringRef axis) const { return namesOf(*findAxisPart(mesh, axis)); }
  MeshAttr splitMesh() const;

  MeshAttr mesh;

private:
  /// Digits of an axis as (weight, size), outer first.
  SmallVector<std::pair<int64_t, int64_t>, 3> digitsOf(int64_t axis) const;
  std::string nameOf(int64_t axis, int64_t weight, int64_t size) const;

  /// For each axis, weights at which a digit begins, ascending, but 1; none of the axis' size.
  SmallVector<SmallVector<int64_t, 2>, 2> boundaries;
  bool named = false;
};

void AxisDigits::note(const AxisPart &part) {
  named = true;
  int64_t whole = mesh.getAxes()[part.index].getSize();
  SmallVector<int64_t, 2> &own = boundaries[part.index];
  for (int64_t weight : {part.weight, part.weight * part.size})
    if (part.size != 1 && weight != 1 && weight != whole && !llvm::is_contained(own, weight))
      own.insert(llvm::lower_bound(own, weight), weight);
}

LogicalResult AxisDigits::check(Operation *op) const {
  for (auto [axis, own] : llvm::zip_equal(mesh.getAxes(), boundaries))
    for (auto [lesser, greater] : llvm::zip(own, ArrayRef(own).drop_front(own.empty() ? 0 : 1)))
      if (greater % lesser != 0)
        return op->emitOpError() << "E4013 expected the parts of axis '" << axis.getName()
                                 << "' to begin at weights that divide one another but got " << lesser << " and "
                                 << greater;
  return success();
}

SmallVector<std::pair<int64_t, int64_t>, 3> AxisDigits::digitsOf(int64_t axis) const {
  SmallVector<std::pair<int64_t, int64_t>, 3> digits;
  int64_t end = mesh.getAxes()[axis].getSize();
  for (int64_t weight : llvm::reverse(boundaries[axis])) {
    digits.push_back({weight, end / weight});
    end = weight;
  }
  digits.push_back({1, end});
  return digits;
}

std::string AxisDigits::nameOf(int64_t axis, int64_t weight, int64_t size) const {
  StringRef name = mesh.getAxes()[axis].getName();
  return isSplit(axis) ? getAxisName(AxisRefAttr::get(mesh.getContext(), name, weight, size)) : name.str();
}

SmallVector<std::string, 2> AxisDigits::namesOf(const AxisPart &part) const {
  SmallVector<std::string, 2> names;
  if (!isSplit(part.index) && part.size != 1)
    names.push_back(nameOf(part.index, 1, part.size));
  for (auto [weight, size] : digitsOf(part.index))
    if (isSplit(part.index) && weight >= part.weight && weight < part.weight * part.size)
      names.push_back(nameOf(part.index, weight, size));
  return names;
}

MeshAttr AxisDigits::splitMesh() const {
  SmallVector<MeshAxisAttr> axes;
  for (int64_t axis = 0; axis < static_cast<int64_t>(mesh.getAxes().size()); ++axis)
    for (auto [weight, size] : digitsOf(axis))
      axes.push_back(MeshAxisAttr::get(mesh.getContext(), nameOf(axis, weight, size), size));
  return MeshAttr::get(mesh.getContext(), axes);
}

/// The group that a collective names; null for other operations.
ArrayAttr groupOf(Operation *op) {
  return isa<AllGatherOp, ReduceScatterOp, AllReduceOp, AllToAllOp, ExchangeOp, SliceOp, BroadcastOp, PermuteOp>(op)
             ? op->getAttrOfType<ArrayAttr>("axes")
             : ArrayAttr();
}

/// Calls `visit` for each part of an axis that `op` names.
void forEachPart(Operation *op, MeshAttr mesh, function_ref<void(const AxisPart &)> visit) {
  auto visitName = [&](StringRef name) {
    if (std::optional<AxisPart> part = findAxisPart(mesh, name); part && mesh.findAxis(name) < 0)
      visit(*part);
  };
  op->getAttrDictionary().walk([&](AxisRefAttr axis) { visitName(getAxisName(axis)); });
  if (ArrayAttr group = groupOf(op))
    for (StringRef axis : group.getAsValueRange<StringAttr>())
      visitName(axis);
  if (auto coordinate = dyn_cast<CoordinateOp>(op))
    visitName(coordinate.getAxis());
}

/// Replaces axes in everything that names them.
class Splitter {
public:
  explicit Splitter(const AxisDigits &digits);
  void rewrite(Operation *op);

private:
  SmallVector<AxisRefAttr, 2> split(ArrayRef<AxisRefAttr> axes) const;
  void rewriteCoordinate(CoordinateOp op);
  void rewriteSize(SizeOp op);

  const AxisDigits &digits;
  AttrTypeReplacer replacer;
};

Splitter::Splitter(const AxisDigits &digits) : digits(digits) {
  // What is partial over one position is partial no more.
  replacer.addReplacement([this](LayoutAttr layout) {
    SmallVector<PartialAttr> partials = llvm::filter_to_vector(
        layout.getPartials(), [&](PartialAttr partial) { return !split(partial.getAxes()).empty(); });
    return LayoutAttr::get(layout.getContext(), layout.getDims(), partials);
  });
  replacer.addReplacement([this](LayoutTermAttr term) {
    return LayoutTermAttr::get(term.getContext(), term.getName(), split(term.getAxes()), term.getOrder(),
                               term.getAnyOrder(), term.getUnit(), term.getEpoch(), term.getExtent());
  });
  replacer.addReplacement([this](PartialAttr partial) {
    return PartialAttr::get(partial.getContext(), partial.getKind(), split(partial.getAxes()));
  });
  replacer.addReplacement([this](CountsType counts) {
    SmallVector<StringAttr> axes;
    for (StringAttr axis : counts.getAxes())
      for (const std::string &name : this->digits.namesOf(axis.getValue()))
        axes.push_back(StringAttr::get(counts.getContext(), name));
    return CountsType::get(counts.getContext(), axes, counts.getUnit(), counts.getEpoch());
  });
}

SmallVector<AxisRefAttr, 2> Splitter::split(ArrayRef<AxisRefAttr> axes) const {
  SmallVector<AxisRefAttr, 2> refs;
  for (AxisRefAttr axis : axes)
    for (const std::string &name : digits.namesOf(getAxisName(axis)))
      refs.push_back(AxisRefAttr::get(axis.getContext(), name));
  return refs;
}

/// The coordinate on an axis that was split: the position on its parts, row-major.
void Splitter::rewriteCoordinate(CoordinateOp op) {
  SmallVector<std::string, 2> names = digits.namesOf(op.getAxis());
  if (names.size() == 1) {
    op.setAxis(names.front());
    return;
  }
  OpBuilder builder(op);
  MeshAttr mesh = digits.splitMesh();
  Value position;
  auto constant = [&](int64_t value) { return arith::ConstantIndexOp::create(builder, op.getLoc(), value); };
  int64_t weight = 1;
  for (const std::string &name : llvm::reverse(names)) {
    Value term = CoordinateOp::create(builder, op.getLoc(), name);
    if (weight != 1)
      term = arith::MulIOp::create(builder, op.getLoc(), term, constant(weight));
    position = position ? arith::AddIOp::create(builder, op.getLoc(), term, position).getResult() : term;
    weight *= mesh.getAxisSize(name);
  }
  op.replaceAllUsesWith(position ? position : constant(0).getResult());
  op.erase();
}

/// A size of, or a quotient by, an axis that is an axis no longer.
void Splitter::rewriteSize(SizeOp op) {
  auto sizeOf = [&](StringRef name) -> std::optional<int64_t> {
    int64_t axis = digits.mesh.findAxis(name);
    if (axis < 0 || !digits.isSplit(axis))
      return std::nullopt;
    return digits.mesh.getAxes()[axis].getSize();
  };
  std::optional<int64_t> dividend = sizeOf(op.getDividend()),
                         divisor = op.getDivisor() ? sizeOf(*op.getDivisor()) : std::nullopt;
  if (!dividend && !divisor)
    return;
  OpBuilder builder(op);
  auto constant = [&](int64_t value) { return arith::ConstantIndexOp::create(builder, op.getLoc(), value); };
  auto sizeFor = [&](StringAttr name, std::optional<int64_t> known) -> Value {
    return known ? constant(*known).getResult() : SizeOp::create(builder, op.getLoc(), name, StringAttr()).getResult();
  };
  Value size = sizeFor(op.getDividendAttr(), dividend);
  if (op.getDivisor())
    size = arith::DivUIOp::create(builder, op.getLoc(), size, sizeFor(op.getDivisorAttr(), divisor));
  op.replaceAllUsesWith(size);
  op.erase();
}

void Splitter::rewrite(Operation *op) {
  replacer.replaceElementsIn(op, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
  if (ArrayAttr group = groupOf(op)) {
    SmallVector<Attribute> names;
    for (StringRef axis : group.getAsValueRange<StringAttr>())
      for (const std::string &name : digits.namesOf(axis))
        names.push_back(StringAttr::get(op->getContext(), name));
    op->setAttr("axes", ArrayAttr::get(op->getContext(), names));
  }
  if (auto coordinate = dyn_cast<CoordinateOp>(op))
    rewriteCoordinate(coordinate);
  else if (auto size = dyn_cast<SizeOp>(op))
    rewriteSize(size);
}

struct SplitMeshAxes : muster::impl::SplitMeshAxesPassBase<SplitMeshAxes> {
  void runOnOperation() override {
    llvm::MapVector<MeshAttr, AxisDigits> meshes;
    SmallVector<std::pair<Operation *, MeshAttr>> ops;
    LogicalResult noted = success();
    getOperation().walk([&](Operation *op) {
      MeshAttr mesh = isa<ModuleOp, MeshOp>(op) ? MeshAttr() : getMesh(op);
      if (!mesh || failed(noted))
        return;
      ops.push_back({op, mesh});
      AxisDigits &digits = meshes.try_emplace(mesh, mesh).first->second;
      forEachPart(op, mesh, [&](const AxisPart &part) {
        MeshAxisAttr axis = mesh.getAxes()[part.index];
        if (ShapedType::isDynamic(axis.getSize()))
          noted = op->emitOpError() << "E4010 expected a mesh of concrete sizes but got axis '" << axis.getName()
                                    << "' of symbolic size";
        else
          digits.note(part);
      });
      if (succeeded(noted))
        noted = digits.check(op);
    });
    if (failed(noted))
      return signalPassFailure();
    std::map<const void *, Splitter> splitters;
    for (auto &[mesh, digits] : meshes)
      if (digits.isNamed())
        splitters.try_emplace(mesh.getAsOpaquePointer(), digits);
    for (auto [op, mesh] : ops)
      if (auto splitter = splitters.find(mesh.getAsOpaquePointer()); splitter != splitters.end())
        splitter->second.rewrite(op);
    for (auto op : getOperation().getOps<MeshOp>()) {
      auto found = meshes.find(op.getMesh());
      MeshAttr after = found == meshes.end() ? op.getMesh() : found->second.splitMesh();
      split += after != op.getMesh();
      op.setMeshAttr(after);
    }
  }
};

} // namespace
