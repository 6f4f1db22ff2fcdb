// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/EmitObject.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LoopUnrollPass.h"

using namespace llvm;

namespace muster::codegen {

namespace {

constexpr unsigned bindingAlignment = 64; // kernel_abi.h

void setTarget(Function &function, const HostTarget &target) {
  function.addFnAttr("target-cpu", "x86-64");
  function.addFnAttr("tune-cpu", target.cpu);
  function.addFnAttr("target-features", target.featureString());
  // LLVM prefers 256 bits on CPUs of the first AVX-512 generations; these loops gain from whole registers.
  function.addFnAttr("prefer-vector-width", std::to_string(target.vectorLanes * 32));
  function.addFnAttr("no-builtins");
  function.setDoesNotThrow();
}

// void @name(ptr bindings, ptr sizes, i64 worker, i64 workers): loads what the body takes by value.
void makeEntry(Module &module, Function &body, StringRef name, unsigned bindings, const HostTarget &target) {
  LLVMContext &context = module.getContext();
  body.setName(name + ".body");
  body.setLinkage(GlobalValue::InternalLinkage);
  body.addFnAttr(Attribute::NoInline);
  IRBuilder<> builder(context);
  Type *pointer = builder.getPtrTy(), *integer = builder.getInt64Ty();
  auto *entry = Function::Create(FunctionType::get(builder.getVoidTy(), {pointer, pointer, integer, integer}, false),
                                 GlobalValue::ExternalLinkage, name, module);
  builder.SetInsertPoint(BasicBlock::Create(context, "", entry));
  SmallVector<Value *> arguments;
  unsigned sizes = body.arg_size() - bindings - 2;
  for (unsigned i = 0; i < bindings; ++i) {
    body.addParamAttr(i, Attribute::NoAlias);
    body.addParamAttr(i, Attribute::getWithAlignment(context, Align(bindingAlignment)));
    arguments.push_back(builder.CreateLoad(pointer, builder.CreateConstGEP1_64(pointer, entry->getArg(0), i)));
  }
  for (unsigned i = 0; i < sizes; ++i)
    arguments.push_back(builder.CreateLoad(integer, builder.CreateConstGEP1_64(integer, entry->getArg(1), i)));
  arguments.push_back(entry->getArg(2));
  arguments.push_back(entry->getArg(3));
  builder.CreateCall(&body, arguments);
  builder.CreateRetVoid();
  setTarget(body, target);
  setTarget(*entry, target);
}

void optimise(Module &module, TargetMachine &machine) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving = true;
  // LLVM would unroll a row of 36 vectors whole, and then keep a row of weights in spilled registers: 20 to 40 %
  // slower.
  tuning.LoopUnrolling = false;
  PassBuilder passes(&machine, tuning);
  // No library behind a kernel: loops must not turn into calls of memset or expf.
  TargetLibraryInfoImpl library(machine.getTargetTriple());
  library.disableAllFunctions();
  functions.registerPass([&] { return TargetLibraryAnalysis(library); });
  // Short loops (halves of a head, a few vectors) are unrolled here instead, and long ones by a little; then one more
  // look for repeated loads.
  passes.registerOptimizerLastEPCallback([](ModulePassManager &manager, OptimizationLevel, ThinOrFullLTOPhase) {
    FunctionPassManager late;
    late.addPass(LoopUnrollPass(LoopUnrollOptions(/*OptLevel=*/3).setFullUnrollMaxCount(8).setPartial(true)));
    late.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
    manager.addPass(createModuleToFunctionPassAdaptor(std::move(late)));
  });
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  passes.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, modules);
}

// LLVM may still copy or fill memory through its intrinsics, which the code generator turns into calls. Plain loops,
// weak and hidden, serve them inside the object.
Error addMemoryFunctions(Module &module, const HostTarget &target) {
  bool needed = false;
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &instruction : block)
        needed |= isa<MemIntrinsic>(instruction);
  if (!needed)
    return Error::success();
  static constexpr StringLiteral text = R"(
