// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups of ranks with unequal numbers of tokens, from the model to the executor: what each step computes is what one
// rank computes of all sequences. Groups go idle and come back; the caches live from step to step.
#include "../Transforms/SplitInputs.h"
#include "DataParallelLayer.h"
#include "compiler/Codegen/Host/HostCodegen.h"
#include "compiler/Pipeline/CompilePlan.h"
#include "compiler/Pipeline/Phases.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "runtime/executor/Executor.h"
#include "runtime/plan/LoadedPlan.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/ScopedPrinter.h"
#include "gtest/gtest.h"

#include <filesystem>
#include <map>
#include <random>

#include <unistd.h>

using namespace mlir;
using namespace muster;
using namespace muster::test;
using reference::Interpreter;
using reference::InterpreterOptions;
using reference::RankValues;
using reference::Tensor;

namespace {

struct UnequalRanks : testing::TestWithParam<std::tuple<int64_t, int64_t, bool>> {
  UnequalRanks() {
    DialectRegistry registry;
    registry.insert<MusterDialect, nn::NNDialect, plan::PlanDialect, arith::ArithDialect, func::FuncDialect,
                    linalg::LinalgDialect, math::MathDialect, tensor::TensorDialect>();
    codegen::registerHostCodegenDialects(registry);
    tensor::registerInferTypeOpInterfaceExternalModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    folder = std::filesystem::path(testing::TempDir()) / ("muster-unequal-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
  }
  ~UnequalRanks() override { std::filesystem::remove_all(folder); }

  OwningOpRef<ModuleOp> parse(int64_t groups, int64_t heads, bool isCounted) {
    auto module = parseSourceString<ModuleOp>(dataParallelLayer(groups, heads, isCounted), ParserConfig(&context));
    EXPECT_TRUE(module);
    return module;
  }

  Tensor valueOf(WeightOp weight) {
    RankedTensorType type = weight.getLogicalType();
    return reference::makeRandom(type.getShape(), type.getElementType(), 11, weight.getSymName(),
                                 reference::RandomReals::Uniform, 1);
  }

  /// Results of the function's only result, as a logical tensor.
  struct Judge {
    Judge(ModuleOp module, UnequalRanks &test) : module(module), interpreter(module, options()) {
      for (auto weight : module.getOps<WeightOp>())
        if (!interpreter.hasWeight(weight.getSymName()))
          llvm::cantFail(interpreter.setWeight(weight.getSymName(), test.valueOf(weight)));
    }
    static InterpreterOptions options() {
      InterpreterOptions made;
      made.pages = 4 * pagesPerGroup;
      return made;
    }
    Tensor run(const StepInputs &inputs) {
      auto function = *module.getOps<func::FuncOp>().begin();
      MeshAttr mesh = getMesh(function);
      std::vector<RankValues> parts;
      for (auto [index, tensor] : llvm::enumerate(inputs.tensors)) {
        auto layout = function.getArgAttrOfType<LayoutAttr>(static_cast<unsigned>(index), attribute::layout);
        parts.push_back(llvm::cantFail(reference::scatter(tensor, layout, mesh, inputs.sizes)));
      }
      auto results = interpreter.run("step", parts);
      EXPECT_TRUE(bool(results)) << toString(results.takeError());
      if (!results)
        return {};
      auto layout = function.getResultAttrOfType<LayoutAttr>(0, attribute::layout);
      auto logits = reference::gather(results->front(), layout, mesh, inputs.sizes, /*exact=*/false);
      EXPECT_TRUE(bool(logits)) << toString(logits.takeError());
      return logits ? std::move(*logits) : Tensor();
    }
    ModuleOp module;
    Interpreter interpreter;
  };

  std::shared_ptr<const plan::LoadedPlan> compile(ModuleOp module) {
    CompilePlanOptions options;
    options.target = llvm::cantFail(codegen::HostTarget::parse("x86-64-v3"));
    options.planPath = (folder / "model.plan").string();
    options.weightsPath = (folder / "model.weights").string();
    options.producer = "a test";
    options.weightSource = [&](WeightOp weight, float *out) {
      if (weight->hasAttr("muster.generator")) { // of a coordinate: element i is i
        for (int64_t i = 0; i < weight.getLogicalType().getNumElements(); ++i)
          out[i] = static_cast<float>(i);
        return llvm::Error::success();
      }
      Tensor value = valueOf(weight);
      for (auto [i, number] : llvm::enumerate(value.getElements()))
        out[i] = static_cast<float>(number.real);
      return llvm::Error::success();
    };
    auto compiled = compilePlan(module, options);
    EXPECT_TRUE(bool(compiled)) << toString(compiled.takeError()) << llvm::to_string(module);
    if (!compiled)
      return nullptr;
    auto loaded = plan::loadPlan(options.planPath, {});
    EXPECT_TRUE(loaded.isOk()) << loaded.status().text() << llvm::to_string(module);
    return loaded.isOk() ? *loaded : nullptr;
  }

  MLIRContext context;
  std::filesystem::path folder;
};

void expectNear(const Tensor &expected, ArrayRef<float> got) {
  ASSERT_EQ(static_cast<int64_t>(got.size()), expected.getElementCount());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], expected.getElements()[i].real, 2e-4) << "element " << i;
}

