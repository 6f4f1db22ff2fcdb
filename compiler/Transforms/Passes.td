// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_COMPILER_TRANSFORMS_PASSES_TD
#define MUSTER_COMPILER_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyLayoutsPass : Pass<"muster-verify-layouts", "::mlir::ModuleOp"> {
  let summary = "Prove that every value is where its layout says";
  let description = [{
    From the layouts of a function's arguments, weights and states, infers what every value holds on every rank, and proves each declared result
    and each `muster.assert_layout`. Nothing between them needs a layout, and nothing is changed.

    Refused: elements at the wrong place (E1104, with a rank, an index, and the two elements), values that are reduced not at all or twice
    (E1105), operands that do not agree along a dim (E1106), layouts that do not fit their tensor or mesh (E1107). What the rules cannot decide
    is an error too (E1108, with the fact that would settle it) unless `allow-unknown`. With `run`, small programs of which something is unknown
    are run on random data, on their mesh and on one rank, and refused where that shows a difference (E1113).

    *Requires*: no `linalg` on buffers; one block a function.
    *Guarantees*: for every choice of symbolic sizes that the facts allow, results equal those of the same program on a mesh of one rank.
  }];
  let options = [Option<"allowUnknown", "allow-unknown", "bool", "false", "Warn where nothing can be proved instead of failing">,
                 Option<"run", "run", "bool", "false", "Run what cannot be decided on random data, to see whether it is wrong">,
                 Option<"explain", "explain", "bool", "false", "Say of wrong programs at which sizes they would be right, and try fixes">];
  let statistics = [Statistic<"proved", "proved", "results and claims examined">];
}

def VerifyCountsPass : Pass<"muster-verify-counts", "::mlir::ModuleOp"> {
  let summary = "Prove that what moves rows of unequal parts has the counts of these rows";
  let description = [{
    Every operation that moves a ragged dim takes counts: set on every path, of the batch and the unit of the rows, over the group and the same
    on all its ranks, as many as there are rows. What is made for rows has room for them.

    Refused: no counts, or counts that nothing sets on some path (E1201), of another batch (E1202) or unit (E1203), that ranks of the group do
    not agree on (E1205), that say another number than there are rows (E1206), own rows that begin elsewhere than
    is said (E1207), rows handed out in equal parts to which nothing aligns them
    (E1208), a buffer that a step may exceed (E1209), children that are not their batch (E1211), two exchanges of one batch (E1212),
    rows received that nobody sends (E1213), one batch
    padded in two ways (E1214). Sizes are
    compared as expressions; where they differ, a step in which their numbers do is told. What is neither is an error too (E1220), unless
    `allow-unknown`.

    *Requires*: nothing. Counts are explicit from phase counted on.
    *Guarantees*: on every path, for all steps that the bounds and the checks allow, counts are those of the rows that they move.
  }];
  let options = [Option<"allowUnknown", "allow-unknown", "bool", "false", "Warn where nothing can be proved instead of failing">,
                 Option<"explain", "explain", "bool", "false", "List the bounds that are checked at run time">];
  let statistics = [Statistic<"checked", "checked", "operations with counts">,
                    Statistic<"runtimeChecks", "run-time-checks", "bounds that are checked at run time">];
}

def VerifyCollectivesPass : Pass<"muster-verify-collectives", "::mlir::ModuleOp"> {
  let summary = "Check that every rank issues the same collectives in the same order";
  let description = [{
    Ranks of a group must agree on every condition and every loop around its collectives. Over which axes of the mesh a value may differ between
    ranks follows from layouts, coordinates, exchanges and reductions; a condition on data of one rank, or on its own count, is no agreement.

    Refused: branches with different collectives under a condition that differs over an axis of one of their groups (E1221), loops around
    collectives that ranks of a group may run a different number of times (E1222), collectives without counts over ranks that hold tensors of
    different sizes (E1223). Each names where the condition, or the size, began to differ.

    *Requires*: nothing.
    *Guarantees*: on every path all ranks of a group issue the same ordered list of collectives over it.
  }];
  let statistics = [Statistic<"checked", "checked", "collectives looked at">];
}

