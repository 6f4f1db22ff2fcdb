// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountBounds.h"

#include "compiler/Analysis/CountInference.h"

#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

CountBounds::CountBounds(CountTerms &terms, func::FuncOp function) : terms(terms) {
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  for (unsigned i = 0; bounds && i < function.getNumArguments(); ++i) {
    auto layout = function.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      if (LayoutTermAttr term = raggedTermOf(dim))
        if (auto bound = bounds.getAs<IntegerAttr>(term.getName()))
          terms.bounds[countableOf(term)] = bound.getInt();
  }
}

bool CountBounds::isAllowed(const CountSample &sample) const {
  // On every rank: positions are those of the rows that the sample has most of.
  size_t positions = 1;
  for (const auto &[what, rows] : sample.rows)
    positions = std::max(positions, rows.size());
  return llvm::all_of(ensured, [&](const auto &entry) {
    return llvm::all_of(llvm::seq<size_t>(0, positions), [&](size_t position) {
      std::optional<int64_t> value = terms.evaluate(entry.first, sample, static_cast<int64_t>(position));
      return !value || *value <= entry.second;
    });
  });
}

std::optional<int64_t> CountBounds::positionsOf(const CountTerm *vector) const {
  while (vector->kind != Kind::Exchanged && !vector->operands.empty())
    vector = vector->operands.front();
  return vector->kind == Kind::Exchanged ? terms.positionsOf(vector->axes) : std::nullopt;
}

std::optional<int64_t> CountBounds::greatestElement(const CountTerm *vector) const {
  std::optional<int64_t> inner = vector->kind == Kind::Exchanged ? greatest(vector->operands.front())
                                 : vector->operands.empty()      ? std::nullopt
                                                                 : greatestElement(vector->operands.front());
  // The most that a maximum may be, every element may.
  for (auto [known, bound] : ensured)
    if (known->kind == Kind::Maximum && known->operands.front() == vector && (!inner || bound < *inner))
      inner = bound;
  if (!inner || *inner < 0)
    return std::nullopt;
  switch (vector->kind) {
  case Kind::Exchanged:
  case Kind::Rest:
    return inner;
  case Kind::Scale: {
    std::optional<int64_t> scaled = llvm::checkedMul(*inner, vector->number);
    return scaled ? llvm::checkedAdd(*scaled, vector->addend) : std::nullopt;
  }
  case Kind::Pad: {
    // In every mode: no position gets more than the greatest, rounded up.
    std::optional<int64_t> raised = llvm::checkedAdd(*inner, vector->number - 1);
    return raised ? std::optional(*raised / vector->number * vector->number) : std::nullopt;
  }
  case Kind::Either: {
    std::optional<int64_t> other = greatestElement(vector->operands[1]);
    return other ? std::optional(std::max(*inner, *other)) : std::nullopt;
  }
  default:
    return std::nullopt;
  }
}

std::optional<int64_t> CountBounds::greatest(const CountTerm *term) const {
  std::optional<int64_t> best;
  for (auto [known, bound] : ensured)
    if (known == term && (!best || bound < *best))
      best = bound;
  auto take = [&](std::optional<int64_t> bound) {
    if (bound && (!best || *bound < *best))
      best = bound;
  };
  switch (term->kind) {
  case Kind::Constant:
    return term->number;
  case Kind::Rows: {
    auto bound = terms.bounds.find(term->what);
    take(bound == terms.bounds.end() ? std::nullopt : std::optional(bound->second));
    return best;
  }
  case Kind::Own:
  case Kind::Maximum:
    take(greatestElement(term->operands.front()));
    return best;
  case Kind::Total: {
    std::optional<int64_t> each = greatestElement(term->operands.front()),
                           positions = positionsOf(term->operands.front());
    take(each && positions ? llvm::checkedMul(*each, *positions) : std::nullopt);
    return best;
  }
  case Kind::Divide:
    if (const CountTerm *by = term->operands[1]; by->kind == Kind::Constant && by->number > 0)
      if (std::optional<int64_t> whole = greatest(term->operands[0]); whole && *whole >= 0)
        take(*whole / by->number);
    return best;
  case Kind::Lesser:
    take(greatest(term->operands[0]));
    take(greatest(term->operands[1]));
    return best;
  case Kind::Greater: {
    std::optional<int64_t> left = greatest(term->operands[0]), right = greatest(term->operands[1]);
    take(left && right ? std::optional(std::max(*left, *right)) : std::nullopt);
    return best;
  }
  case Kind::Add: {
    std::optional<int64_t> left = greatest(term->operands[0]), right = greatest(term->operands[1]);
    take(left && right ? llvm::checkedAdd(*left, *right) : std::nullopt);
    return best;
  }
  case Kind::Multiply: {
    std::optional<int64_t> left = greatest(term->operands[0]), right = greatest(term->operands[1]);
    take(left && right && *left >= 0 && *right >= 0 ? llvm::checkedMul(*left, *right) : std::nullopt);
    return best;
  }
  case Kind::Either: {
    std::optional<int64_t> left = greatest(term->operands[0]), right = greatest(term->operands[1]);
    take(left && right ? std::optional(std::max(*left, *right)) : std::nullopt);
    return best;
  }
  default:
    return best;
  }
}

