// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a tensor of a program that runs on a mesh holds: for each rank and local index, which element of which logical
// tensor.
//
// A *space* is a named, ordered index set: each dim of an entry argument or weight makes one; equal names in one
// signature are one space. A *digit* `(count : stride @ space)` is a mixed-radix digit of a position in a space: digit
// value v in [0, count) adds v * stride to the position. A *local* digit is a part of a local index; a *mesh* digit is
// `(coordinate on axis / weight) mod count`, so its value differs between ranks. A dim of a tensor is an ordered list
// of digits, major first, local and mesh digits together: a dim owns its shards. The local index along the dim runs
// over its local digits.
//
// Example: `tensor<2x12x4xf32>` with layout [b, s/sp, h] on sp = 4, so s = 48:
//
//   | dim | digits                              | says                                           |
//   | --- | ----------------------------------- | ---------------------------------------------- |
//   | 0   | (2 : 1 @b)                          | local position = b                             |
//   | 1   | (4 : 12 @s, sp) (12 : 1 @s)         | s = 12 * (coordinate on sp) + local position   |
//   | 2   | (4 : 1 @h)                          | local position = h                             |
//
// Data movement never changes which element a digit names; it regroups, reorders and swaps digits between a rank's
// index and the mesh. So a proof compares digit lists, and no size is ever enumerated:
//
//   reshape [12, 4] -> [3, 4, 4]   cuts (12 : 1) into (3 : 4)(4 : 1)
//   transpose                      reorders dims
//   all_to_all split 2 concat 1    (4 : 1 @h) becomes a mesh digit, (4 : 12 @s, sp) a local one: dim 1 is (48 : 1 @s)
//
// Besides its dims a value has *floats* (mesh digits that continue no local digit: a shard of a dim of local size 1,
// whose dim may vanish in a reshape), *pending* digits (the ranks that differ in them hold parts of a sum that was not
// taken yet) and a *multiplicity* (after the pending sums, the element times this factor; 1 but for faults).
//
// The claim behind a value: let A be the logical tensor of the same program at mesh size 1. Then on rank r, local index
// i, reducing over the pending digits, the value is multiplicity * A[x] with x_S = sum of digit * stride over digits of
// S.

#ifndef MUSTER_COMPILER_LAYOUT_VALUE_H
#define MUSTER_COMPILER_LAYOUT_VALUE_H

#include "compiler/Layout/Size.h"

