// RUN: muster-opt %s --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c1_one_stride_a_box_dim(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error @+1 {{expected 'source_strides' to have 2 results but got 1}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (2, 3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (3, 1)> : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c1_one_offset(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'destination_offset' to have 1 results but got 2}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0, 0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @transfer_c2_two_dims_an_axis(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'box' to have 4 dims and 0 symbols but got 2 and 0}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c2_one_symbol_a_size(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'box' to have 2 dims and 0 symbols but got 2 and 1}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b)[n] -> (n)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c3_one_element_type(%x: tensor<3xf32>) -> tensor<3xf16> {
  // expected-error @+1 {{expected a result of element type 'f32' but got 'f16'}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf16>
  return %0 : tensor<3xf16>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c4_a_size_for_a_dynamic_dim(%x: tensor<3xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{expected 1 result sizes but got 0}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----
func.func @transfer_needs_a_mesh(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{cannot be checked without a mesh}}
  %0 = plan.transfer "copy" %x on [] sizes() result_sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
func.func @matmul_c1_shapes(%x: tensor<3x5xf32>, %w: tensor<7x4xf32>) -> tensor<3x7xf32> {
  // expected-error @+1 {{expected shapes [t, i], [o, i] and [t, o] but got 'tensor<3x5xf32>', 'tensor<7x4xf32>' and 'tensor<3x7xf32>'}}
  %0 = plan.matmul %x, %w : tensor<3x5xf32>, tensor<7x4xf32> -> tensor<3x7xf32>
  return %0 : tensor<3x7xf32>
}

// -----
func.func @matmul_c1_accumulator(%x: tensor<3x5xf32>, %w: tensor<7x5xf32>, %a: tensor<7x3xf32>) -> tensor<3x7xf32> {
  // expected-error @+1 {{expected an accumulator of type 'tensor<3x7xf32>' but got 'tensor<7x3xf32>'}}
  %0 = plan.matmul %x, %w accumulate %a : tensor<7x3xf32> : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
  return %0 : tensor<3x7xf32>
}

// -----
func.func @packed_view_c1_shape(%w: tensor<65x17xf32>) -> tensor<1x2x16x64xf32> {
  // expected-error @+1 {{expected the packed shape of 'tensor<65x17xf32>' but got 'tensor<1x2x16x64xf32>'}}
  %0 = plan.packed_view %w : tensor<65x17xf32> -> tensor<1x2x16x64xf32>
  return %0 : tensor<1x2x16x64xf32>
}

// -----
func.func @launch_c1_unknown_kernel(%x: tensor<3xf32>) {
  // expected-error @+1 {{references unknown kernel @none}}
  %0 = plan.launch @none(%x) sizes() : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----
// expected-note @+1 {{kernel declared here}}
plan.kernel @k(%x: tensor<3xf32>) -> tensor<3xf32> {
  plan.return %x : tensor<3xf32>
}
func.func @launch_c1_type(%x: tensor<5xf32>) {
  // expected-error @+1 {{expected the kernel's type '(tensor<3xf32>) -> tensor<3xf32>'}}
  %0 = plan.launch @k(%x) sizes() : (tensor<5xf32>) -> tensor<5xf32>
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c2_two_dims_a_count(%x: tensor<3xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'box' to have 4 dims and 0 symbols but got 2 and 0}}
  %0 = plan.transfer "copy" %x on ["tp"] sizes() result_sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
      to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c2_columns_need_sources(%x: tensor<3xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'sources' with 1 columns but got none}}
  %0 = plan.transfer "copy" %x on ["tp"] sizes() result_sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b, c, d, e) -> (3)> from affine_map<(a, b, c, d, e) -> (0)> affine_map<(a, b, c, d, e) -> (1)>
      to affine_map<(a, b, c, d, e) -> (0)> affine_map<(a, b, c, d, e) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c6_counts_of_a_group(%x: tensor<3xf32>, %c: !muster.counts<[], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected counts on axes of the mesh but got '!muster.counts<[], tokens, @step>'}}
  %0 = plan.transfer "copy" %x on ["tp"] sizes() result_sizes() counts(%c : !muster.counts<[], tokens, @step>) box affine_map<(a, b, c, d) -> (3)> from affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)>
      to affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c6_axes_of_the_mesh(%x: tensor<3xf32>, %o: !muster.offsets<[dp], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected counts on axes of the mesh but got '!muster.offsets<[dp], tokens, @step>'}}
  %0 = plan.transfer "copy" %x on ["tp"] sizes() result_sizes() counts(%o : !muster.offsets<[dp], tokens, @step>) box affine_map<(a, b, c, d) -> (3)> from affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)>
      to affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c7_one_box_for_all_peers(%x: tensor<3xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'box' not to depend on the peer in a reduction but got affine_map<(d0, d1, d2, d3) -> (d3)>}}
  %0 = plan.transfer "copy" %x on ["tp"] reduce <sum> sizes() result_sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b, c, d) -> (d)> from affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)>
      to affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @transfer_c7_one_place_for_all_peers(%x: tensor<3xf32>, %c: !muster.counts<[tp], tokens, @step>) -> tensor<3xf32> {
  // expected-error @+1 {{expected 'destination_offset' not to depend on the peer in a reduction but got affine_map<(d0, d1, d2, d3) -> (d3)>}}
  %0 = plan.transfer "copy" %x on ["tp"] reduce <sum> sizes() result_sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b, c, d) -> (3)> from affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)>
      to affine_map<(a, b, c, d) -> (d)> affine_map<(a, b, c, d) -> (1)> : tensor<3xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----
