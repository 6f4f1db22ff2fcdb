// Right programs of unusual form. `muster-verify` decides some of them by its rules.

// An all-to-all by gather and own slice.
muster.mesh @m <["sp" = 3]>
func.func @gather_and_slice(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<12x2xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  %g = muster.all_gather %x on "sp" dim 0 : tensor<4x6xf32> -> tensor<12x6xf32>
  %c = muster.coordinate "sp"
  %n = arith.constant 2 : index
  %o = arith.muli %c, %n : index
  %y = tensor.extract_slice %g[0, %o] [12, 2] [1, 1] : tensor<12x6xf32> to tensor<12x2xf32>
  return %y : tensor<12x2xf32>
}
// -----
// Gathered in the wrong nesting, and mended by a transposition.
muster.mesh @m <["a" = 2, "b" = 3]>
func.func @nested(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/(a,b), h]>}) -> (tensor<24x5xf32> {muster.layout = #muster.layout<[s, h]>}) {
  %g = muster.all_gather %x on "a" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>
  %h = muster.all_gather %g on "b" dim 0 : tensor<8x5xf32> -> tensor<24x5xf32>
  %e = tensor.expand_shape %h [[0, 1, 2], [3]] output_shape [3, 2, 4, 5] : tensor<24x5xf32> into tensor<3x2x4x5xf32>
  %i = tensor.empty() : tensor<2x3x4x5xf32>
  %t = linalg.transpose ins(%e : tensor<3x2x4x5xf32>) outs(%i : tensor<2x3x4x5xf32>) permutation = [1, 0, 2, 3]
  %y = tensor.collapse_shape %t [[0, 1, 2], [3]] : tensor<2x3x4x5xf32> into tensor<24x5xf32>
  return %y : tensor<24x5xf32>
}
// -----
// The same mended with slices and a concatenation: on one rank these would move what is right already. Not run.
muster.mesh @m <["a" = 2, "b" = 2]>
func.func @nested_by_slices(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/(a,b), h]>}) -> (tensor<16x5xf32> {muster.layout = #muster.layout<[s, h]>}) {
  %g = muster.all_gather %x on "a" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>
  %h = muster.all_gather %g on "b" dim 0 : tensor<8x5xf32> -> tensor<16x5xf32>
  %0 = tensor.extract_slice %h[0, 0] [4, 5] [1, 1] : tensor<16x5xf32> to tensor<4x5xf32>
  %1 = tensor.extract_slice %h[4, 0] [4, 5] [1, 1] : tensor<16x5xf32> to tensor<4x5xf32>
  %2 = tensor.extract_slice %h[8, 0] [4, 5] [1, 1] : tensor<16x5xf32> to tensor<4x5xf32>
  %3 = tensor.extract_slice %h[12, 0] [4, 5] [1, 1] : tensor<16x5xf32> to tensor<4x5xf32>
  %y = tensor.concat dim(0) %0, %2, %1, %3 : (tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<16x5xf32>
  return %y : tensor<16x5xf32>
}
// -----
// Chunks of a contraction.
muster.mesh @m <["tp" = 3]>
func.func @chunks(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[t, k/tp]>}, %w: tensor<5x6xf32> {muster.layout = #muster.layout<[o, k/tp]>}) -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x0 = tensor.extract_slice %x[0, 0] [4, 2] [1, 1] : tensor<4x6xf32> to tensor<4x2xf32>
  %x1 = tensor.extract_slice %x[0, 2] [4, 4] [1, 1] : tensor<4x6xf32> to tensor<4x4xf32>
  %w0 = tensor.extract_slice %w[0, 0] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %w1 = tensor.extract_slice %w[0, 2] [5, 4] [1, 1] : tensor<5x6xf32> to tensor<5x4xf32>
  %a = nn.matmul %x0, %w0 : tensor<4x2xf32>, tensor<5x2xf32> -> tensor<4x5xf32>
  %b = nn.matmul %x1, %w1 : tensor<4x4xf32>, tensor<5x4xf32> -> tensor<4x5xf32>
  %c = arith.addf %a, %b : tensor<4x5xf32>
  %y = muster.all_reduce %c sum on "tp" : tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}
// -----
// Two halves of the rows of each rank.
muster.mesh @m <["dp" = 2, "tp" = 2]>
func.func @halves(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[t/dp, i]>}, %w: tensor<5x6xf32> {muster.layout = #muster.layout<[o/tp, i]>}, %v: tensor<7x5xf32> {muster.layout = #muster.layout<[p, o/tp]>}) -> (tensor<4x7xf32> {muster.layout = #muster.layout<[t/dp, p]>}) {
  %x0 = tensor.extract_slice %x[0, 0] [2, 6] [1, 1] : tensor<4x6xf32> to tensor<2x6xf32>
  %x1 = tensor.extract_slice %x[2, 0] [2, 6] [1, 1] : tensor<4x6xf32> to tensor<2x6xf32>
  %h0 = nn.matmul %x0, %w : tensor<2x6xf32>, tensor<5x6xf32> -> tensor<2x5xf32>
  %y0 = nn.matmul %h0, %v : tensor<2x5xf32>, tensor<7x5xf32> -> tensor<2x7xf32>
  %r0 = muster.all_reduce %y0 sum on "tp" : tensor<2x7xf32>
  %h1 = nn.matmul %x1, %w : tensor<2x6xf32>, tensor<5x6xf32> -> tensor<2x5xf32>
  %y1 = nn.matmul %h1, %v : tensor<2x5xf32>, tensor<7x5xf32> -> tensor<2x7xf32>
  %r1 = muster.all_reduce %y1 sum on "tp" : tensor<2x7xf32>
  %y = tensor.concat dim(0) %r0, %r1 : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<4x7xf32>
  return %y : tensor<4x7xf32>
}
// -----
// The same with gathered rows: not run, because parts of what was gathered are joined.
muster.mesh @m <["tp" = 2]>
func.func @halves_gathered(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[t/tp, i]>}, %w: tensor<5x6xf32> {muster.layout = #muster.layout<[o/tp, i]>}, %v: tensor<7x5xf32> {muster.layout = #muster.layout<[p, o/tp]>}) -> (tensor<4x7xf32> {muster.layout = #muster.layout<[t/tp, p]>}) {
  %x0 = tensor.extract_slice %x[0, 0] [2, 6] [1, 1] : tensor<4x6xf32> to tensor<2x6xf32>
  %x1 = tensor.extract_slice %x[2, 0] [2, 6] [1, 1] : tensor<4x6xf32> to tensor<2x6xf32>
  %g0 = muster.all_gather %x0 on "tp" dim 0 : tensor<2x6xf32> -> tensor<4x6xf32>
  %h0 = nn.matmul %g0, %w : tensor<4x6xf32>, tensor<5x6xf32> -> tensor<4x5xf32>
  %y0 = nn.matmul %h0, %v : tensor<4x5xf32>, tensor<7x5xf32> -> tensor<4x7xf32>
  %r0 = muster.reduce_scatter %y0 sum on "tp" dim 0 : tensor<4x7xf32> -> tensor<2x7xf32>
  %g1 = muster.all_gather %x1 on "tp" dim 0 : tensor<2x6xf32> -> tensor<4x6xf32>
  %h1 = nn.matmul %g1, %w : tensor<4x6xf32>, tensor<5x6xf32> -> tensor<4x5xf32>
  %y1 = nn.matmul %h1, %v : tensor<4x5xf32>, tensor<7x5xf32> -> tensor<4x7xf32>
  %r1 = muster.reduce_scatter %y1 sum on "tp" dim 0 : tensor<4x7xf32> -> tensor<2x7xf32>
  %y = tensor.concat dim(0) %r0, %r1 : (tensor<2x7xf32>, tensor<2x7xf32>) -> tensor<4x7xf32>
  return %y : tensor<4x7xf32>
}
// -----
// An all-to-all of a list of parts: of one part there is no list on one rank. Not run.
muster.mesh @m <["sp" = 2]>
func.func @list(%x: tensor<3x4xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<6x2xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  %0 = tensor.extract_slice %x[0, 0] [3, 2] [1, 1] : tensor<3x4xf32> to tensor<3x2xf32>
  %1 = tensor.extract_slice %x[0, 2] [3, 2] [1, 1] : tensor<3x4xf32> to tensor<3x2xf32>
  %l = tensor.concat dim(0) %0, %1 : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<6x2xf32>
  %e = tensor.expand_shape %l [[0, 1], [2]] output_shape [2, 3, 2] : tensor<6x2xf32> into tensor<2x3x2xf32>
  %r = muster.exchange %e on "sp" : tensor<2x3x2xf32>
  %y = tensor.collapse_shape %r [[0, 1], [2]] : tensor<2x3x2xf32> into tensor<6x2xf32>
  return %y : tensor<6x2xf32>
}
// -----
// Rows counted by adding up ones.
muster.mesh @m <["dp" = 3]>
#map = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (b)>
func.func @mean_by_ones(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/dp, i]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %z = arith.constant 0.0 : f32
  %one = arith.constant dense<1.0> : tensor<4x5xf32>
  %e = tensor.empty() : tensor<5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %s = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["reduction", "parallel"]} ins(%x : tensor<4x5xf32>) outs(%f : tensor<5xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %n = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["reduction", "parallel"]} ins(%one : tensor<4x5xf32>) outs(%f : tensor<5xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %S = muster.all_reduce %s sum on "dp" : tensor<5xf32>
  %N = muster.all_reduce %n sum on "dp" : tensor<5xf32>
  %y = arith.divf %S, %N : tensor<5xf32>
  return %y : tensor<5xf32>
}
// -----
// A local batch of one that goes away: each sequence may be meant for itself. Not run.
muster.mesh @m <["dp" = 2]>
#map = affine_map<(a, b) -> (a, b)>
#row = affine_map<(a, b) -> (b)>
func.func @squeeze(%x: tensor<1x5x7xf32> {muster.layout = #muster.layout<[b/dp, s, d]>}) -> (tensor<1x7xf32> {muster.layout = #muster.layout<[b/dp, d]>}) {
  %q = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x5x7xf32> into tensor<5x7xf32>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<7xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<7xf32>) -> tensor<7xf32>
  %s = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["reduction", "parallel"]} ins(%q : tensor<5x7xf32>) outs(%f : tensor<7xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<7xf32>
  %y = tensor.expand_shape %s [[0, 1]] output_shape [1, 7] : tensor<7xf32> into tensor<1x7xf32>
  return %y : tensor<1x7xf32>
}
