// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics=only-expected
//
// Padded rows and rows of children that are not where they should be, or are read where some are dead.

// Forgotten: dead rows are no rows of the result.
muster.mesh @node <["dp" = 2]>
func.func @not_unpadded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %y = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1104}}
  return %y : tensor<?x6xf32>
}

// -----

// Live rows and padded ones.
muster.mesh @node <["dp" = 2]>
func.func @padded_meets_live(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1106}}
  %s = arith.addf %p, %x : tensor<?x6xf32>
  %y = muster.unpad %s dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Gathered as if there were no dead rows.
muster.mesh @node <["dp" = 2]>
func.func @gathered_by_live_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1203}}
  %y = muster.all_gather %p on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// By other padded counts than those that padded them.
muster.mesh @node <["dp" = 2]>
func.func @unpadded_by_others(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %h = muster.pad_counts %c align 8 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{that both pad alike}}
  %y = muster.unpad %p dim 0 counts(%h : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// All rows for the own ones.
muster.mesh @node <["dp" = 2]>
func.func @unpadded_all(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+1 {{E1204}}
  %y = muster.unpad %a dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// All rows of positions that have unequal numbers of them, in equal parts.
muster.mesh @node <["dp" = 2]>
func.func @cut_padded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{that they are padded to a multiple of the ranks}}
  %y = muster.slice %a on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// A sum over rows takes dead ones along.
muster.mesh @node <["dp" = 2]>
func.func @summed(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6xf32>
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  // expected-error @+1 {{E1210 takes together padded rows, of which some are dead}}
  %r = linalg.reduce ins(%p : tensor<?x6xf32>) outs(%i : tensor<6xf32>) dimensions = [0] (%a: f32, %b: f32) {
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  }
  %y = muster.all_reduce %r sum on "dp" : tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// Where dead rows hold zero the sum is the same; that is not proved.
muster.mesh @node <["dp" = 2]>
func.func @summed_filled(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %zero = arith.constant 0.0 : f32
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) fill(%zero : f32) : tensor<?x6xf32>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6xf32>
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{muster.unpad}}
  %r = linalg.reduce ins(%p : tensor<?x6xf32>) outs(%i : tensor<6xf32>) dimensions = [0] (%a: f32, %b: f32) {
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  }
  %y = muster.all_reduce %r sum on "dp" : tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// A product that contracts rows.
muster.mesh @node <["dp" = 2]>
func.func @contracted(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<6x6xf32> {muster.layout = #muster.layout<[i, j]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %e = tensor.empty() : tensor<6x6xf32>
  %z = arith.constant 0.0 : f32
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<6x6xf32>) -> tensor<6x6xf32>
  // expected-error @+1 {{E1210}}
  %r = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p, %p : tensor<?x6xf32>, tensor<?x6xf32>) outs(%i : tensor<6x6xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %m = arith.mulf %a, %b : f32
    %t = arith.addf %s, %m : f32
    linalg.yield %t : f32
  } -> tensor<6x6xf32>
  %y = muster.all_reduce %r sum on "dp" : tensor<6x6xf32>
  return %y : tensor<6x6xf32>
}

// -----

// Rows looked up by dead numbers.
muster.mesh @node <["dp" = 2]>
muster.weight @w : tensor<6x6xf32> layout <[v, i]>
func.func @looked_up(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %ids dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?xi32>
  %w = muster.load @w : tensor<6x6xf32>
  // expected-error @+1 {{E1210 reads at numbers in padded rows}}
  %q = nn.gather_rows %w[%p] : tensor<6x6xf32>, tensor<?xi32> -> tensor<?x6xf32>
  %y = muster.unpad %q dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Rows of padding in a cache.
muster.mesh @node <["dp" = 2]>
muster.state @keys : tensor<?x4x2x3xf32> layout <[page/dp, slot, h, d]>
func.func @appended(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %k3 = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 2, 3] : tensor<?x6xf32> into tensor<?x2x3xf32>
  %p = muster.pad %k3 dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x2x3xf32>
  %s = muster.pad %slots dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?xi32>
  // expected-error @+1 {{E1210 writes padded rows}}
  nn.cache_append @keys, %p, %s : tensor<?x2x3xf32>, tensor<?xi32>
  return %x : tensor<?x6xf32>
}

// -----

// The children in the wrong order.
muster.mesh @node <["dp" = 2]>
func.func @joined_in_another_order(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{one order of the children}}
  %y = muster.join_rows %xb, %xa dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>, %a : !muster.counts<[dp], tokens, @step.a>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// One child twice.
muster.mesh @node <["dp" = 2]>
func.func @joined_with_itself(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+1 {{E1202}}
  %y = muster.join_rows %xa, %xa dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// One child was computed with otherwise: what is joined is no tensor of one layout.
muster.mesh @node <["dp" = 2]>
func.func @joined_of_different_layouts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %ga = muster.all_gather %xa on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+1 {{E1204}}
  %y = muster.join_rows %ga, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// The first child alone is not its batch.
muster.mesh @node <["dp" = 2]>
func.func @returns_one_child(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %y, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+1 {{E1104}}
  return %y : tensor<?x6xf32>
}

// -----

// One child gathered by the counts of the other.
muster.mesh @node <["dp" = 2]>
func.func @gathered_by_the_other(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+1 {{E1202}}
  %ga = muster.all_gather %xa on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %sa = muster.slice %ga on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.join_rows %sa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// The second in front of the first.
muster.mesh @node <["dp" = 2]>
func.func @child_ports_in_another_order(%xa: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>}, %xb: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  %c0 = arith.constant 0 : index
  %na = tensor.dim %xa, %c0 : tensor<?x6xf32>
  %nb = tensor.dim %xb, %c0 : tensor<?x6xf32>
  %la = muster.local_count %na : !muster.counts<[], tokens, @step.a>
  %lb = muster.local_count %nb : !muster.counts<[], tokens, @step.b>
  %n = arith.addi %na, %nb : index
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %a, %b, %c = muster.exchange_counts %la, %lb, %l : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b>, !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>, !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{one order of the children}}
  %y = muster.join_rows %xb, %xa dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>, %a : !muster.counts<[dp], tokens, @step.a>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
