// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/count/Bounds.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

namespace muster::count {

using schema::CountOp;

namespace {

using Wide = __int128;
struct WideInterval {
  Wide low;
  Wide high;
};

WideInterval hull(std::initializer_list<Wide> values) { return {std::min(values), std::max(values)}; }

WideInterval multiply(Interval a, Interval b) {
  Wide al = a.low, ah = a.high;
  return hull({al * b.low, al * b.high, ah * b.low, ah * b.high});
}

Wide floorDivide(Wide a, Wide b) { return a / b - (a % b < 0 ? 1 : 0); }
Wide ceilDivide(Wide a, Wide b) { return a / b + (a % b > 0 ? 1 : 0); }

/// A divisor below 1 ends the step, so only its part from 1 up counts.
Interval divisor(Interval b) { return {std::max<int64_t>(b.low, 1), std::max<int64_t>(b.high, 1)}; }

WideInterval divide(Interval a, Interval b, Wide (*divideOne)(Wide, Wide)) {
  Interval by = divisor(b);
  return hull(
      {divideOne(a.low, by.low), divideOne(a.low, by.high), divideOne(a.high, by.low), divideOne(a.high, by.high)});
}

/// Exact for one divisor; else a <= align(a, b) <= a + b - 1.
WideInterval align(Interval a, Interval b) {
  Interval by = divisor(b);
  if (by.low == by.high)
    return {ceilDivide(a.low, by.low) * by.low, ceilDivide(a.high, by.low) * by.low};
  return {a.low, static_cast<Wide>(a.high) + by.high - 1};
}

/// One element of an instruction from those of its operands.
WideInterval apply(CountOp op, Interval a, Interval b, Interval c) {
  auto wide = [](Interval x) { return WideInterval{x.low, x.high}; };
  switch (op) {
  case CountOp::Add:
    return {static_cast<Wide>(a.low) + b.low, static_cast<Wide>(a.high) + b.high};
  case CountOp::Subtract:
    return {static_cast<Wide>(a.low) - b.high, static_cast<Wide>(a.high) - b.low};
  case CountOp::Multiply:
    return multiply(a, b);
  case CountOp::FloorDivide:
    return divide(a, b, floorDivide);
  case CountOp::CeilDivide:
    return divide(a, b, ceilDivide);
  case CountOp::Minimum:
    return {std::min(a.low, b.low), std::min(a.high, b.high)};
  case CountOp::Maximum:
    return {std::max(a.low, b.low), std::max(a.high, b.high)};
  case CountOp::Align:
    return align(a, b);
  case CountOp::Equal:
  case CountOp::Less:
    return {0, 1};
  case CountOp::Select:
    if (a.low > 0 || a.high < 0)
      return wide(b);
    if (a.low == 0 && a.high == 0)
      return wide(c);
    return {std::min(b.low, c.low), std::max(b.high, c.high)};
  default:
    return {0, 0};
  }
}

bool fits(WideInterval x) { return x.low >= -Wide(greatestCount) && x.high <= Wide(greatestCount); }

Interval narrow(WideInterval x) { return {static_cast<int64_t>(x.low), static_cast<int64_t>(x.high)}; }

void clip(Interval &x, int64_t maximum) {
  x.high = std::min(x.high, maximum);
  x.low = std::min(x.low, x.high);
}

/// The bounds of all slots, one instruction after another.
class Bounding {
public:
  /// `limits`: the greatest value of each slot in the steps that are looked at.
  Bounding(const Program &program, std::vector<int64_t> limits)
      : program(program), limits(std::move(limits)), sumLimits(program.slots(), greatestCount) {
    bounds.slots.resize(program.slots());
    bounds.sums.resize(program.slots());
    limitVectors();
  }

