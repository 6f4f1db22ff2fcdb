// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/count/Bounds.h"

#include <algorithm>
#include <initializer_list>

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

/// a <= align(a, b) <= a + b - 1.
WideInterval align(Interval a, Interval b) { return {a.low, static_cast<Wide>(a.high) + divisor(b).high - 1}; }

WideInterval apply(const schema::CountProgramT &program, const schema::CountInstruction &instruction,
                   std::span<const Interval> slots) {
  auto wide = [](Interval x) { return WideInterval{x.low, x.high}; };
  auto a = [&] { return slots[static_cast<size_t>(instruction.a())]; };
  auto b = [&] { return slots[static_cast<size_t>(instruction.b())]; };
  switch (instruction.op()) {
  case CountOp::Constant:
    return {instruction.value(), instruction.value()};
  case CountOp::Input:
    return {0, program.inputs[static_cast<size_t>(instruction.a())]->bound};
  case CountOp::Add:
    return {static_cast<Wide>(a().low) + b().low, static_cast<Wide>(a().high) + b().high};
  case CountOp::Subtract:
    return {static_cast<Wide>(a().low) - b().high, static_cast<Wide>(a().high) - b().low};
  case CountOp::Multiply:
    return multiply(a(), b());
  case CountOp::FloorDivide:
    return divide(a(), b(), floorDivide);
  case CountOp::CeilDivide:
    return divide(a(), b(), ceilDivide);
  case CountOp::Minimum:
    return {std::min(a().low, b().low), std::min(a().high, b().high)};
  case CountOp::Maximum:
    return {std::max(a().low, b().low), std::max(a().high, b().high)};
  case CountOp::Align:
    return align(a(), b());
  case CountOp::Equal:
  case CountOp::Less:
    return {0, 1};
  case CountOp::Select: {
    Interval c = slots[static_cast<size_t>(instruction.c())];
    if (a().low > 0 || a().high < 0)
      return wide(b());
    if (a().low == 0 && a().high == 0)
      return wide(c);
    return {std::min(b().low, c.low), std::max(b().high, c.high)};
  }
  }
  return {0, 0};
}

bool fits(WideInterval x) { return x.low >= -Wide(greatestCount) && x.high <= Wide(greatestCount); }

Interval narrow(WideInterval x) { return {static_cast<int64_t>(x.low), static_cast<int64_t>(x.high)}; }

void clip(Interval &x, int64_t maximum) {
  x.high = std::min(x.high, maximum);
  x.low = std::min(x.low, x.high);
}

} // namespace

Result<std::vector<Interval>> slotBounds(const schema::CountProgramT &program) {
  std::vector<Interval> slots(program.instructions.size());
  for (size_t i = 0; i != slots.size(); ++i) {
    WideInterval bounds = apply(program, program.instructions[i], slots);
    if (!fits(bounds))
      return Status::error(2110, "expected count slot {} within 62 bits but it may reach 2^62 or more", i);
    slots[i] = narrow(bounds);
  }
  return slots;
}

std::vector<Interval> variantBounds(const schema::CountProgramT &program, const schema::VariantT &variant) {
  std::vector<int64_t> limits(program.instructions.size(), greatestCount);
  for (const auto &check : program.checks)
    limits[check->slot] = std::min(limits[check->slot], std::max(check->bound, -greatestCount));
  for (const schema::SlotBound &bound : variant.bounds)
    limits[bound.slot()] = std::min(limits[bound.slot()], std::max(bound.maximum(), -greatestCount));
  std::vector<Interval> slots(program.instructions.size());
  for (size_t i = 0; i != slots.size(); ++i) {
    // Clipping only shrinks operands, but a clipped low end may widen a difference; stay within the range anyway.
    WideInterval bounds = apply(program, program.instructions[i], slots);
    bounds.low = std::max(bounds.low, -Wide(greatestCount));
    bounds.high = std::min(bounds.high, Wide(greatestCount));
    slots[i] = narrow(bounds);
    clip(slots[i], limits[i]);
  }
  return slots;
}

Result<Interval> amountBounds(const schema::AmountT &amount, std::span<const Interval> slots, const schema::MeshT &mesh,
                              std::span<const int32_t> row) {
  // Sums at run time go term by term; bounding the sum of magnitudes bounds every one of them.
  Wide low = amount.constant, high = amount.constant;
  Wide magnitude = amount.constant < 0 ? -Wide(amount.constant) : Wide(amount.constant);
  for (const schema::Term &term : amount.terms) {
    Interval position{1, 1};
    if (term.position() == schema::Position::Listed)
      position = {row[term.axis()], row[term.axis()]};
    else if (term.position() != schema::Position::One)
      position = {0, static_cast<int64_t>(mesh.axes[term.axis()]->size) - 1};
    Interval size = term.slot() < 0 ? Interval{1, 1} : slots[static_cast<size_t>(term.slot())];
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