#include "llvm/ADT/SmallVector.h"

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::layout {

using SpaceId = uint32_t;
using AxisId = uint32_t;
/// Axes over which something is divided or exchanged, outer to inner; a position is its coordinates read in that order.
using Group = llvm::ArrayRef<AxisId>;

/// A part of a space, of which values first, first + step, ... of a digit (count : below @of) were taken: position
/// (h * taken + v) * below + l of it is position (h * count + first + v * step) * below + l of the space.
struct Range {
  SpaceId of;
  int64_t below, count, first, step, taken;
  /// Of each rank's part a part: positions are not in the order that one rank alone has.
  bool isNested = false;
};

/// Rows that counts divide (Rows.h): segments in the order of the positions of a group.
struct Rows {
  std::string batch, unit; ///< what the counts count
  llvm::SmallVector<AxisId, 2> axes;
  Size part; ///< how long segments are taken to be: a symbol, times what padded ones are a multiple of
  /// Of segments that end in dead rows: which padding made them, numbered from 1; 0 for others.
  unsigned padding = 0;
  /// Of those: some step has dead rows; a padding of the program gives dead rows a value.
  bool isLonger = false, isFilled = false;
  /// Of those: all segments are equally long in each step.
  bool isLevel = false;
  /// Whether these are of one batch and divided alike; lengths differ with the unit and the padding.
  bool isSameBatch(const Rows &other) const { return batch == other.batch && axes == other.axes; }
  bool hasSameLengths(const Rows &other) const {
    return isSameBatch(other) && unit == other.unit && padding == other.padding;
  }
};

/// A named index set. A tag says that positions are not the plain order (a chunk order, a batch, padding); spaces with
/// different tags never agree by position.
struct Space {
  std::string name;
  Size size;
  std::string tag = {};
  /// A declared result names it: its digits may not be read otherwise, and it is consumed whole or not at all.
  bool isBound = false;
  /// Lengths of minor runs that the program names as dims of their own (head_dim of nn.split_heads): each may be
  /// consumed without the rest of the space.
  llvm::SmallVector<Size, 1> runs = {};
  /// A zig-zag order of space `twin`: position p of this space is position `zigZagPosition(p, size, zigZagParts)` of
  /// it.
  std::optional<SpaceId> twin = {};
  /// Positions of a piece of this space, counted from the piece's own beginning.
  std::optional<SpaceId> pieceOf = {};
  Size zigZagParts = 1;
  /// Made of parts side by side: nothing else has its positions by name.
  bool isJoined = false;
  /// What a slice took of another space (Ranges.h).
  std::optional<Range> range = {};
  /// Of rows that counts divide.
  std::optional<Rows> rows = {};
};

/// The zig-zag (dual-chunk) order over `parts` parts: 2 * parts chunks, of which part r holds chunk r and then chunk
/// 2 * parts - 1 - r. The position of element `index` of the parts laid side by side. `parts` divides `size` twice.
int64_t zigZagPosition(int64_t index, int64_t size, int64_t parts);

struct Axis {
  std::string name;
  Size size;
  /// Of a digit of an axis that a program names in parts: the axis, and the digit's weight in it. Digits of one axis
  /// stand side by side, major first.
  std::string whole = {};
  Size weight = 1;
  /// The space of the parts that ranks along this axis hold of a reduction, where such parts may move (Value::parts).
  std::optional<SpaceId> parts = {};
};

/// What the ids in values refer to. One per function that is analysed.
struct Universe {
  std::vector<Axis> axes;
  std::vector<Space> spaces;
  Symbols symbols;
  /// Ranges of spaces by what they took.
  std::map<std::array<int64_t, 7>, SpaceId> ranges;
  /// Spaces of what is computed of different parts of one space, by the digits of both.
  std::map<std::vector<int64_t>, SpaceId> meetings;

  SpaceId addSpace(Space space) {
    spaces.push_back(std::move(space));
    return static_cast<SpaceId>(spaces.size() - 1);
  }
  Size sizeOf(Group group) const;
  /// A number that no reshape of this universe had before (Anchor::group). It says nothing of what values hold.
  uint64_t newAnchorGroup() const { return ++anchorGroups; }

  /// Operations of which readings had different results, in the order in which they were asked: which was taken. A
  /// program that is not proved so may be proved with others.
  struct Choice {
    size_t taken = 0, options = 0;
  };
  std::vector<Choice> choices;
  size_t asked = 0;
  /// A choice had other ways than the options that are tried: that none of these is right says nothing.
  bool hasOpenChoice = false;
  /// An operation took a reading with loose shards (Value::isLoose).
  bool hasLoose = false;
  /// What an operation did that certificates have no rule for; empty where there was nothing.
  std::string uncovered;
  /// Which of `options` results the next such operation takes.
  size_t choose(size_t options);
  /// The next choices in order, all before the last that were asked for the same; false where all were taken.
  bool nextChoices();

private:
  mutable uint64_t anchorGroups = 0;
};

struct Digit {
  static constexpr AxisId local = ~AxisId(0);

  Size count;
  Size stride;
  SpaceId space = 0;
  AxisId axis = local;
  /// Of a mesh digit: its value is (coordinate / weight) mod count.
  Size weight = 1;
  /// Set on a digit that is or was on the mesh: the stride down to which the run reached from which it was cut; its own
  /// stride where nothing lay below it.
  std::optional<Size> home;
  /// A mesh digit whose dim is a choice: it stands beside a unit dim that a reshape or exchange made.
  bool isAmbiguous = false;
  /// Of stride 0: a broadcast made these copies, so one rank alone has them too. Other duplicates come from ranks that
  /// held the same, of which one rank alone has one.
  bool isCopy = false;
  /// Which part of a reduction that is still to be taken: a digit of Axis::parts. On one rank there is one part.
  bool isPart = false;

  bool isMesh() const { return axis != local; }
  /// Equal but for home marks.
  bool names(const Digit &other) const {
    return count == other.count && stride == other.stride && space == other.space && axis == other.axis &&
           weight == other.weight && isCopy == other.isCopy;
  }
};

/// This digit and then `next`: one run of positions. Duplicates (stride 0) are no run.
inline bool continues(const Digit &digit, const Digit &next) {
  return digit.space == next.space && !next.stride.isZero() && digit.stride == next.count * next.stride;
}

/// "A floating digit of this space and stride may be a shard of this dim, where `behind` local elements follow."
/// Anchors of one dim stand in the order of their places, major first.
struct Anchor {
  SpaceId space;
  Size stride;
  Size behind = 1;
  /// Unit dims that one reshape made at one place share all anchors of the place; of two digits the major one (lesser
  /// `item`) is in no later dim (greater `unit`) than the other. Group 0 has one dim.
  uint64_t group = 0;
  int64_t item = 0, unit = 0;
  bool claims(const Digit &digit) const { return space == digit.space && stride == digit.stride; }
  /// The same anchor, whatever its group.
  friend bool operator==(const Anchor &a, const Anchor &b) {
    return a.space == b.space && a.stride == b.stride && a.behind == b.behind;
  }
};

/// Of a dim of a reading (Readings.h), where a rank has its elements in another order than one rank alone: the local
/// digits as they lie on the rank, and what each steps over on one rank (count and positions; neighbours that continue
/// each other are one).
struct LocalOrder {
  llvm::SmallVector<Digit, 4> digits;
  llvm::SmallVector<std::pair<int64_t, int64_t>, 4> steps;
};

struct Dim {
  llvm::SmallVector<Digit, 2> digits;
  /// Of a reading: `digits` are in the order of one rank, and this is how they lie here. Null where that is the same.
  std::shared_ptr<const LocalOrder> order;
  llvm::SmallVector<Anchor, 0> anchors;
  /// Parts side by side (packed q, k and v), each a dim of its own; `digits` is empty then. Operations carry a
  /// segmented dim, compare it segment by segment, or take whole segments out of it.
  std::vector<Dim> segments;
  /// Of a segment: ranges of one position, where its elements are besides those of the value.
  llvm::SmallVector<SpaceId, 0> at;

  bool isSegmented() const { return !segments.empty(); }
  /// Whether an anchor says that the mesh digit may be a shard of this dim.
  bool mayClaim(const Digit &digit) const;

  /// Elements along the dim on one rank.
  Size localSize() const;
};

enum class Reduction : uint8_t { Sum, Maximum, Minimum, Product };

/// Ranks that differ in (coordinate / weight) mod count of the axis hold parts that are still to be reduced.
struct Pending {
  Size count;
  AxisId axis;
  Size weight;
  Reduction reduction;
  friend bool operator==(const Pending &a, const Pending &b) {
    return a.count == b.count && a.axis == b.axis && a.weight == b.weight && a.reduction == b.reduction;
  }
};

/// numerator / denominator of sizes, in lowest terms as far as monomials go.
struct Ratio {
  Size numerator = 1, denominator = 1;
  bool isOne() const { return numerator == denominator; }
  friend Ratio operator*(const Ratio &a, const Ratio &b);
  friend bool operator==(const Ratio &a, const Ratio &b) {
    return a.numerator * b.denominator == b.numerator * a.denominator;
  }
};

struct History;

struct Value {
  llvm::SmallVector<Dim, 4> dims;
  llvm::SmallVector<Digit, 0> floats;
  llvm::SmallVector<Pending, 0> pending;
  /// Reductions whose parts were gathered or exchanged: they lie side by side in a dim, as a digit of the space
  /// Axis::parts, and are reduced by an operation that reduces that dim.
  llvm::SmallVector<Pending, 0> parts;
  Ratio multiplicity;
  /// Ranges of one position: where the elements are in spaces of which no digit is left. It is known of a value that
  /// was sliced, and may be forgotten.
  llvm::SmallVector<SpaceId, 0> at;
  /// An operation had several readings of different results, and one was taken: a later refusal says nothing.
  bool isChoice = false;
  /// How the value moved since its mesh digits stood in their dims; null where they do, and where sizes are symbols
  /// (History.h).
  std::shared_ptr<const History> history;
  /// A reading: floats are what ranks were handed copies of, and are in no dim.
  bool isLoose = false;
  /// The dims where mesh digits stand, or the lack of one, may not be those that they are shards of.
  bool isUnsettled = false;

  llvm::SmallVector<Size, 4> localShape() const;
  /// No reduction is to be taken, and multiplicity 1.
  bool isFull() const { return pending.empty() && parts.empty() && multiplicity.isOne(); }
  /// Calls `visit` for each mesh digit, of dims and floats.
  template <typename Visit>
  void forEachMeshDigit(Visit visit) const {
    for (const Dim &dim : dims) {
      for (const Dim &segment : dim.segments)
        for (const Digit &digit : segment.digits)
          if (digit.isMesh())
            visit(digit);
      for (const Digit &digit : dim.digits)
        if (digit.isMesh())
          visit(digit);
    }
    for (const Digit &digit : floats)
      visit(digit);
  }
};

/// Whether both lists have the same entries, in whatever order.
bool isSameReductions(llvm::ArrayRef<Pending> a, llvm::ArrayRef<Pending> b);
/// Whether the same reductions are still to be taken of both, and both have one multiplicity.
bool isReducedAlike(const Value &a, const Value &b);
/// What is still to be reduced, and how often it was, as in `from`.
void copyReduction(const Value &from, Value &to);

/// Whether two values say the same of every element (normal forms; home marks and anchors aside).
bool isSame(const Value &a, const Value &b);

/// "[(4 : 12 @s, sp)(12 : 1 @s)]" and so on, for messages and tests; docs/layouts.md tells users how to read it.
std::string print(const Universe &universe, const Digit &digit);
std::string print(const Universe &universe, const Dim &dim);
std::string print(const Universe &universe, const Value &value);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_VALUE_H
