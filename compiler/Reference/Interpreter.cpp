// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/Interpreter.h"

#include "compiler/Reference/Execution.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using namespace muster::reference;

char InterpreterError::ID;

void InterpreterError::log(llvm::raw_ostream &os) const {
  if (op)
    os << op->getLoc() << ": '" << op->getName() << "' ";
  os << text;
}

llvm::Error muster::reference::failAt(Operation *op, const Twine &text) {
  return llvm::make_error<InterpreterError>(op, text.str());
}

static llvm::Error fail(const Twine &text) { return failAt(nullptr, text); }

//===----------------------------------------------------------------------===//
// RankView
//===----------------------------------------------------------------------===//

int64_t RankView::getInteger(OpFoldResult value) const {
  if (auto constant = getConstantIntValue(value))
    return *constant;
  return getInteger(cast<Value>(value));
}

SmallVector<int64_t> RankView::getIntegers(ArrayRef<OpFoldResult> values) const {
  return llvm::map_to_vector(values, [&](OpFoldResult value) { return getInteger(value); });
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

/// A value has the element type and the static sizes that its SSA type promises.
static llvm::Error checkType(Operation *op, Type type, const Tensor &value, const Twine &what) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return llvm::Error::success();
  bool fits = tensor.getElementType() == value.getElementType() && tensor.getRank() == value.getRank();
  for (int64_t dim = 0; fits && dim < tensor.getRank(); ++dim)
    fits = tensor.isDynamicDim(dim) || tensor.getDimSize(dim) == value.getDimSize(dim);
  if (fits)
    return llvm::Error::success();
  std::string expected;
  llvm::raw_string_ostream(expected) << type;
  std::string got;
  llvm::raw_string_ostream(got) << value.getElementType();
  return failAt(op, "expected " + what + " of type " + expected + " but got shape " + formatShape(value.getShape()) +
                        " of " + got);
}

llvm::Expected<std::vector<RankValues>> Execution::call(func::FuncOp function, std::vector<RankValues> arguments) {
  if (function.isExternal())
    return failAt(function, "cannot run a function without body");
  Frame frame;
  return runBlock(function.getBody().front(), std::move(arguments), frame);
}

llvm::Expected<std::vector<RankValues>> Execution::runBlock(Block &block, std::vector<RankValues> arguments,
                                                            Frame &frame) {
  if (!block.getParent()->hasOneBlock())
    return failAt(block.getParentOp(), "unsupported: a region of several blocks");
  for (auto [argument, values] : llvm::zip_equal(block.getArguments(), arguments))
    frame[argument] = std::move(values);
  for (Operation &op : block.without_terminator())
    if (llvm::Error error = runOp(op, frame))
      return error;
  std::vector<RankValues> results;
  for (Value operand : block.getTerminator()->getOperands())
    results.push_back(frame[operand]);
  return results;
}

llvm::Error Execution::runOp(Operation &op, Frame &frame) {
  if (++steps > interpreter.options.greatestStepCount)
    return failAt(&op, "cannot go on because the run has done " + Twine(interpreter.options.greatestStepCount) +
                           " operations");
  GlobalResults results = compute(op, frame);
  if (!results)
    return results.takeError();
  for (auto [index, value] : llvm::enumerate(op.getResults())) {
    RankValues &values = (*results)[index];
    for (auto [rank, tensor] : llvm::enumerate(values))
      if (llvm::Error error =
              checkType(&op, value.getType(), *tensor, "result " + Twine(index) + " on rank " + Twine(rank)))
        return error;
    frame[value] = std::move(values);
  }
  return llvm::Error::success();
}

