// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Transfers are proved by their boxes; the name of the collective plays no part.

// Sequence to heads: each rank pulls its two heads from every peer, behind those of the peers before it.
#box = affine_map<(own, peer) -> (4, 2, 5)>
#from = affine_map<(own, peer) -> (own * 10)>
#from_strides = affine_map<(own, peer) -> (30, 5, 1)>
#to = affine_map<(own, peer) -> (peer * 40)>
#to_strides = affine_map<(own, peer) -> (10, 5, 1)>
muster.mesh @node <["sp" = 3]>
func.func @sequence_to_heads(%x: tensor<4x6x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<12x2x5xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}) {
  %0 = plan.transfer "nameless" %x on ["sp"] sizes() result_sizes() box #box from #from #from_strides to #to #to_strides
      : tensor<4x6x5xf32> -> tensor<12x2x5xf32>
  return %0 : tensor<12x2x5xf32>
}

// -----

// With a transposition behind it, and with a symbolic sequence.
#box = affine_map<(own, peer)[t] -> (t, 2, 5)>
#from = affine_map<(own, peer)[t] -> (own * 10)>
#from_strides = affine_map<(own, peer)[t] -> (30, 5, 1)>
#to = affine_map<(own, peer)[t] -> (peer * (t * 5))>
#to_strides = affine_map<(own, peer)[t] -> (5, t * 15, 1)>
muster.mesh @node <["sp" = 3]>
func.func @heads_in_front(%x: tensor<?x6x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<2x?x5xf32> {muster.layout = #muster.layout<[h/sp, s, d]>})
    attributes {muster.facts = #muster.facts<[sp|s]>} {
  %part = muster.size <s/sp>
  %whole = muster.size <s>
  %0 = plan.transfer "all_to_all" %x on ["sp"] sizes(%part) result_sizes(%whole) box #box from #from #from_strides to #to #to_strides
      : tensor<?x6x5xf32> -> tensor<2x?x5xf32>
  return %0 : tensor<2x?x5xf32>
}

// -----

// The peers' parts lie behind their heads instead of in front: the scrambled heads of DeepSpeed #5664 as a box.
#box = affine_map<(own, peer) -> (4, 2, 5)>
#from = affine_map<(own, peer) -> (own * 10)>
#from_strides = affine_map<(own, peer) -> (30, 5, 1)>
#to = affine_map<(own, peer) -> (peer * 10)>
#to_strides = affine_map<(own, peer) -> (30, 5, 1)>
muster.mesh @node <["sp" = 3]>
func.func @negative_peers_behind_positions(%x: tensor<4x6x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<4x6x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}) {
  // expected-note @+1 {{dim 0 holds [(4 : 1 @s)], declared [(3 : 4 @s, sp)(4 : 1 @s)]}}
  %0 = plan.transfer "all_to_all" %x on ["sp"] sizes() result_sizes() box #box from #from #from_strides to #to #to_strides
      : tensor<4x6x5xf32> -> tensor<4x6x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, h, d]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 2, 0]: wanted logical [0, 2, 0] of [s, h, d], got [4, 0, 0]}}
  return %0 : tensor<4x6x5xf32>
}

// -----

// The own part is not where it should be: some elements are pulled twice and others never.
#box = affine_map<(own, peer) -> (4, 2, 5)>
#from = affine_map<(own, peer) -> (own * 5)>
#from_strides = affine_map<(own, peer) -> (30, 5, 1)>
#to = affine_map<(own, peer) -> (peer * 40)>
#to_strides = affine_map<(own, peer) -> (10, 5, 1)>
muster.mesh @node <["sp" = 3]>
func.func @negative_overlapping_parts(%x: tensor<4x6x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<12x2x5xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}) {
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which the box walks no dims of the source and of the result}}
  // expected-note @+1 {{what would settle it}}
  %0 = plan.transfer "all_to_all" %x on ["sp"] sizes() result_sizes() box #box from #from #from_strides to #to #to_strides
      : tensor<4x6x5xf32> -> tensor<12x2x5xf32>
  return %0 : tensor<12x2x5xf32>
}

// -----

// A sum over the ranks of what is no part of a sum.
#box = affine_map<(own, peer) -> (4, 5)>
#zero = affine_map<(own, peer) -> (0)>
#strides = affine_map<(own, peer) -> (5, 1)>
muster.mesh @node <["tp" = 3]>
func.func @negative_reduced_twice(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t, i], partial(sum: tp)>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %0 = plan.transfer "all_reduce" %x on ["tp"] reduce <sum> sizes() result_sizes() box #box from #zero #strides to #zero #strides
      : tensor<4x5xf32> -> tensor<4x5xf32>
  %1 = plan.transfer "all_reduce" %0 on ["tp"] reduce <sum> sizes() result_sizes() box #box from #zero #strides to #zero #strides
      : tensor<4x5xf32> -> tensor<4x5xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is 3x too large}}
  return %1 : tensor<4x5xf32>
}
