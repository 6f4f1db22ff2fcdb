// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts --muster-verify-counts --muster-verify-collectives --muster-verify-layouts=allow-unknown | FileCheck %s
//
// Functions that are called take counts from their callers: a step has one exchange, and layers stay shared.

// What a function moves, and what those that it calls move; each kind of counts once, in order.
// CHECK-LABEL: func.func private @gather
// CHECK-SAME: (%[[X:.*]]: tensor<?x6xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>)
// CHECK: muster.redistribute %[[X]] counts(%[[C]] :
// CHECK-LABEL: func.func private @layer
// CHECK-SAME: %[[R:[^:]*]]: tensor<?xi32>, %[[CT:[^:]*]]: !muster.counts<[dp], tokens, @step>, %[[CR:[^:]*]]: !muster.counts<[dp], rows, @step>)
// CHECK: call @gather(%{{.*}}, %[[CT]])
// CHECK: muster.redistribute %{{.*}} counts(%[[CT]] :
// CHECK: muster.redistribute %[[R]] counts(%[[CR]] :
// CHECK-LABEL: func.func @step
// CHECK: %[[N:.*]]:2 = muster.exchange_counts {{.*}} -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], rows, @step>
// CHECK: %[[Y:.*]]:2 = call @layer(%{{.*}}, %{{.*}}, %[[N]]#0, %[[N]]#1)
// CHECK: call @layer(%[[Y]]#0, %{{.*}}, %[[N]]#0, %[[N]]#1)
// CHECK-NOT: exchange_counts
muster.mesh @mesh <["dp" = 2]>
func.func private @gather(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %all : tensor<?x6xf32>
}
func.func private @layer(%x: tensor<?x6xf32>, %r: tensor<?xi32>) -> (tensor<?x6xf32>, tensor<?xi32>) {
  %all = func.call @gather(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %twice = arith.addf %all, %all : tensor<?x6xf32>
  %own = muster.redistribute %twice from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %rows = muster.redistribute %r from <[r/dp : rows @step]> to <[r]> : tensor<?xi32> -> tensor<?xi32>
  return %own, %rows : tensor<?x6xf32>, tensor<?xi32>
}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                %r: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<?xi32> {muster.layout = #muster.layout<[r]>}) {
  %y, %a = func.call @layer(%x, %r) : (tensor<?x6xf32>, tensor<?xi32>) -> (tensor<?x6xf32>, tensor<?xi32>)
  %z, %b = func.call @layer(%y, %r) : (tensor<?x6xf32>, tensor<?xi32>) -> (tensor<?x6xf32>, tensor<?xi32>)
  return %z, %b : tensor<?x6xf32>, tensor<?xi32>
}

// -----

// In branches and loops; a layer that nothing moves in takes none.
// CHECK-LABEL: func.func private @double
// CHECK-SAME: (%{{.*}}: tensor<?x6xf32>) -> tensor<?x6xf32>
// CHECK-LABEL: func.func @paths
// CHECK: %[[C:.*]] = muster.exchange_counts
// CHECK: scf.if
// CHECK: call @layer(%{{.*}}, %[[C]])
// CHECK: scf.for
// CHECK: call @layer(%{{.*}}, %[[C]])
// CHECK-NOT: exchange_counts
muster.mesh @mesh <["dp" = 2]>
func.func private @double(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %twice = arith.addf %x, %x : tensor<?x6xf32>
  return %twice : tensor<?x6xf32>
}
func.func private @layer(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %twice = func.call @double(%all) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %own = muster.redistribute %twice from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %own : tensor<?x6xf32>
}
func.func @paths(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %own = func.call @double(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %a = scf.if %p -> tensor<?x6xf32> {
    %y = func.call @layer(%own) : (tensor<?x6xf32>) -> tensor<?x6xf32>
    scf.yield %y : tensor<?x6xf32>
  } else {
    scf.yield %own : tensor<?x6xf32>
  }
  %b = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %a) -> tensor<?x6xf32> {
    %y = func.call @layer(%v) : (tensor<?x6xf32>) -> tensor<?x6xf32>
    scf.yield %y : tensor<?x6xf32>
  }
  return %b : tensor<?x6xf32>
}

// -----

// A layer with layouts is proved by itself, too. Two batches of one step; the first row of a rank; both entries use one layer.
// CHECK-LABEL: func.func private @asked
// CHECK-SAME: %[[C:[^:]*]]: !muster.counts<[sp], tokens, @step>)
// CHECK: %[[O:.*]] = muster.offsets %[[C]]
// CHECK: muster.own_offset %[[O]]
// CHECK-LABEL: func.func @first
// CHECK: %[[N:.*]] = muster.exchange_counts
// CHECK: call @asked(%{{.*}}, %{{.*}}, %[[N]])
// CHECK-LABEL: func.func @second
// CHECK: %[[M:.*]] = muster.exchange_counts
// CHECK: call @asked(%{{.*}}, %{{.*}}, %[[M]])
muster.mesh @mesh <["sp" = 3]>
func.func private @asked(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %f = muster.first_row of <[t/sp : tokens @step]>
  %y = nn.gather_rows %x[%rows] first %f : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %z = muster.all_reduce %y sum on "sp" : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}
func.func @first(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %y = func.call @asked(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
func.func @second(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %y = func.call @asked(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  %z = func.call @asked(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  %s = arith.addf %y, %z : tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// -----

// A layer that is public is an entry, and counts; in the step of another it is a copy that does not. A warm-up without rows calls the step as it is.
// CHECK-LABEL: func.func @layer(
// CHECK: muster.exchange_counts
// CHECK-LABEL: func.func private @layer.called
// CHECK-SAME: !muster.counts<[dp], tokens, @step>)
// CHECK-NOT: muster.exchange_counts
// CHECK-LABEL: func.func @step(
// CHECK: muster.exchange_counts
// CHECK: call @layer.called
// CHECK: call @layer.called
// CHECK-LABEL: func.func @warm_up(
// CHECK-NOT: muster.exchange_counts
// CHECK: call @step(
muster.mesh @mesh <["dp" = 2]>
func.func @layer(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %twice = arith.addf %all, %all : tensor<?x6xf32>
  %own = muster.redistribute %twice from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %own : tensor<?x6xf32>
}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %y = func.call @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %z = func.call @layer(%y) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}
func.func @warm_up(%x: tensor<3x6xf32> {muster.layout = #muster.layout<[u/dp, i]>}) -> tensor<?x6xf32> {
  %d = tensor.cast %x : tensor<3x6xf32> to tensor<?x6xf32>
  %y = func.call @step(%d) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
