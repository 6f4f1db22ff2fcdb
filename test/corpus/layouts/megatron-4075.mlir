// RUN: %python %S/../judge.py %s
//
// Megatron-LM #4075 (see also Megatron-LM #1612, TransformerEngine #2077, verl #1947): rotary positions of a rank's fragment start at
// zero.
//
// What went wrong: a rank holds a fragment of the sequence, the table of angles begins at position 0, and the fall-back gives the
// fragment's tokens positions from zero. The position of a token must come from the same index map as the token.
//
// The wrong ones are right iff cp = 1.

// The program without mesh: token i has position i.
func.func @logical(%x: tensor<15x2x14xf32>,
    %cos: tensor<15x7xf32>,
    %sin: tensor<15x7xf32>)
    -> tensor<15x2x14xf32> {
  %positions = tensor.generate {
  ^bb0(%i: index):
    %v = arith.index_cast %i : index to i32
    tensor.yield %v : i32
  } : tensor<15xi32>
  %x1 = nn.rope %x, %cos, %sin, %positions : tensor<15x2x14xf32>, tensor<15x7xf32>, tensor<15xi32>
  return %x1 : tensor<15x2x14xf32>
}

// -----

// Positions 0, 1, ... on every rank.
muster.mesh @node <["cp" = 3]>
func.func @wrong_positions_restart(%x: tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>},
    %cos: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>},
    %sin: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>})
    -> (tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>}) {
  %positions = tensor.generate {
  ^bb0(%i: index):
    %v = arith.index_cast %i : index to i32
    tensor.yield %v : i32
  } : tensor<5xi32>
  %x1 = nn.rope %x, %cos, %sin, %positions : tensor<5x2x14xf32>, tensor<15x7xf32>, tensor<5xi32>
  return %x1 : tensor<5x2x14xf32>
}

// -----

// Positions from rank · length.
muster.mesh @node <["cp" = 3]>
func.func @right_positions_with_offset(%x: tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>},
    %cos: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>},
    %sin: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>})
    -> (tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>}) {
  %rank = muster.coordinate "cp"
  %length = arith.constant 5 : index
  %first = arith.muli %rank, %length : index
  %positions = tensor.generate {
  ^bb0(%i: index):
    %s = arith.addi %i, %first : index
    %v = arith.index_cast %s : index to i32
    tensor.yield %v : i32
  } : tensor<5xi32>
  %x1 = nn.rope %x, %cos, %sin, %positions : tensor<5x2x14xf32>, tensor<15x7xf32>, tensor<5xi32>
  return %x1 : tensor<5x2x14xf32>
}

// -----

// The positions of all tokens, cut as the tokens are.
muster.mesh @node <["cp" = 3]>
func.func @right_positions_sliced(%x: tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>},
    %cos: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>},
    %sin: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>})
    -> (tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp, h, d]>}) {
  %positions = tensor.generate {
  ^bb0(%i: index):
    %v = arith.index_cast %i : index to i32
    tensor.yield %v : i32
  } : tensor<15xi32>
  %positions1 = muster.slice %positions on "cp" dim 0 : tensor<15xi32> -> tensor<5xi32>
  %x1 = nn.rope %x, %cos, %sin, %positions1 : tensor<5x2x14xf32>, tensor<15x7xf32>, tensor<5xi32>
  return %x1 : tensor<5x2x14xf32>
}

// -----

// Rows dealt in stripes, positions of contiguous rows.
muster.mesh @node <["cp" = 3]>
func.func @wrong_positions_of_another_order(%x: tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp stripe, h, d]>},
    %cos: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>},
    %sin: tensor<15x7xf32> {muster.layout = #muster.layout<[position, e]>})
    -> (tensor<5x2x14xf32> {muster.layout = #muster.layout<[t/cp stripe, h, d]>}) {
  %rank = muster.coordinate "cp"
  %length = arith.constant 5 : index
  %first = arith.muli %rank, %length : index
  %positions = tensor.generate {
  ^bb0(%i: index):
    %s = arith.addi %i, %first : index
    %v = arith.index_cast %s : index to i32
    tensor.yield %v : i32
  } : tensor<5xi32>
  %x1 = nn.rope %x, %cos, %sin, %positions : tensor<5x2x14xf32>, tensor<15x7xf32>, tensor<5xi32>
  return %x1 : tensor<5x2x14xf32>
}
