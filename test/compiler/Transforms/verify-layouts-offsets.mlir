// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Slices at offsets that ranks and loops compute.

// Chunks r and 3 - r of 4 on rank r.
muster.mesh @node <["dp" = 2, "ring" = 2]>
func.func @front_and_back(%x: tensor<3x20xf32> {muster.layout = #muster.layout<[b/dp, s]>})
    -> (tensor<3x10xf32> {muster.layout = #muster.layout<[b/dp, s/ring zigzag]>}) {
  %ring = muster.coordinate "ring"
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %ring, %length : index
  %mirror = arith.subi %last, %ring : index
  %back = arith.muli %mirror, %length : index
  %a = tensor.extract_slice %x[0, %front] [3, 5] [1, 1] : tensor<3x20xf32> to tensor<3x5xf32>
  %b = tensor.extract_slice %x[0, %back] [3, 5] [1, 1] : tensor<3x20xf32> to tensor<3x5xf32>
  %c = tensor.concat dim(1) %a, %b : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x10xf32>
  return %c : tensor<3x10xf32>
}

// -----

// The place in the world instead of the place in the ring.
muster.mesh @node <["dp" = 2, "ring" = 2]>
func.func @negative_front_and_back_of_the_world(%x: tensor<3x20xf32> {muster.layout = #muster.layout<[b/dp, s]>})
    -> (tensor<3x10xf32> {muster.layout = #muster.layout<[b/dp, s/ring zigzag]>}) {
  %ring = muster.coordinate "ring"
  %dp = muster.coordinate "dp"
  %two = arith.constant 2 : index
  %above = arith.muli %dp, %two : index
  %rank = arith.addi %above, %ring : index
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %rank, %length : index
  %mirror = arith.subi %last, %rank : index
  %back = arith.muli %mirror, %length : index
  // expected-error @+1 {{E1104 slice over (dp, ring) of a value that already varies over it: (2 : 3 @b, dp)}}
  %a = tensor.extract_slice %x[0, %front] [3, 5] [1, 1] : tensor<3x20xf32> to tensor<3x5xf32>
  %b = tensor.extract_slice %x[0, %back] [3, 5] [1, 1] : tensor<3x20xf32> to tensor<3x5xf32>
  %c = tensor.concat dim(1) %a, %b : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<3x10xf32>
  return %c : tensor<3x10xf32>
}

// -----

// The same of what every rank has.
muster.mesh @node <["dp" = 2, "ring" = 2]>
func.func @negative_front_and_back_of_all(%x: tensor<20xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<10xf32> {muster.layout = #muster.layout<[s/ring zigzag]>}) {
  %ring = muster.coordinate "ring"
  %dp = muster.coordinate "dp"
  %two = arith.constant 2 : index
  %above = arith.muli %dp, %two : index
  %rank = arith.addi %above, %ring : index
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %ring, %length : index
  %mirror = arith.subi %last, %rank : index
  %back = arith.muli %mirror, %length : index
  %a = tensor.extract_slice %x[%front] [5] [1] : tensor<20xf32> to tensor<5xf32>
  %b = tensor.extract_slice %x[%back] [5] [1] : tensor<20xf32> to tensor<5xf32>
  // expected-note @+1 {{the maps part here}}
  %c = tensor.concat dim(0) %a, %b : (tensor<5xf32>, tensor<5xf32>) -> tensor<10xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (dp=1, ring=0), local index [5]: wanted logical [15] of [s], got [5]}}
  return %c : tensor<10xf32>
}

// -----

// Back before front.
muster.mesh @node <["ring" = 2]>
func.func @negative_back_and_front(%x: tensor<20xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<10xf32> {muster.layout = #muster.layout<[s/ring zigzag]>}) {
  %ring = muster.coordinate "ring"
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %ring, %length : index
  %mirror = arith.subi %last, %ring : index
  %back = arith.muli %mirror, %length : index
  %a = tensor.extract_slice %x[%front] [5] [1] : tensor<20xf32> to tensor<5xf32>
  %b = tensor.extract_slice %x[%back] [5] [1] : tensor<20xf32> to tensor<5xf32>
  // expected-note @+1 {{the maps part here}}
  %c = tensor.concat dim(0) %b, %a : (tensor<5xf32>, tensor<5xf32>) -> tensor<10xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (ring=0), local index [0]: wanted logical [0] of [s], got [15]}}
  return %c : tensor<10xf32>
}

// -----

// Half of the part of a rank: as many steps as ranks, but not to the end.
muster.mesh @node <["tp" = 2]>
func.func @negative_half_of_a_part(%x: tensor<20xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[u/tp]>}) {
  %rank = muster.coordinate "tp"
  %length = arith.constant 5 : index
  %from = arith.muli %rank, %length : index
  // expected-note @+1 {{the maps part here}}
  %a = tensor.extract_slice %x[%from] [5] [1] : tensor<20xf32> to tensor<5xf32>
  // expected-error @+2 {{E1108 cannot be proved: result is made of dim 's', which the layout does not name}}
  // expected-note @+1 {{what would settle it: a layout that names 's'}}
  return %a : tensor<5xf32>
}
