// RUN: %python %S/../judge.py %s
//
// yunchang, USP (no issue): ring and Ulysses on one mesh, `use_ulysses_low` chooses which of the two numbers ranks fastest.
//
// The shard functions cut the sequence by rank number. After the exchange over the Ulysses axis a ring rank must hold one whole part
// of the sequence (basic) or one whole class of it (stripe). That holds if Ulysses is the fast axis. With use_ulysses_low=False ring 0
// receives [0..3, 8..11] where it needs [0..7]: silent with a causal mask. Zig-zag by the rank in the ring is right both ways.
//
// The wrong ones are right iff one of the two axes has size 1.

// Basic, Ulysses fast.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @right_basic_ulysses_low(%x: tensor<5x42x33x1xf32> {muster.layout = #muster.layout<[b, s, h, d]>})
    -> (tensor<5x21x11x1xf32> {muster.layout = #muster.layout<[b, s/ring, h/ul, d]>}) {
  // basic: torch.chunk(x, world, dim 1)[rank]
  %x1 = muster.slice %x on ["ring", "ul"] dim 1 : tensor<5x42x33x1xf32> -> tensor<5x7x33x1xf32>
  // view [b, s, q, h, d]
  %x2 = tensor.expand_shape %x1 [[0], [1], [2, 3], [4]] output_shape [5, 7, 3, 11, 1] : tensor<5x7x33x1xf32> into tensor<5x7x3x11x1xf32>
  // transpose (0, 2): [q, s, b, h, d]
  %x3_to = tensor.empty() : tensor<3x7x5x11x1xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<5x7x3x11x1xf32>) outs(%x3_to : tensor<3x7x5x11x1xf32>) permutation = [2, 1, 0, 3, 4]
  %x4 = muster.exchange %x3 on "ul" : tensor<3x7x5x11x1xf32>
  // view [q·s, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x7x5x11x1xf32> into tensor<21x5x11x1xf32>
  // transpose (0, 1): [b, q·s, h, d]
  %x6_to = tensor.empty() : tensor<5x21x11x1xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<21x5x11x1xf32>) outs(%x6_to : tensor<5x21x11x1xf32>) permutation = [1, 0, 2, 3]
  return %x6 : tensor<5x21x11x1xf32>
}

// -----

// Basic, ring fast.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @wrong_basic_ulysses_high(%x: tensor<5x42x33x1xf32> {muster.layout = #muster.layout<[b, s, h, d]>})
    -> (tensor<5x21x11x1xf32> {muster.layout = #muster.layout<[b, s/ring, h/ul, d]>}) {
  // basic: torch.chunk(x, world, dim 1)[rank]
  %x1 = muster.slice %x on ["ul", "ring"] dim 1 : tensor<5x42x33x1xf32> -> tensor<5x7x33x1xf32>
  // view [b, s, q, h, d]
  %x2 = tensor.expand_shape %x1 [[0], [1], [2, 3], [4]] output_shape [5, 7, 3, 11, 1] : tensor<5x7x33x1xf32> into tensor<5x7x3x11x1xf32>
  // transpose (0, 2): [q, s, b, h, d]
  %x3_to = tensor.empty() : tensor<3x7x5x11x1xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<5x7x3x11x1xf32>) outs(%x3_to : tensor<3x7x5x11x1xf32>) permutation = [2, 1, 0, 3, 4]
  %x4 = muster.exchange %x3 on "ul" : tensor<3x7x5x11x1xf32>
  // view [q·s, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x7x5x11x1xf32> into tensor<21x5x11x1xf32>
  // transpose (0, 1): [b, q·s, h, d]
  %x6_to = tensor.empty() : tensor<5x21x11x1xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<21x5x11x1xf32>) outs(%x6_to : tensor<5x21x11x1xf32>) permutation = [1, 0, 2, 3]
  return %x6 : tensor<5x21x11x1xf32>
}

// -----

// Stripe, Ulysses fast.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @right_stripe_ulysses_low(%x: tensor<5x42x33x1xf32> {muster.layout = #muster.layout<[b, s, h, d]>})
    -> (tensor<5x21x11x1xf32> {muster.layout = #muster.layout<[b, s/ring stripe, h/ul, d]>}) {
  // stripe: rank-of-ring inside, brought outside
  // view [b, q·s, p, q·h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [5, 21, 2, 33, 1] : tensor<5x42x33x1xf32> into tensor<5x21x2x33x1xf32>
  // transpose (1, 2): [b, p, q·s, q·h, d]
  %x2_to = tensor.empty() : tensor<5x2x21x33x1xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x21x2x33x1xf32>) outs(%x2_to : tensor<5x2x21x33x1xf32>) permutation = [0, 2, 1, 3, 4]
  // view [b, p·q·s, q·h, d]
  %x3 = tensor.collapse_shape %x2 [[0], [1, 2], [3], [4]] : tensor<5x2x21x33x1xf32> into tensor<5x42x33x1xf32>
  %x4 = muster.slice %x3 on ["ring", "ul"] dim 1 : tensor<5x42x33x1xf32> -> tensor<5x7x33x1xf32>
  %x5 = muster.all_to_all %x4 on "ul" split 2 concat 1 : tensor<5x7x33x1xf32> -> tensor<5x21x11x1xf32>
  return %x5 : tensor<5x21x11x1xf32>
}

// -----

// Stripe, ring fast.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @wrong_stripe_ulysses_high(%x: tensor<5x42x33x1xf32> {muster.layout = #muster.layout<[b, s, h, d]>})
    -> (tensor<5x21x11x1xf32> {muster.layout = #muster.layout<[b, s/ring stripe, h/ul, d]>}) {
  // stripe: rank-of-ring inside, brought outside
  // view [b, q·s, p, q·h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [5, 21, 2, 33, 1] : tensor<5x42x33x1xf32> into tensor<5x21x2x33x1xf32>
  // transpose (1, 2): [b, p, q·s, q·h, d]
  %x2_to = tensor.empty() : tensor<5x2x21x33x1xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x21x2x33x1xf32>) outs(%x2_to : tensor<5x2x21x33x1xf32>) permutation = [0, 2, 1, 3, 4]
  // view [b, p·q·s, q·h, d]
  %x3 = tensor.collapse_shape %x2 [[0], [1, 2], [3], [4]] : tensor<5x2x21x33x1xf32> into tensor<5x42x33x1xf32>
  %x4 = muster.slice %x3 on ["ul", "ring"] dim 1 : tensor<5x42x33x1xf32> -> tensor<5x7x33x1xf32>
  %x5 = muster.all_to_all %x4 on "ul" split 2 concat 1 : tensor<5x7x33x1xf32> -> tensor<5x21x11x1xf32>
  return %x5 : tensor<5x21x11x1xf32>
}

// -----

// Zig-zag over the ring, then cut over Ulysses.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @right_zigzag(%x: tensor<5x12x21x1xf32> {muster.layout = #muster.layout<[b, s/ring zigzag, h, d]>})
    -> (tensor<5x12x7x1xf32> {muster.layout = #muster.layout<[b, s/ring zigzag, h/ul, d]>}) {
  // each Ulysses rank keeps its part of the ring's two chunks, and gets the whole back
  %x1 = muster.slice %x on "ul" dim 1 : tensor<5x12x21x1xf32> -> tensor<5x4x21x1xf32>
  %x2 = muster.all_to_all %x1 on "ul" split 2 concat 1 : tensor<5x4x21x1xf32> -> tensor<5x12x7x1xf32>
  return %x2 : tensor<5x12x7x1xf32>
}
