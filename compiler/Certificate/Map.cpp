// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Map.h"

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
  Number result = *this;
  result.constant *= factor;
  for (Term &term : result.terms)
    term.stride *= factor;
  return result + Number();
}

Size Number::most() const {
  Size most = constant;
  for (const Term &term : terms)
    most += (term.count - 1) * term.stride;
  return most;
}

bool Number::divide(const Size &by, Number &quotient, Number &rest, std::string &blocked) const {
  Number high{constant / by}, low{constant % by};
  Size least = by; // Of open sizes the remainder is one where each of its parts fits below the next.
  for (Term term : terms) {
    blocked = term.variable;
    Size end = term.stride * term.count;
    if (!divides(by, term.stride) && !divides(end, by)) { // a part of each
      if (!divides(term.stride, by) || !divides(by, end))
        return false;
      Size inner = by / term.stride;
      high = high + Number{Size(0), {{term.variable, term.at * inner, term.count / inner, Size(1)}}};
      term.count = inner;
    }
    bool isHigh = divides(by, term.stride);
    Number part{Size(0), {{term.variable, term.at, term.count, isHigh ? term.stride / by : term.stride}}};
    (isHigh ? high : low) = (isHigh ? high : low) + part;
  }
  std::vector<Term> parts = low.terms;
  llvm::sort(parts, [](const Term &a, const Term &b) { return a.stride > b.stride; });
  bool isBelow = low.constant == 0 || (parts.empty() && !isOpen(by));
  for (const Term &term : parts) {
    isBelow &= divides(term.stride * term.count, least);
    least = term.stride;
  }
  quotient = high, rest = low;
  return isBelow || (!isOpen(by) && low.most() < by);
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

bool fromJSON(const json::Value &text, Digit &digit, json::Path path) {
  const json::Array *items = text.getAsArray();
  return items && items->size() >= 3 && items->size() <= 5 && readSize((*items)[0], digit.count) && digit.count > 0 &&
         readSize((*items)[1], digit.stride) && fromJSON((*items)[2], digit.space, path) &&
         (items->size() < 4 || fromJSON((*items)[3], digit.axis, path)) &&
         (items->size() < 5 || (readSize((*items)[4], digit.weight) && digit.weight > 0));
}

bool fromJSON(const json::Value &text, Map &map, json::Path path) {
  json::ObjectMapper object(text, path);
  return object && object.map("dims", map.dims) && object.mapOptional("pending", map.pending) &&
         object.mapOptional("number", map.isNumber) && object.mapOptional("zero", map.isZero) &&
         (!map.isZero || map.isNumber) && none_of(map.dims, [](const Dim &dim) { return dim.empty(); });
}

Run meshDigits(const std::vector<Dim> &dims) {
  Run digits;
  for (const Dim &dim : dims)
    for (const Run &run : dim)
      for (const Digit &digit : run)
        // Parts of a packed dim may be divided alike.
        if (digit.isMesh() && digit.count != 1 && (&run == &dim.front() || none_of(digits, [&](const Digit &other) {
              return other.axis == digit.axis && other.weight == digit.weight && other.count == digit.count;
            })))
          digits.push_back(digit);
  return digits;
}

bool continues(const Digit &digit, const Digit &next) {
  return digit.space == next.space && next.stride != 0 && digit.stride == next.count * next.stride;
}

Size localSize(const Run &run) {
  Size size(1);
  for (const Digit &digit : run)
    size *= digit.isMesh() ? Size(1) : digit.count;
  return size;
}

Size localSize(const Dim &dim) {
  Size size(0);
  for (const Run &run : dim)
    size += localSize(run);
  return size;
}

bool isFree(const Dim &dim) {
  auto isFree = [](const Digit &digit) { return !digit.isMesh() && digit.stride == 0 && digit.space == "*"; };
  return dim.size() == 1 && !dim[0].empty() && all_of(dim[0], isFree);
}

bool isPermuted(const Run &a, const Run &b) {
  return a.size() == b.size() && std::is_permutation(a.begin(), a.end(), b.begin());
}

bool areDisjoint(const Run &digits) {
  for (size_t i = 0; i < digits.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (const Digit &a = digits[i], &b = digits[k];
          a.axis == b.axis && !divides(a.weight * a.count, b.weight) && !divides(b.weight * b.count, a.weight))
        return false;
  return true;
}

bool coordinateOf(const Digit &part, const Place &place, Number &own, std::string &blocked) {
  Number high, rest;
  auto coordinate = place.coordinates.find(part.axis);
  return coordinate != place.coordinates.end() && coordinate->second.divide(part.weight, high, rest, blocked) &&
         high.divide(part.count, rest, own, blocked);
}

bool addPositions(const std::vector<Dim> &dims, const Place &place, Positions &positions, std::vector<size_t> &parts,
                  std::string &blocked) {
  for (auto [dim, position] : zip_equal(dims, place.index)) {
    Number index = position, value;
    size_t part = 0;
    for (; part + 1 < dim.size() && index.constant >= localSize(dim[part]); ++part)
      index.constant -= localSize(dim[part]);
    parts.push_back(part);
    for (const Digit &digit : reverse(dim[part])) {
      if (digit.isMesh() ? !coordinateOf(digit, place, value, blocked)
                         : !index.divide(digit.count, index, value, blocked))
        return false;
      positions[digit.space] = positions[digit.space] + value * digit.stride;
    }
    if (!(index == Number())) // beyond the part
      return blocked = index.terms.empty() ? "" : index.terms[0].variable, false;
  }
  positions.erase(""); // duplicates
  erase_if(positions, [](const auto &position) { return position.second == Number(); });
  return true;
}

bool isSame(const Dim &a, const Dim &b, const std::map<std::string, Size> &axes) {
  Place place;
  std::string blocked;
  for (const auto &[axis, size] : axes)
    place.coordinates[axis] = Number::variable("@" + axis, size);
  bool isSame = a.size() == b.size();
  for (size_t i = 0; i < a.size() && isSame; ++i) {
    Positions positions[2];
    std::vector<size_t> parts;
    place.index = {Number::variable("", localSize(a[i]))};
    isSame = localSize(a[i]) == localSize(b[i]) && addPositions({{a[i]}}, place, positions[0], parts, blocked) &&
             addPositions({{b[i]}}, place, positions[1], parts, blocked) && positions[0] == positions[1];
  }
  return isSame;
}

} // namespace muster::certificate
