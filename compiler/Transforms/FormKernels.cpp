// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups what is left of a function's tensor arithmetic into kernels and outlines them.
//
// A kernel walks rows: dim 0 of everything that it makes. A producer joins its consumer's kernel where both walk the
// same rows, the consumer reads row r of it for row r, and every other user stands behind the consumer. Kernels that
// walk the same rows and read the same tensor become one launch, where neither waits for the other. Views (slices,
// reshapes), empty tensors and fills have no kernel of their own: each user gets a copy. An attention or a cache append
// is a kernel by itself.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_FORMKERNELSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

/// Makes no value of its own: a copy of it goes into every kernel that uses it.
bool isView(Operation *op) { return isa<tensor::ExtractSliceOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op); }
bool isFree(Operation *op) {
  if (isView(op) || isa<tensor::EmptyOp, linalg::FillOp>(op))
    return true;
  return isa<arith::ConstantOp>(op);
}

bool isCompute(Operation *op) { return isa<linalg::LinalgOp>(op) && !isa<linalg::FillOp>(op); }

struct Group {
  SmallVector<Operation *> ops; // in program order
};

class KernelFormer {
public:
  KernelFormer(func::FuncOp function, SymbolTable &symbols)
      : function(function), symbols(symbols), resolver(function) {}

  LogicalResult run();
  unsigned kernels = 0, launches = 0;

private:
  void materialiseViews();
  void makeGroups();
  bool joinProducers();
  bool joinSiblings();
  bool canJoin(Operation *producer, Operation *consumer);
  void join(unsigned from, unsigned to);
  LogicalResult outline(Group &group);
  LogicalResult outlineRegionOp(Operation *op);
  plan::KernelOp getOrInsert(plan::KernelOp kernel, StringRef name);
  std::string nameOf(const Group &group);

  func::FuncOp function;
  SymbolTable &symbols;
  SizeResolver resolver;
  SmallVector<Group> groups;
  DenseMap<Operation *, unsigned> groupOf; // of compute ops
  DenseMap<Operation *, unsigned> order;   // position in the block
};

/// The last slice in a chain of views above `value`, if there is one: such a value is not dense in memory.
bool isSliced(Value value) {
  for (Operation *op = value.getDefiningOp(); op && isView(op); op = op->getOperand(0).getDefiningOp())
    if (isa<tensor::ExtractSliceOp>(op))
      return true;
  return false;
}

/// Users outside kernels need dense memory: where they would read a slice, they read a copy. It stands where the slice
/// stands, so that it can share a kernel with others that read the same tensor.
void KernelFormer::materialiseViews() {
  llvm::MapVector<Value, SmallVector<OpOperand *>> operands;
  for (Operation &op : function.getBody().front())
    if (!isCompute(&op) && !isFree(&op))
      for (OpOperand &operand : op.getOpOperands())
        if (isTensor(operand.get()) && isSliced(operand.get()))
          operands[operand.get()].push_back(&operand);
  for (auto &[view, users] : operands) {
    OpBuilder builder(function.getContext());
    builder.setInsertionPointAfterValue(view);
    Location loc = view.getLoc();
    auto type = cast<RankedTensorType>(view.getType());
    FailureOr<SmallVector<OpFoldResult>> sizes = resolver.getSizes(view);
    if (failed(sizes))
      return;
    Value empty = tensor::EmptyOp::create(builder, loc, *sizes, type.getElementType());
    AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
    auto copy = linalg::GenericOp::create(
        builder, loc, type, view, empty, ArrayRef<AffineMap>{identity, identity},
        SmallVector<utils::IteratorType>(type.getRank(), utils::IteratorType::parallel),
        [](OpBuilder &b, Location loc, ValueRange args) { linalg::YieldOp::create(b, loc, args[0]); });
    copy->setAttr("plan.name", builder.getStringAttr("copy"));
    for (OpOperand *operand : users)
      operand->set(copy.getResult(0));
  }
}

