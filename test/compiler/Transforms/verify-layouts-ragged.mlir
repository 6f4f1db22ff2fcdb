// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Rows that counts divide (t/dp : tokens @step): each rank has as many as are its own. What is proved here holds for all counts, zeros too.

// Own rows become all rows by their counts, made by hand.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @gather(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// And back.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @slice(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %y = muster.slice %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Each partial value is reduced once: over dp where rows are handed out, over tp behind it.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @reduce_scatter(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i], partial(sum: dp, tp)>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %s = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %y = muster.all_reduce %s sum on "tp" : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Model graphs say layouts and no counts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @redistribute(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %h = muster.redistribute %g from <[t, i]> to <[t, i/dp]> : tensor<?x16xf32> -> tensor<?x8xf32>
  %y = muster.redistribute %h from <[t, i/dp]> to <[t/dp : tokens @step, i]> : tensor<?x8xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A transposition of dims of rows and others, by one redistribution.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @redistribute_rows_against_columns(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x8xf32> {muster.layout = #muster.layout<[t, i/dp]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, i]> to <[t, i/dp]> : tensor<?x16xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Ulysses with parts of unequal length: rows are gathered, heads handed out, and back.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @ulysses(%x: tensor<?x6x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h, d]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x6x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h, d]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = muster.all_to_all %x on "dp" split 1 concat 0 counts(%c : !muster.counts<[dp], tokens, @step>) ragged concat : tensor<?x6x4xf32> -> tensor<?x3x4xf32>
  %b = muster.assert_layout %a : tensor<?x3x4xf32> layout <[t, h/dp, d]>
  %y = muster.all_to_all %b on "dp" split 0 concat 1 counts(%c : !muster.counts<[dp], tokens, @step>) ragged split : tensor<?x3x4xf32> -> tensor<?x6x4xf32>
  return %y : tensor<?x6x4xf32>
}

// -----

// Rows over two axes, of which parts of a dim of the mesh are no concern.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @two_axes(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/(dp,tp) : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp, tp], tokens, @step>
  %y = muster.all_gather %x on ["dp", "tp"] dim 0 counts(%c : !muster.counts<[dp, tp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A feed-forward over all ranks between rows of each: gathered once, reduced once.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.weight @up : tensor<24x16xf32> layout <[o/(dp,tp), i]>
muster.weight @down : tensor<16x24xf32> layout <[o, i/(dp,tp)]>
func.func @feed_forward(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %u = muster.load @up : tensor<6x16xf32>
  %d = muster.load @down : tensor<16x6xf32>
  %a = nn.matmul %g, %u : tensor<?x16xf32>, tensor<6x16xf32> -> tensor<?x6xf32>
  %b = nn.matmul %a, %d : tensor<?x6xf32>, tensor<16x6xf32> -> tensor<?x16xf32>
  %s = muster.reduce_scatter %b sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %r = muster.all_reduce %s sum on "tp" : tensor<?x16xf32>
  %y = arith.addf %x, %r : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Attention of each group: starts, pages and slots count from its own rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @attention(%q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>},
    %k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %positions: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>}) {
  nn.cache_append @keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  %y = nn.attention %q keys @keys values @keys positions %positions starts %starts blocks %blocks heads 4 kv_heads 2 scale 0.5
      : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %y : tensor<?x2x4xf32>
}

// -----

// Asked rows count from the rank's own. Both batches of rows are results: dims that are declared are looked up, too.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @asked_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[r/dp : rows @step, i]>}, tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %y = nn.gather_rows %x[%rows] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  return %y, %x : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

// A whole table is looked up by all rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.weight @table : tensor<40x16xf32> layout <[v, i]>
func.func @embedding(%ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %table = muster.load @table : tensor<40x16xf32>
  %e = nn.gather_rows %table[%ids] : tensor<40x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %y = muster.redistribute %e from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Rows are added up over all ranks: each once, however many a rank has.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @sum_of_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<16xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<16xf32>
  %s = linalg.reduce { arith.addf } ins(%x : tensor<?x16xf32>) outs(%zero : tensor<16xf32>) dimensions = [0]
  %y = muster.all_reduce %s sum on "dp" : tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// Collectives over tp leave rows of dp alone.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @other_axes(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i/tp]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %y = muster.all_gather %x on "tp" dim 1 : tensor<?x8xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Rows are carried through shapes of other dims.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @reshape(%x: tensor<?x4x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h, d]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x4x4xf32> {muster.layout = #muster.layout<[t, h, d]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %f = tensor.collapse_shape %x [[0], [1, 2]] : tensor<?x4x4xf32> into tensor<?x16xf32>
  %g = muster.all_gather %f on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %g, %c0 : tensor<?x16xf32>
  %y = tensor.expand_shape %g [[0], [1, 2]] output_shape [%n, 4, 4] : tensor<?x16xf32> into tensor<?x4x4xf32>
  return %y : tensor<?x4x4xf32>
}

// -----

// One group has all rows: nothing is moved, and nothing needs counts.
muster.mesh @mesh <["dp" = 1, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @one_group(%q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>},
    %k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %positions: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t, h/tp, d]>}) {
  nn.cache_append @keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  %y = nn.attention %q keys @keys values @keys positions %positions starts %starts blocks %blocks heads 4 kv_heads 2 scale 0.5
      : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %y : tensor<?x2x4xf32>
}

