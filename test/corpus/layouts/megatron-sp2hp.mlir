// RUN: %python %S/../judge.py %s
//
// Megatron-LM `all_to_all_sp2hp` and `all_to_all_hp2sp` (no issue): [T/p, H] to [T, H/p] and back, with split and cat.
//
// Right for all divisible sizes. A view does not do what split and cat do, although every size agrees; that program is a slip and not
// in the project.
//
// The wrong one is right iff sp = 1 or s/sp = 1.

// Split the hidden dim, exchange.
muster.mesh @node <["sp" = 3]>
func.func @right_sequence_to_hidden(%x: tensor<5x21xf32> {muster.layout = #muster.layout<[s/sp, h]>})
    -> (tensor<15x7xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  // torch.split(x, H/p, dim 1); torch.cat(dim 0)
  %x1 = tensor.extract_slice %x[0, 0] [5, 7] [1, 1] : tensor<5x21xf32> to tensor<5x7xf32>
  %x2 = tensor.extract_slice %x[0, 7] [5, 7] [1, 1] : tensor<5x21xf32> to tensor<5x7xf32>
  %x3 = tensor.extract_slice %x[0, 14] [5, 7] [1, 1] : tensor<5x21xf32> to tensor<5x7xf32>
  %x4 = tensor.concat dim(0) %x1, %x2, %x3 : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<15x7xf32>
  %x5 = muster.exchange %x4 on "sp" : tensor<15x7xf32>
  return %x5 : tensor<15x7xf32>
}

// -----

// Exchange, put the parts side by side.
muster.mesh @node <["sp" = 3]>
func.func @right_hidden_to_sequence(%x: tensor<15x7xf32> {muster.layout = #muster.layout<[s, h/sp]>})
    -> (tensor<5x21xf32> {muster.layout = #muster.layout<[s/sp, h]>}) {
  %x1 = muster.exchange %x on "sp" : tensor<15x7xf32>
  // torch.split(x, T/p, dim 0); torch.cat(dim 1)
  %x2 = tensor.extract_slice %x1[0, 0] [5, 7] [1, 1] : tensor<15x7xf32> to tensor<5x7xf32>
  %x3 = tensor.extract_slice %x1[5, 0] [5, 7] [1, 1] : tensor<15x7xf32> to tensor<5x7xf32>
  %x4 = tensor.extract_slice %x1[10, 0] [5, 7] [1, 1] : tensor<15x7xf32> to tensor<5x7xf32>
  %x5 = tensor.concat dim(1) %x2, %x3, %x4 : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<5x21xf32>
  return %x5 : tensor<5x21xf32>
}

// -----

// A view in place of split and cat.
muster.mesh @node <["sp" = 3]>
func.func @wrong_view(%x: tensor<5x21xf32> {muster.layout = #muster.layout<[s/sp, h]>})
    -> (tensor<15x7xf32> {muster.layout = #muster.layout<[s, h/sp]>}) {
  // view [p·s, h] in place of split and cat
  // view [s·p, h]
  %x1 = tensor.expand_shape %x [[0], [1, 2]] output_shape [5, 3, 7] : tensor<5x21xf32> into tensor<5x3x7xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2]] : tensor<5x3x7xf32> into tensor<15x7xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<15x7xf32>
  return %x3 : tensor<15x7xf32>
}
