// RUN: muster-opt %s --muster-lower-nn --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["tp" = 2]>

// Squares of a row are summed, the factor is one of a row, and each element is scaled.
// CHECK-LABEL: func.func @rms_norm
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x7xf32>
// CHECK-SAME: %[[SCALE:[^:]*]]: tensor<7xf32>
// CHECK: %[[T:.*]] = plan.count "t"
// CHECK: %[[SUMS:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<?x7xf32>)
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: %[[FACTORS:.*]] = linalg.generic {{.*}} iterator_types = ["parallel"]} ins(%[[SUMS]] : tensor<?xf32>)
// CHECK: arith.divf %{{.*}}, %{{.*}}
// CHECK: arith.constant 9.99999974E-6 : f32
// CHECK: math.sqrt
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[FACTORS]], %[[SCALE]] : tensor<?x7xf32>, tensor<?xf32>, tensor<7xf32>)
// CHECK: return %[[Y]]
func.func @rms_norm(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}, %scale: tensor<7xf32>) -> tensor<?x7xf32>
    attributes {muster.bounds = {t = 64 : i64}} {
  %y = nn.rms_norm %x, %scale epsilon 1.0e-5 : tensor<?x7xf32>, tensor<7xf32>
  return %y : tensor<?x7xf32>
}

// Heads are reshapes.
// CHECK-LABEL: func.func @heads
// CHECK: %[[SPLIT:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [%{{.*}}, 3, 5] : tensor<?x15xf32> into tensor<?x3x5xf32>
// CHECK: tensor.collapse_shape %[[SPLIT]] {{\[\[}}0], [1, 2]] : tensor<?x3x5xf32> into tensor<?x15xf32>
func.func @heads(%x: tensor<?x15xf32> {muster.layout = #muster.layout<[t, (h/tp d)]>}) -> tensor<?x15xf32> attributes {muster.bounds = {t = 64 : i64}} {
  %s = nn.split_heads %x heads 6 head_dim 5 : tensor<?x15xf32> -> tensor<?x3x5xf32>
  %m = nn.merge_heads %s heads 6 head_dim 5 : tensor<?x3x5xf32> -> tensor<?x15xf32>
  return %m : tensor<?x15xf32>
}

// The halves of a head are a dim of their own; each element reads its partner in the other half.
// CHECK-LABEL: func.func @rope
// CHECK: %[[HALVES:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1], [2, 3]] output_shape [%{{.*}}, 3, 2, 2] : tensor<?x3x4xf32> into tensor<?x3x2x2xf32>
// CHECK: %[[ROTATED:.*]] = linalg.generic
// CHECK: tensor.extract %[[HALVES]]
// CHECK: tensor.collapse_shape %[[ROTATED]] {{\[\[}}0], [1], [2, 3]]
func.func @rope(%x: tensor<?x3x4xf32> {muster.layout = #muster.layout<[t, h, d]>}, %cos: tensor<32x2xf32>, %sin: tensor<32x2xf32>,
                %positions: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) -> tensor<?x3x4xf32> attributes {muster.bounds = {t = 64 : i64}} {
  %y = nn.rope %x, %cos, %sin, %positions : tensor<?x3x4xf32>, tensor<32x2xf32>, tensor<?xi32>
  return %y : tensor<?x3x4xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// A table that is packed is read where it lies; with `first`, rows outside the own part are zeros. The coordinate is data that each rank has.
muster.weight @table : tensor<22x5xf32> layout <[v/tp, i]> packing "n64k16"
// CHECK: muster.weight @coordinate.tp : tensor<2xf32> layout <[position/tp]> {muster.generator = "coordinate"}
// CHECK-LABEL: func.func @gather_rows
// CHECK: %[[TABLE:.*]] = muster.load @table
// CHECK: %[[PACKED:.*]] = plan.packed_view %[[TABLE]] : tensor<11x5xf32> -> tensor<1x1x16x64xf32>
// CHECK: %[[COORDINATE:.*]] = muster.load @coordinate.tp : tensor<1xf32>
// CHECK: linalg.generic
// CHECK: tensor.extract %[[COORDINATE]]
// CHECK: tensor.extract %[[PACKED]]
// CHECK: arith.select
func.func @gather_rows(%rows: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) -> tensor<?x5xf32> attributes {muster.bounds = {t = 64 : i64}} {
  %c11 = arith.constant 11 : index
  %at = muster.coordinate "tp"
  %first = arith.muli %at, %c11 : index
  %table = muster.load @table : tensor<11x5xf32>
  %y = nn.gather_rows %table[%rows] first %first : tensor<11x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
// Products that no library computes are sums over zeros.
// CHECK-LABEL: func.func @matmul
// CHECK-SAME: (%[[X:[^:]*]]: tensor<3x5xf32>, %[[W:[^:]*]]: tensor<7x5xf32>)
// CHECK: %[[ZEROS:.*]] = linalg.fill
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[W]] : tensor<3x5xf32>, tensor<7x5xf32>) outs(%[[ZEROS]] : tensor<3x7xf32>)
func.func @matmul(%x: tensor<3x5xf32>, %w: tensor<7x5xf32>) -> tensor<3x7xf32> {
  %y = nn.matmul %x, %w : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
  return %y : tensor<3x7xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @negative_narrow_sums(%x: tensor<3x7xbf16>, %scale: tensor<7xbf16>) -> tensor<3x7xbf16> {
  // expected-error @+1 {{E4006 unsupported element type 'bf16': expected f32 or wider}}
  %y = nn.rms_norm %x, %scale epsilon 1.0e-5 : tensor<3x7xbf16>, tensor<7xbf16>
  return %y : tensor<3x7xbf16>
}

// -----
muster.mesh @mesh <["tp" = 2]>
muster.weight @table : tensor<22x5xf32> layout <[v/tp, i]>
func.func @negative_first_row_from_an_element(%rows: tensor<3xi32>, %firsts: tensor<2xindex>) -> tensor<3x5xf32> {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{E4003 unsupported size: expected arithmetic on dims and counts but got 'tensor.extract'}}
  %first = tensor.extract %firsts[%c0] : tensor<2xindex>
  %table = muster.load @table : tensor<11x5xf32>
  %y = nn.gather_rows %table[%rows] first %first : tensor<11x5xf32>, tensor<3xi32> -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}
