// RUN: %python %S/../judge_counts.py %s
//
// SGLang #12368 (issue #12121): what one rank received is broadcast over the tensor-parallel group where ranks of other data-parallel positions wait for rows of
// their own.
//
// Invariant: a collective is over the axes over which its operand is shared.

// Expect: E1223. Ranks of the group hold different numbers of rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @wrong_broadcast_over_all(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %b = muster.broadcast %x from 0 on ["dp", "tp"] : tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @right_broadcast_over_all(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %b = muster.broadcast %x from 0 on "tp" : tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
