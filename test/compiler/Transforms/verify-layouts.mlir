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
  // expected-error @+1 {{E1106 operands do not agree along 'd0': one side is a dim of 6, the other of 3}}
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
func.func @negative_unknown_operation(%x: tensor<4xf32> {muster.layout = #muster.layout<[s/sp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[s/sp]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported movement 'muster.permute'}}
  // expected-note @+1 {{what would settle it: an exchange or all_to_all instead}}
  %0 = muster.permute %x sources [1, 0] on "sp" : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// One key-value head a rank: after the exchange the shard is the head's, not head_dim's.
muster.mesh @node <["sp" = 3]>
muster.state @keys : tensor<?x16x3x8xf32> layout <[page, slot, kv/sp, d]>
func.func @one_head_a_rank(%k: tensor<2x24xf32> {muster.layout = #muster.layout<[t/sp, k]>},
                           %slots: tensor<6xi32> {muster.layout = #muster.layout<[t]>}) -> (tensor<2x24xf32> {muster.layout = #muster.layout<[t/sp, k]>}) {
  %rows = nn.split_heads %k heads 3 head_dim 8 : tensor<2x24xf32> -> tensor<2x3x8xf32>
  %heads = muster.all_to_all %rows on "sp" split 1 concat 0 : tensor<2x3x8xf32> -> tensor<6x1x8xf32>
  nn.cache_append @keys, %heads, %slots : tensor<6x1x8xf32>, tensor<6xi32>
  %back = muster.all_to_all %heads on "sp" split 0 concat 1 : tensor<6x1x8xf32> -> tensor<2x3x8xf32>
  %merged = nn.merge_heads %back heads 3 head_dim 8 : tensor<2x3x8xf32> -> tensor<2x24xf32>
  return %merged : tensor<2x24xf32>
}

// -----

// For all sizes: the transposition (1, 2, 0) is right, (1, 0) is not; an instance of the sizes shows it.
muster.mesh @node <["sp" = ?]>
func.func @inverse_exchange_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %sl = muster.size <s/sp>
  %b = muster.size <b>
  %hl = muster.size <h/sp>
  %d = muster.size <d>
  %0 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [%sp, %sl, %b, %hl, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %1 = muster.exchange %0 on "sp" : tensor<?x?x?x?x?xf32>
  %empty = tensor.empty(%sl, %b, %sp, %hl, %d) : tensor<?x?x?x?x?xf32>
  %2 = linalg.transpose ins(%1 : tensor<?x?x?x?x?xf32>) outs(%empty : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  %3 = tensor.collapse_shape %2 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %3 : tensor<?x?x?x?xf32>
}

// -----

muster.mesh @node <["sp" = ?]>
func.func @negative_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %sl = muster.size <s/sp>
  %b = muster.size <b>
  %h = muster.size <h>
  %hl = muster.size <h/sp>
  %d = muster.size <d>
  %0 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [%sp, %sl, %b, %hl, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %1 = muster.exchange %0 on "sp" : tensor<?x?x?x?x?xf32>
  %empty = tensor.empty(%sl, %sp, %b, %hl, %d) : tensor<?x?x?x?x?xf32>
  %2 = linalg.transpose ins(%1 : tensor<?x?x?x?x?xf32>) outs(%empty : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %3 = tensor.collapse_shape %2 [[0, 1, 2, 3, 4]] : tensor<?x?x?x?x?xf32> into tensor<?xf32>
  // expected-note @+1 {{the maps part here: this reshape to [s/sp, b, sp*h/sp, d] cuts inside a digit}}
  %4 = tensor.expand_shape %3 [[0, 1, 2, 3]] output_shape [%sl, %b, %h, %d] : tensor<?xf32> into tensor<?x?x?x?xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, b, h, d]}}
  // expected-note @+1 {{where sp=2, s/sp=3, b=5, h/sp=7, d=11}}
  return %4 : tensor<?x?x?x?xf32>
}

// -----

// The result names k, of which a rotation consumes one head: nn.split_heads has named head_dim.
muster.mesh @node <["sp" = 3]>
func.func @rotates_one_head_of_a_declared_dim(%k: tensor<2x24xf32> {muster.layout = #muster.layout<[t/sp, k]>},
    %cos: tensor<9x4xf32> {muster.layout = #muster.layout<[p, e]>}, %sin: tensor<9x4xf32> {muster.layout = #muster.layout<[p, e]>},
    %positions: tensor<6xi32> {muster.layout = #muster.layout<[t]>}) -> (tensor<2x24xf32> {muster.layout = #muster.layout<[t/sp, k]>}) {
  %rows = nn.split_heads %k heads 3 head_dim 8 : tensor<2x24xf32> -> tensor<2x3x8xf32>
  %heads = muster.all_to_all %rows on "sp" split 1 concat 0 : tensor<2x3x8xf32> -> tensor<6x1x8xf32>
  %rotated = nn.rope %heads, %cos, %sin, %positions : tensor<6x1x8xf32>, tensor<9x4xf32>, tensor<6xi32>
  %back = muster.all_to_all %rotated on "sp" split 0 concat 1 : tensor<6x1x8xf32> -> tensor<2x3x8xf32>
  %merged = nn.merge_heads %back heads 3 head_dim 8 : tensor<2x3x8xf32> -> tensor<2x24xf32>
  return %merged : tensor<2x24xf32>
}
