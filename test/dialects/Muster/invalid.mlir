// RUN: muster-opt %s --split-input-file --verify-diagnostics

// One case for each constraint (Cn), named after it; where a constraint is a limit, its other side stands in ops.mlir or beside it.

// expected-error @+1 {{expected distinct axis names but got 'tp' twice or empty}}
muster.mesh @mesh_c1_names_are_distinct <["tp" = 2, "tp" = 3]>

// -----

// expected-error @+1 {{expected distinct axis names but got '' twice or empty}}
muster.mesh @mesh_c1_names_are_not_empty <["" = 2]>

// -----

muster.mesh @mesh_c2_one_is_a_size <["tp" = 1]>
// expected-error @+1 {{expected axis 'tp' to have a size of at least 1 but got 0}}
muster.mesh @mesh_c2_sizes_are_positive <["tp" = 0]>

// -----

muster.mesh @mesh_c2_most_ranks <["a" = 65535, "b" = 32768]>
// expected-error @+1 {{expected at most 2147483647 ranks but axis 'b' of size 32768 makes more}}
muster.mesh @mesh_c2_too_many_ranks <["a" = 65536, "b" = 32768]>

// -----

// expected-error @+1 {{expected axis 'tp' at most once in a layout but got it twice}}
func.func private @layout_c1_axis_divides_two_dims() attributes {l = #muster.layout<[a/tp, b/tp]>}

// -----

// expected-error @+1 {{expected axis 'tp' at most once in a layout but got it twice}}
func.func private @layout_c1_axis_divides_and_is_partial() attributes {l = #muster.layout<[a/tp], partial(sum: tp)>}

// -----

// Digits [1, 4) and [2, 4) of the coordinate meet; [1, 2) and [2, 4) do not.
func.func private @layout_c1_sub_axes_apart() attributes {l = #muster.layout<[a/tp[1:2], b/tp[2:2]]>}
// expected-error @+1 {{expected axis 'tp' at most once in a layout but got it twice}}
func.func private @layout_c1_sub_axes_meet() attributes {l = #muster.layout<[a/tp[1:4], b/tp[2:2]]>}

// -----

// One axis may divide each of the segments of a dim, but no other dim.
func.func private @layout_c1_segments_share_an_axis() attributes {l = #muster.layout<[{q:4/tp | k:2/tp}, i]>}
// expected-error @+1 {{expected axis 'tp' at most once in a layout but got it twice}}
func.func private @layout_c1_segment_and_dim() attributes {l = #muster.layout<[{q:4/tp | k:2}, i/tp]>}

// -----

// expected-error @+1 {{expected dim name 'a' at most once in a layout but got it twice}}
func.func private @layout_c2_name_occurs_twice() attributes {l = #muster.layout<[a, (b a)]>}

// -----

// expected-error @+1 {{expected at least two segments but got 1}}
func.func private @layout_c3_one_segment() attributes {l = #muster.layout<[{q:4}]>}

// -----

// expected-error @+1 {{expected an extent on term 'k' but got 0}}
func.func private @layout_c3_segment_without_extent() attributes {l = #muster.layout<[{q:4 | k}]>}

// -----

// expected-error @+1 {{expected no extent on term 'q' but got 4}}
func.func private @layout_c3_extent_outside_segments() attributes {l = #muster.layout<[q:4]>}

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected a layout of 2 dims but got 1 in [o]}}
muster.weight @weight_c1_layout_fits : tensor<4x2xf32> layout <[o]>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{references unknown mesh axis 'dp'}}
muster.weight @weight_c2_axis_exists : tensor<4x2xf32> layout <[o/dp, i]>

// -----

muster.mesh @node <["tp" = 3]>
muster.weight @weight_c2_axes_divide : tensor<6x2xf32> layout <[o/tp, i]>
// expected-error @+1 {{expected dim 'o' of size 4 to be divisible by 3 ranks in layout [o/tp, i]}}
muster.weight @weight_c2_axes_do_not_divide : tensor<4x2xf32> layout <[o/tp, i]>

// -----

muster.mesh @node <["tp" = 4]>
muster.weight @weight_c2_sub_axis : tensor<2x2xf32> layout <[o/tp[2:2], i]>
// expected-error @+1 {{expected sub-axis 'tp[2:3]' to divide an axis of 4 ranks}}
muster.weight @weight_c2_sub_axis_leaves_its_axis : tensor<6x2xf32> layout <[o/tp[2:3], i]>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected a layout without partial axes but got [o], partial(sum: tp)}}
muster.weight @weight_c2_is_not_partial : tensor<4xf32> layout <[o], partial(sum: tp)>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected the segments of layout [{q:4/tp | k:2/tp}] to make 8 but got 6}}
muster.weight @weight_c2_segments_add_up : tensor<8xf32> layout <[{q:4/tp | k:2/tp}]>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected only dim 0 to be dynamic but got dim 1 of 'tensor<?x?xf32>'}}
muster.state @state_c1_only_pages_are_dynamic : tensor<?x?xf32> layout <[page, slot]>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected a layout of 2 dims but got 3 in [page, slot, d]}}
muster.state @state_c1_layout_fits : tensor<?x4xf32> layout <[page, slot, d]>

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected dim 'slot' of size 5 to be divisible by 2 ranks}}
muster.state @state_c2_axes_divide : tensor<?x5xf32> layout <[page, slot/tp]>

