// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Single edits of a program that keep every local shape: what somebody may get wrong without an error of types.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMEDITS_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMEDITS_H

#include "test/unit/compiler/Analysis/Dice.h"
#include "test/unit/compiler/Analysis/Program.h"

namespace muster::test {

/// One edit of a program after which all types still fit, and its name. Nullopt where none was found.
std::optional<Program> mutate(const Program &program, Dice &dice, std::string &edit);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMEDITS_H
