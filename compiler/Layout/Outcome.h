// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rule of the algebra answers: a value, or why there is none.

#ifndef MUSTER_COMPILER_LAYOUT_OUTCOME_H
#define MUSTER_COMPILER_LAYOUT_OUTCOME_H

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace muster::layout {

/// Why a rule gives no value.
struct Refusal {
  enum class Kind {
    /// The operation is wrong on this value: no program without mesh does the same.
    Wrong,
    /// A reshape cuts inside a digit where it has no boundary: the digits cannot say what the result holds.
    Misaligned,
    /// The rules do not cover it. Neither right nor wrong is known.
    Unknown,
  };
  /// What about the values stands in the way, where callers treat it apart.
  enum class Cause {
    Other,
    /// A value is still to be reduced, or was reduced too often.
    Reduction,
    /// One axis of the mesh serves two dims, floats or sums of an operation.
    SharedAxis,
  };
  Kind kind = Kind::Wrong;
  /// One line, lower case, no full stop; names spaces, axes and digits.
  std::string message;
  /// For Unknown and Misaligned: the fact that would settle it, and how to state it; may be empty. For Wrong:
  /// what else may have been meant.
  std::string missingFact;
  Cause cause = Cause::Other;
  /// The error's number where the rule knows better than its caller; 0 where it does not.
  int number = 0;

  static Refusal wrong(std::string message, Cause cause = Cause::Other) {
    return {Kind::Wrong, std::move(message), "", cause};
  }
};

/// A value or a refusal.
template <typename T>
class [[nodiscard]] Outcome {
public:
  Outcome(T value) : value(std::move(value)) {}             // NOLINT: returned as it is
  Outcome(Refusal refusal) : refusal(std::move(refusal)) {} // NOLINT
  explicit operator bool() const { return value.has_value(); }
  T &operator*() {
    assert(value && "a refusal has no value");
    return *value;
  }
  const T &operator*() const {
    assert(value && "a refusal has no value");
    return *value;
  }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }
  const Refusal &getRefusal() const { return refusal; }

private:
  std::optional<T> value;
  Refusal refusal;
};

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_OUTCOME_H
