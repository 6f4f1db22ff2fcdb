// RUN: %python %S/../judge.py %s
//
// InternEvo (no issue): [s, 3, H, d], list form, scattered on the heads and gathered on the sequence.
//
// Right for all divisible sizes: the pack dim stays outside the heads. Fused rows [q | k | v] scattered as one dim are another matter:
// a rank gets a third of the rows and not a third of each of the three. That program is a slip and not in the project.
//
// The wrong one is right iff sp = 1.

// The pack dim kept.
muster.mesh @node <["sp" = 3]>
func.func @right_packed(%qkv: tensor<5x3x21x11xf32> {muster.layout = #muster.layout<[s/sp, t, h, d]>})
    -> (tensor<15x3x7x11xf32> {muster.layout = #muster.layout<[s, t, h/sp, d]>}) {
  %qkv1 = muster.all_to_all %qkv on "sp" split 2 concat 0 : tensor<5x3x21x11xf32> -> tensor<15x3x7x11xf32>
  return %qkv1 : tensor<15x3x7x11xf32>
}

// -----

// The same with symbols. Sizes: t = 3.
muster.mesh @node <["sp" = ?]>
func.func @right_packed_for_all_sizes(%qkv: tensor<?x3x?x?xf32> {muster.layout = #muster.layout<[s/sp, t, h, d]>})
    -> (tensor<?x3x?x?xf32> {muster.layout = #muster.layout<[s, t, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %qkv1 = muster.all_to_all %qkv on "sp" split 2 concat 0 : tensor<?x3x?x?xf32> -> tensor<?x3x?x?xf32>
  return %qkv1 : tensor<?x3x?x?xf32>
}

// -----

// Back.
muster.mesh @node <["sp" = 3]>
func.func @right_context(%context: tensor<15x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>})
    -> (tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}) {
  %context1 = muster.all_to_all %context on "sp" split 0 concat 1 : tensor<15x7x11xf32> -> tensor<5x21x11xf32>
  return %context1 : tensor<5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_context_for_all_sizes(%context: tensor<?x?x?xf32> {muster.layout = #muster.layout<[s, h/sp, d]>})
    -> (tensor<?x?x?xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %context1 = muster.all_to_all %context on "sp" split 0 concat 1 : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  return %context1 : tensor<?x?x?xf32>
}

// -----

// Fused rows.
muster.mesh @node <["sp" = 2]>
func.func @wrong_fused_rows(%qkv: tensor<5x3x14x11xf32> {muster.layout = #muster.layout<[s/sp, t, h, d]>})
    -> (tensor<10x21x11xf32> {muster.layout = #muster.layout<[s, (t h/sp), d]>}) {
  // view [s, 3·H, d]
  %qkv1 = tensor.collapse_shape %qkv [[0], [1, 2], [3]] : tensor<5x3x14x11xf32> into tensor<5x42x11xf32>
  // the rank's share of the fused rows is taken for q, k and v of its heads
  %qkv2 = muster.all_to_all %qkv1 on "sp" split 1 concat 0 : tensor<5x42x11xf32> -> tensor<10x21x11xf32>
  return %qkv2 : tensor<10x21x11xf32>
}
