// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is computed of values side by side along one dim (Packed.h): part by part, where the parts of all operands
// agree; a reduction along the dim adds up what each part gives.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Compare.h"
#include "compiler/Layout/History.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Packed;
using layout::Refusal;
using layout::Size;

std::optional<Known> FunctionInference::addParts(Operation *op, layout::IteratorKind kind, ArrayRef<Known> parts) {
  Known sum = parts.front();
  auto isFull = [](const Known &part) { return part.value.isFull(); };
  bool isSum = kind == layout::IteratorKind::Sum;
  if (!isSum && !llvm::all_of(parts, isFull)) {
    for (const Known &part : parts)
      if (!layout::isSame(part.value, sum.value)) {
        Refusal refusal{Refusal::Kind::Unknown, "a reduction of parts that are spread in different ways",
                        "parts that are spread alike"};
        reportRefusal(op, refusal, 1108);
        return std::nullopt;
      }
    return sum;
  }
  ComputeRule rule;
  SmallVector<int64_t, 4> dims;
  for (size_t dim = 0; dim < sum.value.dims.size(); ++dim) {
    rule.iterators.push_back(layout::IteratorKind::Parallel);
    rule.names.push_back("dim " + std::to_string(dim));
    dims.push_back(static_cast<int64_t>(dim));
  }
  rule.operands = {dims, dims};
  rule.results = {dims};
  rule.linearity = isSum ? layout::Linearity::Additive : layout::Linearity::NonLinear;
  for (const Known &part : parts.drop_front()) {
    std::optional<SmallVector<Known, 1>> both = applyRule(op, rule, {sum, part});
    if (!both)
      return std::nullopt;
    sum = std::move(both->front());
  }
  return sum;
}

