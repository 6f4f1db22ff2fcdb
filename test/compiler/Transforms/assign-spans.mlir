// RUN: muster-opt %s --muster-assign-spans --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["tp" = 2]>
muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]>
muster.state @k : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
plan.kernel @add(%a: tensor<?x7xf32> {plan.sizes = array<i64: 0>}, %b: tensor<?x7xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x7xf32> {plan.sizes = array<i64: 0>}) {
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %s = linalg.add ins(%a, %b : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  plan.return %s : tensor<?x7xf32>
}
plan.kernel @append(%s: tensor<?x4x1x2xf32> {plan.sizes = array<i64: -1>}, %r: tensor<?x1x2xf32> {plan.sizes = array<i64: 0>},
                    %i: tensor<?xi32> {plan.sizes = array<i64: 0>}, %t: index) {
  plan.cache_append %s, %r, %i : tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>
  plan.return
}

// Ports have logical shapes and names (of their own, where none is given). The second product adds to the first one's span; a reshape is the
// span that it views; an append writes its state. A result that is an input, and one that is a result already, are copies.
// CHECK: plan.entry @step
// CHECK-SAME: inputs [{dims = ["t", ""], layout = #muster.layout<[t, i]>, name = "x", type = tensor<?x5xf32>},
// CHECK-SAME: {dims = ["t", "", ""], layout = #muster.layout<[t, kv/tp, d]>, name = "rows", type = tensor<?x2x2xf32>},
// CHECK-SAME: {dims = ["t"], layout = #muster.layout<[t]>, name = "argument2", type = tensor<?xi32>}]
// CHECK-SAME: results [{dims = ["t", ""], layout = #muster.layout<[t, o/tp]>, name = "y", type = tensor<?x14xf32>}, {{.*}}name = "z"{{.*}}name = "result2"
// CHECK-SAME: muster.bounds = {t = 64 : i64}, muster.variants = [{t = 3 : i64}]
// CHECK-NEXT: %[[T:.*]] = plan.count "t" bound 64
// CHECK-NOT: tensor.
// CHECK: plan.variant "all" bounds {} arena 0 {
// CHECK-NEXT: %[[X:.*]] = plan.span(%[[T]]) role "input" 0 : <tensor<?x5xf32>>
// CHECK-NEXT: %[[ROWS:.*]] = plan.span(%[[T]]) role "input" 1 : <tensor<?x1x2xf32>>
// CHECK-NEXT: %[[SLOTS:.*]] = plan.span(%[[T]]) role "input" 2 : <tensor<?xi32>>
// CHECK-NEXT: %[[W:.*]] = plan.weight_span @w : <tensor<7x5xf32>>
// CHECK-NEXT: %[[P:.*]] = plan.span(%[[T]]) : <tensor<?x7xf32>>
// CHECK-NEXT: plan.matmul_step %[[X]], %[[W]] -> %[[P]] rows %[[T]] :
// CHECK-NEXT: plan.matmul_step %[[X]], %[[W]] -> %[[P]] rows %[[T]] accumulate :
// CHECK-NEXT: %[[R:.*]] = plan.span(%[[T]]) : <tensor<?x7xf32>>
// CHECK-NEXT: plan.transfer_step "all_reduce" %[[P]] -> %[[R]] on ["tp"] reduce <sum> sizes(%[[T]])
// CHECK-NEXT: %[[K:.*]] = plan.state_span @k : <tensor<?x4x1x2xf32>>
// CHECK-NEXT: plan.launch_step @append(%[[K]], %[[ROWS]], %[[SLOTS]]) sizes(%[[T]]) writes [0]
// CHECK-NEXT: %[[S:.*]] = plan.span(%[[T]]) role "result" 0 : <tensor<?x7xf32>>
// CHECK-NEXT: plan.launch_step @add(%[[R]], %[[P]], %[[S]]) sizes(%[[T]]) writes [2]
// CHECK-NEXT: %[[Z:.*]] = plan.span(%[[T]]) role "result" 1 : <tensor<?x5xf32>>
// CHECK-NEXT: plan.transfer_step "copy" %[[X]] -> %[[Z]] on [] sizes(%[[T]])
// CHECK-NEXT: %[[AGAIN:.*]] = plan.span(%[[T]]) role "result" 2 : <tensor<?x7xf32>>
// CHECK-NEXT: plan.transfer_step "copy" %[[S]] -> %[[AGAIN]] on [] sizes(%[[T]])
// CHECK-NOT: func.func
#extents = affine_map<(d0, d1)[s0] -> (s0, 7)>
#zero = affine_map<(d0, d1)[s0] -> (0)>
#rows = affine_map<(d0, d1)[s0] -> (7, 1)>
func.func @step(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t, i]>},
                %rows: tensor<?x1x2xf32> {muster.name = "rows", muster.layout = #muster.layout<[t, kv/tp, d]>},
                %slots: tensor<?xi32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<?x7xf32> {muster.name = "y", muster.layout = #muster.layout<[t, o/tp]>},
        tensor<?x5xf32> {muster.name = "z", muster.layout = #muster.layout<[t, i]>},
        tensor<?x7xf32> {muster.layout = #muster.layout<[t, o/tp]>})
    attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{t = 3 : i64}]} {
  %t = plan.count "t" bound 64
  %w = muster.load @w : tensor<7x5xf32>
  %p = plan.matmul %x, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  %q = plan.matmul %x, %w accumulate %p : tensor<?x7xf32> : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  %r = plan.transfer "all_reduce" %q on ["tp"] reduce <sum> sizes(%t) result_sizes(%t) box #extents from #zero #rows to #zero #rows
      : tensor<?x7xf32> -> tensor<?x7xf32>
  %c = tensor.expand_shape %r [[0], [1, 2]] output_shape [%t, 7, 1] : tensor<?x7xf32> into tensor<?x7x1xf32>
  %d = tensor.collapse_shape %c [[0], [1, 2]] : tensor<?x7x1xf32> into tensor<?x7xf32>
  %k = plan.state @k : tensor<?x4x1x2xf32>
  plan.launch @append(%k, %rows, %slots) sizes(%t) writes [0] : (tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>) -> ()
  %s = plan.launch @add(%d, %q) sizes(%t) : (tensor<?x7xf32>, tensor<?x7xf32>) -> tensor<?x7xf32>
  return %s, %x, %s : tensor<?x7xf32>, tensor<?x5xf32>, tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4007 expected argument 0 to be a tensor with a layout but got 'f32'}}
func.func @negative_scalar_port(%x: f32) {
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4007 expected result 0 to be a tensor with a layout but got 'tensor<3xf32>'}}
func.func @negative_result_without_layout(%x: tensor<3xf32> {muster.layout = #muster.layout<[t]>}) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4008 unsupported layout of argument 0: expected contiguous dims over whole axes but got [{q:4/tp | k:2/tp}]}}
func.func @negative_segmented_port(%x: tensor<3xf32> {muster.layout = #muster.layout<[{q:4/tp | k:2/tp}]>}) {
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @negative_no_step(%x: tensor<3xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-error @+1 {{E4009 expected transfers, matrix products and launches only, once kernels are formed}}
  %y = linalg.exp ins(%x : tensor<3xf32>) outs(%x : tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
// A copy is one run of all elements, whichever dims are dynamic.
// CHECK-DAG: #[[$ELEMENTS:map[0-9]*]] = affine_map<(d0, d1)[s0] -> (s0 * 3)>
// CHECK-LABEL: plan.entry @copy
// CHECK-DAG: %[[T:.*]] = plan.count "t"
// CHECK-DAG: %[[S:.*]] = plan.count "s"
// CHECK: %[[N:.*]] = arith.muli %[[T]], %[[S]] : index
// CHECK: plan.transfer_step "copy" %{{.*}} -> %{{.*}} on [] sizes(%[[N]]) box #[[$ELEMENTS]] from
func.func @copy(%x: tensor<3x?x?xf32> {muster.layout = #muster.layout<[a, t, s]>})
    -> (tensor<3x?x?xf32> {muster.layout = #muster.layout<[a, t, s]>}) attributes {muster.bounds = {t = 5 : i64, s = 7 : i64}} {
  return %x : tensor<3x?x?xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
muster.weight @w : tensor<5x5xf32> layout <[o, i]>
// An accumulator that is read later, that is an input or that is the product's own factor keeps what it holds: the product adds to a copy.
// CHECK-LABEL: plan.entry @accumulator_wanted
// CHECK: %[[X:.*]] = plan.span(%{{.*}}) role "input" 0
// CHECK: plan.matmul_step %[[X]], %{{.*}} -> %[[P:.*]] rows
// CHECK: plan.transfer_step "copy" %[[P]] -> %[[LATER:.*]] on []
// CHECK-NEXT: plan.matmul_step %[[X]], %{{.*}} -> %[[LATER]] rows %{{.*}} accumulate
// CHECK: plan.transfer_step "copy" %[[X]] -> %[[INPUT:.*]] on []
// CHECK-NEXT: plan.matmul_step %[[P]], %{{.*}} -> %[[INPUT]] rows %{{.*}} accumulate
// CHECK: plan.transfer_step "copy" %[[LATER]] -> %[[FACTOR:.*]] on []
// CHECK-NEXT: plan.matmul_step %[[LATER]], %{{.*}} -> %[[FACTOR]] rows %{{.*}} accumulate
func.func @accumulator_wanted(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>}, tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %w = muster.load @w : tensor<5x5xf32>
  %p = plan.matmul %x, %w : tensor<?x5xf32>, tensor<5x5xf32> -> tensor<?x5xf32>
  %later = plan.matmul %x, %w accumulate %p : tensor<?x5xf32> : tensor<?x5xf32>, tensor<5x5xf32> -> tensor<?x5xf32>
  %input = plan.matmul %p, %w accumulate %x : tensor<?x5xf32> : tensor<?x5xf32>, tensor<5x5xf32> -> tensor<?x5xf32>
  %factor = plan.matmul %later, %w accumulate %later : tensor<?x5xf32> : tensor<?x5xf32>, tensor<5x5xf32> -> tensor<?x5xf32>
  return %input, %factor : tensor<?x5xf32>, tensor<?x5xf32>
}
