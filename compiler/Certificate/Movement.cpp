// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that move elements: each place of the result is followed back to one of an operand, in both worlds.
#include "compiler/Certificate/Program.h"

using namespace mlir;

namespace muster::certificate {

/// All places of a value, a few where dims are packed.
std::vector<Place> Program::placesOf(const std::vector<Dim> &dims, World world) const {
  std::vector<Place> places{Place()};
  for (const auto &[axis, size] : axes)
    if (world == OnMesh)
      places[0].coordinates[axis] = Number::variable("@" + axis, size);
  for (auto [d, dim] : llvm::enumerate(dims)) {
    Size begin(0);
    std::vector<Place> before = std::exchange(places, {});
    for (const Run &part : dim) {
      for (Place place : before) {
        place.index.push_back(Number{begin} + Number::variable("#" + std::to_string(d), localSize({part})));
        places.push_back(place);
      }
      begin += localSize({part});
    }
  }
  return places;
}

/// The same function of the place.
bool Program::isSame(const std::vector<Dim> &a, const std::vector<Dim> &b, World world) const {
  auto isSameAt = [&](const Place &place) {
    std::optional<Positions> own = positionsAt(a, place);
    return own && own == positionsAt(b, place);
  };
  return a.size() == b.size() && llvm::equal(llvm::map_range(a, localSize), llvm::map_range(b, localSize)) &&
         llvm::all_of(placesOf(a, world), isSameAt);
}

/// Whether each rank holds of one value what it holds of the other, whatever its positions are called.
bool Program::holdsAs(const Map &map, const Map &as) {
  if (map.isNumber || as.isNumber || map.shape(OnMesh) != as.shape(OnMesh) ||
      map.dims[OnOneRank].size() != as.dims[OnOneRank].size() || !isPermuted(map.pending, as.pending))
    return false;
  for (const Place &place : placesOf(as.dims[OnMesh], OnMesh)) {
    auto own = indexOf(map, place), wanted = indexOf(as, place);
    for (size_t d = 0; d < place.index.size(); ++d)
      if (!own || !wanted ||
          (!map.isFree(d) && !as.isFree(d) &&
           !(own->at(d) == wanted->at(d) && map.shape(OnOneRank)[d] == as.shape(OnOneRank)[d])))
        return false;
  }
  return true;
}

/// Which dims of the result are which of the operand; none where the operation is no reshape.
static SmallVector<std::pair<ReassociationIndices, ReassociationIndices>> groupsOf(Operation *op) {
  SmallVector<std::pair<ReassociationIndices, ReassociationIndices>> groups;
  auto all = [](Value value) {
    return llvm::to_vector_of<int64_t, 2>(llvm::seq(cast<RankedTensorType>(value.getType()).getRank()));
  };
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    for (auto [d, group] : llvm::enumerate(expand.getReassociationIndices()))
      groups.push_back({group, {int64_t(d)}});
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    for (auto [d, group] : llvm::enumerate(collapse.getReassociationIndices()))
      groups.push_back({{int64_t(d)}, group});
  if (isa<tensor::ReshapeOp>(op))
    groups.push_back({all(op->getResult(0)), all(op->getOperand(0))});
  if (isa<nn::SplitHeadsOp>(op))
    groups = {{{0}, {0}}, {{1, 2}, {1}}};
  if (isa<nn::MergeHeadsOp>(op))
    groups = {{{0}, {0}}, {{1}, {1, 2}}};
  return groups;
}

/// From a place of the result of a movement to that of `source`, an operand. False where the sizes are not those of the
/// operation, and where there is no rule.
bool Program::follow(Operation *op, const Map &result, World world, Place &place, Value &source) {
  std::vector<Size> to = result.shape(world), from = mapOf(source = op->getOperand(0))->shape(world), expected = from;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    Number &index = place.index[concat.getDim()];
    Size end(0);
    std::optional<Value> found;
    for (Value operand : concat.getInputs()) {
      std::vector<Size> shape = mapOf(operand)->shape(world);
      Size size = std::exchange(shape[concat.getDim()], from[concat.getDim()]), behind = index.most() + 1;
      if (!found && index.constant < size)
        found = behind == size || (behind < size && size < leastOpen) ? operand : Value();
      index.constant -= found ? Size(0) : size;
      end += size;
      if (shape != from)
        return false;
    }
    source = found.value_or(Value());
    expected[concat.getDim()] = end;
    return source && to == expected;
  }
  auto groups = groupsOf(op);
  std::vector<Number> index(from.size());
  for (const auto &[results, operands] : groups) {
    Number linear;
    Size size(1), own(1);
    for (int64_t d : results) {
      linear = linear * to[size_t(d)] + place.index[size_t(d)];
      size *= to[size_t(d)];
    }
    for (int64_t d : llvm::reverse(operands)) {
      auto parts = linear.divide(from[size_t(d)]);
      if (!parts)
        return false;
      std::tie(linear, index[size_t(d)]) = *parts;
      own *= from[size_t(d)];
    }
    if (size != own)
      return false;
  }
  if (!groups.empty())
    return place.index = index, true;
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    for (auto [i, d] : llvm::enumerate(transpose.getPermutation())) {
      index[size_t(d)] = place.index[i];
      expected[i] = from[size_t(d)];
    }
    return place.index = index, to == expected;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return followSlice(slice, result, world, place);
  // Collectives: equal parts of dim `split` go to the ranks of a group, what comes from them is laid side by side in
  // `concat`. Without `concat` a rank keeps its own part, without `split` it gets all. On one rank that is nothing.
  if (!isa<tensor::CastOp, AllGatherOp, AllReduceOp, AllToAllOp, BroadcastOp, ExchangeOp, ReduceScatterOp, SliceOp>(op))
    return false;
  std::optional<size_t> split, concat;
  auto dimOf = [&](StringRef name) { return size_t(op->getAttrOfType<IntegerAttr>(name).getInt()); };
  if (isa<AllToAllOp>(op))
    split = dimOf("split"), concat = dimOf("concat");
  if (isa<ExchangeOp>(op))
    split = concat = 0;
  if (isa<AllGatherOp>(op))
    concat = dimOf("dim");
  if (isa<SliceOp, ReduceScatterOp>(op))
    split = dimOf("dim");
  Run group = world == OnMesh ? groupOf(op) : Run();
  Size parts = sizeOfGroup(group);
  if (split && !divides(parts, from[*split]))
    return false;
  std::optional<Number> own = Number(), other;
  for (const Digit &axis : group) { // the rank's position in the group
    std::optional<Number> coordinate = coordinateOf(axis, place);
    own = own && coordinate ? std::optional(*own * axis.count + *coordinate) : std::nullopt;
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op))
    other = Number{Size(int64_t(broadcast.getRoot()))};
  if (split)
    expected[*split] = expected[*split] / parts;
  if (concat) {
    auto found = place.index[*concat].divide(expected[*concat]);
    if (!found)
      return false;
    std::tie(other, place.index[*concat]) = *found;
    expected[*concat] *= parts;
  }
  if (split && own)
    place.index[*split] = place.index[*split] + *own * (from[*split] / parts);
  for (const Digit &axis : llvm::reverse(group)) { // to the rank at that position
    if (!other)
      break;
    Number &coordinate = place.coordinates[axis.axis];
    auto low = coordinate.divide(axis.weight), high = low ? low->first.divide(axis.count) : std::nullopt;
    auto part = other->divide(axis.count);
    if (!high || !part)
      return false;
    coordinate = (high->first * axis.count + part->second) * axis.weight + low->second;
    other = part->first;
  }
  return own && to == expected;
}

