// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/ScalarOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace muster::reference;

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

using RealUnary = double (*)(double);
using RealBinary = double (*)(double, double);

static double invertedRoot(double x) { return 1.0 / std::sqrt(x); }
static double negate(double x) { return -x; }
static double roundEven(double x) { return std::nearbyint(x); }
static double add(double a, double b) { return a + b; }
static double subtract(double a, double b) { return a - b; }
static double multiply(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
/// NaN wins (IEEE 754-2019 maximum and minimum); +0 is above -0.
static double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  return a == b ? (std::signbit(a) ? b : a) : std::max(a, b);
}
static double minimum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  return a == b ? (std::signbit(a) ? a : b) : std::min(a, b);
}

static RealUnary getRealUnary(Operation *op) {
  using Fn = RealUnary;
  return llvm::TypeSwitch<Operation *, Fn>(op)
      .Case<arith::NegFOp>([](auto) -> Fn { return negate; })
      .Case<math::AbsFOp>([](auto) -> Fn { return std::fabs; })
      .Case<math::CeilOp>([](auto) -> Fn { return std::ceil; })
      .Case<math::FloorOp>([](auto) -> Fn { return std::floor; })
      .Case<math::RoundOp>([](auto) -> Fn { return std::round; })
      .Case<math::RoundEvenOp>([](auto) -> Fn { return roundEven; })
      .Case<math::TruncOp>([](auto) -> Fn { return std::trunc; })
      .Case<math::ExpOp>([](auto) -> Fn { return std::exp; })
      .Case<math::Exp2Op>([](auto) -> Fn { return std::exp2; })
      .Case<math::ExpM1Op>([](auto) -> Fn { return std::expm1; })
      .Case<math::LogOp>([](auto) -> Fn { return std::log; })
      .Case<math::Log2Op>([](auto) -> Fn { return std::log2; })
      .Case<math::Log1pOp>([](auto) -> Fn { return std::log1p; })
      .Case<math::SqrtOp>([](auto) -> Fn { return std::sqrt; })
      .Case<math::RsqrtOp>([](auto) -> Fn { return invertedRoot; })
      .Case<math::CbrtOp>([](auto) -> Fn { return std::cbrt; })
      .Case<math::SinOp>([](auto) -> Fn { return std::sin; })
      .Case<math::CosOp>([](auto) -> Fn { return std::cos; })
      .Case<math::TanOp>([](auto) -> Fn { return std::tan; })
      .Case<math::TanhOp>([](auto) -> Fn { return std::tanh; })
      .Case<math::ErfOp>([](auto) -> Fn { return std::erf; })
      .Default([](auto) -> Fn { return nullptr; });
}

static RealBinary getRealBinary(Operation *op) {
  using Fn = RealBinary;
  return llvm::TypeSwitch<Operation *, Fn>(op)
      .Case<arith::AddFOp>([](auto) -> Fn { return add; })
      .Case<arith::SubFOp>([](auto) -> Fn { return subtract; })
      .Case<arith::MulFOp>([](auto) -> Fn { return multiply; })
      .Case<arith::DivFOp>([](auto) -> Fn { return divide; })
      .Case<arith::RemFOp>([](auto) -> Fn { return std::fmod; })
      .Case<arith::MaximumFOp>([](auto) -> Fn { return maximum; })
      .Case<arith::MinimumFOp>([](auto) -> Fn { return minimum; })
      .Case<arith::MaxNumFOp>([](auto) -> Fn { return std::fmax; })
      .Case<arith::MinNumFOp>([](auto) -> Fn { return std::fmin; })
      .Case<math::PowFOp>([](auto) -> Fn { return std::pow; })
      .Case<math::Atan2Op>([](auto) -> Fn { return std::atan2; })
      .Case<math::CopySignOp>([](auto) -> Fn { return std::copysign; })
      .Default([](auto) -> Fn { return nullptr; });
}