bool CountBounds::isAtMost(const CountTerm *part, const CountTerm *whole) const {
  if (part == whole)
    return true;
  if (part->kind == Kind::Lesser)
    return isAtMost(part->operands[0], whole) || isAtMost(part->operands[1], whole);
  if (part->kind == Kind::Either)
    return isAtMost(part->operands[0], whole) && isAtMost(part->operands[1], whole);
  // A rank's rows end before all do.
  if (part->kind == Kind::Add && whole->kind == Kind::Total)
    for (unsigned own : {0u, 1u})
      if (const CountTerm *rows = part->operands[own], *offset = part->operands[1 - own];
          offset->kind == Kind::OwnOffset && offset->operands.front() == whole->operands.front() &&
          rows == terms.elementOf(Kind::Own, whole->operands.front()))
        return true;
  // And what is added to it.
  if (whole->kind == Kind::Add)
    for (unsigned own : {0u, 1u})
      if (isNotNegative(whole->operands[1 - own]) && isAtMost(part, whole->operands[own]))
        return true;
  // Rounded up to a multiple: (n + m - 1) / m * m, and more than that.
  if (whole->kind == Kind::Multiply && whole->operands[0]->kind == Kind::Divide)
    if (const CountTerm *quotient = whole->operands[0], *by = whole->operands[1], *sum = quotient->operands[0];
        by->kind == Kind::Constant && by->number > 0 && quotient->operands[1] == by && sum->kind == Kind::Add &&
        sum->operands[1]->kind == Kind::Constant && sum->operands[1]->number >= by->number - 1)
      return isAtMost(part, sum->operands[0]);
  switch (whole->kind) {
  case Kind::Either:
    return isAtMost(part, whole->operands[0]) && isAtMost(part, whole->operands[1]);
  case Kind::Greater:
    return isAtMost(part, whole->operands[0]) || isAtMost(part, whole->operands[1]);
  case Kind::Total:
  case Kind::Maximum:
    if (isAtMost(part, terms.elementOf(Kind::Own, whole->operands.front())))
      return true;
    [[fallthrough]];
  case Kind::Own: {
    const CountTerm *vector = whole->operands.front();
    return vector->kind == Kind::Pad && isAtMost(part, terms.elementOf(whole->kind, vector->operands.front()));
  }
  default:
    return false;
  }
}

std::optional<CountDifference> CountBounds::findUnequal(const CountTerm *left, const CountTerm *right) const {
  return terms.findDifference(
      left, right, [](int64_t a, int64_t b) { return a != b; },
      [&](const CountSample &sample) { return isAllowed(sample); });
}

std::optional<CountDifference> CountBounds::findGreater(const CountTerm *left, const CountTerm *right) const {
  return terms.findDifference(
      left, right, [](int64_t a, int64_t b) { return a > b; },
      [&](const CountSample &sample) { return isAllowed(sample); });
}
