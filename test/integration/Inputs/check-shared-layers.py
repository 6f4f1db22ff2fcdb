# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-shared-layers.py FOLDER [OPTION...]: a Llama graph whose layers are functions, called once a layer, from a model without counts to results.

Each rank group has its own sequences, in unequal numbers, also none. What a plan computes on a mesh, as threads and as processes, is what the
reference interpreter computes of the same text. OPTIONs go to muster-compile."""
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np

folder, options = pathlib.Path(sys.argv[1]), sys.argv[2:]
folder.mkdir(parents=True, exist_ok=True)
HIDDEN, HEADS, KV, DIM, FORWARD, WORDS, SLOTS, PAGES, POSITIONS, LAYERS = 13, 4, 2, 6, 20, 28, 4, 2, 8, 3
ports = {"embed": ((WORDS, HIDDEN), "v/(dp,tp), i"), "cos": ((POSITIONS, DIM // 2), "p, e"), "sin": ((POSITIONS, DIM // 2), "p, e"), "norm": ((HIDDEN,), "i"),
         "words": ((WORDS, HIDDEN), "v/(dp,tp), i")}
for layer in range(LAYERS):
    ports |= {f"an{layer}": ((HIDDEN,), "i"), f"q{layer}": ((HEADS * DIM, HIDDEN), f"hd{layer}/tp, i"), f"k{layer}": ((KV * DIM, HIDDEN), f"kd{layer}/tp, i"),
              f"v{layer}": ((KV * DIM, HIDDEN), f"vd{layer}/tp, i"), f"o{layer}": ((HIDDEN, HEADS * DIM), f"o{layer}, hm{layer}/tp"), f"fn{layer}": ((HIDDEN,), "i"),
              f"gate{layer}": ((FORWARD, HIDDEN), f"f{layer}/(dp,tp), i"), f"up{layer}": ((FORWARD, HIDDEN), f"f{layer}/(dp,tp), i"),
              f"down{layer}": ((HIDDEN, FORWARD), f"o{layer}, f{layer}/(dp,tp)")}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def program(dp, tp):
    ranks = dp * tp
    h, kv, f, v = HEADS // tp, KV // tp, FORWARD // ranks, WORDS // ranks
    x = f"tensor<?x{HIDDEN}xf32>"

    def local(shape, layout):
        terms = layout.split(", ")
        sizes = [size // (ranks if "(dp,tp)" in term else tp if "/tp" in term else 1) for size, term in zip(shape, terms)]
        return f"tensor<{'x'.join(map(str, sizes))}xf32>"

    types = {name: local(*port) for name, port in ports.items()}
    own = "<[t/dp : tokens @step, i]>"
    text = [f'muster.mesh @mesh <["dp" = {dp}, "tp" = {tp}]>']
    for layer in range(LAYERS):
        text += [f"muster.state @{what}{layer} : tensor<?x{SLOTS}x{KV}x{DIM}xf32> layout <[page/dp, slot, kv/tp, d]>" for what in ("keys", "values")]
    tq, tk, heads, kvs = types["q0"], types["k0"], f"tensor<?x{h}x{DIM}xf32>", f"tensor<?x{kv}x{DIM}xf32>"
    text.append(f"""
