// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Muster/IR/MusterDialect.h"

#include "dialects/Muster/IR/BatchSplit.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

#include "dialects/Muster/IR/MusterDialect.cpp.inc"
#include "dialects/Muster/IR/MusterEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Muster/IR/MusterAttributes.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Muster/IR/MusterTypes.cpp.inc"

void MusterDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Muster/IR/MusterAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Muster/IR/MusterTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Muster/IR/MusterOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Discardable attributes
//===----------------------------------------------------------------------===//

/// A weight names one source, or one for each segment of its dim 0.
static LogicalResult verifySources(Operation *op, Attribute attr) {
  auto weight = dyn_cast<WeightOp>(op);
  auto sources = dyn_cast<ArrayAttr>(attr);
  if (!weight || !sources || !llvm::all_of(sources, [](Attribute source) { return isa<StringAttr>(source); }))
    return op->emitOpError() << "expected attribute '" << attribute::sources << "' to be strings on a weight but got "
                             << attr;
  if (op->hasAttr(attribute::generator))
    return op->emitOpError() << "expected '" << attribute::sources << "' or '" << attribute::generator
                             << "' but got both";
  LayoutAttr layout = weight.getLayout();
  size_t expected = layout.getRank() && layout.getDims()[0].getSegmented() ? layout.getDims()[0].getTerms().size() : 1;
  if (sources.size() != expected)
    return op->emitOpError() << "expected " << expected << " sources for layout " << layout.getText() << " but got "
                             << sources.size();
  return success();
}

/// Three batches: `{parent = @step, first = @step.a, second = @step.b}`.
static LogicalResult verifySplit(Operation *op, Attribute value) {
  auto split = dyn_cast<DictionaryAttr>(value);
  SmallVector<StringRef> batches;
  for (StringRef name : {"parent", "first", "second"})
    if (auto batch = split ? split.getAs<FlatSymbolRefAttr>(name) : FlatSymbolRefAttr();
        batch && !llvm::is_contained(batches, batch.getValue()))
      batches.push_back(batch.getValue());
  if (batches.size() == 3 && split.size() == 3)
    return success();
  return op->emitOpError() << "expected attribute '" << attribute::split
                           << "' to name three batches, parent, first and second, but got " << value;
}

LogicalResult MusterDialect::verifyOperationAttribute(Operation *op, NamedAttribute attr) {
  if (attr.getName() == attribute::mesh) {
    auto symbol = dyn_cast<FlatSymbolRefAttr>(attr.getValue());
    if (!symbol)
      return op->emitOpError() << "expected attribute '" << attribute::mesh << "' to be a symbol but got "
                               << attr.getValue();
    if (!SymbolTable::lookupNearestSymbolFrom<MeshOp>(op, symbol))
      return op->emitOpError() << "references unknown mesh " << symbol;
    return success();
  }
  if (attr.getName() == attribute::bounds) {
    auto bounds = dyn_cast<DictionaryAttr>(attr.getValue());
    if (!bounds)
      return op->emitOpError() << "expected attribute '" << attribute::bounds << "' to be a dictionary but got "
                               << attr.getValue();
    for (NamedAttribute bound : bounds) {
      auto value = dyn_cast<IntegerAttr>(bound.getValue());
      if (!value || value.getInt() < 1)
        return op->emitOpError() << "expected the bound of dim '" << bound.getName().getValue()
                                 << "' to be an integer of at least 1 but got " << bound.getValue();
    }
    return success();
  }
  if (attr.getName() == attribute::sources)
    return verifySources(op, attr.getValue());
  if (attr.getName() == attribute::split)
    return verifySplit(op, attr.getValue());
  if (attr.getName() == attribute::generator && (!isa<WeightOp>(op) || !isa<StringAttr>(attr.getValue())))
    return op->emitOpError() << "expected attribute '" << attribute::generator
                             << "' to be a string on a weight but got " << attr.getValue();
  if (attr.getName() == attribute::sizes) {
    auto sizes = dyn_cast<DictionaryAttr>(attr.getValue());
    bool isRight = sizes && llvm::all_of(sizes, [](NamedAttribute size) {
                     auto number = dyn_cast<IntegerAttr>(size.getValue());
                     return number && number.getInt() > 0;
                   });
    if (!isRight)
      return op->emitOpError() << "expected attribute '" << attribute::sizes
                               << "' to be a dictionary of positive sizes but got " << attr.getValue();
  }
  if (attr.getName() == attribute::facts && !isa<FactsAttr>(attr.getValue()))
    return op->emitOpError() << "expected attribute '" << attribute::facts << "' to be #muster.facts but got "
                             << attr.getValue();
  return success();
}

/// How an argument is treated where its batch is split.
static LogicalResult verifyFieldClass(Operation *op, Attribute value, const Twine &what) {
  auto name = dyn_cast<StringAttr>(value);
  if (name && symbolizeFieldClass(name.getValue()))
    return success();
  return op->emitOpError() << "expected attribute '" << attribute::split << "' of " << what
                           << " to be slice, recompute, inherit or drop but got " << value;
}

