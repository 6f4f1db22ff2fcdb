// RUN: %python %S/../judge_counts.py %s
//
// SGLang, beside #7815 (seen in its source at v0.5.18): of a mixed step tokens are cut in the middle, but sequences at a boundary between
// two of them, so that the children do not add up to their batch.
//
// Invariant: children tile their parent. One cut makes the counts of both.

// Expect: E1211.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_two_cuts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %half = arith.divui %t, %c2 : index
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %f = muster.local_count %half field "t.a" : !muster.counts<[], tokens, @step.a>
  // Sequences of four tokens.
  %c4 = arith.constant 4 : index
  %whole = arith.divui %half, %c4 : index
  %boundary = arith.muli %whole, %c4 : index
  %rest = arith.subi %t, %boundary : index
  %s = muster.local_count %rest field "t.b" : !muster.counts<[], tokens, @step.b>
  %c, %a, %b = muster.exchange_counts %n, %f, %s
      : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b>
     -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %ga = muster.all_gather %xa on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %ya = muster.reduce_scatter %ga sum on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %xb on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %yb = muster.reduce_scatter %gb sum on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.join_rows %ya, %yb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_two_cuts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %half = arith.divui %t, %c2 : index
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %f = muster.local_count %half field "t.a" : !muster.counts<[], tokens, @step.a>
  %c, %e = muster.exchange_counts %n, %f : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %e : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %ga = muster.all_gather %xa on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %ya = muster.reduce_scatter %ga sum on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %xb on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %yb = muster.reduce_scatter %gb sum on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.join_rows %ya, %yb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
