// RUN: muster-opt %s --muster-split-batches --split-input-file | FileCheck %s -enable-var-scope
// RUN: muster-opt %s --muster-split-batches --muster-materialize-token-counts --muster-verify-counts --muster-verify-collectives --split-input-file | FileCheck %s --check-prefix=COUNTED -enable-var-scope

// Each field in two, stages in turn, and what is asked for once. A variant for fewer tokens is for steps that are not split.
muster.mesh @mesh <["dp" = 3]>
muster.weight @norm : tensor<6xf32> layout <[i]>
muster.weight @head : tensor<12x6xf32> layout <[v/dp, i]>
// CHECK-LABEL: func.func @asked_rows(
// CHECK-SAME:    %[[XA:.*]]: tensor<?x6xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.name = "x.a", muster.split = "slice"}
// CHECK-SAME:    %[[XB:.*]]: tensor<?x6xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, i]>, muster.name = "x.b", muster.split = "slice"}
// CHECK-SAME:    %[[RA:.*]]: tensor<?xi32> {muster.layout = #muster.layout<["r.a"/dp : rows @step.a]>, muster.name = "rows.a", muster.split = "recompute"}
// CHECK-SAME:    %[[RB:.*]]: tensor<?xi32> {muster.layout = #muster.layout<["r.b"/dp : rows @step.b]>, muster.name = "rows.b", muster.split = "recompute"}
// CHECK-SAME:    %[[SHIFT:.*]]: tensor<6xf32> {muster.layout = #muster.layout<[i]>, muster.split = "inherit"}
// CHECK-SAME:    -> (tensor<?x12xf32> {muster.layout = #muster.layout<[r/dp : rows @step, v]>})
// CHECK-SAME:    muster.bounds = {r = 4 : i64, r.a = 4 : i64, r.b = 4 : i64, t = 8 : i64, t.a = 8 : i64, t.a.total = 12 : i64, t.b = 8 : i64, t.b.total = 12 : i64, t.total = 12 : i64}
// CHECK-SAME:    muster.split = {first = @step.a, parent = @step, second = @step.b}
// CHECK-SAME:    muster.variants = [{r = 1 : i64, r.a = 1 : i64, r.b = 1 : i64}, {r.a = 0 : i64, t = 2 : i64, t.a = 0 : i64, t.b = 2 : i64}]
// CHECK-DAG:     %[[CA:.*]] = ub.poison : !muster.counts<[dp], rows, @step.a>
// CHECK-DAG:     %[[CB:.*]] = ub.poison : !muster.counts<[dp], rows, @step.b>
// CHECK-DAG:     %[[C:.*]] = ub.poison : !muster.counts<[dp], rows, @step>
// CHECK:         %[[W:.*]] = muster.load @norm
// CHECK:         %[[NA:.*]] = nn.rms_norm %[[XA]], %[[W]]
// CHECK:         %[[GA:.*]] = muster.redistribute %[[NA]] from <["t.a"/dp : tokens @step.a, i]> to <["t.a", i]>
// CHECK-NOT:     muster.load @norm
// CHECK:         %[[NB:.*]] = nn.rms_norm %[[XB]], %[[W]]
// CHECK:         %[[GB:.*]] = muster.redistribute %[[NB]] from <["t.b"/dp : tokens @step.b, i]> to <["t.b", i]>
// CHECK:         %[[YA:.*]] = nn.rms_norm %[[GA]], %[[SHIFT]]
// CHECK:         %[[OA:.*]] = muster.redistribute %[[YA]] from <["t.a", i]> to <["t.a"/dp : tokens @step.a, i]>
// CHECK:         %[[YB:.*]] = nn.rms_norm %[[GB]], %[[SHIFT]]
// CHECK:         %[[OB:.*]] = muster.redistribute %[[YB]] from <["t.b", i]> to <["t.b"/dp : tokens @step.b, i]>
// CHECK:         %[[AA:.*]] = nn.gather_rows %[[OA]][%[[RA]]]
// CHECK:         %[[AB:.*]] = nn.gather_rows %[[OB]][%[[RB]]]
// CHECK:         %[[J:.*]] = muster.join_rows %[[AA]], %[[AB]] dim 0 counts(%[[CA]] : <[dp], rows, @step.a>, %[[CB]] : <[dp], rows, @step.b>) to(%[[C]] : <[dp], rows, @step>)
// CHECK:         %[[H:.*]] = muster.redistribute %[[J]] from <[r/dp : rows @step, i]> to <[r, i]>
// CHECK:         nn.matmul %[[H]]
// CHECK-NOT:     muster.join_rows

