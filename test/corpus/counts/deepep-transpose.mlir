// RUN: %python %S/../judge_counts.py %s
//
// DeepEP's dispatch layouts: the counts of what is sent are a matrix of senders and receivers, of which each rank has a row. What it receives is a column.
// A rank that takes its row for both is right as long as all ranks send each other the same numbers, as in every test with a balanced router.
//
// Invariant: what is received is the transposition of what is sent.

// Expect: E1213.
#counts = #muster.routed<rows, @route, 8>
#same = affine_map<(d0) -> (d0)>
muster.mesh @mesh <["ep" = 3]>
func.func @wrong_receives_what_it_sends(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) -> tensor<8x6xf32> {
  %me = muster.coordinate "ep"
  %to_to = tensor.empty() : tensor<8xi32>
  // Where the router sends each row.
  %to = linalg.generic {indexing_maps = [#same], iterator_types = ["parallel"]} outs(%to_to : tensor<8xi32>) {
  ^bb0(%o: i32):
    %t = linalg.index 0 : index
    %five = arith.constant 5 : index
    %two = arith.constant 2 : index
    %shifted = arith.addi %t, %me : index
    %third = arith.divui %shifted, %five : index
    %expert = arith.minui %third, %two : index
    %e = arith.index_cast %expert : index to i32
    linalg.yield %e : i32
  } -> tensor<8xi32>
  %s = nn.histogram %to : tensor<8xi32> -> tensor<3xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<3xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<8x6xf32> -> tensor<24x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%s : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<24x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

#counts = #muster.routed<rows, @route, 8>
#same = affine_map<(d0) -> (d0)>
muster.mesh @mesh <["ep" = 3]>
func.func @right_receives_what_it_sends(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) -> tensor<8x6xf32> {
  %me = muster.coordinate "ep"
  %to_to = tensor.empty() : tensor<8xi32>
  // Where the router sends each row.
  %to = linalg.generic {indexing_maps = [#same], iterator_types = ["parallel"]} outs(%to_to : tensor<8xi32>) {
  ^bb0(%o: i32):
    %t = linalg.index 0 : index
    %five = arith.constant 5 : index
    %two = arith.constant 2 : index
    %shifted = arith.addi %t, %me : index
    %third = arith.divui %shifted, %five : index
    %expert = arith.minui %third, %two : index
    %e = arith.index_cast %expert : index to i32
    linalg.yield %e : i32
  } -> tensor<8xi32>
  %s = nn.histogram %to : tensor<8xi32> -> tensor<3xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<3xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<8x6xf32> -> tensor<24x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<24x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}
