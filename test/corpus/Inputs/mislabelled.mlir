// RUN: judge.py
// Programs whose names say the contrary of what they do.
muster.mesh @node <["sp" = 3]>
func.func @wrong_but_right(%x: tensor<5x21xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<15x7xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  %y = muster.all_to_all %x on "sp" split 1 concat 0 : tensor<5x21xf32> -> tensor<15x7xf32>
  return %y : tensor<15x7xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @right_but_scrambled(%x: tensor<5x21xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<15x7xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  %y = tensor.expand_shape %x [[0], [1, 2]] output_shape [5, 3, 7] : tensor<5x21xf32> into tensor<5x3x7xf32>
  %z = tensor.collapse_shape %y [[0, 1], [2]] : tensor<5x3x7xf32> into tensor<15x7xf32>
  %w = muster.exchange %z on "sp" : tensor<15x7xf32>
  return %w : tensor<15x7xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @right_but_copies_differ(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<15x7xf32> {muster.layout = #muster.layout<[s, h]>}) {
  %y = tensor.concat dim(0) %x, %x, %x : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<15x7xf32>
  return %y : tensor<15x7xf32>
}

// -----

muster.mesh @node <["sp" = 3]>
func.func @right_but_other_shape(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<7x5xf32> {muster.layout = #muster.layout<[s/sp, h]>}) {
  %to = tensor.empty() : tensor<7x5xf32>
  %y = linalg.transpose ins(%x : tensor<5x7xf32>) outs(%to : tensor<7x5xf32>) permutation = [1, 0]
  return %y : tensor<7x5xf32>
}

// -----

// Right iff s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_for_another_reason(%x: tensor<?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, d]>}) -> (tensor<?x?xf32> {muster.layout = #muster.layout<[(b s), d]>})
    attributes {muster.facts = #muster.facts<[sp|s]>} {
  %y = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x?x?xf32> into tensor<?x?xf32>
  %z = muster.all_gather %y on "sp" dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  return %z : tensor<?x?xf32>
}

// -----

muster.mesh @node <["sp" = ?]>
func.func @right_for_all_but_not(%x: tensor<?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, d]>}) -> (tensor<?x?xf32> {muster.layout = #muster.layout<[(b s), d]>})
    attributes {muster.facts = #muster.facts<[sp|s]>} {
  %y = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x?x?xf32> into tensor<?x?xf32>
  %z = muster.all_gather %y on "sp" dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  return %z : tensor<?x?xf32>
}
