// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/RightProgram.h"

#include "test/unit/compiler/Analysis/ProgramMaker.h"

#include <algorithm>
#include <numeric>

namespace muster::test {

using Kind = ProgramOp::Kind;

int ProgramMaker::add(ProgramOp op, Held value) {
  op.tag = static_cast<int>(program.ops.size());
  program.ops.push_back(std::move(op));
  held.push_back(std::move(value));
  return static_cast<int>(held.size()) - 1;
}

int ProgramMaker::addArgument(std::vector<Terms> dims) {
  return add({.kind = Kind::Argument, .dims = dims}, {dims, {}, {}});
}

int ProgramMaker::addOperand(const std::vector<Terms> &dims) {
  // The argument's names are its own, but for a dim now and then.
  std::vector<Terms> single;
  bool isComposite = false;
  for (const Terms &terms : dims) {
    isComposite |= terms.size() != 1;
    for (Term term : terms) {
      term.name = ++names;
      single.push_back({term});
    }
  }
  int argument = addArgument(single);
  return isComposite ? add({.kind = Kind::Reshape, .operands = {argument}, .shape = extentsOf(dims)}, {dims, {}, {}})
                     : argument;
}

int64_t ProgramMaker::axesSize(const std::vector<int> &axes) const { return sizeOf(program.mesh, axes); }

std::vector<int> ProgramMaker::freeAxes(const Held &value) const {
  std::vector<int> axes;
  for (int axis = 0; axis < static_cast<int>(program.mesh.size()); ++axis) {
    bool isUsed = std::find(value.pending.begin(), value.pending.end(), axis) != value.pending.end();
    for (const Terms &terms : value.dims)
      for (const Term &term : terms)
        isUsed |= std::find(term.axes.begin(), term.axes.end(), axis) != term.axes.end();
    if (!isUsed)
      axes.push_back(axis);
  }
  return axes;
}

bool ProgramMaker::mayDivide(const Term &term, const std::vector<int> &more) const {
  return term.size % (axesSize(term.axes) * axesSize(more)) == 0;
}

std::vector<int> ProgramMaker::pickFree(const Held &value) {
  std::vector<int> axes = freeAxes(value);
  dice.shuffle(axes);
  if (axes.size() > 1)
    axes.resize(static_cast<size_t>(1 + (dice.chance(3) ? dice.below(static_cast<int64_t>(axes.size())) : 0)));
  return axes;
}

void ProgramMaker::merge() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2)
    return;
  size_t at = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size()) - 1));
  value.dims[at].insert(value.dims[at].end(), value.dims[at + 1].begin(), value.dims[at + 1].end());
  value.dims.erase(value.dims.begin() + static_cast<ptrdiff_t>(at) + 1);
  current = add({.kind = Kind::Reshape, .operands = {current}, .shape = extentsOf(value.dims)}, value);
}

void ProgramMaker::split() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.empty() || value.dims.size() > 4)
    return;
  size_t at = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
  Terms &terms = value.dims[at], behind;
  if (terms.size() > 1) {
    size_t cut = static_cast<size_t>(1 + dice.below(static_cast<int64_t>(terms.size()) - 1));
    behind.assign(terms.begin() + static_cast<ptrdiff_t>(cut), terms.end());
    terms.resize(cut);
  } else {
    Term &term = terms.front();
    int64_t parts = axesSize(term.axes);
    std::vector<int64_t> cuts;
    for (int64_t low = dice.chance(6) ? 1 : 2; low <= term.size / parts; ++low)
      if (term.size / parts % low == 0)
        cuts.push_back(low);
    if (cuts.empty())
      return;
    // A shard that fills its dim leaves open which dim it shards; programs say so with nn.split_heads.
    if (parts > 1 && !dice.chance(4))
      cuts.erase(std::remove(cuts.begin(), cuts.end(), term.size / parts), cuts.end());
    if (cuts.empty())
      return;
    int64_t low = dice.pick(cuts);
    behind = {{++names, low, {}}};
    term = {++names, term.size / low, term.axes};
  }
  value.dims.insert(value.dims.begin() + static_cast<ptrdiff_t>(at) + 1, behind);
  current = add({.kind = Kind::Reshape, .operands = {current}, .shape = extentsOf(value.dims)}, value);
}

