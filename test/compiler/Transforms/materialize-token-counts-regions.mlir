// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-materialize-token-counts="padding=max align=2" | FileCheck %s
//
// Padding of rows that branches and loops move.

// Gathered in front of a branch and handed out behind it: padded through both of its sides.
// CHECK-LABEL: func.func @through_a_branch
// CHECK: muster.pad %{{.*}} dim 0
// CHECK: scf.if
// CHECK: muster.unpad
muster.mesh @mesh <["dp" = 2]>
func.func @through_a_branch(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %b = scf.if %p -> tensor<?x6xf32> {
    %two = arith.addf %all, %all : tensor<?x6xf32>
    scf.yield %two : tensor<?x6xf32>
  } else {
    scf.yield %all : tensor<?x6xf32>
  }
  %y = muster.redistribute %b from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Gathered and handed out in a branch. The counts are made in front of it.
// CHECK-LABEL: func.func @in_a_branch
// CHECK: %[[G:.*]] = muster.pad_counts %{{.*}} align 2 mode max
// CHECK: scf.if
// CHECK: muster.pad %{{.*}} to(%[[G]]
// CHECK: muster.redistribute %{{.*}} counts(%[[G]]
// CHECK: muster.redistribute %{{.*}} counts(%[[G]]
// CHECK: muster.unpad %{{.*}} counts(%[[G]]
// CHECK: } else {
// CHECK-NOT: pad
// CHECK: return
muster.mesh @mesh <["dp" = 2]>
func.func @in_a_branch(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %y = scf.if %p -> tensor<?x6xf32> {
    %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    %two = arith.addf %all, %all : tensor<?x6xf32>
    %own = muster.redistribute %two from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %own : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// -----

// Layers as a loop: each turn gathers and hands out.
// CHECK-LABEL: func.func @in_a_loop
// CHECK: muster.pad_counts
// CHECK: scf.for
// CHECK: muster.pad %
// CHECK: muster.unpad %
// CHECK: scf.yield
muster.mesh @mesh <["dp" = 2]>
func.func @in_a_loop(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %y = scf.for %k = %c0 to %c3 step %c1 iter_args(%h = %x) -> tensor<?x6xf32> {
    %all = muster.redistribute %h from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    %two = arith.addf %all, %all : tensor<?x6xf32>
    %own = muster.redistribute %two from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %own : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}

// -----

// What a loop carries is padded all the way.
// CHECK-LABEL: func.func @carried_by_a_loop
// CHECK: %[[P:.*]] = muster.pad %
// CHECK: %[[ALL:.*]] = muster.redistribute %[[P]]
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[ALL]])
// CHECK: muster.unpad %
muster.mesh @mesh <["dp" = 2]>
func.func @carried_by_a_loop(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %z = scf.for %k = %c0 to %c3 step %c1 iter_args(%h = %all) -> tensor<?x6xf32> {
    %two = arith.addf %h, %h : tensor<?x6xf32>
    scf.yield %two : tensor<?x6xf32>
  }
  %y = muster.redistribute %z from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// One side of the branch takes rows together: neither is padded.
// CHECK-LABEL: func.func @negative_summed_in_a_branch
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @negative_summed_in_a_branch(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<6xf32> {muster.layout = #muster.layout<[i]>})
    attributes {muster.mesh = @mesh} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6xf32>
  %none = linalg.fill ins(%zero : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %b, %s = scf.if %p -> (tensor<?x6xf32>, tensor<6xf32>) {
    %two = arith.addf %all, %all : tensor<?x6xf32>
    %sum = linalg.reduce { arith.addf } ins(%two : tensor<?x6xf32>) outs(%none : tensor<6xf32>) dimensions = [0]
    scf.yield %two, %sum : tensor<?x6xf32>, tensor<6xf32>
  } else {
    scf.yield %all, %none : tensor<?x6xf32>, tensor<6xf32>
  }
  %y = muster.redistribute %b from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y, %s : tensor<?x6xf32>, tensor<6xf32>
}

// -----

// How often a loop runs is no row of anything.
// CHECK-LABEL: func.func @negative_counted_by_a_loop
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @negative_counted_by_a_loop(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %n = tensor.dim %all, %c0 : tensor<?x6xf32>
  %z = scf.for %k = %c0 to %n step %c1 iter_args(%h = %all) -> tensor<?x6xf32> {
    %two = arith.addf %h, %h : tensor<?x6xf32>
    scf.yield %two : tensor<?x6xf32>
  }
  %y = muster.redistribute %z from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// A region that may be anything keeps its rows, and it is said.
// CHECK-LABEL: func.func @negative_region
// CHECK-NOT: muster.pad
muster.mesh @mesh <["dp" = 2]>
func.func @negative_region(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  // expected-warning @+1 {{E1216 expected rows that are padded to be moved in branches (scf.if) and loops (scf.for) but got 'scf.execute_region', in which they stay as they are}}
  %y = scf.execute_region -> tensor<?x6xf32> {
    %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    %own = muster.redistribute %all from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %own : tensor<?x6xf32>
  }
  return %y : tensor<?x6xf32>
}
