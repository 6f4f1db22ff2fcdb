// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Emit/CountWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using namespace muster::emit;
using schema::CountOp;
using schema::Element;

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

uint32_t CountWriter::positionsOn(ArrayRef<uint8_t> axes) const {
  uint32_t positions = 1;
  for (uint8_t axis : axes)
    positions *= static_cast<uint32_t>(mesh.getAxes()[axis].getSize());
  return positions;
}

SmallVector<uint8_t, 2> CountWriter::axesOf(ArrayRef<StringAttr> names) const {
  SmallVector<uint8_t, 2> axes;
  for (StringAttr name : names)
    axes.push_back(static_cast<uint8_t>(mesh.findAxis(name.getValue())));
  return axes;
}

CountSlot CountWriter::add(CountOp op, ArrayRef<uint32_t> operands, ArrayRef<uint8_t> axes) {
  auto operand = [&](size_t place) {
    return place < operands.size() ? static_cast<int32_t>(operands[place]) : int32_t(0);
  };
  program->instructions.emplace_back(int64_t(0), operand(0), operand(1), operand(2), op);
  CountSlot made{nextSlot, SmallVector<uint8_t, 2>(axes), Element::Fixed};
  nextSlot += positionsOn(axes);
  return made;
}

uint32_t CountWriter::constant(int64_t value) {
  auto [found, isNew] = constants.try_emplace(value, nextSlot);
  if (isNew) {
    program->instructions.emplace_back(value, 0, 0, 0, CountOp::Constant);
    ++nextSlot;
  }
  return found->second;
}

uint32_t CountWriter::reduce(CountOp op, const CountSlot &vector) {
  auto [found, isNew] = reductions.try_emplace({op, vector.first}, nextSlot);
  if (isNew)
    add(op, {vector.first});
  return found->second;
}

uint32_t CountWriter::sumOf(const CountSlot &counts) { return reduce(CountOp::Sum, counts); }

void CountWriter::check(uint32_t slot, int64_t bound, const std::string &noun) {
  auto made = std::make_unique<schema::CapacityCheckT>();
  made->slot = slot;
  made->bound = bound;
  made->name = noun;
  program->checks.push_back(std::move(made));
}

//===----------------------------------------------------------------------===//
// The step record
//===----------------------------------------------------------------------===//

CountWriter::Field &CountWriter::field(StringRef name, int64_t bound, ArrayRef<uint8_t> axes) {
  auto [found, isNew] = fields.try_emplace(name);
  Field &made = found->second;
  if (!isNew) {
    // Entries share a record: its fields bear what any of them does.
    if (ArrayRef<uint8_t>(made.slot.axes) != axes)
      fail("expected field '" + name + "' of the step record over the same axes in all entries but got others");
    auto &input = program->inputs[made.input];
    input->bound = std::max(input->bound, bound);
    return made;
  }
  auto input = std::make_unique<schema::CountInputT>();
  input->name = name.str();
  input->bound = bound;
  input->axes.assign(axes.begin(), axes.end());
  made.input = static_cast<uint32_t>(program->inputs.size());
  program->inputs.push_back(std::move(input));
  made.slot = add(CountOp::Input, {made.input}, axes);
  return made;
}

CountSlot CountWriter::record(plan::RecordOp op) {
  StringRef name = op.getName();
  bool isNew = !fields.contains(name);
  Field &made = field(name, static_cast<int64_t>(op.getBound()), axesOf(op.getResult().getType().getAxes()));
  made.sum = reduce(CountOp::Sum, made.slot);
  made.greatest = reduce(CountOp::Greatest, made.slot);
  std::optional<int64_t> total;
  if (op.getTotal())
    total = static_cast<int64_t>(*op.getTotal());
  if (isNew)
    made.total = total;
  else if (made.total)
    made.total = total ? std::optional(std::max(*made.total, *total)) : std::nullopt;
  return made.slot;
}

std::optional<uint32_t> CountWriter::findBounded(StringRef name) const {
  if (auto found = fields.find(name); found != fields.end())
    return found->second.slot.axes.empty() ? found->second.slot.first : found->second.greatest;
  if (!name.consume_back(".total"))
    return std::nullopt;
  auto found = fields.find(name);
  if (found == fields.end() || found->second.slot.axes.empty())
    return std::nullopt;
  return found->second.sum;
}