/// Row r of every result of `op` is made at loop 0 = r.
bool walksRows(linalg::LinalgOp op) {
  if (op.getNumLoops() == 0 || op.getIteratorTypesArray()[0] != utils::IteratorType::parallel)
    return false;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(0, op.getContext()))
      return false;
  }
  return true;
}

/// `consumer` reads `value` (through views that keep dim 0) at row r for row r only.
bool readsByRow(linalg::LinalgOp consumer, Value value) {
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(consumer->getRegions(), captured);
  auto leadsTo = [&](Value from) {
    for (Value at = from;;) {
      if (at == value)
        return true;
      Operation *op = at.getDefiningOp();
      if (!op || !isFree(op) || op->getNumOperands() == 0)
        return false;
      at = op->getOperand(0);
    }
  };
  for (Value use : captured)
    if (isTensor(use) && leadsTo(use))
      return false;
  for (OpOperand &operand : consumer->getOpOperands()) {
    if (!isTensor(operand.get()) || !leadsTo(operand.get()))
      continue;
    AffineMap map = consumer.getMatchingIndexingMap(&operand);
    if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(0, consumer.getContext()))
      return false;
    for (Value at = operand.get(); at != value; at = at.getDefiningOp()->getOperand(0)) {
      Operation *op = at.getDefiningOp();
      if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
        if (!isConstantIntValue(slice.getMixedOffsets()[0], 0) || slice.getDroppedDims().any() ||
            cast<RankedTensorType>(slice.getSource().getType()).getDimSize(0) != slice.getType().getDimSize(0))
          return false;
      } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
        if (expand.getReassociationIndices()[0].size() != 1)
          return false;
      } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
        if (collapse.getReassociationIndices()[0].size() != 1)
          return false;
      }
    }
  }
  return true;
}

/// All compute operations and other steps that use a value, through views and free operations.
void collectUsers(Value value, SetVector<Operation *> &users) {
  for (Operation *user : value.getUsers()) {
    // A use inside the region of a linalg operation belongs to that operation.
    while (user->getParentOp() && !isa<func::FuncOp>(user->getParentOp()))
      user = user->getParentOp();
    if (isFree(user))
      for (Value result : user->getResults())
        collectUsers(result, users);
    else
      users.insert(user);
  }
}

bool KernelFormer::canJoin(Operation *producer, Operation *consumer) {
  auto from = cast<linalg::LinalgOp>(producer), to = cast<linalg::LinalgOp>(consumer);
  if (!walksRows(from) || !walksRows(to))
    return false;
  FailureOr<OpFoldResult> rowsFrom = resolver.getSize(producer->getResult(0), 0),
                          rowsTo = resolver.getSize(consumer->getResult(0), 0);
  if (failed(rowsFrom) || failed(rowsTo) || *rowsFrom != *rowsTo)
    return false;
  // Every member of the consumer's kernel reads the producer by row; everybody else stands behind the kernel.
  unsigned target = groupOf[consumer];
  unsigned end = order[groups[target].ops.back()];
  for (Operation *member : groups[groupOf[producer]].ops) {
    SetVector<Operation *> users;
    for (Value result : member->getResults())
      collectUsers(result, users);
    for (Operation *user : users) {
      auto found = groupOf.find(user);
      if (found != groupOf.end() && (found->second == target)) {
        if (!readsByRow(cast<linalg::LinalgOp>(user), member->getResult(0)))
          return false;
      } else if (found == groupOf.end() || found->second != groupOf[producer]) {
        // The user runs at its own kernel's end, if it is in one.
        unsigned at = found == groupOf.end() ? order[user] : order[groups[found->second].ops.back()];
        if (at < end)
          return false;
      }
    }
  }
  return true;
}

void KernelFormer::join(unsigned from, unsigned to) {
  for (Operation *member : groups[from].ops)
    groupOf[member] = to;
  groups[to].ops.append(groups[from].ops);
  groups[from].ops.clear();
  llvm::sort(groups[to].ops, [&](Operation *a, Operation *b) { return order[a] < order[b]; });
}

