// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/count/CountProgram.h"

#include <algorithm>

namespace muster::count {

using schema::CountOp;

namespace {

int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t ceilDivide(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

bool divides(CountOp op) { return op == CountOp::FloorDivide || op == CountOp::CeilDivide || op == CountOp::Align; }

/// Operations that look at a whole vector at once.
bool isOverVector(CountOp op) {
  return op == CountOp::ExclusiveScan || op == CountOp::Sum || op == CountOp::Greatest || op == CountOp::Least;
}

uint32_t operandCountOf(CountOp op) {
  if (op == CountOp::Constant || op == CountOp::Input)
    return 0;
  if (isOverVector(op))
    return 1;
  return op == CountOp::Select ? 3 : 2;
}

/// Positions on axes; nullopt where there are more than a plan may have slots.
std::optional<uint32_t> positionsOn(std::span<const uint8_t> axes, std::span<const uint32_t> sizes) {
  uint64_t positions = 1;
  for (uint8_t axis : axes) {
    positions *= sizes[axis];
    if (positions > greatestSlots)
      return std::nullopt;
  }
  return static_cast<uint32_t>(positions);
}

} // namespace

Result<Program> Program::make(const schema::CountProgramT &program, const schema::MeshT &mesh) {
  Program made;
  for (const auto &axis : mesh.axes)
    made.axisSizes.push_back(axis->size);
  for (const auto &input : program.inputs) {
    if (input->bound < 0 || input->bound > greatestCount)
      return Status::error(2109, "expected a bound in [0, 2^62] for {} of the step record but got {}", input->name,
                           input->bound);
    std::vector<bool> used(mesh.axes.size());
    for (uint8_t axis : input->axes) {
      if (axis >= used.size() || used[axis])
        return Status::error(2126, "expected distinct mesh axes below {} for {} of the step record but got {}",
                             used.size(), input->name, axis);
      used[axis] = true;
    }
    std::optional<uint32_t> width = positionsOn(input->axes, made.axisSizes);
    if (!width || made.length + *width > greatestSlots)
      return Status::error(2126, "expected at most {} values in the step record but {} makes it more", greatestSlots,
                           input->name);
    made.fields.push_back({input->name, input->bound, made.length, *width});
    made.fieldAxes.push_back(input->axes);
    made.length += *width;
  }
  for (uint32_t i = 0; i != program.instructions.size(); ++i)
    MUSTER_RETURN_IF_ERROR(made.add(program.instructions[i], i));
  for (const auto &check : program.checks) {
    if (check->slot >= made.slots())
      return Status::error(2102, "expected a count slot below {} in the check of {} but got {}", made.slots(),
                           check->name, check->slot);
    made.limits.push_back({check->slot, check->bound, check->name});
  }
  return made;
}

Status Program::addOperand(Instruction &made, uint32_t place, int32_t slot, uint32_t index) {
  if (slot < 0 || static_cast<uint32_t>(slot) >= slots())
    return Status::error(2109, "expected a slot below {} as operand {} of count instruction {} but got {}", slots(),
                         place, index, slot);
  made.operands[place] = static_cast<uint32_t>(slot);
  if (!isVector(made.operands[place])) {
    if (isOverVector(made.op))
      return Status::error(2126, "expected the first slot of a vector in count instruction {} but got slot {}", index,
                           slot);
    return Status::ok();
  }
  const Instruction &source = maker(made.operands[place]);
  made.widths[place] = source.width;
  if (!isOverVector(made.op) && !made.axes.empty() && made.axes != source.axes)
    return Status::error(2126,
                         "expected vectors over the same mesh axes in count instruction {} but got others as "
                         "operand {}",
                         index, place);
  if (!isOverVector(made.op) || made.op == CountOp::ExclusiveScan) {
    made.axes = source.axes;
    made.width = source.width;
  }
  return Status::ok();
}

Status Program::add(const schema::CountInstruction &instruction, uint32_t index) {
  if (instruction.op() > CountOp::Least)
    return Status::error(2101, "expected a count operation up to {} in instruction {} but got {}", int(CountOp::Least),
                         index, int(instruction.op()));
  Instruction made;
  made.op = instruction.op();
  made.value = instruction.value();
  made.operandCount = operandCountOf(made.op);
  if (made.op == CountOp::Input) {
    if (instruction.a() < 0 || static_cast<size_t>(instruction.a()) >= fields.size())
      return Status::error(2109, "expected a field below {} in count instruction {} but got {}", fields.size(), index,
                           instruction.a());
    made.operands[0] = static_cast<uint32_t>(instruction.a());
    made.axes = fieldAxes[made.operands[0]];
    made.width = fields[made.operands[0]].width;
  }
  const int32_t operands[] = {instruction.a(), instruction.b(), instruction.c()};
  for (uint32_t place = 0; place != made.operandCount; ++place)
    MUSTER_RETURN_IF_ERROR(addOperand(made, place, operands[place], index));
  made.first = slots();
  if (made.width > greatestSlots - made.first)
    return Status::error(2126, "expected at most {} count slots but instruction {} makes it more", greatestSlots,
                         index);
  owners.insert(owners.end(), made.width, static_cast<uint32_t>(all.size()));
  all.push_back(std::move(made));
  return Status::ok();
}

uint32_t Program::slotOf(uint32_t slot, schema::Element element, std::span<const uint32_t> own,
                         std::span<const uint32_t> peer) const {
  if (element == schema::Element::Fixed)
    return slot;
  std::span<const uint32_t> coordinates = element == schema::Element::Own ? own : peer;
  uint32_t position = 0;
  for (uint8_t axis : maker(slot).axes)
    position = position * axisSizes[axis] + coordinates[axis];
  return slot + position;
}

namespace {

/// Element by element: `Apply` of the operands' elements.
template <typename Apply>
void forEachElement(const Program::Instruction &each, int64_t *slots, Apply apply) {
  int64_t *result = slots + each.first;
  const int64_t *a = slots + each.operands[0], *b = slots + each.operands[1];
  size_t stepA = each.widths[0] != 1, stepB = each.widths[1] != 1;
  for (uint32_t i = 0; i != each.width; ++i)
    result[i] = apply(a[i * stepA], b[i * stepB]);
}

/// Where the divisor is one power of two for all elements, shifts take the place of divisions.
void align(const Program::Instruction &each, int64_t *slots) {
  int64_t divisor = slots[each.operands[1]];
  if (each.widths[1] == 1 && (divisor & (divisor - 1)) == 0)
    forEachElement(each, slots, [](int64_t a, int64_t b) { return (a + b - 1) & -b; });
  else
    forEachElement(each, slots, [](int64_t a, int64_t b) { return ceilDivide(a, b) * b; });
}

void overVector(const Program::Instruction &each, int64_t *slots) {
  const int64_t *a = slots + each.operands[0];
  int64_t *result = slots + each.first, sum = 0;
  for (uint32_t i = 0; i != each.widths[0]; ++i) {
    if (each.op == CountOp::ExclusiveScan)
      result[i] = sum;
    sum += a[i];
  }
  if (each.op == CountOp::Sum)
    *result = sum;
  if (each.op == CountOp::Greatest)
    *result = *std::max_element(a, a + each.widths[0]);
  if (each.op == CountOp::Least)
    *result = *std::min_element(a, a + each.widths[0]);
}

void select(const Program::Instruction &each, int64_t *slots) {
  const int64_t *a = slots + each.operands[0], *b = slots + each.operands[1], *c = slots + each.operands[2];
  size_t stepA = each.widths[0] != 1, stepB = each.widths[1] != 1, stepC = each.widths[2] != 1;
  for (uint32_t i = 0; i != each.width; ++i)
    slots[each.first + i] = a[i * stepA] != 0 ? b[i * stepB] : c[i * stepC];
}

void apply(const Program::Instruction &each, int64_t *slots) {
  switch (each.op) {
  case CountOp::Add:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return a + b; });
  case CountOp::Subtract:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return a - b; });
  case CountOp::Multiply:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return a * b; });
  case CountOp::FloorDivide:
    return forEachElement(each, slots, floorDivide);
  case CountOp::CeilDivide:
    return forEachElement(each, slots, ceilDivide);
  case CountOp::Minimum:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return std::min(a, b); });
  case CountOp::Maximum:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return std::max(a, b); });
  case CountOp::Align:
    return align(each, slots);
  case CountOp::Equal:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return int64_t(a == b); });
  case CountOp::Less:
    return forEachElement(each, slots, [](int64_t a, int64_t b) { return int64_t(a < b); });
  case CountOp::Select:
    return select(each, slots);
  default:
    return overVector(each, slots);
  }
}

} // namespace