void ProgramMaker::transpose() {
  const Held value = held[static_cast<size_t>(current)];
  std::vector<int> permutation(value.dims.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  dice.shuffle(permutation);
  Held result = value;
  for (size_t i = 0; i < permutation.size(); ++i)
    result.dims[i] = value.dims[static_cast<size_t>(permutation[i])];
  current = add({.kind = Kind::Transpose, .operands = {current}, .permutation = permutation}, result);
}

/// The last axes of a term, at least one.
static std::vector<int> suffixOf(const std::vector<int> &axes, size_t count) {
  return std::vector<int>(axes.end() - static_cast<ptrdiff_t>(count), axes.end());
}

void ProgramMaker::gather() {
  Held value = held[static_cast<size_t>(current)];
  std::vector<size_t> dims;
  for (size_t d = 0; d < value.dims.size(); ++d)
    if (!value.dims[d].front().axes.empty())
      dims.push_back(d);
  if (dims.empty())
    return;
  size_t d = dice.pick(dims);
  Term &term = value.dims[d].front();
  std::vector<int> group =
      suffixOf(term.axes, static_cast<size_t>(1 + dice.below(static_cast<int64_t>(term.axes.size()))));
  term.axes.resize(term.axes.size() - group.size());
  current = add({.kind = Kind::AllGather, .operands = {current}, .group = group, .dim = static_cast<int>(d)}, value);
}

void ProgramMaker::slice() {
  Held value = held[static_cast<size_t>(current)];
  std::vector<int> group = pickFree(value);
  if (group.empty() || value.dims.empty())
    return;
  size_t d = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
  Term &term = value.dims[d].front();
  if (!mayDivide(term, group))
    return;
  term.axes.insert(term.axes.end(), group.begin(), group.end());
  current = add({.kind = Kind::Slice, .operands = {current}, .group = group, .dim = static_cast<int>(d)}, value);
}

void ProgramMaker::allToAll(bool isRaw) {
  Held value = held[static_cast<size_t>(current)];
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t concat = 0; concat < value.dims.size(); ++concat)
    for (size_t split = 0; split < value.dims.size(); ++split)
      if (split != concat && !value.dims[concat].front().axes.empty())
        pairs.push_back({split, concat});
  if (pairs.empty())
    return;
  auto [split, concat] = dice.pick(pairs);
  Term &from = value.dims[concat].front(), &to = value.dims[split].front();
  std::vector<int> group =
      suffixOf(from.axes, static_cast<size_t>(1 + dice.below(static_cast<int64_t>(from.axes.size()))));
  if (!mayDivide(to, group))
    return;
  from.axes.resize(from.axes.size() - group.size());
  to.axes.insert(to.axes.end(), group.begin(), group.end());
  if (!isRaw) {
    current = add({.kind = Kind::AllToAll,
                   .operands = {current},
                   .group = group,
                   .dim = static_cast<int>(split),
                   .concat = static_cast<int>(concat)},
                  value);
    return;
  }
  // The way that frameworks write it: cut the dim that is split, parts to the front, exchange, parts before the other
  // dim, join. What lies between is no tensor of the logical program; its terms are not looked at.
  Held between = value;
  between.isBetween = true;
  std::vector<Extent> shape = extentsOf(value.dims); // split dim after, concat dim joined
  Extent parts = groupExtent(group, 1);
  std::vector<Extent> cut = shape;
  cut[concat] = cut[concat] * groupExtent(group, -1);
  cut.insert(cut.begin() + static_cast<ptrdiff_t>(split), parts);
  int id = add({.kind = Kind::Reshape, .operands = {current}, .shape = cut}, between);
  std::vector<int> front, back;
  front.push_back(static_cast<int>(split));
  for (int i = 0; i <= static_cast<int>(shape.size()); ++i)
    if (i != static_cast<int>(split))
      front.push_back(i);
  id = add({.kind = Kind::Transpose, .operands = {id}, .permutation = front}, between);
  id = add({.kind = Kind::Exchange, .operands = {id}, .group = group}, between);
  for (int i = 0; i < static_cast<int>(shape.size()); ++i) {
    if (i == static_cast<int>(concat))
      back.push_back(0);
    back.push_back(i + 1);
  }
  id = add({.kind = Kind::Transpose, .operands = {id}, .permutation = back}, between);
  current = add({.kind = Kind::Reshape, .operands = {id}, .shape = shape}, value);
}