  SlotBounds run() {
    for (const Program::Instruction &each : program.instructions()) {
      uint32_t end = each.first + each.width;
      if (each.op == CountOp::ExclusiveScan)
        setScan(each);
      else
        for (uint32_t slot = each.first; slot != end; ++slot)
          set(slot, boundsOf(each, slot - each.first));
      sumUp(each.first, end);
    }
    return std::move(bounds);
  }
  /// A slot that may reach 2^62 or more.
  std::optional<uint32_t> overflown() const { return firstOverflow; }

private:
  /// A limit of the greatest element holds for all, one of the sum for the sum.
  void limitVectors() {
    for (const Program::Instruction &each : program.instructions()) {
      uint32_t vector = each.operands[0];
      if (each.op == CountOp::Greatest)
        for (uint32_t i = 0; i != each.widths[0]; ++i)
          limits[vector + i] = std::min(limits[vector + i], limits[each.first]);
      if (each.op == CountOp::Sum)
        sumLimits[vector] = std::min(sumLimits[vector], limits[each.first]);
    }
  }

  void set(uint32_t slot, WideInterval value) {
    if (!fits(value) && !firstOverflow)
      firstOverflow = slot;
    // Clipping only shrinks operands, but a clipped low end may widen a difference; stay within the range anyway.
    value.low = std::clamp(value.low, -Wide(greatestCount), Wide(greatestCount));
    value.high = std::clamp(value.high, -Wide(greatestCount), Wide(greatestCount));
    bounds.slots[slot] = narrow(value);
    clip(bounds.slots[slot], limits[slot]);
  }

  /// Elements of what has no negative ones are at most the sum.
  void sumUp(uint32_t first, uint32_t end) {
    Wide high = 0;
    bool isNegative = false;
    for (uint32_t slot = first; slot != end; ++slot) {
      high += bounds.slots[slot].high;
      isNegative |= bounds.slots[slot].low < 0;
    }
    if (!isNegative && high > sumLimits[first]) {
      high = std::max<int64_t>(sumLimits[first], 0);
      for (uint32_t slot = first; slot != end; ++slot)
        clip(bounds.slots[slot], static_cast<int64_t>(high));
    }
    bounds.sums[first] = static_cast<int64_t>(std::min<Wide>(high, greatestCount));
  }

  WideInterval boundsOf(const Program::Instruction &each, uint32_t element) const {
    auto operand = [&](uint32_t place) {
      return bounds.slots[each.operands[place] + (each.widths[place] == 1 ? 0 : element)];
    };
    if (each.op == CountOp::Constant)
      return {each.value, each.value};
    if (each.op == CountOp::Input)
      return {0, program.inputs()[each.operands[0]].bound};
    if (each.op == CountOp::Sum)
      return sumOf(each);
    if (each.op == CountOp::Greatest || each.op == CountOp::Least)
      return extreme(each);
    return apply(each.op, operand(0), operand(1), operand(2));
  }

  std::span<const Interval> elementsOf(const Program::Instruction &each) const {
    return std::span(bounds.slots).subspan(each.operands[0], each.widths[0]);
  }

  /// No partial sum of what has no negative elements is more than the whole.
  Wide greatestSum(const Program::Instruction &each) const {
    bool isNegative = std::ranges::any_of(elementsOf(each), [](const Interval &element) { return element.low < 0; });
    return isNegative ? std::numeric_limits<Wide>::max() : Wide(bounds.sums[each.operands[0]]);
  }

  void setScan(const Program::Instruction &each) {
    Wide most = greatestSum(each);
    WideInterval sum{0, 0};
    uint32_t slot = each.first;
    for (const Interval &element : elementsOf(each)) {
      Wide high = std::min(sum.high, most);
      set(slot++, {std::min(sum.low, high), high});
      sum.low += element.low;
      sum.high += element.high;
    }
  }

  WideInterval sumOf(const Program::Instruction &each) const {
    WideInterval sum{0, 0};
    for (const Interval &element : elementsOf(each)) {
      sum.low += element.low;
      sum.high += element.high;
    }
    sum.high = std::min(sum.high, greatestSum(each));
    return {std::min(sum.low, sum.high), sum.high};
  }

