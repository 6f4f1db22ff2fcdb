// Every operation prints what it was parsed from.
// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s

muster.mesh @mesh <["tp" = 2]>
muster.weight @w : tensor<130x17xf32> layout <[o/tp, i]> packing "n64k16"
muster.state @k : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>

// CHECK: plan.kernel @double(%{{.*}}: tensor<?x7xf32> {plan.sizes = array<i64: 0>}, %{{.*}}: index) -> (tensor<?x7xf32> {plan.sizes = array<i64: 0>}) {
plan.kernel @double(%x: tensor<?x7xf32> {plan.sizes = array<i64: 0>}, %t: index) -> (tensor<?x7xf32> {plan.sizes = array<i64: 0>}) {
  // CHECK: plan.return %{{.*}} : tensor<?x7xf32>
  plan.return %x : tensor<?x7xf32>
}
plan.kernel @append(%s: tensor<?x4x1x2xf32>, %r: tensor<?x1x2xf32>, %i: tensor<?xi32>, %t: index) {
  // CHECK: plan.cache_append %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>
  plan.cache_append %s, %r, %i : tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>
  // CHECK: plan.return
  plan.return
}

// CHECK-LABEL: func.func @on_tensors
func.func @on_tensors(%x: tensor<?x17xf32>, %rows: tensor<?x1x2xf32>, %slots: tensor<?xi32>) {
  // CHECK: %[[T:.*]] = plan.count "t" bound 64
  %t = plan.count "t" bound 64
  // CHECK: %[[W:.*]] = muster.load @w
  %w = muster.load @w : tensor<65x17xf32>
  // CHECK: plan.packed_view %[[W]] : tensor<65x17xf32> -> tensor<2x2x16x64xf32>
  %packed = plan.packed_view %w : tensor<65x17xf32> -> tensor<2x2x16x64xf32>
  // CHECK: %[[P:.*]] = plan.matmul %{{.*}}, %[[W]] : tensor<?x17xf32>, tensor<65x17xf32> -> tensor<?x65xf32>
  %p = plan.matmul %x, %w : tensor<?x17xf32>, tensor<65x17xf32> -> tensor<?x65xf32>
  // CHECK: plan.matmul %{{.*}}, %[[W]] accumulate %[[P]] : tensor<?x65xf32> : tensor<?x17xf32>
  %q = plan.matmul %x, %w accumulate %p : tensor<?x65xf32> : tensor<?x17xf32>, tensor<65x17xf32> -> tensor<?x65xf32>
  // CHECK: plan.transfer "permute" %{{.*}} on ["tp"] sizes(%[[T]]) result_sizes(%[[T]]) box #{{.*}} from #{{.*}} #{{.*}} to #{{.*}} #{{.*}} sources [1, -1] : tensor<?x65xf32> -> tensor<?x65xf32>
  %r = plan.transfer "permute" %q on ["tp"] sizes(%t) result_sizes(%t) box affine_map<(a, b)[n] -> (n, 65)> from affine_map<(a, b)[n] -> (0)>
      affine_map<(a, b)[n] -> (65, 1)> to affine_map<(a, b)[n] -> (0)> affine_map<(a, b)[n] -> (65, 1)> sources [1, -1]
      : tensor<?x65xf32> -> tensor<?x65xf32>
  // CHECK: %[[K:.*]] = plan.state @k : tensor<?x4x1x2xf32>
  %k = plan.state @k : tensor<?x4x1x2xf32>
  // CHECK: plan.launch @append(%[[K]], %{{.*}}, %{{.*}}) sizes(%[[T]]) writes [0] : (tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>) -> ()
  plan.launch @append(%k, %rows, %slots) sizes(%t) writes [0] : (tensor<?x4x1x2xf32>, tensor<?x1x2xf32>, tensor<?xi32>) -> ()
  return
}

