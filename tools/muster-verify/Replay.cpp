// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-verify/Replay.h"

#include "compiler/Reference/Interpreter.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace muster;
using reference::Interpreter;
using reference::Tensor;

static llvm::Error fail(const Twine &text) { return llvm::createStringError("cannot replay because " + text); }

namespace {

/// The program of one finding at concrete sizes, with the value in question as its last result.
class Program {
public:
  explicit Program(const LayoutFinding &finding) : finding(finding), example(*finding.counterexample) {}

  llvm::Expected<std::string> run();

private:
  llvm::Error copy();
  llvm::Error chooseSizes();
  llvm::Error checkMovement(mlir::Value value);
  llvm::Expected<SmallVector<int64_t>> logicalShape(unsigned argument);
  llvm::Expected<std::string> explain(int64_t number);

  const LayoutFinding &finding;
  const LayoutCounterexample &example;
  OwningOpRef<ModuleOp> module;
  func::FuncOp entry;
  unsigned result = 0;
  reference::InterpreterOptions options;
  SmallVector<SmallVector<int64_t>> shapes;
  SmallVector<int64_t> bases; ///< number of the first element of each argument
};

} // namespace

/// What is moved, not computed: every element of the value is an element of an argument.
llvm::Error Program::checkMovement(mlir::Value value) {
  SmallVector<mlir::Value> work{value};
  llvm::SmallDenseSet<mlir::Value, 16> seen;
  while (!work.empty()) {
    mlir::Value own = work.pop_back_val();
    if (!isa<RankedTensorType>(own.getType()) || !seen.insert(own).second)
      continue;
    Operation *op = own.getDefiningOp();
    if (!op)
      continue;
    if (!isa<tensor::EmptyOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp,
             tensor::ExtractSliceOp, tensor::ConcatOp, linalg::TransposeOp, ExchangeOp, AllToAllOp, AllGatherOp,
             SliceOp, BroadcastOp, PermuteOp, AssertLayoutOp>(op))
      return fail("'" + op->getName().getStringRef() + "' computes the value");
    llvm::append_range(work, op->getOperands());
  }
  return llvm::Error::success();
}

llvm::Error Program::copy() {
  auto original = finding.op->getParentOfType<func::FuncOp>();
  auto source = original->getParentOfType<ModuleOp>();
  IRMapping mapping;
  module = cast<ModuleOp>(source->clone(mapping));
  entry = module->lookupSymbol<func::FuncOp>(original.getName());
  Operation *op = mapping.lookup(finding.op);
  if (auto claim = dyn_cast<AssertLayoutOp>(op)) {
    Operation *terminator = entry.getBody().front().getTerminator();
    if (claim->getBlock() != terminator->getBlock())
      return fail("the claim stands in a region");
    result = terminator->getNumOperands();
    terminator->insertOperands(result, claim.getInput());
    SmallVector<Type> results(entry.getResultTypes());
    results.push_back(claim.getInput().getType());
    entry.setType(FunctionType::get(module->getContext(), entry.getArgumentTypes(), results));
    return checkMovement(claim.getInput());
  }
  if (!isa<func::ReturnOp>(op))
    return fail("the finding is about an operation");
  result = finding.result;
  return checkMovement(op->getOperand(result));
}

/// Of symbolic programs: the sizes of the counterexample. A symbol is an axis, a dim, or a dim divided by axes.
llvm::Error Program::chooseSizes() {
  llvm::StringMap<int64_t> symbols;
  for (const auto &[name, value] : example.symbols)
    symbols[name] = value;
  module->walk([&](MeshOp op) {
    SmallVector<MeshAxisAttr> axes;
    for (MeshAxisAttr axis : op.getMesh().getAxes()) {
      auto chosen = symbols.find(axis.getName());
      axes.push_back(MeshAxisAttr::get(module->getContext(), axis.getName(),
                                       chosen == symbols.end() ? axis.getSize() : chosen->second));
    }
    op.setMeshAttr(MeshAttr::get(module->getContext(), axes));
  });
  for (const auto &[text, value] : example.symbols) {
    auto [name, divisors] = StringRef(text).split('/');
    int64_t size = value;
    SmallVector<StringRef> parts;
    divisors.split(parts, '*', -1, /*KeepEmpty=*/false);
    for (StringRef part : parts) {
      auto factor = symbols.find(part);
      int64_t number;
      if (factor != symbols.end())
        size *= factor->second;
      else if (!part.getAsInteger(10, number))
        size *= number;
      else
        return fail("the size of '" + text + "' cannot be chosen");
    }
    options.sizes.dims[name] = size;
  }
  return llvm::Error::success();
}

