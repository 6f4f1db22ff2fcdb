// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Parts side by side: insertion, padding, concatenation; and values that change ranks.

// q and k packed by insertion, exchanged, taken apart.
muster.mesh @node <["sp" = 3]>
func.func @insert_both(%q: tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, q]>},
                       %k: tensor<2x3xf32> {muster.layout = #muster.layout<[s/sp, k]>})
    -> (tensor<6x6xf32> {muster.layout = #muster.layout<[s, q]>}, tensor<6x3xf32> {muster.layout = #muster.layout<[s, k]>}) {
  %e = tensor.empty() : tensor<2x9xf32>
  %a = tensor.insert_slice %k into %e[0, 6] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x9xf32>
  %b = tensor.insert_slice %q into %a[0, 0] [2, 6] [1, 1] : tensor<2x6xf32> into tensor<2x9xf32>
  %c = muster.all_gather %b on "sp" dim 0 : tensor<2x9xf32> -> tensor<6x9xf32>
  %d = tensor.extract_slice %c[0, 0] [6, 6] [1, 1] : tensor<6x9xf32> to tensor<6x6xf32>
  %f = tensor.extract_slice %c[0, 6] [6, 3] [1, 1] : tensor<6x9xf32> to tensor<6x3xf32>
  return %d, %f : tensor<6x6xf32>, tensor<6x3xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @negative_a_part_was_never_written(%q: tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, q]>})
    -> (tensor<2x3xf32> {muster.layout = #muster.layout<[s/sp, k]>}) {
  %e = tensor.empty() : tensor<2x9xf32>
  %b = tensor.insert_slice %q into %e[0, 0] [2, 6] [1, 1] : tensor<2x6xf32> into tensor<2x9xf32>
  // expected-note @+1 {{dim 1 holds [(3 : 1 @unwritten)], declared [(3 : 1 @k)]}}
  %f = tensor.extract_slice %b[0, 6] [2, 3] [1, 1] : tensor<2x9xf32> to tensor<2x3xf32>
  // expected-error @+1 {{E1104 result holds the wrong elements: expected layout [s/sp, k]}}
  return %f : tensor<2x3xf32>
}

// -----

// A slice overwritten by itself: followed place by place.
muster.mesh @node <["sp" = 3]>
func.func @insert_what_was_taken(%x: tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, i]>}) {
  %a = tensor.extract_slice %x[0, 2] [2, 3] [1, 1] : tensor<2x6xf32> to tensor<2x3xf32>
  %b = tensor.insert_slice %a into %x[0, 2] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  return %b : tensor<2x6xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @negative_insert_elsewhere(%x: tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<2x6xf32> {muster.layout = #muster.layout<[s/sp, i]>}) {
  %a = tensor.extract_slice %x[0, 2] [2, 3] [1, 1] : tensor<2x6xf32> to tensor<2x3xf32>
  // expected-note @+1 {{dim 1 holds [[(3 : 1 @i[0, +3))] | [(3 : 1 @i[2, +3))]], declared [(6 : 1 @i)]}}
  %b = tensor.insert_slice %a into %x[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, i]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 3]: wanted logical [0, 3] of [s, i], got [0, 2]}}
  return %b : tensor<2x6xf32>
}

// -----

// Padded to what the exchange divides, and cut again.
muster.mesh @node <["sp" = 3]>
func.func @pad_and_cut(%x: tensor<2x5xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %z = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0] high[0, 1] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<2x5xf32> to tensor<2x6xf32>
  %g = muster.all_gather %p on "sp" dim 0 : tensor<2x6xf32> -> tensor<6x6xf32>
  %c = tensor.extract_slice %g[0, 0] [6, 5] [1, 1] : tensor<6x6xf32> to tensor<6x5xf32>
  return %c : tensor<6x5xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @negative_padding_in_front_is_kept(%x: tensor<2x5xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[s/sp, i]>}) {
  %z = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 1] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<2x5xf32> to tensor<2x6xf32>
  // expected-note @+1 {{the maps part here}}
  %c = tensor.extract_slice %p[0, 0] [2, 5] [1, 1] : tensor<2x6xf32> to tensor<2x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, i]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 1]: wanted logical [0, 1] of [s, i], got [0, 0]}}
  return %c : tensor<2x5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_parts_padded_with_ones(%x: tensor<5xf32> {muster.layout = #muster.layout<[i], partial(sum: tp)>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[j], partial(sum: tp)>}) {
  %one = arith.constant 1.0 : f32
  // expected-error @+2 {{E1108 cannot be proved: this pads parts of a sum with a number that each rank would add}}
  // expected-note @+1 {{what would settle it}}
  %p = tensor.pad %x low[0] high[1] {
  ^bb0(%i: index):
    tensor.yield %one : f32
  } : tensor<5xf32> to tensor<6xf32>
  return %p : tensor<6xf32>
}

// -----

// Parts of a sum are no elements, wherever they move.
muster.mesh @node <["tp" = 2]>
func.func @negative_moved_parts(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[a, b], partial(sum: tp)>})
    -> (tensor<5x4xf32> {muster.layout = #muster.layout<[b, a]>}) {
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<4x5xf32> into tensor<20xf32>
  %g = tensor.expand_shape %f [[0, 1]] output_shape [10, 2] : tensor<20xf32> into tensor<10x2xf32>
  %e = tensor.empty() : tensor<2x10xf32>
  %t = linalg.transpose ins(%g : tensor<10x2xf32>) outs(%e : tensor<2x10xf32>) permutation = [1, 0]
  %h = tensor.collapse_shape %t [[0, 1]] : tensor<2x10xf32> into tensor<20xf32>
  %i = tensor.expand_shape %h [[0, 1]] output_shape [5, 4] : tensor<20xf32> into tensor<5x4xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is still to be reduced over 'tp', declared fully reduced}}
  return %i : tensor<5x4xf32>
}

