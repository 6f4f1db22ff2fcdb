// RUN: %python %S/../judge.py %s
//
// StableHLO #2433, mended in #2457: the interpreter of `all_to_all` and `all_gather` is wrong for replica groups such as [[1, 0]].
//
// What went wrong: the parts were sorted by process id. The specification orders them by position in the group. In a mesh the order of
// a group is the order in which its axes are listed: over ["y", "x"] position is y·|x| + x, while process ids grow with x outside.
//
// The wrong one is right iff one of the two axes has size 1.

// Positions by process id: x outside.
muster.mesh @node <["x" = 2, "y" = 3]>
func.func @wrong_sorted_by_process(%x: tensor<30x42xf32> {muster.layout = #muster.layout<[s/(y,x), d]>})
    -> (tensor<180x7xf32> {muster.layout = #muster.layout<[s, d/(y,x)]>}) {
  %x1 = muster.all_to_all %x on ["x", "y"] split 1 concat 0 : tensor<30x42xf32> -> tensor<180x7xf32>
  return %x1 : tensor<180x7xf32>
}

// -----

// Positions as the group lists them: y outside.
muster.mesh @node <["x" = 2, "y" = 3]>
func.func @right_by_position(%x: tensor<30x42xf32> {muster.layout = #muster.layout<[s/(y,x), d]>})
    -> (tensor<180x7xf32> {muster.layout = #muster.layout<[s, d/(y,x)]>}) {
  %x1 = muster.all_to_all %x on ["y", "x"] split 1 concat 0 : tensor<30x42xf32> -> tensor<180x7xf32>
  return %x1 : tensor<180x7xf32>
}
