// RUN: muster-opt %s --muster-split-batches --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4040 expected the rows of one batch in the layouts of 'no_batch' but got none}}
func.func @no_batch(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t, i]>})
    -> (tensor<8x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  return %x : tensor<8x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E4040 expected the rows of one batch in the layouts of 'two_batches' but got @step, @draft}}
func.func @two_batches(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                       %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @draft, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @counted(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  // expected-error @+1 {{E4040 expected batch @step to be split before it is counted but got its counts}}
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @no_layout(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    // expected-error @+1 {{E1215 expected field 'mask' of batch @step to be sliced, recomputed, inherited or dropped but got no class and no layout}}
                     %mask: tensor<?xi32> {muster.name = "mask"})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @all_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    // expected-error @+1 {{E1215 expected field 1 of batch @step to be sliced, recomputed, inherited or dropped but got no class and layout [t]}}
                    %mask: tensor<?xi32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 0 of batch @step to be sliced or recomputed, as its rows are, but got class inherit and layout [t/dp : tokens @step, i]}}
func.func @inherited_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>, muster.split = "inherit"})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @sliced_without_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    // expected-error @+1 {{E1215 expected field 1 of batch @step to have one dim of rows of the batch but got class slice and layout [i]}}
                               %w: tensor<6xf32> {muster.layout = #muster.layout<[i]>, muster.split = "slice"})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 0 of batch @step, which is dropped, to be read by nothing but got 'func.return'}}
func.func @dropped_and_read(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>, muster.split = "drop"})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E4042 unsupported split: expected result 0 to have tokens or rows of each position of batch @step but got layout [t, i]}}
func.func @result_of_all(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func private @half(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  return %x : tensor<?x6xf32>
}
func.func @calls(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E4042 unsupported split: expected rows of batch @step in one function but got a call of 'half'}}
  %y = func.call @half(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// The second child would see what the first has added for rows behind.
muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
muster.state @values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
func.func @read_before_written(
    %q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv, d]>},
    %positions: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv, d]>}) {
  %a = nn.attention %q keys @keys values @values positions %positions starts %starts blocks %blocks heads 2 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  // expected-error @+1 {{E4042 unsupported split: expected state @keys to be written before it is read but got it written behind}}
  nn.cache_append @keys, %q, %slots : tensor<?x2x4xf32>, tensor<?xi32>
  return %a : tensor<?x2x4xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page, slot, kv, d]>
func.func @state_without_rows(
    %x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %k: tensor<3x2x4xf32> {muster.layout = #muster.layout<[p, kv, d]>},
    %slots: tensor<3xi32> {muster.layout = #muster.layout<[p]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E4042 unsupported split: expected what touches a state to have rows of batch @step but got 'nn.cache_append' without}}
  nn.cache_append @keys, %k, %slots : tensor<3x2x4xf32>, tensor<3xi32>
  return %x : tensor<?x6xf32>
}
