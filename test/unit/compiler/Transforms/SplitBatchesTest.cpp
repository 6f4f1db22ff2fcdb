// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A batch in two children computes what it computes as one: results and states, bit by bit, for all ways of cutting all
// small steps. Sequences that are cut, children and groups without a token, steps without any; then a token of each
// sequence, which reads what the children have written.
#include "../Pipeline/DataParallelLayer.h"
#include "SplitInputs.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::test;
using reference::Interpreter;
using reference::InterpreterOptions;
using reference::RankValues;
using reference::Tensor;

namespace {

/// What a group computes in a step: tokens of each of its sequences, and where they are cut.
struct Part {
  std::vector<int64_t> tokens;
  int64_t cut = 0;
};

/// All ways of giving at most `most` tokens to sequences, and of cutting them.
std::vector<Part> allParts(int64_t most) {
  std::vector<Part> parts;
  std::function<void(std::vector<int64_t>, int64_t)> extend = [&](std::vector<int64_t> tokens, int64_t left) {
    for (int64_t cut = 0; cut <= most - left; ++cut)
      parts.push_back({tokens, cut});
    for (int64_t next = 1; next <= left && tokens.size() < 2; ++next) {
      std::vector<int64_t> longer = tokens;
      longer.push_back(next);
      extend(longer, left - next);
    }
  };
  extend({}, most);
  return parts;
}

struct SplitBatches : testing::Test {
  SplitBatches() {
    context.loadDialect<MusterDialect, nn::NNDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                        math::MathDialect, tensor::TensorDialect, ub::UBDialect>();
  }

  /// A model and the states of its runs.
  struct Program {
    Program(SplitBatches &test, int64_t groups, int64_t heads, bool isSplit) : heads(heads), isSplit(isSplit) {
      module = parseSourceString<ModuleOp>(dataParallelLayer(groups, heads, /*isCounted=*/false),
                                           ParserConfig(&test.context));
      PassManager passes(&test.context);
      if (isSplit)
        passes.addPass(createSplitBatchesPass());
      passes.addPass(createMaterializeTokenCountsPass());
      passes.addPass(createVerifyCountsPass());
      passes.addPass(createVerifyCollectivesPass());
      passes.addPass(createExpandRedistributePass());
      isRight = module && succeeded(passes.run(*module));
      InterpreterOptions options;
      options.pages = pagesPerGroup;
      interpreter.emplace(*module, options);
      for (auto weight : module->getOps<WeightOp>())
        llvm::cantFail(interpreter->setWeight(
            weight.getSymName(),
            reference::makeRandom(weight.getLogicalType().getShape(), weight.getLogicalType().getElementType(), 11,
                                  weight.getSymName(), reference::RandomReals::Uniform, 1)));
    }

    /// The result on each rank.
    RankValues run(MLIRContext *context, const Step &step, const std::vector<int64_t> &cuts) {
      std::vector<RankValues> inputs(isSplit ? 12 : 6);
      for (size_t group = 0; group < step.size(); ++group) {
        std::vector<Tensor> own = makeInputs(context, {step[group]}, /*asOneGroup=*/false).tensors;
        if (isSplit)
          own = splitStepInputs(context, own, cuts[group]);
        for (auto [values, tensor] : llvm::zip_equal(inputs, own))
          for (int64_t rank = 0; rank < heads; ++rank)
            values.push_back(reference::share(tensor));
      }
      auto results = interpreter->run("step", std::move(inputs));
      EXPECT_TRUE(bool(results)) << toString(results.takeError());
      return results ? results->front() : RankValues();
    }

    OwningOpRef<ModuleOp> module;
    std::optional<Interpreter> interpreter;
    int64_t heads;
    bool isSplit, isRight;
  };

  static void expectEqual(const Tensor &expected, const Tensor &got) {
    ASSERT_EQ(expected.getShape(), got.getShape());
    for (auto [left, right] : llvm::zip_equal(expected.getElements(), got.getElements()))
      if (!std::isnan(left.real) || !std::isnan(right.real))
        ASSERT_EQ(left.real, right.real);
  }

  /// One step of `parts`, then one of a token of each sequence, cut anywhere.
  void compare(Program &whole, Program &split, const std::vector<Part> &parts, std::mt19937 &random) {
    std::string trace;
    for (const Part &part : parts) {
      trace += "[";
      for (int64_t tokens : part.tokens)
        trace += std::to_string(tokens) + " ";
      trace += "| " + std::to_string(part.cut) + "] ";
    }
    SCOPED_TRACE(trace);
    whole.interpreter->clearStates();
    split.interpreter->clearStates();
    Step step(parts.size());
    std::vector<int64_t> cuts;
    for (size_t group = 0; group < parts.size(); ++group) {
      for (size_t i = 0; i < parts[group].tokens.size(); ++i)
        step[group].push_back({static_cast<int64_t>(2 * group + i), static_cast<int64_t>(i) * pagesPerSequence, 0,
                               parts[group].tokens[i]});
      cuts.push_back(parts[group].cut);
    }
    for (int round = 0; round < 2; ++round) {
      RankValues expected = whole.run(&context, step, cuts), got = split.run(&context, step, cuts);
      ASSERT_EQ(expected.size(), got.size());
      for (auto [left, right] : llvm::zip_equal(expected, got))
        expectEqual(*left, *right);
      for (auto state : whole.module->getOps<StateOp>())
        for (size_t rank = 0; rank < expected.size(); ++rank)
          expectEqual(**whole.interpreter->getState(state.getSymName(), static_cast<int64_t>(rank)),
                      **split.interpreter->getState(state.getSymName(), static_cast<int64_t>(rank)));
      if (HasFatalFailure())
        return;
      for (size_t group = 0; group < step.size(); ++group) {
        for (Share &share : step[group]) {
          share.position += share.tokens;
          share.tokens = 1;
        }
        cuts[group] = static_cast<int64_t>(random() % (step[group].size() + 1));
      }
    }
  }

  MLIRContext context;
};

TEST_F(SplitBatches, allStepsOfOneGroup) {
  std::mt19937 random(5);
  for (int64_t heads : {1, 2}) {
    Program whole(*this, 1, heads, false), split(*this, 1, heads, true);
    ASSERT_TRUE(whole.isRight && split.isRight);
    for (const Part &part : allParts(5)) {
      compare(whole, split, {part}, random);
      if (HasFatalFailure())
        return;
    }
  }
}

TEST_F(SplitBatches, allStepsOfTwoGroups) {
  std::mt19937 random(7);
  Program whole(*this, 2, 1, false), split(*this, 2, 1, true);
  ASSERT_TRUE(whole.isRight && split.isRight);
  std::vector<Part> parts = allParts(3);
  for (const Part &left : parts)
    for (const Part &right : parts) {
      compare(whole, split, {left, right}, random);
      if (HasFatalFailure())
        return;
    }
}

TEST_F(SplitBatches, stepsOfMoreRanks) {
  std::mt19937 random(11);
  const std::vector<Part> parts = allParts(5);
  for (auto [groups, heads] : {std::pair<int64_t, int64_t>{3, 1}, {2, 2}, {3, 2}, {4, 1}}) {
    Program whole(*this, groups, heads, false), split(*this, groups, heads, true);
    ASSERT_TRUE(whole.isRight && split.isRight);
    for (int tries = 0; tries < 40; ++tries) {
      std::vector<Part> step;
      for (int64_t group = 0; group < groups; ++group)
        step.push_back(parts[random() % parts.size()]);
      compare(whole, split, step, random);
      if (HasFatalFailure())
        return;
    }
  }
}

} // namespace
