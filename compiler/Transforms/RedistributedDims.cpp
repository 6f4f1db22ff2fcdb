// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/RedistributedDims.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace muster;
using layout::Deal;
using layout::DealtDim;

namespace {

class DimReader {
public:
  explicit DimReader(RedistributeOp op) : op(op), mesh(getMesh(op)) {}

  FailureOr<SmallVector<RedistributedDim>> run();

private:
  Deal dealOf(LayoutTermAttr term) const {
    Deal deal;
    deal.order = term.getOrder() == ChunkOrder::ZigZag   ? layout::ChunkOrder::ZigZag
                 : term.getOrder() == ChunkOrder::Stripe ? layout::ChunkOrder::Stripe
                                                         : layout::ChunkOrder::Contiguous;
    for (AxisRefAttr ref : term.getAxes()) {
      auto axis = static_cast<unsigned>(mesh.findAxis(ref.getName()));
      if (mesh.getAxes()[axis].getSize() > 1)
        deal.axes.push_back({axis, mesh.getAxes()[axis].getSize()});
    }
    return deal;
  }
  void learnSizes();
  LogicalResult readDim(int64_t dim);
  LogicalResult readTerms(int64_t dim, ArrayRef<LayoutTermAttr> from, ArrayRef<LayoutTermAttr> to);
  LogicalResult add(int64_t dim, LayoutTermAttr term, int64_t size, const Deal &from, const Deal &to);

