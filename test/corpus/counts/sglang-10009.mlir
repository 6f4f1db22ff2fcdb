// RUN: %python %S/../judge_counts.py %s
//
// SGLang #10009: rows are padded before they are gathered, and what is handed out afterwards takes counts that are not.
//
// Invariant: one function pads a batch, and everything that is sized by it uses its result.

// Expect: E1214.
muster.mesh @mesh <["dp" = 3]>
func.func @wrong_padding_forgotten(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %p = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %zero = arith.constant 0.0 : f32
  %in = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%p : !muster.counts<[dp], padded, @step>) fill(%zero : f32) : tensor<?x6xf32>
  %g = muster.all_gather %in on "dp" dim 0 counts(%p : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 3]>
func.func @right_padding_forgotten(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %p = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %zero = arith.constant 0.0 : f32
  %in = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%p : !muster.counts<[dp], padded, @step>) fill(%zero : f32) : tensor<?x6xf32>
  %g = muster.all_gather %in on "dp" dim 0 counts(%p : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.reduce_scatter %g sum on "dp" dim 0 counts(%p : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %back = muster.unpad %s dim 0 counts(%p : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %back : tensor<?x6xf32>
}
