// RUN: %python %S/../judge_counts.py %s
//
// vLLM #32705: wrong answers in the second data-parallel group: rows are broadcast over the wrong group.
//
// Invariant: ranks that hold different rows do not meet in a broadcast.

// Expect: E1223.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @wrong_group(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %b = muster.broadcast %x from 0 on "dp" : tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @right_group(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %b = muster.broadcast %x from 0 on "tp" : tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