/// Part of a dim: as it is written where the rank holds all of it; else the rank's own part, or all, or whole parts of
/// a packed dim, each of which is the same of the larger dim on one rank. What a dropped dim has more on one rank is in
/// front of the next dim.
bool Program::followSlice(tensor::ExtractSliceOp op, const Map &result, World world, Place &place) {
  const Map &source = *mapOf(op.getSource());
  std::vector<Number> index;
  std::optional<size_t> joined;
  for (size_t i = 0, k = 0; i < source.dims[world].size(); ++i) {
    bool isDropped = op.getDroppedDims().test(unsigned(i));
    std::optional<Number> offset = formOf(op.getMixedOffsets()[i], world, place);
    std::optional<Number> first = formOf(op.getMixedOffsets()[i], OnMesh, placesOf({}, OnMesh)[0]),
                          taken = formOf(op.getMixedSizes()[i], OnMesh, Place()),
                          stride = formOf(op.getMixedStrides()[i], OnMesh, Place());
    if (!offset || !first || !taken || !stride || !taken->terms.empty() || !stride->terms.empty() ||
        stride->constant == 0)
      return false;
    Size local = source.shape(OnMesh)[i], whole = source.shape(OnOneRank)[i], size = taken->constant, at(0), there(0);
    Size has = isDropped ? Size(1) : result.shape(world)[k];
    Number position = isDropped ? Number() : place.index[k++];
    if (!isDropped && joined) {
      Size joinedSize = source.shape(OnOneRank)[*joined];
      auto parts = divides(joinedSize, has) ? position.divide(has / joinedSize) : std::nullopt;
      if (!parts)
        return false;
      has = has / joinedSize;
      std::tie(index[*joined], position) = *parts;
      joined.reset();
    }
    bool isOwn = (*first + Number::variable("", size)).countsTo(local) && stride->constant == 1, begins = false,
         ends = false;
    if (world == OnMesh || (local == whole && !isOwn)) {
      if (has != size)
        return false;
    } else if (isOwn) { // also all of it
      if (isDropped && whole != 1 && !joined)
        joined = i;
      else if (has != whole)
        return false;
      offset = Number();
    } else {
      for (auto [part, wholePart] : llvm::zip(source.dims[OnMesh][i], source.dims[OnOneRank][i])) {
        if (*first == Number{at} && !std::exchange(begins, true))
          offset = Number{there};
        at += localSize({part});
        there += localSize({wholePart});
        ends |= begins && *first + Number{size} == Number{at} && *offset + Number{has} == Number{there};
      }
      if (!ends || stride->constant != 1)
        return false;
    }
    index.push_back(*offset + position * stride->constant);
  }
  place.index = index;
  return !joined;
}

