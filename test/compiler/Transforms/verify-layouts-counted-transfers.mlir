// Transfers of rows that counts divide: proved, box by box, as lower-collectives makes them; and nothing is said of boxes that would be the same
// with equal parts but are not.
// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @gather(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

func.func @own_rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "slice" %x on [] sizes() result_sizes(%own) counts(%c, %o : !tokens, !begins) box #own from #own_begin #dense to #zero #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

func.func @sum(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i], partial(sum: dp)>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "reduce_scatter" %x on ["dp"] reduce <sum> sizes() result_sizes(%own) counts(%c, %o : !tokens, !begins) box #own from #own_begin #dense to #zero #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// Columns of all ranks, own rows of them.
func.func @columns_home(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, v/(dp,tp)]>}) -> (tensor<?x30xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, v]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "redistribute" %x on ["dp", "tp"] sizes() result_sizes(%own) counts(%c, %o : !tokens, !begins) box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 5)> from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 5)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (5, 1)> to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d2 * 15 + d3 * 5)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (30, 1)> : tensor<?x5xf32> -> tensor<?x30xf32>
  return %y : tensor<?x30xf32>
}

// Rows behind another dim: strides in the memory of a peer count its rows.
func.func @rows_behind(%x: tensor<3x?xf32> {muster.layout = #muster.layout<[a, t/dp : tokens @step]>}) -> (tensor<3x?xf32> {muster.layout = #muster.layout<[a, t]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "all_gather" %x on ["dp"] sizes(%all) result_sizes(%all) counts(%c, %o : !tokens, !begins) box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (3, d5)> from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (0)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (d5, 1)> to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (d7)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (s0, 1)> : tensor<3x?xf32> -> tensor<3x?xf32>
  return %y : tensor<3x?xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_rows_are_not_summed(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i], partial(sum: tp)>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  // expected-error @+1 {{E1105 result is not reduced as declared: the value is still to be reduced over 'tp', declared fully reduced}}
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_own_count_for_the_peers(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which rows do not begin where their counts say}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #own from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_own_rows_at_the_peers_begin(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which rows do not begin where their counts say}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #own from #zero #dense to #own_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_begin_without_stride(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which rows do not begin where their counts say}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7)> #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_counts_for_offsets(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which the place in the result has an element of counts that is not of the rows there}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5 * 16 + d7 * 16)> #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_no_offsets(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which counts have no offsets}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c : !tokens) box affine_map<(d0, d1, d2, d3, d4, d5) -> (d5, 16)> from affine_map<(d0, d1, d2, d3, d4, d5) -> (0)> affine_map<(d0, d1, d2, d3, d4, d5) -> (16, 1)> to affine_map<(d0, d1, d2, d3, d4, d5) -> (0)> affine_map<(d0, d1, d2, d3, d4, d5) -> (16, 1)> : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_offsets_of_others(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %d = plan.record "u" on ["dp"] bound 8 : !muster.counts<[dp], rows, @step>
  %p = muster.offsets %d : !muster.counts<[dp], rows, @step> -> !muster.offsets<[dp], rows, @step>
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which offsets are not those of its counts}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %p : !tokens, !muster.offsets<[dp], rows, @step>) box #peers from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_stride_of_own_rows(%x: tensor<3x?xf32> {muster.layout = #muster.layout<[a, t/dp : tokens @step]>}) -> (tensor<3x?xf32> {muster.layout = #muster.layout<[a, t]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which a size of the own memory is taken for the peer's}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes(%all, %own) result_sizes(%all) counts(%c, %o : !tokens, !begins) box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0, s1] -> (3, d5)> from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0, s1] -> (0)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0, s1] -> (s1, 1)> to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0, s1] -> (d7)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0, s1] -> (s0, 1)> : tensor<3x?xf32> -> tensor<3x?xf32>
  return %y : tensor<3x?xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
// Twice the own rows are not all of two ranks.
func.func @negative_multiple_for_a_sum(%x: tensor<3x?xf32> {muster.layout = #muster.layout<[a, t/dp : tokens @step]>}) -> (tensor<3x?xf32> {muster.layout = #muster.layout<[a, t]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which the box walks no dims of the source and of the result}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes(%own) result_sizes(%all) counts(%c, %o : !tokens, !begins) box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (3, d5)> from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (0)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (d5, 1)> to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (d7)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7)[s0] -> (s0 * 2, 1)> : tensor<3x?xf32> -> tensor<3x?xf32>
  return %y : tensor<3x?xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_gathered_again(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}, %z: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which the box walks no dims of the source and of the result}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
// Peers' rows without counts, as many as the own.
func.func @negative_rows_of_others(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which a size of the own memory is taken for the peer's}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "permute" %x on ["dp"] sizes(%own) result_sizes(%own) box affine_map<(d0, d1, d2, d3)[s0] -> (s0, 16)> from affine_map<(d0, d1, d2, d3)[s0] -> (0)>
      affine_map<(d0, d1, d2, d3)[s0] -> (16, 1)> to affine_map<(d0, d1, d2, d3)[s0] -> (0)> affine_map<(d0, d1, d2, d3)[s0] -> (16, 1)> sources [1, 0] : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
!begins = !muster.offsets<[dp], tokens, @step>
#own = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
#peers = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
#own_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>
#peers_begin = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_record_twice(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %o = muster.offsets %c : !tokens -> !begins
  %own = muster.own_count %c : !tokens
  %all = muster.total %c : !tokens
  %again = plan.record "u" on ["dp"] bound 8 : !tokens
  // expected-error @+2 {{E1108 cannot be proved: a transfer of which a size of the result is not known}}
  // expected-note @+1 {{what would settle it: a transfer that lower-collectives makes}}
  %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%all) counts(%c, %o : !tokens, !begins) box #peers from #zero #dense to #peers_begin #dense : tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
