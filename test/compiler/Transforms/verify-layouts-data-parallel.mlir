// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Not so with another reduction, in either form.
// RUN: sed 's/partial(sum: tp)> to/partial(max: tp)> to/' %s | not muster-opt - --muster-verify-layouts --split-input-file 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: sed 's/reduce_scatter %d sum/reduce_scatter %d max/' %s | not muster-opt - --muster-verify-layouts --split-input-file 2>&1 | FileCheck %s --check-prefix=REDUCTION
// KIND: error: E1104 reduces over axis
// REDUCTION: error: E1105
// A Llama layer with data-parallel attention: rows of each group in the attention, of all groups in the feed-forward.

// As a model builder writes it: layouts, and no counts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.weight @rope_cos : tensor<16x2xf32> layout <[p, e]> {muster.generator = "rope_cos"}
muster.weight @rope_sin : tensor<16x2xf32> layout <[p, e]> {muster.generator = "rope_sin"}
muster.weight @token_embedding : tensor<40x16xf32> layout <[v/(dp,tp), i]>
muster.weight @layers.0.attention_norm : tensor<16xf32> layout <[i]>
muster.weight @layers.0.qkv : tensor<32x16xf32> layout <[{q:16/tp | k:8/tp | v:8/tp}, i]>
muster.weight @layers.0.o : tensor<16x16xf32> layout <[o, i/tp]>
muster.weight @layers.0.feed_forward_norm : tensor<16xf32> layout <[i]>
muster.weight @layers.0.gate_up : tensor<48x16xf32> layout <[{gate:24/(dp,tp) | up:24/(dp,tp)}, i]>
muster.weight @layers.0.down : tensor<16x24xf32> layout <[o, i/(dp,tp)]>
muster.weight @output_norm : tensor<16xf32> layout <[i]>
muster.state @layers.0.keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
muster.state @layers.0.values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>

