#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles and runs random small Llamas and compares every logit with the float64 reference.

    check-tiny-models.py WORK-FOLDER [--models 8] [--seed 1] [--bin FOLDER]

Model i has attention groups of 1, 3, 8 or 2 (in turn) and runs on 1 to 6 ranks of axis tp, of axis sp, of
both, or of axis dp with or without tp (in turn). Every sixth has fewer key-value heads than ranks, and a width and a vocabulary that they do not divide.
Chance decides tied
and untied heads, biases, the head size, the encoding of the matrices, Llama 3's scaling, layers, files; every third
model without that has linear scaling, every other one a config without what it may leave out. What is divided
is the number of ranks times a prime; the hidden width is a prime (a multiple of 32 where blocks of a quantised file ask
for it), the vocabulary is no multiple of 64; steps hold 1 to 40 tokens of 1 to 4 sequences, pages 1 to 16. Of each model:

- The GGUF file and the Hugging Face folder that make-tiny-llama.py writes with the same weights are compiled for the
  host: equal bits (with Llama 3's scaling, whose divisors GGUF rounds to float32: equal within the limit).
- The folder is compiled for x86-64-v3 too, and with axis dp for padded tokens (to the most of any position and balanced).
- Teacher-forced logits of 1, 2 and 5 tokens (fewer than ranks, and as many as none divides), of one full step and of several steps (chunks), as
  threads and as processes.
- Greedy continuations of prompts of unequal lengths in one batch, more than run at a time: what is chosen is the
  greatest of the reference's logits, or within twice the limit of it.

The limit of an error is LIMIT times what the reference's own formulas make of it in NumPy's float32. Exits 1 where one
is above, on NaN, and where bits differ.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 4.0
TOKENS = 61
PROMPTS = ["a", "The capital of France is", "x = [1, 2]\n\n", "é", "to be, or not to be, that is the question 42", "no"]


def module_of(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = module_of(HERE / "reference-llama.py")


def mesh_of(index):
    """Tensor parallelism, sequence parallelism (with steps that the ranks do not divide), both, and data-parallel attention, of 1
    to 6 ranks."""
    ranks, kind = (1, 2, 3, 4, 5)[index % 5], index // 5 % 4
    if kind < 2:
        return ranks, f"{'tp' if kind == 0 else 'sp'}={ranks}"
    if kind == 3:
        return {1: (1, "dp=1"), 2: (2, "dp=2"), 3: (3, "dp=3"), 4: (4, "dp=2,tp=2"), 5: (6, "tp=2,dp=3")}[ranks]
    return {1: (1, "sp=1"), 2: (2, "sp=1,tp=2"), 3: (3, "tp=1,sp=3"), 4: (4, "sp=2,tp=2"), 5: (6, "tp=3,sp=2")}[ranks]


# Key-value heads, heads and a mesh of more ranks than the former.
SHARED = [(3, 9, 9, "tp=9"), (3, 9, 9, "sp=3,tp=3"), (1, 4, 4, "sp=4"), (1, 2, 2, "tp=2"), (1, 6, 6, "tp=3,sp=2"),
          (3, 9, 9, "sp=9"), (2, 8, 8, "tp=4,sp=2"), (2, 12, 4, "tp=4"), (1, 3, 3, "sp=3")]


def random_options(index, rng):
    """The mesh of model `index`, its options for make-tiny-llama.py, and those of its capacity for muster-compile."""
    (ranks, mesh), group = mesh_of(index), (1, 3, 8, 2)[index % 4]
    heads = int(rng.integers(1, 3)) * ranks
    head_dim = 2 * int(rng.choice([2, 3, 5, 7, 11]))
    encoding = str(rng.choice(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"], p=[0.3, 0.15, 0.15, 0.2, 0.1, 0.1]))
    hidden, feed_forward = int(rng.choice([29, 37, 53, 61, 67, 131])), ranks * int(rng.choice([7, 11, 13, 17, 71]))
    if encoding.startswith("Q"):  # rows are blocks of 32
        head_dim, hidden, feed_forward = 32, 32 * int(rng.choice([1, 3])), ranks * 32 * int(rng.choice([1, 3]))
    vocabulary = ranks * int(rng.choice({1: [263, 311], 2: [131, 137], 3: [89, 97], 4: [67, 71], 5: [53, 59], 6: [44, 47]}[ranks]))
    kv_heads, heads = heads, heads * group
    if index % 6 == 5:
        kv_heads, heads, ranks, mesh = SHARED[index // 6 % len(SHARED)]
        feed_forward, vocabulary = 32 * int(rng.choice([1, 3])) if encoding.startswith("Q") else 33, int(rng.choice([263, 279]))
    values = {"kv-heads": kv_heads, "heads": heads, "head-dim": head_dim, "hidden": hidden,
              "feed-forward": feed_forward, "vocabulary": vocabulary, "layers": int(rng.integers(1, 4)),
              "seed": int(rng.integers(1 << 30)), "rope-theta": float(rng.choice([10000.0, 500000.0])),
              "epsilon": float(rng.choice([1e-5, 1e-6])), "encoding": encoding, "shards": int(rng.integers(1, 4))}
    flags = [f for f in ("--untied", "--attention-bias", "--mlp-bias", "--new-keys") if rng.random() < 0.5]
    if rng.random() < 0.4:
        flags += ["--llama3-scaling", "8", "1", "4", "32"]
    scales_all = "--llama3-scaling" not in flags and index % 3 == 0
    flags += ["--linear-scaling", "4"] * scales_all + ["--terse"] * (index % 2)
    step, sequences, slots = int(rng.choice([1, 7, 24, 24, 40])), int(rng.integers(1, 5)), int(rng.choice([1, 5, 16]))
    capacity = {"max-step-tokens": max(step, sequences), "max-seqs": sequences, "page-slots": slots}
    return mesh, [f"--{name}={value}" for name, value in values.items()] + flags, capacity


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


class Model:
    """One random checkpoint, its reference and its plans."""

    def __init__(self, folder, mesh, shape, capacity):
        self.folder, self.mesh, self.scaled, self.capacity = folder, mesh, "--llama3-scaling" in shape, capacity
        run(sys.executable, HERE / "make-tiny-llama.py", folder, "--byte-tokenizer", *shape)
        self.model = reference.Llama.load(folder)
        vocabulary = self.model.fields["vocab_size"]
        self.tokens = np.random.default_rng(7).integers(0, vocabulary, TOKENS, dtype=np.int32)
        self.exact = self.model.logits(self.tokens)
        weights = {name: value.astype(np.float32) for name, value in self.model.weights.items()}
        single = reference.Llama(self.model.fields, weights).logits(self.tokens)
        assert single.dtype == np.float32
        self.limit = LIMIT * np.abs(single - self.exact).max()
        self.worst = 0.0
        self.faults = []

    def compile(self, source, name, target, *options):
        plan = self.folder / f"{name}.plan"
        run("muster-compile", source, "--mesh", self.mesh, "--target", target, "-o", plan,
            *(f"--{name}={value}" for name, value in self.capacity.items()), *options)
        return plan

    def logits(self, plan, count, *options):
        """The logits of the first `count` tokens, judged."""
        ids, out = self.folder / "ids.npy", self.folder / "logits.npy"
        np.save(ids, self.tokens[:count])
        out.unlink(missing_ok=True)
        run("muster-run", plan, "--tokens", ids, "--logits", out, *options)
        logits, exact = np.load(out), self.exact[:count]
        if logits.shape != exact.shape or logits.dtype != np.float32:
            raise SystemExit(f"expected float32 {exact.shape} but got {logits.dtype} {logits.shape}")
        error = np.abs(logits - exact).max()
        self.expect(error <= self.limit, f"{plan.name} {count} tokens {options}: error {error:.2e}")
        self.worst = max(self.worst, float(error))
        return logits

    def expect(self, good, fault):
        if not good:
            self.faults.append(fault)

    def check_greedy(self, plan, *options):
        """A batch of prompts: every token that was chosen is one that the reference may choose."""
        prompts = self.folder / "prompts.json"
        prompts.write_text(json.dumps(PROMPTS))
        printed = run("muster-run", plan, "--prompts", prompts, "--max-tokens", 6, "--ignore-stop", "--json", *options)
        results = json.loads(printed)["results"]
        self.expect(len(results) == len(PROMPTS), f"{len(results)} results of {len(PROMPTS)} prompts")
        for result in results:
            ids, new = result["prompt_tokens"], result["tokens"]
            self.expect(len(ids) == len(result["prompt"].encode()) and len(new) == 6, f"ids {ids}, {new}")
            rows = self.model.logits(ids + new)[len(ids) - 1 : -1]
            short = (rows.max(1) - rows[np.arange(len(new)), new]).max()
            self.expect(short <= 2 * self.limit, f"{result['prompt']!r}: a token was chosen {short:.2e} below the best")
        return [result["tokens"] for result in results]

    def check(self):
        folder, gguf = self.compile(self.folder, "folder", "host"), self.compile(self.folder / "model.gguf", "gguf", "host")
        older = self.compile(self.folder, "v3", "x86-64-v3")
        whole = self.logits(gguf, TOKENS)
        for options in (["--processes"], ["--threads", "2"]):
            self.expect(np.array_equal(whole, self.logits(gguf, TOKENS, *options)), f"bits differ with {options}")
        for count in sorted({1, 2, 5, self.capacity["max-step-tokens"]}):
            self.logits(gguf, count)
        other = self.logits(folder, TOKENS)
        self.expect(np.array_equal(whole, other) or (self.scaled and np.abs(whole - other).max() <= self.limit),
                    f"the two formats differ by {np.abs(whole - other).max():.2e}")
        self.logits(older, TOKENS)
        if "dp=" in self.mesh:  # dead rows behind those of each position, and positions without any
            for padding, multiple in (("max", 2), ("balanced", 3)):
                padded = self.compile(self.folder / "model.gguf", padding, "host", "--padding", padding, "--align-tokens", multiple)
                for count in (1, TOKENS):
                    self.logits(padded, count)
                self.check_greedy(padded, "--processes")
        self.expect(self.check_greedy(gguf) == self.check_greedy(gguf, "--processes"), "processes choose otherwise")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bin", help="folder of the tools; default: PATH")
    options = parser.parse_args()
    if options.bin:
        os.environ["PATH"] = os.path.abspath(options.bin) + os.pathsep + os.environ["PATH"]
    wrong = 0
    for index in range(options.first, options.first + options.models):
        mesh, shape, capacity = random_options(index, np.random.default_rng([options.seed, index]))
        model = Model(options.work / f"model{index}", mesh, shape, capacity)
        model.check()
        verdict = "; ".join(model.faults) or "right"
        print(f"model {index}: {mesh}, greatest error {model.worst:.2e} of at most {model.limit:.2e}: {verdict}", flush=True)
        if model.faults:
            print("  make-tiny-llama.py --byte-tokenizer", *shape, capacity)
            wrong += 1
        else:
            shutil.rmtree(model.folder)
    print(f"{options.models - wrong} of {options.models} models right")
    return 1 if wrong or not options.models else 0


if __name__ == "__main__":
    sys.exit(main())
