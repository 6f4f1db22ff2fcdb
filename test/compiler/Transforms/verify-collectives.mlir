// RUN: muster-opt %s --muster-verify-collectives --split-input-file --verify-diagnostics

// A rank's own count decides: idle ranks skip the gather, and the others wait for them.
muster.mesh @m <["dp" = 2, "tp" = 2]>
// expected-note @+1 {{the condition differs over 'dp' from here on}}
func.func @negative_own_rows(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %busy = arith.cmpi ne, %n, %c0 : index
  // expected-error @+4 {{E1221 collectives differ between ranks that take different branches}}
  // expected-note @+3 {{then: redistribute on "dp" from [t/dp : tokens @step, i] to [t, i] of tensor<?x4xf32>}}
  // expected-note @+2 {{else: nothing}}
  // expected-note @+1 {{a condition of what all ranks of the group know}}
  %y = scf.if %busy -> (tensor<?x4xf32>) {
    %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
    scf.yield %g : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// The same by exchanged counts: all ranks of the group decide alike.
muster.mesh @m <["dp" = 2, "tp" = 2]>
func.func @positive_exchanged_rows(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %total = muster.total %c : !muster.counts<[dp], tokens, @step>
  %busy = arith.cmpi ne, %total, %c0 : index
  %y = scf.if %busy -> (tensor<?x4xf32>) {
    %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
    scf.yield %g : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Of exchanged counts the rank's own one differs again.
muster.mesh @m <["dp" = 2]>
func.func @negative_own_of_exchanged(%n: index, %x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %l = muster.local_count %n : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  %busy = arith.cmpi ne, %own, %c0 : index
  // expected-error @+4 {{E1221}}
  // expected-note @+3 {{then: all_reduce sum on "dp" of tensor<4xf32>}}
  // expected-note @+2 {{else: nothing}}
  // expected-note @+1 {{a condition of what}}
  %y = scf.if %busy -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// Groups along another axis: ranks of one tp group have one coordinate on dp.
muster.mesh @m <["dp" = 2, "tp" = 2]>
func.func @positive_other_axis(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  %y = scf.if %first -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "tp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// Both branches issue the same.
muster.mesh @m <["dp" = 2]>
func.func @positive_same_in_both(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  %y = scf.if %first -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  } else {
    %t = math.tanh %x : tensor<4xf32>
    %r = muster.all_reduce %t sum on "dp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// The same number of collectives in another order.
muster.mesh @m <["dp" = 2]>
func.func @negative_other_order(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  // expected-error @+4 {{E1221}}
  // expected-note @+3 {{then: all_reduce sum on "dp" of tensor<4xf32>, all_reduce max on "dp" of tensor<4xf32>}}
  // expected-note @+2 {{else: all_reduce max on "dp" of tensor<4xf32>, all_reduce sum on "dp" of tensor<4xf32>}}
  // expected-note @+1 {{a condition of what}}
  %y = scf.if %first -> (tensor<4xf32>) {
    %a = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    %b = muster.all_reduce %a max on "dp" : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  } else {
    %a = muster.all_reduce %x max on "dp" : tensor<4xf32>
    %b = muster.all_reduce %a sum on "dp" : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// A poll loop whose end each rank finds for itself.
muster.mesh @m <["dp" = 2]>
// expected-note @+1 {{how often it runs differs over 'dp' from here on}}
func.func @negative_loop(%x: tensor<4xf32> {muster.layout = #muster.layout<[i/dp]>}, %y: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  // expected-error @+2 {{E1222 ranks may run this loop, which has collectives, a different number of times}}
  // expected-note @+1 {{in the loop: all_reduce sum on "dp" of tensor<4xf32>}}
  %r = scf.while (%v = %y) : (tensor<4xf32>) -> tensor<4xf32> {
    %e = tensor.extract %x[%c0] : tensor<4xf32>
    %go = arith.cmpf ogt, %e, %zero : f32
    scf.condition(%go) %v : tensor<4xf32>
  } do {
  ^bb0(%v: tensor<4xf32>):
    %s = muster.all_reduce %v sum on "dp" : tensor<4xf32>
    scf.yield %s : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

// How often is a number that all have.
muster.mesh @m <["dp" = 2]>
func.func @positive_loop(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %x) -> tensor<4xf32> {
    %s = muster.all_reduce %v sum on "dp" : tensor<4xf32>
    scf.yield %s : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

// What a loop carries may differ from the second iteration on.
muster.mesh @m <["dp" = 2]>
func.func @negative_carried(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}, %go: i1) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  %r, %last = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %x, %b = %go) -> (tensor<4xf32>, i1) {
    // expected-error @+4 {{E1221}}
    // expected-note @+3 {{then: exchange_counts on "dp"}}
    // expected-note @+2 {{else: nothing}}
    // expected-note @+1 {{a condition of what}}
    scf.if %b {
      %l = muster.local_count %c3 : !muster.counts<[], tokens, @step>
      %c = muster.exchange_counts %l : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
      scf.yield
    }
    scf.yield %v, %first : tensor<4xf32>, i1
  }
  return %r : tensor<4xf32>
}

// -----

// Through a call: the callee's branch depends on what it is given.
muster.mesh @m <["dp" = 2]>
func.func private @reduce_if(%x: tensor<4xf32>, %b: i1) -> tensor<4xf32> {
  // expected-error @+4 {{E1221}}
  // expected-note @+3 {{then: all_reduce sum on "dp" of tensor<4xf32>}}
  // expected-note @+2 {{else: nothing}}
  // expected-note @+1 {{a condition of what}}
  %y = scf.if %b -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}
func.func @negative_call(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}, %b: i1) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  // expected-note @+1 {{the condition differs over 'dp' from here on}}
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  %y = func.call @reduce_if(%x, %b) : (tensor<4xf32>, i1) -> tensor<4xf32>
  %z = func.call @reduce_if(%y, %first) : (tensor<4xf32>, i1) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// Data that were reduced are the same on every rank of the group; a shard's are not.
muster.mesh @m <["tp" = 2]>
func.func @positive_reduced_data(%x: tensor<4xf32> {muster.layout = #muster.layout<[i/tp]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %all = muster.all_reduce %x max on "tp" : tensor<4xf32>
  %e = tensor.extract %all[%c0] : tensor<4xf32>
  %go = arith.cmpf ogt, %e, %zero : f32
  %y = scf.if %go -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "tp" : tensor<4xf32>
    scf.yield %r : tensor<4xf32>
  } else {
    scf.yield %all : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// Rows that ranks have in unequal numbers, in a collective that takes them for equal.
muster.mesh @m <["dp" = 2]>
// expected-note @+1 {{the size differs over 'dp' from here on}}
func.func @negative_unequal_rows(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x4xf32> {
  %t = math.tanh %x : tensor<?x4xf32>
  // expected-error @+1 {{E1223 ranks of a group hold tensors of different sizes: all_reduce takes no counts}}
  %y = muster.all_reduce %t sum on "dp" : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Groups of one rank wait for nobody.
muster.mesh @m <["dp" = 2, "tp" = 1]>
func.func @positive_one_rank(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %dp = muster.coordinate "dp"
  %first = arith.cmpi eq, %dp, %c0 : index
  %y = scf.if %first -> (tensor<4xf32>) {
    %r = muster.all_reduce %x sum on "tp" : tensor<4xf32>
    %s = muster.all_reduce %r sum on "dp" : tensor<4xf32>
    scf.yield %s : tensor<4xf32>
  } else {
    %s = muster.all_reduce %x sum on "dp" : tensor<4xf32>
    scf.yield %s : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// -----

// What a number selects differs; what it makes long has another size.
muster.mesh @m <["dp" = 2]>
func.func @negative_sizes_by_numbers(%x: tensor<8x4xf32> {muster.layout = #muster.layout<[t, i]>}) -> (tensor<4x4xf32>, tensor<?x4xf32>) {
  // expected-note @+1 {{the size differs over 'dp' from here on}}
  %dp = muster.coordinate "dp"
  %at = tensor.extract_slice %x[%dp, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %y = muster.all_reduce %at sum on "dp" : tensor<4x4xf32>
  %long = tensor.extract_slice %x[0, 0] [%dp, 4] [1, 1] : tensor<8x4xf32> to tensor<?x4xf32>
  // expected-error @+1 {{E1223}}
  %z = muster.all_reduce %long sum on "dp" : tensor<?x4xf32>
  return %y, %z : tensor<4x4xf32>, tensor<?x4xf32>
}

// -----

// Rows of a table by index, from the rank's first row on: as many as there are indices.
muster.mesh @m <["tp" = 2]>
func.func @positive_rows_of_a_table(%table: tensor<8x4xf32> {muster.layout = #muster.layout<[v/tp, i]>}, %ids: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) -> tensor<?x4xf32> {
  %c8 = arith.constant 8 : index
  %tp = muster.coordinate "tp"
  %first = arith.muli %tp, %c8 : index
  %e = nn.gather_rows %table[%ids] first %first : tensor<8x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
  %y = muster.all_reduce %e sum on "tp" : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Shards differ in what they hold, not in size.
muster.mesh @m <["dp" = 2]>
func.func @positive_size_of_a_shard(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp, i]>}) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %busy = arith.cmpi ne, %n, %c0 : index
  %y = scf.if %busy -> (tensor<?x4xf32>) {
    %r = muster.all_reduce %x sum on "dp" : tensor<?x4xf32>
    scf.yield %r : tensor<?x4xf32>
  } else {
    scf.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// Of a table of which each rank has as many rows as are its own.
muster.mesh @m <["sp" = 2]>
func.func @positive_rows_of_a_ragged_table(%table: tensor<?x4xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>}, %ids: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x4xf32> {
  %first = muster.first_row of <[t/sp : tokens @step]>
  %e = nn.gather_rows %table[%ids] first %first : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
  %y = muster.all_reduce %e sum on "sp" : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Of columns of a number of its own: a sum of what is not of one size.
muster.mesh @m <["sp" = 2]>
// expected-note @+1 {{the size differs over 'sp' from here on}}
func.func @negative_columns_of_a_ragged_table(%table: tensor<8x?xf32> {muster.layout = #muster.layout<[v, t/sp : tokens @step]>}, %ids: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x?xf32> {
  %e = nn.gather_rows %table[%ids] : tensor<8x?xf32>, tensor<?xi32> -> tensor<?x?xf32>
  // expected-error @+1 {{E1223}}
  %y = muster.all_reduce %e sum on "sp" : tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
