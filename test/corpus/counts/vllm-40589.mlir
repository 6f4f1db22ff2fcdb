// RUN: %python %S/../judge_counts.py %s
//
// vLLM #40589 and #44954: near the greatest length a rank skips drafting, and the others draft with empty batches: they wait for each other in different steps.
//
// Invariant: whether a step drafts is decided by what all ranks know.

// Expect: E1221. The length of the rank's longest sequence decides.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_draft_by_own_length(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %length: tensor<i64> {muster.layout = #muster.layout<[], partial(max: dp)>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %l = tensor.extract %length[] : tensor<i64>
  %limit = arith.constant 4096 : i64
  %drafts = arith.cmpi slt, %l, %limit : i64
  %r = scf.if %drafts -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_draft_by_own_length(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %length: tensor<i64> {muster.layout = #muster.layout<[], partial(max: dp)>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %longest = muster.all_reduce %length max on "dp" : tensor<i64>
  %l = tensor.extract %longest[] : tensor<i64>
  %limit = arith.constant 4096 : i64
  %drafts = arith.cmpi slt, %l, %limit : i64
  %r = scf.if %drafts -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
