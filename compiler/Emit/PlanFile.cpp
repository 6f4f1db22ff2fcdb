// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Emit/PlanFile.h"

#include "compiler/Emit/CountWriter.h"
#include "compiler/Emit/EmitError.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/plan_generated.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace mlir;
using namespace muster;
using namespace muster::emit;

namespace {

namespace fb = muster::schema;

class PlanWriter {
public:
  PlanWriter(ModuleOp module, MeshAttr mesh, const PlanParts &parts)
      : module(module), mesh(mesh), parts(parts), counts(mesh) {}

  llvm::Expected<std::unique_ptr<fb::PlanT>> write();

private:
  template <typename... Args>
  void fail(fmt::format_string<Args...> format, Args &&...args) {
    if (failure.empty())
      failure = fmt::format(format, std::forward<Args>(args)...);
  }

  void writeWeights();
  void writeStates();
  void writeKernels();
  void writeEntry(plan::EntryOp entry);
  std::unique_ptr<fb::PortT> makePort(DictionaryAttr port, plan::SpanOp span, DictionaryAttr bounds);
  bool makeRaggedDim(fb::PortDimT &made, LayoutTermAttr term, Value size);
  int64_t boundOfSum(StringRef name, CountsType counts, DictionaryAttr bounds);
  std::unique_ptr<fb::VariantT> makeVariant(plan::VariantOp variant, size_t inputs, size_t results);
  fb::LaunchT makeLaunch(plan::LaunchStepOp launch);
  fb::MatmulT makeMatmul(plan::MatmulStepOp matmul);
  fb::TransferT makeTransfer(plan::TransferStepOp transfer);
  fb::TransferT makeTransfer(plan::ExchangeRowsStepOp exchange);
  std::unique_ptr<fb::StepT> makeStep(Operation &op);
  std::unique_ptr<fb::AmountT> makeAmount(AffineExpr expression, plan::TransferStepOp transfer);
  std::unique_ptr<fb::AmountT> makeAmount(int64_t constant);
  std::unique_ptr<fb::AmountT> makeAmount(int64_t factor, const CountSlot &size);
  fb::Binding makeBinding(Value span);
  fb::ElementType makeElement(Type type);
  uint32_t locationOf(Location loc);

  ModuleOp module;
  MeshAttr mesh;
  const PlanParts &parts;
  std::unique_ptr<fb::PlanT> plan = std::make_unique<fb::PlanT>();
  std::string failure;
  llvm::StringMap<uint32_t> weightIndex, stateIndex, kernelIndex, locationIndex;
  CountWriter counts;
};

fb::ElementType PlanWriter::makeElement(Type type) {
  if (type.isF32())
    return fb::ElementType::F32;
  if (type.isF16())
    return fb::ElementType::F16;
  if (type.isBF16())
    return fb::ElementType::BF16;
  if (type.isF64())
    return fb::ElementType::F64;
  if (type.isInteger(1))
    return fb::ElementType::Bool;
  if (type.isInteger(8))
    return fb::ElementType::I8;
  if (type.isInteger(32))
    return fb::ElementType::I32;
  if (type.isInteger(64))
    return fb::ElementType::I64;
  fail("E4203 unsupported element type in a plan");
  return fb::ElementType::F32;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

std::unique_ptr<fb::AmountT> PlanWriter::makeAmount(int64_t constant) {
  auto amount = std::make_unique<fb::AmountT>();
  amount->constant = constant;
  return amount;
}

std::unique_ptr<fb::AmountT> PlanWriter::makeAmount(int64_t factor, const CountSlot &size) {
  auto amount = std::make_unique<fb::AmountT>();
  amount->terms.emplace_back(factor, static_cast<int32_t>(size.first), 0, fb::Position::One, size.element);
  return amount;
}

/// A product of a coordinate (or column) and a size with a factor. Dims of counts are sizes: behind the symbols here.
struct Monomial {
  int64_t factor;
  std::optional<unsigned> position, size;
};

/// Sums of monomials; an empty optional where two coordinates or two sizes are multiplied.
static std::optional<SmallVector<Monomial>> expand(AffineExpr expression, const plan::TransferDims &dims,
                                                   unsigned symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expression))
    return SmallVector<Monomial>{{constant.getValue(), std::nullopt, std::nullopt}};
  if (auto dim = dyn_cast<AffineDimExpr>(expression)) {
    unsigned firstCount = 2 * dims.axes + dims.columns;
    if (dim.getPosition() < firstCount)
      return SmallVector<Monomial>{{1, dim.getPosition(), std::nullopt}};
    return SmallVector<Monomial>{{1, std::nullopt, symbols + dim.getPosition() - firstCount}};
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expression))
    return SmallVector<Monomial>{{1, std::nullopt, symbol.getPosition()}};
  auto binary = cast<AffineBinaryOpExpr>(expression);
  auto left = expand(binary.getLHS(), dims, symbols), right = expand(binary.getRHS(), dims, symbols);
  if (!left || !right)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add) {
    left->append(*right);
    return left;
  }
  if (binary.getKind() != AffineExprKind::Mul)
    return std::nullopt;
  SmallVector<Monomial> products;
  for (const Monomial &a : *left)
    for (const Monomial &b : *right) {
      if ((a.position && b.position) || (a.size && b.size))
        return std::nullopt;
      products.push_back({a.factor * b.factor, a.position ? a.position : b.position, a.size ? a.size : b.size});
    }
  return products;
}

