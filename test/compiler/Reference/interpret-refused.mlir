// RUN: muster-opt %s --muster-interpret --split-input-file --verify-diagnostics

muster.mesh @node <["tp" = 2]>
func.func @negative_copies_differ() -> (tensor<1xindex> {muster.layout = #muster.layout<[t]>}) {
  %c = muster.coordinate "tp"
  %t = tensor.from_elements %c : tensor<1xindex>
  return %t : tensor<1xindex>
}
// expected-error @-5 {{result 0: expected ranks 0 and 1 to hold the same value at logical index [0] of layout [t] but got index 0 and index 1}}

// -----

muster.mesh @node <["tp" = 2]>
func.func @negative_ranks_part() -> index {
  %c = muster.coordinate "tp"
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{expected the upper bound to be equal on all ranks but got 0 on rank 0 and 1 on rank 1}}
  %r = scf.for %i = %c0 to %c step %c1 iter_args(%a = %c0) -> (index) {
    scf.yield %i : index
  }
  return %r : index
}

// -----

func.func @negative_outside() -> f32 {
  %x = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %c2 = arith.constant 2 : index
  // expected-error @+1 {{expected an index inside [2] but got [2]}}
  %y = tensor.extract %x[%c2] : tensor<2xf32>
  return %y : f32
}

// -----

func.func @negative_slice_outside(%x: tensor<4xf32>) -> tensor<?xf32> {
  %c3 = arith.constant 3 : index
  // expected-error @+1 {{expected the slice to lie inside dim 0 of size 4 but got offset 3, size 2, stride 1}}
  %y = tensor.extract_slice %x[%c3] [2] [1] : tensor<4xf32> to tensor<2xf32>
  %z = tensor.cast %y : tensor<2xf32> to tensor<?xf32>
  return %z : tensor<?xf32>
}

// -----

func.func @negative_division() -> i32 {
  %a = arith.constant 7 : i32
  %b = arith.constant 0 : i32
  // expected-error @+1 {{cannot divide by zero}}
  %c = arith.divsi %a, %b : i32
  return %c : i32
}

// -----

func.func @negative_unknown_op() -> memref<3xf32> {
  // expected-error @+1 {{unsupported by the reference interpreter}}
  %a = memref.alloc() : memref<3xf32>
  return %a : memref<3xf32>
}

// -----

// expected-error @+1 {{expected option 'entry' because the module has several public functions}}
module {
  func.func @one() { return }
  func.func @two() { return }
}
