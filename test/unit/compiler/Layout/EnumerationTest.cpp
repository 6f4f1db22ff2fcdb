// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every rule of data movement against enumeration of every rank and local index.
//
// The whole product: all local shapes of up to four dims of sizes up to 6, on all meshes of up to three axes of sizes
// up to 3, in all layouts, under all movements that are legal. It takes hours. What runs otherwise is all of it up to a
// number of elements a rank, fewer where there are more axes: a rule looks at counts only to divide one by another, and
// every relation that counts of up to 6 may have to axes (is it, divides it, is divided by it, shares a factor, shares
// none) stands in small shapes already. MUSTER_ENUMERATE sets the three bounds for one movement, MUSTER_ENUMERATE_PAIRS
// those for chains of two, as in "72,8,3". How many cases there are is held, so that none is lost unseen.
//
// Chains go on from values, not from entries: of two chains that end in one value, marks of home and anchors included,
// what follows is tried once.
#include "test/unit/compiler/Layout/EnumeratedMoves.h"

#include "compiler/Layout/Readings.h"

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <set>

using namespace muster;
using namespace muster::layout;
using namespace muster::test;

namespace {

struct Cases {
  int64_t values = 0, moves = 0, readings = 0;
  int64_t misaligned = 0, unneeded = 0; ///< refused; of them, those that digits could have said
  int64_t wrong = 0;                    ///< refused as wrong
};

/// A value to go on from.
struct Reached {
  std::shared_ptr<const Universe> universe;
  Value value;
  Shape shape;
};

/// All that the rules of movement look at, as text.
std::string keyOf(const Reached &reached) {
  std::string key;
  auto add = [&](const Size &size) { key += std::to_string(size.getValue()) + ","; };
  auto addDigit = [&](const Digit &digit) {
    add(digit.count), add(digit.stride), add(digit.weight);
    key += std::to_string(digit.space) + "@" + std::to_string(digit.axis) + (digit.isAmbiguous ? "?" : "");
    key += digit.home ? "h" + std::to_string(digit.home->getValue()) : "";
  };
  for (const Space &space : reached.universe->spaces)
    add(space.size);
  for (const Dim &dim : reached.value.dims) {
    key += "|";
    for (const Digit &digit : dim.digits)
      addDigit(digit);
    for (const Anchor &anchor : dim.anchors) {
      key += "a" + std::to_string(anchor.space) + "," + std::to_string(anchor.item) + "," + std::to_string(anchor.unit);
      add(anchor.stride), add(anchor.behind);
    }
  }
  key += "f";
  for (const Digit &digit : reached.value.floats)
    addDigit(digit);
  return key;
}

class Enumeration {
public:
  Enumeration(const RankMesh &mesh, Cases &cases) : mesh(mesh), cases(cases) {}

  /// All movements of a value; what they make goes to `next`, unless it is null. False, and a failure is reported, at
  /// the first that names another element.
  bool follow(const Reached &reached, std::vector<Reached> *next) {
    const Universe &universe = *reached.universe;
    const Value &value = reached.value;
    std::vector<uint64_t> data = meaningOf(universe, mesh, value);
    ++cases.values;
    for (const Move &move : movesFrom(reached.shape)) {
      ++cases.moves;
      std::vector<uint64_t> wanted = pull(data, move);
      auto tell = [&] {
        return "mesh " + testing::PrintToString(mesh.sizes) + ": " + move.print() + " of " + print(universe, value);
      };
      Outcome<Value> moved = applyRule(universe, value, move);
      if (!moved) {
        if (!isRightRefusal(moved.getRefusal(), move, data, wanted)) {
          ADD_FAILURE() << tell() << ": " << moved.getRefusal().message;
          return false;
        }
        continue;
      }
      if (meaningOf(universe, mesh, *moved) != wanted) {
        ADD_FAILURE() << tell() << " is not " << print(universe, *moved);
        return false;
      }
      // Readings say where shards belong, never that a rank holds something else.
      if (moved->isUnsettled || !moved->floats.empty())
        for (const Value &reading : readingsOf(universe, *moved)) {
          ++cases.readings;
          if (meaningOf(universe, mesh, reading) != wanted) {
            ADD_FAILURE() << tell() << " is not read as " << print(universe, reading);
            return false;
          }
        }
      if (!next)
        continue;
      Reached more{reached.universe, std::move(*moved), move.shape};
      if (seen.insert(keyOf(more)).second)
        next->push_back(std::move(more));
    }
    return true;
  }

