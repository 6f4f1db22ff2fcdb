// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Packed.h"

#include "compiler/Layout/Compare.h"
#include "compiler/Layout/DimGroups.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/Movement.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Readings.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

llvm::SmallVector<Size, 4> Packed::localShape() const {
  llvm::SmallVector<Size, 4> shape = parts.front().localShape();
  int64_t size = 0;
  for (size_t i = 0; i < parts.size(); ++i)
    size += partSize(i);
  shape[dim] = size;
  return shape;
}

std::optional<Packed> unpack(const Value &value) {
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    if (!value.dims[dim].isSegmented())
      continue;
    Packed packed;
    packed.dim = dim;
    for (const Dim &segment : value.dims[dim].segments) {
      Value part = value;
      part.dims[dim] = segment;
      part.dims[dim].at.clear();
      llvm::append_range(part.at, segment.at);
      part.history.reset(); // it tells of the dim that this is a part of
      normalise(part);
      packed.parts.push_back(std::move(part));
    }
    return packed;
  }
  return std::nullopt;
}

/// The parts but for their dim; nullopt where they differ.
static std::optional<Value> restOf(const Packed &packed) {
  std::optional<Value> common;
  bool isChoice = false;
  for (const Value &part : packed.parts) {
    if (hasMoved(part))
      return std::nullopt;
    Value rest = part;
    rest.dims[packed.dim] = Dim();
    rest.history.reset();
    isChoice |= part.isChoice;
    if (common) { // where all of them are
      llvm::erase_if(rest.at, [&](SpaceId space) { return !llvm::is_contained(common->at, space); });
      common->at = rest.at;
    }
    if (common && !isSame(rest, *common))
      return std::nullopt;
    common = std::move(rest);
  }
  common->isChoice = isChoice;
  return common;
}

std::optional<Value> asSegments(const Packed &packed) {
  std::optional<Value> value = restOf(packed);
  if (!value || packed.blocks != 1 || packed.isCut)
    return std::nullopt;
  for (const Value &part : packed.parts) {
    if (part.dims[packed.dim].isSegmented())
      return std::nullopt;
    Dim segment = part.dims[packed.dim];
    llvm::copy_if(part.at, std::back_inserter(segment.at),
                  [&](SpaceId space) { return !llvm::is_contained(value->at, space); });
    value->dims[packed.dim].segments.push_back(std::move(segment));
  }
  return value;
}

/// restOf where positions of the other dims agree, by the names of the first part.
static std::optional<Value> agreedRestOf(const Universe &universe, const Packed &packed) {
  Packed alike = packed;
  const Value &first = packed.parts.front();
  for (Value &part : alike.parts)
    for (unsigned dim = 0; dim < part.dims.size(); ++dim) {
      if (dim == packed.dim)
        continue;
      if (part.dims[dim].isSegmented() || disagreement(universe, first.dims[dim], part.dims[dim]))
        return std::nullopt;
      part.dims[dim] = first.dims[dim];
    }
  return restOf(alike);
}

/// asWhole of parts whose dims are settled.
static std::optional<Value> asSettledWhole(const Universe &universe, const Packed &packed, SpaceId space) {
  std::optional<Value> value = agreedRestOf(universe, packed);
  if (!value || packed.blocks != 1)
    return std::nullopt;
  Digit digit;
  digit.count = 0;
  digit.stride = 1;
  digit.space = space;
  int64_t size = 0;
  for (const Value &part : packed.parts) {
    if (part.dims[packed.dim].isSegmented())
      return std::nullopt;
    Outcome<FlatDim> flat = flatten(universe, part.dims[packed.dim]);
    if (!flat || !flat->mesh.empty() || !flat->tags.empty() || flat->local.size() > 1 ||
        !(flat->extent == part.dims[packed.dim].localSize()))
      return std::nullopt;
    if (!flat->local.empty() && !flat->local.front().stride.isOne())
      return std::nullopt; // in another order than on one rank
    size += flat->extent.getValue();
  }
  digit.count = size;
  value->dims[packed.dim].digits.push_back(digit);
  return value;
}

/// Whether parts have the same sizes on one rank but for their dim.
static bool haveSameExtents(const Universe &universe, const Packed &packed) {
  for (const Value &part : packed.parts)
    for (unsigned dim = 0; dim < part.dims.size(); ++dim) {
      if (dim == packed.dim)
        continue;
      Outcome<FlatDim> own = flatten(universe, part.dims[dim]),
                       first = flatten(universe, packed.parts.front().dims[dim]);
      if (own && first && !(own->extent == first->extent))
        return false;
    }
  return true;
}

