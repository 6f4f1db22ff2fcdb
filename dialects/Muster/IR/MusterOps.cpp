// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Symbols and positions. Collectives are in CollectiveOps.cpp, counts in CountOps.cpp.
#include "dialects/Muster/IR/AxesSyntax.h"
#include "dialects/Muster/IR/CountText.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace muster;

//===----------------------------------------------------------------------===//
// Custom syntax: "tp" or ["dp", "tp"]; sum, max, min
//===----------------------------------------------------------------------===//

ParseResult muster::parseAxes(OpAsmParser &parser, ArrayAttr &axes) {
  SmallVector<Attribute> names;
  auto parseOne = [&]() -> ParseResult {
    std::string name;
    if (parser.parseString(&name))
      return failure();
    names.push_back(parser.getBuilder().getStringAttr(name));
    return success();
  };
  std::string single;
  if (succeeded(parser.parseOptionalString(&single)))
    names.push_back(parser.getBuilder().getStringAttr(single));
  else if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return failure();
  axes = parser.getBuilder().getArrayAttr(names);
  return success();
}

void muster::printAxes(OpAsmPrinter &printer, Operation *, ArrayAttr axes) {
  if (axes.size() == 1)
    printer << axes[0];
  else
    printer << axes;
}

ParseResult muster::parseReduction(OpAsmParser &parser, ReductionKindAttr &kind) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<ReductionKind> symbol = symbolizeReductionKind(keyword);
  if (!symbol)
    return parser.emitError(loc) << "expected 'sum', 'max' or 'min' but got '" << keyword << "'";
  kind = ReductionKindAttr::get(parser.getContext(), *symbol);
  return success();
}

void muster::printReduction(OpAsmPrinter &printer, Operation *, ReductionKindAttr kind) {
  printer << stringifyReductionKind(kind.getValue());
}

ParseResult muster::parseQuotient(OpAsmParser &parser, StringAttr &dividend, StringAttr &divisor) {
  StringRef name;
  if (parser.parseLess() || parser.parseKeyword(&name))
    return failure();
  dividend = parser.getBuilder().getStringAttr(name);
  if (succeeded(parser.parseOptionalSlash())) {
    if (parser.parseKeyword(&name))
      return failure();
    divisor = parser.getBuilder().getStringAttr(name);
  }
  return parser.parseGreater();
}

void muster::printQuotient(OpAsmPrinter &printer, Operation *, StringAttr dividend, StringAttr divisor) {
  printer << "<" << dividend.getValue();
  if (divisor)
    printer << "/" << divisor.getValue();
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Weights and states
//===----------------------------------------------------------------------===//

/// (C2) of weights and states: the layout names axes of the mesh, and they divide the shape.
static LogicalResult verifySymbolLayout(Operation *op, RankedTensorType type, LayoutAttr layout) {
  std::string reason;
  MeshAttr mesh = getMesh(op, [&](const Twine &text) { reason = text.str(); });
  if (!mesh)
    return op->emitOpError() << "cannot check its layout because " << reason;
  if (!layout.getPartials().empty())
    return op->emitOpError() << "expected a layout without partial axes but got " << layout.getText();
  return success(
      succeeded(layout.getLocalShape(type.getShape(), mesh, [&](const Twine &text) { op->emitOpError() << text; })));
}

LogicalResult WeightOp::verify() {
  if (getLogicalType().getRank() != getLayout().getRank()) // (C1)
    return emitOpError() << "expected a layout of " << getLogicalType().getRank() << " dims but got "
                         << getLayout().getRank() << " in " << getLayout().getText();
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &) {
  return verifySymbolLayout(*this, getLogicalType(), getLayout());
}

LogicalResult StateOp::verify() {
  RankedTensorType type = getLogicalType();
  if (type.getRank() != getLayout().getRank()) // (C1)
    return emitOpError() << "expected a layout of " << type.getRank() << " dims but got " << getLayout().getRank()
                         << " in " << getLayout().getText();
  for (int64_t dim = 1; dim < type.getRank(); ++dim)
    if (type.isDynamicDim(dim))
      return emitOpError() << "expected only dim 0 to be dynamic but got dim " << dim << " of " << type;
  return success();
}

LogicalResult StateOp::verifySymbolUses(SymbolTableCollection &) {
  return verifySymbolLayout(*this, getLogicalType(), getLayout());
}

LogicalResult LoadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) // (C1)
    return emitOpError() << "references unknown weight " << getWeightAttr();
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return success(); // The weight itself reports it.
  FailureOr<RankedTensorType> local =
      getLocalType(weight.getLogicalType(), weight.getLayout(), mesh, [](const Twine &) {});
  if (succeeded(local) && *local != getResult().getType()) { // (C2)
    InFlightDiagnostic diagnostic = emitOpError()
                                    << "expected the rank's part " << *local << " but got " << getResult().getType();
    diagnostic.attachNote(weight.getLoc()) << "weight declared here";
    return diagnostic;
  }
  return success();
}

