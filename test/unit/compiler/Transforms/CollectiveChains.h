// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random chains of collectives, transpositions and slices over a mesh of several axes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace muster::test {

/// Text of a module with an entry @entry of one argument and one result, both of rank 3. With `dynamic` one dim of the
/// argument is the count t. `shape` is the argument's, the dynamic dim's size included. A group has its axes in any
/// order; only sizes that a group divides are cut.
struct CollectiveChain {
  std::string text;
  std::vector<int64_t> shape;
  int64_t ranks = 1;
  int64_t collectives = 0, transposes = 0, slices = 0;

  CollectiveChain(std::mt19937 &random, bool dynamic) : random(random) {
    const char *names[] = {"dp", "tp", "pp"};
    std::string mesh;
    int64_t axisCount = 1 + pick(3);
    for (int64_t axis = 0; axis < axisCount; ++axis) {
      sizes.push_back(1 + pick(axisCount == 3 ? 2 : 4));
      axes.push_back(names[axis]);
      mesh += (axis ? ", " : "") + quoted(axes[axis]) + " = " + std::to_string(sizes[axis]);
      ranks *= sizes[axis];
    }
    for (int dim = 0; dim < 3; ++dim)
      shape.push_back((dim == 0 ? 12 : 1) * (1 + pick(3)) * (pick(2) ? ranks : 1));
    open = dynamic ? static_cast<int>(pick(3)) : -1;
    if (dynamic)
      shape[open] = pick(2) ? 3 : 2 * ranks;
    current = shape;
    std::string argument = type();
    for (int64_t op = 0, count = 2 + pick(7); op < count; ++op)
      add();
    // All that may grow stays small.
    text = "muster.mesh @mesh <[" + mesh + "]>\nfunc.func @entry(%v0: " + argument +
           " {muster.layout = #muster.layout<[" + dimNames() + "]>}) -> (" + type() +
           " {muster.layout = #muster.layout<[x, y, z]>}) attributes {muster.bounds = {t = 40 : i64}} {\n" + body +
           "  return %v" + std::to_string(value) + " : " + type() + "\n}\n";
  }

private:
  int64_t pick(int64_t below) { return static_cast<int64_t>(random() % below); }
  static std::string quoted(const std::string &name) { return "\"" + name + "\""; }

  std::string dimNames() const {
    std::string text;
    for (int dim = 0; dim < 3; ++dim)
      text += std::string(dim ? ", " : "") + (dim == first() ? "t" : std::string(1, static_cast<char>('a' + dim)));
    return text;
  }
  int first() const { return firstOpen; }

  /// The current value's type; the open dim is `?`.
  std::string type() {
    if (firstOpen == -2)
      firstOpen = open;
    std::string text = "tensor<";
    for (int dim = 0; dim < 3; ++dim)
      text += (dim == open ? "?" : std::to_string(current[dim])) + "x";
    return text + "f32>";
  }

  void emit(const std::string &op, const std::string &rest) {
    body += "  %v" + std::to_string(value + 1) + " = muster." + op + " %v" + std::to_string(value) + " " + rest + "\n";
    ++value;
    ++collectives;
  }

  /// A part of one or two dims, perhaps every second element; the open dim stays whole.
  void addSlice() {
    std::vector<int64_t> offsets(3, 0), steps(3, 1), old = current;
    std::string before = type(), next = std::to_string(value + 1);
    for (int cut = 0; cut < 2; ++cut) {
      int dim = static_cast<int>(pick(3));
      if (dim == open || old[dim] < 4 || current[dim] != old[dim])
        continue;
      steps[dim] = 1 + pick(2);
      current[dim] = 1 + pick(old[dim] / steps[dim] - 1);
      offsets[dim] = pick(old[dim] - (current[dim] - 1) * steps[dim]);
    }
    if (open >= 0)
      body += "  %c" + next + " = arith.constant " + std::to_string(open) + " : index\n  %d" + next +
              " = tensor.dim %v" + std::to_string(value) + ", %c" + next + " : " + before + "\n";
    auto list = [&](const std::vector<int64_t> &values, bool sized) {
      std::string text;
      for (int dim = 0; dim < 3; ++dim)
        text += (dim ? ", " : "") + (sized && dim == open ? "%d" + next : std::to_string(values[dim]));
      return "[" + text + "]";
    };
    body += "  %v" + next + " = tensor.extract_slice %v" + std::to_string(value) + list(offsets, false) +
            list(current, true) + list(steps, false) + " : " + before + " to " + type() + "\n";
    ++value;
    ++slices;
  }

