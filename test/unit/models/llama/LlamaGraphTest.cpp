// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaGraph.h"

#include "RandomLlama.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace muster;
using namespace muster::llama;
using testing::HasSubstr;

namespace {

LlamaConfig smolLm2() {
  LlamaConfig config;
  config.layers = 30;
  config.hidden = 576;
  config.heads = 9;
  config.kvHeads = 3;
  config.headDim = 64;
  config.feedForward = 1536;
  config.vocabulary = 49152;
  config.contextLength = 8192;
  config.rmsEpsilon = 1e-5;
  config.ropeTheta = 100000.0;
  config.tiedEmbeddings = true;
  return config;
}

LlamaGraphOptions onMesh(int64_t tp) {
  LlamaGraphOptions options;
  options.mesh = {{"tp", tp}};
  options.maxContext = 101;
  return options;
}

std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream, OpPrintingFlags().enableDebugInfo(false));
  return text;
}

WeightOp weightOf(ModuleOp module, StringRef name) { return module.lookupSymbol<WeightOp>(name); }

std::vector<std::string> sourcesOf(WeightOp weight) {
  std::vector<std::string> names;
  if (auto sources = weight->getAttrOfType<ArrayAttr>(attribute::sources))
    for (StringRef source : sources.getAsValueRange<StringAttr>())
      names.push_back(source.str());
  return names;
}

/// The text of the error that the builder reports.
std::string errorOf(const LlamaConfig &config, const LlamaGraphOptions &options) {
  MLIRContext context;
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { text += diagnostic.str() + "\n"; });
  EXPECT_TRUE(failed(buildLlama(&context, config, options)));
  return text;
}

} // namespace

TEST(LlamaGraph, StatesShapesLayoutsAndSources) {
  MLIRContext context;
  LlamaGraphOptions options;
  options.mesh = {{"tp", 3}};
  options.maxContext = 2000;
  options.maxLogitRows = 64;
  auto module = buildLlama(&context, smolLm2(), options);
  ASSERT_TRUE(succeeded(module));

  WeightOp qkv = weightOf(**module, "layers.29.qkv");
  ASSERT_TRUE(qkv);
  EXPECT_EQ(qkv.getLayout().getText(), "[{q:576/tp | k:192/tp | v:192/tp}, i]");
  EXPECT_EQ(qkv.getLogicalType().getShape(), (ArrayRef<int64_t>{960, 576}));
  EXPECT_THAT(sourcesOf(qkv), testing::ElementsAre("layers.29.q", "layers.29.k", "layers.29.v"));
  WeightOp gateUp = weightOf(**module, "layers.0.gate_up");
  EXPECT_EQ(gateUp.getLayout().getText(), "[{gate:1536/tp | up:1536/tp}, i]");
  EXPECT_THAT(sourcesOf(gateUp), testing::ElementsAre("layers.0.gate", "layers.0.up"));
  WeightOp down = weightOf(**module, "layers.0.down");
  EXPECT_EQ(down.getLayout().getText(), "[o, i/tp]");
  EXPECT_EQ(down.getLogicalType().getShape(), (ArrayRef<int64_t>{576, 1536}));
  EXPECT_THAT(sourcesOf(down), testing::ElementsAre("layers.0.down"));
  EXPECT_EQ(weightOf(**module, "token_embedding").getLayout().getText(), "[v/tp, i]");
  EXPECT_EQ(weightOf(**module, "layers.3.attention_norm").getLayout().getText(), "[i]");
  WeightOp cosines = weightOf(**module, "rope_cos");
  EXPECT_EQ(cosines.getLogicalType().getShape(), (ArrayRef<int64_t>{2000, 32}));
  EXPECT_EQ(cosines->getAttrOfType<StringAttr>(attribute::generator), "rope_cos");
  auto keys = (*module)->lookupSymbol<StateOp>("layers.7.keys");
  EXPECT_EQ(keys.getLayout().getText(), "[page, slot, kv/tp, d]");
  EXPECT_EQ(keys.getLogicalType().getShape(), (ArrayRef<int64_t>{ShapedType::kDynamic, 16, 3, 64}));

  std::string text = print(**module);
  for (StringRef part :
       {R"(muster.mesh @mesh <["tp" = 3]>)",
        R"(%arg3: tensor<?x125xi32> {muster.layout = #muster.layout<[s, pages]>, muster.name = "block_table"})",
        "muster.bounds = {r = 64 : i64, s = 8 : i64, starts = 9 : i64, t = 512 : i64}",
        "tensor<?x576xf32>, tensor<320x576xf32> -> tensor<?x320xf32>",
        "from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x576xf32> -> tensor<?x576xf32>",
        "from <[r, v/tp]> to <[r, v]> : tensor<?x16384xf32> -> tensor<?x49152xf32>"})
    EXPECT_TRUE(StringRef(text).contains(part)) << part.str();
}

