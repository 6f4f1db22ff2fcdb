// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using namespace muster::plan;

#include "dialects/Plan/IR/PlanDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Plan/IR/PlanTypes.cpp.inc"

void PlanDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Plan/IR/PlanTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Plan/IR/PlanOps.cpp.inc"
      >();
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

SmallVector<int64_t> plan::getPackedShape(ArrayRef<int64_t> matrix) {
  return {llvm::divideCeilSigned(matrix[0], 64), llvm::divideCeilSigned(matrix[1], 16), 16, 64};
}

bool plan::isSizeOp(Operation *op) {
  if (op->getNumRegions() != 0)
    return false;
  auto isSize = [](Type type) { return isa<IndexType, CountsType, OffsetsType>(type); };
  return isa<CheckCountOp>(op) || (op->getNumResults() != 0 && llvm::all_of(op->getResultTypes(), isSize));
}

//===----------------------------------------------------------------------===//
// record
//===----------------------------------------------------------------------===//

LogicalResult RecordOp::verify() {
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  llvm::StringSet<> seen;
  for (StringRef axis : getAxes().getAsValueRange<StringAttr>())
    if (mesh.findAxis(axis) < 0 || !seen.insert(axis).second) // (C1)
      return emitOpError() << "expected distinct axes of the mesh but got '" << axis << "'";
  auto axes = getAxes().getAsRange<StringAttr>();
  if (getAxes().empty() || !llvm::equal(axes, getResult().getType().getAxes())) // (C1)
    return emitOpError() << "expected counts on " << getAxes() << " but got " << getResult().getType();
  int64_t bound = static_cast<int64_t>(getBound()), total = static_cast<int64_t>(getTotal().value_or(0));
  if (getName().empty() || bound < 0 || total < 0) // (C2)
    return emitOpError() << "expected a name and bounds of at least 0 but got \"" << getName() << "\", " << bound
                         << " and " << total;
  return success();
}

//===----------------------------------------------------------------------===//
// transfer
//===----------------------------------------------------------------------===//

TransferDims::Dim TransferDims::at(unsigned position) const {
  if (position < axes)
    return {Kind::OwnCoordinate, position};
  if (position < 2 * axes)
    return {Kind::PeerCoordinate, position - axes};
  if (position < 2 * axes + columns)
    return {Kind::Column, position - 2 * axes};
  unsigned element = position - 2 * axes - columns;
  return {element % 2 == 0 ? Kind::OwnCount : Kind::PeerCount, element / 2};
}

template <typename Op>
static TransferDims dimsOf(Op op) {
  TransferDims dims;
  dims.axes = static_cast<unsigned>(getMesh(op).getAxes().size());
  dims.counts = static_cast<unsigned>(op.getCounts().size());
  dims.columns = op.getExtents().getNumDims() - 2 * dims.axes - 2 * dims.counts;
  return dims;
}
TransferDims plan::getTransferDims(TransferOp op) { return dimsOf(op); }
TransferDims plan::getTransferDims(TransferStepOp op) { return dimsOf(op); }

/// (C6), (C7)
template <typename Op>
static LogicalResult verifyCounts(Op op, TransferDims dims) {
  MeshAttr mesh = getMesh(op);
  for (Value counts : op.getCounts()) {
    auto offsets = dyn_cast<OffsetsType>(counts.getType());
    ArrayRef<StringAttr> axes = offsets ? offsets.getAxes() : cast<CountsType>(counts.getType()).getAxes();
    bool isKnown = llvm::all_of(axes, [&](StringAttr axis) { return mesh.findAxis(axis.getValue()) >= 0; });
    if (axes.empty() || !isKnown) // (C6)
      return op.emitOpError() << "expected counts on axes of the mesh but got " << counts.getType();
  }
  if (!op.getReduction())
    return success();
  for (auto [name, map] : {std::pair(StringRef("box"), op.getExtents()),
                           {"source_strides", op.getSourceStrides()},
                           {"destination_offset", op.getDestinationOffset()},
                           {"destination_strides", op.getDestinationStrides()}})
    for (unsigned operand = 0; operand < dims.counts; ++operand)
      if (map.isFunctionOfDim(dims.count(operand, /*ofPeer=*/true))) // (C7)
        return op.emitOpError() << "expected '" << name << "' not to depend on the peer in a reduction but got "
                                << AffineMapAttr::get(map);
  return success();
}

