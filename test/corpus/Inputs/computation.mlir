// A sum over a sharded dim, left unreduced or not.
func.func @logical(%x: tensor<6x5xf32>) -> tensor<5xf32> {
  %to = tensor.empty() : tensor<5xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%to : tensor<5xf32>) -> tensor<5xf32>
  %sum = linalg.reduce ins(%x : tensor<6x5xf32>) outs(%init : tensor<5xf32>) dimensions = [0]
    (%in: f32, %acc: f32) { %s = arith.addf %acc, %in : f32
      linalg.yield %s : f32 }
  return %sum : tensor<5xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @wrong_sum(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[k/tp, n]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[n]>}) {
  %sum = tensor.extract_slice %x[0, 0] [1, 5] [1, 1] : tensor<3x5xf32> to tensor<5xf32>
  %reduced = muster.all_reduce %sum sum on "tp" : tensor<5xf32>
  return %reduced : tensor<5xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @right_but_partial(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[k/tp, n]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[n]>}) {
  %to = tensor.empty() : tensor<5xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%to : tensor<5xf32>) -> tensor<5xf32>
  %sum = linalg.reduce ins(%x : tensor<3x5xf32>) outs(%init : tensor<5xf32>) dimensions = [0]
    (%in: f32, %acc: f32) { %s = arith.addf %acc, %in : f32
      linalg.yield %s : f32 }
  %first = muster.broadcast %sum from 0 on "tp" : tensor<5xf32>
  return %first : tensor<5xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @wrong_but_reduced(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[k/tp, n]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[n]>}) {
  %to = tensor.empty() : tensor<5xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%to : tensor<5xf32>) -> tensor<5xf32>
  %sum = linalg.reduce ins(%x : tensor<3x5xf32>) outs(%init : tensor<5xf32>) dimensions = [0]
    (%in: f32, %acc: f32) { %s = arith.addf %acc, %in : f32
      linalg.yield %s : f32 }
  %reduced = muster.all_reduce %sum sum on "tp" : tensor<5xf32>
  return %reduced : tensor<5xf32>
}
