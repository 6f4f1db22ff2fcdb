// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every single edit of the model graphs that is one of the mesh alone: refuted where the graph then computes something
// else on random data, proved where it does not. Where the rules do not decide, running does (compiler/Sampling). How
// many are unknown is held, to both and to the rules alone: ceilings are what there is now, and none may rise.
// MUSTER_SHOW_EDITS shows all that are not as they should be, MUSTER_SHOW_UNDECIDED what the rules do not decide.
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Sampling/DecideByRunning.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"
#include "models/llama/LlamaGraph.h"
#include "test/unit/models/mutation/GraphEdits.h"
#include "test/unit/models/mutation/GraphRunner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

struct Counts {
  int64_t edits = 0;
  int64_t refuted = 0, refutedButEqual = 0;
  int64_t proved = 0, provedButDifferent = 0;
  int64_t unknownDifferent = 0, unknownEqual = 0;
  int64_t undecided = 0; ///< by the rules alone
};

/// The most of each sort; `edits` the least.
struct Ceilings {
  int64_t edits, refutedButEqual, provedButDifferent, unknownDifferent, unknownEqual, undecided;
};

class ModelMutation : public testing::Test {
protected:
  ModelMutation() {
    DialectRegistry registry;
    registry.insert<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                    tensor::TensorDialect, arith::ArithDialect, scf::SCFDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.disableMultithreading();
  }

  void expectJudged(ModuleOp module, const Ceilings &most) {
    PassManager passes(&context);
    passes.addPass(createSplitMeshAxesPass());
    passes.addPass(createExpandRedistributePass());
    ASSERT_TRUE(succeeded(passes.run(module)));
    auto entry = *module.getOps<func::FuncOp>().begin();
    LayoutReport report = inferLayouts(module);
    EXPECT_TRUE(report.findings.empty()) << report.findings.front().message;
    EXPECT_EQ(sampling::compareWithOneRank(entry).outcome, sampling::Comparison::Outcome::Equal);
    auto wanted = runSteps(entry);
    ASSERT_TRUE(wanted);
    ASSERT_TRUE(areEqual(*wanted, *wanted)) << "the right graph gives numbers that are not finite";

    Counts counts;
    int64_t shown = 0;
    forEachEdit(entry, [&](func::FuncOp edited, const std::string &what) {
      ++counts.edits;
      LayoutReport report = inferLayouts(edited->getParentOfType<ModuleOp>());
      if (report.has(LayoutFinding::Kind::Unknown) && !report.has(LayoutFinding::Kind::Refuted)) {
        ++counts.undecided;
        if (std::getenv("MUSTER_SHOW_UNDECIDED"))
          std::printf("  undecided: %s: %s\n", what.c_str(), report.findings.front().message.c_str());
      }
      sampling::decideByRunning(report);
      auto got = runSteps(edited);
      bool isEqual = got && areEqual(*got, *wanted);
      std::string message = report.findings.empty() ? "" : report.findings.front().message;
      const char *verdict = nullptr;
      if (report.has(LayoutFinding::Kind::Refuted)) {
        ++counts.refuted;
        counts.refutedButEqual += isEqual;
        verdict = isEqual ? "refuted, but equal" : nullptr;
      } else if (report.has(LayoutFinding::Kind::Unknown)) {
        ++(isEqual ? counts.unknownEqual : counts.unknownDifferent);
        verdict = isEqual ? "unknown, and equal" : "unknown, and different";
      } else {
        ++counts.proved;
        counts.provedButDifferent += !isEqual;
        verdict = isEqual ? nullptr : "proved, but different";
      }
      if (verdict && (std::getenv("MUSTER_SHOW_EDITS") || ++shown <= 6))
        std::printf("  %s: %s: %s\n", verdict, what.c_str(), message.c_str());
    });
    std::printf(
        "%ld edits: %ld refuted, of which %ld are equal; %ld proved, of which %ld differ; %ld unknown, of which "
        "%ld are equal; %ld not decided by the rules\n",
        long(counts.edits), long(counts.refuted), long(counts.refutedButEqual), long(counts.proved),
        long(counts.provedButDifferent), long(counts.unknownDifferent + counts.unknownEqual), long(counts.unknownEqual),
        long(counts.undecided));
    EXPECT_GE(counts.edits, most.edits);
    EXPECT_LE(counts.refutedButEqual, most.refutedButEqual);
    EXPECT_LE(counts.provedButDifferent, most.provedButDifferent);
    EXPECT_LE(counts.unknownDifferent, most.unknownDifferent);
    EXPECT_LE(counts.unknownEqual, most.unknownEqual);
    EXPECT_LE(counts.undecided, most.undecided);
  }

