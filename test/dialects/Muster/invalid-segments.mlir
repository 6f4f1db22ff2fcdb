// RUN: muster-opt %s --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 3]>
// expected-error @+1 {{expected dim 'k' of size 4 to be divisible by 3 ranks in layout [{q:9/tp | k:4/tp | v:3}, i]}}
muster.weight @weight_c2_segment_divides : tensor<16x7xf32> layout <[{q:9/tp | k:4/tp | v:3}, i]>

// -----

muster.mesh @mesh <["tp" = 3]>
// expected-error @+1 {{expected the segments of layout [{q:9/tp | k:3/tp}] to make 15 but got 12}}
muster.weight @weight_c2_segments_make_the_size : tensor<15xf32> layout <[{q:9/tp | k:3/tp}]>

// -----

// expected-error @+1 {{expected axis 'tp' at most once in a layout but got it twice}}
func.func private @layout_c1_segment_and_other_dim() attributes {a = #muster.layout<[{q:9/tp | k:3/tp}, i/tp]>}

// -----

muster.mesh @mesh <["tp" = 3]>
muster.weight @qkv : tensor<15x7xf32> layout <[{q:9/tp | k:3/tp | v:3/tp}, i]>
// expected-note @-1 {{weight declared here}}
func.func @load_c2_part_of_segments() {
  // expected-error @+1 {{expected the rank's part 'tensor<5x7xf32>' but got 'tensor<15x7xf32>'}}
  %w = muster.load @qkv : tensor<15x7xf32>
  return
}

// -----

muster.mesh @mesh <["tp" = 3]>
func.func @redistribute_c2_segments(%x: tensor<2x9xf32>) {
  // expected-error @+1 {{expected dim 1 to have size 4 in layout [t, {q:9/tp | k:3/tp}] but got 9}}
  %y = muster.redistribute %x from <[t, {q:9/tp | k:3/tp}]> to <[t, {q:9 | k:3}]> : tensor<2x9xf32> -> tensor<2x12xf32>
  return
}

// -----

muster.mesh @mesh <["tp" = 3]>
// expected-error @+1 {{expected 2 sources for layout [{q:9/tp | k:3/tp}] but got 1}}
muster.weight @sources_one_a_segment : tensor<12xf32> layout <[{q:9/tp | k:3/tp}]> {muster.sources = ["q"]}

// -----

muster.mesh @mesh <["tp" = 3]>
// expected-error @+1 {{expected 'muster.sources' or 'muster.generator' but got both}}
muster.weight @sources_or_generator : tensor<12xf32> layout <[o]> {muster.sources = ["q"], muster.generator = "rope_cos"}
