// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/Uniformity.h"

#include "dialects/NN/IR/NNDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

using AxisSet = llvm::SmallDenseSet<unsigned, 4>;

//===----------------------------------------------------------------------===//
// Variations
//===----------------------------------------------------------------------===//

bool Variation::add(const Variation &other) {
  bool isNew = false;
  for (const auto &[axis, origin] : other.origins)
    isNew |= origins.try_emplace(axis, origin).second;
  return isNew;
}

std::optional<unsigned> Variation::common(const AxisSet &axes) const {
  std::optional<unsigned> least;
  for (const auto &[axis, origin] : origins)
    if (axes.contains(axis) && (!least || axis < *least))
      least = axis;
  return least;
}

void Uniformity::addAxis(Variation &variation, StringRef name, Location location) const {
  std::optional<AxisPart> part = findAxisPart(mesh, name);
  if (part && part->size != 1)
    variation.add(static_cast<unsigned>(part->index), location);
}

AxisSet Uniformity::axesOf(ArrayAttr axes) const {
  AxisSet indices;
  for (StringRef name : axes.getAsValueRange<StringAttr>())
    if (std::optional<AxisPart> part = findAxisPart(mesh, name); part && part->size != 1)
      indices.insert(static_cast<unsigned>(part->index));
  return indices;
}

AxisSet Uniformity::axesOf(ArrayRef<StringAttr> axes) const {
  return axesOf(ArrayAttr::get(mesh.getContext(), SmallVector<Attribute>(axes.begin(), axes.end())));
}

void Uniformity::addGroup(Variation &variation, const AxisSet &group, Location location) const {
  for (unsigned axis : group)
    variation.add(axis, location);
}

void Uniformity::removeGroup(Variation &variation, ArrayRef<StringRef> group) const {
  for (StringRef name : group)
    if (int64_t axis = mesh.findAxis(name); axis >= 0)
      variation.remove(static_cast<unsigned>(axis));
}

void Uniformity::addAll(Varying &varying, Location location) const {
  for (MeshAxisAttr axis : mesh.getAxes()) {
    addAxis(varying.elements, axis.getName(), location);
    addAxis(varying.sizes, axis.getName(), location);
  }
}

Varying Uniformity::ofLayout(LayoutAttr layout, Location location) const {
  Varying varying;
  for (LayoutDimAttr dim : layout.getDims())
    for (LayoutTermAttr term : dim.getTerms())
      for (AxisRefAttr axis : term.getAxes()) {
        addAxis(varying.elements, getAxisName(axis), location);
        if (term.isRagged())
          addAxis(varying.sizes, getAxisName(axis), location);
      }
  for (PartialAttr partial : layout.getPartials())
    for (AxisRefAttr axis : partial.getAxes())
      addAxis(varying.elements, getAxisName(axis), location);
  return varying;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// By function: the arguments, and what is known with them.
struct Uniformity::Calls {
  llvm::DenseMap<Operation *, std::vector<std::pair<SmallVector<Varying>, std::shared_ptr<Uniformity>>>> known;
};

Uniformity::Uniformity(func::FuncOp function, MeshAttr mesh)
    : function(function), mesh(mesh), calls(std::make_shared<Calls>()) {
  SmallVector<Varying> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    arguments.push_back(layout ? ofLayout(layout, function.getArgument(i).getLoc()) : Varying());
  }
  run(arguments);
}

Uniformity::Uniformity(func::FuncOp function, MeshAttr mesh, ArrayRef<Varying> arguments,
                       SmallVector<Operation *> callers, std::shared_ptr<Calls> calls)
    : function(function), mesh(mesh), callers(std::move(callers)), calls(std::move(calls)) {
  run(arguments);
}

void Uniformity::run(ArrayRef<Varying> arguments) {
  callers.push_back(function);
  returned.resize(function.getNumResults());
  for (auto [argument, varying] : llvm::zip_equal(function.getArguments(), arguments))
    set(argument, varying);
  for (Block &block : function.getBody())
    visit(block);
}

const Uniformity *Uniformity::callee(func::CallOp call) const {
  auto found = callees.find(call);
  return found == callees.end() ? nullptr : found->second.get();
}

void Uniformity::set(Value value, Varying varying) {
  auto type = dyn_cast<ShapedType>(value.getType());
  if (!type || (type.hasRank() && type.hasStaticShape()))
    varying.sizes = Variation();
  known[value] = std::move(varying);
}