TEST(LlamaGraph, VerifiesRoundTripsAndUsesEveryWeightOnce) {
  std::mt19937 random(20240517);
  for (int64_t tp : {1, 2, 3, 4, 5})
    for (int64_t groups : {1, 3, 8})
      for (int repeat = 0; repeat < 3; ++repeat) {
        MLIRContext context;
        LlamaConfig config = randomConfig(random, tp, groups);
        auto module = buildLlama(&context, config, onMesh(tp));
        ASSERT_TRUE(succeeded(module));
        EXPECT_TRUE(succeeded(mlir::verify(**module)));
        auto parsed = parseSourceString<ModuleOp>(print(**module), ParserConfig(&context));
        ASSERT_TRUE(parsed);
        EXPECT_EQ(print(*parsed), print(**module));

        // Every tensor of the checkpoint makes part of one weight, and no other names occur.
        std::vector<std::string> expected = {"token_embedding", "output_norm"}, got;
        if (!config.tiedEmbeddings)
          expected.push_back("output");
        for (int64_t layer = 0; layer < config.layers; ++layer) {
          auto add = [&](StringRef name) { expected.push_back("layers." + std::to_string(layer) + "." + name.str()); };
          for (StringRef name : {"attention_norm", "q", "k", "v", "o", "feed_forward_norm", "gate", "up", "down"})
            add(name);
          if (config.attentionBias)
            for (StringRef name : {"q_bias", "k_bias", "v_bias", "o_bias"})
              add(name);
          if (config.mlpBias)
            for (StringRef name : {"gate_bias", "up_bias", "down_bias"})
              add(name);
        }
        for (auto weight : (*module)->getOps<WeightOp>())
          for (const std::string &source : sourcesOf(weight))
            got.push_back(source);
        EXPECT_THAT(got, testing::UnorderedElementsAreArray(expected));
      }
}

TEST(LlamaGraph, NamesTheLayerOfEveryOp) {
  std::mt19937 random(7);
  MLIRContext context;
  LlamaConfig config = randomConfig(random, 2, 3);
  config.layers = 2;
  auto module = buildLlama(&context, config, onMesh(2));
  ASSERT_TRUE(succeeded(module));
  llvm::StringSet<> names;
  (*module)->walk([&](Operation *op) {
    if (isa<ModuleOp>(op))
      return;
    auto name = dyn_cast<NameLoc>(op->getLoc());
    ASSERT_TRUE(name) << print(op);
    names.insert(name.getName());
    if (isa<nn::MatmulOp>(op)) {
      EXPECT_TRUE(name.getName().strref().ends_with("_proj") || name.getName() == "output") << name.getName().str();
    }
  });
  for (StringRef name :
       {"layers.1.attention.qkv_proj", "layers.1.attention.o_proj", "layers.0.feed_forward.down_proj", "output"})
    EXPECT_TRUE(names.contains(name)) << name.str();
}

