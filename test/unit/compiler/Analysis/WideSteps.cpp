// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of programs with operations of nn, parts side by side, loops, branches and calls.
#include "test/unit/compiler/Analysis/ProgramMaker.h"

#include <algorithm>

namespace muster::test {

using Kind = ProgramOp::Kind;

static std::vector<int> axesOf(const Terms &terms) {
  std::vector<int> axes;
  for (const Term &term : terms)
    axes.insert(axes.end(), term.axes.begin(), term.axes.end());
  return axes;
}

static int64_t sizeOf(const Terms &terms) {
  int64_t size = 1;
  for (const Term &term : terms)
    size *= term.size;
  return size;
}

/// nn.matmul with a weight, whose outputs may be divided.
void ProgramMaker::project() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() != 2 || (!value.pending.empty() && value.pendingBy == "max"))
    return;
  Term outputs{++names, 1 + dice.below(6), {}};
  std::vector<int> axes = pickFree(value);
  if (!axes.empty() && dice.chance(2)) {
    outputs.size *= axesSize(axes);
    outputs.axes = axes;
  }
  Held made;
  made.dims = {value.dims[0], {outputs}};
  made.pending = value.pending;
  made.pendingBy = "sum";
  for (int axis : axesOf(value.dims[1]))
    made.pending.push_back(axis);
  int weight = addOperand({{outputs}, value.dims[1]});
  current = add({.kind = Kind::Matmul, .operands = {current, weight}}, made);
}

void ProgramMaker::rmsNorm() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() != 2 || !value.pending.empty() || !axesOf(value.dims[1]).empty())
    return;
  int scale = addOperand({value.dims[1]});
  current = add({.kind = Kind::RmsNorm, .operands = {current, scale}}, value);
}

void ProgramMaker::splitHeads() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() != 2 || value.dims[1].size() != 1)
    return;
  Term term = value.dims[1].front();
  std::vector<int64_t> headDims;
  int64_t local = term.size / axesSize(term.axes);
  for (int64_t headDim = 1; headDim <= local; ++headDim)
    if (local % headDim == 0)
      headDims.push_back(headDim);
  int64_t headDim = dice.pick(headDims), heads = term.size / headDim;
  value.dims[1] = {{++names, heads, term.axes}};
  value.dims.push_back({{++names, headDim, {}}});
  current = add({.kind = Kind::SplitHeads, .operands = {current}, .heads = heads, .headDim = headDim}, value);
}

void ProgramMaker::mergeHeads() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() != 3 || !axesOf(value.dims[2]).empty())
    return;
  int64_t heads = sizeOf(value.dims[1]), headDim = sizeOf(value.dims[2]);
  value.dims[1].insert(value.dims[1].end(), value.dims[2].begin(), value.dims[2].end());
  value.dims.pop_back();
  current = add({.kind = Kind::MergeHeads, .operands = {current}, .heads = heads, .headDim = headDim}, value);
}

/// Positions that are divided as the rows are: an argument, or an argument's own part.
void ProgramMaker::rope() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() != 3 || !value.pending.empty() || value.dims[0].size() != 1 || !axesOf(value.dims[2]).empty() ||
      sizeOf(value.dims[2]) % 2 != 0)
    return;
  Term rows = value.dims[0].front(), table{++names, 5, {}}, angles{++names, sizeOf(value.dims[2]) / 2, {}};
  rows.name = ++names;
  int cosines = addArgument({{table}, {angles}}), sines = addArgument({{table}, {angles}});
  std::vector<int> axes = rows.axes;
  bool isSliced = !axes.empty() && dice.chance(2);
  if (isSliced)
    rows.axes.clear();
  int positions = addArgument({{rows}});
  program.ops.back().bound = table.size;
  if (isSliced) {
    rows.axes = axes;
    positions = add({.kind = Kind::Slice, .operands = {positions}, .group = axes, .dim = 0}, {{{rows}}, {}, {}});
  }
  held.back().isBetween = true; // whole numbers
  current = add({.kind = Kind::Rope, .operands = {current, cosines, sines, positions}}, value);
}

