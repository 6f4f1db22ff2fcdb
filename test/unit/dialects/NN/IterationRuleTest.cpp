// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation's iteration rule against what the operation does: well formed, and true of the values that it
// computes.
#include "compiler/Reference/Interpreter.h"
#include "compiler/Reference/RandomValues.h"
#include "dialects/NN/IR/NNDialect.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace muster;
using namespace muster::nn;
using namespace muster::reference;

namespace {

/// One operation in a function that takes its operands; dims that rules may cut are dynamic.
struct Program {
  const char *name;
  const char *text;
  std::vector<std::vector<int64_t>> shapes;
};

const Program programs[] = {
    {"matmul",
     R"mlir(func.func @f(%x: tensor<?x?xf32>, %w: tensor<?x?xf32>) -> tensor<?x?xf32> {
       %y = nn.matmul %x, %w : tensor<?x?xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
       return %y : tensor<?x?xf32>
     })mlir",
     {{4, 6}, {10, 6}}},
    {"gather_rows",
     R"mlir(func.func @f(%x: tensor<?x?xf32>, %i: tensor<?xi32>) -> tensor<?x?xf32> {
       %y = nn.gather_rows %x[%i] : tensor<?x?xf32>, tensor<?xi32> -> tensor<?x?xf32>
       return %y : tensor<?x?xf32>
     })mlir",
     {{14, 6}, {4}}},
    {"rms_norm",
     R"mlir(func.func @f(%x: tensor<?x?xf32>, %s: tensor<?xf32>) -> tensor<?x?xf32> {
       %y = nn.rms_norm %x, %s epsilon 0.5 : tensor<?x?xf32>, tensor<?xf32>
       return %y : tensor<?x?xf32>
     })mlir",
     {{4, 6}, {6}}},
    {"split_heads",
     R"mlir(func.func @f(%x: tensor<?x6xf32>) -> tensor<?x2x3xf32> {
       %y = nn.split_heads %x heads 2 head_dim 3 : tensor<?x6xf32> -> tensor<?x2x3xf32>
       return %y : tensor<?x2x3xf32>
     })mlir",
     {{4, 6}}},
    {"merge_heads",
     R"mlir(func.func @f(%x: tensor<?x2x3xf32>) -> tensor<?x6xf32> {
       %y = nn.merge_heads %x heads 2 head_dim 3 : tensor<?x2x3xf32> -> tensor<?x6xf32>
       return %y : tensor<?x6xf32>
     })mlir",
     {{4, 2, 3}}},
    {"rope",
     R"mlir(func.func @f(%x: tensor<?x?x6xf32>, %c: tensor<14x3xf32>, %s: tensor<14x3xf32>, %p: tensor<?xi32>) -> tensor<?x?x6xf32> {
       %y = nn.rope %x, %c, %s, %p : tensor<?x?x6xf32>, tensor<14x3xf32>, tensor<?xi32>
       return %y : tensor<?x?x6xf32>
     })mlir",
     {{4, 2, 6}, {14, 3}, {14, 3}, {4}}},
};

struct IterationRuleTest : testing::TestWithParam<Program> {
  IterationRuleTest() {
    context.loadDialect<MusterDialect, NNDialect, func::FuncDialect, tensor::TensorDialect>();
    module = parseSourceString<ModuleOp>(GetParam().text, &context);
    module->walk([&](IterationRuleOpInterface found) { op = found; });
    rule = op.getIterationRule();
    for (auto [index, shape] : llvm::enumerate(GetParam().shapes)) {
      Type element = getElementTypeOrSelf(op->getOperand(index).getType());
      inputs.push_back(makeRandom(shape, element, 3, std::to_string(index), RandomReals::Integers, 14));
    }
  }

  Tensor run(ArrayRef<Tensor> operands) {
    Interpreter interpreter(*module, {.float64 = true});
    auto results = interpreter.runLogical("f", operands);
    EXPECT_TRUE(bool(results)) << toString(results.takeError());
    return results ? results->front() : Tensor({}, Float32Type::get(&context));
  }

  /// The half of each dim that walks `iterator`.
  static Tensor cut(const Tensor &tensor, ArrayRef<int64_t> dims, int64_t iterator, int64_t half) {
    SmallVector<int64_t> shape(tensor.getShape());
    for (auto [dim, walked] : llvm::enumerate(dims))
      if (walked == iterator)
        shape[dim] /= 2;
    Tensor result(shape, tensor.getElementType());
    forEachIndex(shape, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> source(index);
      for (auto [dim, walked] : llvm::enumerate(dims))
        if (walked == iterator)
          source[dim] += half * shape[dim];
      result.at(index) = tensor.at(source);
    });
    return result;
  }

  Tensor runHalf(int64_t iterator, int64_t half) {
    std::vector<Tensor> halves;
    for (auto [input, dims] : llvm::zip_equal(inputs, rule.operands))
      halves.push_back(cut(input, dims, iterator, half));
    return run(halves);
  }

  static Tensor add(const Tensor &a, const Tensor &b) {
    Tensor sum = a;
    for (auto [x, y] : llvm::zip_equal(sum.getElements(), b.getElements()))
      x.real += y.real;
    return sum;
  }

  static void expectEqual(const Tensor &a, const Tensor &b) {
    ASSERT_EQ(a.getShape(), b.getShape());
    for (auto [x, y] : llvm::zip_equal(a.getElements(), b.getElements()))
      EXPECT_NEAR(x.real, y.real, 1e-9);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  IterationRuleOpInterface op;
  IterationRule rule;
  std::vector<Tensor> inputs;
};

