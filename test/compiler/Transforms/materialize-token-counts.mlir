// RUN: muster-opt %s --split-input-file --muster-materialize-token-counts --muster-verify-counts --canonicalize | FileCheck %s

// One exchange for everything that the arguments count, in front of all else; a batch has one start more than requests.
// CHECK-LABEL: func.func @step
// CHECK-SAME: %[[TOKENS:[^:]*]]: tensor<?xi32> {muster.layout
// CHECK-SAME: %[[STARTS:[^:]*]]: tensor<?xi32> {muster.layout
// CHECK-SAME: %[[TABLE:[^:]*]]: tensor<?x4xi32> {muster.layout
// CHECK: %[[S:.*]] = tensor.dim %[[TABLE]]
// CHECK: %[[LS:.*]] = muster.local_count %[[S]] field "s" : <[], requests, @step>
// CHECK: %[[T:.*]] = tensor.dim %[[TOKENS]]
// CHECK: %[[LT:.*]] = muster.local_count %[[T]] field "t" : <[], tokens, @step>
// CHECK: %[[C:.*]]:2 = muster.exchange_counts %[[LS]], %[[LT]]
// CHECK: %[[CS:.*]] = muster.scale %[[C]]#0 times 1 plus 1 : <[dp], requests, @step> -> <[dp], starts, @step>
// CHECK: muster.redistribute %[[TOKENS]] counts(%[[C]]#1 : !muster.counts<[dp], tokens, @step>)
// CHECK: scf.if
// CHECK: muster.redistribute %[[STARTS]] counts(%[[CS]] : !muster.counts<[dp], starts, @step>)
// CHECK-NOT: exchange_counts
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @step(%tokens: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
                %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
                %table: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>}, %p: i1)
    -> (tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) attributes {muster.mesh = @mesh} {
  %all = muster.redistribute %tokens from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %branch = scf.if %p -> tensor<?xi32> {
    %s = muster.redistribute %starts from <[starts/dp : starts @step]> to <[starts]> : tensor<?xi32> -> tensor<?xi32>
    scf.yield %s : tensor<?xi32>
  } else {
    scf.yield %all : tensor<?xi32>
  }
  %same = muster.redistribute %tokens from <[t/dp : tokens @step], partial(sum: tp)> to <[t/dp : tokens @step]> : tensor<?xi32> -> tensor<?xi32>
  return %all, %branch, %same : tensor<?xi32>, tensor<?xi32>, tensor<?xi32>
}

// -----

// The total has a bound of its own that does not follow from each rank's; with one that does, nothing is checked.
// CHECK-LABEL: func.func @bounded
// CHECK: %[[C:.*]] = muster.exchange_counts {{.*}} -> !muster.counts<[dp], tokens, @step>
// CHECK: %[[TOTAL:.*]] = muster.total %[[C]]
// CHECK: muster.check_count %[[TOTAL]] at_most 12 "tokens of a step"
// CHECK-LABEL: func.func @implied
// CHECK-NOT: muster.check_count
muster.mesh @mesh <["dp" = 2]>
func.func @bounded(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<?xi32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, t.total = 12}} {
  %all = muster.redistribute %x from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}
func.func @implied(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<?xi32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, t.total = 16}} {
  %all = muster.redistribute %x from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}

// -----

// Axes in order; two batches ride in one exchange.
// CHECK-LABEL: func.func @two_batches
// CHECK: muster.exchange_counts {{.*}} -> !muster.counts<[dp, ep], tokens, @a>, !muster.counts<[dp, ep], tokens, @b>
// CHECK-NOT: exchange_counts
muster.mesh @mesh <["dp" = 2, "ep" = 3]>
func.func @two_batches(%x: tensor<?xi32> {muster.layout = #muster.layout<[ta/(dp,ep) : tokens @a]>},
                       %y: tensor<?xi32> {muster.layout = #muster.layout<[tb/(dp,ep) : tokens @b]>}) -> (tensor<?xi32>, tensor<?xi32>)
    attributes {muster.mesh = @mesh} {
  %a = muster.redistribute %x from <[ta/(dp,ep) : tokens @a]> to <[ta]> : tensor<?xi32> -> tensor<?xi32>
  %b = muster.redistribute %y from <[tb/(dp,ep) : tokens @b]> to <[tb]> : tensor<?xi32> -> tensor<?xi32>
  return %a, %b : tensor<?xi32>, tensor<?xi32>
}

// -----

// What a function counts itself is left as it is.
// CHECK-LABEL: func.func @by_hand
// CHECK-COUNT-1: muster.exchange_counts
// CHECK-NOT: muster.exchange_counts
muster.mesh @mesh <["dp" = 2]>
func.func @by_hand(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<?xi32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %all = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step]> to <[t]>
      : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}

// -----

// The first row of a rank is its own offset, of one scan however often it is asked for.
// CHECK-LABEL: func.func @first_row
// CHECK: %[[C:.*]] = muster.exchange_counts
// CHECK: %[[O:.*]] = muster.offsets %[[C]] : <[sp], tokens, @step> -> <[sp], tokens, @step>
// CHECK-NOT: muster.offsets
// CHECK: %[[A:.*]] = muster.own_offset %[[O]]
// CHECK: nn.gather_rows %{{.*}}[%{{.*}}] first %[[A]]
// CHECK: %[[B:.*]] = muster.own_offset %[[O]]
// CHECK: nn.gather_rows %{{.*}}[%{{.*}}] first %[[B]]
// CHECK-NOT: first_row
muster.mesh @mesh <["sp" = 3]>
func.func @first_row(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> (tensor<?x8xf32>, tensor<?x8xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %f = muster.first_row of <[t/sp : tokens @step]>
  %y = nn.gather_rows %x[%asked] first %f : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %g = muster.first_row of <[t/sp : tokens @step]>
  %z = nn.gather_rows %x[%asked] first %g : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