/// Each producer joins its first consumer's kernel where it can. Whether one did.
bool KernelFormer::joinProducers() {
  bool changed = false;
  // Backwards, so that a consumer's kernel is complete before its producers ask to join.
  for (Operation &op : llvm::reverse(function.getBody().front())) {
    if (!groupOf.count(&op))
      continue;
    SetVector<Operation *> users;
    for (Value result : op.getResults())
      collectUsers(result, users);
    // The first consumer in program order: others then stand behind it.
    SmallVector<Operation *> consumers(users.begin(), users.end());
    llvm::sort(consumers, [&](Operation *a, Operation *b) { return order[a] < order[b]; });
    for (Operation *consumer : consumers) {
      if (!groupOf.count(consumer) || groupOf[consumer] == groupOf[&op] || !canJoin(&op, consumer))
        continue;
      join(groupOf[&op], groupOf[consumer]);
      changed = true;
      break;
    }
  }
  return changed;
}

/// Kernels that read one tensor become one launch, at the place of the last. Whether some did.
bool KernelFormer::joinSiblings() {
  bool changed = false;
  for (Operation &op : function.getBody().front()) {
    if (isFree(&op) || isa<LoadOp>(op))
      continue;
    for (Value value : op.getResults()) {
      if (!isTensor(value))
        continue;
      SetVector<Operation *> users;
      collectUsers(value, users);
      SmallVector<Operation *> readers =
          llvm::filter_to_vector(users, [&](Operation *user) { return groupOf.count(user); });
      llvm::sort(readers, [&](Operation *a, Operation *b) { return order[a] < order[b]; });
      // The latest first: everybody then asks to join what stands behind it.
      for (size_t last = readers.size(); last-- > 1;)
        for (size_t first = last; first-- > 0;) {
          unsigned from = groupOf[readers[first]], to = groupOf[readers[last]];
          if (from == to || order[groups[from].ops.back()] > order[groups[to].ops.back()] ||
              !canJoin(readers[first], readers[last]))
            continue;
          join(from, to);
          changed = true;
        }
    }
  }
  return changed;
}

void KernelFormer::makeGroups() {
  for (auto [index, op] : llvm::enumerate(function.getBody().front()))
    order[&op] = index;
  for (Operation &op : function.getBody().front())
    if (isCompute(&op)) {
      groupOf[&op] = groups.size();
      groups.push_back({{&op}});
    }
  joinProducers();
  // What several kernels read may join them, once they are one.
  if (joinSiblings())
    joinProducers();
}

/// What an operation is in its layer: "swiglu" of "layers.3.feed_forward.swiglu"; empty where the location has no such
/// name.
StringRef getLayerPart(Location loc) {
  auto name = dyn_cast<NameLoc>(loc);
  StringRef part = name ? name.getName().getValue().rsplit('.').second : StringRef();
  return llvm::all_of(part, [](char c) { return llvm::isAlnum(c) || c == '_'; }) ? part : StringRef();
}

std::string KernelFormer::nameOf(const Group &group) {
  SmallVector<StringRef> parts;
  for (Operation *op : group.ops) {
    auto hint = op->getAttrOfType<StringAttr>("plan.name");
    StringRef part = hint ? hint.getValue() : getLayerPart(op->getLoc());
    if (part.empty())
      part = op->getName().stripDialect();
    if (parts.empty() || parts.back() != part)
      parts.push_back(part);
  }
  return llvm::join(parts, "_");
}

