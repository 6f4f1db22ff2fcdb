// RUN: %python %S/../judge_counts.py %s
//
// SGLang #7757: the counts of a draft step are requests where tokens are asked for; a request has as many tokens as the draft is deep.
//
// Invariant: units are types, and change by `muster.scale` only.

// Expect: E1203.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_requests_for_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, s = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %s, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], requests, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], requests, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_requests_for_tokens(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, s = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
