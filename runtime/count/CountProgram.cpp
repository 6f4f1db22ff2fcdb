// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/count/CountProgram.h"

#include <algorithm>

namespace muster::count {

using schema::CountOp;

namespace {

int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t ceilDivide(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

bool divides(CountOp op) { return op == CountOp::FloorDivide || op == CountOp::CeilDivide || op == CountOp::Align; }

int64_t apply(const schema::CountInstruction &instruction, std::span<const int64_t> record,
              std::span<const int64_t> slots) {
  auto a = [&] { return slots[static_cast<size_t>(instruction.a())]; };
  auto b = [&] { return slots[static_cast<size_t>(instruction.b())]; };
  switch (instruction.op()) {
  case CountOp::Constant:
    return instruction.value();
  case CountOp::Input:
    return record[static_cast<size_t>(instruction.a())];
  case CountOp::Add:
    return a() + b();
  case CountOp::Subtract:
    return a() - b();
  case CountOp::Multiply:
    return a() * b();
  case CountOp::FloorDivide:
    return floorDivide(a(), b());
  case CountOp::CeilDivide:
    return ceilDivide(a(), b());
  case CountOp::Minimum:
    return std::min(a(), b());
  case CountOp::Maximum:
    return std::max(a(), b());
  case CountOp::Align:
    return ceilDivide(a(), b()) * b();
  case CountOp::Equal:
    return a() == b();
  case CountOp::Less:
    return a() < b();
  case CountOp::Select:
    return a() != 0 ? b() : slots[static_cast<size_t>(instruction.c())];
  }
  return 0;
}

} // namespace

Status evaluate(const schema::CountProgramT &program, std::span<const int64_t> record, std::span<int64_t> slots) {
  if (record.size() != program.inputs.size())
    return Status::error(2410, "expected a step record of {} fields but got {}", program.inputs.size(), record.size());
  for (size_t i = 0; i != record.size(); ++i) {
    const schema::CountInputT &input = *program.inputs[i];
    if (record[i] < 0 || record[i] > input.bound)
      return Status::error(2410, "expected {} of the step record in [0, {}] but got {}", input.name, input.bound,
                           record[i]);
  }
  for (size_t i = 0; i != program.instructions.size(); ++i) {
    const schema::CountInstruction &instruction = program.instructions[i];
    if (divides(instruction.op()) && slots[static_cast<size_t>(instruction.b())] < 1)
      return Status::error(2417, "expected a divisor of at least 1 in count instruction {} but got {}", i,
                           slots[static_cast<size_t>(instruction.b())]);
    slots[i] = apply(instruction, record, slots);
  }
  for (const auto &check : program.checks)
    if (slots[check->slot] > check->bound)
      return Status::error(2411, "expected at most {} {} in one step but got {}", check->bound, check->name,
                           slots[check->slot]);
  return Status::ok();
}

std::optional<uint32_t> chooseVariant(const schema::EntryT &entry, std::span<const int64_t> slots) {
  for (uint32_t i = 0; i != entry.variants.size(); ++i) {
    const auto &bounds = entry.variants[i]->bounds;
    if (std::all_of(bounds.begin(), bounds.end(),
                    [&](const schema::SlotBound &bound) { return slots[bound.slot()] <= bound.maximum(); }))
      return i;
  }
  return std::nullopt;
}

} // namespace muster::count
