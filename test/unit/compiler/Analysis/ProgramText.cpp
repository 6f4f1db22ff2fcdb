// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The module that a program is on a mesh.
#include "test/unit/compiler/Analysis/Program.h"

#include <algorithm>

namespace muster::test {

using Kind = ProgramOp::Kind;

static std::string axisName(int axis) { return std::string(1, static_cast<char>('a' + axis)); }

static std::string typeOf(const Sizes &shape, bool isInteger = false) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + (isInteger ? "i32>" : "f32>");
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

static std::string reshapeText(const std::string &id, const std::string &input, const Sizes &from, const Sizes &to,
                               bool isInteger) {
  std::string types = typeOf(from, isInteger) + " into " + typeOf(to, isInteger) + "\n";
  if (from.size() < to.size())
    if (std::string groups = reassociation(from, to); !groups.empty())
      return "  %v" + id + " = tensor.expand_shape %v" + input + " " + groups + " output_shape [" + listText(to) +
             "] : " + types;
  if (from.size() > to.size())
    if (std::string groups = reassociation(to, from); !groups.empty())
      return "  %v" + id + " = tensor.collapse_shape %v" + input + " " + groups + " : " + types;
  std::string shapeType = "tensor<" + std::to_string(to.size()) + "xindex>";
  return "  %s" + id + " = arith.constant dense<[" + listText(to) + "]> : " + shapeType + "\n  %v" + id +
         " = tensor.reshape %v" + input + "(%s" + id + ") : (" + typeOf(from, isInteger) + ", " + shapeType + ") -> " +
         typeOf(to, isInteger) + "\n";
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
  const Sizes &axisSizes = on;
  std::vector<Sizes> all = *shapes(on);
  Scopes regions = scopes();
  std::vector<bool> whole = integers();
  std::string axes, arguments, body, functions;
  std::vector<std::string> callers;
  for (size_t axis = 0; axis < on.size(); ++axis)
    axes += (axis ? ", \"" : "\"") + axisName(static_cast<int>(axis)) + "\" = " + std::to_string(on[axis]);
  for (size_t i = 0; i < ops.size(); ++i) {
    const ProgramOp &op = ops[i];
    const std::string id = std::to_string(i), type = typeOf(all[i], whole[i]);
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
    // A region's value is written where it begins.
    const std::string end = regions.other[i] < 0 ? "" : std::to_string(regions.other[i]);
    const std::string fromType = typeOf(from, whole[static_cast<size_t>(op.operands.front())]);
    auto operandAt = [&](size_t k) { return "%v" + std::to_string(op.operands[k]); };
    auto typeAt = [&](size_t k) {
      size_t value = static_cast<size_t>(op.operands[k]);
      return typeOf(all[value], whole[value]);
    };
    const std::string yielded = "  scf.yield %v" + input + " : " + fromType + "\n";
    const std::string result = "  %v" + id + " = ", operand = " %v" + input, on = " on " + groupText(op.group),
                      dim = " dim " + std::to_string(op.dim), one = " : " + type + "\n",
                      two = " : " + fromType + " -> " + type + "\n";
    switch (op.kind) {
    case Kind::Argument:
    case Kind::Constant:
      break;
    case Kind::Reshape:
      body += reshapeText(id, input, from, all[i], whole[i]);
      break;
    case Kind::Transpose:
      body += "  %e" + id + " = tensor.empty() : " + type + "\n" + result + "linalg.transpose ins(%v" + input + " : " +
              fromType + ") outs(%e" + id + " : " + type + ") permutation = [" +
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
    case Kind::Matmul:
      body += result + "nn.matmul" + operand + ", " + operandAt(1) + " : " + fromType + ", " + typeAt(1) + " -> " +
              type + "\n";
      break;
    case Kind::RmsNorm:
      body += result + "nn.rms_norm" + operand + ", " + operandAt(1) + " epsilon 1.0e-05 : " + fromType + ", " +
              typeAt(1) + "\n";
      break;
    case Kind::SplitHeads:
    case Kind::MergeHeads:
      body += result + (op.kind == Kind::SplitHeads ? "nn.split_heads" : "nn.merge_heads") + operand + " heads " +
              std::to_string(op.heads) + " head_dim " + std::to_string(op.headDim) + two;
      break;
    case Kind::Rope:
      body += result + "nn.rope" + operand + ", " + operandAt(1) + ", " + operandAt(2) + ", " + operandAt(3) + " : " +
              fromType + ", " + typeAt(1) + ", " + typeAt(3) + "\n";
      break;
    case Kind::Concat: {
      std::string operands, types;
      for (size_t k = 0; k < op.operands.size(); ++k) {
        operands += (k ? ", " : "") + operandAt(k);
        types += (k ? ", " : "") + typeAt(k);
      }
      body += result + "tensor.concat dim(" + std::to_string(op.dim) + ") " + operands + " : (" + types + ") -> " +
              type + "\n";
      break;
    }
    case Kind::Part: {
      Sizes offsets(from.size(), 0), strides(from.size(), 1);
      offsets[static_cast<size_t>(op.dim)] = op.shape[0].at(axisSizes);
      body += result + "tensor.extract_slice" + operand + "[" + listText(offsets) + "] [" + listText(all[i]) + "] [" +
              listText(strides) + "] : " + fromType + " to " + type + "\n";
      break;
    }
    case Kind::LoopBegin:
      body += "  %l" + id + " = arith.constant 0 : index\n  %u" + id + " = arith.constant 2 : index\n  %t" + id +
              " = arith.constant 1 : index\n  %v" + end + " = scf.for %n" + id + " = %l" + id + " to %u" + id +
              " step %t" + id + " iter_args(%v" + id + " = %v" + input + ") -> (" + type + ") {\n";
      break;
    case Kind::LoopEnd:
    case Kind::BranchEnd:
      body += yielded + "  }\n";
      break;
    case Kind::Then: {
      // Its Else closes it, whose end is that of the whole.
      size_t last = static_cast<size_t>(regions.other[static_cast<size_t>(regions.other[i])]);
      body += "  %c" + id + " = arith.constant 0 : index\n  %x" + id + " = tensor.extract %v" + input + "[%c" + id +
              "] : " + fromType + "\n  %k" + id + " = arith.constant 1 : i32\n  %b" + id + " = arith.cmpi slt, %x" +
              id + ", %k" + id + " : i32\n  %v" + std::to_string(last) + " = scf.if %b" + id + " -> (" +
              typeOf(all[last], whole[last]) + ") {\n";
      break;
    }
    case Kind::Else:
      body += yielded + "  } else {\n";
      break;
    case Kind::CallBegin:
      callers.push_back(body);
      body.clear();
      break;
    case Kind::CallEnd: {
      const ProgramOp &begin = ops[static_cast<size_t>(regions.other[i])];
      std::string callee = "@g" + std::to_string(begin.tag),
                  in = typeOf(all[static_cast<size_t>(regions.other[i])], whole[static_cast<size_t>(regions.other[i])]);
      functions += "func.func private " + callee + "(%v" + end + ": " + in + ") -> " + type + " {\n" + body +
                   "  return %v" + input + " : " + type + "\n}\n";
      body = callers.back() + result + "func.call " + callee + "(%v" + std::to_string(begin.operands[0]) + ") : (" +
             in + ") -> " + type + "\n";
      callers.pop_back();
      break;
    }
    case Kind::CallAgain:
      body += result + "func.call @g" + std::to_string(op.callee) + "(%v" + input + ") : (" + fromType + ") -> " +
              type + "\n";
      break;
    }
  }
  std::string type = typeOf(all[static_cast<size_t>(result)]);
  return "muster.mesh @m <[" + axes + "]>\n" + functions + "func.func @f(" + arguments + ") -> (" + type +
         " {muster.layout = " + layoutOf(resultDims) + "}) {\n" + body + "  return %v" + std::to_string(result) +
         " : " + type + "\n}\n";
}

} // namespace muster::test
