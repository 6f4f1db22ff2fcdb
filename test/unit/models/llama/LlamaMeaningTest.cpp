// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a built graph computes, on all ranks and in float64, against a plain forward pass: batches of sequences that
// come and go, prompts whole and in chunks, single tokens, and logits of some rows only.
#include "models/llama/LlamaGraph.h"

#include "../../compiler/Transforms/SplitInputs.h"
#include "PlainLlama.h"
#include "RandomLlama.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "models/llama/RopeTables.h"

#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::llama;
using reference::Tensor;

namespace {

/// A sequence in the making: its pages, and how much of it has been computed.
struct Sequence {
  std::vector<int64_t> tokens;
  std::vector<Row> expected;
  std::vector<int64_t> pages;
  int64_t done = 0;
};

/// What each sequence of a step computes; a share of 0 is a sequence that takes part with no row.
using Shares = std::vector<std::pair<Sequence *, int64_t>>;

void keepLayouts(LlamaLayouts &) {}

class Runner {
public:
  using Mesh = std::vector<std::pair<std::string, int64_t>>;

  /// `edit` changes the layouts that the mesh gives. Nothing may be unknown unless told.
  Runner(const LlamaConfig &config, const Mesh &mesh, std::mt19937 &random,
         llvm::function_ref<void(LlamaLayouts &)> edit = keepLayouts, bool allowUnknown = false, bool isSplit = false)
      : config(config), model(config, random), random(random), isSplit(isSplit) {
    options.mesh = mesh;
    options.maxContext = 23;
    options.pageSlots = 4;
    options.maxSequences = 3;
    LlamaLayouts layouts = chooseLayouts(config, options);
    edit(layouts);
    auto built = buildLlama(&context, config, options, layouts);
    if (failed(built))
      return;
    module = std::move(*built);
    PassManager passes(&context);
    passes.addPass(createSplitMeshAxesPass());
    if (isSplit)
      passes.addPass(createSplitBatchesPass());
    passes.addPass(createMaterializeTokenCountsPass());
    passes.addPass(createVerifyCountsPass());
    passes.addPass(createVerifyCollectivesPass());
    passes.addPass(createExpandRedistributePass());
    VerifyLayoutsPassOptions verification;
    verification.allowUnknown = allowUnknown;
    passes.addPass(createVerifyLayoutsPass(verification));
    if (failed(passes.run(*module)))
      module = {};
  }

  bool isBuilt() const { return !!module; }

  void start() {
    reference::InterpreterOptions exact;
    exact.float64 = true;
    exact.pages = pageCount;
    interpreter.emplace(*module, exact);
    for (auto weight : module->getOps<WeightOp>())
      ASSERT_FALSE(isError(interpreter->setWeight(weight.getSymName(), valueOf(weight))));
    freePages.assign(options.axisSize("dp"), std::vector<int64_t>(pageCount));
    for (std::vector<int64_t> &pages : freePages) {
      std::iota(pages.begin(), pages.end(), 0);
      std::shuffle(pages.begin(), pages.end(), random);
    }
  }

  Sequence makeSequence(int64_t length) {
    Sequence sequence;
    for (int64_t i = 0; i < length; ++i)
      sequence.tokens.push_back(static_cast<int64_t>(random() % config.vocabulary));
    sequence.expected = model.forward(sequence.tokens);
    return sequence;
  }

  /// Runs one step and compares the logits of some rows, in an order of their own.
  void step(const Shares &shares) { step(std::vector<Shares>{shares}); }

