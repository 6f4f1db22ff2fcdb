// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Redistributions between chunk orders: what they say of the order is asked of the value.

muster.mesh @mesh <["sp" = 3]>
func.func @zigzag_to_contiguous(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp zigzag, d]>}) -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  %0 = muster.redistribute %x from <[s/sp zigzag, d]> to <[s/sp, d]> : tensor<4x5xf32> -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// -----

muster.mesh @mesh <["sp" = 3]>
func.func @contiguous_to_zigzag_and_stripes(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp zigzag, d]>}, tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp stripe, d]>}) {
  %0 = muster.redistribute %x from <[s/sp, d]> to <[s/sp zigzag, d]> : tensor<4x5xf32> -> tensor<4x5xf32>
  %1 = muster.redistribute %x from <[s/sp, d]> to <[s/sp stripe, d]> : tensor<4x5xf32> -> tensor<4x5xf32>
  return %0, %1 : tensor<4x5xf32>, tensor<4x5xf32>
}

// -----

muster.mesh @mesh <["sp" = 3]>
func.func @negative_not_in_zigzag(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  // expected-error @+2 {{E1108 cannot be proved: the zig-zag order of [(12 : 1 @s)]}}
  // expected-note @+1 {{what would settle it: a dim that holds a whole named dim in this order}}
  %0 = muster.redistribute %x from <[s/sp zigzag, d]> to <[s/sp, d]> : tensor<4x5xf32> -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// -----

// The order over two ranks is not that over three.
muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @negative_another_zigzag(%x: tensor<6x5xf32> {muster.layout = #muster.layout<[s/a zigzag, d]>}) -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/b zigzag, d]>}) {
  %0 = muster.all_gather %x on "a" dim 0 : tensor<6x5xf32> -> tensor<12x5xf32>
  // expected-note @+1 {{dim 0 holds [(3 : 4 @s zigzag, b)(4 : 1 @s zigzag)]}}
  %1 = muster.slice %0 on "b" dim 0 : tensor<12x5xf32> -> tensor<4x5xf32>
  // expected-error @+1 {{E1104 result holds the wrong elements}}
  return %1 : tensor<4x5xf32>
}
