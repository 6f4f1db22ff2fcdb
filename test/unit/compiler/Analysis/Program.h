// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs of few operations, to compare what is proved of them with what they compute.
//
// The sizes of a program are known as a number times powers of the sizes of axes. So the same program has a text for a
// mesh and a text for the mesh of one rank, and what the ranks of the mesh hold must be parts of what that rank holds:
// the definition of a right program.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAM_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAM_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster::test {

using Sizes = std::vector<int64_t>;

/// factor * product of axis sizes to the power of exponents.
struct Extent {
  int64_t factor = 1;
  std::array<int, 3> exponents = {};
  /// 0 where it is not whole.
  int64_t at(const Sizes &mesh) const;
  friend Extent operator*(Extent a, const Extent &b);
};

/// One name of a layout: a logical dim of `size` positions, divided by axes, outer first.
struct Term {
  int name;
  int64_t size;
  std::vector<int> axes;
  friend bool operator==(const Term &a, const Term &b) {
    return a.name == b.name && a.size == b.size && a.axes == b.axes;
  }
  Extent local() const;
};

/// A tensor dim: terms, major first. Arguments and results have one term a dim.
using Terms = std::vector<Term>;

/// The product of all terms on one rank.
Extent localOf(const Terms &terms);
std::vector<Extent> extentsOf(const std::vector<Terms> &dims);
/// The size of a group of axes to a power.
Extent groupExtent(const std::vector<int> &axes, int power);
int64_t sizeOf(const Sizes &mesh, const std::vector<int> &group);

struct ProgramOp {
  enum class Kind {
    Argument, ///< `dims`
    Constant, ///< `shape`: numbers that differ
    Reshape,  ///< to `shape`
    Transpose,
    AllGather,
    Slice,
    AllToAll, ///< split `dim`, concat `concat`
    Exchange,
    AllReduce,
    ReduceScatter,
    Broadcast,
    Product, ///< sums the product over iterators that are not in `resultMap`
    Binary,  ///< `name` is an arith operation
    Unary,   ///< `name` is a math operation
    Scale,
    Shift,  ///< adds a number
    Reduce, ///< iterators that are not in `resultMap`, by `name`
    Matmul, ///< this and the next four are operations of nn
    RmsNorm,
    SplitHeads, ///< `heads` of `headDim`, on all ranks
    MergeHeads,
    Rope,   ///< input, cosines, sines, positions
    Concat, ///< along `dim`
    Part,   ///< of `dim`: `shape` is its offset and its size
    // Regions, from the operation that opens one to the one that closes it.
    LoopBegin, ///< its value is what two iterations carry, from the operand on
    LoopEnd,   ///< the operand is carried on; the value is what the last iteration leaves
    Then,      ///< opens a branch that is taken where the operand begins with 0; has no value
    Else,      ///< the operand is the value of the first branch; has no value
    BranchEnd, ///< the operand is the value of the second branch
    CallBegin, ///< a function of its own, called on the operand; its value is the argument
    CallEnd,   ///< returns the operand; the value is what the call gives
    CallAgain  ///< calls the function that the operation with tag `callee` opened
  };
  Kind kind;
  std::vector<int> operands = {};
  std::vector<int> group = {};
  int dim = 0, concat = 0;
  std::string name = {};
  std::vector<int> permutation = {};
  std::vector<Extent> shape = {};
  std::vector<std::vector<int>> maps = {};
  std::vector<int> resultMap = {};
  std::vector<Terms> dims = {};
  int tag = 0; ///< names an argument's values, whatever is inserted before it
  int64_t heads = 0, headDim = 0;
  int64_t bound = 0; ///< of an argument: its numbers are whole ones below this; 0 where they are real
  int callee = 0;
};

/// Which operations stand in which region. Region 0 is the function.
struct Scopes {
  std::vector<int> regionOf; ///< by operation: where its value is seen; -1 where nothing sees it
  std::vector<int> other;    ///< by operation that opens or closes a region: the last or first of it
  bool isNested = true;      ///< every operand is seen, every end fits its begin
  bool isClosed = false;     ///< and there is an end to each
};

struct Program {
  Sizes mesh;
  std::vector<ProgramOp> ops; ///< each makes one value; operands are numbers of earlier operations
  int result = 0;
  std::vector<Terms> resultDims;

  /// Local shapes of all values on a mesh; nullopt where some operation is not well typed.
  std::optional<std::vector<Sizes>> shapes(const Sizes &on) const;
  /// The same, whatever the result is declared to be.
  std::optional<std::vector<Sizes>> shapesOfOps(const Sizes &on) const;
  Scopes scopes() const;
  /// By value: whether it has whole numbers.
  std::vector<bool> integers() const;
  /// The module on a mesh; it must be well typed there.
  std::string text(const Sizes &on) const;
  Sizes single() const { return Sizes(mesh.size(), 1); }
};

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAM_H