GlobalResults Execution::compute(Operation &op, Frame &frame) {
  if (isa<scf::ForOp>(op))
    return runLoop(op, frame);
  if (isa<scf::IfOp>(op))
    return runBranch(op, frame);
  if (auto callOp = dyn_cast<func::CallOp>(op)) {
    auto callee = interpreter.module.lookupSymbol<func::FuncOp>(callOp.getCallee());
    if (!callee)
      return failAt(&op, "references unknown function @" + callOp.getCallee());
    std::vector<RankValues> arguments;
    for (Value operand : op.getOperands())
      arguments.push_back(frame[operand]);
    auto results = call(callee, std::move(arguments));
    if (!results)
      return results.takeError();
    return SmallVector<RankValues, 1>(results->begin(), results->end());
  }
  if (isa_and_present<MusterDialect>(op.getDialect()))
    return interpretMusterOp(&op, frame, *this);
  if (isa_and_present<plan::PlanDialect>(op.getDialect()))
    return interpretPlanOp(&op, frame, *this);
  return computeOnEachRank(op, frame);
}

GlobalResults Execution::computeOnEachRank(Operation &op, Frame &frame) {
  SmallVector<RankValues, 1> results(op.getNumResults());
  for (int64_t rank = 0; rank < getRankCount(); ++rank) {
    RankView view(frame, rank, isExact());
    auto compute = [&]() -> LocalResults {
      if (isa_and_present<nn::NNDialect>(op.getDialect()))
        return interpretNNOp(&op, view, *this);
      if (isa_and_present<tensor::TensorDialect>(op.getDialect()))
        return interpretTensorOp(&op, view);
      if (isa_and_present<linalg::LinalgDialect>(op.getDialect()))
        return interpretLinalgOp(&op, view);
      return interpretElementwiseOp(&op, view);
    };
    LocalResults local = compute();
    if (!local)
      return local.takeError();
    for (auto [index, tensor] : llvm::enumerate(*local))
      results[index].push_back(share(std::move(tensor)));
  }
  return results;
}

llvm::Expected<int64_t> Execution::getUniform(Operation &op, Value value, const Frame &frame, StringRef what) {
  const RankValues &values = frame.find(value)->second;
  for (auto [rank, tensor] : llvm::enumerate(values))
    if (tensor->getScalar().integer != values.front()->getScalar().integer)
      return failAt(&op, "expected " + what + " to be equal on all ranks but got " +
                             Twine(values.front()->getScalar().integer) + " on rank 0 and " +
                             Twine(tensor->getScalar().integer) + " on rank " + Twine(rank));
  return values.front()->getScalar().integer;
}

GlobalResults Execution::runLoop(Operation &op, Frame &frame) {
  auto loop = cast<scf::ForOp>(op);
  int64_t bounds[3];
  for (auto [bound, value, what] :
       llvm::zip_equal(bounds, ArrayRef<Value>{loop.getLowerBound(), loop.getUpperBound(), loop.getStep()},
                       ArrayRef<StringRef>{"the lower bound", "the upper bound", "the step"})) {
    auto uniform = getUniform(op, value, frame, what);
    if (!uniform)
      return uniform.takeError();
    bound = *uniform;
  }
  if (bounds[2] < 1)
    return failAt(&op, "expected a step of at least 1 but got " + Twine(bounds[2]));
  std::vector<RankValues> carried;
  for (Value init : loop.getInitArgs())
    carried.push_back(frame[init]);
  for (int64_t i = bounds[0]; i < bounds[1]; i += bounds[2]) {
    std::vector<RankValues> arguments;
    arguments.emplace_back(getRankCount(),
                           share(Tensor::scalar(loop.getInductionVar().getType(), Number::ofInteger(i))));
    llvm::append_range(arguments, carried);
    auto results = runBlock(*loop.getBody(), std::move(arguments), frame);
    if (!results)
      return results.takeError();
    carried = std::move(*results);
  }
  return SmallVector<RankValues, 1>(carried.begin(), carried.end());
}

GlobalResults Execution::runBranch(Operation &op, Frame &frame) {
  auto branch = cast<scf::IfOp>(op);
  auto condition = getUniform(op, branch.getCondition(), frame, "the condition");
  if (!condition)
    return condition.takeError();
  Region &region = *condition != 0 ? branch.getThenRegion() : branch.getElseRegion();
  if (region.empty())
    return SmallVector<RankValues, 1>();
  auto results = runBlock(region.front(), {}, frame);
  if (!results)
    return results.takeError();
  return SmallVector<RankValues, 1>(results->begin(), results->end());
}

