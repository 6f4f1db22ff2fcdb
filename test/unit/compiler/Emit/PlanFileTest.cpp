// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans are written for small modules and read back by the runtime's loader, whose check is complete: indices, spans,
// boxes of every transfer for all ranks and sizes, order of steps, bytes that are read before they are written.
#include "compiler/Emit/PlanFile.h"

#include "../Transforms/CollectiveChains.h"
#include "EmitFixture.h"
#include "compiler/Transforms/Passes.h"
#include "runtime/plan/LoadedPlan.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace muster;
using testing::HasSubstr;

namespace {

struct PlanFiles : test::EmitFixture {
  /// From phase model to planned.
  OwningOpRef<ModuleOp> lower(const std::string &text) {
    OwningOpRef<ModuleOp> module = parse(text);
    PassManager manager(&context);
    manager.addPass(createExpandRedistributePass());
    manager.addPass(createResolveSizesPass());
    manager.addPass(createLowerCollectivesPass());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    manager.addPass(createSelectLibraryCallsPass({/*packWeights=*/true}));
    manager.addPass(createAssignSpansPass());
    manager.addPass(createPlanMemoryPass());
    manager.addPass(createScheduleStepsPass());
    EXPECT_TRUE(module && succeeded(manager.run(*module))) << text;
    return module;
  }

  llvm::Error write(ModuleOp module) {
    MeshAttr mesh = getMesh(module);
    auto weights = emit::layOutWeights(module, mesh);
    if (!weights)
      return weights.takeError();
    emit::PlanParts parts;
    parts.producer = "a test";
    parts.targetArch = "x86_64";
    parts.weights = &*weights;
    parts.model = {{"name", "tiny"}};
    if (!weights->places.empty()) {
      auto ones = [](WeightOp weight, float *out) {
        std::fill_n(out, weight.getLogicalType().getNumElements(), 1.0f);
        return llvm::Error::success();
      };
      auto id = emit::writeWeights(path("model.weights"), *weights, mesh, ones, 1, {});
      if (!id)
        return id.takeError();
      parts.weightsId = *id;
    }
    return emit::writePlan(path("model.plan"), module, mesh, parts).takeError();
  }

