// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-counts

// Rows of every rank gathered, computed with, and handed out by the counts of these very rows.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @gather_and_scatter(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %rows = muster.total %c : !muster.counts<[dp], tokens, @step>
  %empty = tensor.empty(%rows) : tensor<?x6xf32>
  %s = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%empty : tensor<?x6xf32>) -> tensor<?x6xf32>
  %own = muster.reduce_scatter %s sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %part = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %mine = tensor.empty(%t) : tensor<?x6xf32>
  %sum = linalg.add ins(%own, %part : tensor<?x6xf32>, tensor<?x6xf32>) outs(%mine : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %sum : tensor<?x6xf32>
}

// -----

// The counts of the first child for the rows of the second: SGLang #7815, after its first mending.
muster.mesh @mesh <["dp" = 3]>
func.func @other_batch(%a: tensor<?x6xf32> {muster.layout = #muster.layout<[t.a/dp : tokens @step.a, i]>},
                       %b: tensor<?x6xf32> {muster.layout = #muster.layout<[t.b/dp : tokens @step.b, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %a, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step.a>
  // expected-note @+1 {{the counts are made here}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  // expected-error @+2 {{E1202 expected counts of tokens @step.b but got tokens @step.a}}
  // expected-note @+1 {{where the tokens @step.a of the ranks are 3, 5, 7 and the tokens @step.b of the ranks are 4, 6, 8, a rank's rows are 4 at position 0 and the counts say 3}}
  %g = muster.all_gather %b on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @other_unit(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                      %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %size = tensor.dim %s, %c0 : tensor<?xi32>
  %n = muster.local_count %size : !muster.counts<[], requests, @step>
  // expected-note @+1 {{made here}}
  %c = muster.exchange_counts %n : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  // expected-error @+2 {{E1203 expected counts of tokens @step but got requests @step}}
  // expected-note @+1 {{the counts say}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], requests, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// Half of the rows are counted.
muster.mesh @mesh <["dp" = 2]>
func.func @other_number(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %half = arith.divui %t, %c2 : index
  %n = muster.local_count %half : !muster.counts<[], tokens, @step>
  // expected-note @+1 {{made here}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1206 expected counts of tokens @step but got counts that say (own tokens @step / 2)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, a rank's rows are 3 at position 0 and the counts say 1}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// A branch in which nobody exchanged counts.
muster.mesh @mesh <["dp" = 2]>
func.func @undefined(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %first: i1) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  // expected-note @-3 {{so it is where this condition holds}}
  %c = scf.if %first -> !muster.counts<[dp], tokens, @step> {
    // expected-note @+1 {{nothing is set here}}
    %nothing = ub.poison : !muster.counts<[dp], tokens, @step>
    scf.yield %nothing : !muster.counts<[dp], tokens, @step>
  } else {
    %t = tensor.dim %x, %c0 : tensor<?x6xf32>
    %n = muster.local_count %t : !muster.counts<[], tokens, @step>
    %e = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    scf.yield %e : !muster.counts<[dp], tokens, @step>
  }
  // expected-error @+1 {{E1201 the counts may be undefined}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{their number differs over 'dp' from here on}}
func.func @no_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1201 moves rows of tokens @step over 'dp' without counts}}
  %g = muster.all_gather %x on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @no_counts_of_a_redistribution(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1201 moves rows of tokens @step without counts}}
  %g = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// Each rank chooses by its own rows which of two records it believes.
muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{they differ over 'dp' from here on}}
func.func @not_agreed(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %d = muster.scale %c times 2 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %idle = arith.cmpi eq, %t, %c0 : index
  %chosen = arith.select %idle, %d, %c : !muster.counts<[dp], tokens, @step>
  // expected-error @+1 {{E1205 expected counts that are the same on all ranks of the group but got some that differ over 'dp'}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%chosen : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// The gathered rows of all ranks into a buffer for the rank's own: the second fault of SGLang #7815.
muster.mesh @mesh <["dp" = 2]>
func.func @buffer_of_own_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %buffer = tensor.empty(%t) : tensor<?x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for own tokens @step rows, but there are total(tokens @step)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, there is room for 3 rows at position 0 and 8 come}}
  %s = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%buffer : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

