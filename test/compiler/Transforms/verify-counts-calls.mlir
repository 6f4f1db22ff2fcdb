// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-counts
//
// Functions that call others, and sizes that are made by hand.

// A step stays an entry where a warm-up calls it.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<4xf32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %e = tensor.empty(%t) : tensor<?x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for own tokens @step rows, but there are total(tokens @step)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, there is room for 3 rows at position 0 and 8 come}}
  %s = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func @warm_up(%y: tensor<4x6xf32> {muster.layout = #muster.layout<[t/dp, i]>}, %w: tensor<4xf32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh} {
  %d = tensor.cast %y : tensor<4x6xf32> to tensor<?x6xf32>
  %g = func.call @step(%d, %w) : (tensor<?x6xf32>, tensor<4xf32>) -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// One that calls itself is looked at as well.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %w: tensor<4xf32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>})
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %e = tensor.empty(%t) : tensor<?x6xf32>
  // expected-error @+2 {{E1209 the buffer has room for own tokens @step rows, but there are total(tokens @step)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, there is room for 3 rows at position 0 and 8 come}}
  %s = linalg.add ins(%g, %g : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %k = func.call @step(%x, %w) : (tensor<?x6xf32>, tensor<4xf32>) -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

// A helper exchanges, and is called twice.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  // expected-error @+1 {{E1212 expected one exchange of tokens @step in a step but got two}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh} {
  // expected-note @+1 {{one is made by this call}}
  %y = func.call @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %z = func.call @layer(%y) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}

// -----

// Or at every turn of a loop.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>) -> tensor<?x6xf32> attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  // expected-error @+1 {{E1212 exchanges counts at every turn of a loop: a step has one record}}
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  // expected-note @+1 {{this loop}}
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %x) -> tensor<?x6xf32> {
    %y = func.call @layer(%v) : (tensor<?x6xf32>) -> tensor<?x6xf32>
    scf.yield %y : tensor<?x6xf32>
  }
  return %r : tensor<?x6xf32>
}

// -----

// Sizes through eight bits wrap.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 4096}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %i = arith.index_cast %t : index to i8
  %j = arith.index_cast %i : i8 to index
  %e = tensor.empty(%j) : tensor<?x6xf32>
  // expected-error @+1 {{E1220 cannot prove that all operands have as many rows: that a size that the program computes is own tokens @step}}
  %s = linalg.add ins(%x, %x : tensor<?x6xf32>, tensor<?x6xf32>) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

// Starts of queries are one more than sequences.
muster.mesh @mesh <["dp" = 2]>
muster.state @k : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
muster.state @v : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
func.func @step(%q: tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv, d]>}, %pos: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}, %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts/dp : starts @step]>}, %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s/dp : requests @step, pages]>}, %slots: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}, %rows: tensor<?xi32> {muster.layout = #muster.layout<[r/dp : rows @step]>}, %b2: tensor<?x4xi32> {muster.layout = #muster.layout<[u/dp : tokens @step.b, pages]>}, %st2: tensor<?xi32> {muster.layout = #muster.layout<[w/dp : starts @step.b]>})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv, d]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  nn.cache_append @k, %q, %slots : tensor<?x2x4xf32>, tensor<?xi32>
  // expected-error @+2 {{E1206 expected (own requests @step + 1) starts of sequences but got own rows @step}}
  // expected-note @+1 {{where the requests @step of the ranks are 11, 11 and the rows @step of the ranks are 11, 11, there are 11 starts at position 0 in the place of 12}}
  %a = nn.attention %q keys @k values @v positions %pos starts %rows blocks %blocks heads 2 kv_heads 2 scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %a : tensor<?x2x4xf32>
}

// -----

// The last eight rows, where there may be fewer.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<8x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %k8 = arith.constant 8 : index
  %o = arith.subi %t, %k8 : index
  // expected-error @+2 {{E1209 what is read begins at row (own tokens @step - 8), in front of the first}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, that is -5 at position 0}}
  %e = tensor.extract_slice %x[%o, 0] [8, 6] [1, 1] : tensor<?x6xf32> to tensor<8x6xf32>
  return %e : tensor<8x6xf32>
}

// -----

