// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A feed-forward network whose tokens are padded where they are gathered computes what it computes without, bit by
// bit, by every mode, for all small numbers of tokens on 1 to 3 positions, none too.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

struct PaddedRowsTest : testing::Test {
  PaddedRowsTest() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect,
                        arith::ArithDialect>();
  }

  OwningOpRef<ModuleOp> parse(int64_t positions, PaddingMode mode, int64_t align) {
    std::string text = "muster.mesh @m <[\"dp\" = " + std::to_string(positions) + R"(]>
      func.func @f(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                   %up: tensor<3x5xf32> {muster.layout = #muster.layout<[f/dp, i]>},
                   %down: tensor<5x3xf32> {muster.layout = #muster.layout<[i, f/dp]>})
          -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
        %c0 = arith.constant 0 : index
        %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
        %h = nn.matmul %all, %up : tensor<?x5xf32>, tensor<3x5xf32> -> tensor<?x3xf32>
        %n = tensor.dim %h, %c0 : tensor<?x3xf32>
        %to = tensor.empty(%n) : tensor<?x3xf32>
        %s = linalg.mul ins(%h, %h : tensor<?x3xf32>, tensor<?x3xf32>) outs(%to : tensor<?x3xf32>) -> tensor<?x3xf32>
        %d = nn.matmul %s, %down : tensor<?x3xf32>, tensor<5x3xf32> -> tensor<?x5xf32>
        %y = muster.redistribute %d from <[t, i], partial(sum: dp)> to <[t/dp : tokens @step, i]>
            : tensor<?x5xf32> -> tensor<?x5xf32>
        return %y : tensor<?x5xf32>
      })";
    auto module = parseSourceString<ModuleOp>(text, &context);
    MaterializeTokenCountsPassOptions options;
    options.padding = mode;
    options.align = align;
    PassManager passes(&context);
    passes.addPass(createMaterializeTokenCountsPass(options));
    passes.addPass(createVerifyCountsPass());
    passes.addPass(createVerifyLayoutsPass());
    passes.addPass(createExpandRedistributePass());
    EXPECT_TRUE(module && succeeded(passes.run(*module)));
    return module;
  }

  Tensor run(ModuleOp module, const std::vector<int64_t> &counts) {
    InterpreterOptions options;
    options.sizes.counts["tokens@step"] = counts;
    // Prompts at some positions in some steps; only what is balanced asks.
    std::vector<int64_t> &prompts = options.sizes.fields["prefills"];
    for (int64_t count : counts)
      prompts.push_back(count == 3);
    auto positions = static_cast<int64_t>(counts.size());
    int64_t rows = 0, next = 0;
    for (int64_t count : counts)
      rows += count;
    auto make = [&](std::vector<int64_t> shape) {
      Tensor tensor(shape, Float32Type::get(&context));
      for (Number &element : tensor.getElements())
        element = Number::ofReal(static_cast<double>(++next * 37 % 101 - 50) / 16);
      return tensor;
    };
    Tensor up = make({3 * positions, 5}), down = make({5, 3 * positions}), x = make({rows, 5});
    Interpreter interpreter(module, options);
    auto results = interpreter.runLogical("f", {x, up, down});
    EXPECT_TRUE(bool(results)) << toString(results.takeError());
    return results ? results->front() : x;
  }

  MLIRContext context;
};

TEST_F(PaddedRowsTest, computesTheSame) {
  for (int64_t positions = 1; positions <= 3; ++positions) {
    OwningOpRef<ModuleOp> exact = parse(positions, PaddingMode::Sum, 1);
    for (PaddingMode mode : {PaddingMode::Sum, PaddingMode::Max, PaddingMode::Balanced})
      for (int64_t align : {1, 2, 3}) {
        OwningOpRef<ModuleOp> padded = parse(positions, mode, align);
        int64_t pads = 0;
        padded->walk([&](PadRowsOp) { ++pads; });
        bool isExact = mode == PaddingMode::Sum && align == 1;
        EXPECT_EQ(pads, isExact ? 0 : 1);
        std::vector<int64_t> counts(static_cast<size_t>(positions));
        for (size_t i = 0; i != counts.size();) {
          SCOPED_TRACE(std::to_string(positions) + " positions, align " + std::to_string(align) + ", first count " +
                       std::to_string(counts[0]));
          ASSERT_TRUE(run(*padded, counts).isIdentical(run(*exact, counts)));
          for (i = 0; i != counts.size() && ++counts[i] == 4; ++i)
            counts[i] = 0;
        }
      }
  }
}

} // namespace
