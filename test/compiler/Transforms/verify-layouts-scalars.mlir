// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Scalars: what may differ between ranks, and what it may be used for.

muster.mesh @node <["tp" = 3]>
func.func @negative_coordinate_in_data(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %i = arith.index_cast %c : index to i32
  %f = arith.sitofp %i : i32 to f32
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp', so ranks compute different functions}}
  // expected-note @+1 {{what would settle it: that the result is the same on every rank}}
  %s = tensor.splat %f : tensor<4xf32>
  %z = arith.addf %s, %y : tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// An axis of one rank has one coordinate.
muster.mesh @node <["tp" = 1]>
func.func @coordinate_on_an_axis_of_one(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %c = muster.coordinate "tp"
  %i = arith.index_cast %c : index to i32
  %f = arith.sitofp %i : i32 to f32
  %s = tensor.splat %f : tensor<4xf32>
  %z = arith.addf %s, %y : tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

#id = affine_map<(a) -> (a)>
muster.mesh @node <["tp" = 3]>
func.func @negative_coordinate_in_a_body(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %i = arith.index_cast %c : index to i32
  %f = arith.sitofp %i : i32 to f32
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp', so ranks compute different functions}}
  // expected-note @+1 {{what would settle it}}
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%y : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %o: f32):
    %m = arith.mulf %in, %f : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// The same scalar as an operand, and one that a tensor yields.
#id = affine_map<(a) -> (a)>
#none = affine_map<(a) -> ()>
muster.mesh @node <["tp" = 3]>
func.func @negative_element_of_a_shard(%y: tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %zero = arith.constant 0 : index
  // expected-note @+1 {{it differs between ranks from here on}}
  %f = tensor.extract %y[%zero] : tensor<4xf32>
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+2 {{E1108 cannot be proved: this depends on elements that differ between ranks}}
  // expected-note @+1 {{what would settle it}}
  %z = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]} ins(%y, %f : tensor<4xf32>, f32) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %own: f32, %o: f32):
    %m = arith.mulf %in, %own : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// An element that all ranks have is one number; so is an argument that is no tensor.
#id = affine_map<(a) -> (a)>
#none = affine_map<(a) -> ()>
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 2 is the same on every rank}}
func.func @element_that_all_ranks_have(%y: tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>},
                                       %x: tensor<5xf32> {muster.layout = #muster.layout<[i]>}, %at: index)
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %f = tensor.extract %x[%at] : tensor<5xf32>
  %e = tensor.empty() : tensor<4xf32>
  %z = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]} ins(%y, %f : tensor<4xf32>, f32) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %own: f32, %o: f32):
    %m = arith.mulf %in, %own : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// A number that each rank adds to its part of a sum is added three times.
#id = affine_map<(a) -> (a)>
#none = affine_map<(a) -> ()>
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 1 is the same on every rank}}
func.func @negative_scalar_added_to_parts(%y: tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}, %f: f32)
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1105 operand 0 is still to be reduced over 'tp'}}
  %z = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]} ins(%y, %f : tensor<4xf32>, f32) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %own: f32, %o: f32):
    %m = arith.addf %in, %own : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

#id = affine_map<(a) -> (a)>
muster.mesh @node <["tp" = 3]>
func.func @negative_index_restarts(%y: tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1106 linalg.index 0 counts from 0 on each rank, but what it walks is spread over ranks}}
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%y : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %o: f32):
    %n = linalg.index 0 : index
    %i = arith.index_cast %n : index to i32
    %f = arith.sitofp %i : i32 to f32
    %m = arith.mulf %in, %f : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// A causal mask of a rank's rows: the index counts on from where the rank's part begins.
