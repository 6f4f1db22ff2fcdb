// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The programs of ProofBenchmark are proved, and the time for an operation does not grow with their length.
#include "compiler/Analysis/LayoutInference.h"
#include "dialects/NN/IR/NNDialect.h"
#include "test/benchmark/proof/Chains.h"
#include "test/benchmark/proof/MixtureOfExperts.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <ctime>
#include <gtest/gtest.h>

using namespace mlir;
using namespace muster;
using namespace muster::benchmarks;

namespace {

class LongPrograms : public testing::Test {
protected:
  LongPrograms() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect, arith::ArithDialect, scf::SCFDialect>();
    context.disableMultithreading();
  }

  LayoutReport verify(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    return module ? inferLayouts(*module) : LayoutReport();
  }

  void expectProved(const std::string &text, int64_t operations) {
    LayoutReport report = verify(text);
    EXPECT_GE(report.operations, operations);
    EXPECT_GE(report.results, 1);
    EXPECT_TRUE(report.findings.empty()) << report.findings.front().message;
  }

  /// CPU seconds for an operation, the best of three proofs.
  double secondsEach(const std::string &text) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      module = parseSourceString<ModuleOp>(text, &context);
      std::clock_t start = std::clock();
      LayoutReport report = inferLayouts(*module);
      best = std::min(best, double(std::clock() - start) / CLOCKS_PER_SEC / double(report.operations));
      EXPECT_TRUE(report.findings.empty());
    }
    return best;
  }

  /// A sum of squares would make this the ratio of the lengths, 50. Larger programs leave the caches.
  void expectNoGrowth(std::string (*make)(int64_t), int64_t few, int64_t many) {
    double small = secondsEach(make(few)), large = secondsEach(make(many));
    EXPECT_LE(large, 10 * small) << few << ": " << small * 1e6 << " us an operation, " << many << ": " << large * 1e6;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

MixtureOfExperts fewLayers(int64_t ep, int64_t tp) {
  MixtureOfExperts model;
  model.layers = 4;
  model.denseLayers = 1;
  model.ep = ep;
  model.tp = tp;
  return model;
}

TEST_F(LongPrograms, ExpertsOnFewAndManyRanks) {
  expectProved(fewLayers(4, 2).text(), 500);
  expectProved(fewLayers(128, 64).text(), 500);
}

/// The tokens of the experts that another rank has are brought back by other tokens.
TEST_F(LongPrograms, NegativeExpertsWithAnotherAxis) {
  std::string text = fewLayers(4, 4).text();
  size_t at = text.rfind("on \"ep\" split 0 concat 1");
  ASSERT_NE(at, std::string::npos);
  text.replace(at + 4, 2, "tp");
  LayoutReport report = verify(text);
  EXPECT_TRUE(report.has(LayoutFinding::Kind::Refuted));
}

/// What is known of values must stay in place while more becomes known.
TEST_F(LongPrograms, Calls) { expectProved(calls(300), 300); }
/// Each function calls the next one twice: 2^40 operations, unless a function is judged once for its operands.
TEST_F(LongPrograms, CallsOfCalls) {
  std::string text = "muster.mesh @node <[\"tp\" = 2]>\n";
  const std::string type = "tensor<4xf32>", laid = type + " {muster.layout = #muster.layout<[t/tp]>}";
  const int64_t last = 40;
  auto call = [&](const std::string &result, int64_t callee, const std::string &operand) {
    return result + " = func.call @f" + std::to_string(callee) + "(" + operand + ") : (" + type + ") -> " + type + "\n";
  };
  for (int64_t i = 0; i <= last; ++i)
    text +=
        "func.func private @f" + std::to_string(i) + "(%x: " + type + ") -> " + type + " {\n" +
        (i == last ? "%1 = arith.mulf %x, %x : " + type + "\n" : call("%0", i + 1, "%x") + call("%1", i + 1, "%0")) +
        "return %1 : " + type + "\n}\n";
  text +=
      "func.func @main(%x: " + laid + ") -> (" + laid + ") {\n" + call("%0", 0, "%x") + "return %0 : " + type + "\n}\n";
  expectProved(text, 2 * last);
}
TEST_F(LongPrograms, Chain) { expectProved(movementChain(20000), 20000); }
TEST_F(LongPrograms, Misaligned) { expectProved(misalignedChain(100), 120); }
TEST_F(LongPrograms, Nested) { expectProved(nestedBranches(300), 900); }

TEST_F(LongPrograms, ChainGrowth) { expectNoGrowth(movementChain, 1000, 50000); }
TEST_F(LongPrograms, CallGrowth) { expectNoGrowth(calls, 20, 1000); }

} // namespace
