// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
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

//===----------------------------------------------------------------------===//
// transfer
//===----------------------------------------------------------------------===//

LogicalResult TransferOp::verify() {
  MeshAttr mesh = getMesh(*this);
  if (!mesh)
    return emitOpError() << "cannot be checked without a mesh";
  unsigned box = getExtents().getNumResults(), coordinates = 2 * mesh.getAxes().size();
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