void ProgramMaker::reduceNow() {
  Held value = held[static_cast<size_t>(current)];
  std::vector<int> group = value.pending;
  dice.shuffle(group);
  if (group.size() > 1 && dice.chance(2))
    group.resize(1);
  for (int axis : group)
    value.pending.erase(std::find(value.pending.begin(), value.pending.end(), axis));
  std::vector<size_t> dims;
  for (size_t d = 0; d < value.dims.size(); ++d)
    if (mayDivide(value.dims[d].front(), group))
      dims.push_back(d);
  if (dims.empty() || dice.chance(2)) {
    current = add({.kind = Kind::AllReduce, .operands = {current}, .group = group, .name = value.pendingBy}, value);
    return;
  }
  size_t d = dice.pick(dims);
  Term &term = value.dims[d].front();
  term.axes.insert(term.axes.end(), group.begin(), group.end());
  current = add({.kind = Kind::ReduceScatter,
                 .operands = {current},
                 .group = group,
                 .dim = static_cast<int>(d),
                 .name = value.pendingBy},
                value);
}

void ProgramMaker::product() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.empty() || (!value.pending.empty() && value.pendingBy == "max"))
    return;
  // Each dim is contracted, shared or ours alone; the other operand may have one of its own.
  std::vector<int> map, other, result;
  std::vector<Terms> otherDims;
  Held made;
  made.pending = value.pending;
  made.pendingBy = "sum";
  int contracted = static_cast<int>(dice.below(static_cast<int64_t>(value.dims.size())));
  for (int d = 0; d < static_cast<int>(value.dims.size()); ++d) {
    map.push_back(d);
    const Terms &terms = value.dims[static_cast<size_t>(d)];
    if (d == contracted) {
      for (const Term &term : terms)
        made.pending.insert(made.pending.end(), term.axes.begin(), term.axes.end());
    } else {
      result.push_back(d);
      made.dims.push_back(terms);
      if (!dice.chance(4))
        continue;
    }
    other.push_back(d);
    otherDims.push_back(terms);
  }
  if (result.empty() || (result.size() < 4 && !dice.chance(4))) {
    Term own{++names, 1 + dice.below(6), {}};
    std::vector<int> axes = pickFree(value);
    if (!axes.empty() && dice.chance(2)) {
      own.size *= axesSize(axes);
      own.axes = axes;
    }
    int iterator = static_cast<int>(value.dims.size());
    size_t at = static_cast<size_t>(dice.below(static_cast<int64_t>(otherDims.size()) + 1));
    other.insert(other.begin() + static_cast<ptrdiff_t>(at), iterator);
    otherDims.insert(otherDims.begin() + static_cast<ptrdiff_t>(at), {own});
    at = static_cast<size_t>(dice.below(static_cast<int64_t>(result.size()) + 1));
    result.insert(result.begin() + static_cast<ptrdiff_t>(at), iterator);
    made.dims.insert(made.dims.begin() + static_cast<ptrdiff_t>(at), {own});
  }
  int operand = addOperand(otherDims);
  std::vector<int> operands{current, operand};
  std::vector<std::vector<int>> maps{map, other};
  if (dice.chance(3)) {
    std::swap(operands[0], operands[1]);
    std::swap(maps[0], maps[1]);
  }
  current = add({.kind = Kind::Product, .operands = operands, .maps = maps, .resultMap = result}, made);
  if (made.pending.empty() && dice.chance(3))
    for (size_t d = 0; d < made.dims.size(); ++d)
      if (freeAxes({{made.dims[d]}, {}, {}}).size() == program.mesh.size())
        return softmax(d);
}