TEST_P(IterationRuleTest, walksEveryDimOfEveryTensor) {
  ASSERT_EQ(rule.operands.size(), op->getNumOperands());
  ASSERT_EQ(rule.results.size(), op->getNumResults());
  std::vector<bool> used(rule.iterators.size(), false);
  auto check = [&](Value value, ArrayRef<int64_t> dims) {
    ASSERT_EQ(static_cast<int64_t>(dims.size()), cast<RankedTensorType>(value.getType()).getRank());
    for (int64_t iterator : dims) {
      ASSERT_TRUE(iterator == noIterator || (iterator >= 0 && iterator < static_cast<int64_t>(used.size())));
      if (iterator != noIterator)
        used[iterator] = true;
    }
  };
  for (auto [operand, dims] : llvm::zip_equal(op->getOperands(), rule.operands))
    check(operand, dims);
  for (auto [result, dims] : llvm::zip_equal(op->getResults(), rule.results))
    check(result, dims);
  for (auto [iterator, isUsed] : llvm::zip_equal(rule.iterators, used))
    EXPECT_TRUE(isUsed) << iterator.name.str();
  for (auto [index, iterator] : llvm::enumerate(rule.iterators)) {
    bool inResult = llvm::is_contained(rule.results.front(), static_cast<int64_t>(index));
    bool isReduced = iterator.kind == IteratorKind::Sum || iterator.kind == IteratorKind::Maximum;
    EXPECT_TRUE(inResult || iterator.kind != IteratorKind::Parallel) << iterator.name.str();
    EXPECT_FALSE(inResult && isReduced) << iterator.name.str();
  }
}

TEST_P(IterationRuleTest, cutsAlongParallelIteratorsAndAddsAlongSums) {
  Tensor whole = run(inputs);
  for (auto [index, iterator] : llvm::enumerate(rule.iterators)) {
    SCOPED_TRACE(iterator.name.str());
    auto walked = static_cast<int64_t>(index);
    if (iterator.kind == IteratorKind::Parallel)
      for (int64_t half : {0, 1})
        expectEqual(runHalf(walked, half), cut(whole, rule.results.front(), walked, half));
    if (iterator.kind == IteratorKind::Sum)
      expectEqual(add(runHalf(walked, 0), runHalf(walked, 1)), whole);
  }
}

TEST_P(IterationRuleTest, isLinearWhereItSaysSo) {
  Tensor whole = run(inputs);
  for (size_t operand = 0; operand < inputs.size(); ++operand) {
    if (!inputs[operand].isReal())
      continue;
    std::vector<Tensor> others = inputs;
    others[operand] = makeRandom(inputs[operand].getShape(), inputs[operand].getElementType(), 9, "summand",
                                 RandomReals::Integers, 2);
    std::vector<Tensor> sums = inputs;
    sums[operand] = add(inputs[operand], others[operand]);
    bool isLinear = rule.linearity == Linearity::Multilinear || (rule.linearOperands >> operand & 1) != 0;
    if (isLinear)
      expectEqual(run(sums), add(whole, run(others)));
  }
}

INSTANTIATE_TEST_SUITE_P(NN, IterationRuleTest, testing::ValuesIn(programs),
                         [](const auto &info) { return std::string(info.param.name); });

// The masked form of the look-up: ranks that hold parts of the table add up.
TEST(GatherRowsRule, sumsOverPartsOfTheTable) {
  MLIRContext context;
  context.loadDialect<MusterDialect, NNDialect, func::FuncDialect, tensor::TensorDialect>();
  auto module = parseSourceString<ModuleOp>(
      R"mlir(func.func @f(%x: tensor<?x?xf32>, %i: tensor<?xi32>, %first: index) -> tensor<?x?xf32> {
    %y = nn.gather_rows %x[%i] first %first : tensor<?x?xf32>, tensor<?xi32> -> tensor<?x?xf32>
    return %y : tensor<?x?xf32>
  })mlir",
      &context);
  GatherRowsOp gather;
  module->walk([&](GatherRowsOp found) { gather = found; });
  IterationRule rule = gather.getIterationRule();
  EXPECT_EQ(rule.iterators[rule.operands[0][0]].kind, IteratorKind::Sum);
  Type f32 = Float32Type::get(&context), i32 = IntegerType::get(&context, 32), index = IndexType::get(&context);
  Interpreter interpreter(*module);
  std::string texts;
  for (int64_t first : {0, 2}) {
    auto result = interpreter.runLogical(
        "f", {Tensor::ofReals({2, 1}, f32, {10.0 + static_cast<double>(first), 11.0 + static_cast<double>(first)}),
              Tensor::ofIntegers({3}, i32, {3, 0, 2}), Tensor::scalar(index, Number::ofInteger(first))});
    ASSERT_TRUE(bool(result));
    texts += result->front().getText() + "; ";
  }
  EXPECT_EQ(texts, "3x1xf32 [[0], [10], [0]]; 3x1xf32 [[13], [0], [12]]; ");
}

} // namespace