std::vector<float> numbersOf(const Tensor &tensor) {
  std::vector<float> numbers;
  for (reference::Number number : tensor.getElements())
    numbers.push_back(static_cast<float>(number.real));
  return numbers;
}

/// Sequences of each group, which stay there: each knows its pages.
std::vector<Step> stepsOf(size_t groups) {
  std::vector<std::vector<Share>> sequences(groups);
  for (size_t group = 0; group < groups; ++group)
    for (int64_t i = 0; i < 2; ++i)
      sequences[group].push_back({static_cast<int64_t>(group) * 2 + i, i * pagesPerSequence, 0, 0});
  // Tokens of each sequence by step and group; repeated for more groups, in turn.
  const std::vector<std::vector<std::vector<int64_t>>> tokensOf{{{3, 0}, {0, 0}}, {{0, 0}, {5, 0}}, {{2, 0}, {1, 6}},
                                                                {{1, 0}, {1, 1}}, {{0, 0}, {0, 0}}, {{1, 7}, {0, 1}},
                                                                {{1, 1}, {1, 1}}};
  std::vector<Step> steps;
  for (const auto &tokens : tokensOf) {
    Step &step = steps.emplace_back(groups);
    for (size_t group = 0; group < groups; ++group)
      for (size_t i = 0; i < 2; ++i) {
        Share &sequence = sequences[group][i];
        sequence.tokens = tokens[(group + group / 2) % 2][i];
        if (sequence.tokens > 0)
          step[group].push_back(sequence);
        sequence.position += sequence.tokens;
      }
  }
  return steps;
}

std::vector<int32_t> integersOf(const Tensor &tensor) {
  std::vector<int32_t> values;
  for (reference::Number number : tensor.getElements())
    values.push_back(static_cast<int32_t>(number.integer));
  return values;
}

TEST_P(UnequalRanks, computeWhatOneRankDoes) {
  auto [groups, heads, isCounted] = GetParam();
  OwningOpRef<ModuleOp> one = parse(1, 1, isCounted), model = parse(groups, heads, isCounted),
                        lowered = parse(groups, heads, isCounted);
  Judge alone(*one, *this), before(*model, *this);
  auto lower = [&](auto addPasses) {
    PassManager manager(&context);
    addPasses(manager);
    return manager.run(*lowered);
  };
  // Proved three times on the way: as it is written, with its counts, and as transfers.
  ASSERT_TRUE(succeeded(lower([](PassManager &manager) { addPhases(manager, Phase::Model, Phase::Transferred, {}); })));
  OwningOpRef<ModuleOp> transferred = lowered->clone();
  Judge moved(*transferred, *this);
  ASSERT_TRUE(
      succeeded(lower([](PassManager &manager) { addPhases(manager, Phase::Transferred, Phase::Planned, {}); })));
  auto plan = compile(*lowered);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->root().counts->inputs.size(), 3u);
  executor::ExecutorOptions options;
  options.pages = pagesPerGroup;
  auto created = executor::Executor::create(plan, options);
  ASSERT_TRUE(created.isOk()) << created.status().text();
  executor::Executor &executor = **created;

  for (auto [at, step] : llvm::enumerate(stepsOf(static_cast<size_t>(groups)))) {
    SCOPED_TRACE("step " + std::to_string(at));
    StepInputs whole = makeInputs(&context, step, /*asOneGroup=*/true),
               divided = makeInputs(&context, step, /*asOneGroup=*/false);
    Tensor expected = alone.run(whole);
    expectNear(expected, numbersOf(before.run(divided)));
    expectNear(expected, numbersOf(moved.run(divided)));
    if (HasFatalFailure())
      return;

    // A value a field for each rank.
    std::vector<int64_t> record;
    for (int64_t rank = 0; rank < groups * heads; ++rank)
      for (const auto &input : plan->root().counts->inputs) {
        const char *unit = input->name == "t" ? "tokens@step" : input->name == "s" ? "requests@step" : "rows@step";
        record.push_back(divided.sizes.counts[unit][static_cast<size_t>(rank / heads)]);
      }
    Status status = executor.begin(0, record);
    ASSERT_TRUE(status.isOk()) << status.text();
    for (auto [index, tensor] : llvm::enumerate(divided.tensors)) {
      std::vector<int32_t> values = integersOf(tensor);
      status = executor.setInput(static_cast<uint32_t>(index), values.data(), values.size() * 4);
      ASSERT_TRUE(status.isOk()) << status.text();
    }
    status = executor.run();
    ASSERT_TRUE(status.isOk()) << status.text();
    std::vector<float> logits(executor.resultBytes(0) / 4);
    ASSERT_TRUE(executor.readResult(0, logits.data(), logits.size() * 4).isOk());
    expectNear(expected, logits);
    if (HasFatalFailure())
      return;
  }
}

