# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compare-batch.py PLAN PROMPTS.json [options of muster-run]: every prompt of a batch gets the tokens that it gets alone."""
import json
import subprocess
import sys


def run(plan, *options):
    output = subprocess.run(["muster-run", plan, "--json", "--max-tokens", "17", *options], check=True, capture_output=True)
    return [r["tokens"] for r in json.loads(output.stdout)["results"]]


plan, path, options = sys.argv[1], sys.argv[2], sys.argv[3:]
prompts = ["a", "hello", "the other theatre, then", "x" * 70, "one\ntwo\n\nthree", "7", "now and then " * 4]
with open(path, "w") as file:
    json.dump(prompts, file)
together = run(plan, "--prompts", path, *options)
for prompt, tokens in zip(prompts, together, strict=True):
    alone = run(plan, "--prompt", prompt, *options)[0]
    if tokens != alone or not tokens:
        sys.exit(f"{prompt!r}: expected {alone} but got {tokens}")
