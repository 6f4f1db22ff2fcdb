// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/Tensor.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"

#include <cassert>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace muster::reference;

static int64_t countElements(llvm::ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::string muster::reference::whyNoTensor(llvm::ArrayRef<int64_t> shape) {
  if (llvm::any_of(shape, [](int64_t size) { return size < 0; }))
    return "expected sizes of at least 0 but got " + formatShape(shape);
  if (llvm::is_contained(shape, 0))
    return {};
  int64_t count = 1;
  for (int64_t size : shape)
    if (size > greatestElementCount || (count *= size) > greatestElementCount)
      return "expected sizes of at most " + std::to_string(greatestElementCount) + " elements but got " +
             formatShape(shape);
  return {};
}

Tensor::Tensor(llvm::ArrayRef<int64_t> shape, Type elementType)
    : Tensor(shape, elementType, getUndefined(elementType)) {}

Tensor::Tensor(llvm::ArrayRef<int64_t> shape, Type elementType, Number fill)
    : shape(shape), elementType(elementType), elements(countElements(shape), fill) {}

Tensor Tensor::ofReals(llvm::ArrayRef<int64_t> shape, Type elementType, llvm::ArrayRef<double> values) {
  Tensor tensor(shape, elementType);
  assert(values.size() == tensor.elements.size() && "as many values as elements");
  for (auto [element, value] : llvm::zip_equal(tensor.elements, values))
    element.real = value;
  return tensor;
}

Tensor Tensor::ofIntegers(llvm::ArrayRef<int64_t> shape, Type elementType, llvm::ArrayRef<int64_t> values) {
  Tensor tensor(shape, elementType);
  assert(values.size() == tensor.elements.size() && "as many values as elements");
  for (auto [element, value] : llvm::zip_equal(tensor.elements, values))
    element.integer = value;
  return tensor;
}

int64_t Tensor::getPosition(llvm::ArrayRef<int64_t> index) const {
  assert(contains(index) && "index inside the tensor");
  int64_t position = 0;
  for (size_t dim = 0; dim < shape.size(); ++dim)
    position = position * shape[dim] + index[dim];
  return position;
}

bool Tensor::contains(llvm::ArrayRef<int64_t> index) const {
  if (index.size() != shape.size())
    return false;
  for (auto [i, size] : llvm::zip_equal(index, shape))
    if (i < 0 || i >= size)
      return false;
  return true;
}

Tensor Tensor::reshaped(llvm::ArrayRef<int64_t> newShape) const {
  assert(countElements(newShape) == getElementCount() && "as many elements");
  Tensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

bool Tensor::isIdentical(const Tensor &other) const {
  if (shape != other.shape || elementType != other.elementType)
    return false;
  for (auto [a, b] : llvm::zip_equal(elements, other.elements))
    if (a.integer != b.integer && !(isReal() && std::isnan(a.real) && std::isnan(b.real)))
      return false;
  return true;
}

static void printNumber(llvm::raw_ostream &os, const Tensor &tensor, Number number, bool wide) {
  if (!tensor.isReal()) {
    os << number.integer;
    return;
  }
  if (std::isnan(number.real))
    os << "nan";
  else if (wide || tensor.getElementType().isF64())
    os << llvm::format("%.17g", number.real);
  else
    os << llvm::format("%.9g", number.real);
}

static void printDim(llvm::raw_ostream &os, const Tensor &tensor, int64_t dim, int64_t &position, bool wide) {
  if (dim == tensor.getRank()) {
    printNumber(os, tensor, tensor.getElements()[position++], wide);
    return;
  }
  os << "[";
  for (int64_t i = 0; i < tensor.getDimSize(dim); ++i) {
    if (i > 0)
      os << ", ";
    printDim(os, tensor, dim + 1, position, wide);
  }
  os << "]";
}

void Tensor::print(llvm::raw_ostream &os, bool wide) const {
  for (int64_t size : shape)
    os << size << "x";
  os << elementType << " ";
  int64_t position = 0;
  printDim(os, *this, 0, position, wide);
}

std::string Tensor::getText(bool wide) const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  print(stream, wide);
  return text;
}

Number muster::reference::getUndefined(Type elementType) {
  if (llvm::isa<FloatType>(elementType))
    return Number::ofReal(std::numeric_limits<double>::quiet_NaN());
  return Number::ofInteger(wrapToType(static_cast<int64_t>(0xDEADDEADDEADDEADull), elementType));
}

double muster::reference::roundToType(double value, Type floatType) {
  if (floatType.isF64() || std::isnan(value))
    return value;
  if (floatType.isF32())
    return static_cast<float>(value);
  llvm::APFloat number(value);
  bool losesInfo = false;
  number.convert(llvm::cast<FloatType>(floatType).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

int64_t muster::reference::wrapToType(int64_t value, Type integerType) {
  auto type = llvm::dyn_cast<IntegerType>(integerType);
  if (!type || type.getWidth() >= 64)
    return value;
  unsigned width = type.getWidth();
  uint64_t bits = static_cast<uint64_t>(value) & ((uint64_t(1) << width) - 1);
  if (width > 1 && (bits >> (width - 1)) != 0)
    bits |= ~((uint64_t(1) << width) - 1);
  return static_cast<int64_t>(bits);
}

void muster::reference::forEachIndex(llvm::ArrayRef<int64_t> shape,
                                     llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit) {
  llvm::SmallVector<int64_t, 6> index(shape.size(), 0);
  if (llvm::is_contained(shape, 0))
    return;
  while (true) {
    visit(index);
    int64_t dim = static_cast<int64_t>(shape.size()) - 1;
    while (dim >= 0 && ++index[dim] == shape[dim])
      index[dim--] = 0;
    if (dim < 0)
      return;
  }
}

std::string muster::reference::formatShape(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [dim, size] : llvm::enumerate(shape))
    text += (dim > 0 ? ", " : "") + std::to_string(size);
  return text + "]";
}
