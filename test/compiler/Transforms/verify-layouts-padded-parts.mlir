// RUN: muster-opt %s --muster-verify-counts --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Padded rows in equal parts: ranks that hold the same rows may divide a multiple of them, and rows that are padded to the greatest are a dim like
// others.

// Each rank of tp takes half of the rows of its position: there are always halves.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @halves_of_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.slice %p on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %b = arith.addf %a, %a : tensor<?x6xf32>
  %d = muster.all_gather %b on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Sums over tp are handed out in halves.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @halves_of_sums(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i], partial(sum: tp)>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 2 mode balanced : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.reduce_scatter %p sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.all_gather %a on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Padded to the greatest, rows of all positions are gathered and handed out in equal parts.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @level_rows_in_equal_parts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 1 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.all_gather %p on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %b = arith.addf %a, %a : tensor<?x6xf32>
  %d = muster.slice %b on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// So are halves of them.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @level_halves(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 2 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.slice %p on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %e = muster.all_gather %a on ["dp", "tp"] dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %f = muster.slice %e on ["dp", "tp"] dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.all_gather %f on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// By counts in one direction, in equal parts in the other.
muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @level_by_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 3 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %d = muster.slice %a on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %d dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