  void add() {
    // A group: some axes in some order, at least one.
    std::vector<size_t> order(axes.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::shuffle(order.begin(), order.end(), random);
    order.resize(1 + pick(static_cast<int64_t>(axes.size())));
    std::string group;
    int64_t size = 1;
    for (size_t axis : order) {
      group += (group.empty() ? "" : ", ") + quoted(axes[axis]);
      size *= sizes[axis];
    }
    std::string on = "on " + (order.size() == 1 ? group : "[" + group + "]");
    std::string before = type();
    int from = static_cast<int>(pick(3)), to = static_cast<int>(pick(3));
    bool cuts = current[from] % size == 0;
    int64_t elements = current[0] * current[1] * current[2];
    switch (pick(11)) {
    case 0:
      if (elements * size > 20000)
        return;
      current[to] *= size;
      return emit("all_gather", on + " dim " + std::to_string(to) + " : " + before + " -> " + type());
    case 1:
      if (!cuts)
        return;
      current[from] /= size;
      return emit("slice", on + " dim " + std::to_string(from) + " : " + before + " -> " + type());
    case 2:
      if (!cuts)
        return;
      current[from] /= size;
      return emit("reduce_scatter", std::string(pick(2) ? "sum " : "max ") + on + " dim " + std::to_string(from) +
                                        " : " + before + " -> " + type());
    case 3:
      return emit("all_reduce", std::string(pick(2) ? "sum " : "max ") + on + " : " + before);
    case 4:
    case 5:
      if (!cuts)
        return;
      current[from] /= size, current[to] *= size;
      return emit("all_to_all", on + " split " + std::to_string(from) + " concat " + std::to_string(to) + " : " +
                                    before + " -> " + type());
    case 6:
      if (current[0] % size)
        return;
      return emit("exchange", on + " : " + before);
    case 7: {
      if (pick(2))
        return emit("broadcast", "from " + std::to_string(pick(size)) + " " + on + " : " + before);
      std::string sources;
      for (int64_t position = 0; position < size; ++position)
        sources += (position ? ", " : "") + std::to_string(pick(size + 1) - 1); // -1: nothing
      return emit("permute", "sources [" + sources + "] " + on + " : " + before);
    }
    case 8:
    case 9:
      return addSlice();
    default: {
      int p[3] = {0, 1, 2};
      std::shuffle(p, p + 3, random);
      std::vector<int64_t> old = current;
      int oldOpen = open;
      std::string at = std::to_string(value), next = std::to_string(value + 1);
      for (int dim = 0; dim < 3; ++dim) {
        current[dim] = old[p[dim]];
        if (oldOpen == p[dim])
          open = dim;
      }
      if (oldOpen >= 0)
        body += "  %c" + next + " = arith.constant " + std::to_string(oldOpen) + " : index\n  %d" + next +
                " = tensor.dim %v" + at + ", %c" + next + " : " + before + "\n";
      body += "  %e" + next + " = tensor.empty(" + (oldOpen >= 0 ? "%d" + next : "") + ") : " + type() + "\n  %v" +
              next + " = linalg.transpose ins(%v" + at + " : " + before + ") outs(%e" + next + " : " + type() +
              ") permutation = [" + std::to_string(p[0]) + ", " + std::to_string(p[1]) + ", " + std::to_string(p[2]) +
              "]\n";
      ++value;
      ++transposes;
    }
    }
  }

  std::mt19937 &random;
  std::vector<std::string> axes;
  std::vector<int64_t> sizes, current;
  int open = -1, firstOpen = -2; // the dynamic dim, now and of the argument
  int64_t value = 0;
  std::string body;
};

} // namespace muster::test
