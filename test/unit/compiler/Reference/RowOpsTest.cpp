// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Padded, split and joined rows in the interpreter against plain loops: all count vectors 0..3 on 1 to 3 positions,
// where dp is the only axis and where another repeats it.
#include "compiler/Reference/Interpreter.h"
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
constexpr int64_t width = 2;
/// Stands for a dead element in what is expected.
constexpr double dead = -1;

/// Rows that tell rank, row and column: 100 * rank + 10 * row + column.
Reals rowsOf(size_t rank, int64_t first, int64_t count) {
  Reals values;
  for (int64_t row = first; row < first + count; ++row)
    for (int64_t column = 0; column < width; ++column)
      values.push_back(static_cast<double>(100 * static_cast<int64_t>(rank) + 10 * row + column));
  return values;
}

struct RowOpsTest : testing::Test {
  RowOpsTest() { context.loadDialect<MusterDialect, func::FuncDialect, arith::ArithDialect>(); }

  OwningOpRef<ModuleOp> parse(size_t positions, bool isRepeated, const std::string &body) {
    std::string text = "muster.mesh @m <[\"dp\" = " + std::to_string(positions) + (isRepeated ? ", \"tp\" = 2" : "") +
                       "]>\nfunc.func @f(%n: index, %m: index, %x: tensor<?x2xf32>) -> " + body;
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module;
  }

  /// The elements of every result on each rank of "f", which gets two counts and as many rows as `rows` says.
  std::vector<std::vector<Reals>> run(ModuleOp module, size_t repeats, const Integers &first, const Integers &second,
                                      const Integers &rows) {
    auto index = IndexType::get(&context);
    auto f32 = Float32Type::get(&context);
    std::vector<RankValues> inputs(3);
    for (size_t rank = 0; rank != first.size() * repeats; ++rank) {
      size_t position = rank / repeats;
      inputs[0].push_back(share(Tensor::scalar(index, Number::ofInteger(first[position]))));
      inputs[1].push_back(share(Tensor::scalar(index, Number::ofInteger(second[position]))));
      inputs[2].push_back(share(Tensor::ofReals({rows[position], width}, f32, rowsOf(rank, 0, rows[position]))));
    }
    Interpreter interpreter(module, {});
    auto results = interpreter.run("f", inputs);
    if (!results) {
      error = toString(results.takeError());
      return {};
    }
    error.clear();
    std::vector<std::vector<Reals>> all;
    for (const RankValues &result : *results) {
      std::vector<Reals> ranks;
      for (const TensorHandle &tensor : result) {
        Reals values;
        for (Number number : tensor->getElements())
          values.push_back(std::isnan(number.real) ? dead : number.real);
        EXPECT_EQ(tensor->getDimSize(1), width);
        ranks.push_back(std::move(values));
      }
      all.push_back(std::move(ranks));
    }
    return all;
  }

  MLIRContext context;
  std::string error;
};

const char *const padding = R"((tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
    %l = muster.local_count %n : !muster.counts<[], tokens, @s>
    %c = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
    %g = muster.pad_counts %c align 2 mode max : (!muster.counts<[dp], tokens, @s>) -> !muster.counts<[dp], padded, @s>
    %seven = arith.constant 7.0 : f32
    %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @s>) to(%g : !muster.counts<[dp], padded, @s>) : tensor<?x2xf32>
    %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @s>) to(%g : !muster.counts<[dp], padded, @s>) fill(%seven : f32) : tensor<?x2xf32>
    %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @s>) to(%c : !muster.counts<[dp], tokens, @s>) : tensor<?x2xf32>
    return %p, %q, %u : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
  })";

const char *const splitting = R"((tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
    %l = muster.local_count %n : !muster.counts<[], tokens, @s>
    %f = muster.local_count %m : !muster.counts<[], tokens, @a>
    %c:2 = muster.exchange_counts %l, %f : !muster.counts<[], tokens, @s>, !muster.counts<[], tokens, @a>
        -> !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a>
    %a, %b = muster.split_counts %c#0 first %c#1 : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a>
        -> !muster.counts<[dp], tokens, @a>, !muster.counts<[dp], tokens, @b>
    %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>) : tensor<?x2xf32>
    %j = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>)
        to(%c#0 : !muster.counts<[dp], tokens, @s>) : tensor<?x2xf32>
    return %xa, %xb, %j : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
  })";

