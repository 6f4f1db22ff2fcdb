// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Emit/PlanFile.h"

#include "compiler/Emit/EmitError.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/plan_generated.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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
  PlanWriter(ModuleOp module, MeshAttr mesh, const PlanParts &parts) : module(module), mesh(mesh), parts(parts) {}

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
  void writeCount(Operation &op);
  std::unique_ptr<fb::PortT> makePort(DictionaryAttr port);
  std::unique_ptr<fb::VariantT> makeVariant(plan::VariantOp variant, size_t inputs, size_t results);
  fb::LaunchT makeLaunch(plan::LaunchStepOp launch);
  fb::MatmulT makeMatmul(plan::MatmulStepOp matmul);
  fb::TransferT makeTransfer(plan::TransferStepOp transfer);
  std::unique_ptr<fb::StepT> makeStep(Operation &op);
  std::unique_ptr<fb::AmountT> makeAmount(AffineExpr expression, ValueRange sizes);
  std::unique_ptr<fb::AmountT> makeAmount(int64_t constant, int64_t factor = 0, int32_t slot = -1);
  fb::Binding makeBinding(Value span);
  fb::ElementType makeElement(Type type);
  uint32_t addInstruction(fb::CountOp op, int64_t value, int32_t a, int32_t b, int32_t c);
  uint32_t slotOf(Value size);
  uint32_t locationOf(Location loc);

  ModuleOp module;
  MeshAttr mesh;
  const PlanParts &parts;
  std::unique_ptr<fb::PlanT> plan = std::make_unique<fb::PlanT>();
  std::string failure;
  llvm::StringMap<uint32_t> weightIndex, stateIndex, kernelIndex, locationIndex;
  llvm::StringMap<uint32_t> countSlot; // of inputs, by name
  DenseMap<Value, uint32_t> slots;
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

uint32_t PlanWriter::addInstruction(fb::CountOp op, int64_t value, int32_t a, int32_t b, int32_t c) {
  plan->counts->instructions.emplace_back(value, a, b, c, op);
  return plan->counts->instructions.size() - 1;
}

uint32_t PlanWriter::slotOf(Value size) {
  auto found = slots.find(size);
  if (found == slots.end()) {
    fail("E4203 a size is used before the count program makes it");
    return 0;
  }
  return found->second;
}

void PlanWriter::writeCount(Operation &op) {
  auto binary = [&](fb::CountOp code) {
    uint32_t a = slotOf(op.getOperand(0)), b = slotOf(op.getOperand(1));
    return addInstruction(code, 0, a, b, 0);
  };
  uint32_t slot =
      TypeSwitch<Operation *, uint32_t>(&op)
          .Case([&](plan::CountOp count) {
            auto [found, fresh] = countSlot.try_emplace(count.getName(), 0);
            if (fresh) {
              auto input = std::make_unique<fb::CountInputT>();
              input->name = count.getName().str();
              input->bound = count.getBound();
              plan->counts->inputs.push_back(std::move(input));
              found->second = addInstruction(fb::CountOp::Input, 0, plan->counts->inputs.size() - 1, 0, 0);
            } else {
              for (auto &input : plan->counts->inputs)
                if (input->name == count.getName())
                  input->bound = std::max<int64_t>(input->bound, count.getBound());
            }
            return found->second;
          })
          .Case([&](arith::ConstantIndexOp constant) {
            return addInstruction(fb::CountOp::Constant, constant.value(), 0, 0, 0);
          })
          .Case([&](arith::AddIOp) { return binary(fb::CountOp::Add); })
          .Case([&](arith::SubIOp) { return binary(fb::CountOp::Subtract); })
          .Case([&](arith::MulIOp) { return binary(fb::CountOp::Multiply); })
          .Case([&](arith::DivUIOp) { return binary(fb::CountOp::FloorDivide); })
          .Case([&](arith::CeilDivUIOp) { return binary(fb::CountOp::CeilDivide); })
          .Case([&](arith::MinUIOp) { return binary(fb::CountOp::Minimum); })
          .Case([&](arith::MaxUIOp) { return binary(fb::CountOp::Maximum); })
          .Default([&](Operation *other) {
            fail("E4203 unsupported operation in the count program: {}", other->getName().getStringRef().str());
            return 0u;
          });
  slots[op.getResult(0)] = slot;
}

