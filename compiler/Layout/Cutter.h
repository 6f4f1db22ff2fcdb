// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Taking local elements off a list of digits from the major side: what a reshape, and every collective that hands out
// equal parts, does to a dim. Mesh digits go with the local digit behind them.
//
//   | digits                        | cut by | taken                     | rest                |
//   | ----------------------------- | ------ | ------------------------- | ------------------- |
//   | (4 : 12 @s, sp) (12 : 1 @s)   | 3      | (4 : 12 @s, sp) (3 : 4 @s)| (4 : 1 @s)          |
//   | (2 : 1 @b) (6 : 1 @s)         | 4      | (2 : 1 @b) (2 : 3 @s)     | (3 : 1 @s)          |
//   | (4 : 1 @h) (5 : 1 @d)         | 10     | no: 4 and 10 / 4 have no boundary there         |

#ifndef MUSTER_COMPILER_LAYOUT_CUTTER_H
#define MUSTER_COMPILER_LAYOUT_CUTTER_H

#include "compiler/Layout/Value.h"

namespace muster::layout {

class Cutter {
public:
  explicit Cutter(llvm::ArrayRef<Digit> digits) : rest(digits.begin(), digits.end()) {}

  /// Appends digits with `size` local elements to `dim`; false where no digit has a boundary there. What was appended
  /// before that stays.
  bool cut(Size size, llvm::SmallVectorImpl<Digit> &dim);

  /// Appends what is left.
  void takeRest(llvm::SmallVectorImpl<Digit> &dim);

private:
  llvm::SmallVector<Digit, 4> rest;
  size_t at = 0;
};

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_CUTTER_H
