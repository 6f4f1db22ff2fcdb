// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "test/unit/compiler/Codegen/Host/LoadedKernels.h"

#include <cstdlib>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

namespace muster::codegen {

llvm::Expected<LoadedKernels> LoadedKernels::compile(llvm::StringRef text, const HostTarget &target,
                                                     const std::function<void(mlir::ModuleOp)> &build,
                                                     const HostCodegenOptions &options) {
  mlir::DialectRegistry registry;
  registerHostCodegenDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return llvm::createStringError("cannot parse the kernels of this test");
  if (build)
    build(*module);
  LoadedKernels loaded;
  auto object = compileHostKernels(*module, target, options, &loaded.times);
  if (!object)
    return object.takeError();
  loaded.object = std::move(*object);

  int file = memfd_create("kernels", MFD_CLOEXEC);
  const auto &elf = loaded.object.elf;
  if (file < 0 || write(file, elf.data(), elf.size()) != static_cast<ssize_t>(elf.size()))
    return llvm::createStringError("cannot write the object to memory");
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return llvm::createStringError(std::string("cannot load the object: ") + dlerror());
  // The loader knows libraries by their path: the number must not be used again while this one is open.
  loaded.library = std::shared_ptr<void>(handle, [file](void *library) {
    dlclose(library);
    close(file);
  });
  return loaded;
}

muster_kernel_fn LoadedKernels::find(const std::string &name) const {
  return reinterpret_cast<muster_kernel_fn>(dlsym(library.get(), name.c_str()));
}

void LoadedKernels::run(const std::string &name, const std::vector<void *> &bindings, const std::vector<int64_t> &sizes,
                        int64_t workers) const {
  muster_kernel_fn kernel = find(name);
  if (!kernel)
    abort();
  for (int64_t worker = 0; worker < workers; ++worker)
    kernel(bindings.data(), sizes.data(), worker, workers);
}

} // namespace muster::codegen
