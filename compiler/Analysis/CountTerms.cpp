// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CountTerms.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/raw_ostream.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

void CountTerm::Profile(llvm::FoldingSetNodeID &id) const {
  id.AddInteger(static_cast<int>(kind));
  id.AddInteger(number);
  id.AddInteger(addend);
  id.AddInteger(static_cast<int>(mode));
  id.AddString(what.epoch);
  id.AddInteger(static_cast<int>(what.unit));
  for (const std::string &axis : axes)
    id.AddString(axis);
  id.AddPointer(value.getAsOpaquePointer());
  id.AddInteger(dim);
  id.AddInteger(context);
  id.AddString(text);
  for (const CountTerm *operand : operands)
    id.AddPointer(operand);
}

std::string CountTerm::print() const {
  auto infix = [&](StringRef sign) {
    return "(" + operands[0]->print() + " " + sign.str() + " " + operands[1]->print() + ")";
  };
  auto call = [&](StringRef name) {
    std::string all = name.str() + "(";
    llvm::raw_string_ostream os(all);
    llvm::interleaveComma(operands, os, [&](const CountTerm *operand) { os << operand->print(); });
    return all + ")";
  };
  switch (kind) {
  case Kind::Constant:
    return std::to_string(number);
  case Kind::Symbol:
    return text.empty() ? "a size that the program computes" : text;
  case Kind::Rows:
    return "own " + what.text();
  case Kind::Exchanged:
    // Counts of rows are named by the rows.
    return operands.front()->kind == Kind::Rows ? operands.front()->what.text() : call("exchanged");
  case Kind::Scale:
    return operands.front()->print() + (number == 1 ? "" : " * " + std::to_string(number)) +
           (addend == 0 ? "" : " + " + std::to_string(addend));
  case Kind::Pad:
    return operands.front()->print() + " padded to " + std::to_string(number) + ", " + stringifyPaddingMode(mode).str();
  case Kind::Rest:
    return operands[0]->print() + " without " + operands[1]->print();
  case Kind::Own:
    return call("own");
  case Kind::Total:
    return call("total");
  case Kind::Maximum:
    return call("maximum");
  case Kind::OwnOffset:
    return call("own offset");
  case Kind::Add:
    return infix("+");
  case Kind::Subtract:
    return infix("-");
  case Kind::Multiply:
    return infix("*");
  case Kind::Divide:
    return infix("/");
  case Kind::Lesser:
    return call("min");
  case Kind::Greater:
    return call("max");
  case Kind::Either:
    return operands[0]->print() + " or " + operands[1]->print();
  case Kind::Undefined:
    return "undefined";
  }
  llvm_unreachable("all kinds are printed");
}

std::string CountDifference::print() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  StringRef separator = "where ";
  for (const auto &[what, rows] : sample.rows) {
    os << separator << "the " << what.text() << " of the ranks are ";
    llvm::interleaveComma(rows, os);
    separator = " and ";
  }
  return text;
}