  /// The same with sequences of each position of axis dp.
  void step(const std::vector<Shares> &groups) {
    std::vector<Batch> batches;
    for (size_t group = 0; group < freePages.size(); ++group)
      batches.push_back(makeBatch(group < groups.size() ? groups[group] : Shares(), freePages[group]));
    llvm::Expected<MeshAttr> mesh = interpreter->getEntryMesh(stepEntry);
    ASSERT_TRUE(!!mesh) << llvm::toString(mesh.takeError());
    if (!options.hasAxis("dp") && options.axisSize("sp") == 1) {
      auto results = interpreter->runLogical(stepEntry, batches.front().inputs);
      ASSERT_TRUE(!!results) << llvm::toString(results.takeError());
      return compare(results->front(), batches.front());
    }
    // Ranks keep their numbers where axes are split.
    auto positionOf = [&](int64_t rank, StringRef axis) {
      int64_t position = 0;
      for (const auto &[name, size] : llvm::reverse(options.mesh)) {
        if (name == axis)
          position = rank % size;
        rank /= size;
      }
      return position;
    };
    auto groupOf = [&](int64_t rank) { return positionOf(rank, "dp"); };
    for (auto [group, batch] : llvm::enumerate(batches))
      if (isSplit) {
        auto rows = static_cast<int64_t>(batch.inputs.front().getElementCount());
        int64_t cut = group < cuts.size() ? cuts[group] : static_cast<int64_t>(random() % (rows + 1));
        batch.inputs = test::splitStepInputs(&context, batch.inputs, cut);
      }
    std::vector<reference::RankValues> inputs(batches.front().inputs.size());
    for (auto [index, values] : llvm::enumerate(inputs))
      for (int64_t rank = 0; rank < mesh->getRankCount(); ++rank)
        values.push_back(std::make_shared<const Tensor>(batches[groupOf(rank)].inputs[index]));
    if (options.axisSize("sp") > 1) {
      std::vector<int64_t> begins = divideRows(batches.front().inputs.front().getDimSize(0), options.axisSize("sp"));
      for (int64_t rank = 0; rank < mesh->getRankCount(); ++rank) {
        auto position = static_cast<size_t>(positionOf(rank, "sp"));
        const Tensor &all = batches.front().inputs.front();
        std::vector<int64_t> own;
        for (int64_t row = begins[position]; row < begins[position + 1]; ++row)
          own.push_back(all.integer({row}));
        inputs.front()[rank] = std::make_shared<const Tensor>(
            Tensor::ofIntegers({static_cast<int64_t>(own.size())}, all.getElementType(), own));
      }
    }
    auto results = interpreter->run(stepEntry, std::move(inputs));
    ASSERT_TRUE(!!results) << llvm::toString(results.takeError());
    for (int64_t rank = 0; rank < mesh->getRankCount(); ++rank) {
      SCOPED_TRACE(testing::Message() << "rank " << rank);
      compare(*results->front()[rank], batches[groupOf(rank)]);
    }
  }

  /// Where the batches of the groups are cut, by tokens; anywhere where it is not said.
  std::vector<int64_t> cuts;

private:
  /// Inputs of a step of one group of sequences, and the rows that it asks for.
  struct Batch {
    std::vector<Tensor> inputs;
    std::vector<const Row *> expected;
  };

  /// Where the rows of each of `parts` ranks begin, and the end: as evenly as they go, or wherever chance has it.
  std::vector<int64_t> divideRows(int64_t rows, int64_t parts) {
    std::vector<int64_t> begins(static_cast<size_t>(parts) + 1);
    bool isEven = random() % 2 == 0;
    for (int64_t part = 1; part <= parts; ++part)
      begins[part] = isEven         ? (part * rows + parts - 1) / parts
                     : part < parts ? static_cast<int64_t>(random() % (rows + 1))
                                    : rows;
    std::sort(begins.begin(), begins.end());
    return begins;
  }