// -----

// Equal parts are gathered of what has none.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_gather_without_counts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  // expected-error @+1 {{E1201 all_gather moves rows that counts divide in equal parts}}
  %y = muster.all_gather %x on "dp" dim 0 : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Cut in equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_slice_without_counts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>},
    %z: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E1201 slice cuts rows that counts divide into equal parts}}
  %y = muster.slice %x on "dp" dim 0 : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Over an axis that has nothing to do with the batch, either.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_slice_of_own_rows(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E1201 slice cuts rows that counts divide into equal parts}}
  %y = muster.slice %x on "tp" dim 0 : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Reduced and cut in equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_reduce_scatter_without_counts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i], partial(sum: dp)>},
    %z: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E1201 reduce_scatter cuts rows that counts divide into equal parts}}
  %y = muster.reduce_scatter %x sum on "dp" dim 0 : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// All-to-all in equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_all_to_all_without_counts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x6x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h, d]>})
    -> (tensor<?x3x4xf32> {muster.layout = #muster.layout<[t, h/dp, d]>}) {
  // expected-error @+1 {{E1201 all_to_all moves rows that counts divide in equal parts}}
  %y = muster.all_to_all %x on "dp" split 1 concat 0 : tensor<?x6x4xf32> -> tensor<?x3x4xf32>
  return %y : tensor<?x3x4xf32>
}

// -----

// The raw exchange, too.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_exchange_without_counts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>},
    %z: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  // expected-error @+1 {{E1201 exchange cuts rows that counts divide into equal parts}}
  %y = muster.exchange %x on "dp" : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A redistribution that speaks of equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_redistribute_in_equal_parts(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  // expected-error @+1 {{E1201 moves rows that counts divide in equal parts}}
  %y = muster.redistribute %x from <[u/dp, i]> to <[u, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// The other batch.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_counts_of_another_batch(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    
    // expected-note @+1 {{tokens of batch @other on [dp] are counted here}}
    %c: !muster.counts<[dp], tokens, @other>)
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  // expected-error @+1 {{E1202 moves tokens of batch @step by counts of batch @other}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @other>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// The note goes to where the rank counts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_counts_of_requests(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %n = arith.constant 7 : index
  // expected-note @+1 {{requests of batch @step on [dp] are counted here}}
  %l = muster.local_count %n : !muster.counts<[], requests, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  // expected-error @+1 {{E1203 moves tokens of batch @step by counts of requests}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], requests, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Ranks along tp have the same rows: twice what is there.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_gather_over_tp(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[tp], tokens, @step>
  // expected-note @+1 {{dim 0 holds}}
  %y = muster.all_gather %x on "tp" dim 0 counts(%c : !muster.counts<[tp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{wanted logical}}
  return %y : tensor<?x16xf32>
}

// -----

// All rows are not divided among the ranks along tp.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{tokens of batch @step are declared here}}
func.func @negative_slice_over_tp(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    
    // expected-note @+1 {{are counted here}}
    %d: !muster.counts<[tp], tokens, @step>)
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1204 moves tokens of batch @step by counts of tokens of batch @step on [tp], but they are divided over 'dp'}}
  %y = muster.slice %g on "tp" dim 0 counts(%d : !muster.counts<[tp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// There is nothing to divide the padded rows of a rank by.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_slice_of_padded_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[p/dp : padded @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[p/dp : padded @step, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: slice cuts padded rows into equal parts}}
  // expected-note @+1 {{what would settle it}}
  %y = muster.slice %x on "tp" dim 0 : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// All rows are there.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_gather_twice(
    // expected-note @+1 {{tokens of batch @step are declared here}}
    %x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @-2 {{tokens of batch @step on [dp] are counted here}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1204 all_gather by counts gathers rows that are all on each rank}}
  %y = muster.all_gather %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Which counts a rank takes is its own affair.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_counts_chosen_by_rank(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %e = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %d = muster.coordinate "dp"
  %p = arith.cmpi eq, %d, %c0 : index
  %c = arith.select %p, %e, %e : !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1108 cannot be proved: moves tokens of batch @step by counts of which each rank along 'dp' may have others}}
  // expected-note @+1 {{what would settle it}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Counts of something else that has the right type.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_counts_of_a_number(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<7xi32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %n = arith.constant 7 : index
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1108 cannot be proved: the counts are of a number that is no size of rows}}
  // expected-note @+1 {{what would settle it}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Twice as many are no tokens of the batch.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_scaled_counts(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %d = muster.scale %c times 2 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1108 cannot be proved: the counts are a multiple of counts of their own unit}}
  // expected-note @+1 {{what would settle it}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%d : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Reduced over dp, then handed out and reduced again: twice too large.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_reduced_twice(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i], partial(sum: dp)>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = muster.all_reduce %x sum on "dp" : tensor<?x16xf32>
  %y = muster.reduce_scatter %a sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1105}}
  return %y : tensor<?x16xf32>
}

