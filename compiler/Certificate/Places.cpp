// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is compared place by place, by plain arithmetic on indices, for sizes that are numbers: query heads with
// key-value heads, and chains of movement that no list of digits describes, which are followed back to a value that has
// a map.
#include "compiler/Certificate/Program.h"

using namespace mlir;

namespace muster::certificate {

namespace {

struct Place {
  std::map<std::string, int64_t> coordinates;
  SmallVector<int64_t> index;
};

} // namespace

/// Adds to `positions`, by space, what a local index along the dim names on the rank of these coordinates.
static void addPositions(const Run &run, const std::map<std::string, int64_t> &coordinates, int64_t index,
                         std::map<std::string, int64_t> &positions) {
  for (const Digit &digit : llvm::reverse(run)) {
    auto count = int64_t(digit.count);
    int64_t value = digit.isMesh() ? coordinates.at(digit.axis) / int64_t(digit.weight) : index;
    positions[digit.space] += value % count * int64_t(digit.stride);
    index /= digit.isMesh() ? 1 : count;
  }
}

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Element `index` of the parts of a zig-zag order laid side by side: part r is chunk r, then chunk 2 * parts - 1 - r.
static int64_t zigZag(int64_t index, int64_t size, int64_t parts) {
  int64_t chunk = size / (2 * parts), part = index / (2 * chunk), rest = index % (2 * chunk);
  return rest < chunk ? part * chunk + rest : (2 * parts - 1 - part) * chunk + rest - chunk;
}

/// The place of the operand that `place` of the result of a movement is; null where the operation is none.
static Value follow(Operation *op, Place &place, const std::map<std::string, Size> &axes) {
  if (!op)
    return Value();
  int64_t parts = 1, own = 0;
  SmallVector<StringRef> group;
  if (auto names = op->getAttrOfType<ArrayAttr>("axes"))
    group.append(names.getAsValueRange<StringAttr>().begin(), names.getAsValueRange<StringAttr>().end());
  for (StringRef axis : group) {
    own = own * int64_t(axes.at(axis.str())) + place.coordinates[axis.str()];
    parts *= int64_t(axes.at(axis.str()));
  }
  auto moveTo = [&](int64_t position) {
    for (StringRef axis : llvm::reverse(group)) {
      place.coordinates[axis.str()] = position % int64_t(axes.at(axis.str()));
      position /= int64_t(axes.at(axis.str()));
    }
  };
  SmallVector<int64_t> &index = place.index;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    for (Value operand : concat.getInputs()) {
      if (index[concat.getDim()] < shapeOf(operand)[concat.getDim()])
        return operand;
      index[concat.getDim()] -= shapeOf(operand)[concat.getDim()];
    }
    return Value();
  }
  Value input = op->getNumOperands() > 0 ? op->getOperand(0) : Value();
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op)) {
    int64_t offset = 0;
    for (auto [position, size] : llvm::zip(index, shapeOf(op->getResult(0))))
      offset = offset * size + position;
    index.assign(shapeOf(input).size(), 0);
    for (size_t i = index.size(); i-- > 0; offset /= shapeOf(input)[i])
      index[i] = offset % shapeOf(input)[i];
  } else if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    SmallVector<int64_t> at = index;
    for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
      index[size_t(dim)] = at[i];
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (ShapedType::isDynamicShape(slice.getStaticOffsets()) || ShapedType::isDynamicShape(slice.getStaticStrides()))
      return Value();
    SmallVector<int64_t> at = index;
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    index.assign(slice.getStaticOffsets());
    for (size_t i = 0, k = 0; i < index.size(); ++i)
      index[i] += dropped.test(unsigned(i)) ? 0 : at[k++] * slice.getStaticStrides()[i];
  } else if (auto all = dyn_cast<AllToAllOp>(op)) {
    int64_t part = shapeOf(input)[all.getConcat()] / (all.getSplit() == all.getConcat() ? parts : 1);
    int64_t source = index[all.getConcat()] / part;
    index[all.getConcat()] %= part;
    index[all.getSplit()] += own * (shapeOf(input)[all.getSplit()] / parts);
    moveTo(source);
  } else if (isa<ExchangeOp>(op)) {
    int64_t part = shapeOf(input)[0] / parts, source = index[0] / part;
    index[0] = own * part + index[0] % part;
    moveTo(source);
  } else if (auto gather = dyn_cast<AllGatherOp>(op)) {
    int64_t part = shapeOf(input)[gather.getDim()], source = index[gather.getDim()] / part;
    index[gather.getDim()] %= part;
    moveTo(source);
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    index[slice.getDim()] += own * shapeOf(op->getResult(0))[slice.getDim()];
  } else if (!isa<tensor::CastOp>(op)) {
    return Value();
  }
  return input;
}