define weak hidden ptr @memcpy(ptr %d, ptr %s, i64 %n) {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %from = getelementptr i8, ptr %s, i64 %i
  %to = getelementptr i8, ptr %d, i64 %i
  %byte = load i8, ptr %from
  store i8 %byte, ptr %to
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop
end:
  ret ptr %d
}
define weak hidden ptr @memset(ptr %d, i32 %v, i64 %n) {
entry:
  %byte = trunc i32 %v to i8
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %to = getelementptr i8, ptr %d, i64 %i
  store i8 %byte, ptr %to
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop
end:
  ret ptr %d
}
define weak hidden ptr @memmove(ptr %d, ptr %s, i64 %n) {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %choose
choose:
  %up = icmp ult ptr %d, %s
  %last = sub i64 %n, 1
  %first = select i1 %up, i64 0, i64 %last
  %step = select i1 %up, i64 1, i64 -1
  %stop = select i1 %up, i64 %last, i64 0
  br label %loop
loop:
  %i = phi i64 [ %first, %choose ], [ %next, %loop ]
  %from = getelementptr i8, ptr %s, i64 %i
  %to = getelementptr i8, ptr %d, i64 %i
  %byte = load i8, ptr %from
  store i8 %byte, ptr %to
  %next = add i64 %i, %step
  %done = icmp eq i64 %i, %stop
  br i1 %done, label %end, label %loop
end:
  ret ptr %d
}
)";
  SMDiagnostic diagnostic;
  std::unique_ptr<Module> functions = parseAssemblyString(text, diagnostic, module.getContext());
  if (!functions)
    return createStringError("E4130 cannot parse the memory functions because %s",
                             diagnostic.getMessage().str().c_str());
  functions->setDataLayout(module.getDataLayout());
  functions->setTargetTriple(module.getTargetTriple());
  for (Function &function : *functions)
    setTarget(function, target);
  if (Linker::linkModules(module, std::move(functions)))
    return createStringError("E4130 cannot add the memory functions to a kernel");
  return Error::success();
}

} // namespace

Expected<SmallVector<char>> emitObject(mlir::ModuleOp source, StringRef name, unsigned bindings,
                                       const HostTarget &target, raw_ostream *dump) {
  LLVMContext context;
  std::unique_ptr<Module> module = mlir::translateModuleToLLVMIR(source, context, name);
  if (!module)
    return createStringError("E4130 cannot translate kernel '%s' to LLVM IR", name.str().c_str());
  auto machine = target.createTargetMachine();
  if (!machine)
    return machine.takeError();
  module->setDataLayout((*machine)->createDataLayout());
  module->setTargetTriple((*machine)->getTargetTriple());
  Function *body = module->getFunction(name);
  if (!body || body->isDeclaration() || body->arg_size() < bindings + 2)
    return createStringError("E4130 expected a kernel '%s' with %u bindings in its module", name.str().c_str(),
                             bindings);
  makeEntry(*module, *body, name, bindings, target);
  std::string problem;
  raw_string_ostream problems(problem);
  if (verifyModule(*module, &problems))
    return createStringError("E4130 cannot compile kernel '%s' because %s", name.str().c_str(), problem.c_str());
  if (dump)
    module->print(*dump, nullptr);
  optimise(*module, **machine);
  if (Error error = addMemoryFunctions(*module, target))
    return error;
  if (dump)
    module->print(*dump, nullptr);

  SmallVector<char> object;
  raw_svector_ostream stream(object);
  legacy::PassManager codegen;
  if ((*machine)->addPassesToEmitFile(codegen, stream, nullptr, CodeGenFileType::ObjectFile))
    return createStringError("E4130 cannot emit an object file for %s", target.cpu.c_str());
  codegen.run(*module);
  return object;
}

} // namespace muster::codegen
