// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values of the reference interpreter: tensors whose elements are held as double or int64, whatever their declared
// type.
#pragma once

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::reference {

/// One element: `real` where the element type is a float type, `integer` where it is an integer or index. Integers are
/// sign-extended to 64 bits, i1 is 0 or 1.
union Number {
  double real;
  int64_t integer;

  static Number ofReal(double value) {
    Number number;
    number.real = value;
    return number;
  }
  static Number ofInteger(int64_t value) {
    Number number;
    number.integer = value;
    return number;
  }
};

/// The most elements that a tensor may have here: 2 GiB of them.
inline constexpr int64_t greatestElementCount = int64_t(1) << 28;

/// Why there is no tensor of these sizes: one is below 0, or they make too many elements. Empty where there is.
std::string whyNoTensor(llvm::ArrayRef<int64_t> shape);

/// A dense tensor in row-major order. A scalar is a tensor without dims. Owns its elements.
class Tensor {
public:
  Tensor() = default;
  /// Every element is undefined (see `getUndefined`). Sizes that a program or an option says are checked before
  /// (`whyNoTensor`).
  Tensor(llvm::ArrayRef<int64_t> shape, mlir::Type elementType);
  Tensor(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, Number fill);
  static Tensor scalar(mlir::Type type, Number value) { return Tensor({}, type, value); }
  static Tensor ofReals(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, llvm::ArrayRef<double> values);
  static Tensor ofIntegers(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, llvm::ArrayRef<int64_t> values);

  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return static_cast<int64_t>(shape.size()); }
  int64_t getDimSize(int64_t dim) const { return shape[dim]; }
  int64_t getElementCount() const { return static_cast<int64_t>(elements.size()); }
  mlir::Type getElementType() const { return elementType; }
  bool isReal() const { return llvm::isa<mlir::FloatType>(elementType); }

  llvm::ArrayRef<Number> getElements() const { return elements; }
  llvm::MutableArrayRef<Number> getElements() { return elements; }
  /// Row-major position of an index; the index must lie inside.
  int64_t getPosition(llvm::ArrayRef<int64_t> index) const;
  bool contains(llvm::ArrayRef<int64_t> index) const;
  Number &at(llvm::ArrayRef<int64_t> index) { return elements[getPosition(index)]; }
  Number at(llvm::ArrayRef<int64_t> index) const { return elements[getPosition(index)]; }
  double real(llvm::ArrayRef<int64_t> index) const { return at(index).real; }
  int64_t integer(llvm::ArrayRef<int64_t> index) const { return at(index).integer; }
  /// Element of a scalar.
  Number getScalar() const { return elements.front(); }

  /// The same elements in another shape of as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> newShape) const;

  /// Same shape, element type and elements; NaN equals NaN, and 0.0 differs from -0.0.
  bool isIdentical(const Tensor &other) const;

  /// `2x3xf32 [[1, 2, 3], [4, 5, 6]]`: enough digits to tell two values of the element type apart; 17 where `wide`.
  void print(llvm::raw_ostream &os, bool wide = false) const;
  std::string getText(bool wide = false) const;

private:
  llvm::SmallVector<int64_t, 4> shape;
  mlir::Type elementType;
  std::vector<Number> elements;
};

/// What an element holds that nobody has written: NaN, or a conspicuous integer.
Number getUndefined(mlir::Type elementType);

/// `value` rounded to the nearest value of a float type of at most 64 bits (half to even).
double roundToType(double value, mlir::Type floatType);

/// `value` reduced to the width of an integer type and sign-extended (i1: 0 or 1); index keeps 64 bits.
int64_t wrapToType(int64_t value, mlir::Type integerType);

/// Calls `visit` with every index below `shape`, last dim fastest.
void forEachIndex(llvm::ArrayRef<int64_t> shape, llvm::function_ref<void(llvm::ArrayRef<int64_t>)> visit);

std::string formatShape(llvm::ArrayRef<int64_t> shape);

/// A value as the interpreter keeps it: immutable and shared.
using TensorHandle = std::shared_ptr<const Tensor>;
inline TensorHandle share(Tensor tensor) { return std::make_shared<const Tensor>(std::move(tensor)); }

/// One value on every rank, in the order of rank numbers.
using RankValues = std::vector<TensorHandle>;

} // namespace muster::reference
