// RUN: muster-opt %s --muster-resolve-sizes --muster-lower-rows --split-input-file --verify-diagnostics | FileCheck %s
//
// On all ranks, with empty ones, what comes out is what went in.
// RUN: cat %s | sed '/^\/\/ -----/,$d' > %t.mlir
// RUN: muster-opt %t.mlir --muster-interpret='sizes=tokens@step=3:0,tokens@step.a=2:0' -o /dev/null > %t.before
// RUN: muster-opt %t.mlir --muster-resolve-sizes --muster-lower-rows --muster-interpret='sizes=tokens@step=3:0,tokens@step.a=2:0' -o /dev/null > %t.after
// RUN: diff %t.before %t.after
// RUN: FileCheck %s --check-prefix=VALUES < %t.after
// VALUES-COUNT-4: result

!tokens = !muster.counts<[dp], tokens, @step>
!first = !muster.counts<[dp], tokens, @step.a>
!second = !muster.counts<[dp], tokens, @step.b>
!padded = !muster.counts<[dp], padded, @step>
muster.mesh @mesh <["dp" = 2]>

// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x5xf32>
// CHECK-SAME: %[[TO_A:[^:]*]]: tensor<?x5xf32>
// CHECK-DAG: %[[C:.*]] = plan.record "t" on ["dp"] bound 8
// CHECK-DAG: %[[FIRST:.*]] = plan.record "a" on ["dp"] bound 8
// CHECK-DAG: %[[PADDED:.*]] = muster.pad_counts %[[C]] align 4 mode max
// CHECK-DAG: %[[OWN:.*]] = muster.own_count %[[C]]
// CHECK-DAG: %[[ROWS:.*]] = muster.own_count %[[PADDED]]
//
// Dead rows of the filled one hold ones.
// CHECK: %[[MEMORY:.*]] = tensor.empty(%[[ROWS]]) : tensor<?x5xf32>
// CHECK: %[[FILLED:.*]] = linalg.generic {{.*}} outs(%[[MEMORY]] : tensor<?x5xf32>) attrs = {plan.name = "pad"}
// CHECK: %[[ROW:.*]] = linalg.index 0
// CHECK: %[[COLUMN:.*]] = linalg.index 1
// CHECK: %[[IS_LIVE:.*]] = arith.cmpi ult, %[[ROW]], %[[OWN]]
// CHECK: scf.if %[[IS_LIVE]] -> (f32)
// CHECK-NEXT: tensor.extract %[[X]][%[[ROW]], %[[COLUMN]]]
// CHECK: else
// CHECK-NEXT: arith.constant 1.0
//
// Without a value, zeros.
// CHECK: plan.name = "pad"
// CHECK: arith.constant 0.0
// CHECK: plan.name = "unpad"
//
// The second child's rows are behind the first's.
// CHECK: plan.name = "split_rows"
// CHECK: plan.name = "split_rows"
// CHECK: %[[AT:.*]] = arith.addi %{{.*}}, %[[OWN_A:.*]] : index
// CHECK: tensor.extract %[[X]][%[[AT]], %{{.*}}]
// CHECK: plan.name = "join_rows"
// CHECK: arith.cmpi ult, %{{.*}}, %[[OWN_B:.*]] :
// CHECK: arith.subi %{{.*}}, %[[OWN_B]]
func.func @rows(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                %of_a: tensor<?x5xf32> {muster.name = "of_a", muster.layout = #muster.layout<[a/dp : tokens @step.a, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
        tensor<?x5xf32> {muster.layout = #muster.layout<[a/dp : tokens @step.a, i]>}, tensor<?x5xf32>)
    attributes {muster.bounds = {t = 8, a = 8}} {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x5xf32>
  %ta = tensor.dim %of_a, %c0 : tensor<?x5xf32>
  %l = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  %la = muster.local_count %ta field "a" : !muster.counts<[], tokens, @step.a>
  %c, %fa = muster.exchange_counts %l, %la : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a> -> !tokens, !first
  %a, %b = muster.split_counts %c first %fa : !tokens, !first -> !first, !second
  %g = muster.pad_counts %c align 4 mode max : (!tokens) -> !padded
  %filled = muster.pad %x dim 0 counts(%c : !tokens) to(%g : !padded) fill(%one : f32) : tensor<?x5xf32>
  %all = muster.all_gather %filled on "dp" dim 0 counts(%g : !padded) : tensor<?x5xf32> -> tensor<?x5xf32>
  %p = muster.pad %x dim 0 counts(%c : !tokens) to(%g : !padded) : tensor<?x5xf32>
  %rows = muster.own_count %g : !padded
  %memory = tensor.empty(%rows) : tensor<?x5xf32>
  %n = linalg.negf ins(%p : tensor<?x5xf32>) outs(%memory : tensor<?x5xf32>) -> tensor<?x5xf32>
  %u = muster.unpad %n dim 0 counts(%g : !padded) to(%c : !tokens) : tensor<?x5xf32>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !first, %b : !second) : tensor<?x5xf32>
  %j = muster.join_rows %xb, %xa dim 0 counts(%b : !second, %a : !first) to(%c : !tokens) : tensor<?x5xf32>
  return %u, %j, %xa, %all : tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @computed_fill(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}, %v: f32) -> tensor<?xf32>
    attributes {muster.bounds = {t = 8}} {
  %c = plan.record "t" on ["dp"] bound 8 : !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-error @+1 {{E4018 unsupported: expected a constant to fill dead rows with}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) fill(%v : f32) : tensor<?xf32>
  return %p : tensor<?xf32>
}