  WideInterval extreme(const Program::Instruction &each) const {
    bool isGreatest = each.op == CountOp::Greatest;
    auto pick = [&](Wide a, Wide b) { return isGreatest ? std::max(a, b) : std::min(a, b); };
    std::span<const Interval> elements = elementsOf(each);
    WideInterval result{elements[0].low, elements[0].high};
    for (const Interval &element : elements)
      result = {pick(result.low, element.low), pick(result.high, element.high)};
    return result;
  }

  const Program &program;
  std::vector<int64_t> limits, sumLimits;
  SlotBounds bounds;
  std::optional<uint32_t> firstOverflow;
};

} // namespace

Result<SlotBounds> slotBounds(const Program &program) {
  Bounding bounding(program, std::vector<int64_t>(program.slots(), greatestCount));
  SlotBounds bounds = bounding.run();
  if (std::optional<uint32_t> slot = bounding.overflown())
    return Status::error(2110, "expected count slot {} within 62 bits but it may reach 2^62 or more", *slot);
  return bounds;
}

SlotBounds variantBounds(const Program &program, const schema::VariantT &variant) {
  std::vector<int64_t> limits(program.slots(), greatestCount);
  for (const Program::Check &check : program.checks())
    limits[check.slot] = std::min(limits[check.slot], std::max(check.bound, -greatestCount));
  for (const schema::SlotBound &bound : variant.bounds)
    limits[bound.slot()] = std::min(limits[bound.slot()], std::max(bound.maximum(), -greatestCount));
  return Bounding(program, std::move(limits)).run();
}

Interval anyElement(const Program &program, const SlotBounds &bounds, uint32_t slot) {
  Interval all = bounds.slots[slot];
  for (uint32_t i = 1; i != program.maker(slot).width; ++i) {
    all.low = std::min(all.low, bounds.slots[slot + i].low);
    all.high = std::max(all.high, bounds.slots[slot + i].high);
  }
  return all;
}

Result<Interval> amountBounds(const schema::AmountT &amount, const Program &program, const SlotBounds &bounds,
                              const schema::MeshT &mesh, std::span<const int32_t> row) {
  // Sums at run time go term by term; bounding the sum of magnitudes bounds every one of them.
  Wide low = amount.constant, high = amount.constant;
  Wide magnitude = amount.constant < 0 ? -Wide(amount.constant) : Wide(amount.constant);
  for (const schema::Term &term : amount.terms) {
    Interval position{1, 1};
    if (term.position() == schema::Position::Listed)
      position = {row[term.axis()], row[term.axis()]};
    else if (term.position() != schema::Position::One)
      position = {0, static_cast<int64_t>(mesh.axes[term.axis()]->size) - 1};
    Interval size{1, 1};
    if (term.slot() >= 0 && term.index() == schema::Element::Fixed)
      size = bounds.slots[static_cast<size_t>(term.slot())];
    else if (term.slot() >= 0)
      size = anyElement(program, bounds, static_cast<uint32_t>(term.slot()));
    WideInterval product = multiply(position, size);
    if (!fits(product))
      return Status::error(2110, "expected an amount within 62 bits but a term may reach 2^62 or more");
    WideInterval scaled = multiply(narrow(product), Interval{term.coefficient(), term.coefficient()});
    low += scaled.low;
    high += scaled.high;
    magnitude += std::max(scaled.high, -scaled.low);
    if (magnitude > Wide(greatestCount))
      return Status::error(2110, "expected an amount within 62 bits but it may reach 2^62 or more");
  }
  if (magnitude > Wide(greatestCount))
    return Status::error(2110, "expected an amount within 62 bits but its constant is {}", amount.constant);
  return narrow({low, high});
}

} // namespace muster::count