TEST_F(RowOpsTest, paddedRows) {
  for (size_t positions = 1; positions <= 3; ++positions)
    for (size_t repeats : {1, 2}) {
      auto module = parse(positions, repeats == 2, padding);
      ASSERT_TRUE(module);
      forEachVector(positions, 4, [&](const Integers &counts) {
        auto results = run(*module, repeats, counts, counts, counts);
        ASSERT_EQ(results.size(), 3u) << error;
        int64_t most = 0;
        for (int64_t count : counts)
          most = std::max(most, count + count % 2);
        for (size_t rank = 0; rank != positions * repeats; ++rank) {
          int64_t count = counts[rank / repeats];
          Reals live = rowsOf(rank, 0, count), nothing = live, filled = live;
          nothing.insert(nothing.end(), static_cast<size_t>((most - count) * width), dead);
          filled.insert(filled.end(), static_cast<size_t>((most - count) * width), 7.0);
          EXPECT_EQ(results[0][rank], nothing);
          EXPECT_EQ(results[1][rank], filled);
          EXPECT_EQ(results[2][rank], live);
        }
      });
    }
}

TEST_F(RowOpsTest, childrenOfABatch) {
  for (size_t positions = 1; positions <= 3; ++positions)
    for (size_t repeats : {1, 2}) {
      auto module = parse(positions, repeats == 2, splitting);
      ASSERT_TRUE(module);
      forEachVector(positions, 4, [&](const Integers &counts) {
        forEachVector(positions, 4, [&](const Integers &first) {
          for (size_t position = 0; position != positions; ++position)
            if (first[position] > counts[position])
              return;
          auto results = run(*module, repeats, counts, first, counts);
          ASSERT_EQ(results.size(), 3u) << error;
          for (size_t rank = 0; rank != positions * repeats; ++rank) {
            int64_t count = counts[rank / repeats], taken = first[rank / repeats];
            EXPECT_EQ(results[0][rank], rowsOf(rank, 0, taken));
            EXPECT_EQ(results[1][rank], rowsOf(rank, taken, count - taken));
            EXPECT_EQ(results[2][rank], rowsOf(rank, 0, count));
          }
        });
      });
    }
}

TEST_F(RowOpsTest, otherNumbersOfRows) {
  auto padded = parse(2, false, padding), split = parse(2, false, splitting);
  ASSERT_TRUE(padded && split);
  EXPECT_TRUE(run(*padded, 1, {2, 1}, {2, 1}, {2, 3}).empty());
  EXPECT_THAT(error, HasSubstr("expected 1 rows, as counted, on rank 1 but got 3"));
  EXPECT_TRUE(run(*split, 1, {2, 1}, {1, 0}, {3, 1}).empty());
  EXPECT_THAT(error, HasSubstr("expected 2 rows, as counted, on rank 0 but got 3"));
  // Of a padded count that is smaller than the count, and of a parent that is not its children.
  auto small = parse(2, false, R"(tensor<?x2xf32> {
      %l = muster.local_count %n : !muster.counts<[], tokens, @s>
      %k = muster.local_count %m : !muster.counts<[], padded, @s>
      %c:2 = muster.exchange_counts %l, %k : !muster.counts<[], tokens, @s>, !muster.counts<[], padded, @s>
          -> !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], padded, @s>
      %p = muster.pad %x dim 0 counts(%c#0 : !muster.counts<[dp], tokens, @s>) to(%c#1 : !muster.counts<[dp], padded, @s>) : tensor<?x2xf32>
      return %p : tensor<?x2xf32>
    })");
  ASSERT_TRUE(small);
  EXPECT_TRUE(run(*small, 1, {2, 3}, {4, 2}, {2, 3}).empty());
  EXPECT_THAT(error, HasSubstr("expected padded counts of at least 3 on rank 1 but got 2"));
  auto parent = parse(2, false, R"(tensor<?x2xf32> {
      %l = muster.local_count %n : !muster.counts<[], tokens, @a>
      %k = muster.local_count %m : !muster.counts<[], tokens, @b>
      %c:2 = muster.exchange_counts %l, %k : !muster.counts<[], tokens, @a>, !muster.counts<[], tokens, @b>
          -> !muster.counts<[dp], tokens, @a>, !muster.counts<[dp], tokens, @b>
      %t = muster.local_count %n : !muster.counts<[], tokens, @s>
      %s = muster.exchange_counts %t : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
      %p = muster.join_rows %x, %x dim 0 counts(%c#0 : !muster.counts<[dp], tokens, @a>, %c#1 : !muster.counts<[dp], tokens, @b>)
          to(%s : !muster.counts<[dp], tokens, @s>) : tensor<?x2xf32>
      return %p : tensor<?x2xf32>
    })");
  ASSERT_TRUE(parent);
  EXPECT_TRUE(run(*parent, 1, {1, 2}, {1, 2}, {1, 2}).empty());
  EXPECT_THAT(error, HasSubstr("expected 1 rows, as counted, on rank 0 but got 2"));
}

} // namespace
