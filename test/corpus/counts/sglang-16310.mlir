// RUN: %python %S/../judge_counts.py %s
//
// SGLang #16310: rows of log probabilities of a speculative step are counted as one a request; there are as many as draft steps, and one.
//
// Invariant: rows are counted from requests by the width of the step.

// Expect: E1206. Rows of logits, three a request; the counts say one.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_width(%s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {s = 8}} {
  %c0 = arith.constant 0 : index
  %q = tensor.dim %s, %c0 : tensor<?xi32>
  %c3 = arith.constant 3 : index
  %rows = arith.muli %q, %c3 : index
  %n = muster.local_count %q : !muster.counts<[], requests, @step>
  %cs = muster.exchange_counts %n : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  %c = muster.scale %cs times 1 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], rows, @step>
  %one = arith.constant 1.0 : f32
  %to = tensor.empty(%rows) : tensor<?x6xf32>
  %own = linalg.fill ins(%one : f32) outs(%to : tensor<?x6xf32>) -> tensor<?x6xf32>
  %g = muster.all_gather %own on "dp" dim 0 counts(%c : !muster.counts<[dp], rows, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_width(%s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {s = 8}} {
  %c0 = arith.constant 0 : index
  %q = tensor.dim %s, %c0 : tensor<?xi32>
  %c3 = arith.constant 3 : index
  %rows = arith.muli %q, %c3 : index
  %n = muster.local_count %q : !muster.counts<[], requests, @step>
  %cs = muster.exchange_counts %n : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  %c = muster.scale %cs times 3 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], rows, @step>
  %one = arith.constant 1.0 : f32
  %to = tensor.empty(%rows) : tensor<?x6xf32>
  %own = linalg.fill ins(%one : f32) outs(%to : tensor<?x6xf32>) -> tensor<?x6xf32>
  %g = muster.all_gather %own on "dp" dim 0 counts(%c : !muster.counts<[dp], rows, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
