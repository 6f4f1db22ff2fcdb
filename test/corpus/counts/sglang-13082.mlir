// RUN: %python %S/../judge_counts.py %s
//
// SGLang #13082: None.is_max_len. A child is made before the mode of padding of its batch is known, so that it never gets one.
//
// Invariant: a child is made of what exists. Here the padded counts of the batch are read on a path on which nobody has made them.

// Expect: E1201.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_made_before(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %prefill: i1)
    -> (index)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = scf.if %prefill -> !muster.counts<[dp], padded, @step> {
    %none = ub.poison : !muster.counts<[dp], padded, @step>
    scf.yield %none : !muster.counts<[dp], padded, @step>
  } else {
    %p = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
    scf.yield %p : !muster.counts<[dp], padded, @step>
  }
  %in = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %all = muster.all_gather %in on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = tensor.dim %all, %c0 : tensor<?x6xf32>
  return %d : index
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_made_before(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %prefill: i1)
    -> (index)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %in = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %all = muster.all_gather %in on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = tensor.dim %all, %c0 : tensor<?x6xf32>
  return %d : index
}
