// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// The exchange of Ulysses attention, heads to sequence and back.
muster.mesh @node <["sp" = 4]>
func.func @sequence_to_heads_and_back(%q: tensor<2x3x20x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x3x20x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  %0 = muster.all_to_all %q on "sp" split 2 concat 1 : tensor<2x3x20x5xf32> -> tensor<2x12x5x5xf32>
  %1 = muster.assert_layout %0 : tensor<2x12x5x5xf32> layout <[b, s, h/sp, d]>
  %2 = muster.all_to_all %1 on "sp" split 1 concat 2 : tensor<2x12x5x5xf32> -> tensor<2x3x20x5xf32>
  return %2 : tensor<2x3x20x5xf32>
}

// -----

// The inverse as a raw exchange, [s, b, h] in front: right for every size.
muster.mesh @node <["sp" = 4]>
func.func @inverse_exchange(%x: tensor<12x2x5x7xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<3x2x20x7xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  %0 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [4, 3, 2, 5, 7] : tensor<12x2x5x7xf32> into tensor<4x3x2x5x7xf32>
  %1 = muster.exchange %0 on "sp" : tensor<4x3x2x5x7xf32>
  %empty = tensor.empty() : tensor<3x2x4x5x7xf32>
  %2 = linalg.transpose ins(%1 : tensor<4x3x2x5x7xf32>) outs(%empty : tensor<3x2x4x5x7xf32>) permutation = [1, 2, 0, 3, 4]
  %3 = tensor.collapse_shape %2 [[0], [1], [2, 3], [4]] : tensor<3x2x4x5x7xf32> into tensor<3x2x20x7xf32>
  return %3 : tensor<3x2x20x7xf32>
}

// -----

// DeepSpeed #5664: the transposition leaves the head group in front of the sequence.
muster.mesh @node <["sp" = 4]>
func.func @negative_head_group_before_sequence(%x: tensor<12x2x5x7xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<3x2x20x7xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  %0 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [4, 3, 2, 5, 7] : tensor<12x2x5x7xf32> into tensor<4x3x2x5x7xf32>
  %1 = muster.exchange %0 on "sp" : tensor<4x3x2x5x7xf32>
  %empty = tensor.empty() : tensor<3x4x2x5x7xf32>
  %2 = linalg.transpose ins(%1 : tensor<4x3x2x5x7xf32>) outs(%empty : tensor<3x4x2x5x7xf32>) permutation = [1, 0, 2, 3, 4]
  %3 = tensor.collapse_shape %2 [[0, 1, 2, 3, 4]] : tensor<3x4x2x5x7xf32> into tensor<840xf32>
  // expected-note @+1 {{dim 1 holds [(2 : 10 @h)], declared [(2 : 1 @b)]}}
  %4 = tensor.expand_shape %3 [[0, 1, 2, 3]] output_shape [3, 2, 20, 7] : tensor<840xf32> into tensor<3x2x20x7xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, b, h, d]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 1, 0, 0]: wanted logical [0, 1, 0, 0] of [s, b, h, d], got [0, 0, 10, 0]}}
  return %4 : tensor<3x2x20x7xf32>
}

// -----

// The same with three in a batch: no digit has a boundary where the reshape cuts, so every place is followed back.
muster.mesh @node <["sp" = 4]>
func.func @negative_cut_inside_a_digit(%x: tensor<12x3x5x7xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<3x3x20x7xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  %0 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [4, 3, 3, 5, 7] : tensor<12x3x5x7xf32> into tensor<4x3x3x5x7xf32>
  %1 = muster.exchange %0 on "sp" : tensor<4x3x3x5x7xf32>
  %empty = tensor.empty() : tensor<3x4x3x5x7xf32>
  %2 = linalg.transpose ins(%1 : tensor<4x3x3x5x7xf32>) outs(%empty : tensor<3x4x3x5x7xf32>) permutation = [1, 0, 2, 3, 4]
  %3 = tensor.collapse_shape %2 [[0, 1, 2, 3, 4]] : tensor<3x4x3x5x7xf32> into tensor<1260xf32>
  // expected-note @+1 {{the maps part here: this reshape to [3, 3, 20, 7] cuts inside a digit}}
  %4 = tensor.expand_shape %3 [[0, 1, 2, 3]] output_shape [3, 3, 20, 7] : tensor<1260xf32> into tensor<3x3x20x7xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, b, h, d]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 0, 5, 0]: wanted logical [0, 0, 5, 0] of [s, b, h, d], got [0, 1, 0, 0]}}
  return %4 : tensor<3x3x20x7xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
muster.weight @down : tensor<5x21xf32> layout <[o, i/tp]>
func.func @negative_missing_reduction(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %w = muster.load @down : tensor<5x7xf32>
  %y = nn.matmul %x, %w : tensor<2x7xf32>, tensor<5x7xf32> -> tensor<2x5xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is still to be reduced over 'tp', declared fully reduced}}
  return %y : tensor<2x5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
muster.weight @down : tensor<5x21xf32> layout <[o, i/tp]>
func.func @negative_reduced_twice(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %w = muster.load @down : tensor<5x7xf32>
  %y = nn.matmul %x, %w : tensor<2x7xf32>, tensor<5x7xf32> -> tensor<2x5xf32>
  %once = muster.all_reduce %y sum on "tp" : tensor<2x5xf32>
  %twice = muster.all_reduce %once sum on "tp" : tensor<2x5xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is 3x too large}}
  return %twice : tensor<2x5xf32>
}

// -----

// Positions restart on each rank.
muster.mesh @node <["sp" = 2]>
func.func @negative_sharded_against_whole(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[t/sp, i]>},
                                          %y: tensor<3x5xf32> {muster.layout = #muster.layout<[u, i]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[t/sp, i]>}) {
  // expected-error @+1 {{E1106 operands do not agree along 'd0': over all ranks one side has 6 positions, the other 3}}
  %z = arith.mulf %x, %y : tensor<3x5xf32>
  return %z : tensor<3x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
// expected-error @+1 {{E1107 dim 's' has size 8 in one layout and 12 in [s/sp]}}
func.func @negative_one_name_two_sizes(%x: tensor<4xf32> {muster.layout = #muster.layout<[s/sp]>},
                                       %y: tensor<6xf32> {muster.layout = #muster.layout<[s/sp]>}) {
  return
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @negative_unknown_operation(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, i]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, i]>}) {
  %empty = tensor.empty() : tensor<4x5xf32>
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'linalg.softmax'}}
  // expected-note @+1 {{what would settle it: what it computes (write it with linalg, tensor and nn operations)}}
  %0 = linalg.softmax dimension(1) ins(%x : tensor<4x5xf32>) outs(%empty : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}
