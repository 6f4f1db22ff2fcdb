// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Edits of counts in model graphs whose rows are in unequal parts: each is refuted or left open by a proof, or what it
// computes is what the graph computed, or it stops with an error. None computes something else unseen.
// MUSTER_COUNT_EDITS: how many edits of each graph; MUSTER_SHOW_EDITS shows those that pass.
#include "compiler/Analysis/CollectiveOrder.h"
#include "compiler/Analysis/CountCheck.h"
#include "compiler/Analysis/LayoutInference.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "compiler/Transforms/Passes.h"
#include "models/llama/LlamaGraph.h"
#include "test/unit/models/mutation/CountEdits.h"
#include "test/unit/models/mutation/GraphRunner.h"
#include "test/unit/models/mutation/OutlineRuns.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::test;
using reference::Tensor;

namespace {

using Mesh = std::vector<std::pair<std::string, int64_t>>;

class CountMutation : public testing::Test {
protected:
  /// Builds the graph up to its collectives.
  void build(const Mesh &axes, int64_t layers = 1) {
    options.mesh = axes;
    options.maxContext = 12;
    options.pageSlots = 4;
    options.maxStepTokens = 24;
    options.maxSequences = 2;
    options.maxLogitRows = 4;
    llama::LlamaConfig config;
    config.layers = layers;
    config.hidden = 6;
    config.kvHeads = config.heads = 6;
    config.headDim = 4;
    config.feedForward = 12;
    config.vocabulary = 12;
    config.contextLength = 32;
    config.rmsEpsilon = 1e-5;
    context.loadDialect<scf::SCFDialect>();
    context.disableMultithreading();
    auto built = llama::buildLlama(&context, config, options);
    ASSERT_TRUE(succeeded(built));
    module = std::move(*built);
    PassManager passes(&context);
    passes.addPass(createSplitMeshAxesPass());
    passes.addPass(createMaterializeTokenCountsPass());
    passes.addPass(createExpandRedistributePass());
    ASSERT_TRUE(succeeded(passes.run(*module)));
  }

  int64_t positionOn(StringRef axis, int64_t rank) const {
    int64_t position = 0;
    for (const auto &[name, size] : llvm::reverse(options.mesh)) {
      if (name == axis)
        position = rank % size;
      rank /= size;
    }
    return position;
  }

  /// One step of a sequence in each group, or of one over all ranks; results of all ranks, nothing where it stops.
  std::optional<std::vector<Tensor>> run(ModuleOp edited, ArrayRef<int64_t> counts) {
    reference::Interpreter interpreter(edited, {.float64 = true, .pages = 6});
    for (auto weight : edited.getOps<WeightOp>())
      if (auto error = interpreter.setWeight(
              weight.getSymName(),
              reference::makeRandom(weight.getLogicalType().getShape(), weight.getLogicalType().getElementType(), 7,
                                    weight.getSymName(), reference::RandomReals::Uniform, 2))) {
        llvm::consumeError(std::move(error));
        return std::nullopt;
      }
    bool isSpread = options.axisSize("sp") > 1;
    int64_t ranks = 1;
    for (const auto &[name, size] : options.mesh)
      ranks *= size;
    std::vector<reference::RankValues> inputs(6);
    Type i32 = IntegerType::get(&context, 32);
    for (int64_t rank = 0; rank < ranks; ++rank) {
      int64_t own = counts[positionOn(isSpread ? "sp" : "dp", rank)],
              rows = isSpread ? std::accumulate(counts.begin(), counts.end(), int64_t(0)) : own,
              first =
                  isSpread ? std::accumulate(counts.begin(), counts.begin() + positionOn("sp", rank), int64_t(0)) : 0;
      std::vector<int64_t> positions(rows), starts = {0}, table, asked;
      std::iota(positions.begin(), positions.end(), 0);
      if (rows > 0) {
        starts.push_back(rows);
        table = {0, 1, 2};
        asked = {rows - 1, rows / 2};
      }
      std::vector<int64_t> tokens;
      for (int64_t row = first; row < first + (isSpread ? own : rows); ++row)
        tokens.push_back((row * 5 + positionOn("dp", rank) * 7 + 3) % 12);
      auto vector = [&](ArrayRef<int64_t> values) {
        return std::make_shared<const Tensor>(Tensor::ofIntegers({static_cast<int64_t>(values.size())}, i32, values));
      };
      inputs[0].push_back(vector(tokens));
      inputs[1].push_back(vector(positions));
      inputs[2].push_back(vector(starts));
      inputs[3].push_back(
          std::make_shared<const Tensor>(Tensor::ofIntegers({static_cast<int64_t>(starts.size()) - 1, 3}, i32, table)));
      inputs[4].push_back(vector(positions)); // a sequence's own pages, in order
      inputs[5].push_back(vector(asked));
    }
    auto results = interpreter.run(llama::stepEntry, std::move(inputs));
    if (!results) {
      llvm::consumeError(results.takeError());
      return std::nullopt;
    }
    std::vector<Tensor> all;
    for (const reference::RankValues &result : *results)
      for (const reference::TensorHandle &part : result)
        all.push_back(*part);
    return all;
  }

