// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Step counts in the interpreter against plain loops, for all small count vectors.
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

using Counts = std::vector<int64_t>;

struct CountOpsTest : testing::Test {
  CountOpsTest() { context.loadDialect<MusterDialect, func::FuncDialect, arith::ArithDialect>(); }

  OwningOpRef<ModuleOp> parse(const std::string &text) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module;
  }

  /// The scalar results of "f" on each rank; each rank has one scalar argument.
  std::vector<Counts> run(ModuleOp module, const Counts &own, InterpreterOptions options = {}) {
    Interpreter interpreter(module, options);
    auto index = IndexType::get(&context);
    RankValues input;
    for (int64_t count : own)
      input.push_back(share(Tensor::scalar(index, Number::ofInteger(count))));
    auto results = interpreter.run("f", {input});
    if (!results) {
      error = toString(results.takeError());
      return {};
    }
    std::vector<Counts> values(own.size());
    for (const RankValues &result : *results)
      for (auto [rank, tensor] : llvm::enumerate(result))
        values[rank].push_back(tensor->getScalar().integer);
    return values;
  }

  MLIRContext context;
  std::string error;
};

TEST_F(CountOpsTest, allSmallVectors) {
  for (size_t ranks = 1; ranks <= 4; ++ranks) {
    auto module = parse("muster.mesh @m <[\"dp\" = " + std::to_string(ranks) + R"(]>
      func.func @f(%n: index) -> (index, index, index, index, index, index, index, index) {
        %l = muster.local_count %n : !muster.counts<[], tokens, @s>
        %c = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
        %total = muster.total %c : !muster.counts<[dp], tokens, @s>
        %most = muster.maximum %c : !muster.counts<[dp], tokens, @s>
        %own = muster.own_count %c : !muster.counts<[dp], tokens, @s>
        %o = muster.offsets %c : !muster.counts<[dp], tokens, @s> -> !muster.offsets<[dp], tokens, @s>
        %begin = muster.own_offset %o : !muster.offsets<[dp], tokens, @s>
        %al = muster.align %c to 2 : !muster.counts<[dp], tokens, @s> -> !muster.counts<[dp], padded, @s>
        %aligned = muster.own_count %al : !muster.counts<[dp], padded, @s>
        %sc = muster.scale %c times 3 plus 1 : !muster.counts<[dp], tokens, @s> -> !muster.counts<[dp], rows, @s>
        %scaled = muster.own_count %sc : !muster.counts<[dp], rows, @s>
        %mx = muster.pad_counts %c align 2 mode max : (!muster.counts<[dp], tokens, @s>) -> !muster.counts<[dp], padded, @s>
        %padded = muster.own_count %mx : !muster.counts<[dp], padded, @s>
        %ba = muster.pad_counts %c align 2 mode balanced : (!muster.counts<[dp], tokens, @s>) -> !muster.counts<[dp], padded, @s>
        %balanced = muster.own_count %ba : !muster.counts<[dp], padded, @s>
        return %total, %most, %own, %begin, %aligned, %scaled, %padded, %balanced : index, index, index, index, index, index, index, index
      })");
    ASSERT_TRUE(module);
    forEachVector(ranks, 4, [&](const Counts &counts) {
      std::vector<Counts> results = run(*module, counts);
      ASSERT_EQ(results.size(), ranks) << error;
      int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t(0)), before = 0, even = 0;
      int64_t most = *std::max_element(counts.begin(), counts.end());
      for (int64_t count : counts)
        even += count + count % 2;
      int64_t level = most + most % 2;
      bool isLevelled = 2 * even >= static_cast<int64_t>(ranks) * level;
      for (size_t rank = 0; rank != ranks; ++rank) {
        int64_t count = counts[rank], aligned = count + count % 2;
        EXPECT_EQ(results[rank],
                  (Counts{sum, most, count, before, aligned, 3 * count + 1, level, isLevelled ? level : aligned}));
        before += count;
      }
    });
  }
}

// Groups of a mesh of two axes: counts of ranks with the same other coordinate.
TEST_F(CountOpsTest, groupsOfAMesh) {
  auto module = parse(R"(muster.mesh @m <["dp" = 2, "tp" = 3]>
    func.func @f(%n: index) -> (index, index, index) {
      %l = muster.local_count %n : !muster.counts<[], tokens, @s>
      %c = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[dp], tokens, @s>
      %e = muster.exchange_counts %l : !muster.counts<[], tokens, @s> -> !muster.counts<[tp, dp], tokens, @s>
      %a = muster.total %c : !muster.counts<[dp], tokens, @s>
      %o = muster.offsets %e : !muster.counts<[tp, dp], tokens, @s> -> !muster.offsets<[tp, dp], tokens, @s>
      %b = muster.own_offset %o : !muster.offsets<[tp, dp], tokens, @s>
      %d = muster.own_count %e : !muster.counts<[tp, dp], tokens, @s>
      return %a, %b, %d : index, index, index
    })");
  ASSERT_TRUE(module);
  const Counts own{1, 2, 4, 8, 16, 32};
  std::vector<Counts> results = run(*module, own);
  ASSERT_EQ(results.size(), 6u) << error;
  // tp is outer: positions are ranks 0 3 1 4 2 5.
  const Counts begins{0, 9, 27, 1, 11, 31};
  for (size_t rank = 0; rank != 6; ++rank)
    EXPECT_EQ(results[rank], (Counts{own[rank % 3] + own[rank % 3 + 3], begins[rank], own[rank]}));
}

