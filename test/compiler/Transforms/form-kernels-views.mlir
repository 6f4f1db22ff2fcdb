// RUN: muster-opt %s --muster-form-kernels --split-input-file | FileCheck %s

// A view of one member of a kernel that only another member reads: the kernel has a copy of the view, and the function's own goes with the
// member. Erased behind it, the view would write to the member's freed memory.
muster.mesh @mesh <["tp" = 2]>
// CHECK: plan.kernel @exp_negf(
// CHECK: %[[EXP:.*]] = linalg.exp
// CHECK: %[[HEADS:.*]] = tensor.expand_shape %[[EXP]]
// CHECK: linalg.negf ins(%[[HEADS]] :
// CHECK-LABEL: func.func @expanded
// CHECK-NOT: tensor.expand_shape
// CHECK: %[[RESULT:.*]] = plan.launch @exp_negf(%{{.*}}) sizes(
// CHECK-NOT: tensor.expand_shape
// CHECK: return %[[RESULT]]
func.func @expanded(%x: tensor<?x15xf32> {muster.layout = #muster.layout<[t, i]>}) -> tensor<?x3x5xf32>
    attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x15xf32>
  %a = linalg.exp ins(%x : tensor<?x15xf32>) outs(%e : tensor<?x15xf32>) -> tensor<?x15xf32>
  %heads = tensor.expand_shape %a [[0], [1, 2]] output_shape [%t, 3, 5] : tensor<?x15xf32> into tensor<?x3x5xf32>
  %f = tensor.empty(%t) : tensor<?x3x5xf32>
  %b = linalg.negf ins(%heads : tensor<?x3x5xf32>) outs(%f : tensor<?x3x5xf32>) -> tensor<?x3x5xf32>
  return %b : tensor<?x3x5xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Views of views, and two views of one member.
// CHECK: plan.kernel @exp_add(
// CHECK: tensor.extract_slice
// CHECK: tensor.extract_slice
// CHECK: tensor.collapse_shape
// CHECK-LABEL: func.func @sliced
// CHECK-NOT: tensor.extract_slice
// CHECK-NOT: tensor.collapse_shape
// CHECK: %[[RESULT:.*]] = plan.launch @exp_add(%{{.*}}) sizes(
// CHECK-NOT: tensor.extract_slice
// CHECK-NOT: tensor.collapse_shape
// CHECK: return %[[RESULT]]
func.func @sliced(%x: tensor<?x3x10xf32> {muster.layout = #muster.layout<[t, h, d]>}) -> tensor<?x15xf32>
    attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x3x10xf32>
  %a = linalg.exp ins(%x : tensor<?x3x10xf32>) outs(%e : tensor<?x3x10xf32>) -> tensor<?x3x10xf32>
  %left = tensor.extract_slice %a[0, 0, 0] [%t, 3, 5] [1, 1, 1] : tensor<?x3x10xf32> to tensor<?x3x5xf32>
  %right = tensor.extract_slice %a[0, 0, 5] [%t, 3, 5] [1, 1, 1] : tensor<?x3x10xf32> to tensor<?x3x5xf32>
  %l = tensor.collapse_shape %left [[0], [1, 2]] : tensor<?x3x5xf32> into tensor<?x15xf32>
  %r = tensor.collapse_shape %right [[0], [1, 2]] : tensor<?x3x5xf32> into tensor<?x15xf32>
  %f = tensor.empty(%t) : tensor<?x15xf32>
  %b = linalg.add ins(%l, %r : tensor<?x15xf32>, tensor<?x15xf32>) outs(%f : tensor<?x15xf32>) -> tensor<?x15xf32>
  return %b : tensor<?x15xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Both sides of the limit: the view is used behind the kernel too, so it reads the launch there.
// CHECK-LABEL: func.func @negative_used_outside
// CHECK: %[[BOTH:.*]]:2 = plan.launch @exp_negf(%{{.*}}) sizes(
// CHECK: %[[HEADS:.*]] = tensor.expand_shape %[[BOTH]]#0
// CHECK: return %[[HEADS]], %[[BOTH]]#1
func.func @negative_used_outside(%x: tensor<?x15xf32> {muster.layout = #muster.layout<[t, i]>})
    -> (tensor<?x3x5xf32>, tensor<?x3x5xf32>) attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x15xf32>
  %a = linalg.exp ins(%x : tensor<?x15xf32>) outs(%e : tensor<?x15xf32>) -> tensor<?x15xf32>
  %heads = tensor.expand_shape %a [[0], [1, 2]] output_shape [%t, 3, 5] : tensor<?x15xf32> into tensor<?x3x5xf32>
  %f = tensor.empty(%t) : tensor<?x3x5xf32>
  %b = linalg.negf ins(%heads : tensor<?x3x5xf32>) outs(%f : tensor<?x3x5xf32>) -> tensor<?x3x5xf32>
  return %heads, %b : tensor<?x3x5xf32>, tensor<?x3x5xf32>
}
