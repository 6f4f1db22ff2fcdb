// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass muster-interpret: options, inputs from JSON, results as text. Interpreter.h is what it calls.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/Passes.h"
#include "compiler/Reference/RandomValues.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <limits>
#include <numeric>
#include <set>

namespace muster::reference {
#define GEN_PASS_DEF_INTERPRETPASS
#include "compiler/Reference/Passes.h.inc"
} // namespace muster::reference

using namespace mlir;
using namespace muster;
using namespace muster::reference;

static llvm::Error fail(const Twine &text) { return llvm::createStringError(llvm::inconvertibleErrorCode(), text); }

//===----------------------------------------------------------------------===//
// Values from JSON
//===----------------------------------------------------------------------===//

static llvm::Error readElements(const llvm::json::Value &value, int64_t dim, SmallVectorImpl<int64_t> &shape,
                                std::vector<Number> &elements, bool isReal) {
  if (const llvm::json::Array *list = value.getAsArray()) {
    if (dim == static_cast<int64_t>(shape.size()) && elements.empty())
      shape.push_back(static_cast<int64_t>(list->size()));
    if (dim >= static_cast<int64_t>(shape.size()) || static_cast<int64_t>(list->size()) != shape[dim])
      return fail("expected nested lists of equal lengths");
    for (const llvm::json::Value &item : *list)
      if (llvm::Error error = readElements(item, dim + 1, shape, elements, isReal))
        return error;
    return llvm::Error::success();
  }
  if (dim != static_cast<int64_t>(shape.size()))
    return fail("expected nested lists of equal depth");
  if (isReal && value.getAsNumber())
    elements.push_back(Number::ofReal(*value.getAsNumber()));
  else if (!isReal && value.getAsInteger())
    elements.push_back(Number::ofInteger(*value.getAsInteger()));
  else
    return fail(isReal ? "expected a number" : "expected an integer");
  return llvm::Error::success();
}

/// The logical tensor that nested lists spell. Dims of an empty list that do not show are taken from `type`.
static llvm::Expected<Tensor> readTensor(const llvm::json::Value &value, RankedTensorType type) {
  SmallVector<int64_t> shape;
  std::vector<Number> elements;
  bool isReal = isa<FloatType>(type.getElementType());
  if (llvm::Error error = readElements(value, 0, shape, elements, isReal))
    return error;
  while (static_cast<int64_t>(shape.size()) < type.getRank() && elements.empty())
    shape.push_back(std::max<int64_t>(type.getDimSize(static_cast<int64_t>(shape.size())), 0));
  Tensor tensor(shape, type.getElementType());
  if (tensor.getElementCount() != static_cast<int64_t>(elements.size()))
    return fail("expected nested lists of equal lengths");
  for (auto [element, number] : llvm::zip_equal(tensor.getElements(), elements))
    element = isReal ? Number::ofReal(roundToType(number.real, type.getElementType())) : number;
  return tensor;
}

namespace {

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct InterpretPass : muster::reference::impl::InterpretPassBase<InterpretPass> {
  using InterpretPassBase::InterpretPassBase;

  void runOnOperation() override {
    markAllAnalysesPreserved();
    llvm::handleAllErrors(
        interpret(),
        [&](const InterpreterError &error) {
          (error.getOperation() ? error.getOperation() : getOperation())->emitError() << error.getText();
          signalPassFailure();
        },
        [&](const llvm::ErrorInfoBase &error) {
          getOperation()->emitError() << error.message();
          signalPassFailure();
        });
  }

private:
  llvm::Error interpret();
  llvm::Error readOptions(InterpreterOptions &parsed);
  llvm::Error readInputFile();
  llvm::Expected<func::FuncOp> findEntry();
  llvm::Error setWeights(Interpreter &interpreter);
  llvm::Expected<Tensor> makeInput(func::FuncOp function, unsigned index, MeshAttr mesh,
                                   const InterpreterOptions &parsed);
  llvm::Expected<int64_t> getLogicalSize(func::FuncOp function, LayoutDimAttr dim, int64_t local, MeshAttr mesh,
                                         const InterpreterOptions &parsed);
  void printRanks(func::FuncOp function, const std::vector<RankValues> &results);
  llvm::Error printLogical(Interpreter &interpreter, func::FuncOp function, const std::vector<RankValues> &results);

  RandomReals reals = RandomReals::Uniform;
  const llvm::json::Value *getGiven(StringRef key) const { return inputFile.getAsObject()->get(key); }
  llvm::json::Value inputFile = llvm::json::Object(); ///< always an object
};

} // namespace

