// From a sharded sequence to sharded heads on three ranks, the first half of DeepSpeed-Ulysses (Jacobs et al. 2023).
//
// Rank r has 4 of 12 positions of all 6 heads and wants all positions of 2 heads. The layouts say so; a pass finds the all-to-all, and another
// turns it into a strided copy whose other end may be on another rank.

muster.mesh @node <["sp" = 3]>

func.func @to_heads(%q: tensor<4x6x5xf32> {muster.name = "q", muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<12x2x5xf32> {muster.name = "qh", muster.layout = #muster.layout<[s, h/sp, d]>}) {
  %qh = muster.redistribute %q from <[s/sp, h, d]> to <[s, h/sp, d]> : tensor<4x6x5xf32> -> tensor<12x2x5xf32>
  return %qh : tensor<12x2x5xf32>
}
