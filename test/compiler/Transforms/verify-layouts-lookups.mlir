// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Look-ups in rows that are spread, written by hand: own rows, zeros for others, and an all_reduce.

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// Each id is in the part of one rank.
func.func @own_rows(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// What one rank has is not all.
func.func @negative_not_added_up(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  // expected-error @+1 {{E1105}}
  return %own : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// The rows of a rank begin where its part does.
func.func @negative_begins_elsewhere(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %rows = arith.constant 4 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// Ids of the last row are in no part.
func.func @negative_too_few_rows(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 4 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// Nor are those of the first.
func.func @negative_first_row_left_out(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sgt, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// What the others add is not nothing.
func.func @negative_not_zero(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v/tp, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 1.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

#rows = affine_map<(t, d) -> (t)>
#id = affine_map<(t, d) -> (t, d)>
muster.mesh @node <["tp" = 2]>
// Every rank has all rows: of its part the last are never asked for.
func.func @negative_whole_table(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>},
    %table: tensor<5x3xf32> {muster.layout = #muster.layout<[v, d]>}) -> (tensor<7x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  // expected-note @+1 {{it differs between ranks from here on}}
  %c = muster.coordinate "tp"
  %rows = arith.constant 5 : index
  %begin = arith.muli %c, %rows : index
  %to = tensor.empty() : tensor<7x3xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = linalg.generic {indexing_maps = [#rows, #id], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<7xi32>) outs(%to : tensor<7x3xf32>) {
  ^bb0(%v: i32, %unused: f32):
    %i = arith.index_cast %v : i32 to index
    %at = arith.subi %i, %begin : index
    %zero = arith.constant 0 : index
    %bound = arith.constant 5 : index
    %lower = arith.cmpi sge, %at, %zero : index
    %upper = arith.cmpi slt, %at, %bound : index
    %has = arith.andi %lower, %upper : i1
    %row = arith.select %has, %at, %zero : index
    %d = linalg.index 1 : index
    %e = tensor.extract %table[%row, %d] : tensor<5x3xf32>
    %none = arith.constant 0.0 : f32
    %0 = arith.select %has, %e, %none : f32
    linalg.yield %0 : f32
  } -> tensor<7x3xf32>
  %y = muster.all_reduce %own sum on "tp" : tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}

// -----

// One row a rank: the rows that divide the table stand beside a dim of size one.
muster.mesh @mesh <["a" = 3, "tp" = 3]>
muster.weight @table : tensor<9x5xf32> layout <[v/(a,tp), i]>
func.func @one_row_a_rank(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<7x5xf32> {muster.layout = #muster.layout<[t, i]>}) attributes {muster.mesh = @mesh} {
  %c3 = arith.constant 3 : index
  %table = muster.load @table : tensor<1x5xf32>
  %a = muster.coordinate "a"
  %tp = muster.coordinate "tp"
  %rows = arith.muli %a, %c3 : index
  %first = arith.addi %rows, %tp : index
  %e = nn.gather_rows %table[%ids] first %first : tensor<1x5xf32>, tensor<7xi32> -> tensor<7x5xf32>
  %s = muster.all_reduce %e sum on ["a", "tp"] : tensor<7x5xf32>
  return %s : tensor<7x5xf32>
}

// -----

muster.mesh @mesh <["a" = 3, "tp" = 3]>
muster.weight @table : tensor<9x5xf32> layout <[v/(a,tp), i]>
func.func @one_row_a_rank_in_another_order(%ids: tensor<7xi32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<7x5xf32> {muster.layout = #muster.layout<[t, i]>}) attributes {muster.mesh = @mesh} {
  %c3 = arith.constant 3 : index
  %table = muster.load @table : tensor<1x5xf32>
  %a = muster.coordinate "a"
  %tp = muster.coordinate "tp"
  %rows = arith.muli %tp, %c3 : index
  %first = arith.addi %rows, %a : index
  // expected-error @+1 {{E1106 the first row is not where the rank's part of the table begins}}
  %e = nn.gather_rows %table[%ids] first %first : tensor<1x5xf32>, tensor<7xi32> -> tensor<7x5xf32>
  %s = muster.all_reduce %e sum on ["a", "tp"] : tensor<7x5xf32>
  return %s : tensor<7x5xf32>
}
