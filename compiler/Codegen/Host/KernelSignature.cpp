// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/KernelSignature.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace muster::codegen {

namespace {

// plan.sizes of one argument or result, checked against its type.
FailureOr<SmallVector<int64_t>> readSizes(func::FuncOp function, RankedTensorType type, Attribute attribute,
                                          unsigned sizeCount, const Twine &what) {
  SmallVector<int64_t> sizes;
  if (auto array = dyn_cast_or_null<DenseI64ArrayAttr>(attribute))
    sizes.assign(array.asArrayRef().begin(), array.asArrayRef().end());
  if (sizes.size() != static_cast<size_t>(type.getNumDynamicDims())) {
    function.emitOpError("E4120 expected one entry of plan.sizes for each of the ")
        << type.getNumDynamicDims() << " dynamic dims of " << what.str() << " but got " << sizes.size();
    return failure();
  }
  for (int64_t size : sizes)
    if (size < -1 || size >= static_cast<int64_t>(sizeCount)) {
      function.emitOpError("E4120 expected plan.sizes of ")
          << what.str() << " to name one of " << sizeCount << " index arguments but got " << size;
      return failure();
    }
  return sizes;
}

} // namespace

FailureOr<KernelSignature> KernelSignature::read(func::FuncOp function) {
  KernelSignature signature;
  for (Type type : function.getArgumentTypes()) {
    if (isa<RankedTensorType>(type) && signature.sizes == 0)
      ++signature.arguments;
    else if (type.isIndex())
      ++signature.sizes;
    else
      return function.emitOpError("E4120 expected tensor arguments followed by index arguments but got ") << type,
             failure();
  }
  for (unsigned i = 0; i < signature.arguments; ++i) {
    KernelBinding binding;
    binding.type = cast<RankedTensorType>(function.getArgumentTypes()[i]);
    auto sizes = readSizes(function, binding.type, function.getArgAttr(i, sizesAttributeName), signature.sizes,
                           "argument " + Twine(i));
    if (failed(sizes))
      return failure();
    binding.sizes = *sizes;
    signature.bindings.push_back(std::move(binding));
  }
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return function.emitOpError("E4120 expected results to be ranked tensors but got ") << type, failure();
    if (auto tied = function.getResultAttrOfType<IntegerAttr>(i, tiedAttributeName)) {
      int64_t argument = tied.getInt();
      if (argument < 0 || argument >= signature.arguments || signature.bindings[argument].type != tensor ||
          signature.bindings[argument].written)
        return function.emitOpError("E4120 expected plan.tied of result ")
                   << i << " to name an argument of type " << tensor << ", tied once, but got " << argument,
               failure();
      signature.bindings[argument].written = true;
      signature.resultBindings.push_back(argument);
      continue;
    }
    KernelBinding binding;
    binding.type = tensor;
    auto sizes = readSizes(function, tensor, function.getResultAttr(i, sizesAttributeName), signature.sizes,
                           "result " + Twine(i));
    if (failed(sizes))
      return failure();
    if (llvm::is_contained(*sizes, -1))
      return function.emitOpError("E4120 expected plan.sizes of result ")
                 << i << " to name an index argument for every dynamic dim but got -1",
             failure();
    binding.sizes = *sizes;
    binding.written = true;
    signature.resultBindings.push_back(signature.bindings.size());
    signature.bindings.push_back(std::move(binding));
  }
  return signature;
}

bool isBufferKernel(func::FuncOp function) {
  return function.getNumResults() == 0 && function.getNumArguments() > 0 &&
         isa<MemRefType>(function.getArgumentTypes().front());
}

} // namespace muster::codegen