  /// Which proofs have something to say.
  struct Judgement {
    bool layoutsRefuted = false, layoutsUnknown = false, counts = false, order = false;
    bool isRefused() const { return layoutsRefuted || layoutsUnknown || counts || order; }
  };
  static Judgement judge(ModuleOp edited) {
    Judgement judgement;
    LayoutReport layouts = inferLayouts(edited);
    judgement.layoutsRefuted = layouts.has(LayoutFinding::Kind::Refuted);
    judgement.layoutsUnknown = !judgement.layoutsRefuted && layouts.has(LayoutFinding::Kind::Unknown);
    judgement.counts = !checkCounts(edited).findings.empty();
    judgement.order = !checkCollectiveOrder(edited).findings.empty();
    return judgement;
  }

  void expectNoneSilent(const Mesh &axes, const std::vector<std::vector<int64_t>> &steps) {
    build(axes);
    if (HasFatalFailure())
      return;
    std::vector<std::vector<Tensor>> wanted;
    for (const std::vector<int64_t> &counts : steps) {
      auto results = run(*module, counts);
      ASSERT_TRUE(results);
      ASSERT_TRUE(areEqual(*results, *results)) << "the right graph gives numbers that are not finite";
      wanted.push_back(std::move(*results));
    }
    ASSERT_FALSE(judge(*module).isRefused());
    const char *wish = std::getenv("MUSTER_COUNT_EDITS");
    int64_t most = wish ? std::atoll(wish) : 300, edits = 0, invalid = 0, stopped = 0, equal = 0, silent = 0;
    int64_t layouts = 0, unknown = 0, byCounts = 0, byOrder = 0, refused = 0;
    std::mt19937 random(20261123);
    ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
    for (int64_t attempt = 0; edits < most && attempt < 20 * most; ++attempt) {
      OwningOpRef<ModuleOp> copy = module->clone();
      auto entry = *copy->getOps<func::FuncOp>().begin();
      std::string what = editCounts(entry, random);
      while (!what.empty() && random() % 4 == 0)
        if (std::string second = editCounts(entry, random); !second.empty())
          what += "; " + second;
      if (what.empty())
        continue;
      ++edits;
      if (failed(verify(*copy))) {
        ++invalid;
        continue;
      }
      Judgement judgement = judge(*copy);
      layouts += judgement.layoutsRefuted;
      unknown += judgement.layoutsUnknown;
      byCounts += judgement.counts;
      byOrder += judgement.order;
      refused += judgement.isRefused();
      if (judgement.isRefused())
        continue;
      bool isStopped = false, isEqual = true;
      for (auto [counts, right] : llvm::zip_equal(steps, wanted)) {
        auto got = run(*copy, counts);
        isStopped |= !got;
        isEqual &= !got || areEqual(*got, right);
      }
      silent += !isEqual;
      (isStopped ? stopped : equal) += isEqual;
      if (!isEqual || std::getenv("MUSTER_SHOW_EDITS"))
        std::printf("  %s: %s\n", !isEqual ? "SILENT" : isStopped ? "stops" : "equal", what.c_str());
      EXPECT_TRUE(isEqual) << what;
    }
    std::printf("%ld edits: %ld refused by verifiers, %ld by proofs (layouts %ld and %ld unknown, counts %ld, order of "
                "collectives %ld); of the others %ld equal, %ld stop, %ld silent\n",
                long(edits), long(invalid), long(refused), long(layouts), long(unknown), long(byCounts), long(byOrder),
                long(equal), long(stopped), long(silent));
    EXPECT_EQ(edits, most);
    EXPECT_GT(layouts, 0);
    EXPECT_GT(byCounts, 0);
    EXPECT_GT(byOrder, 0);
    EXPECT_GT(equal, 0);
  }

