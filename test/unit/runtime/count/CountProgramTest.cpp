// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Count programs against plain loops over whole vectors: what they compute, what they refuse, and whether the bounds of
// the loader hold whatever a record says.
#include "runtime/count/Bounds.h"
#include "test/unit/runtime/builder/PlanBuilder.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

using namespace muster;
using namespace muster::test;
using schema::CountOp;

namespace {

count::Program compiled(const PlanBuilder &builder) {
  Result<count::Program> program = count::Program::make(*builder.plan.counts, *builder.plan.mesh);
  EXPECT_TRUE(program.isOk()) << program.status().text();
  return std::move(*program);
}

std::vector<int64_t> evaluated(const count::Program &program, const std::vector<int64_t> &record) {
  std::vector<int64_t> slots(program.slots(), -1);
  Status status = program.evaluate(record, slots);
  EXPECT_TRUE(status.isOk()) << status.text();
  return slots;
}

int64_t numberOf(const Status &status) { return status.isOk() ? 0 : status.number(); }

TEST(CountProgram, TableOfTheHeader) {
  PlanBuilder builder({{"dp", 3}});
  int32_t t = static_cast<int32_t>(builder.input("t", 8, {0}));
  int32_t four = static_cast<int32_t>(builder.constant(4));
  int32_t aligned = static_cast<int32_t>(builder.instruction(CountOp::Align, t, four));
  int32_t offsets = static_cast<int32_t>(builder.instruction(CountOp::ExclusiveScan, aligned));
  builder.instruction(CountOp::Sum, aligned);
  builder.instruction(CountOp::Greatest, t);
  builder.instruction(CountOp::Least, t);
  EXPECT_EQ(offsets, 7);
  count::Program program = compiled(builder);
  EXPECT_EQ(program.recordLength(), 3u);
  EXPECT_EQ(evaluated(program, {5, 0, 3}), (std::vector<int64_t>{5, 0, 3, 4, 8, 0, 4, 0, 8, 8, 12, 5, 0}));
  EXPECT_EQ(numberOf(program.evaluate(std::vector<int64_t>{5, 0}, std::span<int64_t>())), 2410);
  std::vector<int64_t> slots(program.slots());
  Status beyond = program.evaluate(std::vector<int64_t>{5, 0, 9}, slots);
  EXPECT_EQ(beyond.text(), "E2410 expected t of the step record in [0, 8] at position 2 but got 9");
  EXPECT_EQ(numberOf(program.evaluate(std::vector<int64_t>{5, -1, 0}, slots)), 2410);
}

TEST(CountProgram, ElementsOfRanks) {
  PlanBuilder builder({{"a", 2}, {"b", 3}, {"c", 5}});
  uint32_t x = builder.input("x", 1, {2, 0});
  count::Program program = compiled(builder);
  ASSERT_TRUE(program.isVector(x));
  EXPECT_FALSE(program.isVector(x + 1));
  for (uint32_t a = 0; a != 2; ++a)
    for (uint32_t c = 0; c != 5; ++c) {
      std::vector<uint32_t> own{a, 1, c}, peer{1 - a, 2, c};
      EXPECT_EQ(program.slotOf(x, schema::Element::Own, own, peer), x + c * 2 + a);
      EXPECT_EQ(program.slotOf(x, schema::Element::Peer, own, peer), x + c * 2 + 1 - a);
      EXPECT_EQ(program.slotOf(x + 3, schema::Element::Fixed, own, peer), x + 3);
    }
}

TEST(CountProgram, RefusesWhatDoesNotFit) {
  auto numberOf = [](std::function<void(PlanBuilder &)> make) {
    PlanBuilder builder({{"a", 2}, {"b", 3}});
    make(builder);
    Result<count::Program> program = count::Program::make(*builder.plan.counts, *builder.plan.mesh);
    return program.isOk() ? 0 : program.status().number();
  };
  auto at = [](uint32_t slot) { return static_cast<int32_t>(slot); };
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::Add, at(b.input("x", 1, {0})), at(b.constant(1))); }),
            0);
  // Vectors over other axes, also of as many positions.
  EXPECT_EQ(numberOf([&](PlanBuilder &b) {
              b.instruction(CountOp::Add, at(b.input("x", 1, {0})), at(b.input("y", 1, {1})));
            }),
            2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) {
              b.instruction(CountOp::Select, at(b.constant(1)), at(b.input("x", 1, {0, 1})),
                            at(b.input("y", 1, {1, 0})));
            }),
            2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::Sum, at(b.constant(1))); }), 2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::ExclusiveScan, at(b.input("x", 1, {0})) + 1); }),
            2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.input("x", 1, {2}); }), 2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.input("x", 1, {0, 0}); }), 2126);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::Sum, at(b.input("x", 1, {0})) + 2); }), 2109);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::Sum, -1); }), 2109);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.instruction(CountOp::Input, 0); }), 2109);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.check(b.input("x", 1, {0}) + 2, 1, "x"); }), 2102);
  EXPECT_EQ(numberOf([&](PlanBuilder &b) { b.input("x", -1); }), 2109);
  // 65536 ranks and one more field than slots.
  PlanBuilder wide({{"a", 65536}});
  for (int i = 0; i != 17; ++i)
    wide.input("x" + std::to_string(i), 1, {0});
  EXPECT_EQ(count::Program::make(*wide.plan.counts, *wide.plan.mesh).status().number(), 2126);
}