/// Inserts the kernel, or finds an equal one that is there already.
plan::KernelOp KernelFormer::getOrInsert(plan::KernelOp kernel, StringRef name) {
  auto module = function->getParentOfType<ModuleOp>();
  for (auto other : module.getOps<plan::KernelOp>())
    if (other != kernel && other.getFunctionType() == kernel.getFunctionType() &&
        other.getArgAttrsAttr() == kernel.getArgAttrsAttr() && other.getResAttrsAttr() == kernel.getResAttrsAttr() &&
        OperationEquivalence::isRegionEquivalentTo(&other.getBody(), &kernel.getBody(),
                                                   OperationEquivalence::IgnoreLocations)) {
      kernel.erase();
      return other;
    }
  kernel.setSymName(name);
  symbols.insert(kernel, Block::iterator(function)); // makes the name unique
  ++kernels;
  return kernel;
}

/// `plan.sizes` of a tensor of a kernel: for each dynamic dim, the position of its size among `sizes`, which grows.
FailureOr<DictionaryAttr> describeSizes(Value tensor, SizeResolver &resolver, SmallVectorImpl<Value> &sizes) {
  SmallVector<int64_t> positions;
  auto type = cast<RankedTensorType>(tensor.getType());
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    if (!type.isDynamicDim(dim))
      continue;
    FailureOr<OpFoldResult> size = resolver.getSize(tensor, dim);
    if (failed(size))
      return failure();
    auto value = cast<Value>(*size);
    auto *found = llvm::find(sizes, value);
    positions.push_back(found - sizes.begin());
    if (found == sizes.end())
      sizes.push_back(value);
  }
  Builder builder(tensor.getContext());
  if (positions.empty())
    return builder.getDictionaryAttr({});
  return builder.getDictionaryAttr(
      builder.getNamedAttr(plan::attribute::sizes, builder.getDenseI64ArrayAttr(positions)));
}

/// Views of a kernel's result that stood between its first and its last operation go behind the launch; real users
/// stand there already.
void moveViewsBehind(Operation *launch, Value value) {
  for (Operation *user : value.getUsers())
    if (user->getBlock() == launch->getBlock() && isFree(user) && user->isBeforeInBlock(launch)) {
      user->moveAfter(launch);
      for (Value result : user->getResults())
        moveViewsBehind(user, result);
    }
}

/// Appends to `body` what `op` needs, then `op`.
LogicalResult collectBody(Operation *op, const SetVector<Operation *> &members, SetVector<Operation *> &body,
                          SetVector<Value> &inputs, SmallVectorImpl<Value> &sizes) {
  if (body.contains(op))
    return success();
  SetVector<Value> used(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), used);
  for (Value value : used) {
    Operation *definition = value.getDefiningOp();
    if (definition && members.contains(definition))
      continue;
    if (definition && isFree(definition)) {
      if (failed(collectBody(definition, members, body, inputs, sizes)))
        return failure();
    } else if (isTensor(value)) {
      inputs.insert(value);
    } else if (value.getType().isIndex()) {
      if (!llvm::is_contained(sizes, value))
        sizes.push_back(value);
    } else {
      return op->emitOpError() << "E4005 unsupported scalar operand of type " << value.getType() << " in a kernel";
    }
  }
  body.insert(op);
  return success();
}

/// Erases `op` with the views of it that only its kernel used: the kernel has copies of them. Every other user reads
/// the launch by now.
void eraseWithViews(Operation *op, SizeResolver &resolver) {
  for (Value result : op->getResults())
    while (!result.use_empty() && isFree(*result.user_begin()))
      eraseWithViews(*result.user_begin(), resolver);
  resolver.erase(op);
}