std::optional<SmallVector<Known, 1>> FunctionInference::applyPacked(Operation *op, const ComputeRule &rule,
                                                                    ArrayRef<Known> operands) {
  auto report = [&](Refusal refusal, int number) {
    reportRefusal(op, refusal, number);
    return std::nullopt;
  };
  auto unknown = [&](const std::string &what) {
    return report({Refusal::Kind::Unknown, what, "operands that are packed alike, or one part at a time"}, 1108);
  };
  // One part is a value like others.
  if (llvm::any_of(operands, [](const Known &known) { return known.packed && known.packed->parts.size() == 1; })) {
    SmallVector<Known, 4> values(operands);
    for (Known &known : values)
      if (known.packed && known.packed->parts.size() == 1) {
        Known own;
        own.kind = Known::Kind::Digits;
        own.value = known.packed->parts.front();
        known = std::move(own);
      }
    markUncovered("parts side by side that are computed with as one dim");
    return applyRule(op, rule, values);
  }
  SmallVector<std::optional<Packed>, 4> packed;
  const Packed *model = nullptr;
  int64_t iterator = layout::noIterator;
  for (auto [index, operand] : llvm::enumerate(operands))
    packed.push_back(packedOf(operand));
  for (auto [index, own] : llvm::enumerate(packed))
    if (own && !model) {
      model = &*own;
      iterator = rule.operands[index][own->dim];
    }
  if (iterator == layout::noIterator)
    return unknown("one place of a dim of parts side by side");
  const size_t walked = static_cast<size_t>(iterator);
  layout::IteratorKind kind = rule.iterators[walked];
  bool isKept = llvm::any_of(rule.results, [&](const auto &dims) { return llvm::is_contained(dims, iterator); });

  // Every operand that walks the iterator has the same parts, or is the same everywhere.
  std::optional<Refusal> mismatch;
  auto isLike = [&](const Packed &own) {
    bool isAlike = own.parts.size() == model->parts.size() && own.blocks == model->blocks &&
                   own.isInterleaved == model->isInterleaved;
    for (size_t part = 0; isAlike && part < own.parts.size(); ++part)
      isAlike = own.partSize(part) == model->partSize(part);
    return isAlike;
  };
  SmallVector<bool, 4> isPackedHere(operands.size(), false);
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t dim = 0; dim < rule.operands[i].size(); ++dim) {
      if (rule.operands[i][dim] != iterator || operands[i].kind == Known::Kind::Uniform)
        continue;
      if (packed[i] && packed[i]->dim == dim) {
        isPackedHere[i] = true;
        if (!isLike(*packed[i]) && !mismatch)
          mismatch = layout::disagreement(scope.universe, layout::packedDimOf(*model), layout::packedDimOf(*packed[i]))
                         .value_or(Refusal{Refusal::Kind::Unknown, "parts that end at different places", ""});
        continue;
      }
      if (packed[i])
        return unknown("an operand of which two dims are walked together");
      const layout::Dim &other = operands[i].value.dims[dim];
      if (layout::isDuplicates(other) || mismatch)
        continue;
      mismatch = layout::disagreement(scope.universe, layout::packedDimOf(*model), {{other}, 1})
                     .value_or(Refusal{Refusal::Kind::Unknown, "parts beside a dim that has none", ""});
      if (operands[i].value.isUnsettled && mismatch->kind == Refusal::Kind::Wrong)
        mismatch->kind = Refusal::Kind::Unknown;
    }
  // Where it is not known whether parts agree with the rest, the rest may disagree.
  const layout::Dim *first = nullptr;
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t dim = 0; dim < rule.operands[i].size(); ++dim) {
      bool isPlain = rule.operands[i][dim] == iterator && operands[i].kind == Known::Kind::Digits && !packed[i] &&
                     !layout::hasMoved(operands[i].value);
      if (!isPlain || !mismatch || mismatch->kind == Refusal::Kind::Wrong)
        continue;
      const layout::Dim &own = operands[i].value.dims[dim];
      if (std::optional<Refusal> refusal = first ? layout::disagreement(scope.universe, *first, own) : std::nullopt;
          refusal && refusal->kind == Refusal::Kind::Wrong)
        mismatch = std::move(refusal);
      else if (!first && !layout::isDuplicates(own))
        first = &own;
    }
  if (mismatch || (kind == layout::IteratorKind::Whole && !isKept)) {
    // Where all of the dim is on every rank it is one dim like others.
    SmallVector<Known, 4> whole(operands);
    bool isWhole = true;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!isPackedHere[i])
        continue;
      std::optional<layout::Value> one = joinParts(*packed[i]);
      isWhole &= one.has_value();
      if (!one)
        break;
      whole[i] = Known();
      whole[i].kind = Known::Kind::Digits;
      whole[i].value = std::move(*one);
    }
    markUncovered("parts side by side that are computed with as one dim");
    if (isWhole)
      return applyRule(op, rule, whole);
    if (!mismatch)
      return unknown("parts side by side that are needed in one order");
    for (const auto &own : packed)
      for (size_t i = 0; own && i < own->parts.size(); ++i)
        if (own->parts[i].isUnsettled && mismatch->kind == Refusal::Kind::Wrong)
          mismatch->kind = Refusal::Kind::Unknown;
    mismatch->message = "operands do not agree along '" + rule.names[walked] + "': " + mismatch->message;
    return report(*mismatch, 1106);
  }

  auto isFollowed = [](const Known &operand) { return operand.packed != nullptr; };
  if (!isKept || llvm::any_of(operands, isFollowed))
    markUncovered("parts side by side that are computed with as a whole");
  SmallVector<SmallVector<Known, 1>, 3> results; // by part
  bool hasConstant = false, isCut = false;
  for (size_t part = 0; part < model->parts.size(); ++part) {
    SmallVector<Known, 4> own(operands);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (isPackedHere[i]) {
        own[i] = Known();
        own[i].kind = Known::Kind::Digits;
        own[i].value = packed[i]->parts[part];
        hasConstant |= isConstantPart(own[i].value, packed[i]->dim);
        isCut |= packed[i]->isCut;
        continue;
      }
      for (size_t dim = 0; own[i].kind == Known::Kind::Digits && dim < rule.operands[i].size(); ++dim)
        if (rule.operands[i][dim] == iterator) { // duplicates
          layout::Digit &digit = own[i].value.dims[dim].digits.front();
          digit.count = model->partSize(part);
          own[i].value.dims[dim].digits.assign(1, layout::Digit(digit));
        }
    }
    std::optional<SmallVector<Known, 1>> result = applyRule(op, rule, own);
    if (!result)
      return std::nullopt;
    results.push_back(std::move(*result));
  }
  if (kind == layout::IteratorKind::Whole && model->blocks != 1)
    return unknown("parts side by side in another order than on one rank");
  SmallVector<Known, 1> joinedResults;
  for (size_t r = 0; r < results.front().size(); ++r) {
    SmallVector<Known, 3> parts;
    for (const SmallVector<Known, 1> &result : results) {
      if (result[r].kind != Known::Kind::Digits)
        return unknown("parts side by side in two dims");
      parts.push_back(result[r]);
    }
    const auto *place = llvm::find(rule.results[r], iterator);
    if (place != rule.results[r].end()) {
      Packed result;
      result.dim = static_cast<unsigned>(place - rule.results[r].begin());
      result.blocks = model->blocks;
      result.isInterleaved = model->isInterleaved;
      result.isCut = isCut;
      for (Known &part : parts)
        result.parts.push_back(std::move(part.value));
      std::optional<Known> known = knownOf(std::move(result), op, false);
      if (!known)
        return unknown("parts side by side of which some are still to be reduced");
      if (known->packed)
        markUncovered("parts side by side that differ in another dim");
      joinedResults.push_back(std::move(*known));
      continue;
    }
    if (kind == layout::IteratorKind::Parallel || kind == layout::IteratorKind::Whole)
      return unknown("parts side by side that are not reduced");
    if (!llvm::all_of(parts,
                      [&](const Known &part) { return layout::isReducedAlike(part.value, parts.front().value); })) {
      if (hasConstant)
        return unknown("a sum of parts that are spread over ranks and of constants");
      return report(Refusal::wrong("of the parts along '" + rule.names[walked] +
                                       "' some are spread over ranks and some are not: the sum over the ranks would "
                                       "count the latter once per rank",
                                   Refusal::Cause::Reduction),
                    1105);
    }
    std::optional<Known> sum = addParts(op, kind, parts);
    if (!sum)
      return std::nullopt;
    joinedResults.push_back(std::move(*sum));
  }
  return joinedResults;
}
