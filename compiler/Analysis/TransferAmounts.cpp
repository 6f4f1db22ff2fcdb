// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/TransferAmounts.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muster;
using namespace muster::amounts;
using layout::Size;

Size amounts::symbolsOf(const Size &size) {
  return size.isZero() ? Size(1) : divide(size, Size(size.getCoefficient())).value_or(Size(1));
}

static void addTo(Sum &sum, const Size &symbols, int64_t number) {
  for (auto &[known, count] : sum)
    if (known == symbols) {
      count += number;
      return;
    }
  sum.push_back({symbols, number});
}

std::optional<Sum> amounts::evaluate(AffineExpr expression, ArrayRef<int64_t> dims, ArrayRef<Size> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expression))
    return Sum{{Size(1), constant.getValue()}};
  if (auto dim = dyn_cast<AffineDimExpr>(expression))
    return Sum{{Size(1), dims[dim.getPosition()]}};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expression)) {
    const Size &size = symbols[symbol.getPosition()];
    return Sum{{symbolsOf(size), size.getCoefficient()}};
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expression);
  if (!binary || (binary.getKind() != AffineExprKind::Add && binary.getKind() != AffineExprKind::Mul))
    return std::nullopt;
  auto left = evaluate(binary.getLHS(), dims, symbols), right = evaluate(binary.getRHS(), dims, symbols);
  if (!left || !right)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add) {
    for (const auto &[known, number] : *right)
      addTo(*left, known, number);
    return left;
  }
  Sum product;
  for (const auto &[a, times] : *left)
    for (const auto &[b, number] : *right) {
      Size symbolic = a * b;
      int64_t value;
      if (!symbolic.isValid() || llvm::MulOverflow(times, number, value))
        return std::nullopt;
      addTo(product, symbolic, value);
    }
  return product;
}

SmallVector<MemoryDim, 4> amounts::memoryOf(ArrayRef<Size> shape) {
  SmallVector<MemoryDim, 4> dims(shape.size());
  Size stride = 1;
  for (size_t dim = shape.size(); dim-- > 0;) {
    dims[dim] = {shape[dim].getCoefficient(), symbolsOf(shape[dim]), stride * symbolsOf(shape[dim])};
    stride *= shape[dim];
  }
  return dims;
}

std::optional<SmallVector<int64_t, 4>> amounts::startsAt(ArrayRef<MemoryDim> dims, Sum offset) {
  SmallVector<int64_t, 4> starts(dims.size(), 0);
  for (auto [index, dim] : llvm::enumerate(dims))
    for (auto &[symbols, number] : offset)
      if (symbols == symbolsOf(dim.stride)) {
        starts[index] = std::min(number / dim.stride.getCoefficient(), dim.count - 1);
        number -= starts[index] * dim.stride.getCoefficient();
      }
  for (const auto &[symbols, number] : offset)
    if (number != 0)
      return std::nullopt;
  return starts;
}

std::optional<std::pair<unsigned, int64_t>> amounts::Walker::dimAt(const Size &stride,
                                                                   const llvm::SmallBitVector &taken) const {
  for (auto [index, dim] : llvm::enumerate(dims)) {
    if (taken.test(static_cast<unsigned>(index)) || (dim.count == 1 && dim.unit.isOne()))
      continue;
    std::optional<Size> step = divide(stride * dim.unit, dim.stride);
    // Whole units are walked element by element.
    if (!dim.unit.isOne() && !(step && *step == Size(1) && stride * dim.unit == dim.stride))
      continue;
    if (step && step->isConcrete() && (step->isOne() || step->getValue() < dim.count))
      return std::pair(static_cast<unsigned>(index), step->getValue());
  }
  return std::nullopt;
}

std::optional<Size> amounts::single(const std::optional<Sum> &sum) {
  if (!sum)
    return std::nullopt;
  std::optional<Size> found;
  for (const auto &[symbols, number] : *sum) {
    if (number == 0)
      continue;
    if (found || number < 0)
      return std::nullopt;
    found = symbols * Size(number);
  }
  return found ? found : Size(0);
}