std::optional<Value> asWhole(const Universe &universe, const Packed &packed, SpaceId space) {
  if (llvm::none_of(packed.parts, hasMoved))
    return asSettledWhole(universe, packed, space);
  // The parts that moved by each of their readings, together those that have the same sizes on one rank.
  constexpr size_t most = 256;
  std::vector<Packed> combinations(1, packed);
  for (size_t i = 0; i < packed.parts.size(); ++i) {
    if (!hasMoved(packed.parts[i]))
      continue;
    Outcome<llvm::SmallVector<Value, 1>> readings = soundReadingsOf(universe, packed.parts[i]);
    if (!readings || readings->size() * combinations.size() > most)
      return std::nullopt;
    std::vector<Packed> next;
    for (const Packed &combination : combinations)
      for (const Value &reading : *readings) {
        if (reading.isLoose || !reading.floats.empty())
          return std::nullopt;
        next.push_back(combination);
        next.back().parts[i] = reading;
        next.back().parts[i].history.reset();
        next.back().parts[i].isUnsettled = false;
      }
    combinations = std::move(next);
  }
  std::optional<Value> whole;
  for (const Packed &combination : combinations) {
    if (!haveSameExtents(universe, combination))
      continue;
    std::optional<Value> own = asSettledWhole(universe, combination, space);
    if (!own)
      return std::nullopt;
    startHistory(*own);
    normalise(*own);
    if (!whole)
      whole = std::move(own);
    else if (!addArrangements(*whole, *own))
      return std::nullopt;
  }
  return whole;
}

Outcome<Packed> reshape(const Universe &universe, const Packed &packed, llvm::ArrayRef<Size> shape) {
  llvm::SmallVector<Size, 4> before = packed.localShape();
  Refusal cut{Refusal::Kind::Misaligned,
              "this reshape ends inside a part of " + print(universe, packed.parts.front().dims[packed.dim]) +
                  " and what is packed behind it",
              ""};
  auto isConcrete = [](const Size &size) { return size.isConcrete(); };
  std::optional<llvm::SmallVector<DimGroup, 4>> groups;
  if (llvm::all_of(before, isConcrete) && llvm::all_of(shape, isConcrete))
    groups = pairDims(before, shape);
  if (!groups)
    return cut;
  auto productOf = [](llvm::ArrayRef<Size> sizes, size_t begin, size_t end) {
    int64_t size = 1;
    for (size_t i = begin; i < end; ++i)
      size *= sizes[i].getValue();
    return size;
  };
  for (const DimGroup &group : *groups) {
    if (packed.dim < group.inBegin || packed.dim >= group.inEnd)
      continue;
    // What stands before the parts repeats them, block by block; what stands behind them makes them longer.
    int64_t blocks = productOf(before, group.inBegin, packed.dim) * packed.blocks;
    int64_t behind = productOf(before, packed.dim + 1, group.inEnd);
    for (size_t dim = group.outBegin; dim < group.outEnd; ++dim) {
      int64_t outer = productOf(shape, group.outBegin, dim), inner = productOf(shape, dim + 1, group.outEnd);
      auto pieceOf = [&](size_t part) { return packed.partSize(part) / packed.blocks * behind; };
      bool isCut = blocks % outer != 0;
      for (size_t part = 0; part < packed.parts.size(); ++part)
        isCut |= pieceOf(part) % inner != 0;
      if (isCut)
        continue;
      Packed result;
      result.dim = static_cast<unsigned>(dim);
      result.blocks = blocks / outer;
      result.isCut = packed.isCut;
      bool isJoined = productOf(before, group.inBegin, packed.dim) > 1;
      result.isInterleaved = result.blocks > 1 && (packed.isInterleaved || isJoined);
      for (size_t part = 0; part < packed.parts.size(); ++part) {
        llvm::SmallVector<Size, 4> own(shape);
        own[dim] = result.blocks * (pieceOf(part) / inner);
        Outcome<Value> reshaped = reshape(universe, packed.parts[part], own);
        if (!reshaped)
          return reshaped.getRefusal();
        result.parts.push_back(std::move(*reshaped));
      }
      return result;
    }
  }
  return cut;
}

std::pair<size_t, int64_t> placeIn(const Packed &packed, int64_t index) {
  int64_t block = 0;
  for (size_t part = 0; part < packed.parts.size(); ++part)
    block += packed.partSize(part) / packed.blocks;
  int64_t number = index / block, rest = index % block;
  size_t part = 0;
  for (; part + 1 < packed.parts.size(); ++part) {
    int64_t piece = packed.partSize(part) / packed.blocks;
    if (rest < piece)
      break;
    rest -= piece;
  }
  return {part, number * (packed.partSize(part) / packed.blocks) + rest};
}