/// The same in two children, cut anywhere: what a plan is told, and what it gives back.
TEST_P(UnequalRanks, computeWhatOneRankDoesInTwoChildren) {
  auto [groups, heads, isCounted] = GetParam();
  if (isCounted)
    GTEST_SKIP() << "a batch is split before it is counted";
  OwningOpRef<ModuleOp> one = parse(1, 1, false), lowered = parse(groups, heads, false);
  Judge alone(*one, *this);
  PassManager manager(&context);
  LoweringOptions lowering;
  lowering.splitBatches = true;
  addPhases(manager, Phase::Model, Phase::Planned, lowering);
  ASSERT_TRUE(succeeded(manager.run(*lowered)));
  auto plan = compile(*lowered);
  ASSERT_TRUE(plan);
  executor::ExecutorOptions options;
  options.pages = pagesPerGroup;
  auto created = executor::Executor::create(plan, options);
  ASSERT_TRUE(created.isOk()) << created.status().text();
  executor::Executor &executor = **created;
  std::mt19937 random(13);
  int cutSequences = 0;
  for (int round = 0; round < 4; ++round)
    for (auto [at, step] : llvm::enumerate(stepsOf(static_cast<size_t>(groups)))) {
      SCOPED_TRACE("step " + std::to_string(at));
      Tensor expected = alone.run(makeInputs(&context, step, /*asOneGroup=*/true));
      std::vector<std::vector<Tensor>> parts;
      std::vector<std::map<std::string, int64_t>> fields;
      for (const std::vector<Share> &group : step) {
        std::vector<Tensor> own = makeInputs(&context, {group}, /*asOneGroup=*/false).tensors;
        int64_t tokens = own.front().getElementCount(),
                cut = static_cast<int64_t>(random() % static_cast<uint64_t>(tokens + 1));
        std::vector<Tensor> children = splitStepInputs(&context, own, cut);
        int64_t requests[] = {children[6].getDimSize(0), children[7].getDimSize(0)};
        cutSequences += requests[0] + requests[1] > own[3].getDimSize(0);
        fields.push_back({{"t", tokens},
                          {"t.a", cut},
                          {"s.a", requests[0]},
                          {"s.b", requests[1]},
                          {"r", own[5].getElementCount()},
                          {"r.a", children[10].getElementCount()}});
        parts.push_back(std::move(children));
      }
      std::vector<int64_t> record;
      for (int64_t rank = 0; rank < groups * heads; ++rank)
        for (const auto &input : plan->root().counts->inputs) {
          ASSERT_TRUE(fields.front().count(input->name)) << input->name;
          record.push_back(fields[static_cast<size_t>(rank / heads)][input->name]);
        }
      Status status = executor.begin(0, record);
      ASSERT_TRUE(status.isOk()) << status.text();
      ASSERT_EQ(plan->root().entries[0]->inputs.size(), 12u);
      for (int64_t rank = 0; rank < groups * heads; ++rank)
        for (auto [index, tensor] : llvm::enumerate(parts[static_cast<size_t>(rank / heads)])) {
          std::vector<int32_t> values = integersOf(tensor);
          status = executor.setInputPart(static_cast<uint32_t>(index), static_cast<uint32_t>(rank), values.data(),
                                         values.size() * 4);
          ASSERT_TRUE(status.isOk()) << plan->root().entries[0]->inputs[index]->name << ": " << status.text();
        }
      status = executor.run();
      ASSERT_TRUE(status.isOk()) << status.text();
      std::vector<float> logits(executor.resultBytes(0) / 4);
      ASSERT_TRUE(executor.readResult(0, logits.data(), logits.size() * 4).isOk());
      expectNear(expected, logits);
      if (HasFatalFailure())
        return;
    }
  EXPECT_GT(cutSequences, 0);
}

// With counts that the graph makes, and without any.
INSTANTIATE_TEST_SUITE_P(Meshes, UnequalRanks,
                         testing::Values(std::tuple(1, 1, true), std::tuple(1, 2, false), std::tuple(2, 1, false),
                                         std::tuple(2, 2, true), std::tuple(2, 2, false), std::tuple(3, 1, true),
                                         std::tuple(4, 2, false)));

} // namespace