// -----

// Reduced over the group of rows only.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_reduced_over_dp_only(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i], partial(sum: dp, tp)>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %y = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1105}}
  return %y : tensor<?x16xf32>
}

// -----

// Rows of different tokens are added.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_all_reduce_of_own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+1 {{E1105 this adds different elements}}
  %y = muster.all_reduce %x sum on "dp" : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Own rows meet all rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_residual_of_all_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1106}}
  %y = arith.addf %g, %x : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Nothing gathers.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{dim 0 holds}}
func.func @negative_not_gathered(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{wanted logical [0, 0] of [t, i], got [2, 0] (where tokens@step=2)}}
  return %x : tensor<?x16xf32>
}

// -----

// Attention over the rows of all groups: starts of one group count from its own first row.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @negative_attention_over_all_rows(%q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>},
    %k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %positions: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t, h/tp, d]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %aq = muster.all_gather %q on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x2x4xf32> -> tensor<?x2x4xf32>
  %ap = muster.all_gather %positions on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xi32> -> tensor<?xi32>
  // expected-error @+1 {{E1106 reads rows of all ranks by numbers that count from each rank's own rows}}
  %y = nn.attention %aq keys @keys values @keys positions %ap starts %starts blocks %blocks heads 4 kv_heads 2 scale 0.5
      : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %y : tensor<?x2x4xf32>
}

