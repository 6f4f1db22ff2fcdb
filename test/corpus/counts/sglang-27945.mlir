// RUN: %python %S/../judge_counts.py %s
//
// SGLang #27945 and #30242: the list of counts of all ranks is collapsed to one of data-parallel ranks, and reaches a collective of all ranks.
//
// Invariant: there are as many counts as the group has positions, in its order. Counts say over which axes they are; the operation compares.

// Expect: "expected counts over the axes [dp, tp] of the group". The operation itself refuses.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @wrong_collapsed_list(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/(dp,tp) : tokens @step, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on ["dp", "tp"] dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @right_collapsed_list(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/(dp,tp) : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp, tp], tokens, @step>
  %g = muster.all_gather %x on ["dp", "tp"] dim 0 counts(%c : !muster.counts<[dp, tp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
