// RUN: %python %S/../judge.py %s
//
// aws-neuron/transformers-neuronx #108: wrong outputs with grouped-query attention sharded over the batch.
//
// What went wrong: an all-to-all was built by hand, and its result is not that of the operation it stands for: parts are concatenated
// along the leading dim, where the ranks' parts are neighbours, and viewed as if they were neighbours in the heads. (The chain is
// modelled on the report.)
//
// The wrong one is right iff sp = 1.

// Gathered in front, viewed as heads.
muster.mesh @node <["sp" = 3]>
func.func @wrong_by_hand(%x: tensor<6x7x11xf32> {muster.layout = #muster.layout<[b, h/sp, d]>})
    -> (tensor<2x21x11xf32> {muster.layout = #muster.layout<[b/sp, h, d]>}) {
  // all-to-all from all_gather and slice: split the batch, concatenate the heads
  %x1 = muster.all_gather %x on "sp" dim 0 : tensor<6x7x11xf32> -> tensor<18x7x11xf32>
  // view [p·b, H, d]
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2]] : tensor<18x7x11xf32> into tensor<126x11xf32>
  %x3 = tensor.expand_shape %x2 [[0, 1], [2]] output_shape [6, 21, 11] : tensor<126x11xf32> into tensor<6x21x11xf32>
  %x4 = muster.slice %x3 on "sp" dim 0 : tensor<6x21x11xf32> -> tensor<2x21x11xf32>
  return %x4 : tensor<2x21x11xf32>
}

// -----

// Gathered along the heads, own batch rows kept.
muster.mesh @node <["sp" = 3]>
func.func @right_by_hand(%x: tensor<6x7x11xf32> {muster.layout = #muster.layout<[b, h/sp, d]>})
    -> (tensor<2x21x11xf32> {muster.layout = #muster.layout<[b/sp, h, d]>}) {
  // all-to-all from all_gather and slice: split the batch, concatenate the heads
  %x1 = muster.all_gather %x on "sp" dim 1 : tensor<6x7x11xf32> -> tensor<6x21x11xf32>
  %x2 = muster.slice %x1 on "sp" dim 0 : tensor<6x21x11xf32> -> tensor<2x21x11xf32>
  return %x2 : tensor<2x21x11xf32>
}

// -----

// As one operation.
muster.mesh @node <["sp" = 3]>
func.func @right_as_operation(%x: tensor<6x7x11xf32> {muster.layout = #muster.layout<[b, h/sp, d]>})
    -> (tensor<2x21x11xf32> {muster.layout = #muster.layout<[b/sp, h, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 0 concat 1 : tensor<6x7x11xf32> -> tensor<2x21x11xf32>
  return %x1 : tensor<2x21x11xf32>
}