std::unique_ptr<fb::AmountT> PlanWriter::makeAmount(AffineExpr expression, plan::TransferStepOp transfer) {
  using Kind = plan::TransferDims::Kind;
  auto amount = std::make_unique<fb::AmountT>();
  plan::TransferDims dims = plan::getTransferDims(transfer);
  auto symbols = static_cast<unsigned>(transfer.getSizes().size());
  std::optional<SmallVector<Monomial>> monomials = expand(expression, dims, symbols);
  if (!monomials) {
    fail("E4203 unsupported product of two coordinates or two sizes in a transfer");
    return amount;
  }
  for (const Monomial &term : *monomials) {
    if (!term.position && !term.size) {
      amount->constant += term.factor;
      continue;
    }
    int32_t slot = -1;
    fb::Element element = fb::Element::Fixed;
    if (term.size && *term.size < symbols) {
      CountSlot size = counts.slotOf(transfer.getSizes()[*term.size]);
      slot = static_cast<int32_t>(size.first);
      element = size.element;
    } else if (term.size) {
      plan::TransferDims::Dim dim = dims.at(2 * dims.axes + dims.columns + *term.size - symbols);
      slot = static_cast<int32_t>(counts.slotOf(transfer.getCounts()[dim.index]).first);
      element = dim.kind == Kind::OwnCount ? fb::Element::Own : fb::Element::Peer;
    }
    fb::Position position = fb::Position::One;
    uint8_t index = 0;
    if (term.position) {
      plan::TransferDims::Dim dim = dims.at(*term.position);
      position = dim.kind == Kind::OwnCoordinate    ? fb::Position::Own
                 : dim.kind == Kind::PeerCoordinate ? fb::Position::Peer
                                                    : fb::Position::Listed;
      index = static_cast<uint8_t>(dim.index);
    }
    amount->terms.emplace_back(term.factor, slot, index, position, element);
  }
  return amount;
}

//===----------------------------------------------------------------------===//
// Weights, states, kernels
//===----------------------------------------------------------------------===//

