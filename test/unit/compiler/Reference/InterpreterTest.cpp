// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using testing::HasSubstr;

namespace {

struct ReferenceTest : testing::Test {
  ReferenceTest() {
    context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                        tensor::TensorDialect>();
    f32 = Float32Type::get(&context);
    i32 = IntegerType::get(&context, 32);
  }

  MeshAttr mesh(ArrayRef<std::pair<StringRef, int64_t>> axes) {
    SmallVector<MeshAxisAttr> attrs;
    for (auto [name, size] : axes)
      attrs.push_back(MeshAxisAttr::get(&context, name, size));
    return MeshAttr::get(&context, attrs);
  }

  LayoutAttr layout(StringRef text) {
    LayoutAttr layout = LayoutAttr::parseText(&context, text);
    EXPECT_TRUE(layout) << text.str();
    return layout;
  }

  /// 0, 1, 2, ... in row-major order.
  Tensor iota(ArrayRef<int64_t> shape) {
    Tensor tensor(shape, f32);
    for (auto [position, element] : llvm::enumerate(tensor.getElements()))
      element.real = static_cast<double>(position);
    return tensor;
  }

  std::vector<std::vector<double>> scatterIota(int64_t size, StringRef text, MeshAttr on, LogicalSizes sizes = {}) {
    auto parts = scatter(iota({size}), layout(text), on, sizes);
    EXPECT_TRUE(bool(parts)) << toString(parts.takeError());
    std::vector<std::vector<double>> values;
    for (const TensorHandle &part : *parts) {
      values.emplace_back();
      for (Number number : part->getElements())
        values.back().push_back(number.real);
    }
    return values;
  }

  OwningOpRef<ModuleOp> parse(StringRef text) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    return module;
  }

  MLIRContext context;
  Type f32, i32;
};

using Parts = std::vector<std::vector<double>>;

// The table at the top of Sharding.h.
TEST_F(ReferenceTest, aRankHoldsWhatItsLayoutSays) {
  MeshAttr two = mesh({{"a", 2}});
  EXPECT_EQ(scatterIota(4, "[s/a]", two), (Parts{{0, 1}, {2, 3}}));
  EXPECT_EQ(scatterIota(4, "[s/a zigzag]", two), (Parts{{0, 3}, {1, 2}}));
  EXPECT_EQ(scatterIota(4, "[s/a stripe]", two), (Parts{{0, 2}, {1, 3}}));
  EXPECT_EQ(scatterIota(4, "[s]", two), (Parts{{0, 1, 2, 3}, {0, 1, 2, 3}}));
  LogicalSizes sizes;
  sizes.dims["h"] = 2;
  EXPECT_EQ(scatterIota(4, "[(h d/a)]", two, sizes), (Parts{{0, 2}, {1, 3}}));
  EXPECT_EQ(scatterIota(4, "[(h/a d)]", two), (Parts{{0, 1}, {2, 3}}));
  EXPECT_EQ(scatterIota(6, "[{q:4/a | k:2/a}]", two), (Parts{{0, 1, 4}, {2, 3, 5}}));
  EXPECT_EQ(scatterIota(2, "[s], partial(sum: a)", two), (Parts{{0, 1}, {0, 0}}));
}