#rows = affine_map<(a, b) -> (a, b)>
muster.mesh @node <["sp" = 3]>
func.func @index_from_the_rank_on(%scores: tensor<4x12xf32> {muster.layout = #muster.layout<[q/sp, k]>})
    -> (tensor<4x12xf32> {muster.layout = #muster.layout<[q/sp, k]>}) {
  %c = muster.coordinate "sp"
  %part = arith.constant 4 : index
  %first = arith.muli %c, %part : index
  %low = arith.constant -1.0e9 : f32
  %e = tensor.empty() : tensor<4x12xf32>
  %z = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%scores : tensor<4x12xf32>) outs(%e : tensor<4x12xf32>) {
  ^bb0(%in: f32, %o: f32):
    %row = linalg.index 0 : index
    %at = arith.addi %row, %first : index
    %column = linalg.index 1 : index
    %later = arith.cmpi ugt, %column, %at : index
    %m = arith.select %later, %low, %in : f32
    linalg.yield %m : f32
  } -> tensor<4x12xf32>
  return %z : tensor<4x12xf32>
}

// -----

// The same where the parts are thought to be of 3 rows.
#rows = affine_map<(a, b) -> (a, b)>
muster.mesh @node <["sp" = 3]>
func.func @negative_index_from_elsewhere(%scores: tensor<4x12xf32> {muster.layout = #muster.layout<[q/sp, k]>})
    -> (tensor<4x12xf32> {muster.layout = #muster.layout<[q/sp, k]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "sp"
  %part = arith.constant 3 : index
  %first = arith.muli %c, %part : index
  %low = arith.constant -1.0e9 : f32
  %e = tensor.empty() : tensor<4x12xf32>
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'sp'}}
  // expected-note @+1 {{what would settle it}}
  %z = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%scores : tensor<4x12xf32>) outs(%e : tensor<4x12xf32>) {
  ^bb0(%in: f32, %o: f32):
    %row = linalg.index 0 : index
    %at = arith.addi %row, %first : index
    %column = linalg.index 1 : index
    %later = arith.cmpi ugt, %column, %at : index
    %m = arith.select %later, %low, %in : f32
    linalg.yield %m : f32
  } -> tensor<4x12xf32>
  return %z : tensor<4x12xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_branch_on_the_rank(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>},
                                       %y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %zero = arith.constant 0 : index
  %p = arith.cmpi eq, %c, %zero : index
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp', so ranks compute different functions}}
  // expected-note @+1 {{what would settle it}}
  %r = scf.if %p -> tensor<4xf32> {
    %a = arith.addf %x, %y : tensor<4xf32>
    scf.yield %a : tensor<4xf32>
  } else {
    %b = arith.mulf %x, %y : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_trip_count_of_the_rank(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp', so ranks compute different functions}}
  // expected-note @+1 {{what would settle it}}
  %r = scf.for %i = %zero to %c step %one iter_args(%a = %y) -> tensor<4xf32> {
    %b = arith.addf %a, %a : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

// A carried scalar that comes to depend on the rank in the second iteration.
muster.mesh @node <["tp" = 3]>
func.func @negative_carried_scalar(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %i32 = arith.index_cast %c : index to i32
  %own = arith.sitofp %i32 : i32 to f32
  %start = arith.constant 1.0 : f32
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %r:2 = scf.for %i = %zero to %two step %one iter_args(%a = %y, %f = %start) -> (tensor<4xf32>, f32) {
    // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp'}}
    // expected-note @+1 {{what would settle it}}
    %s = tensor.splat %f : tensor<4xf32>
    %b = arith.mulf %a, %s : tensor<4xf32>
    scf.yield %b, %own : tensor<4xf32>, f32
  }
  return %r#0 : tensor<4xf32>
}

// -----

// The rank's scalar goes into a function.
muster.mesh @node <["tp" = 3]>
func.func private @scale(%x: tensor<4xf32>, %f: f32) -> tensor<4xf32> {
  // expected-error @+2 {{E1108 cannot be proved: this depends on the coordinate on 'tp'}}
  // expected-note @+1 {{what would settle it}}
  %s = tensor.splat %f : tensor<4xf32>
  %z = arith.mulf %x, %s : tensor<4xf32>
  return %z : tensor<4xf32>
}
func.func @negative_call_with_the_coordinate(%y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %i = arith.index_cast %c : index to i32
  %f = arith.sitofp %i : i32 to f32
  %z = func.call @scale(%y, %f) : (tensor<4xf32>, f32) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// expected-error @+2 {{E1108 cannot be proved: argument 0 has no layout}}
// expected-note @+1 {{what would settle it: what each rank holds of it (muster.layout)}}
func.func @negative_argument_without_layout(%x: tensor<4xf32>, %y: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %z = arith.addf %x, %y : tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// expected-error @+2 {{E1108 cannot be proved: argument 0 has no layout}}
// expected-note @+1 {{what would settle it: what each rank holds of it (muster.layout)}}
func.func @negative_returned_without_layout(%x: tensor<4xf32>, %y: tensor<2xf32> {muster.layout = #muster.layout<[u]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  return %x : tensor<4xf32>
}
