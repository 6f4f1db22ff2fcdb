// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Padding of what is gathered and handed out again.
//
// A gather of a batch's tokens gives all rows to every rank, and a scatter hands them out. What lies between the two
// works on as many rows as all ranks together have. Where it works row by row, dead rows behind those of each rank do
// no harm: the rows are padded in front of the gather, moved by the padded counts, and unpadded behind the scatter.
// What is looked up by values of such rows (ids in an embedding), takes rows together or makes numbers of how many
// there are keeps the exact rows, and so does all that is connected with it. What branches (scf.if) and loops (scf.for)
// move is padded as what lies outside: rows that may be either value are padded in both or in none. Regions of another
// kind keep their rows, and say so (E1216).
//
//   %g = redistribute %x counts(%c) [t/dp] -> [t]          %p = pad %x counts(%c) to(%n)
//   %y = f(%g)                                       ->    %g = redistribute %p counts(%n) [t.padded/dp] -> [t.padded]
//   %s = redistribute %y counts(%c) [t] -> [t/dp]          %y = f(%g)
//                                                          %q = redistribute %y counts(%n) [t.padded] -> [t.padded/dp]
//                                                          %s = unpad %q counts(%n) to(%c)
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace muster {

/// Pads the rows of unit tokens that the function's redistributions gather and scatter by `counts`, where it can. The
/// padded counts are made once, behind the counts; `unless`, of mode balanced, says in which steps they are not
/// levelled (may be null). Returns how many redistributions move padded rows now.
int64_t padMovedRows(mlir::func::FuncOp function, MeshAttr mesh, mlir::TypedValue<CountsType> counts, PaddingMode mode,
                     int64_t multiple, mlir::Value unless);

} // namespace muster