llvm::Error InterpretPass::readOptions(InterpreterOptions &parsed) {
  parsed.float64 = float64;
  parsed.pages = pages;
  if (values != "uniform" && values != "integers")
    return fail("expected option 'values' to be uniform or integers but got '" + values + "'");
  std::set<std::string> seen;
  reals = values == "integers" ? RandomReals::Integers : RandomReals::Uniform;
  if (print != "logical" && print != "ranks" && print != "both")
    return fail("expected option 'print' to be logical, ranks or both but got '" + print + "'");
  for (StringRef size : sizes) {
    auto [name, list] = size.split('=');
    SmallVector<StringRef> numbers;
    list.split(numbers, ':');
    std::vector<int64_t> values(numbers.size());
    for (auto [number, value] : llvm::zip_equal(numbers, values))
      if (number.getAsInteger(10, value) || value < 0)
        return fail("expected option 'sizes' to be of the form t=5,tokens@step=3:0,prefills=1:0 but got '" + size +
                    "'");
    bool isDim = values.size() == 1 && !name.contains('@');
    // A dim and a field of the step record may share a name.
    if (!seen.insert((isDim ? "" : ":") + name.str()).second)
      return fail("expected '" + name + "' once in option 'sizes' but got it twice");
    for (int64_t value : values)
      if (value > greatestElementCount)
        return fail("expected sizes of at most " + Twine(greatestElementCount) + " in option 'sizes' but got '" + size +
                    "'");
    if (name.contains('@'))
      parsed.sizes.counts[name] = values;
    else if (isDim)
      parsed.sizes.dims[name] = values.front();
    else
      parsed.sizes.fields[name] = values;
  }
  return llvm::Error::success();
}

llvm::Error InterpretPass::readInputFile() {
  inputFile = llvm::json::Object();
  if (inputs.empty())
    return llvm::Error::success();
  auto buffer = llvm::MemoryBuffer::getFile(inputs);
  if (!buffer)
    return fail("cannot read '" + inputs + "' because of: " + buffer.getError().message());
  auto value = llvm::json::parse((*buffer)->getBuffer());
  if (!value)
    return value.takeError();
  if (!value->getAsObject())
    return fail("expected '" + inputs + "' to hold a JSON object");
  inputFile = std::move(*value);
  return llvm::Error::success();
}

llvm::Expected<func::FuncOp> InterpretPass::findEntry() {
  func::FuncOp found;
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (!entry.empty() ? function.getName() != entry : function.isPrivate())
      continue;
    if (found)
      return fail("expected option 'entry' because the module has several public functions");
    found = function;
  }
  if (!found)
    return fail(entry.empty() ? Twine("expected a public function but the module has none")
                              : "references unknown entry @" + Twine(entry));
  return found;
}

llvm::Error InterpretPass::setWeights(Interpreter &interpreter) {
  for (auto weight : getOperation().getOps<WeightOp>()) {
    RankedTensorType type = weight.getLogicalType();
    if (interpreter.hasWeight(weight.getSymName()))
      continue;
    const llvm::json::Value *given = getGiven(("@" + weight.getSymName()).str());
    if (std::string reason = whyNoTensor(type.getShape()); !given && !reason.empty())
      return fail("weight @" + weight.getSymName() + ": " + reason);
    llvm::Expected<Tensor> value = given
                                       ? readTensor(*given, type)
                                       : makeRandom(type.getShape(), type.getElementType(), static_cast<uint64_t>(seed),
                                                    ("@" + weight.getSymName()).str(), reals, 2);
    if (!value)
      return fail("weight @" + weight.getSymName() + ": " + toString(value.takeError()));
    if (llvm::Error error = interpreter.setWeight(weight.getSymName(), std::move(*value)))
      return error;
  }
  return llvm::Error::success();
}

/// The logical size of a dim of an argument: from its type, the options or the bounds.
llvm::Expected<int64_t> InterpretPass::getLogicalSize(func::FuncOp function, LayoutDimAttr dim, int64_t local,
                                                      MeshAttr mesh, const InterpreterOptions &parsed) {
  if (dim && dim.getSegmented()) {
    int64_t size = 0;
    for (LayoutTermAttr term : dim.getTerms())
      size += term.getExtent();
    return size;
  }
  int64_t parts = 1;
  if (dim)
    for (LayoutTermAttr term : dim.getTerms())
      for (AxisRefAttr axis : term.getAxes())
        parts *= axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
  if (!ShapedType::isDynamic(local))
    return llvm::MulOverflow(local, parts, local) ? std::numeric_limits<int64_t>::max() : local;
  if (!dim)
    return fail("cannot tell the size of a dynamic dim without layout");
  int64_t size = 1;
  // A product of which there is no tensor anyway stays one.
  auto multiply = [&](int64_t by) {
    if (llvm::MulOverflow(size, by, size))
      size = std::numeric_limits<int64_t>::max();
  };
  for (LayoutTermAttr term : dim.getTerms()) {
    auto counts = parsed.sizes.counts.find((term.getUnit() + "@" + term.getEpoch()).str());
    if (term.isRagged() && counts != parsed.sizes.counts.end()) {
      multiply(std::accumulate(counts->second.begin(), counts->second.end(), int64_t(0)));
      continue;
    }
    auto given = parsed.sizes.dims.find(term.getName());
    auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
    auto bound = bounds ? bounds.getAs<IntegerAttr>(term.getName()) : IntegerAttr();
    if (given == parsed.sizes.dims.end() && !bound)
      return fail("expected a size of dim '" + term.getName() + "' in option 'sizes' or in 'muster.bounds'");
    multiply(given != parsed.sizes.dims.end() ? given->second : std::min<int64_t>(bound.getInt(), 5));
  }
  return size;
}