// CHECK-LABEL: func.func @of_unequal_parts
func.func @of_unequal_parts(%x: tensor<?x5xf32>) -> tensor<?x5xf32> {
  // CHECK: %[[C:.*]] = plan.record "t" on ["tp"] bound 8 : <[tp], tokens, @step>
  %c = plan.record "t" on ["tp"] bound 8 : !muster.counts<[tp], tokens, @step>
  // CHECK: plan.record "r" on ["tp"] bound 8 total 12 : <[tp], rows, @step>
  %r = plan.record "r" on ["tp"] bound 8 total 12 : !muster.counts<[tp], rows, @step>
  %total = muster.total %c : !muster.counts<[tp], tokens, @step>
  // CHECK: %[[O:.*]] = muster.offsets %[[C]]
  %o = muster.offsets %c : !muster.counts<[tp], tokens, @step> -> !muster.offsets<[tp], tokens, @step>
  // CHECK: plan.transfer "all_gather" %{{.*}} on ["tp"] sizes() result_sizes(%{{.*}}) counts(%[[C]], %[[O]] : !muster.counts<[tp], tokens, @step>, !muster.offsets<[tp], tokens, @step>) box
  %y = plan.transfer "all_gather" %x on ["tp"] sizes() result_sizes(%total)
      counts(%c, %o : !muster.counts<[tp], tokens, @step>, !muster.offsets<[tp], tokens, @step>)
      box affine_map<(d0, d1, d2, d3, d4, d5) -> (d3, 5)>
      from affine_map<(d0, d1, d2, d3, d4, d5) -> (0)> affine_map<(d0, d1, d2, d3, d4, d5) -> (5, 1)>
      to affine_map<(d0, d1, d2, d3, d4, d5) -> (d5 * 5)> affine_map<(d0, d1, d2, d3, d4, d5) -> (5, 1)>
      : tensor<?x5xf32> -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// CHECK-LABEL: plan.entry @on_spans inputs [] results []
plan.entry @on_spans inputs [] results [] {
  %t = plan.count "t" bound 64
  // CHECK: plan.variant "t5" bounds {t = 5 : i64} arena 4096 {
  plan.variant "t5" bounds {t = 5 : i64} arena 4096 {
    // CHECK: %[[X:.*]] = plan.span(%{{.*}}) offset 128 role "input" 0 : <tensor<?x17xf32>>
    %x = plan.span(%t) offset 128 role "input" 0 : !plan.span<tensor<?x17xf32>>
    // CHECK: %[[Y:.*]] = plan.span(%{{.*}}) : <tensor<?x65xf32>>
    %y = plan.span(%t) : !plan.span<tensor<?x65xf32>>
    // CHECK: %[[W:.*]] = plan.weight_span @w : <tensor<65x17xf32>>
    %w = plan.weight_span @w : !plan.span<tensor<65x17xf32>>
    // CHECK: plan.state_span @k : <tensor<?x4x1x2xf32>>
    %k = plan.state_span @k : !plan.span<tensor<?x4x1x2xf32>>
    // CHECK: plan.matmul_step %[[X]], %[[W]] -> %[[Y]] rows %{{.*}} accumulate waits [] :
    plan.matmul_step %x, %w -> %y rows %t accumulate waits [] : !plan.span<tensor<?x17xf32>>, !plan.span<tensor<65x17xf32>> -> !plan.span<tensor<?x65xf32>>
    // CHECK: plan.launch_step @double(%[[Y]]) sizes(%{{.*}}) writes [0] waits [0] acknowledgements [0] :
    plan.launch_step @double(%y) sizes(%t) writes [0] waits [0] acknowledgements [0] : !plan.span<tensor<?x65xf32>>
    // CHECK: plan.transfer_step "all_reduce" %[[Y]] -> %[[Y]] on ["tp"] reduce <max> sizes(%{{.*}}) box {{.*}} waits [1] stream 1 :
    plan.transfer_step "all_reduce" %y -> %y on ["tp"] reduce <max> sizes(%t) box affine_map<(a, b)[n] -> (n)> from affine_map<(a, b)[n] -> (0)>
        affine_map<(a, b)[n] -> (65)> to affine_map<(a, b)[n] -> (0)> affine_map<(a, b)[n] -> (65)>
        waits [1] stream 1 : !plan.span<tensor<?x65xf32>> -> !plan.span<tensor<?x65xf32>>
  }
}

// CHECK-LABEL: plan.entry @of_parts
plan.entry @of_parts inputs [] results [] {
  // CHECK: %[[C:.*]] = plan.record "t"
  %c = plan.record "t" on ["tp"] bound 8 : !muster.counts<[tp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[tp], tokens, @step>
  plan.variant "all" bounds {} arena 4096 {
    %x = plan.span(%own) : !plan.span<tensor<?xf32>>
    %y = plan.span(%own) : !plan.span<tensor<?xf32>>
    // CHECK: plan.transfer_step "slice" %{{.*}} -> %{{.*}} on [] sizes() counts(%[[C]] : !muster.counts<[tp], tokens, @step>) box
    plan.transfer_step "slice" %x -> %y on [] sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b, c, d) -> (c)>
        from affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)> to affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)>
        : !plan.span<tensor<?xf32>> -> !plan.span<tensor<?xf32>>
  }
}

// CHECK-LABEL: func.func @exchanged_rows
func.func @exchanged_rows(%x: tensor<8x3xf32>, %s: tensor<2x4xi64>) -> tensor<16x3xf32> {
  // CHECK: plan.exchange_rows %{{.*}} send %{{.*}} on ["tp"] : tensor<8x3xf32>, tensor<2x4xi64> -> tensor<16x3xf32>
  %y = plan.exchange_rows %x send %s on ["tp"] : tensor<8x3xf32>, tensor<2x4xi64> -> tensor<16x3xf32>
  return %y : tensor<16x3xf32>
}

// CHECK-LABEL: plan.entry @exchange
plan.entry @exchange inputs [] results [] {
  plan.variant "all" bounds {} arena 4096 {
    %x = plan.span() : !plan.span<tensor<8x3xf32>>
    %s = plan.span() : !plan.span<tensor<2xi32>>
    %y = plan.span() : !plan.span<tensor<16x3xf32>>
    // CHECK: plan.exchange_rows_step %{{.*}} send %{{.*}} -> %{{.*}} on ["tp"] waits [0] acknowledgements [1] :
    plan.exchange_rows_step %x send %s -> %y on ["tp"] waits [0] acknowledgements [1]
        : !plan.span<tensor<8x3xf32>>, !plan.span<tensor<2xi32>> -> !plan.span<tensor<16x3xf32>>
  }
}
