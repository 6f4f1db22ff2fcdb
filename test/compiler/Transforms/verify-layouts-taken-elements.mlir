// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Elements that a body takes of tensors from outside, and numbers that it reads there itself.

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// A look-up in a table that every rank has.
func.func @whole_table(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t/tp]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t/tp, d]>}) {
  %to = tensor.empty() : tensor<7x3xf32>
  %y = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%id: i32, %unused: f32):
    %v = arith.index_cast %id : i32 to index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%v, %d] : tensor<5x3xf32>
    linalg.yield %e : f32
  } -> tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// Each rank has other rows of the table.
func.func @negative_spread_table(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108 cannot be proved: takes elements of a tensor, of which ranks have not all}}
  // expected-note @+1 {{what would settle it}}
  %y = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%id: i32, %unused: f32):
    %v = arith.index_cast %id : i32 to index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%v, %d] : tensor<5x3xf32>
    linalg.yield %e : f32
  } -> tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t) -> (t)>
muster.mesh @node <["a" = 2, "b" = 2]>
// All ranks have the same, and one rank another order.
func.func @negative_other_order(%x: tensor<2xf32> {muster.layout = #muster.layout<[u/(a,b)]>}, %y: tensor<5xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %c2 = arith.constant 2 : index
  %g = muster.all_gather %x on ["b", "a"] dim 0 : tensor<2xf32> -> tensor<8xf32>
  // expected-note @+1 {{it differs between ranks from here on}}
  %e = tensor.extract %g[%c2] : tensor<8xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %s = tensor.splat %e : tensor<5xf32>
  %z = arith.mulf %s, %y : tensor<5xf32>
  return %z : tensor<5xf32>
}

// -----

#rows = affine_map<(t) -> (t)>
muster.mesh @node <["tp" = 2]>
func.func @negative_coordinate_in_body(%y: tensor<5xf32> {muster.layout = #muster.layout<[t]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %to = tensor.empty() : tensor<5xf32>
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp'}}
  // expected-note @+1 {{what would settle it}}
  %z = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel"]} ins(%y : tensor<5xf32>) outs(%to : tensor<5xf32>) {
  ^bb0(%v: f32, %unused: f32):
    // expected-note @+1 {{it differs between ranks from here on}}
    %c = muster.coordinate "tp"
    %i = arith.index_cast %c : index to i32
    %f = arith.sitofp %i : i32 to f32
    %0 = arith.mulf %v, %f : f32
    linalg.yield %0 : f32
  } -> tensor<5xf32>
  return %z : tensor<5xf32>
}

// -----

#rows = affine_map<(t) -> (t)>
muster.mesh @node <["tp" = 2]>
// The size of a part, read in the body.
func.func @negative_size_in_body(%y: tensor<5xf32> {muster.layout = #muster.layout<[t/tp]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %to = tensor.empty() : tensor<5xf32>
  %c0 = arith.constant 0 : index
  // expected-error @+2 {{E1108 cannot be proved: this computes with a size of this mesh}}
  // expected-note @+1 {{what would settle it}}
  %z = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel"]} ins(%y : tensor<5xf32>) outs(%to : tensor<5xf32>) {
  ^bb0(%v: f32, %unused: f32):
    // expected-note @+1 {{the size is taken here}}
    %n = tensor.dim %y, %c0 : tensor<5xf32>
    %i = arith.index_cast %n : index to i32
    %f = arith.sitofp %i : i32 to f32
    %0 = arith.divf %v, %f : f32
    linalg.yield %0 : f32
  } -> tensor<5xf32>
  return %z : tensor<5xf32>
}

// -----

#rows = affine_map<(t) -> (t)>
muster.mesh @node <["tp" = 2]>
// Taken in a region inside the body.
func.func @negative_region_in_body(%y: tensor<5xf32> {muster.layout = #muster.layout<[t/tp]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %to = tensor.empty() : tensor<5xf32>
  %c0 = arith.constant 0 : index
  %half = arith.constant 0.5 : f32
  // expected-error @+2 {{E1108 cannot be proved: takes elements of a tensor, of which ranks have not all}}
  // expected-note @+1 {{what would settle it}}
  %w = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel"]} ins(%y : tensor<5xf32>) outs(%to : tensor<5xf32>) {
  ^bb0(%v: f32, %unused: f32):
    %isSmall = arith.cmpf olt, %v, %half : f32
    %0 = scf.if %isSmall -> f32 {
      %1 = tensor.extract %y[%c0] : tensor<5xf32>
      scf.yield %1 : f32
    } else {
      scf.yield %v : f32
    }
    linalg.yield %0 : f32
  } -> tensor<5xf32>
  return %w : tensor<5xf32>
}
