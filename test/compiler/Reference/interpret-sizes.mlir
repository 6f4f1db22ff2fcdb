// Sizes that option `sizes` gives: by name, or by parts; none twice, and none of which there is no tensor.
// RUN: muster-opt %s --muster-interpret='sizes=tokens@step=3:1,n=2' -o /dev/null | FileCheck %s
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=3:4,n=2,tokens@step=4:3' 2>&1 | FileCheck %s --check-prefix=PARTS-TWICE
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=3:1,n=2,n=2' 2>&1 | FileCheck %s --check-prefix=DIM-TWICE
// RUN: not muster-opt %s --muster-interpret='sizes=rows=3:1,rows=1:3' 2>&1 | FileCheck %s --check-prefix=FIELD-TWICE
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=1099511627776:1,n=2' 2>&1 | FileCheck %s --check-prefix=LARGE-PART
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=3:1,n=268435457' 2>&1 | FileCheck %s --check-prefix=LARGE-DIM
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=100000000:100000000,n=2' 2>&1 | FileCheck %s --check-prefix=LARGE-TENSOR
// RUN: not muster-opt %s --muster-interpret='sizes=tokens@step=3:1,n=-2' 2>&1 | FileCheck %s --check-prefix=NEGATIVE

muster.mesh @node <["dp" = 2]>

// CHECK: result 0: 4x2xf32
// PARTS-TWICE: error: expected 'tokens@step' once in option 'sizes' but got it twice
// DIM-TWICE: error: expected 'n' once in option 'sizes' but got it twice
// FIELD-TWICE: error: expected 'rows' once in option 'sizes' but got it twice
// LARGE-PART: error: expected sizes of at most 268435456 in option 'sizes' but got 'tokens@step=1099511627776:1'
// LARGE-DIM: error: expected sizes of at most 268435456 in option 'sizes' but got 'n=268435457'
// LARGE-TENSOR: error: input 'x': expected sizes of at most 268435456 elements but got [200000000, 2]
// NEGATIVE: error: expected option 'sizes' to be of the form
func.func @same(%x: tensor<?x?xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, n]>})
    -> (tensor<?x?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, n]>}) {
  return %x : tensor<?x?xf32>
}
