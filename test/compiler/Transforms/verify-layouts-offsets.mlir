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

// -----

// A rank's rows in chunks: what is computed of all of them is what is computed of the whole.
muster.mesh @node <["sp" = 3]>
func.func @chunks_of_rows(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<10x6xf32> {muster.layout = #muster.layout<[s/sp, o]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %five = arith.constant 5 : index
  %e = tensor.empty() : tensor<10x6xf32>
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  %r = scf.for %n = %zero to %two step %one iter_args(%a = %e) -> tensor<10x6xf32> {
    %from = arith.muli %n, %five : index
    %to = arith.muli %n, %five : index
    %c = tensor.extract_slice %x[%from, 0] [5, 4] [1, 1] : tensor<10x4xf32> to tensor<5x4xf32>
    %y = linalg.matmul ins(%c, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
    %t = arith.mulf %y, %y : tensor<5x6xf32>
    %b = tensor.insert_slice %t into %a[%to, 0] [5, 6] [1, 1] : tensor<5x6xf32> into tensor<10x6xf32>
    scf.yield %b : tensor<10x6xf32>
  }
  return %r : tensor<10x6xf32>
}

// -----

// The chunks change places.
muster.mesh @node <["sp" = 3]>
func.func @negative_chunks_in_the_wrong_order(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<10x6xf32> {muster.layout = #muster.layout<[s/sp, o]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %five = arith.constant 5 : index
  %e = tensor.empty() : tensor<10x6xf32>
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  // expected-note @+1 {{dim 0 holds}}
  %r = scf.for %n = %zero to %two step %one iter_args(%a = %e) -> tensor<10x6xf32> {
    %from = arith.muli %n, %five : index
    %back = arith.muli %n, %five : index
    %to = arith.subi %five, %back : index
    %c = tensor.extract_slice %x[%from, 0] [5, 4] [1, 1] : tensor<10x4xf32> to tensor<5x4xf32>
    %y = linalg.matmul ins(%c, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
    %t = arith.mulf %y, %y : tensor<5x6xf32>
    %b = tensor.insert_slice %t into %a[%to, 0] [5, 6] [1, 1] : tensor<5x6xf32> into tensor<10x6xf32>
    scf.yield %b : tensor<10x6xf32>
  }
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, o]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 0]: wanted logical [0, 0] of [s, o], got [5, 0]}}
  return %r : tensor<10x6xf32>
}

// -----

// The first chunk twice.
muster.mesh @node <["sp" = 3]>
func.func @negative_first_chunk_twice(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<10x6xf32> {muster.layout = #muster.layout<[s/sp, o]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %five = arith.constant 5 : index
  %e = tensor.empty() : tensor<10x6xf32>
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  // expected-note @+1 {{dim 0 holds}}
  %r = scf.for %n = %zero to %two step %one iter_args(%a = %e) -> tensor<10x6xf32> {
    %from = arith.muli %n, %zero : index
    %to = arith.muli %n, %five : index
    %c = tensor.extract_slice %x[%from, 0] [5, 4] [1, 1] : tensor<10x4xf32> to tensor<5x4xf32>
    %y = linalg.matmul ins(%c, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
    %t = arith.mulf %y, %y : tensor<5x6xf32>
    %b = tensor.insert_slice %t into %a[%to, 0] [5, 6] [1, 1] : tensor<5x6xf32> into tensor<10x6xf32>
    scf.yield %b : tensor<10x6xf32>
  }
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, o]}}
  // expected-note @+1 {{rank (sp=0), local index [5, 0]: wanted logical [5, 0] of [s, o], got [0, 0]}}
  return %r : tensor<10x6xf32>
}

// -----

// The second chunk begins one row too early.
muster.mesh @node <["sp" = 3]>
func.func @negative_chunks_overlap(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<10x6xf32> {muster.layout = #muster.layout<[s/sp, o]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %five = arith.constant 5 : index
  %e = tensor.empty() : tensor<10x6xf32>
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  // expected-note @+1 {{dim 0 holds}}
  %r = scf.for %n = %zero to %two step %one iter_args(%a = %e) -> tensor<10x6xf32> {
    %four = arith.constant 4 : index
    %from = arith.muli %n, %four : index
    %to = arith.muli %n, %five : index
    %c = tensor.extract_slice %x[%from, 0] [5, 4] [1, 1] : tensor<10x4xf32> to tensor<5x4xf32>
    %y = linalg.matmul ins(%c, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
    %t = arith.mulf %y, %y : tensor<5x6xf32>
    %b = tensor.insert_slice %t into %a[%to, 0] [5, 6] [1, 1] : tensor<5x6xf32> into tensor<10x6xf32>
    scf.yield %b : tensor<10x6xf32>
  }
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, o]}}
  // expected-note @+1 {{rank (sp=0), local index [5, 0]: wanted logical [5, 0] of [s, o], got [4, 0]}}
  return %r : tensor<10x6xf32>
}

// -----

