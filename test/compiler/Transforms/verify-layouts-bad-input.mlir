// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

muster.mesh @node <["tp" = 3]>
// expected-error @+1 {{E1107 fact zz|t names 'zz', which is no axis and no dim of known size}}
func.func @negative_fact_of_an_unknown_name(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/tp, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/tp, i]>}) attributes {muster.facts = #muster.facts<[zz|t]>} {
  return %x : tensor<?x5xf32>
}

// -----

muster.mesh @node <["tp" = 3, "dp" = 5]>
// expected-error @+1 {{E1107 fact dp|t contradicts the sizes 5 and 12}}
func.func @negative_contradictory_fact(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/tp, i]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t/tp, i]>}) attributes {muster.facts = #muster.facts<[dp|t]>} {
  return %x : tensor<4x5xf32>
}

// -----

// Two axes that divide one dim, not together: the proof is for sizes that both divide at once, and says so.
muster.mesh @node <["tp" = ?, "sp" = ?]>
// expected-remark @+1 {{assumed: 's' is a multiple of tp*sp}}
func.func @two_divisors(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                        %y: tensor<?x7xf32> {muster.layout = #muster.layout<[s/tp, j]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[s, i]>}, tensor<?x7xf32> {muster.layout = #muster.layout<[s, j]>}) {
  %0 = muster.all_gather %x on "sp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %1 = muster.all_gather %y on "tp" dim 0 : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0, %1 : tensor<?x5xf32>, tensor<?x7xf32>
}

// -----

muster.mesh @node <["tp" = 4]>
// expected-error @+1 {{E1107 dim 't' has more than 2^63 positions}}
func.func @negative_overflow(%x: tensor<4611686018427387904xf32> {muster.layout = #muster.layout<[t/tp]>})
    -> (tensor<4611686018427387904xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  return %x : tensor<4611686018427387904xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func private @again(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+2 {{E1108 cannot be proved: recursion: @again calls itself}}
  // expected-note @+1 {{what would settle it: no recursion}}
  %0 = func.call @again(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @negative_recursion(%x: tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  %0 = func.call @again(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// expected-error @+1 {{E1107 unsupported control flow between blocks}}
func.func @negative_unreachable_block(%x: tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t/tp]>}) {
  return %x : tensor<4xf32>
^never:
  %0 = arith.addf %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Nothing to hold: no element is at the wrong place.
muster.mesh @node <["tp" = 3]>
func.func @no_elements(%x: tensor<0x5xf32> {muster.layout = #muster.layout<[t/tp, i]>})
    -> (tensor<5x0xf32> {muster.layout = #muster.layout<[i, t/tp]>}) {
  %e = tensor.empty() : tensor<5x0xf32>
  %0 = linalg.transpose ins(%x : tensor<0x5xf32>) outs(%e : tensor<5x0xf32>) permutation = [1, 0]
  return %0 : tensor<5x0xf32>
}

// -----

// Sizes made by sizes that double: read through twelve operations and no more.
muster.mesh @node <["tp" = 3]>
func.func @negative_endless_arithmetic(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>})
    -> (tensor<?x?xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %t = muster.size <t>
  %1 = arith.muli %t, %t : index
  %2 = arith.muli %1, %1 : index
  %3 = arith.muli %2, %2 : index
  %4 = arith.muli %3, %3 : index
  %5 = arith.muli %4, %4 : index
  %6 = arith.muli %5, %5 : index
  %7 = arith.muli %6, %6 : index
  %8 = arith.muli %7, %7 : index
  %9 = arith.muli %8, %8 : index
  %10 = arith.muli %9, %9 : index
  %11 = arith.muli %10, %10 : index
  %12 = arith.muli %11, %11 : index
  %13 = arith.muli %12, %12 : index
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<?x5xf32> into tensor<?xf32>
  // expected-error @+2 {{E1108 cannot be proved: the size of dim 1 of this reshape is not known}}
  // expected-note @+1 {{what would settle it: its size (make it with muster.size)}}
  %0 = tensor.expand_shape %f [[0, 1]] output_shape [%t, %13] : tensor<?xf32> into tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
