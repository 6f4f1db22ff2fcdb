#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles and runs random small Llamas and compares every logit with the float64 reference.

    check-tiny-models.py --bin build/release/bin --work FOLDER [--tp 1,2,3,4,5] [--tokens 70]

For each tp: attention groups 1:1, 3:1 and 8:1, tied and untied heads, with and without biases, F32, F16 and BF16 files,
Llama 3's scaling; what is divided is tp times a prime, what is not (hidden width, half the head size) is prime, so that
no two sizes coincide. Each model is compiled from the Hugging Face folder and from the GGUF file that make-tiny-llama.py
writes with the same weights, run teacher-forced by `muster-run --tokens ids.npy --logits out.npy`, and both have to give the
logits of reference-llama.py and be equal bit for bit.

The limit is what float32 costs: the same forward in NumPy float32 is measured beside it, and the error may be `LIMIT`
times that. Exits 1 on a greater one and on NaN.
"""
import argparse
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 4.0


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = module_of(HERE / "reference-llama.py")


def cases(tp):
    """Options of make-tiny-llama.py for models that tp ranks can share."""
    rows = [  # group, KV heads a rank, head size, hidden, feed-forward / tp, vocabulary / tp, layers, further options
        (1, 2, 10, 53, 13, 19, 2, ["--attention-bias", "--mlp-bias"]),
        (3, 1, 14, 59, 11, 23, 3, ["--untied", "--encoding", "BF16", "--rope-theta", "100000"]),
        (8, 1, 6, 61, 17, 29, 2, ["--encoding", "F16", "--shards", "2", "--new-keys", "--llama3-scaling", "8", "1", "4", "32"]),
    ]
    for group, kv, head, hidden, feed, vocabulary, layers, further in rows:
        values = {"kv-heads": kv * tp, "heads": kv * tp * group, "head-dim": head, "hidden": hidden, "layers": layers,
                  "feed-forward": feed * tp, "vocabulary": vocabulary * tp, "seed": 10 * tp + group}
        yield group, [f"--{name}={value}" for name, value in values.items()] + further


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def float32_error(model, tokens, exact):
    """The greatest error of the reference's own formulas in float32."""
    weights = {name: value.astype(np.float32) for name, value in model.weights.items()}
    logits = reference.Llama(model.fields, weights).logits(tokens)
    assert logits.dtype == np.float32
    return np.abs(logits - exact).max()


def logits_of(options, source, plan, tp, folder):
    run(options.bin / "muster-compile", source, "--mesh", f"tp={tp}", "--target", "host", "-o", plan)
    out = plan.with_suffix(".logits.npy")
    run(options.bin / "muster-run", plan, "--tokens", folder / "tokens.npy", "--logits", out)
    return np.load(out)


def check(options, tp, group, shape):
    """Whether one model is right; prints its figures."""
    folder = options.work / f"tp{tp}-group{group}"
    run(sys.executable, HERE / "make-tiny-llama.py", folder, *shape)
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    tokens = np.random.default_rng(tp).integers(0, vocabulary, options.tokens, dtype=np.int32)
    np.save(folder / "tokens.npy", tokens)
    model = reference.Llama.load(folder)
    exact = model.logits(tokens)
    limit = LIMIT * float32_error(model, tokens, exact)
    outputs = {kind: logits_of(options, source, folder / f"{kind}.plan", tp, folder)
               for kind, source in (("folder", folder), ("gguf", folder / "model.gguf"))}
    good = True
    for kind, logits in outputs.items():
        if logits.shape != exact.shape or logits.dtype != np.float32:
            raise SystemExit(f"expected float32 {exact.shape} but got {logits.dtype} {logits.shape}")
        error = np.abs(logits - exact).max()
        good &= bool(error <= limit)
        print(f"tp={tp} group {group}:1 {kind:<6} error {error:.2e}, limit {limit:.2e}")
    same = np.array_equal(outputs["folder"], outputs["gguf"])
    if not same:
        print(f"tp={tp} group {group}:1: the two formats differ by {np.abs(outputs['folder'] - outputs['gguf']).max():.2e}")
    return good and same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--tp", default="1,2,3,4,5")
    parser.add_argument("--tokens", type=int, default=70)
    options = parser.parse_args()
    results = [check(options, tp, *case) for tp in map(int, options.tp.split(",")) for case in cases(tp)]
    print(f"{sum(results)} of {len(results)} models right")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
