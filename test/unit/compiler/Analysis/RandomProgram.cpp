// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/RandomProgram.h"

#include <algorithm>
#include <numeric>

namespace muster::test {

using Kind = ProgramOp::Kind;

int64_t Extent::at(const Sizes &mesh) const {
  int64_t numerator = factor, denominator = 1;
  for (size_t axis = 0; axis < mesh.size(); ++axis) {
    for (int e = 0; e < exponents[axis]; ++e)
      numerator *= mesh[axis];
    for (int e = 0; e > exponents[axis]; --e)
      denominator *= mesh[axis];
  }
  return numerator % denominator == 0 ? numerator / denominator : 0;
}

Extent operator*(Extent a, const Extent &b) {
  a.factor *= b.factor;
  for (size_t i = 0; i < a.exponents.size(); ++i)
    a.exponents[i] += b.exponents[i];
  return a;
}

static Extent groupExtent(const std::vector<int> &axes, int power) {
  Extent extent;
  for (int axis : axes)
    extent.exponents[static_cast<size_t>(axis)] += power;
  return extent;
}

Extent Term::local() const {
  Extent extent = groupExtent(axes, -1);
  extent.factor = size;
  return extent;
}

static Extent localOf(const Terms &terms) {
  Extent extent;
  for (const Term &term : terms)
    extent = extent * term.local();
  return extent;
}

static int64_t sizeOf(const Sizes &mesh, const std::vector<int> &group) {
  int64_t size = 1;
  for (int axis : group)
    size *= mesh[static_cast<size_t>(axis)];
  return size;
}

static int64_t elements(const Sizes &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

//===-- types and text --------------------------------------------------------------------------------------------===//

/// The shape of a mapped operation: each iterator has one size in all operands.
static std::optional<Sizes> mappedShape(const ProgramOp &op, const std::vector<Sizes> &shapes) {
  std::vector<int64_t> extents(16, 0);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const Sizes &shape = shapes[static_cast<size_t>(op.operands[i])];
    if (shape.size() != op.maps[i].size())
      return std::nullopt;
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t &extent = extents[static_cast<size_t>(op.maps[i][d])];
      if (extent != 0 && extent != shape[d])
        return std::nullopt;
      extent = shape[d];
    }
  }
  Sizes result;
  for (int iterator : op.resultMap) {
    result.push_back(extents[static_cast<size_t>(iterator)]);
    if (result.back() == 0)
      return std::nullopt;
  }
  return result;
}

std::optional<std::vector<Sizes>> Program::shapes(const Sizes &on) const {
  std::vector<Sizes> all;
  for (const ProgramOp &op : ops) {
    Sizes shape = op.operands.empty() ? Sizes() : all[static_cast<size_t>(op.operands.front())];
    int64_t parts = sizeOf(on, op.group);
    auto hasDim = [&](int dim) { return dim >= 0 && static_cast<size_t>(dim) < shape.size(); };
    switch (op.kind) {
    case Kind::Argument:
      for (const Terms &terms : op.dims)
        shape.push_back(localOf(terms).at(on));
      break;
    case Kind::Constant:
    case Kind::Reshape: {
      Sizes target;
      for (const Extent &extent : op.shape)
        target.push_back(extent.at(on));
      if (op.kind == Kind::Reshape && elements(target) != elements(shape))
        return std::nullopt;
      shape = target;
      break;
    }
    case Kind::Transpose: {
      if (op.permutation.size() != shape.size())
        return std::nullopt;
      Sizes from = shape;
      for (size_t i = 0; i < shape.size(); ++i)
        shape[i] = from[static_cast<size_t>(op.permutation[i])];
      break;
    }
    case Kind::AllGather:
      if (!hasDim(op.dim))
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] *= parts;
      break;
    case Kind::Slice:
    case Kind::ReduceScatter:
      if (!hasDim(op.dim) || shape[static_cast<size_t>(op.dim)] % parts != 0)
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] /= parts;
      break;
    case Kind::AllToAll:
      if (!hasDim(op.dim) || !hasDim(op.concat) || shape[static_cast<size_t>(op.dim)] % parts != 0)
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] /= parts;
      shape[static_cast<size_t>(op.concat)] *= parts;
      break;
    case Kind::Exchange:
      if (shape.empty() || shape[0] % parts != 0)
        return std::nullopt;
      break;
    case Kind::AllReduce:
    case Kind::Broadcast:
    case Kind::Unary:
    case Kind::Scale:
    case Kind::Shift:
      break;
    case Kind::Product:
    case Kind::Binary:
    case Kind::Reduce: {
      std::optional<Sizes> mapped = mappedShape(op, all);
      if (!mapped)
        return std::nullopt;
      shape = *mapped;
      break;
    }
    }
    for (int64_t size : shape)
      if (size < 1)
        return std::nullopt;
    if (elements(shape) > 2048)
      return std::nullopt;
    all.push_back(shape);
  }
  Sizes declared;
  for (const Terms &terms : resultDims)
    declared.push_back(localOf(terms).at(on));
  if (declared != all[static_cast<size_t>(result)])
    return std::nullopt;
  return all;
}

