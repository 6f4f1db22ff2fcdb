// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is still to be reduced, against enumeration: ranks hold random parts of a sum, or numbers of which the greatest
// is meant; after every reduction and every other movement, what is left to reduce must give the elements that the
// value names, times its multiplicity.
#include "compiler/Layout/NormalForm.h"
#include "test/unit/compiler/Layout/EnumeratedMoves.h"

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>

using namespace muster;
using namespace muster::layout;
using namespace muster::test;

namespace {

/// A number that nothing else has to do with.
int64_t numberOf(uint64_t element, uint64_t salt = 0) {
  uint64_t x = element * 0x9E3779B97F4A7C15u + salt * 0xBF58476D1CE4E5B9u + 0x94D049BB133111EBu;
  x ^= x >> 30, x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27, x *= 0x94D049BB133111EBu;
  return static_cast<int64_t>((x ^ x >> 31) % 1000003);
}

using Numbers = std::vector<int64_t>;

/// What each rank has behind a reduction over the ranks of its group.
Numbers reduced(const RankMesh &mesh, const AxisList &group, Reduction reduction, const Numbers &numbers) {
  size_t elements = numbers.size() / static_cast<size_t>(mesh.ranks());
  Numbers result;
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank)
    for (size_t i = 0; i < elements; ++i) {
      std::optional<int64_t> all;
      for (int64_t other : mesh.groupOf(rank, group)) {
        int64_t own = numbers[static_cast<size_t>(other) * elements + i];
        all = !all ? own : reduction == Reduction::Sum ? *all + own : std::max(*all, own);
      }
      result.push_back(*all);
    }
  return result;
}

/// Parts, or candidates, of the numbers of elements over axes that do not divide the value.
Numbers partsOf(const RankMesh &mesh, const AxisList &axes, Reduction reduction, const std::vector<uint64_t> &data) {
  int64_t parts = static_cast<int64_t>(mesh.groupOf(0, axes).size());
  size_t elements = data.size() / static_cast<size_t>(mesh.ranks());
  Numbers numbers;
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank)
    for (size_t i = 0; i < elements; ++i) {
      uint64_t element = data[static_cast<size_t>(rank) * elements + i];
      int64_t own = mesh.positionOf(rank, axes), chosen = numberOf(element, 77) % parts;
      if (reduction == Reduction::Maximum) {
        numbers.push_back(numberOf(element) -
                          (own == chosen ? 0 : 1 + numberOf(element, 1 + static_cast<uint64_t>(own))));
        continue;
      }
      int64_t rest = numberOf(element);
      for (int64_t part = 0; part < parts; ++part)
        rest -= part == chosen ? 0 : numberOf(element, 1 + static_cast<uint64_t>(part));
      numbers.push_back(own == chosen ? rest : numberOf(element, 1 + static_cast<uint64_t>(own)));
    }
  return numbers;
}

/// Whether the numbers are what the value says: reduced over what is pending, the multiple of what it names.
bool holds(const Universe &universe, const RankMesh &mesh, const Value &value, Numbers numbers) {
  for (const Pending &pending : value.pending) {
    if (!(pending.count == universe.axes[pending.axis].size) || !pending.weight.isOne())
      return false; // no entry here is partial over a part of an axis
    numbers = reduced(mesh, {pending.axis}, pending.reduction, numbers);
  }
  std::vector<uint64_t> named = meaningOf(universe, mesh, value);
  if (named.size() != numbers.size())
    return false;
  for (size_t i = 0; i < named.size(); ++i)
    if (numbers[i] * value.multiplicity.denominator.getValue() !=
        numberOf(named[i]) * value.multiplicity.numerator.getValue())
      return false;
  return true;
}

bool meets(const AxisList &a, const AxisList &b) {
  return std::any_of(a.begin(), a.end(), [&](uint32_t axis) { return std::count(b.begin(), b.end(), axis) > 0; });
}

