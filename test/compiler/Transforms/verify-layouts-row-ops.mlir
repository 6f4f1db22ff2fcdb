// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Padded rows, and rows of the children of a batch.

// What is padded and unpadded by the same counts is what it was.
muster.mesh @node <["dp" = 2]>
func.func @padded_and_unpadded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %y = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Padded rows are gathered and handed out by the padded counts, and computed with row by row.
muster.mesh @node <["dp" = 2]>
func.func @gathered_padded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = arith.addf %a, %a : tensor<?x6xf32>
  %o = muster.slice %s on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %o dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// By layouts: a redistribution of padded rows, and the sum of what ranks have of each.
muster.mesh @node <["dp" = 2]>
muster.weight @w : tensor<6x6xf32> layout <[o, i/dp]>
func.func @redistributed_padded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, o]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %a = muster.redistribute %p counts(%g : !muster.counts<[dp], padded, @step>) from <[tp/dp : padded @step, i]> to <[tp, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %w = muster.load @w : tensor<6x3xf32>
  %b = muster.slice %a on "dp" dim 1 : tensor<?x6xf32> -> tensor<?x3xf32>
  %m = nn.matmul %b, %w : tensor<?x3xf32>, tensor<6x3xf32> -> tensor<?x6xf32>
  %o = muster.redistribute %m counts(%g : !muster.counts<[dp], padded, @step>) from <[tp, o], partial(sum: dp)> to <[tp/dp : padded @step, o]> : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.unpad %o dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Aligned alike in two places: the same rows.
muster.mesh @node <["dp" = 2]>
func.func @padded_twice_alike(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %h = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%h : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %s = arith.addf %p, %q : tensor<?x6xf32>
  %y = muster.unpad %s dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Right: without them.
muster.mesh @node <["dp" = 2]>
func.func @summed_unpadded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %p = muster.unpad %q dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6xf32>
  %i = linalg.fill ins(%z : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %r = linalg.reduce ins(%p : tensor<?x6xf32>) outs(%i : tensor<6xf32>) dimensions = [0] (%a: f32, %b: f32) {
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  }
  %y = muster.all_reduce %r sum on "dp" : tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

// Split and joined.
muster.mesh @node <["dp" = 2]>
func.func @split_and_joined(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-remark @+1 {{assumed: these counts count tokens of batch @step.a}}
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  // expected-remark @+1 {{assumed: these counts count tokens of batch @step.b}}
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %y = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Each child is gathered by its own counts.
muster.mesh @node <["dp" = 2]>
func.func @children_gathered(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x6xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-remark @+1 {{assumed: these counts count tokens of batch @step.a}}
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %fa = muster.exchange_counts %f : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  // expected-remark @+1 {{assumed: these counts count tokens of batch @step.b}}
  %a, %b = muster.split_counts %c first %fa : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %ga = muster.all_gather %xa on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %sa = muster.slice %ga on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %y = muster.join_rows %sa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Children that come as arguments of their own, as the session fills them, and meet at the head.
muster.mesh @node <["dp" = 2]>
func.func @child_ports(%xa: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>}, %xb: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  %c0 = arith.constant 0 : index
  %na = tensor.dim %xa, %c0 : tensor<?x6xf32>
  %nb = tensor.dim %xb, %c0 : tensor<?x6xf32>
  %la = muster.local_count %na : !muster.counts<[], tokens, @step.a>
  %lb = muster.local_count %nb : !muster.counts<[], tokens, @step.b>
  %n = arith.addi %na, %nb : index
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %a, %b, %c = muster.exchange_counts %la, %lb, %l : !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b>, !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>, !muster.counts<[dp], tokens, @step>
  // expected-remark @+1 {{assumed: the rows of batch @step are those of @step.a and then those of @step.b}}
  %y = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