  std::string errorOf(const std::string &text) { return llvm::toString(write(*lower(text))); }
};

TEST_F(PlanFiles, aProductAndItsSumLoad) {
  OwningOpRef<ModuleOp> module = lower(R"(
muster.mesh @node <["tp" = 3]>
muster.weight @w : tensor<10x21xf32> layout <[o, i/tp]>
muster.weight @unsplit : tensor<9xf32> layout <[o]>
func.func @mlp(%x: tensor<?x7xf32> {muster.name = "x", muster.layout = #muster.layout<[t, i/tp]>})
    -> (tensor<?x10xf32> {muster.name = "y", muster.layout = #muster.layout<[t, o]>})
    attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{t = 5 : i64}]} {
  %w = muster.load @w : tensor<10x7xf32>
  %p = nn.matmul %x, %w : tensor<?x7xf32>, tensor<10x7xf32> -> tensor<?x10xf32> loc("layers.3.down")
  %y = muster.redistribute %p from <[t, o], partial(sum: tp)> to <[t, o]> : tensor<?x10xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
})");
  ASSERT_TRUE(module);
  llvm::Error error = write(*module);
  ASSERT_FALSE(!!error) << llvm::toString(std::move(error));
  EXPECT_EQ(fileCount(), 2u);
  auto loaded = plan::loadPlan(path("model.plan"), {});
  ASSERT_TRUE(loaded.isOk()) << loaded.status().text();
  const schema::PlanT &root = (*loaded)->root();
  EXPECT_EQ((*loaded)->ranks(), 3u);
  EXPECT_TRUE((*loaded)->verifyWeights().isOk());
  EXPECT_EQ(root.producer, "a test");
  EXPECT_EQ(root.mesh->name, "node");
  ASSERT_EQ(root.weights.size(), 2u);
  EXPECT_EQ(root.weights[0]->shape, (std::vector<int64_t>{10, 7}));
  EXPECT_EQ(root.weights[0]->packing, schema::Packing::BlockedN64K16);
  EXPECT_EQ(root.weight_groups[root.weights[0]->group]->parts, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(root.weight_groups[root.weights[1]->group]->parts, (std::vector<uint32_t>{0, 0, 0}));
  EXPECT_EQ(root.weights[1]->packing, schema::Packing::RowMajor);
  ASSERT_EQ(root.entries.size(), 1u);
  const schema::EntryT &entry = *root.entries[0];
  EXPECT_EQ(entry.name, "mlp");
  EXPECT_EQ(entry.inputs[0]->name, "x");
  EXPECT_EQ(entry.inputs[0]->dims[0]->bound, 64);
  EXPECT_EQ(entry.inputs[0]->dims[1]->bound, 21);
  EXPECT_EQ(entry.inputs[0]->dims[1]->axes, std::vector<uint8_t>{0});
  EXPECT_EQ(entry.results[0]->name, "y");
  ASSERT_EQ(entry.variants.size(), 2u);
  EXPECT_EQ(entry.variants[0]->name, "t5");
  EXPECT_EQ(entry.variants[0]->bounds[0].maximum(), 5);
  EXPECT_LT(entry.variants[0]->arena_bytes, entry.variants[1]->arena_bytes);
  ASSERT_EQ(entry.variants[0]->steps.size(), 2u);
  const schema::StepT &product = *entry.variants[0]->steps[0], &sum = *entry.variants[0]->steps[1];
  ASSERT_NE(product.action.AsMatmul(), nullptr);
  EXPECT_EQ(product.action.AsMatmul()->n, 10);
  EXPECT_EQ(product.action.AsMatmul()->k, 7);
  EXPECT_EQ(root.locations[product.location], "layers.3.down");
  ASSERT_NE(sum.action.AsTransfer(), nullptr);
  EXPECT_EQ(sum.waits, std::vector<uint32_t>{0});
}

TEST_F(PlanFiles, randomCollectivesLoad) {
  std::mt19937 random(5);
  int64_t steps = 0;
  for (int round = 0; round < 150; ++round) {
    test::CollectiveChain program(random, /*dynamic=*/false);
    if (program.collectives == 0)
      continue;
    SCOPED_TRACE("round " + std::to_string(round) + "\n" + program.text);
    OwningOpRef<ModuleOp> module = parse(program.text);
    bool kernels = false; // A transposition or a slice that no transfer absorbs.
    {
      PassManager manager(&context);
      manager.addPass(createResolveSizesPass());
      manager.addPass(createLowerCollectivesPass());
      manager.addPass(createCanonicalizerPass());
      ASSERT_TRUE(succeeded(manager.run(*module)));
      module->walk([&](Operation *op) { kernels |= isa<linalg::LinalgOp, tensor::ExtractSliceOp>(op); });
    }
    if (kernels)
      continue;
    module = lower(program.text);
    ASSERT_TRUE(module);
    llvm::Error error = write(*module);
    ASSERT_FALSE(!!error) << llvm::toString(std::move(error));
    auto loaded = plan::loadPlan(path("model.plan"), {});
    ASSERT_TRUE(loaded.isOk()) << loaded.status().text() << "\n" << llvm::to_string(*module);
    EXPECT_EQ((*loaded)->ranks(), uint32_t(program.ranks));
    steps += (*loaded)->root().entries[0]->variants[0]->steps.size();
  }
  EXPECT_GT(steps, 200);
}

TEST_F(PlanFiles, refusesWhatTheSchemaCannotHold) {
  auto entry = [](const std::string &type) {
    return "muster.mesh @mesh <[\"tp\" = 2]>\nfunc.func @f(%x: tensor<3x" + type +
           "> {muster.layout = #muster.layout<[t]>}) -> (tensor<3x" + type +
           "> {muster.layout = #muster.layout<[t]>}) {\n  return %x : tensor<3x" + type + ">\n}\n";
  };
  for (const char *type : {"f32", "f16", "bf16", "f64", "i8", "i32", "i64"})
    EXPECT_EQ(errorOf(entry(type)), "") << type;
  EXPECT_THAT(errorOf(entry("f8E4M3FN")), HasSubstr("E4203 unsupported element type"));
  EXPECT_THAT(errorOf(R"(
muster.mesh @mesh <["tp" = 2]>
func.func @f(%x: tensor<?xf32> {muster.layout = #muster.layout<[t]>}) -> (tensor<?xf32> {muster.name = "y", muster.layout = #muster.layout<[u]>})
    attributes {muster.bounds = {t = 64 : i64}} {
  %y = muster.all_gather %x on "tp" dim 0 : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
})"),
              HasSubstr("E4203 port 'y' has a dim 'u' that no count gives"));
}

TEST_F(PlanFiles, aFailureLeavesNoFile) {
  OwningOpRef<ModuleOp> module =
      lower("muster.mesh @mesh <[\"tp\" = 2]>\nfunc.func @f(%x: tensor<3xf32> {muster.layout = #muster.layout<[t]>}) "
            "-> (tensor<3xf32> {muster.layout = #muster.layout<[t]>}) {\n  return %x : tensor<3xf32>\n}\n");
  ASSERT_TRUE(module);
  emit::PlanParts parts;
  parts.tokenizer.assign(200000, 'x');
  auto errorAt = [&](const std::string &path) {
    return llvm::toString(emit::writePlan(path, *module, getMesh(*module), parts).takeError());
  };
  EXPECT_THAT(errorAt(path("nowhere/model.plan")), HasSubstr("E4202 cannot write " + path("nowhere/model.plan")));
  {
    test::FullDisk full(100000);
    EXPECT_THAT(errorAt(path("model.plan")),
                HasSubstr("E4202 cannot write " + path("model.plan") + ": File too large"));
  }
  EXPECT_EQ(fileCount(), 0u);
  EXPECT_EQ(errorAt(path("model.plan")), "");
  EXPECT_EQ(fileCount(), 1u);
}

} // namespace
