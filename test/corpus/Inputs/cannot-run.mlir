// A program that fails is not thereby wrong in the sense of the corpus.
muster.mesh @node <["sp" = 3]>
func.func @wrong_division(%x: tensor<5xi32> {muster.layout = #muster.layout<[s/sp]>}) -> (tensor<5xi32> {muster.layout = #muster.layout<[s/sp]>}) {
  %zero = arith.constant dense<0> : tensor<5xi32>
  %y = arith.divsi %x, %zero : tensor<5xi32>
  return %y : tensor<5xi32>
}