void PlanWriter::writeWeights() {
  if (!parts.weights || parts.weights->places.empty())
    return;
  for (const WeightPlace &place : parts.weights->places) {
    WeightOp op = place.weight;
    auto weight = std::make_unique<fb::WeightT>();
    weight->name = op.getSymName().str();
    weight->element = makeElement(place.local.getElementType());
    weight->shape.assign(place.local.getShape().begin(), place.local.getShape().end());
    ArrayRef<int64_t> logical = op.getLogicalType().getShape();
    weight->logical_shape.assign(logical.begin(), logical.end());
    weight->layout = op.getLayout().getText();
    weight->packing = place.packed ? fb::Packing::BlockedN64K16 : fb::Packing::RowMajor;
    weight->group = place.group;
    weight->offset = place.offset;
    weight->length = place.length;
    weightIndex[weight->name] = plan->weights.size();
    plan->weights.push_back(std::move(weight));
  }
  plan->weights_id.assign(parts.weightsId.begin(), parts.weightsId.end());
  for (const WeightGroup &group : parts.weights->groups) {
    auto written = std::make_unique<fb::WeightGroupT>();
    written->parts = group.parts;
    written->section_bytes = group.bytes;
    plan->weight_groups.push_back(std::move(written));
  }
}

void PlanWriter::writeStates() {
  for (auto op : module.getOps<StateOp>()) {
    auto state = std::make_unique<fb::StateT>();
    FailureOr<RankedTensorType> local = getLocalType(op.getLogicalType(), op.getLayout(), mesh, [](const Twine &) {});
    if (failed(local))
      return fail("E4203 expected the mesh to divide state @{}", op.getSymName().str());
    state->name = op.getSymName().str();
    state->element = makeElement(local->getElementType());
    state->layout = op.getLayout().getText();
    state->paged = local->getRank() > 0 && local->isDynamicDim(0);
    uint64_t bytes = llvm::divideCeil(local->getElementTypeBitWidth(), 8);
    for (auto [dim, size] : llvm::enumerate(local->getShape())) {
      bool page = state->paged && dim == 0;
      state->shape.push_back(page ? -1 : size);
      bytes *= page ? 1 : size;
    }
    state->page_bytes = bytes;
    if (state->paged && !plan->paging && local->getRank() > 1) {
      plan->paging = std::make_unique<fb::PagingT>();
      plan->paging->page_slots = local->getDimSize(1);
    }
    stateIndex[state->name] = plan->states.size();
    plan->states.push_back(std::move(state));
  }
}

