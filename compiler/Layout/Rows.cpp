// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Rows.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

static const Rows *rowsOf(const Universe &universe, const Digit &digit) {
  if (digit.stride.isZero() || !universe.spaces[digit.space].rows)
    return nullptr;
  return &*universe.spaces[digit.space].rows;
}

Size segmentsOf(const Universe &universe, const Rows &rows) { return universe.sizeOf(rows.axes); }

/// What a rank has of the segments of a space.
enum class Form { Own, OwnParts, All };

/// Whether `digits` are the rows of one space: of own rows, the digits of its segments on the mesh; of parts of them,
/// digits of other axes that divide a segment; and all that is left in one local digit.
static bool isForm(const Universe &universe, llvm::ArrayRef<Digit> digits, SpaceId space, Form form) {
  const Rows &rows = *universe.spaces[space].rows;
  size_t next = 0;
  Size stride = segmentsOf(universe, rows) * rows.part;
  if (form != Form::All)
    for (AxisId axis : rows.axes) {
      const Size &size = universe.axes[axis].size;
      if (size.isOne())
        continue;
      std::optional<Size> below = divide(stride, size);
      if (!below || next == digits.size())
        return false;
      const Digit &digit = digits[next++];
      stride = *below;
      if (digit.space != space || digit.axis != axis || !(digit.count == size) || !(digit.stride == stride) ||
          !digit.weight.isOne() || digit.isPart)
        return false;
    }
  while (form == Form::OwnParts && next + 1 < digits.size()) {
    const Digit &digit = digits[next++];
    std::optional<Size> below = divide(stride, digit.count);
    if (!below || digit.space != space || !digit.isMesh() || llvm::is_contained(rows.axes, digit.axis) ||
        !(digit.stride == *below) || digit.isPart)
      return false;
    stride = *below;
  }
  if (next + 1 != digits.size())
    return false;
  const Digit &local = digits[next];
  return local.space == space && !local.isMesh() && local.count == stride && local.stride.isOne() && !local.isPart;
}

static std::optional<SpaceId> formOf(const Universe &universe, const Dim &dim, Form form) {
  if (dim.isSegmented() || dim.digits.empty() || !rowsOf(universe, dim.digits.front()))
    return std::nullopt;
  SpaceId space = dim.digits.front().space;
  return isForm(universe, dim.digits, space, form) ? std::optional(space) : std::nullopt;
}

std::optional<SpaceId> ownRowsOf(const Universe &universe, const Dim &dim) { return formOf(universe, dim, Form::Own); }
std::optional<SpaceId> allRowsOf(const Universe &universe, const Dim &dim) { return formOf(universe, dim, Form::All); }

Dim ownRows(const Universe &universe, SpaceId space) {
  const Rows &rows = *universe.spaces[space].rows;
  Dim dim;
  Size stride = segmentsOf(universe, rows) * rows.part;
  auto add = [&](const Size &count) -> Digit & {
    stride = *divide(stride, count);
    Digit &digit = dim.digits.emplace_back();
    digit.count = count;
    digit.stride = stride;
    digit.space = space;
    return digit;
  };
  for (AxisId axis : rows.axes)
    if (const Size &size = universe.axes[axis].size; !size.isOne()) {
      Digit &digit = add(size);
      digit.axis = axis;
      digit.home = Size(1);
    }
  add(rows.part);
  return dim;
}

const Rows *paddedRowsOf(const Universe &universe, const Dim &dim) {
  for (const Digit &digit : dim.digits)
    if (const Rows *rows = rowsOf(universe, digit); rows && rows->padding)
      return rows;
  for (const Dim &segment : dim.segments)
    if (const Rows *rows = paddedRowsOf(universe, segment))
      return rows;
  return nullptr;
}

std::optional<Refusal> refuseDeadRows(const Universe &universe, const Dim &dim, const std::string &take) {
  const Rows *rows = paddedRowsOf(universe, dim);
  if (!rows)
    return std::nullopt;
  std::string message = take + " padded rows, of which some are dead: " + print(universe, dim);
  if (!rows->isLonger || rows->isFilled)
    return Refusal{Refusal::Kind::Unknown, std::move(message), "rows without the dead ones (muster.unpad)"};
  Refusal refusal = Refusal::wrong(std::move(message));
  refusal.number = 1210;
  return refusal;
}