TEST_F(ReferenceTest, axesNumberOuterToInnerAndSubAxesRepeat) {
  MeshAttr node = mesh({{"a", 2}, {"b", 2}});
  EXPECT_EQ(scatterIota(4, "[s/(a,b)]", node), (Parts{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(scatterIota(4, "[s/(b,a)]", node), (Parts{{0}, {2}, {1}, {3}}));
  MeshAttr four = mesh({{"tp", 4}});
  EXPECT_EQ(scatterIota(2, "[kv/tp[1:2]]", four), (Parts{{0}, {1}, {0}, {1}}));
  EXPECT_EQ(scatterIota(2, "[kv/tp[2:2]]", four), (Parts{{0}, {0}, {1}, {1}}));
}

TEST_F(ReferenceTest, raggedPartsHaveTheLengthsOfTheirCounts) {
  LogicalSizes sizes;
  sizes.counts["tokens@step"] = {3, 0, 2};
  sizes.counts["requests@step"] = {1, 0, 1};
  EXPECT_EQ(scatterIota(5, "[t/dp : tokens @step]", mesh({{"dp", 3}}), sizes), (Parts{{0, 1, 2}, {}, {3, 4}}));
  EXPECT_EQ(scatterIota(2, "[s/dp : requests @step]", mesh({{"dp", 3}}), sizes), (Parts{{0}, {}, {1}}));
  auto parts = scatter(iota({5}), layout("[t/dp : tokens @step]"), mesh({{"dp", 3}}), sizes);
  auto whole = gather(*parts, layout("[t/dp : tokens @step]"), mesh({{"dp", 3}}), {}, false);
  ASSERT_TRUE(bool(whole));
  EXPECT_TRUE(whole->isIdentical(iota({5})));
}

TEST_F(ReferenceTest, gatherInvertsScatter) {
  MeshAttr node = mesh({{"a", 2}, {"b", 3}});
  for (StringRef text :
       {"[s, t]", "[s/a, t]", "[s/(a,b), t]", "[s/b, t/a]", "[s/b zigzag, t/a stripe]", "[s, t/b], partial(sum: a)",
        "[s, t], partial(max: a), partial(min: b)", "[any(s)/a, {x:3/b | y:9/b}]"}) {
    auto parts = scatter(iota({12, 12}), layout(text), node, {});
    ASSERT_TRUE(bool(parts)) << text.str() << ": " << toString(parts.takeError());
    auto whole = gather(*parts, layout(text), node, {}, false);
    ASSERT_TRUE(bool(whole)) << text.str() << ": " << toString(whole.takeError());
    EXPECT_TRUE(whole->isIdentical(iota({12, 12}))) << text.str();
  }
}

TEST_F(ReferenceTest, gatherRefusesCopiesThatDiffer) {
  MeshAttr two = mesh({{"a", 2}});
  RankValues parts = {share(Tensor::ofReals({2}, f32, {1, 2})), share(Tensor::ofReals({2}, f32, {1, 3}))};
  auto whole = gather(parts, layout("[s]"), two, {}, false);
  ASSERT_FALSE(bool(whole));
  EXPECT_THAT(toString(whole.takeError()),
              HasSubstr("expected ranks 0 and 1 to hold the same value at logical index [1]"));
}

TEST_F(ReferenceTest, floatsAreRoundedToTheirType) {
  EXPECT_EQ(roundToType(1.0 + std::ldexp(1.0, -25), f32), 1.0);
  EXPECT_EQ(roundToType(1.0 + std::ldexp(1.0, -8), BFloat16Type::get(&context)), 1.0);
  EXPECT_EQ(roundToType(1.0 + std::ldexp(3.0, -8), BFloat16Type::get(&context)), 1.0 + std::ldexp(1.0, -6));
  EXPECT_EQ(roundToType(65520.0, Float16Type::get(&context)), std::numeric_limits<double>::infinity());
  EXPECT_EQ(roundToType(65519.0, Float16Type::get(&context)), 65504.0);
  EXPECT_EQ(wrapToType(int64_t(1) << 31, i32), -(int64_t(1) << 31));
  EXPECT_EQ(wrapToType(3, IntegerType::get(&context, 1)), 1);
}

TEST_F(ReferenceTest, weightsAreSlicedAndStatesLiveFromRunToRun) {
  auto module = parse(R"mlir(
    muster.mesh @node <["tp" = 2]>
    muster.weight @w : tensor<4x2xf32> layout <[o/tp, i]>
    muster.state @s : tensor<?x2x2x1xf32> layout <[page, slot, kv/tp, d]>
    func.func @load() -> (tensor<2x2xf32> {muster.layout = #muster.layout<[o/tp, i]>}) {
      %w = muster.load @w : tensor<2x2xf32>
      return %w : tensor<2x2xf32>
    }
    func.func @append(%rows: tensor<?x1x1xf32> {muster.layout = #muster.layout<[t, kv/tp, d]>},
                      %slots: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) {
      nn.cache_append @s, %rows, %slots : tensor<?x1x1xf32>, tensor<?xi32>
      return
    }
  )mlir");
  Interpreter interpreter(*module, {.pages = 3});
  EXPECT_THAT(toString(interpreter.runLogical("load", {}).takeError()),
              HasSubstr("cannot load weight @w because it was given no value"));
  EXPECT_THAT(toString(interpreter.setWeight("w", iota({2, 4}))),
              HasSubstr("expected a value of type tensor<4x2xf32> but got shape [2, 4]"));
  ASSERT_FALSE(bool(interpreter.setWeight("w", iota({4, 2}))));
  auto loaded = interpreter.runLogical("load", {});
  ASSERT_TRUE(bool(loaded));
  EXPECT_TRUE(loaded->front().isIdentical(iota({4, 2})));

  // Slot 5 is slot 1 of page 2; a negative slot writes nothing.
  for (auto [value, slot] : {std::pair(7.0, 5), {8.0, 0}, {9.0, -1}})
    ASSERT_TRUE(bool(interpreter.runLogical(
        "append", {Tensor::ofReals({1, 2, 1}, f32, {value, -value}), Tensor::ofIntegers({1}, i32, {slot})})));
  auto state = interpreter.getState("s", 1);
  ASSERT_TRUE(bool(state));
  EXPECT_EQ((*state)->getText(), "3x2x1x1xf32 [[[[-8]], [[nan]]], [[[nan]], [[nan]]], [[[nan]], [[-7]]]]");
  auto refused =
      interpreter.runLogical("append", {Tensor::ofReals({1, 2, 1}, f32, {1, 1}), Tensor::ofIntegers({1}, i32, {6})});
  EXPECT_THAT(toString(refused.takeError()), HasSubstr("expected a slot below 6 but got 6"));
}

TEST_F(ReferenceTest, inputsThatDoNotFitAreRefused) {
  auto module = parse(R"mlir(
    muster.mesh @node <["tp" = 2]>
    func.func @f(%a: tensor<?xf32> {muster.layout = #muster.layout<[t/tp]>}, %b: tensor<?xf32> {muster.layout = #muster.layout<[t]>}) { return }
  )mlir");
  Interpreter interpreter(*module);
  EXPECT_THAT(toString(interpreter.runLogical("g", {}).takeError()), HasSubstr("references unknown entry @g"));
  EXPECT_THAT(toString(interpreter.runLogical("f", {iota({4})}).takeError()), HasSubstr("expected 2 inputs but got 1"));
  EXPECT_THAT(toString(interpreter.runLogical("f", {iota({3}), iota({3})}).takeError()),
              HasSubstr("expected dim 't' of size 3 to be divisible by 2"));
  EXPECT_THAT(toString(interpreter.runLogical("f", {iota({4}), iota({6})}).takeError()),
              HasSubstr("expected dim 't' to have size 4 but got 6"));
  EXPECT_TRUE(bool(interpreter.runLogical("f", {iota({4}), iota({4})})));
}

// Softmax over one and over two keys, by hand: scores 0 and ln 3 weigh 1/4 and 3/4.
TEST_F(ReferenceTest, attentionIsCausalAndWalksPages) {
  auto module = parse(R"mlir(
    muster.mesh @node <[]>
    muster.state @k : tensor<?x1x1x2xf32> layout <[page, slot, kv, d]>
    muster.state @v : tensor<?x1x1x2xf32> layout <[page, slot, kv, d]>
    func.func @f(%q: tensor<2x2x2xf32>, %k: tensor<2x1x2xf32>, %v: tensor<2x1x2xf32>, %positions: tensor<2xi32>, %starts: tensor<2xi32>,
                 %table: tensor<1x2xi32>, %slots: tensor<2xi32>) -> tensor<2x2x2xf32> {
      nn.cache_append @k, %k, %slots : tensor<2x1x2xf32>, tensor<2xi32>
      nn.cache_append @v, %v, %slots : tensor<2x1x2xf32>, tensor<2xi32>
      %y = nn.attention %q keys @k values @v positions %positions starts %starts blocks %table heads 2 kv_heads 1 scale 2.0
          : tensor<2x2x2xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1x2xi32>
      return %y : tensor<2x2x2xf32>
    })mlir");
  double half = std::log(3.0) / 2;
  Interpreter interpreter(*module, {.float64 = true, .pages = 4});
  auto results = interpreter.runLogical(
      "f", {Tensor::ofReals({2, 2, 2}, f32, {1, 0, 1, 0, 0, half, 0, -half}),
            Tensor::ofReals({2, 1, 2}, f32, {5, 0, 0, 1}), Tensor::ofReals({2, 1, 2}, f32, {4, 8, 12, 16}),
            Tensor::ofIntegers({2}, i32, {0, 1}), Tensor::ofIntegers({2}, i32, {0, 2}),
            Tensor::ofIntegers({1, 2}, i32, {3, 1}), Tensor::ofIntegers({2}, i32, {3, 1})});
  ASSERT_TRUE(bool(results)) << toString(results.takeError());
  const double expected[] = {4, 8, 4, 8, 10, 14, 6, 10};
  for (auto [value, number] : llvm::zip_equal(expected, results->front().getElements()))
    EXPECT_NEAR(value, number.real, 1e-12);
}

TEST_F(ReferenceTest, modelOperationsFollowTheirFormulas) {
  auto module = parse(R"mlir(
    func.func @f(%x: tensor<1x4xf32>, %scale: tensor<4xf32>, %cos: tensor<2x1xf32>, %sin: tensor<2x1xf32>, %p: tensor<1xi32>)
        -> (tensor<1x4xf32>, tensor<1x2x2xf32>, tensor<3x4xf32>, tensor<1x4xf32>) {
      %n = nn.rms_norm %x, %scale epsilon 0.5 : tensor<1x4xf32>, tensor<4xf32>
      %h = nn.split_heads %x heads 2 head_dim 2 : tensor<1x4xf32> -> tensor<1x2x2xf32>
      %r = nn.rope %h, %cos, %sin, %p : tensor<1x2x2xf32>, tensor<2x1xf32>, tensor<1xi32>
      %first = arith.constant 7 : index
      %indices = arith.constant dense<[6, 7, 8]> : tensor<3xi32>
      %g = nn.gather_rows %x[%indices] first %first : tensor<1x4xf32>, tensor<3xi32> -> tensor<3x4xf32>
      %m = nn.merge_heads %r heads 2 head_dim 2 : tensor<1x2x2xf32> -> tensor<1x4xf32>
      return %n, %r, %g, %m : tensor<1x4xf32>, tensor<1x2x2xf32>, tensor<3x4xf32>, tensor<1x4xf32>
    })mlir");
  Interpreter interpreter(*module);
  // Mean of squares 3.5, and 0.5: the norm divides by 2.
  auto results =
      interpreter.runLogical("f", {Tensor::ofReals({1, 4}, f32, {1, 2, 0, 3}), Tensor::ofReals({4}, f32, {2, 2, 4, 4}),
                                   Tensor::ofReals({2, 1}, f32, {9, 3}), Tensor::ofReals({2, 1}, f32, {9, 5}),
                                   Tensor::ofIntegers({1}, i32, {1})});
  ASSERT_TRUE(bool(results)) << toString(results.takeError());
  EXPECT_EQ((*results)[0].getText(), "1x4xf32 [[1, 2, 0, 6]]");
  EXPECT_EQ((*results)[1].getText(), "1x2x2xf32 [[[-7, 11], [-15, 9]]]");
  EXPECT_EQ((*results)[2].getText(), "3x4xf32 [[0, 0, 0, 0], [1, 2, 0, 3], [0, 0, 0, 0]]");
  EXPECT_EQ((*results)[3].getText(), "1x4xf32 [[-7, 11, -15, 9]]");
}

TEST_F(ReferenceTest, randomValuesDependOnNameAndPlaceAlone) {
  Tensor a = makeRandom({3, 5}, f32, 1, "x", RandomReals::Uniform, 2),
         b = makeRandom({15}, f32, 1, "x", RandomReals::Uniform, 2);
  EXPECT_TRUE(a.isIdentical(b.reshaped({3, 5})));
  EXPECT_FALSE(a.isIdentical(makeRandom({3, 5}, f32, 1, "y", RandomReals::Uniform, 2)));
  EXPECT_FALSE(a.isIdentical(makeRandom({3, 5}, f32, 2, "x", RandomReals::Uniform, 2)));
  Tensor integers = makeRandom({1000}, i32, 1, "x", RandomReals::Uniform, 5);
  SmallVector<int64_t> histogram(5, 0);
  for (Number number : integers.getElements())
    ++histogram[number.integer];
  for (int64_t count : histogram)
    EXPECT_GT(count, 150);
}

} // namespace
