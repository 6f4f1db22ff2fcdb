// RUN: %python %S/../judge_counts.py %s
//
// SGLang #25404: an idle batch is counted through the branch for prefill, which looks at another tensor.
//
// Invariant: what is counted is what is moved.

// Expect: E1206. The count is of the prompt's rows, the gather of those that are computed.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_other_tensor(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %y: tensor<?x6xf32> {muster.layout = #muster.layout<[p/dp : tokens @prompt, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, p = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %y, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_other_tensor(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                  %y: tensor<?x6xf32> {muster.layout = #muster.layout<[p/dp : tokens @prompt, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, p = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
