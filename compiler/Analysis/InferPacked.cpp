// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values side by side along one dim: what moves them does so with each (Packed.h). Computation is in ComputePacked.cpp.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Compare.h"
#include "compiler/Layout/History.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Outcome;
using layout::Packed;
using layout::Refusal;
using layout::Size;

//===----------------------------------------------------------------------===//
// What is known
//===----------------------------------------------------------------------===//

std::optional<Packed> FunctionInference::packedOf(const Known &known) {
  if ((known.kind == Known::Kind::Pulled || known.kind == Known::Kind::Waiting) && known.packed)
    return *known.packed;
  if (known.kind == Known::Kind::Digits)
    return layout::unpack(known.value);
  return std::nullopt;
}

std::optional<Known> FunctionInference::knownOf(Packed packed, Operation *op, bool isFollowed) {
  Known known;
  known.kind = Known::Kind::Digits;
  if (packed.parts.size() == 1 && !packed.isCut && !isFollowed) {
    known.value = std::move(packed.parts.front());
    return known;
  }
  if (packed.parts.size() > 1 && !isFollowed)
    if (std::optional<layout::Value> segments = layout::asSegments(packed)) {
      known.value = std::move(*segments);
      return known;
    }
  if (!llvm::all_of(packed.parts,
                    [&](const layout::Value &part) { return layout::isReducedAlike(part, packed.parts.front()); }))
    return std::nullopt;
  known.kind = Known::Kind::Pulled;
  known.op = op;
  known.reason = "a dim of parts side by side is needed as one";
  layout::copyReduction(packed.parts.front(), known.value);
  for (const layout::Value &part : packed.parts)
    known.value.isChoice |= part.isChoice;
  known.shape = packed.localShape();
  known.packed = std::make_shared<Packed>(std::move(packed));
  return known;
}

bool FunctionInference::mayCompute(Operation *op, mlir::Value value) {
  const Known &known = get(value);
  bool isWaiting = known.kind == Known::Kind::Pulled || known.kind == Known::Kind::Waiting;
  return known.kind == Known::Kind::Uniform || (isWaiting && known.packed) || digitsOf(op, value);
}

std::shared_ptr<const Packed> FunctionInference::asOnePart(layout::Value value) {
  Packed packed;
  packed.isCut = true;
  packed.parts.push_back(std::move(value));
  return std::make_shared<Packed>(std::move(packed));
}

