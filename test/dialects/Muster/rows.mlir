// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s
// RUN: muster-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD
// RUN: muster-opt %s --resolve-ranked-shaped-type-result-dims --cse --canonicalize | FileCheck %s --check-prefix=SIZE

muster.mesh @node <["dp" = 2]>

// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:.*]]: tensor<?x5xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>, %[[G:.*]]: !muster.counts<[dp], padded, @step>, %[[A:.*]]: !muster.counts<[dp], tokens, @step.a>, %[[B:.*]]: !muster.counts<[dp], tokens, @step.b>)
func.func @rows(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
                %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>) -> (tensor<?x5xf32>, tensor<?x5xf32>) {
  %zero = arith.constant 0.0 : f32
  // CHECK: %[[P:.*]] = muster.pad %[[X]] dim 0 counts(%[[C]] : <[dp], tokens, @step>) to(%[[G]] : <[dp], padded, @step>) : tensor<?x5xf32>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x5xf32>
  // CHECK: muster.pad %[[X]] dim 0 counts(%[[C]] : <[dp], tokens, @step>) to(%[[G]] : <[dp], padded, @step>) fill(%{{.*}} : f32) : tensor<?x5xf32>
  %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) fill(%zero : f32) : tensor<?x5xf32>
  // CHECK: %[[U:.*]] = muster.unpad %[[P]] dim 0 counts(%[[G]] : <[dp], padded, @step>) to(%[[C]] : <[dp], tokens, @step>) : tensor<?x5xf32>
  %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32>
  // CHECK: %[[XA:.*]], %[[XB:.*]] = muster.split_rows %[[U]] dim 0 counts(%[[A]] : <[dp], tokens, @step.a>, %[[B]] : <[dp], tokens, @step.b>) : tensor<?x5xf32>
  %xa, %xb = muster.split_rows %u dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x5xf32>
  // CHECK: muster.join_rows %[[XA]], %[[XB]] dim 0 counts(%[[A]] : <[dp], tokens, @step.a>, %[[B]] : <[dp], tokens, @step.b>) to(%[[C]] : <[dp], tokens, @step>) : tensor<?x5xf32>
  %j = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32>
  return %j, %q : tensor<?x5xf32>, tensor<?x5xf32>
}

// What was just padded is what it was; other dims or counts do not cancel.
// FOLD-LABEL: func.func @folds
// FOLD-SAME: (%[[X:.*]]: tensor<?x?xf32>,
// FOLD: %[[P:.*]] = muster.pad %[[X]] dim 0
// FOLD: %[[OTHER:.*]] = muster.unpad %[[P]] dim 1
// FOLD: %[[COUNTS:.*]] = muster.unpad %[[P]] dim 0
// FOLD: return %[[X]], %[[OTHER]], %[[COUNTS]]
func.func @folds(%x: tensor<?x?xf32>, %c: !muster.counts<[dp], tokens, @step>, %d: !muster.counts<[dp], tokens, @step>,
                 %g: !muster.counts<[dp], padded, @step>) -> (tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>) {
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x?xf32>
  %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x?xf32>
  %v = muster.unpad %p dim 1 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x?xf32>
  %w = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%d : !muster.counts<[dp], tokens, @step>) : tensor<?x?xf32>
  return %u, %v, %w : tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>
}

// A result has as many rows as its counts say.
// SIZE-LABEL: func.func @sizes
// SIZE-SAME: (%[[X:.*]]: tensor<?x?xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>, %[[G:.*]]: !muster.counts<[dp], padded, @step>, %[[A:.*]]: !muster.counts<[dp], tokens, @step.a>, %[[B:.*]]: !muster.counts<[dp], tokens, @step.b>)
// SIZE-DAG: %[[PADDED:.*]] = muster.own_count %[[G]]
// SIZE-DAG: %[[FIRST:.*]] = muster.own_count %[[A]]
// SIZE-DAG: %[[SECOND:.*]] = muster.own_count %[[B]]
// SIZE-DAG: %[[ALL:.*]] = muster.own_count %[[C]]
// SIZE-DAG: %[[COLUMNS:.*]] = tensor.dim %[[X]], %{{.*}}
// SIZE: return %[[PADDED]], %[[COLUMNS]], %[[ALL]], %[[FIRST]], %[[SECOND]], %[[ALL]]
func.func @sizes(%x: tensor<?x?xf32>, %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
                 %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>) -> (index, index, index, index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x?xf32>
  %padded = tensor.dim %p, %c0 : tensor<?x?xf32>
  %columns = tensor.dim %p, %c1 : tensor<?x?xf32>
  %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x?xf32>
  %own = tensor.dim %u, %c0 : tensor<?x?xf32>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x?xf32>
  %first = tensor.dim %xa, %c0 : tensor<?x?xf32>
  %second = tensor.dim %xb, %c0 : tensor<?x?xf32>
  %j = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x?xf32>
  %all = tensor.dim %j, %c0 : tensor<?x?xf32>
  return %padded, %columns, %own, %first, %second, %all : index, index, index, index, index, index
}
