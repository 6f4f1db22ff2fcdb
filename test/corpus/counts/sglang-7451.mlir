// RUN: %python %S/../judge_counts.py %s
//
// SGLang #7451: a rank replays its captured graph although another cannot: one path asks the flag of all ranks, the other its own.
//
// Invariant: what chooses between paths with collectives is a function of exchanged or constant data.

// Expect: E1221. The graph is captured for up to four tokens, and each rank looks at its own.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_replay_by_own_count(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %fits = arith.cmpi ule, %t, %c4 : index
  %r = scf.if %fits -> tensor<?x6xf32> {
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
func.func @right_replay_by_own_count(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c4 = arith.constant 4 : index
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %fits = arith.cmpi ule, %most, %c4 : index
  %r = scf.if %fits -> tensor<?x6xf32> {
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
