#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures Muster and llama.cpp on SmolLM2-135M, alternating in one run, and prints both, their ratios and the goals.

tools/bench.sh makes what this needs and calls it. Every measurement is a process of its own; a round runs each
contender once, one after the other, so that a slow minute of the machine hits all of them; a figure is the median over
the rounds.

Contenders: llama.cpp with F32 matrices and an f32 KV cache (the equal of Muster's arithmetic), llama.cpp with the file
as it is (Q4_1, its default f16 KV cache), Muster with one rank, and Muster with three ranks as threads (with two
threads only: three equal shares on two cores, beside one rank with two workers).

What the figures mean: prefill is one prompt of 128 or 512 tokens, the best of three, decode is one token for each
sequence and step at contexts 128 to 192; `load` ends when the first step could run, `first token` is the first token
of a five-token prompt, both counted from the start of the work with the files in the page cache. Before its figures
count each contender has to produce the golden tokens after "The capital of France is".

Muster is asked as `muster-run PLAN --bench --json --threads N` and answers with one object:
{"load_ms": ..., "first_token_ms": ..., "prefill": [{"tokens": 128, "tokens_per_s": ...}, ...],
 "decode": [{"batch": 1, "tokens_per_s": ..., "p50_ms": ..., "p99_ms": ...}, ...], "peak_rss_bytes": ...}
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROMPT, CHECKED = "The capital of France is", 8
# Ratio of Muster (one rank) to llama.cpp with F32 matrices that the project wants.
GOALS = {"prefill 128": 1.5, "prefill 512": 1.5, "decode b1": 1.0, "decode b8": 2.0}
TP3_GOAL = 0.6  # three ranks on two cores, to one rank with two workers


def run(command):
    """(stdout, seconds, peak memory in bytes) of a child process; ends the benchmark when it fails."""
    begin = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode} of: {' '.join(map(str, command))}")
    return output, time.perf_counter() - begin, usage.ru_maxrss * 1024


def last_object(output):
    return json.loads(output.strip().splitlines()[-1]) if "\n{" in output.strip() else json.loads(output)


def figures_of(result):
    """The figures of one measurement by name: rates in tokens/s, times in ms, memory in MiB."""
    figures = {"load ms": result["load_ms"], "first token ms": result["first_token_ms"]}
    for entry in result["prefill"]:
        figures[f"prefill {entry['tokens']}"] = entry["tokens_per_s"]
    for entry in result["decode"]:
        name = f"decode b{entry['batch']}"
        figures |= {name: entry["tokens_per_s"], name + " p50 ms": entry["p50_ms"], name + " p99 ms": entry["p99_ms"]}
    return figures | {"peak MiB": result["peak_rss_bytes"] / 2**20}


class LlamaCpp:
    def __init__(self, options, name, model, kv):
        self.name, self.golden = name, golden_tokens()
        self.command = [options.peer_python, ROOT / "test/benchmark/peers/llama-cpp.py", model, "--kv", kv,
                        "--tokens", ROOT / "test/integration/golden/tokens.npy"]
        self.exact = kv == "f32"

    def measure(self, threads):
        result = last_object(run(self.command + ["--threads", threads])[0])
        # Quantised activations may choose another token later on; the first one is " Paris" all the same.
        count = CHECKED if self.exact else 1
        check_tokens(self.name, result["greedy"][:count], self.golden[:count])
        return figures_of(result)


class Muster:
    def __init__(self, options, ranks):
        self.name, self.ranks = f"muster tp={ranks}", ranks
        self.folder = options.build / "bench" / f"tp{ranks}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.plan = self.folder / "smollm2.plan"
        self.runner, self.compiler = options.bin / "muster-run", options.bin / "muster-compile"
        self.model = options.model

    def compile(self):
        for old in self.folder.iterdir():
            old.unlink()
        options = ["--mesh", f"tp={self.ranks}", "--target", "host", "-o", self.plan]
        _, seconds, memory = run([self.compiler, self.model, *options])
        rest = sum(f.stat().st_size for f in self.folder.iterdir() if f != self.plan)
        print(f"compile {self.name}: {seconds:.1f} s, peak {memory / 2**20:.0f} MiB, "
              f"plan {self.plan.stat().st_size:,} bytes, weights {rest:,} bytes", flush=True)

    def check(self):
        output = run([self.runner, self.plan, "--prompt", PROMPT, "--max-tokens", CHECKED, "--json"])[0]
        check_tokens(self.name, last_object(output)["results"][0]["tokens"], golden_tokens()[:CHECKED])

    def measure(self, threads):
        # Three ranks already are more threads than there are cores: one worker each.
        workers = threads if self.ranks == 1 else 1
        output = run([self.runner, self.plan, "--bench", "--json", "--threads", workers])[0]
        return check_complete(self.name, figures_of(last_object(output)))