const CountTerm *muster::findTerm(const CountTerm *term, Kind kind) {
  if (term->kind == kind)
    return term;
  for (const CountTerm *operand : term->operands)
    if (const CountTerm *found = findTerm(operand, kind))
      return found;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Making terms
//===----------------------------------------------------------------------===//

/// Terms are walked as trees. What is larger than this is a number of which nothing is known.
static constexpr int64_t greatestWeight = 1000;

const CountTerm *CountTerms::intern(CountTerm term) {
  for (const CountTerm *operand : term.operands)
    term.weight += operand->weight;
  if (term.weight > greatestWeight) {
    term = CountTerm();
    term.number = ++opaque;
  }
  llvm::FoldingSetNodeID id;
  term.Profile(id);
  void *place = nullptr;
  if (CountTerm *known = terms.FindNodeOrInsertPos(id, place))
    return known;
  owned.push_back(std::make_unique<CountTerm>(std::move(term)));
  terms.InsertNode(owned.back().get(), place);
  return owned.back().get();
}

const CountTerm *CountTerms::constant(int64_t number) {
  CountTerm term;
  term.kind = Kind::Constant;
  term.number = number;
  return intern(std::move(term));
}

const CountTerm *CountTerms::named(StringRef text) {
  CountTerm term;
  term.text = text.str();
  return intern(std::move(term));
}

const CountTerm *CountTerms::symbol(Value value, int64_t dim, int64_t context) {
  CountTerm term;
  term.value = value;
  term.dim = dim;
  term.context = context;
  return intern(std::move(term));
}

const CountTerm *CountTerms::undefined(Value value, int64_t context) {
  CountTerm term;
  term.kind = Kind::Undefined;
  term.value = value;
  term.context = context;
  return intern(std::move(term));
}

const CountTerm *CountTerms::rows(Countable what, ArrayRef<std::string> axes) {
  CountTerm term;
  term.kind = Kind::Rows;
  term.what = std::move(what);
  term.axes.assign(axes.begin(), axes.end());
  return intern(std::move(term));
}

const CountTerm *CountTerms::exchanged(const CountTerm *own, ArrayRef<std::string> axes) {
  CountTerm term;
  term.kind = Kind::Exchanged;
  term.axes.assign(axes.begin(), axes.end());
  term.operands = {own};
  return intern(std::move(term));
}

const CountTerm *CountTerms::scale(const CountTerm *vector, int64_t factor, int64_t addend) {
  if (factor == 1 && addend == 0)
    return vector;
  CountTerm term;
  term.kind = Kind::Scale;
  term.number = factor;
  term.addend = addend;
  term.operands = {vector};
  return intern(std::move(term));
}

const CountTerm *CountTerms::pad(const CountTerm *vector, int64_t multiple, PaddingMode mode, const CountTerm *unless) {
  if (multiple == 1 && mode == PaddingMode::Sum)
    return vector;
  CountTerm term;
  term.kind = Kind::Pad;
  term.number = multiple;
  term.mode = mode;
  term.operands = {vector};
  if (unless)
    term.operands.push_back(unless);
  return intern(std::move(term));
}

const CountTerm *CountTerms::rest(const CountTerm *parent, const CountTerm *first) {
  CountTerm term;
  term.kind = Kind::Rest;
  term.operands = {parent, first};
  return intern(std::move(term));
}

const CountTerm *CountTerms::elementOf(Kind kind, const CountTerm *vector) {
  // What a rank gets back of an exchange is what it brought.
  if (kind == Kind::Own && vector->kind == Kind::Exchanged)
    return vector->operands.front();
  if (kind == Kind::Own && vector->kind == Kind::Scale) {
    const CountTerm *own = elementOf(kind, vector->operands.front());
    return binary(Kind::Add, binary(Kind::Multiply, own, constant(vector->number)), constant(vector->addend));
  }
  // The rows of two children without those of the first.
  if (kind == Kind::Own && vector->kind == Kind::Rest) {
    const CountTerm *whole = elementOf(kind, vector->operands[0]), *first = elementOf(kind, vector->operands[1]);
    if (whole->kind == Kind::Add && whole->operands[0] == first)
      return whole->operands[1];
  }
  if (vector->kind == Kind::Either)
    return either(vector->value, vector->context, elementOf(kind, vector->operands[0]),
                  elementOf(kind, vector->operands[1]));
  if (vector->kind == Kind::Undefined)
    return vector;
  CountTerm term;
  term.kind = kind;
  term.operands = {vector};
  return intern(std::move(term));
}

/// The number of positions, where all have the same count: padded to the greatest, and rounded up behind that.
static std::optional<int64_t> levelPositions(const CountTerms &terms, const CountTerm *vector) {
  while (vector->kind == Kind::Pad && vector->mode != PaddingMode::Max)
    vector = vector->operands.front();
  if (vector->kind != Kind::Pad)
    return std::nullopt;
  while (vector->kind != Kind::Exchanged && !vector->operands.empty())
    vector = vector->operands.front();
  return vector->kind == Kind::Exchanged ? terms.positionsOf(vector->axes) : std::nullopt;
}

const CountTerm *CountTerms::binary(Kind kind, const CountTerm *left, const CountTerm *right) {
  for (const CountTerm *operand : {left, right})
    if (operand->kind == Kind::Undefined)
      return operand;
  bool isCommutative = kind == Kind::Add || kind == Kind::Multiply || kind == Kind::Lesser || kind == Kind::Greater;
  if (isCommutative && left->kind == Kind::Constant)
    std::swap(left, right);
  if ((kind == Kind::Add || kind == Kind::Subtract) && right->isConstant(0))
    return left;
  if (kind == Kind::Add && right->kind == Kind::Subtract && right->operands[1] == left)
    return right->operands[0];
  if (kind == Kind::Add && left->kind == Kind::Subtract && left->operands[1] == right)
    return left->operands[0];
  // Both children of a batch have its rows.
  auto isRestOf = [&](const CountTerm *rest, const CountTerm *first) {
    return rest->kind == Kind::Own && rest->operands.front()->kind == Kind::Rest &&
           elementOf(Kind::Own, rest->operands.front()->operands[1]) == first;
  };
  if (kind == Kind::Add && isRestOf(right, left))
    return elementOf(Kind::Own, right->operands.front()->operands[0]);
  if (kind == Kind::Add && isRestOf(left, right))
    return elementOf(Kind::Own, left->operands.front()->operands[0]);
  if (kind == Kind::Subtract && left->kind == Kind::Add && left->operands[1] == right)
    return left->operands[0];
  if (kind == Kind::Subtract && left->kind == Kind::Add && left->operands[0] == right)
    return left->operands[1];
  if (kind == Kind::Subtract && left == right)
    return constant(0);
  if ((kind == Kind::Multiply || kind == Kind::Divide) && right->isConstant(1))
    return left;
  if (kind == Kind::Divide && left->kind == Kind::Multiply && left->operands[1] == right &&
      right->kind == Kind::Constant && right->number > 0)
    return left->operands[0];
  if (kind == Kind::Multiply && left->kind == Kind::Divide && left->operands[1] == right &&
      right->kind == Kind::Constant && right->number > 0 && isMultipleOf(left->operands[0], right->number))
    return left->operands[0];
  if ((kind == Kind::Lesser || kind == Kind::Greater) && left == right)
    return left;
  // Of positions with the same count all together have as many times that of one.
  if (right->kind == Kind::Constant && (kind == Kind::Multiply || kind == Kind::Divide) &&
      left->kind == (kind == Kind::Multiply ? Kind::Own : Kind::Total) &&
      levelPositions(*this, left->operands.front()) == right->number)
    return elementOf(kind == Kind::Multiply ? Kind::Total : Kind::Own, left->operands.front());
  if (left->kind == Kind::Constant && right->kind == Kind::Constant) {
    int64_t result = 0;
    if (kind == Kind::Add && !llvm::AddOverflow(left->number, right->number, result))
      return constant(result);
    if (kind == Kind::Subtract && !llvm::SubOverflow(left->number, right->number, result))
      return constant(result);
    if (kind == Kind::Multiply && !llvm::MulOverflow(left->number, right->number, result))
      return constant(result);
  }
  CountTerm term;
  term.kind = kind;
  term.operands = {left, right};
  return intern(std::move(term));
}

const CountTerm *CountTerms::either(Value condition, int64_t context, const CountTerm *whenTrue,
                                    const CountTerm *whenFalse) {
  if (whenTrue == whenFalse)
    return whenTrue;
  CountTerm term;
  term.kind = Kind::Either;
  term.value = condition;
  term.context = context;
  term.operands = {whenTrue, whenFalse};
  return intern(std::move(term));
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

std::optional<int64_t> CountTerms::positionsOf(ArrayRef<std::string> axes) const {
  int64_t positions = 1;
  for (const std::string &axis : axes) {
    std::optional<AxisPart> part = findAxisPart(mesh, axis);
    if (!part || ShapedType::isDynamic(part->size))
      return std::nullopt;
    positions *= part->size;
  }
  return positions;
}

std::optional<std::vector<int64_t>> CountTerms::evaluateVector(const CountTerm *term, const CountSample &sample) const {
  switch (term->kind) {
  case Kind::Exchanged: {
    std::vector<int64_t> values(samplePositions(term->axes));
    for (auto [position, value] : llvm::enumerate(values)) {
      std::optional<int64_t> own = evaluate(term->operands.front(), sample, static_cast<int64_t>(position));
      if (!own)
        return std::nullopt;
      value = *own;
    }
    return values;
  }
  case Kind::Scale: {
    std::optional<std::vector<int64_t>> values = evaluateVector(term->operands.front(), sample);
    if (values)
      for (int64_t &value : *values)
        value = value * term->number + term->addend;
    return values;
  }
  case Kind::Pad: {
    std::optional<std::vector<int64_t>> values = evaluateVector(term->operands.front(), sample);
    bool mayLevel = true;
    if (term->operands.size() > 1) {
      std::optional<std::vector<int64_t>> unless = evaluateVector(term->operands[1], sample);
      if (!unless)
        return std::nullopt;
      mayLevel = llvm::all_of(*unless, [](int64_t value) { return value == 0; });
    }
    if (!values)
      return std::nullopt;
    SmallVector<int64_t> padded = padCounts(*values, term->number, term->mode, mayLevel);
    return std::vector<int64_t>(padded.begin(), padded.end());
  }
  case Kind::Rest: {
    std::optional<std::vector<int64_t>> parent = evaluateVector(term->operands[0], sample),
                                        first = evaluateVector(term->operands[1], sample);
    if (!parent || !first || parent->size() != first->size())
      return std::nullopt;
    for (auto [whole, part] : llvm::zip_equal(*parent, *first))
      if ((whole -= part) < 0)
        return std::nullopt; // such a step ends at once
    return parent;
  }
  case Kind::Either: {
    auto condition = sample.conditions.find({term->value, term->context});
    if (condition == sample.conditions.end())
      return std::nullopt;
    return evaluateVector(term->operands[condition->second ? 0 : 1], sample);
  }
  default:
    return std::nullopt;
  }
}

std::optional<int64_t> CountTerms::evaluate(const CountTerm *term, const CountSample &sample, int64_t position) const {
  auto operand = [&](unsigned index) { return evaluate(term->operands[index], sample, position); };
  switch (term->kind) {
  case Kind::Constant:
    return term->number;
  case Kind::Symbol: {
    auto value = sample.symbols.find(term);
    return value == sample.symbols.end() ? std::nullopt : std::optional<int64_t>(value->second);
  }
  case Kind::Rows: {
    auto rows = sample.rows.find(term->what);
    if (rows == sample.rows.end() || position >= static_cast<int64_t>(rows->second.size()))
      return std::nullopt;
    return rows->second[position];
  }
  case Kind::Own:
  case Kind::Total:
  case Kind::Maximum:
  case Kind::OwnOffset: {
    std::optional<std::vector<int64_t>> values = evaluateVector(term->operands.front(), sample);
    if (!values || position >= static_cast<int64_t>(values->size()))
      return std::nullopt;
    if (term->kind == Kind::Own)
      return (*values)[position];
    if (term->kind == Kind::Maximum)
      return *llvm::max_element(*values);
    auto end = term->kind == Kind::Total ? values->end() : values->begin() + position;
    return std::accumulate(values->begin(), end, int64_t(0));
  }
  case Kind::Add:
  case Kind::Subtract:
  case Kind::Multiply:
  case Kind::Divide:
  case Kind::Lesser:
  case Kind::Greater: {
    std::optional<int64_t> left = operand(0), right = operand(1);
    if (!left || !right || (term->kind == Kind::Divide && *right <= 0))
      return std::nullopt;
    switch (term->kind) {
    case Kind::Add:
      return llvm::checkedAdd(*left, *right);
    case Kind::Subtract:
      return llvm::checkedSub(*left, *right);
    case Kind::Multiply:
      return llvm::checkedMul(*left, *right);
    case Kind::Divide:
      return *left / *right;
    case Kind::Lesser:
      return std::min(*left, *right);
    default:
      return std::max(*left, *right);
    }
  }
  case Kind::Either: {
    auto condition = sample.conditions.find({term->value, term->context});
    if (condition == sample.conditions.end())
      return std::nullopt;
    return operand(condition->second ? 0 : 1);
  }
  default:
    return std::nullopt;
  }
}

/// What is tried: more positions or rows would show nothing that these do not.
static constexpr int64_t mostPositions = 1 << 14, mostRows = 1 << 20;
static constexpr size_t mostCompared = 64;

namespace {

/// What two terms depend on.
struct Atoms {
  std::map<Countable, const CountTerm *> rows;
  llvm::SmallVector<const CountTerm *> symbols;
  llvm::SmallVector<std::pair<Value, int64_t>> conditions;
  /// All rows are over these.
  ArrayRef<std::string> axes;
  bool isMixed = false;

  void collect(const CountTerm *term) {
    if (term->kind == Kind::Rows) {
      isMixed |= !rows.empty() && axes != ArrayRef<std::string>(term->axes);
      axes = term->axes;
      rows[term->what] = term;
    }
    if (term->kind == Kind::Symbol && !term->text.empty() && !llvm::is_contained(symbols, term))
      symbols.push_back(term);
    std::pair<Value, int64_t> condition(term->value, term->context);
    if (term->kind == Kind::Either && !llvm::is_contained(conditions, condition))
      conditions.push_back(condition);
    for (const CountTerm *operand : term->operands)
      collect(operand);
  }
};

} // namespace

std::vector<CountSample> CountTerms::makeSamples(const CountTerm *left, const CountTerm *right) const {
  Atoms atoms;
  atoms.collect(left);
  atoms.collect(right);
  if (atoms.isMixed || samplePositions(atoms.axes) > mostPositions)
    return {};
  std::mt19937 random(2026);
  auto boundOf = [&](const Countable &what) {
    auto bound = bounds.find(what);
    return bound == bounds.end() ? int64_t(11) : std::clamp<int64_t>(bound->second, 0, mostRows);
  };
  std::vector<CountSample> samples;
  constexpr int tries = 24;
  for (int index = 0; index < tries; ++index) {
    CountSample sample;
    int64_t shift = 0;
    for (const auto &[what, term] : atoms.rows) {
      std::vector<int64_t> &rows = sample.rows[what];
      rows.resize(samplePositions(term->axes));
      // Small unequal ones first, as they read best; then full, none, and any.
      for (auto [position, value] : llvm::enumerate(rows)) {
        int64_t bound = boundOf(what);
        value = index == 0   ? (3 + 2 * static_cast<int64_t>(position) + shift) % (bound + 1)
                : index == 1 ? bound
                : index == 2 ? 0
                             : static_cast<int64_t>(random() % static_cast<uint64_t>(bound + 1));
      }
      ++shift;
    }
    for (const CountTerm *symbol : atoms.symbols)
      sample.symbols[symbol] = 1 + static_cast<int64_t>(random() % 13);
    for (auto [bit, condition] : llvm::enumerate(atoms.conditions))
      sample.conditions[condition] = (index >> std::min<size_t>(bit, 4)) & 1;
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::optional<CountDifference> CountTerms::findDifference(const CountTerm *left, const CountTerm *right,
                                                          llvm::function_ref<bool(int64_t, int64_t)> differ,
                                                          llvm::function_ref<bool(const CountSample &)> allowed) const {
  if (left == right && !differ(0, 0))
    return std::nullopt;
  for (CountSample &sample : makeSamples(left, right)) {
    if (!allowed(sample))
      continue;
    size_t positions = 1;
    for (const auto &entry : sample.rows)
      positions = std::max(positions, std::min(mostCompared, entry.second.size()));
    for (size_t position = 0; position < positions; ++position) {
      std::optional<int64_t> a = evaluate(left, sample, static_cast<int64_t>(position)),
                             b = evaluate(right, sample, static_cast<int64_t>(position));
      if (a && b && differ(*a, *b))
        return CountDifference{std::move(sample), static_cast<int64_t>(position), *a, *b};
    }
  }
  return std::nullopt;
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

std::optional<std::pair<const CountTerm *, int64_t>> muster::asRest(const CountTerm *term) {
  if (term->kind != Kind::Subtract || term->operands[1]->kind != Kind::Multiply)
    return std::nullopt;
  const CountTerm *quotient = term->operands[1]->operands[0], *by = term->operands[1]->operands[1];
  bool isRest = by->kind == Kind::Constant && by->number > 0 && quotient->kind == Kind::Divide &&
                quotient->operands[0] == term->operands[0] && quotient->operands[1] == by;
  return isRest ? std::optional(std::pair(term->operands[0], by->number)) : std::nullopt;
}

bool muster::isNotNegative(const CountTerm *term) {
  switch (term->kind) {
  case Kind::Constant:
    return term->number >= 0;
  case Kind::Rows:
    return true;
  case Kind::Own:
  case Kind::Total:
  case Kind::Maximum:
  case Kind::OwnOffset: {
    const CountTerm *vector = term->operands.front();
    while (vector->kind == Kind::Pad)
      vector = vector->operands.front();
    return vector->kind == Kind::Exchanged && isNotNegative(vector->operands.front());
  }
  case Kind::Divide:
    return term->operands[1]->kind == Kind::Constant && term->operands[1]->number > 0 &&
           isNotNegative(term->operands[0]);
  case Kind::Add:
  case Kind::Multiply:
  case Kind::Lesser:
  case Kind::Either:
    return isNotNegative(term->operands[0]) && isNotNegative(term->operands[1]);
  case Kind::Greater:
    return isNotNegative(term->operands[0]) || isNotNegative(term->operands[1]);
  case Kind::Subtract: {
    if (auto rest = asRest(term))
      return isNotNegative(rest->first);
    auto rest = asRest(term->operands[1]);
    return rest && isNotNegative(rest->first) && term->operands[0]->kind == Kind::Constant &&
           term->operands[0]->number >= rest->second - 1;
  }
  default:
    return false;
  }
}

bool muster::isOfOneRun(const CountTerm *term) {
  return (term->kind == Kind::Symbol && term->text.empty()) || term->kind == Kind::Either ||
         llvm::any_of(term->operands, isOfOneRun);
}
