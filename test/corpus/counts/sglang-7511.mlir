// RUN: %python %S/../judge_counts.py %s
//
// SGLang #7511, mended by #7531: capturing a graph with two-batch overlap ends with gathered_buffer None.
//
// The size of a child is read off a buffer that exists only where the batch is gathered. Invariant: a size comes from what is there on every path.

// Expect: E1201.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_size_of_nothing(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %gathers: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %buffer = scf.if %gathers -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %g : tensor<?x6xf32>
  } else {
    %none = ub.poison : tensor<?x6xf32>
    scf.yield %none : tensor<?x6xf32>
  }
  %size = tensor.dim %buffer, %c0 : tensor<?x6xf32>
  %own = tensor.extract_slice %x[0, 0] [%size, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  %all = muster.all_gather %own on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %all : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_size_of_nothing(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %gathers: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %all = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %all : tensor<?x6xf32>
}