static bool compareReals(arith::CmpFPredicate predicate, double a, double b) {
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case arith::CmpFPredicate::AlwaysFalse:
    return false;
  case arith::CmpFPredicate::OEQ:
    return !unordered && a == b;
  case arith::CmpFPredicate::OGT:
    return !unordered && a > b;
  case arith::CmpFPredicate::OGE:
    return !unordered && a >= b;
  case arith::CmpFPredicate::OLT:
    return !unordered && a < b;
  case arith::CmpFPredicate::OLE:
    return !unordered && a <= b;
  case arith::CmpFPredicate::ONE:
    return !unordered && a != b;
  case arith::CmpFPredicate::ORD:
    return !unordered;
  case arith::CmpFPredicate::UEQ:
    return unordered || a == b;
  case arith::CmpFPredicate::UGT:
    return unordered || a > b;
  case arith::CmpFPredicate::UGE:
    return unordered || a >= b;
  case arith::CmpFPredicate::ULT:
    return unordered || a < b;
  case arith::CmpFPredicate::ULE:
    return unordered || a <= b;
  case arith::CmpFPredicate::UNE:
    return unordered || a != b;
  case arith::CmpFPredicate::UNO:
    return unordered;
  case arith::CmpFPredicate::AlwaysTrue:
    return true;
  }
  llvm_unreachable("every predicate is handled");
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// The bits of a value as an unsigned number of its type's width.
static uint64_t toUnsigned(int64_t value, Type type) {
  auto integer = llvm::dyn_cast<IntegerType>(type);
  unsigned width = integer ? integer.getWidth() : 64;
  return width >= 64 ? static_cast<uint64_t>(value) : static_cast<uint64_t>(value) & ((uint64_t(1) << width) - 1);
}

/// i1 is kept as 0 or 1 but means 0 or -1 where an operation takes it as signed.
static int64_t toSigned(int64_t value, Type type) { return type.isInteger(1) ? -value : value; }

using IntegerBinary = int64_t (*)(int64_t, int64_t, std::string &);
using UnsignedBinary = uint64_t (*)(uint64_t, uint64_t, std::string &);

static int64_t wrapping(uint64_t value) { return static_cast<int64_t>(value); }

static bool isBadDivision(int64_t a, int64_t b, std::string &failure) {
  if (b != 0 && !(b == -1 && a == std::numeric_limits<int64_t>::min()))
    return false;
  failure = b == 0 ? "cannot divide by zero" : "cannot divide because the quotient overflows";
  return true;
}

static IntegerBinary getIntegerBinary(Operation *op) {
  using Fn = IntegerBinary;
  return llvm::TypeSwitch<Operation *, Fn>(op)
      .Case<arith::AddIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &) { return wrapping(uint64_t(a) + uint64_t(b)); };
      })
      .Case<arith::SubIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &) { return wrapping(uint64_t(a) - uint64_t(b)); };
      })
      .Case<arith::MulIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &) { return wrapping(uint64_t(a) * uint64_t(b)); };
      })
      .Case<arith::AndIOp>([](auto) -> Fn { return [](int64_t a, int64_t b, std::string &) { return a & b; }; })
      .Case<arith::OrIOp>([](auto) -> Fn { return [](int64_t a, int64_t b, std::string &) { return a | b; }; })
      .Case<arith::XOrIOp>([](auto) -> Fn { return [](int64_t a, int64_t b, std::string &) { return a ^ b; }; })
      .Case<arith::MaxSIOp>(
          [](auto) -> Fn { return [](int64_t a, int64_t b, std::string &) { return std::max(a, b); }; })
      .Case<arith::MinSIOp>(
          [](auto) -> Fn { return [](int64_t a, int64_t b, std::string &) { return std::min(a, b); }; })
      .Case<arith::DivSIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &failure) { return isBadDivision(a, b, failure) ? 0 : a / b; };
      })
      .Case<arith::RemSIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &failure) { return isBadDivision(a, b, failure) ? 0 : a % b; };
      })
      .Case<arith::FloorDivSIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &failure) {
          return isBadDivision(a, b, failure) ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
        };
      })
      .Case<arith::CeilDivSIOp>([](auto) -> Fn {
        return [](int64_t a, int64_t b, std::string &failure) {
          return isBadDivision(a, b, failure) ? 0 : a / b + (a % b != 0 && (a < 0) == (b < 0) ? 1 : 0);
        };
      })
      .Default([](auto) -> Fn { return nullptr; });
}