TEST(LlamaGraph, TiedHeadReadsTheEmbedding) {
  MLIRContext context;
  LlamaConfig config = smolLm2();
  config.layers = 1;
  auto module = buildLlama(&context, config, onMesh(3));
  ASSERT_TRUE(succeeded(module));
  EXPECT_FALSE(weightOf(**module, "output"));
  int64_t loads = 0;
  (*module)->walk([&](LoadOp load) { loads += load.getWeight() == "token_embedding"; });
  EXPECT_EQ(loads, 2);
}

TEST(LlamaGraph, NamesTheHeadsThatDoNotDivide) {
  LlamaConfig config = smolLm2(), few = config;
  config.heads = 12;
  config.kvHeads = 6;
  EXPECT_EQ(errorOf(config, onMesh(5)),
            "E3323 expected a size of axis 'tp' that divides the model's 12 heads but got 5\n");
  EXPECT_EQ(errorOf(config, onMesh(4)), "E3323 expected a size of axis 'tp' that divides the model's 6 key-value heads "
                                        "or is a multiple of them but got 4\n");
  few.heads = 6;
  EXPECT_EQ(errorOf(few, onMesh(2)), "E3323 expected a size of axis 'tp' that divides the model's 3 key-value heads or "
                                     "is a multiple of them but got 2\n");
  LlamaGraphOptions options = onMesh(1);
  options.mesh = {{"sp", 4}};
  EXPECT_EQ(errorOf(config, options),
            "E3323 expected a size of axis 'sp' that divides the model's 6 key-value heads or "
            "is a multiple of them but got 4\n");
  options.mesh = {{"sp", 2}, {"tp", 2}};
  EXPECT_EQ(
      errorOf(config, options),
      "E3323 expected sizes of axes 'tp' and 'sp' of which each divides what the one before leaves of the model's "
      "6 key-value heads or is a multiple of it but got 2 times 2\n");
  options.mesh = {{"sp", 5}, {"tp", 3}};
  EXPECT_EQ(
      errorOf(config, options),
      "E3323 expected sizes of axes 'tp' and 'sp' whose product divides the model's 12 heads but got 3 times 5\n");
}

// What tp does not divide is divided by a part of it, and the user is told.
TEST(LlamaGraph, DividesByAPartOfAnAxis) {
  LlamaConfig config = smolLm2();
  config.layers = 1;
  MLIRContext context;
  std::string warnings;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    EXPECT_EQ(diagnostic.getSeverity(), DiagnosticSeverity::Warning);
    warnings += diagnostic.str() + "\n";
  });
  auto module = buildLlama(&context, config, onMesh(9));
  ASSERT_TRUE(succeeded(module));
  EXPECT_EQ(warnings, "the model's 1536 columns of the feed-forward network are divided into 3 parts for 9 ranks: 3 "
                      "ranks compute each part\n"
                      "the model's 49152 rows of the vocabulary are divided into 3 parts for 9 ranks: 3 ranks compute "
                      "each part\n");
  EXPECT_EQ(weightOf(**module, "layers.0.qkv").getLayout().getText(),
            "[{q:576/tp | k:192/tp[3:3] | v:192/tp[3:3]}, i]");
  EXPECT_EQ(weightOf(**module, "layers.0.gate_up").getLayout().getText(), "[{gate:1536/tp[3:3] | up:1536/tp[3:3]}, i]");
  EXPECT_EQ(weightOf(**module, "layers.0.o").getLayout().getText(), "[o, i/tp]");
  EXPECT_EQ(weightOf(**module, "layers.0.down").getLayout().getText(), "[o, i/tp[3:3]]");
  EXPECT_EQ(weightOf(**module, "token_embedding").getLayout().getText(), "[v/tp[3:3], i]");
  EXPECT_EQ((*module)->lookupSymbol<StateOp>("layers.0.keys").getLayout().getText(), "[page, slot, kv/tp[3:3], d]");
  std::string text = print(**module);
  for (StringRef part :
       {"from <[t, i], partial(sum: tp)> to <[t, i]>", "from <[t, i], partial(sum: tp[3:3])> to <[t, i]>",
        R"(muster.coordinate "tp[3:3]")", "tensor<?x576xf32>, tensor<192x576xf32> -> tensor<?x192xf32>"})
    EXPECT_TRUE(StringRef(text).contains(part)) << part.str();

  // One key-value head is on every rank, a prime width too.
  config.heads = 4;
  config.kvHeads = 1;
  config.feedForward = 35;
  warnings.clear();
  LlamaGraphOptions options = onMesh(1);
  options.mesh = {{"sp", 2}, {"tp", 2}};
  module = buildLlama(&context, config, options);
  ASSERT_TRUE(succeeded(module));
  EXPECT_EQ(warnings, "the model's 35 columns of the feed-forward network are divided into 1 part for 2 ranks: 2 ranks "
                      "compute each part\n");
  EXPECT_EQ(weightOf(**module, "layers.0.qkv").getLayout().getText(), "[{q:256/tp | k:64 | v:64}, i]");
  EXPECT_EQ((*module)->lookupSymbol<StateOp>("layers.0.keys").getLayout().getText(), "[page, slot, kv, d]");
}