class Reductions : public testing::Test {
protected:
  void judge(const RankMesh &mesh, const Shape &shape, const Entry &entry, const AxisList &partial,
             Reduction reduction) {
    Value value = entry.value;
    for (uint32_t axis : partial)
      value.pending.push_back({entry.universe.axes[axis].size, axis, 1, reduction});
    Numbers numbers = partsOf(mesh, partial, reduction, entry.data);
    ASSERT_TRUE(holds(entry.universe, mesh, value, numbers));
    auto where = [&](const std::string &what) {
      return "mesh " + testing::PrintToString(mesh.sizes) + ": " + what + " of " + print(entry.universe, value);
    };
    for (const Move &move : movesOf(mesh, shape, 64)) {
      if (move.kind == Move::Kind::Slice)
        judgeScatter(mesh, entry, value, numbers, move, partial, reduction);
      ++cases;
      Outcome<Value> moved = applyRule(entry.universe, value, move);
      if (meets(move.group, partial)) {
        ++refused;
        ASSERT_FALSE(moved) << where(move.print());
        ASSERT_EQ(moved.getRefusal().kind, Refusal::Kind::Wrong) << where(move.print());
        continue;
      }
      if (!moved)
        continue; // as without anything pending: EnumerationTest judges that
      Numbers wanted;
      for (uint32_t place : move.from)
        wanted.push_back(numbers[place]);
      ASSERT_TRUE(holds(entry.universe, mesh, *moved, wanted)) << where(move.print());
    }
    for (const AxisList &group : groupsOf(mesh))
      for (Reduction by : {Reduction::Sum, Reduction::Maximum}) {
        ++cases;
        Outcome<Value> moved = allReduce(entry.universe, value, group, by);
        bool isWrong = variesOver(mesh, group, entry.data) || (meets(group, partial) && by != reduction);
        ASSERT_EQ(!moved, isWrong) << where("all_reduce over " + testing::PrintToString(group));
        if (isWrong)
          ++refused;
        else
          ASSERT_TRUE(holds(entry.universe, mesh, *moved, reduced(mesh, group, by, numbers)))
              << where("all_reduce over " + testing::PrintToString(group));
      }
  }

  int64_t cases = 0, refused = 0;

private:
  void judgeScatter(const RankMesh &mesh, const Entry &entry, const Value &value, const Numbers &numbers,
                    const Move &slice, const AxisList &partial, Reduction reduction) {
    for (Reduction by : {Reduction::Sum, Reduction::Maximum}) {
      ++cases;
      Outcome<Value> moved = reduceScatter(entry.universe, value, slice.group, slice.dim, by);
      bool isWrong = variesOver(mesh, slice.group, entry.data) || (meets(slice.group, partial) && by != reduction);
      if (!moved) {
        ++refused;
        ASSERT_TRUE(isWrong || moved.getRefusal().kind == Refusal::Kind::Misaligned) << slice.print();
        continue;
      }
      ASSERT_FALSE(isWrong) << slice.print();
      Numbers all = reduced(mesh, slice.group, by, numbers), wanted;
      for (uint32_t place : slice.from)
        wanted.push_back(all[place]);
      ASSERT_TRUE(holds(entry.universe, mesh, *moved, wanted)) << slice.print();
    }
  }
};

TEST_F(Reductions, EveryPartialValueOfFewPlaces) {
  const char *bound = std::getenv("MUSTER_ENUMERATE_PARTIALS");
  const int64_t mostPlaces = bound ? std::strtoll(bound, nullptr, 10) : 8;
  for (const RankMesh &mesh : meshesUpTo(3, 3))
    for (const Shape &shape : shapesUpTo(4, 6, mostPlaces / mesh.ranks()))
      for (const Entry &entry : entriesOf(mesh, shape)) {
        // Every set of axes that divide nothing.
        AxisList free;
        for (uint32_t axis = 0; axis < mesh.sizes.size(); ++axis)
          if (mesh.sizes[axis] > 1 && !variesOver(mesh, {axis}, entry.data))
            free.push_back(axis);
        for (uint32_t set = 1; set < 1u << free.size(); ++set) {
          AxisList partial;
          for (size_t i = 0; i < free.size(); ++i)
            if (set >> i & 1)
              partial.push_back(free[i]);
          for (Reduction reduction : {Reduction::Sum, Reduction::Maximum}) {
            judge(mesh, shape, entry, partial, reduction);
            if (HasFatalFailure())
              return;
          }
        }
      }
  std::printf("%ld cases, %ld refused\n", long(cases), long(refused));
  if (!bound) {
    EXPECT_GE(cases, 1029178);
  }
}

} // namespace
