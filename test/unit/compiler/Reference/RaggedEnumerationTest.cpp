// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives with counts in the interpreter against plain loops: all count vectors 0..3 on 1 to 6 positions of dp, on
// meshes where dp is the only axis, the outer and the inner of two.
#include "compiler/Reference/Interpreter.h"
#include "test/unit/compiler/Reference/CountVectors.h"

#include "mlir/Parser/Parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using muster::test::forEachVector;
using testing::HasSubstr;

namespace {

using Integers = std::vector<int64_t>;

/// A mesh with axis dp and perhaps tp, which only repeats.
struct Ranks {
  std::string mesh;
  int64_t positions, others;
  bool isInner; ///< dp is the last axis

  int64_t count() const { return positions * others; }
  int64_t positionOf(int64_t rank) const { return isInner ? rank % positions : rank / others; }
  /// The rank at `position` of the group of `rank`.
  int64_t member(int64_t rank, int64_t position) const {
    return isInner ? rank / positions * positions + position : position * others + rank % others;
  }
};

std::vector<Ranks> allMeshes(int64_t most) {
  std::vector<Ranks> all;
  for (int64_t n = 1; n <= most; ++n) {
    std::string dp = "\"dp\" = " + std::to_string(n);
    all.push_back({"[" + dp + "]", n, 1, true});
    all.push_back({"[" + dp + ", \"tp\" = 2]", n, 2, false});
    all.push_back({"[\"tp\" = 2, " + dp + "]", n, 2, true});
  }
  return all;
}

/// Rows of one rank; all have the same width.
using Rows = std::vector<Integers>;
using RowsOfRanks = std::vector<Rows>;

struct RaggedEnumerationTest : testing::Test {
  RaggedEnumerationTest() { context.loadDialect<MusterDialect, func::FuncDialect, arith::ArithDialect>(); }

  /// A function of each rank's count and tensor, whose body is one operation on %x with counts %c.
  OwningOpRef<ModuleOp> parse(const Ranks &ranks, const std::string &op) {
    std::string text = "muster.mesh @m <" + ranks.mesh + R"(>
      func.func @f(%n: index, %x: tensor<?x?xi64>) -> tensor<?x?xi64> {
        %l = muster.local_count %n : !muster.counts<[], tokens, @s>
        %c = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
        %y = )" + op + R"( : tensor<?x?xi64> -> tensor<?x?xi64>
        return %y : tensor<?x?xi64>
      })";
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module;
  }

  /// The rows that each rank gets; none after an error.
  RowsOfRanks run(ModuleOp module, const Ranks &ranks, const Integers &counts, const RowsOfRanks &inputs,
                  int64_t width) {
    auto index = IndexType::get(&context);
    Type i64 = IntegerType::get(&context, 64);
    RankValues own, rows;
    for (int64_t rank = 0; rank < ranks.count(); ++rank) {
      own.push_back(
          share(Tensor::scalar(index, Number::ofInteger(counts[static_cast<size_t>(ranks.positionOf(rank))]))));
      Integers values;
      for (const Integers &row : inputs[static_cast<size_t>(rank)])
        values.insert(values.end(), row.begin(), row.end());
      int64_t size = static_cast<int64_t>(inputs[static_cast<size_t>(rank)].size());
      rows.push_back(share(Tensor::ofIntegers({size, width}, i64, values)));
    }
    Interpreter interpreter(module, {});
    auto results = interpreter.run("f", {own, rows});
    if (!results) {
      error = toString(results.takeError());
      return {};
    }
    RowsOfRanks all;
    for (const TensorHandle &tensor : results->front()) {
      Rows list(static_cast<size_t>(tensor->getDimSize(0)));
      for (int64_t row = 0; row < tensor->getDimSize(0); ++row)
        for (int64_t column = 0; column < tensor->getDimSize(1); ++column)
          list[static_cast<size_t>(row)].push_back(tensor->integer({row, column}));
      all.push_back(std::move(list));
    }
    return all;
  }

  MLIRContext context;
  std::string error;
};

int64_t sumOf(const Integers &counts) { return std::accumulate(counts.begin(), counts.end(), int64_t(0)); }