LogicalResult LoadOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, getAsIndexOpFoldResult(getContext(), cast<RankedTensorType>(getResult().getType()).getShape()));
  return success();
}

/// The axes of a layout are axes of the mesh.
static LogicalResult verifyLayoutAxes(Operation *op, LayoutAttr layout, MeshAttr mesh) {
  SmallVector<AxisRefAttr> axes;
  for (LayoutDimAttr dim : layout.getDims())
    for (LayoutTermAttr term : dim.getTerms())
      llvm::append_range(axes, term.getAxes());
  for (PartialAttr partial : layout.getPartials())
    llvm::append_range(axes, partial.getAxes());
  for (AxisRefAttr axis : axes)
    if (mesh.findAxis(axis.getName()) < 0)
      return op->emitOpError() << "layout " << layout.getText() << " references unknown mesh axis '" << axis.getName()
                               << "'";
  return success();
}

/// Number of parts of a dim; kDynamic where an axis is symbolic.
static int64_t getPartCount(LayoutDimAttr dim, MeshAttr mesh) {
  int64_t parts = 1;
  for (LayoutTermAttr term : dim.getTerms())
    for (AxisRefAttr axis : term.getAxes()) {
      int64_t size = axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
      if (ShapedType::isDynamic(size))
        return ShapedType::kDynamic;
      parts *= size;
    }
  return parts;
}

//===----------------------------------------------------------------------===//
// Position and claims
//===----------------------------------------------------------------------===//

LogicalResult CoordinateOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = getMesh(*this);
  if (!mesh || !findAxisPart(mesh, getAxis())) // (C1)
    return emitOpError() << "references unknown mesh axis '" << getAxis() << "'";
  return success();
}

LogicalResult AssertLayoutOp::verify() {
  int64_t rank = cast<RankedTensorType>(getInput().getType()).getRank();
  if (rank != getLayout().getRank()) // (C1)
    return emitOpError() << "expected a layout of " << rank << " dims but got " << getLayout().getRank() << " in "
                         << getLayout().getText();
  return success();
}

LogicalResult AssertLayoutOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));
  return success();
}

LogicalResult AssertLayoutOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  return verifyLayoutAxes(*this, getLayout(), mesh); // (C2)
}

//===----------------------------------------------------------------------===//
// Redistribute
//===----------------------------------------------------------------------===//

OpFoldResult RedistributeOp::fold(FoldAdaptor) {
  return getFrom() == getTo() && getInput().getType() == getResult().getType() ? getInput() : Value();
}

/// The ragged term of a dim that is one; null else.
static LayoutTermAttr raggedTermOf(LayoutDimAttr dim) {
  bool isRagged = dim.getTerms().size() == 1 && dim.getTerms().front().isRagged();
  return isRagged ? dim.getTerms().front() : LayoutTermAttr();
}