std::unique_ptr<fb::AmountT> PlanWriter::makeAmount(int64_t constant, int64_t factor, int32_t slot) {
  auto amount = std::make_unique<fb::AmountT>();
  amount->constant = constant;
  if (factor != 0)
    amount->terms.emplace_back(factor, slot, 0, fb::Position::One, fb::Element::Fixed);
  return amount;
}

/// A product of coordinate and size with a factor; -1: none.
struct Monomial {
  int64_t factor;
  int dim = -1, symbol = -1;
};

/// Sums of monomials; an empty optional where two coordinates or two sizes are multiplied.
static std::optional<SmallVector<Monomial>> expand(AffineExpr expression) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expression))
    return SmallVector<Monomial>{{constant.getValue()}};
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return SmallVector<Monomial>{{1, static_cast<int>(dim.getPosition()), -1}};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expression))
    return SmallVector<Monomial>{{1, -1, static_cast<int>(symbol.getPosition())}};
  auto binary = cast<AffineBinaryOpExpr>(expression);
  auto left = expand(binary.getLHS()), right = expand(binary.getRHS());
  if (!left || !right)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add) {
    left->append(*right);
    return left;
  }
  if (binary.getKind() != AffineExprKind::Mul)
    return std::nullopt;
  SmallVector<Monomial> products;
  for (Monomial a : *left)
    for (Monomial b : *right) {
      if ((a.dim >= 0 && b.dim >= 0) || (a.symbol >= 0 && b.symbol >= 0))
        return std::nullopt;
      products.push_back({a.factor * b.factor, std::max(a.dim, b.dim), std::max(a.symbol, b.symbol)});
    }
  return products;
}