/// Values that tell rank, row and column.
Rows rowsOf(int64_t rank, int64_t size, int64_t width) {
  Rows rows(static_cast<size_t>(size));
  for (int64_t row = 0; row < size; ++row)
    for (int64_t column = 0; column < width; ++column)
      rows[static_cast<size_t>(row)].push_back(10000 * rank + 100 * row + column + 1);
  return rows;
}

/// Each rank its own rows, distinct.
RowsOfRanks partsOf(const Ranks &ranks, const Integers &counts, int64_t width) {
  RowsOfRanks all;
  for (int64_t rank = 0; rank < ranks.count(); ++rank)
    all.push_back(rowsOf(rank, counts[static_cast<size_t>(ranks.positionOf(rank))], width));
  return all;
}

/// Each rank all rows, distinct.
RowsOfRanks wholesOf(const Ranks &ranks, const Integers &counts, int64_t width) {
  RowsOfRanks all;
  for (int64_t rank = 0; rank < ranks.count(); ++rank)
    all.push_back(rowsOf(rank, sumOf(counts), width));
  return all;
}

TEST_F(RaggedEnumerationTest, allGather) {
  for (const Ranks &ranks : allMeshes(6)) {
    auto module = parse(ranks, "muster.all_gather %x on \"dp\" dim 0 counts(%c : !muster.counts<[dp], tokens, @s>)");
    ASSERT_TRUE(module);
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      RowsOfRanks inputs = partsOf(ranks, counts, 2), results = run(*module, ranks, counts, inputs, 2);
      ASSERT_EQ(results.size(), inputs.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank) {
        Rows expected;
        for (int64_t position = 0; position < ranks.positions; ++position)
          for (const Integers &row : inputs[static_cast<size_t>(ranks.member(rank, position))])
            expected.push_back(row);
        EXPECT_EQ(results[static_cast<size_t>(rank)], expected) << ranks.mesh;
      }
    });
  }
}

/// The rows of a position among all rows.
Rows ownOf(const Rows &all, const Integers &counts, int64_t position) {
  auto begin = all.begin() + std::accumulate(counts.begin(), counts.begin() + position, int64_t(0));
  return Rows(begin, begin + counts[static_cast<size_t>(position)]);
}

TEST_F(RaggedEnumerationTest, slice) {
  for (const Ranks &ranks : allMeshes(6)) {
    auto module = parse(ranks, "muster.slice %x on \"dp\" dim 0 counts(%c : !muster.counts<[dp], tokens, @s>)");
    ASSERT_TRUE(module);
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      RowsOfRanks inputs = wholesOf(ranks, counts, 2), results = run(*module, ranks, counts, inputs, 2);
      ASSERT_EQ(results.size(), inputs.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank)
        EXPECT_EQ(results[static_cast<size_t>(rank)],
                  ownOf(inputs[static_cast<size_t>(rank)], counts, ranks.positionOf(rank)));
    });
  }
}

TEST_F(RaggedEnumerationTest, reduceScatter) {
  for (const Ranks &ranks : allMeshes(6)) {
    auto module =
        parse(ranks, "muster.reduce_scatter %x sum on \"dp\" dim 0 counts(%c : !muster.counts<[dp], tokens, @s>)");
    ASSERT_TRUE(module);
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      RowsOfRanks inputs = wholesOf(ranks, counts, 2), results = run(*module, ranks, counts, inputs, 2);
      ASSERT_EQ(results.size(), inputs.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank) {
        Rows sum(static_cast<size_t>(sumOf(counts)), Integers(2));
        for (int64_t position = 0; position < ranks.positions; ++position)
          for (size_t row = 0; row != sum.size(); ++row)
            for (size_t column = 0; column != 2; ++column)
              sum[row][column] += inputs[static_cast<size_t>(ranks.member(rank, position))][row][column];
        EXPECT_EQ(results[static_cast<size_t>(rank)], ownOf(sum, counts, ranks.positionOf(rank)));
      }
    });
  }
}

