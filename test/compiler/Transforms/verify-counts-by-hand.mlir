// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-counts
//
// Sizes that are made by hand, loops in each other, and paddings that a condition chooses.

// Rounded up to a multiple by hand.
muster.mesh @mesh <["dp" = 2]>
func.func @ceil(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %k = arith.ceildivui %t, %c8 : index
  %s = arith.muli %k, %c8 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// The same with more added first.
muster.mesh @mesh <["dp" = 2]>
func.func @adddiv(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = arith.addi %t, %c7 : index
  %k = arith.divui %a, %c8 : index
  %s = arith.muli %k, %c8 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// The rest to the next multiple.
muster.mesh @mesh <["dp" = 2]>
func.func @rem(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %r = arith.remui %t, %c8 : index
  %d = arith.subi %c8, %r : index
  %r2 = arith.remui %d, %c8 : index
  %s = arith.addi %t, %r2 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Rounded up from the most that a rank has.
muster.mesh @mesh <["dp" = 2]>
func.func @max(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %m = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %k = arith.ceildivui %m, %c8 : index
  %s = arith.muli %k, %c8 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Rounded down.
muster.mesh @mesh <["dp" = 2]>
func.func @negative_floor(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %k = arith.divui %t, %c8 : index
  %s = arith.muli %k, %c8 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for}}
  // expected-note @+1 {{where the tokens @step}}
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  // expected-error @+2 {{E1209 what is read has room for}}
  // expected-note @+1 {{where the tokens @step}}
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Not enough added.
muster.mesh @mesh <["dp" = 2]>
func.func @negative_add3(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = arith.addi %t, %c3 : index
  %k = arith.divui %a, %c8 : index
  %s = arith.muli %k, %c8 : index
  %e = tensor.empty(%s) : tensor<?x6xf32>
  %b0 = linalg.fill ins(%z : f32) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for}}
  // expected-note @+1 {{where the tokens @step}}
  %b = tensor.insert_slice %x into %b0[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<?x6xf32>
  %e2 = tensor.empty(%s) : tensor<?x6xf32>
  %y = linalg.exp ins(%b : tensor<?x6xf32>) outs(%e2 : tensor<?x6xf32>) -> tensor<?x6xf32>
  // expected-error @+2 {{E1209 what is read has room for}}
  // expected-note @+1 {{where the tokens @step}}
  %u = tensor.extract_slice %y[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Loops in each other carry rows.
muster.mesh @mesh <["dp" = 2]>
func.func @loops3(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %r0 = scf.for %i0 = %c0 to %c3 step %c1 iter_args(%v0 = %x) -> tensor<?x6xf32> {
  %r1 = scf.for %i1 = %c0 to %c3 step %c1 iter_args(%v1 = %v0) -> tensor<?x6xf32> {
  %r2 = scf.for %i2 = %c0 to %c3 step %c1 iter_args(%v2 = %v1) -> tensor<?x6xf32> {
  %gy = muster.all_gather %v2 on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.slice %gy on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  scf.yield %y : tensor<?x6xf32>
  }
  scf.yield %r2 : tensor<?x6xf32>
  }
  scf.yield %r1 : tensor<?x6xf32>
  }
  return %r0 : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @loops6(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %r0 = scf.for %i0 = %c0 to %c3 step %c1 iter_args(%v0 = %x) -> tensor<?x6xf32> {
  %r1 = scf.for %i1 = %c0 to %c3 step %c1 iter_args(%v1 = %v0) -> tensor<?x6xf32> {
  %r2 = scf.for %i2 = %c0 to %c3 step %c1 iter_args(%v2 = %v1) -> tensor<?x6xf32> {
  %r3 = scf.for %i3 = %c0 to %c3 step %c1 iter_args(%v3 = %v2) -> tensor<?x6xf32> {
  %r4 = scf.for %i4 = %c0 to %c3 step %c1 iter_args(%v4 = %v3) -> tensor<?x6xf32> {
  %r5 = scf.for %i5 = %c0 to %c3 step %c1 iter_args(%v5 = %v4) -> tensor<?x6xf32> {
  %gy = muster.all_gather %v5 on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.slice %gy on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  scf.yield %y : tensor<?x6xf32>
  }
  scf.yield %r5 : tensor<?x6xf32>
  }
  scf.yield %r4 : tensor<?x6xf32>
  }
  scf.yield %r3 : tensor<?x6xf32>
  }
  scf.yield %r2 : tensor<?x6xf32>
  }
  scf.yield %r1 : tensor<?x6xf32>
  }
  return %r0 : tensor<?x6xf32>
}

// -----

// One of two paddings, for all of a step.
muster.mesh @mesh <["dp" = 2]>
func.func @pads_chosen(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %pa = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pb = muster.pad_counts %c align 8 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pp = arith.select %p, %pa, %pb : !muster.counts<[dp], padded, @step>
  %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pp : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
  %w = muster.all_gather %q on "dp" dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %w on "dp" dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %u = muster.unpad %s dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @pads_chosen_if(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %pa = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pb = muster.pad_counts %c align 8 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pp = scf.if %p -> !muster.counts<[dp], padded, @step> {
    scf.yield %pa : !muster.counts<[dp], padded, @step>
  } else {
    scf.yield %pb : !muster.counts<[dp], padded, @step>
  }
  %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pp : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
  %w = muster.all_gather %q on "dp" dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %w on "dp" dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %u = muster.unpad %s dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Padded in two ways, and unpadded by the counts that were chosen alike.
muster.mesh @mesh <["dp" = 2]>
func.func @pads_per_branch_unpad_behind(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %pa = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pb = muster.pad_counts %c align 8 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %q, %pp = scf.if %p -> (tensor<?x6xf32>, !muster.counts<[dp], padded, @step>) {
    %k = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pa : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
    scf.yield %k, %pa : tensor<?x6xf32>, !muster.counts<[dp], padded, @step>
  } else {
    %k = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pb : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
    scf.yield %k, %pb : tensor<?x6xf32>, !muster.counts<[dp], padded, @step>
  }
  %u = muster.unpad %q dim 0 counts(%pp : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Padded in two ways, and unpadded by one of them.
muster.mesh @mesh <["dp" = 2]>
func.func @negative_pads(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{the counts are made here}}
  %pa = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %pb = muster.pad_counts %c align 8 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %q, %pp = scf.if %p -> (tensor<?x6xf32>, !muster.counts<[dp], padded, @step>) {
    %k = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pa : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
    scf.yield %k, %pa : tensor<?x6xf32>, !muster.counts<[dp], padded, @step>
  } else {
    %k = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%pb : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
    scf.yield %k, %pb : tensor<?x6xf32>, !muster.counts<[dp], padded, @step>
  }
  // expected-error @+2 {{E1206 expected counts of own(tokens @step padded to 4, sum) or own(tokens @step padded to 8, max) but got counts that say own(tokens @step padded to 4, sum)}}
  // expected-note @+1 {{a rank's rows are 8 at position 0 and the counts say 4}}
  %u = muster.unpad %q dim 0 counts(%pa : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// A check bounds what stands behind it.
muster.mesh @mesh <["dp" = 2]>
func.func @check_behind(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %e = tensor.empty() : tensor<16x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for 16 rows, but there are own tokens @step}}
  // expected-note @+1 {{there is room for 16 rows}}
  %i = tensor.insert_slice %x into %e[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<16x6xf32>
  // expected-note @+1 {{this check comes too late: it bounds what stands behind it, and this stands in front}}
  muster.check_count %t at_most 16 "tokens"
  %u = tensor.extract_slice %i[0, 0] [%t, 6] [1, 1] : tensor<16x6xf32> to tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// The innermost carries all rows.
muster.mesh @mesh <["dp" = 2]>
func.func @negative_loops(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c7 = arith.constant 7 : index
  %c8 = arith.constant 8 : index
  %z = arith.constant 0.0 : f32
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %r0 = scf.for %i0 = %c0 to %c3 step %c1 iter_args(%v0 = %x) -> tensor<?x6xf32> {
  %r1 = scf.for %i1 = %c0 to %c3 step %c1 iter_args(%v1 = %v0) -> tensor<?x6xf32> {
  %r2 = scf.for %i2 = %c0 to %c3 step %c1 iter_args(%v2 = %v1) -> tensor<?x6xf32> {
  // expected-error @+1 {{E1220 cannot prove that the counts count these rows}}
  %gy = muster.all_gather %v2 on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
%y = muster.slice %gy on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  scf.yield %gy : tensor<?x6xf32>
  }
  scf.yield %r2 : tensor<?x6xf32>
  }
  scf.yield %r1 : tensor<?x6xf32>
  }
  return %r0 : tensor<?x6xf32>
}