// -----

// Slots are gathered, and rows; the pages are not.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @negative_append_of_all_rows(%k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %ak = muster.all_gather %k on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x1x4xf32> -> tensor<?x1x4xf32>
  %as = muster.all_gather %slots on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xi32> -> tensor<?xi32>
  // expected-error @+1 {{E1106 reads rows of all ranks by numbers that count from each rank's own rows}}
  nn.cache_append @keys, %ak, %as : tensor<?x1x4xf32>, tensor<?xi32>
  return %k : tensor<?x1x4xf32>
}

// -----

// Only the slots.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @negative_append_by_slots_of_all_rows(%k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %as = muster.all_gather %slots on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xi32> -> tensor<?xi32>
  // expected-error @+1 {{E1106 rows and slots do not agree}}
  nn.cache_append @keys, %k, %as : tensor<?x1x4xf32>, tensor<?xi32>
  return %k : tensor<?x1x4xf32>
}

// -----

// Every rank has all pages of a cache of which it writes its own rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page, slot, kv/tp, d]>
func.func @negative_append_to_a_shared_cache(%k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>}) {
  // expected-error @+1 {{E1106 the pages of the state are not divided as tokens of batch @step}}
  nn.cache_append @keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  return %k : tensor<?x1x4xf32>
}

// -----

// The table of another batch.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @negative_attention_of_two_batches(%q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>},
    %k: tensor<?x1x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv/tp, d]>},
    %positions: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @other, pages]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h/tp, d]>}) {
  nn.cache_append @keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  // expected-error @+1 {{E1106 reads requests of batch @other beside tokens of batch @step}}
  %y = nn.attention %q keys @keys values @keys positions %positions starts %starts blocks %blocks heads 4 kv_heads 2 scale 0.5
      : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %y : tensor<?x2x4xf32>
}

// -----

// Asked rows of the own group, looked up among those of all.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_asked_rows_of_all(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[r/dp : rows @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1106 reads rows of all ranks by numbers that count from each rank's own rows}}
  %y = nn.gather_rows %g[%rows] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// All asked rows, looked up among the rank's own.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_all_asked_rows_of_own(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %all = muster.redistribute %rows from <[r/dp : rows @step]> to <[r]> : tensor<?xi32> -> tensor<?xi32>
  // expected-error @+1 {{E1106 reads rows of all ranks by numbers that count from each rank's own rows}}
  %y = nn.gather_rows %x[%all] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Segments of equal length are made of all rows, turned and joined: no rank has such.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_reshape_mixes_segments(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %two = arith.constant 2 : index
  %n = tensor.dim %g, %c0 : tensor<?x16xf32>
  %h = arith.divui %n, %two : index
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %s = tensor.expand_shape %g [[0, 1], [2]] output_shape [2, %h, 16] : tensor<?x16xf32> into tensor<2x?x16xf32>
  %y = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x?x16xf32> into tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// The same by the size of the own rows, which is that of one segment.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_reshape_by_own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  // expected-error @+2 {{E1108 cannot be proved: rows that counts divide are not held segment by segment}}
  // expected-note @+1 {{what would settle it}}
  %s = tensor.expand_shape %g [[0, 1], [2]] output_shape [2, %n, 16] : tensor<?x16xf32> into tensor<2x?x16xf32>
  %y = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x?x16xf32> into tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Where the own rows begin is no multiple of their number.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_slice_at_coordinate(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %d = muster.coordinate "dp"
  %o = arith.muli %d, %n : index
  // expected-note @+1 {{the maps part here}}
  %y = tensor.extract_slice %g[%o, 0] [%n, 16] [1, 1] : tensor<?x16xf32> to tensor<?x16xf32>
  // expected-error @+2 {{E1108 cannot be proved: result is not known}}
  // expected-note @+1 {{what would settle it}}
  return %y : tensor<?x16xf32>
}

// -----

// Half of all rows is not as many as the own rows, though it is where parts are equal.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_slice_of_half_of_all(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %two = arith.constant 2 : index
  %n = tensor.dim %g, %c0 : tensor<?x16xf32>
  %h = arith.divui %n, %two : index
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %y = tensor.extract_slice %x[0, 0] [%h, 16] [1, 1] : tensor<?x16xf32> to tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Positions that go on from rank to rank by the number of own rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_positions_by_own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?xindex> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %d = muster.coordinate "dp"
  %o = arith.muli %d, %n : index
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it}}
  %y = tensor.generate %n {
  ^bb0(%i: index):
    %p = arith.addi %i, %o : index
    tensor.yield %p : index
  } : tensor<?xindex>
  return %y : tensor<?xindex>
}

