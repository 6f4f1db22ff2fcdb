// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Sizes of parts make shapes; as numbers they are not those of one rank. And parts of sums that are taken out alone.

// A mean over the rows of all ranks, divided by the number of this rank's rows: twice too large.
muster.mesh @m <["dp" = 2]>
func.func @unknown_mean_by_rows_of_a_rank(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(i, t) -> (t, i)>, affine_map<(i, t) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<3x5xf32>) outs(%zero : tensor<5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.addf %o, %a : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %all = muster.all_reduce %s sum on "dp" : tensor<5xf32>
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the size is taken here}}
  %n = tensor.dim %x, %c0 : tensor<3x5xf32>
  %i = arith.index_cast %n : index to i32
  %f = arith.sitofp %i : i32 to f32
  // expected-error @+2 {{E1108 cannot be proved: this computes with a size of this mesh, a number that one rank does not have}}
  // expected-note @+1 {{what would settle it: that the number cancels; the size of the whole is muster.size <t>, or that of a gathered dim}}
  %d = tensor.splat %f : tensor<5xf32>
  %y = arith.divf %all, %d : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The same divided by the size of the whole.
muster.mesh @m <["dp" = 2]>
func.func @positive_mean_by_all_rows(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(i, t) -> (t, i)>, affine_map<(i, t) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<3x5xf32>) outs(%zero : tensor<5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.addf %o, %a : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %n = muster.size <t>
  %i = arith.index_cast %n : index to i32
  %f = arith.sitofp %i : i32 to f32
  %d = tensor.splat %f : tensor<5xf32>
  // A quotient is linear in what is divided: before the reduction or behind it.
  %mine = arith.divf %s, %d : tensor<5xf32>
  %y = muster.all_reduce %mine sum on "dp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// Dividing by what is still to be reduced is another thing.
muster.mesh @m <["dp" = 2]>
func.func @negative_divided_by_a_part_of_a_sum(%x: tensor<5xf32> {muster.layout = #muster.layout<[i], partial(sum: dp)>},
                                               %w: tensor<5xf32> {muster.layout = #muster.layout<[i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  // expected-error @+1 {{E1105 operand 1 is still to be reduced over 'dp'}}
  %q = arith.divf %w, %x : tensor<5xf32>
  %y = muster.all_reduce %q sum on "dp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// Zero where a mask says so: linear in what stays. Another number would be added once per rank.
muster.mesh @m <["dp" = 2]>
func.func @positive_masked_part(%x: tensor<5xf32> {muster.layout = #muster.layout<[i], partial(sum: dp)>},
                                %m: tensor<5xi1> {muster.layout = #muster.layout<[i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %q = arith.select %m, %x, %zero : tensor<5xi1>, tensor<5xf32>
  %y = muster.all_reduce %q sum on "dp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

muster.mesh @m <["dp" = 2]>
func.func @negative_masked_with_one(%x: tensor<5xf32> {muster.layout = #muster.layout<[i], partial(sum: dp)>},
                                    %m: tensor<5xi1> {muster.layout = #muster.layout<[i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %one = arith.constant dense<1.0> : tensor<5xf32>
  // expected-error @+1 {{E1105 operand 1 is still to be reduced over 'dp'}}
  %q = arith.select %m, %x, %one : tensor<5xi1>, tensor<5xf32>
  %y = muster.all_reduce %q sum on "dp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// As often as this rank has rows.
muster.mesh @m <["dp" = 2]>
func.func @unknown_as_often_as_rows(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[t/dp, i]>},
                                    %b: tensor<5xf32> {muster.layout = #muster.layout<[i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-note @+1 {{the size is taken here}}
  %n = tensor.dim %x, %c0 : tensor<3x5xf32>
  // expected-error @+2 {{E1108 cannot be proved: this computes with a size of this mesh, a number that one rank does not have}}
  // expected-note @+1 {{what would settle it: that the number cancels; the size of the whole is muster.size <t>, or that of a gathered dim}}
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %b) -> tensor<5xf32> {
    %next = arith.addf %sum, %b : tensor<5xf32>
    scf.yield %next : tensor<5xf32>
  }
  return %y : tensor<5xf32>
}

// -----

// Sizes of parts make shapes, and places.
muster.mesh @m <["dp" = 2]>
func.func @positive_sizes_make_shapes(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x5xf32>
  %to = tensor.empty(%n) : tensor<?x5xf32>
  %y = linalg.add ins(%x, %x : tensor<?x5xf32>, tensor<?x5xf32>) outs(%to : tensor<?x5xf32>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// -----

// The first of the parts that a gather laid side by side is a part of the sum, not the sum.
muster.mesh @m <["tp" = 2]>
func.func @unknown_first_part(%y: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i], partial(sum: tp)>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %g = muster.all_gather %y on "tp" dim 0 : tensor<6x4xf32> -> tensor<12x4xf32>
  // expected-error @+2 {{E1108 cannot be proved: this slice takes a part of [(2 : 1 @parts over tp)(6 : 1 @t)]}}
  // expected-note @+1 {{what would settle it}}
  %s = tensor.extract_slice %g[0, 0] [6, 4] [1, 1] : tensor<12x4xf32> to tensor<6x4xf32>
  // expected-note @+1 {{needs to know here what each rank holds of it}}
  %t = math.tanh %s : tensor<6x4xf32>
  return %t : tensor<6x4xf32>
}

// -----

// A maximum passes through what keeps order. A square does of numbers that are not negative, which the rules do not know.
muster.mesh @m <["tp" = 2]>
func.func @unknown_square_of_a_maximum(%y: tensor<6xf32> {muster.layout = #muster.layout<[t], partial(max: tp)>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-error @+2 {{E1108 cannot be proved: operand 0 is still to be reduced over 'tp' by a maximum or minimum}}
  // expected-note @+1 {{what would settle it: that the operation keeps order}}
  %e = arith.mulf %y, %y : tensor<6xf32>
  %z = muster.all_reduce %e max on "tp" : tensor<6xf32>
  return %z : tensor<6xf32>
}
