// RUN: %python %S/../judge_counts.py %s
//
// vLLM #36594, #38009 and #39366: after a pause each engine decides by its own state how many empty steps to run until the others are done.
//
// Invariant: ranks run equally many steps.

// Expect: E1222. Each rank runs as many as it lacks to eight.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_empty_steps(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c8 = arith.constant 8 : index
  %lacks = arith.subi %c8, %t : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %lacks step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_empty_steps(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c8 = arith.constant 8 : index
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %lacks = arith.subi %c8, %most : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %lacks step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