/// Adds an argument over some of the dims, in any order.
void ProgramMaker::mask() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2 || !value.pending.empty())
    return;
  std::vector<int> all = iota(value.dims.size()), some = all;
  dice.shuffle(some);
  some.resize(static_cast<size_t>(2 + dice.below(static_cast<int64_t>(some.size()) - 1)));
  std::vector<Terms> dims;
  for (int dim : some)
    dims.push_back(value.dims[static_cast<size_t>(dim)]);
  int operand = addOperand(dims);
  current = add({.kind = Kind::Binary,
                 .operands = {current, operand},
                 .name = dice.chance(3) ? "mulf" : "addf",
                 .maps = {all, some},
                 .resultMap = all},
                value);
}

/// Two values side by side, carried on together, of which one part or both are taken out again.
void ProgramMaker::pack() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.empty() || (!value.pending.empty() && value.pendingBy == "max"))
    return;
  size_t dim = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
  if (value.dims[dim].size() != 1)
    return;
  bool isFull = value.pending.empty();
  Held second = value;
  int other = 0;
  if (isFull && dice.chance(2)) {
    Term &term = second.dims[dim].front();
    term.size *= 1 + dice.below(2);
    second.dims[dim].front().name = ++names;
    other = addOperand(second.dims);
  } else {
    other = add({.kind = Kind::Scale, .operands = {current}}, value);
  }
  Extent first = localOf(value.dims[dim]), last = localOf(second.dims[dim]);
  Held between = value;
  between.isBetween = true;
  int packed = add({.kind = Kind::Concat, .operands = {current, other}, .dim = static_cast<int>(dim)}, between);
  if (isFull && dice.chance(2))
    packed = add({.kind = Kind::Unary, .operands = {packed}, .name = "tanh"}, between);
  // Another dim is gathered, or all are turned.
  std::vector<size_t> divided;
  for (size_t d = 0; d < value.dims.size(); ++d)
    if (d != dim && !value.dims[d].front().axes.empty())
      divided.push_back(d);
  Held one = value, two = second;
  if (isFull && !divided.empty() && dice.chance(2)) {
    size_t d = dice.pick(divided);
    std::vector<int> group = one.dims[d].front().axes;
    one.dims[d].front().axes.clear();
    two.dims[d].front().axes.clear();
    packed = add({.kind = Kind::AllGather, .operands = {packed}, .group = group, .dim = static_cast<int>(d)}, between);
  }
  if (dice.chance(3)) {
    std::vector<int> permutation = iota(value.dims.size());
    dice.shuffle(permutation);
    Held before = one, behind = two;
    for (size_t i = 0; i < permutation.size(); ++i) {
      one.dims[i] = before.dims[static_cast<size_t>(permutation[i])];
      two.dims[i] = behind.dims[static_cast<size_t>(permutation[i])];
    }
    packed = add({.kind = Kind::Transpose, .operands = {packed}, .permutation = permutation}, between);
    dim = static_cast<size_t>(std::find(permutation.begin(), permutation.end(), static_cast<int>(dim)) -
                              permutation.begin());
  }
  Extent none;
  none.factor = 0;
  auto take = [&](bool isFirst) {
    return add({.kind = Kind::Part,
                .operands = {packed},
                .dim = static_cast<int>(dim),
                .shape = {isFirst ? none : first, isFirst ? first : last}},
               isFirst ? one : two);
  };
  bool isFirst = dice.chance(2);
  current = take(isFirst);
  if (one.dims != two.dims || !dice.chance(2))
    return;
  int rest = take(!isFirst);
  std::vector<int> all = iota(value.dims.size());
  current = add({.kind = Kind::Binary,
                 .operands = {current, rest},
                 .name = isFull && dice.chance(2) ? "mulf" : "addf",
                 .maps = {all, all},
                 .resultMap = all},
                one);
}

