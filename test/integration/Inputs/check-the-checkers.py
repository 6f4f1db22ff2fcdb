#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Shows that the judges of the integration tests accept what is right and refuse what is wrong.

The reference forward is compared with what transformers in float64 said of four random models (golden/tiny.npz); each
checker is given right results, which have to pass, and each of the mutants below, which have to fail.
"""
import copy
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

INTEGRATION = pathlib.Path(__file__).resolve().parent.parent
# Four shapes of make-tiny-llama.py; the seed of each is its place.
TINY = [
    "--hidden 60 --heads 6 --kv-heads 6 --head-dim 10 --feed-forward 44 --vocabulary 101",
    "--hidden 60 --heads 6 --kv-heads 2 --head-dim 14 --feed-forward 37 --untied --attention-bias --mlp-bias"
    " --shards 3",
    "--hidden 64 --heads 8 --kv-heads 1 --feed-forward 91 --layers 3 --untied --encoding BF16 --rope-theta 500000"
    " --llama3-scaling 8 1 4 64 --new-keys",
    "--hidden 40 --heads 5 --kv-heads 5 --head-dim 6 --feed-forward 29 --vocabulary 211 --mlp-bias --encoding F16"
    " --epsilon 1e-3",
]
TINY_TOKENS = 300


def write_tiny(folder, seed):
    """Writes case `seed` as a Hugging Face folder; its sequence of tokens."""
    script = INTEGRATION / "Inputs" / "make-tiny-llama.py"
    options = ["--context", "512", "--seed", str(seed), *TINY[seed].split()]
    subprocess.run([sys.executable, script, folder, *options], check=True)
    vocabulary = json.loads((pathlib.Path(folder) / "config.json").read_text())["vocab_size"]
    return np.random.default_rng(seed).integers(0, vocabulary, TINY_TOKENS)


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_errors():
    """The greatest difference of the reference from transformers, for each random model."""
    reference = module_of(INTEGRATION / "Inputs" / "reference-llama.py")
    golden = np.load(INTEGRATION / "golden" / "tiny.npz")
    for seed, case in enumerate(TINY):
        with tempfile.TemporaryDirectory() as folder:
            tokens = write_tiny(folder, seed)
            logits = reference.Llama.load(folder).logits(tokens)
        yield case, np.abs(logits[-3:] - golden[f"case{seed}"]).max()


def exit_code(script, *arguments):
    done = subprocess.run([sys.executable, INTEGRATION / script, *arguments], capture_output=True, text=True)
    if "Traceback" in done.stderr:
        raise SystemExit(f"{script} crashes: {done.stderr}")
    return done.returncode


def greedy_codes(folder):
    """(name, expected exit code, exit code) for right and wrong greedy results."""
    golden = json.loads((INTEGRATION / "golden" / "greedy.json").read_text())
    right = [{"prompt_tokens": r["prompt_tokens"], "tokens": r["tokens"]} for r in golden["results"]]
    least = min(range(len(right)), key=lambda i: min(golden["results"][i]["margins"]))

    def code(results, expected=golden):
        (folder / "results.json").write_text(json.dumps({"results": results}))
        (folder / "golden.json").write_text(json.dumps(expected))
        return exit_code("check-greedy.py", folder / "results.json", folder / "golden.json")

    def mutant(change):
        results = copy.deepcopy(right)
        change(results)
        return results

    yield "right", 0, code(right)
    yield "in another order", 0, code(right[::-1])
    yield "the last token of one", 1, code(mutant(lambda r: r[3]["tokens"].__setitem__(31, 0)))
    yield "a token too few", 1, code(mutant(lambda r: r[1]["tokens"].pop()))
    stop = right[0]["tokens"].index(golden["stop"])
    yield "ended by the stop token", 0, code(mutant(lambda r: r[0].update(tokens=r[0]["tokens"][: stop + 1])))
    yield "ended before the stop token", 0, code(mutant(lambda r: r[0].update(tokens=r[0]["tokens"][:stop])))
    yield "ended too early", 1, code(mutant(lambda r: r[0].update(tokens=r[0]["tokens"][: stop - 1])))
    yield "a prompt missing", 1, code(right[1:])
    yield "a prompt encoded otherwise", 1, code(mutant(lambda r: r[5]["prompt_tokens"].__setitem__(0, 0)))
    yield "nothing", 1, code([])
    step = int(np.argmin(golden["results"][least]["margins"]))
    other = mutant(lambda r: r[least]["tokens"].__setitem__(step, 0))
    yield "the least margin", 1, code(other)
    yield "the least margin, within a greater tolerance", 0, code(other, {**golden, "tolerance": 1.0})


def logit_codes(folder):
    """The same for logits, against a golden file of 20 rows made here."""
    check = module_of(INTEGRATION / "check-logits.py")
    generator = np.random.default_rng(3)
    exact = generator.normal(0, 3, (20, 49152))
    tokens = generator.integers(0, 49152, 20).astype(np.int32)
    columns = np.sort(generator.choice(49152, 24, replace=False))
    expected = check.measures_of(exact, columns, np.roll(tokens, -1))
    noise = generator.normal(0, 1e-5, exact.shape)
    own = check.errors_of(check.measures_of(exact + noise, columns, np.roll(tokens, -1)), expected)
    np.savez(folder / "golden.npz", columns=columns, sample=expected[0], lse=expected[1], next=expected[2],
             **{"f32_" + name: value for name, value in own.items()})
    np.save(folder / "tokens.npy", tokens)
    right = exact.astype(np.float32)

    def code(logits):
        np.save(folder / "logits.npy", logits)
        files = [folder / name for name in ("logits.npy", "golden.npz", "tokens.npy")]
        return exit_code("check-logits.py", *files[:2], "--tokens", files[2])

    def mutant(row, column, value):
        logits = right.copy()
        logits[row, column] = value
        return logits

    outside = next(c for c in range(49152) if c not in columns and c not in tokens)
    yield "right", 0, code(right)
    # Twice the error of the single precision run, and ten times it.
    yield "twice the noise", 0, code((exact + 2 * noise).astype(np.float32))
    yield "noise of 1e-4", 1, code(right + generator.normal(0, 1e-4, right.shape).astype(np.float32))
    yield "one NaN outside of the sample", 1, code(mutant(19, outside, np.nan))
    yield "one value outside of the sample", 1, code(mutant(7, outside, right[7].max()))
    yield "a row of another position", 1, code(mutant(4, slice(None), right[5]))
    yield "columns of another shard", 1, code(np.roll(right, 16384, axis=1))
    yield "a row missing", 1, code(right[:19])
    yield "float64", 1, code(exact)


def main():
    failed = 0
    for case, error in reference_errors():
        failed += not error <= 1e-11
        print(f"reference, {case}: {error:.1e}")
    with tempfile.TemporaryDirectory() as folder:
        for kind, codes in (("greedy", greedy_codes), ("logits", logit_codes)):
            for name, expected, actual in codes(pathlib.Path(folder)):
                failed += expected != actual
                print(f"{kind}, {name}: expected exit code {expected}, got {actual}")
    print("FAILED" if failed else "all as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
