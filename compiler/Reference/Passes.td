// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_COMPILER_REFERENCE_PASSES_TD
#define MUSTER_COMPILER_REFERENCE_PASSES_TD

include "mlir/Pass/PassBase.td"

def InterpretPass : Pass<"muster-interpret", "::mlir::ModuleOp"> {
  let summary = "Run an entry on all ranks and print its results";
  let description = [{
    Runs the entry with the reference interpreter and prints its results to standard output, one line each. Weights and inputs are what
    `inputs` gives for them; the rest is made from `seed`, each element from the name of its weight or input and from its own logical index
    alone, so that a program gives the same results before and after a pass whatever the pass does to the order of things.

    Without `inputs`, floats are uniform in [-1, 1), or small integers with `values=integers`, whose sums are exact in any order. Integer
    inputs are uniform in [0, n), n being the argument's `muster.bound` (2 where it has none). A dynamic dim takes its size from `sizes`,
    by name, or else `muster.bounds` of the function, at most 5. Of dims divided in parts of any length, `sizes` gives the parts:
    `tokens@step=3:0:5` for three positions; a value of each rank of a field of the step (`muster.step_field`) likewise, `prefills=1:0`. Each is given once and is at most
    2^28, the most elements that a tensor has here.

    `inputs` names a JSON file: an object whose keys are port names (`muster.name`, or `0`, `1`, ... by position) and names of weights
    (`@l0.q`), whose values are nested lists of numbers: the logical tensors.

    ```
    muster-opt ulysses.mlir --muster-interpret='entry=attention seed=3 sizes=t=5' -o /dev/null
    ```

    *Requires*: a program of the phases model to transferred; `muster.layout` on what the entry takes and gives (without one a value must be
    equal on all ranks).
    *Guarantees*: the program is not changed.
  }];
  let dependentDialects = ["::muster::MusterDialect"];
  let options = [
    Option<"entry", "entry", "std::string", "", "name of the function; the only public one where left out">,
    Option<"seed", "seed", "int64_t", "1", "seed of weights and inputs">,
    Option<"float64", "float64", "bool", "false", "compute in float64 without rounding to the declared types">,
    Option<"values", "values", "std::string", "\"uniform\"", "what floats are made of: uniform or integers">,
    Option<"print", "print", "std::string", "\"logical\"", "logical: results gathered by their layouts; ranks: each rank's; both">,
    Option<"inputs", "inputs", "std::string", "", "JSON file of inputs and weights">,
    Option<"pages", "pages", "int64_t", "8", "pages of a state on each rank">,
    ListOption<"sizes", "sizes", "std::string", "sizes of dynamic dims: t=5,s=2; of the parts of ragged ones, tokens@step=3:0">
  ];
}

#endif