bool FunctionInference::isConstantPart(const layout::Value &part, unsigned dim) const {
  return llvm::any_of(part.dims[dim].digits,
                      [&](const layout::Digit &digit) { return constantSpaces.contains(digit.space); });
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

std::optional<Packed> FunctionInference::concatenate(ArrayRef<mlir::Value> operands, unsigned dim) {
  Packed packed;
  packed.dim = dim;
  for (mlir::Value operand : operands) {
    const Known &known = get(operand);
    std::optional<Packed> own = packedOf(known);
    if (own && own->dim == dim && own->blocks == 1) {
      packed.isCut |= own->isCut;
      llvm::append_range(packed.parts, own->parts);
      continue;
    }
    if (known.kind != Known::Kind::Digits || known.value.dims[dim].isSegmented() ||
        !known.value.dims[dim].localSize().isConcrete())
      return std::nullopt;
    packed.parts.push_back(known.value);
  }
  return packed;
}

std::optional<Packed> FunctionInference::takeParts(const Packed &packed, int64_t begin, int64_t end) {
  if (packed.blocks != 1)
    return std::nullopt;
  Packed taken;
  taken.dim = packed.dim;
  taken.isCut = packed.isCut;
  int64_t position = 0;
  for (size_t i = 0; i < packed.parts.size(); ++i) {
    int64_t length = packed.partSize(i), from = std::max(begin, position) - position,
            to = std::min(end, position + length) - position;
    position += length;
    if (from >= to)
      continue;
    layout::Value part = packed.parts[i];
    if (to - from < length) {
      // A piece of each rank's run has positions of its own; which shard it is of varies on, and its run goes on in
      // what was left.
      llvm::SmallVectorImpl<layout::Digit> &digits = part.dims[packed.dim].digits;
      if (digits.empty() || digits.back().isMesh() || digits.back().stride.isZero())
        return std::nullopt;
      layout::Digit local = digits.pop_back_val();
      layout::Digit below = local;
      for (layout::Digit &digit : llvm::reverse(digits)) {
        if (!digit.isMesh() || !layout::continues(digit, below))
          return std::nullopt;
        below = digit;
        digit.home = local.stride;
        part.floats.push_back(digit);
      }
      const layout::Space &whole = scope.universe.spaces[local.space];
      layout::Space piece{whole.name + "[" + std::to_string(from) + ", +" + std::to_string(to - from) + ") of a rank's",
                          Size(to - from), whole.tag};
      local.count = to - from;
      local.stride = 1;
      local.home.reset();
      piece.pieceOf = whole.pieceOf.value_or(layout::rootOf(scope.universe, local.space));
      bool isConstant = constantSpaces.contains(local.space);
      local.space = scope.universe.addSpace(std::move(piece));
      if (isConstant)
        constantSpaces.insert(local.space);
      digits.assign(1, local);
      part.dims[packed.dim].anchors.clear();
      part.history.reset();
      taken.isCut = true;
    }
    taken.parts.push_back(std::move(part));
  }
  if (taken.parts.empty())
    return std::nullopt;
  return taken;
}

void FunctionInference::sliceParts(tensor::ExtractSliceOp op, const Packed &packed) {
  std::vector<Size> shape;
  llvm::append_range(shape, packed.localShape());
  int64_t begin = 0, end = 0;
  for (unsigned dim = 0; dim < shape.size(); ++dim) {
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]);
    if (!offset || !size || !isConstantIntValue(op.getMixedStrides()[dim], 1))
      return;
    if (dim == packed.dim) {
      if (!offset->isConcrete() || !size->isConcrete())
        return;
      begin = offset->getValue();
      end = begin + size->getValue();
    } else if (!offset->isZero() || !(*size == shape[dim])) {
      return;
    }
  }
  std::optional<Packed> taken = takeParts(packed, begin, end);
  llvm::SmallBitVector dropped = op.getDroppedDims();
  if (!taken || dropped.test(packed.dim))
    return;
  for (layout::Value &part : taken->parts) {
    Outcome<layout::Value> own = dropDims(std::move(part), dropped);
    if (!own)
      return;
    part = std::move(*own);
  }
  for (unsigned dim = packed.dim; dim-- > 0;)
    taken->dim -= dropped.test(dim);
  // A whole part is a value like others; a certificate has no map from which it would follow.
  bool isWholePart = taken->parts.size() == 1 && !taken->isCut;
  std::optional<Known> known = knownOf(std::move(*taken), op, !isWholePart);
  if (!known)
    return;
  if (isWholePart) {
    markUncovered("a part that is taken out of values side by side that moved");
  } else {
    known->op = get(op.getResult()).op;
    known->reason = get(op.getResult()).reason;
  }
  set(op.getResult(), std::move(*known));
}