Status Program::evaluate(std::span<const int64_t> record, std::span<int64_t> slots) const {
  if (record.size() != length)
    return Status::error(2410, "expected a step record of {} values but got {}", length, record.size());
  for (const Input &input : fields)
    for (uint32_t i = 0; i != input.width; ++i) {
      int64_t value = record[input.firstValue + i];
      if (value >= 0 && value <= input.bound)
        continue;
      if (input.width == 1)
        return Status::error(2410, "expected {} of the step record in [0, {}] but got {}", input.name, input.bound,
                             value);
      return Status::error(2410, "expected {} of the step record in [0, {}] at position {} but got {}", input.name,
                           input.bound, i, value);
    }
  for (uint32_t i = 0; i != all.size(); ++i) {
    const Instruction &each = all[i];
    if (each.op == CountOp::Constant) {
      slots[each.first] = each.value;
      continue;
    }
    if (each.op == CountOp::Input) {
      std::copy_n(record.begin() + fields[each.operands[0]].firstValue, each.width, slots.begin() + each.first);
      continue;
    }
    if (divides(each.op))
      for (uint32_t k = 0; k != each.widths[1]; ++k)
        if (int64_t divisor = slots[each.operands[1] + k]; divisor < 1)
          return Status::error(2417, "expected a divisor of at least 1 in count instruction {} but got {}", i, divisor);
    apply(each, slots.data());
  }
  for (const Check &check : limits)
    if (slots[check.slot] > check.bound)
      return Status::error(2411, "expected at most {} {} in one step but got {}", check.bound, check.name,
                           slots[check.slot]);
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
