// RUN: muster-opt %s --muster-expand-math --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @exp_vector
// CHECK-NOT:     math.exp
// CHECK:         math.fma {{.*}} : vector<16xf32>
func.func @exp_vector(%x: vector<16xf32>) -> vector<16xf32> {
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}

// -----

// CHECK-LABEL: func.func @instructions_stay
// CHECK:         math.sqrt
// CHECK:         math.floor
func.func @instructions_stay(%x: f32) -> f32 {
  %y = math.sqrt %x : f32
  %z = math.floor %y : f32
  return %z : f32
}

// -----

func.func @negative_double_precision(%x: f64) -> f64 {
  // expected-error @+1 {{E4125 expected a function with an expansion for host kernels but got math.exp on 'f64'}}
  %y = math.exp %x : f64
  return %y : f64
}