llvm::Expected<Tensor> InterpretPass::makeInput(func::FuncOp function, unsigned index, MeshAttr mesh,
                                                const InterpreterOptions &parsed) {
  Type argument = function.getArgumentTypes()[index];
  auto type = dyn_cast<RankedTensorType>(argument);
  if (!type && (argument.isIntOrIndexOrFloat()))
    type = RankedTensorType::get({}, argument);
  if (!type)
    return fail("unsupported type of argument " + Twine(index));
  auto name = function.getArgAttrOfType<StringAttr>(index, attribute::name);
  std::string port = name ? name.getValue().str() : std::to_string(index);
  if (const llvm::json::Value *given = getGiven(port)) {
    auto tensor = readTensor(*given, type);
    if (!tensor)
      return fail("input '" + port + "': " + toString(tensor.takeError()));
    return tensor;
  }
  auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
  SmallVector<int64_t> shape;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    auto size =
        getLogicalSize(function, layout ? layout.getDims()[dim] : LayoutDimAttr(), type.getDimSize(dim), mesh, parsed);
    if (!size)
      return fail("input '" + port + "': " + toString(size.takeError()));
    shape.push_back(*size);
  }
  if (std::string reason = whyNoTensor(shape); !reason.empty())
    return fail("input '" + port + "': " + reason);
  auto bound = function.getArgAttrOfType<IntegerAttr>(index, attribute::bound);
  return makeRandom(shape, type.getElementType(), static_cast<uint64_t>(seed), port, reals, bound ? bound.getInt() : 2);
}

static std::string getResultName(func::FuncOp function, size_t index) {
  auto name = function.getResultAttrOfType<StringAttr>(static_cast<unsigned>(index), attribute::name);
  return "result " + std::to_string(index) + (name ? " '" + name.getValue().str() + "'" : "");
}

void InterpretPass::printRanks(func::FuncOp function, const std::vector<RankValues> &results) {
  for (auto [index, values] : llvm::enumerate(results))
    for (auto [rank, value] : llvm::enumerate(values)) {
      llvm::outs() << getResultName(function, index) << " on rank " << rank << ": ";
      value->print(llvm::outs(), float64);
      llvm::outs() << "\n";
    }
}

llvm::Error InterpretPass::printLogical(Interpreter &interpreter, func::FuncOp function,
                                        const std::vector<RankValues> &results) {
  auto logical = interpreter.gatherResults(function.getName(), results);
  if (!logical)
    return logical.takeError();
  for (auto [index, value] : llvm::enumerate(*logical)) {
    llvm::outs() << getResultName(function, index) << ": ";
    value.print(llvm::outs(), float64);
    llvm::outs() << "\n";
  }
  return llvm::Error::success();
}

llvm::Error InterpretPass::interpret() {
  InterpreterOptions parsed;
  if (llvm::Error error = readOptions(parsed))
    return error;
  if (llvm::Error error = readInputFile())
    return error;
  auto function = findEntry();
  if (!function)
    return function.takeError();
  Interpreter interpreter(getOperation(), parsed);
  auto mesh = interpreter.getEntryMesh(function->getName());
  if (!mesh)
    return mesh.takeError();
  if (llvm::Error error = setWeights(interpreter))
    return error;
  std::vector<Tensor> logical;
  for (unsigned index = 0; index < function->getNumArguments(); ++index) {
    auto input = makeInput(*function, index, *mesh, parsed);
    if (!input)
      return input.takeError();
    logical.push_back(std::move(*input));
  }
  auto parts = interpreter.scatterInputs(function->getName(), logical);
  if (!parts)
    return parts.takeError();
  auto results = interpreter.run(function->getName(), std::move(*parts));
  if (!results)
    return results.takeError();
  if (print != "logical")
    printRanks(*function, *results);
  if (print != "ranks")
    if (llvm::Error error = printLogical(interpreter, *function, *results))
      return error;
  llvm::outs().flush();
  return llvm::Error::success();
}