/// A layout on an argument or result fits the rank of its tensor and names axes of the mesh.
static LogicalResult verifyPortAttribute(Operation *op, Type type, NamedAttribute attr, const Twine &what) {
  if (attr.getName() == attribute::bound) {
    auto bound = dyn_cast<IntegerAttr>(attr.getValue());
    if (!bound || bound.getInt() < 1 || !getElementTypeOrSelf(type).isIntOrIndex())
      return op->emitOpError() << "expected attribute '" << attribute::bound << "' of " << what
                               << " to be an integer of at least 1 on integers but got " << attr.getValue() << " on "
                               << type;
    return success();
  }
  if (attr.getName() == attribute::split)
    return verifyFieldClass(op, attr.getValue(), what);
  if (attr.getName() != attribute::layout)
    return success();
  auto layout = dyn_cast<LayoutAttr>(attr.getValue());
  if (!layout)
    return op->emitOpError() << "expected attribute '" << attribute::layout << "' of " << what
                             << " to be #muster.layout but got " << attr.getValue();
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return op->emitOpError() << "expected " << what << " with a layout to be a ranked tensor but got " << type;
  if (tensor.getRank() != layout.getRank())
    return op->emitOpError() << "expected the layout of " << what << " to have " << tensor.getRank() << " dims but got "
                             << layout.getRank() << " in " << layout.getText();
  std::string reason;
  MeshAttr mesh = getMesh(op, [&](const Twine &text) { reason = text.str(); });
  if (!mesh)
    return op->emitOpError() << "cannot check the layout of " << what << " because " << reason;
  for (LayoutDimAttr dim : layout.getDims())
    for (LayoutTermAttr term : dim.getTerms())
      for (AxisRefAttr axis : term.getAxes())
        if (mesh.findAxis(axis.getName()) < 0)
          return op->emitOpError() << "layout of " << what << " references unknown mesh axis '" << axis.getName()
                                   << "'";
  for (PartialAttr partial : layout.getPartials())
    for (AxisRefAttr axis : partial.getAxes())
      if (mesh.findAxis(axis.getName()) < 0)
        return op->emitOpError() << "layout of " << what << " references unknown mesh axis '" << axis.getName() << "'";
  return success();
}

LogicalResult MusterDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attr) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return function ? verifyPortAttribute(op, function.getArgumentTypes()[index], attr, "argument " + Twine(index))
                  : success();
}

LogicalResult MusterDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attr) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return function ? verifyPortAttribute(op, function.getResultTypes()[index], attr, "result " + Twine(index))
                  : success();
}

//===----------------------------------------------------------------------===//
// Mesh of an operation
//===----------------------------------------------------------------------===//

MeshAttr muster::getMesh(Operation *op, function_ref<void(const Twine &)> emit) {
  auto no = [&](const Twine &reason) {
    if (emit)
      emit(reason);
    return MeshAttr();
  };
  for (Operation *parent = op; parent; parent = parent->getParentOp())
    if (auto symbol = parent->getAttrOfType<FlatSymbolRefAttr>(attribute::mesh)) {
      auto mesh = SymbolTable::lookupNearestSymbolFrom<MeshOp>(parent, symbol);
      return mesh ? mesh.getMesh() : no("mesh @" + symbol.getValue() + " is unknown");
    }
  auto module = op->getParentOfType<ModuleOp>();
  if (auto self = dyn_cast<ModuleOp>(op))
    module = self;
  if (!module)
    return no("the operation is not in a module");
  MeshAttr found;
  for (auto mesh : module.getOps<MeshOp>()) {
    if (found)
      return no("the module has several meshes and the function names none");
    found = mesh.getMesh();
  }
  return found ? found : no("the module has no mesh");
}

std::optional<AxisPart> muster::findAxisPart(MeshAttr mesh, StringRef name) {
  if (int64_t index = mesh.findAxis(name); index >= 0)
    return AxisPart{index, 1, mesh.getAxes()[index].getSize()};
  StringRef axis = name.take_until([](char c) { return c == '['; }), numbers = name.drop_front(axis.size());
  AxisPart part{mesh.findAxis(axis), 0, 0};
  if (part.index < 0 || !numbers.consume_front("[") || numbers.consumeInteger(10, part.weight) ||
      !numbers.consume_front(":") || numbers.consumeInteger(10, part.size) || numbers != "]" || part.weight < 1 ||
      part.size < 1)
    return std::nullopt;
  int64_t whole = mesh.getAxes()[part.index].getSize();
  // By divisions, because the product of two numbers of 64 bits may wrap around.
  if (!ShapedType::isDynamic(whole) && (whole % part.weight != 0 || whole / part.weight % part.size != 0))
    return std::nullopt;
  return part;
}

std::string muster::getAxisName(AxisRefAttr axis) {
  return axis.isWholeAxis()
             ? axis.getName().str()
             : (axis.getName() + "[" + Twine(axis.getWeight()) + ":" + Twine(axis.getSize()) + "]").str();
}

int64_t muster::getGroupSize(MeshAttr mesh, ArrayAttr axes) {
  int64_t size = 1;
  for (StringRef axis : axes.getAsValueRange<StringAttr>()) {
    int64_t axisSize = findAxisPart(mesh, axis)->size;
    if (ShapedType::isDynamic(axisSize))
      return ShapedType::kDynamic;
    size *= axisSize;
  }
  return size;
}

FailureOr<RankedTensorType> muster::getLocalType(RankedTensorType logical, LayoutAttr layout, MeshAttr mesh,
                                                 function_ref<void(const Twine &)> emit) {
  FailureOr<SmallVector<int64_t>> shape = layout.getLocalShape(logical.getShape(), mesh, emit);
  if (failed(shape))
    return failure();
  return RankedTensorType::get(*shape, logical.getElementType());
}