std::optional<int64_t> CountWriter::findBound(StringRef name) const {
  auto found = fields.find(name);
  if (found == fields.end() || !found->second.slot.axes.empty())
    return std::nullopt;
  return program->inputs[found->second.input]->bound;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

CountSlot CountWriter::slotOf(Value size) {
  auto found = slots.find(size);
  if (found == slots.end()) {
    fail("a size is used before the count program makes it");
    return {};
  }
  return found->second;
}

CountSlot CountWriter::binary(Operation &op, CountOp code) {
  CountSlot a = slotOf(op.getOperand(0)), b = slotOf(op.getOperand(1));
  if (!a.axes.empty() && !b.axes.empty() && a.axes != b.axes) {
    fail("unsupported arithmetic on sizes of ranks over different axes");
    return {};
  }
  CountSlot made = add(code, {a.first, b.first}, a.axes.empty() ? b.axes : a.axes);
  made.element = made.axes.empty() ? Element::Fixed : Element::Own;
  return made;
}

CountSlot CountWriter::align(const CountSlot &counts, int64_t multiple) {
  return multiple == 1 ? counts : add(CountOp::Align, {counts.first, constant(multiple)}, counts.axes);
}

CountSlot CountWriter::pad(PadCountsOp op) {
  CountSlot multiples = align(slotOf(op.getCounts()), static_cast<int64_t>(op.getMultiple()));
  if (op.getMode() == PaddingMode::Sum)
    return multiples;
  uint32_t most = reduce(CountOp::Greatest, multiples);
  if (op.getMode() == PaddingMode::Max)
    return add(CountOp::Select, {constant(1), most, multiples.first}, multiples.axes);
  uint32_t level = scalar(CountOp::Multiply, {most, constant(positionsOn(multiples.axes))}),
           twice = scalar(CountOp::Multiply, {reduce(CountOp::Sum, multiples), constant(2)}),
           isUneven = scalar(CountOp::Less, {twice, level});
  if (op.getUnless())
    isUneven = scalar(CountOp::Maximum,
                      {isUneven, scalar(CountOp::Less, {constant(0), reduce(CountOp::Sum, slotOf(op.getUnless()))})});
  return add(CountOp::Select, {isUneven, multiples.first, most}, multiples.axes);
}

void CountWriter::split(SplitCountsOp op) {
  CountSlot parent = slotOf(op.getParent()), first = slotOf(op.getFirst());
  CountSlot excess = add(CountOp::Subtract, {first.first, parent.first}, parent.axes);
  CountsType type = op.getFirst().getType();
  check(reduce(CountOp::Greatest, excess), 0,
        (stringifyCountUnit(type.getUnit()) + " of batch @" + type.getEpoch().getValue() + " beyond those of @" +
         op.getParent().getType().getEpoch().getValue())
            .str());
  CountSlot rest = add(CountOp::Subtract, {parent.first, first.first}, parent.axes);
  slots[op.getFirstChild()] = first;
  slots[op.getSecondChild()] = add(CountOp::Maximum, {rest.first, constant(0)}, parent.axes);
}

CountSlot CountWriter::make(Operation &op) {
  auto own = [&] {
    CountSlot slot = slotOf(op.getOperand(0));
    slot.element = Element::Own;
    return slot;
  };
  auto reduced = [&](CountOp code) { return CountSlot{reduce(code, slotOf(op.getOperand(0))), {}, Element::Fixed}; };
  return llvm::TypeSwitch<Operation *, CountSlot>(&op)
      .Case([&](plan::CountOp count) { return field(count.getName(), count.getBound(), {}).slot; })
      .Case([&](plan::RecordOp op) { return record(op); })
      .Case([&](arith::ConstantIndexOp op) { return CountSlot{constant(op.value()), {}, Element::Fixed}; })
      .Case([&](arith::AddIOp op) { return binary(*op, CountOp::Add); })
      .Case([&](arith::SubIOp op) { return binary(*op, CountOp::Subtract); })
      .Case([&](arith::MulIOp op) { return binary(*op, CountOp::Multiply); })
      .Case([&](arith::DivUIOp op) { return binary(*op, CountOp::FloorDivide); })
      .Case([&](arith::CeilDivUIOp op) { return binary(*op, CountOp::CeilDivide); })
      .Case([&](arith::MinUIOp op) { return binary(*op, CountOp::Minimum); })
      .Case([&](arith::MaxUIOp op) { return binary(*op, CountOp::Maximum); })
      .Case<OwnCountOp, OwnOffsetOp>([&](Operation *) { return own(); })
      .Case([&](TotalOp) { return reduced(CountOp::Sum); })
      .Case([&](MaximumOp) { return reduced(CountOp::Greatest); })
      .Case([&](OffsetsOp op) {
        CountSlot counts = slotOf(op.getCounts());
        return add(CountOp::ExclusiveScan, {counts.first}, counts.axes);
      })
      .Case([&](AlignOp op) { return align(slotOf(op.getCounts()), static_cast<int64_t>(op.getMultiple())); })
      .Case([&](ScaleOp op) {
        CountSlot counts = slotOf(op.getCounts());
        auto factor = static_cast<int64_t>(op.getFactor()), addend = static_cast<int64_t>(op.getAddend());
        if (factor != 1)
          counts = add(CountOp::Multiply, {counts.first, constant(factor)}, counts.axes);
        return addend == 0 ? counts : add(CountOp::Add, {counts.first, constant(addend)}, counts.axes);
      })
      .Case([&](PadCountsOp op) { return pad(op); })
      .Default([&](Operation *other) {
        fail("unsupported operation in the count program: " + other->getName().getStringRef());
        return CountSlot();
      });
}

void CountWriter::write(Operation &op) {
  if (!failure.empty())
    return;
  if (auto children = dyn_cast<SplitCountsOp>(op)) {
    split(children);
  } else if (auto limit = dyn_cast<CheckCountOp>(op)) {
    CountSlot count = slotOf(limit.getCount());
    check(count.axes.empty() ? count.first : reduce(CountOp::Greatest, count), static_cast<int64_t>(limit.getBound()),
          limit.getNoun().str());
  } else {
    CountSlot made = make(op);
    if (op.getNumResults() == 1)
      slots[op.getResult(0)] = made;
  }
}

std::unique_ptr<schema::CountProgramT> CountWriter::take() {
  // In the order of the record, so that equal modules make equal files.
  std::map<uint32_t, const llvm::StringMapEntry<Field> *> ordered;
  for (const auto &entry : fields)
    ordered[entry.second.input] = &entry;
  for (const auto &[input, entry] : ordered)
    if (entry->second.total)
      check(entry->second.sum, *entry->second.total, entry->first().str());
  return std::move(program);
}