static UnsignedBinary getUnsignedBinary(Operation *op) {
  using Fn = UnsignedBinary;
  return llvm::TypeSwitch<Operation *, Fn>(op)
      .Case<arith::MaxUIOp>(
          [](auto) -> Fn { return [](uint64_t a, uint64_t b, std::string &) { return std::max(a, b); }; })
      .Case<arith::MinUIOp>(
          [](auto) -> Fn { return [](uint64_t a, uint64_t b, std::string &) { return std::min(a, b); }; })
      .Case<arith::DivUIOp>([](auto) -> Fn {
        return [](uint64_t a, uint64_t b, std::string &failure) {
          return isBadDivision(0, int64_t(b != 0), failure) ? 0 : a / b;
        };
      })
      .Case<arith::RemUIOp>([](auto) -> Fn {
        return [](uint64_t a, uint64_t b, std::string &failure) {
          return isBadDivision(0, int64_t(b != 0), failure) ? 0 : a % b;
        };
      })
      .Case<arith::CeilDivUIOp>([](auto) -> Fn {
        return [](uint64_t a, uint64_t b, std::string &failure) {
          return isBadDivision(0, int64_t(b != 0), failure) ? 0 : a / b + (a % b != 0 ? 1 : 0);
        };
      })
      .Default([](auto) -> Fn { return nullptr; });
}

static ScalarFunction getShift(Operation *op, Type type) {
  unsigned width = llvm::isa<IntegerType>(type) ? llvm::cast<IntegerType>(type).getWidth() : 64;
  auto checked = [width](auto shift) -> ScalarFunction {
    return [width, shift](const Number *operands, std::string &failure) {
      uint64_t amount = static_cast<uint64_t>(operands[1].integer);
      if (amount >= width) {
        failure = "expected a shift by less than " + std::to_string(width) + " bits but got " + std::to_string(amount);
        return Number::ofInteger(0);
      }
      return Number::ofInteger(shift(operands[0].integer, amount));
    };
  };
  if (isa<arith::ShLIOp>(op))
    return checked([type](int64_t a, uint64_t n) { return wrapToType(wrapping(uint64_t(a) << n), type); });
  if (isa<arith::ShRUIOp>(op))
    return checked([type](int64_t a, uint64_t n) { return wrapToType(wrapping(toUnsigned(a, type) >> n), type); });
  if (isa<arith::ShRSIOp>(op))
    return checked([type](int64_t a, uint64_t n) { return wrapToType(toSigned(a, type) >> n, type); });
  return nullptr;
}

static bool compareIntegers(arith::CmpIPredicate predicate, int64_t a, int64_t b, Type type) {
  int64_t sa = toSigned(a, type), sb = toSigned(b, type);
  uint64_t ua = toUnsigned(a, type), ub = toUnsigned(b, type);
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return sa < sb;
  case arith::CmpIPredicate::sle:
    return sa <= sb;
  case arith::CmpIPredicate::sgt:
    return sa > sb;
  case arith::CmpIPredicate::sge:
    return sa >= sb;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  llvm_unreachable("every predicate is handled");
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

static ScalarFunction getConversion(Operation *op, Type from, Type to, bool exact) {
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return [to, exact](const Number *x, std::string &) {
      return Number::ofReal(exact ? x->real : roundToType(x->real, to));
    };
  if (isa<arith::SIToFPOp>(op))
    return [from, to, exact](const Number *x, std::string &) {
      double value = static_cast<double>(toSigned(x->integer, from));
      return Number::ofReal(exact ? value : roundToType(value, to));
    };
  if (isa<arith::UIToFPOp>(op))
    return [from, to, exact](const Number *x, std::string &) {
      double value = static_cast<double>(toUnsigned(x->integer, from));
      return Number::ofReal(exact ? value : roundToType(value, to));
    };
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op)) {
    bool isSigned = isa<arith::FPToSIOp>(op);
    unsigned width = to.isIndex() ? 64 : llvm::cast<IntegerType>(to).getWidth();
    double below = isSigned ? -std::ldexp(1.0, int(width) - 1) : 0.0,
           above = std::ldexp(1.0, int(width) - (isSigned ? 1 : 0));
    return [=](const Number *x, std::string &failure) {
      double value = std::trunc(x->real);
      if (!(value >= below && value < above)) {
        failure = "cannot convert " + std::to_string(x->real) + " because it lies outside the integer type";
        return Number::ofInteger(0);
      }
      return Number::ofInteger(
          wrapToType(isSigned ? static_cast<int64_t>(value) : wrapping(static_cast<uint64_t>(value)), to));
    };
  }
  if (isa<arith::ExtSIOp, arith::IndexCastOp>(op))
    return [from, to](const Number *x, std::string &) {
      return Number::ofInteger(wrapToType(toSigned(x->integer, from), to));
    };
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp, arith::TruncIOp>(op))
    return [from, to](const Number *x, std::string &) {
      return Number::ofInteger(wrapToType(wrapping(toUnsigned(x->integer, from)), to));
    };
  return nullptr;
}

