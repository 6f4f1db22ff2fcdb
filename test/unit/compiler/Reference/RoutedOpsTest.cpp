// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows sent in numbers that tensors say, in the interpreter against plain loops: all matrices of senders and receivers
// with elements 0..3 on one rank and two, 0..1 on three, there and home again.
#include "compiler/Reference/Interpreter.h"
#include "dialects/NN/IR/NNDialect.h"
#include "test/unit/compiler/Reference/CountVectors.h"

#include "mlir/Parser/Parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using muster::test::forEachVector;
using testing::HasSubstr;

namespace {

using Integers = std::vector<int64_t>;
using Reals = std::vector<double>;
constexpr double dead = -1;

struct RoutedOpsTest : testing::Test {
  RoutedOpsTest() { context.loadDialect<MusterDialect, nn::NNDialect, func::FuncDialect, arith::ArithDialect>(); }

  OwningOpRef<ModuleOp> parse(size_t ranks, int64_t room, const std::string &receive) {
    std::string counts = "tensor<" + std::to_string(ranks) + "xi32, #muster.routed<rows, @route, 9>>",
                wide = "tensor<" + std::to_string(room) + "xf32>";
    std::string text = "muster.mesh @m <[\"ep\" = " + std::to_string(ranks) +
                       "]>\nfunc.func @f(%x: tensor<?xf32>, %to: tensor<?xi32>) -> (" + wide + ", tensor<9xf32>) {\n" +
                       "%s = nn.histogram %to : tensor<?xi32> -> " + counts + "\n" +
                       "%r = muster.exchange %s on \"ep\" : " + counts +
                       "\n%y = muster.all_to_all_v %x on \"ep\" send(%s : " + counts + ") receive(" + receive + " : " +
                       counts + ") : tensor<?xf32> -> " + wide +
                       "\n%z = muster.all_to_all_v %y on \"ep\" send(%r : " + counts + ") receive(%s : " + counts +
                       ") : " + wide + " -> tensor<9xf32>\nreturn %y, %z : " + wide + ", tensor<9xf32>\n}";
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module;
  }

  /// Both results of each rank; empty after an error. `matrix`: rows from each rank to each.
  std::vector<std::vector<Reals>> run(ModuleOp module, size_t ranks, const Integers &matrix) {
    std::vector<RankValues> inputs(2);
    for (size_t rank = 0; rank != ranks; ++rank) {
      Reals rows;
      std::vector<Number> to;
      for (size_t other = 0; other != ranks; ++other)
        for (int64_t row = 0; row < matrix[rank * ranks + other]; ++row) {
          to.push_back(Number::ofInteger(static_cast<int64_t>(other)));
          rows.push_back(static_cast<double>(100 * rank + rows.size()));
        }
      auto count = static_cast<int64_t>(rows.size());
      Tensor indices({count}, IntegerType::get(&context, 32));
      llvm::copy(to, indices.getElements().begin());
      inputs[0].push_back(share(Tensor::ofReals({count}, Float32Type::get(&context), rows)));
      inputs[1].push_back(share(std::move(indices)));
    }
    Interpreter interpreter(module, {});
    auto results = interpreter.run("f", inputs);
    error = results ? std::string() : toString(results.takeError());
    std::vector<std::vector<Reals>> all;
    if (!error.empty())
      return all;
    for (const RankValues &result : *results) {
      std::vector<Reals> ofRanks;
      for (const TensorHandle &tensor : result) {
        Reals values;
        for (Number number : tensor->getElements())
          values.push_back(std::isnan(number.real) ? dead : number.real);
        ofRanks.push_back(std::move(values));
      }
      all.push_back(std::move(ofRanks));
    }
    return all;
  }

  MLIRContext context;
  std::string error;
};

TEST_F(RoutedOpsTest, thereAndBack) {
  for (size_t ranks : {1, 2, 3}) {
    auto module = parse(ranks, 12, "%r");
    ASSERT_TRUE(module);
    forEachVector(ranks * ranks, ranks == 3 ? 2 : 4, [&](const Integers &matrix) {
      auto results = run(*module, ranks, matrix);
      ASSERT_EQ(results.size(), 2u) << error;
      for (size_t rank = 0; rank != ranks; ++rank) {
        Reals arrived, home;
        for (size_t source = 0; source != ranks; ++source) {
          int64_t first = 0;
          for (size_t other = 0; other != rank; ++other)
            first += matrix[source * ranks + other];
          for (int64_t row = 0; row < matrix[source * ranks + rank]; ++row)
            arrived.push_back(static_cast<double>(100 * static_cast<int64_t>(source) + first + row));
          for (int64_t row = 0; row < matrix[rank * ranks + source]; ++row)
            home.push_back(static_cast<double>(100 * rank + home.size()));
        }
        arrived.resize(12, dead);
        home.resize(9, dead);
        EXPECT_EQ(results[0][rank], arrived);
        EXPECT_EQ(results[1][rank], home);
      }
    });
  }
}

TEST_F(RoutedOpsTest, whatDoesNotAgree) {
  auto same = parse(2, 12, "%s");
  ASSERT_TRUE(same);
  // As many rows in both directions: what is sent is what is received.
  EXPECT_EQ(run(*same, 2, {0, 2, 2, 1}).size(), 2u) << error;
  EXPECT_TRUE(run(*same, 2, {0, 2, 1, 1}).empty());
  EXPECT_THAT(error, HasSubstr("expected counts of 1 rows to receive from position 1, as are sent, but got 2"));
  auto narrow = parse(2, 3, "%r");
  ASSERT_TRUE(narrow);
  EXPECT_EQ(run(*narrow, 2, {1, 1, 2, 1}).size(), 2u) << error;
  EXPECT_TRUE(run(*narrow, 2, {2, 1, 2, 1}).empty());
  EXPECT_THAT(error, HasSubstr("expected at most 3 rows to receive but got 4"));
}

} // namespace
