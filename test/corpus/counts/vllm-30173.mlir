// RUN: %python %S/../judge_counts.py %s
//
// vLLM #30173: one rank runs eagerly while others replay a graph; the two issue other collectives. The vote of the ranks got a fifth row.
//
// Invariant: the mode of a step is a function of exchanged counts.

// Expect: E1221.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_mode_by_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %rest = arith.remui %t, %c4 : index
  %graph = arith.cmpi eq, %rest, %c0 : index
  %r = scf.if %graph -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    %twice_to = tensor.empty(%t) : tensor<?x6xf32>
    %twice = linalg.add ins(%x, %x : tensor<?x6xf32>, tensor<?x6xf32>) outs(%twice_to : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = muster.all_gather %twice on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %o = muster.slice %h on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %o : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_mode_by_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %all = muster.total %c : !muster.counts<[dp], tokens, @step>
  %rest = arith.remui %all, %c4 : index
  %graph = arith.cmpi eq, %rest, %c0 : index
  %r = scf.if %graph -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    %twice_to = tensor.empty(%t) : tensor<?x6xf32>
    %twice = linalg.add ins(%x, %x : tensor<?x6xf32>, tensor<?x6xf32>) outs(%twice_to : tensor<?x6xf32>) -> tensor<?x6xf32>
    %h = muster.all_gather %twice on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %o = muster.slice %h on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %o : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
