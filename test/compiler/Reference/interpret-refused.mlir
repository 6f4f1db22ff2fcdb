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

// -----

func.func @negative_size_below_zero() -> tensor<?xf32> {
  %n = arith.constant -3 : index
  // expected-error @+1 {{expected sizes of at least 0 but got [-3]}}
  %x = tensor.empty(%n) : tensor<?xf32>
  return %x : tensor<?xf32>
}

// -----

// Empty, however large the other dim.
func.func @size_times_zero() -> index {
  %n = arith.constant 1099511627776 : index
  %c0 = arith.constant 0 : index
  %x = tensor.empty(%n) : tensor<?x0xf32>
  %d = tensor.dim %x, %c0 : tensor<?x0xf32>
  return %d : index
}

// -----

func.func @negative_too_many_elements() -> tensor<?x16385xf32> {
  %n = arith.constant 16384 : index
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [16384, 16385]}}
  %x = tensor.empty(%n) : tensor<?x16385xf32>
  return %x : tensor<?x16385xf32>
}

// -----

func.func @negative_product_of_sizes_wraps() -> tensor<?x?xf32> {
  %n = arith.constant 4294967296 : index
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [4294967296, 4294967296]}}
  %x = tensor.empty(%n, %n) : tensor<?x?xf32>
  return %x : tensor<?x?xf32>
}

// -----

func.func @negative_generated_below_zero() -> tensor<?xindex> {
  %n = arith.constant -1 : index
  // expected-error @+1 {{expected sizes of at least 0 but got [-1]}}
  %x = tensor.generate %n {
  ^bb0(%i: index):
    tensor.yield %i : index
  } : tensor<?xindex>
  return %x : tensor<?xindex>
}

// -----

func.func @negative_splat_too_large() -> tensor<?xf32> {
  %n = arith.constant 1099511627776 : index
  %v = arith.constant 1.0 : f32
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [1099511627776]}}
  %x = tensor.splat %v[%n] : tensor<?xf32>
  return %x : tensor<?xf32>
}

// -----

func.func @negative_constant_too_large() -> tensor<1099511627776xf32> {
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [1099511627776]}}
  %x = arith.constant dense<1.0> : tensor<1099511627776xf32>
  return %x : tensor<1099511627776xf32>
}

// -----

func.func @negative_pad_too_far(%x: tensor<2xf32>) -> tensor<?xf32> {
  %n = arith.constant 9223372036854775807 : index
  %v = arith.constant 1.0 : f32
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [9223372036854775807]}}
  %y = tensor.pad %x low[1] high[%n] {
  ^bb0(%i: index):
    tensor.yield %v : f32
  } : tensor<2xf32> to tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @negative_slice_of_no_stride(%x: tensor<2xf32>) -> tensor<?xf32> {
  %n = arith.constant 1099511627776 : index
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{expected sizes of at most 268435456 elements but got [1099511627776]}}
  %y = tensor.extract_slice %x[0] [%n] [%c0] : tensor<2xf32> to tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @negative_slice_reaches_around(%x: tensor<2xf32>) -> tensor<?xf32> {
  %n = arith.constant 4294967297 : index
  %s = arith.constant 4294967296 : index
  // expected-error @+1 {{expected the slice to lie inside dim 0 of size 2 but got offset 0, size 4294967297, stride 4294967296}}
  %y = tensor.extract_slice %x[0] [%n] [%s] : tensor<2xf32> to tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// expected-error @below {{input '0': expected sizes of at most 268435456 elements but got [1099511627776]}}
module {
  func.func @negative_input_too_large(%x: tensor<1099511627776xf32>) {
    return
  }
}