/// The operands that make an operation's shapes.
static ValueRange sizeOperandsOf(Operation &op) {
  return llvm::TypeSwitch<Operation *, ValueRange>(&op)
      .Case([](tensor::EmptyOp own) { return own.getDynamicSizes(); })
      .Case([](tensor::ExtractSliceOp own) { return own.getSizes(); })
      .Case([](tensor::ExpandShapeOp own) { return own.getOutputShape(); })
      .Case([](tensor::GenerateOp own) { return own.getDynamicExtents(); })
      // Of the rest of a pad, a number that is padded makes no shape, but is one.
      .Case<tensor::PadOp, tensor::ReshapeOp>([](auto own) { return own->getOperands().drop_front(); })
      .Default([](Operation *) { return ValueRange(); });
}

/// Of all operands, and of what the operation's regions use from outside.
Varying Uniformity::operandsOf(Operation &op) const {
  Varying all;
  for (Value operand : op.getOperands())
    all.add(of(operand));
  for (Value size : sizeOperandsOf(op))
    all.sizes.add(of(size).elements);
  for (Region &region : op.getRegions())
    region.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (!region.isAncestor(operand.getParentRegion()))
          all.elements.add(of(operand).elements);
      if (auto coordinate = dyn_cast<CoordinateOp>(inner))
        addAxis(all.elements, coordinate.getAxis(), coordinate.getLoc());
    });
  return all;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// Counts of which every position has as many.
static bool isLevel(Value counts) {
  while (auto align = counts.getDefiningOp<AlignOp>())
    counts = align.getCounts();
  auto pad = counts.getDefiningOp<PadCountsOp>();
  return pad && pad.getMode() == PaddingMode::Max;
}

/// Sizes of what is gathered or handed out by counts: of the dim that they count, and of the others as they were.
void Uniformity::setCounted(Variation &sizes, Value input, TypedValue<CountsType> counts, bool isPart,
                            Location location) const {
  // Where the counted dim is the only one whose size is not in the type, what differed was its size.
  if (cast<RankedTensorType>(input.getType()).getNumDynamicDims() == 1)
    sizes = Variation();
  sizes.add(of(counts).elements);
  if (isPart && !isLevel(counts))
    addGroup(sizes, axesOf(counts.getType().getAxes()), location);
}

void Uniformity::visit(Block &block) {
  for (Operation &op : block)
    visit(op);
}

