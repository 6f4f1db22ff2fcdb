// RUN: muster-opt %s --muster-verify-counts --split-input-file --verify-diagnostics

// Functions that say of a batch that it is split: classes of fields, and the order of what touches a state.

muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
func.func @right(
    %ka: tensor<?x2x4xf32> {muster.name = "k.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, kv, d]>, muster.split = "slice"},
    %kb: tensor<?x2x4xf32> {muster.name = "k.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, kv, d]>, muster.split = "slice"},
    %slots_a: tensor<?xi32> {muster.name = "slots.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"},
    %slots_b: tensor<?xi32> {muster.name = "slots.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>, muster.split = "slice"},
    %scale: tensor<4xf32> {muster.name = "scale", muster.layout = #muster.layout<[d]>, muster.split = "inherit"})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  nn.cache_append @keys, %ka, %slots_a : tensor<?x2x4xf32>, tensor<?xi32>
  nn.cache_append @keys, %kb, %slots_b : tensor<?x2x4xf32>, tensor<?xi32>
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 'mask' of batch @step to be sliced, recomputed or inherited but got no class}}
func.func @no_class(
    %x: tensor<?x6xf32> {muster.name = "x.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.split = "slice"},
    %y: tensor<?x6xf32> {muster.name = "x.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, i]>, muster.split = "slice"},
    // expected-note @+1 {{the field}}
    %mask: tensor<6xf32> {muster.name = "mask", muster.layout = #muster.layout<[i]>})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 'mask.a' of batch @step to be in both children but got it in @step.a only}}
func.func @one_child(
    %x: tensor<?x6xf32> {muster.name = "x.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.split = "slice"},
    %y: tensor<?x6xf32> {muster.name = "x.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, i]>, muster.split = "slice"},
    // expected-note @+1 {{the field}}
    %mask: tensor<?xf32> {muster.name = "mask.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 'x.b' of batch @step to have rows of a child but got rows of batch @step}}
func.func @rows_of_the_parent(
    %x: tensor<?x6xf32> {muster.name = "x.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.split = "slice"},
    // expected-note @+1 {{the field}}
    %y: tensor<?x6xf32> {muster.name = "x.b", muster.layout = #muster.layout<[t/dp : tokens @step, i]>, muster.split = "slice"})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-error @+1 {{E1215 expected field 0 of batch @step to have no rows of a child but got class inherit and rows of batch @step.a}}
func.func @inherited_by_one(
    // expected-note @+1 {{the field}}
    %x: tensor<?x6xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.split = "inherit"})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  return
}

// -----

// A sequence that is cut: its second half lacks the first in the cache.
muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
muster.state @values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
func.func @negative_second_reads_first(
    %q: tensor<?x2x4xf32> {muster.name = "k.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, kv, d]>, muster.split = "slice"},
    %k: tensor<?x2x4xf32> {muster.name = "k.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, kv, d]>, muster.split = "slice"},
    %slots_a: tensor<?xi32> {muster.name = "slots.a", muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>, muster.split = "slice"},
    %slots: tensor<?xi32> {muster.name = "slots.b", muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>, muster.split = "slice"},
    %starts: tensor<?xi32> {muster.layout = #muster.layout<["starts.b"/dp : starts @step.b]>, muster.split = "recompute"},
    %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<["s.b"/dp : requests @step.b, pages]>, muster.split = "recompute"})
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, kv, d]>})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  // expected-note @+1 {{it is read for @step.b here: a sequence that is cut lacks what the first child adds}}
  %a = nn.attention %q keys @keys values @values positions %slots starts %starts blocks %blocks heads 2 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  // expected-error @+1 {{E1211 expected state @keys to be written for the first child, @step.a, before it is read for the second, but got it read before}}
  nn.cache_append @keys, %k, %slots_a : tensor<?x2x4xf32>, tensor<?xi32>
  return %a : tensor<?x2x4xf32>
}

// -----

// Children that are counted one by one add up in either order; one order is that of the batch.
muster.mesh @mesh <["dp" = 2]>
func.func @negative_joined_the_other_way(
    %x: tensor<?x6xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>},
    %y: tensor<?x6xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %a = tensor.dim %x, %c0 : tensor<?x6xf32>
  %b = tensor.dim %y, %c0 : tensor<?x6xf32>
  %t = arith.addi %a, %b : index
  %na = muster.local_count %a : !muster.counts<[], tokens, @step.a>
  %nb = muster.local_count %b : !muster.counts<[], tokens, @step.b>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %ca = muster.exchange_counts %na : !muster.counts<[], tokens, @step.a> -> !muster.counts<[dp], tokens, @step.a>
  %cb, %c = muster.exchange_counts %nb, %n : !muster.counts<[], tokens, @step.b>, !muster.counts<[], tokens, @step>
      -> !muster.counts<[dp], tokens, @step.b>, !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{@step.a is the first child here}}
  %j = muster.join_rows %x, %y dim 0 counts(%ca : !muster.counts<[dp], tokens, @step.a>, %cb : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  // expected-error @+1 {{E1211 expected the rows of the first child in front but got those of the second}}
  %k = muster.join_rows %y, %x dim 0 counts(%cb : !muster.counts<[dp], tokens, @step.b>, %ca : !muster.counts<[dp], tokens, @step.a>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j, %k : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// The function says which comes first.
muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{@step.a is the first child here}}
func.func @negative_said_otherwise(
    %x: tensor<?x6xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, i]>, muster.split = "slice"},
    %y: tensor<?x6xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, i]>, muster.split = "slice"},
    %ca: !muster.counts<[dp], tokens, @step.a> {muster.split = "inherit"}, %cb: !muster.counts<[dp], tokens, @step.b> {muster.split = "inherit"},
    %c: !muster.counts<[dp], tokens, @step> {muster.split = "inherit"})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.split = {parent = @step, first = @step.a, second = @step.b}} {
  // expected-error @+1 {{E1211 expected the rows of the first child in front but got those of the second}}
  %k = muster.join_rows %y, %x dim 0 counts(%cb : !muster.counts<[dp], tokens, @step.b>, %ca : !muster.counts<[dp], tokens, @step.a>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %k : tensor<?x6xf32>
}

// -----

// Nobody says that no sequence is cut: what is joined first must be written before the other is read.
muster.mesh @mesh <["dp" = 2]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
muster.state @values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv, d]>
func.func @negative_states_say_otherwise(
    %qa: tensor<?x2x4xf32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a, kv, d]>},
    %qb: tensor<?x2x4xf32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b, kv, d]>},
    %slots_a: tensor<?xi32> {muster.layout = #muster.layout<["t.a"/dp : tokens @step.a]>},
    %slots_b: tensor<?xi32> {muster.layout = #muster.layout<["t.b"/dp : tokens @step.b]>},
    %starts_a: tensor<?xi32> {muster.layout = #muster.layout<["starts.a"/dp : starts @step.a]>},
    %starts_b: tensor<?xi32> {muster.layout = #muster.layout<["starts.b"/dp : starts @step.b]>},
    %blocks_a: tensor<?x4xi32> {muster.layout = #muster.layout<["s.a"/dp : requests @step.a, pages]>},
    %blocks_b: tensor<?x4xi32> {muster.layout = #muster.layout<["s.b"/dp : requests @step.b, pages]>},
    %c: !muster.counts<[dp], tokens, @step>, %f: !muster.counts<[dp], tokens, @step.b>)
    -> (tensor<?x2x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, kv, d]>}) {
  %cb, %ca = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.b>
      -> !muster.counts<[dp], tokens, @step.b>, !muster.counts<[dp], tokens, @step.a>
  nn.cache_append @keys, %qa, %slots_a : tensor<?x2x4xf32>, tensor<?xi32>
  // expected-note @+1 {{it is read for @step.a here}}
  %a = nn.attention %qa keys @keys values @values positions %slots_a starts %starts_a blocks %blocks_a heads 2 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  // expected-error @+1 {{E1220 cannot prove that no sequence is in both children: expected state @keys to be written for the first child, @step.b, before it is read for the second}}
  nn.cache_append @keys, %qb, %slots_b : tensor<?x2x4xf32>, tensor<?xi32>
  %b = nn.attention %qb keys @keys values @values positions %slots_b starts %starts_b blocks %blocks_b heads 2 kv_heads 2
      scale 0.5 : tensor<?x2x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %b : tensor<?x2x4xf32>
}
