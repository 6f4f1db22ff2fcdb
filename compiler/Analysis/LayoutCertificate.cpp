// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutCertificate.h"

#include "compiler/Layout/Readings.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace muster;
using llvm::json::Array;
using llvm::json::Object;

LayoutCertificate::LayoutCertificate(ModuleOp module) {
  int64_t count = 0;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) { numbers[op] = count++; });
}

void LayoutCertificate::beginFunction(func::FuncOp function) {
  if (!functions.empty() && functions.back().name == function.getSymName())
    functions.pop_back();
  functions.push_back({function.getSymName().str(), "", {}});
  ownSpaces.clear();
}

/// A number, or a list of numbers and symbols whose product it is. A symbol has the name of its dim or axis.
llvm::json::Value LayoutCertificate::toJson(const layout::Universe &universe, const layout::Size &size) const {
  if (size.isConcrete())
    return size.getValue();
  Array factors;
  if (size.getCoefficient() != 1)
    factors.push_back(size.getCoefficient());
  for (auto [index, name] : llvm::enumerate(universe.symbols.getNames()))
    for (unsigned i = 0; i < size.getExponent(static_cast<unsigned>(index)); ++i)
      factors.push_back(StringRef(name).split('/').first.str());
  return factors;
}

/// The axis of the mesh and, where it is not 1, the weight in it.
void LayoutCertificate::addAxis(Array &item, const layout::Universe &universe, layout::AxisId id,
                                layout::Size weight) const {
  const layout::Axis &axis = universe.axes[id];
  item.push_back(axis.whole.empty() ? axis.name : axis.whole);
  weight *= axis.weight;
  if (!weight.isOne())
    item.push_back(toJson(universe, weight));
}

llvm::json::Value LayoutCertificate::toJson(const layout::Universe &universe, ArrayRef<layout::Digit> digits) const {
  Array run;
  for (const layout::Digit &digit : digits) {
    auto own = ownSpaces.find(digit.space);
    bool isDuplicate = digit.stride.isZero();
    std::string space = isDuplicate ? "" : own == ownSpaces.end() ? universe.spaces[digit.space].name : own->second;
    Array item{toJson(universe, digit.count), toJson(universe, digit.stride), space};
    if (digit.isMesh())
      addAxis(item, universe, digit.axis, digit.weight);
    run.push_back(std::move(item));
  }
  return run;
}

static StringRef nameOf(layout::Reduction reduction) {
  switch (reduction) {
  case layout::Reduction::Sum:
    return "sum";
  case layout::Reduction::Maximum:
    return "max";
  case layout::Reduction::Minimum:
    return "min";
  case layout::Reduction::Product:
    return "product";
  }
  llvm_unreachable("unknown reduction");
}

void LayoutCertificate::add(Operation *op, const layout::Universe &universe, const layout::Value &value) {
  layout::Value reading = layout::readingsOf(universe, value).front();
  // A shard that no dim claims stands before a dim of one local element.
  auto isUnit = [](const layout::Dim &dim) { return dim.localSize().isOne(); };
  for (const layout::Digit &digit : reading.floats)
    if (!reading.dims.empty()) {
      auto dim = llvm::find_if(reading.dims, isUnit);
      (dim == reading.dims.end() ? reading.dims.front() : *dim)
          .digits.insert((dim == reading.dims.end() ? reading.dims.front() : *dim).digits.begin(), digit);
    }
  std::string number = std::to_string(numbers.lookup(op));
  for (auto [i, dim] : llvm::enumerate(reading.dims))
    for (const layout::Digit &digit : dim.digits) {
      if (isa<arith::ConstantOp>(op))
        ownSpaces[digit.space] = "constant " + number + "." + std::to_string(i);
      if (isa<tensor::GenerateOp>(op))
        ownSpaces[digit.space] = "positions " + number;
    }
  Array dims, pending;
  for (const layout::Dim &dim : reading.dims) {
    if (!dim.isSegmented()) {
      dims.push_back(toJson(universe, dim.digits));
      continue;
    }
    Array parts;
    for (const layout::Dim &segment : dim.segments)
      parts.push_back(toJson(universe, segment.digits));
    dims.push_back(Object{{"packed", std::move(parts)}});
  }
  for (const layout::Pending &part : reading.pending) {
    Array item{toJson(universe, part.count), 0, nameOf(part.reduction)};
    addAxis(item, universe, part.axis, part.weight);
    pending.push_back(std::move(item));
  }
  Object map{{"dims", std::move(dims)}};
  if (!pending.empty())
    map["pending"] = std::move(pending);
  functions.back().values.push_back(
      Object{{"op", numbers.lookup(op)}, {"name", op->getName().getStringRef()}, {"map", std::move(map)}});
}

void LayoutCertificate::print(llvm::raw_ostream &stream, StringRef digest) const {
  stream << "{\"muster_certificate\": 1,\n \"program\": \"" << digest << "\",\n \"functions\": [";
  for (const Function &function : functions) {
    stream << (&function == &functions.front() ? "\n" : ",\n") << "  {\"name\": " << llvm::json::Value(function.name)
           << ", ";
    if (!function.uncovered.empty())
      stream << "\"uncovered\": " << llvm::json::Value(function.uncovered) << ", ";
    stream << "\"values\": [";
    for (const llvm::json::Value &value : function.values)
      stream << (&value == &function.values.front() ? "\n" : ",\n") << "    " << value;
    stream << "]}";
  }
  stream << "]}\n";
}