def SplitMeshAxesPass : Pass<"muster-split-mesh-axes", "::mlir::ModuleOp"> {
  let summary = "Make axes of the parts of axes that a program names";
  let description = [{
    Where a layout, a collective or a coordinate names a part of an axis, the axis is split at the ends of all its parts into axes named like them.
    Ranks keep their numbers. Programs that name whole axes only stay as they are.

    ```mlir
    muster.mesh @mesh <["tp" = 6]>
    muster.weight @k : tensor<6x5xf32> layout <[kv/tp[2:3], i]>
    muster.weight @q : tensor<12x5xf32> layout <[h/tp, i]>
    // becomes
    muster.mesh @mesh <["tp[2:3]" = 3, "tp[1:2]" = 2]>
    muster.weight @k : tensor<6x5xf32> layout <[kv/"tp[2:3]", i]>
    muster.weight @q : tensor<12x5xf32> layout <[h/("tp[2:3]","tp[1:2]"), i]>
    ```

    *Requires*: an axis of which parts are named has a concrete size (E4010), and the weights at which parts begin and end divide one another (E4013).
    *Guarantees*: layouts, collectives and coordinates name whole axes only.
  }];
  let dependentDialects = ["::muster::MusterDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"split", "split", "meshes changed">];
}

def SplitBatchesPass : Pass<"muster-split-batches", "::mlir::ModuleOp"> {
  let summary = "Make two children of a batch, so that one computes while the other's rows move";
  let description = [{
    A function whose layouts have rows of one batch, `t/dp : tokens @step`, gets them in two children: every argument with such rows becomes two,
    `tokens.a` and `tokens.b`, with dims `t.a` and `t.b` of batches `@step.a` and `@step.b`, and every operation on them two. Each position gives its
    first rows to the first child and the others to the second, in any numbers; none is as good as any. What depends on no rows, loads of weights
    say, is there once, and so are the states.

    The children meet where rows are asked for: what is computed of `nn.gather_rows` by an argument of unit `rows`, and of nothing else that they
    have, is computed once, of the rows of both (`muster.join_rows`). Where nothing is asked for they meet at the results. The counts of
    `muster.join_rows` are poison until `--muster-materialize-token-counts` makes them.

    A stage goes up to the next collective. Stages stand in the order A, B, A, B, ..., so that rows of the one child move while the other computes.
    Operations on a state stand in the order of the stages, the first child's in front: a sequence may be cut, and the second child then finds
    what the first has written.

    How arguments are treated is said by `muster.split` on them, or follows from what they have:

    | class | what each child gets | by default |
    | --- | --- | --- |
    | `slice` | its rows of the field | fields of unit tokens |
    | `recompute` | values of its own, which count from its first row | of unit requests, starts, rows |
    | `inherit` | the field of the batch; there is one | without rows of the batch |
    | `drop` | nothing; the argument is gone | never |

    ```mlir
    func.func @step(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
        -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
      %y = nn.rms_norm %x, %w epsilon 1.0e-5 : tensor<?x5xf32>, tensor<5xf32>
      return %y : tensor<?x5xf32>
    // becomes
    func.func @step(%xa: tensor<?x5xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>, muster.split = "slice"},
                    %xb: tensor<?x5xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>, muster.split = "slice"})
        -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
        attributes {muster.split = {first = @step.a, parent = @step, second = @step.b}} {
      ...
      %y = muster.join_rows %ya, %yb dim 0 counts(%a : ..., %b : ...) to(%c : ...) : tensor<?x5xf32>
    ```

    *Requires*: phase model; rows of one batch, which nothing counts yet (E4040); a class for every argument (E1215); results that have own rows of
    each position or depend on none, no calls with rows, states that a stage writes before it reads (E4042). `nn.attention` lets a row see rows
    at its own position and before it: rows of the second child are none of those for rows of the first.
    *Guarantees*: on every step whose rows are divided so, results and states are those of the batch as it was.
  }];
  let dependentDialects = ["::muster::MusterDialect", "::mlir::ub::UBDialect"];
  let statistics = [Statistic<"stages", "stages", "stages of each child">, Statistic<"joined", "joined", "values joined">];
}

def MaterializeTokenCountsPass : Pass<"muster-materialize-token-counts", "::mlir::ModuleOp"> {
  let summary = "Count the rows of every rank, and give the counts to what moves them";
  let description = [{
    A model says of a dim that it is divided in parts of any length, `t/dp : tokens @step`. This pass makes their lengths values: one exchange at
    the top of the function for all units of all batches, of the sizes of the arguments that have such dims. A batch has one start more than it
    has requests. Each redistribution that takes a ragged dim to other axes then gets its counts, and each `muster.first_row` becomes the own
    offset of them.

    Where `muster.bounds` bounds all positions together (`"t.total" = 1024`) below the sum of what each may have, a `muster.check_count` ends
    steps that have more.

    Of two children of a batch (`muster.split` on the function) the exchange takes, for units of which each row is in one child, tokens and rows,
    the counts of the batch and of the first child; `muster.split_counts` says what that leaves to the second. Joins of children that wait for
    their counts get them.

    With `align` or another `padding` than `sum` the tokens that a redistribution gathers and another hands out again move with dead rows behind
    those of each rank: `muster.pad_counts` says how many, once a batch, and `muster.pad` and `muster.unpad` stand where they begin and end. What
    does not work row by row between the two keeps the exact rows.

    A function that is called makes no exchange: it gets the counts of what moves in it, and in what it calls, as arguments, behind its own. So
    layers stay one function however often they are called, and a step has one exchange. A function that is public and has layouts stays an entry
    where it is called, and counts its own step; a caller that has its rows is in the same step, and calls a private copy, `@layer.called`.

    A batch that the function, or one that it calls, counts itself is left alone: what is missing there is a fault to be found, not a gap to be
    filled.

    ```mlir
    func.func @step(%tokens: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> ... {
      %all = muster.redistribute %tokens from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
    // becomes
      %t = tensor.dim %tokens, %c0 : tensor<?xi32>
      %n = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
      %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
      %all = muster.redistribute %tokens counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step]> to <[t]>
          : tensor<?xi32> -> tensor<?xi32>
    ```

    *Requires*: dims of one unit and batch have one name (E1206) and the same axes (E1204); what is moved is counted by an argument (E1201).
    *Guarantees*: every redistribution that moves a ragged dim has counts, on every path; no `muster.first_row` is left.
  }];
  let dependentDialects = ["::muster::MusterDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect", "::mlir::ub::UBDialect"];
  let options = [Option<"padding", "padding", "::muster::PaddingMode", "::muster::PaddingMode::Sum",
                        "How many dead rows stand behind the rows of a rank where they are gathered",
                        [{::llvm::cl::values(clEnumValN(::muster::PaddingMode::Sum, "sum", "as alignment asks for"),
                                             clEnumValN(::muster::PaddingMode::Max, "max", "up to the rank with the most rows"),
                                             clEnumValN(::muster::PaddingMode::Balanced, "balanced",
                                                        "max in steps where that at most doubles the rows, else sum"))}]>,
                 Option<"align", "align", "int64_t", "1", "Make the rows of each rank a multiple of this">];
  let statistics = [Statistic<"operationsPadded", "padded", "redistributions of padded rows">,
                    Statistic<"countsMade", "counts", "counts made">,
                    Statistic<"operationsGiven", "given", "operations given counts">,
                    Statistic<"checksPlaced", "checks", "checks of capacity placed">];
}

def ExpandRedistributePass : Pass<"muster-expand-redistribute", "::mlir::ModuleOp"> {
  let summary = "Turn redistributions into collectives, or into one movement";
  let description = [{
    Replaces each `muster.redistribute` by what takes the one layout to the other with the fewest bytes received by a rank, and of that by the
    shortest:

    - `slice` where a dim becomes sharded by an axis over which the value is replicated;
    - `reduce_scatter` where a partial axis comes to divide a dim, `all_reduce` where it does not;
    - `all_to_all` where an axis moves between dims;
    - `all_gather` where an axis leaves;
    - a `redistribute` between two layouts that are partial over the same axes where none of these alone does it. `lower-collectives` makes one
      transfer of it. So does any change of chunk orders, of terms of a product, of packed dims.

    Axes of size 1 need nothing, and equal layouts none of these.

    ```mlir
    %y = muster.redistribute %x from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x576xf32> -> tensor<?x576xf32>
    // becomes
    %y = muster.all_reduce %x sum on "tp" : tensor<?x576xf32>
    ```

    *Requires*: no part of an axis is named; the mesh has concrete sizes (E4010); dims change in a way that has a box list (E4011); partial axes
    have one kind and are whole (E4012).
    *Guarantees*: no `muster.redistribute` that reduces anything is left.
  }];
  let dependentDialects = ["::muster::MusterDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"expanded", "expanded", "redistributions replaced">,
                    Statistic<"collectives", "collectives", "collectives made">];
}

def InlineCallsPass : Pass<"muster-inline-calls", "::mlir::ModuleOp"> {
  let summary = "Put the bodies of called functions where they are called";
  let description = [{
    What a rank executes is one list of steps: calls are replaced by what they call, innermost last, and functions that are no entries are gone
    afterwards. What a call made has its name in front of its own (`layers.3` and `gate` are `layers.3.gate`).

    *Requires*: every function that is called has a body of one block, and none calls itself (E4043).
    *Guarantees*: no calls, and the same operations in the order in which they were run.
  }];
  let statistics = [Statistic<"inlined", "inlined", "calls replaced">];
}

def ResolveSizesPass : Pass<"muster-resolve-sizes", "::mlir::ModuleOp"> {
  let summary = "Express every size by counts of the step record";
  let description = [{
    Replaces each `tensor.dim` by arithmetic on `plan.count`: a dynamic dim of an argument is the count that its layout names, and other dims
    follow through shape reification. Equal dim names are one count.

    *Requires*: every dynamic dim of an entry argument is named in its layout and bounded by `muster.bounds`.
    *Guarantees*: no `tensor.dim` is left.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"resolved", "resolved", "sizes resolved">];
}

def LowerCollectivesPass : Pass<"muster-lower-collectives", "::mlir::ModuleOp"> {
  let summary = "Turn collectives into transfers";
  let description = [{
    Each collective, and each `muster.redistribute`, becomes a `plan.transfer`, a strided box that every rank pulls from its peers. Both are read as
    two layouts of the operand's dims, between which the layout algebra derives the boxes. A `linalg.transpose` in front of or behind a
    collective is absorbed by the box's strides, and a slice at a constant place by its offset and extents: only what is wanted moves. So is a
    `muster.slice` of a static dim behind a collective: a rank that gathers rows and keeps its part of the heads pulls its part only. Behind a
    collective only where nobody else uses its result, and never a slice that cuts the gathered dim. A collective over a group of one rank is its operand, and a proved
    `muster.assert_layout` goes.

    *Requires*: nothing to reduce in a `muster.redistribute` (E4015); a mesh of known sizes, of which no part of an axis is named (E4014).
    *Guarantees*: no collective and no `muster.redistribute` is left.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"lowered", "lowered", "collectives lowered">, Statistic<"absorbed", "absorbed", "transpositions and slices absorbed">];
}

def SelectLibraryCallsPass : Pass<"muster-select-library-calls", "::mlir::ModuleOp"> {
  let summary = "Choose what a library computes";
  let description = [{
    Every `nn.matmul` with a weight becomes a `plan.matmul`, which the runtime's library computes, and with `pack-weights` the weight is stored
    in the library's order of elements. A product with another matrix is left to `lower-nn`.

    The sum of a product and of a tensor that nothing reads behind the product becomes a product that accumulates, because the tensor's memory
    may be overwritten. A sum with an argument or a weight stays, and so does one behind a collective: what a rank's product adds to would be
    added once for each rank.

    ```mlir
    %p = nn.matmul %x, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
    %s = linalg.add ins(%residual, %p : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
    // becomes
    %s = plan.matmul %x, %w accumulate %residual : tensor<?x7xf32> : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
    ```

    *Guarantees*: no `nn.matmul` with a weight is left.
  }];
  let options = [Option<"packWeights", "pack-weights", "bool", "false", "Store weights of products in blocks of 64 outputs by 16 inputs">];
  let dependentDialects = ["::muster::plan::PlanDialect"];
  let statistics = [Statistic<"selected", "selected", "library calls">,
                    Statistic<"accumulating", "accumulating", "library calls that add to a tensor">];
}

def LowerRowsPass : Pass<"muster-lower-rows", "::mlir::ModuleOp"> {
  let summary = "Turn operations on a rank's own rows into linalg";
  let description = [{
    `muster.pad`, `unpad`, `split_rows` and `join_rows` become linalg that reads row by row what sizes of the step say. Dead rows hold
    what they are filled with, zeros without.

    *Requires*: collectives are lowered, so that the layouts of these rows are proved.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"lowered", "lowered", "operations lowered">];
}

def LowerNNPass : Pass<"muster-lower-nn", "::mlir::ModuleOp"> {
  let summary = "Turn nn operations into linalg";
  let description = [{
    Norms, rotations, row gathers, products without a weight and reshapes of heads become linalg and tensor operations on rows. `nn.attention` and `nn.cache_append` stay for
    `form-kernels`.

    *Requires*: library calls are chosen.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"lowered", "lowered", "operations lowered">];
}

def FormKernelsPass : Pass<"muster-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Group tensor arithmetic into kernels and outline them";
  let description = [{
    Attention and cache appends become kernels by themselves; linalg operations that walk the same rows and feed each other become one, and so do
    those that read the same tensor where neither waits for the other (the rotations of q and k, and the copy of v). Equal kernels are shared;
    locations of layers stay on the launches.

    *Requires*: sizes are resolved, nn is lowered.
    *Guarantees*: functions hold transfers, library calls, launches, loads and sizes only.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"kernelsFormed", "kernels", "different kernels">, Statistic<"launchesMade", "launches", "launches">];
}

def AssignSpansPass : Pass<"muster-assign-spans", "::mlir::ModuleOp"> {
  let summary = "From tensors to memory";
  let description = [{
    Each function becomes a `plan.entry` with one variant, each tensor that a step makes a `plan.span`. Reshapes are views of the same span; an
    accumulating product writes into its accumulator, or into a copy of it where the accumulator is read later or is not a step's own memory.

    *Requires*: kernels are formed.
    *Guarantees*: no tensor value is left outside kernels.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect"];
}

def AssignStreamsPass : Pass<"muster-assign-streams", "::mlir::ModuleOp"> {
  let summary = "Let transfers of a split entry go beside the other child's steps";
  let description = [{
    In entries with `muster.split`: a transfer between ranks goes to stream 1 if a launch or a product stands between it and the first step that
    touches its result. All other steps stay in stream 0. Results do not depend on streams; waits (schedule-steps) are the only order between them.

    *Requires*: steps on spans that have no offsets yet: `plan-memory` keeps the source of such a transfer until that first step, so that no step
    between them has to wait for it.

    *Guarantees*: nothing else changes.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect"];
  let statistics = [Statistic<"moved", "moved", "transfers in stream 1">];
}

def PlanMemoryPass : Pass<"muster-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every span an offset in the arena of each variant";
  let description = [{
    The variants of `muster.variants` (dictionaries of bounds below `muster.bounds`, ascending), and one for the bounds themselves. Spans whose
    lifetimes do not meet share bytes.

    *Guarantees*: every span has an offset, every variant its arena size.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect"];
  let statistics = [Statistic<"variantsPlanned", "variants", "variants planned">];
}

def ScheduleStepsPass : Pass<"muster-schedule-steps", "::mlir::ModuleOp"> {
  let summary = "Say what each step waits for";
  let description = [{
    `waits`: earlier steps whose effects a step reads or overwrites, without those that another wait implies. `acknowledgements`: earlier transfers whose
    source it overwrites, which every peer must have read.

    *Requires*: spans have offsets.
  }];
  let dependentDialects = ["::muster::plan::PlanDialect"];
  let statistics = [Statistic<"scheduled", "scheduled", "steps scheduled">];
}

#endif