// All rows into room for the own ones.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<8x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %e = tensor.empty() : tensor<8x6xf32>
  // expected-error @+2 {{E1209 the part of the buffer has room for own tokens @step rows, but there are total(tokens @step)}}
  // expected-note @+1 {{where the tokens @step of the ranks are 3, 5, there is room for 3 rows at position 0 and 8 come}}
  %i = tensor.insert_slice %g into %e[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<8x6xf32>
  return %i : tensor<8x6xf32>
}

// -----

// As many tokens as three a request.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>})
    -> (tensor<?x3x6xf32>)
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %r = tensor.dim %s, %c0 : tensor<?xi32>
  // expected-error @+2 {{E1209 what is reshaped has room for (own requests @step * 3) rows, but there are own tokens @step}}
  // expected-note @+1 {{where the requests @step of the ranks are 0, 7 and the tokens @step of the ranks are 1, 5, there is room for 0 rows at position 0 and 1 come}}
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [%r, 3, 6] : tensor<?x6xf32> into tensor<?x3x6xf32>
  %m = muster.local_count %r : !muster.counts<[], requests, @step>
  %q = muster.exchange_counts %m : !muster.counts<[], requests, @step> -> !muster.counts<[dp], requests, @step>
  %g = muster.all_gather %e on "dp" dim 0 counts(%q : !muster.counts<[dp], requests, @step>) : tensor<?x3x6xf32> -> tensor<?x3x6xf32>
  return %g : tensor<?x3x6xf32>
}

// -----

// Arithmetic on rows of two batches.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %n2 = tensor.dim %y, %c0 : tensor<?x6xf32>
  // expected-error @+2 {{E1209 operand 1 has room for own tokens @other rows, but there are own tokens @step}}
  // expected-note @+1 {{where the tokens @other of the ranks are 3, 5 and the tokens @step of the ranks are 4, 6, there is room for 3 rows at position 0 and 4 come}}
  %s = arith.addf %x, %y : tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

// A check of every rank bounds the most that any has.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  muster.check_count %t at_most 4 "tokens"
  %m = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %b = tensor.empty() : tensor<4x6xf32>
  %k = tensor.extract_slice %b[0, 0] [%m, 6] [1, 1] : tensor<4x6xf32> to tensor<?x6xf32>
  return %x : tensor<?x6xf32>
}

// -----

// Aligned, divided and joined again.
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i], partial(sum: tp)>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.pad_counts %c align 2 mode max : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %z = arith.constant 0.0 : f32
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) fill(%z : f32) : tensor<?x6xf32>
  %s = muster.reduce_scatter %p sum on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %a = muster.all_gather %s on "tp" dim 0 : tensor<?x6xf32> -> tensor<?x6xf32>
  %u = muster.unpad %a dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

// Room for the most that a position may have.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %m = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %b = tensor.empty() : tensor<8x6xf32>
  %e = tensor.empty(%m) : tensor<?x6xf32>
  %i = tensor.insert_slice %x into %b[0, 0] [%t, 6] [1, 1] : tensor<?x6xf32> into tensor<8x6xf32>
  %k = tensor.extract_slice %i[0, 0] [%m, 6] [1, 1] : tensor<8x6xf32> to tensor<?x6xf32>
  return %x : tensor<?x6xf32>
}

// -----

// Own rows behind those of the ranks in front.
muster.mesh @mesh <["dp" = 2]>
func.func @step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %o = muster.offsets %c : !muster.counts<[dp], tokens, @step> -> !muster.offsets<[dp], tokens, @step>
  %b = muster.own_offset %o : !muster.offsets<[dp], tokens, @step>
  %s = tensor.extract_slice %g[%b, 0] [%t, 6] [1, 1] : tensor<?x6xf32> to tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}

// -----

// A product of other numbers is another product.
muster.mesh @mesh <["dp" = 2]>
func.func @products(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                    %s: tensor<?xi32> {muster.layout = #muster.layout<[s/dp : requests @step]>}) -> tensor<?x6xf32>
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8, s = 8}} {
  %c0 = arith.constant 0 : index
  %r = tensor.dim %s, %c0 : tensor<?xi32>
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<?x8xf32> into tensor<?xf32>
  // expected-error @+2 {{E1209 what is reshaped has room for}}
  // expected-note @+1 {{where the}}
  %e = tensor.expand_shape %flat [[0, 1]] output_shape [%r, 6] : tensor<?xf32> into tensor<?x6xf32>
  return %e : tensor<?x6xf32>
}