SmallVector<int64_t> RedistributeOp::getRaggedDims() {
  SmallVector<int64_t> dims;
  for (auto [dim, pair] : llvm::enumerate(llvm::zip_equal(getFrom().getDims(), getTo().getDims())))
    if (std::get<0>(pair) != std::get<1>(pair) && (raggedTermOf(std::get<0>(pair)) || raggedTermOf(std::get<1>(pair))))
      dims.push_back(static_cast<int64_t>(dim));
  return dims;
}

TypedValue<CountsType> RedistributeOp::getCountsOf(int64_t dim) {
  if (getCounts().empty())
    return {};
  SmallVector<int64_t> dims = getRaggedDims();
  auto place = llvm::find(dims, dim);
  return place == dims.end() ? TypedValue<CountsType>()
                             : cast<TypedValue<CountsType>>(getCounts()[place - dims.begin()]);
}

LogicalResult RedistributeOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  MeshAttr mesh = getMesh(*this);
  if (getCounts().empty() && !getRaggedDims().empty())
    return failure(); // before anything is made
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, getLoc(), getInput());
  auto type = cast<RankedTensorType>(getResult().getType());
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    if (!type.isDynamicDim(dim)) {
      size = builder.getIndexAttr(type.getDimSize(dim));
      continue;
    }
    if (getFrom().getDims()[dim] == getTo().getDims()[dim])
      continue;
    if (Value counts = getCountsOf(static_cast<int64_t>(dim))) {
      size = raggedTermOf(getTo().getDims()[dim]) ? OwnCountOp::create(builder, getLoc(), counts).getResult()
                                                  : TotalOp::create(builder, getLoc(), counts).getResult();
      continue;
    }
    // Extents of segments are static, so that this dim has none.
    int64_t from = getPartCount(getFrom().getDims()[dim], mesh), to = getPartCount(getTo().getDims()[dim], mesh);
    if (ShapedType::isDynamic(from) || ShapedType::isDynamic(to))
      return failure();
    Value value = getValueOrCreateConstantIndexOp(builder, getLoc(), size);
    auto constant = [&](int64_t number) { return arith::ConstantIndexOp::create(builder, getLoc(), number); };
    if (from != 1)
      value = arith::MulIOp::create(builder, getLoc(), value, constant(from));
    if (to != 1)
      value = arith::DivUIOp::create(builder, getLoc(), value, constant(to));
    size = value;
  }
  shapes.assign(1, sizes);
  return success();
}

LogicalResult RedistributeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  for (auto [layout, type, which] : {std::tuple(getFrom(), input, "from"), std::tuple(getTo(), result, "to")})
    if (layout.getRank() != type.getRank()) // (C1)
      return emitOpError() << "expected layout '" << which << "' to have " << type.getRank() << " dims but got "
                           << layout.getRank() << " in " << layout.getText();
  if (input.getElementType() != result.getElementType())
    return emitOpError() << "expected element type " << input.getElementType() << " but got "
                         << result.getElementType();
  for (int64_t dim = 0; dim < input.getRank(); ++dim) {
    auto names = [&](LayoutAttr layout) {
      SmallVector<StringRef> list;
      for (LayoutTermAttr term : layout.getDims()[dim].getTerms())
        list.push_back(term.getName());
      return list;
    };
    if (names(getFrom()) != names(getTo())) // (C1)
      return emitOpError() << "expected the same dim names in both layouts but got " << getFrom().getText() << " and "
                           << getTo().getText();
  }
  return getCounts().empty() ? success() : verifyCounts();
}