/// A random program, and the same computed on whole vectors.
struct RandomProgram {
  explicit RandomProgram(uint64_t seed) : random(seed), builder({{"a", size()}, {"b", size()}}) {
    uint32_t fields = 1 + random() % 3;
    const std::vector<std::vector<uint8_t>> axes{{}, {0}, {1}, {0, 1}, {1, 0}};
    for (uint32_t i = 0; i != fields; ++i) {
      const std::vector<uint8_t> &own = axes[random() % axes.size()];
      made.push_back({builder.input("x" + std::to_string(i), bound, own), own, CountOp::Input, {}});
    }
    for (int64_t value : {int64_t(0), int64_t(1), int64_t(4), int64_t(random() % 9)})
      made.push_back({builder.constant(value), {}, CountOp::Constant, {}, value});
    for (uint32_t i = 0; i != 12; ++i)
      add();
  }

  struct Made {
    uint32_t slot;
    std::vector<uint8_t> axes;
    CountOp op;
    std::vector<size_t> operands = {};
    int64_t value = 0;
  };

  uint32_t size() { return 1 + static_cast<uint32_t>(random() % 4); }

  void add() {
    auto op = CountOp(2 + random() % 15);
    bool isOver = op >= CountOp::ExclusiveScan;
    std::vector<size_t> operands;
    std::vector<uint8_t> axes;
    for (size_t i = 0; i != (isOver ? 1u : op == CountOp::Select ? 3u : 2u); ++i) {
      size_t chosen = random() % made.size();
      bool isDivisor = i == 1 && (op == CountOp::FloorDivide || op == CountOp::CeilDivide || op == CountOp::Align);
      if (isDivisor && (made[chosen].op != CountOp::Constant || made[chosen].value < 1))
        return;
      if (isOver ? made[chosen].axes.empty() : !axes.empty() && !made[chosen].axes.empty() && made[chosen].axes != axes)
        return;
      if (!made[chosen].axes.empty() && (!isOver || op == CountOp::ExclusiveScan))
        axes = made[chosen].axes;
      operands.push_back(chosen);
    }
    auto at = [&](size_t i) { return i < operands.size() ? static_cast<int32_t>(made[operands[i]].slot) : 0; };
    made.push_back({builder.instruction(op, at(0), at(1), at(2)), axes, op, operands});
  }

  uint32_t positions(const std::vector<uint8_t> &axes) const {
    uint32_t count = 1;
    for (uint8_t axis : axes)
      count *= builder.plan.mesh->axes[axis]->size;
    return count;
  }

  std::vector<int64_t> record() {
    std::vector<int64_t> values;
    for (const Made &each : made)
      if (each.op == CountOp::Input)
        for (uint32_t i = 0; i != positions(each.axes); ++i)
          values.push_back(random() % 4 == 0 ? (random() % 2) * bound : random() % (bound + 1));
    return values;
  }

  /// All slots, one value after another.
  std::vector<int64_t> reference(const std::vector<int64_t> &record) const {
    std::vector<std::vector<int64_t>> values;
    size_t next = 0;
    for (const Made &each : made) {
      std::vector<int64_t> result(positions(each.axes));
      for (size_t i = 0; i != result.size(); ++i) {
        auto operand = [&](size_t k) {
          const std::vector<int64_t> &all = values[each.operands[k]];
          return made[each.operands[k]].axes.empty() ? all[0] : all[i];
        };
        result[i] = each.op == CountOp::Input      ? record[next++]
                    : each.op == CountOp::Constant ? each.value
                    : each.op >= CountOp::ExclusiveScan
                        ? over(each.op, values[each.operands[0]], i)
                        : scalar(each.op, operand(0), operand(1), each.op == CountOp::Select ? operand(2) : 0);
      }
      values.push_back(std::move(result));
    }
    std::vector<int64_t> slots;
    for (const std::vector<int64_t> &all : values)
      slots.insert(slots.end(), all.begin(), all.end());
    return slots;
  }