  /// False where it was there before.
  bool add(const Reached &reached) { return seen.insert(keyOf(reached)).second; }

private:
  bool isRightRefusal(const Refusal &refusal, const Move &move, const std::vector<uint64_t> &data,
                      const std::vector<uint64_t> &wanted) {
    switch (refusal.kind) {
    case Refusal::Kind::Wrong:
      ++cases.wrong;
      return move.kind == Move::Kind::Slice && variesOver(mesh, move.group, data);
    case Refusal::Kind::Misaligned:
      ++cases.misaligned;
      cases.unneeded += hasDigits(mesh, move.shape, wanted);
      return true;
    case Refusal::Kind::Unknown:
      return move.kind == Move::Kind::Broadcast && variesOver(mesh, move.group, data);
    }
    return false;
  }

  const std::vector<Move> &movesFrom(const Shape &shape) {
    auto known = moves.find(shape);
    if (known == moves.end())
      known = moves.emplace(shape, movesOf(mesh, shape, std::max<int64_t>(elementsOf(shape), 36))).first;
    return known->second;
  }

  const RankMesh &mesh;
  Cases &cases;
  std::map<Shape, std::vector<Move>> moves;
  std::set<std::string> seen;
};

using Bounds = std::array<int64_t, 3>; ///< elements a rank, by axes

Bounds boundsOf(const char *variable, Bounds usual) {
  const char *text = std::getenv(variable);
  for (size_t i = 0; text && i < usual.size(); ++i) {
    char *end = nullptr;
    usual[i] = std::strtoll(text, &end, 10);
    text = *end ? end + 1 : nullptr;
  }
  return usual;
}

/// All chains of up to `depth` movements.
Cases enumerate(int depth, const Bounds &bounds) {
  Cases cases;
  for (const RankMesh &mesh : meshesUpTo(3, 3)) {
    Enumeration enumeration(mesh, cases);
    std::vector<Reached> values;
    for (const Shape &shape : shapesUpTo(4, 6, bounds[mesh.sizes.size() - 1]))
      for (const Entry &entry : entriesOf(mesh, shape)) {
        Reached reached{std::make_shared<Universe>(entry.universe), entry.value, entry.shape};
        if (meaningOf(entry.universe, mesh, entry.value) != entry.data) {
          ADD_FAILURE() << "the layout is not " << print(entry.universe, entry.value);
          return cases;
        }
        if (enumeration.add(reached))
          values.push_back(std::move(reached));
      }
    for (int step = 0; step < depth; ++step) {
      std::vector<Reached> next;
      for (const Reached &reached : values)
        if (!enumeration.follow(reached, step + 1 < depth ? &next : nullptr))
          return cases;
      values = std::move(next);
    }
  }
  std::printf("%ld values, %ld movements, %ld readings; %ld misaligned, of which digits could say %ld; %ld refused\n",
              long(cases.values), long(cases.moves), long(cases.readings), long(cases.misaligned), long(cases.unneeded),
              long(cases.wrong));
  EXPECT_EQ(cases.unneeded, 0);
  return cases;
}

TEST(Enumeration, EveryMovementOfEveryLayout) {
  Cases cases = enumerate(1, boundsOf("MUSTER_ENUMERATE", {72, 8, 3}));
  if (!std::getenv("MUSTER_ENUMERATE")) {
    EXPECT_GE(cases.moves, 3085406);
  }
}

TEST(Enumeration, EveryPairOfMovements) {
  Cases cases = enumerate(2, boundsOf("MUSTER_ENUMERATE_PAIRS", {4, 1, 0}));
  if (!std::getenv("MUSTER_ENUMERATE_PAIRS")) {
    EXPECT_GE(cases.moves, 626250);
  }
}

} // namespace
