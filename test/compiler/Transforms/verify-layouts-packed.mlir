// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Values side by side that are moved and computed with as one dim.

// Both parts are spread: the sum over both is still to be reduced over tp.
muster.mesh @node <["tp" = 3]>
func.func @sum_over_parts(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/tp]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x4xf32>, tensor<7x2xf32>) -> tensor<7x6xf32>
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<5x7xf32>
  return %z : tensor<5x7xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_sum_over_parts_not_reduced(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/tp]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x4xf32>, tensor<7x2xf32>) -> tensor<7x6xf32>
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared}}
  return %y : tensor<5x7xf32>
}

// -----

// The weight is packed the other way round: parts meet parts of other positions.
muster.mesh @node <["tp" = 3]>
func.func @negative_parts_in_another_order(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/tp]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wb, %wa : (tensor<7x2xf32>, tensor<7x4xf32>) -> tensor<7x6xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'i': the same index names different positions}}
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<5x7xf32>
  return %z : tensor<5x7xf32>
}

// -----

// The weight is cut as one dim of 18, the rows as one of 12 and one of 6.
muster.mesh @node <["tp" = 3]>
func.func @negative_weight_cut_as_one(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/tp]>},
    %w: tensor<7x6xf32> {muster.layout = #muster.layout<[o, r/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'i': the same index names different positions}}
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<5x7xf32>
  return %z : tensor<5x7xf32>
}

// -----

// One part is whole on every rank: the sum over ranks has it three times.
muster.mesh @node <["tp" = 3]>
func.func @negative_sum_of_spread_and_whole(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x4xf32>, tensor<7x2xf32>) -> tensor<7x6xf32>
  // expected-error @+1 {{E1105 of the parts along 'i' some are spread over ranks and some are not}}
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<5x7xf32>
  return %z : tensor<5x7xf32>
}

// -----

// Zeros beside a spread part count nothing, however often.
muster.mesh @node <["tp" = 3]>
func.func @negative_sum_of_spread_and_padding(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %c = arith.constant 0.0 : f32
  %x = tensor.pad %a low[0, 0] high[0, 2] {
  ^bb0(%i: index, %j: index):
    tensor.yield %c : f32
  } : tensor<5x4xf32> to tensor<5x6xf32>
  %w = tensor.pad %wa low[0, 0] high[0, 2] {
  ^bb0(%i: index, %j: index):
    tensor.yield %c : f32
  } : tensor<7x4xf32> to tensor<7x6xf32>
  // expected-error @+2 {{E1108 cannot be proved: a sum of parts that are spread over ranks and of constants}}
  // expected-note @+1 {{what would settle it}}
  %y = nn.matmul %x, %w : tensor<5x6xf32>, tensor<7x6xf32> -> tensor<5x7xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<5x7xf32>
  return %z : tensor<5x7xf32>
}

// -----

// Gathered along the packed dim: a0 b0 a1 b1 a2 b2, on both sides.
muster.mesh @node <["sp" = 3]>
func.func @sum_over_blocks(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/sp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/sp]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/sp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j/sp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x4xf32>, tensor<7x2xf32>) -> tensor<7x6xf32>
  %xs = muster.all_gather %x on "sp" dim 1 : tensor<5x6xf32> -> tensor<5x18xf32>
  %ws = muster.all_gather %w on "sp" dim 1 : tensor<7x6xf32> -> tensor<7x18xf32>
  %y = nn.matmul %xs, %ws : tensor<5x18xf32>, tensor<7x18xf32> -> tensor<5x7xf32>
  return %y : tensor<5x7xf32>
}

// -----

// Gathered on one side, whole on the other: a0 b0 a1 b1 a2 b2 meets a a a b b b.
muster.mesh @node <["sp" = 3]>
func.func @negative_blocks_beside_none(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/sp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j/sp]>},
    %wa: tensor<7x12xf32> {muster.layout = #muster.layout<[o, i]>},
    %wb: tensor<7x6xf32> {muster.layout = #muster.layout<[o, j]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x12xf32>, tensor<7x6xf32>) -> tensor<7x18xf32>
  %xs = muster.all_gather %x on "sp" dim 1 : tensor<5x6xf32> -> tensor<5x18xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'i': the same index names different positions}}
  %y = nn.matmul %xs, %w : tensor<5x18xf32>, tensor<7x18xf32> -> tensor<5x7xf32>
  return %y : tensor<5x7xf32>
}

