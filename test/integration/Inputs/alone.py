# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""alone.py PLAN PROMPTS.json [options of muster-run]: every prompt of a batch gets the tokens that it gets alone."""
import json
import pathlib
import subprocess
import sys
import tempfile


def run(prompts):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "prompts.json"
        path.write_text(json.dumps(prompts))
        command = ["muster-run", plan, "--prompts", str(path), "--max-tokens", "16", "--ignore-stop", "--json", *options]
        output = subprocess.run(command, check=True, capture_output=True).stdout
    return [r["tokens"] for r in json.loads(output)["results"]]


plan, prompts, options = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3:]
together = run(prompts)
for prompt, tokens in zip(prompts, together, strict=True):
    alone = run([prompt])[0]
    if tokens != alone or len(tokens) != 16:
        sys.exit(f"{prompt[:40]!r}: expected {alone} but got {tokens}")