static std::string axisName(int axis) { return std::string(1, static_cast<char>('a' + axis)); }

static std::string typeOf(const Sizes &shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + "f32>";
}

static std::string layoutOf(const std::vector<Terms> &dims) {
  std::string text = "#muster.layout<[";
  for (size_t i = 0; i < dims.size(); ++i) {
    const Term &term = dims[i].front();
    text += (i ? ", n" : "n") + std::to_string(term.name);
    if (term.axes.size() == 1)
      text += "/" + axisName(term.axes[0]);
    else if (!term.axes.empty()) {
      text += "/(";
      for (size_t a = 0; a < term.axes.size(); ++a)
        text += (a ? "," : "") + axisName(term.axes[a]);
      text += ")";
    }
  }
  return text + "]>";
}

static std::string groupText(const std::vector<int> &group) {
  if (group.size() == 1)
    return "\"" + axisName(group[0]) + "\"";
  std::string text = "[";
  for (int axis : group)
    text += (text.size() > 1 ? ", \"" : "\"") + axisName(axis) + "\"";
  return text + "]";
}

static std::string listText(const Sizes &list, const char *separator = ", ") {
  std::string text;
  for (int64_t number : list)
    text += (text.empty() ? "" : separator) + std::to_string(number);
  return text;
}

/// `from` and `to` in groups of dims of equal product, as a reassociation of `to`; empty where a group has several dims
/// on the side of `from`.
static std::string reassociation(const Sizes &from, const Sizes &to) {
  std::string text = "[";
  size_t j = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    int64_t covered = 1;
    std::string group;
    while (j < to.size() &&
           (covered != from[i] || group.empty() || (i + 1 == from.size()) || (to[j] == 1 && from[i + 1] != 1))) {
      covered *= to[j];
      group += (group.empty() ? "" : ", ") + std::to_string(j);
      ++j;
      if (covered > from[i])
        return "";
    }
    if (covered != from[i] || group.empty())
      return "";
    text += (i ? ", [" : "[") + group + "]";
  }
  return j == to.size() ? text + "]" : "";
}

static std::string mapText(const std::vector<int> &map, int iterators) {
  std::string text = "affine_map<(";
  for (int i = 0; i < iterators; ++i)
    text += (i ? ", d" : "d") + std::to_string(i);
  text += ") -> (";
  for (size_t i = 0; i < map.size(); ++i)
    text += (i ? ", d" : "d") + std::to_string(map[i]);
  return text + ")>";
}

