// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts="padding=balanced align=2" --muster-verify-counts --muster-verify-layouts | FileCheck %s -enable-var-scope
// RUN: muster-opt %s --split-input-file --muster-split-batches --muster-materialize-token-counts="padding=balanced align=2" --muster-verify-counts --muster-verify-layouts | FileCheck %s --check-prefix=HALVES -enable-var-scope
// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts="padding=max align=2" | FileCheck %s --check-prefix=MAX
// MAX-NOT: step_field
//
// Rows that are levelled in steps without prompts: how many there are is exchanged with the counts.

// CHECK-LABEL: func.func @feed_forward
// CHECK: %[[T:.*]] = muster.local_count %{{.*}} field "t"
// CHECK: %[[P:.*]] = muster.step_field "prefills" bound 3 : <[], requests, @step>
// CHECK: %[[C:.*]]:3 = muster.exchange_counts %{{.*}}, %[[T]], %[[P]]
// CHECK: muster.pad_counts %[[C]]#1 align 2 mode balanced unless %[[C]]#2
// HALVES-LABEL: func.func @feed_forward
// HALVES: %[[PA:.*]] = muster.step_field "prefills.a" bound 3 : <[], requests, @step.a>
// HALVES: %[[PB:.*]] = muster.step_field "prefills.b" bound 3 : <[], requests, @step.b>
// HALVES: %[[C:.*]]:6 = muster.exchange_counts %{{.*}}, %{{.*}}, %{{.*}}, %[[PA]], %{{.*}}
// HALVES-DAG: muster.pad_counts %{{.*}} align 2 mode balanced unless %[[C]]#{{[0-9]}} : {{.*}} -> !muster.counts<[dp], padded, @step.a>
// HALVES-DAG: muster.pad_counts %{{.*}} align 2 mode balanced unless %[[C]]#{{[0-9]}} : {{.*}} -> !muster.counts<[dp], padded, @step.b>
muster.mesh @mesh <["dp" = 2]>
muster.weight @norm : tensor<6xf32> layout <[i]>
func.func @feed_forward(%x: tensor<?x6xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                        %pages: tensor<?x5xi32> {muster.name = "pages", muster.layout = #muster.layout<[s/dp : requests @step, p]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 8 : i64, s = 3 : i64}} {
  %w = muster.load @norm : tensor<6xf32>
  %all = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %n = nn.rms_norm %all, %w epsilon 1.0e-5 : tensor<?x6xf32>, tensor<6xf32>
  %y = muster.redistribute %n from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Where nothing is padded nobody asks.
// CHECK-LABEL: func.func @negative_looked_up
// CHECK-NOT: step_field
// CHECK: muster.exchange_counts %{{[^,]*}} :
// CHECK-NOT: muster.pad
// HALVES-LABEL: func.func @negative_looked_up
// HALVES-NOT: step_field
muster.mesh @mesh <["dp" = 2]>
muster.weight @table : tensor<10x6xf32> layout <[v, i/dp]>
func.func @negative_looked_up(%ids: tensor<?xi32> {muster.name = "ids", muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.mesh = @mesh} {
  %all = muster.redistribute %ids from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %table = muster.load @table : tensor<10x3xf32>
  %e = nn.gather_rows %table[%all] : tensor<10x3xf32>, tensor<?xi32> -> tensor<?x3xf32>
  %y = muster.redistribute %e from <[t, i/dp]> to <[t/dp : tokens @step, i]> : tensor<?x3xf32> -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