LogicalResult TransferOp::verify() {
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  unsigned box = getExtents().getNumResults(), coordinates = 2 * mesh.getAxes().size() + 2 * getCounts().size();
  unsigned dims = std::max(getExtents().getNumDims(), coordinates);
  for (auto [name, map, results] : {std::tuple(StringRef("box"), getExtents(), box),
                                    {"source_offset", getSourceOffset(), 1u},
                                    {"source_strides", getSourceStrides(), box},
                                    {"destination_offset", getDestinationOffset(), 1u},
                                    {"destination_strides", getDestinationStrides(), box}}) {
    if (map.getNumResults() != results) // (C1)
      return emitOpError() << "expected '" << name << "' to have " << results << " results but got "
                           << map.getNumResults();
    if (map.getNumDims() != dims || map.getNumSymbols() != getSizes().size()) // (C2)
      return emitOpError() << "expected '" << name << "' to have " << dims << " dims and " << getSizes().size()
                           << " symbols but got " << map.getNumDims() << " and " << map.getNumSymbols();
  }
  if (typeOf(getSource()).getElementType() != typeOf(getResult()).getElementType()) // (C3)
    return emitOpError() << "expected a result of element type " << typeOf(getSource()).getElementType() << " but got "
                         << typeOf(getResult()).getElementType();
  if (typeOf(getResult()).getNumDynamicDims() != getResultSizes().size()) // (C4)
    return emitOpError() << "expected " << typeOf(getResult()).getNumDynamicDims() << " result sizes but got "
                         << getResultSizes().size();
  if (failed(verifyCounts(*this, getTransferDims(*this))))
    return failure();
  int64_t positions = getGroupSize(mesh, getAxes()), width = 1 + dims - coordinates;
  if (!getSources()) { // (C5)
    if (width > 1)
      return emitOpError() << "expected 'sources' with " << width - 1 << " columns but got none";
    return success();
  }
  ArrayRef<int64_t> sources = *getSources();
  if (sources.empty() || getReduction() || ShapedType::isDynamic(positions) ||
      static_cast<int64_t>(sources.size()) % (positions * width) != 0)
    return emitOpError() << "expected whole rows of " << width << " numbers for each of " << positions
                         << " positions and no reduction but got " << sources.size() << " numbers";
  for (size_t row = 0; row < sources.size(); row += static_cast<size_t>(width))
    if (sources[row] < -1 || sources[row] >= positions)
      return emitOpError() << "expected positions from -1 to below " << positions << " in 'sources' but got "
                           << sources[row];
  return success();
}

LogicalResult TransferStepOp::verify() {
  if (getStream() > 1) // (C8); as it is unsigned
    return emitOpError() << "expected stream 0 or 1 but got " << static_cast<int64_t>(getStream());
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  unsigned least = 2 * mesh.getAxes().size() + 2 * getCounts().size(), dims = getExtents().getNumDims();
  for (auto [name, map] : {std::pair(StringRef("box"), getExtents()),
                           {"source_offset", getSourceOffset()},
                           {"source_strides", getSourceStrides()},
                           {"destination_offset", getDestinationOffset()},
                           {"destination_strides", getDestinationStrides()}})
    if (dims < least || map.getNumDims() != dims || map.getNumSymbols() != getSizes().size()) // (C2)
      return emitOpError() << "expected '" << name << "' to have " << std::max(dims, least) << " dims and "
                           << getSizes().size() << " symbols but got " << map.getNumDims() << " and "
                           << map.getNumSymbols();
  return verifyCounts(*this, getTransferDims(*this));
}

LogicalResult TransferOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> sizes;
  unsigned next = 0;
  for (int64_t size : typeOf(getResult()).getShape())
    sizes.push_back(ShapedType::isDynamic(size) ? OpFoldResult(getResultSizes()[next++])
                                                : OpFoldResult(builder.getIndexAttr(size)));
  shapes.assign(1, sizes);
  return success();
}

//===----------------------------------------------------------------------===//
// exchange_rows
//===----------------------------------------------------------------------===//

template <typename Op>
static LogicalResult verifyExchange(Op op, RankedTensorType source, RankedTensorType send, RankedTensorType result) {
  MeshAttr mesh = getMesh(op);
  if (!mesh)
    return op.emitOpError() << "cannot be checked without a mesh";
  llvm::StringSet<> seen;
  for (StringRef axis : op.getAxes().template getAsValueRange<StringAttr>())
    if (mesh.findAxis(axis) < 0 || !seen.insert(axis).second) // (C1)
      return op.emitOpError() << "expected distinct axes of the mesh but got '" << axis << "'";
  if (op.getAxes().empty()) // (C1)
    return op.emitOpError() << "expected at least one axis but got none";
  int64_t positions = getGroupSize(mesh, op.getAxes());
  bool isCount = send.getElementType().isInteger(32) || send.getElementType().isInteger(64);
  if (!isCount || send.getRank() < 1 || send.getRank() > 2 || !send.hasStaticShape() ||
      send.getDimSize(0) != positions) // (C2)
    return op.emitOpError() << "expected i32 or i64 counts in " << positions << " parts but got " << send;
  if (source.getRank() == 0 || source.getRank() != result.getRank() || !source.hasStaticShape() ||
      !result.hasStaticShape() || source.getElementType() != result.getElementType() ||
      source.getShape().drop_front() != result.getShape().drop_front()) // (C3)
    return op.emitOpError() << "expected static types that are equal but for dim 0 but got " << source << " and "
                            << result;
  return success();
}

