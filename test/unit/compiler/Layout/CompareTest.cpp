// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes, and the rules that compare dims, against enumeration of every rank and local index.
#include "compiler/Layout/Compare.h"

#include "compiler/Layout/Compute.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/GroupedHeads.h"
#include "compiler/Layout/NormalForm.h"
#include "test/unit/compiler/Layout/RankedData.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace muster;
using namespace muster::layout;
using namespace muster::test;

namespace {

TEST(Size, ProductsDivideAgain) {
  Size b = Size::symbol(0), h = Size::symbol(1);
  EXPECT_EQ(divide(Size(12), Size(4)), std::optional(Size(3)));
  EXPECT_FALSE(divide(Size(12), Size(5)));
  EXPECT_EQ(divide(Size(2) * b * h, h), std::optional(Size(2) * b));
  EXPECT_FALSE(divide(b, h));
  EXPECT_FALSE(b == h);
  EXPECT_TRUE(b * h == h * b);
  EXPECT_FALSE(Size(2) * b == b);
  // A quotient of equal symbols is a number again.
  EXPECT_TRUE(divide(Size(6) * b, Size(2) * b)->is(3));
}

TEST(Size, WhatLeaves63BitsEqualsNothing) {
  Size large = Size(int64_t(1) << 62) * Size(2);
  EXPECT_FALSE(large.isValid());
  EXPECT_FALSE(large == large);
  EXPECT_FALSE(divide(large, Size(2)));
  EXPECT_FALSE((large * Size(0)).isValid());
  EXPECT_EQ(Size::symbol(0).evaluate({int64_t(1) << 40}), std::optional(int64_t(1) << 40));
  EXPECT_FALSE((Size::symbol(0) * Size::symbol(0)).evaluate({int64_t(1) << 40}));
}

/// Factors of a product are counted, not their powers: neither order nor neighbours matter.
TEST(Size, ProductsHoldSoManyFactors) {
  for (unsigned i : {0u, 1u, 15u, 16u, 63u, maxSymbols - 1}) {
    Size symbol = Size::symbol(i), power = 1;
    for (unsigned e = 0; e < maxFactors; ++e)
      power *= symbol;
    EXPECT_TRUE(power.isValid());
    EXPECT_EQ(power.getSymbols(), (llvm::SmallVector<unsigned, maxFactors>(maxFactors, i)));
    EXPECT_FALSE((power * symbol).isValid()) << i;
    Size less = *divide(power, symbol);
    for (unsigned k : {0u, 1u, 2u, 15u, 17u, 100u, maxSymbols - 1}) {
      if (k == i)
        continue;
      Size other = Size::symbol(k);
      EXPECT_FALSE((power * other).isValid());
      EXPECT_EQ(less * other, other * less);
      EXPECT_EQ(divide(less * other, less), std::optional(other));
      EXPECT_EQ(divide(less * other, other), std::optional(less));
      EXPECT_FALSE(divide(other, symbol)) << k << " by " << i;
      EXPECT_FALSE(divide(less * other, power));
      EXPECT_FALSE(divide(less * other, other * other));
    }
  }
}

/// Products and quotients of random lists of symbols are those of multisets.
TEST(Size, FactorsAreMultisets) {
  std::mt19937_64 random(11);
  std::vector<unsigned> names = {0, 1, 2, 16, 63, 64, 100, maxSymbols - 1};
  auto sizeOf = [](const std::multiset<unsigned> &symbols) {
    Size size = 1;
    for (unsigned symbol : symbols)
      size *= Size::symbol(symbol);
    return size;
  };
  auto draw = [&](size_t count) {
    std::multiset<unsigned> symbols;
    while (symbols.size() < count)
      symbols.insert(names[random() % (count + 1 < names.size() ? count + 1 : names.size())]);
    return symbols;
  };
  unsigned whole = 0;
  for (unsigned round = 0; round < 20000; ++round) {
    std::multiset<unsigned> a = draw(random() % 5), b = draw(random() % 5), all = a;
    all.insert(b.begin(), b.end());
    Size product = sizeOf(a) * sizeOf(b);
    ASSERT_EQ(product, sizeOf(all));
    ASSERT_EQ(divide(product, sizeOf(b)), std::optional(sizeOf(a)));
    ASSERT_TRUE(llvm::equal(product.getSymbols(), all));
    bool isWhole = std::includes(a.begin(), a.end(), b.begin(), b.end());
    ASSERT_EQ(divide(sizeOf(a), sizeOf(b)).has_value(), isWhole);
    ASSERT_EQ(sizeOf(a) == sizeOf(b), a == b);
    whole += isWhole && !b.empty();
  }
  EXPECT_GT(whole, 500u);
}

TEST(Size, ChoicesAreDistinctPrimes) {
  EXPECT_TRUE(distinctPrimes(0).empty());
  EXPECT_EQ(distinctPrimes(4), (llvm::SmallVector<int64_t, 8>{2, 3, 5, 7}));
  EXPECT_EQ(distinctPrimes(4, 1), (llvm::SmallVector<int64_t, 8>{3, 5, 7, 2}));
  EXPECT_EQ(distinctPrimes(100).back(), 541);
}

TEST(Symbols, AreRefusedBeyondTheLast) {
  Symbols symbols;
  for (unsigned i = 0; i < maxSymbols; ++i)
    ASSERT_TRUE(symbols.add("s" + std::to_string(i)));
  EXPECT_FALSE(symbols.add("one more"));
  EXPECT_EQ(symbols.add("s7"), std::optional(Size::symbol(7)));
}

/// A dim of one space of `size` positions in digits of random order, some on the mesh, each axis used once at most.
struct RandomDim {
  Dim dim;
  int64_t local = 1;
};

class Maker {
public:
  explicit Maker(uint64_t seed) : generator(seed) {
    for (int64_t axis = 0; axis < 2; ++axis) {
      mesh.sizes.push_back(1 + below(4));
      universe.axes.push_back({axis == 0 ? "a" : "b", mesh.sizes.back()});
    }
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(generator() % static_cast<uint64_t>(n)); }

