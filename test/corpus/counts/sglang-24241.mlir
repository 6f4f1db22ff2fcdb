// RUN: %python %S/../judge_counts.py %s
//
// SGLang #24241: a mixed batch (prefill and decode in one step) ends the step with two-batch overlap, even where it is off.
//
// The rule that makes the counts is a choice among modes, and says nothing of the mixed one. Invariant: counts are defined for every mode.

// Expect: E1201.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_mode_without_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %decode: i1, %prefill: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %chosen = scf.if %decode -> !muster.counts<[dp], tokens, @step> {
    scf.yield %c : !muster.counts<[dp], tokens, @step>
  } else {
    %other = scf.if %prefill -> !muster.counts<[dp], tokens, @step> {
      scf.yield %c : !muster.counts<[dp], tokens, @step>
    } else {
      %mixed = ub.poison : !muster.counts<[dp], tokens, @step>
      scf.yield %mixed : !muster.counts<[dp], tokens, @step>
    }
    scf.yield %other : !muster.counts<[dp], tokens, @step>
  }
  %g = muster.all_gather %x on "dp" dim 0 counts(%chosen : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_mode_without_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %decode: i1, %prefill: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %chosen = scf.if %decode -> !muster.counts<[dp], tokens, @step> {
    scf.yield %c : !muster.counts<[dp], tokens, @step>
  } else {
    scf.yield %c : !muster.counts<[dp], tokens, @step>
  }
  %g = muster.all_gather %x on "dp" dim 0 counts(%chosen : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