void ProgramMaker::softmax(size_t dim) {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2)
    return;
  std::vector<int> all = iota(value.dims.size()), rest = all;
  rest.erase(rest.begin() + static_cast<ptrdiff_t>(dim));
  Held reduced = value;
  reduced.dims.erase(reduced.dims.begin() + static_cast<ptrdiff_t>(dim));
  int logits = current;
  int top =
      add({.kind = Kind::Reduce, .operands = {logits}, .name = "maximumf", .maps = {all}, .resultMap = rest}, reduced);
  int shifted = add(
      {.kind = Kind::Binary, .operands = {logits, top}, .name = "subf", .maps = {all, rest}, .resultMap = all}, value);
  int grown = add({.kind = Kind::Unary, .operands = {shifted}, .name = "exp"}, value);
  int sum = add({.kind = Kind::Reduce, .operands = {grown}, .name = "addf", .maps = {all}, .resultMap = rest}, reduced);
  current = add({.kind = Kind::Binary, .operands = {grown, sum}, .name = "divf", .maps = {all, rest}, .resultMap = all},
                value);
}

void ProgramMaker::elementwise() {
  const Held value = held[static_cast<size_t>(current)];
  bool isFull = value.pending.empty();
  std::vector<int> all = iota(value.dims.size());
  switch (dice.below(6)) {
  case 0:
    if (isFull)
      current = add({.kind = Kind::Unary, .operands = {current}, .name = "tanh"}, value);
    return;
  case 1:
    if (value.pendingBy != "max" || isFull)
      current = add({.kind = Kind::Scale, .operands = {current}}, value);
    return;
  case 2:
    if (isFull)
      current = add({.kind = Kind::Shift, .operands = {current}}, value);
    return;
  case 3: { // one dim's bias, or a constant over a dim that is whole
    if (!isFull || value.dims.empty())
      return;
    size_t d = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
    int other = 0;
    if (freeAxes({{value.dims[d]}, {}, {}}).size() == program.mesh.size() && dice.chance(2))
      other = add({.kind = Kind::Constant, .shape = {localOf(value.dims[d])}}, {{value.dims[d]}, {}, {}});
    else
      other = addOperand({value.dims[d]});
    current = add({.kind = Kind::Binary,
                   .operands = {current, other},
                   .name = dice.chance(2) ? "addf" : "mulf",
                   .maps = {all, {static_cast<int>(d)}},
                   .resultMap = all},
                  value);
    return;
  }
  case 4: { // an earlier value that is held alike
    std::vector<int> alike;
    for (int i = 0; i < current; ++i)
      if (held[static_cast<size_t>(i)].dims == value.dims && held[static_cast<size_t>(i)].pending == value.pending &&
          (isFull || held[static_cast<size_t>(i)].pendingBy == value.pendingBy) &&
          !held[static_cast<size_t>(i)].isBetween)
        alike.push_back(i);
    if (!alike.empty() && (isFull || value.pendingBy == "sum")) {
      current = add({.kind = Kind::Binary,
                     .operands = {current, dice.pick(alike)},
                     .name = isFull && dice.chance(2) ? "mulf" : "addf",
                     .maps = {all, all},
                     .resultMap = all},
                    value);
      return;
    }
    [[fallthrough]];
  }
  default:
    if (!isFull)
      return;
    int other = addOperand(value.dims);
    current = add({.kind = Kind::Binary,
                   .operands = {current, other},
                   .name = dice.chance(2) ? "mulf" : "addf",
                   .maps = {all, all},
                   .resultMap = all},
                  value);
  }
}

