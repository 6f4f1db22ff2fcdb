// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of written files share.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/ScopedPrinter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <csignal>
#include <filesystem>

#include <sys/resource.h>

namespace muster::test {

struct EmitFixture : testing::Test {
  EmitFixture() {
    mlir::DialectRegistry registry;
    registry.insert<MusterDialect, nn::NNDialect, plan::PlanDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                    mlir::linalg::LinalgDialect, mlir::tensor::TensorDialect>();
    mlir::tensor::registerInferTypeOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.disableMultithreading();
    folder = std::filesystem::path(testing::TempDir()) / ("muster-emit-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
  }
  ~EmitFixture() override { std::filesystem::remove_all(folder); }

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
    EXPECT_TRUE(module) << text;
    return module;
  }

  std::string path(const std::string &name) const { return (folder / name).string(); }
  size_t fileCount() const {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  }

  mlir::MLIRContext context;
  std::filesystem::path folder;
};

/// As long as it lives, no file of this process may grow beyond `bytes`: as if the disk were full.
class FullDisk {
public:
  explicit FullDisk(rlim_t bytes) {
    previousHandler = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &previous);
    struct rlimit limit = {bytes, previous.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &previous);
    std::signal(SIGXFSZ, previousHandler);
  }

private:
  struct rlimit previous = {};
  void (*previousHandler)(int) = nullptr;
};

} // namespace muster::test
