// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks a certificate of muster-verify against the program that it is for. Shares no code with compiler/Layout and
// compiler/Analysis: what is wrong in one place must be wrong in two, in other words.
//
// A certificate has a map for each operation that matters, in the order of the program (calls are followed). Trusted
// are the program, its layouts, weights and states. The map of each result must follow from those of the operands by
// the rule of the operation; it only chooses where a rule leaves a choice. Where all do: there is one program without a
// mesh whose values are functions of positions in named dims, each rank holds the parts that the maps say, and results
// are as declared. docs/certificates.md tells the format and the rules.
#ifndef MUSTER_COMPILER_CERTIFICATE_CHECKER_H
#define MUSTER_COMPILER_CERTIFICATE_CHECKER_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <optional>

namespace muster::certificate {

/// Why a certificate is not accepted.
struct Fault {
  mlir::Location location;
  std::string message;        ///< one line, without a number
  bool isUnsupported = false; ///< there is no rule for the operation: nothing is said of the program
};

/// Nullopt where the certificate, the `functions` of its file, shows that the module is right. The module is verified.
std::optional<Fault> check(mlir::ModuleOp module, const llvm::json::Array &functions);

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_CHECKER_H
