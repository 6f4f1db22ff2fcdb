#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures data-parallel attention beside two processes that know nothing of each other, on SmolLM2-135M.

Two prompts on two cores: served by one plan for `dp=2` (one thread a rank), or each by its own process with a plan for one rank and one
thread, on CPUs of its own, started together. A round runs the one and then the other; a figure is the median over the rounds. Speed is tokens a second from
the first step to the last, of both prompts together: for two processes the sum of what each says.

Decode reads every weight once a step and rank: two processes read the feed-forward's twice that dp=2 divides. Before the figures count,
all contenders have to give the same tokens. tools/quickstart.sh fetches the model and builds the tools."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOAL = 0.9
TEXT = "The history of the world is the history of its rivers, harbours and roads, and of those who drew the maps. "
WORKLOADS = {
    "decode": (["The capital of France is", "The largest planet is"], 96),
    "prefill": ([TEXT * 20 + "One", TEXT * 20 + "Two"], 1),
    "prefill and decode": ([TEXT * 8 + "One", TEXT * 8 + "Two"], 48),
}


def start(runner, plan, prompts, tokens, cpus=None):
    """`cpus`: where the process may run; a plan's threads stay on the first of them."""
    command = [runner, plan, "--max-tokens", tokens, "--threads", 1, "--ignore-stop", "--json"]
    for prompt in prompts:
        command += ["--prompt", prompt]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True,
                            preexec_fn=cpus and (lambda: os.sched_setaffinity(0, cpus)))


def finish(child):
    """(tokens of every prompt, tokens a second)."""
    output, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode} of: {' '.join(child.args)}")
    answer = json.loads(output.strip().splitlines()[-1])
    stats = answer["stats"]
    return [r["tokens"] for r in answer["results"]], (stats["prompt_tokens"] + stats["new_tokens"]) / stats["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench/dp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="also write the medians here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    plans = {}
    for mesh in ("tp=1", "dp=2"):
        plans[mesh] = options.folder / f"{mesh.replace('=', '')}.plan"
        subprocess.run([options.bin / "muster-compile", options.model, "--mesh", mesh, "-o", plans[mesh]], check=True,
                       stdout=subprocess.DEVNULL)
    if os.getloadavg()[0] > 0.5:
        print(f"load average {os.getloadavg()[0]:.1f}: other programs are running, the figures mean little")
    runner = options.bin / "muster-run"
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit(f"expected two CPUs but got {len(cpus)}")
    halves = cpus[:len(cpus) // 2], cpus[len(cpus) // 2:]
    report = {}
    for name, (prompts, tokens) in WORKLOADS.items():
        together, apart, ratios = [], [], []
        for number in range(options.rounds + 1):
            texts, speed = finish(start(runner, plans["dp=2"], prompts, tokens))
            children = [start(runner, plans["tp=1"], [prompt], tokens, part) for prompt, part in zip(prompts, halves)]
            alone = [finish(child) for child in children]
            if texts != [one for result, _ in alone for one in result]:
                raise SystemExit(f"{name}: dp=2 computes something else: expected tokens {alone} but got {texts}")
            if number == 0:
                continue  # files come into the page cache
            together.append(speed)
            apart.append(sum(one for _, one in alone))
            ratios.append(speed / apart[-1])
        report[name] = {"dp=2": statistics.median(together), "two processes": statistics.median(apart),
                        "ratio": statistics.median(ratios)}
        met = "met" if report[name]["ratio"] >= GOAL else "MISSED"
        print(f"{name:<20} dp=2 {report[name]['dp=2']:>8.1f} tokens/s   two processes {report[name]['two processes']:>8.1f} tokens/s   "
              f"{report[name]['ratio']:.2f}x (from {min(ratios):.2f} to {max(ratios):.2f})  goal {GOAL:.1f}x {met}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