// Rows are gathered, columns handed out: column block p of every member's rows, one member's behind the other's.
TEST_F(RaggedEnumerationTest, allToAllRaggedConcat) {
  for (const Ranks &ranks : allMeshes(6)) {
    auto module = parse(ranks, "muster.all_to_all %x on \"dp\" split 1 concat 0 counts(%c : !muster.counts<[dp], "
                               "tokens, @s>) ragged concat");
    ASSERT_TRUE(module);
    const int64_t part = 2, width = part * ranks.positions;
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      RowsOfRanks inputs = partsOf(ranks, counts, width), results = run(*module, ranks, counts, inputs, width);
      ASSERT_EQ(results.size(), inputs.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank) {
        Rows expected;
        for (int64_t position = 0; position < ranks.positions; ++position)
          for (const Integers &row : inputs[static_cast<size_t>(ranks.member(rank, position))]) {
            auto begin = row.begin() + part * ranks.positionOf(rank);
            expected.push_back(Integers(begin, begin + part));
          }
        EXPECT_EQ(results[static_cast<size_t>(rank)], expected) << ranks.mesh;
      }
    });
  }
}

// Rows are handed out, columns gathered: the own rows of every member, side by side.
TEST_F(RaggedEnumerationTest, allToAllRaggedSplit) {
  for (const Ranks &ranks : allMeshes(6)) {
    auto module = parse(ranks, "muster.all_to_all %x on \"dp\" split 0 concat 1 counts(%c : !muster.counts<[dp], "
                               "tokens, @s>) ragged split");
    ASSERT_TRUE(module);
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      RowsOfRanks inputs = wholesOf(ranks, counts, 3), results = run(*module, ranks, counts, inputs, 3);
      ASSERT_EQ(results.size(), inputs.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank) {
        int64_t own = ranks.positionOf(rank);
        Rows expected(static_cast<size_t>(counts[static_cast<size_t>(own)]));
        for (int64_t position = 0; position < ranks.positions; ++position) {
          Rows rows = ownOf(inputs[static_cast<size_t>(ranks.member(rank, position))], counts, own);
          for (size_t row = 0; row != rows.size(); ++row)
            expected[row].insert(expected[row].end(), rows[row].begin(), rows[row].end());
        }
        EXPECT_EQ(results[static_cast<size_t>(rank)], expected) << ranks.mesh;
      }
    });
  }
}

// All ranks of tp hold the same, so that the logical rows are those of the ranks with tp = 0.
TEST_F(RaggedEnumerationTest, redistribute) {
  for (const Ranks &ranks : allMeshes(5)) {
    const std::string counted = "muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @s>) from ";
    auto gather = parse(ranks, counted + "<[t/dp : tokens @s, i]> to <[t, i]>");
    auto scatter = parse(ranks, counted + "<[t, i]> to <[t/dp : tokens @s, i]>");
    auto reduce = parse(ranks, counted + "<[t, i], partial(sum: dp)> to <[t/dp : tokens @s, i]>");
    auto turn = parse(ranks, counted + "<[t/dp : tokens @s, i]> to <[t, i/dp]>");
    ASSERT_TRUE(gather && scatter && reduce && turn);
    forEachVector(static_cast<size_t>(ranks.positions), 4, [&](const Integers &counts) {
      const int64_t width = 2 * ranks.positions;
      RowsOfRanks parts, wholes, shares, turned;
      Rows all, sum = rowsOf(0, sumOf(counts), width);
      for (int64_t position = 0; position < ranks.positions; ++position)
        for (const Integers &row : rowsOf(position, counts[static_cast<size_t>(position)], width))
          all.push_back(row);
      for (Integers &row : sum)
        for (int64_t &value : row)
          value = ranks.positions * value + 7 * (ranks.positions * (ranks.positions - 1) / 2);
      for (int64_t rank = 0; rank < ranks.count(); ++rank) {
        int64_t position = ranks.positionOf(rank);
        wholes.push_back(all);
        parts.push_back(ownOf(all, counts, position));
        shares.push_back(rowsOf(0, sumOf(counts), width));
        for (Integers &row : shares.back())
          for (int64_t &value : row)
            value += 7 * position;
        turned.push_back(all);
        for (Integers &row : turned.back())
          row = Integers(row.begin() + 2 * position, row.begin() + 2 * position + 2);
      }
      EXPECT_EQ(run(*gather, ranks, counts, parts, width), wholes) << error;
      EXPECT_EQ(run(*scatter, ranks, counts, wholes, width), parts) << error;
      EXPECT_EQ(run(*turn, ranks, counts, parts, width), turned) << error;
      RowsOfRanks reduced = run(*reduce, ranks, counts, shares, width);
      ASSERT_EQ(reduced.size(), parts.size()) << error;
      for (int64_t rank = 0; rank < ranks.count(); ++rank)
        EXPECT_EQ(reduced[static_cast<size_t>(rank)], ownOf(sum, counts, ranks.positionOf(rank)));
    });
  }
}