static ScalarFunction getAffineFunction(Operation *op) {
  AffineMap map;
  enum { Apply, Min, Max } kind = Apply;
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    map = apply.getAffineMap();
  } else if (auto minimum = dyn_cast<affine::AffineMinOp>(op)) {
    map = minimum.getAffineMap();
    kind = Min;
  } else if (auto maximum = dyn_cast<affine::AffineMaxOp>(op)) {
    map = maximum.getAffineMap();
    kind = Max;
  } else {
    return nullptr;
  }
  return [map, kind](const Number *operands, std::string &failure) {
    Builder builder(map.getContext());
    SmallVector<Attribute> constants;
    for (unsigned i = 0; i < map.getNumInputs(); ++i)
      constants.push_back(builder.getIndexAttr(operands[i].integer));
    SmallVector<Attribute> results;
    if (failed(map.constantFold(constants, results))) {
      failure = "cannot evaluate the affine map";
      return Number::ofInteger(0);
    }
    auto values = llvm::map_to_vector(results, [](Attribute value) { return llvm::cast<IntegerAttr>(value).getInt(); });
    return Number::ofInteger(kind == Min   ? *llvm::min_element(values)
                             : kind == Max ? *llvm::max_element(values)
                                           : values.front());
  };
}

//===----------------------------------------------------------------------===//
// Functions of operations
//===----------------------------------------------------------------------===//

ScalarFunction muster::reference::getScalarFunction(Operation *op, bool exact) {
  if (op->getNumResults() != 1)
    return nullptr;
  Type type = getElementTypeOrSelf(op->getResult(0).getType());
  Type operand = op->getNumOperands() > 0 ? getElementTypeOrSelf(op->getOperand(0).getType()) : Type();
  auto round = [type, exact](double value) { return Number::ofReal(exact ? value : roundToType(value, type)); };
  if (RealUnary function = getRealUnary(op))
    return [=](const Number *x, std::string &) { return round(function(x->real)); };
  if (RealBinary function = getRealBinary(op))
    return [=](const Number *x, std::string &) { return round(function(x[0].real, x[1].real)); };
  if (IntegerBinary function = getIntegerBinary(op))
    return [=](const Number *x, std::string &failure) {
      return Number::ofInteger(
          wrapToType(function(toSigned(x[0].integer, type), toSigned(x[1].integer, type), failure), type));
    };
  if (UnsignedBinary function = getUnsignedBinary(op))
    return [=](const Number *x, std::string &failure) {
      return Number::ofInteger(wrapToType(
          wrapping(function(toUnsigned(x[0].integer, type), toUnsigned(x[1].integer, type), failure)), type));
    };
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return [predicate = compare.getPredicate()](const Number *x, std::string &) {
      return Number::ofInteger(compareReals(predicate, x[0].real, x[1].real));
    };
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return [predicate = compare.getPredicate(), operand](const Number *x, std::string &) {
      return Number::ofInteger(compareIntegers(predicate, x[0].integer, x[1].integer, operand));
    };
  if (isa<arith::SelectOp>(op))
    return [](const Number *x, std::string &) { return x[0].integer != 0 ? x[1] : x[2]; };
  if (isa<math::FmaOp>(op))
    return [=](const Number *x, std::string &) { return round(std::fma(x[0].real, x[1].real, x[2].real)); };
  if (isa<math::AbsIOp>(op))
    return [=](const Number *x, std::string &) {
      return Number::ofInteger(wrapToType(std::abs(toSigned(x->integer, type)), type));
    };
  if (isa<math::FPowIOp>(op))
    return
        [=](const Number *x, std::string &) { return round(std::pow(x[0].real, static_cast<double>(x[1].integer))); };
  if (ScalarFunction function = getShift(op, type))
    return function;
  if (ScalarFunction function = getConversion(op, operand, type, exact))
    return function;
  return getAffineFunction(op);
}