// -----

// Two ranks change places, twice.
muster.mesh @node <["pp" = 3]>
func.func @permute_and_back(%x: tensor<4xf32> {muster.layout = #muster.layout<[s/pp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[s/pp]>}) {
  %0 = muster.permute %x sources [2, 0, 1] on "pp" : tensor<4xf32>
  %1 = muster.permute %0 sources [1, 2, 0] on "pp" : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

muster.mesh @node <["pp" = 3]>
func.func @negative_permute_once_more(%x: tensor<4xf32> {muster.layout = #muster.layout<[s/pp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[s/pp]>}) {
  // expected-note @+1 {{the maps part here}}
  %0 = muster.permute %x sources [2, 0, 1] on "pp" : tensor<4xf32>
  %1 = muster.permute %0 sources [2, 0, 1] on "pp" : tensor<4xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/pp]}}
  // expected-note @+1 {{rank (pp=0), local index [0]: wanted logical [0] of [s], got [4]}}
  return %1 : tensor<4xf32>
}

// -----

// What every rank has stays, but not where a rank receives zeros.
muster.mesh @node <["pp" = 3]>
func.func @negative_permute_with_zeros(%x: tensor<4xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[s]>}, tensor<4xf32> {muster.layout = #muster.layout<[s]>}) {
  %0 = muster.permute %x sources [2, 0, 1] on "pp" : tensor<4xf32>
  // expected-error @+2 {{E1108 cannot be proved: this moves values between ranks in an order that is no exchange}}
  // expected-note @+1 {{what would settle it}}
  %1 = muster.permute %x sources [-1, 0, 1] on "pp" : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// Positions tell elements of one tensor apart, not tensors: rank 0 would hold x and rank 1 y.
muster.mesh @node <["sp" = 2]>
func.func @negative_one_tensor_a_rank(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>},
                                      %y: tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>}) {
  // expected-note @+2 {{some of its elements are of this value}}
  // expected-note @+1 {{and some of this one}}
  %c = tensor.concat dim(0) %x, %y : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<6x5xf32>
  // expected-note @+2 {{over all ranks one side has 6 positions, the other 3}}
  // expected-note @+1 {{the maps part here}}
  %p = muster.slice %c on "sp" dim 0 : tensor<6x5xf32> -> tensor<3x5xf32>
  // expected-error @+1 {{E1104 result holds the wrong elements: expected layout [s, d]}}
  return %p : tensor<3x5xf32>
}

// -----

// The same by insertion: the last rows of x are those of y.
muster.mesh @node <["sp" = 2]>
// expected-note @+1 {{some of its elements are of this value}}
func.func @negative_rows_of_another_tensor(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>},
    // expected-note @+1 {{and some of this one}}
    %y: tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %r = tensor.extract_slice %y[2, 0] [1, 5] [1, 1] : tensor<3x5xf32> to tensor<1x5xf32>
  // expected-note @+1 {{dim 0 holds [[(2 : 1 @s[0, +2))] | [ at s[2, +1)]], declared [(3 : 1 @s)]}}
  %p = tensor.insert_slice %r into %x[2, 0] [1, 5] [1, 1] : tensor<1x5xf32> into tensor<3x5xf32>
  // expected-error @+2 {{E1108 cannot be proved: result is made of several tensors, here and there}}
  // expected-note @+1 {{what would settle it}}
  return %p : tensor<3x5xf32>
}

// -----

// Names bind in segments, too: k and v are of one size, and packed the wrong way round.
muster.mesh @node <["tp" = 2]>
func.func @negative_values_in_the_place_of_keys(%q: tensor<4xf32> {muster.layout = #muster.layout<[q/tp]>},
                                                %k: tensor<2xf32> {muster.layout = #muster.layout<[k/tp]>},
                                                %v: tensor<2xf32> {muster.layout = #muster.layout<[v/tp]>})
    -> (tensor<8xf32> {muster.layout = #muster.layout<[{q:8/tp | k:4/tp | v:4/tp}]>}) {
  // expected-note @+1 {{dim 0 holds [(2 : 2 @v, tp)(2 : 1 @v)], declared [(2 : 2 @k, tp)(2 : 1 @k)]}}
  %p = tensor.concat dim(0) %q, %v, %k : (tensor<4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<8xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (tp=1), local index [4]: wanted logical [0, 2, 0] of [q, k, v], got [0, 0, 2]}}
  return %p : tensor<8xf32>
}
