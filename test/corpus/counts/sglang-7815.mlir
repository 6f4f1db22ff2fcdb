// RUN: %python %S/../judge_counts.py %s
//
// SGLang #7815 (2025-07), two-batch overlap with data-parallel attention: the first prefill step ends with cumsum(None).
//
// A batch is split into two children. The fields of each child are made one by one, and the one that says how many tokens each rank has was set to
// nothing, because "children do not need it". Sparse layers need it: they gather the rows of all ranks. Invariants: counts are defined wherever they
// are used, and every field of a split batch has a class (inherit, slice, recompute or drop).
//
// The second fault, a buffer for the gathered rows that is sized by the child's own rows, is in sglang-7815-buffer.mlir.

// Expect: E1201. The child's rows are gathered without counts.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_dropped_field(%a: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
                  %b: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8, t.b = 8}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x6xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x6xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %e:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%e#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %b on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %ga, %gb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Expect: E1201. What the code says: an optional field that the split leaves out.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_undefined_field(%a: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
                  %b: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8, t.b = 8}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x6xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x6xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %e:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %none = ub.poison : !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%e#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %b on "dp" dim 0 counts(%none : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %ga, %gb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Expect: E1202. The parent's other child has counts too.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_counts_of_the_sibling(%a: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
                  %b: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8, t.b = 8}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x6xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x6xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %e:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%e#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %b on "dp" dim 0 counts(%e#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %ga, %gb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_dropped_field(%a: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
                  %b: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t.a = 8, t.b = 8}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x6xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x6xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %e:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%e#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %gb = muster.all_gather %b on "dp" dim 0 counts(%e#1 : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %ga, %gb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Expect: E1215. The cause: a field that one child does not get. Nothing says what the split makes of it.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_field_of_one_child(
    %a: tensor<?xf32> {muster.name = "x.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"},
    %b: tensor<?xf32> {muster.name = "x.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>, muster.split = "slice"},
    %scale: tensor<?xf32> {muster.name = "scale.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"})
    -> (tensor<?xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>}, tensor<?xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>})
    attributes {muster.mesh = @mesh, muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  %y = arith.mulf %a, %scale : tensor<?xf32>
  return %y, %b : tensor<?xf32>, tensor<?xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_field_of_one_child(
    %a: tensor<?xf32> {muster.name = "x.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"},
    %b: tensor<?xf32> {muster.name = "x.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>, muster.split = "slice"},
    %scale_a: tensor<?xf32> {muster.name = "scale.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"},
    %scale_b: tensor<?xf32> {muster.name = "scale.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>, muster.split = "slice"})
    -> (tensor<?xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>}, tensor<?xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>})
    attributes {muster.mesh = @mesh, muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  %y = arith.mulf %a, %scale_a : tensor<?xf32>
  %z = arith.mulf %b, %scale_b : tensor<?xf32>
  return %y, %z : tensor<?xf32>, tensor<?xf32>
}
