// Programs that are not what they are called, for counts.test.

// Expect: E1206.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_but_right(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_but_wrong(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %g = muster.all_gather %x on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// Nothing of counts: it runs for none, and no pass of the judge says why.
muster.mesh @mesh <["dp" = 3]>
func.func @right_but_divides_by_zero(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> index
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %q = arith.divui %t, %t : index
  return %q : index
}
