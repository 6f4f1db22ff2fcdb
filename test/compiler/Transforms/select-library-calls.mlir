// RUN: muster-opt %s --muster-select-library-calls | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: muster-opt %s --muster-select-library-calls=pack-weights=true | FileCheck %s --check-prefixes=CHECK,PACKED

muster.mesh @mesh <["tp" = 2]>
// Only what a product reads is packed.
// PLAIN: muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]>{{$}}
// PACKED: muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]> packing "n64k16"
// CHECK: muster.weight @table : tensor<11x5xf32> layout <[v, i]>{{$}}
muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]>
muster.weight @table : tensor<11x5xf32> layout <[v, i]>

// CHECK-LABEL: func.func @weight
// CHECK: %[[W:.*]] = muster.load @w
// CHECK: plan.matmul %{{.*}}, %[[W]] : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
// CHECK-NOT: nn.matmul
// CHECK: return
func.func @weight(%rows: tensor<?xi32>) -> tensor<?x7xf32> {
  %table = muster.load @table : tensor<11x5xf32>
  %x = nn.gather_rows %table[%rows] : tensor<11x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  %w = muster.load @w : tensor<7x5xf32>
  %y = nn.matmul %x, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  return %y : tensor<?x7xf32>
}

// The library reads weights only.
// CHECK-LABEL: func.func @negative_no_weight
// CHECK: nn.matmul %{{.*}}, %{{.*}} : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
func.func @negative_no_weight(%x: tensor<3x5xf32>, %w: tensor<7x5xf32>) -> tensor<3x7xf32> {
  %y = nn.matmul %x, %w : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
  return %y : tensor<3x7xf32>
}

// What nothing reads behind the product is added to where it lies: by the op of that name or written out, on either side.
// CHECK-LABEL: func.func @accumulate
// CHECK: %[[R:.*]] = linalg.exp
// CHECK: %[[NORM:.*]] = nn.rms_norm %[[R]]
// CHECK: %[[FIRST:.*]] = plan.matmul %[[NORM]], %{{.*}} accumulate %[[R]] :
// CHECK-NOT: linalg
// CHECK: %[[SECOND:.*]] = plan.matmul %{{.*}}, %{{.*}} accumulate %[[FIRST]] :
// CHECK-NOT: linalg
// CHECK: return %[[SECOND]]
#d = affine_map<(t, o) -> (t, o)>
muster.weight @square : tensor<7x7xf32> layout <[o, i]>
func.func @accumulate(%x: tensor<3x7xf32>, %scale: tensor<7xf32>) -> tensor<3x7xf32> {
  %e = tensor.empty() : tensor<3x7xf32>
  %r = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %n = nn.rms_norm %r, %scale epsilon 1.0e-5 : tensor<3x7xf32>, tensor<7xf32>
  %w = muster.load @square : tensor<7x7xf32>
  %p = nn.matmul %n, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %s = linalg.add ins(%r, %p : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %q = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %u = linalg.generic {indexing_maps = [#d, #d, #d], iterator_types = ["parallel", "parallel"]}
      ins(%q, %s : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %v = arith.addf %a, %b : f32
    linalg.yield %v : f32
  } -> tensor<3x7xf32>
  return %u : tensor<3x7xf32>
}

// A factor cannot be overwritten by its own product.
// CHECK-LABEL: func.func @negative_factor
// CHECK: plan.matmul %{{.*}}, %{{.*}} : tensor
// CHECK: linalg.add
func.func @negative_factor(%x: tensor<3x7xf32>) -> tensor<3x7xf32> {
  %e = tensor.empty() : tensor<3x7xf32>
  %r = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %w = muster.load @square : tensor<7x7xf32>
  %p = nn.matmul %r, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %s = linalg.add ins(%r, %p : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %s : tensor<3x7xf32>
}

// Somebody reads it later: here through a reshape.
// CHECK-LABEL: func.func @negative_read_later
// CHECK: plan.matmul %{{.*}}, %{{.*}} : tensor
// CHECK: linalg.add
func.func @negative_read_later(%x: tensor<3x7xf32>) -> (tensor<3x7xf32>, tensor<21xf32>) {
  %e = tensor.empty() : tensor<3x7xf32>
  %r = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %c = tensor.collapse_shape %r [[0, 1]] : tensor<3x7xf32> into tensor<21xf32>
  %w = muster.load @square : tensor<7x7xf32>
  %p = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %s = linalg.add ins(%r, %p : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %s, %c : tensor<3x7xf32>, tensor<21xf32>
}

// An argument is the caller's, a product with two users is wanted by itself, what is made later is not there yet, and a difference is no sum.
// CHECK-LABEL: func.func @negative_others
// CHECK-NOT: accumulate
// CHECK: return
func.func @negative_others(%x: tensor<3x7xf32>) -> (tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>) {
  %e = tensor.empty() : tensor<3x7xf32>
  %w = muster.load @square : tensor<7x7xf32>
  %a = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %argument = linalg.add ins(%x, %a : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %r = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %b = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %twice = linalg.add ins(%r, %b : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %c = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %late = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %later = linalg.add ins(%late, %c : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %t = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %d = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %difference = linalg.sub ins(%t, %d : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %argument, %twice, %b, %later, %difference : tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>, tensor<3x7xf32>
}

// A collective stands in between: each rank's product is a part of the sum, and the residual would be added once for each rank.
// CHECK-LABEL: func.func @negative_partial
// CHECK: %[[PART:.*]] = plan.matmul %{{.*}}, %{{.*}} : tensor
// CHECK: %[[WHOLE:.*]] = plan.transfer "all_reduce" %[[PART]]
// CHECK: linalg.add ins(%{{.*}}, %[[WHOLE]]
#box = affine_map<(d0, d1) -> (3, 7)>
#zero = affine_map<(d0, d1) -> (0)>
#rows = affine_map<(d0, d1) -> (7, 1)>
func.func @negative_partial(%x: tensor<3x7xf32>) -> tensor<3x7xf32> {
  %e = tensor.empty() : tensor<3x7xf32>
  %r = linalg.exp ins(%x : tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  %w = muster.load @square : tensor<7x7xf32>
  %p = nn.matmul %x, %w : tensor<3x7xf32>, tensor<7x7xf32> -> tensor<3x7xf32>
  %q = plan.transfer "all_reduce" %p on ["tp"] reduce <sum> sizes() result_sizes() box #box from #zero #rows to #zero #rows
      : tensor<3x7xf32> -> tensor<3x7xf32>
  %s = linalg.add ins(%r, %q : tensor<3x7xf32>, tensor<3x7xf32>) outs(%e : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %s : tensor<3x7xf32>
}
