// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Certificate/Rules.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::certificate {

bool isPermuted(const Run &a, const Run &b) {
  return a.size() == b.size() && std::is_permutation(a.begin(), a.end(), b.begin());
}

bool isDuplicates(const Dim &dim) {
  return dim.size() == 1 &&
         llvm::all_of(dim[0], [](const Digit &digit) { return !digit.isMesh() && digit.stride == 0; });
}

static bool isAttached(const Run &run, size_t i) {
  return (i + 1 < run.size() && continues(run[i], run[i + 1])) || (i > 0 && continues(run[i - 1], run[i]));
}

void Rules::reject(const llvm::Twine &reason) {
  if (fault.empty())
    fault = reason.str();
}

void Rules::unsupported(const llvm::Twine &reason) {
  isUnsupported |= fault.empty();
  reject(reason);
}

//===--- Movement
//---------------------------------------------------------------------------------------------------===//

void Rules::scatter(Map &map, const Axes &group, size_t dim) {
  if (dim >= map.dims.size() || map.dims[dim].size() != 1)
    return unsupported("no plain dim " + llvm::Twine(dim));
  Run run = map.dims[dim][0], result;
  Size left(1), open(1); // positions of the group, and of its current axis, that have no digit yet
  for (const std::string &axis : group)
    left *= axes[axis];
  size_t axis = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    if (run[i].isMesh() || left == 1) {
      result.push_back(run[i]);
      continue;
    }
    while (open == 1)
      open = axes[group[axis++]];
    Digit high = run[i]; // The digit is cut where the axis ends, the axis where the digit ends.
    high.count = divides(high.count, open) ? high.count : divides(open, high.count) ? open : Size(0);
    if (high.count == 0)
      return unsupported("a part of " + print(map.dims[dim]) + " ends inside a digit");
    run[i].count = run[i].count / high.count;
    high.stride *= run[i].count;
    open = open / high.count;
    left = left / high.count;
    high.axis = group[axis - 1];
    high.weight = open;
    result.push_back(high);
    if (run[i].count > 1)
      --i; // what is left of the digit
  }
  if (left != 1)
    return reject("dim " + llvm::Twine(dim) + " has no equal parts for the group: " + print(map.dims[dim]));
  map.dims[dim] = {result};
}

Run Rules::take(Map &map, const Axes &group) {
  Run taken;
  for (const std::string &axis : group) {
    Run own;
    for (Dim &dim : map.dims)
      for (Run &run : dim)
        for (size_t i = 0; i < run.size(); ++i)
          if (run[i].axis == axis) {
            own.push_back(run[i]);
            run.erase(run.begin() + static_cast<ptrdiff_t>(i--));
            if (dim.size() != 1)
              unsupported("a packed dim that leaves the mesh");
          }
    llvm::sort(own, [](const Digit &a, const Digit &b) { return a.weight > b.weight; });
    own.push_back({Size(1), Size(0), "", axis, Size(1)}); // The end; in front of it may be a range that is not varied.
    Size left = axes[axis];
    for (Digit digit : own) {
      if (!divides(digit.weight * digit.count, left))
        return unsupported("digits of '" + axis + "' that do not divide it"), taken;
      taken.push_back({left / (digit.weight * digit.count), Size(0), "", ""});
      left = digit.weight;
      digit.axis.clear(), digit.weight = Size(1);
      taken.push_back(digit);
    }
  }
  return taken;
}

void Rules::gather(Map &map, const Run &taken, size_t dim) {
  if (dim >= map.dims.size() || map.dims[dim].size() != 1)
    return unsupported("no plain dim " + llvm::Twine(dim));
  map.dims[dim][0].insert(map.dims[dim][0].begin(), taken.begin(), taken.end());
}

void Rules::reduce(Map &map, const Axes &group, const std::string &kind) {
  for (const std::string &axis : group) {
    Size parts(1);
    bool isOther = false;
    for (const Digit &digit : meshDigits(map)) {
      bool isPending = digit.axis == axis && llvm::is_contained(map.pending, digit) && digit.space == kind;
      isOther |= digit.axis == axis && !isPending;
      parts *= isPending ? digit.count : Size(1);
    }
    if (isOther || parts != axes[axis])
      return reject("reduces over '" + axis + "' what is not one " + kind + " over all of it");
    llvm::erase_if(map.pending, [&](const Digit &digit) { return digit.axis == axis; });
  }
}

