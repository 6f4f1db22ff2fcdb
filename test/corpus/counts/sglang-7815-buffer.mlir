// RUN: %python %S/../judge_counts.py %s
//
// SGLang #7815, the other half: with the counts of the child in place, its gathered rows go to a buffer that is sized by the child's own rows.
//
// Invariant: what is written fits for every step that the bounds allow. It does by chance where all other ranks are idle.

// Expect: E1209.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_buffer_of_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %rows = tensor.dim %x, %c0 : tensor<?x6xf32>
  %sum_to = tensor.empty(%rows) : tensor<?x6xf32>
  %sum = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%sum_to : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %sum : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_buffer_of_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %rows = muster.total %c : !muster.counts<[dp], tokens, @step>
  %sum_to = tensor.empty(%rows) : tensor<?x6xf32>
  %sum = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%sum_to : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %sum : tensor<?x6xf32>
}