  /// The same of graphs of which parts are functions, each called for all that is the same: what is right stays proved,
  /// and an edit in front of that, or of one of the calls, is no less found.
  void expectNoneSilentInCalls(const Mesh &axes, const std::vector<std::vector<int64_t>> &steps) {
    build(axes, /*layers=*/2);
    if (HasFatalFailure())
      return;
    std::vector<std::vector<Tensor>> wanted;
    for (const std::vector<int64_t> &counts : steps)
      wanted.push_back(*run(*module, counts));
    const char *wish = std::getenv("MUSTER_COUNT_EDITS");
    int64_t most = wish ? std::atoll(wish) : 200, refused = 0, invalid = 0, stopped = 0, equal = 0, shared = 0,
            more = 0;
    std::mt19937 random(20261123);
    ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
    for (int64_t trial = 0; trial < most; ++trial) {
      OwningOpRef<ModuleOp> copy = module->clone();
      auto entry = *copy->getOps<func::FuncOp>().begin();
      std::string what;
      unsigned kind = random() % 4; // of which one is no edit at all
      bool isRefusedInline = false;
      if (kind == 1 || kind == 2) {
        what = editCounts(entry, random);
        if (failed(verify(*copy))) {
          ++invalid;
          continue;
        }
        isRefusedInline = judge(*copy).isRefused();
      }
      Outlined parts = outlineRuns(entry, random);
      shared += parts.calls - parts.functions;
      if (kind == 3)
        what = editCall(entry, random);
      ASSERT_TRUE(succeeded(verify(*copy)));
      bool isRefused = judge(*copy).isRefused();
      if (what.empty()) {
        EXPECT_FALSE(isRefused) << "refused, though right";
        if (isRefused && std::getenv("MUSTER_SHOW_EDITS")) {
          for (const LayoutFinding &finding : inferLayouts(*copy).findings)
            if (finding.kind != LayoutFinding::Kind::Assumed)
              std::printf("  %s: %s\n", finding.op->getName().getStringRef().str().c_str(), finding.message.c_str());
          for (const StepFinding &finding : checkCounts(*copy).findings)
            std::printf("  %s\n", finding.message.c_str());
        }
      }
      refused += isRefused;
      more += isRefused && !isRefusedInline && kind != 3;
      if (isRefused)
        continue;
      bool isStopped = false, isEqual = true;
      for (auto [counts, right] : llvm::zip_equal(steps, wanted)) {
        auto got = run(*copy, counts);
        isStopped |= !got;
        isEqual &= !got || areEqual(*got, right);
      }
      (isStopped ? stopped : equal) += isEqual;
      EXPECT_TRUE(isEqual) << what;
    }
    std::printf("%ld graphs of calls, %ld calls of functions that another had called: %ld refused by verifiers, %ld by "
                "proofs, %ld of "
                "these not without calls; of the others %ld equal, %ld stop\n",
                long(most), long(shared), long(invalid), long(refused), long(more), long(equal), long(stopped));
    EXPECT_GT(shared, 0);
    EXPECT_GT(refused, 0);
    EXPECT_GT(equal, 0);
  }

  MLIRContext context;
  llama::LlamaGraphOptions options;
  OwningOpRef<ModuleOp> module;
};

TEST_F(CountMutation, DataParallel) { expectNoneSilent({{"dp", 2}}, {{3, 5}, {5, 2}, {0, 7}, {0, 0}}); }
TEST_F(CountMutation, DataAndTensorParallel) {
  expectNoneSilent({{"dp", 3}, {"tp", 2}}, {{3, 5, 7}, {5, 2, 3}, {0, 7, 0}});
}
TEST_F(CountMutation, DataParallelInCalls) { expectNoneSilentInCalls({{"dp", 2}}, {{3, 5}, {0, 7}}); }
TEST_F(CountMutation, SequenceParallelInCalls) { expectNoneSilentInCalls({{"sp", 3}}, {{3, 5, 2}, {0, 0, 4}}); }
TEST_F(CountMutation, SequenceParallel) { expectNoneSilent({{"sp", 3}}, {{3, 5, 2}, {1, 2, 7}, {0, 0, 4}}); }
TEST_F(CountMutation, SequenceAndTensorParallel) { expectNoneSilent({{"sp", 2}, {"tp", 3}}, {{3, 5}, {7, 2}, {0, 4}}); }

} // namespace