// Looks rows up that all ranks hold parts of.
func.func private @embed(%ids: tensor<?xi32>, %table: {types['embed']}) -> {x} {{
  %all = muster.redistribute %ids from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %dp = muster.coordinate "dp"
  %tp = muster.coordinate "tp"
  %of_group = arith.constant {v * tp} : index
  %of_rank = arith.constant {v} : index
  %first_dp = arith.muli %dp, %of_group : index
  %first_tp = arith.muli %tp, %of_rank : index
  %first = arith.addi %first_tp, %first_dp : index
  %e = nn.gather_rows %table[%all] first %first : {types['embed']}, tensor<?xi32> -> {x}
  %x = muster.redistribute %e from <[t, i], partial(sum: dp, tp)> to {own} : {x} -> {x}
  return %x : {x}
}}
func.func private @add(%a: {x}, %b: {x}) -> {x} {{
  %c = arith.addf %a, %b : {x}
  return %c : {x}
}}
func.func private @projections(%x: {x}, %n: tensor<{HIDDEN}xf32>, %wq: {tq}, %wk: {tk}, %wv: {tk}, %cos: {types['cos']}, %sin: {types['cos']},
    %positions: tensor<?xi32>) -> ({heads}, {kvs}, {kvs}) {{
  %y = nn.rms_norm %x, %n epsilon 1.0e-5 : {x}, tensor<{HIDDEN}xf32>
  %q2 = nn.matmul %y, %wq : {x}, {tq} -> tensor<?x{h * DIM}xf32>
  %k2 = nn.matmul %y, %wk : {x}, {tk} -> tensor<?x{kv * DIM}xf32>
  %v2 = nn.matmul %y, %wv : {x}, {tk} -> tensor<?x{kv * DIM}xf32>
  %q3 = nn.split_heads %q2 heads {HEADS} head_dim {DIM} : tensor<?x{h * DIM}xf32> -> {heads}
  %k3 = nn.split_heads %k2 heads {KV} head_dim {DIM} : tensor<?x{kv * DIM}xf32> -> {kvs}
  %v = nn.split_heads %v2 heads {KV} head_dim {DIM} : tensor<?x{kv * DIM}xf32> -> {kvs}
  %q = nn.rope %q3, %cos, %sin, %positions : {heads}, {types['cos']}, tensor<?xi32>
  %k = nn.rope %k3, %cos, %sin, %positions : {kvs}, {types['cos']}, tensor<?xi32>
  return %q, %k, %v : {heads}, {kvs}, {kvs}
}}
// Rows of all ranks meet parts of the weights, and their sums go home.
func.func private @feed_forward(%x: {x}, %n: tensor<{HIDDEN}xf32>, %wg: {types['gate0']}, %wu: {types['up0']}, %wd: {types['down0']}) -> {x} {{
  %y = nn.rms_norm %x, %n epsilon 1.0e-5 : {x}, tensor<{HIDDEN}xf32>
  %all = muster.redistribute %y from {own} to <[t, i]> : {x} -> {x}
  %g = nn.matmul %all, %wg : {x}, {types['gate0']} -> tensor<?x{f}xf32>
  %u = nn.matmul %all, %wu : {x}, {types['up0']} -> tensor<?x{f}xf32>
  %a = arith.mulf %g, %u : tensor<?x{f}xf32>
  %d = nn.matmul %a, %wd : tensor<?x{f}xf32>, {types['down0']} -> {x}
  %s = muster.redistribute %d from <[t, i], partial(sum: dp, tp)> to {own} : {x} -> {x}
  return %s : {x}
}}
func.func private @rest_of_layer(%x: {x}, %a: {heads}, %wo: {types['o0']}, %n: tensor<{HIDDEN}xf32>, %wg: {types['gate0']}, %wu: {types['up0']},
    %wd: {types['down0']}) -> {x} {{
  %m = nn.merge_heads %a heads {HEADS} head_dim {DIM} : {heads} -> tensor<?x{h * DIM}xf32>
  %o = nn.matmul %m, %wo : tensor<?x{h * DIM}xf32>, {types['o0']} -> {x}
  %s = muster.redistribute %o from <[t/dp : tokens @step, i], partial(sum: tp)> to {own} : {x} -> {x}
  %y = func.call @add(%x, %s) : ({x}, {x}) -> {x}
  %f = func.call @feed_forward(%y, %n, %wg, %wu, %wd) : ({x}, tensor<{HIDDEN}xf32>, {types['gate0']}, {types['up0']}, {types['down0']}) -> {x}
  %z = func.call @add(%y, %f) : ({x}, {x}) -> {x}
  return %z : {x}
}}""")
    fields = {"tokens": ("tensor<?xi32>", "t/dp : tokens @step"), "positions": ("tensor<?xi32>", "t/dp : tokens @step"),
              "query_starts": ("tensor<?xi32>", "starts/dp : starts @step"), "block_table": (f"tensor<?x{PAGES}xi32>", "s/dp : requests @step, pages"),
              "write_slots": ("tensor<?xi32>", "t/dp : tokens @step"), "logit_rows": ("tensor<?xi32>", "r/dp : rows @step")}
    every = list(fields.items()) + [(name, (types[name], layout)) for name, (_, layout) in ports.items()]
    arguments = ", ".join(f'%{name}: {kind} {{muster.name = "{name}", muster.layout = #muster.layout<[{layout}]>}}' for name, (kind, layout) in every)
    text.append(f"""func.func @step({arguments})
    -> (tensor<?x{WORDS}xf32> {{muster.name = "logits", muster.layout = #muster.layout<[r/dp : rows @step, v]>}})
    attributes {{muster.bounds = {{t = 8 : i64, starts = 5 : i64, s = 4 : i64, r = 4 : i64}}}} {{
  %x0 = func.call @embed(%tokens, %embed) : (tensor<?xi32>, {types['embed']}) -> {x}""")
    for i in range(LAYERS):
        text.append(f"""
  %qq{i}, %kk{i}, %vv{i} = func.call @projections(%x{i}, %an{i}, %q{i}, %k{i}, %v{i}, %cos, %sin, %positions)
      : ({x}, tensor<{HIDDEN}xf32>, {tq}, {tk}, {tk}, {types['cos']}, {types['cos']}, tensor<?xi32>) -> ({heads}, {kvs}, {kvs}) loc("layers.{i}")
  nn.cache_append @keys{i}, %kk{i}, %write_slots : {kvs}, tensor<?xi32>
  nn.cache_append @values{i}, %vv{i}, %write_slots : {kvs}, tensor<?xi32>
  %a{i} = nn.attention %qq{i} keys @keys{i} values @values{i} positions %positions starts %query_starts blocks %block_table heads {HEADS} kv_heads {KV} scale 0.4
      : {heads}, tensor<?xi32>, tensor<?xi32>, tensor<?x{PAGES}xi32>
  %x{i + 1} = func.call @rest_of_layer(%x{i}, %a{i}, %o{i}, %fn{i}, %gate{i}, %up{i}, %down{i})
      : ({x}, {heads}, {types['o0']}, tensor<{HIDDEN}xf32>, {types['gate0']}, {types['up0']}, {types['down0']}) -> {x} loc("layers.{i}")""")
    text.append(f"""
  %asked = nn.gather_rows %x{LAYERS}[%logit_rows] : {x}, tensor<?xi32> -> {x}
  %last = muster.redistribute %asked from <[r/dp : rows @step, i]> to <[r, i]> : {x} -> {x}
  %normed = nn.rms_norm %last, %norm epsilon 1.0e-5 : {x}, tensor<{HIDDEN}xf32>
  %part = nn.matmul %normed, %words : {x}, {types['words']} -> tensor<?x{v}xf32>
  %logits = muster.redistribute %part from <[r, v/(dp,tp)]> to <[r/dp : rows @step, v]> : tensor<?x{v}xf32> -> tensor<?x{WORDS}xf32>
  return %logits : tensor<?x{WORDS}xf32>
}}""")
    return "\n".join(text)


def inputs(groups, rng):
    """The first step of sequences of these lengths, by group; each group numbers its own pages and rows."""
    values = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, (shape, _) in ports.items()}
    made = {"tokens": [], "positions": [], "query_starts": [], "block_table": [], "write_slots": [], "logit_rows": []}
    for lengths in groups:
        made["query_starts"].append(0)
        for sequence, length in enumerate(lengths):
            made["tokens"] += [int(word) for word in rng.integers(0, WORDS, length)]
            made["positions"] += list(range(length))
            made["write_slots"] += [sequence * PAGES * SLOTS + position for position in range(length)]
            made["block_table"].append([sequence * PAGES + page for page in range(PAGES)])
            made["query_starts"].append(sum(lengths[:sequence + 1]))
            made["logit_rows"].append(sum(lengths[:sequence + 1]) - 1)
    for name, numbers in made.items():
        values[name] = np.array(numbers, np.int32).reshape((-1, PAGES) if name == "block_table" else -1)
    return values


steps = 0
for dp, tp in [(2, 1), (2, 2)]:
    source, plan = folder / f"layers-{dp}-{tp}.mlir", folder / f"layers-{dp}-{tp}.plan"
    source.write_text(program(dp, tp))
    code, text = run("muster-opt", source, "--muster-materialize-token-counts", "--muster-verify-counts", "--muster-verify-collectives", "--muster-verify-layouts")
    assert code == 0 and text.count("muster.exchange_counts") == 1, text
    assert text.count("func.func private") == 5 and text.count("call @rest_of_layer") == LAYERS, text
    code, text = run("muster-compile", source, "-o", plan, *options)
    assert code == 0, text
    for groups in [[[5, 2], [1]], [[], [3, 3, 1]], [[4], [4]], [[1, 1, 1, 1], []]]:
        values = inputs(groups, np.random.default_rng(len(groups[0])))
        names = folder / "inputs.json"
        names.write_text(json.dumps({name: value.tolist() for name, value in values.items()}))
        counts = {"tokens": [sum(lengths) for lengths in groups], "requests": [len(lengths) for lengths in groups],
                  "starts": [len(lengths) + 1 for lengths in groups], "rows": [len(lengths) for lengths in groups]}
        sizes = ",".join(f"{unit}@step={':'.join(map(str, parts))}" for unit, parts in counts.items())
        code, text = run("muster-opt", source, f"--muster-interpret=pages=8 inputs={names} sizes={sizes}", "-o", os.devnull)
        assert code == 0, text
        shape, numbers = re.search(r"result .*?: ([0-9x]+)xf32 (.*)", text).groups()
        expected = np.array(json.loads(numbers), np.float32).reshape([int(size) for size in shape.split("x")])
        for name, value in values.items():
            np.save(folder / f"{name}.npy", value)
        given = [f"--input={name}={folder / (name + '.npy')}" for name in values]
        parts = [f"--counts={field}={','.join(map(str, counts[unit]))}" for field, unit in
                 [("t", "tokens"), ("s", "requests"), ("r", "rows")]]
        for mode in ([], ["--processes"]):
            code, text = run("muster-run", plan, *given, *parts, f"--output-dir={folder / 'out'}", *mode)
            assert code == 0, (groups, mode, text)
            got = np.load(folder / "out" / "logits.npy")
            assert got.shape == expected.shape and np.abs(got - expected).max(initial=0) < 1e-4, (groups, mode, got, expected)
            steps += 1
print(f"{steps} steps of shared layers agree")
