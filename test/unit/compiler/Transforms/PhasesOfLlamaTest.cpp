// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random small Llama models: every pass keeps what a step computes, every number of ranks computes the same, and a
// prompt gets what it gets alone, however it is cut and batched.
#include "models/llama/LlamaGraph.h"

#include "../../models/llama/RandomLlama.h"
#include "../../models/llama/StepInputs.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::llama;
using namespace muster::reference;

namespace {

struct PhasesOfLlama : testing::Test {
  PhasesOfLlama() {
    DialectRegistry registry;
    tensor::registerInferTypeOpInterfaceExternalModels(registry); // Sizes of reshapes.
    context.appendDialectRegistry(registry);
    context.disableMultithreading();
  }

  OwningOpRef<ModuleOp> build(const LlamaConfig &config, int64_t tp) {
    options.mesh = {{"tp", tp}};
    options.maxStepTokens = 16;
    options.maxSequences = 3;
    options.maxLogitRows = 16;
    options.maxContext = 31;
    options.pageSlots = 4;
    auto module = buildLlama(&context, config, options);
    EXPECT_TRUE(succeeded(module));
    return std::move(*module);
  }

  /// Scaled so that no layer saturates.
  void setWeights(Interpreter &interpreter, ModuleOp module) {
    for (auto weight : module.getOps<WeightOp>()) {
      if (interpreter.hasWeight(weight.getSymName()))
        continue; // Coordinates, which a pass made weights of.
      RankedTensorType type = weight.getLogicalType();
      Tensor value =
          makeRandom(type.getShape(), type.getElementType(), 7, weight.getSymName(), RandomReals::Uniform, 2);
      ASSERT_FALSE(bool(interpreter.setWeight(weight.getSymName(), std::move(value))));
    }
  }

  /// Logits of the steps, one after the other on the same states.
  std::vector<Tensor> run(ModuleOp module, const std::vector<std::vector<SequencePart>> &steps, bool float64) {
    Interpreter interpreter(module, {.float64 = float64, .pages = 10});
    setWeights(interpreter, module);
    std::vector<Tensor> logits;
    for (const std::vector<SequencePart> &step : steps) {
      auto results = interpreter.runLogical(
          "step", makeStepInputs(&context, step, options.pageSlots, options.pagesPerSequence(), true));
      EXPECT_TRUE(bool(results)) << toString(results.takeError());
      if (!results)
        return {};
      logits.push_back(results->front());
    }
    return logits;
  }

  static double distance(ArrayRef<Number> a, ArrayRef<Number> b) {
    EXPECT_EQ(a.size(), b.size());
    double greatest = 0;
    for (auto [x, y] : llvm::zip(a, b)) {
      double difference = std::fabs(x.real - y.real) / std::max(1.0, std::fabs(y.real));
      if (!(difference <= greatest)) // NaN counts.
        greatest = difference;
    }
    return greatest;
  }