def golden_tokens():
    document = json.loads((ROOT / "test/integration/golden/greedy.json").read_text())
    return next(r["tokens"] for r in document["results"] if r["prompt"] == PROMPT)


def check_complete(name, figures):
    missing = [key for key in GOALS if key not in figures]
    if missing:
        raise SystemExit(f"{name} does not measure {', '.join(missing)}: is its capacity too small for it?")
    return figures


def check_tokens(name, got, expected):
    if got != expected:
        raise SystemExit(f"{name} computes something else: expected tokens {expected} but got {got}")


def measure_all(contenders, threads, rounds):
    """Median figures by contender's name."""
    samples = {c.name: [] for c in contenders}
    for number in range(rounds):
        for contender in contenders:
            samples[contender.name].append(contender.measure(threads))
            print(f"round {number + 1} of {rounds}, {threads} thread(s): {contender.name}", file=sys.stderr, flush=True)
    return {name: {key: statistics.median(s[key] for s in all_) for key in all_[0]} for name, all_ in samples.items()}


def verdict(ratio, goal):
    return f"{ratio:>7.2f}x  goal {goal:.1f}x {'met' if ratio >= goal else 'MISSED'}"


def print_table(medians, threads):
    names = list(medians)
    print(f"\n{threads} thread(s); rates in tokens/s")
    both = "   muster tp=1 / llama.cpp f32" if "muster tp=1" in medians else ""
    print(f"{'':<18}" + "".join(f"{name:>16}" for name in names) + both)
    for key in medians[names[0]]:
        line = f"{key:<18}" + "".join(f"{medians[name][key]:>16.1f}" for name in names)
        if "muster tp=1" in medians:
            ratio = medians["muster tp=1"][key] / medians["llama.cpp f32"][key]
            line += "   " + (verdict(ratio, GOALS[key]) if key in GOALS else f"{ratio:>7.2f}x")
        print(line)
    if "muster tp=3" in medians:
        print("three ranks on two cores to one rank with two workers:")
        for key in GOALS:
            print(f"  {key:<16}" + verdict(medians["muster tp=3"][key] / medians["muster tp=1"][key], TP3_GOAL))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--peer-python", default=ROOT / "build/venv-bench/bin/python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--peers-only", action="store_true", help="leave Muster out")
    parser.add_argument("--json", type=pathlib.Path, help="also write the medians here")
    options = parser.parse_args()
    options.model = options.build / "models/SmolLM2-135M-Instruct.Q4_1.gguf"

    widened = options.build / "models/SmolLM2-135M-Instruct.F32.gguf"
    peers = [LlamaCpp(options, "llama.cpp f32", widened, "f32"),
             LlamaCpp(options, "llama.cpp Q4_1", options.model, "f16")]
    ranks = [] if options.peers_only else [Muster(options, 1), Muster(options, 3)]
    machine = f"{os.cpu_count()} CPUs ({platform.machine()})"
    print(f"SmolLM2-135M-Instruct on {machine}, medians of {options.rounds} rounds", flush=True)
    if os.getloadavg()[0] > 0.5:
        print(f"load average {os.getloadavg()[0]:.1f}: other programs are running, the figures mean little")
    for muster in ranks:
        muster.compile()
        muster.check()
    report = {}
    for threads in map(int, options.threads.split(",")):
        # F32 llama.cpp and Muster stand side by side in time.
        contenders = peers[:1] + [m for m in ranks if m.ranks == 1 or threads > 1] + peers[1:]
        report[threads] = measure_all(contenders, threads, options.rounds)
        print_table(report[threads], threads)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
