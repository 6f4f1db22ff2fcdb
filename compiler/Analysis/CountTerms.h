// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a size or a vector of counts is made of, as an expression over what ranks bring to a step: how many rows of a
// unit of a batch each has. Two sizes are the same for all steps where their expressions are; where they are not,
// numbers show whether they may differ.
//
// Expressions are interned: equal ones are one object. Sums and products of scalars keep their order, so that equal
// sizes may be two objects; `CountTerms::findDifference` tries numbers then, and says nothing where none differ.

#ifndef MUSTER_COMPILER_ANALYSIS_COUNTTERMS_H
#define MUSTER_COMPILER_ANALYSIS_COUNTTERMS_H

#include "dialects/Muster/IR/MusterDialect.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Allocator.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// What is counted: "tokens" of batch "@step".
struct Countable {
  std::string epoch;
  CountUnit unit = CountUnit::Tokens;
  friend auto operator<=>(const Countable &, const Countable &) = default;
  std::string text() const { return (stringifyCountUnit(unit) + " @" + epoch).str(); }
};

struct CountTerm : llvm::FoldingSetNode {
  enum class Kind {
    Constant,  ///< number
    Symbol,    ///< a size with a name, the same on all ranks (`text`), or a number of which nothing is known
    Rows,      ///< how many rows of `what` the rank brings, over `axes`
    Exchanged, ///< vector over `axes`: the operand, a number of each rank
    Scale,     ///< vector: operand * number + addend
    Pad,       ///< vector: the operand's elements up to a multiple of `number`, by `mode` (unless the second is zero)
    Rest,      ///< vector: the first operand without the second
    Own,       ///< element of a vector at the rank's own position
    Total,
    Maximum,
    OwnOffset, ///< sum of the elements in front of the own position
    Add,
    Subtract,
    Multiply,
    Divide, ///< rounded down
    Lesser,
    Greater,
    Either,   ///< the first operand where the condition `value` holds, else the second
    Undefined ///< `value`: what nobody has set
  };
  Kind kind = Kind::Symbol;
  int64_t number = 0, addend = 0;
  PaddingMode mode = PaddingMode::Sum;
  Countable what;
  llvm::SmallVector<std::string, 2> axes;
  mlir::Value value;
  int64_t dim = -1;
  /// The call that `value` belongs to, where its function is called more than once.
  int64_t context = 0;
  std::string text; ///< of a symbol
  llvm::SmallVector<const CountTerm *, 2> operands;
  /// Of the expression written out.
  int64_t weight = 1;

  bool isConstant(int64_t expected) const { return kind == Kind::Constant && number == expected; }
  void Profile(llvm::FoldingSetNodeID &id) const;
  /// "own tokens @step", "total(tokens @step) + 1".
  std::string print() const;
};

/// A step in numbers: what rows each rank has, and values of symbols and conditions.
struct CountSample {
  /// By countable, in the order of positions on its axes.
  std::map<Countable, std::vector<int64_t>> rows;
  llvm::DenseMap<const CountTerm *, int64_t> symbols;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, bool> conditions;
};

/// Two sizes that differ in a step: the step, the rank's position and both numbers.
struct CountDifference {
  CountSample sample;
  int64_t position = 0;
  int64_t left = 0, right = 0;
  /// "where the tokens @step of the ranks are 3, 5".
  std::string print() const;
};

class CountTerms {
public:
  /// `mesh` says how many positions axes have.
  explicit CountTerms(MeshAttr mesh) : mesh(mesh) {}

  const CountTerm *constant(int64_t number);
  /// A size that is the same on all ranks.
  const CountTerm *named(llvm::StringRef text);
  /// What is known by where it comes from, and by nothing else.
  const CountTerm *symbol(mlir::Value value, int64_t dim, int64_t context);
  const CountTerm *undefined(mlir::Value value, int64_t context);
  const CountTerm *rows(Countable what, llvm::ArrayRef<std::string> axes);
  const CountTerm *exchanged(const CountTerm *own, llvm::ArrayRef<std::string> axes);
  const CountTerm *scale(const CountTerm *vector, int64_t factor, int64_t addend);
  const CountTerm *pad(const CountTerm *vector, int64_t multiple, PaddingMode mode, const CountTerm *unless = nullptr);
  const CountTerm *rest(const CountTerm *parent, const CountTerm *first);
  /// Own, Total, Maximum or OwnOffset of a vector.
  const CountTerm *elementOf(CountTerm::Kind kind, const CountTerm *vector);
  const CountTerm *binary(CountTerm::Kind kind, const CountTerm *left, const CountTerm *right);
  const CountTerm *either(mlir::Value condition, int64_t context, const CountTerm *whenTrue,
                          const CountTerm *whenFalse);

  /// The value on the rank at `position` of the axes of what is counted. Nothing where it is undefined, divides by
  /// zero, or depends on more than the sample says.
  std::optional<int64_t> evaluate(const CountTerm *term, const CountSample &sample, int64_t position) const;
  std::optional<std::vector<int64_t>> evaluateVector(const CountTerm *term, const CountSample &sample) const;

  /// Looks for a step in which the sizes differ: none, one and many rows, equal and unequal ones. Only `allowed` steps
  /// count. Nothing where none was found, or where a size cannot be evaluated: one that depends on numbers of which
  /// nothing is known, on rows over different axes, or of very many positions.
  std::optional<CountDifference> findDifference(const CountTerm *left, const CountTerm *right,
                                                llvm::function_ref<bool(int64_t, int64_t)> differ,
                                                llvm::function_ref<bool(const CountSample &)> allowed) const;
  /// Positions of a group; nothing where an axis is open.
  std::optional<int64_t> positionsOf(llvm::ArrayRef<std::string> axes) const;
  /// Greatest numbers of rows that a position may have, for samples.
  std::map<Countable, int64_t> bounds;

private:
  const CountTerm *intern(CountTerm term);
  /// The same; of an open mesh a few positions stand for all.
  int64_t samplePositions(llvm::ArrayRef<std::string> axes) const { return positionsOf(axes).value_or(3); }
  std::vector<CountSample> makeSamples(const CountTerm *left, const CountTerm *right) const;

  MeshAttr mesh;
  llvm::FoldingSet<CountTerm> terms;
  std::vector<std::unique_ptr<CountTerm>> owned;
  int64_t opaque = 0;
};

/// Whether `term` or one of its operands is of this kind; the first such.
const CountTerm *findTerm(const CountTerm *term, CountTerm::Kind kind);

/// Whether a term says what is known of one run of a function only: a number, or which way a branch went.
bool isOfOneRun(const CountTerm *term);

/// That a term is a size or a sum, product, quotient or rest of such: never below zero.
bool isNotNegative(const CountTerm *term);

/// The operand and the number where a term is the rest that a division by a number leaves: x - x / m * m.
std::optional<std::pair<const CountTerm *, int64_t>> asRest(const CountTerm *term);

/// That a term is a multiple of a number in every step, by its form.
bool isMultipleOf(const CountTerm *term, int64_t number);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COUNTTERMS_H
