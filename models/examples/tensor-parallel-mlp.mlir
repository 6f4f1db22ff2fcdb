// A gated feed-forward block on three ranks (Megatron-LM, Shoeybi et al. 2019), as a builder or a person would state it.
//
// The columns of gate and up and the rows of down are divided by tp, so that each rank computes a third of the inner width from whole
// rows, and the ranks' results add up. `muster.redistribute` says what is there and what is wanted; a pass chooses the collective
// (here an all-reduce; with `to <[t/tp, i]>` it would be a reduce-scatter).

muster.mesh @mesh <["tp" = 3]>

muster.weight @gate : tensor<21x10xf32> layout <[o/tp, i]>
muster.weight @up : tensor<21x10xf32> layout <[o/tp, i]>
muster.weight @down : tensor<10x21xf32> layout <[o, i/tp]>

#matrix = affine_map<(t, i) -> (t, i)>

func.func @mlp(%x: tensor<?x10xf32> {muster.name = "x", muster.layout = #muster.layout<[t, i]>})
    -> (tensor<?x10xf32> {muster.name = "y", muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x10xf32>
  %gate = muster.load @gate : tensor<7x10xf32>
  %up = muster.load @up : tensor<7x10xf32>
  %down = muster.load @down : tensor<10x7xf32>
  %g = nn.matmul %x, %gate : tensor<?x10xf32>, tensor<7x10xf32> -> tensor<?x7xf32>
  %u = nn.matmul %x, %up : tensor<?x10xf32>, tensor<7x10xf32> -> tensor<?x7xf32>
  %empty = tensor.empty(%rows) : tensor<?x7xf32>
  %h = linalg.generic {indexing_maps = [#matrix, #matrix, #matrix], iterator_types = ["parallel", "parallel"]}
      ins(%g, %u : tensor<?x7xf32>, tensor<?x7xf32>) outs(%empty : tensor<?x7xf32>) {
  ^bb0(%gated: f32, %upped: f32, %unused: f32):
    %one = arith.constant 1.0 : f32
    %negated = arith.negf %gated : f32
    %exponential = math.exp %negated : f32
    %divisor = arith.addf %one, %exponential : f32
    %silu = arith.divf %gated, %divisor : f32
    %product = arith.mulf %silu, %upped : f32
    linalg.yield %product : f32
  } -> tensor<?x7xf32>
  %part = nn.matmul %h, %down : tensor<?x7xf32>, tensor<10x7xf32> -> tensor<?x10xf32>
  %y = muster.redistribute %part from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x10xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}
