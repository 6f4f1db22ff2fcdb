// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Pipeline/CompilePlan.h"

#include "compiler/Codegen/Host/Attention.h"
#include "compiler/Codegen/Host/CacheAppend.h"
#include "compiler/Codegen/Host/HostCodegen.h"
#include "compiler/Emit/PlanFile.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OwningOpRef.h"

#include <chrono>

using namespace mlir;
using namespace muster;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// A kernel on tensors as the code generator takes it.
static void cloneAsFunction(plan::KernelOp kernel, ModuleOp target) {
  OpBuilder builder = OpBuilder::atBlockEnd(target.getBody());
  auto function = func::FuncOp::create(builder, kernel.getLoc(), kernel.getSymName(), kernel.getFunctionType());
  if (ArrayAttr attrs = kernel.getArgAttrsAttr())
    function.setArgAttrsAttr(attrs);
  if (ArrayAttr attrs = kernel.getResAttrsAttr())
    function.setResAttrsAttr(attrs);
  IRMapping mapping;
  kernel.getBody().cloneInto(&function.getBody(), mapping);
  Operation *terminator = function.getBody().front().getTerminator();
  builder.setInsertionPoint(terminator);
  func::ReturnOp::create(builder, terminator->getLoc(), terminator->getOperands());
  terminator->erase();
}

static llvm::Error addKernel(plan::KernelOp kernel, ModuleOp target, const codegen::HostTarget &host) {
  Block &body = kernel.getBody().front();
  for (auto attention : body.getOps<plan::PagedAttentionOp>()) {
    RankedTensorType query = typeOf(attention.getQuery()), keys = typeOf(attention.getKeys());
    codegen::AttentionSpec spec;
    spec.heads = query.getDimSize(1);
    spec.kvHeads = keys.getDimSize(2);
    spec.headDim = query.getDimSize(2);
    spec.pageSlots = keys.getDimSize(1);
    spec.pagesPerSequence = typeOf(attention.getBlockTable()).getDimSize(1);
    spec.scale = static_cast<float>(attention.getScale().convertToDouble());
    return codegen::buildAttentionKernel(target, kernel.getSymName(), spec, host).takeError();
  }
  for (auto append : body.getOps<plan::CacheAppendOp>()) {
    RankedTensorType state = typeOf(append.getState());
    codegen::CacheAppendSpec spec;
    spec.kvHeads = state.getDimSize(2);
    spec.headDim = state.getDimSize(3);
    spec.pageSlots = state.getDimSize(1);
    return codegen::buildCacheAppendKernel(target, kernel.getSymName(), spec, host).takeError();
  }
  cloneAsFunction(kernel, target);
  return llvm::Error::success();
}

llvm::Expected<CompiledPlan> muster::compilePlan(ModuleOp module, const CompilePlanOptions &options) {
  using Clock = std::chrono::steady_clock;
  auto secondsSince = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  CompiledPlan result;
  MeshAttr mesh = getMesh(module);
  if (!mesh)
    return llvm::createStringError("E4022 expected the module to have one mesh but got " +
                                   llvm::Twine(llvm::count_if(module.getOps<MeshOp>(), [](MeshOp) { return true; })));

  Clock::time_point start = Clock::now();
  OwningOpRef<ModuleOp> kernels = ModuleOp::create(module.getLoc());
  for (auto kernel : module.getOps<plan::KernelOp>())
    if (llvm::Error error = addKernel(kernel, *kernels, options.target))
      return error;
  codegen::HostCodegenOptions codegenOptions;
  codegenOptions.threads = options.threads;
  llvm::Expected<codegen::HostObject> object = codegen::compileHostKernels(*kernels, options.target, codegenOptions);
  if (!object)
    return object.takeError();
  result.kernels = object->kernels.size();
  result.kernelSeconds = secondsSince(start);

  start = Clock::now();
  llvm::Expected<emit::WeightsLayout> weights = emit::layOutWeights(module, mesh);
  if (!weights)
    return weights.takeError();
  emit::PlanParts parts;
  if (!weights->places.empty()) {
    auto id = emit::writeWeights(options.weightsPath, *weights, mesh, options.weightSource, options.threads,
                                 options.progress);
    if (!id)
      return id.takeError();
    parts.weightsId = *id;
  }
  result.weightSeconds = secondsSince(start);
  result.weightBytes = weights->storedBytes();
  result.rankWeightBytes = weights->rankBytes();

  parts.producer = options.producer;
  parts.targetArch = options.target.arch;
  parts.targetCpu = options.target.cpu;
  parts.targetFeatures = options.target.features;
  parts.hostObject = object->elf;
  for (const codegen::HostKernel &kernel : object->kernels)
    parts.kernels.push_back({kernel.name, kernel.bindings, kernel.sizes, kernel.grid.factor, kernel.grid.size});
  parts.tokenizer = options.tokenizer;
  parts.weights = &*weights;
  parts.model = options.model;
  module.walk([&](plan::VariantOp variant) {
    result.arenaBytes = std::max<uint64_t>(result.arenaBytes, variant.getArenaBytes());
  });
  llvm::Expected<uint64_t> bytes = emit::writePlan(options.planPath, module, mesh, parts);
  if (!bytes)
    return bytes.takeError();
  result.planBytes = *bytes;
  return result;
}
