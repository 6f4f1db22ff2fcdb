// Sequence-parallel attention as in ulysses-packed.mlir, for any number of rows on each rank, none too: nothing is padded.
//
// Each rank counts its rows, and one exchange a step makes the counts known to all. The first all-to-all gathers the rows of all ranks by these
// counts while it hands out heads in equal parts; the second hands out rows by the same counts while it gathers heads. Which of its two dims is
// the one of unequal parts is said (`ragged`), because shapes do not tell. Without counts, by counts of another number, or with a slice in equal
// parts it is refused.

muster.mesh @mesh <["sp" = 3]>

muster.state @keys : tensor<?x16x6x8xf32> layout <[page, slot, kv/sp, d]>
muster.state @values : tensor<?x16x6x8xf32> layout <[page, slot, kv/sp, d]>

func.func @attention(%x: tensor<?x10xf32> {muster.name = "x", muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
                     %wqkv: tensor<3x8x8x10xf32> {muster.name = "wqkv", muster.layout = #muster.layout<[g, {q:4 | k:2 | v:2}, d, i]>},
                     %wo: tensor<10x96xf32> {muster.name = "wo", muster.layout = #muster.layout<[o, a]>},
                     %cos: tensor<64x4xf32> {muster.name = "cos", muster.layout = #muster.layout<[p, e]>},
                     %sin: tensor<64x4xf32> {muster.name = "sin", muster.layout = #muster.layout<[p, e]>},
                     %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t]>},
                     %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts]>},
                     %blocks: tensor<?x4xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s, pages]>},
                     %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t]>})
    -> (tensor<?x10xf32> {muster.name = "y", muster.layout = #muster.layout<[t/sp : tokens @step, o]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 66 : i64, t.total = 66 : i64, starts = 5 : i64, s = 4 : i64}} {
  // This rank's rows, all heads.
  %c0 = arith.constant 0 : index
  %own_rows = tensor.dim %x, %c0 : tensor<?x10xf32>
  %own_count = muster.local_count %own_rows field "t" : !muster.counts<[], tokens, @step>
  %counts = muster.exchange_counts %own_count : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%own_rows) : tensor<?x3x8x8xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x3x8x8xf32>) -> tensor<?x3x8x8xf32>
  %packed = linalg.generic {indexing_maps = [affine_map<(t, g, c, d, i) -> (t, i)>, affine_map<(t, g, c, d, i) -> (g, c, d, i)>,
                                             affine_map<(t, g, c, d, i) -> (t, g, c, d)>],
                            iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %wqkv : tensor<?x10xf32>, tensor<3x8x8x10xf32>) outs(%zeros : tensor<?x3x8x8xf32>) {
  ^bb0(%row: f32, %weight: f32, %sum: f32):
    %term = arith.mulf %row, %weight : f32
    %next = arith.addf %sum, %term : f32
    linalg.yield %next : f32
  } -> tensor<?x3x8x8xf32>

  // All rows, this rank's heads.
  %heads = muster.all_to_all %packed on "sp" split 1 concat 0 counts(%counts : !muster.counts<[sp], tokens, @step>) ragged concat
      : tensor<?x3x8x8xf32> -> tensor<?x1x8x8xf32>
  %rows_of_step = tensor.dim %positions, %c0 : tensor<?xi32>
  %q_heads = tensor.extract_slice %heads[0, 0, 0, 0] [%rows_of_step, 1, 4, 8] [1, 1, 1, 1] : tensor<?x1x8x8xf32> to tensor<?x4x8xf32>
  %k_heads = tensor.extract_slice %heads[0, 0, 4, 0] [%rows_of_step, 1, 2, 8] [1, 1, 1, 1] : tensor<?x1x8x8xf32> to tensor<?x2x8xf32>
  %v_heads = tensor.extract_slice %heads[0, 0, 6, 0] [%rows_of_step, 1, 2, 8] [1, 1, 1, 1] : tensor<?x1x8x8xf32> to tensor<?x2x8xf32>
  %q_turned = nn.rope %q_heads, %cos, %sin, %positions : tensor<?x4x8xf32>, tensor<64x4xf32>, tensor<?xi32>
  %k_turned = nn.rope %k_heads, %cos, %sin, %positions : tensor<?x2x8xf32>, tensor<64x4xf32>, tensor<?xi32>
  nn.cache_append @keys, %k_turned, %slots : tensor<?x2x8xf32>, tensor<?xi32>
  nn.cache_append @values, %v_heads, %slots : tensor<?x2x8xf32>, tensor<?xi32>
  %attended = nn.attention %q_turned keys @keys values @values positions %positions starts %starts blocks %blocks heads 12 kv_heads 6
      scale 0.35355339059327373 : tensor<?x4x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>

  // This rank's rows again.
  %rows = muster.all_to_all %attended on "sp" split 0 concat 1 counts(%counts : !muster.counts<[sp], tokens, @step>) ragged split
      : tensor<?x4x8xf32> -> tensor<?x12x8xf32>
  %merged = nn.merge_heads %rows heads 12 head_dim 8 : tensor<?x12x8xf32> -> tensor<?x96xf32>
  %y = nn.matmul %merged, %wo : tensor<?x96xf32>, tensor<10x96xf32> -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}
