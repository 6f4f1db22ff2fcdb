// RUN: muster-opt %s --split-input-file --verify-diagnostics

muster.mesh @node <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{batch @step is counted here}}
func.func @all_gather_c3_axes(%x: tensor<?xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{expected counts over the axes [dp] of the group but got tokens of batch @step on [tp]}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[tp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// A group's order of axes is its order of positions.
muster.mesh @node <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{counted here}}
func.func @all_gather_c3_order(%x: tensor<?xf32>, %c: !muster.counts<[tp, dp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{expected counts over the axes [dp, tp] of the group but got tokens of batch @step on [tp, dp]}}
  %y = muster.all_gather %x on ["dp", "tp"] dim 0 counts(%c : !muster.counts<[tp, dp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// A count that nobody exchanged.
muster.mesh @node <["dp" = 2]>
func.func @all_gather_c3_own_count(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  // expected-note @+1 {{batch @step is counted here}}
  %c = muster.local_count %n : !muster.counts<[], tokens, @step>
  // expected-error @+1 {{expected counts over the axes [dp] of the group but got tokens of batch @step on []}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @all_gather_c4_static_dim(%x: tensor<?xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<8xf32> {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<8xf32>'}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @all_gather_c2_other_dims(%x: tensor<?x4xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x8xf32> {
  // expected-error @+1 {{expected dim 1 of the result to have size 4 but got 8}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x4xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c1_unknown_axis(%x: tensor<?xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{counted here}}
func.func @reduce_scatter_c3_axes(%x: tensor<?xf32>, %c: !muster.counts<[dp, tp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{expected counts over the axes [dp] of the group but got tokens of batch @step on [dp, tp]}}
  %y = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !muster.counts<[dp, tp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @reduce_scatter_c4_static_dim(%x: tensor<8xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<8xf32>'}}
  %y = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<8xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{counted here}}
func.func @slice_c3_axes(%x: tensor<?xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<?xf32> {
  // expected-error @+1 {{expected counts over the axes [dp] of the group but got tokens of batch @step on [tp]}}
  %y = muster.slice %x on "dp" dim 0 counts(%c : !muster.counts<[tp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @slice_c4_static_dim(%x: tensor<?xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<4xf32> {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<4xf32>'}}
  %y = muster.slice %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

muster.mesh @node <["sp" = 2, "tp" = 2]>
// expected-note @+1 {{counted here}}
func.func @all_to_all_c4_axes(%x: tensor<?x4xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<?x2xf32> {
  // expected-error @+1 {{expected counts over the axes [sp] of the group but got tokens of batch @step on [tp]}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 counts(%c : !muster.counts<[tp], tokens, @step>) ragged concat : tensor<?x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @all_to_all_c5_which_dim(%x: tensor<?x4xf32>, %c: !muster.counts<[sp], tokens, @step>) -> tensor<?x2xf32> {
  // expected-error @+1 {{expected counts and the dim that they count, 'ragged concat' or 'ragged split', but got counts alone}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 counts(%c : !muster.counts<[sp], tokens, @step>) : tensor<?x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @all_to_all_c5_no_counts(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  // expected-error @+1 {{expected counts and the dim that they count, 'ragged concat' or 'ragged split', but got no counts}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 ragged concat : tensor<?x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @all_to_all_c5_one_dim(%x: tensor<?x4xf32>, %c: !muster.counts<[sp], tokens, @step>) -> tensor<?x4xf32> {
  // expected-error @+1 {{expected two dims with counts but got dim 0 twice}}
  %y = muster.all_to_all %x on "sp" split 0 concat 0 counts(%c : !muster.counts<[sp], tokens, @step>) ragged concat : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @all_to_all_c5_static_dim(%x: tensor<4x4xf32>, %c: !muster.counts<[sp], tokens, @step>) -> tensor<?x2xf32> {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<4x4xf32>'}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 counts(%c : !muster.counts<[sp], tokens, @step>) ragged concat : tensor<4x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @all_to_all_c3_other_dim(%x: tensor<?x4xf32>, %c: !muster.counts<[sp], tokens, @step>) -> tensor<?x4xf32> {
  // expected-error @+1 {{expected dim 1 to have sizes in the ratio of the group's 2 ranks but got 4 and 4}}
  %y = muster.all_to_all %x on "sp" split 1 concat 0 counts(%c : !muster.counts<[sp], tokens, @step>) ragged concat : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
// expected-note @+1 {{batch @other is counted here}}
func.func @redistribute_c4_batch(%x: tensor<?x4xf32>, %c: !muster.counts<[dp], tokens, @other>) -> tensor<?x4xf32> {
  // expected-error @+1 {{expected tokens of batch @step on [dp] but got tokens of batch @other on [dp]}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @other>) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// The note goes through the exchange to where the rank counts.
muster.mesh @node <["dp" = 2]>
func.func @redistribute_c4_unit(%x: tensor<?x4xf32>, %n: index) -> tensor<?x4xf32> {
  // expected-note @+1 {{batch @step is counted here}}
  %l = muster.local_count %n : !muster.counts<[], requests, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  // expected-error @+1 {{expected tokens of batch @step on [dp] but got requests of batch @step on [dp]}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], requests, @step>) from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{counted here}}
func.func @redistribute_c4_axes(%x: tensor<?x4xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<?x4xf32> {
  // expected-error @+1 {{expected tokens of batch @step on [dp] but got tokens of batch @step on [tp]}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[tp], tokens, @step>) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @redistribute_c4_too_many(%x: tensor<?x4xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x8xf32> {
  // expected-error @+1 {{expected counts of the 0 ragged dims that change but got 1}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t, i/dp]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @redistribute_c4_too_few(%x: tensor<?x?xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x?xf32> {
  // expected-error @+1 {{expected counts of the 2 ragged dims that change but got 1}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, r]> to <[t, r/tp : rows @step]> : tensor<?x?xf32> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @redistribute_c4_ragged_twice(%x: tensor<?x4xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x4xf32> {
  // expected-error @+1 {{unsupported: counts of dim 0, which is ragged in both layouts, [t/dp : tokens @step, i] and [t/tp : tokens @step, i]}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, i]> to <[t/tp : tokens @step, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @redistribute_c4_static_dim(%x: tensor<?x4xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<8x4xf32> {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<8x4xf32>'}}
  %y = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