LogicalResult ExchangeRowsOp::verify() {
  return verifyExchange(*this, typeOf(getSource()), typeOf(getSend()), typeOf(getResult()));
}

LogicalResult ExchangeRowsStepOp::verify() {
  return verifyExchange(*this, getSource().getType().getTensor(), getSend().getType().getTensor(),
                        getDestination().getType().getTensor());
}

LogicalResult ExchangeRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, getAsIndexOpFoldResult(builder.getContext(), typeOf(getResult()).getShape()));
  return success();
}

//===----------------------------------------------------------------------===//
// matmul, packed_view
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::verify() {
  RankedTensorType input = typeOf(getInput()), weight = typeOf(getWeight()), result = typeOf(getResult());
  if (input.getRank() != 2 || weight.getRank() != 2 || result.getRank() != 2 ||
      input.getDimSize(1) != weight.getDimSize(1) || result.getDimSize(0) != input.getDimSize(0) ||
      result.getDimSize(1) != weight.getDimSize(0)) // (C1)
    return emitOpError() << "expected shapes [t, i], [o, i] and [t, o] but got " << input << ", " << weight << " and "
                         << result;
  if (getAccumulator() && getAccumulator().getType() != result) // (C1)
    return emitOpError() << "expected an accumulator of type " << result << " but got " << getAccumulator().getType();
  return success();
}

LogicalResult MatmulOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, {tensor::getMixedSize(builder, getLoc(), getInput(), 0),
                    tensor::getMixedSize(builder, getLoc(), getWeight(), 0)});
  return success();
}

LogicalResult PackedViewOp::verify() {
  RankedTensorType input = typeOf(getInput()), result = typeOf(getResult());
  if (input.getRank() != 2 || ArrayRef<int64_t>(getPackedShape(input.getShape())) != result.getShape() ||
      input.getElementType() != result.getElementType()) // (C1)
    return emitOpError() << "expected the packed shape of " << input << " but got " << result;
  return success();
}

//===----------------------------------------------------------------------===//
// kernel, launch
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildFunctionType = [](Builder &builder, ArrayRef<Type> arguments, ArrayRef<Type> results,
                              function_interface_impl::VariadicFlag,
                              std::string &) { return builder.getFunctionType(arguments, results); };
  return function_interface_impl::parseFunctionOp(parser, result, /*allowVariadic=*/false,
                                                  getFunctionTypeAttrName(result.name), buildFunctionType,
                                                  getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
                                           getArgAttrsAttrName(), getResAttrsAttrName());
}

int64_t KernelOp::getTensorCount() {
  return llvm::count_if(getArgumentTypes(), [](Type type) { return isa<RankedTensorType>(type); });
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel) // (C1)
    return emitOpError() << "references unknown kernel " << getKernelAttr();
  SmallVector<Type> operands(getOperandTypes());
  if (ArrayRef<Type>(operands) != kernel.getArgumentTypes() ||
      SmallVector<Type>(getResultTypes()) != SmallVector<Type>(kernel.getResultTypes())) { // (C1)
    InFlightDiagnostic diagnostic = emitOpError() << "expected the kernel's type " << kernel.getFunctionType();
    diagnostic.attachNote(kernel.getLoc()) << "kernel declared here";
    return diagnostic;
  }
  return success();
}

LogicalResult LaunchOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel)
    return failure();
  for (auto [index, result] : llvm::enumerate(getResults())) {
    auto positions = kernel.getResultAttrOfType<DenseI64ArrayAttr>(index, attribute::sizes);
    SmallVector<OpFoldResult> sizes;
    unsigned next = 0;
    for (int64_t size : typeOf(result).getShape()) {
      if (!ShapedType::isDynamic(size)) {
        sizes.push_back(builder.getIndexAttr(size));
        continue;
      }
      if (!positions || next >= positions.size() || positions[next] < 0)
        return failure();
      sizes.push_back(getSizes()[positions[next++]]);
    }
    shapes.push_back(sizes);
  }
  return success();
}

#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.cpp.inc"