std::optional<layout::Value> FunctionInference::joinParts(const Packed &packed) {
  std::string parts, name;
  int64_t size = 0;
  for (size_t i = 0; i < packed.parts.size(); ++i) {
    const layout::Dim &dim = packed.parts[i].dims[packed.dim];
    parts += "|";
    name += i > 0 ? "|" : "";
    for (const layout::Digit &digit : dim.digits) {
      parts += digit.count.print() + ":" + digit.stride.print() + "@" + std::to_string(digit.space) + " ";
      name += (name.empty() || name.back() == '|' ? "" : " ") + scope.universe.spaces[digit.space].name;
    }
    size += packed.partSize(i);
  }
  auto [known, isNew] = joined.try_emplace(parts, 0);
  if (isNew) {
    known->second = scope.universe.addSpace({name, Size(size)});
    scope.universe.spaces[known->second].isJoined = true;
  }
  return layout::asWhole(scope.universe, packed, known->second);
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

/// What ranks held alike and gathered. One rank alone has no such digit.
static bool isGathered(const layout::Digit &digit) {
  return !digit.isMesh() && digit.stride.isZero() && !digit.isCopy && !digit.isPart;
}

/// A part without its gathered duplicates; nullopt where it has none.
static std::optional<layout::Value> withoutDuplicates(const layout::Value &part, unsigned dim) {
  layout::Value bare = part;
  size_t count = bare.dims[dim].digits.size();
  llvm::erase_if(bare.dims[dim].digits, isGathered);
  if (bare.dims[dim].digits.size() == count || bare.dims[dim].digits.empty())
    return std::nullopt;
  return bare;
}

/// A computed part begins its history as it is on one rank.
static layout::Value beginHistory(layout::Value part, unsigned dim) {
  std::optional<layout::Value> bare = withoutDuplicates(part, dim);
  if (bare && !part.history && !part.isUnsettled) {
    layout::startHistory(*bare);
    part.history = bare->history;
  }
  return part;
}

/// The duplicates that a part was gathered to stand in front of what it is on one rank; its readings are those of that.
static layout::Value settleDuplicates(layout::Universe &universe, layout::Value part, unsigned dim) {
  std::optional<layout::Value> bare = withoutDuplicates(part, dim);
  if (!bare || !isGathered(part.dims[dim].digits.front()))
    return part;
  auto readings = layout::soundReadingsOf(universe, *bare);
  if (!readings || readings->size() != 1) {
    part.isChoice = universe.hasOpenChoice = true; // which dims it has is open: a refusal says nothing
    return part;
  }
  layout::Value settled = std::move(readings->front());
  settled.history = bare->history;
  settled.isUnsettled = false;
  llvm::SmallVector<layout::Digit, 2> duplicates;
  llvm::copy_if(part.dims[dim].digits, std::back_inserter(duplicates), isGathered);
  settled.dims[dim].digits.insert(settled.dims[dim].digits.begin(), duplicates.begin(), duplicates.end());
  return settled;
}

bool FunctionInference::movePacked(Operation *op, const Packed &packed) {
  if (isa<PermuteOp>(op))
    return false;
  Packed result = packed;
  result.parts.clear();
  bool hasBlocks = true;
  auto groupSize = [&](ArrayAttr axes) -> int64_t {
    Size size = scope.universe.sizeOf(scope.groupOf(axes));
    return size.isConcrete() ? size.getValue() : 0;
  };
  auto handOut = [&](int64_t parts) {
    hasBlocks &= parts > 0 && result.blocks % parts == 0;
    if (hasBlocks)
      result.blocks /= parts;
  };
  auto gather = [&](int64_t parts) {
    hasBlocks &= parts > 0;
    result.blocks *= parts;
  };
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    const auto *place = llvm::find(transpose.getPermutation(), static_cast<int64_t>(packed.dim));
    result.dim = static_cast<unsigned>(place - transpose.getPermutation().begin());
  } else if (auto all = dyn_cast<AllToAllOp>(op)) {
    if (all.getSplit() == packed.dim)
      handOut(groupSize(all.getAxes()));
    if (all.getConcat() == packed.dim && hasBlocks)
      gather(groupSize(all.getAxes()));
  } else if (auto exchange = dyn_cast<ExchangeOp>(op)) {
    if (packed.dim == 0) {
      handOut(groupSize(exchange.getAxes()));
      if (hasBlocks)
        gather(groupSize(exchange.getAxes()));
    }
  } else if (auto own = dyn_cast<AllGatherOp>(op)) {
    if (own.getDim() == packed.dim)
      gather(groupSize(own.getAxes()));
  } else if (isa<SliceOp, ReduceScatterOp>(op)) {
    if (op->getAttrOfType<IntegerAttr>("dim").getInt() == packed.dim)
      handOut(groupSize(collectiveAxesOf(op)));
  }
  int number = isa<AllReduceOp, ReduceScatterOp>(op) ? 1105 : 1104;
  auto report = [&](const Refusal &refusal) {
    if (refusal.kind == Refusal::Kind::Misaligned)
      return false;
    reportRefusal(op, refusal, number);
    return true;
  };
  if (!hasBlocks) {
    // The parts of the ranks end inside a part of the dim: it is handed out as one.
    std::optional<layout::Value> whole = joinParts(packed);
    if (!whole)
      return false;
    Outcome<layout::Value> moved = move(op, *whole);
    if (!moved)
      return report(moved.getRefusal());
    // Names are told by going back, where that is possible.
    if (!inferPulled(op, "this hands out parts side by side as one dim")) {
      set(op->getResult(0), std::move(*moved));
      return true;
    }
    Known known = get(op->getResult(0));
    known.packed = asOnePart(std::move(*moved));
    set(op->getResult(0), std::move(known));
    return true;
  }
  for (const layout::Value &part : packed.parts) {
    if (isa<tensor::CastOp>(op)) {
      result.parts.push_back(part);
      continue;
    }
    Outcome<layout::Value> moved = move(op, beginHistory(part, packed.dim));
    if (!moved)
      return report(moved.getRefusal());
    result.parts.push_back(settleDuplicates(scope.universe, std::move(*moved), result.dim));
  }
  std::optional<Known> known = knownOf(std::move(result), op, get(op->getOperand(0)).kind != Known::Kind::Digits);
  if (!known)
    return false;
  set(op->getResult(0), std::move(*known));
  return true;
}