TEST(LlamaGraph, SpreadsRowsOfSequenceParallelism) {
  LlamaGraphOptions options = onMesh(1);
  options.mesh = {{"sp", 3}};
  options.maxStepTokens = 512;
  MLIRContext context;
  auto module = buildLlama(&context, smolLm2(), options);
  ASSERT_TRUE(succeeded(module));
  std::string text = print(**module);
  for (StringRef part :
       {R"(starts = 9 : i64, t = 171 : i64, t.total = 512 : i64})",
        R"(muster.layout = #muster.layout<[t/sp : tokens @step]>, muster.name = "tokens")",
        R"(muster.layout = #muster.layout<[t]>, muster.name = "positions")",
        "from <[t/sp : tokens @step, h, d]> to <[t, h/sp, d]> : tensor<?x9x64xf32> -> tensor<?x3x64xf32>",
        "from <[t/sp : tokens @step, kv, d]> to <[t, kv/sp, d]> : tensor<?x3x64xf32> -> tensor<?x1x64xf32>",
        "muster.first_row of <[t/sp : tokens @step]>", "from <[r, i], partial(sum: sp)> to <[r, i]>"})
    EXPECT_TRUE(StringRef(text).contains(part)) << part.str();
  // The embedding is whole on every rank, the head's copy of it divided.
  EXPECT_EQ(weightOf(**module, "token_embedding").getLayout().getText(), "[v, i]");
  EXPECT_EQ(weightOf(**module, "output").getLayout().getText(), "[v/sp, i]");
  EXPECT_THAT(sourcesOf(weightOf(**module, "output")), testing::ElementsAre("token_embedding"));
}

TEST(LlamaGraph, SpreadsTokensOverDataParallelPositions) {
  LlamaGraphOptions options = onMesh(1);
  options.mesh = {{"dp", 2}, {"tp", 3}};
  MLIRContext context;
  auto module = buildLlama(&context, smolLm2(), options);
  ASSERT_TRUE(succeeded(module));
  std::string text = print(**module);
  for (StringRef part :
       {R"(muster.layout = #muster.layout<[t/dp : tokens @step]>, muster.name = "tokens")",
        R"(muster.layout = #muster.layout<[starts/dp : starts @step]>, muster.name = "query_starts")",
        R"(muster.layout = #muster.layout<[s/dp : requests @step, pages]>, muster.name = "block_table")",
        R"(muster.layout = #muster.layout<[r/dp : rows @step]>, muster.name = "logit_rows")",
        "from <[t/dp : tokens @step]> to <[t]>", "from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]>",
        "from <[t/dp : tokens @step, i], partial(sum: tp)> to <[t/dp : tokens @step, i]>",
        "from <[t/dp : tokens @step, i]> to <[t, i]>", "from <[r/dp : rows @step, i]> to <[r, i]>",
        "from <[r, v/(dp,tp)]> to <[r/dp : rows @step, v]>"})
    EXPECT_TRUE(StringRef(text).contains(part)) << part.str();
  // Attention's weights are those of tp, of the rest each rank has its part.
  EXPECT_EQ(weightOf(**module, "layers.0.qkv").getLayout().getText(), "[{q:576/tp | k:192/tp | v:192/tp}, i]");
  EXPECT_EQ(weightOf(**module, "layers.0.gate_up").getLayout().getText(), "[{gate:1536/(dp,tp) | up:1536/(dp,tp)}, i]");
  EXPECT_EQ(weightOf(**module, "layers.0.down").getLayout().getText(), "[o, i/(dp,tp)]");
  EXPECT_EQ(weightOf(**module, "token_embedding").getLayout().getText(), "[v/(dp,tp), i]");
  EXPECT_EQ((*module)->lookupSymbol<StateOp>("layers.0.keys").getLayout().getText(), "[page/dp, slot, kv/tp, d]");
}

