// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/HostCodegen.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "compiler/Codegen/Host/EmitObject.h"
#include "compiler/Codegen/Host/HostPipeline.h"
#include "compiler/Codegen/Host/LinkObject.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

using namespace mlir;

namespace muster::codegen {

namespace {

class Stopwatch {
public:
  // Seconds since the last lap.
  double lap() {
    auto now = std::chrono::steady_clock::now();
    double seconds = std::chrono::duration<double>(now - last).count();
    last = now;
    return seconds;
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

// The first error that passes emit, as an llvm::Error with a number.
class ErrorCollector {
public:
  explicit ErrorCollector(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
            return failure();
          std::lock_guard lock(mutex);
          if (text.empty()) {
            llvm::raw_string_ostream stream(text);
            if (!isa<UnknownLoc>(diagnostic.getLocation()))
              stream << diagnostic.getLocation() << ": ";
            stream << diagnostic.str();
          }
          return success();
        }) {}

  // "'op' E4121 cannot ..." -> "E4121 cannot ... ('op')"; others get E4130.
  llvm::Error take() {
    std::lock_guard lock(mutex);
    size_t number = text.find("E41");
    if (number == std::string::npos)
      return llvm::createStringError("E4130 cannot compile the kernels because " + text);
    std::string where = StringRef(text).take_front(number).rtrim().str();
    std::string what = text.substr(number);
    return llvm::createStringError(where.empty() ? what : what + " (" + where + ")");
  }

private:
  std::mutex mutex;
  std::string text;
  ScopedDiagnosticHandler handler;
};

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream);
  return text;
}

// Runs `build`'s pipeline on every kernel's module, in parallel where the context allows it.
llvm::Error runPasses(ModuleOp kernels, const HostTarget &target, StringRef stage, const HostCodegenOptions &options,
                      void (*build)(OpPassManager &, const HostTarget &)) {
  ErrorCollector errors(kernels.getContext());
  PassManager manager(kernels.getContext());
  manager.enableVerifier(true);
  build(manager.nest<ModuleOp>(), target);
  if (failed(manager.run(kernels)))
    return errors.take();
  if (options.dump)
    for (auto module : kernels.getOps<ModuleOp>())
      options.dump(stage, *module.getName(), print(module));
  return llvm::Error::success();
}

// One module a kernel, so that passes and LLVM work on kernels independently.
OwningOpRef<ModuleOp> separate(ModuleOp kernels) {
  OpBuilder builder(kernels.getContext());
  OwningOpRef<ModuleOp> separated = ModuleOp::create(kernels.getLoc());
  for (auto function : kernels.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    builder.setInsertionPointToEnd(separated->getBody());
    auto module = ModuleOp::create(builder, function.getLoc(), function.getName());
    builder.setInsertionPointToEnd(module.getBody());
    builder.clone(*function);
  }
  return separated;
}

HostKernel describe(func::FuncOp function) {
  HostKernel kernel;
  kernel.name = function.getName().str();
  for (Type type : function.getArgumentTypes())
    ++(isa<MemRefType>(type) ? kernel.bindings : kernel.sizes);
  kernel.sizes -= 2; // worker, workers
  if (auto grid = function->getAttrOfType<DenseI64ArrayAttr>(gridAttributeName); grid && grid.size() == 2)
    kernel.grid = {grid[0], grid[1]};
  return kernel;
}

} // namespace

void registerHostCodegenDialects(DialectRegistry &registry) {
  registry
      .insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect, cf::ControlFlowDialect,
              func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, tensor::TensorDialect, ub::UBDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

llvm::Expected<HostObject> compileHostKernels(ModuleOp kernels, const HostTarget &target,
                                              const HostCodegenOptions &options, HostCodegenTimes *times) {
  // Also where a tool registered everything: models attach to dialects that are loaded already, and passes on several
  // threads must not load any.
  DialectRegistry registry;
  registerHostCodegenDialects(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  for (StringRef name : registry.getDialectNames())
    kernels.getContext()->getOrLoadDialect(name);
  Stopwatch stopwatch;
  HostCodegenTimes spent;
  OwningOpRef<ModuleOp> separated = separate(kernels);
  if (separated->getBody()->empty())
    return HostObject(); // The linker would complain that it has no input.
  if (llvm::Error error = runPasses(*separated, target, "buffers", options, buildBufferPipeline))
    return error;
  HostObject object;
  SmallVector<ModuleOp> modules;
  for (auto module : separated->getOps<ModuleOp>()) {
    modules.push_back(module);
    object.kernels.push_back(describe(*module.getOps<func::FuncOp>().begin()));
  }
  spent.buffers = stopwatch.lap();
  if (llvm::Error error = runPasses(*separated, target, "llvm", options, buildLoweringPipeline))
    return error;
  spent.lowering = stopwatch.lap();

  SmallVector<SmallVector<char>> objects(modules.size());
  std::mutex mutex;
  llvm::Error failed = llvm::Error::success();
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < modules.size();) {
      std::string text;
      llvm::raw_string_ostream stream(text);
      auto bytes = emitObject(modules[i], object.kernels[i].name, object.kernels[i].bindings, target,
                              options.dump ? &stream : nullptr);
      std::lock_guard lock(mutex);
      if (options.dump)
        options.dump("ir", object.kernels[i].name, text);
      if (bytes)
        objects[i] = std::move(*bytes);
      else
        failed = llvm::joinErrors(std::move(failed), bytes.takeError());
    }
  };
  SmallVector<std::thread> threads;
  for (unsigned i = 1; i < std::min<size_t>(options.threads, modules.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (failed)
    return failed;
  spent.llvm = stopwatch.lap();

  auto elf = linkSharedObject(objects);
  if (!elf)
    return elf.takeError();
  object.elf = std::move(*elf);
  spent.link = stopwatch.lap();
  if (times)
    *times = spent;
  return object;
}

} // namespace muster::codegen
