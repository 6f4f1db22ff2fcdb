// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-collectives
//
// Branches that issue the same collectives with other counts, sizes, layouts or fields, and regions other than those of if and for.

// Idle ranks gather rows padded to the most of all, the others to their own.
muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{the condition differs over 'dp' from here on}}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %h = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %idle = arith.cmpi eq, %t, %c0 : index
  // expected-error @+4 {{E1223 collectives move other sizes on ranks that take different branches}}
  // expected-note @+3 {{then: all_gather on "dp" dim 0 of tensor<?x6xf32> of !muster.counts<[dp], padded, @step>}}
  // expected-note @+2 {{else: all_gather on "dp" dim 0 of tensor<?x6xf32> of !muster.counts<[dp], padded, @step>}}
  // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
  %r = scf.if %idle -> tensor<?x6xf32> {
    %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
    %a = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.slice %a on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %u = muster.unpad %s dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
    scf.yield %u : tensor<?x6xf32>
  } else {
    %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%h : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
    %a = muster.all_gather %p on "dp" dim 0 counts(%h : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.slice %a on "dp" dim 0 counts(%h : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %u = muster.unpad %s dim 0 counts(%h : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
    scf.yield %u : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

// Four rows in one branch, all in the other.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<?x6xf32> {muster.layout = #muster.layout<[q, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[q2, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %dp = muster.coordinate "dp"
  %b = arith.cmpi eq, %dp, %c0 : index
  // expected-error @+4 {{E1223 collectives move other sizes on ranks that take different branches}}
  // expected-note @+3 {{then: all_reduce sum on "dp" of tensor<?x6xf32>}}
  // expected-note @+2 {{else: all_reduce sum on "dp" of tensor<?x6xf32>}}
  // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
  %r = scf.if %b -> tensor<?x6xf32> {
    %e = tensor.extract_slice %w[0, 0] [4, 6] [1, 1] : tensor<?x6xf32> to tensor<4x6xf32>
    %d = tensor.cast %e : tensor<4x6xf32> to tensor<?x6xf32>
    %y = muster.all_reduce %d sum on "dp" : tensor<?x6xf32>
    scf.yield %y : tensor<?x6xf32>
  } else {
    %y = muster.all_reduce %w sum on "dp" : tensor<?x6xf32>
    scf.yield %y : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

// Redistributions of one type.
muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{the condition differs over 'dp' from here on}}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<4x8xf32> {muster.layout = #muster.layout<[q, k], partial(sum: dp)>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %idle = arith.cmpi eq, %t, %c0 : index
  // expected-error @+4 {{E1221 collectives differ between ranks that take different branches}}
  // expected-note @+3 {{then: redistribute on "dp" from [q, k], partial(sum: dp) to [q, k] of tensor<4x8xf32>}}
  // expected-note @+2 {{else: redistribute on "dp" from [q/dp, k] to [q, k/dp] of tensor<4x8xf32>}}
  // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
  scf.if %idle {
    %a = muster.redistribute %w from <[q, k], partial(sum: dp)> to <[q, k]> : tensor<4x8xf32> -> tensor<4x8xf32>
    %s = tensor.extract %a[%c0, %c0] : tensor<4x8xf32>
    %i = arith.fptoui %s : f32 to i32
    %ii = arith.index_cast %i : i32 to index
    muster.check_count %ii at_most 100 "x"
  } else {
    %a = muster.redistribute %w from <[q/dp, k]> to <[q, k/dp]> : tensor<4x8xf32> -> tensor<8x4xf32>
    %s = tensor.extract %a[%c0, %c0] : tensor<8x4xf32>
    %i = arith.fptoui %s : f32 to i32
    %ii = arith.index_cast %i : i32 to index
    muster.check_count %ii at_most 100 "x"
  }
  return %x : tensor<?x6xf32>
}

// -----

// Two fields of one record.
muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{the condition differs over 'dp' from here on}}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %f = muster.step_field "draft" bound 8 : !muster.counts<[], tokens, @a>
  %h = muster.step_field "prefill" bound 8 : !muster.counts<[], tokens, @a>
  %b = arith.cmpi ugt, %t, %c0 : index
  // expected-error @+4 {{E1221 collectives differ between ranks that take different branches}}
  // expected-note @+3 {{then: exchange_counts on "dp" of field "draft" of !muster.counts<[], tokens, @a>}}
  // expected-note @+2 {{else: exchange_counts on "dp" of field "prefill" of !muster.counts<[], tokens, @a>}}
  // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
  %d = scf.if %b -> index {
    %q = muster.exchange_counts %f : !muster.counts<[], tokens, @a> -> !muster.counts<[dp], tokens, @a>
    %o = muster.total %q : !muster.counts<[dp], tokens, @a>
    scf.yield %o : index
  } else {
    %q = muster.exchange_counts %h : !muster.counts<[], tokens, @a> -> !muster.counts<[dp], tokens, @a>
    %o = muster.total %q : !muster.counts<[dp], tokens, @a>
    scf.yield %o : index
  }
  muster.check_count %d at_most 20 "tokens"
  return %x : tensor<?x6xf32>
}

// -----

// A switch is a branch of many.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  %z = arith.minui %own, %c1 : index
  // expected-error @+4 {{E1221 collectives differ between ranks that take different branches}}
  // expected-note @+3 {{the last case: all_gather on "dp" dim 0 of tensor<?x6xf32> of !muster.counts<[dp], tokens, @step>, reduce_scatter sum on "dp" dim 0 of tensor<?x6xf32> of !muster.counts<[dp], tokens, @step>}}
  // expected-note @+2 {{another: nothing}}
  // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
  %r = scf.index_switch %z -> tensor<?x6xf32>
  case 0 {
    scf.yield %x : tensor<?x6xf32>
  }
  default {
    %a = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.reduce_scatter %a sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

// What decides stands in a region.
muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page, slot, kv, d]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<?x2x4xf32> {muster.layout = #muster.layout<[k, kv, d], partial(sum: dp)>}, %s: tensor<?xi32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  scf.execute_region {
    // expected-note @+1 {{the condition differs over 'dp' from here on}}
    %dp = muster.coordinate "dp"
    %b = arith.cmpi eq, %dp, %c0 : index
    // expected-error @+4 {{E1221 collectives differ between ranks that take different branches}}
    // expected-note @+3 {{then: all_reduce sum on "dp" of tensor<?x2x4xf32>}}
    // expected-note @+2 {{else: nothing}}
    // expected-note @+1 {{a condition of what all ranks of the group know (exchanged counts, an all_reduce of the condition) would be the same on each}}
    scf.if %b {
    %y = muster.all_reduce %w sum on "dp" : tensor<?x2x4xf32>
    nn.cache_append @keys, %y, %s : tensor<?x2x4xf32>, tensor<?xi32>
    }
    scf.yield
  }
  return %x : tensor<?x6xf32>
}

// -----

// How often a parallel loop runs what is in it is not followed.
muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page, slot, kv, d]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<?x2x4xf32> {muster.layout = #muster.layout<[k, kv, d], partial(sum: dp)>}, %s: tensor<?xi32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1220 cannot prove that all ranks issue the same collectives: how 'scf.parallel' runs what is in it is not followed}}
  // expected-note @+1 {{in it: all_reduce sum on "dp" of tensor<?x2x4xf32>}}
  scf.parallel (%i) = (%c0) to (%t) step (%c1) {
    %y = muster.all_reduce %w sum on "dp" : tensor<?x2x4xf32>
    nn.cache_append @keys, %y, %s : tensor<?x2x4xf32>, tensor<?xi32>
    scf.reduce
  }
  return %x : tensor<?x6xf32>
}