// One exchange: of rows that the children divide, all and the first child's.
// COUNTED-LABEL: func.func @asked_rows(
// COUNTED-SAME:    %[[XA:[^:]*]]: tensor<?x6xf32>
// COUNTED-SAME:    %[[XB:[^:]*]]: tensor<?x6xf32>
// COUNTED-SAME:    %[[RA:[^:]*]]: tensor<?xi32>
// COUNTED-SAME:    %[[RB:[^:]*]]: tensor<?xi32>
// COUNTED-DAG:     %[[TA:.*]] = tensor.dim %[[XA]]
// COUNTED-DAG:     %[[TB:.*]] = tensor.dim %[[XB]]
// COUNTED-DAG:     %[[T:.*]] = arith.addi %[[TA]], %[[TB]] : index
// COUNTED-DAG:     %[[LT:.*]] = muster.local_count %[[T]] field "t" : <[], tokens, @step>
// COUNTED-DAG:     %[[LTA:.*]] = muster.local_count %[[TA]] field "t.a" : <[], tokens, @step.a>
// COUNTED-DAG:     %[[LR:.*]] = muster.local_count %{{.*}} field "r" : <[], rows, @step>
// COUNTED-DAG:     %[[LRA:.*]] = muster.local_count %{{.*}} field "r.a" : <[], rows, @step.a>
// COUNTED:         %[[N:.*]]:4 = muster.exchange_counts %[[LT]], %[[LTA]], %[[LR]], %[[LRA]]
// COUNTED-NOT:     muster.exchange_counts
// COUNTED-DAG:     %{{.*}}, %[[NTB:.*]] = muster.split_counts %[[N]]#0 first %[[N]]#1
// COUNTED-DAG:     %{{.*}}, %[[NRB:.*]] = muster.split_counts %[[N]]#2 first %[[N]]#3
// COUNTED-NOT:     ub.poison
// COUNTED:         muster.redistribute %{{.*}} counts(%[[N]]#1 : !muster.counts<[dp], tokens, @step.a>) from
// COUNTED:         muster.redistribute %{{.*}} counts(%[[NTB]] : !muster.counts<[dp], tokens, @step.b>) from
// COUNTED:         muster.join_rows %{{.*}} counts(%[[N]]#3 : <[dp], rows, @step.a>, %[[NRB]] : <[dp], rows, @step.b>) to(%[[N]]#2 : <[dp], rows, @step>)
// COUNTED:         muster.redistribute %{{.*}} counts(%[[N]]#2 : !muster.counts<[dp], rows, @step>) from <[r/dp : rows @step, i]>
func.func @asked_rows(
    %x: tensor<?x6xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.name = "rows", muster.layout = #muster.layout<[r/dp : rows @step]>},
    %shift: tensor<6xf32> {muster.layout = #muster.layout<[i]>})
    -> (tensor<?x12xf32> {muster.layout = #muster.layout<[r/dp : rows @step, v]>})
    attributes {muster.bounds = {t = 8 : i64, "t.total" = 12 : i64, r = 4 : i64}, muster.variants = [{r = 1 : i64}, {t = 2 : i64}]} {
  %w = muster.load @norm : tensor<6xf32>
  %n = nn.rms_norm %x, %w epsilon 1.0e-5 : tensor<?x6xf32>, tensor<6xf32>
  %g = muster.redistribute %n from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = nn.rms_norm %g, %shift epsilon 1.0e-5 : tensor<?x6xf32>, tensor<6xf32>
  %o = muster.redistribute %y from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %a = nn.gather_rows %o[%rows] : tensor<?x6xf32>, tensor<?xi32> -> tensor<?x6xf32>
  %h = muster.redistribute %a from <[r/dp : rows @step, i]> to <[r, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %v = muster.load @head : tensor<4x6xf32>
  %l = nn.matmul %h, %v : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %out = muster.redistribute %l from <[r, v/dp]> to <[r/dp : rows @step, v]> : tensor<?x4xf32> -> tensor<?x12xf32>
  return %out : tensor<?x12xf32>
}

// -----

// Nothing is asked for: the children meet at the result. Sizes and regions are of each child.
muster.mesh @mesh <["dp" = 2]>
// CHECK-LABEL: func.func @results(
// CHECK-SAME:    %[[XA:[^:]*]]: tensor<?x6xf32>
// CHECK-SAME:    %[[XB:[^:]*]]: tensor<?x6xf32>
// CHECK:         %[[DA:.*]] = tensor.dim %[[XA]]
// CHECK:         %[[EA:.*]] = tensor.empty(%[[DA]])
// CHECK:         %[[YA:.*]] = linalg.add ins(%[[XA]], %[[XA]] : {{.*}}) outs(%[[EA]]
// CHECK:         %[[DB:.*]] = tensor.dim %[[XB]]
// CHECK:         %[[EB:.*]] = tensor.empty(%[[DB]])
// CHECK:         %[[YB:.*]] = linalg.add ins(%[[XB]], %[[XB]] : {{.*}}) outs(%[[EB]]
// CHECK:         %[[J:.*]] = muster.join_rows %[[YA]], %[[YB]] dim 0
// CHECK:         return %[[J]]
// COUNTED-LABEL: func.func @results(
// COUNTED:         muster.join_rows %{{.*}} counts(%[[N:.*]]#1 : <[dp], tokens, @step.a>, %{{.*}} : <[dp], tokens, @step.b>) to(%[[N]]#0 : <[dp], tokens, @step>)
func.func @results(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x6xf32>
  %e = tensor.empty(%d) : tensor<?x6xf32>
  %y = linalg.add ins(%x, %x : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// What is asked for is used with what is not: it is computed for each child, and the results are joined.
muster.mesh @mesh <["dp" = 2]>
// CHECK-LABEL: func.func @asked_and_other_rows(
// CHECK:         nn.gather_rows
// CHECK:         nn.gather_rows
// CHECK:         %[[YA:.*]] = tensor.collapse_shape
// CHECK:         nn.gather_rows
// CHECK:         nn.gather_rows
// CHECK:         %[[YB:.*]] = tensor.collapse_shape
// CHECK:         muster.join_rows %[[YA]], %[[YB]]
// CHECK-NOT:     muster.join_rows
// COUNTED-LABEL: func.func @asked_and_other_rows(
func.func @asked_and_other_rows(
    %x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xi32>
  %x2 = tensor.expand_shape %x [[0, 1]] output_shape [%t, 1] : tensor<?xi32> into tensor<?x1xi32>
  %f = arith.sitofp %x2 : tensor<?x1xi32> to tensor<?x1xf32>
  %a = nn.gather_rows %f[%rows] : tensor<?x1xf32>, tensor<?xi32> -> tensor<?x1xf32>
  %i = arith.fptosi %a : tensor<?x1xf32> to tensor<?x1xi32>
  %ids = tensor.collapse_shape %i [[0, 1]] : tensor<?x1xi32> into tensor<?xi32>
  %b = nn.gather_rows %f[%ids] : tensor<?x1xf32>, tensor<?xi32> -> tensor<?x1xf32>
  %j = arith.fptosi %b : tensor<?x1xf32> to tensor<?x1xi32>
  %o = tensor.collapse_shape %j [[0, 1]] : tensor<?x1xi32> into tensor<?xi32>
  return %o : tensor<?xi32>
}

// -----

// Starts of each child follow from its own requests; a field that nothing reads is dropped.
muster.mesh @mesh <["dp" = 2]>
// CHECK-LABEL: func.func @starts_and_dropped(
// CHECK-NOT:     muster.name = "hint"
// CHECK:         return
// COUNTED-LABEL: func.func @starts_and_dropped(
// COUNTED:         %[[N:.*]]:4 = muster.exchange_counts
// COUNTED-SAME:      <[], requests, @step.a>
// COUNTED-SAME:      <[], requests, @step.b>
// COUNTED-DAG:     muster.scale %[[N]]#{{.*}} times 1 plus 1 : <[dp], requests, @step.a> -> <[dp], starts, @step.a>
// COUNTED-DAG:     muster.scale %[[N]]#{{.*}} times 1 plus 1 : <[dp], requests, @step.b> -> <[dp], starts, @step.b>
func.func @starts_and_dropped(
    %x: tensor<?x6xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %starts: tensor<?xi32> {muster.name = "starts", muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %hint: tensor<?xi32> {muster.name = "hint", muster.layout = #muster.layout<[t/dp : tokens @step]>, muster.split = "drop"},
    %blocks: tensor<?x4xi32> {muster.name = "blocks", muster.layout = #muster.layout<[s/dp : requests @step, pages]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

// Rows that are asked for among asked rows: the children meet where nobody looks up any more.
// CHECK-LABEL: func.func @asked_twice
// CHECK-COUNT-4: nn.gather_rows
// CHECK: muster.join_rows
// COUNTED-LABEL: func.func @asked_twice
muster.mesh @mesh <["dp" = 2]>
muster.weight @w : tensor<5xf32> layout <[i]>
func.func @asked_twice(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                %r: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[r/dp : rows @step, i]>}) attributes {muster.mesh = @mesh} {
  %w = muster.load @w : tensor<5xf32>
  %a = nn.gather_rows %x[%r] : tensor<?x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  %b = nn.rms_norm %a, %w epsilon 1.0e-5 : tensor<?x5xf32>, tensor<5xf32>
  %c = nn.gather_rows %b[%r] : tensor<?x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  return %c : tensor<?x5xf32>
}
