// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a program on all ranks of its mesh, with plain loops: the judge of every pass.
//
// Ranks run in lock step, op by op, so that a collective finds every rank's operands. Control flow must be taken alike
// by all ranks. Floats are computed in float64 and rounded to their declared type after every operation (or not at all:
// `float64`); sums inside an nn operation are float64 throughout. What nobody has written is NaN.
//
//   auto interpreter = Interpreter::create(module, {});
//   interpreter->setWeight("l0.q", Tensor::ofReals({6, 4}, f32, values));
//   auto results = interpreter->runLogical("step", {tokens, positions});
#pragma once

#include "compiler/Reference/Sharding.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace muster::reference {

struct InterpreterOptions {
  bool float64 = false;                    ///< keep every float, whatever its type, in float64: no rounding at all
  int64_t pages = 8;                       ///< pages of a state on each rank, where its first dim is dynamic
  int64_t greatestStepCount = 100'000'000; ///< operations after which a run is given up: a loop that does not end
  LogicalSizes sizes = {};                 ///< sizes that neither types nor inputs tell
};

/// What went wrong, and at which operation (null where there is none).
class InterpreterError : public llvm::ErrorInfo<InterpreterError> {
public:
  static char ID;
  InterpreterError(mlir::Operation *op, std::string text) : op(op), text(std::move(text)) {}
  mlir::Operation *getOperation() const { return op; }
  const std::string &getText() const { return text; }
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

private:
  mlir::Operation *op;
  std::string text;
};

/// Weights and states belong to the interpreter and live from run to run. The module must outlive it and stay
/// unchanged.
class Interpreter {
public:
  explicit Interpreter(mlir::ModuleOp module, InterpreterOptions options = {});

  /// Gives a weight its logical value; every rank gets its part by the weight's layout. Fails where name, shape or
  /// element type do not fit.
  llvm::Error setWeight(llvm::StringRef name, Tensor logical);

  /// The weight was given a value, or makes its own (`muster.generator = "coordinate"`: element i is i).
  bool hasWeight(llvm::StringRef name) const { return weights.count(name) != 0; }

  /// The state's memory on a rank; made (undefined) on first use. Fails where there is no such state.
  llvm::Expected<Tensor *> getState(llvm::StringRef name, int64_t rank);
  /// Forgets what all states hold.
  void clearStates() { states.clear(); }

  /// Runs an entry on every rank. `inputs[argument][rank]` and the results are local tensors.
  llvm::Expected<std::vector<RankValues>> run(llvm::StringRef entry, std::vector<RankValues> inputs);

  /// The same with logical tensors: arguments are scattered by their `muster.layout` (without one every rank gets the
  /// whole value), results are gathered by theirs (without one all ranks must agree).
  llvm::Expected<std::vector<Tensor>> runLogical(llvm::StringRef entry, llvm::ArrayRef<Tensor> inputs);

  /// Parts of the logical inputs of an entry, as `run` takes them; and the logical tensors of what `run` gave.
  llvm::Expected<std::vector<RankValues>> scatterInputs(llvm::StringRef entry, llvm::ArrayRef<Tensor> inputs);
  llvm::Expected<std::vector<Tensor>> gatherResults(llvm::StringRef entry, const std::vector<RankValues> &results);

  /// The function and its mesh (a mesh of one rank where the module has none).
  llvm::Expected<mlir::func::FuncOp> lookUpEntry(llvm::StringRef entry);
  llvm::Expected<MeshAttr> getEntryMesh(llvm::StringRef entry);

  const InterpreterOptions &getOptions() const { return options; }

private:
  friend class Execution;

  mlir::ModuleOp module;
  InterpreterOptions options;
  llvm::StringMap<Tensor> weights;
  llvm::StringMap<RankValues> loaded;          ///< parts of the weights that were loaded
  llvm::StringMap<std::vector<Tensor>> states; ///< by name, one a rank
  LogicalSizes runSizes;                       ///< the options' sizes and what the inputs of the current run add
};

} // namespace muster::reference
