// RUN: muster-opt %s --split-input-file --verify-diagnostics

// One case for each constraint (Cn), named after it.

func.func @matmul_c1_inputs(%x: tensor<2x3xf32>, %w: tensor<5x7xf32>) {
  // expected-error @+1 {{expected dim 1 of weight to equal dim 1 of input, 3, but got 7}}
  %y = nn.matmul %x, %w : tensor<2x3xf32>, tensor<5x7xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_c2_rows(%x: tensor<2x3xf32>, %w: tensor<5x3xf32>) {
  // expected-error @+1 {{expected dim 0 of result to equal dim 0 of input, 2, but got 3}}
  %y = nn.matmul %x, %w : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<3x5xf32>
  return
}

// -----

func.func @matmul_c2_outputs(%x: tensor<2x3xf32>, %w: tensor<5x3xf32>) {
  // expected-error @+1 {{expected dim 1 of result to equal dim 0 of weight, 5, but got 7}}
  %y = nn.matmul %x, %w : tensor<2x3xf32>, tensor<5x3xf32> -> tensor<2x7xf32>
  return
}

// -----

func.func @matmul_c3_element_types(%x: tensor<2x3xf32>, %w: tensor<5x3xbf16>) {
  // expected-error @+1 {{expected the element type of weight to be that of input, 'f32', but got 'bf16'}}
  %y = nn.matmul %x, %w : tensor<2x3xf32>, tensor<5x3xbf16> -> tensor<2x5xf32>
  return
}

// -----

func.func @gather_rows_c1_rows(%table: tensor<7x3xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{expected dim 0 of result to equal dim 0 of indices, 2, but got 7}}
  %y = nn.gather_rows %table[%i] : tensor<7x3xf32>, tensor<2xi32> -> tensor<7x3xf32>
  return
}

// -----

func.func @gather_rows_c1_columns(%table: tensor<7x3xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{expected dim 1 of result to equal dim 1 of table, 3, but got 5}}
  %y = nn.gather_rows %table[%i] : tensor<7x3xf32>, tensor<2xi32> -> tensor<2x5xf32>
  return
}

// -----

func.func @gather_rows_c2_element_types(%table: tensor<7x3xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{expected the element type of result to be that of table, 'f32', but got 'f16'}}
  %y = nn.gather_rows %table[%i] : tensor<7x3xf32>, tensor<2xi32> -> tensor<2x3xf16>
  return
}

// -----

func.func @rms_norm_c1_scale(%x: tensor<2x3xf32>, %scale: tensor<5xf32>) {
  // expected-error @+1 {{expected dim 0 of scale to equal dim 1 of input, 3, but got 5}}
  %y = nn.rms_norm %x, %scale epsilon 1.0e-5 : tensor<2x3xf32>, tensor<5xf32>
  return
}

// -----

func.func @rms_norm_c2_epsilon(%x: tensor<2x3xf32>, %scale: tensor<3xf32>) {
  %least = nn.rms_norm %x, %scale epsilon 4.9406564584124654e-324 : tensor<2x3xf32>, tensor<3xf32>
  // expected-error @+1 {{expected an epsilon above 0 but got 0.000000e+00}}
  %y = nn.rms_norm %x, %scale epsilon 0.0 : tensor<2x3xf32>, tensor<3xf32>
  return
}

// -----

func.func @split_heads_c1_head_dim(%x: tensor<2x15xf32>) {
  // expected-error @+1 {{expected dim 2 to be head_dim, 5, but got 3}}
  %y = nn.split_heads %x heads 3 head_dim 5 : tensor<2x15xf32> -> tensor<2x5x3xf32>
  return
}

// -----

func.func @split_heads_c1_product(%x: tensor<2x14xf32>) {
  // expected-error @+1 {{expected 3 heads of 5 to make 15 but got 14}}
  %y = nn.split_heads %x heads 3 head_dim 5 : tensor<2x14xf32> -> tensor<2x3x5xf32>
  return
}

// -----

func.func @split_heads_c2_heads(%x: tensor<2x15xf32>) {
  %two_ranks = nn.split_heads %x heads 6 head_dim 5 : tensor<2x15xf32> -> tensor<2x3x5xf32>
  // expected-error @+1 {{expected the rank's heads to divide 7 but got 3}}
  %y = nn.split_heads %x heads 7 head_dim 5 : tensor<2x15xf32> -> tensor<2x3x5xf32>
  return
}

// -----

func.func @split_heads_c2_positive(%x: tensor<2x0xf32>) {
  // expected-error @+1 {{expected heads and head_dim of at least 1 but got 3 and 0}}
  %y = nn.split_heads %x heads 3 head_dim 0 : tensor<2x0xf32> -> tensor<2x3x0xf32>
  return
}

// -----

func.func @merge_heads_c1_product(%x: tensor<2x3x5xf32>) {
  // expected-error @+1 {{expected 3 heads of 5 to make 15 but got 16}}
  %y = nn.merge_heads %x heads 3 head_dim 5 : tensor<2x3x5xf32> -> tensor<2x16xf32>
  return
}

// -----

func.func @merge_heads_c2_heads(%x: tensor<2x3x5xf32>) {
  // expected-error @+1 {{expected the rank's heads to divide 4 but got 3}}
  %y = nn.merge_heads %x heads 4 head_dim 5 : tensor<2x3x5xf32> -> tensor<2x15xf32>
  return
}

// -----