void PlanWriter::writeKernels() {
  for (const CompiledKernel &compiled : parts.kernels) {
    auto kernel = std::make_unique<fb::KernelT>();
    kernel->name = compiled.name;
    kernel->bindings = compiled.bindings;
    kernel->sizes = compiled.sizes;
    kernelIndex[compiled.name] = plan->kernels.size();
    plan->kernels.push_back(std::move(kernel));
  }
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

fb::Binding PlanWriter::makeBinding(Value span) {
  if (auto arena = span.getDefiningOp<plan::SpanOp>())
    return fb::Binding(*arena.getOffset(), arena->getAttrOfType<IntegerAttr>("bytes").getInt(), 0, fb::Memory::Arena);
  if (auto weight = span.getDefiningOp<plan::WeightSpanOp>()) {
    uint32_t index = weightIndex.lookup(weight.getWeight());
    return fb::Binding(0, index < plan->weights.size() ? plan->weights[index]->length : 0, index, fb::Memory::Weight);
  }
  auto state = span.getDefiningOp<plan::StateSpanOp>();
  return fb::Binding(0, 0, stateIndex.lookup(state.getState()), fb::Memory::State);
}

/// The layer behind a step: the innermost name of its location.
uint32_t PlanWriter::locationOf(Location loc) {
  std::string text;
  loc->walk([&](Location part) {
    if (auto name = dyn_cast<NameLoc>(part); name && text.empty())
      text = name.getName().str();
    return WalkResult::advance();
  });
  if (text.empty())
    if (auto file = dyn_cast<FileLineColLoc>(loc))
      text = fmt::format("{}:{}", file.getFilename().str(), file.getLine());
  auto [found, fresh] = locationIndex.try_emplace(text, plan->locations.size());
  if (fresh)
    plan->locations.push_back(text);
  return found->second;
}

fb::LaunchT PlanWriter::makeLaunch(plan::LaunchStepOp launch) {
  fb::LaunchT action;
  auto found = kernelIndex.find(launch.getKernel());
  if (found == kernelIndex.end()) {
    fail("E4203 kernel @{} was not compiled", launch.getKernel().str());
    return action;
  }
  action.kernel = found->second;
  const CompiledKernel &kernel = parts.kernels[found->second];
  for (Value span : launch.getSpans())
    action.bindings.push_back(makeBinding(span));
  action.written.assign(action.bindings.size(), 0);
  for (int64_t index : launch.getWrites())
    action.written[index] = 1;
  SmallVector<CountSlot> sizes =
      llvm::map_to_vector(launch.getSizes(), [&](Value size) { return counts.slotOf(size); });
  bool areFixed = llvm::all_of(sizes, [](const CountSlot &size) { return size.element == fb::Element::Fixed; });
  for (const CountSlot &size : sizes) {
    action.sizes.push_back(size.first);
    if (!areFixed)
      action.size_elements.push_back(static_cast<uint8_t>(size.element));
  }
  if (kernel.bindings != action.bindings.size() || kernel.sizes != action.sizes.size())
    fail("E4203 kernel @{} was compiled for {} bindings and {} sizes but is launched with {} and {}", kernel.name,
         kernel.bindings, kernel.sizes, action.bindings.size(), action.sizes.size());
  else
    action.grid =
        kernel.gridSize < 0 ? makeAmount(kernel.gridFactor) : makeAmount(kernel.gridFactor, sizes[kernel.gridSize]);
  return action;
}

fb::MatmulT PlanWriter::makeMatmul(plan::MatmulStepOp matmul) {
  fb::MatmulT action;
  RankedTensorType weight = matmul.getWeight().getType().getTensor(), source = matmul.getSource().getType().getTensor();
  action.rows = matmul.getRows() ? makeAmount(1, counts.slotOf(matmul.getRows()))
                                 : makeAmount(source.getNumElements() / weight.getDimSize(1));
  action.n = weight.getDimSize(0);
  action.k = weight.getDimSize(1);
  action.source = std::make_unique<fb::Binding>(makeBinding(matmul.getSource()));
  action.weight = std::make_unique<fb::Binding>(makeBinding(matmul.getWeight()));
  action.result = std::make_unique<fb::Binding>(makeBinding(matmul.getResult()));
  action.source_stride = action.k;
  action.result_stride = action.n;
  action.element = makeElement(weight.getElementType());
  action.accumulate = matmul.getAccumulate();
  return action;
}

fb::TransferT PlanWriter::makeTransfer(plan::TransferStepOp transfer) {
  fb::TransferT action;
  action.name = transfer.getKind().str();
  for (StringRef axis : transfer.getAxes().getAsValueRange<StringAttr>())
    action.group.push_back(mesh.findAxis(axis));
  if (std::optional<ReductionKind> kind = transfer.getReduction())
    action.reduction = *kind == ReductionKind::Sum   ? fb::Reduction::Sum
                       : *kind == ReductionKind::Max ? fb::Reduction::Maximum
                                                     : fb::Reduction::Minimum;
  action.element = makeElement(transfer.getSource().getType().getTensor().getElementType());
  action.source = std::make_unique<fb::Binding>(makeBinding(transfer.getSource()));
  action.destination = std::make_unique<fb::Binding>(makeBinding(transfer.getDestination()));
  action.source_offset = makeAmount(transfer.getSourceOffset().getResult(0), transfer);
  action.destination_offset = makeAmount(transfer.getDestinationOffset().getResult(0), transfer);
  for (unsigned dim = 0; dim < transfer.getExtents().getNumResults(); ++dim) {
    auto box = std::make_unique<fb::BoxDimT>();
    box->extent = makeAmount(transfer.getExtents().getResult(dim), transfer);
    box->source_stride = makeAmount(transfer.getSourceStrides().getResult(dim), transfer);
    box->destination_stride = makeAmount(transfer.getDestinationStrides().getResult(dim), transfer);
    action.box.push_back(std::move(box));
  }
  if (std::optional<llvm::ArrayRef<int64_t>> sources = transfer.getSources())
    for (int64_t number : *sources) {
      if (number > std::numeric_limits<int32_t>::max())
        fail("E4203 expected numbers below 2^31 in the rows of a transfer but got {}", number);
      action.sources.push_back(static_cast<int32_t>(number));
    }
  action.columns = static_cast<uint8_t>(plan::getTransferDims(transfer).columns);
  return action;
}

fb::TransferT PlanWriter::makeTransfer(plan::ExchangeRowsStepOp exchange) {
  fb::TransferT action;
  action.name = "all_to_all_v";
  for (StringRef axis : exchange.getAxes().getAsValueRange<StringAttr>())
    action.group.push_back(mesh.findAxis(axis));
  RankedTensorType source = exchange.getSource().getType().getTensor(),
                   result = exchange.getDestination().getType().getTensor(),
                   send = exchange.getSend().getType().getTensor();
  action.element = makeElement(source.getElementType());
  action.source = std::make_unique<fb::Binding>(makeBinding(exchange.getSource()));
  action.destination = std::make_unique<fb::Binding>(makeBinding(exchange.getDestination()));
  action.source_offset = makeAmount(0);
  action.destination_offset = makeAmount(0);
  int64_t rowElements = 1;
  for (int64_t size : source.getShape().drop_front())
    rowElements *= size;
  auto addDim = [&](int64_t extent, int64_t stride) {
    auto box = std::make_unique<fb::BoxDimT>();
    box->extent = makeAmount(extent);
    box->source_stride = makeAmount(stride);
    box->destination_stride = makeAmount(stride);
    action.box.push_back(std::move(box));
  };
  addDim(result.getDimSize(0), rowElements);
  addDim(rowElements, 1);
  action.routed = std::make_unique<fb::RoutedRowsT>();
  action.routed->counts = std::make_unique<fb::Binding>(makeBinding(exchange.getSend()));
  action.routed->element = makeElement(send.getElementType());
  action.routed->parts = static_cast<uint32_t>(send.getNumElements() / send.getDimSize(0));
  action.routed->source_rows = static_cast<uint64_t>(source.getDimSize(0));
  return action;
}

std::unique_ptr<fb::StepT> PlanWriter::makeStep(Operation &op) {
  auto step = std::make_unique<fb::StepT>();
  if (auto launch = dyn_cast<plan::LaunchStepOp>(op))
    step->action.Set(makeLaunch(launch));
  else if (auto matmul = dyn_cast<plan::MatmulStepOp>(op))
    step->action.Set(makeMatmul(matmul));
  else if (auto transfer = dyn_cast<plan::TransferStepOp>(op)) {
    step->action.Set(makeTransfer(transfer));
    step->stream = static_cast<uint8_t>(transfer.getStream());
  } else if (auto exchange = dyn_cast<plan::ExchangeRowsStepOp>(op)) {
    step->action.Set(makeTransfer(exchange));
  }
  auto numbers = [&](StringRef name) {
    std::vector<uint32_t> list;
    if (auto attr = op.getAttrOfType<DenseI64ArrayAttr>(name))
      list.assign(attr.asArrayRef().begin(), attr.asArrayRef().end());
    return list;
  };
  step->waits = numbers("waits");
  step->acknowledgements = numbers("acknowledgements");
  step->location = locationOf(op.getLoc());
  return step;
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

/// A dim as long on each rank as its own count says: `size` is that of the rank's part.
bool PlanWriter::makeRaggedDim(fb::PortDimT &made, LayoutTermAttr term, Value size) {
  auto own = size.getDefiningOp<OwnCountOp>();
  if (!own)
    return false;
  CountsType type = own.getCounts().getType();
  auto axes = llvm::map_range(term.getAxes(), [](AxisRefAttr axis) { return axis.getName(); });
  auto counted = llvm::map_range(type.getAxes(), [](StringAttr axis) { return axis.getValue(); });
  if (stringifyCountUnit(type.getUnit()) != term.getUnit() || type.getEpoch().getValue() != term.getEpoch() ||
      !llvm::equal(axes, counted))
    return false;
  CountSlot parts = counts.slotOf(own.getCounts());
  made.size = makeAmount(1, CountSlot{counts.sumOf(parts), {}, fb::Element::Fixed});
  made.parts = static_cast<int32_t>(parts.first);
  made.axes.assign(parts.axes.begin(), parts.axes.end());
  return true;
}

/// The greatest size of a dim in unequal parts: as many as every position may have, or what `<name>.total` says.
int64_t PlanWriter::boundOfSum(StringRef name, CountsType type, DictionaryAttr bounds) {
  auto bound = bounds ? bounds.getAs<IntegerAttr>(name) : IntegerAttr();
  if (!bound) {
    fail("E4203 dim '{}' of a port has no bound", name.str());
    return 0;
  }
  int64_t sum = bound.getInt();
  for (StringAttr axis : type.getAxes())
    if (llvm::MulOverflow(sum, mesh.getAxisSize(axis.getValue()), sum))
      fail("E4203 expected at most 2^62 elements of dim '{}' of a port", name.str());
  auto total = bounds.getAs<IntegerAttr>((name + ".total").str());
  return total ? std::min(sum, total.getInt()) : sum;
}

std::unique_ptr<fb::PortT> PlanWriter::makePort(DictionaryAttr description, plan::SpanOp span, DictionaryAttr bounds) {
  auto port = std::make_unique<fb::PortT>();
  auto type = cast<RankedTensorType>(description.getAs<TypeAttr>("type").getValue());
  auto layout = description.getAs<LayoutAttr>("layout");
  auto dims = description.getAs<ArrayAttr>("dims");
  port->name = description.getAs<StringAttr>("name").str();
  port->element = makeElement(type.getElementType());
  port->layout = layout.getText();
  unsigned nextSize = 0;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    auto portDim = std::make_unique<fb::PortDimT>();
    ArrayRef<LayoutTermAttr> terms = layout.getDims()[dim].getTerms();
    bool isRagged = terms.size() == 1 && terms.front().isRagged();
    portDim->name = layout.getDimName(dim).str();
    portDim->size = makeAmount(type.getDimSize(dim));
    portDim->bound = type.getDimSize(dim);
    Value size = type.isDynamicDim(dim) && span ? span.getSizes()[nextSize++] : Value();
    if (isRagged && !(size && makeRaggedDim(*portDim, terms.front(), size))) {
      fail("E4203 port '{}' has a dim '{}' whose parts are of no counts", port->name, portDim->name);
      return port;
    }
    if (isRagged) {
      portDim->bound = boundOfSum(portDim->name, size.getDefiningOp<OwnCountOp>().getCounts().getType(), bounds);
    } else if (auto total = size ? size.getDefiningOp<TotalOp>() : TotalOp()) { // others have it in unequal parts
      portDim->size = makeAmount(1, counts.slotOf(size));
      portDim->bound = boundOfSum(portDim->name, total.getCounts().getType(), bounds);
    } else if (auto own = size ? size.getDefiningOp<OwnCountOp>() : OwnCountOp();
               own && llvm::all_of(own.getCounts().getType().getAxes(), [&](StringAttr axis) {
                 return mesh.getAxisSize(axis.getValue()) == 1;
               })) { // the one rank's are all
      portDim->size = makeAmount(1, CountSlot{counts.sumOf(counts.slotOf(own.getCounts())), {}, fb::Element::Fixed});
      portDim->bound = boundOfSum(portDim->name, own.getCounts().getType(), bounds);
    } else if (type.isDynamicDim(dim)) {
      StringRef name = cast<StringAttr>(dims[dim]).getValue();
      std::optional<int64_t> bound = counts.findBound(name);
      if (!bound) {
        // Nothing computes with this size, but the port has it all the same.
        fail("E4203 port '{}' has a dim '{}' that no count gives", port->name, name.str());
        return port;
      }
      portDim->size = makeAmount(1, CountSlot{*counts.findBounded(name), {}, fb::Element::Fixed});
      portDim->bound = *bound;
    }
    for (StringRef axis : layout.getPlainAxes(dim))
      portDim->axes.push_back(mesh.findAxis(axis));
    port->dims.push_back(std::move(portDim));
  }
  return port;
}

std::unique_ptr<fb::VariantT> PlanWriter::makeVariant(plan::VariantOp op, size_t inputs, size_t results) {
  auto variant = std::make_unique<fb::VariantT>();
  variant->name = op.getName().str();
  for (NamedAttribute bound : op.getBounds())
    if (std::optional<uint32_t> slot = counts.findBounded(bound.getName().getValue()))
      variant->bounds.emplace_back(cast<IntegerAttr>(bound.getValue()).getInt(), *slot);
  variant->arena_bytes = op.getArenaBytes();
  variant->inputs.resize(inputs);
  variant->results.resize(results);
  for (Operation &step : op.getBody().front()) {
    if (auto span = dyn_cast<plan::SpanOp>(step)) {
      if (!span.getRole())
        continue;
      fb::Span place(*span.getOffset(), span->getAttrOfType<IntegerAttr>("bytes").getInt());
      (*span.getRole() == "input" ? variant->inputs : variant->results)[*span.getIndex()] = place;
    } else if (isa<plan::LaunchStepOp, plan::MatmulStepOp, plan::TransferStepOp, plan::ExchangeRowsStepOp>(step)) {
      variant->steps.push_back(makeStep(step));
    }
  }
  return variant;
}

void PlanWriter::writeEntry(plan::EntryOp op) {
  auto entry = std::make_unique<fb::EntryT>();
  entry->name = op.getSymName().str();
  for (Operation &size : op.getBody().front())
    if (!isa<plan::VariantOp>(size))
      counts.write(size);
  auto bounds = op->getAttrOfType<DictionaryAttr>(attribute::bounds);
  // The spans of the ports have the same sizes in all variants.
  auto spanOf = [&](StringRef role, uint64_t index) {
    auto all = cast<plan::VariantOp>(op.getBody().front().back());
    for (auto span : all.getBody().front().getOps<plan::SpanOp>())
      if (span.getRole() == role && *span.getIndex() == index)
        return span;
    return plan::SpanOp();
  };
  for (auto [index, port] : llvm::enumerate(op.getInputs().getAsRange<DictionaryAttr>()))
    entry->inputs.push_back(makePort(port, spanOf("input", index), bounds));
  for (auto [index, port] : llvm::enumerate(op.getResults().getAsRange<DictionaryAttr>()))
    entry->results.push_back(makePort(port, spanOf("result", index), bounds));
  for (auto variant : op.getBody().front().getOps<plan::VariantOp>())
    entry->variants.push_back(makeVariant(variant, entry->inputs.size(), entry->results.size()));
  // Of a batch that is split, each child has a table: "block_table.a".
  auto isBlockTable = [](llvm::StringRef name) {
    return name.consume_front("block_table") && (name.empty() || name.starts_with("."));
  };
  if (plan->paging)
    for (auto &port : entry->inputs)
      if (isBlockTable(port->name) && port->dims.size() == 2)
        plan->paging->pages_per_sequence = port->dims[1]->bound;
  plan->entries.push_back(std::move(entry));
}

llvm::Expected<std::unique_ptr<fb::PlanT>> PlanWriter::write() {
  plan->producer = parts.producer;
  plan->target = std::make_unique<fb::TargetT>();
  plan->target->arch = parts.targetArch;
  plan->target->cpu = parts.targetCpu;
  plan->target->features = parts.targetFeatures;
  plan->mesh = std::make_unique<fb::MeshT>();
  plan->mesh->name = "mesh";
  for (auto declared : module.getOps<MeshOp>())
    if (declared.getMesh() == mesh)
      plan->mesh->name = declared.getSymName().str();
  for (MeshAxisAttr axis : mesh.getAxes()) {
    auto written = std::make_unique<fb::AxisT>();
    written->name = axis.getName().str();
    written->size = axis.getSize();
    plan->mesh->axes.push_back(std::move(written));
  }
  writeWeights();
  writeStates();
  writeKernels();
  for (auto entry : module.getOps<plan::EntryOp>())
    writeEntry(entry);
  if (failure.empty())
    failure = counts.error();
  plan->counts = counts.take();
  plan->matmul_rows = {1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256, 512};
  if (plan->locations.empty())
    plan->locations.push_back("");
  plan->report = parts.report;
  for (const auto &[name, value] : parts.model) {
    auto attribute = std::make_unique<fb::AttributeT>();
    attribute->name = name;
    attribute->value = value;
    plan->model.push_back(std::move(attribute));
  }
  if (!failure.empty())
    return emitError("{}", failure);
  return std::move(plan);
}

} // namespace