llvm::Expected<RankValues> Execution::load(Operation *op, StringRef name) {
  auto cached = interpreter.loaded.find(name);
  if (cached != interpreter.loaded.end())
    return cached->second;
  auto weight = interpreter.module.lookupSymbol<WeightOp>(name);
  auto value = interpreter.weights.find(name);
  if (!weight || value == interpreter.weights.end())
    return failAt(op, "cannot load weight @" + name + " because it was given no value");
  auto parts = scatter(value->second, weight.getLayout(), mesh, getSizes());
  if (!parts)
    return failAt(op, toString(parts.takeError()));
  return interpreter.loaded[name] = std::move(*parts);
}

llvm::Expected<Tensor *> Execution::getState(Operation *op, StringRef name, int64_t rank) {
  auto state = interpreter.getState(name, rank);
  if (!state)
    return failAt(op, toString(state.takeError()));
  return state;
}

//===----------------------------------------------------------------------===//
// Interpreter
//===----------------------------------------------------------------------===//

Interpreter::Interpreter(ModuleOp module, InterpreterOptions options)
    : module(module), options(std::move(options)), runSizes(this->options.sizes) {
  module.getContext()->getOrLoadDialect<MusterDialect>(); // A program without mesh runs on one of one rank.
  for (auto weight : module.getOps<WeightOp>()) {
    auto generator = weight->getAttrOfType<StringAttr>(attribute::generator);
    if (!generator || generator.getValue() != "coordinate")
      continue;
    Tensor value(weight.getLogicalType().getShape(), weight.getLogicalType().getElementType());
    for (auto [position, element] : llvm::enumerate(value.getElements()))
      element = value.isReal() ? Number::ofReal(static_cast<double>(position))
                               : Number::ofInteger(static_cast<int64_t>(position));
    weights.insert_or_assign(weight.getSymName(), std::move(value));
  }
}

llvm::Error Interpreter::setWeight(StringRef name, Tensor logical) {
  auto weight = module.lookupSymbol<WeightOp>(name);
  if (!weight)
    return fail("references unknown weight @" + name);
  if (llvm::Error error = checkType(weight, weight.getLogicalType(), logical, "a value"))
    return error;
  weights.insert_or_assign(name, std::move(logical));
  loaded.erase(name);
  return llvm::Error::success();
}

llvm::Expected<Tensor *> Interpreter::getState(StringRef name, int64_t rank) {
  auto found = states.find(name);
  if (found == states.end()) {
    auto state = module.lookupSymbol<StateOp>(name);
    if (!state)
      return fail("references unknown state @" + name);
    MeshAttr mesh = muster::getMesh(state);
    if (!mesh)
      return failAt(state, "cannot be made without a mesh");
    std::string reason;
    auto local =
        getLocalType(state.getLogicalType(), state.getLayout(), mesh, [&](const Twine &text) { reason = text.str(); });
    if (failed(local))
      return failAt(state, reason);
    SmallVector<int64_t> shape(local->getShape());
    if (!shape.empty() && ShapedType::isDynamic(shape.front()))
      shape.front() = options.pages;
    if (std::string why = whyNoTensor(shape); !why.empty())
      return failAt(state, why);
    std::vector<Tensor> memory(mesh.getRankCount(), Tensor(shape, local->getElementType()));
    found = states.try_emplace(name, std::move(memory)).first;
  }
  if (rank < 0 || rank >= static_cast<int64_t>(found->second.size()))
    return fail("expected a rank below " + Twine(found->second.size()) + " but got " + Twine(rank));
  return &found->second[rank];
}

llvm::Expected<func::FuncOp> Interpreter::lookUpEntry(StringRef entry) {
  auto function = module.lookupSymbol<func::FuncOp>(entry);
  if (!function)
    return fail("references unknown entry @" + entry);
  return function;
}

