// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/ProgramEdits.h"

#include <algorithm>

namespace muster::test {

using Kind = ProgramOp::Kind;

/// Inserts an operation behind value `at`, whose other users then use the new one.
static void insertBehind(Program &program, int at, ProgramOp op) {
  for (ProgramOp &other : program.ops)
    for (int &operand : other.operands)
      if (operand > at)
        ++operand;
  for (size_t i = static_cast<size_t>(at) + 1; i < program.ops.size(); ++i)
    for (int &operand : program.ops[i].operands)
      if (operand == at)
        operand = at + 1;
  program.result = program.result >= at ? program.result + 1 : program.result;
  op.operands = {at};
  program.ops.insert(program.ops.begin() + at + 1, std::move(op));
}

static bool edit(Program &mutant, Dice &dice, std::string &what) {
  int at = static_cast<int>(dice.below(static_cast<int64_t>(mutant.ops.size())));
  ProgramOp &op = mutant.ops[static_cast<size_t>(at)];
  auto randomGroup = [&] {
    std::vector<int> group = iota(mutant.mesh.size());
    dice.shuffle(group);
    group.resize(static_cast<size_t>(1 + dice.below(static_cast<int64_t>(group.size()))));
    return group;
  };
  auto editLayout = [&](std::vector<Terms> &dims) {
    if (dims.empty())
      return false;
    Term &first = dims[static_cast<size_t>(dice.below(static_cast<int64_t>(dims.size())))].front(),
         &second = dims[static_cast<size_t>(dice.below(static_cast<int64_t>(dims.size())))].front();
    if (&first != &second)
      std::swap(first.axes, second.axes);
    else if (dice.chance(2))
      dice.shuffle(first.axes);
    else if (!first.axes.empty())
      first.axes.back() = static_cast<int>(dice.below(static_cast<int64_t>(mutant.mesh.size())));
    std::vector<int> used;
    for (const Terms &terms : dims)
      for (int axis : terms.front().axes) {
        if (std::find(used.begin(), used.end(), axis) != used.end())
          return false;
        used.push_back(axis);
      }
    return true;
  };
  switch (dice.below(11)) {
  case 0: { // drop
    if (op.operands.size() != 1)
      return false;
    what = "drop " + std::to_string(at);
    int source = op.operands.front();
    for (ProgramOp &other : mutant.ops)
      for (int &operand : other.operands)
        operand = operand == at ? source : operand;
    mutant.result = mutant.result == at ? source : mutant.result;
    return true;
  }
  case 1: { // duplicate
    if (op.operands.size() != 1)
      return false;
    what = "duplicate " + std::to_string(at);
    ProgramOp copy = op;
    insertBehind(mutant, at, copy);
    return true;
  }
  case 2: // another group
    if (op.group.empty())
      return false;
    what = "group of " + std::to_string(at);
    op.group = randomGroup();
    return true;
  case 3: // other dims
    if (op.group.empty())
      return false;
    what = "dims of " + std::to_string(at);
    (dice.chance(2) ? op.dim : op.concat) = static_cast<int>(dice.below(5));
    if (dice.chance(3))
      std::swap(op.dim, op.concat);
    return true;
  case 4: // permutation
    if (op.permutation.empty())
      return false;
    what = "permutation of " + std::to_string(at);
    dice.shuffle(op.permutation);
    return true;
  case 5: // an operand
    if (op.operands.empty())
      return false;
    what = "operand of " + std::to_string(at);
    op.operands[static_cast<size_t>(dice.below(static_cast<int64_t>(op.operands.size())))] =
        static_cast<int>(dice.below(at));
    return true;
  case 6: // another operation
    what = "operation " + std::to_string(at);
    if (op.kind == Kind::AllReduce || op.kind == Kind::ReduceScatter)
      op.name = op.name == "sum" ? "max" : "sum";
    else if (op.kind == Kind::Exchange)
      op.kind = dice.chance(2) ? Kind::Broadcast : Kind::AllReduce, op.name = "sum";
    else if (op.kind == Kind::AllToAll)
      op.kind = Kind::AllToAll, std::swap(op.dim, op.concat);
    else
      return false;
    return true;
  case 7: // a layout
    what = "layout of " + std::to_string(at);
    if (op.kind == Kind::Argument)
      return editLayout(op.dims);
    what = "layout of the result";
    return editLayout(mutant.resultDims);
  case 8: { // one more collective
    ProgramOp extra;
    static const std::vector<Kind> kinds = {Kind::AllReduce, Kind::Exchange, Kind::AllToAll, Kind::Broadcast};
    extra.kind = dice.pick(kinds);
    extra.group = randomGroup();
    extra.dim = extra.concat = static_cast<int>(dice.below(3));
    extra.name = dice.chance(4) ? "max" : "sum";
    what = "collective behind " + std::to_string(at);
    insertBehind(mutant, at, extra);
    return true;
  }
  case 9: // a reshape's sizes in another order
    if (op.kind != Kind::Reshape)
      return false;
    what = "sizes of " + std::to_string(at);
    dice.shuffle(op.shape);
    return true;
  default: { // one more permutation
    ProgramOp extra;
    extra.kind = Kind::Transpose;
    extra.permutation = iota(static_cast<size_t>(1 + dice.below(4)));
    dice.shuffle(extra.permutation);
    what = "permutation behind " + std::to_string(at);
    insertBehind(mutant, at, extra);
    return true;
  }
  }
}

std::optional<Program> mutate(const Program &right, Dice &dice, std::string &what) {
  std::string before = right.text(right.mesh);
  for (int tries = 0; tries < 60; ++tries) {
    Program mutant = right;
    if (edit(mutant, dice, what) && mutant.shapes(mutant.mesh) && mutant.text(mutant.mesh) != before)
      return mutant;
  }
  return std::nullopt;
}

} // namespace muster::test