/// A linalg.generic of the operation's maps; sums and maxima start from `start`.
static std::string genericText(const ProgramOp &op, const std::string &id, const Sizes &shape,
                               const std::vector<Sizes> &shapes) {
  int iterators = 0;
  for (const auto &map : op.maps)
    for (int iterator : map)
      iterators = std::max(iterators, iterator + 1);
  bool reduces = op.kind != Kind::Binary;
  std::string maps, kinds, ins, types, arguments;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    std::string operand = std::to_string(op.operands[i]);
    maps += mapText(op.maps[i], iterators) + ", ";
    ins += (i ? ", %v" : "%v") + operand;
    types += (i ? ", " : "") + typeOf(shapes[static_cast<size_t>(op.operands[i])]);
    arguments += "%x" + std::to_string(i) + ": f32, ";
  }
  for (int i = 0; i < iterators; ++i) {
    bool isResult = std::find(op.resultMap.begin(), op.resultMap.end(), i) != op.resultMap.end();
    kinds += (i ? ", \"" : "\"") + std::string(isResult ? "parallel" : "reduction") + "\"";
  }
  std::string text = "  %e" + id + " = tensor.empty() : " + typeOf(shape) + "\n";
  std::string init = "%e" + id;
  if (reduces) {
    std::string start = op.kind == Kind::Reduce && op.name == "maximumf" ? "0xFF800000" : "0.0";
    text += "  %z" + id + " = arith.constant " + start + " : f32\n  %f" + id + " = linalg.fill ins(%z" + id +
            " : f32) outs(%e" + id + " : " + typeOf(shape) + ") -> " + typeOf(shape) + "\n";
    init = "%f" + id;
  }
  text += "  %v" + id + " = linalg.generic {indexing_maps = [" + maps + mapText(op.resultMap, iterators) +
          "], iterator_types = [" + kinds + "]} ins(" + ins + " : " + types + ") outs(" + init + " : " + typeOf(shape) +
          ") {\n  ^bb0(" + arguments + "%s: f32):\n";
  if (op.kind == Kind::Product)
    text += "    %p = arith.mulf %x0, %x1 : f32\n    %r = arith.addf %s, %p : f32\n";
  else if (op.kind == Kind::Reduce)
    text += "    %r = arith." + op.name + " %s, %x0 : f32\n";
  else
    text += "    %r = arith." + op.name + " %x0, %x1 : f32\n";
  return text + "    linalg.yield %r : f32\n  } -> " + typeOf(shape) + "\n";
}

static std::string reshapeText(const std::string &id, const std::string &input, const Sizes &from, const Sizes &to) {
  std::string types = typeOf(from) + " into " + typeOf(to) + "\n";
  if (from.size() < to.size())
    if (std::string groups = reassociation(from, to); !groups.empty())
      return "  %v" + id + " = tensor.expand_shape %v" + input + " " + groups + " output_shape [" + listText(to) +
             "] : " + types;
  if (from.size() > to.size())
    if (std::string groups = reassociation(to, from); !groups.empty())
      return "  %v" + id + " = tensor.collapse_shape %v" + input + " " + groups + " : " + types;
  std::string shapeType = "tensor<" + std::to_string(to.size()) + "xindex>";
  return "  %s" + id + " = arith.constant dense<[" + listText(to) + "]> : " + shapeType + "\n  %v" + id +
         " = tensor.reshape %v" + input + "(%s" + id + ") : (" + typeOf(from) + ", " + shapeType + ") -> " +
         typeOf(to) + "\n";
}

static std::string constantText(const Sizes &shape, size_t depth = 0, int64_t offset = 0) {
  if (depth == shape.size())
    return std::to_string(static_cast<double>((offset * 7 + 3) % 11) / 8.0 + 0.125);
  std::string text = "[";
  for (int64_t i = 0; i < shape[depth]; ++i)
    text += (i ? ", " : "") + constantText(shape, depth + 1, offset * shape[depth] + i);
  return text + "]";
}