llvm::Expected<MeshAttr> Interpreter::getEntryMesh(StringRef entry) {
  auto function = lookUpEntry(entry);
  if (!function)
    return function.takeError();
  std::string reason;
  MeshAttr mesh = muster::getMesh(*function, [&](const Twine &text) { reason = text.str(); });
  if (!mesh && module.getOps<MeshOp>().empty())
    return MeshAttr::get(module.getContext(), {});
  if (!mesh)
    return failAt(*function, "cannot be run because " + reason);
  if (ShapedType::isDynamic(mesh.getRankCount()))
    return failAt(*function, "cannot be run because its mesh has a symbolic size");
  return mesh;
}

llvm::Expected<std::vector<RankValues>> Interpreter::run(StringRef entry, std::vector<RankValues> inputs) {
  auto mesh = getEntryMesh(entry);
  if (!mesh)
    return mesh.takeError();
  func::FuncOp function = *lookUpEntry(entry);
  if (inputs.size() != function.getNumArguments())
    return failAt(function,
                  "expected " + Twine(function.getNumArguments()) + " inputs but got " + Twine(inputs.size()));
  runSizes = options.sizes;
  for (auto [index, values] : llvm::enumerate(inputs)) {
    if (static_cast<int64_t>(values.size()) != mesh->getRankCount())
      return failAt(function, "expected input " + Twine(index) + " on " + Twine(mesh->getRankCount()) +
                                  " ranks but got " + Twine(values.size()));
    for (auto [rank, value] : llvm::enumerate(values))
      if (llvm::Error error = checkType(function, function.getArgumentTypes()[index], *value,
                                        "input " + Twine(index) + " on rank " + Twine(rank)))
        return error;
    if (auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout))
      if (llvm::Error error = learnSizes(values, layout, *mesh, runSizes))
        return failAt(function, "input " + Twine(index) + ": " + toString(std::move(error)));
  }
  return Execution(*this, *mesh).call(function, std::move(inputs));
}

llvm::Expected<std::vector<RankValues>> Interpreter::scatterInputs(StringRef entry, ArrayRef<Tensor> inputs) {
  auto mesh = getEntryMesh(entry);
  if (!mesh)
    return mesh.takeError();
  func::FuncOp function = *lookUpEntry(entry);
  if (inputs.size() != function.getNumArguments())
    return failAt(function,
                  "expected " + Twine(function.getNumArguments()) + " inputs but got " + Twine(inputs.size()));
  std::vector<RankValues> parts;
  for (auto [index, input] : llvm::enumerate(inputs)) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    if (!layout) {
      parts.emplace_back(mesh->getRankCount(), share(input));
      continue;
    }
    auto scattered = scatter(input, layout, *mesh, options.sizes);
    if (!scattered)
      return failAt(function, "input " + Twine(index) + ": " + toString(scattered.takeError()));
    parts.push_back(std::move(*scattered));
  }
  return parts;
}

llvm::Expected<std::vector<Tensor>> Interpreter::gatherResults(StringRef entry,
                                                               const std::vector<RankValues> &results) {
  auto mesh = getEntryMesh(entry);
  if (!mesh)
    return mesh.takeError();
  func::FuncOp function = *lookUpEntry(entry);
  std::vector<Tensor> logical;
  for (auto [index, parts] : llvm::enumerate(results)) {
    auto layout = function.getResultAttrOfType<LayoutAttr>(index, attribute::layout);
    if (layout) {
      auto gathered = gather(parts, layout, *mesh, runSizes, options.float64);
      if (!gathered)
        return failAt(function, "result " + Twine(index) + ": " + toString(gathered.takeError()));
      logical.push_back(std::move(*gathered));
      continue;
    }
    for (auto [rank, part] : llvm::enumerate(parts))
      if (!part->isIdentical(*parts.front()))
        return failAt(function, "expected result " + Twine(index) + " to be equal on all ranks but rank " +
                                    Twine(rank) + " differs from rank 0");
    logical.push_back(*parts.front());
  }
  return logical;
}

llvm::Expected<std::vector<Tensor>> Interpreter::runLogical(StringRef entry, ArrayRef<Tensor> inputs) {
  auto parts = scatterInputs(entry, inputs);
  if (!parts)
    return parts.takeError();
  auto results = run(entry, std::move(*parts));
  if (!results)
    return results.takeError();
  return gatherResults(entry, *results);
}
