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
