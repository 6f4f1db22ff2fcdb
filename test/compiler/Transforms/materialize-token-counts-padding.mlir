// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts="padding=max align=2" --muster-verify-counts --muster-verify-layouts --canonicalize | FileCheck %s
// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts="align=4" | FileCheck %s --check-prefix=ALIGNED
// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts | FileCheck %s --check-prefix=EXACT
// RUN: not muster-opt %s --split-input-file --muster-materialize-token-counts=align=0 2>&1 | FileCheck %s --check-prefix=WRONG
// EXACT-NOT: muster.pad
// ALIGNED: muster.pad_counts %{{.*}} align 4 mode sum
// WRONG: expected option 'align' to be at least 1 but got 0

// A feed-forward network over all ranks: padded once, in front of the gather, unpadded behind the sum that is handed out.
// CHECK-LABEL: func.func @feed_forward
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x6xf32>
// CHECK: %[[C:.*]] = muster.exchange_counts
// CHECK: %[[G:.*]] = muster.pad_counts %[[C]] align 2 mode max
// CHECK: %[[P:.*]] = muster.pad %[[X]] dim 0 counts(%[[C]] : {{.*}}) to(%[[G]] : {{.*}})
// CHECK: %[[ALL:.*]] = muster.redistribute %[[P]] counts(%[[G]] : {{.*}}) from <["t.padded"/dp : padded @step, i]> to <["t.padded", i]>
// CHECK: nn.matmul %[[ALL]]
// CHECK: %[[S:.*]] = muster.redistribute %{{.*}} counts(%[[G]] : {{.*}}) from <["t.padded", i], partial(sum: dp)> to <["t.padded"/dp : padded @step, i]>
// CHECK: muster.unpad %[[S]] dim 0 counts(%[[G]] : {{.*}}) to(%[[C]] : {{.*}})
// CHECK-NOT: pad_counts
muster.mesh @mesh <["dp" = 2]>
muster.weight @up : tensor<10x6xf32> layout <[f/dp, i]>
muster.weight @down : tensor<6x10xf32> layout <[i, f/dp]>
func.func @feed_forward(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %up = muster.load @up : tensor<5x6xf32>
  %h = nn.matmul %all, %up : tensor<?x6xf32>, tensor<5x6xf32> -> tensor<?x5xf32>
  %n = tensor.dim %h, %c0 : tensor<?x5xf32>
  %to = tensor.empty(%n) : tensor<?x5xf32>
  %s = linalg.add ins(%h, %h : tensor<?x5xf32>, tensor<?x5xf32>) outs(%to : tensor<?x5xf32>) -> tensor<?x5xf32>
  %down = muster.load @down : tensor<6x5xf32>
  %d = nn.matmul %s, %down : tensor<?x5xf32>, tensor<6x5xf32> -> tensor<?x6xf32>
  %y = muster.redistribute %d from <[t, i], partial(sum: dp)> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Ids are looked up: dead ones would be read. The exact rows stay, and no padded count is made.
// CHECK-LABEL: func.func @negative_looked_up
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
muster.weight @table : tensor<10x6xf32> layout <[v, i/dp]>
func.func @negative_looked_up(%ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %all = muster.redistribute %ids from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %table = muster.load @table : tensor<10x3xf32>
  %e = nn.gather_rows %table[%all] : tensor<10x3xf32>, tensor<?xi32> -> tensor<?x3xf32>
  %y = muster.redistribute %e from <[t, i/dp]> to <[t/dp : tokens @step, i]> : tensor<?x3xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// A sum over all rows would take dead ones along, wherever it is connected.
// CHECK-LABEL: func.func @negative_summed
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @negative_summed(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<6xf32> {muster.layout = #muster.layout<[i]>})
    attributes {muster.mesh = @mesh} {
  %zero = arith.constant 0.0 : f32
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %two = arith.addf %all, %all : tensor<?x6xf32>
  %e = tensor.empty() : tensor<6xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %s = linalg.reduce { arith.addf } ins(%two : tensor<?x6xf32>) outs(%i : tensor<6xf32>) dimensions = [0]
  %y = muster.redistribute %two from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y, %s : tensor<?x6xf32>, tensor<6xf32>
}

// -----

// Rows that are returned whole are not handed out: there is no place to take dead rows away.
// CHECK-LABEL: func.func @negative_returned
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @negative_returned(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh} {
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.redistribute %all from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %all, %y : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// How many rows there are is computed with: padding would change it. So it is outside of a body,
// CHECK-LABEL: func.func @mean
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @mean(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
  %n = tensor.dim %g, %c0 : tensor<?x5xf32>
  %i = arith.index_cast %n : index to i32
  %f = arith.sitofp %i : i32 to f32
  %e = tensor.empty(%n) : tensor<?x5xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]} ins(%g : tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) {
  ^bb0(%u: f32, %v: f32):
    %m = arith.mulf %u, %f : f32
    linalg.yield %m : f32
  } -> tensor<?x5xf32>
  %r = muster.redistribute %y from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// -----

// and in one.
// CHECK-LABEL: func.func @mean_in_body
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @mean_in_body(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
  %n = tensor.dim %g, %c0 : tensor<?x5xf32>
  %e = tensor.empty(%n) : tensor<?x5xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]} ins(%g : tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) {
  ^bb0(%u: f32, %v: f32):
    %i = arith.index_cast %n : index to i32
    %f = arith.sitofp %i : i32 to f32
    %m = arith.mulf %u, %f : f32
    linalg.yield %m : f32
  } -> tensor<?x5xf32>
  %r = muster.redistribute %y from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}