void Rules::checkReshape(const Map &from, const Map &to) {
  Run sequences[2];
  for (const Map *map : {&from, &to})
    for (const Dim &dim : map->dims) // A packed dim stays as it is.
      llvm::append_range(sequences[map == &to],
                         dim.size() == 1 ? dim[0] : Run{{Size(0), Size(1), print(dim), "", Size(1)}});
  for (size_t d = 0; d < to.dims.size(); ++d) {
    const Run &run = to.dims[d][0];
    bool isEnd = !run.empty() && run.back().isMesh() && !isAttached(run, run.size() - 1) && localSize(run) != 1;
    bool wasEnd = isEnd && llvm::any_of(from.dims, [&](const Dim &dim) {
                    return !dim[0].empty() && dim[0].back().axis == run.back().axis;
                  });
    bool isLast = llvm::all_of(llvm::drop_begin(to.dims, d + 1), [](const Dim &dim) { return localSize(dim) == 1; });
    if (isEnd && !wasEnd && !isLast)
      reject("dim " + llvm::Twine(d) + " ends in a shard of what follows it: " + print(to.dims[d]));
  }
  merge(sequences[0]), merge(sequences[1]);
  if (sequences[0] != sequences[1] || from.pending != to.pending)
    reject("no reshape makes " + print({sequences[1]}) + " of " + print({sequences[0]}));
}

void Rules::checkSame(Map expected, Map claimed, bool isMoving) {
  normalise(expected);
  Run strays, found;
  bool isMoved = isMoving && expected.dims != claimed.dims;
  for (bool isClaimed : {false, true})
    for (Dim &dim : isClaimed ? claimed.dims : expected.dims)
      for (Run &run : dim)
        for (size_t i = run.size(); i-- > 0 && isMoved;) {
          bool isStray = isClaimed ? llvm::is_contained(strays, run[i]) && (isAttached(run, i) || localSize(run) == 1)
                                   : run[i].isMesh() && !(i + 1 < run.size() && continues(run[i], run[i + 1]));
          if (!isStray)
            continue;
          (isClaimed ? found : strays).push_back(run[i]);
          run.erase(run.begin() + static_cast<ptrdiff_t>(i));
        }
  normalise(expected), normalise(claimed);
  if (expected.kind != Map::Digits || expected.dims != claimed.dims || !isPermuted(strays, found) ||
      !isPermuted(expected.pending, claimed.pending))
    reject("the map does not follow from that of the operand");
}

//===--- Computation
//------------------------------------------------------------------------------------------------===//

Run Rules::flatten(const Map &map, const Run &run, bool isConsumed, std::string &reason) const {
  Run flat = run;
  Size extent(1);
  for (size_t i = run.size(); i-- > 0;) {
    const Digit &digit = run[i];
    // Digits below the last one of a piece stand elsewhere. Where one was ever on the mesh, ranks hold parts of it.
    bool isBelowSpread = llvm::any_of(
        spread, [&](const Digit &other) { return other.space == digit.space && !divides(digit.stride, other.stride); });
    if (digit.stride == 0 || (isBelowSpread && !(i + 1 < run.size() && continues(digit, run[i + 1]))))
      reason = "what continues a digit stands elsewhere";
    Size held(1), elsewhere(1);
    for (const Digit &other : run)
      held *= other.space == digit.space ? other.count : Size(1);
    for (const Digit &other : meshDigits(map))
      elsewhere *= other.space == digit.space && !llvm::is_contained(run, other) ? other.count : Size(1);
    auto whole = spaces.find(digit.space);
    bool isEntire = (whole != spaces.end() && held == whole->second) ||
                    (held == digit.count && runs.count({digit.space, print({{digit}})}));
    if (bound.count(digit.space) && !isEntire && (isConsumed || elsewhere != 1))
      reason = "a part of '" + digit.space + "', which a result names";
    auto tag = tags.find(digit.space);
    flat[i].space = tag == tags.end() ? "" : tag->second;
    flat[i].stride = extent;
    extent *= digit.count;
  }
  return flat;
}

void Rules::checkAgree(const Map &aMap, const Dim &a, const Map &bMap, const Dim &b) {
  std::string reason;
  bool isEqual = localSize(a) == localSize(b);
  if (a == b || (isEqual && (isDuplicates(a) || isDuplicates(b))))
    return;
  isEqual &= a.size() == b.size();
  for (size_t i = 0; isEqual && i < a.size(); ++i) {
    Run flat[2] = {flatten(aMap, a[i], false, reason), flatten(bMap, b[i], false, reason)};
    for (Run &run : flat) { // Local digits in their order, then mesh digits by axis and weight.
      Run mesh = meshDigits({Map::Digits, {{run}}});
      llvm::sort(mesh, [](const Digit &x, const Digit &y) {
        return x.axis != y.axis ? x.axis < y.axis : x.weight > y.weight;
      });
      llvm::erase_if(run, [](const Digit &digit) { return digit.isMesh(); });
      llvm::append_range(run, mesh);
      merge(run);
    }
    isEqual &= flat[0] == flat[1];
  }
  if (!isEqual || !reason.empty())
    reject(print(a) + " and " + print(b) + " do not agree" + (reason.empty() ? "" : ": " + reason));
}

