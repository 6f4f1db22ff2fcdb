// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// exp(x) = 2^n * e^r with n = round(x / ln 2) and r = x - n ln 2 in [-0.347, 0.347]. ln 2 is cut in two constants, the
// first of ten bits, so that n * high is exact; e^r is Cephes' polynomial of degree 7 (expf.c). 2^n is applied in two
// halves, so that results near the smallest denormal and the largest finite number come out of one rounding.
// n comes from adding 1.5 * 2^23, which rounds to nearest even in the FPU: no rounding instruction is needed and the
// integer lies in the low bits.

#include "compiler/Codegen/Host/KernelPasses.h"

#include <initializer_list>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace muster::codegen {

namespace {

// Arithmetic on f32 or vectors of it.
class FloatBuilder {
public:
  FloatBuilder(OpBuilder &rewriter, Location loc, Type type, bool fma) : b(loc, rewriter), type(type), fma(fma) {
    intType = b.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      intType = vector.clone(intType);
  }
  Value constant(float value) {
    TypedAttr attribute = b.getF32FloatAttr(value);
    if (auto vector = dyn_cast<VectorType>(type))
      attribute = DenseElementsAttr::get(vector, value);
    return arith::ConstantOp::create(b, attribute);
  }
  Value integer(int32_t value) {
    TypedAttr attribute = b.getI32IntegerAttr(value);
    if (auto vector = dyn_cast<VectorType>(intType))
      attribute = DenseElementsAttr::get(vector, value);
    return arith::ConstantOp::create(b, attribute);
  }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mulAdd(Value x, Value y, Value z) { return fma ? Value(math::FmaOp::create(b, x, y, z)) : add(mul(x, y), z); }
  // NaN stays.
  Value clamp(Value x, float low, float high) {
    Value lowest = constant(low), highest = constant(high);
    x = arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, lowest), lowest, x);
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, highest), highest, x);
  }
  // e^r for |r| <= 0.35
  Value exponentialNearZero(Value r) {
    Value p = constant(1.9875691500e-4f);
    for (float coefficient : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
      p = mulAdd(p, r, constant(coefficient));
    return add(mulAdd(p, mul(r, r), r), constant(1.0f));
  }
  // x * 2^n, n in [-252, 254]
  Value scale(Value x, Value n) {
    Value half = arith::ShRSIOp::create(b, n, integer(1));
    for (Value part : {half, Value(arith::SubIOp::create(b, n, half))}) {
      Value biased = arith::AddIOp::create(b, part, integer(127));
      x = mul(x, arith::BitcastOp::create(b, type, arith::ShLIOp::create(b, biased, integer(23))));
    }
    return x;
  }
  // The nearest whole number, as float and as integer; |x| < 2^22.
  std::pair<Value, Value> round(Value scaled) {
    const float magic = 12582912.0f; // 1.5 * 2^23, bits 0x4B400000
    Value shifted = add(scaled, constant(magic));
    Value whole = arith::SubIOp::create(b, arith::BitcastOp::create(b, intType, shifted), integer(0x4B400000));
    return {sub(shifted, constant(magic)), whole};
  }

private:
  ImplicitLocOpBuilder b;
  Type type, intType;
  bool fma;
};

template <typename Op>
struct ExpandExponential : OpRewritePattern<Op> {
  ExpandExponential(MLIRContext *context, bool fma) : OpRewritePattern<Op>(context), fma(fma) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const final {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32() || isa<TensorType>(type))
      return rewriter.notifyMatchFailure(op, "not f32");
    FloatBuilder f(rewriter, op.getLoc(), type, fma);
    Value r, n;
    if constexpr (std::is_same_v<Op, math::ExpOp>) {
      Value x = f.clamp(op.getOperand(), -104.0f, 89.0f);
      auto [whole, integer] = f.round(f.mul(x, f.constant(1.44269504088896341f)));
      r = f.mulAdd(whole, f.constant(-0.693359375f), x);
      r = f.mulAdd(whole, f.constant(2.12194440e-4f), r);
      n = integer;
    } else {
      Value x = f.clamp(op.getOperand(), -151.0f, 129.0f);
      auto [whole, integer] = f.round(x);
      r = f.mul(f.sub(x, whole), f.constant(0.693147180559945309f));
      n = integer;
    }
    rewriter.replaceOp(op, f.scale(f.exponentialNearZero(r), n));
    return success();
  }
  bool fma;
};

// Where there is no such instruction, llvm.fma would call a library.
struct SplitFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const final {
    Value product = arith::MulFOp::create(rewriter, op.getLoc(), op.getA(), op.getB());
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op.getC());
    return success();
  }
};

class ExpandMathPass : public PassWrapper<ExpandMathPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMathPass)
  explicit ExpandMathPass(bool fma) : fma(fma) {}
  StringRef getArgument() const final { return "muster-expand-math"; }
  StringRef getDescription() const final { return "expand exp and its like to arithmetic"; }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<arith::ArithDialect, math::MathDialect, vector::VectorDialect>();
  }
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    // Narrow floats are computed in f32; wider ones have no expansion and are refused below.
    populateMathF32ExpansionPatterns(patterns,
                                     [](StringRef name) { return name != "math.sqrt" && name != "math.absf"; });
    math::populateExpansionPatterns(patterns,
                                    {"tan", "sinh", "cosh", "asinh", "acosh", "atanh", "powf", "fpowi", "clampf"});
    populateMathPolynomialApproximationPatterns(
        patterns, [](StringRef name) { return name != "math.exp" && name != "math.exp2"; });
    patterns.add<ExpandExponential<math::ExpOp>, ExpandExponential<math::Exp2Op>>(&getContext(), fma);
    if (!fma)
      patterns.add<SplitFma>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    // What is left must be an instruction: there is no mathematics library behind a kernel.
    static const llvm::StringSet<> instructions = {
        "math.absf",  "math.absi",      "math.copysign", "math.ctlz",  "math.ctpop",    "math.cttz",
        "math.fma",   "math.isfinite",  "math.isinf",    "math.isnan", "math.isnormal", "math.sqrt",
        "math.rsqrt", "math.roundeven", "math.floor",    "math.ceil",  "math.trunc"};
    WalkResult walk = getOperation()->walk([&](Operation *op) {
      if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) || instructions.contains(op->getName().getStringRef()))
        return WalkResult::advance();
      op->emitOpError("E4125 expected a function with an expansion for host kernels but got ")
          << op->getName() << " on " << op->getResult(0).getType();
      return WalkResult::interrupt();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }

private:
  bool fma;
};

} // namespace

std::unique_ptr<Pass> createExpandMathPass(bool fma) { return std::make_unique<ExpandMathPass>(fma); }

} // namespace muster::codegen