std::optional<Number> muster::reference::getScalarConstant(Operation *op, bool exact) {
  auto constant = dyn_cast<arith::ConstantOp>(op);
  if (!constant)
    return std::nullopt;
  if (auto real = dyn_cast<FloatAttr>(constant.getValue())) {
    double value = real.getValueAsDouble();
    return Number::ofReal(exact ? value : roundToType(value, real.getType()));
  }
  if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
    return Number::ofInteger(wrapToType(integer.getType().isInteger(1) ? integer.getValue().getZExtValue()
                                                                       : integer.getValue().getSExtValue(),
                                        integer.getType()));
  return std::nullopt;
}

/// A constant tensor's elements.
static llvm::Expected<Tensor> getConstantTensor(arith::ConstantOp constant) {
  auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
  auto type = dyn_cast<RankedTensorType>(constant.getType());
  if (!elements || !type)
    return failAt(constant, "unsupported constant");
  if (std::string reason = whyNoTensor(type.getShape()); !reason.empty())
    return failAt(constant, reason);
  Tensor tensor(type.getShape(), type.getElementType());
  if (isa<FloatType>(type.getElementType())) {
    for (auto [element, value] : llvm::zip_equal(tensor.getElements(), elements.getValues<APFloat>())) {
      APFloat wide = value;
      bool losesInfo = false;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
      element = Number::ofReal(wide.convertToDouble());
    }
    return tensor;
  }
  bool isBool = type.getElementType().isInteger(1);
  for (auto [element, value] : llvm::zip_equal(tensor.getElements(), elements.getValues<APInt>()))
    element = Number::ofInteger(isBool ? static_cast<int64_t>(value.getZExtValue()) : value.getSExtValue());
  return tensor;
}

//===----------------------------------------------------------------------===//
// At the level of tensors
//===----------------------------------------------------------------------===//

LocalResults muster::reference::interpretElementwiseOp(Operation *op, const RankView &view) {
  SmallVector<Tensor, 1> results;
  if (std::optional<Number> constant = getScalarConstant(op, view.isExact())) {
    results.push_back(Tensor::scalar(op->getResult(0).getType(), *constant));
    return results;
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto tensor = getConstantTensor(constant);
    if (!tensor)
      return tensor.takeError();
    results.push_back(std::move(*tensor));
    return results;
  }
  ScalarFunction function = getScalarFunction(op, view.isExact());
  if (!function)
    return failAt(op, "unsupported by the reference interpreter");
  ArrayRef<int64_t> shape;
  auto tensors = llvm::map_to_vector(op->getOperands(), [&](Value operand) { return &view.get(operand); });
  for (const Tensor *tensor : tensors)
    if (tensor->getRank() > 0)
      shape = tensor->getShape();
  for (const Tensor *tensor : tensors)
    if (tensor->getRank() > 0 && tensor->getShape() != shape)
      return failAt(op,
                    "expected operands of shape " + formatShape(shape) + " but got " + formatShape(tensor->getShape()));
  Tensor result(shape, getElementTypeOrSelf(op->getResult(0).getType()));
  SmallVector<Number> operands(op->getNumOperands());
  std::string failure;
  for (int64_t position = 0; position < result.getElementCount(); ++position) {
    for (auto [number, tensor] : llvm::zip_equal(operands, tensors))
      number = tensor->getElements()[tensor->getRank() == 0 ? 0 : position];
    result.getElements()[position] = function(operands.data(), failure);
  }
  if (!failure.empty())
    return failAt(op, failure);
  results.push_back(std::move(result));
  return results;
}