void Uniformity::visit(Operation &op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return visitIf(branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitFor(loop);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return visitWhile(loop);
  if (auto choice = dyn_cast<scf::IndexSwitchOp>(op))
    return visitSwitch(choice);
  if (auto call = dyn_cast<func::CallOp>(op))
    return visitCall(call);
  // Bodies of arithmetic on elements have no collectives and no shapes.
  if (op.getNumRegions() != 0 && !isa<linalg::LinalgOp, tensor::GenerateOp, tensor::PadOp>(op))
    return visitUnknown(op);
  if (auto exit = dyn_cast<func::ReturnOp>(op)) {
    for (auto [result, operand] : llvm::zip(returned, exit.getOperands()))
      result.add(of(operand));
    return;
  }
  Varying varying = operandsOf(op);
  auto group = [&](ArrayAttr axes) { return llvm::to_vector_of<StringRef>(axes.getAsValueRange<StringAttr>()); };
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](CoordinateOp own) { addAxis(varying.elements, own.getAxis(), own.getLoc()); })
      .Case([&](LoadOp own) {
        if (auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(own, own.getWeightAttr()))
          varying.add(ofLayout(weight.getLayout(), own.getLoc()));
      })
      .Case([&](tensor::DimOp own) { varying.elements = of(own.getSource()).sizes; })
      .Case([&](StepFieldOp own) {
        addAll(varying, own.getLoc());
        varying.sizes = Variation();
      })
      .Case([&](ExchangeCountsOp own) {
        for (auto [counts, result] : llvm::zip_equal(own.getInputs(), own.getResults())) {
          Varying exchanged = of(counts);
          SmallVector<StringRef> axes = llvm::map_to_vector(cast<CountsType>(result.getType()).getAxes(),
                                                            [](StringAttr axis) { return axis.getValue(); });
          removeGroup(exchanged.elements, axes);
          set(result, exchanged);
        }
      })
      .Case([&](OwnCountOp own) {
        if (!isLevel(own.getCounts()))
          addGroup(varying.elements, axesOf(own.getCounts().getType().getAxes()), own.getLoc());
      })
      .Case([&](tensor::InsertSliceOp own) { varying.sizes = of(own.getDest()).sizes; })
      .Case([&](OwnOffsetOp own) {
        addGroup(varying.elements, axesOf(own.getOffsets().getType().getAxes()), own.getLoc());
      })
      .Case([&](nn::GatherRowsOp own) { // as many rows as are looked up, however many the table has
        auto table = cast<RankedTensorType>(own.getTable().getType());
        varying.sizes = of(own.getIndices()).sizes;
        if (table.isDynamicDim(1))
          varying.sizes.add(of(own.getTable()).sizes);
      })
      .Case([&](FirstRowOp own) {
        for (AxisRefAttr axis : own.getRows().getAxes())
          addAxis(varying.elements, getAxisName(axis), own.getLoc());
      })
      .Case([&](AllGatherOp own) {
        removeGroup(varying.elements, group(own.getAxes()));
        if (own.getCounts())
          setCounted(varying.sizes, own.getInput(), own.getCounts(), /*isPart=*/false, own.getLoc());
      })
      .Case<SliceOp, ReduceScatterOp>([&](auto own) {
        addGroup(varying.elements, axesOf(own.getAxes()), own.getLoc());
        if (own.getCounts())
          setCounted(varying.sizes, own.getInput(), own.getCounts(), /*isPart=*/true, own.getLoc());
      })
      .Case([&](AllToAllOp own) {
        addGroup(varying.elements, axesOf(own.getAxes()), own.getLoc());
        if (own.getCounts())
          setCounted(varying.sizes, own.getInput(), own.getCounts(), own.getRagged() == RaggedSide::Split,
                     own.getLoc());
      })
      .Case<AllReduceOp, BroadcastOp>([&](auto own) { removeGroup(varying.elements, group(own.getAxes())); })
      .Case<ExchangeOp, PermuteOp, AllToAllVOp>(
          [&](auto own) { addGroup(varying.elements, axesOf(own.getAxes()), own.getLoc()); })
      .Case([&](PadRowsOp own) {
        setCounted(varying.sizes, own.getInput(), own.getTo(), /*isPart=*/true, own.getLoc());
        Varying all;
        addAll(all, own.getLoc());
        if (!own.getFill()) // Dead rows hold whatever was there.
          varying.elements.add(all.elements);
      })
      .Case<UnpadRowsOp>(
          [&](auto own) { setCounted(varying.sizes, own.getInput(), own.getTo(), /*isPart=*/true, own.getLoc()); })
      .Case([&](SplitRowsOp own) {
        setCounted(varying.sizes, own.getInput(), own.getFirst(), /*isPart=*/true, own.getLoc());
        varying.sizes.add(of(own.getSecond()).elements);
      })
      .Case([&](JoinRowsOp own) {
        setCounted(varying.sizes, own.getFirstRows(), own.getTo(), /*isPart=*/true, own.getLoc());
      })
      .Case([&](RedistributeOp own) {
        Varying from = ofLayout(own.getFrom(), own.getLoc()), to = ofLayout(own.getTo(), own.getLoc()), rest;
        for (unsigned axis = 0; axis < mesh.getAxes().size(); ++axis) {
          if (varying.elements.contains(axis) && !from.elements.contains(axis))
            rest.elements.add(axis, varying.elements.originOf(axis));
          if (varying.sizes.contains(axis) && !from.sizes.contains(axis))
            rest.sizes.add(axis, varying.sizes.originOf(axis));
        }
        varying = to;
        varying.add(rest);
      })
      .Default([&](Operation *own) {
        // What an attention reads of a cache.
        for (NamedAttribute attr : own->getAttrs())
          if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attr.getValue()))
            if (auto state = SymbolTable::lookupNearestSymbolFrom<StateOp>(own, symbol))
              varying.elements.add(ofLayout(state.getLayout(), own->getLoc()).elements);
      });
  if (isa<ExchangeCountsOp>(op))
    return;
  for (Value result : op.getResults())
    set(result, varying);
}

void Uniformity::visitIf(scf::IfOp op) {
  for (Region *region : {&op.getThenRegion(), &op.getElseRegion()})
    for (Block &block : *region)
      visit(block);
  Varying condition = of(op.getCondition());
  condition.sizes = condition.elements;
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    Varying result = condition;
    result.add(of(op.thenYield().getOperand(i)));
    result.add(of(op.elseYield().getOperand(i)));
    set(op.getResult(i), std::move(result));
  }
}

