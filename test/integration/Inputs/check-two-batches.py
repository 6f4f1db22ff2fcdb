# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check-two-batches.py FOLDER MODEL: a step whose batch is split computes what it computes as one, wherever it is cut, as threads and as processes."""
import pathlib
import subprocess
import sys

import numpy as np

folder, model = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
page_slots, pages, vocabulary = 16, 2, 276


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def expect(*command):
    code, text = run(*command)
    assert code == 0, (command, text)
    return text


def batch(lengths, seed):
    """Inputs of one position: sequences of these lengths from their beginning."""
    random = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    positions = np.concatenate([np.arange(n) for n in lengths] + [[]])
    tables = np.arange(len(lengths) * pages).reshape(-1, pages)
    slots = np.concatenate([tables[i, np.arange(n) // page_slots] * page_slots + np.arange(n) % page_slots
                            for i, n in enumerate(lengths)] + [[]])
    return {"tokens": random.integers(0, vocabulary, starts[-1]), "positions": positions, "query_starts": starts, "block_table": tables,
            "write_slots": slots, "logit_rows": starts[1:] - 1}


def halves(whole, cut):
    """The same in two children: rows below `cut`, and the others, counted from there."""
    starts = whole["query_starts"]
    has = [starts[:-1] < cut, starts[1:] > cut]
    ends = [np.minimum(starts[1:], cut), starts[1:] - cut]
    rows = whole["logit_rows"]
    children = {"query_starts": [np.concatenate([[0], end[own]]) for end, own in zip(ends, has)],
                "block_table": [whole["block_table"][own] for own in has], "logit_rows": [rows[rows < cut], rows[rows >= cut] - cut]}
    for name in ("tokens", "positions", "write_slots"):
        children[name] = [whole[name][:cut], whole[name][cut:]]
    return children


def call(plan, inputs, counts, *options):
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value.astype(np.int32))
    expect("muster-run", plan, *[f"--input={name}={folder / name}.npy" for name in inputs], f"--output-dir={folder / 'out'}", "--kv-memory=256KiB",
           *[f"--counts={field}={','.join(map(str, values))}" for field, values in counts.items()], *options)
    return np.load(folder / "out" / "logits.npy")


checked, padded, cut_sequences = 0, 0, 0
steps = [[[5, 3], [4]], [[4], [4]], [[], [7, 2, 6]], [[1], []], [[20], [1, 1]]]
cuts = {0: [0, 8, 3, 5], 1: [0, 2, 3, 4]}
for mesh, padding in (("dp=2", "max"), ("dp=2,tp=2", "balanced"), ("tp=2", None), ("dp=3", "sum")):
    def compile(name, *options):
        plan = folder / f"{name}.plan"
        own = mesh if "two-batch" in options or "dp" in mesh else "dp=1," + mesh
        expect("muster-compile", model, "--mesh", own, "--max-step-tokens", 24, "--max-seqs", 3, "--max-context", page_slots * pages, *options, "-o", plan)
        return plan

    one = compile("one")
    two = None if mesh == "dp=3" else compile("two", "--overlap", "two-batch")
    dead = padding and compile("dead", "--overlap", "two-batch", "--padding", padding, "--align-tokens", 4)
    groups = {"dp=3": 3, "tp=2": 1}.get(mesh, 2)
    for number, step in enumerate(steps):
        whole = [batch(lengths, 10 * number + group) for group, lengths in enumerate(step[1:] if groups == 1 else (step + step)[:groups])]
        if not sum(len(each["tokens"]) for each in whole):
            continue
        expected = call(one, {name: np.concatenate([each[name] for each in whole]) for name in whole[0]},
                        {field: [len(each[name]) for each in whole] for field, name in
                         (("t", "tokens"), ("s", "block_table"), ("r", "logit_rows"))})
        for shift in range(4):
            cut = [min(cuts[(group + number) % 2][(shift + group) % 4], len(each["tokens"])) for group, each in enumerate(whole)]
            children = [halves(each, at) for each, at in zip(whole, cut)]
            inputs = {f"{name}.{'ab'[child]}": np.concatenate([each[name][child] for each in children])
                      for name in whole[0] for child in range(2)}
            size = lambda name, child: [len(each[name][child]) for each in children]
            both = lambda name: [len(each[name]) for each in whole]
            counts = {"t": both("tokens"), "t.a": size("tokens", 0), "r": both("logit_rows"), "r.a": size("logit_rows", 0),
                      "s.a": size("block_table", 0), "s.b": size("block_table", 1)}
            cut_sequences += sum(map(sum, (counts["s.a"], counts["s.b"]))) - sum(both("block_table"))
            threads = ["--transfer-threads=on", "--transfer-threads=off"][::1 if (number + shift) % 2 else -1]
            runs = [(two, counts, threads[:1]), (two, counts, ["--processes"] + threads[1:])] if two else []
            if dead and (number + shift) % 2:
                prompts = {f"prefills.{'ab'[child]}": [int((np.diff(each["query_starts"][child]) > 1).sum()) for each in children] for child in range(2)}
                runs.append((dead, counts | (prompts if padding == "balanced" and shift < 2 else {}), threads[:1]))
                padded += 1
            bits = None
            for plan, said, options in runs:
                got = call(plan, inputs, said, *options)
                assert got.shape == expected.shape and np.abs(got - expected).max(initial=0) <= 2e-6 * np.abs(expected).max(initial=1), \
                    (mesh, step, cut, plan.name, options, np.abs(got - expected).max())
                # Whoever takes the transfers, to the bit.
                assert plan != two or bits is None or np.array_equal(got, bits), (mesh, step, cut, options)
                bits = got if plan == two else bits
                checked += 1
    if two:
        for said, name in (("on", " + transfers"), ("off", " workers")):
            text = expect("muster-run", two, *[f"--input={name}={folder / name}.npy" for name in inputs], f"--output-dir={folder / 'out'}", "--kv-memory=256KiB",
                          *[f"--counts={field}={','.join(map(str, values))}" for field, values in counts.items()], "--transfer-threads", said, "--stats")
            assert name in text and (" + transfers" in text) == (said == "on"), text
            last = two, inputs, counts
two, inputs, counts = last
call(two, inputs, counts)
# More in the first child than there is: one error, on all ranks.
code, text = run("muster-run", two, *[f"--input={name}={folder / name}.npy" for name in inputs], f"--output-dir={folder / 'out'}",
                 "--kv-memory=256KiB", *[f"--counts={field}={','.join(map(str, [0] if field == 't' else values))}" for field, values in counts.items()])
assert code != 0 and "E2411" in text and "tokens of batch @step.a beyond those of @step" in text, (code, text)
assert cut_sequences > 10 and padded > 20, (cut_sequences, padded)
print(f"{checked} steps in two children, {padded} of them padded, {cut_sequences} sequences cut")
