// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s
// RUN: muster-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

muster.mesh @node <["dp" = 2, "tp" = 2]>

// CHECK-LABEL: func.func @step
func.func @step(%t: index, %s: index, %own: !muster.counts<[], tokens, @step.a>) -> (index, index, index, index) {
  // CHECK: %[[T:.*]] = muster.local_count %{{.*}} field "t" : <[], tokens, @step>
  %lt = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  // CHECK: %[[S:.*]] = muster.local_count %{{.*}} : <[], requests, @step>
  %ls = muster.local_count %s : !muster.counts<[], requests, @step>
  // CHECK: %[[P:.*]] = muster.step_field "prefills" bound 8 : <[], requests, @step>
  %lp = muster.step_field "prefills" bound 8 : !muster.counts<[], requests, @step>
  // CHECK: %[[C:.*]]:4 = muster.exchange_counts %[[T]], %[[S]], %[[P]], %{{.*}} : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], tokens, @step.a>
  %c:4 = muster.exchange_counts %lt, %ls, %lp, %own
      : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], tokens, @step.a>
     -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], tokens, @step.a>
  // CHECK: muster.total %[[C]]#0 : <[dp], tokens, @step>
  %total = muster.total %c#0 : !muster.counts<[dp], tokens, @step>
  // CHECK: muster.maximum %[[C]]#0 : <[dp], tokens, @step>
  %most = muster.maximum %c#0 : !muster.counts<[dp], tokens, @step>
  // CHECK: muster.own_count %[[C]]#0 : <[dp], tokens, @step>
  %mine = muster.own_count %c#0 : !muster.counts<[dp], tokens, @step>
  // CHECK: %[[O:.*]] = muster.offsets %[[C]]#0 : <[dp], tokens, @step> -> <[dp], tokens, @step>
  %o = muster.offsets %c#0 : !muster.counts<[dp], tokens, @step> -> !muster.offsets<[dp], tokens, @step>
  // CHECK: muster.own_offset %[[O]] : <[dp], tokens, @step>
  %begin = muster.own_offset %o : !muster.offsets<[dp], tokens, @step>
  // CHECK: muster.first_row of <[t/dp : tokens @step]>
  %first = muster.first_row of <[t/dp : tokens @step]>
  // CHECK: muster.align %[[C]]#0 to 4 : <[dp], tokens, @step> -> <[dp], padded, @step>
  %al = muster.align %c#0 to 4 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], padded, @step>
  // CHECK: muster.scale %[[C]]#1 times 1 plus 1 : <[dp], requests, @step> -> <[dp], starts, @step>
  %st = muster.scale %c#1 times 1 plus 1 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], starts, @step>
  // CHECK: muster.scale %[[C]]#1 times 3 : <[dp], requests, @step> -> <[dp], rows, @step>
  %rows = muster.scale %c#1 times 3 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], rows, @step>
  // CHECK: muster.pad_counts %[[C]]#0 align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %g = muster.pad_counts %c#0 align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // CHECK: muster.pad_counts %[[C]]#0 align 2 mode balanced unless %[[C]]#2 : (!muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>) -> !muster.counts<[dp], padded, @step>
  %b = muster.pad_counts %c#0 align 2 mode balanced unless %c#2
      : (!muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>) -> !muster.counts<[dp], padded, @step>
  // CHECK: muster.split_counts %[[C]]#0 first %[[C]]#3 : <[dp], tokens, @step>, <[dp], tokens, @step.a> -> <[dp], tokens, @step.a>, <[dp], tokens, @step.b>
  %ca, %cb = muster.split_counts %c#0 first %c#3 : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  // CHECK: muster.check_count %{{.*}} at_most 1024 "tokens"
  muster.check_count %total at_most 1024 "tokens"
  return %total, %most, %mine, %begin : index, index, index, index
}

// What changes nothing goes; what may change something stays.
// FOLD-LABEL: func.func @folds
// FOLD-SAME: (%[[C:.*]]: !muster.counts<[dp], padded, @step>)
// FOLD-NEXT: %[[EIGHT:.*]] = muster.align %[[C]] to 8
// FOLD-NEXT: %[[THREE:.*]] = muster.align %[[EIGHT]] to 3
// FOLD-NEXT: return %[[C]], %[[EIGHT]], %[[THREE]], %[[C]]
func.func @folds(%c: !muster.counts<[dp], padded, @step>)
    -> (!muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>) {
  %one = muster.align %c to 1 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  %eight = muster.align %c to 8 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  %four = muster.align %eight to 4 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  %three = muster.align %four to 3 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  %same = muster.scale %c times 1 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  return %one, %four, %three, %same
      : !muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>, !muster.counts<[dp], padded, @step>
}

// FOLD-LABEL: func.func @checks
// FOLD-NEXT: %[[FIVE:.*]] = arith.constant 5
// FOLD-NEXT: muster.check_count %[[FIVE]] at_most 4 "rows"
// FOLD-NEXT: return
func.func @checks() {
  %five = arith.constant 5 : index
  muster.check_count %five at_most 4 "rows"
  muster.check_count %five at_most 5 "rows"
  return
}