// A part that is not as long as its count is an error that says both, whatever the totals are.
TEST_F(RaggedEnumerationTest, partsThatAreNotAsLongAsCounted) {
  Ranks ranks{"[\"dp\" = 2]", 2, 1, true};
  const std::string counts = " counts(%c : !muster.counts<[dp], tokens, @s>)";
  auto refuse = [&](const std::string &op, const RowsOfRanks &inputs, const std::string &expected) {
    auto module = parse(ranks, op);
    ASSERT_TRUE(module);
    error.clear();
    EXPECT_TRUE(run(*module, ranks, {3, 1}, inputs, 2).empty());
    EXPECT_THAT(error, HasSubstr(expected)) << op;
  };
  RowsOfRanks swapped = partsOf(ranks, {1, 3}, 2), wholes = wholesOf(ranks, {3, 2}, 2);
  refuse("muster.all_gather %x on \"dp\" dim 0" + counts, swapped,
         "expected 3 rows, as counted, at position 0 but got 1");
  refuse("muster.all_to_all %x on \"dp\" split 1 concat 0" + counts + " ragged concat", swapped,
         "expected 3 rows, as counted, at position 0 but got 1");
  refuse("muster.all_to_all %x on \"dp\" split 0 concat 1" + counts + " ragged split", wholes,
         "expected all 4 rows, as counted, but got 5");
  refuse("muster.slice %x on \"dp\" dim 0" + counts, wholes, "expected all 4 rows, as counted, but got 5");
  refuse("muster.reduce_scatter %x sum on \"dp\" dim 0" + counts, wholes, "expected all 4 rows, as counted, but got 5");
  refuse("muster.redistribute %x" + counts + " from <[t/dp : tokens @s, i]> to <[t, i]>", swapped,
         "expected 3 rows, as counted, on rank 0 but got 1");
  refuse("muster.redistribute %x" + counts + " from <[t, i]> to <[t/dp : tokens @s, i]>", wholes,
         "expected 4 rows, as counted, on rank 0 but got 5");
  // Without counts parts are equal.
  refuse("muster.all_gather %x on \"dp\" dim 0", swapped,
         "expected all ranks of the group to hold shape [1, 2] but got [3, 2]");
}

// Counts that only some ranks have are no counts of a group.
TEST_F(RaggedEnumerationTest, countsThatDifferBetweenRanks) {
  auto module = parseSourceString<ModuleOp>(R"(muster.mesh @m <["dp" = 2, "tp" = 2]>
      func.func @f(%n: index, %x: tensor<?xi64>) -> tensor<?xi64> {
        %l = muster.local_count %n : !muster.counts<[], tokens, @s>
        %c = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
        %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @s>) from <[t]> to <[t/dp : tokens @s]>
            : tensor<?xi64> -> tensor<?xi64>
        return %y : tensor<?xi64>
      })",
                                            &context);
  ASSERT_TRUE(module);
  auto index = IndexType::get(&context);
  RankValues own, rows;
  for (int64_t count : {2, 1, 1, 2}) {
    own.push_back(share(Tensor::scalar(index, Number::ofInteger(count))));
    rows.push_back(share(Tensor::ofIntegers({3}, IntegerType::get(&context, 64), {1, 2, 3})));
  }
  Interpreter interpreter(*module, {});
  auto results = interpreter.run("f", {own, rows});
  ASSERT_FALSE(static_cast<bool>(results));
  EXPECT_THAT(toString(results.takeError()),
              HasSubstr("expected the counts [2, 1] on all ranks but got [1, 2] on rank 1"));
}

} // namespace