void Uniformity::visitFor(scf::ForOp op) {
  Varying bounds;
  for (Value bound : {op.getLowerBound(), op.getUpperBound(), op.getStep()})
    bounds.elements.add(of(bound).elements);
  bounds.sizes = bounds.elements;
  SmallVector<Varying> carried = llvm::map_to_vector(op.getInitArgs(), [&](Value init) { return of(init); });
  for (Varying &varying : carried)
    varying.add(bounds);
  for (bool isNew = true; isNew;) {
    isNew = false;
    set(op.getInductionVar(), bounds);
    for (auto [argument, varying] : llvm::zip_equal(op.getRegionIterArgs(), carried))
      set(argument, varying);
    visit(*op.getBody());
    for (auto [varying, yielded] : llvm::zip_equal(carried, op.getYieldedValues()))
      isNew |= varying.add(of(yielded));
  }
  for (auto [result, varying] : llvm::zip_equal(op.getResults(), carried))
    set(result, varying);
}

void Uniformity::visitWhile(scf::WhileOp op) {
  SmallVector<Varying> before = llvm::map_to_vector(op.getInits(), [&](Value init) { return of(init); });
  SmallVector<Varying> after(op.getNumResults());
  for (bool isNew = true; isNew;) {
    isNew = false;
    for (auto [argument, varying] : llvm::zip_equal(op.getBeforeArguments(), before))
      set(argument, varying);
    visit(*op.getBeforeBody());
    scf::ConditionOp condition = op.getConditionOp();
    Varying taken = of(condition.getCondition());
    taken.sizes = taken.elements;
    for (auto [varying, passed] : llvm::zip_equal(after, condition.getArgs())) {
      isNew |= varying.add(of(passed));
      isNew |= varying.add(taken);
    }
    for (auto [argument, varying] : llvm::zip_equal(op.getAfterArguments(), after))
      set(argument, varying);
    visit(*op.getAfterBody());
    for (auto [varying, yielded] : llvm::zip_equal(before, op.getYieldOp().getOperands()))
      isNew |= varying.add(of(yielded));
  }
  for (auto [result, varying] : llvm::zip_equal(op.getResults(), after))
    set(result, varying);
}

void Uniformity::visitSwitch(scf::IndexSwitchOp op) {
  Varying selector = of(op.getArg());
  selector.sizes = selector.elements;
  SmallVector<Varying> results(op.getNumResults(), selector);
  for (Region &region : op->getRegions()) {
    visit(region.front());
    for (auto [result, yielded] : llvm::zip_equal(results, region.front().getTerminator()->getOperands()))
      result.add(of(yielded));
  }
  for (auto [result, varying] : llvm::zip_equal(op.getResults(), results))
    set(result, varying);
}

void Uniformity::visitUnknown(Operation &op) {
  Varying any;
  addAll(any, op.getLoc());
  for (Region &region : op.getRegions())
    for (Block &block : region) {
      for (BlockArgument argument : block.getArguments())
        set(argument, any);
      visit(block);
    }
  for (Value result : op.getResults())
    set(result, any);
}

void Uniformity::visitCall(func::CallOp op) {
  auto called = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  bool isRecursive = called && llvm::is_contained(callers, called.getOperation());
  if (!called || called.isExternal() || isRecursive) {
    isCut |= isRecursive;
    for (Value result : op.getResults()) {
      Varying any;
      addAll(any, op.getLoc());
      set(result, any);
    }
    return;
  }
  SmallVector<Varying> arguments = llvm::map_to_vector(op.getOperands(), [&](Value operand) { return of(operand); });
  auto &others = calls->known[called];
  auto other = llvm::find_if(others, [&](const auto &entry) { return entry.first == arguments; });
  std::shared_ptr<Uniformity> inside = other == others.end() ? nullptr : other->second;
  if (!inside) {
    inside.reset(new Uniformity(called, mesh, arguments, callers, calls));
    // What it calls may have moved the list.
    if (!inside->isCut)
      calls->known[called].push_back({arguments, inside});
  }
  isCut |= inside->isCut;
  for (auto [result, varying] : llvm::zip_equal(op.getResults(), inside->returned))
    set(result, varying);
  callees[op] = std::move(inside);
}
