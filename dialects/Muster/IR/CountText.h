// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What counts are of, in words, for errors of every operation that takes some.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"

namespace muster {

/// "tokens of batch @step on [dp]".
std::string textOf(CountsType type);
/// "rows of batch @route".
std::string textOf(RoutedAttr routed);

/// The operation or block argument that brings counts into being: the local_count behind an exchange, the counts that
/// were aligned, scaled or padded, the histogram behind routed counts.
mlir::Value makerOf(mlir::Value counts);

/// The error of `op` that `counts` are not `expected`, with notes at the makers of both.
mlir::InFlightDiagnostic refuseMix(mlir::Operation *op, mlir::Value counts, const llvm::Twine &expected,
                                   mlir::Value other = {});

} // namespace muster