  static int64_t over(CountOp op, const std::vector<int64_t> &all, size_t at) {
    if (op == CountOp::Greatest)
      return *std::max_element(all.begin(), all.end());
    if (op == CountOp::Least)
      return *std::min_element(all.begin(), all.end());
    return std::accumulate(all.begin(), op == CountOp::Sum ? all.end() : all.begin() + static_cast<ptrdiff_t>(at),
                           int64_t(0));
  }
  static int64_t floorOf(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    return quotient * b > a ? quotient - 1 : quotient;
  }
  static int64_t scalar(CountOp op, int64_t a, int64_t b, int64_t c) {
    const std::map<CountOp, std::function<int64_t()>> table{{CountOp::Add, [&] { return a + b; }},
                                                            {CountOp::Subtract, [&] { return a - b; }},
                                                            {CountOp::Multiply, [&] { return a * b; }},
                                                            {CountOp::FloorDivide, [&] { return floorOf(a, b); }},
                                                            {CountOp::CeilDivide, [&] { return -floorOf(-a, b); }},
                                                            {CountOp::Minimum, [&] { return a < b ? a : b; }},
                                                            {CountOp::Maximum, [&] { return a < b ? b : a; }},
                                                            {CountOp::Align, [&] { return -floorOf(-a, b) * b; }},
                                                            {CountOp::Equal, [&] { return int64_t(a == b); }},
                                                            {CountOp::Less, [&] { return int64_t(a < b); }},
                                                            {CountOp::Select, [&] { return a != 0 ? b : c; }}};
    return table.at(op)();
  }

  static constexpr int64_t bound = 7;
  std::mt19937_64 random;
  PlanBuilder builder;
  std::vector<Made> made;
};

TEST(CountProgram, EqualsLoopsOverVectors) {
  int64_t vectors = 0;
  for (uint64_t seed = 0; seed != 2000; ++seed) {
    RandomProgram random(seed);
    count::Program program = compiled(random.builder);
    if (!count::slotBounds(program).isOk())
      continue;
    for (int i = 0; i != 3; ++i) {
      std::vector<int64_t> record = random.record();
      ASSERT_EQ(evaluated(program, record), random.reference(record)) << "seed " << seed;
    }
    for (const RandomProgram::Made &each : random.made)
      vectors += each.op >= CountOp::Add && !each.axes.empty();
  }
  EXPECT_GT(vectors, 6000);
}

// Whatever record passes the checks and fits the variant, no slot leaves its bounds.
TEST(CountProgram, BoundsHold) {
  int64_t tighter = 0, judged = 0;
  for (uint64_t seed = 0; seed != 3000; ++seed) {
    RandomProgram random(seed);
    schema::VariantT variant;
    for (const RandomProgram::Made &each : random.made)
      if (each.op != CountOp::Constant && random.random() % 4 == 0)
        variant.bounds.emplace_back(static_cast<int64_t>(random.random() % 20), each.slot);
    count::Program program = compiled(random.builder);
    Result<count::SlotBounds> all = count::slotBounds(program);
    if (!all.isOk())
      continue;
    count::SlotBounds fitting = count::variantBounds(program, variant);
    for (int i = 0; i != 20; ++i) {
      std::vector<int64_t> slots = evaluated(program, random.record());
      bool fits = std::all_of(variant.bounds.begin(), variant.bounds.end(),
                              [&](const schema::SlotBound &limit) { return slots[limit.slot()] <= limit.maximum(); });
      for (uint32_t slot = 0; slot != program.slots(); ++slot) {
        ASSERT_LE(all->slots[slot].low, slots[slot]) << "seed " << seed << " slot " << slot;
        ASSERT_GE(all->slots[slot].high, slots[slot]) << "seed " << seed << " slot " << slot;
        if (!fits)
          continue;
        ASSERT_LE(fitting.slots[slot].low, slots[slot]) << "seed " << seed << " slot " << slot;
        ASSERT_GE(fitting.slots[slot].high, slots[slot]) << "seed " << seed << " slot " << slot;
        tighter += fitting.slots[slot].high < all->slots[slot].high;
      }
      for (const count::Program::Instruction &each : program.instructions())
        if (fits && !each.axes.empty()) {
          auto begin = slots.begin() + each.first;
          ASSERT_GE(fitting.sums[each.first], std::accumulate(begin, begin + each.width, int64_t(0)))
              << "seed " << seed;
        }
      judged += fits;
    }
  }
  EXPECT_GT(judged, 5000);
  EXPECT_GT(tighter, 5000);
}

TEST(CountProgram, ABoundOfTheSumBoundsElementsAndOffsets) {
  PlanBuilder builder({{"dp", 4}});
  uint32_t t = builder.input("t", 8, {0});
  uint32_t offsets = builder.instruction(CountOp::ExclusiveScan, static_cast<int32_t>(t));
  uint32_t sum = builder.instruction(CountOp::Sum, static_cast<int32_t>(t));
  schema::VariantT variant;
  variant.bounds.emplace_back(6, sum);
  count::Program program = compiled(builder);
  count::SlotBounds bounds = count::variantBounds(program, variant);
  for (uint32_t i = 0; i != 4; ++i) {
    EXPECT_EQ(bounds.slots[t + i].high, 6);
    EXPECT_EQ(bounds.slots[offsets + i].high, i == 0 ? 0 : 6);
  }
  EXPECT_EQ(bounds.sums[t], 6);
  EXPECT_EQ(count::slotBounds(program)->slots[offsets + 3].high, 24);
  EXPECT_EQ(count::slotBounds(program)->sums[t], 32);
}

} // namespace