std::unique_ptr<fb::AmountT> PlanWriter::makeAmount(AffineExpr expression, ValueRange sizes) {
  auto amount = std::make_unique<fb::AmountT>();
  std::optional<SmallVector<Monomial>> monomials = expand(expression);
  if (!monomials) {
    fail("E4203 unsupported product of two coordinates or two sizes in a transfer");
    return amount;
  }
  int axes = mesh.getAxes().size();
  for (Monomial term : *monomials) {
    if (term.dim < 0 && term.symbol < 0) {
      amount->constant += term.factor;
      continue;
    }
    int32_t slot = term.symbol < 0 ? -1 : static_cast<int32_t>(slotOf(sizes[term.symbol]));
    fb::Position position = term.dim < 0          ? fb::Position::One
                            : term.dim < axes     ? fb::Position::Own
                            : term.dim < 2 * axes ? fb::Position::Peer
                                                  : fb::Position::Listed;
    int index = position == fb::Position::Listed ? term.dim - 2 * axes : term.dim < 0 ? 0 : term.dim % axes;
    amount->terms.emplace_back(term.factor, slot, index, position, fb::Element::Fixed);
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
  for (Value size : launch.getSizes())
    action.sizes.push_back(slotOf(size));
  if (kernel.bindings != action.bindings.size() || kernel.sizes != action.sizes.size())
    fail("E4203 kernel @{} was compiled for {} bindings and {} sizes but is launched with {} and {}", kernel.name,
         kernel.bindings, kernel.sizes, action.bindings.size(), action.sizes.size());
  else
    action.grid = kernel.gridSize < 0 ? makeAmount(kernel.gridFactor)
                                      : makeAmount(0, kernel.gridFactor, action.sizes[kernel.gridSize]);
  return action;
}

fb::MatmulT PlanWriter::makeMatmul(plan::MatmulStepOp matmul) {
  fb::MatmulT action;
  RankedTensorType weight = matmul.getWeight().getType().getTensor(), source = matmul.getSource().getType().getTensor();
  action.rows = matmul.getRows() ? makeAmount(0, 1, slotOf(matmul.getRows()))
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
  action.source_offset = makeAmount(transfer.getSourceOffset().getResult(0), transfer.getSizes());
  action.destination_offset = makeAmount(transfer.getDestinationOffset().getResult(0), transfer.getSizes());
  for (unsigned dim = 0; dim < transfer.getExtents().getNumResults(); ++dim) {
    auto box = std::make_unique<fb::BoxDimT>();
    box->extent = makeAmount(transfer.getExtents().getResult(dim), transfer.getSizes());
    box->source_stride = makeAmount(transfer.getSourceStrides().getResult(dim), transfer.getSizes());
    box->destination_stride = makeAmount(transfer.getDestinationStrides().getResult(dim), transfer.getSizes());
    action.box.push_back(std::move(box));
  }
  if (std::optional<llvm::ArrayRef<int64_t>> sources = transfer.getSources())
    for (int64_t number : *sources) {
      if (number > std::numeric_limits<int32_t>::max())
        fail("E4203 expected numbers below 2^31 in the rows of a transfer but got {}", number);
      action.sources.push_back(static_cast<int32_t>(number));
    }
  action.columns = static_cast<uint8_t>(transfer.getExtents().getNumDims() - 2 * mesh.getAxes().size());
  return action;
}

std::unique_ptr<fb::StepT> PlanWriter::makeStep(Operation &op) {
  auto step = std::make_unique<fb::StepT>();
  if (auto launch = dyn_cast<plan::LaunchStepOp>(op))
    step->action.Set(makeLaunch(launch));
  else if (auto matmul = dyn_cast<plan::MatmulStepOp>(op))
    step->action.Set(makeMatmul(matmul));
  else if (auto transfer = dyn_cast<plan::TransferStepOp>(op))
    step->action.Set(makeTransfer(transfer));
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

std::unique_ptr<fb::PortT> PlanWriter::makePort(DictionaryAttr description) {
  auto port = std::make_unique<fb::PortT>();
  auto type = cast<RankedTensorType>(description.getAs<TypeAttr>("type").getValue());
  auto layout = description.getAs<LayoutAttr>("layout");
  auto dims = description.getAs<ArrayAttr>("dims");
  port->name = description.getAs<StringAttr>("name").str();
  port->element = makeElement(type.getElementType());
  port->layout = layout.getText();
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    auto portDim = std::make_unique<fb::PortDimT>();
    StringRef count = cast<StringAttr>(dims[dim]).getValue();
    portDim->name = layout.getDimName(dim).str();
    if (type.isDynamicDim(dim)) {
      auto slot = countSlot.find(count);
      if (slot == countSlot.end()) {
        // Nothing computes with this size, but the port has it all the same.
        fail("E4203 port '{}' has a dim '{}' that no count gives", port->name, count.str());
        return port;
      }
      portDim->size = makeAmount(0, 1, slot->second);
      for (auto &input : plan->counts->inputs)
        if (input->name == count)
          portDim->bound = input->bound;
    } else {
      portDim->size = makeAmount(type.getDimSize(dim));
      portDim->bound = type.getDimSize(dim);
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
  for (NamedAttribute bound : op.getBounds()) {
    auto slot = countSlot.find(bound.getName().getValue());
    if (slot != countSlot.end())
      variant->bounds.emplace_back(cast<IntegerAttr>(bound.getValue()).getInt(), slot->second);
  }
  variant->arena_bytes = op.getArenaBytes();
  variant->inputs.resize(inputs);
  variant->results.resize(results);
  for (Operation &step : op.getBody().front()) {
    if (auto span = dyn_cast<plan::SpanOp>(step)) {
      if (!span.getRole())
        continue;
      fb::Span place(*span.getOffset(), span->getAttrOfType<IntegerAttr>("bytes").getInt());
      (*span.getRole() == "input" ? variant->inputs : variant->results)[*span.getIndex()] = place;
    } else if (isa<plan::LaunchStepOp, plan::MatmulStepOp, plan::TransferStepOp>(step)) {
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
      writeCount(size);
  for (auto port : op.getInputs().getAsRange<DictionaryAttr>())
    entry->inputs.push_back(makePort(port));
  for (auto port : op.getResults().getAsRange<DictionaryAttr>())
    entry->results.push_back(makePort(port));
  for (auto variant : op.getBody().front().getOps<plan::VariantOp>())
    entry->variants.push_back(makeVariant(variant, entry->inputs.size(), entry->results.size()));
  if (plan->paging)
    for (auto &port : entry->inputs)
      if (port->name == "block_table" && port->dims.size() == 2)
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
  plan->counts = std::make_unique<fb::CountProgramT>();
  writeWeights();
  writeStates();
  writeKernels();
  for (auto entry : module.getOps<plan::EntryOp>())
    writeEntry(entry);
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