// The last chunk is never computed.
muster.mesh @node <["sp" = 3]>
func.func @negative_chunk_left_out(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<10x6xf32> {muster.layout = #muster.layout<[s/sp, o]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %five = arith.constant 5 : index
  %e = tensor.empty() : tensor<10x6xf32>
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  %r = scf.for %n = %zero to %one step %one iter_args(%a = %e) -> tensor<10x6xf32> {
    %from = arith.muli %n, %five : index
    %to = arith.muli %n, %five : index
    %c = tensor.extract_slice %x[%from, 0] [5, 4] [1, 1] : tensor<10x4xf32> to tensor<5x4xf32>
    %y = linalg.matmul ins(%c, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
    %t = arith.mulf %y, %y : tensor<5x6xf32>
    %b = tensor.insert_slice %t into %a[%to, 0] [5, 6] [1, 1] : tensor<5x6xf32> into tensor<10x6xf32>
    scf.yield %b : tensor<10x6xf32>
  }
  // expected-error @+1 {{E1104 result has elements that nothing has written}}
  return %r : tensor<10x6xf32>
}

// -----

// Each chunk by another function: chunks of two tensors.
muster.mesh @node <["sp" = 3]>
// expected-note @+1 {{some of its elements are of this value}}
func.func @negative_chunks_of_two_tensors(%x: tensor<4x3xf32> {muster.layout = #muster.layout<[s, i/sp]>},
    // expected-note @+1 {{and some of this one}}
                                          %y: tensor<4x3xf32> {muster.layout = #muster.layout<[s, i/sp]>})
    -> (tensor<4x3xf32> {muster.layout = #muster.layout<[s, i/sp]>}) {
  %a = tensor.extract_slice %x[0, 0] [2, 3] [1, 1] : tensor<4x3xf32> to tensor<2x3xf32>
  %b = tensor.extract_slice %y[2, 0] [2, 3] [1, 1] : tensor<4x3xf32> to tensor<2x3xf32>
  // expected-note @+1 {{dim 0 holds [[(2 : 1 @s[0, +2))] | [(2 : 1 @s[2, +2))]], declared [(4 : 1 @s)]}}
  %c = tensor.concat dim(0) %a, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  // expected-error @+2 {{E1108 cannot be proved: result is made of several tensors, here and there}}
  // expected-note @+1 {{what would settle it}}
  return %c : tensor<4x3xf32>
}

// -----

// Positions of a chunk with the rows of another: every rank has all of both, so on one rank the same ones meet.
muster.mesh @node <["sp" = 3]>
func.func @rows_meet_other_rows(%x: tensor<10x3xf32> {muster.layout = #muster.layout<[s, i/sp]>},
                                         %angles: tensor<10xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<5x3xf32> {muster.layout = #muster.layout<[u, i/sp]>}) {
  %a = tensor.extract_slice %x[5, 0] [5, 3] [1, 1] : tensor<10x3xf32> to tensor<5x3xf32>
  %b = tensor.extract_slice %angles[0] [5] [1] : tensor<10xf32> to tensor<5xf32>
  %to = tensor.empty() : tensor<5x3xf32>
  %c = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%a, %b : tensor<5x3xf32>, tensor<5xf32>) outs(%to : tensor<5x3xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %y = arith.mulf %in0, %in1 : f32
    linalg.yield %y : f32
  } -> tensor<5x3xf32>
  return %c : tensor<5x3xf32>
}

// -----

// Chunks that begin at even rows, two apart; their sum over the rank's columns is taken in time.
muster.mesh @node <["tp" = 3]>
func.func @every_second_row(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s, i/tp]>},
                            %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i/tp, o]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[u, o]>}) {
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  %a = tensor.extract_slice %x[0, 0] [5, 4] [2, 1] : tensor<10x4xf32> to tensor<5x4xf32>
  %y = linalg.matmul ins(%a, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
  %r = muster.all_reduce %y sum on "tp" : tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}

// -----

// The same without the sum.
muster.mesh @node <["tp" = 3]>
func.func @negative_every_second_row(%x: tensor<10x4xf32> {muster.layout = #muster.layout<[s, i/tp]>},
                                     %w: tensor<4x6xf32> {muster.layout = #muster.layout<[i/tp, o]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[u, o]>}) {
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  %a = tensor.extract_slice %x[0, 0] [5, 4] [2, 1] : tensor<10x4xf32> to tensor<5x4xf32>
  %y = linalg.matmul ins(%a, %w : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared}}
  return %y : tensor<5x6xf32>
}

// -----

// All but the last of the elements of each rank, of which there is a prime number: no digits tell them.
muster.mesh @node <["sp" = 2]>
func.func @negative_prime_number_of_each_part(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<23xf32> {muster.layout = #muster.layout<[u/sp]>}) {
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  // expected-error @+2 {{E1108 cannot be proved: this slice takes a part of}}
  // expected-note @+1 {{what would settle it}}
  %a = tensor.extract_slice %f[0] [23] [1] : tensor<24xf32> to tensor<23xf32>
  // expected-note @+1 {{needs to know here what each rank holds of it}}
  %n = arith.negf %a : tensor<23xf32>
  return %n : tensor<23xf32>
}

// -----

// Gathered into another dim and gathered once more: no program on one rank does so, and a slice of it is none either.
muster.mesh @node <["sp" = 2]>
func.func @negative_slice_of_what_no_rank_has_alone(%a: tensor<8x3xf32> {muster.layout = #muster.layout<[s, d/sp]>})
    -> (tensor<16x3xf32> {muster.layout = #muster.layout<[r0, r1]>}) {
  %0 = muster.all_gather %a on "sp" dim 0 : tensor<8x3xf32> -> tensor<16x3xf32>
  %1 = muster.all_gather %0 on "sp" dim 1 : tensor<16x3xf32> -> tensor<16x6xf32>
  // expected-error @+2 {{E1108 cannot be proved: this slice takes a part of [(2 copies)(3 : 1 @d)]}}
  // expected-note @+1 {{what would settle it}}
  %2 = tensor.extract_slice %1[0, 3] [16, 3] [1, 1] : tensor<16x6xf32> to tensor<16x3xf32>
  // expected-note @+1 {{needs to know here what each rank holds of it}}
  %3 = arith.negf %2 : tensor<16x3xf32>
  return %3 : tensor<16x3xf32>
}
