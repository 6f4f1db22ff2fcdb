// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/BufferKernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace muster::codegen {

BufferKernelBuilder::BufferKernelBuilder(ModuleOp module, StringRef name, ArrayRef<Type> elements, unsigned sizes,
                                         GridSize grid, int lanes)
    : lanes(lanes), b(module.getLoc(), OpBuilder::atBlockEnd(module.getBody())) {
  SmallVector<Type> inputs;
  for (Type element : elements)
    inputs.push_back(MemRefType::get({1}, element));
  inputs.append(sizes + 2, b.getIndexType());
  kernel = func::FuncOp::create(b, name, b.getFunctionType(inputs, {}));
  kernel->setAttr(gridAttributeName, b.getDenseI64ArrayAttr({grid.factor, grid.size}));
  b.setInsertionPointToStart(kernel.addEntryBlock());
  vectorType = VectorType::get({lanes}, b.getF32Type());
  for (unsigned i = 0; i < elements.size(); ++i) {
    // The true extent is the caller's; nothing reads this one.
    auto type = MemRefType::get({ShapedType::kDynamic}, elements[i]);
    SmallVector<OpFoldResult> extent = {index(int64_t(1) << 40)}, stride = {b.getIndexAttr(1)};
    flat.push_back(
        memref::ReinterpretCastOp::create(b, type, kernel.getArgument(i), b.getIndexAttr(0), extent, stride));
  }
  func::ReturnOp::create(b);
  b.setInsertionPoint(kernel.getBody().front().getTerminator());
}

Value BufferKernelBuilder::stack(int64_t count, Type element) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&kernel.getBody().front());
  return memref::AllocaOp::create(b, MemRefType::get({count}, element), b.getI64IntegerAttr(64));
}

Value BufferKernelBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value BufferKernelBuilder::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value BufferKernelBuilder::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
Value BufferKernelBuilder::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value BufferKernelBuilder::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(x, y); }
Value BufferKernelBuilder::rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(x, y); }
Value BufferKernelBuilder::min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(x, y); }
Value BufferKernelBuilder::max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(x, y); }
Value BufferKernelBuilder::less(Value x, Value y) { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y); }
Value BufferKernelBuilder::both(Value x, Value y) { return arith::AndIOp::create(b, x, y); }

Value BufferKernelBuilder::number(float value) { return arith::ConstantOp::create(b, b.getF32FloatAttr(value)); }
Value BufferKernelBuilder::splat(float value) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, value));
}
Value BufferKernelBuilder::splat(Value scalar) { return vector::BroadcastOp::create(b, vectorType, scalar); }
Value BufferKernelBuilder::fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
Value BufferKernelBuilder::addf(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value BufferKernelBuilder::subf(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value BufferKernelBuilder::mulf(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value BufferKernelBuilder::divf(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
Value BufferKernelBuilder::exp(Value x) { return math::ExpOp::create(b, x); }
Value BufferKernelBuilder::greater(Value x, Value y) {
  return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y), x, y);
}
Value BufferKernelBuilder::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}
Value BufferKernelBuilder::firstLane(Value vector) { return vector::ExtractOp::create(b, vector, int64_t(0)); }

Value BufferKernelBuilder::allLanes(Value vector, const std::function<Value(Value, Value)> &combine) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    SmallVector<int64_t> order;
    for (int lane = 0; lane < lanes; ++lane)
      order.push_back(lane ^ distance);
    vector = combine(vector, vector::ShuffleOp::create(b, vector, vector, order));
  }
  return vector;
}

Value BufferKernelBuilder::lanesBelow(Value limit) {
  auto type = VectorType::get({lanes}, b.getI32Type());
  SmallVector<int32_t> numbers;
  for (int lane = 0; lane < lanes; ++lane)
    numbers.push_back(lane);
  Value ids = arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
  // Clamped, so that the cast loses nothing.
  Value clamped = max(min(limit, index(lanes)), index(0));
  Value bound = vector::BroadcastOp::create(b, type, arith::IndexCastOp::create(b, b.getI32Type(), clamped));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, ids, bound);
}

Value BufferKernelBuilder::load(Value buffer, Value offset) { return memref::LoadOp::create(b, buffer, offset); }
Value BufferKernelBuilder::loadIndex(Value buffer, Value offset) {
  return arith::IndexCastOp::create(b, b.getIndexType(), load(buffer, offset));
}
void BufferKernelBuilder::store(Value value, Value buffer, Value offset) {
  memref::StoreOp::create(b, value, buffer, offset);
}

Value BufferKernelBuilder::loadVector(Value buffer, Value offset, int64_t count) {
  if (count >= lanes)
    return vector::LoadOp::create(b, vectorType, buffer, offset);
  Value mask = vector::CreateMaskOp::create(b, VectorType::get({lanes}, b.getI1Type()), ValueRange{index(count)});
  return vector::MaskedLoadOp::create(b, vectorType, buffer, offset, mask, splat(0.0f));
}

void BufferKernelBuilder::storeVector(Value vector, Value buffer, Value offset, int64_t count) {
  if (count >= lanes) {
    vector::StoreOp::create(b, vector, buffer, offset);
    return;
  }
  Value mask = vector::CreateMaskOp::create(b, VectorType::get({lanes}, b.getI1Type()), ValueRange{index(count)});
  vector::MaskedStoreOp::create(b, buffer, offset, mask, vector);
}

void BufferKernelBuilder::loop(Value from, Value to, int64_t step, const std::function<void(Value)> &body) {
  loop(from, to, step, {}, [&](Value i, Values) {
    body(i);
    return Values();
  });
}

BufferKernelBuilder::Values BufferKernelBuilder::loop(Value from, Value to, int64_t step, Values initial,
                                                      const std::function<Values(Value, Values)> &body) {
  auto op = scf::ForOp::create(b, from, to, index(step), initial);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  Values yielded = body(op.getInductionVar(), Values(op.getRegionIterArgs()));
  if (!initial.empty())
    scf::YieldOp::create(b, yielded);
  return Values(op.getResults());
}

void BufferKernelBuilder::when(Value condition, const std::function<void()> &body) {
  auto op = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  body();
}

// Swaps off-diagonal blocks of size 1, 2, 4, ...: lanes * log2(lanes) two-input shuffles.
void BufferKernelBuilder::transpose(Values &rows) {
  for (int block = 1; block < lanes; block *= 2) {
    SmallVector<int64_t> low, high;
    for (int lane = 0; lane < lanes; ++lane) {
      low.push_back(lane & block ? lanes + lane - block : lane);
      high.push_back(lane & block ? lanes + lane : lane + block);
    }
    for (int i = 0; i < lanes; ++i) {
      if (i & block)
        continue;
      Value x = rows[i], y = rows[i + block];
      rows[i] = vector::ShuffleOp::create(b, x, y, low);
      rows[i + block] = vector::ShuffleOp::create(b, x, y, high);
    }
  }
}

} // namespace muster::codegen