std::string Program::text(const Sizes &on) const {
  std::vector<Sizes> all = *shapes(on);
  std::string axes, arguments, body;
  for (size_t axis = 0; axis < on.size(); ++axis)
    axes += (axis ? ", \"" : "\"") + axisName(static_cast<int>(axis)) + "\" = " + std::to_string(on[axis]);
  for (size_t i = 0; i < ops.size(); ++i) {
    const ProgramOp &op = ops[i];
    const std::string id = std::to_string(i), type = typeOf(all[i]);
    if (op.kind == Kind::Argument) {
      arguments +=
          (arguments.empty() ? "%v" : ", %v") + id + ": " + type + " {muster.layout = " + layoutOf(op.dims) + "}";
      continue;
    }
    if (op.kind == Kind::Constant) {
      body += "  %v" + id + " = arith.constant dense<" + constantText(all[i]) + "> : " + type + "\n";
      continue;
    }
    const std::string input = std::to_string(op.operands.front());
    const Sizes &from = all[static_cast<size_t>(op.operands.front())];
    const std::string result = "  %v" + id + " = ", operand = " %v" + input, on = " on " + groupText(op.group),
                      dim = " dim " + std::to_string(op.dim), one = " : " + type + "\n",
                      two = " : " + typeOf(from) + " -> " + type + "\n";
    switch (op.kind) {
    case Kind::Argument:
    case Kind::Constant:
      break;
    case Kind::Reshape:
      body += reshapeText(id, input, from, all[i]);
      break;
    case Kind::Transpose:
      body += "  %e" + id + " = tensor.empty() : " + type + "\n" + result + "linalg.transpose ins(%v" + input + " : " +
              typeOf(from) + ") outs(%e" + id + " : " + type + ") permutation = [" +
              listText(Sizes(op.permutation.begin(), op.permutation.end())) + "]\n";
      break;
    case Kind::AllGather:
      body += result + "muster.all_gather" + operand + on + dim + two;
      break;
    case Kind::Slice:
      body += result + "muster.slice" + operand + on + dim + two;
      break;
    case Kind::AllToAll:
      body += result + "muster.all_to_all" + operand + on + " split " + std::to_string(op.dim) + " concat " +
              std::to_string(op.concat) + two;
      break;
    case Kind::Exchange:
      body += result + "muster.exchange" + operand + on + one;
      break;
    case Kind::AllReduce:
      body += result + "muster.all_reduce" + operand + " " + op.name + on + one;
      break;
    case Kind::ReduceScatter:
      body += result + "muster.reduce_scatter" + operand + " " + op.name + on + dim + two;
      break;
    case Kind::Broadcast:
      body += result + "muster.broadcast" + operand + " from 0" + on + one;
      break;
    case Kind::Unary:
      body += result + "math." + op.name + operand + one;
      break;
    case Kind::Scale:
    case Kind::Shift:
      body += "  %c" + id + " = arith.constant dense<0.75> : " + type + "\n" + result + "arith." +
              (op.kind == Kind::Scale ? "mulf" : "addf") + operand + ", %c" + id + one;
      break;
    case Kind::Binary:
      if (op.maps[0] == op.resultMap && op.maps[1] == op.resultMap) {
        body += result + "arith." + op.name + operand + ", %v" + std::to_string(op.operands[1]) + one;
        break;
      }
      [[fallthrough]];
    case Kind::Product:
    case Kind::Reduce:
      body += genericText(op, id, all[i], all);
      break;
    }
  }
  std::string type = typeOf(all[static_cast<size_t>(result)]);
  return "muster.mesh @m <[" + axes + "]>\nfunc.func @f(" + arguments + ") -> (" + type +
         " {muster.layout = " + layoutOf(resultDims) + "}) {\n" + body + "  return %v" + std::to_string(result) +
         " : " + type + "\n}\n";
}

//===-- right programs --------------------------------------------------------------------------------------------===//

int ProgramMaker::add(ProgramOp op, Held value) {
  op.tag = static_cast<int>(program.ops.size());
  program.ops.push_back(std::move(op));
  held.push_back(std::move(value));
  return static_cast<int>(held.size()) - 1;
}

int ProgramMaker::addArgument(std::vector<Terms> dims) {
  return add({.kind = Kind::Argument, .dims = dims}, {dims, {}, {}});
}

static std::vector<Extent> extentsOf(const std::vector<Terms> &dims) {
  std::vector<Extent> extents;
  for (const Terms &terms : dims)
    extents.push_back(localOf(terms));
  return extents;
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
  std::shuffle(axes.begin(), axes.end(), random);
  if (axes.size() > 1)
    axes.resize(static_cast<size_t>(1 + (chance(3) ? below(static_cast<int64_t>(axes.size())) : 0)));
  return axes;
}