TEST_F(CountOpsTest, childrenOfABatch) {
  auto module = parse(R"(muster.mesh @m <["dp" = 3]>
    func.func @f(%n: index) -> (index, index, index) {
      %l = muster.local_count %n : !muster.counts<[], tokens, @s>
      %f = muster.step_field "t.a" bound 9 : !muster.counts<[], tokens, @a>
      %c:2 = muster.exchange_counts %l, %f : !muster.counts<[], tokens, @s>, !muster.counts<[], tokens, @a>
          -> !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a>
      %a, %b = muster.split_counts %c#0 first %c#1 : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a>
          -> !muster.counts<[dp], tokens, @a>, !muster.counts<[dp], tokens, @b>
      %x = muster.own_count %a : !muster.counts<[dp], tokens, @a>
      %y = muster.own_count %b : !muster.counts<[dp], tokens, @b>
      %t = muster.total %b : !muster.counts<[dp], tokens, @b>
      muster.check_count %t at_most 6 "tokens of the second half"
      return %x, %y, %t : index, index, index
    })");
  ASSERT_TRUE(module);
  InterpreterOptions options;
  options.sizes.fields["t.a"] = {2, 0, 4};
  EXPECT_EQ(run(*module, {5, 1, 4}, options), (std::vector<Counts>{{2, 3, 4}, {0, 1, 4}, {4, 0, 4}})) << error;
  EXPECT_TRUE(run(*module, {5, 1, 3}, options).empty());
  EXPECT_THAT(error, HasSubstr("expected a first child of at most 3 but got 4"));
  EXPECT_TRUE(run(*module, {7, 2, 4}, options).empty());
  EXPECT_THAT(error, HasSubstr("expected at most 6 tokens of the second half in one step but got 7"));
  options.sizes.fields["t.a"] = {2, 0, 10};
  EXPECT_TRUE(run(*module, {5, 1, 10}, options).empty());
  EXPECT_THAT(error, HasSubstr("expected 't.a' in [0, 9] but got 10"));
  options.sizes.fields.clear();
  EXPECT_TRUE(run(*module, {5, 1, 4}, options).empty());
  EXPECT_THAT(error, HasSubstr("expected a value of field 't.a' for each rank but got none"));
}

// The boundary: 8 of 16 busy ranks are levelled, 7 are not. A prefill anywhere keeps them apart.
TEST_F(CountOpsTest, paddingModes) {
  auto busy = [](size_t count) {
    Counts counts(16);
    std::fill_n(counts.begin(), count, 16);
    return counts;
  };
  auto sum = [](ArrayRef<int64_t> counts) { return std::accumulate(counts.begin(), counts.end(), int64_t(0)); };
  EXPECT_EQ(sum(padCounts(busy(8), 16, PaddingMode::Balanced, true)), 256);
  EXPECT_EQ(sum(padCounts(busy(7), 16, PaddingMode::Balanced, true)), 112);
  EXPECT_EQ(sum(padCounts(busy(8), 16, PaddingMode::Balanced, false)), 128);
  EXPECT_EQ(padCounts({10, 3}, 4, PaddingMode::Sum, true), (SmallVector<int64_t>{12, 4}));
  EXPECT_EQ(padCounts({10, 3}, 4, PaddingMode::Max, false), (SmallVector<int64_t>{12, 12}));
  EXPECT_EQ(padCounts({0, 0}, 4, PaddingMode::Max, true), (SmallVector<int64_t>{0, 0}));
  EXPECT_TRUE(padCounts({}, 4, PaddingMode::Max, true).empty());
}

TEST_F(CountOpsTest, aPrefillKeepsBatchesApart) {
  auto module = parse(R"(muster.mesh @m <["dp" = 2]>
    func.func @f(%n: index) -> index {
      %l = muster.local_count %n : !muster.counts<[], tokens, @s>
      %p = muster.step_field "prefills" bound 9 : !muster.counts<[], requests, @s>
      %c:2 = muster.exchange_counts %l, %p : !muster.counts<[], tokens, @s>, !muster.counts<[], requests, @s>
          -> !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], requests, @s>
      %g = muster.pad_counts %c#0 align 4 mode balanced unless %c#1
          : (!muster.counts<[dp], tokens, @s>, !muster.counts<[dp], requests, @s>) -> !muster.counts<[dp], padded, @s>
      %x = muster.own_count %g : !muster.counts<[dp], padded, @s>
      return %x : index
    })");
  ASSERT_TRUE(module);
  InterpreterOptions options;
  options.sizes.fields["prefills"] = {0, 0};
  EXPECT_EQ(run(*module, {10, 3}, options), (std::vector<Counts>{{12}, {12}})) << error;
  options.sizes.fields["prefills"] = {0, 1};
  EXPECT_EQ(run(*module, {10, 3}, options), (std::vector<Counts>{{12}, {4}})) << error;
}

} // namespace