func.func @rope_c1_even(%x: tensor<2x3x5xf32>, %t: tensor<7x2xf32>, %p: tensor<2xi32>) {
  // expected-error @+1 {{expected an even head dim but got 5}}
  %y = nn.rope %x, %t, %t, %p : tensor<2x3x5xf32>, tensor<7x2xf32>, tensor<2xi32>
  return
}

// -----

func.func @rope_c1_half(%x: tensor<2x3x6xf32>, %t: tensor<7x2xf32>, %p: tensor<2xi32>) {
  // expected-error @+1 {{expected tables of 3 angles but got 2}}
  %y = nn.rope %x, %t, %t, %p : tensor<2x3x6xf32>, tensor<7x2xf32>, tensor<2xi32>
  return
}

// -----

func.func @rope_c2_positions(%x: tensor<2x3x6xf32>, %t: tensor<7x3xf32>, %p: tensor<5xi32>) {
  // expected-error @+1 {{expected dim 0 of positions to equal dim 0 of input, 2, but got 5}}
  %y = nn.rope %x, %t, %t, %p : tensor<2x3x6xf32>, tensor<7x3xf32>, tensor<5xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @cache_append_c1_state_exists(%rows: tensor<2x1x4xf32>, %slots: tensor<2xi32>) {
  // expected-error @+1 {{references unknown state @k}}
  nn.cache_append @k, %rows, %slots : tensor<2x1x4xf32>, tensor<2xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<5x8x3x4xf32> layout <[page, slot, kv/tp, d]>
func.func @cache_append_c1_pages(%rows: tensor<2x1x4xf32>, %slots: tensor<2xi32>) {
  // expected-error @+1 {{expected state @k to be [page, slot, head, dim] with a dynamic number of pages but got 'tensor<5x8x3x4xf32>'}}
  nn.cache_append @k, %rows, %slots : tensor<2x1x4xf32>, tensor<2xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<?x8x3x4xf32> layout <[page, slot, kv/tp, d]>
func.func @cache_append_c2_rows(%rows: tensor<2x3x4xf32>, %slots: tensor<2xi32>) {
  // expected-error @+1 {{expected rows of the rank's state 'tensor<?x8x1x4xf32>' but got 'tensor<2x3x4xf32>'}}
  nn.cache_append @k, %rows, %slots : tensor<2x3x4xf32>, tensor<2xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<?x8x3x4xf32> layout <[page, slot, kv/tp, d]>
func.func @cache_append_c2_slots(%rows: tensor<2x1x4xf32>, %slots: tensor<5xi32>) {
  // expected-error @+1 {{expected dim 0 of slots to equal dim 0 of rows, 2, but got 5}}
  nn.cache_append @k, %rows, %slots : tensor<2x1x4xf32>, tensor<5xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<?x8x3x4xf32> layout <[page, slot, kv/tp, d]>
muster.state @v : tensor<?x8x3x6xf32> layout <[page, slot, kv/tp, d]>
func.func @attention_c1_one_type(%q: tensor<2x3x4xf32>, %p: tensor<2xi32>, %s: tensor<2xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected keys and values of one type and the query's head dim 4 but got 'tensor<?x8x1x4xf32>' and 'tensor<?x8x1x6xf32>'}}
  %y = nn.attention %q keys @k values @v positions %p starts %s blocks %b heads 9 kv_heads 3 scale 0.5
      : tensor<2x3x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1x5xi32>
  return
}

// -----

func.func @attention_c2_groups(%q: tensor<2x3x4xf32>, %p: tensor<2xi32>, %s: tensor<2xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected kv_heads to divide heads, 9, but got 2}}
  %y = nn.attention %q keys @k values @k positions %p starts %s blocks %b heads 9 kv_heads 2 scale 0.5
      : tensor<2x3x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1x5xi32>
  return
}

// -----

func.func @attention_c2_positive(%q: tensor<2x3x4xf32>, %p: tensor<2xi32>, %s: tensor<2xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected kv_heads to divide heads, 0, but got 3}}
  %y = nn.attention %q keys @k values @k positions %p starts %s blocks %b heads 0 kv_heads 3 scale 0.5
      : tensor<2x3x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1x5xi32>
  return
}

// -----

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<?x8x3x4xf32> layout <[page, slot, kv/tp, d]>
func.func @attention_c2_ratio(%q: tensor<2x2x4xf32>, %p: tensor<2xi32>, %s: tensor<2xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected the rank's heads in the ratio 9 : 3, or a part of one key-value head's, but got 2 and 1}}
  %y = nn.attention %q keys @k values @k positions %p starts %s blocks %b heads 9 kv_heads 3 scale 0.5
      : tensor<2x2x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1x5xi32>
  return
}

// -----

func.func @attention_c3_positions(%q: tensor<2x3x4xf32>, %p: tensor<5xi32>, %s: tensor<2xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected dim 0 of positions to equal dim 0 of query, 2, but got 5}}
  %y = nn.attention %q keys @k values @k positions %p starts %s blocks %b heads 9 kv_heads 3 scale 0.5
      : tensor<2x3x4xf32>, tensor<5xi32>, tensor<2xi32>, tensor<1x5xi32>
  return
}

// -----

func.func @attention_c3_starts(%q: tensor<2x3x4xf32>, %p: tensor<2xi32>, %s: tensor<3xi32>, %b: tensor<1x5xi32>) {
  // expected-error @+1 {{expected query_starts to have 2 entries but got 3}}
  %y = nn.attention %q keys @k values @k positions %p starts %s blocks %b heads 9 kv_heads 3 scale 0.5
      : tensor<2x3x4xf32>, tensor<2xi32>, tensor<3xi32>, tensor<1x5xi32>
  return
}