PackedDim packedDimOf(const Packed &packed) {
  PackedDim dim;
  dim.blocks = packed.blocks;
  dim.isInterleaved = packed.isInterleaved;
  for (const Value &part : packed.parts)
    dim.parts.push_back(part.dims[packed.dim]);
  return dim;
}

namespace {

/// By local index: the position on one rank where all coordinates are 0, and what the coordinates add.
struct PositionTable {
  std::vector<int64_t> positions;
  std::vector<size_t> parts;
  llvm::SmallVector<llvm::SmallVector<Digit, 2>, 3> mesh; ///< by part
  int64_t extent = 0;
};

} // namespace

static Outcome<PositionTable> tableOf(const Universe &universe, const PackedDim &dim) {
  constexpr int64_t most = int64_t(1) << 20;
  PositionTable table;
  llvm::SmallVector<FlatDim, 3> flats;
  llvm::SmallVector<int64_t, 3> bases;
  int64_t size = 0;
  for (const Dim &part : dim.parts) {
    Outcome<FlatDim> flat = flatten(universe, part);
    if (!flat)
      return flat.getRefusal();
    if (!flat->tags.empty() || !flat->extent.isConcrete() || (size += part.localSize().getValue()) > most)
      return Refusal{Refusal::Kind::Unknown, "positions of " + print(universe, part) + " beside others",
                     "operands that are packed alike"};
    bases.push_back(table.extent);
    table.extent += flat->extent.getValue();
    table.mesh.push_back({flat->mesh.begin(), flat->mesh.end()});
    flats.push_back(std::move(*flat));
  }
  for (int64_t block = 0; block < dim.blocks; ++block)
    for (size_t part = 0; part < flats.size(); ++part) {
      int64_t piece = dim.parts[part].localSize().getValue() / dim.blocks;
      for (int64_t i = 0; i < piece; ++i) {
        int64_t rest = block * piece + i, position = bases[part];
        for (const Digit &digit : llvm::reverse(flats[part].local)) {
          position += rest % digit.count.getValue() * digit.stride.getValue();
          rest /= digit.count.getValue();
        }
        table.positions.push_back(position);
        table.parts.push_back(part);
      }
    }
  return table;
}

static bool hasSameDigits(const PackedDim &a, const PackedDim &b) {
  auto names = [](const Digit &x, const Digit &y) { return x.names(y); };
  bool isSame = a.blocks == b.blocks && a.isInterleaved == b.isInterleaved && a.parts.size() == b.parts.size();
  for (size_t part = 0; isSame && part < a.parts.size(); ++part) {
    const auto &x = a.parts[part].digits, &y = b.parts[part].digits;
    isSame = x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), names);
  }
  return isSame;
}

std::optional<Refusal> disagreement(const Universe &universe, const PackedDim &a, const PackedDim &b) {
  if ((a.isInterleaved || b.isInterleaved) && !hasSameDigits(a, b))
    return Refusal{Refusal::Kind::Unknown, "blocks of parts side by side beside a dim of another order",
                   "operands that are packed alike, or one part at a time"};
  Outcome<PositionTable> left = tableOf(universe, a), right = tableOf(universe, b);
  if (!left)
    return left.getRefusal();
  if (!right)
    return right.getRefusal();
  auto textOf = [&](const PackedDim &dim) {
    Dim whole;
    whole.segments.assign(dim.parts.begin(), dim.parts.end());
    return dim.parts.size() == 1 ? print(universe, dim.parts.front()) : print(universe, whole);
  };
  std::string both = textOf(a) + " and " + textOf(b);
  if (left->extent != right->extent)
    return Refusal::wrong("over all ranks one side has " + std::to_string(left->extent) + " positions, the other " +
                          std::to_string(right->extent) + ": " + both);
  auto names = [](const Digit &x, const Digit &y) { return x.names(y); };
  bool isEqual = left->positions == right->positions;
  for (size_t i = 0; isEqual && i < left->positions.size(); ++i) {
    const auto &x = left->mesh[left->parts[i]], &y = right->mesh[right->parts[i]];
    isEqual = x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), names);
  }
  if (!isEqual)
    return Refusal::wrong("the same index names different positions: " + both);
  return std::nullopt;
}

} // namespace muster::layout