  Batch makeBatch(const Shares &shares, std::vector<int64_t> &pages) {
    std::vector<int64_t> tokens, positions, starts = {0}, blocks, slots, asked;
    std::vector<const Row *> expected;
    for (auto [sequence, share] : shares) {
      for (int64_t i = 0; i < share; ++i, ++sequence->done) {
        int64_t position = sequence->done;
        if (position % options.pageSlots == 0) {
          sequence->pages.push_back(pages.back());
          pages.pop_back();
        }
        tokens.push_back(sequence->tokens[position]);
        positions.push_back(position);
        slots.push_back(sequence->pages[position / options.pageSlots] * options.pageSlots +
                        position % options.pageSlots);
        expected.push_back(&sequence->expected[position]);
      }
      starts.push_back(static_cast<int64_t>(tokens.size()));
      for (int64_t page = 0; page < options.pagesPerSequence(); ++page)
        blocks.push_back(page < static_cast<int64_t>(sequence->pages.size()) ? sequence->pages[page] : -1);
    }
    size_t rows = tokens.size();
    for (size_t row = 0; row < rows; ++row)
      if (random() % 3 || row + 1 == rows)
        asked.push_back(static_cast<int64_t>(row));
    // Those of a split batch ascend.
    if (!isSplit)
      std::shuffle(asked.begin(), asked.end(), random);

    Type i32 = IntegerType::get(&context, 32);
    auto vector = [&](const std::vector<int64_t> &values) {
      return Tensor::ofIntegers({static_cast<int64_t>(values.size())}, i32, values);
    };
    Batch batch;
    batch.inputs = {vector(tokens),
                    vector(positions),
                    vector(starts),
                    Tensor::ofIntegers({static_cast<int64_t>(shares.size()), options.pagesPerSequence()}, i32, blocks),
                    vector(slots),
                    vector(asked)};
    for (int64_t row : asked)
      batch.expected.push_back(expected[row]);
    return batch;
  }

  void compare(const Tensor &logits, const Batch &batch) {
    ASSERT_EQ(logits.getShape(), (ArrayRef<int64_t>{static_cast<int64_t>(batch.expected.size()), config.vocabulary}));
    for (size_t row = 0; row < batch.expected.size(); ++row)
      for (int64_t column = 0; column < config.vocabulary; ++column)
        ASSERT_NEAR(logits.real({static_cast<int64_t>(row), column}), (*batch.expected[row])[column], 1e-9)
            << "asked row " << row << ", column " << column;
  }

  static constexpr int64_t pageCount = 24;

  static bool isError(llvm::Error error) {
    if (!error)
      return false;
    ADD_FAILURE() << llvm::toString(std::move(error));
    return true;
  }

  /// Sources stacked, or what a generator makes.
  Tensor valueOf(WeightOp weight) {
    RankedTensorType type = weight.getLogicalType();
    Row values;
    if (auto generator = weight->getAttrOfType<StringAttr>(attribute::generator)) {
      RopeTables tables = ropeTables(config, type.getDimSize(0));
      values = generator == "rope_cos" ? tables.cos : tables.sin;
    } else {
      for (StringRef source : weight->getAttrOfType<ArrayAttr>(attribute::sources).getAsValueRange<StringAttr>()) {
        const Row &part = model.weight(source.str());
        values.insert(values.end(), part.begin(), part.end());
      }
    }
    EXPECT_EQ(static_cast<int64_t>(values.size()), type.getNumElements());
    return Tensor::ofReals(type.getShape(), type.getElementType(), values);
  }

  LlamaConfig config;
  LlamaGraphOptions options;
  PlainLlama model;
  std::mt19937 &random;
  bool isSplit;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::optional<reference::Interpreter> interpreter;
  std::vector<std::vector<int64_t>> freePages; ///< of each position of axis dp
};

/// Three sequences: one in chunks, one alone in the middle of another's decoding, one that joins late; then tokens one
/// by one.
void runBatches(Runner &runner) {
  ASSERT_TRUE(runner.isBuilt());
  runner.start();
  Sequence chunked = runner.makeSequence(11), single = runner.makeSequence(3), whole = runner.makeSequence(9);
  runner.step({{&chunked, 5}});
  runner.step({{&single, 1}, {&chunked, 4}});
  runner.step({{&chunked, 1}, {&single, 0}, {&whole, 7}});
  runner.step({{&single, 1}, {&chunked, 1}, {&whole, 1}});
  runner.step({{&whole, 1}, {&single, 1}});
}

} // namespace

