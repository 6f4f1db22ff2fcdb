// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Program.h"

using namespace llvm;

namespace muster::certificate {

Size symbol(int64_t number) {
  // Primes below 2^63: no number of a program has one as a factor.
  static constexpr int64_t distances[symbolCount] = {25, 165, 259, 301, 375, 387, 391, 409, 457, 471};
  return Size(std::numeric_limits<int64_t>::max() - distances[number - 1] + 1);
}

Number Number::operator+(Number other) const {
  other.constant += constant;
  append_range(other.terms, terms);
  std::vector<Term> joined;
  llvm::sort(other.terms,
             [](const Term &a, const Term &b) { return std::tie(a.variable, a.at) < std::tie(b.variable, b.at); });
  for (const Term &term : other.terms) {
    Term *last = joined.empty() || joined.back().variable != term.variable ? nullptr : &joined.back();
    if (term.count == 1 || term.stride == 0)
      continue;
    if (last && last->at == term.at && last->count == term.count)
      last->stride += term.stride;
    else if (last && last->at * last->count == term.at && last->stride * last->count == term.stride)
      last->count *= term.count;
    else
      joined.push_back(term);
  }
  other.terms = joined;
  return other;
}

Number Number::operator*(const Size &factor) const {
  Number result{constant * factor, terms};
  for (Term &term : result.terms)
    term.stride *= factor;
  return result + Number();
}

std::optional<std::pair<Number, Number>> Number::divide(const Size &by) const {
  Number high{constant / by}, low{constant % by};
  for (Term term : terms) {
    Size end = term.stride * term.count;
    if (!divides(by, term.stride) && !divides(end, by)) { // a part of each
      if (!divides(term.stride, by) || !divides(by, end))
        return std::nullopt;
      Size inner = by / term.stride;
      high = high + Number{Size(0), {{term.variable, term.at * inner, term.count / inner, Size(1)}}};
      term.count = inner;
    }
    bool isHigh = divides(by, term.stride);
    Number part{Size(0), {{term.variable, term.at, term.count, isHigh ? term.stride / by : term.stride}}};
    (isHigh ? high : low) = (isHigh ? high : low) + part;
  }
  // The rest is one where each of its parts fits below the next. That its greatest value is below tells of no open
  // size.
  std::vector<Term> parts = low.terms;
  llvm::sort(parts, [](const Term &a, const Term &b) { return a.stride > b.stride; });
  bool isBelow = low.constant == 0;
  for (Size least = by; const Term &term : parts)
    isBelow &= divides(term.stride * term.count, std::exchange(least, term.stride));
  return isBelow || (low.most() < by && by < leastOpen) ? std::optional(std::pair(high, low)) : std::nullopt;
}

Size Number::most() const {
  Size most = constant;
  for (const Term &term : terms)
    most += (term.count - 1) * term.stride;
  return most;
}

bool Number::countsTo(Size size) const {
  std::vector<Term> parts = terms;
  llvm::sort(parts, [](const Term &a, const Term &b) { return a.stride < b.stride; });
  Size next(1);
  for (const Term &term : parts)
    next = term.stride == next ? next * term.count : Size(0);
  return constant == 0 && next == size;
}

bool readSize(const json::Value &text, Size &size) {
  size = Size(1);
  for (const json::Value &factor : text.getAsArray() ? *text.getAsArray() : json::Array{text}) {
    std::optional<int64_t> number = factor.getAsInteger();
    if (!number || *number < -symbolCount || *number >= int64_t(1) << 40)
      return false;
    size *= *number < 0 ? symbol(-*number) : Size(*number);
  }
  return true;
}

/// [count, stride, space], [.., axis], [.., axis, weight].
static bool fromJSON(const json::Value &text, Digit &digit, json::Path path) {
  const json::Array *items = text.getAsArray();
  return items && items->size() >= 3 && items->size() <= 5 && readSize((*items)[0], digit.count) && digit.count > 0 &&
         readSize((*items)[1], digit.stride) && fromJSON((*items)[2], digit.space, path) &&
         (items->size() < 4 || fromJSON((*items)[3], digit.axis, path)) &&
         (items->size() < 5 || (readSize((*items)[4], digit.weight) && digit.weight > 0));
}

bool fromJSON(const json::Value &text, Map &map, json::Path path) {
  json::ObjectMapper object(text, path);
  std::optional<std::vector<Dim>> one;
  if (!object || !object.map("dims", map.dims[OnMesh]) || !object.mapOptional("pending", map.pending) ||
      !object.mapOptional("number", map.isNumber) || !object.mapOptional("zero", map.isZero) ||
      !object.map("one", one) || (map.isZero && !map.isNumber))
    return false;
  map.dims[OnOneRank] = one.value_or(map.dims[OnMesh]);
  for (Dim &dim : map.dims[OnOneRank])
    for (Run &run : dim) { // What copies a collective made is one element, and shards are where they are.
      erase_if(run, [](const Digit &digit) { return digit.stride == 0 && (digit.isMesh() || digit.space != "*"); });
      for (Digit &digit : run)
        digit.axis.clear();
    }
  return true;
}

Size localSize(const Dim &dim) {
  Size size(0);
  for (const Run &run : dim) {
    Size part(1);
    for (const Digit &digit : run)
      part *= digit.isMesh() ? Size(1) : digit.count;
    size += part;
  }
  return size;
}

std::vector<Size> Map::shape(World world) const {
  std::vector<Size> shape;
  for (const Dim &dim : dims[world])
    shape.push_back(localSize(dim));
  return shape;
}

bool Map::isFree(size_t d) const {
  const Dim &dim = dims[OnOneRank][d];
  return dim.size() == 1 && dim[0].size() == 1 && dim[0][0].stride == 0;
}

std::vector<Size> shapeOf(mlir::Type tensor) {
  std::vector<Size> shape;
  for (int64_t size : cast<mlir::RankedTensorType>(tensor).getShape())
    shape.push_back(Size(std::max<int64_t>(size, 0)));
  return shape;
}

bool isPermuted(const Run &a, const Run &b) {
  return a.size() == b.size() && std::is_permutation(a.begin(), a.end(), b.begin());
}

Size sizeOfGroup(const Run &group) {
  Size size(1);
  for (const Digit &part : group)
    size *= part.count;
  return size;
}

bool areDisjoint(const Run &digits) {
  for (size_t i = 0; i < digits.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (const Digit &a = digits[i], &b = digits[k];
          a.axis == b.axis && !divides(a.weight * a.count, b.weight) && !divides(b.weight * b.count, a.weight))
        return false;
  return true;
}

std::optional<Number> coordinateOf(const Digit &part, const Place &place) {
  auto axis = place.coordinates.find(part.axis);
  auto high = axis == place.coordinates.end() ? std::nullopt : axis->second.divide(part.weight);
  auto own = high ? high->first.divide(part.count) : std::nullopt;
  return own ? std::optional(own->second) : std::nullopt;
}

std::optional<Positions> positionsAt(const std::vector<Dim> &dims, const Place &place) {
  Positions positions;
  for (auto [dim, position] : zip_equal(dims, place.index)) {
    Number index = position;
    size_t part = 0;
    for (; part + 1 < dim.size() && index.constant >= localSize({dim[part]}); ++part)
      index.constant -= localSize({dim[part]});
    positions.parts.push_back(part);
    for (const Digit &digit : reverse(dim[part])) {
      auto own = digit.isMesh() ? std::nullopt : index.divide(digit.count);
      std::optional<Number> value = digit.isMesh() ? coordinateOf(digit, place)
                                    : own          ? std::optional(own->second)
                                                   : std::nullopt;
      if (!value)
        return std::nullopt;
      index = own ? own->first : index;
      positions.of[digit.space] = positions.of[digit.space] + *value * digit.stride;
    }
    if (!(index == Number())) // beyond the part
      return std::nullopt;
  }
  erase_if(positions.of, [](const auto &position) { return position.second == Number(); });
  return positions;
}

std::optional<std::vector<Number>> indexOf(const Map &map, const Place &place) {
  std::optional<Positions> held = positionsAt(map.dims[OnMesh], place);
  Place found;
  for (size_t d = 0; held && d < map.dims[OnOneRank].size(); ++d) {
    const Dim &dim = map.dims[OnOneRank][d];
    Number index;
    for (size_t part = 0; part < held->parts[d]; ++part)
      index.constant += localSize({dim[part]});
    Size weight(1);
    for (const Digit &digit : reverse(dim[held->parts[d]])) {
      auto high = digit.stride == 0 ? std::nullopt : held->of[digit.space].divide(digit.stride);
      auto value = high ? high->first.divide(digit.count) : std::nullopt;
      if (digit.stride != 0 && !value)
        return std::nullopt;
      index = value ? index + value->second * weight : index;
      weight *= digit.count;
    }
    found.index.push_back(index);
  }
  std::optional<Positions> there = held ? positionsAt(map.dims[OnOneRank], found) : std::nullopt;
  if (held)
    erase_if(held->of, [](const auto &position) { return position.second == Number(); });
  return there && *there == *held ? std::optional(found.index) : std::nullopt;
}

} // namespace muster::certificate