void Rules::checkRule(const nn::IterationRule &rule, llvm::ArrayRef<Map> operands, llvm::ArrayRef<Map> results) {
  auto isNumber = [](const Map &map) { return map.kind == Map::Uniform && !map.isZero; };
  bool isMultilinear = rule.linearity == nn::Linearity::Multilinear;
  // A number added to each part would count once per rank.
  bool isAdditive = rule.linearity == nn::Linearity::Additive && llvm::none_of(operands, isNumber);
  std::vector<std::pair<const Map *, const Dim *>> dims(rule.iterators.size());
  Run pending, used;
  const Map *first = nullptr;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Map &map = operands[i];
    if (map.kind == Map::Uniform)
      continue;
    if (map.kind == Map::None || map.dims.size() != rule.operands[i].size())
      return reject("operand " + llvm::Twine(i) + " has no map");
    if (!map.pending.empty() && !isMultilinear && !isAdditive && !(rule.linearOperands >> i & 1))
      return reject("operand " + llvm::Twine(i) + " is still to be reduced over '" + map.pending[0].axis + "'");
    if (isAdditive && first && !isPermuted(map.pending, first->pending))
      return reject("adds values of which one is still to be reduced and one is not");
    if (!isAdditive || !first)
      llvm::append_range(pending, map.pending);
    first = &map;
    for (size_t d = 0; d < map.dims.size(); ++d) {
      if (rule.operands[i][d] == nn::noIterator) {
        if (!meshDigits({Map::Digits, {map.dims[d]}}).empty())
          return reject("dim " + llvm::Twine(d) + " is needed whole: " + print(map.dims[d]));
        continue;
      }
      auto &known = dims[static_cast<size_t>(rule.operands[i][d])];
      if (known.second)
        checkAgree(*known.first, *known.second, map, map.dims[d]);
      if (!known.second || isDuplicates(*known.second))
        known = {&map, &map.dims[d]};
    }
  }
  for (auto [iterator, known] : llvm::zip(rule.iterators, dims)) {
    if (!known.second)
      continue;
    Run shards = meshDigits({Map::Digits, {*known.second}});
    if (iterator.kind == nn::IteratorKind::Parallel) {
      llvm::append_range(used, shards);
      continue;
    }
    bool isMaximum = iterator.kind == nn::IteratorKind::Maximum;
    bool mayBeSpread = iterator.kind != nn::IteratorKind::Whole && (isMultilinear || rule.linearOperands || isMaximum);
    std::string reason = known.second->size() == 1 ? "" : "a packed dim is consumed";
    (void)flatten(*known.first, known.second->front(), true, reason);
    if (!shards.empty() && !mayBeSpread)
      reason = "a dim is needed whole on every rank";
    if (!reason.empty())
      return reject(reason + ": " + print(*known.second));
    for (const Digit &digit : shards)
      pending.push_back({digit.count, Size(0), isMaximum ? "max" : "sum", digit.axis, digit.weight});
  }
  llvm::append_range(used, pending);
  if (!areDisjoint(used))
    return reject("an axis serves two dims, or a dim and a reduction");
  for (size_t r = 0; r < rule.results.size(); ++r) {
    if (results[r].dims.size() != rule.results[r].size() || !isPermuted(results[r].pending, pending))
      return reject("the result is still to be reduced over other ranks than its map says");
    for (size_t d = 0; d < results[r].dims.size(); ++d) {
      int64_t iterator = rule.results[r][d];
      auto known = iterator == nn::noIterator ? dims.end() : dims.begin() + static_cast<ptrdiff_t>(iterator);
      // The dim of any operand that is not the same everywhere where another one is not; duplicates where no operand
      // has it.
      bool isOf = (known == dims.end() || !known->second) && isDuplicates(results[r].dims[d]);
      for (size_t i = 0; i < operands.size() && !isOf; ++i)
        for (size_t k = 0; k < operands[i].dims.size() && operands[i].kind == Map::Digits; ++k)
          isOf |= rule.operands[i][k] == iterator && operands[i].dims[k] == results[r].dims[d] &&
                  (isDuplicates(*known->second) || !isDuplicates(operands[i].dims[k]));
      if (!isOf)
        return reject("dim " + llvm::Twine(d) + " of the result is that of no operand: " + print(results[r].dims[d]));
    }
  }
}

void Rules::checkBoundary(const Map &map, const Map &declared) {
  if (map.kind == Map::Uniform)
    return;
  if (map.kind == Map::None || map.dims.size() != declared.dims.size())
    return reject("a value that is declared has no map");
  if (!isPermuted(map.pending, declared.pending))
    return reject("a value is not reduced as declared");
  for (auto [dim, wanted] : llvm::zip(map.dims, declared.dims)) {
    if (dim == wanted)
      continue;
    std::set<std::string> names = bound;
    for (const Run &run : wanted)
      for (const Digit &digit : run)
        names.insert(digit.space);
    for (const Run &run : dim)
      for (const Digit &digit : run)
        if (names.count(digit.space))
          return reject("a dim holds " + print(dim) + ", declared " + print(wanted));
    checkAgree(map, dim, declared, wanted);
  }
}

} // namespace muster::certificate
