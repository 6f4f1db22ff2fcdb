// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Terms of a sum that one rank alone has: a bias that the first rank adds, and a gather by hand.

muster.mesh @node <["tp" = 2]>
func.func @bias_on_first_rank(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %w: tensor<2x3xf32> {muster.layout = #muster.layout<[i/tp, o]>}, %b: tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x2xf32>, tensor<2x3xf32>) outs(%zero : tensor<3x3xf32>) -> tensor<3x3xf32>
  %r = muster.coordinate "tp"
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %r, %c0 : index
  %s = arith.addf %y, %b : tensor<3x3xf32>
  %own = arith.select %first, %s, %y : tensor<3x3xf32>
  %z = muster.all_reduce %own sum on "tp" : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @masked_bias(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %w: tensor<2x3xf32> {muster.layout = #muster.layout<[i/tp, o]>}, %b: tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x2xf32>, tensor<2x3xf32>) outs(%zero : tensor<3x3xf32>) -> tensor<3x3xf32>
  %r = muster.coordinate "tp"
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %c0, %r : index
  %own = arith.select %first, %b, %zero : tensor<3x3xf32>
  %s = arith.addf %own, %y : tensor<3x3xf32>
  %z = muster.all_reduce %s sum on "tp" : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
// Without the choice each rank adds it.
func.func @negative_bias_on_all_ranks(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %w: tensor<2x3xf32> {muster.layout = #muster.layout<[i/tp, o]>}, %b: tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x2xf32>, tensor<2x3xf32>) outs(%zero : tensor<3x3xf32>) -> tensor<3x3xf32>
  // expected-error @+1 {{E1105}}
  %s = arith.addf %y, %b : tensor<3x3xf32>
  %z = muster.all_reduce %s sum on "tp" : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
// Nor may it be added by one rank and then not be taken together.
func.func @negative_not_reduced(%b: tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  %r = muster.coordinate "tp"
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %r, %c0 : index
  %own = arith.select %first, %b, %zero : tensor<3x3xf32>
  // expected-error @+1 {{E1105}}
  %z = math.tanh %own : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
// What differs between the ranks is that of the first rank only.
func.func @negative_own_part(%b: tensor<3x3xf32> {muster.layout = #muster.layout<[t/tp, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[u, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  // expected-note @+1 {{it differs between ranks from here on}}
  %r = muster.coordinate "tp"
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %r, %c0 : index
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = arith.select %first, %b, %zero : tensor<3x3xf32>
  %z = muster.all_reduce %own sum on "tp" : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
// One rank alone is never the second: there the bias would be left out.
func.func @negative_second_rank(%b: tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<3x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  // expected-note @+1 {{it differs between ranks from here on}}
  %r = muster.coordinate "tp"
  %c1 = arith.constant 1 : index
  %second = arith.cmpi eq, %r, %c1 : index
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %own = arith.select %second, %b, %zero : tensor<3x3xf32>
  %z = muster.all_reduce %own sum on "tp" : tensor<3x3xf32>
  return %z : tensor<3x3xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @gather_by_hand(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<6x2xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant dense<0.0> : tensor<6x2xf32>
  %r = muster.coordinate "sp"
  %c3 = arith.constant 3 : index
  %at = arith.muli %r, %c3 : index
  %own = tensor.insert_slice %x into %zero[%at, 0] [3, 2] [1, 1] : tensor<3x2xf32> into tensor<6x2xf32>
  %y = muster.all_reduce %own sum on "sp" : tensor<6x2xf32>
  return %y : tensor<6x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @negative_gather_not_added_up(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<6x2xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant dense<0.0> : tensor<6x2xf32>
  %r = muster.coordinate "sp"
  %c3 = arith.constant 3 : index
  %at = arith.muli %r, %c3 : index
  %own = tensor.insert_slice %x into %zero[%at, 0] [3, 2] [1, 1] : tensor<3x2xf32> into tensor<6x2xf32>
  // expected-error @+1 {{E1105}}
  return %own : tensor<6x2xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 2]>
// Places in another order than the parts.
func.func @negative_gather_in_another_order(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[s/(a,b), i]>})
    -> (tensor<12x2xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant dense<0.0> : tensor<12x2xf32>
  %ra = muster.coordinate "a"
  %rb = muster.coordinate "b"
  %c3 = arith.constant 3 : index
  %c6 = arith.constant 6 : index
  %ata = arith.muli %ra, %c3 : index
  %atb = arith.muli %rb, %c6 : index
  %at = arith.addi %ata, %atb : index
  %own = tensor.insert_slice %x into %zero[%at, 0] [3, 2] [1, 1] : tensor<3x2xf32> into tensor<12x2xf32>
  // expected-note @+1 {{dim 0 holds}}
  %y = muster.all_reduce %own sum on ["a", "b"] : tensor<12x2xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{wanted logical [3, 0] of [s, i], got [6, 0]}}
  return %y : tensor<12x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
// Each rank's copy at a place of its own: one rank has it once.
func.func @negative_gather_of_copies(%x: tensor<3x2xf32> {muster.layout = #muster.layout<[s, i]>})
    -> (tensor<6x2xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %zero = arith.constant dense<0.0> : tensor<6x2xf32>
  %r = muster.coordinate "sp"
  %c3 = arith.constant 3 : index
  %at = arith.muli %r, %c3 : index
  // expected-error @+2 {{E1108 cannot be proved: this inserts at an unknown place}}
  // expected-note @+1 {{what would settle it}}
  %own = tensor.insert_slice %x into %zero[%at, 0] [3, 2] [1, 1] : tensor<3x2xf32> into tensor<6x2xf32>
  // expected-note @+1 {{needs to know here what each rank holds of it}}
  %y = muster.all_reduce %own sum on "sp" : tensor<6x2xf32>
  return %y : tensor<6x2xf32>
}