  /// With rows in equal parts: edits are judged by running on one rank, too, where no counts divide anything.
  static llama::LlamaLayouts inEqualParts(llama::LlamaLayouts layouts) {
    for (std::string *text : {&layouts.tokens, &layouts.embeddedTokens, &layouts.residual, &layouts.attentionInput,
                              &layouts.feedForwardInput, &layouts.attentionOutput, &layouts.feedForwardOutput,
                              &layouts.embedded, &layouts.queryRows, &layouts.keyRows, &layouts.askableRows}) {
      constexpr llvm::StringLiteral counted = " : tokens @step";
      if (size_t found = text->find(counted.data()); found != std::string::npos)
        text->erase(found, counted.size());
    }
    return layouts;
  }

  void expectLlamaJudged(const std::vector<std::pair<std::string, int64_t>> &mesh, const Ceilings &most) {
    llama::LlamaConfig config;
    config.layers = 1;
    config.hidden = 12;
    config.kvHeads = 6 * (mesh.size() > 1 ? 2 : 1);
    config.heads = 2 * config.kvHeads;
    config.headDim = 4;
    config.feedForward = 24;
    config.vocabulary = 12;
    config.contextLength = 32;
    config.rmsEpsilon = 1e-5;
    llama::LlamaGraphOptions options;
    options.mesh = mesh;
    options.maxContext = 16;
    options.pageSlots = 4;
    options.maxStepTokens = 24;
    options.maxSequences = 6;
    auto module = llama::buildLlama(&context, config, options, inEqualParts(llama::chooseLayouts(config, options)));
    ASSERT_TRUE(succeeded(module));
    // Rows of all ranks together.
    for (auto function : (*module)->getOps<func::FuncOp>()) {
      NamedAttrList bounds(function->getAttrOfType<DictionaryAttr>(attribute::bounds));
      bounds.erase("t.total");
      bounds.set("t", Builder(&context).getI64IntegerAttr(options.maxStepTokens));
      function->setAttr(attribute::bounds, bounds.getDictionary(&context));
    }
    expectJudged(**module, most);
  }

  void expectExampleJudged(const std::string &name, const Ceilings &most) {
    std::string root = std::getenv("MUSTER_SOURCE_ROOT") ? std::getenv("MUSTER_SOURCE_ROOT") : ".";
    auto module = parseSourceFile<ModuleOp>(root + "/models/examples/" + name + ".mlir", &context);
    ASSERT_TRUE(module);
    expectJudged(*module, most);
  }

  MLIRContext context;
};

// Not decided by the rules: broadcasts of what differs between ranks, collectives over packed weights.
TEST_F(ModelMutation, LlamaTensorParallel) { expectLlamaJudged({{"tp", 3}}, {190, 0, 0, 0, 0, 22}); }
TEST_F(ModelMutation, LlamaSequenceParallel) { expectLlamaJudged({{"sp", 3}}, {206, 0, 0, 0, 0, 30}); }
// Two equal: another order of axes in the layout of keys or values. The ranks' own parts fit together all the same, but
// the state is not what it is declared to be.
TEST_F(ModelMutation, LlamaBoth) { expectLlamaJudged({{"sp", 2}, {"tp", 2}}, {947, 2, 0, 0, 0, 147}); }
TEST_F(ModelMutation, AttentionBlock) { expectExampleJudged("attention-block", {95, 0, 0, 0, 0, 18}); }
TEST_F(ModelMutation, SequenceToHeads) { expectExampleJudged("sequence-to-heads", {4, 0, 0, 0, 0, 1}); }
TEST_F(ModelMutation, TensorParallelMlp) { expectExampleJudged("tensor-parallel-mlp", {35, 0, 0, 0, 0, 6}); }
TEST_F(ModelMutation, UlyssesAttention) { expectExampleJudged("ulysses-attention", {74, 0, 0, 0, 0, 15}); }
// Unknown: rows in equal parts, which some numbers of rows are not; the whole rows on each rank, of which a slice takes
// the first ones.
TEST_F(ModelMutation, UlyssesPacked) { expectExampleJudged("ulysses-packed", {58, 0, 0, 2, 1, 14}); }

} // namespace