bool mayBeAsLong(const Universe &universe, const Dim &a, const Dim &b) {
  const Rows *own = paddedRowsOf(universe, a), *other = paddedRowsOf(universe, b);
  auto isOpen = [](const Rows *rows) { return rows && !rows->isLonger; };
  // By what rows were padded that come padded is not known.
  auto comesPadded = [&](const Dim &dim) {
    return llvm::any_of(dim.digits, [&](const Digit &digit) {
      const Rows *rows = rowsOf(universe, digit);
      return rows && rows->unit == "padded" && !rows->padding;
    });
  };
  return isOpen(own) || isOpen(other) || (own && other) || (own && comesPadded(b)) || (other && comesPadded(a));
}

bool hasRows(const Universe &universe, const Dim &dim) {
  auto isRow = [&](const Digit &digit) { return rowsOf(universe, digit) != nullptr; };
  return llvm::any_of(dim.digits, isRow) ||
         llvm::any_of(dim.segments, [&](const Dim &segment) { return llvm::any_of(segment.digits, isRow); });
}

bool mayCutRows(const Universe &universe, const Dim &dim, Group group) {
  std::optional<SpaceId> space = formOf(universe, dim, Form::OwnParts);
  if (!space)
    return false;
  const Rows &rows = *universe.spaces[*space].rows;
  return rows.padding && !dim.digits.back().isMesh() && divides(universe.sizeOf(group), dim.digits.back().count) &&
         llvm::none_of(group, [&](AxisId axis) { return llvm::is_contained(rows.axes, axis); });
}

/// The mesh digits that are of segments, which may be of unequal lengths.
static llvm::SmallVector<Digit, 2> segmentDigits(const Universe &universe, const Value &value) {
  llvm::SmallVector<Digit, 2> digits;
  value.forEachMeshDigit([&](const Digit &digit) {
    const Rows *rows = rowsOf(universe, digit);
    if (rows && !rows->isLevel && llvm::is_contained(rows->axes, digit.axis))
      digits.push_back(digit);
  });
  return digits;
}

llvm::SmallVector<AxisId, 2> segmentAxes(const Universe &universe, const Value &value) {
  llvm::SmallVector<AxisId, 2> axes;
  for (const Digit &digit : segmentDigits(universe, value))
    axes.push_back(digit.axis);
  return axes;
}

bool sameSegments(const Universe &universe, const Value &a, const Value &b) {
  llvm::SmallVector<Digit, 2> before = segmentDigits(universe, a), after = segmentDigits(universe, b);
  return before.size() == after.size() && llvm::all_of(before, [&](const Digit &digit) {
           return llvm::any_of(after, [&](const Digit &other) { return digit.names(other); });
         });
}

std::optional<Refusal> refuseCutRows(const Universe &universe, const Value &value) {
  auto refuse = [&](const Digit &digit) {
    return Refusal{Refusal::Kind::Unknown,
                   "rows that counts divide are not held segment by segment: " + print(universe, digit),
                   "that no segment is cut (counts on what moves its rows)"};
  };
  auto isCut = [&](const Digit &digit) {
    const Rows *rows = rowsOf(universe, digit);
    return rows && !rows->isLevel;
  };
  auto check = [&](llvm::ArrayRef<Digit> digits) -> std::optional<Refusal> {
    for (size_t i = 0; i < digits.size();) {
      if (!isCut(digits[i])) {
        ++i;
        continue;
      }
      // A run of digits of one space, in one of the forms.
      size_t end = i + 1;
      while (end < digits.size() && rowsOf(universe, digits[end]) && digits[end].space == digits[i].space)
        ++end;
      llvm::ArrayRef<Digit> run = digits.slice(i, end - i);
      SpaceId space = digits[i].space;
      bool isParts = rowsOf(universe, digits[i])->padding && isForm(universe, run, space, Form::OwnParts);
      if (!isParts && !isForm(universe, run, space, Form::Own) && !isForm(universe, run, space, Form::All))
        return refuse(digits[i]);
      i = end;
    }
    return std::nullopt;
  };
  for (const Digit &digit : value.floats)
    if (isCut(digit))
      return refuse(digit);
  for (const Dim &dim : value.dims) {
    if (auto refusal = check(dim.digits))
      return refusal;
    for (const Dim &segment : dim.segments)
      if (auto refusal = check(segment.digits))
        return refusal;
  }
  return std::nullopt;
}

} // namespace muster::layout