  MLIRContext context;
  LlamaGraphOptions options;
};

struct NamedPass {
  const char *name;
  std::unique_ptr<Pass> (*create)();
};

std::unique_ptr<Pass> packWeights() { return createSelectLibraryCallsPass({/*packWeights=*/true}); }

const std::vector<std::vector<SequencePart>> twoSteps = {{{{3, 1, 4, 1, 5}, 0, {7, 2, 9}}, {{9, 2}, 0, {4}}},
                                                         {{{6, 5, 3}, 5, {7, 2, 9}}, {{5}, 2, {4}}, {{8, 9}, 0, {0}}}};

TEST_F(PhasesOfLlama, everyPassKeepsTheStepOnEveryNumberOfRanks) {
  const NamedPass passes[] = {{"expand-redistribute", [] { return createExpandRedistributePass(); }},
                              {"resolve-sizes", [] { return createResolveSizesPass(); }},
                              {"lower-collectives", [] { return createLowerCollectivesPass(); }},
                              {"canonicalize", [] { return createCanonicalizerPass(); }},
                              {"cse", [] { return createCSEPass(); }},
                              {"select-library-calls", packWeights},
                              {"lower-nn", [] { return createLowerNNPass(); }},
                              {"cse", [] { return createCSEPass(); }},
                              {"form-kernels", [] { return createFormKernelsPass(); }}};
  std::mt19937 random(5);
  for (int64_t groups : {1, 3}) {
    LlamaConfig config = randomConfig(random, 6, groups);
    std::vector<Tensor> truth;
    for (int64_t tp : {1, 2, 3}) {
      SCOPED_TRACE("tp=" + std::to_string(tp) + ", " + std::to_string(groups) + " query heads a key-value head");
      OwningOpRef<ModuleOp> module = build(config, tp);
      std::vector<Tensor> logits = run(*module, twoSteps, /*float64=*/true);
      ASSERT_EQ(logits.size(), 2u);
      if (truth.empty())
        truth = logits;
      for (size_t step = 0; step < truth.size(); ++step)
        EXPECT_LT(distance(logits[step].getElements(), truth[step].getElements()), 1e-11);
      for (const NamedPass &pass : passes) {
        SCOPED_TRACE(pass.name);
        PassManager manager(&context);
        manager.addPass(pass.create());
        ASSERT_TRUE(succeeded(manager.run(*module)));
        std::vector<Tensor> exact = run(*module, twoSteps, /*float64=*/true),
                            rounded = run(*module, twoSteps, /*float64=*/false);
        ASSERT_EQ(exact.size(), 2u);
        ASSERT_EQ(rounded.size(), 2u);
        // Constants such as epsilon are f32 once nn is lowered, hence not 1e-11.
        for (size_t step = 0; step < truth.size(); ++step) {
          EXPECT_LT(distance(exact[step].getElements(), truth[step].getElements()), 1e-7);
          EXPECT_LT(distance(rounded[step].getElements(), truth[step].getElements()), 1e-3);
        }
      }
    }
  }
}

// Wider meshes, lowered as a whole.
TEST_F(PhasesOfLlama, fourAndFiveRanksComputeWhatOneDoes) {
  std::mt19937 random(23);
  for (int64_t tp : {4, 5}) {
    SCOPED_TRACE("tp=" + std::to_string(tp));
    LlamaConfig config = randomConfig(random, tp, 3);
    OwningOpRef<ModuleOp> one = build(config, 1), many = build(config, tp);
    std::vector<Tensor> truth = run(*one, twoSteps, /*float64=*/true);
    PassManager manager(&context);
    manager.addPass(createExpandRedistributePass());
    manager.addPass(createResolveSizesPass());
    manager.addPass(createLowerCollectivesPass());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    manager.addPass(packWeights());
    manager.addPass(createLowerNNPass());
    manager.addPass(createCSEPass());
    manager.addPass(createFormKernelsPass());
    ASSERT_TRUE(succeeded(manager.run(*many)));
    std::vector<Tensor> got = run(*many, twoSteps, /*float64=*/true);
    ASSERT_EQ(truth.size(), 2u);
    ASSERT_EQ(got.size(), 2u);
    for (size_t step = 0; step < truth.size(); ++step)
      EXPECT_LT(distance(got[step].getElements(), truth[step].getElements()), 1e-7);
  }
}

TEST_F(PhasesOfLlama, aPromptGetsWhatItGetsAlone) {
  std::mt19937 random(11);
  LlamaConfig config = randomConfig(random, 2, 3);
  OwningOpRef<ModuleOp> module = build(config, 2);
  std::vector<Tensor> batched = run(*module, twoSteps, true);
  std::vector<Tensor> alone = run(*module, {{{{3, 1, 4, 1, 5, 6, 5, 3}, 0, {1, 2}}}}, true);
  std::vector<Tensor> bySingles = run(*module, {{{{9}, 0, {3}}}, {{{2}, 1, {3}}}, {{{5}, 2, {3}}}}, true);
  ASSERT_EQ(batched.size(), 2u);
  ASSERT_EQ(alone.size(), 1u);
  ASSERT_EQ(bySingles.size(), 3u);
  int64_t width = config.vocabulary;
  auto rows = [&](const Tensor &logits, int64_t first, int64_t count) {
    return logits.getElements().slice(first * width, count * width);
  };
  EXPECT_LT(distance(rows(batched[0], 0, 5), rows(alone[0], 0, 5)), 1e-12);
  EXPECT_LT(distance(rows(batched[1], 0, 3), rows(alone[0], 5, 3)), 1e-12);
  EXPECT_LT(distance(rows(batched[0], 6, 1), rows(bySingles[1], 0, 1)), 1e-12);
  EXPECT_LT(distance(rows(batched[1], 3, 1), rows(bySingles[2], 0, 1)), 1e-12);
}

} // namespace
