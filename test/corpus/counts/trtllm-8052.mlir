// RUN: %python %S/../judge_counts.py %s
//
// TensorRT-LLM #8052: a buffer for the tokens of all ranks is made for as many as this rank has, times the ranks.
//
// Invariant: room for the sum of the counts. The rank with the fewest has the smallest buffer.

// Expect: E1209.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_room_by_own_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %c3 = arith.constant 3 : index
  %rows = arith.muli %t, %c3 : index
  %sum_to = tensor.empty(%rows) : tensor<?x6xf32>
  %sum = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%sum_to : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %sum : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_room_by_own_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
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