func.func @step(
    %tokens: tensor<?xi32> {muster.name = "tokens", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
    %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %logit_rows: tensor<?xi32> {muster.name = "logit_rows", muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x40xf32> {muster.name = "logits", muster.layout = #muster.layout<[r/dp : rows @step, v]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8 : i64, starts = 5 : i64, s = 4 : i64, r = 4 : i64}} {
  %c0 = arith.constant 0 : index
  %c10 = arith.constant 10 : index
  %c20 = arith.constant 20 : index
  %cos = muster.load @rope_cos : tensor<16x2xf32>
  %sin = muster.load @rope_sin : tensor<16x2xf32>
  // embedding: all tokens, the rank's tenth of the vocabulary
  %all = muster.redistribute %tokens from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %table = muster.load @token_embedding : tensor<10x16xf32>
  %dp = muster.coordinate "dp"
  %tp = muster.coordinate "tp"
  %first_dp = arith.muli %dp, %c20 : index
  %first_tp = arith.muli %tp, %c10 : index
  %first = arith.addi %first_tp, %first_dp : index
  %e = nn.gather_rows %table[%all] first %first : tensor<10x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %x0 = muster.redistribute %e from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %own = tensor.dim %x0, %c0 : tensor<?x16xf32>
  // attention: the group's own tokens, heads over tp
  %w_an = muster.load @layers.0.attention_norm : tensor<16xf32>
  %n0 = nn.rms_norm %x0, %w_an epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %w_qkv = muster.load @layers.0.qkv : tensor<16x16xf32>
  %qkv = nn.matmul %n0, %w_qkv : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %q2 = tensor.extract_slice %qkv[0, 0] [%own, 8] [1, 1] : tensor<?x16xf32> to tensor<?x8xf32>
  %k2 = tensor.extract_slice %qkv[0, 8] [%own, 4] [1, 1] : tensor<?x16xf32> to tensor<?x4xf32>
  %v2 = tensor.extract_slice %qkv[0, 12] [%own, 4] [1, 1] : tensor<?x16xf32> to tensor<?x4xf32>
  %q3 = nn.split_heads %q2 heads 4 head_dim 4 : tensor<?x8xf32> -> tensor<?x2x4xf32>
  %k3 = nn.split_heads %k2 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %v3 = nn.split_heads %v2 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %q = nn.rope %q3, %cos, %sin, %positions : tensor<?x2x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  %k = nn.rope %k3, %cos, %sin, %positions : tensor<?x1x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  nn.cache_append @layers.0.keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  nn.cache_append @layers.0.values, %v3, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  %a = nn.attention %q keys @layers.0.keys values @layers.0.values positions %positions starts %starts blocks %blocks heads 4 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  %am = nn.merge_heads %a heads 4 head_dim 4 : tensor<?x2x4xf32> -> tensor<?x8xf32>
  %w_o = muster.load @layers.0.o : tensor<16x8xf32>
  %ao = nn.matmul %am, %w_o : tensor<?x8xf32>, tensor<16x8xf32> -> tensor<?x16xf32>
  %as = muster.redistribute %ao from <[t/dp : tokens @step, i], partial(sum: tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %x1_to = tensor.empty(%own) : tensor<?x16xf32>
  %x1 = linalg.add ins(%x0, %as : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x1_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  // feed-forward: all tokens, width over all ranks
  %w_fn = muster.load @layers.0.feed_forward_norm : tensor<16xf32>
  %n1 = nn.rms_norm %x1, %w_fn epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %g = muster.redistribute %n1 from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %rows = tensor.dim %g, %c0 : tensor<?x16xf32>
  %w_gu = muster.load @layers.0.gate_up : tensor<12x16xf32>
  %gu = nn.matmul %g, %w_gu : tensor<?x16xf32>, tensor<12x16xf32> -> tensor<?x12xf32>
  %gate = tensor.extract_slice %gu[0, 0] [%rows, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %up = tensor.extract_slice %gu[0, 6] [%rows, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %act_to = tensor.empty(%rows) : tensor<?x6xf32>
  %act = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
                         iterator_types = ["parallel", "parallel"]}
      ins(%gate, %up : tensor<?x6xf32>, tensor<?x6xf32>) outs(%act_to : tensor<?x6xf32>) {
  ^bb0(%l: f32, %r: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %neg = arith.negf %l : f32
    %exp = math.exp %neg : f32
    %den = arith.addf %one, %exp : f32
    %silu = arith.divf %l, %den : f32
    %out = arith.mulf %silu, %r : f32
    linalg.yield %out : f32
  } -> tensor<?x6xf32>
  %w_d = muster.load @layers.0.down : tensor<16x6xf32>
  %d = nn.matmul %act, %w_d : tensor<?x6xf32>, tensor<16x6xf32> -> tensor<?x16xf32>
  %ds = muster.redistribute %d from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %x2_to = tensor.empty(%own) : tensor<?x16xf32>
  %x2 = linalg.add ins(%x1, %ds : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x2_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  // head: asked rows of all groups, vocabulary over all ranks, each group gets its own rows
  %asked = nn.gather_rows %x2[%logit_rows] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %h = muster.redistribute %asked from <[r/dp : rows @step, i]> to <[r, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %w_on = muster.load @output_norm : tensor<16xf32>
  %hn = nn.rms_norm %h, %w_on epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %logits = nn.matmul %hn, %table : tensor<?x16xf32>, tensor<10x16xf32> -> tensor<?x10xf32>
  %out = muster.redistribute %logits from <[r, v/(dp,tp)]> to <[r/dp : rows @step, v]> : tensor<?x10xf32> -> tensor<?x40xf32>
  return %out : tensor<?x40xf32>
}

// -----

// The same with one exchange of counts and collectives by counts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
muster.weight @rope_cos : tensor<16x2xf32> layout <[p, e]> {muster.generator = "rope_cos"}
muster.weight @rope_sin : tensor<16x2xf32> layout <[p, e]> {muster.generator = "rope_sin"}
muster.weight @token_embedding : tensor<40x16xf32> layout <[v/(dp,tp), i]>
muster.weight @layers.0.attention_norm : tensor<16xf32> layout <[i]>
muster.weight @layers.0.qkv : tensor<32x16xf32> layout <[{q:16/tp | k:8/tp | v:8/tp}, i]>
muster.weight @layers.0.o : tensor<16x16xf32> layout <[o, i/tp]>
muster.weight @layers.0.feed_forward_norm : tensor<16xf32> layout <[i]>
muster.weight @layers.0.gate_up : tensor<48x16xf32> layout <[{gate:24/(dp,tp) | up:24/(dp,tp)}, i]>
muster.weight @layers.0.down : tensor<16x24xf32> layout <[o, i/(dp,tp)]>
muster.weight @output_norm : tensor<16xf32> layout <[i]>
muster.state @layers.0.keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
muster.state @layers.0.values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>

func.func @step(
    %tokens: tensor<?xi32> {muster.name = "tokens", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
    %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %logit_rows: tensor<?xi32> {muster.name = "logit_rows", muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x40xf32> {muster.name = "logits", muster.layout = #muster.layout<[r/dp : rows @step, v]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8 : i64, starts = 5 : i64, s = 4 : i64, r = 4 : i64}} {
  %c0 = arith.constant 0 : index
  %c10 = arith.constant 10 : index
  %c20 = arith.constant 20 : index
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %s = tensor.dim %blocks, %c0 : tensor<?x4xi32>
  %r = tensor.dim %logit_rows, %c0 : tensor<?xi32>
  %lt = muster.local_count %t field "t" : !muster.counts<[], tokens, @step>
  %ls = muster.local_count %s field "s" : !muster.counts<[], requests, @step>
  %lr = muster.local_count %r field "r" : !muster.counts<[], rows, @step>
  %nt, %ns, %nr = muster.exchange_counts %lt, %ls, %lr
      : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>, !muster.counts<[], rows, @step>
     -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>, !muster.counts<[dp], rows, @step>
  %nst = muster.scale %ns times 1 plus 1 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], starts, @step>
  %cos = muster.load @rope_cos : tensor<16x2xf32>
  %sin = muster.load @rope_sin : tensor<16x2xf32>
  // embedding: all tokens, the rank's tenth of the vocabulary
  %all = muster.all_gather %tokens on "dp" dim 0 counts(%nt : !muster.counts<[dp], tokens, @step>) : tensor<?xi32> -> tensor<?xi32>
  %table = muster.load @token_embedding : tensor<10x16xf32>
  %dp = muster.coordinate "dp"
  %tp = muster.coordinate "tp"
  %first_dp = arith.muli %dp, %c20 : index
  %first_tp = arith.muli %tp, %c10 : index
  %first = arith.addi %first_tp, %first_dp : index
  %e = nn.gather_rows %table[%all] first %first : tensor<10x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %x0_dp = muster.reduce_scatter %e sum on "dp" dim 0 counts(%nt : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %x0 = muster.all_reduce %x0_dp sum on "tp" : tensor<?x16xf32>
  %own = tensor.dim %x0, %c0 : tensor<?x16xf32>
  // attention: the group's own tokens, heads over tp
  %w_an = muster.load @layers.0.attention_norm : tensor<16xf32>
  %n0 = nn.rms_norm %x0, %w_an epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %w_qkv = muster.load @layers.0.qkv : tensor<16x16xf32>
  %qkv = nn.matmul %n0, %w_qkv : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %q2 = tensor.extract_slice %qkv[0, 0] [%own, 8] [1, 1] : tensor<?x16xf32> to tensor<?x8xf32>
  %k2 = tensor.extract_slice %qkv[0, 8] [%own, 4] [1, 1] : tensor<?x16xf32> to tensor<?x4xf32>
  %v2 = tensor.extract_slice %qkv[0, 12] [%own, 4] [1, 1] : tensor<?x16xf32> to tensor<?x4xf32>
  %q3 = nn.split_heads %q2 heads 4 head_dim 4 : tensor<?x8xf32> -> tensor<?x2x4xf32>
  %k3 = nn.split_heads %k2 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %v3 = nn.split_heads %v2 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %q = nn.rope %q3, %cos, %sin, %positions : tensor<?x2x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  %k = nn.rope %k3, %cos, %sin, %positions : tensor<?x1x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  nn.cache_append @layers.0.keys, %k, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  nn.cache_append @layers.0.values, %v3, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  %a = nn.attention %q keys @layers.0.keys values @layers.0.values positions %positions starts %starts blocks %blocks heads 4 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  %am = nn.merge_heads %a heads 4 head_dim 4 : tensor<?x2x4xf32> -> tensor<?x8xf32>
  %w_o = muster.load @layers.0.o : tensor<16x8xf32>
  %ao = nn.matmul %am, %w_o : tensor<?x8xf32>, tensor<16x8xf32> -> tensor<?x16xf32>
  %as = muster.all_reduce %ao sum on "tp" : tensor<?x16xf32>
  %x1_to = tensor.empty(%own) : tensor<?x16xf32>
  %x1 = linalg.add ins(%x0, %as : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x1_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  // feed-forward: all tokens, width over all ranks
  %w_fn = muster.load @layers.0.feed_forward_norm : tensor<16xf32>
  %n1 = nn.rms_norm %x1, %w_fn epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %g = muster.all_gather %n1 on "dp" dim 0 counts(%nt : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %rows = tensor.dim %g, %c0 : tensor<?x16xf32>
  %w_gu = muster.load @layers.0.gate_up : tensor<12x16xf32>
  %gu = nn.matmul %g, %w_gu : tensor<?x16xf32>, tensor<12x16xf32> -> tensor<?x12xf32>
  %gate = tensor.extract_slice %gu[0, 0] [%rows, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %up = tensor.extract_slice %gu[0, 6] [%rows, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %act_to = tensor.empty(%rows) : tensor<?x6xf32>
  %act = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
                         iterator_types = ["parallel", "parallel"]}
      ins(%gate, %up : tensor<?x6xf32>, tensor<?x6xf32>) outs(%act_to : tensor<?x6xf32>) {
  ^bb0(%left: f32, %right: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %neg = arith.negf %left : f32
    %exp = math.exp %neg : f32
    %den = arith.addf %one, %exp : f32
    %silu = arith.divf %left, %den : f32
    %out = arith.mulf %silu, %right : f32
    linalg.yield %out : f32
  } -> tensor<?x6xf32>
  %w_d = muster.load @layers.0.down : tensor<16x6xf32>
  %d = nn.matmul %act, %w_d : tensor<?x6xf32>, tensor<16x6xf32> -> tensor<?x16xf32>
  %ds_dp = muster.reduce_scatter %d sum on "dp" dim 0 counts(%nt : !muster.counts<[dp], tokens, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %ds = muster.all_reduce %ds_dp sum on "tp" : tensor<?x16xf32>
  %x2_to = tensor.empty(%own) : tensor<?x16xf32>
  %x2 = linalg.add ins(%x1, %ds : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x2_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  // head: asked rows of all groups, vocabulary over all ranks, each group gets its own rows
  %asked = nn.gather_rows %x2[%logit_rows] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %h = muster.all_gather %asked on "dp" dim 0 counts(%nr : !muster.counts<[dp], rows, @step>) : tensor<?x16xf32> -> tensor<?x16xf32>
  %w_on = muster.load @output_norm : tensor<16xf32>
  %hn = nn.rms_norm %h, %w_on epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %logits = nn.matmul %hn, %table : tensor<?x16xf32>, tensor<10x16xf32> -> tensor<?x10xf32>
  %out = muster.redistribute %logits counts(%nr : !muster.counts<[dp], rows, @step>) from <[r, v/(dp,tp)]> to <[r/dp : rows @step, v]> : tensor<?x10xf32> -> tensor<?x40xf32>
  return %out : tensor<?x40xf32>
}
