// RUN: judge.py
// Nothing to run.
muster.mesh @node <["sp" = 3]>
func.func @wrong_axis(%x: tensor<5xf32> {muster.layout = #muster.layout<[s/tp]>}) -> (tensor<5xf32> {muster.layout = #muster.layout<[s/tp]>}) {
  return %x : tensor<5xf32>
}
