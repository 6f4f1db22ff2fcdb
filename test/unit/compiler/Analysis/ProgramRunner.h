// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What programs compute, on all ranks of their mesh and on one.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMRUNNER_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMRUNNER_H

#include "compiler/Reference/Interpreter.h"
#include "test/unit/compiler/Analysis/Program.h"

#include "mlir/IR/OwningOpRef.h"

#include <map>

namespace muster::test {

/// The logical result, or none where ranks that should agree do not.
struct ProgramRun {
  std::vector<reference::RankValues> parts;
  std::optional<reference::Tensor> logical;
  std::string error; ///< empty where it ran
};

class ProgramRunner {
public:
  ProgramRunner();

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text);
  /// Runs @f of a module on the program's arguments: the same numbers for the same argument of any edit.
  ProgramRun run(const Program &program, mlir::ModuleOp module);
  /// The program at mesh size 1; null where it is not well typed there.
  const ProgramRun *runSingle(const Program &program);
  /// Forgets what ran at mesh size 1.
  void forget() { single.clear(); }

private:
  mlir::MLIRContext context;
  /// By text: programs that differ in collectives only share one.
  std::map<std::string, ProgramRun> single;
};

/// Within rounding of float64. Sets `hasNan` where a number is not finite; those are left out.
bool isClose(const reference::Tensor &a, const reference::Tensor &b, bool &hasNan);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_PROGRAMRUNNER_H
