// RUN: %python %S/../judge_counts.py %s
//
// TensorRT-LLM #7965: rows are worked off in chunks, with a collective in each; how many chunks there are is computed from the rank's own tokens.
//
// Invariant: the number of chunks is that of the rank with the most.

// Expect: E1222.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_own_chunks(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %chunks = arith.ceildivui %t, %c4 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %chunks step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_own_chunks(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %chunks = arith.ceildivui %most, %c4 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %chunks step %c1 iter_args(%v = %x) -> (tensor<?x6xf32>) {
    %g = muster.all_gather %v on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
