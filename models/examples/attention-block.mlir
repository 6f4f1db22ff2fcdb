// Grouped-query attention over a paged cache on two ranks: six query heads and two key-value heads of size four, so three and one a rank.
//
// q, k and v lie in one weight. Its dim 0 has three segments, each divided by tp, so that a rank's part is its heads' rows of q, then of
// k, then of v, and one matrix product serves all three. `muster.sources` says which tensors of a checkpoint make it.

muster.mesh @mesh <["tp" = 2]>

muster.weight @qkv : tensor<40x10xf32> layout <[{q:24/tp | k:8/tp | v:8/tp}, i]> {muster.sources = ["q", "k", "v"]}
muster.weight @o : tensor<10x24xf32> layout <[o, i/tp]> {muster.sources = ["o"]}
muster.weight @rope_cos : tensor<32x2xf32> layout <[p, e]> {muster.generator = "rope_cos"}
muster.weight @rope_sin : tensor<32x2xf32> layout <[p, e]> {muster.generator = "rope_sin"}
muster.state @keys : tensor<?x16x2x4xf32> layout <[page, slot, kv/tp, d]>
muster.state @values : tensor<?x16x2x4xf32> layout <[page, slot, kv/tp, d]>

func.func @attention(%x: tensor<?x10xf32> {muster.name = "x", muster.layout = #muster.layout<[t, i]>},
                     %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t]>},
                     %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts]>},
                     %blocks: tensor<?x2xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s, pages]>},
                     %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t]>})
    -> (tensor<?x10xf32> {muster.name = "y", muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 64 : i64, starts = 5 : i64, s = 4 : i64}} {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x10xf32>
  %qkv = muster.load @qkv : tensor<20x10xf32>
  %product = nn.matmul %x, %qkv : tensor<?x10xf32>, tensor<20x10xf32> -> tensor<?x20xf32>
  %q0 = tensor.extract_slice %product[0, 0] [%rows, 12] [1, 1] : tensor<?x20xf32> to tensor<?x12xf32>
  %k0 = tensor.extract_slice %product[0, 12] [%rows, 4] [1, 1] : tensor<?x20xf32> to tensor<?x4xf32>
  %v0 = tensor.extract_slice %product[0, 16] [%rows, 4] [1, 1] : tensor<?x20xf32> to tensor<?x4xf32>
  %q1 = nn.split_heads %q0 heads 6 head_dim 4 : tensor<?x12xf32> -> tensor<?x3x4xf32>
  %k1 = nn.split_heads %k0 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %v1 = nn.split_heads %v0 heads 2 head_dim 4 : tensor<?x4xf32> -> tensor<?x1x4xf32>
  %cos = muster.load @rope_cos : tensor<32x2xf32>
  %sin = muster.load @rope_sin : tensor<32x2xf32>
  %q2 = nn.rope %q1, %cos, %sin, %positions : tensor<?x3x4xf32>, tensor<32x2xf32>, tensor<?xi32>
  %k2 = nn.rope %k1, %cos, %sin, %positions : tensor<?x1x4xf32>, tensor<32x2xf32>, tensor<?xi32>
  nn.cache_append @keys, %k2, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  nn.cache_append @values, %v1, %slots : tensor<?x1x4xf32>, tensor<?xi32>
  %attended = nn.attention %q2 keys @keys values @values positions %positions starts %starts blocks %blocks heads 6 kv_heads 2 scale 0.5
      : tensor<?x3x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x2xi32>
  %merged = nn.merge_heads %attended heads 6 head_dim 4 : tensor<?x3x4xf32> -> tensor<?x12xf32>
  %o = muster.load @o : tensor<10x12xf32>
  %part = nn.matmul %merged, %o : tensor<?x12xf32>, tensor<10x12xf32> -> tensor<?x10xf32>
  %y = muster.redistribute %part from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x10xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}