  /// Digits of 2 or 3, major first or shuffled; a mesh digit covers its axis, or a copy of rows stands in its place.
  RandomDim make(bool isShuffled) {
    std::vector<Digit> digits;
    int64_t stride = 1, count = 1 + below(3);
    SpaceId space = universe.addSpace({std::string(1, static_cast<char>('s' + universe.spaces.size())), 1});
    std::vector<AxisId> axes;
    for (AxisId axis = 0; axis < 2; ++axis)
      if (mesh.sizes[axis] > 1 && below(2) == 0)
        axes.push_back(axis);
    std::shuffle(axes.begin(), axes.end(), generator);
    for (int64_t i = 0; i < count || !axes.empty(); ++i) {
      Digit digit;
      digit.space = space;
      digit.stride = stride;
      if (!axes.empty() && below(2) == 0) {
        digit.axis = axes.back();
        digit.count = mesh.sizes[axes.back()];
        axes.pop_back();
      } else {
        digit.count = 1 + below(3);
      }
      stride *= digit.count.getValue();
      digits.insert(digits.begin(), digit);
    }
    universe.spaces[space].size = stride;
    if (isShuffled)
      std::shuffle(digits.begin(), digits.end(), generator);
    RandomDim result;
    for (const Digit &digit : digits)
      result.dim.digits.push_back(digit);
    result.local = result.dim.localSize().getValue();
    return result;
  }

  /// The position of a local index of the dim on a rank.
  int64_t positionOf(const Dim &dim, int64_t rank, int64_t index) const {
    Place place;
    Shape coordinates = mesh.coordinatesOf(rank);
    place.coordinates.assign(coordinates.begin(), coordinates.end());
    int64_t sum = 0; // one space a dim: the others are 0
    for (int64_t position : positionsAt(universe, dim, place, index))
      sum += position;
    return sum;
  }

