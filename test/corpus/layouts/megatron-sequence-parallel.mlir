// RUN: %python %S/../judge.py %s
//
// Megatron-LM tensor parallelism with sequence parallelism (no issue; vLLM's passes rewrite one form into the other): gather before
// the column-parallel product, reduce-scatter behind the row-parallel one.
//
// Right in two forms. The wrong ones are the four ways to leave a reduction out, do it twice, or shard rows and columns over one axis;
// every shape agrees. They are slips and not in the project.
//
// The wrong ones are right iff tp = 1.

// The program without mesh.
func.func @logical(%x: tensor<15x7xf32>,
    %up: tensor<6x7xf32>,
    %down: tensor<11x6xf32>)
    -> tensor<15x11xf32> {
  %x1 = nn.matmul %x, %up : tensor<15x7xf32>, tensor<6x7xf32> -> tensor<15x6xf32>
  %h1_to = tensor.empty() : tensor<15x6xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1 : tensor<15x6xf32>) outs(%h1_to : tensor<15x6xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<15x6xf32>
  %h2 = nn.matmul %h1, %down : tensor<15x6xf32>, tensor<11x6xf32> -> tensor<15x11xf32>
  return %h2 : tensor<15x11xf32>
}

// -----

// all_gather ... reduce_scatter.
muster.mesh @node <["tp" = 3]>
func.func @right_reduce_scatter(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t/tp, i]>},
    %up: tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %down: tensor<11x2xf32> {muster.layout = #muster.layout<[n, o/tp]>})
    -> (tensor<5x11xf32> {muster.layout = #muster.layout<[t/tp, n]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<5x7xf32> -> tensor<15x7xf32>
  %x2 = nn.matmul %x1, %up : tensor<15x7xf32>, tensor<2x7xf32> -> tensor<15x2xf32>
  %h1_to = tensor.empty() : tensor<15x2xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<15x2xf32>) outs(%h1_to : tensor<15x2xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<15x2xf32>
  %h2 = nn.matmul %h1, %down : tensor<15x2xf32>, tensor<11x2xf32> -> tensor<15x11xf32>
  %h3 = muster.reduce_scatter %h2 sum on "tp" dim 0 : tensor<15x11xf32> -> tensor<5x11xf32>
  return %h3 : tensor<5x11xf32>
}

// -----

// all_gather ... all_reduce, own rows.
muster.mesh @node <["tp" = 3]>
func.func @right_all_reduce_then_slice(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t/tp, i]>},
    %up: tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %down: tensor<11x2xf32> {muster.layout = #muster.layout<[n, o/tp]>})
    -> (tensor<5x11xf32> {muster.layout = #muster.layout<[t/tp, n]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<5x7xf32> -> tensor<15x7xf32>
  %x2 = nn.matmul %x1, %up : tensor<15x7xf32>, tensor<2x7xf32> -> tensor<15x2xf32>
  %h1_to = tensor.empty() : tensor<15x2xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<15x2xf32>) outs(%h1_to : tensor<15x2xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<15x2xf32>
  %h2 = nn.matmul %h1, %down : tensor<15x2xf32>, tensor<11x2xf32> -> tensor<15x11xf32>
  %h3 = muster.all_reduce %h2 sum on "tp" : tensor<15x11xf32>
  %h4 = muster.slice %h3 on "tp" dim 0 : tensor<15x11xf32> -> tensor<5x11xf32>
  return %h4 : tensor<5x11xf32>
}

// -----

// Own rows of an unreduced product.
muster.mesh @node <["tp" = 3]>
func.func @wrong_not_reduced(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t/tp, i]>},
    %up: tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %down: tensor<11x2xf32> {muster.layout = #muster.layout<[n, o/tp]>})
    -> (tensor<5x11xf32> {muster.layout = #muster.layout<[t/tp, n]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<5x7xf32> -> tensor<15x7xf32>
  %x2 = nn.matmul %x1, %up : tensor<15x7xf32>, tensor<2x7xf32> -> tensor<15x2xf32>
  %h1_to = tensor.empty() : tensor<15x2xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<15x2xf32>) outs(%h1_to : tensor<15x2xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<15x2xf32>
  %h2 = nn.matmul %h1, %down : tensor<15x2xf32>, tensor<11x2xf32> -> tensor<15x11xf32>
  %h3 = muster.slice %h2 on "tp" dim 0 : tensor<15x11xf32> -> tensor<5x11xf32>
  return %h3 : tensor<5x11xf32>
}

// -----

// Reduced twice: tp times too large.
muster.mesh @node <["tp" = 3]>
func.func @wrong_reduced_twice(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t/tp, i]>},
    %up: tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %down: tensor<11x2xf32> {muster.layout = #muster.layout<[n, o/tp]>})
    -> (tensor<5x11xf32> {muster.layout = #muster.layout<[t/tp, n]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<5x7xf32> -> tensor<15x7xf32>
  %x2 = nn.matmul %x1, %up : tensor<15x7xf32>, tensor<2x7xf32> -> tensor<15x2xf32>
  %h1_to = tensor.empty() : tensor<15x2xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<15x2xf32>) outs(%h1_to : tensor<15x2xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<15x2xf32>
  %h2 = nn.matmul %h1, %down : tensor<15x2xf32>, tensor<11x2xf32> -> tensor<15x11xf32>
  %h3 = muster.all_reduce %h2 sum on "tp" : tensor<15x11xf32>
  %h4 = muster.reduce_scatter %h3 sum on "tp" dim 0 : tensor<15x11xf32> -> tensor<5x11xf32>
  return %h4 : tensor<5x11xf32>
}

// -----

// Rows and columns over one axis: only diagonal blocks are computed.
muster.mesh @node <["tp" = 3]>
func.func @wrong_rows_and_columns_on_one_axis(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t/tp, i]>},
    %up: tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %down: tensor<11x2xf32> {muster.layout = #muster.layout<[n, o/tp]>})
    -> (tensor<5x11xf32> {muster.layout = #muster.layout<[t/tp, n]>}) {
  // no gather: the rank's rows meet the rank's columns
  %x1 = nn.matmul %x, %up : tensor<5x7xf32>, tensor<2x7xf32> -> tensor<5x2xf32>
  %h1_to = tensor.empty() : tensor<5x2xf32>
  %h1 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1 : tensor<5x2xf32>) outs(%h1_to : tensor<5x2xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %in0, %z : f32
    linalg.yield %m : f32
  } -> tensor<5x2xf32>
  %h2 = nn.matmul %h1, %down : tensor<5x2xf32>, tensor<11x2xf32> -> tensor<5x11xf32>
  %h3 = muster.all_reduce %h2 sum on "tp" : tensor<5x11xf32>
  return %h3 : tensor<5x11xf32>
}