muster.mesh @mesh <["tp" = 2]>
plan.entry @transfer_step_c2_two_dims_a_count inputs [] results [] {
  %c = plan.record "t" on ["tp"] bound 8 : !muster.counts<[tp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[tp], tokens, @step>
  plan.variant "all" bounds {} arena 64 {
    %x = plan.span(%own) : !plan.span<tensor<?xf32>>
    // expected-error @+1 {{expected 'source_offset' to have 4 dims and 0 symbols but got 2 and 0}}
    plan.transfer_step "copy" %x -> %x on [] sizes() counts(%c : !muster.counts<[tp], tokens, @step>) box affine_map<(a, b, c, d) -> (c)> from affine_map<(a, b) -> (0)>
        affine_map<(a, b, c, d) -> (1)> to affine_map<(a, b, c, d) -> (0)> affine_map<(a, b, c, d) -> (1)> : !plan.span<tensor<?xf32>> -> !plan.span<tensor<?xf32>>
  }
}

// -----
muster.mesh @mesh <["tp" = 2]>
plan.entry @transfer_step_c8_two_streams inputs [] results [] {
  plan.variant "all" bounds {} arena 64 {
    %x = plan.span() : !plan.span<tensor<3xf32>>
    // expected-error @+1 {{expected stream 0 or 1 but got 2}}
    plan.transfer_step "copy" %x -> %x on [] sizes() box affine_map<(a, b) -> (3)> from affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)>
        to affine_map<(a, b) -> (0)> affine_map<(a, b) -> (1)> stream 2 : !plan.span<tensor<3xf32>> -> !plan.span<tensor<3xf32>>
  }
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @record_c1_axes_of_the_mesh() {
  // expected-error @+1 {{expected distinct axes of the mesh but got 'dp'}}
  %0 = plan.record "t" on ["dp"] bound 8 : !muster.counts<[dp], tokens, @step>
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @record_c1_axes_of_the_result() {
  // expected-error @+1 {{expected counts on ["tp"] but got '!muster.counts<[], tokens, @step>'}}
  %0 = plan.record "t" on ["tp"] bound 8 : !muster.counts<[], tokens, @step>
  return
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @record_c2_bounds() {
  // expected-error @+1 {{expected a name and bounds of at least 0 but got "t", 8 and -1}}
  %0 = plan.record "t" on ["tp"] bound 8 total -1 : !muster.counts<[tp], tokens, @step>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c1_an_axis_of_the_mesh(%x: tensor<8x3xf32>, %s: tensor<2xi32>) {
  // expected-error @+1 {{expected distinct axes of the mesh but got 'tp'}}
  %0 = plan.exchange_rows %x send %s on ["tp"] : tensor<8x3xf32>, tensor<2xi32> -> tensor<16x3xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c1_at_least_one_axis(%x: tensor<8x3xf32>, %s: tensor<1xi32>) {
  // expected-error @+1 {{expected at least one axis but got none}}
  %0 = plan.exchange_rows %x send %s on [] : tensor<8x3xf32>, tensor<1xi32> -> tensor<16x3xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c2_a_part_for_each_position(%x: tensor<8x3xf32>, %s: tensor<3xi32>) {
  // expected-error @+1 {{expected i32 or i64 counts in 2 parts but got 'tensor<3xi32>'}}
  %0 = plan.exchange_rows %x send %s on ["ep"] : tensor<8x3xf32>, tensor<3xi32> -> tensor<16x3xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c2_integers(%x: tensor<8x3xf32>, %s: tensor<2xi16>) {
  // expected-error @+1 {{expected i32 or i64 counts in 2 parts but got 'tensor<2xi16>'}}
  %0 = plan.exchange_rows %x send %s on ["ep"] : tensor<8x3xf32>, tensor<2xi16> -> tensor<16x3xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c3_equal_rows(%x: tensor<8x3xf32>, %s: tensor<2xi32>) {
  // expected-error @+1 {{expected static types that are equal but for dim 0 but got 'tensor<8x3xf32>' and 'tensor<16x4xf32>'}}
  %0 = plan.exchange_rows %x send %s on ["ep"] : tensor<8x3xf32>, tensor<2xi32> -> tensor<16x4xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
func.func @exchange_rows_c3_static(%x: tensor<?x3xf32>, %s: tensor<2xi32>) {
  // expected-error @+1 {{expected static types that are equal but for dim 0 but got 'tensor<?x3xf32>' and 'tensor<16x3xf32>'}}
  %0 = plan.exchange_rows %x send %s on ["ep"] : tensor<?x3xf32>, tensor<2xi32> -> tensor<16x3xf32>
  return
}

// -----
muster.mesh @mesh <["ep" = 2]>
plan.entry @exchange_rows_step_c2 inputs [] results [] {
  plan.variant "all" bounds {} arena 4096 {
    %x = plan.span() : !plan.span<tensor<8x3xf32>>
    %s = plan.span() : !plan.span<tensor<4xi32>>
    %y = plan.span() : !plan.span<tensor<16x3xf32>>
    // expected-error @+1 {{expected i32 or i64 counts in 2 parts but got 'tensor<4xi32>'}}
    plan.exchange_rows_step %x send %s -> %y on ["ep"] : !plan.span<tensor<8x3xf32>>, !plan.span<tensor<4xi32>> -> !plan.span<tensor<16x3xf32>>
  }
}