/// The positions at a place, in plain order; the index is inside the map. `parts` gets those of packed dims: two parts
/// may name the same positions of different tensors.
static std::map<std::string, int64_t> positionsAt(const Map &map, const Place &place,
                                                  const std::map<std::string, Size> &zigZags,
                                                  const std::map<std::string, Size> &spaces, std::string &parts) {
  std::map<std::string, int64_t> positions, plain;
  for (auto [dim, position] : llvm::zip(map.dims, place.index)) {
    int64_t index = position;
    for (const Run &run : dim) {
      if (index < int64_t(localSize(run))) {
        addPositions(run, place.coordinates, index, positions);
        parts += std::to_string(&run - dim.data()) + " ";
        break;
      }
      index -= int64_t(localSize(run));
    }
  }
  positions.erase(""); // duplicates
  for (const auto &[space, position] : positions)
    if (auto order = zigZags.find(space); order != zigZags.end())
      plain[StringRef(space).drop_back(StringRef(" zigzag").size()).str()] =
          zigZag(position, int64_t(spaces.at(space)), int64_t(order->second));
    else
      plain[space] = position;
  return plain;
}

/// Query head j of a rank meets key-value head j / (heads of a group on the rank): that of its group.
void Program::checkGroups(const Map &query, const Map &keys, int64_t group) {
  std::string reason;
  Run q = flatten(query, query.dims[1][0], false, reason), kv = flatten(keys, keys.dims[2][0], false, reason);
  Size local = localSize(q), localKv = localSize(kv), places(1);
  std::map<std::string, int64_t> coordinates;
  for (const Run &run : {q, kv})
    for (const Digit &digit : run)
      if (digit.isMesh() && coordinates.emplace(digit.axis, 0).second)
        places *= axes[digit.axis];
  if (!reason.empty() || !divides(localKv, local) || places * local > 1 << 20)
    return unsupported("heads that cannot be compared one by one: " + print(query.dims[1]) + print(keys.dims[2]));
  for (int64_t place = 0; place < int64_t(places); ++place) {
    int64_t rest = place;
    for (auto &[axis, coordinate] : coordinates)
      coordinate = rest % int64_t(axes[axis]), rest /= int64_t(axes[axis]);
    for (int64_t head = 0; head < int64_t(local); ++head) {
      std::map<std::string, int64_t> ownQ, ownKv;
      addPositions(q, coordinates, head, ownQ), addPositions(kv, coordinates, head / int64_t(local / localKv), ownKv);
      if (ownQ[""] / group != ownKv[""])
        return reject("query head " + llvm::Twine(ownQ[""]) + " meets key-value head " + llvm::Twine(ownKv[""]));
    }
  }
}

void Program::checkPlaces(Value value, const Map &declared) {
  constexpr int64_t most = int64_t(1) << 20;
  Size count(1);
  SmallVector<std::pair<std::string, int64_t>> mesh;
  for (const Dim &dim : declared.dims)
    count *= localSize(dim);
  for (const auto &[axis, size] : axes)
    count *= size;
  if (!symbols.empty() || count > most)
    return unsupported("a value without a map whose places are too many to compare, or of open sizes");
  for (const auto &[axis, size] : axes)
    mesh.push_back({axis, int64_t(size)});
  std::map<std::string, int64_t> fixed; // positions in spaces that are not declared: one for all places
  std::map<std::map<std::string, int64_t>, std::pair<Value, std::string>> sources;
  for (int64_t number = 0; number < int64_t(count); ++number) {
    Place place;
    int64_t rest = number;
    for (int64_t size : llvm::reverse(shapeOf(value))) {
      place.index.insert(place.index.begin(), rest % size);
      rest /= size;
    }
    for (const auto &[axis, size] : mesh) {
      place.coordinates[axis] = rest % size;
      rest /= size;
    }
    std::string declaredParts, parts;
    std::map<std::string, int64_t> wanted = positionsAt(declared, place, zigZags, spaces, declaredParts);
    Value source = value;
    while (source && mapOf(source).kind == Map::None)
      source = follow(source.getDefiningOp(), place, axes);
    const Map from = source ? mapOf(source) : Map();
    if (from.kind != Map::Digits || !isPermuted(from.pending, {}) || !declared.pending.empty())
      return unsupported("a value without a map that does not come from movement alone");
    std::map<std::string, int64_t> got = positionsAt(from, place, zigZags, spaces, parts);
    for (const auto &[space, position] : got)
      if (!wanted.count(space) && fixed.try_emplace(space, position).first->second != position)
        return reject("a declared value is made of '" + space + "', which its layout does not name");
    for (const auto &[space, position] : wanted)
      if (got.find(space) == got.end() ? position != 0 : got[space] != position)
        return reject("a declared value holds another element: " + std::to_string(position) + " of '" + space +
                      "' is wanted");
    if (std::pair own(source, parts); sources.try_emplace(wanted, own).first->second != own)
      return unsupported("one position, and two values that it is followed back to");
  }
}

} // namespace muster::certificate
