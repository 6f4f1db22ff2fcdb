#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Judges greedy continuations of SmolLM2 against those of float64: exits 1 on a token that differs where it must not.

    check-greedy.py results.json [golden/greedy.json]
    check-greedy.py --write-prompts prompts.json

results.json is what `muster-run --json` prints: {"results": [{"prompt_tokens": [...], "tokens": [...]}, ...]}, one
for each golden prompt, in any order; `tokens` holds the new tokens only. A token has to be equal wherever the float64
margin of the first over the second is above the tolerance: 2 x 3 times the greatest logit error of transformers in
float32 (two logits may each be off by 3 times that). Where the margin is below it the other token is listed as an
exception and the rest of that prompt, which now continues another text, is not compared. A result may also end where
the model's stop token comes (`muster-run` without `--ignore-stop`). `--write-prompts` writes the prompts' texts as a
JSON list. Standard library alone.
"""
import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def stopped(want, stop, count):
    """Whether `count` tokens end at a stop token, with it or before it."""
    return stop in want and count in (want.index(stop), want.index(stop) + 1)


def judge(golden, got, tolerance, stop):
    """(failure or None, exception or None, tokens compared) of one prompt."""
    want, margins = golden["tokens"], golden["margins"]
    if stopped(want, stop, len(got)):
        want = want[: len(got)]
    if len(got) != len(want):
        return f"expected {len(want)} tokens but got {len(got)}", None, 0
    for step, (expected, actual) in enumerate(zip(want, got)):
        if expected == actual:
            continue
        text = f"step {step}: expected {expected} but got {actual}, margin {margins[step]:.5f}"
        return (text, None, step) if margins[step] > tolerance else (None, text, step)
    return None, None, len(want)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?")
    parser.add_argument("golden", nargs="?", default=HERE / "golden" / "greedy.json")
    parser.add_argument("--write-prompts")
    options = parser.parse_args()
    golden = json.loads(pathlib.Path(options.golden).read_text())
    if options.write_prompts:
        pathlib.Path(options.write_prompts).write_text(json.dumps([r["prompt"] for r in golden["results"]]))
        return 0
    document = json.loads(pathlib.Path(options.results).read_text())
    results = {tuple(r["prompt_tokens"]): r["tokens"] for r in document["results"]}
    limits = golden["tolerance"], golden["stop"]
    failures, exceptions, compared = [], [], 0
    for entry in golden["results"]:
        name = f"prompt {entry['prompt'][:32]!r} ({len(entry['prompt_tokens'])} tokens)"
        got = results.get(tuple(entry["prompt_tokens"]))
        verdict = ("has no result", None, 0) if got is None else judge(entry, got, *limits)
        failure, exception, count = verdict
        compared += count
        failures += [f"{name}: {failure}"] if failure else []
        exceptions += [f"{name}: {exception}"] if exception else []
    for line in exceptions:
        print("exception (margin within the tolerance):", line)
    for line in failures:
        print("wrong:", line)
    counts = f"{compared} tokens equal, {len(exceptions)} exceptions, {len(failures)} wrong"
    print(f"{counts}, tolerance {golden['tolerance']:.5f}")
    return 1 if failures or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
