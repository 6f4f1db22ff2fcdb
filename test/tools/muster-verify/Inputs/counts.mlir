// The second gather lacks its counts; the loop runs as often as the rank has rows.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<6xf32>)
    -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<6xf32>) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %h = muster.all_gather %x on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %r = scf.for %i = %c0 to %t step %c1 iter_args(%v = %w) -> (tensor<6xf32>) {
    %s = muster.all_reduce %v sum on "dp" : tensor<6xf32>
    scf.yield %s : tensor<6xf32>
  }
  return %g, %h, %r : tensor<?x6xf32>, tensor<?x6xf32>, tensor<6xf32>
}
