// RUN: %python %S/../judge_counts.py %s
//
// SGLang #4404 and #4544: counts are exchanged in the branch that gathers early, and used behind it on both.
//
// Invariant: the exchange is made once, on every path, before the first use.

// Expect: E1201.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_exchange_in_a_branch(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %early: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c = scf.if %early -> !muster.counts<[dp], tokens, @step> {
    %t = tensor.dim %x, %c0 : tensor<?x6xf32>
    %n = muster.local_count %t : !muster.counts<[], tokens, @step>
    %e = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    scf.yield %e : !muster.counts<[dp], tokens, @step>
  } else {
    %none = ub.poison : !muster.counts<[dp], tokens, @step>
    scf.yield %none : !muster.counts<[dp], tokens, @step>
  }
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_exchange_in_a_branch(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %early: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