// -----

muster.mesh @node <["tp" = 2]>
func.func @load_c1_weight_exists() {
  // expected-error @+1 {{references unknown weight @w}}
  %w = muster.load @w : tensor<2x2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
// expected-note @+1 {{weight declared here}}
muster.weight @w : tensor<4x2xf32> layout <[o/tp, i]>
func.func @load_c2_is_the_part() {
  // expected-error @+1 {{expected the rank's part 'tensor<2x2xf32>' but got 'tensor<4x2xf32>'}}
  %w = muster.load @w : tensor<4x2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @coordinate_c1_axis_exists() {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %c = muster.coordinate "dp"
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @assert_layout_c1_fits(%x: tensor<4x2xf32>) {
  // expected-error @+1 {{expected a layout of 2 dims but got 1 in [t]}}
  %y = muster.assert_layout %x : tensor<4x2xf32> layout <[t]>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @assert_layout_c2_axes_exist(%x: tensor<4xf32>) {
  // expected-error @+1 {{layout [t], partial(sum: dp) references unknown mesh axis 'dp'}}
  %y = muster.assert_layout %x : tensor<4xf32> layout <[t], partial(sum: dp)>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @redistribute_c1_ranks(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected layout 'to' to have 1 dims but got 2 in [t, o]}}
  %y = muster.redistribute %x from <[t]> to <[t, o]> : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @redistribute_c1_names(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{expected the same dim names in both layouts but got [t, o] and [o, t]}}
  %y = muster.redistribute %x from <[t, o]> to <[o, t]> : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @redistribute_c2_sizes(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected dim 0 to have logical size 4 but got 8}}
  %y = muster.redistribute %x from <[t]> to <[t/tp]> : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @redistribute_c3_partial(%x: tensor<4xf32>) {
  // One of several partial axes may stay.
  %y = muster.redistribute %x from <[t], partial(sum: dp, tp)> to <[t], partial(sum: tp)> : tensor<4xf32> -> tensor<4xf32>
  // expected-error @+1 {{expected no partial axis in layout 'to' that layout 'from' lacks but got [t], partial(max: tp)}}
  %z = muster.redistribute %x from <[t], partial(sum: tp)> to <[t], partial(max: tp)> : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.all_gather %x on "dp" dim 0 : tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c1_axes_are_distinct(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected distinct axes but got 'tp' twice}}
  %y = muster.all_gather %x on ["tp", "tp"] dim 0 : tensor<4xf32> -> tensor<16xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c2_size(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected dim 0 to have sizes in the ratio of the group's 2 ranks but got 12 and 4}}
  %y = muster.all_gather %x on "tp" dim 0 : tensor<4xf32> -> tensor<12xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c2_other_dims(%x: tensor<4x3xf32>) {
  // expected-error @+1 {{expected dim 1 of the result to have size 3 but got 5}}
  %y = muster.all_gather %x on "tp" dim 0 : tensor<4x3xf32> -> tensor<8x5xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_gather_c2_dim_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected 'dim' to be a dim of 'tensor<4xf32>' but got 1}}
  %y = muster.all_gather %x on "tp" dim 1 : tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @reduce_scatter_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.reduce_scatter %x sum on "dp" dim 0 : tensor<4xf32> -> tensor<2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @reduce_scatter_c2_size(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected dim 0 to have sizes in the ratio of the group's 3 ranks but got 4 and 2}}
  %y = muster.reduce_scatter %x sum on "tp" dim 0 : tensor<4xf32> -> tensor<2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @reduce_scatter_kind(%x: tensor<6xf32>) {
  // expected-error @+1 {{expected 'sum', 'max' or 'min' but got 'mean'}}
  %y = muster.reduce_scatter %x mean on "tp" dim 0 : tensor<6xf32> -> tensor<2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_reduce_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.all_reduce %x sum on "dp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_to_all_c1_axis_exists(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'sp'}}
  %y = muster.all_to_all %x on "sp" split 0 concat 1 : tensor<4x4xf32> -> tensor<2x8xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_to_all_c2_split_is_a_dim(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{expected 'split' to be a dim of 'tensor<4x4xf32>' but got 2}}
  %y = muster.all_to_all %x on "tp" split 2 concat 1 : tensor<4x4xf32> -> tensor<4x8xf32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @all_to_all_c3_split_divides(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{expected dim 0 to have sizes in the ratio of the group's 3 ranks but got 4 and 1}}
  %y = muster.all_to_all %x on "tp" split 0 concat 1 : tensor<4x4xf32> -> tensor<1x12xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @all_to_all_c3_concat_grows(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{expected dim 1 to have sizes in the ratio of the group's 2 ranks but got 4 and 4}}
  %y = muster.all_to_all %x on "tp" split 0 concat 1 : tensor<4x4xf32> -> tensor<2x4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @all_to_all_c3_one_dim(%x: tensor<6xf32>, %z: tensor<4xf32>) {
  %y = muster.all_to_all %x on "tp" split 0 concat 0 : tensor<6xf32> -> tensor<6xf32>
  // expected-error @+1 {{expected dim 0 to be divisible by the group's 3 ranks but got 4}}
  %w = muster.all_to_all %z on "tp" split 0 concat 0 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @exchange_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'sp'}}
  %y = muster.exchange %x on "sp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @exchange_c2_group_divides(%x: tensor<6xf32>, %z: tensor<4xf32>) {
  %y = muster.exchange %x on "tp" : tensor<6xf32>
  // expected-error @+1 {{expected dim 0 to be divisible by the group's 3 ranks but got 4}}
  %w = muster.exchange %z on "tp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @slice_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.slice %x on "dp" dim 0 : tensor<4xf32> -> tensor<2xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @slice_c2_size(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected dim 0 to have sizes in the ratio of the group's 2 ranks but got 4 and 1}}
  %y = muster.slice %x on "tp" dim 0 : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @broadcast_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'dp'}}
  %y = muster.broadcast %x from 0 on "dp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @broadcast_c2_root(%x: tensor<4xf32>) {
  %y = muster.broadcast %x from 1 on "tp" : tensor<4xf32>
  // expected-error @+1 {{expected a position of the group's 2 ranks but got 2}}
  %z = muster.broadcast %x from 2 on "tp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @permute_c1_axis_exists(%x: tensor<4xf32>) {
  // expected-error @+1 {{references unknown mesh axis 'pp'}}
  %y = muster.permute %x sources [1, 0] on "pp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @permute_c2_one_source_a_position(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected 2 sources but got 1}}
  %y = muster.permute %x sources [0] on "tp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @permute_c2_sources_are_positions(%x: tensor<4xf32>) {
  %y = muster.permute %x sources [-1, 1] on "tp" : tensor<4xf32>
  // expected-error @+1 {{expected sources between -1 and 1 but got 2}}
  %z = muster.permute %x sources [0, 2] on "tp" : tensor<4xf32>
  return
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @local_count_c1_has_no_axes(%n: index) {
  // expected-error @+1 {{expected a count without axes but got}}
  %c = muster.local_count %n : !muster.counts<[dp], tokens, @step>
  return
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @exchange_counts_c1_axis_exists(%c: !muster.counts<[], tokens, @step>) {
  // expected-error @+1 {{references unknown mesh axis "tp"}}
  %d = muster.exchange_counts %c : !muster.counts<[], tokens, @step> -> !muster.counts<[tp], tokens, @step>
  return
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @exchange_counts_c1_once(%c: !muster.counts<[dp], tokens, @step>) {
  // expected-error @+1 {{expected axis 'dp' to be exchanged once but got it twice}}
  %d = muster.exchange_counts %c : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  return
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @exchange_counts_c2_epoch(%c: !muster.counts<[], tokens, @first>) {
  // expected-error @+1 {{expected unit tokens of batch @first but got tokens of batch @second}}
  %d = muster.exchange_counts %c : !muster.counts<[], tokens, @first> -> !muster.counts<[dp], tokens, @second>
  return
}

// -----

func.func @no_mesh(%x: tensor<4xf32>) {
  // expected-error @+1 {{cannot be checked because the module has no mesh}}
  %y = muster.all_reduce %x sum on "tp" : tensor<4xf32>
  return
}

// -----

muster.mesh @one <["tp" = 2]>
muster.mesh @two <["tp" = 3]>
func.func @chosen_mesh(%x: tensor<4xf32>) attributes {muster.mesh = @one} {
  %y = muster.broadcast %x from 1 on "tp" : tensor<4xf32>
  return
}
func.func @open_mesh(%x: tensor<4xf32>) {
  // expected-error @+1 {{cannot be checked because the module has several meshes and the function names none}}
  %y = muster.all_reduce %x sum on "tp" : tensor<4xf32>
  return
}

// -----

// expected-error @+1 {{references unknown mesh @node}}
func.func private @unknown_mesh() attributes {muster.mesh = @node}

// -----

// expected-error @+1 {{expected the bound of dim 't' to be an integer of at least 1 but got 0 : i64}}
func.func private @bounds() attributes {muster.bounds = {t = 0 : i64}}

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{expected the layout of argument 1 to have 1 dims but got 2 in [t, o]}}
func.func private @port_layout_fits(tensor<4xf32>, tensor<4xf32> {muster.layout = #muster.layout<[t, o]>})

// -----

muster.mesh @node <["tp" = 2]>
// expected-error @+1 {{layout of result 0 references unknown mesh axis 'dp'}}
func.func private @port_axis_exists() -> (tensor<4xf32> {muster.layout = #muster.layout<[t/dp]>})

// -----

func.func private @port_bound(tensor<4xi32> {muster.bound = 7 : i64})
// expected-error @+1 {{expected attribute 'muster.bound' of argument 0 to be an integer of at least 1 on integers but got 7 : i64 on 'tensor<4xf32>'}}
func.func private @port_bound_of_floats(tensor<4xf32> {muster.bound = 7 : i64})

// -----

// expected-error @+1 {{expected attribute 'muster.split' to name three batches, parent, first and second, but got {first = @step.a, parent = @step}}}
func.func @split_of_two_batches() attributes {muster.split = {parent = @step, first = @step.a}} {
  return
}

// -----

muster.mesh @m <["dp" = 2]>
// expected-error @+1 {{expected attribute 'muster.split' of argument 0 to be slice, recompute, inherit or drop but got "copy"}}
func.func @split_of_unknown_class(%x: tensor<6xf32> {muster.split = "copy"}) {
  return
}
