// RUN: %python %S/../judge_counts.py %s
//
// tokenspeed #405: behind a reduce-scatter over the ranks of tensor parallelism the counts are still those of before, twice as many.
//
// Invariant: counts follow the rows: what is divided is counted again, or by counts of the parts.

// Expect: E1203. Here they are of another unit, too, because units change where numbers do.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @wrong_not_divided(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c2 = arith.constant 2 : index
  %two = arith.muli %t, %c2 : index
  %to = tensor.empty(%two) : tensor<?x6xf32>
  %zero = arith.constant 0.0 : f32
  %in = linalg.fill ins(%zero : f32) outs(%to : tensor<?x6xf32>) -> tensor<?x6xf32>
  %e = muster.scale %c times 2 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], rows, @step>
  %half = muster.reduce_scatter %in sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %g = muster.all_gather %half on "dp" dim 0 counts(%e : !muster.counts<[dp], rows, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @right_not_divided(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %c2 = arith.constant 2 : index
  %two = arith.muli %t, %c2 : index
  %to = tensor.empty(%two) : tensor<?x6xf32>
  %zero = arith.constant 0.0 : f32
  %in = linalg.fill ins(%zero : f32) outs(%to : tensor<?x6xf32>) -> tensor<?x6xf32>
  %half = muster.reduce_scatter %in sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %g = muster.all_gather %half on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
