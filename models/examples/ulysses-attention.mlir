// Sequence-parallel attention on three ranks (DeepSpeed-Ulysses, Jacobs et al. 2023), written with its collectives: twelve query heads that
// share six key-value heads of size eight, rotary positions, a causal mask.
//
// Rows of the sequence are divided among the ranks. Each projects its own rows to queries, keys and values of all heads; an all-to-all each
// hands out heads for rows, so that every rank has the whole sequence of its heads; attention needs nothing of other ranks then. A fourth
// all-to-all brings rows back for the output product. Rotary embedding and causality go by the position that each row carries, so they are
// right on either side of the exchange as long as rows and positions are divided alike: here both are whole.
//
// All layouts stand on the arguments, the result and the states. That what lies between agrees with them is proved when this is compiled: with
// positions that are divided like the rows of `x`, for example, whole queries would be turned by the positions of a third, and it is refused.

muster.mesh @mesh <["sp" = 3]>

muster.state @keys : tensor<?x16x6x8xf32> layout <[page, slot, kv/sp, d]>
muster.state @values : tensor<?x16x6x8xf32> layout <[page, slot, kv/sp, d]>

func.func @attention(%x: tensor<?x10xf32> {muster.name = "x", muster.layout = #muster.layout<[t/sp, i]>},
                     %wq: tensor<96x10xf32> {muster.name = "wq", muster.layout = #muster.layout<[q, i]>},
                     %wk: tensor<48x10xf32> {muster.name = "wk", muster.layout = #muster.layout<[k, i]>},
                     %wv: tensor<48x10xf32> {muster.name = "wv", muster.layout = #muster.layout<[v, i]>},
                     %wo: tensor<10x96xf32> {muster.name = "wo", muster.layout = #muster.layout<[o, q]>},
                     %cos: tensor<64x4xf32> {muster.name = "cos", muster.layout = #muster.layout<[p, e]>},
                     %sin: tensor<64x4xf32> {muster.name = "sin", muster.layout = #muster.layout<[p, e]>},
                     %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t]>},
                     %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts]>},
                     %blocks: tensor<?x4xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s, pages]>},
                     %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t]>})
    -> (tensor<?x10xf32> {muster.name = "y", muster.layout = #muster.layout<[t/sp, o]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 66 : i64, starts = 5 : i64, s = 4 : i64}} {
  // This rank's rows, all heads.
  %q = nn.matmul %x, %wq : tensor<?x10xf32>, tensor<96x10xf32> -> tensor<?x96xf32>
  %k = nn.matmul %x, %wk : tensor<?x10xf32>, tensor<48x10xf32> -> tensor<?x48xf32>
  %v = nn.matmul %x, %wv : tensor<?x10xf32>, tensor<48x10xf32> -> tensor<?x48xf32>
  %q_rows = nn.split_heads %q heads 12 head_dim 8 : tensor<?x96xf32> -> tensor<?x12x8xf32>
  %k_rows = nn.split_heads %k heads 6 head_dim 8 : tensor<?x48xf32> -> tensor<?x6x8xf32>
  %v_rows = nn.split_heads %v heads 6 head_dim 8 : tensor<?x48xf32> -> tensor<?x6x8xf32>

  // All rows, this rank's heads.
  %q_heads = muster.all_to_all %q_rows on "sp" split 1 concat 0 : tensor<?x12x8xf32> -> tensor<?x4x8xf32>
  %k_heads = muster.all_to_all %k_rows on "sp" split 1 concat 0 : tensor<?x6x8xf32> -> tensor<?x2x8xf32>
  %v_heads = muster.all_to_all %v_rows on "sp" split 1 concat 0 : tensor<?x6x8xf32> -> tensor<?x2x8xf32>
  %q_turned = nn.rope %q_heads, %cos, %sin, %positions : tensor<?x4x8xf32>, tensor<64x4xf32>, tensor<?xi32>
  %k_turned = nn.rope %k_heads, %cos, %sin, %positions : tensor<?x2x8xf32>, tensor<64x4xf32>, tensor<?xi32>
  nn.cache_append @keys, %k_turned, %slots : tensor<?x2x8xf32>, tensor<?xi32>
  nn.cache_append @values, %v_heads, %slots : tensor<?x2x8xf32>, tensor<?xi32>
  %attended = nn.attention %q_turned keys @keys values @values positions %positions starts %starts blocks %blocks heads 12 kv_heads 6
      scale 0.35355339059327373 : tensor<?x4x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>

  // This rank's rows again.
  %rows = muster.all_to_all %attended on "sp" split 0 concat 1 : tensor<?x4x8xf32> -> tensor<?x12x8xf32>
  %merged = nn.merge_heads %rows heads 12 head_dim 8 : tensor<?x12x8xf32> -> tensor<?x96xf32>
  %y = nn.matmul %merged, %wo : tensor<?x96xf32>, tensor<10x96xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}
