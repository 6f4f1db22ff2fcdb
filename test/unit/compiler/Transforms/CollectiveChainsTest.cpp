// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random chains of collectives, transpositions and slices leave the same bits on every rank before and after they
// become transfers, which absorb transpositions and slices, and before and after what is left becomes kernels.
#include "CollectiveChains.h"

#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

struct Stage {
  const char *name;
  std::vector<std::unique_ptr<Pass> (*)()> passes;
};

const Stage stages[] = {
    {"resolve-sizes", {[] { return createResolveSizesPass(); }}},
    {"lower-collectives", {[] { return createLowerCollectivesPass(); }}},
    {"canonicalize, cse", {[] { return createCanonicalizerPass(); }, [] { return createCSEPass(); }}},
    {"form-kernels",
     {[] { return createSelectLibraryCallsPass(); }, [] { return createLowerNNPass(); },
      [] { return createFormKernelsPass(); }}}};

TEST(CollectiveChains, everyRankKeepsItsElements) {
  DialectRegistry registry;
  registry.insert<MusterDialect, nn::NNDialect, plan::PlanDialect, arith::ArithDialect, func::FuncDialect,
                  linalg::LinalgDialect, math::MathDialect, tensor::TensorDialect>();
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.disableMultithreading();
  std::mt19937 random(20240601);
  int64_t views = 0, left = 0;
  llvm::StringMap<int64_t> seen;
  for (int round = 0; round < 400; ++round) {
    test::CollectiveChain program(random, round % 2 == 1);
    SCOPED_TRACE("round " + std::to_string(round) + "\n" + program.text);
    auto module = parseSourceString<ModuleOp>(program.text, ParserConfig(&context));
    ASSERT_TRUE(module);
    module->walk([&](Operation *op) { ++seen[op->getName().getStringRef()]; });
    RankValues input; // reals, whose sums depend on the order
    for (int64_t rank = 0; rank < program.ranks; ++rank)
      input.push_back(share(makeRandom(program.shape, Float32Type::get(&context),
                                       static_cast<uint64_t>(round * 100 + rank), "x", RandomReals::Uniform, 2)));
    auto run = [&]() -> RankValues {
      Interpreter interpreter(*module);
      auto results = interpreter.run("entry", {input});
      EXPECT_TRUE(!!results) << toString(results.takeError());
      return results ? results->front() : RankValues();
    };
    RankValues expected = run();
    ASSERT_EQ(expected.size(), size_t(program.ranks));
    for (const Stage &stage : stages) {
      SCOPED_TRACE(stage.name);
      PassManager manager(&context);
      for (auto create : stage.passes)
        manager.addPass(create());
      ASSERT_TRUE(succeeded(manager.run(*module)));
      RankValues got = run();
      ASSERT_EQ(got.size(), expected.size());
      for (int64_t rank = 0; rank < program.ranks; ++rank)
        ASSERT_TRUE(got[rank]->isIdentical(*expected[rank]))
            << "rank " << rank << ": expected " << expected[rank]->getText() << " but got " << got[rank]->getText();
    }
    views += program.transposes + program.slices;
    module->walk([&](plan::LaunchOp) { ++left; });
  }
  EXPECT_LT(left, views * 2 / 3) << "transpositions and slices are absorbed";
  for (StringRef collective :
       {"all_gather", "all_reduce", "all_to_all", "broadcast", "exchange", "permute", "reduce_scatter", "slice"})
    EXPECT_GE(seen.lookup(("muster." + collective).str()), 30) << collective.str();
}

} // namespace
