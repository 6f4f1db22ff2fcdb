// RUN: muster-opt %s --muster-interpret='entry=collectives print=ranks' -o /dev/null | FileCheck %s --check-prefix=RANKS
// RUN: muster-opt %s --muster-interpret='entry=sharded print=both inputs=%S/Inputs/sharded.json' -o /dev/null | FileCheck %s --check-prefix=BOTH
// RUN: muster-opt %s --muster-interpret='entry=loop' -o /dev/null | FileCheck %s --check-prefix=LOOP
// RUN: muster-opt %s --muster-interpret='entry=rounded' -o /dev/null | FileCheck %s --check-prefix=ROUNDED
// RUN: muster-opt %s --muster-interpret='entry=rounded float64=true' -o /dev/null | FileCheck %s --check-prefix=EXACT
// RUN: muster-opt %s --muster-interpret='entry=unwritten' -o /dev/null | FileCheck %s --check-prefix=UNWRITTEN

muster.mesh @node <["dp" = 2, "tp" = 3]>
muster.weight @w : tensor<3x2xf32> layout <[o/tp, i]>

// Every collective on the ranks' numbers 10 * dp + tp, in two elements each.
func.func @collectives() -> (tensor<6xf32>, tensor<12xf32>, tensor<2xf32>, tensor<1xf32>, tensor<6xf32>, tensor<6xf32>, tensor<2xf32>, tensor<2xf32>) {
  %dp = muster.coordinate "dp"
  %tp = muster.coordinate "tp"
  %ten = arith.constant 10 : index
  %scaled = arith.muli %dp, %ten : index
  %number = arith.addi %scaled, %tp : index
  %integer = arith.index_cast %number : index to i64
  %value = arith.sitofp %integer : i64 to f32
  %half = arith.constant 0.5 : f32
  %other = arith.addf %value, %half : f32
  %x = tensor.from_elements %value, %other : tensor<2xf32>
  // The group is the three ranks of one dp.
  // RANKS: result 0 on rank 0: 6xf32 [0, 0.5, 1, 1.5, 2, 2.5]
  // RANKS: result 0 on rank 4: 6xf32 [10, 10.5, 11, 11.5, 12, 12.5]
  %gathered = muster.all_gather %x on "tp" dim 0 : tensor<2xf32> -> tensor<6xf32>
  // The order of the axes is the order of positions: tp outer, dp inner.
  // RANKS: result 1 on rank 3: 12xf32 [0, 0.5, 10, 10.5, 1, 1.5, 11, 11.5, 2, 2.5, 12, 12.5]
  %all = muster.all_gather %x on ["tp", "dp"] dim 0 : tensor<2xf32> -> tensor<12xf32>
  // RANKS: result 2 on rank 0: 2xf32 [3, 4.5]
  // RANKS: result 2 on rank 5: 2xf32 [33, 34.5]
  %sum = muster.all_reduce %x sum on "tp" : tensor<2xf32>
  // RANKS: result 3 on rank 1: 1xf32 [11]
  // RANKS: result 3 on rank 4: 1xf32 [11.5]
  %scattered = muster.reduce_scatter %x max on "dp" dim 0 : tensor<2xf32> -> tensor<1xf32>
  // RANKS: result 4 on rank 1: 6xf32 [0.5, 0.5, 1.5, 1.5, 2.5, 2.5]
  %pieces = tensor.from_elements %value, %value, %other, %other, %half, %half : tensor<6xf32>
  %exchanged = muster.exchange %pieces on "tp" : tensor<6xf32>
  // RANKS: result 5 on rank 2: 6xf32 [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
  %moved = muster.all_to_all %pieces on "tp" split 0 concat 0 : tensor<6xf32> -> tensor<6xf32>
  // RANKS: result 6 on rank 0: 2xf32 [2, 2.5]
  // RANKS: result 6 on rank 2: 2xf32 [2, 2.5]
  %broadcast = muster.broadcast %x from 2 on "tp" : tensor<2xf32>
  // RANKS: result 7 on rank 3: 2xf32 [12, 12.5]
  // RANKS: result 7 on rank 4: 2xf32 [0, 0]
  // RANKS: result 7 on rank 5: 2xf32 [10, 10.5]
  %permuted = muster.permute %x sources [2, -1, 0] on "tp" : tensor<2xf32>
  return %gathered, %all, %sum, %scattered, %exchanged, %moved, %broadcast, %permuted
      : tensor<6xf32>, tensor<12xf32>, tensor<2xf32>, tensor<1xf32>, tensor<6xf32>, tensor<6xf32>, tensor<2xf32>, tensor<2xf32>
}

// x[t, i] w[o, i], rows over dp, outputs over tp.
// BOTH: result 0 'y' on rank 0: 1x1xf32 {{\[\[}}1]]
// BOTH: result 0 'y' on rank 5: 1x1xf32 {{\[\[}}7]]
// BOTH: result 0 'y': 2x3xf32 {{\[\[}}1, 2, 3], [3, 4, 7]]
func.func @sharded(%x: tensor<1x2xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<1x1xf32> {muster.name = "y", muster.layout = #muster.layout<[t/dp, o/tp]>}) {
  %w = muster.load @w : tensor<1x2xf32>
  %y = nn.matmul %x, %w : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// 1 + 2 + ... by a loop and a call.
// LOOP: result 0: i64 10
func.func @loop() -> i64 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %zero = arith.constant 0 : i64
  %sum = scf.for %i = %c0 to %c5 step %c1 iter_args(%so_far = %zero) -> (i64) {
    %next = func.call @plus(%so_far, %i) : (i64, index) -> i64
    scf.yield %next : i64
  }
  return %sum : i64
}
func.func private @plus(%a: i64, %b: index) -> i64 {
  %c = arith.index_cast %b : index to i64
  %d = arith.addi %a, %c : i64
  return %d : i64
}

// 2^24 + 1 is not an f32.
// ROUNDED: result 0: f32 16777216
// EXACT: result 0: f32 16777217
func.func @rounded() -> f32 {
  %a = arith.constant 16777216.0 : f32
  %b = arith.constant 1.0 : f32
  %c = arith.addf %a, %b : f32
  return %c : f32
}

// UNWRITTEN: result 0: 3xf32 [nan, 7, nan]
func.func @unwritten() -> tensor<3xf32> {
  %c1 = arith.constant 1 : index
  %seven = arith.constant 7.0 : f32
  %empty = tensor.empty() : tensor<3xf32>
  %one = tensor.insert %seven into %empty[%c1] : tensor<3xf32>
  return %one : tensor<3xf32>
}