// -----

// A part that each rank has whole is there three times.
muster.mesh @node <["sp" = 3]>
func.func @negative_whole_part_gathered(%a: tensor<5x4xf32> {muster.layout = #muster.layout<[t, i/sp]>},
    %b: tensor<5x2xf32> {muster.layout = #muster.layout<[t, j]>},
    %wa: tensor<7x4xf32> {muster.layout = #muster.layout<[o, i/sp]>},
    %wb: tensor<7x2xf32> {muster.layout = #muster.layout<[o, j]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %x = tensor.concat dim(1) %a, %b : (tensor<5x4xf32>, tensor<5x2xf32>) -> tensor<5x6xf32>
  %w = tensor.concat dim(1) %wa, %wb : (tensor<7x4xf32>, tensor<7x2xf32>) -> tensor<7x6xf32>
  %xs = muster.all_gather %x on "sp" dim 1 : tensor<5x6xf32> -> tensor<5x18xf32>
  %ws = muster.all_gather %w on "sp" dim 1 : tensor<7x6xf32> -> tensor<7x18xf32>
  // expected-error @+1 {{E1106 the rows of [(3 copies)(2 : 1 @j)] are duplicates}}
  %y = nn.matmul %xs, %ws : tensor<5x18xf32>, tensor<7x18xf32> -> tensor<5x7xf32>
  return %y : tensor<5x7xf32>
}

// -----

// Whole on every rank, a joint sequence is a dim like others: handed out across its parts, computed with, gathered.
muster.mesh @node <["sp" = 3]>
func.func @joint_sequence(%image: tensor<7x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %text: tensor<2x5xf32> {muster.layout = #muster.layout<[r, i]>},
    %w: tensor<4x5xf32> {muster.layout = #muster.layout<[o, i]>},
    %bias: tensor<3x4xf32> {muster.layout = #muster.layout<[j/sp, o]>})
    -> (tensor<9x4xf32> {muster.layout = #muster.layout<[j, o]>}) {
  %x = tensor.concat dim(0) %image, %text : (tensor<7x5xf32>, tensor<2x5xf32>) -> tensor<9x5xf32>
  %own = muster.slice %x on "sp" dim 0 : tensor<9x5xf32> -> tensor<3x5xf32>
  %y = nn.matmul %own, %w : tensor<3x5xf32>, tensor<4x5xf32> -> tensor<3x4xf32>
  %z = arith.addf %y, %bias : tensor<3x4xf32>
  %all = muster.all_gather %z on "sp" dim 0 : tensor<3x4xf32> -> tensor<9x4xf32>
  return %all : tensor<9x4xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @negative_joint_sequence_by_other_positions(%image: tensor<7x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %text: tensor<2x5xf32> {muster.layout = #muster.layout<[r, i]>},
    %bias: tensor<3x5xf32> {muster.layout = #muster.layout<[k, i]>})
    -> (tensor<9x5xf32> {muster.layout = #muster.layout<[j, i]>}) {
  %x = tensor.concat dim(0) %image, %text : (tensor<7x5xf32>, tensor<2x5xf32>) -> tensor<9x5xf32>
  %own = muster.slice %x on "sp" dim 0 : tensor<9x5xf32> -> tensor<3x5xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': over all ranks one side has 9 positions, the other 3}}
  %z = arith.addf %own, %bias : tensor<3x5xf32>
  %all = muster.all_gather %z on "sp" dim 0 : tensor<3x5xf32> -> tensor<9x5xf32>
  return %all : tensor<9x5xf32>
}

// -----

// Never gathered: a rank has its rows of the joint sequence, not all.
muster.mesh @node <["sp" = 3]>
func.func @negative_joint_sequence_not_gathered(%image: tensor<7x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %text: tensor<2x5xf32> {muster.layout = #muster.layout<[r, i]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[j, i]>}) {
  %x = tensor.concat dim(0) %image, %text : (tensor<7x5xf32>, tensor<2x5xf32>) -> tensor<9x5xf32>
  // expected-note @+2 {{over all ranks one side has 9 positions, the other 3}}
  // expected-note @+1 {{the maps part here}}
  %own = muster.slice %x on "sp" dim 0 : tensor<9x5xf32> -> tensor<3x5xf32>
  // expected-error @+1 {{E1104 result holds the wrong elements}}
  return %own : tensor<3x5xf32>
}

// -----

// The heads of q and k packed on each rank and handed out as if they were one dim: rank 2 has no head of q.
muster.mesh @node <["sp" = 3]>
func.func @negative_heads_handed_out_as_one(%q: tensor<5x6x2xf32> {muster.layout = #muster.layout<[s/sp, q, d]>},
    %k: tensor<5x3x2xf32> {muster.layout = #muster.layout<[s/sp, k, d]>})
    -> (tensor<15x3x2xf32> {muster.layout = #muster.layout<[s, {q:6/sp | k:3/sp}, d]>}) {
  %x = tensor.concat dim(1) %q, %k : (tensor<5x6x2xf32>, tensor<5x3x2xf32>) -> tensor<5x9x2xf32>
  // expected-note @+1 {{the maps part here}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 : tensor<5x9x2xf32> -> tensor<15x3x2xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (sp=0)}}
  return %y : tensor<15x3x2xf32>
}

// -----

// A piece of each rank's rows is no slice of the rows: what is summed over the ranks is no part of q.
muster.mesh @node <["tp" = 3]>
func.func @negative_piece_of_spread_rows(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qk: tensor<10x7xf32> {muster.layout = #muster.layout<[{q:24/tp | k:6/tp}, i]>},
    %w: tensor<3x5xf32> {muster.layout = #muster.layout<[o, u]>})
    -> (tensor<5x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %y = nn.matmul %x, %qk : tensor<5x7xf32>, tensor<10x7xf32> -> tensor<5x10xf32>
  %piece = tensor.extract_slice %y[0, 0] [5, 5] [1, 1] : tensor<5x10xf32> to tensor<5x5xf32>
  %z = nn.matmul %piece, %w : tensor<5x5xf32>, tensor<3x5xf32> -> tensor<5x3xf32>
  // expected-error @+1 {{E1105 this adds different elements: over 'tp' the value holds (3 : 8 @q, tp)}}
  %sum = muster.all_reduce %z sum on "tp" : tensor<5x3xf32>
  return %sum : tensor<5x3xf32>
}

// -----

// A piece of rows that every rank has whole is a dim of its own.
muster.mesh @node <["tp" = 3]>
func.func @piece_of_whole_rows(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %q: tensor<8x7xf32> {muster.layout = #muster.layout<[q, i]>},
    %k: tensor<2x7xf32> {muster.layout = #muster.layout<[k, i]>},
    %w: tensor<3x5xf32> {muster.layout = #muster.layout<[o, u]>})
    -> (tensor<5x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %qk = tensor.concat dim(0) %q, %k : (tensor<8x7xf32>, tensor<2x7xf32>) -> tensor<10x7xf32>
  %y = nn.matmul %x, %qk : tensor<5x7xf32>, tensor<10x7xf32> -> tensor<5x10xf32>
  %piece = tensor.extract_slice %y[0, 0] [5, 5] [1, 1] : tensor<5x10xf32> to tensor<5x5xf32>
  %z = nn.matmul %piece, %w : tensor<5x5xf32>, tensor<3x5xf32> -> tensor<5x3xf32>
  return %z : tensor<5x3xf32>
}

// -----

// Its shards are not those of a dim of which ranks have parts.
muster.mesh @node <["tp" = 3]>
func.func @negative_piece_beside_shards(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %q: tensor<8x7xf32> {muster.layout = #muster.layout<[q, i]>},
    %k: tensor<2x7xf32> {muster.layout = #muster.layout<[k, i]>},
    %w: tensor<3x5xf32> {muster.layout = #muster.layout<[o, u/tp]>})
    -> (tensor<5x3xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %qk = tensor.concat dim(0) %q, %k : (tensor<8x7xf32>, tensor<2x7xf32>) -> tensor<10x7xf32>
  %y = nn.matmul %x, %qk : tensor<5x7xf32>, tensor<10x7xf32> -> tensor<5x10xf32>
  %piece = tensor.extract_slice %y[0, 0] [5, 5] [1, 1] : tensor<5x10xf32> to tensor<5x5xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'i': over all ranks one side has 5 positions, the other 15}}
  %z = nn.matmul %piece, %w : tensor<5x5xf32>, tensor<3x5xf32> -> tensor<5x3xf32>
  %sum = muster.all_reduce %z sum on "tp" : tensor<5x3xf32>
  return %sum : tensor<5x3xf32>
}

// -----

// Rows of two parts, flattened: on one rank, too, each row of one and then that of the other.
muster.mesh @node <["sp" = 2]>
func.func @flattened_parts(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<30xf32> {muster.layout = #muster.layout<[r/sp]>}) {
  %a = tensor.concat dim(1) %x, %x : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x10xf32>
  %b = arith.mulf %a, %a : tensor<3x10xf32>
  %f = tensor.collapse_shape %b [[0, 1]] : tensor<3x10xf32> into tensor<30xf32>
  return %f : tensor<30xf32>
}

// -----

// Parts of one dim beside it: which of the dims the result declares they are, no name says.
muster.mesh @node <["sp" = 2]>
func.func @unknown_parts_of_the_dim_beside(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<4x2x6xf32> {muster.layout = #muster.layout<[t/sp, u, v]>}) {
  %e = tensor.expand_shape %x [[0], [1, 2]] output_shape [4, 2, 3] : tensor<4x6xf32> into tensor<4x2x3xf32>
  %a = tensor.concat dim(2) %e, %e : (tensor<4x2x3xf32>, tensor<4x2x3xf32>) -> tensor<4x2x6xf32>
  // expected-note @+1 {{parts side by side that the layout does not tell apart}}
  %b = arith.mulf %a, %a : tensor<4x2x6xf32>
  // expected-error @+2 {{E1108 cannot be proved}}
  // expected-note @+1 {{what would settle it}}
  return %b : tensor<4x2x6xf32>
}

// -----

// Two rows of three and three beside what ranks gathered of three and three: pairs that one rank does not make.
muster.mesh @node <["sp" = 2]>
func.func @negative_blocks_of_two_sorts(%u: tensor<2x3xf32> {muster.layout = #muster.layout<[n, u]>},
                                        %v: tensor<2x3xf32> {muster.layout = #muster.layout<[n, v]>},
                                        %x: tensor<3xf32> {muster.layout = #muster.layout<[x/sp]>},
                                        %y: tensor<3xf32> {muster.layout = #muster.layout<[y/sp]>})
    -> (tensor<f32> {muster.layout = #muster.layout<[]>}) {
  %a = tensor.concat dim(1) %u, %v : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  %f = tensor.collapse_shape %a [[0, 1]] : tensor<2x6xf32> into tensor<12xf32>
  %b = tensor.concat dim(0) %x, %y : (tensor<3xf32>, tensor<3xf32>) -> tensor<6xf32>
  %g = muster.all_gather %b on "sp" dim 0 : tensor<6xf32> -> tensor<12xf32>
  // expected-error @+2 {{E1108 cannot be proved: operands do not agree along 'd0': blocks of parts side by side}}
  // expected-note @+1 {{what would settle it}}
  %s = arith.mulf %f, %g : tensor<12xf32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %r = linalg.reduce { arith.addf } ins(%s : tensor<12xf32>) outs(%zero : tensor<f32>) dimensions = [0]
  return %r : tensor<f32>
}

// -----

// A shard of one element beside parts: where it stands is not told, and no fault.
muster.mesh @node <["sp" = 2]>
func.func @unknown_shard_of_one_element(%x: tensor<6x2xf32> {muster.layout = #muster.layout<[d, e]>})
    -> (tensor<12x1xf32> {muster.layout = #muster.layout<[r, u/sp]>}) {
  %a = tensor.concat dim(0) %x, %x : (tensor<6x2xf32>, tensor<6x2xf32>) -> tensor<12x2xf32>
  %n = arith.negf %a : tensor<12x2xf32>
  // expected-note @+1 {{the maps part here: a dim of parts side by side is needed as one}}
  %s = muster.slice %n on "sp" dim 1 : tensor<12x2xf32> -> tensor<12x1xf32>
  // expected-error @+2 {{E1108 cannot be proved}}
  // expected-note @+1 {{what would settle it}}
  return %s : tensor<12x1xf32>
}
