// SGLang #7815 on 16 ranks: a step whose batch is split into two children, @step.a and @step.b, and what its first sparse layer does with each child: gather
// the rows of all ranks, and compute with them (here: twice their sum). docs/tutorials/sglang-7815.md tells it.

muster.mesh @ranks <["dp" = 16]>

// As reported: the children have no counts.
func.func @reported(%a: tensor<?x2xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
    %b: tensor<?x2xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x2xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x2xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @ranks, muster.bounds = {t.a = 4, t.b = 4}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x2xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x2xf32>
  %ga = muster.all_gather %a on "dp" dim 0 : tensor<?x2xf32> -> tensor<?x2xf32>
  %gb = muster.all_gather %b on "dp" dim 0 : tensor<?x2xf32> -> tensor<?x2xf32>
  %buffer_a = tensor.empty(%ta) : tensor<?x2xf32>
  %buffer_b = tensor.empty(%tb) : tensor<?x2xf32>
  %ya = linalg.add ins(%ga, %ga : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_a : tensor<?x2xf32>) -> tensor<?x2xf32>
  %yb = linalg.add ins(%gb, %gb : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_b : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %ya, %yb : tensor<?x2xf32>, tensor<?x2xf32>
}

// With counts. The buffers have as many rows as the child has on this rank.
func.func @half_mended(%a: tensor<?x2xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
    %b: tensor<?x2xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x2xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x2xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @ranks, muster.bounds = {t.a = 4, t.b = 4}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x2xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x2xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %n:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%n#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x2xf32> -> tensor<?x2xf32>
  %gb = muster.all_gather %b on "dp" dim 0 counts(%n#1 : !muster.counts<[dp], tokens, @step.b>) : tensor<?x2xf32> -> tensor<?x2xf32>
  %buffer_a = tensor.empty(%ta) : tensor<?x2xf32>
  %buffer_b = tensor.empty(%tb) : tensor<?x2xf32>
  %ya = linalg.add ins(%ga, %ga : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_a : tensor<?x2xf32>) -> tensor<?x2xf32>
  %yb = linalg.add ins(%gb, %gb : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_b : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %ya, %yb : tensor<?x2xf32>, tensor<?x2xf32>
}

// With buffers for the rows of all ranks.
func.func @mended(%a: tensor<?x2xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
    %b: tensor<?x2xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x2xf32> {muster.layout = #muster.layout<[t.a, i]>}, tensor<?x2xf32> {muster.layout = #muster.layout<[t.b, i]>})
    attributes {muster.mesh = @ranks, muster.bounds = {t.a = 4, t.b = 4}} {
  %c0 = arith.constant 0 : index
  %ta = tensor.dim %a, %c0 : tensor<?x2xf32>
  %tb = tensor.dim %b, %c0 : tensor<?x2xf32>
  %na = muster.local_count %ta field "t.a" : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %tb field "t.b" : !muster.counts<[], tokens, @step.b>
  %n:2 = muster.exchange_counts %na, %nb : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %total_a = muster.total %n#0 : !muster.counts<[dp], tokens, @step.a>
  %total_b = muster.total %n#1 : !muster.counts<[dp], tokens, @step.b>
  %ga = muster.all_gather %a on "dp" dim 0 counts(%n#0 : !muster.counts<[dp], tokens, @step.a>) : tensor<?x2xf32> -> tensor<?x2xf32>
  %gb = muster.all_gather %b on "dp" dim 0 counts(%n#1 : !muster.counts<[dp], tokens, @step.b>) : tensor<?x2xf32> -> tensor<?x2xf32>
  %buffer_a = tensor.empty(%total_a) : tensor<?x2xf32>
  %buffer_b = tensor.empty(%total_b) : tensor<?x2xf32>
  %ya = linalg.add ins(%ga, %ga : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_a : tensor<?x2xf32>) -> tensor<?x2xf32>
  %yb = linalg.add ins(%gb, %gb : tensor<?x2xf32>, tensor<?x2xf32>) outs(%buffer_b : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %ya, %yb : tensor<?x2xf32>, tensor<?x2xf32>
}