// -----

// A mean over the rows of all ranks, by the number of own rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @unknown_mean_by_own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %ids: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>})
    -> (tensor<16xf32> {muster.layout = #muster.layout<[i]>}) {
  %z0 = arith.constant 0 : index
  %tokens = tensor.dim %ids, %z0 : tensor<?xi32>
  %local = muster.local_count %tokens : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %local : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %zero = arith.constant dense<0.0> : tensor<16xf32>
  %s = linalg.reduce { arith.addf } ins(%x : tensor<?x16xf32>) outs(%zero : tensor<16xf32>) dimensions = [0]
  %all = muster.all_reduce %s sum on "dp" : tensor<16xf32>
  // expected-note @+1 {{the size is taken here}}
  %n = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  %i = arith.index_cast %n : index to i32
  %f = arith.sitofp %i : i32 to f32
  // expected-error @+2 {{E1108 cannot be proved: this computes with a size of this mesh}}
  // expected-note @+1 {{what would settle it}}
  %b = tensor.splat %f : tensor<16xf32>
  %y = arith.divf %all, %b : tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// Softmax over the rank's own part of all rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_maximum_of_own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<16xf32> {muster.layout = #muster.layout<[i]>}) {
  %low = arith.constant dense<0xFF800000> : tensor<16xf32>
  %y = linalg.reduce { arith.maximumf } ins(%x : tensor<?x16xf32>) outs(%low : tensor<16xf32>) dimensions = [0]
  // expected-error @+1 {{E1105}}
  return %y : tensor<16xf32>
}

// -----

// Ranks along dp pass their rows on: each has as many as it has, not as its neighbour.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_ring(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-note @+1 {{the maps part here}}
  %y = muster.permute %x sources [1, 0] on "dp" : tensor<?x16xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{wanted logical}}
  return %y : tensor<?x16xf32>
}

// -----

// Two names of one batch that are divided over different axes.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-error @+1 {{E1108 cannot be proved: batch @step is divided over other axes in [u/tp : tokens @step, i] than 't' elsewhere}}
func.func @unknown_two_divisions(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %z: tensor<?x16xf32> {muster.layout = #muster.layout<[u/tp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<?x16xf32>
}

// -----

// Divided by counts, and in equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-error @+1 {{E1107 dim 't' is divided by counts elsewhere but in equal parts in [t/tp, i]}}
func.func @negative_two_kinds_of_parts(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/tp, i]>}) {
  return %x : tensor<?x16xf32>
}

// -----

// A size that the type fixes needs no counts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-error @+1 {{E1108 cannot be proved: rows 't' of a size that their type fixes}}
func.func @unknown_static_rows(%x: tensor<4x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<4x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  return %x : tensor<4x16xf32>
}

// -----

// Counts that are an argument are taken at their word: listed as assumed.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
// expected-remark @+1 {{assumed: the counts in argument 1 count tokens of batch @step}}
func.func @counts_as_argument(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %counts: !muster.counts<[dp], tokens, @step>)
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %y = muster.all_gather %x on "dp" dim 0 counts(%counts : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