int ProgramMaker::goAndReturn(int id, bool seesArguments) {
  Held value = held[static_cast<size_t>(id)];
  value.isBetween = true; // seen in its region only
  bool isFull = value.pending.empty();
  std::vector<int> all = iota(value.dims.size());
  auto unary = [&] {
    if (isFull)
      return add({.kind = Kind::Unary, .operands = {id}, .name = "tanh"}, value);
    return value.pendingBy == "max" ? id : add({.kind = Kind::Scale, .operands = {id}}, value);
  };
  if (value.dims.empty())
    return unary();
  size_t dim = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
  Term &term = value.dims[dim].front();
  switch (dice.below(6)) {
  case 0: { // gathered and cut again
    std::vector<int> group = term.axes;
    if (group.empty() || !isFull)
      return unary();
    id = add({.kind = Kind::AllGather, .operands = {id}, .group = group, .dim = static_cast<int>(dim)}, value);
    id = unary();
    return add({.kind = Kind::Slice, .operands = {id}, .group = group, .dim = static_cast<int>(dim)}, value);
  }
  case 1: { // the other way round
    std::vector<int> group = pickFree(value);
    if (group.empty() || !mayDivide(term, group))
      return unary();
    id = add({.kind = Kind::Slice, .operands = {id}, .group = group, .dim = static_cast<int>(dim)}, value);
    id = unary();
    return add({.kind = Kind::AllGather, .operands = {id}, .group = group, .dim = static_cast<int>(dim)}, value);
  }
  case 2: { // turned and turned back
    std::vector<int> permutation = all, back = all;
    dice.shuffle(permutation);
    for (size_t i = 0; i < all.size(); ++i)
      back[static_cast<size_t>(permutation[i])] = static_cast<int>(i);
    id = add({.kind = Kind::Transpose, .operands = {id}, .permutation = permutation}, value);
    id = unary();
    return add({.kind = Kind::Transpose, .operands = {id}, .permutation = back}, value);
  }
  case 3: { // to another dim and back
    size_t split = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
    std::vector<int> group = term.axes;
    if (split == dim || group.empty() || !isFull || !mayDivide(value.dims[split].front(), group))
      return unary();
    int from = static_cast<int>(dim), to = static_cast<int>(split);
    id = add({.kind = Kind::AllToAll, .operands = {id}, .group = group, .dim = to, .concat = from}, value);
    id = unary();
    return add({.kind = Kind::AllToAll, .operands = {id}, .group = group, .dim = from, .concat = to}, value);
  }
  case 4: { // parts of a sum become a value, of which one rank's part is a part again: not here
    if (!seesArguments || !isFull)
      return unary();
    int operand = addOperand(value.dims);
    return add({.kind = Kind::Binary,
                .operands = {id, operand},
                .name = dice.chance(2) ? "mulf" : "addf",
                .maps = {all, all},
                .resultMap = all},
               value);
  }
  default:
    return unary();
  }
}

void ProgramMaker::loop() {
  Held value = held[static_cast<size_t>(current)], inside = value;
  inside.isBetween = true;
  int id = add({.kind = Kind::LoopBegin, .operands = {current}}, inside);
  for (int64_t steps = 1 + dice.below(2); steps > 0; --steps)
    id = goAndReturn(id, true);
  current = add({.kind = Kind::LoopEnd, .operands = {id}}, value);
}

void ProgramMaker::branch() {
  Held value = held[static_cast<size_t>(current)], none;
  none.isBetween = true;
  int condition = addArgument({{{++names, 2, {}}}});
  program.ops.back().bound = 2;
  held.back().isBetween = true;
  add({.kind = Kind::Then, .operands = {condition}}, none);
  int first = goAndReturn(current, true);
  add({.kind = Kind::Else, .operands = {first}}, none);
  int second = goAndReturn(current, true);
  current = add({.kind = Kind::BranchEnd, .operands = {second}}, value);
}

void ProgramMaker::call() {
  Held value = held[static_cast<size_t>(current)], inside = value;
  inside.isBetween = true;
  int id = add({.kind = Kind::CallBegin, .operands = {current}}, inside);
  int callee = program.ops.back().tag;
  for (int64_t steps = 1 + dice.below(2); steps > 0; --steps)
    id = goAndReturn(id, false);
  current = add({.kind = Kind::CallEnd, .operands = {id}}, value);
  while (dice.chance(2))
    current = add({.kind = Kind::CallAgain, .operands = {current}, .callee = callee}, value);
}

void ProgramMaker::wideStep() {
  if (held[static_cast<size_t>(current)].dims.size() == 3 && dice.chance(2))
    return dice.chance(2) ? rope() : mergeHeads();
  switch (dice.below(10)) {
  case 0:
  case 1:
    return project();
  case 2:
    return rmsNorm();
  case 3:
    return splitHeads();
  case 4:
    return mask();
  case 5:
  case 6:
    return pack();
  case 7:
    return loop();
  case 8:
    return branch();
  default:
    return call();
  }
}

} // namespace muster::test