TEST(LlamaGraph, RefusesOtherMeshes) {
  LlamaGraphOptions options = onMesh(3);
  options.mesh = {{"ep", 2}, {"tp", 3}};
  EXPECT_EQ(errorOf(smolLm2(), options), "E3322 expected a mesh of axes 'tp' and one of 'dp' and 'sp', or of one axis, "
                                         "each of size 1 to 2147483647 but got "
                                         "ep=2, tp=3\n");
  options.mesh = {{"dp", 3}, {"sp", 3}};
  EXPECT_THAT(errorOf(smolLm2(), options), HasSubstr("but got dp=3, sp=3\n"));
  options.mesh = {{"dp", 3000000000}};
  EXPECT_THAT(errorOf(smolLm2(), options), HasSubstr("each of size 1 to 2147483647 but got dp=3000000000\n"));
  options.mesh = {};
  EXPECT_THAT(errorOf(smolLm2(), options), HasSubstr("of size 1 to 2147483647 but got no axis\n"));
  options.mesh = {{"sp", 3}, {"sp", 3}};
  EXPECT_THAT(errorOf(smolLm2(), options), HasSubstr("but got sp=3, sp=3"));
  EXPECT_THAT(errorOf(smolLm2(), onMesh(0)), HasSubstr("but got tp=0"));
}

TEST(LlamaGraph, RefusesCapacitiesBeyondTheModel) {
  LlamaGraphOptions options = onMesh(1);
  options.maxContext = 8193;
  EXPECT_EQ(errorOf(smolLm2(), options),
            "E3321 expected capacity for 1 to 8192 positions of a sequence but got 8193\n");
  options = onMesh(1);
  options.maxStepTokens = 0;
  EXPECT_THAT(errorOf(smolLm2(), options),
              HasSubstr("E3321 expected capacity for 1 to 2147483647 tokens of a step but got 0"));
  options.maxContext = 8192;
  options.maxStepTokens = 1;
  MLIRContext context;
  EXPECT_TRUE(succeeded(buildLlama(&context, smolLm2(), options)));
}

TEST(LlamaGraph, RefusesConfigsOfNoModel) {
  LlamaConfig config = smolLm2();
  config.hidden = 0;
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected hidden size between 1 and 2147483647 but got 0"));
  config = smolLm2();
  config.kvHeads = 2;
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected key-value heads to divide the 9 heads but got 2"));
  config = smolLm2();
  config.headDim = 63;
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected an even head size but got 63"));
  config = smolLm2();
  config.ropeFrequencyDivisors = {1.0};
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected 32 rotary frequency divisors or none but got 1"));
  config.ropeFrequencyDivisors.assign(32, 0.0);
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected positive rotary frequency divisors"));
  config = smolLm2();
  config.rmsEpsilon = 0.0;
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected a positive norm epsilon"));
  config = smolLm2();
  config.heads = config.kvHeads = 2147483647;
  EXPECT_THAT(errorOf(config, onMesh(1)), HasSubstr("E3320 expected heads times head size"));
}