void ProgramMaker::reduce() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2)
    return;
  bool isMaximum = value.pending.empty() && dice.chance(3);
  if (!isMaximum && value.pendingBy == "max" && !value.pending.empty())
    return;
  size_t d = static_cast<size_t>(dice.below(static_cast<int64_t>(value.dims.size())));
  std::vector<int> all = iota(value.dims.size()), rest = all;
  rest.erase(rest.begin() + static_cast<ptrdiff_t>(d));
  Held made = value;
  made.dims.erase(made.dims.begin() + static_cast<ptrdiff_t>(d));
  for (const Term &term : value.dims[d])
    made.pending.insert(made.pending.end(), term.axes.begin(), term.axes.end());
  made.pendingBy = isMaximum ? "max" : "sum";
  current = add({.kind = Kind::Reduce,
                 .operands = {current},
                 .name = isMaximum ? "maximumf" : "addf",
                 .maps = {all},
                 .resultMap = rest},
                made);
}

void ProgramMaker::step() {
  if (!held[static_cast<size_t>(current)].pending.empty() && dice.chance(2))
    return reduceNow();
  switch (dice.below(14)) {
  case 0:
    return merge();
  case 1:
  case 2:
    return split();
  case 3:
    return transpose();
  case 4:
    if (held[static_cast<size_t>(current)].pending.empty())
      return gather();
    return;
  case 5:
    return slice();
  case 6:
    return allToAll(false);
  case 7:
  case 8:
    return allToAll(true);
  case 9:
  case 10:
    return product();
  case 11:
    return reduce();
  default:
    return elementwise();
  }
}

void ProgramMaker::finish() {
  while (!held[static_cast<size_t>(current)].pending.empty())
    reduceNow();
  // One name a dim.
  Held value = held[static_cast<size_t>(current)];
  std::vector<Terms> single;
  for (const Terms &terms : value.dims)
    for (const Term &term : terms)
      single.push_back({term});
  if (single.size() != value.dims.size())
    current = add({.kind = Kind::Reshape, .operands = {current}, .shape = extentsOf(single)}, {single, {}, {}});
  program.result = current;
  program.resultDims = single;
}

Program ProgramMaker::makeRight(bool isWide) {
  static const std::vector<Sizes> meshes = {{2},    {3},    {4},    {2, 2},    {2, 3},   {3, 2},
                                            {2, 4}, {3, 3}, {1, 2}, {2, 2, 2}, {2, 1, 3}};
  while (true) {
    program = Program();
    held.clear();
    names = 0;
    program.mesh = dice.pick(meshes);
    std::vector<Terms> dims;
    std::vector<int> axes = iota(program.mesh.size());
    dice.shuffle(axes);
    int64_t count = 1 + dice.below(3);
    for (int64_t d = 0; d < count; ++d) {
      Term term{++names, 1, {}};
      while (!axes.empty() && dice.chance(2)) {
        term.axes.push_back(axes.back());
        axes.pop_back();
      }
      // Often a multiple of the other axes, so that they may divide it later.
      term.size = axesSize(term.axes) * (1 + dice.below(3));
      if (!dice.chance(3))
        term.size *= dice.pick(program.mesh);
      dims.push_back({term});
    }
    current = addArgument(dims);
    int64_t steps = 2 + dice.below(5);
    for (int64_t i = 0; i < steps; ++i)
      if (isWide && !dice.chance(3))
        wideStep();
      else
        step();
    finish();
    if (program.ops.size() > 1 && program.shapes(program.mesh) && program.shapes(program.single()))
      return program;
  }
}

Program makeRight(Dice &dice, bool isWide) { return ProgramMaker(dice).makeRight(isWide); }

} // namespace muster::test
