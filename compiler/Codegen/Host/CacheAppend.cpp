// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/CacheAppend.h"

#include "compiler/Codegen/Host/BufferKernelBuilder.h"

using namespace mlir;

namespace muster::codegen {

llvm::Expected<func::FuncOp> buildCacheAppendKernel(ModuleOp module, StringRef name, const CacheAppendSpec &spec,
                                                    const HostTarget &target) {
  if (spec.kvHeads < 1 || spec.headDim < 1 || spec.pageSlots < 1)
    return llvm::createStringError(
        "E4126 expected positive heads, head size and page slots of a cache but got %lld, %lld and %lld",
        (long long)spec.kvHeads, (long long)spec.headDim, (long long)spec.pageSlots);
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context), i32 = IntegerType::get(context, 32);
  BufferKernelBuilder b(module, name, {f32, f32, i32}, 1, {1, 0}, target.vectorLanes);
  Value state = b.binding(0), rows = b.binding(1), slots = b.binding(2);
  const int64_t width = spec.kvHeads * spec.headDim, whole = width / b.lanes * b.lanes;

  Value begin = b.div(b.mul(b.size(0), b.worker()), b.workers());
  Value end = b.div(b.mul(b.size(0), b.add(b.worker(), 1)), b.workers());
  b.loop(begin, end, 1, [&](Value row) {
    Value slot = b.loadIndex(slots, row);
    b.when(b.less(b.index(-1), slot), [&] {
      Value from = b.mul(row, width), to = b.mul(slot, width);
      b.loop(b.index(0), b.index(whole), b.lanes,
             [&](Value i) { b.storeVector(b.loadVector(rows, b.add(from, i)), state, b.add(to, i)); });
      if (whole < width)
        b.storeVector(b.loadVector(rows, b.add(from, whole), width - whole), state, b.add(to, whole), width - whole);
    });
  });
  return b.function();
}

} // namespace muster::codegen