// -----

// Branches between blocks are not followed.
muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1220 cannot prove that all ranks issue the same collectives: branches between blocks are not followed}}
func.func @step(%w: tensor<4xf32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[k2]>})
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %dp = muster.coordinate "dp"
  %b = arith.cmpi eq, %dp, %c0 : index
  cf.cond_br %b, ^a, ^b
^a:
  %y = muster.all_reduce %w sum on "dp" : tensor<4xf32>
  cf.br ^e(%y : tensor<4xf32>)
^b:
  cf.br ^e(%w : tensor<4xf32>)
^e(%z: tensor<4xf32>):
  return %z : tensor<4xf32>
}

// -----

// Padded to the maximum, all ranks have as many.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %p = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %m = muster.own_count %p : !muster.counts<[dp], padded, @step>
  %first = arith.cmpi ugt, %m, %c0 : index
  %r = scf.if %first -> tensor<?x6xf32> {
    %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
    scf.yield %s : tensor<?x6xf32>
  } else {
    scf.yield %x : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

// As many calls as there are ways through twenty functions.
muster.mesh @mesh <["dp" = 2]>
func.func private @f0(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func private @f1(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f0(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f0(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f2(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f1(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f1(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f3(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f2(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f2(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f4(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f3(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f3(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f5(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f4(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f4(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f6(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f5(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f5(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f7(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f6(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f6(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f8(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f7(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f7(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f9(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f8(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f8(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f10(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f9(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f9(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f11(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f10(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f10(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f12(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f11(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f11(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f13(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f12(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f12(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f14(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f13(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f13(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f15(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f14(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f14(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f16(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f15(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f15(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f17(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f16(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f16(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f18(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f17(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f17(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f19(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f18(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f18(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func private @f20(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %a = func.call @f19(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @f19(%a, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = func.call @f20(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %a : tensor<?x6xf32>
}

// -----

// What calls itself is not followed: where it issues nothing, that is no matter.
muster.mesh @mesh <["dp" = 2]>
func.func private @count_down(%n: index) -> index attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %isDone = arith.cmpi eq, %n, %c0 : index
  %r = scf.if %isDone -> index {
    scf.yield %n : index
  } else {
    %less = arith.subi %n, %c1 : index
    %rest = func.call @count_down(%less) : (index) -> index
    scf.yield %rest : index
  }
  return %r : index
}
func.func private @reduce_down(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %isDone = arith.cmpi eq, %n, %c0 : index
  %r = scf.if %isDone -> tensor<4xf32> {
    scf.yield %x : tensor<4xf32>
  } else {
    %less = arith.subi %n, %c1 : index
    %sum = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    // expected-error @+1 {{E1220 cannot prove that all ranks issue the same collectives: 'reduce_down', which calls itself or has more than one block, is not followed}}
    %rest = func.call @reduce_down(%sum, %less) : (tensor<4xf32>, index) -> tensor<4xf32>
    scf.yield %rest : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
func.func @step(%x: tensor<4xf32> {muster.layout = #muster.layout<[i], partial(sum: dp)>}) -> (index, tensor<4xf32>) attributes {muster.mesh = @mesh} {
  %c3 = arith.constant 3 : index
  %n = func.call @count_down(%c3) : (index) -> index
  %y = func.call @reduce_down(%x, %c3) : (tensor<4xf32>, index) -> tensor<4xf32>
  return %n, %y : index, tensor<4xf32>
}

// -----

// Rows to other ranks by counts of one router or of another: what one rank sends by one, another would take by the other.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @mesh <["ep" = 4]>
func.func @other_routes(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}, %a: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>},
                        %b: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>}) -> tensor<32x6xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the condition differs over 'ep' from here on}}
  %me = muster.coordinate "ep"
  %isFirst = arith.cmpi eq, %me, %c0 : index
  %s = nn.histogram %a : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %t = nn.histogram %b : tensor<8xi32> -> tensor<4xi32, #counts>
  %u = muster.exchange %t on "ep" : tensor<4xi32, #counts>
  // expected-error @+4 {{E1220 cannot prove that collectives move the same sizes on ranks that take different branches}}
  // expected-note @+3 {{then: all_to_all_v}}
  // expected-note @+2 {{else: all_to_all_v}}
  // expected-note @+1 {{a condition of what all ranks of the group know}}
  %y = scf.if %isFirst -> tensor<32x6xf32> {
    %v = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
    scf.yield %v : tensor<32x6xf32>
  } else {
    %v = muster.all_to_all_v %x on "ep" send(%t : tensor<4xi32, #counts>) receive(%u : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
    scf.yield %v : tensor<32x6xf32>
  }
  return %y : tensor<32x6xf32>
}

// -----

// One function in both branches, whose sizes come out of what it is given.
muster.mesh @mesh <["dp" = 2]>
func.func private @sum_of(%n: tensor<1xindex>, %x: tensor<8xf32>) -> tensor<?xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %size = tensor.extract %n[%c0] : tensor<1xindex>
  %part = tensor.extract_slice %x[0] [%size] [1] : tensor<8xf32> to tensor<?xf32>
  %sum = muster.all_reduce %part sum on "dp" : tensor<?xf32>
  return %sum : tensor<?xf32>
}
func.func @other_sizes(%a: tensor<1xindex> {muster.layout = #muster.layout<[i]>}, %b: tensor<1xindex> {muster.layout = #muster.layout<[i]>},
                       %x: tensor<8xf32> {muster.layout = #muster.layout<[k]>}) -> tensor<?xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %me = muster.coordinate "dp"
  %isFirst = arith.cmpi eq, %me, %c0 : index
  // expected-error @+4 {{E1220 cannot prove that collectives move the same sizes on ranks that take different branches}}
  // expected-note @+3 {{then: all_reduce}}
  // expected-note @+2 {{else: all_reduce}}
  // expected-note @+1 {{a condition of what all ranks of the group know}}
  %y = scf.if %isFirst -> tensor<?xf32> {
    %v = func.call @sum_of(%a, %x) : (tensor<1xindex>, tensor<8xf32>) -> tensor<?xf32>
    scf.yield %v : tensor<?xf32>
  } else {
    %v = func.call @sum_of(%b, %x) : (tensor<1xindex>, tensor<8xf32>) -> tensor<?xf32>
    scf.yield %v : tensor<?xf32>
  }
  return %y : tensor<?xf32>
}
