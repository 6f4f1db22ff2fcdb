// RUN: muster-opt %s --muster-resolve-sizes --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["dp" = 2, "tp" = 3]>

// What ranks exchange is a field of the record each. A dim in unequal parts is the own element of its counts, where all have it whole their
// sum; what the function reads of counts itself is the same value. Counts of another unit that the function makes are found, a dim that
// nobody counts becomes a field.
// CHECK-LABEL: func.func @exchanged
// CHECK-DAG: %[[T:.*]] = plan.record "t" on ["dp"] bound 8 total 12 : <[dp], tokens, @step>
// CHECK-DAG: %[[ALL:.*]] = muster.total %[[T]]
// CHECK-DAG: %[[OWN:.*]] = muster.own_count %[[T]]
// CHECK-DAG: %[[R:.*]] = plan.record "r" on ["dp"] bound 4 : <[dp], rows, @step>
// CHECK-DAG: %[[OWN_R:.*]] = muster.own_count %[[R]]
// CHECK-DAG: %[[S:.*]] = plan.record "s" on ["dp"] bound 4 : <[dp], requests, @step>
// CHECK-DAG: %[[OWN_S:.*]] = muster.own_count %[[S]]
// CHECK-DAG: %[[STARTS:.*]] = muster.scale %[[S]] times 1 plus 1
// CHECK-DAG: %[[OWN_STARTS:.*]] = muster.own_count %[[STARTS]]
// CHECK-DAG: %[[P:.*]] = plan.record "prefills" on ["dp"] bound 3 : <[dp], requests, @new>
// CHECK-NOT: muster.own_count
// CHECK-NOT: muster.total
// CHECK-NOT: tensor.dim
// CHECK-NOT: muster.local_count
// CHECK-NOT: muster.exchange_counts
// CHECK: %[[MOST:.*]] = muster.maximum %[[P]]
// CHECK: return %[[OWN]], %[[OWN_S]], %[[OWN_STARTS]], %[[OWN_R]], %[[ALL]], %[[OWN]], %[[ALL]], %[[MOST]]
func.func @exchanged(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                     %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
                     %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
                     %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>},
                     %y: tensor<?xf32> {muster.layout = #muster.layout<[t]>})
    -> (index, index, index, index, index, index, index, index)
    attributes {muster.bounds = {t = 8 : i64, "t.total" = 12 : i64, s = 4 : i64, r = 4 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x5xf32>
  %s = tensor.dim %blocks, %c0 : tensor<?x4xi32>
  %b = tensor.dim %starts, %c0 : tensor<?xi32>
  %r = tensor.dim %rows, %c0 : tensor<?xi32>
  %whole = tensor.dim %y, %c0 : tensor<?xf32>
  %lt = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  %ls = muster.local_count %s field "s" : !muster.counts<[], requests, @step>
  %lp = muster.step_field "prefills" bound 3 : !muster.counts<[], requests, @new>
  %nt, %ns, %np = muster.exchange_counts %lt, %ls, %lp
      : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], requests, @new>
     -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], requests, @new>
  %nst = muster.scale %ns times 1 plus 1 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], starts, @step>
  %own = muster.own_count %nt : !muster.counts<[dp], tokens, @step>
  %total = muster.total %nt : !muster.counts<[dp], tokens, @step>
  %most = muster.maximum %np : !muster.counts<[dp], requests, @new>
  %e = tensor.empty(%own) : tensor<?xf32>
  %f = tensor.empty(%total) : tensor<?xf32>
  %again = tensor.dim %e, %c0 : tensor<?xf32>
  %all = tensor.dim %f, %c0 : tensor<?xf32>
  return %t, %s, %b, %r, %whole, %again, %all, %most : index, index, index, index, index, index, index, index
}

// -----
muster.mesh @mesh <["dp" = 2]>
func.func @negative_counts_of_no_port(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> index
    attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  %twice = arith.muli %t, %c2 : index
  // expected-error @+1 {{E4003 unsupported count: expected the size of an argument's dim of tokens of batch @step}}
  %l = muster.local_count %twice field "t" : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  return %own : index
}

// -----
muster.mesh @mesh <["dp" = 2]>
func.func @negative_count_of_another_batch(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @other]>}) -> index
    attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  // expected-error @+1 {{E4003 unsupported count: expected the size of an argument's dim of tokens of batch @step}}
  %l = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  return %own : index
}

// -----
muster.mesh @mesh <["dp" = 2]>
func.func @negative_field_without_a_bound(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> index
    attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  // expected-error @+1 {{E4002 expected attribute 'muster.bounds' to bound field 'n' of the step record but got no bound}}
  %l = muster.local_count %t field "n" : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  return %own : index
}

// -----
muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E4002 expected attribute 'muster.bounds' to bound dim 't' because it is dynamic but got no bound}}
func.func @negative_dim_without_a_bound(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> index {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  return %t : index
}

// -----
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
// expected-error @+1 {{E4003 unsupported size: dim 't' of argument 1 is in equal parts here and in unequal ones elsewhere}}
func.func @negative_equal_and_unequal_parts(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
                                            %y: tensor<?xf32> {muster.layout = #muster.layout<[t/tp]>}) -> index
    attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %y, %c0 : tensor<?xf32>
  return %t : index
}
