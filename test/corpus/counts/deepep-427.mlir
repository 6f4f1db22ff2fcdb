// RUN: %python %S/../judge_counts.py %s
//
// DeepEP #427: the buffer for what a rank receives has room for a balanced share, tokens divided by ranks. A router may send all rows of all ranks to
// one expert; then the last of them are written behind the buffer.
//
// Invariant: a buffer has room for what may come in the worst step, or the step ends before anything is written.

// Expect: E1209.
#counts = #muster.routed<rows, @route, 8>
#same = affine_map<(d0) -> (d0)>
muster.mesh @mesh <["ep" = 3]>
func.func @wrong_balanced_share(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) -> tensor<8x6xf32> {
  %me = muster.coordinate "ep"
  %to_to = tensor.empty() : tensor<8xi32>
  // Where the router sends each row.
  %to = linalg.generic {indexing_maps = [#same], iterator_types = ["parallel"]} outs(%to_to : tensor<8xi32>) {
  ^bb0(%o: i32):
    %expert = arith.constant 1 : index
    %e = arith.index_cast %expert : index to i32
    linalg.yield %e : i32
  } -> tensor<8xi32>
  %s = nn.histogram %to : tensor<8xi32> -> tensor<3xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<3xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<8x6xf32> -> tensor<8x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<8x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

#counts = #muster.routed<rows, @route, 8>
#same = affine_map<(d0) -> (d0)>
muster.mesh @mesh <["ep" = 3]>
func.func @right_balanced_share(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) -> tensor<8x6xf32> {
  %me = muster.coordinate "ep"
  %to_to = tensor.empty() : tensor<8xi32>
  // Where the router sends each row.
  %to = linalg.generic {indexing_maps = [#same], iterator_types = ["parallel"]} outs(%to_to : tensor<8xi32>) {
  ^bb0(%o: i32):
    %expert = arith.constant 1 : index
    %e = arith.index_cast %expert : index to i32
    linalg.yield %e : i32
  } -> tensor<8xi32>
  %s = nn.histogram %to : tensor<8xi32> -> tensor<3xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<3xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<8x6xf32> -> tensor<24x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<24x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}
