// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Concatenates the digits of dims of equal product, merges them, and cuts them at the new sizes.
#include "compiler/Layout/Anchors.h"
#include "compiler/Layout/Cutter.h"
#include "compiler/Layout/DimGroups.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/MeshDigits.h"
#include "compiler/Layout/Movement.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

Outcome<Value> reshape(const Universe &universe, const Value &value, llvm::ArrayRef<Size> shape,
                       llvm::ArrayRef<std::optional<Size>> onOneRank) {
  llvm::SmallVector<Size, 4> before = value.localShape();
  auto groups = pairDims(before, shape);
  auto shapeText = [&](llvm::ArrayRef<Size> sizes) {
    std::string text;
    for (const Size &size : sizes)
      text += (text.empty() ? "" : ", ") + sizeText(universe, size);
    return "[" + text + "]";
  };
  if (!groups)
    return Refusal{Refusal::Kind::Misaligned,
                   "the sizes " + shapeText(before) + " and " + shapeText(shape) + " have no common boundaries", ""};
  Value result;
  result.dims.resize(shape.size());
  result.floats = value.floats;
  copyReduction(value, result);
  result.at = value.at;
  result.isChoice = value.isChoice;
  for (const DimGroup &group : *groups) {
    if (group.isOneSided())
      continue;
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      if (value.dims[i].isSegmented() && !group.isPair())
        return refuseSegments(universe, value, i);
    if (group.isPair()) {
      result.dims[group.outBegin].segments = value.dims[group.inBegin].segments;
      result.dims[group.outBegin].digits = value.dims[group.inBegin].digits;
      continue;
    }
    llvm::SmallVector<Digit, 4> list;
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      llvm::append_range(list, value.dims[i].digits);
    mergeDigits(list);
    Cutter cutter(list);
    for (size_t j = group.outBegin; j + 1 < group.outEnd; ++j)
      if (!cutter.cut(shape[j], result.dims[j].digits)) {
        Dim whole;
        whole.digits.append(list.begin(), list.end());
        return Refusal{Refusal::Kind::Misaligned,
                       "this reshape to " + shapeText(shape) + " cuts inside a digit of " + print(universe, whole), ""};
      }
    cutter.takeRest(result.dims[group.outEnd - 1].digits);
  }
  passAnchors(universe, value, before, result, shape, *groups);
  recordReshape(value, before, shape, onOneRank, result);
  result.isUnsettled =
      value.isUnsettled || llvm::any_of(result.dims, [](const Dim &dim) { return !dim.anchors.empty(); });
  normalise(result);
  return result;
}

} // namespace muster::layout
