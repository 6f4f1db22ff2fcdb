// RUN: %python %S/../judge_counts.py %s
//
// SGLang #12368, the loop: a rank polls for its transfers, with a collective in each turn, until its own are there.
//
// Invariant: ranks run loops with collectives equally often.

// Expect: E1222.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_poll(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %t step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_poll(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %most step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