  RedistributeOp op;
  MeshAttr mesh;
  llvm::StringMap<int64_t> sizes; ///< of names, as far as the function tells them
  SmallVector<RedistributedDim> dims;
};

/// Names that stand alone in a static dim of the signature, and those that the function gives.
void DimReader::learnSizes() {
  auto function = op->getParentOfType<func::FuncOp>();
  if (!function)
    return;
  auto learn = [&](LayoutAttr layout, Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!layout || !tensor || layout.getRank() != tensor.getRank())
      return;
    for (auto [dim, size] : llvm::zip_equal(layout.getDims(), tensor.getShape()))
      if (!ShapedType::isDynamic(size) && !dim.getSegmented() && dim.getTerms().size() == 1)
        sizes.try_emplace(dim.getTerms().front().getName(), size * dealOf(dim.getTerms().front()).ranks());
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    learn(function.getArgAttrOfType<LayoutAttr>(i, attribute::layout), function.getArgument(i).getType());
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    learn(function.getResultAttrOfType<LayoutAttr>(i, attribute::layout), function.getResultTypes()[i]);
  if (auto given = function->getAttrOfType<DictionaryAttr>(attribute::sizes))
    for (NamedAttribute size : given)
      if (auto number = dyn_cast<IntegerAttr>(size.getValue()))
        sizes.try_emplace(size.getName(), number.getInt());
}

LogicalResult DimReader::add(int64_t dim, LayoutTermAttr term, int64_t size, const Deal &from, const Deal &to) {
  for (const Deal *deal : {&from, &to})
    if (size % deal->chunks() != 0)
      return op.emitOpError() << "E4011 expected the size of '" << term.getName() << "' to be divisible by "
                              << deal->chunks() << " parts but got " << size;
  dims.push_back({dim, {{{size, from}}}, {{{size, to}}}, true});
  return success();
}

LogicalResult DimReader::readTerms(int64_t dim, ArrayRef<LayoutTermAttr> from, ArrayRef<LayoutTermAttr> to) {
  auto input = cast<RankedTensorType>(op.getInput().getType()), result = cast<RankedTensorType>(op.getType());
  int64_t left = -1;
  if (!input.isDynamicDim(dim)) {
    left = input.getDimSize(dim);
    for (LayoutTermAttr term : from)
      left *= dealOf(term).ranks();
  } else if (!result.isDynamicDim(dim)) {
    left = result.getDimSize(dim);
    for (LayoutTermAttr term : to)
      left *= dealOf(term).ranks();
  }
  if (from.size() == 1) {
    Deal given = dealOf(from.front()), wanted = dealOf(to.front());
    auto isContiguous = [](const Deal &deal) { return deal.order == layout::ChunkOrder::Contiguous; };
    if (isContiguous(given) && isContiguous(wanted)) {
      int64_t units = *layout::unitsOf(given, wanted);
      dims.push_back({dim, {{{units, given}}}, {{{units, wanted}}}, false});
      return success();
    }
    if (left < 0)
      return op.emitOpError() << "E4011 expected a static dim " << dim
                              << " where its chunks change their order but got " << op.getFrom().getText() << " and "
                              << op.getTo().getText();
    return add(dim, from.front(), left, given, wanted);
  }
  LayoutTermAttr open;
  for (LayoutTermAttr term : from) {
    auto known = sizes.find(term.getName());
    if (known == sizes.end() && open)
      return op.emitOpError() << "E4011 expected the sizes of '" << open.getName() << "' and '" << term.getName()
                              << "' to be known but got " << op.getFrom().getText() << " and " << op.getTo().getText();
    if (known == sizes.end())
      open = term;
    else if (left > 0)
      left /= known->second;
  }
  if (open && left < 0)
    return op.emitOpError() << "E4011 expected the size of '" << open.getName() << "' to be known but got "
                            << op.getFrom().getText() << " and " << op.getTo().getText();
  for (auto [given, wanted] : llvm::zip_equal(from, to))
    if (failed(add(dim, given, given == open ? left : sizes.lookup(given.getName()), dealOf(given), dealOf(wanted))))
      return failure();
  return success();
}

LogicalResult DimReader::readDim(int64_t dim) {
  LayoutDimAttr from = op.getFrom().getDims()[dim], to = op.getTo().getDims()[dim];
  if (from == to || op.getCountsOf(dim)) {
    dims.push_back({dim, {{{1, {}}}}, {{{1, {}}}}, false});
    return success();
  }
  bool isAlike = from.getSegmented() == to.getSegmented() && from.getTerms().size() == to.getTerms().size();
  for (LayoutDimAttr side : {from, to})
    for (LayoutTermAttr term : side.getTerms())
      isAlike &= !term.isRagged() && !term.getAnyOrder() &&
                 llvm::all_of(term.getAxes(), [](AxisRefAttr axis) { return axis.isWholeAxis(); });
  for (auto [given, wanted] : llvm::zip(from.getTerms(), to.getTerms()))
    isAlike &= given.getExtent() == wanted.getExtent() && given.getName() == wanted.getName();
  if (!isAlike)
    return op.emitOpError() << "E4011 expected dim " << dim
                            << " to be of the same terms of equal parts, or the same in both layouts, but got "
                            << op.getFrom().getText() << " and " << op.getTo().getText();
  if (!from.getSegmented())
    return readTerms(dim, from.getTerms(), to.getTerms());
  RedistributedDim packed{dim, {}, {}, true};
  for (auto [given, wanted] : llvm::zip_equal(from.getTerms(), to.getTerms())) {
    Deal fromDeal = dealOf(given), toDeal = dealOf(wanted);
    for (const Deal &deal : {fromDeal, toDeal})
      if (given.getExtent() % deal.chunks() != 0)
        return op.emitOpError() << "E4011 expected the size of '" << given.getName() << "' to be divisible by "
                                << deal.chunks() << " parts but got " << given.getExtent();
    packed.from.segments.push_back({given.getExtent(), fromDeal});
    packed.to.segments.push_back({given.getExtent(), toDeal});
  }
  dims.push_back(std::move(packed));
  return success();
}

FailureOr<SmallVector<RedistributedDim>> DimReader::run() {
  for (MeshAxisAttr axis : mesh.getAxes())
    if (ShapedType::isDynamic(axis.getSize()))
      return op.emitOpError() << "E4010 expected a mesh of concrete sizes but got axis '" << axis.getName()
                              << "' of symbolic size";
  learnSizes();
  for (int64_t dim = 0; dim < op.getFrom().getRank(); ++dim)
    if (failed(readDim(dim)))
      return failure();
  return std::move(dims);
}

} // namespace

FailureOr<SmallVector<RedistributedDim>> muster::readDims(RedistributeOp op) { return DimReader(op).run(); }

layout::Redistribution muster::redistributionOf(MeshAttr mesh, ArrayRef<RedistributedDim> dims) {
  layout::Redistribution redistribution;
  for (MeshAxisAttr axis : mesh.getAxes())
    redistribution.from.mesh.push_back(axis.getSize());
  redistribution.to.mesh = redistribution.from.mesh;
  for (const RedistributedDim &dim : dims) {
    redistribution.from.dims.push_back(dim.from);
    redistribution.to.dims.push_back(dim.to);
  }
  return redistribution;
}