/// A reduction over a group is taken exactly once of what is pending over all of it, and of nothing that varies there.
bool Program::reduce(Map &map, const Run &group, StringRef kind) {
  Size parts(1);
  for (const Digit &axis : group)
    llvm::erase_if(map.pending, [&](const Digit &digit) {
      bool isTaken = digit.axis == axis.axis && digit.space == kind && divides(axis.weight, digit.weight) &&
                     divides(digit.weight * digit.count, axis.weight * axis.count);
      parts *= isTaken ? digit.count : Size(1);
      return isTaken;
    });
  bool isOfEqual = parts == 1 && (kind == "max" || kind == "min"), varies = false;
  auto isIn = [&](const Digit &digit) {
    return digit.isMesh() && digit.count != 1 &&
           llvm::any_of(group, [&](const Digit &axis) { return !areDisjoint({digit, axis}); });
  };
  for (const Dim &dim : map.dims[OnMesh])
    for (const Run &run : dim)
      varies |= llvm::any_of(run, isIn);
  return ((parts == sizeOfGroup(group) || isOfEqual) && !varies && llvm::none_of(map.pending, isIn)) ||
         reject("reduces over the ranks of a group what is not one " + kind + " over all of it");
}

bool Program::checkMovement(Operation *op, const Map &claimed) {
  if (llvm::any_of(op->getOperandTypes(), [](Type type) { return isa<CountsType>(type); }))
    return reject("parts that are as long as counts say", true);
  ValueRange operands = isa<tensor::ConcatOp>(op) ? op->getOperands() : op->getOperands().take_front();
  if (!llvm::all_of(operands, [&](Value operand) { return mapOf(operand); }))
    return reject("an operand has no map");
  Map map = *mapOf(operands[0]);
  auto kind = op->getAttrOfType<ReductionKindAttr>("kind");
  auto own = dyn_cast<RedistributeOp>(op);
  if (claimed.isNumber || llvm::any_of(operands, [&](Value value) { return mapOf(value)->isNumber; })) {
    bool isSum = own || (kind && kind.getValue() == ReductionKind::Sum); // Added up, it is another one.
    return (claimed.isNumber && operands.size() == 1 && map.isNumber && (map.isZero || (!isSum && !claimed.isZero))) ||
           reject("the map is not that of one number");
  }
  if (own) {
    auto from = declaredMap(own.getFrom(), map.shape(OnMesh)), to = declaredMap(own.getTo(), claimed.shape(OnMesh));
    return from && to &&
           ((holdsAs(map, *from) && holdsAs(claimed, *to) &&
             isSame(map.dims[OnOneRank], claimed.dims[OnOneRank], OnOneRank)) ||
            reject("the map does not follow from that of the operand and the layouts"));
  }
  if (kind && !reduce(map, groupOf(op), stringifyReductionKind(kind.getValue())))
    return false;
  for (Value operand : operands.drop_front())
    if (const Run &other = mapOf(operand)->pending; !isPermuted(other, map.pending))
      return reject("operands that are to be reduced in different ways");
  if (!isPermuted(claimed.pending, map.pending))
    return reject("the result is still to be reduced over other ranks than its map says");
  for (size_t d = 0; d < claimed.dims[OnOneRank].size(); ++d)
    if (bool isFree = false; claimed.isFree(d)) {
      for (size_t k = 0; k < map.dims[OnOneRank].size(); ++k)
        isFree |= map.isFree(k) && claimed.shape(OnOneRank)[d] == map.shape(OnOneRank)[k] &&
                  claimed.shape(OnMesh)[d] == map.shape(OnMesh)[k];
      if (!isFree)
        return reject("a dim that is not of any size");
    }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    for (auto [size, local] : llvm::zip(expand.getMixedOutputShape(), claimed.shape(OnMesh)))
      if (formOf(size, OnMesh, Place()) != Number{local})
        return reject("the map does not fit the sizes of the result");
  auto split = dyn_cast<nn::SplitHeadsOp>(op);
  if (auto merge = dyn_cast<nn::MergeHeadsOp>(op); split || merge) { // Shards divide heads, never a head dim.
    const Map &heads = split ? claimed : map;
    Size count(int64_t(split ? split.getHeads() : merge.getHeads())),
        size(int64_t(split ? split.getHeadDim() : merge.getHeadDim()));
    if (heads.shape(OnMesh)[2] != size || heads.shape(OnOneRank)[1] != count || heads.shape(OnOneRank)[2] != size)
      return reject("other heads than the operation names");
  }
  // What a part of the result is made of is the same part of the same operand in both worlds.
  std::map<std::vector<size_t>, std::pair<Value, std::vector<size_t>>> sources;
  for (World world : {OnMesh, OnOneRank})
    for (const Place &place : placesOf(claimed.dims[world], world)) {
      Place at = place;
      Value source;
      if (!follow(op, claimed, world, at, source))
        return lacksRule("'" + op->getName().getStringRef() + "' is no movement of digits that the map names");
      for (const Digit &part : world == OnMesh ? claimed.pending : Run())
        if (coordinateOf(part, place) != coordinateOf(part, at))
          return reject("what is still to be reduced over '" + part.axis + "' was moved along it");
      auto wanted = positionsAt(claimed.dims[world], place), got = positionsAt(mapOf(source)->dims[world], at);
      if (!wanted || !got)
        return lacksRule("'" + op->getName().getStringRef() + "' is no movement of digits that the map names");
      if (wanted->of != got->of)
        return reject("the map does not follow from that of the operand");
      if (std::pair origin(source, got->parts); sources.try_emplace(wanted->parts, origin).first->second != origin)
        return lacksRule("one position, and two values that it is followed back to");
    }
  return true;
}

} // namespace muster::certificate
