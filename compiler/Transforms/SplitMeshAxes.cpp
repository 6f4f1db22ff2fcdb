// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A coordinate on an axis of 12 ranks, of which layouts name the parts [2:3] and [6:2], is three digits: [6:2], [2:3]
// and [1:2], outer first. As axes of their own they number the ranks as before, because the last axis is the fastest.
#include "compiler/Analysis/AxisDigits.h"
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

SmallVector<std::string, 2> namesOf(const AxisDigits &digits, StringRef axis) {
  SmallVector<std::string, 2> names;
  for (const AxisPart &digit : digits.digitsOf(*findAxisPart(digits.mesh, axis)))
    names.push_back(digits.nameOf(digit));
  return names;
}

MeshAttr splitMesh(const AxisDigits &digits) {
  SmallVector<MeshAxisAttr> axes;
  for (int64_t axis = 0; axis < static_cast<int64_t>(digits.mesh.getAxes().size()); ++axis)
    for (const AxisPart &digit : digits.digitsOf(axis))
      axes.push_back(MeshAxisAttr::get(digits.mesh.getContext(), digits.nameOf(digit), digit.size));
  return MeshAttr::get(digits.mesh.getContext(), axes);
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
  // What an axis divides, each of its parts divides.
  replacer.addReplacement([this](FactsAttr facts) {
    SmallVector<StringAttr> divisors, dividends;
    for (auto [divisor, dividend] : llvm::zip_equal(facts.getDivisors(), facts.getDividends())) {
      bool isAxis = this->digits.mesh.findAxis(divisor.getValue()) >= 0;
      for (const std::string &name :
           isAxis ? namesOf(this->digits, divisor.getValue()) : SmallVector<std::string, 2>{divisor.getValue().str()}) {
        divisors.push_back(StringAttr::get(facts.getContext(), name));
        dividends.push_back(dividend);
      }
    }
    return FactsAttr::get(facts.getContext(), divisors, dividends);
  });
  auto splitAxes = [this](auto counts) {
    SmallVector<StringAttr> axes;
    for (StringAttr axis : counts.getAxes())
      for (const std::string &name : namesOf(this->digits, axis.getValue()))
        axes.push_back(StringAttr::get(counts.getContext(), name));
    return decltype(counts)::get(counts.getContext(), axes, counts.getUnit(), counts.getEpoch());
  };
  replacer.addReplacement([splitAxes](CountsType counts) { return splitAxes(counts); });
  replacer.addReplacement([splitAxes](OffsetsType offsets) { return splitAxes(offsets); });
}

SmallVector<AxisRefAttr, 2> Splitter::split(ArrayRef<AxisRefAttr> axes) const {
  SmallVector<AxisRefAttr, 2> refs;
  for (AxisRefAttr axis : axes)
    for (const std::string &name : namesOf(digits, getAxisName(axis)))
      refs.push_back(AxisRefAttr::get(axis.getContext(), name));
  return refs;
}

/// The coordinate on an axis that was split: the position on its parts, row-major.
void Splitter::rewriteCoordinate(CoordinateOp op) {
  SmallVector<std::string, 2> names = namesOf(digits, op.getAxis());
  if (names.size() == 1) {
    op.setAxis(names.front());
    return;
  }
  OpBuilder builder(op);
  MeshAttr mesh = splitMesh(digits);
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
  if (ArrayAttr group = collectiveAxesOf(op)) {
    SmallVector<Attribute> names;
    for (StringRef axis : group.getAsValueRange<StringAttr>())
      for (const std::string &name : namesOf(digits, axis))
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
      digits.note(op);
      AxisDigits::Conflict conflict = digits.findConflict();
      if (!digits.getSymbolic().empty())
        noted = op->emitOpError() << "E4010 expected a mesh of concrete sizes but got axis '" << digits.getSymbolic()
                                  << "' of symbolic size";
      else if (!conflict.axis.empty())
        noted = op->emitOpError() << "E4013 expected the parts of axis '" << conflict.axis
                                  << "' to begin at weights that divide one another but got " << conflict.lesser
                                  << " and " << conflict.greater;
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
      MeshAttr after = found == meshes.end() ? op.getMesh() : splitMesh(found->second);
      split += after != op.getMesh();
      op.setMeshAttr(after);
    }
  }
};

} // namespace
