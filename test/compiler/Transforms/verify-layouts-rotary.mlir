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
  // expected-error @+1 {{E1106 operands do not agree along 'd0': over all ranks one side has 15 positions, the other 5}}
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

// One key-value head a rank, repeated for its query heads: what stands in the dim of one element is its shard.
#row = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
#q = affine_map<(h, s, t, d) -> (s, h, d)>
#k = affine_map<(h, s, t, d) -> (t, h, d)>
#p = affine_map<(h, s, t, d) -> (h, s, t)>
#o = affine_map<(s, h, d, t) -> (s, h, d)>
#w = affine_map<(s, h, d, t) -> (h, s, t)>
#v = affine_map<(s, h, d, t) -> (t, h, d)>
muster.mesh @node <["tp" = 2]>
func.func @one_key_head_a_rank(%x: tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %wq: tensor<5x8xf32> {muster.layout = #muster.layout<[i, o/tp]>},
    %wk: tensor<5x4xf32> {muster.layout = #muster.layout<[i, k/tp]>},
    %wo: tensor<8x5xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %cos: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>},
    %sin: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zq = arith.constant dense<0.0> : tensor<6x8xf32>
  %zk = arith.constant dense<0.0> : tensor<6x4xf32>
  %zx = arith.constant dense<0.0> : tensor<6x5xf32>
  %zp = arith.constant dense<0.0> : tensor<2x6x6xf32>
  %zo = arith.constant dense<0.0> : tensor<6x2x4xf32>
  %q0 = linalg.matmul ins(%x, %wq : tensor<6x5xf32>, tensor<5x8xf32>) outs(%zq : tensor<6x8xf32>) -> tensor<6x8xf32>
  %q = tensor.expand_shape %q0 [[0], [1, 2]] output_shape [6, 2, 4] : tensor<6x8xf32> into tensor<6x2x4xf32>
  %k0 = linalg.matmul ins(%x, %wk : tensor<6x5xf32>, tensor<5x4xf32>) outs(%zk : tensor<6x4xf32>) -> tensor<6x4xf32>
  %k = tensor.expand_shape %k0 [[0], [1, 2]] output_shape [6, 1, 4] : tensor<6x4xf32> into tensor<6x1x4xf32>
  %a = tensor.extract_slice %k[0, 0, 0] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %b = tensor.extract_slice %k[0, 0, 2] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %n = arith.negf %b : tensor<6x1x2xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<6x1x2xf32>, tensor<6x1x2xf32>) -> tensor<6x1x4xf32>
  %e = tensor.empty() : tensor<6x1x4xf32>
  %y = linalg.generic {indexing_maps = [#row, #row, #rows, #rows, #row],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%k, %r, %cos, %sin : tensor<6x1x4xf32>, tensor<6x1x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>)
      outs(%e : tensor<6x1x4xf32>) {
  ^bb0(%0: f32, %z: f32, %c: f32, %t: f32, %unused: f32):
    %1 = arith.mulf %0, %c : f32
    %2 = arith.mulf %z, %t : f32
    %3 = arith.addf %1, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<6x1x4xf32>
  %f = tensor.empty() : tensor<6x1x2x4xf32>
  %g = linalg.broadcast ins(%y : tensor<6x1x4xf32>) outs(%f : tensor<6x1x2x4xf32>) dimensions = [2]
  %m = tensor.collapse_shape %g [[0], [1, 2], [3]] : tensor<6x1x2x4xf32> into tensor<6x2x4xf32>
  %u = linalg.generic {indexing_maps = [#q, #k, #p], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %m : tensor<6x2x4xf32>, tensor<6x2x4xf32>) outs(%zp : tensor<2x6x6xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<2x6x6xf32>
  %h = linalg.generic {indexing_maps = [#w, #v, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%u, %m : tensor<2x6x6xf32>, tensor<6x2x4xf32>) outs(%zo : tensor<6x2x4xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<6x2x4xf32>
  %l = tensor.collapse_shape %h [[0], [1, 2]] : tensor<6x2x4xf32> into tensor<6x8xf32>
  %j = linalg.matmul ins(%l, %wo : tensor<6x8xf32>, tensor<8x5xf32>) outs(%zx : tensor<6x5xf32>) -> tensor<6x5xf32>
  %s = muster.all_reduce %j sum on "tp" : tensor<6x5xf32>
  %i = arith.addf %x, %s : tensor<6x5xf32>
  return %i : tensor<6x5xf32>
}

// -----

// The output projection of one key-value head a rank is a part of the sum over heads.
#row = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
#q = affine_map<(h, s, t, d) -> (s, h, d)>
#k = affine_map<(h, s, t, d) -> (t, h, d)>
#p = affine_map<(h, s, t, d) -> (h, s, t)>
#o = affine_map<(s, h, d, t) -> (s, h, d)>
#w = affine_map<(s, h, d, t) -> (h, s, t)>
#v = affine_map<(s, h, d, t) -> (t, h, d)>
muster.mesh @node <["tp" = 2]>
func.func @negative_one_key_head_without_reduction(%x: tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %wq: tensor<5x8xf32> {muster.layout = #muster.layout<[i, o/tp]>},
    %wk: tensor<5x4xf32> {muster.layout = #muster.layout<[i, k/tp]>},
    %wo: tensor<8x5xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %cos: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>},
    %sin: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zq = arith.constant dense<0.0> : tensor<6x8xf32>
  %zk = arith.constant dense<0.0> : tensor<6x4xf32>
  %zx = arith.constant dense<0.0> : tensor<6x5xf32>
  %zp = arith.constant dense<0.0> : tensor<2x6x6xf32>
  %zo = arith.constant dense<0.0> : tensor<6x2x4xf32>
  %q0 = linalg.matmul ins(%x, %wq : tensor<6x5xf32>, tensor<5x8xf32>) outs(%zq : tensor<6x8xf32>) -> tensor<6x8xf32>
  %q = tensor.expand_shape %q0 [[0], [1, 2]] output_shape [6, 2, 4] : tensor<6x8xf32> into tensor<6x2x4xf32>
  %k0 = linalg.matmul ins(%x, %wk : tensor<6x5xf32>, tensor<5x4xf32>) outs(%zk : tensor<6x4xf32>) -> tensor<6x4xf32>
  %k = tensor.expand_shape %k0 [[0], [1, 2]] output_shape [6, 1, 4] : tensor<6x4xf32> into tensor<6x1x4xf32>
  %a = tensor.extract_slice %k[0, 0, 0] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %b = tensor.extract_slice %k[0, 0, 2] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %n = arith.negf %b : tensor<6x1x2xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<6x1x2xf32>, tensor<6x1x2xf32>) -> tensor<6x1x4xf32>
  %e = tensor.empty() : tensor<6x1x4xf32>
  %y = linalg.generic {indexing_maps = [#row, #row, #rows, #rows, #row],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%k, %r, %cos, %sin : tensor<6x1x4xf32>, tensor<6x1x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>)
      outs(%e : tensor<6x1x4xf32>) {
  ^bb0(%0: f32, %z: f32, %c: f32, %t: f32, %unused: f32):
    %1 = arith.mulf %0, %c : f32
    %2 = arith.mulf %z, %t : f32
    %3 = arith.addf %1, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<6x1x4xf32>
  %f = tensor.empty() : tensor<6x1x2x4xf32>
  %g = linalg.broadcast ins(%y : tensor<6x1x4xf32>) outs(%f : tensor<6x1x2x4xf32>) dimensions = [2]
  %m = tensor.collapse_shape %g [[0], [1, 2], [3]] : tensor<6x1x2x4xf32> into tensor<6x2x4xf32>
  %u = linalg.generic {indexing_maps = [#q, #k, #p], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %m : tensor<6x2x4xf32>, tensor<6x2x4xf32>) outs(%zp : tensor<2x6x6xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<2x6x6xf32>
  %h = linalg.generic {indexing_maps = [#w, #v, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%u, %m : tensor<2x6x6xf32>, tensor<6x2x4xf32>) outs(%zo : tensor<6x2x4xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<6x2x4xf32>
  %l = tensor.collapse_shape %h [[0], [1, 2]] : tensor<6x2x4xf32> into tensor<6x8xf32>
  %j = linalg.matmul ins(%l, %wo : tensor<6x8xf32>, tensor<8x5xf32>) outs(%zx : tensor<6x5xf32>) -> tensor<6x5xf32>
  // expected-error @+1 {{E1105 adds a value that is still to be reduced over 'tp' to one that is not}}
  %i = arith.addf %x, %j : tensor<6x5xf32>
  return %i : tensor<6x5xf32>
}

// -----

// On one rank the copies of all heads are one behind the other, not each beside its own.
#row = affine_map<(s, h, d) -> (s, h, d)>
#rows = affine_map<(s, h, d) -> (s, d)>
#q = affine_map<(h, s, t, d) -> (s, h, d)>
#k = affine_map<(h, s, t, d) -> (t, h, d)>
#p = affine_map<(h, s, t, d) -> (h, s, t)>
#o = affine_map<(s, h, d, t) -> (s, h, d)>
#w = affine_map<(s, h, d, t) -> (h, s, t)>
#v = affine_map<(s, h, d, t) -> (t, h, d)>
muster.mesh @node <["tp" = 2]>
func.func @negative_one_key_head_tiled(%x: tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>},
    %wq: tensor<5x8xf32> {muster.layout = #muster.layout<[i, o/tp]>},
    %wk: tensor<5x4xf32> {muster.layout = #muster.layout<[i, k/tp]>},
    %wo: tensor<8x5xf32> {muster.layout = #muster.layout<[o/tp, i]>},
    %cos: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>},
    %sin: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zq = arith.constant dense<0.0> : tensor<6x8xf32>
  %zk = arith.constant dense<0.0> : tensor<6x4xf32>
  %zx = arith.constant dense<0.0> : tensor<6x5xf32>
  %zp = arith.constant dense<0.0> : tensor<2x6x6xf32>
  %zo = arith.constant dense<0.0> : tensor<6x2x4xf32>
  %q0 = linalg.matmul ins(%x, %wq : tensor<6x5xf32>, tensor<5x8xf32>) outs(%zq : tensor<6x8xf32>) -> tensor<6x8xf32>
  %q = tensor.expand_shape %q0 [[0], [1, 2]] output_shape [6, 2, 4] : tensor<6x8xf32> into tensor<6x2x4xf32>
  %k0 = linalg.matmul ins(%x, %wk : tensor<6x5xf32>, tensor<5x4xf32>) outs(%zk : tensor<6x4xf32>) -> tensor<6x4xf32>
  %k = tensor.expand_shape %k0 [[0], [1, 2]] output_shape [6, 1, 4] : tensor<6x4xf32> into tensor<6x1x4xf32>
  %a = tensor.extract_slice %k[0, 0, 0] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %b = tensor.extract_slice %k[0, 0, 2] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %n = arith.negf %b : tensor<6x1x2xf32>
  %r = tensor.concat dim(2) %n, %a : (tensor<6x1x2xf32>, tensor<6x1x2xf32>) -> tensor<6x1x4xf32>
  %e = tensor.empty() : tensor<6x1x4xf32>
  %y = linalg.generic {indexing_maps = [#row, #row, #rows, #rows, #row],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%k, %r, %cos, %sin : tensor<6x1x4xf32>, tensor<6x1x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>)
      outs(%e : tensor<6x1x4xf32>) {
  ^bb0(%0: f32, %z: f32, %c: f32, %t: f32, %unused: f32):
    %1 = arith.mulf %0, %c : f32
    %2 = arith.mulf %z, %t : f32
    %3 = arith.addf %1, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<6x1x4xf32>
  %f = tensor.empty() : tensor<6x2x1x4xf32>
  %g = linalg.broadcast ins(%y : tensor<6x1x4xf32>) outs(%f : tensor<6x2x1x4xf32>) dimensions = [1]
  %m = tensor.collapse_shape %g [[0], [1, 2], [3]] : tensor<6x2x1x4xf32> into tensor<6x2x4xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd3': over all ranks one side has 4 positions, the other 8}}
  %u = linalg.generic {indexing_maps = [#q, #k, #p], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %m : tensor<6x2x4xf32>, tensor<6x2x4xf32>) outs(%zp : tensor<2x6x6xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<2x6x6xf32>
  %h = linalg.generic {indexing_maps = [#w, #v, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%u, %m : tensor<2x6x6xf32>, tensor<6x2x4xf32>) outs(%zo : tensor<6x2x4xf32>) {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.mulf %0, %1 : f32
    %4 = arith.addf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<6x2x4xf32>
  %l = tensor.collapse_shape %h [[0], [1, 2]] : tensor<6x2x4xf32> into tensor<6x8xf32>
  %j = linalg.matmul ins(%l, %wo : tensor<6x8xf32>, tensor<8x5xf32>) outs(%zx : tensor<6x5xf32>) -> tensor<6x5xf32>
  %s = muster.all_reduce %j sum on "tp" : tensor<6x5xf32>
  %i = arith.addf %x, %s : tensor<6x5xf32>
  return %i : tensor<6x5xf32>
}

// -----

// Both halves in order are the head again.
muster.mesh @node <["tp" = 2]>
func.func @halves_of_one_head_a_rank(%k0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, k/tp]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s, k/tp]>}) {
  %k = tensor.expand_shape %k0 [[0], [1, 2]] output_shape [6, 1, 4] : tensor<6x4xf32> into tensor<6x1x4xf32>
  %a = tensor.extract_slice %k[0, 0, 0] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %b = tensor.extract_slice %k[0, 0, 2] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %r = tensor.concat dim(2) %a, %b : (tensor<6x1x2xf32>, tensor<6x1x2xf32>) -> tensor<6x1x4xf32>
  %o = tensor.collapse_shape %r [[0], [1, 2]] : tensor<6x1x4xf32> into tensor<6x4xf32>
  return %o : tensor<6x4xf32>
}

// -----

// The second half first is no longer the dim that the layout names.
muster.mesh @node <["tp" = 2]>
func.func @negative_swapped_halves_of_one_head(%k0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, k/tp]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s, k/tp]>}) {
  %k = tensor.expand_shape %k0 [[0], [1, 2]] output_shape [6, 1, 4] : tensor<6x4xf32> into tensor<6x1x4xf32>
  %a = tensor.extract_slice %k[0, 0, 0] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %b = tensor.extract_slice %k[0, 0, 2] [6, 1, 2] [1, 1, 1] : tensor<6x1x4xf32> to tensor<6x1x2xf32>
  %r = tensor.concat dim(2) %b, %a : (tensor<6x1x2xf32>, tensor<6x1x2xf32>) -> tensor<6x1x4xf32>
  // expected-note @+1 {{the maps part here}}
  %o = tensor.collapse_shape %r [[0], [1, 2]] : tensor<6x1x4xf32> into tensor<6x4xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s, k/tp]}}
  // expected-note @+1 {{rank (tp=0), local index [0, 0]: wanted logical [0, 0] of [s, k], got [0, 2]}}
  return %o : tensor<6x4xf32>
}

// -----

// The halves meet: the first half times the cosine less the second times the sine. Tables of one half.
#all = affine_map<(s, h, e) -> (s, h, e)>
#rows = affine_map<(s, h, e) -> (s, e)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @halves_that_meet(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>},
    %cos: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e]>}, %sin: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %to = tensor.empty() : tensor<5x2x4xf32>
  %low = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%a, %b, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.subf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %high = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%b, %a, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %y = tensor.concat dim(2) %low, %high : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}

// -----

// Of a projection of heads, and back to one: that the parts side by side are dim d of the argument again is not said, so nothing is proved.
#all = affine_map<(s, h, e) -> (s, h, e)>
#rows = affine_map<(s, h, e) -> (s, e)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @halves_that_meet_of_a_projection(%p: tensor<5x16xf32> {muster.layout = #muster.layout<[s/sp, (h/tp d)]>},
    %cos: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e]>}, %sin: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e]>})
    -> (tensor<5x16xf32> {muster.layout = #muster.layout<[s/sp, (h/tp d)]>}) attributes {muster.sizes = {d = 8}} {
  %q = tensor.expand_shape %p [[0], [1, 2]] output_shape [5, 2, 8] : tensor<5x16xf32> into tensor<5x2x8xf32>
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %to = tensor.empty() : tensor<5x2x4xf32>
  %low = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%a, %b, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.subf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %high = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%b, %a, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %y = tensor.concat dim(2) %low, %high : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  // expected-note @+1 {{the maps part here}}
  %z = tensor.collapse_shape %y [[0], [1, 2]] : tensor<5x2x8xf32> into tensor<5x16xf32>
  // expected-error @+2 {{E1108 cannot be proved: result is made of dim 'e', which the layout does not name}}
  // expected-note @+1 {{what would settle it: a layout that names 'e'}}
  return %z : tensor<5x16xf32>
}

// -----

// Head_dim over tp: the halves of each rank's part are none of the head's.
#all = affine_map<(s, h, e) -> (s, h, e)>
#rows = affine_map<(s, h, e) -> (s, e)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @negative_halves_of_parts_that_meet(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h, d/tp]>},
    %cos: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e/tp]>}, %sin: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, e/tp]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h, d/tp]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %to = tensor.empty() : tensor<5x2x4xf32>
  // expected-error @+2 {{E1108 cannot be proved: operands do not agree along 'd2': different parts of 'd' meet}}
  // expected-note @+1 {{what would settle it}}
  %low = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%a, %b, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.subf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  // expected-error @+2 {{E1108 cannot be proved: operands do not agree along 'd2': different parts of 'd' meet}}
  // expected-note @+1 {{what would settle it}}
  %high = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%b, %a, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %y = tensor.concat dim(2) %low, %high : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}

// -----

// Rows of another rank's positions.
#all = affine_map<(s, h, e) -> (s, h, e)>
#rows = affine_map<(s, h, e) -> (s, e)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @negative_halves_at_other_positions(%q: tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>},
    %cos: tensor<5x4xf32> {muster.layout = #muster.layout<[r, e]>}, %sin: tensor<5x4xf32> {muster.layout = #muster.layout<[r, e]>})
    -> (tensor<5x2x8xf32> {muster.layout = #muster.layout<[s/sp, h/tp, d]>}) {
  %a = tensor.extract_slice %q[0, 0, 0] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %b = tensor.extract_slice %q[0, 0, 4] [5, 2, 4] [1, 1, 1] : tensor<5x2x8xf32> to tensor<5x2x4xf32>
  %to = tensor.empty() : tensor<5x2x4xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': over all ranks one side has 15 positions, the other 5}}
  %low = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%a, %b, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.subf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': over all ranks one side has 15 positions, the other 5}}
  %high = linalg.generic {indexing_maps = [#all, #all, #rows, #rows, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%b, %a, %cos, %sin : tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x4xf32>, tensor<5x4xf32>) outs(%to : tensor<5x2x4xf32>) {
  ^bb0(%u: f32, %v: f32, %c: f32, %i: f32, %unused: f32):
    %0 = arith.mulf %u, %c : f32
    %1 = arith.mulf %v, %i : f32
    %2 = arith.addf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<5x2x4xf32>
  %y = tensor.concat dim(2) %low, %high : (tensor<5x2x4xf32>, tensor<5x2x4xf32>) -> tensor<5x2x8xf32>
  return %y : tensor<5x2x8xf32>
}
