// RUN: %python %S/../judge_counts.py %s
//
// SGLang #32669 and #33250: the children of a split batch are scattered over the ranks of tensor parallelism in equal parts, and only the whole batch was
// padded to a multiple of them.
//
// Invariant: what is handed out in equal parts is a multiple of the group, children too.

// Expect: E1208.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @wrong_child_not_padded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8}} {
  %c0 = arith.constant 0 : index
  %p = muster.reduce_scatter %x sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @right_child_not_padded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>})
    -> (tensor<?x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step.a>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %g = muster.align %c to 2 : !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], padded, @step.a>
  %rows = muster.own_count %g : !muster.counts<[dp], padded, @step.a>
  %more = arith.subi %rows, %t : index
  %zero = arith.constant 0.0 : f32
  %in_to = tensor.empty(%rows) : tensor<?x6xf32>
  %in = linalg.fill ins(%zero : f32) outs(%in_to : tensor<?x6xf32>) -> tensor<?x6xf32>
  %p = muster.reduce_scatter %in sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}