  Universe universe;
  RankMesh mesh;
  std::mt19937_64 generator;
};

TEST(Compare, AgreesWhereEveryPlaceNamesTheSamePosition) {
  int64_t agreeing = 0, differing = 0;
  for (uint64_t seed = 1; seed <= 40000; ++seed) {
    Maker maker(seed);
    RandomDim a = maker.make(false), b = maker.make(false);
    bool isSame = a.local == b.local && maker.universe.spaces[0].size == maker.universe.spaces[1].size;
    for (int64_t rank = 0; isSame && rank < maker.mesh.ranks(); ++rank)
      for (int64_t i = 0; isSame && i < a.local; ++i)
        isSame = maker.positionOf(a.dim, rank, i) == maker.positionOf(b.dim, rank, i);
    mergeDigits(a.dim.digits);
    mergeDigits(b.dim.digits);
    std::optional<Refusal> refusal = disagreement(maker.universe, a.dim, b.dim);
    ASSERT_EQ(!refusal, isSame) << "seed " << seed << " " << print(maker.universe, a.dim) << " and "
                                << print(maker.universe, b.dim);
    ++(isSame ? agreeing : differing);
  }
  EXPECT_GT(agreeing, 1000);
  EXPECT_GT(differing, 1000);
}

TEST(Compare, SpacesWithDifferentTagsDoNotAgree) {
  Universe universe;
  SpaceId plain = universe.addSpace({"s", 6}), zigzag = universe.addSpace({"s zigzag", 6, "zigzag over 2"});
  auto dimOf = [](SpaceId space) {
    Dim dim;
    Digit digit;
    digit.count = 6;
    digit.stride = 1;
    digit.space = space;
    dim.digits.push_back(digit);
    return dim;
  };
  EXPECT_FALSE(disagreement(universe, dimOf(plain), dimOf(plain)));
  EXPECT_TRUE(disagreement(universe, dimOf(plain), dimOf(zigzag)));
}

/// A rank's query head j meets its key-value head j / (local q / local kv): the right one where q / group = kv.
TEST(GroupedHeads, AgreesWithEnumerationOfLayouts) {
  int64_t right = 0, wrong = 0, unknown = 0;
  for (uint64_t seed = 1; seed <= 60000; ++seed) {
    Maker maker(seed);
    RandomDim query = maker.make(maker.below(3) == 0), kv = maker.make(false);
    int64_t queryHeads = maker.universe.spaces[0].size.getValue(), kvHeads = maker.universe.spaces[1].size.getValue();
    bool isPaired = queryHeads % kvHeads == 0 && query.local % kv.local == 0;
    for (int64_t rank = 0; isPaired && rank < maker.mesh.ranks(); ++rank)
      for (int64_t j = 0; isPaired && j < query.local; ++j)
        isPaired = maker.positionOf(query.dim, rank, j) / (queryHeads / kvHeads) ==
                   maker.positionOf(kv.dim, rank, j / (query.local / kv.local));
    mergeDigits(query.dim.digits);
    mergeDigits(kv.dim.digits);
    // A shuffled dim names its positions only where it is one piece: flattening says so.
    bool isPlain = true;
    for (size_t i = 0; i + 1 < query.dim.digits.size(); ++i)
      isPlain &= continues(query.dim.digits[i], query.dim.digits[i + 1]);
    if (!isPlain)
      continue;
    std::optional<Refusal> refusal = groupedHeadsDisagreement(maker.universe, query.dim, kv.dim);
    if (refusal && refusal->kind == Refusal::Kind::Unknown) {
      ++unknown;
      continue;
    }
    ASSERT_EQ(!refusal, isPaired) << "seed " << seed << " " << print(maker.universe, query.dim) << " and "
                                  << print(maker.universe, kv.dim) << (refusal ? ": " + refusal->message : "");
    ++(isPaired ? right : wrong);
  }
  std::printf("%ld right, %ld wrong, %ld unknown\n", long(right), long(wrong), long(unknown));
  EXPECT_GT(right, 1000);
  EXPECT_GT(wrong, 1000);
  EXPECT_LT(unknown * 10, right + wrong);
}

} // namespace