// Room for the bound of all ranks together is enough; for one less it is not.
muster.mesh @mesh <["dp" = 2]>
func.func @bounded(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> (tensor<16xf32>, tensor<15xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  %rows = muster.total %c : !muster.counts<[dp], tokens, @step>
  %large = tensor.empty() : tensor<16xf32>
  %fits = tensor.insert_slice %g into %large[0] [%rows] [1] : tensor<?xf32> into tensor<16xf32>
  %small = tensor.empty() : tensor<15xf32>
  // expected-error @+2 {{E1209 the buffer has room for 15 rows, but there are total(tokens @step)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 8, 8, there is room for 15 rows at position 0 and 16 come}}
  %bursts = tensor.insert_slice %g into %small[0] [%rows] [1] : tensor<?xf32> into tensor<15xf32>
  return %fits, %bursts : tensor<16xf32>, tensor<15xf32>
}

// -----

// A step that would not fit ends before anything is launched.
muster.mesh @mesh <["dp" = 2]>
func.func @checked(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<12xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %rows = muster.total %c : !muster.counts<[dp], tokens, @step>
  muster.check_count %rows at_most 12 "tokens of a step"
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  %buffer = tensor.empty() : tensor<12xf32>
  %fits = tensor.insert_slice %g into %buffer[0] [%rows] [1] : tensor<?xf32> into tensor<12xf32>
  return %fits : tensor<12xf32>
}

// -----

// Rows of any number handed out in equal parts.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @not_aligned(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  // expected-error @+2 {{E1208 hands out own tokens @step in 2 equal parts, to a multiple of which nothing aligns it}}
  // expected-note @+1 {{there are 3 rows at position 0}}
  %p = muster.reduce_scatter %x sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @counted_twice(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x6xf32>, tensor<?x6xf32>)
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  // expected-note @+1 {{the other is here}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-error @+1 {{E1212 expected one exchange of tokens @step in a step but got two}}
  %d = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %h = muster.all_gather %x on "dp" dim 0 counts(%d : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g, %h : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Each of two paths counts once; inside calls too.
muster.mesh @mesh <["dp" = 2]>
func.func private @gather(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
func.func @through_calls(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1) -> (tensor<?x6xf32>, tensor<?x6xf32>)
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = scf.if %p -> !muster.counts<[dp], tokens, @step> {
    %e = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    scf.yield %e : !muster.counts<[dp], tokens, @step>
  } else {
    %e = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    scf.yield %e : !muster.counts<[dp], tokens, @step>
  }
  %g = func.call @gather(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %h = func.call @gather(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %g, %h : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Padded, gathered, handed out and unpadded by one padding; split into children and joined again.
muster.mesh @mesh <["dp" = 2]>
func.func @pad_and_split(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %c:2 = muster.exchange_counts %n, %f : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
  %a, %b = muster.split_counts %c#0 first %c#1 : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %g = muster.pad_counts %c#0 align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c#0 : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %all = muster.all_gather %p on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %all on "dp" dim 0 counts(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %u = muster.unpad %s dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c#0 : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  %xa, %xb = muster.split_rows %u dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %ya = muster.all_gather %xa on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %za = muster.slice %ya on "dp" dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %yb = muster.all_gather %xb on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %zb = muster.slice %yb on "dp" dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %j = muster.join_rows %za, %zb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c#0 : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j : tensor<?x6xf32>
}

// -----

// Padded by one rule, unpadded by another.
muster.mesh @mesh <["dp" = 2]>
func.func @unpad_of_another_padding(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-note @+1 {{the counts are made here}}
  %h = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+2 {{E1214 expected one way of padding a batch but got rows that are own(tokens @step padded to 4, max) and counts that say own(tokens @step padded to 4, sum)}}
  // expected-note @+1 {{a rank's rows are 8 at position 0 and the counts say 4}}
  %u = muster.unpad %p dim 0 counts(%h : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Padded counts of the requests have no room for tokens.
muster.mesh @mesh <["dp" = 2]>
func.func @padding_of_other_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                 %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %r = tensor.dim %s, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %m = muster.local_count %r : !muster.counts<[], requests, @step>
  %c:2 = muster.exchange_counts %n, %m : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>
  %g = muster.pad_counts %c#1 align 4 mode max : (!muster.counts<[dp], requests, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-error @+2 {{E1209 what is padded has room for own(requests @step padded to 4, max) rows, but there are own tokens @step}}
  // expected-note @+1 {{there is room for}}
  %p = muster.pad %x dim 0 counts(%c#0 : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}

// -----

// Rows that live are dropped with the dead ones.
muster.mesh @mesh <["dp" = 2]>
func.func @unpad_to_fewer(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %half = arith.divui %t, %c2 : index
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %m = muster.local_count %half field "half" : !muster.counts<[], tokens, @step>
  // expected-note @+1 {{the counts are made here}}
  %c:2 = muster.exchange_counts %n, %m : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c#0 align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c#0 : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+2 {{E1206 expected counts of own tokens @step, which were padded, but got counts that say (own tokens @step / 2)}}
  // expected-note @+1 {{a rank's rows that are not dead are 3 at position 0 and the counts say 1}}
  %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c#1 : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// The counts of the rows, and not the padded ones, for what is padded already.
muster.mesh @mesh <["dp" = 2]>
func.func @padded_twice(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  // expected-note @+1 {{the counts are made here}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+2 {{E1214}}
  // expected-note @+1 {{a rank's rows are 8 at position 0 and the counts say 3}}
  %q = muster.pad %p dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  return %q : tensor<?x6xf32>
}

// -----

// Two batches that are no children of this one.
muster.mesh @mesh <["dp" = 2]>
func.func @other_children(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                          %y: tensor<?xi32> {muster.layout = #muster.layout<[a/dp : tokens @step.a]>}) -> (tensor<?x6xf32>, tensor<?x6xf32>)
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %d = tensor.dim %y, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step.b>
  %f = muster.local_count %d : !muster.counts<[], tokens, @step.a>
  %c:2 = muster.exchange_counts %n, %f : !muster.counts<[], tokens, @step.b>, !muster.counts<[], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.b>, !muster.counts<[dp], tokens, @step.a>
  // expected-error @+2 {{E1211 expected children of own tokens @step together but got}}
  // expected-note @+1 {{rows at position 0 and its children have}}
  %xa, %xb = muster.split_rows %x dim 0 counts(%c#1 : !muster.counts<[dp], tokens, @step.a>, %c#0 : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  return %xa, %xb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// The second child in front.
muster.mesh @mesh <["dp" = 2]>
func.func @children_in_the_other_order(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> (tensor<?x6xf32>, tensor<?x6xf32>)
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %c:2 = muster.exchange_counts %n, %f : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
  // expected-note @+1 {{the children are made here}}
  %a, %b = muster.split_counts %c#0 first %c#1 : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  // expected-error @+1 {{E1211 expected the rows of the first child in front but got those of the second}}
  %xb, %xa = muster.split_rows %x dim 0 counts(%b : !muster.counts<[dp], tokens, @step.b>, %a : !muster.counts<[dp], tokens, @step.a>) : tensor<?x6xf32>
  return %xa, %xb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// The rows of the second child are joined as if they were of the first.
muster.mesh @mesh <["dp" = 2]>
func.func @joins_one_child_twice(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %f = muster.step_field "t.a" bound 8 : !muster.counts<[], tokens, @step.a>
  %c:2 = muster.exchange_counts %n, %f : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
  // expected-note @+1 {{the counts are made here}}
  %a, %b = muster.split_counts %c#0 first %c#1 : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
      -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+2 {{E1206}}
  // expected-note @+1 {{the counts say}}
  %j = muster.join_rows %xb, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c#0 : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j : tensor<?x6xf32>
}

// -----

// Which rows are dead is said by padding; of padded counts that come from elsewhere it is not known.
muster.mesh @mesh <["dp" = 2]>
func.func @unpad_of_unknown_padding(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[p/dp : padded @step, i]>},
                                    %g: !muster.counts<[dp], padded, @step>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1220 cannot prove that only dead rows are dropped: that of own padded @step rows own tokens @step are not dead}}
  %u = muster.unpad %x dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Padded rows are unequal parts too.
muster.mesh @mesh <["dp" = 2]>
func.func @padded_rows_without_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  // expected-note @+1 {{their number differs over 'dp' from here on}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1201 moves rows of tokens @step over 'dp' without counts}}
  %all = muster.all_gather %p on "dp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  return %all : tensor<?x6xf32>
}

// -----

// Rows of a batch that nobody has counted on one path.
muster.mesh @mesh <["dp" = 2]>
func.func @children_that_nobody_counts(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                       %a: !muster.counts<[dp], tokens, @step.a>) -> (tensor<?x6xf32>, tensor<?x6xf32>)
    attributes {muster.mesh = @mesh} {
  // expected-note @+1 {{nothing is set here}}
  %b = ub.poison : !muster.counts<[dp], tokens, @step.b>
  // expected-error @+1 {{E1201 the counts of the second child may be undefined}}
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  return %xa, %xb : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Children that tile their batch, however they are counted; joined they are it again.
muster.mesh @mesh <["dp" = 2]>
func.func @children_by_hand(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %half = arith.divui %t, %c2 : index
  %rest = arith.subi %t, %half : index
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %m = muster.local_count %half : !muster.counts<[], tokens, @step.a>
  %o = muster.local_count %rest : !muster.counts<[], tokens, @step.b>
  %c, %a, %b = muster.exchange_counts %n, %m, %o
      : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step.a>, !muster.counts<[], tokens, @step.b>
     -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  %j = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j : tensor<?x6xf32>
}

// -----

// What was padded is aligned again: the rows that live are those of the first.
muster.mesh @mesh <["dp" = 2]>
func.func @padded_and_aligned(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %h = muster.align %g to 6 : !muster.counts<[dp], padded, @step> -> !muster.counts<[dp], padded, @step>
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%h : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  %u = muster.unpad %p dim 0 counts(%h : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// A check that a branch may skip bounds nothing, in the place of the call as little as in the function.
muster.mesh @mesh <["dp" = 2]>
func.func private @check(%rows: index) attributes {muster.mesh = @mesh} {
  muster.check_count %rows at_most 12 "tokens of a step"
  return
}
func.func @checked_on_one_path(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}, %p: i1) -> tensor<12xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %rows = muster.total %c : !muster.counts<[dp], tokens, @step>
  scf.if %p {
    func.call @check(%rows) : (index) -> ()
  }
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  %buffer = tensor.empty() : tensor<12xf32>
  // expected-error @+2 {{E1209 the buffer has room for 12 rows, but there are total(tokens @step)}}
  // expected-note @+1 {{and 16 come}}
  %fits = tensor.insert_slice %g into %buffer[0] [%rows] [1] : tensor<?xf32> into tensor<12xf32>
  return %fits : tensor<12xf32>
}

// -----

// A thousand million ranks: no step is tried, nothing is said to be proved.
muster.mesh @mesh <["dp" = 100000, "ep" = 10000]>
func.func @no_steps(%x: tensor<?xf32> {muster.layout = #muster.layout<[t/(dp,ep) : tokens @step]>}) -> tensor<?xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %t = tensor.dim %x, %c0 : tensor<?xf32>
  %half = arith.divui %t, %c2 : index
  %n = muster.local_count %half : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp, ep], tokens, @step>
  // expected-error @+1 {{E1220 cannot prove that the counts count these rows}}
  %g = muster.all_gather %x on ["dp", "ep"] dim 0 counts(%c : !muster.counts<[dp, ep], tokens, @step>) : tensor<?xf32> -> tensor<?xf32>
  return %g : tensor<?xf32>
}

// -----

// A rank's rows begin at its own offset.
muster.mesh @mesh <["sp" = 3]>
func.func @first_row(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x8xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %part = nn.gather_rows %x[%asked] first %own : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Where they end.
muster.mesh @mesh <["sp" = 3]>
func.func @first_row_inclusive(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x8xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %end = arith.addi %own, %t : index
  // expected-error @+2 {{E1207 expected a rank's rows to begin at }}
  // expected-note @+1 {{the rows at position 0 begin at 0 and the first row says 3}}
  %part = nn.gather_rows %x[%asked] first %end : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Of the first rank.
muster.mesh @mesh <["sp" = 3]>
func.func @first_row_zero(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x8xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  // expected-error @+2 {{E1207 expected a rank's rows to begin at }}
  // expected-note @+1 {{the rows at position 1 begin at 3 and the first row says 0}}
  %part = nn.gather_rows %x[%asked] first %c0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// By the offsets of other rows.
muster.mesh @mesh <["sp" = 3]>
func.func @first_row_of_other_rows(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %z: tensor<?xi32> {muster.layout = #muster.layout<[u/sp : rows @step]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x8xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %u = tensor.dim %z, %c0 : tensor<?xi32>
  %m = muster.local_count %u : !muster.counts<[], rows, @step>
  %d = muster.exchange_counts %m : !muster.counts<[], rows, @step> -> !muster.counts<[sp], rows, @step>
  %q = muster.offsets %d : !muster.counts<[sp], rows, @step> -> !muster.offsets<[sp], rows, @step>
  %other = muster.own_offset %q : !muster.offsets<[sp], rows, @step>
  // expected-error @+2 {{E1207 expected a rank's rows to begin at }}
  // expected-note @+1 {{the rows at position}}
  %part = nn.gather_rows %x[%asked] first %other : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// The position is nothing that counts tell: it is not said that this differs.
muster.mesh @mesh <["sp" = 3]>
func.func @first_row_by_position(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %asked: tensor<?xi32> {muster.layout = #muster.layout<[r]>}) -> tensor<?x8xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %own = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %p = muster.coordinate "sp"
  %first = arith.muli %p, %t : index
  // expected-error @+1 {{E1220 cannot prove where a rank's rows begin}}
  %part = nn.gather_rows %x[%asked] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = muster.all_reduce %part sum on "sp" : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
