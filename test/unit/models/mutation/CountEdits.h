// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random edits of a function whose counts are values: what somebody may get wrong about how many rows ranks have.

#ifndef MUSTER_TEST_UNIT_MODELS_MUTATION_COUNTEDITS_H
#define MUSTER_TEST_UNIT_MODELS_MUTATION_COUNTEDITS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <random>
#include <string>

namespace muster::test {

/// Edits the function in place and says what was edited; an empty text where the edit that chance chose has no place.
/// What comes of it need not verify. Edits:
///   - of what moves rows: counts left out, those of other rows, scaled; the other side ragged; left out altogether;
///     done only by ranks that have rows;
///   - of an exchange: another number counted; counted as another batch or unit;
///   - of sizes: another one, half, double, one more; of first rows: those of other counts;
///   - of an argument: rows of another batch, unit or axis, or not ragged; of a check: another bound, or none.
std::string editCounts(mlir::func::FuncOp function, std::mt19937 &random);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_MODELS_MUTATION_COUNTEDITS_H