llvm::Expected<SmallVector<int64_t>> Program::logicalShape(unsigned argument) {
  auto layout = entry.getArgAttrOfType<LayoutAttr>(argument, attribute::layout);
  auto type = dyn_cast<RankedTensorType>(entry.getArgument(argument).getType());
  MeshAttr mesh = getMesh(entry);
  if (!layout || !type || !mesh || layout.getRank() != type.getRank())
    return fail("argument " + Twine(argument) + " has no layout");
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    LayoutDimAttr dim = layout.getDims()[static_cast<size_t>(i)];
    if (dim.getSegmented() || dim.getTerms().size() != 1)
      return fail("dim " + Twine(i) + " of argument " + Twine(argument) + " has several terms");
    LayoutTermAttr term = dim.getTerms().front();
    int64_t size = type.getDimSize(static_cast<unsigned>(i));
    for (AxisRefAttr axis : ShapedType::isDynamic(size) ? ArrayRef<AxisRefAttr>() : term.getAxes())
      size *= axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
    if (ShapedType::isDynamic(size)) {
      auto chosen = options.sizes.dims.find(term.getName());
      if (chosen == options.sizes.dims.end())
        return fail("the size of '" + term.getName() + "' is not known");
      size = chosen->second;
    }
    shape.push_back(size);
  }
  return shape;
}

static std::string list(ArrayRef<std::string> items) { return "[" + llvm::join(items, ", ") + "]"; }

/// The element with this number, and whether it is the one of the counterexample.
llvm::Expected<std::string> Program::explain(int64_t number) {
  auto after = llvm::upper_bound(bases, number);
  size_t argument = static_cast<size_t>(after - bases.begin()) - 1;
  auto layout = entry.getArgAttrOfType<LayoutAttr>(static_cast<unsigned>(argument), attribute::layout);
  llvm::StringMap<int64_t> positions;
  int64_t rest = number - bases[argument];
  for (size_t i = shapes[argument].size(); i-- > 0; rest /= shapes[argument][i])
    positions[layout.getDims()[i].getTerms().front().getName()] = rest % shapes[argument][i];
  SmallVector<std::string> names, got, wanted;
  bool agrees = true;
  for (const auto &[wantedAt, gotAt] : llvm::zip(example.wanted, example.got)) {
    auto own = positions.find(wantedAt.first);
    if (own == positions.end())
      return fail("'" + wantedAt.first + "' is no dim of argument " + Twine(argument));
    agrees &= own->second == gotAt.second;
    names.push_back(wantedAt.first);
    got.push_back(std::to_string(own->second));
    wanted.push_back(std::to_string(wantedAt.second));
  }
  SmallVector<std::string> index, rank;
  for (int64_t at : example.index)
    index.push_back(std::to_string(at));
  for (const auto &[axis, coordinate] : example.coordinates)
    rank.push_back(axis + "=" + std::to_string(coordinate));
  std::string text = "rank (" + llvm::join(rank, ", ") + ") holds at " + list(index) + " the element " + list(got) +
                     " of " + list(names) + " of argument " + std::to_string(argument) + ", where " + list(wanted) +
                     " is declared";
  if (!agrees)
    return fail("the interpreter disagrees: " + text);
  return "replayed: " + text;
}

llvm::Expected<std::string> Program::run() {
  if (llvm::Error error = copy())
    return error;
  if (llvm::Error error = chooseSizes())
    return error;
  options.float64 = true; // numbers of elements stay exact
  Interpreter interpreter(*module, options);
  std::vector<Tensor> inputs;
  int64_t next = 0;
  constexpr int64_t most = int64_t(1) << 24;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    auto shape = logicalShape(i);
    if (!shape)
      return shape.takeError();
    int64_t count = 1;
    for (int64_t size : *shape)
      if ((count *= size) > most)
        return fail("argument " + Twine(i) + " has more than 2^24 elements");
    bases.push_back(next);
    shapes.push_back(*shape);
    Type element = cast<RankedTensorType>(entry.getArgument(i).getType()).getElementType();
    Tensor input(*shape, element);
    for (reference::Number &number : input.getElements()) {
      number =
          input.isReal() ? reference::Number::ofReal(static_cast<double>(next)) : reference::Number::ofInteger(next);
      ++next;
    }
    inputs.push_back(std::move(input));
  }
  auto parts = interpreter.scatterInputs(entry.getName(), inputs);
  if (!parts)
    return parts.takeError();
  auto results = interpreter.run(entry.getName(), std::move(*parts));
  if (!results)
    return results.takeError();
  SmallVector<int64_t> coordinates;
  for (const auto &[axis, coordinate] : example.coordinates)
    coordinates.push_back(coordinate);
  const Tensor &own = *(*results)[result][static_cast<size_t>(getMesh(entry).getRank(coordinates))];
  if (!own.contains(example.index))
    return fail("the value has another shape: " + reference::formatShape(own.getShape()));
  double value = own.isReal() ? own.real(example.index) : static_cast<double>(own.integer(example.index));
  if (!(value >= 0 && value < static_cast<double>(next)))
    return fail("no element of an argument stands at the place");
  return explain(static_cast<int64_t>(value));
}

llvm::Expected<std::string> verify::replay(const LayoutFinding &finding) {
  if (!finding.counterexample)
    return fail("the finding has no counterexample");
  return Program(finding).run();
}
