// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Numbers that count from the first of all ranks' rows, looked up in the rank's own: what the others have is added up.

// A rank's rows begin at its own offset.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @own_offset(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %part = nn.gather_rows %x[%asked] first %own : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// In a model graph nothing is counted yet.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @first_row(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %first = muster.first_row of <[t/sp : tokens @step]>
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// What is right for equal parts: the position times the number of rows.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_equal_parts(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %p = muster.coordinate "sp"
  %first = arith.muli %p, %n : index
  // expected-error @+1 {{the first row is not where the rank's tokens of batch @step begin}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// And times a number.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_constant_parts(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %p = muster.coordinate "sp"
  %c4 = arith.constant 4 : index
  %first = arith.muli %p, %c4 : index
  // expected-error @+1 {{the first row is not where the rank's tokens of batch @step begin}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Of the first rank.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_zero(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  // expected-error @+1 {{the first row is not where the rank's tokens of batch @step begin}}
  %part = nn.gather_rows %x[%asked] first %c0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Where the rows end: nothing is known of a sum.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_inclusive(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %first = arith.addi %own, %n : index
  // expected-note @+2 {{what would settle it: the first row as muster.own_offset of the offsets of their counts}}
  // expected-error @+1 {{the first row is not known to be where the rank's tokens of batch @step begin}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Offsets of another batch.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
// expected-note @+1 {{tokens of batch @step are declared here}}
func.func @negative_other_batch(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %other: tensor<?xi32> {muster.layout = #muster.layout<[u/sp : tokens @other]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %m = tensor.dim %other, %c0 : tensor<?xi32>
  %k = muster.local_count %m : !muster.counts<[], tokens, @other>
  %d = muster.exchange_counts %k : !muster.counts<[], tokens, @other> -> !muster.counts<[sp], tokens, @other>
  %o = muster.offsets %d : !muster.counts<[sp], tokens, @other> -> !muster.offsets<[sp], tokens, @other>
  %first = muster.own_offset %o : !muster.offsets<[sp], tokens, @other>
  // expected-error @+1 {{E1202 moves tokens of batch @step by counts of batch @other}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Offsets of another unit.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
// expected-note @+1 {{tokens of batch @step are declared here}}
func.func @negative_other_unit(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %other: tensor<?xi32> {muster.layout = #muster.layout<[u/sp : rows @step]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %m = tensor.dim %other, %c0 : tensor<?xi32>
  %k = muster.local_count %m : !muster.counts<[], rows, @step>
  %d = muster.exchange_counts %k : !muster.counts<[], rows, @step> -> !muster.counts<[sp], rows, @step>
  %o = muster.offsets %d : !muster.counts<[sp], rows, @step> -> !muster.offsets<[sp], rows, @step>
  %first = muster.own_offset %o : !muster.offsets<[sp], rows, @step>
  // expected-error @+1 {{E1203 moves tokens of batch @step by counts of rows}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Declared first rows of another batch and of another unit.
muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_first_row_of_other_batch(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %first = muster.first_row of <[u/sp : tokens @other]>
  // expected-error @+1 {{the first row is not where the rank's tokens of batch @step begin: it is of [u/sp : tokens @other]}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

muster.mesh @mesh <["sp" = 3, "tp" = 2]>
func.func @negative_first_row_of_other_unit(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %first = muster.first_row of <[u/sp : rows @step]>
  // expected-error @+1 {{the first row is not where the rank's tokens of batch @step begin}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
