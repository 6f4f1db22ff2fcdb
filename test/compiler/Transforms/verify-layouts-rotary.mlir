// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Rotary embedding by halves: rotate_half(q) is the second half of head_dim, negated, and then the first.

// Heads over tp, positions over sp.
#all = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @heads(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>},
    %cos: tensor<5x8xf32> {muster.layout = #muster.layout<[s/sp, d]>}, %sin: tensor<5x8xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %n = arith.negf %b : tensor<5x2x4xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  %to = tensor.empty() : tensor<5x2x8xf32>
  %y = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%q, %r, %cos, %sin : tensor<5x2x8xf32>, tensor<5x2x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) outs(%to : tensor<5x2x8xf32>) {
  ^bb0(%x: f32, %z: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %x, %c : f32
    %1 = arith.mulf %z, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}

// -----

// Of a projection whose columns are heads and head_dim in one.
#all = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @heads_of_a_projection(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[s/sp, i]>},
                       %w: tensor<7x16xf32> {muster.layout = #muster.layout<[i, o/tp]>},
                       %cos: tensor<5x8xf32> {muster.layout = #muster.layout<[s/sp, d]>},
                       %sin: tensor<5x8xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<5x16xf32> {muster.layout = #muster.layout<[s/sp, o/tp]>}) {
  %zero = arith.constant dense<0.0> : tensor<5x16xf32>
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf32>, tensor<7x16xf32>) outs(%zero : tensor<5x16xf32>) -> tensor<5x16xf32>
  %q = tensor.expand_shape %p [[0], [1, 2]] output_shape [5, 2, 8] : tensor<5x16xf32> into tensor<5x2x8xf32>
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %n = arith.negf %b : tensor<5x2x4xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  %e = tensor.empty() : tensor<5x2x8xf32>
  %y = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%q, %r, %cos, %sin : tensor<5x2x8xf32>, tensor<5x2x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>)
      outs(%e : tensor<5x2x8xf32>) {
  ^bb0(%0: f32, %z: f32, %c: f32, %t: f32, %unused: f32):
    %1 = arith.mulf %0, %c : f32
    %2 = arith.mulf %z, %t : f32
    %3 = arith.addf %1, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<5x2x8xf32>
  %o = tensor.collapse_shape %y [[0], [1, 2]] : tensor<5x2x8xf32> into tensor<5x16xf32>
  return %o : tensor<5x16xf32>
}

// -----

// Head_dim over tp: each rank turns the halves of its own part.
#all = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
muster.mesh @node <["tp" = 2]>
func.func @negative_halves_of_each_part(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s, h, d/tp]>},
    %cos: tensor<5x8xf32> {muster.layout = #muster.layout<[s, d/tp]>}, %sin: tensor<5x8xf32> {muster.layout = #muster.layout<[s, d/tp]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s, h, d/tp]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %n = arith.negf %b : tensor<5x2x4xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  %to = tensor.empty() : tensor<5x2x8xf32>
  // expected-error @+2 {{E1108 cannot be proved: operands do not agree along 'd2': positions of}}
  // expected-note @+1 {{what would settle it}}
  %y = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%q, %r, %cos, %sin : tensor<5x2x8xf32>, tensor<5x2x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) outs(%to : tensor<5x2x8xf32>) {
  ^bb0(%x: f32, %z: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %x, %c : f32
    %1 = arith.mulf %z, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}

// -----

// Every rank takes the first rows of the tables.
#all = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
muster.mesh @node <["sp" = 3]>
func.func @negative_positions_restart(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %cos: tensor<5x8xf32> {muster.layout = #muster.layout<[t, d]>}, %sin: tensor<5x8xf32> {muster.layout = #muster.layout<[t, d]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %n = arith.negf %b : tensor<5x2x4xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  %to = tensor.empty() : tensor<5x2x8xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': one side is a dim of 15, the other of 5}}
  %y = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%q, %r, %cos, %sin : tensor<5x2x8xf32>, tensor<5x2x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>) outs(%to : tensor<5x2x8xf32>) {
  ^bb0(%x: f32, %z: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %x, %c : f32
    %1 = arith.mulf %z, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}
