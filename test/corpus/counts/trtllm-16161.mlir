// RUN: %python %S/../judge_counts.py %s
//
// TensorRT-LLM #16161: whether a step has anything to schedule is asked in two places; one counts padding, the other does not, and each rank asks alone.
//
// Invariant: one question, of exchanged counts.

// Expect: E1221.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_two_questions(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %all = muster.total %c : !muster.counts<[dp], tokens, @step>
  %any = arith.cmpi ugt, %all, %c0 : index
  %c1 = arith.constant 1 : index
  %mine = arith.cmpi uge, %t, %c1 : index
  %runs = arith.andi %any, %mine : i1
  %r = scf.if %runs -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_two_questions(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %all = muster.total %c : !muster.counts<[dp], tokens, @step>
  %any = arith.cmpi ugt, %all, %c0 : index
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %c1 = arith.constant 1 : index
  %some = arith.cmpi uge, %most, %c1 : index
  %runs = arith.andi %any, %some : i1
  %r = scf.if %runs -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}
