// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics=only-expected
//
// Rows in numbers that the device has counted: senders and receivers are spaces like others.

// There, something row by row, and home.
#counts = #muster.routed<rows, @route, 8>
#row = affine_map<(d0, d1) -> (d0, d1)>
muster.mesh @node <["ep" = 4]>
func.func @there_and_back(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %memory = tensor.empty() : tensor<32x6xf32>
  %d = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<32x6xf32>) outs(%memory : tensor<32x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %double = arith.addf %a, %a : f32
    linalg.yield %double : f32
  } -> tensor<32x6xf32>
  %z = muster.all_to_all_v %d on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// Two experts on each rank; a group of two axes; other dims divided; exchanged thrice. Rows of one batch meet.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["dp" = 2, "ep" = 2, "tp" = 3]>
func.func @two_tensors(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/(dp,ep), i/tp]>},
    %v: tensor<8x6xf32> {muster.layout = #muster.layout<[t/(dp,ep), i/tp]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/(dp,ep)]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/(dp,ep), i/tp]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4x2xi32, #counts>
  %a = muster.all_to_all %s on ["dp", "ep"] split 0 concat 0 : tensor<4x2xi32, #counts> -> tensor<4x2xi32, #counts>
  %b = muster.exchange %a on ["dp", "ep"] : tensor<4x2xi32, #counts>
  %r = muster.exchange %b on ["dp", "ep"] : tensor<4x2xi32, #counts>
  %y = muster.all_to_all_v %x on ["dp", "ep"] send(%s : tensor<4x2xi32, #counts>) receive(%r : tensor<4x2xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %w = muster.all_to_all_v %v on ["dp", "ep"] send(%s : tensor<4x2xi32, #counts>) receive(%r : tensor<4x2xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %p = arith.mulf %y, %w : tensor<32x6xf32>
  %z = muster.all_to_all_v %p on ["dp", "ep"] send(%r : tensor<4x2xi32, #counts>) receive(%s : tensor<4x2xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// DeepEP's layouts, transposed.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @received_as_sent(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  // expected-error @+1 {{E1213 expected to receive what the others send but got the counts of what is sent}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%s : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// Of all that follows nothing is known, and it says why.

// Counts of two routers.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @home_by_others(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}, %other: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %s2 = nn.histogram %other : tensor<8xi32> -> tensor<4xi32, #counts>
  %r2 = muster.exchange %s2 on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: brings rows home that these counts have not sent}}
  %z = muster.all_to_all_v %y on "ep" send(%r2 : tensor<4xi32, #counts>) receive(%s2 : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// Rows of two routes do not meet, though there is as much room for both.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @rows_of_two_routes(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}, %other: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %s2 = nn.histogram %other : tensor<8xi32> -> tensor<4xi32, #counts>
  %r2 = muster.exchange %s2 on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %y2 = muster.all_to_all_v %x on "ep" send(%s2 : tensor<4xi32, #counts>) receive(%r2 : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-error @+1 {{E1108}}
  %p = arith.addf %y, %y2 : tensor<32x6xf32>
  %z = muster.all_to_all_v %p on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// Rows that were not counted.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @other_rows(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[u/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[u/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  // expected-error @+1 {{E1108 cannot be proved: sends rows that are not those that were counted}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// The last rows have no bin: what comes home for them is dead.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @only_the_first(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %five = arith.constant 5 : index
  %s = nn.histogram %to valid %five : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: brings home rows of which only the first were counted}}
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// The first of the rows that came may be dead.
#counts = #muster.routed<rows, @route, 8>
#both = affine_map<(d0, d1) -> (d0, d1)>
#second = affine_map<(d0, d1) -> (d1)>
muster.mesh @node <["ep" = 4]>
func.func @sum_of_a_slice(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<6xf32> {muster.layout = #muster.layout<[i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-error @+1 {{E1108}}
  %part = tensor.extract_slice %y[0, 0] [16, 6] [1, 1] : tensor<32x6xf32> to tensor<16x6xf32>
  %zero = arith.constant dense<0.0> : tensor<6xf32>
  %sum = linalg.generic {indexing_maps = [#both, #second], iterator_types = ["reduction", "parallel"]} ins(%part : tensor<16x6xf32>) outs(%zero : tensor<6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %more = arith.addf %a, %o : f32
    linalg.yield %more : f32
  } -> tensor<6xf32>
  %all = muster.all_reduce %sum sum on "ep" : tensor<6xf32>
  return %all : tensor<6xf32>
}

// -----

// Rows taken together: some are dead.
#counts = #muster.routed<rows, @route, 8>
#both = affine_map<(d0, d1) -> (d0, d1)>
#second = affine_map<(d0, d1) -> (d1)>
muster.mesh @node <["ep" = 4]>
func.func @sum_of_all(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<6xf32> {muster.layout = #muster.layout<[i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %zero = arith.constant dense<0.0> : tensor<6xf32>
  // expected-error @+1 {{E1108}}
  %sum = linalg.generic {indexing_maps = [#both, #second], iterator_types = ["reduction", "parallel"]} ins(%y : tensor<32x6xf32>) outs(%zero : tensor<6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %more = arith.addf %a, %o : f32
    linalg.yield %more : f32
  } -> tensor<6xf32>
  %all = muster.all_reduce %sum sum on "ep" : tensor<6xf32>
  return %all : tensor<6xf32>
}

// -----

// Parts of one histogram, added up, are right; that they are meant so is not said by the shapes.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @load(%to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<4xi32, #counts> {muster.layout = #muster.layout<[e]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  // expected-error @+1 {{E1108}}
  %all = muster.all_reduce %s sum on "ep" : tensor<4xi32, #counts>
  return %all : tensor<4xi32, #counts>
}

// -----

// A helper that is called twice: its counts are not told apart.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func private @sent(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<32x6xf32> {
  // expected-error @+1 {{E1108 cannot be proved: counts in a region or a function that is called}}
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y : tensor<32x6xf32>
}
func.func @helper(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}, %other: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> (tensor<32x6xf32> {muster.layout = #muster.layout<[u/ep, i]>}) {
  %y = func.call @sent(%x, %to) : (tensor<8x6xf32>, tensor<8xi32>) -> tensor<32x6xf32>
  %w = func.call @sent(%x, %other) : (tensor<8x6xf32>, tensor<8xi32>) -> tensor<32x6xf32>
  %p = arith.addf %y, %w : tensor<32x6xf32>
  return %p : tensor<32x6xf32>
}

// -----

// What came is no plain dim of the result.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @dead_rows_returned(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<32x6xf32> {muster.layout = #muster.layout<[u/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-error @+1 {{E1108}}
  return %y : tensor<32x6xf32>
}

// -----

// What each receiver has of a weight (experts) may be meant for the rows that it got, or for all rows.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
muster.weight @w : tensor<4x5x6xf32> layout <[e/ep, o, i]>
func.func @experts(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<8x5xf32> {muster.layout = #muster.layout<[t/ep, o]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %w = muster.load @w : tensor<1x5x6xf32>
  %own = tensor.collapse_shape %w [[0, 1], [2]] : tensor<1x5x6xf32> into tensor<5x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: axis 'ep' serves both 't' and 'o'}}
  %d = nn.matmul %y, %own : tensor<32x6xf32>, tensor<5x6xf32> -> tensor<32x5xf32>
  %z = muster.all_to_all_v %d on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x5xf32> -> tensor<8x5xf32>
  return %z : tensor<8x5xf32>
}

// -----

// As many experts on a rank as there are ranks: counts of experts for counts of ranks.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 2]>
func.func @transposed(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<2x2xi32, #counts>
  %memory = tensor.empty() : tensor<2x2xi32, #counts>
  %st = linalg.transpose ins(%s : tensor<2x2xi32, #counts>) outs(%memory : tensor<2x2xi32, #counts>) permutation = [1, 0]
  %rt = muster.exchange %st on "ep" : tensor<2x2xi32, #counts>
  // expected-error @+1 {{E1108 cannot be proved: sends rows over another group than has counted them}}
  %y = muster.all_to_all_v %x on "ep" send(%st : tensor<2x2xi32, #counts>) receive(%rt : tensor<2x2xi32, #counts>) : tensor<8x6xf32> -> tensor<16x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%rt : tensor<2x2xi32, #counts>) receive(%st : tensor<2x2xi32, #counts>) : tensor<16x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}