void ProgramMaker::merge() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2)
    return;
  size_t at = static_cast<size_t>(below(static_cast<int64_t>(value.dims.size()) - 1));
  value.dims[at].insert(value.dims[at].end(), value.dims[at + 1].begin(), value.dims[at + 1].end());
  value.dims.erase(value.dims.begin() + static_cast<ptrdiff_t>(at) + 1);
  current = add({.kind = Kind::Reshape, .operands = {current}, .shape = extentsOf(value.dims)}, value);
}

void ProgramMaker::split() {
  Held value = held[static_cast<size_t>(current)];
  if (value.dims.empty() || value.dims.size() > 4)
    return;
  size_t at = static_cast<size_t>(below(static_cast<int64_t>(value.dims.size())));
  Terms &terms = value.dims[at], behind;
  if (terms.size() > 1) {
    size_t cut = static_cast<size_t>(1 + below(static_cast<int64_t>(terms.size()) - 1));
    behind.assign(terms.begin() + static_cast<ptrdiff_t>(cut), terms.end());
    terms.resize(cut);
  } else {
    Term &term = terms.front();
    int64_t parts = axesSize(term.axes);
    std::vector<int64_t> cuts;
    for (int64_t low = chance(6) ? 1 : 2; low <= term.size / parts; ++low)
      if (term.size / parts % low == 0)
        cuts.push_back(low);
    if (cuts.empty())
      return;
    // A shard that fills its dim leaves open which dim it shards; programs say so with nn.split_heads.
    if (parts > 1 && !chance(4))
      cuts.erase(std::remove(cuts.begin(), cuts.end(), term.size / parts), cuts.end());
    if (cuts.empty())
      return;
    int64_t low = pick(cuts);
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
  std::shuffle(permutation.begin(), permutation.end(), random);
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
  size_t d = pick(dims);
  Term &term = value.dims[d].front();
  std::vector<int> group = suffixOf(term.axes, static_cast<size_t>(1 + below(static_cast<int64_t>(term.axes.size()))));
  term.axes.resize(term.axes.size() - group.size());
  current = add({.kind = Kind::AllGather, .operands = {current}, .group = group, .dim = static_cast<int>(d)}, value);
}

void ProgramMaker::slice() {
  Held value = held[static_cast<size_t>(current)];
  std::vector<int> group = pickFree(value);
  if (group.empty() || value.dims.empty())
    return;
  size_t d = static_cast<size_t>(below(static_cast<int64_t>(value.dims.size())));
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
  auto [split, concat] = pick(pairs);
  Term &from = value.dims[concat].front(), &to = value.dims[split].front();
  std::vector<int> group = suffixOf(from.axes, static_cast<size_t>(1 + below(static_cast<int64_t>(from.axes.size()))));
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
  std::shuffle(group.begin(), group.end(), random);
  if (group.size() > 1 && chance(2))
    group.resize(1);
  for (int axis : group)
    value.pending.erase(std::find(value.pending.begin(), value.pending.end(), axis));
  std::vector<size_t> dims;
  for (size_t d = 0; d < value.dims.size(); ++d)
    if (mayDivide(value.dims[d].front(), group))
      dims.push_back(d);
  if (dims.empty() || chance(2)) {
    current = add({.kind = Kind::AllReduce, .operands = {current}, .group = group, .name = value.pendingBy}, value);
    return;
  }
  size_t d = pick(dims);
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
  int contracted = static_cast<int>(below(static_cast<int64_t>(value.dims.size())));
  for (int d = 0; d < static_cast<int>(value.dims.size()); ++d) {
    map.push_back(d);
    const Terms &terms = value.dims[static_cast<size_t>(d)];
    if (d == contracted) {
      for (const Term &term : terms)
        made.pending.insert(made.pending.end(), term.axes.begin(), term.axes.end());
    } else {
      result.push_back(d);
      made.dims.push_back(terms);
      if (!chance(4))
        continue;
    }
    other.push_back(d);
    otherDims.push_back(terms);
  }
  if (result.empty() || (result.size() < 4 && !chance(4))) {
    Term own{++names, 1 + below(6), {}};
    std::vector<int> axes = pickFree(value);
    if (!axes.empty() && chance(2)) {
      own.size *= axesSize(axes);
      own.axes = axes;
    }
    int iterator = static_cast<int>(value.dims.size());
    size_t at = static_cast<size_t>(below(static_cast<int64_t>(otherDims.size()) + 1));
    other.insert(other.begin() + static_cast<ptrdiff_t>(at), iterator);
    otherDims.insert(otherDims.begin() + static_cast<ptrdiff_t>(at), {own});
    at = static_cast<size_t>(below(static_cast<int64_t>(result.size()) + 1));
    result.insert(result.begin() + static_cast<ptrdiff_t>(at), iterator);
    made.dims.insert(made.dims.begin() + static_cast<ptrdiff_t>(at), {own});
  }
  int operand = addOperand(otherDims);
  std::vector<int> operands{current, operand};
  std::vector<std::vector<int>> maps{map, other};
  if (chance(3)) {
    std::swap(operands[0], operands[1]);
    std::swap(maps[0], maps[1]);
  }
  current = add({.kind = Kind::Product, .operands = operands, .maps = maps, .resultMap = result}, made);
  if (made.pending.empty() && chance(3))
    for (size_t d = 0; d < made.dims.size(); ++d)
      if (freeAxes({{made.dims[d]}, {}, {}}).size() == program.mesh.size())
        return softmax(d);
}

static std::vector<int> iota(size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
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
  switch (below(6)) {
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
    size_t d = static_cast<size_t>(below(static_cast<int64_t>(value.dims.size())));
    int other = 0;
    if (freeAxes({{value.dims[d]}, {}, {}}).size() == program.mesh.size() && chance(2))
      other = add({.kind = Kind::Constant, .shape = {localOf(value.dims[d])}}, {{value.dims[d]}, {}, {}});
    else
      other = addOperand({value.dims[d]});
    current = add({.kind = Kind::Binary,
                   .operands = {current, other},
                   .name = chance(2) ? "addf" : "mulf",
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
                     .operands = {current, pick(alike)},
                     .name = isFull && chance(2) ? "mulf" : "addf",
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
                   .name = chance(2) ? "mulf" : "addf",
                   .maps = {all, all},
                   .resultMap = all},
                  value);
  }
}

void ProgramMaker::reduce() {
  const Held value = held[static_cast<size_t>(current)];
  if (value.dims.size() < 2)
    return;
  bool isMaximum = value.pending.empty() && chance(3);
  if (!isMaximum && value.pendingBy == "max" && !value.pending.empty())
    return;
  size_t d = static_cast<size_t>(below(static_cast<int64_t>(value.dims.size())));
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
  if (!held[static_cast<size_t>(current)].pending.empty() && chance(2))
    return reduceNow();
  switch (below(14)) {
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

Program ProgramMaker::makeRight() {
  static const std::vector<Sizes> meshes = {{2},    {3},    {4},    {2, 2},    {2, 3},   {3, 2},
                                            {2, 4}, {3, 3}, {1, 2}, {2, 2, 2}, {2, 1, 3}};
  while (true) {
    program = Program();
    held.clear();
    names = 0;
    program.mesh = pick(meshes);
    std::vector<Terms> dims;
    std::vector<int> axes = iota(program.mesh.size());
    std::shuffle(axes.begin(), axes.end(), random);
    int64_t count = 1 + below(3);
    for (int64_t d = 0; d < count; ++d) {
      Term term{++names, 1, {}};
      while (!axes.empty() && chance(2)) {
        term.axes.push_back(axes.back());
        axes.pop_back();
      }
      // Often a multiple of the other axes, so that they may divide it later.
      term.size = axesSize(term.axes) * (1 + below(3));
      if (!chance(3))
        term.size *= pick(program.mesh);
      dims.push_back({term});
    }
    current = addArgument(dims);
    int64_t steps = 2 + below(5);
    for (int64_t i = 0; i < steps; ++i)
      step();
    finish();
    if (program.ops.size() > 1 && program.shapes(program.mesh) && program.shapes(program.single()))
      return program;
  }
}

//===-- edits -----------------------------------------------------------------------------------------------------===//

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

bool ProgramMaker::edit(Program &mutant, std::string &what) {
  int at = static_cast<int>(below(static_cast<int64_t>(mutant.ops.size())));
  ProgramOp &op = mutant.ops[static_cast<size_t>(at)];
  auto randomGroup = [&] {
    std::vector<int> group = iota(mutant.mesh.size());
    std::shuffle(group.begin(), group.end(), random);
    group.resize(static_cast<size_t>(1 + below(static_cast<int64_t>(group.size()))));
    return group;
  };
  auto editLayout = [&](std::vector<Terms> &dims) {
    if (dims.empty())
      return false;
    Term &first = dims[static_cast<size_t>(below(static_cast<int64_t>(dims.size())))].front(),
         &second = dims[static_cast<size_t>(below(static_cast<int64_t>(dims.size())))].front();
    if (&first != &second)
      std::swap(first.axes, second.axes);
    else if (chance(2))
      std::shuffle(first.axes.begin(), first.axes.end(), random);
    else if (!first.axes.empty())
      first.axes.back() = static_cast<int>(below(static_cast<int64_t>(mutant.mesh.size())));
    std::vector<int> used;
    for (const Terms &terms : dims)
      for (int axis : terms.front().axes) {
        if (std::find(used.begin(), used.end(), axis) != used.end())
          return false;
        used.push_back(axis);
      }
    return true;
  };
  switch (below(11)) {
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
    (chance(2) ? op.dim : op.concat) = static_cast<int>(below(5));
    if (chance(3))
      std::swap(op.dim, op.concat);
    return true;
  case 4: // permutation
    if (op.permutation.empty())
      return false;
    what = "permutation of " + std::to_string(at);
    std::shuffle(op.permutation.begin(), op.permutation.end(), random);
    return true;
  case 5: // an operand
    if (op.operands.empty())
      return false;
    what = "operand of " + std::to_string(at);
    op.operands[static_cast<size_t>(below(static_cast<int64_t>(op.operands.size())))] = static_cast<int>(below(at));
    return true;
  case 6: // another operation
    what = "operation " + std::to_string(at);
    if (op.kind == Kind::AllReduce || op.kind == Kind::ReduceScatter)
      op.name = op.name == "sum" ? "max" : "sum";
    else if (op.kind == Kind::Exchange)
      op.kind = chance(2) ? Kind::Broadcast : Kind::AllReduce, op.name = "sum";
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
    extra.kind = pick(kinds);
    extra.group = randomGroup();
    extra.dim = extra.concat = static_cast<int>(below(3));
    extra.name = chance(4) ? "max" : "sum";
    what = "collective behind " + std::to_string(at);
    insertBehind(mutant, at, extra);
    return true;
  }
  case 9: // a reshape's sizes in another order
    if (op.kind != Kind::Reshape)
      return false;
    what = "sizes of " + std::to_string(at);
    std::shuffle(op.shape.begin(), op.shape.end(), random);
    return true;
  default: { // one more permutation
    ProgramOp extra;
    extra.kind = Kind::Transpose;
    extra.permutation = iota(static_cast<size_t>(1 + below(4)));
    std::shuffle(extra.permutation.begin(), extra.permutation.end(), random);
    what = "permutation behind " + std::to_string(at);
    insertBehind(mutant, at, extra);
    return true;
  }
  }
}

std::optional<Program> ProgramMaker::mutate(const Program &right, std::string &what) {
  std::string before = right.text(right.mesh);
  for (int tries = 0; tries < 60; ++tries) {
    Program mutant = right;
    if (edit(mutant, what) && mutant.shapes(mutant.mesh) && mutant.text(mutant.mesh) != before)
      return mutant;
  }
  return std::nullopt;
}

} // namespace muster::test
