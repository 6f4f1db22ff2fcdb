// RUN: %python %S/../judge_counts.py %s
//
// vLLM #58061: a dense layer sums over ranks that hold rows of other tokens.
//
// Invariant: a partial value is summed over the axes over which it is partial, and no others.

// Expect: E1223. Over dp there is nothing to sum: each position has tokens of its own.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_sum_over_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %s = muster.all_reduce %x sum on "dp" : tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_sum_over_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  return %x : tensor<?x6xf32>
}
