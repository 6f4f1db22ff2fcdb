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
  return llvm::all_of(ensured, [&](const auto &entry) {
    std::optional<int64_t> value = terms.evaluate(entry.first, sample, 0);
    return !value || *value <= entry.second;
  });
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
  case Kind::Total: {
    // Every position has at most its bound.
    const CountTerm *vector = term->operands.front();
    if (vector->kind != Kind::Exchanged)
      return best;
    std::optional<int64_t> each = greatest(vector->operands.front()), positions = terms.positionsOf(vector->axes);
    take(each && positions ? llvm::checkedMul(*each, *positions) : std::nullopt);
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
  switch (whole->kind) {
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

bool muster::isMultipleOf(const CountTerm *term, int64_t number) {
  auto operand = [&](unsigned index) { return isMultipleOf(term->operands[index], number); };
  switch (term->kind) {
  case Kind::Constant:
    return term->number % number == 0;
  case Kind::Pad:
    return term->number % number == 0;
  case Kind::Own:
  case Kind::Total:
  case Kind::Maximum:
  case Kind::OwnOffset:
  case Kind::Exchanged:
    return operand(0);
  case Kind::Multiply:
    return operand(0) || operand(1);
  case Kind::Add:
  case Kind::Subtract:
  case Kind::Lesser:
  case Kind::Greater:
  case Kind::Either:
    return operand(0) && operand(1);
  default:
    return number == 1;
  }
}
