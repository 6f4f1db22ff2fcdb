// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics=only-expected
//
// Padded rows in equal parts that are not what they should be, or not always.

// A multiple of 3 has no halves.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @thirds_as_halves(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 3 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: slice cuts padded rows into equal parts}}
  %a = muster.slice %p on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.all_gather %a on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Each position has a multiple of 4, but not the same.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @unequal_positions(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1201 all_gather moves rows that counts divide in equal parts}}
  %a = muster.all_gather %p on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.slice %a on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// In steps with prompts positions are not level.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @unequal_in_some_steps(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode balanced : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1201 all_gather moves rows that counts divide in equal parts}}
  %a = muster.all_gather %p on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.slice %a on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Halves are no rows of the position: nothing may be taken away from their end.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @unpadded_halves(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.slice %p on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: a dim that is not known to be the rank's own rows}}
  %y = muster.unpad %a dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Of all rows a half is not the half of a position's rows.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @half_of_all_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %e = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+1 {{E1108 cannot be proved: slice cuts padded rows into equal parts}}
  %a = muster.slice %e on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %a dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Level rows in another order: those of the second position come first.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @level_out_of_order(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 2 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.slice %p on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %e = muster.all_gather %a on ["tp", "dp"] dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.slice %e on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+1 {{E1108}}
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
