// RUN: muster-opt %s --muster-lower-nn --cse --muster-form-kernels --split-input-file --verify-diagnostics --mlir-print-debuginfo --mlir-print-local-scope \
// RUN:   | FileCheck %s

muster.mesh @mesh <["tp" = 2]>

// A sum and its norm are one kernel with two results, because the sum is wanted too. The second layer's kernel is equal and shared; the
// layers' names stay on the launches.
// CHECK: plan.kernel @add_rms_norm(
// CHECK-SAME: tensor<?x7xf32> {plan.sizes = array<i64: 0>}
// CHECK-SAME: tensor<?x7xf32> {plan.sizes = array<i64: 0>}
// CHECK-SAME: -> (tensor<?x7xf32> {plan.sizes = array<i64: 0>}, tensor<?x7xf32> {plan.sizes = array<i64: 0>})
// CHECK: %[[SUM:.*]] = linalg.add
// CHECK-COUNT-2: linalg.generic
// CHECK: %[[NORM:.*]] = linalg.generic
// CHECK: plan.return %[[SUM]], %[[NORM]] : tensor<?x7xf32>, tensor<?x7xf32>
// CHECK-NOT: plan.kernel
// CHECK-LABEL: func.func @shared
// CHECK: %[[T:.*]] = plan.count "t"
// CHECK-NEXT: %[[FIRST:.*]]:2 = plan.launch @add_rms_norm(%{{.*}}, %{{.*}}, %{{.*}}) sizes(%[[T]]) {{.*}} loc("layer 0")
// CHECK-NEXT: %[[PRODUCT:.*]] = plan.matmul %[[FIRST]]#1, %{{.*}}
// CHECK-NEXT: %[[SECOND:.*]]:2 = plan.launch @add_rms_norm(%[[FIRST]]#0, %[[PRODUCT]], %{{.*}}) sizes(%[[T]]) {{.*}} loc("layer 1")
// CHECK-NEXT: return %[[SECOND]]#0, %[[SECOND]]#1
func.func @shared(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}, %y: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>},
                  %scale: tensor<7xf32> {muster.layout = #muster.layout<[i]>}, %w: tensor<7x7xf32>)
    -> (tensor<?x7xf32>, tensor<?x7xf32>) attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %s = linalg.add ins(%x, %y : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32> loc("layer 0")
  %n = nn.rms_norm %s, %scale epsilon 1.0e-5 : tensor<?x7xf32>, tensor<7xf32> loc("layer 0")
  %p = plan.matmul %n, %w : tensor<?x7xf32>, tensor<7x7xf32> -> tensor<?x7xf32>
  %s1 = linalg.add ins(%s, %p : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32> loc("layer 1")
  %n1 = nn.rms_norm %s1, %scale epsilon 1.0e-5 : tensor<?x7xf32>, tensor<7xf32> loc("layer 1")
  return %s1, %n1 : tensor<?x7xf32>, tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Equal bodies on other shapes are other kernels.
// CHECK-DAG: plan.kernel @exp(%{{.*}}: tensor<3x7xf32>
// CHECK-DAG: plan.kernel @exp_0(%{{.*}}: tensor<5x7xf32>
// CHECK-LABEL: func.func @negative_other_shape
// CHECK-DAG: plan.launch @exp({{.*}} -> tensor<3x7xf32>
// CHECK-DAG: plan.launch @exp_0({{.*}} -> tensor<5x7xf32>
func.func @negative_other_shape(%x: tensor<3x7xf32>, %y: tensor<5x7xf32>) -> (tensor<3x7xf32>, tensor<5x7xf32>) {
  %e = tensor.empty() : tensor<3x7xf32>
  %a = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %f = tensor.empty() : tensor<5x7xf32>
  %b = linalg.exp ins(%y : tensor<5x7xf32>) outs(%f : tensor<5x7xf32>) -> tensor<5x7xf32>
  return %a, %b : tensor<3x7xf32>, tensor<5x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Rows of another count: the look-up has its own grid.
// CHECK-LABEL: func.func @negative_other_rows
// CHECK-DAG: %[[T:.*]] = plan.count "t"
// CHECK-DAG: %[[R:.*]] = plan.count "r"
// CHECK: %[[EXP:.*]] = plan.launch @exp(%{{.*}}) sizes(%[[T]])
// CHECK: plan.launch @gather_rows(%{{.*}}, %[[EXP]]) sizes(%[[R]], %[[T]])
func.func @negative_other_rows(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}, %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>})
    -> tensor<?x7xf32> attributes {muster.bounds = {t = 64 : i64, r = 8 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %n = linalg.exp ins(%x : tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  %p = nn.gather_rows %n[%rows] : tensor<?x7xf32>, tensor<?xi32> -> tensor<?x7xf32>
  return %p : tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// The first user is no kernel and stands in between.
// CHECK-LABEL: func.func @negative_product_between
// CHECK: %[[EXP:.*]] = plan.launch @exp
// CHECK-NOT: tensor.dim
// CHECK: %[[PRODUCT:.*]] = plan.matmul %[[EXP]]
// CHECK: plan.launch @add(%[[EXP]], %[[PRODUCT]])
func.func @negative_product_between(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}, %w: tensor<7x7xf32>)
    -> tensor<?x7xf32> attributes {muster.bounds = {t = 64 : i64, r = 8 : i64}} {
  %t = plan.count "t" bound 64
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %a = linalg.exp ins(%x : tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  %p = plan.matmul %a, %w : tensor<?x7xf32>, tensor<7x7xf32> -> tensor<?x7xf32>
  %b = linalg.add ins(%a, %p : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  return %b : tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// The consumer reads other rows than its own.
#t = affine_map<(i, j) -> (j, i)>
#d = affine_map<(i, j) -> (i, j)>
// CHECK-LABEL: func.func @negative_reads_other_rows
// CHECK: %[[EXP:.*]] = plan.launch @exp(
// CHECK: plan.launch @generic(%[[EXP]])
func.func @negative_reads_other_rows(%x: tensor<7x7xf32>)
    -> tensor<7x7xf32> {
  %e = tensor.empty() : tensor<7x7xf32>
  %a = linalg.exp ins(%x : tensor<7x7xf32>) outs(%e : tensor<7x7xf32>) -> tensor<7x7xf32>
  %b = linalg.generic {indexing_maps = [#t, #d, #d], iterator_types = ["parallel", "parallel"]} ins(%a, %a : tensor<7x7xf32>, tensor<7x7xf32>) outs(%e : tensor<7x7xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<7x7xf32>
  return %b : tensor<7x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// A product needs dense rows, so it reads a copy of its slice; a kernel reads the slice where it lies.
// CHECK: plan.kernel @copy(
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [%{{.*}}, 5] [1, 1]
// CHECK: plan.kernel @exp(
// CHECK: tensor.extract_slice %{{.*}}[0, 5] [%{{.*}}, 7] [1, 1]
// CHECK-LABEL: func.func @slices
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x12xf32>
// CHECK: %[[COPY:.*]] = plan.launch @copy(%[[X]])
// CHECK: plan.matmul %[[COPY]],
// CHECK: plan.launch @exp(%[[X]])
func.func @slices(%x: tensor<?x12xf32> {muster.layout = #muster.layout<[t, i]>}, %w: tensor<7x5xf32>)
    -> (tensor<?x7xf32>, tensor<?x7xf32>) attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %left = tensor.extract_slice %x[0, 0] [%t, 5] [1, 1] : tensor<?x12xf32> to tensor<?x5xf32>
  %right = tensor.extract_slice %x[0, 5] [%t, 7] [1, 1] : tensor<?x12xf32> to tensor<?x7xf32>
  %p = plan.matmul %left, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %a = linalg.exp ins(%right : tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  return %p, %a : tensor<?x7xf32>, tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
muster.state @k : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
muster.state @v : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
// Appends and attention are kernels by themselves, on states as operands. An append writes its state in place; both states share one kernel.
// Sizes are rows, then sequences; what the kernel derives (pages, query starts) has position -1.
// CHECK: plan.kernel @cache_append(%[[A:[^:]*]]: tensor<?x4x1x2xf32> {plan.sizes = array<i64: -1>}{{.*}} tensor<?x1x2xf32> {plan.sizes = array<i64: 0>}
// CHECK: plan.cache_append %[[A]],
// CHECK-NOT: plan.kernel @cache_append
// CHECK: plan.kernel @attention(
// CHECK-SAME: tensor<?x2xi32> {plan.sizes = array<i64: 1>}
// CHECK: plan.paged_attention
// CHECK-LABEL: func.func @region_ops
// CHECK-DAG: %[[T:.*]] = plan.count "t"
// CHECK-DAG: %[[S:.*]] = plan.count "s"
// CHECK: %[[K:.*]] = plan.state @k
// CHECK: plan.launch @cache_append(%[[K]], %{{.*}}) sizes(%[[T]]) writes [0]
// CHECK: %[[V:.*]] = plan.state @v
// CHECK: plan.launch @cache_append(%[[V]], %{{.*}}) sizes(%[[T]]) writes [0]
// CHECK-NOT: tensor.dim
// CHECK: plan.launch @attention({{.*}}) sizes(%[[T]], %[[S]]) :
func.func @region_ops(%rows: tensor<?x1x2xf32> {muster.layout = #muster.layout<[t, kv/tp, d]>},
                %positions: tensor<?xi32> {muster.layout = #muster.layout<[t]>},
                %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts]>},
                %table: tensor<?x2xi32> {muster.layout = #muster.layout<[s, pages]>},
                %slots: tensor<?xi32> {muster.layout = #muster.layout<[t]>})
    -> tensor<?x1x2xf32> attributes {muster.bounds = {t = 6 : i64, starts = 3 : i64, s = 2 : i64}} {
  nn.cache_append @k, %rows, %slots : tensor<?x1x2xf32>, tensor<?xi32>
  nn.cache_append @v, %rows, %slots : tensor<?x1x2xf32>, tensor<?xi32>
  %a = nn.attention %rows keys @k values @v positions %positions starts %starts blocks %table heads 2 kv_heads 2 scale 1.0
      : tensor<?x1x2xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x2xi32>
  return %a : tensor<?x1x2xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
muster.state @k : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
// Kernels that read slices of one tensor are one launch, and so is the copy of a slice for somebody who needs it dense.
// CHECK: plan.kernel @copy_exp_tanh(
// CHECK-SAME: -> (tensor<?x1x2xf32> {plan.sizes = array<i64: 0>}, tensor<?x5xf32> {plan.sizes = array<i64: 0>}, tensor<?x5xf32> {plan.sizes = array<i64: 0>})
// CHECK-LABEL: func.func @siblings
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x12xf32>
// CHECK: %[[P:.*]] = plan.matmul %[[X]]
// CHECK-NEXT: %[[ALL:.*]]:3 = plan.launch @copy_exp_tanh(%[[P]])
// CHECK: plan.launch @cache_append(%{{.*}}, %[[ALL]]#0,
// CHECK: return %[[ALL]]#1, %[[ALL]]#2
func.func @siblings(%x: tensor<?x12xf32> {muster.layout = #muster.layout<[t, i]>}, %slots: tensor<?xi32> {muster.layout = #muster.layout<[t]>},
                    %w: tensor<12x12xf32>)
    -> (tensor<?x5xf32>, tensor<?x5xf32>) attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %p = plan.matmul %x, %w : tensor<?x12xf32>, tensor<12x12xf32> -> tensor<?x12xf32>
  %q = tensor.extract_slice %p[0, 0] [%t, 5] [1, 1] : tensor<?x12xf32> to tensor<?x5xf32>
  %k = tensor.extract_slice %p[0, 5] [%t, 5] [1, 1] : tensor<?x12xf32> to tensor<?x5xf32>
  %v = tensor.extract_slice %p[0, 10] [%t, 2] [1, 1] : tensor<?x12xf32> to tensor<?x2xf32>
  %heads = tensor.expand_shape %v [[0], [1, 2]] output_shape [%t, 1, 2] : tensor<?x2xf32> into tensor<?x1x2xf32>
  %e = tensor.empty(%t) : tensor<?x5xf32>
  %a = linalg.exp ins(%q : tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) -> tensor<?x5xf32>
  %b = linalg.tanh ins(%k : tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) -> tensor<?x5xf32>
  nn.cache_append @k, %heads, %slots : tensor<?x1x2xf32>, tensor<?xi32>
  return %a, %b : tensor<?x5xf32>, tensor<?x5xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// The second reader waits for the first one's result by way of a product.
// CHECK-LABEL: func.func @negative_sibling_waits
// CHECK: %[[EXP:.*]] = plan.launch @exp(%[[P:.*]]) sizes
// CHECK: %[[Q:.*]] = plan.matmul %[[EXP]]
// CHECK: plan.launch @add(%[[P]], %[[Q]])
func.func @negative_sibling_waits(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}, %w: tensor<7x7xf32>)
    -> tensor<?x7xf32> attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %p = plan.matmul %x, %w : tensor<?x7xf32>, tensor<7x7xf32> -> tensor<?x7xf32>
  %e = tensor.empty(%t) : tensor<?x7xf32>
  %a = linalg.exp ins(%p : tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  %q = plan.matmul %a, %w : tensor<?x7xf32>, tensor<7x7xf32> -> tensor<?x7xf32>
  %b = linalg.add ins(%p, %q : tensor<?x7xf32>, tensor<?x7xf32>) outs(%e : tensor<?x7xf32>) -> tensor<?x7xf32>
  return %b : tensor<?x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Readers of one tensor that walk other rows stay apart.
// CHECK-LABEL: func.func @negative_sibling_rows
// CHECK-DAG: plan.launch @exp(
// CHECK-DAG: plan.launch @tanh(
func.func @negative_sibling_rows(%x: tensor<6x7xf32>, %w: tensor<7x7xf32>) -> (tensor<6x7xf32>, tensor<3x7xf32>) {
  %p = plan.matmul %x, %w : tensor<6x7xf32>, tensor<7x7xf32> -> tensor<6x7xf32>
  %half = tensor.extract_slice %p[0, 0] [3, 7] [1, 1] : tensor<6x7xf32> to tensor<3x7xf32>
  %e = tensor.empty() : tensor<6x7xf32>
  %f = tensor.empty() : tensor<3x7xf32>
  %a = linalg.exp ins(%p : tensor<6x7xf32>) outs(%e : tensor<6x7xf32>) -> tensor<6x7xf32>
  %b = linalg.tanh ins(%half : tensor<3x7xf32>) outs(%f : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %a, %b : tensor<6x7xf32>, tensor<3x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @negative_scalar_operand(%x: tensor<5xf32>, %y: tensor<5xf32>) -> tensor<5xf32> {
  %c0 = arith.constant 0 : index
  %v = tensor.extract %x[%c0] : tensor<5xf32>
  %e = tensor.empty() : tensor<5xf32>
  // expected-error @+1 {{E4005 unsupported scalar operand of type 'f32' in a kernel}}
  %d = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%y : tensor<5xf32>) outs(%e : tensor<5xf32>) {
  ^bb0(%p: f32, %o: f32):
    %s = arith.addf %p, %v : f32
    linalg.yield %s : f32
  } -> tensor<5xf32>
  return %d : tensor<5xf32>
}