/// (C4).
LogicalResult RedistributeOp::verifyCounts() {
  SmallVector<int64_t> dims = getRaggedDims();
  if (dims.size() != getCounts().size())
    return emitOpError() << "expected counts of the " << dims.size() << " ragged dims that change but got "
                         << getCounts().size();
  for (auto [dim, value] : llvm::zip_equal(dims, getCounts())) {
    LayoutTermAttr from = raggedTermOf(getFrom().getDims()[dim]), to = raggedTermOf(getTo().getDims()[dim]);
    if (from && to)
      return emitOpError() << "unsupported: counts of dim " << dim << ", which is ragged in both layouts, "
                           << getFrom().getText() << " and " << getTo().getText();
    LayoutTermAttr term = from ? from : to;
    auto counts = cast<CountsType>(value.getType());
    bool sameAxes = llvm::equal(term.getAxes(), counts.getAxes(),
                                [](AxisRefAttr axis, StringAttr name) { return getAxisName(axis) == name.getValue(); });
    if (!sameAxes || stringifyCountUnit(counts.getUnit()) != term.getUnit() ||
        counts.getEpoch().getValue() != term.getEpoch()) {
      std::string axes;
      llvm::raw_string_ostream os(axes);
      llvm::interleaveComma(term.getAxes(), os, [&](AxisRefAttr axis) { os << getAxisName(axis); });
      return refuseMix(*this, value, term.getUnit() + " of batch @" + term.getEpoch() + " on [" + axes + "]");
    }
    for (Value tensor : {Value(getInput()), Value(getResult())})
      if (!cast<RankedTensorType>(tensor.getType()).isDynamicDim(dim))
        return emitOpError() << "expected dim " << dim << " to be dynamic, as it is counted, but got "
                             << tensor.getType();
  }
  return success();
}

LogicalResult RedistributeOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  if (failed(verifyLayoutAxes(*this, getFrom(), mesh)) || failed(verifyLayoutAxes(*this, getTo(), mesh)))
    return failure();
  for (int64_t dim = 0; dim < input.getRank(); ++dim) {
    if (getFrom().getDims()[dim].getSegmented() || getTo().getDims()[dim].getSegmented()) {
      for (auto [layout, type] : {std::pair(getFrom(), input), std::pair(getTo(), result)}) { // (C2)
        FailureOr<int64_t> local =
            layout.getLocalSize(dim, ShapedType::kDynamic, mesh, [&](const Twine &text) { emitOpError() << text; });
        if (failed(local))
          return failure();
        if (!ShapedType::isDynamic(*local) && !type.isDynamicDim(dim) && *local != type.getDimSize(dim))
          return emitOpError() << "expected dim " << dim << " to have size " << *local << " in layout "
                               << layout.getText() << " but got " << type.getDimSize(dim);
      }
      continue;
    }
    int64_t from = getPartCount(getFrom().getDims()[dim], mesh), to = getPartCount(getTo().getDims()[dim], mesh);
    if (ShapedType::isDynamic(from) || ShapedType::isDynamic(to)) // Symbolic: checked by the layout verifier.
      continue;
    if (raggedTermOf(getFrom().getDims()[dim]) || raggedTermOf(getTo().getDims()[dim])) // Counts say its sizes.
      continue;
    if (!input.isDynamicDim(dim) && !result.isDynamicDim(dim) &&
        input.getDimSize(dim) * from != result.getDimSize(dim) * to) // (C2)
      return emitOpError() << "expected dim " << dim << " to have logical size " << input.getDimSize(dim) * from
                           << " but got " << result.getDimSize(dim) * to;
  }
  auto isPartialIn = [](LayoutAttr layout, ReductionKind kind, AxisRefAttr axis) {
    return llvm::any_of(layout.getPartials(), [&](PartialAttr partial) {
      return partial.getKind() == kind && llvm::is_contained(partial.getAxes(), axis);
    });
  };
  for (PartialAttr partial : getTo().getPartials())
    if (!llvm::all_of(partial.getAxes(),
                      [&](AxisRefAttr axis) { return isPartialIn(getFrom(), partial.getKind(), axis); })) // (C3)
      return emitOpError() << "expected no partial axis in layout 'to' that layout 'from' lacks but got "
                           << getTo().getText();
  return success();
}

#define GET_OP_CLASSES
#include "dialects/Muster/IR/MusterOps.cpp.inc"