llvm::Expected<uint64_t> emit::writePlan(llvm::StringRef path, ModuleOp module, MeshAttr mesh, const PlanParts &parts) {
  llvm::Expected<std::unique_ptr<fb::PlanT>> plan = PlanWriter(module, mesh, parts).write();
  if (!plan)
    return plan.takeError();
  // Sections lie behind the flatbuffer, whose length depends on nothing but its contents: offsets have a fixed width.
  std::vector<std::pair<fb::SectionKind, llvm::ArrayRef<char>>> contents;
  if (!parts.hostObject.empty())
    contents.push_back({fb::SectionKind::HostObject, parts.hostObject});
  if (!parts.tokenizer.empty())
    contents.push_back(
        {fb::SectionKind::Tokenizer, llvm::ArrayRef<char>(parts.tokenizer.data(), parts.tokenizer.size())});
  for (auto &[kind, bytes] : contents) {
    auto section = std::make_unique<fb::SectionT>();
    section->kind = kind;
    section->name = kind == fb::SectionKind::HostObject ? "kernels" : "tokenizer";
    section->offset = ~uint64_t(0); // Not the default, so that the field is there before its value is known.
    section->length = bytes.size();
    (*plan)->sections.push_back(std::move(section));
  }
  auto pack = [&] {
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    builder.Finish(fb::Plan::Pack(builder, plan->get()), fb::PlanIdentifier());
    return std::vector<char>(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  };
  const uint64_t planOffset = llvm::alignTo(sizeof(schema::PlanHeader), schema::spanAlignment),
                 planBytes = pack().size();
  uint64_t end = planOffset + planBytes;
  for (auto &section : (*plan)->sections) {
    section->offset = llvm::alignTo(end, schema::pageBytes);
    end = section->offset + section->length;
  }
  std::vector<char> buffer = pack();
  std::vector<char> file(end, 0);
  std::copy(buffer.begin(), buffer.end(), file.begin() + planOffset);
  for (auto [section, content] : llvm::zip_equal((*plan)->sections, contents))
    llvm::copy(content.second, file.begin() + section->offset);

  schema::PlanHeader header{};
  std::copy(std::begin(schema::planMagic), std::end(schema::planMagic), header.magic);
  header.version = schema::planVersion;
  header.headerBytes = sizeof(header);
  header.fileBytes = end;
  header.planOffset = planOffset;
  header.planBytes = planBytes;
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits(file.data() + sizeof(header), file.size() - sizeof(header)));
  std::copy(std::begin(digest.digest), std::end(digest.digest), header.digest);
  std::memcpy(file.data(), &header, sizeof(header));

  llvm::SmallString<128> temporary(path);
  temporary += ".part";
  std::error_code code;
  {
    llvm::raw_fd_ostream stream(temporary, code);
    if (!code) {
      stream.write(file.data(), file.size());
      stream.flush();
      code = stream.error();
      stream.clear_error();
    }
  }
  if (!code)
    code = llvm::sys::fs::rename(temporary, path);
  if (code) {
    llvm::sys::fs::remove(temporary);
    return emitError("E4202 cannot write {}: {}", path.str(), code.message());
  }
  return end;
}
