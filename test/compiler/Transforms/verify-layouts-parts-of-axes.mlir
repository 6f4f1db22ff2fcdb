// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
// Collectives and layouts that name parts of axes.

muster.mesh @mesh <["sp" = 6]>

// Rows to heads, of which there are fewer than ranks: consecutive ranks share one.
func.func @shared_heads(%x: tensor<4x3x5xf32> {muster.layout = #muster.layout<[t/sp, kv, d]>})
    -> (tensor<24x1x5xf32> {muster.layout = #muster.layout<[t, kv/sp[2:3], d]>}) {
  %0 = muster.redistribute %x from <[t/sp, kv, d]> to <[t, kv/sp[2:3], d]> : tensor<4x3x5xf32> -> tensor<24x1x5xf32>
  return %0 : tensor<24x1x5xf32>
}

// The same by collectives that name parts.
func.func @shared_heads_by_hand(%x: tensor<4x3x5xf32> {muster.layout = #muster.layout<[t/sp, kv, d]>})
    -> (tensor<24x1x5xf32> {muster.layout = #muster.layout<[t, kv/sp[2:3], d]>}) {
  %0 = muster.all_gather %x on "sp[1:2]" dim 0 : tensor<4x3x5xf32> -> tensor<8x3x5xf32>
  %1 = muster.all_to_all %0 on "sp[2:3]" split 1 concat 0 : tensor<8x3x5xf32> -> tensor<24x1x5xf32>
  return %1 : tensor<24x1x5xf32>
}

// And back: a slice of the rows of those that share a head, an all-to-all among those that do not.
func.func @back(%x: tensor<24x1x5xf32> {muster.layout = #muster.layout<[t, kv/sp[2:3], d]>})
    -> (tensor<4x3x5xf32> {muster.layout = #muster.layout<[t/sp, kv, d]>}) {
  %0 = muster.all_to_all %x on "sp[2:3]" split 0 concat 1 : tensor<24x1x5xf32> -> tensor<8x3x5xf32>
  %1 = muster.slice %0 on "sp[1:2]" dim 0 : tensor<8x3x5xf32> -> tensor<4x3x5xf32>
  return %1 : tensor<4x3x5xf32>
}

// A sum over a part of the ranks.
func.func @sum_over_a_part(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/sp[1:2], i], partial(sum: sp[2:3])>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t/sp[1:2], i]>}) {
  %0 = muster.all_reduce %x sum on "sp[2:3]" : tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// -----

// The parts of the axis the wrong way round: ranks 0, 1 and 2 share a head where 0, 3 and 6 should.
muster.mesh @mesh <["sp" = 9]>
func.func @negative_other_part(%x: tensor<4x3x5xf32> {muster.layout = #muster.layout<[t/sp, kv, d]>})
    -> (tensor<36x1x5xf32> {muster.layout = #muster.layout<[t, kv/sp[1:3], d]>}) {
  %0 = muster.all_gather %x on "sp" dim 0 : tensor<4x3x5xf32> -> tensor<36x3x5xf32>
  // expected-note @+1 {{dim 1 holds [(3 : 1 @kv, sp[3:3])], declared [(3 : 1 @kv, sp[1:3])]}}
  %1 = muster.slice %0 on "sp[3:3]" dim 1 : tensor<36x3x5xf32> -> tensor<36x1x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [t, kv/sp[1:3], d]}}
  // expected-note @+1 {{rank (sp=3), local index [0, 0, 0]: wanted logical [0, 0, 0] of [t, d, kv], got [0, 0, 1]}}
  return %1 : tensor<36x1x5xf32>
}

// -----

// Reduced over too few ranks, and over too many.
muster.mesh @mesh <["tp" = 6]>
func.func @negative_sum_over_a_part(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t, i], partial(sum: tp)>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %0 = muster.all_reduce %x sum on "tp[2:3]" : tensor<4x5xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is still to be reduced over 'tp[1:2]', declared fully reduced}}
  return %0 : tensor<4x5xf32>
}
func.func @negative_sum_over_the_whole(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t, i], partial(sum: tp[2:3])>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %0 = muster.all_reduce %x sum on "tp" : tensor<4x5xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is 2x too large}}
  return %0 : tensor<4x5xf32>
}

// -----

// Rows of the inner part come to stand in front of the outer's.
muster.mesh @mesh <["sp" = 6]>
func.func @negative_gathered_inside_out(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/sp, d]>})
    -> (tensor<24x5xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %0 = muster.all_gather %x on "sp[2:3]" dim 0 : tensor<4x5xf32> -> tensor<12x5xf32>
  // expected-note @+1 {{dim 0 holds [(2 : 4 @t)(3 : 8 @t)(4 : 1 @t)], declared [(24 : 1 @t)]}}
  %1 = muster.all_gather %0 on "sp[1:2]" dim 0 : tensor<12x5xf32> -> tensor<24x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (sp=0), local index [4, 0]: wanted logical [4, 0] of [t, d], got [8, 0]}}
  return %1 : tensor<24x5xf32>
}

// -----

muster.mesh @mesh <["tp" = 12]>
muster.weight @k : tensor<6x5xf32> layout <[kv/tp[2:3], i]>
muster.weight @v : tensor<6x5xf32> layout <[kv/tp[3:2], i]>
// expected-error @+1 {{E1108 cannot be proved: the parts of axis 'tp' do not nest: one begins at weight 2, one at 3}}
func.func @negative_parts_that_do_not_nest(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t, i]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t, i]>}) {
  return %x : tensor<4x5xf32>
}

// -----

muster.mesh @mesh <["tp" = ?]>
// expected-error @+1 {{E1108 cannot be proved: a part of axis 'tp' of symbolic size}}
func.func @negative_part_of_a_symbolic_axis(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/tp[2:3], i]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t/tp[2:3], i]>}) {
  return %x : tensor<4x5xf32>
}