LogicalResult KernelFormer::outline(Group &group) {
  Operation *last = group.ops.back();
  SetVector<Operation *> members(group.ops.begin(), group.ops.end());
  // Results: what anybody outside uses, through views or not.
  SmallVector<Value> results;
  for (Operation *op : group.ops)
    for (Value result : op->getResults()) {
      SetVector<Operation *> users;
      collectUsers(result, users);
      if (llvm::any_of(users, [&](Operation *user) { return !members.contains(user); }))
        results.push_back(result);
    }
  // Free operations that the members need, each in front of its first user, and what comes in from outside, in the
  // order of use: kernels of equal layers come out alike, wherever their constants stood.
  SetVector<Operation *> body;
  SetVector<Value> inputs;
  SmallVector<Value> sizes;
  if (llvm::any_of(group.ops, [&](Operation *op) { return failed(collectBody(op, members, body, inputs, sizes)); }))
    return failure();

  MLIRContext *context = function.getContext();
  SmallVector<Attribute> argumentAttrs, resultAttrs;
  // Row counts come first among the sizes: the grid.
  SmallVector<Value> ordered;
  for (Value result : results) {
    FailureOr<DictionaryAttr> attrs = describeSizes(result, resolver, ordered);
    if (failed(attrs))
      return failure();
    resultAttrs.push_back(*attrs);
  }
  for (Value input : inputs) {
    FailureOr<DictionaryAttr> attrs = describeSizes(input, resolver, ordered);
    if (failed(attrs))
      return failure();
    argumentAttrs.push_back(*attrs);
  }
  for (Value size : sizes)
    if (!llvm::is_contained(ordered, size))
      ordered.push_back(size);
  argumentAttrs.append(ordered.size(), DictionaryAttr::get(context));

  SmallVector<Type> argumentTypes = llvm::map_to_vector(inputs, [](Value value) { return value.getType(); });
  argumentTypes.append(ordered.size(), IndexType::get(context));
  SmallVector<Type> resultTypes = llvm::map_to_vector(results, [](Value value) { return value.getType(); });

  OpBuilder builder(function);
  auto kernel = plan::KernelOp::create(
      builder, last->getLoc(), "kernel", FunctionType::get(context, argumentTypes, resultTypes),
      /*sym_visibility=*/StringAttr(), ArrayAttr::get(context, argumentAttrs), ArrayAttr::get(context, resultAttrs));
  Block *block = &kernel.getBody().emplaceBlock();
  IRMapping mapping;
  SmallVector<Value> captured(inputs.begin(), inputs.end());
  captured.append(ordered);
  for (Value value : captured)
    mapping.map(value, block->addArgument(value.getType(), value.getLoc()));
  builder.setInsertionPointToEnd(block);
  for (Operation *op : body) {
    Operation *clone = builder.clone(*op, mapping);
    clone->removeAttr("plan.name");
  }
  plan::ReturnOp::create(builder, last->getLoc(),
                         llvm::map_to_vector(results, [&](Value value) { return mapping.lookup(value); }));
  kernel = getOrInsert(kernel, nameOf(group));

  builder.setInsertionPointAfter(last);
  auto launch = plan::LaunchOp::create(builder, last->getLoc(), resultTypes, kernel.getSymName(), inputs.getArrayRef(),
                                       ordered, ArrayRef<int64_t>());
  for (auto [old, fresh] : llvm::zip_equal(results, launch.getResults())) {
    old.replaceAllUsesWith(fresh);
    moveViewsBehind(launch, fresh);
  }
  for (Operation *op : llvm::reverse(group.ops))
    eraseWithViews(op, resolver);
  ++launches;
  return success();
}