//===----------------------------------------------------------------------===//
// Boundaries
//===----------------------------------------------------------------------===//

std::optional<Refusal> FunctionInference::packedBoundary(const Packed &packed, const layout::Value &declared) {
  if (declared.dims.size() != packed.parts.front().dims.size())
    return Refusal::wrong("another number of dims than declared");
  const layout::Dim &wanted = declared.dims[packed.dim];
  Refusal open{Refusal::Kind::Unknown, "parts side by side that the layout does not tell apart",
               "a layout with the same parts"};
  bool isByPart = wanted.segments.size() == packed.parts.size() && packed.blocks == 1;
  if (wanted.isSegmented() && !isByPart)
    return open;
  llvm::SmallDenseSet<layout::SpaceId, 8> named;
  for (const layout::Dim &dim : declared.dims) {
    for (const layout::Digit &digit : dim.digits)
      named.insert(digit.space);
    for (const layout::Dim &segment : dim.segments)
      for (const layout::Digit &digit : segment.digits)
        named.insert(digit.space);
  }
  for (size_t i = 0; i < packed.parts.size(); ++i) {
    const layout::Value &part = packed.parts[i];
    layout::Value own = declared;
    own.dims[packed.dim] = isByPart ? wanted.segments[i] : part.dims[packed.dim];
    if (std::optional<Refusal> refusal = layout::boundaryDisagreement(scope.universe, part, own)) {
      // A dim beside the parts that is made of the dim that the parts are of: no name says what it should be.
      // Nor where a declared shard of one element stands, once the dim of parts is another.
      bool isShared = !declared.floats.empty();
      for (unsigned dim = 0; dim < part.dims.size() && !isByPart; ++dim)
        for (const layout::Digit &digit : part.dims[dim].digits)
          isShared |= dim != packed.dim && !named.contains(digit.space) &&
                      llvm::any_of(part.dims[packed.dim].digits,
                                   [&](const layout::Digit &other) { return other.space == digit.space; });
      return isShared ? open : refusal;
    }
    // Names bind: what a result names is not positions of another dim, nor is a piece of it.
    auto isDeclaredHere = [&](const layout::Digit &digit) {
      auto isIt = [&](const layout::Digit &other) { return other.space == digit.space; };
      if (isByPart && llvm::any_of(wanted.segments[i].digits, isIt))
        return true;
      for (unsigned dim = 0; dim < declared.dims.size(); ++dim)
        if (dim != packed.dim && llvm::any_of(declared.dims[dim].digits, isIt))
          return true;
      return false;
    };
    SmallVector<layout::Digit, 4> digits;
    llvm::append_range(digits, part.dims[packed.dim].digits);
    llvm::append_range(digits, part.floats);
    for (layout::SpaceId space : part.at)
      if (named.contains(layout::rootOf(scope.universe, space)))
        return open;
    for (const layout::Digit &digit : digits) {
      if (isDeclaredHere(digit))
        continue;
      if (named.contains(digit.space))
        return isByPart ? Refusal::wrong("part " + std::to_string(i) + " is made of '" +
                                         scope.universe.spaces[digit.space].name + "', declared " +
                                         print(scope.universe, wanted.segments[i]))
                        : open;
      std::optional<layout::SpaceId> whole = scope.universe.spaces[digit.space].pieceOf;
      if (scope.universe.spaces[digit.space].range)
        whole = layout::rootOf(scope.universe, digit.space);
      bool isNamedPiece = whole && (named.contains(*whole) || scope.universe.spaces[*whole].isBound);
      if (scope.universe.spaces[digit.space].isBound || isNamedPiece)
        return open;
    }
  }
  if (isByPart)
    return std::nullopt;
  return layout::disagreement(scope.universe, layout::packedDimOf(packed), {{wanted}, 1});
}
