// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random programs that are right by construction: what each value holds is known, and every operation keeps it so.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_RIGHTPROGRAM_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_RIGHTPROGRAM_H

#include "test/unit/compiler/Analysis/Dice.h"
#include "test/unit/compiler/Analysis/Program.h"

namespace muster::test {

/// `isWide`: with operations of nn, parts side by side, loops, branches and calls.
Program makeRight(Dice &dice, bool isWide = false);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_RIGHTPROGRAM_H