/// An attention or a cache append: a kernel whose body is the plan dialect's operation on explicit states.
LogicalResult KernelFormer::outlineRegionOp(Operation *op) {
  OpBuilder builder(op);
  MLIRContext *context = op->getContext();
  Location loc = op->getLoc();
  MeshAttr mesh = getMesh(op);
  auto state = [&](FlatSymbolRefAttr name) -> Value {
    auto declared = SymbolTable::lookupNearestSymbolFrom<StateOp>(op, name);
    RankedTensorType type = *getLocalType(declared.getLogicalType(), declared.getLayout(), mesh, [](const Twine &) {});
    return plan::StateOp::create(builder, loc, type, name);
  };
  SmallVector<Value> inputs, sizes;
  SmallVector<int64_t> writes;
  auto attention = dyn_cast<nn::AttentionOp>(op);
  auto append = dyn_cast<nn::CacheAppendOp>(op);
  if (attention) {
    inputs = {attention.getQuery(),     state(attention.getKeysAttr()), state(attention.getValuesAttr()),
              attention.getPositions(), attention.getQueryStarts(),     attention.getBlockTable()};
  } else {
    inputs = {state(append.getStateAttr()), append.getRows(), append.getSlots()};
    writes = {0};
  }
  SmallVector<Attribute> argumentAttrs, resultAttrs;
  // The kernels take rows, then sequences; pages are not counted.
  for (Value input : inputs) {
    if (input.getDefiningOp<plan::StateOp>()) {
      argumentAttrs.push_back(
          builder.getDictionaryAttr(builder.getNamedAttr(plan::attribute::sizes, builder.getDenseI64ArrayAttr({-1}))));
      continue;
    }
    // Query starts have one entry more than there are sequences: the kernel derives it.
    if (attention && input == attention.getQueryStarts()) {
      argumentAttrs.push_back(
          builder.getDictionaryAttr(builder.getNamedAttr(plan::attribute::sizes, builder.getDenseI64ArrayAttr({-1}))));
      continue;
    }
    FailureOr<DictionaryAttr> attrs = describeSizes(input, resolver, sizes);
    if (failed(attrs))
      return failure();
    argumentAttrs.push_back(*attrs);
  }
  if (attention) {
    FailureOr<DictionaryAttr> attrs = describeSizes(attention.getResult(), resolver, sizes);
    if (failed(attrs))
      return failure();
    resultAttrs.push_back(*attrs);
  }
  argumentAttrs.append(sizes.size(), DictionaryAttr::get(context));
  SmallVector<Type> argumentTypes = llvm::map_to_vector(inputs, [](Value value) { return value.getType(); });
  argumentTypes.append(sizes.size(), builder.getIndexType());

  OpBuilder outer(function);
  auto kernel = plan::KernelOp::create(outer, loc, "kernel",
                                       FunctionType::get(context, argumentTypes, op->getResultTypes()), StringAttr(),
                                       ArrayAttr::get(context, argumentAttrs), ArrayAttr::get(context, resultAttrs));
  Block *block = &kernel.getBody().emplaceBlock();
  for (Type type : argumentTypes)
    block->addArgument(type, loc);
  outer.setInsertionPointToEnd(block);
  ValueRange a = block->getArguments();
  if (attention) {
    auto body = plan::PagedAttentionOp::create(outer, loc, a[0].getType(), a[0], a[1], a[2], a[3], a[4], a[5],
                                               attention.getScaleAttr());
    plan::ReturnOp::create(outer, loc, body.getResult());
  } else {
    plan::CacheAppendOp::create(outer, loc, a[0], a[1], a[2]);
    plan::ReturnOp::create(outer, loc, ValueRange());
  }
  kernel = getOrInsert(kernel, op->getName().stripDialect());
  auto launch = plan::LaunchOp::create(builder, loc, op->getResultTypes(), kernel.getSymName(), inputs, sizes, writes);
  op->replaceAllUsesWith(launch);
  resolver.erase(op);
  ++launches;
  return success();
}

LogicalResult KernelFormer::run() {
  materialiseViews();
  SmallVector<Operation *> regionOps;
  function.walk([&](Operation *op) {
    if (isa<nn::AttentionOp, nn::CacheAppendOp>(op))
      regionOps.push_back(op);
  });
  for (Operation *op : regionOps)
    if (failed(outlineRegionOp(op)))
      return failure();
  makeGroups();
  for (Group &group : groups)
    if (!group.ops.empty() && failed(outline(group)))
      return failure();
  // What the kernels copied is dead now, and so are sizes that only led to other sizes.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  return success();
}

struct FormKernels : muster::impl::FormKernelsPassBase<FormKernels> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function.isExternal())
        continue;
      KernelFormer former(function, symbols);
      if (failed(former.run()))
        return signalPassFailure();
      kernelsFormed += former.kernels;
      launchesMade += former.launches;
    }
  }
};

} // namespace