TEST(LlamaMeaning, RandomModelsEqualThePlainForward) {
  std::mt19937 random(20261122);
  for (int64_t tp : {1, 2, 3, 4, 5})
    for (int64_t groups : {1, 3, 8}) {
      LlamaConfig config = randomConfig(random, tp, groups);
      SCOPED_TRACE(testing::Message() << "tp " << tp << ", " << config.heads << " heads, " << config.kvHeads
                                      << " key-value heads of " << config.headDim << ", hidden " << config.hidden
                                      << ", layers " << config.layers << ", biases " << config.attentionBias
                                      << config.mlpBias << ", tied " << config.tiedEmbeddings);
      Runner runner(config, {{"tp", tp}}, random);
      runBatches(runner);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

TEST(LlamaMeaning, OneModelOnEveryMesh) {
  for (int64_t tp : {1, 2, 3, 4, 5}) {
    std::mt19937 random(7);
    LlamaConfig config = randomConfig(random, 60, 1);
    config.headDim = 4;
    config.ropeFrequencyDivisors.clear();
    config.kvHeads = config.heads = 60;
    config.feedForward = config.vocabulary = 60;
    config.attentionBias = config.mlpBias = true;
    Runner runner(config, {{"tp", tp}}, random);
    runBatches(runner);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

// Another form of parallelism is another choice of layouts: rows divided between blocks (Korthikanti et al. 2022).
// Every step has a multiple of two rows.
TEST(LlamaMeaning, RowsDividedBetweenBlocks) {
  std::mt19937 random(11);
  LlamaConfig config = randomConfig(random, 2, 3);
  config.attentionBias = config.mlpBias = true;
  // That two divides t stands nowhere, so it stays unknown.
  Runner runner(
      config, {{"tp", 2}}, random, [](LlamaLayouts &layouts) { layouts.residual = "[t/tp, i]"; },
      /*allowUnknown=*/true);
  ASSERT_TRUE(runner.isBuilt());
  runner.start();
  Sequence first = runner.makeSequence(8), second = runner.makeSequence(4);
  runner.step({{&first, 6}});
  runner.step({{&first, 1}, {&second, 3}});
  runner.step({{&first, 1}, {&second, 1}});
}

// Rows divided among ranks, heads in attention (Jacobs et al. 2023), alone and with tensor parallelism: any number of
// rows, as evenly as they go or not, in steps of fewer tokens than ranks too.
TEST(LlamaMeaning, SequenceParallel) {
  std::mt19937 random(23);
  for (const Runner::Mesh &mesh :
       {Runner::Mesh{{"sp", 1}}, {{"sp", 2}}, {{"sp", 3}}, {{"sp", 5}}, {{"sp", 2}, {"tp", 2}}, {{"tp", 3}, {"sp", 2}}})
    for (int64_t groups : {1, 3}) {
      int64_t ranks = 1;
      std::string text;
      for (const auto &[name, size] : mesh) {
        ranks *= size;
        text += name + "=" + std::to_string(size) + " ";
      }
      SCOPED_TRACE(text + "groups of " + std::to_string(groups));
      Runner runner(randomConfig(random, ranks, groups), mesh, random);
      runBatches(runner);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

// Each group has sequences of its own: as many as it has, also none, in the same step; groups go idle and come back.
TEST(LlamaMeaning, DataParallelAttention) {
  std::mt19937 random(29);
  for (const Runner::Mesh &mesh :
       {Runner::Mesh{{"dp", 1}}, {{"dp", 2}}, {{"dp", 3}}, {{"dp", 2}, {"tp", 2}}, {{"tp", 2}, {"dp", 3}}, {{"dp", 5}}})
    for (int64_t share : {1, 3}) {
      std::string text;
      int64_t groups = 1, tensor = 1;
      for (const auto &[name, size] : mesh) {
        (name == "dp" ? groups : tensor) *= size;
        text += name + "=" + std::to_string(size) + " ";
      }
      SCOPED_TRACE(text + std::to_string(share) + " query heads a key-value head");
      Runner runner(randomConfig(random, groups * tensor, share), mesh, random);
      ASSERT_TRUE(runner.isBuilt());
      runner.start();
      std::vector<Sequence> sequences;
      for (int64_t i = 0; i < 2 * groups; ++i)
        sequences.push_back(runner.makeSequence(7 + i % 3));
      // Nobody but group 0; everybody but group 0, one of them two sequences; everybody; nobody but the last one.
      std::vector<Shares> step(groups);
      step[0] = {{&sequences[0], 5}};
      runner.step(step);
      for (int64_t group = 0; group < groups; ++group) {
        step[group].clear();
        if (group == 1)
          step[group] = {{&sequences[2 * group], 3}, {&sequences[2 * group + 1], 1}};
        else if (group > 1)
          step[group] = {{&sequences[2 * group], group}};
      }
      runner.step(step);
      for (int64_t group = 0; group < groups; ++group)
        step[group] = {{&sequences[2 * group + 1], 4}, {&sequences[2 * group], 1}};
      runner.step(step);
      step.assign(groups, {});
      step.back() = {{&sequences[2 * groups - 2], 1}};
      runner.step(step);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

// The same with batches in two children, cut anywhere: before the first token, behind the last, inside a sequence.
TEST(LlamaMeaning, BatchesInTwoChildren) {
  std::mt19937 random(31);
  for (const Runner::Mesh &mesh :
       {Runner::Mesh{{"dp", 1}}, {{"dp", 2}}, {{"dp", 1}, {"tp", 2}}, {{"dp", 3}, {"tp", 2}}})
    for (int64_t share : {1, 3}) {
      std::string text;
      int64_t groups = 1, tensor = 1;
      for (const auto &[name, size] : mesh) {
        (name == "dp" ? groups : tensor) *= size;
        text += name + "=" + std::to_string(size) + " ";
      }
      SCOPED_TRACE(text + std::to_string(share) + " query heads a key-value head");
      Runner runner(randomConfig(random, groups * tensor, share), mesh, random, keepLayouts, /*allowUnknown=*/false,
                    /*isSplit=*/true);
      ASSERT_TRUE(runner.isBuilt());
      runner.start();
      std::vector<Sequence> sequences;
      for (int64_t i = 0; i < 2 * groups; ++i)
        sequences.push_back(runner.makeSequence(11 + i % 3));
      std::vector<Shares> step(groups);
      for (int64_t group = 0; group < groups; ++group)
        step[group] = {{&sequences[2 * group], 5}, {&sequences[2 * group + 1], 2}};
      // Nothing in the first child, then nothing in the second; then sequences that are cut.
      runner.cuts.assign(groups, 0);
      runner.step(step);
      for (int64_t group = 0; group < groups; ++group)
        step[group] = {{&sequences[2 * group + 1], 3}, {&sequences[2 * group], 1}};
      runner.cuts.assign(groups, 4);
      runner.step(step);
      runner.cuts.assign(groups, 2);
      runner.step(step);
      // Groups without a token, others anywhere.
      runner.cuts.clear();
      for (int64_t group = 0; group < groups; ++group) {
        step.assign(groups, {});
        step[group] = {{&sequences[2 * group], 3}, {&sequences[2 * group + 1], 1}};
        runner.step(step);
      }
      step.assign(groups, {});
      runner.step(step);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

// The case of SGLang #7815: the first prefill of 16 ranks, a sequence of four tokens on each.
TEST(LlamaMeaning, FirstPrefillOfSixteenRanksInTwoChildren) {
  std::mt19937 random(7815);
  for (int64_t cut : {0, 2, 3, 4}) {
    LlamaConfig config = randomConfig(random, 16, 1);
    Runner runner(config, {{"dp", 16}}, random, keepLayouts, /*allowUnknown=*/false, /*isSplit=*/true);
    ASSERT_TRUE(runner.isBuilt());
    runner.start();
    std::vector<Sequence> sequences;
    for (int64_t i = 0; i < 16; ++i)
      sequences.push_back(runner.makeSequence(6));
    std::vector<Shares> step;
    for (Sequence &sequence : sequences)
      step.push_back({{&sequence, 4}});
    runner.cuts.assign(16, cut);
    runner.step(step);
    // One goes on while the others have nothing.
    runner.cuts.assign(16, 0);
    step.assign(16, {});
    step[5] = {{&sequences[5], 1}};
    runner.step(step);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

// Key-value heads fewer than ranks: consecutive ranks share one, and have a part of its query heads each. The width and
// the vocabulary are divided as far as they go, prime ones not at all.
TEST(LlamaMeaning, KeyValueHeadsFewerThanRanks) {
  struct Case {
    int64_t kvHeads, heads;
    Runner::Mesh mesh;
  };
  const Case cases[] = {
      {3, 9, {{"tp", 9}}},
      {1, 2, {{"tp", 2}}},
      {1, 6, {{"tp", 3}}},
      {1, 4, {{"tp", 4}}},
      {2, 12, {{"tp", 6}}},
      {2, 8, {{"tp", 4}}},
      {3, 9, {{"sp", 9}}},
      {1, 3, {{"sp", 3}}},
      {2, 12, {{"sp", 6}}},
      {1, 4, {{"sp", 4}}},
      {3, 9, {{"sp", 3}, {"tp", 3}}},
      {3, 9, {{"tp", 3}, {"sp", 3}}},
      {1, 6, {{"sp", 2}, {"tp", 3}}},
      {2, 8, {{"tp", 4}, {"sp", 2}}},
      {4, 8, {{"sp", 4}, {"tp", 2}}},
      {6, 12, {{"sp", 4}, {"tp", 3}}},
      {1, 2, {{"dp", 3}, {"tp", 2}}},
      {2, 4, {{"dp", 9}}},
      {3, 9, {{"tp", 9}, {"dp", 2}}},
      {1, 1, {{"dp", 16}}},
  };
  std::mt19937 random(3323);
  for (const Case &test : cases)
    for (int64_t width : {7, 24}) {
      std::string text;
      for (const auto &[name, size] : test.mesh)
        text += name + "=" + std::to_string(size) + " ";
      SCOPED_TRACE(text + std::to_string(test.heads) + " heads, " + std::to_string(test.kvHeads) +
                   " key-value heads, " + "width " + std::to_string(width));
      LlamaConfig config = randomConfig(random, 1, 1);
      config.kvHeads = test.kvHeads;
      config.heads = test.heads;
      config.feedForward = width;
      config.vocabulary = width == 24 ? 18 : 23;
      Runner runner(config, test.mesh, random);
      runBatches(runner);
      if (testing::Test::HasFatalFailure())
        return;
    }
}

// Ranks 0, 3 and 6 in the place of 0, 1 and 2: query heads would meet the key-value head of another group.
TEST(LlamaMeaning, KeyValueHeadsOfOtherGroupsAreRefuted) {
  std::mt19937 random(3);
  LlamaConfig config = randomConfig(random, 1, 1);
  config.kvHeads = 3;
  config.heads = 9;
  Runner runner(config, {{"tp", 9}}, random, [](LlamaLayouts &layouts) {
    layouts.keyAxes = "/tp[1:3]";
    layouts.keyRows = layouts.keyHeads = "[t, kv/tp[1:3], d]";
    layouts.cache = "[page, slot, kv/tp[1:3], d]";
  });
  EXPECT_FALSE(runner.isBuilt());
}
