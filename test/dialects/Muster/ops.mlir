// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s

// CHECK: muster.mesh @node <["dp" = 2, "tp" = 3]>
muster.mesh @node <["dp" = 2, "tp" = 3]>

// CHECK: muster.weight @q : tensor<576x576xf32> layout <[o/tp, i]>
muster.weight @q : tensor<576x576xf32> layout <[o/tp, i]>
// CHECK: muster.weight @qkv : tensor<15x7xf32> layout <[{q:9/tp | k:3/tp | v:3/tp}, i]> {muster.sources = ["q", "k", "v"]}
muster.weight @qkv : tensor<15x7xf32> layout <[{q:9/tp | k:3/tp | v:3/tp}, i]> {muster.sources = ["q", "k", "v"]}
// CHECK: muster.weight @cos : tensor<5x7xf32> layout <[p, e]> {muster.generator = "rope_cos"}
muster.weight @cos : tensor<5x7xf32> layout <[p, e]> {muster.generator = "rope_cos"}
// CHECK: muster.state @k : tensor<?x16x3x64xf32> layout <[page, slot, kv/tp, d]>
muster.state @k : tensor<?x16x3x64xf32> layout <[page, slot, kv/tp, d]>

// CHECK-LABEL: func.func @collectives
// CHECK-SAME: {muster.layout = #muster.layout<[t/(dp,tp), o]>}
func.func @collectives(%x: tensor<2x6xf32> {muster.layout = #muster.layout<[t/(dp,tp), o]>}) {
  // CHECK: muster.load @q : tensor<192x576xf32>
  %w = muster.load @q : tensor<192x576xf32>
  // CHECK: muster.load @qkv : tensor<5x7xf32>
  %packed = muster.load @qkv : tensor<5x7xf32>
  // CHECK: muster.all_gather %{{.*}} on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x18xf32>
  %0 = muster.all_gather %x on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x18xf32>
  // CHECK: muster.all_gather %{{.*}} on ["dp", "tp"] dim 0 : tensor<2x6xf32> -> tensor<12x6xf32>
  %1 = muster.all_gather %x on ["dp", "tp"] dim 0 : tensor<2x6xf32> -> tensor<12x6xf32>
  // CHECK: muster.reduce_scatter %{{.*}} sum on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x2xf32>
  %2 = muster.reduce_scatter %x sum on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x2xf32>
  // CHECK: muster.all_reduce %{{.*}} max on "tp" : tensor<2x6xf32>
  %3 = muster.all_reduce %x max on "tp" : tensor<2x6xf32>
  // CHECK: muster.all_to_all %{{.*}} on "tp" split 1 concat 0 : tensor<2x6xf32> -> tensor<6x2xf32>
  %4 = muster.all_to_all %x on "tp" split 1 concat 0 : tensor<2x6xf32> -> tensor<6x2xf32>
  // CHECK: muster.exchange %{{.*}} on "dp" : tensor<2x6xf32>
  %5 = muster.exchange %x on "dp" : tensor<2x6xf32>
  // CHECK: muster.slice %{{.*}} on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x2xf32>
  %6 = muster.slice %x on "tp" dim 1 : tensor<2x6xf32> -> tensor<2x2xf32>
  // CHECK: muster.broadcast %{{.*}} from 1 on "dp" : tensor<2x6xf32>
  %7 = muster.broadcast %x from 1 on "dp" : tensor<2x6xf32>
  // CHECK: muster.permute %{{.*}} sources [1, 2, 0] on "tp" : tensor<2x6xf32>
  %8 = muster.permute %x sources [1, 2, 0] on "tp" : tensor<2x6xf32>
  // CHECK: muster.redistribute %{{.*}} from <[t, o], partial(sum: tp)> to <[t, o/tp]> : tensor<2x6xf32> -> tensor<2x2xf32>
  %9 = muster.redistribute %x from <[t, o], partial(sum: tp)> to <[t, o/tp]> : tensor<2x6xf32> -> tensor<2x2xf32>
  // CHECK: muster.assert_layout %{{.*}} : tensor<2x6xf32> layout <[t/(dp,tp), o]>
  %10 = muster.assert_layout %x : tensor<2x6xf32> layout <[t/(dp,tp), o]>
  // CHECK: muster.coordinate "tp"
  %11 = muster.coordinate "tp"
  // CHECK: muster.size <h/tp>
  %12 = muster.size <h/tp>
  // CHECK: muster.local_count %{{.*}} : <[], tokens, @step>
  %13 = muster.local_count %12 : !muster.counts<[], tokens, @step>
  // CHECK: muster.exchange_counts %{{.*}} : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %14 = muster.exchange_counts %13 : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // CHECK: muster.total %{{.*}} : <[dp], tokens, @step>
  %15 = muster.total %14 : !muster.counts<[dp], tokens, @step>
  return
}

// CHECK-LABEL: func.func private @layouts
// CHECK-SAME: <[b, s/sp_0 zigzag, (h/tp d)]>
// CHECK-SAME: <[any(h)/tp, t/dp : tokens @step, kv/tp2[1:2]]>
// CHECK-SAME: <[{q:6 | k:2 | v:2}], partial(max: tp)>
func.func private @layouts() attributes {
  a = #muster.layout<[b, s/sp_0 zigzag, (h/tp d)]>,
  b = #muster.layout<[any(h)/tp, t/dp : tokens @step, kv/tp2[1:2]]>,
  c = #muster.layout<[{q:6 | k:2 | v:2}], partial(max: tp)>,
  muster.facts = #muster.facts<[sp|s, sp|h]>
}
